# SPDX-License-Identifier: GPL-2.0-or-later
# libfederation: the pure part of federation; no I/O, no clock, no Slurm.
noinst_LTLIBRARIES += libfederation.la
libfederation_la_SOURCES = \
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
	federation/bundle_match.c \
	federation/bundle_match.h \
	federation/bundle_pack.c \
	federation/bundle_unpack.c \
	federation/digest.c \
	federation/digest.h \
	federation/tree.c \
	federation/tree.h
libbundle_la_CFLAGS = $(AM_CFLAGS) $(ARCHIVE_CFLAGS) $(SODIUM_CFLAGS) $(ZSTD_CFLAGS)
libbundle_la_LIBADD = libcommon.la $(ARCHIVE_LIBS) $(SODIUM_LIBS) $(ZSTD_LIBS)

check_PROGRAMS += federation/test/test_bundle
federation_test_test_bundle_SOURCES = federation/test/test_bundle.c
federation_test_test_bundle_CFLAGS = $(AM_CFLAGS) $(ARCHIVE_CFLAGS)
federation_test_test_bundle_LDADD = libbundle.la $(test_libs) $(ARCHIVE_LIBS)
