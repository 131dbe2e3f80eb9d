# SPDX-License-Identifier: GPL-2.0-or-later
dist_sql_DATA += accounting/sql/0001-ledger.sql accounting/sql/0002-job-runs.sql

# libaccounting: pure. Who links it links libcommon too.
noinst_LTLIBRARIES += libaccounting.la libledger.la
libaccounting_la_SOURCES = \
	accounting/period.c accounting/period.h \
	accounting/record.c accounting/record.h
libaccounting_la_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)

# libledger: what rain-ledgerd does, without its loop.
libledger_la_SOURCES = \
	accounting/intake.c accounting/intake.h \
	accounting/pricing.c accounting/pricing.h \
	accounting/spool.c accounting/spool.h \
	accounting/store.c accounting/store.h
libledger_la_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS) $(PQ_CFLAGS)
libledger_la_LIBADD = libaccounting.la libscheduler.la libhostlist.la $(PQ_LIBS)

sbin_PROGRAMS += rain-ledgerd
rain_ledgerd_SOURCES = accounting/ledgerd.c accounting/ledgerd.h accounting/ledgerd_ops.c
rain_ledgerd_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS) $(EVENT_CFLAGS)
rain_ledgerd_LDADD = libledger.la librpc.la $(EVENT_LIBS)

rain_PROGRAMS += rain-migrate rain-balance rain-report rain-grant
rain_migrate_SOURCES = accounting/migrate.c accounting/migrations.c accounting/migrations.h
rain_migrate_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS) $(PQ_CFLAGS) $(SODIUM_CFLAGS)
rain_migrate_LDADD = libcommon.la $(PQ_LIBS) $(SODIUM_LIBS)
rain_balance_SOURCES = accounting/rain_balance.c accounting/client.c accounting/client.h
rain_balance_LDADD = libcommon.la
rain_grant_SOURCES = accounting/rain_grant.c accounting/client.c accounting/client.h
rain_grant_LDADD = libcommon.la
rain_report_SOURCES = accounting/rain_report.c accounting/client.c accounting/client.h
rain_report_LDADD = libaccounting.la libcommon.la
