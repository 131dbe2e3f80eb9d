# SPDX-License-Identifier: GPL-2.0-or-later
# libfederation: the pure part of federation; no I/O, no clock, no Slurm.
noinst_LTLIBRARIES += libfederation.la
libfederation_la_SOURCES = \
	federation/array_tasks.c \
	federation/array_tasks.h \
	federation/broker_check.c \
	federation/broker_check.h \
	federation/broker_home.c \
	federation/broker_home.h \
	federation/options.c \
	federation/options.h \
	federation/options_tag.c
libfederation_la_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)

check_PROGRAMS += federation/test/test_options
federation_test_test_options_SOURCES = federation/test/test_options.c
federation_test_test_options_LDADD = libfederation.la $(test_libs)

# libbundle: files of a job as blobs.
noinst_LTLIBRARIES += libbundle.la
libbundle_la_SOURCES = \
	federation/bundle.h \
	federation/bundle_fingerprint.c \
	federation/bundle_seen.c \
	federation/bundle_seen.h \
	federation/bundle_match.c \
	federation/bundle_match.h \
	federation/bundle_pack.c \
	federation/bundle_unpack.c \
	federation/digest.c \
	federation/digest.h \
	federation/tree.c \
	federation/tree.h
libbundle_la_CFLAGS = $(AM_CFLAGS) $(ARCHIVE_CFLAGS) $(GNUTLS_CFLAGS) $(ZSTD_CFLAGS)
libbundle_la_LIBADD = libcommon.la $(ARCHIVE_LIBS) $(GNUTLS_LIBS) $(ZSTD_LIBS)

check_PROGRAMS += federation/test/test_bundle
federation_test_test_bundle_SOURCES = federation/test/test_bundle.c
federation_test_test_bundle_CFLAGS = $(AM_CFLAGS) $(ARCHIVE_CFLAGS)
federation_test_test_bundle_LDADD = libbundle.la $(test_libs) $(ARCHIVE_LIBS)

# rain-brokerd: the privileged hand on Slurm.
sbin_PROGRAMS += rain-brokerd
rain_brokerd_SOURCES = \
	federation/broker.c \
	federation/broker_array.c \
	federation/broker_capacity.c \
	federation/broker_guest.c \
	federation/broker_harden.c \
	federation/broker_harden.h \
	federation/broker_load.c \
	federation/broker_move.c \
	federation/broker_queue.c \
	federation/broker_slurm.c \
	federation/broker_slurm.h \
	federation/broker_subject.c \
	federation/broker_subject.h \
	federation/broker_time.c \
	federation/broker_worker.c \
	federation/broker_worker.h
rain_brokerd_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS) $(EVENT_CFLAGS)
rain_brokerd_LDADD = libfederation.la libscheduler.la librpc.la $(JANSSON_LIBS) $(EVENT_LIBS) $(SLURM_LIBS)

check_PROGRAMS += federation/test/test_broker
federation_test_test_broker_SOURCES = federation/test/test_broker.c
federation_test_test_broker_LDADD = libfederation.la $(test_libs)

include federation/guest.mk
include federation/mind.mk
include federation/wire.mk
