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
