# SPDX-License-Identifier: GPL-2.0-or-later
# libcommon: no event loop, so that small programs stay small.
noinst_LTLIBRARIES += libcommon.la librpc.la

libcommon_la_SOURCES = \
	common/cli.c common/cli.h \
	common/clock.c common/clock.h \
	common/config.c common/config.h \
	common/config_bank.c common/config_bank.h \
	common/config_lend.c common/config_lend.h \
	common/config_panel.c common/config_panel.h \
	common/config_priority.c common/config_priority.h \
	common/hours.c common/hours.h \
	common/error.c common/error.h \
	common/file.c common/file.h \
	common/json.c common/json.h \
	common/log.c common/log.h \
	common/munge_cred.c common/munge_cred.h \
	common/name.c \
	common/notify.c common/notify.h \
	common/process.c common/process.h \
	common/rpc_client.c common/rpc.h \
	common/table.c common/table.h \
	common/tokens.c common/tokens.h
libcommon_la_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS) $(CONFUSE_CFLAGS)
libcommon_la_LIBADD = $(JANSSON_LIBS) $(CONFUSE_LIBS) $(MUNGE_LIBS)

# librpc: the same calls on a libevent loop, for daemons.
librpc_la_SOURCES = \
	common/metrics_outlet.c common/metrics_outlet.h \
	common/rpc_async.c common/rpc_async.h \
	common/rpc_server.c common/rpc_server.h
librpc_la_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS) $(EVENT_CFLAGS)
librpc_la_LIBADD = libcommon.la $(EVENT_LIBS)

bin_PROGRAMS += rain
rain_SOURCES = common/rain.c
rain_LDADD = libcommon.la

check_PROGRAMS += common/test/test_tokens common/test/test_config common/test/test_hours common/test/test_rpc common/test/test_process common/test/test_table
common_test_test_tokens_SOURCES = common/test/test_tokens.c
common_test_test_tokens_LDADD = $(test_libs)
common_test_test_hours_SOURCES = common/test/test_hours.c
common_test_test_hours_LDADD = $(test_libs)
common_test_test_config_SOURCES = common/test/test_config.c
common_test_test_config_LDADD = $(test_libs)
common_test_test_rpc_SOURCES = common/test/test_rpc.c
common_test_test_rpc_LDADD = librpc.la $(test_libs) $(EVENT_LIBS)
common_test_test_process_SOURCES = common/test/test_process.c
common_test_test_process_LDADD = $(test_libs)
common_test_test_table_SOURCES = common/test/test_table.c
common_test_test_table_LDADD = $(test_libs)

# libhostlist: Slurm's host lists, for the programs that need them.
noinst_LTLIBRARIES += libhostlist.la
libhostlist_la_SOURCES = common/hostlist.c common/hostlist.h
libhostlist_la_LIBADD = libcommon.la $(SLURM_LIBS)

check_PROGRAMS += common/test/test_hostlist
common_test_test_hostlist_SOURCES = common/test/test_hostlist.c
common_test_test_hostlist_LDADD = libhostlist.la $(test_libs)
