# SPDX-License-Identifier: GPL-2.0-or-later
# Both ends of a burst job: rain-relay at home, rain-agent and its sandbox on
# the lender.

# liblocal: the client of the cluster's own gateway.
noinst_LTLIBRARIES += liblocal.la
liblocal_la_SOURCES = \
	federation/limits.h \
	federation/local_blob.c \
	federation/local_http.c \
	federation/local_http.h \
	federation/local_transfer.h
liblocal_la_CFLAGS = $(AM_CFLAGS) $(CURL_CFLAGS) $(JANSSON_CFLAGS) -pthread
liblocal_la_LIBADD = libbundle.la libcommon.la $(CURL_LIBS) $(JANSSON_LIBS) -lpthread

rain_PROGRAMS += rain-sandbox
rain_sandbox_SOURCES = \
	federation/environment.c \
	federation/environment.h \
	federation/sandbox.c \
	federation/sandbox.h \
	federation/sandbox_argv.c \
	federation/sandbox_inside.c
rain_sandbox_LDADD = libcommon.la
