# SPDX-License-Identifier: GPL-2.0-or-later
dist_sql_DATA += accounting/sql/0001-ledger.sql accounting/sql/0002-job-runs.sql \
	accounting/sql/0020-projects.sql accounting/sql/0021-lots.sql \
	accounting/sql/0022-holds.sql accounting/sql/0023-rates.sql \
	accounting/sql/0024-usage.sql accounting/sql/0025-batches.sql \
	accounting/sql/0026-blocks.sql accounting/sql/0027-corrected.sql \
	accounting/sql/0028-usage-months.sql

dist_sql_DATA += accounting/sql/0050-reports.sql
dist_sql_DATA += accounting/sql/0051-balance-history.sql
dist_sql_DATA += accounting/sql/0080-sound-rows.sql
dist_sql_DATA += accounting/sql/0081-runs-at-once.sql
dist_sql_DATA += accounting/sql/0082-usage-edges.sql
dist_sql_DATA += accounting/sql/0083-usage-order.sql
dist_sql_DATA += accounting/sql/0097-groups.sql
dist_sql_DATA += accounting/sql/0115-refund-again.sql accounting/sql/0116-guards.sql \
	accounting/sql/0117-refund-actor.sql accounting/sql/0118-same-moment.sql \
	accounting/sql/0140-grant-once.sql accounting/sql/0141-same-moment.sql
dist_sql_DATA += accounting/sql/0100-fewer-looks.sql accounting/sql/0101-group-once.sql \
	accounting/sql/0102-same-key.sql
dist_sql_DATA += accounting/sql/0085-give-back.sql
dist_sql_DATA += accounting/sql/0086-seal-all.sql
dist_sql_DATA += accounting/sql/0087-policies.sql
dist_sql_DATA += accounting/sql/0088-lot-keys.sql
dist_sql_DATA += accounting/sql/0090-estimates.sql
dist_sql_DATA += accounting/sql/0096-runs-by-payer.sql

# libaccounting: pure. Who links it links libcommon too.
noinst_LTLIBRARIES += libaccounting.la libledger.la
libaccounting_la_SOURCES = \
	accounting/group.c accounting/group.h \
	accounting/period.c accounting/period.h \
	accounting/rates.c accounting/rates.h \
	accounting/record.c accounting/record.h \
	accounting/segment.c accounting/segment.h \
	accounting/snapshot.c accounting/snapshot.h
libaccounting_la_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS) $(ZLIB_CFLAGS)
libaccounting_la_LIBADD = $(ZLIB_LIBS)

# libledger: what rain-ledgerd does, without its loop.
libledger_la_SOURCES = \
	accounting/history.c accounting/history.h \
	accounting/intake.c accounting/intake.h \
	accounting/metrics.c accounting/metrics.h \
	accounting/policies.c accounting/policies.h \
	accounting/predictions.c accounting/predictions.h \
	accounting/pricing.c accounting/pricing.h \
	accounting/publish.c accounting/publish.h \
	accounting/rejected.c accounting/rejected.h \
	accounting/snapshot_copy.c accounting/snapshot_copy.h \
	accounting/snapshot_file.c accounting/snapshot_file.h \
	accounting/snapshot_map.c accounting/snapshot_map.h \
	accounting/spool_reader.c accounting/spool_reader.h \
	accounting/spool_writer.c accounting/spool_writer.h \
	accounting/store.c accounting/store.h
libledger_la_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS) $(PQ_CFLAGS)
libledger_la_LIBADD = libaccounting.la libscheduler.la libhostlist.la $(PQ_LIBS)

sbin_PROGRAMS += rain-ledgerd
rain_ledgerd_SOURCES = accounting/ledgerd.c accounting/ledgerd.h accounting/ledgerd_ops.c \
	accounting/ledgerd_accounts.c accounting/ledgerd_audit.c accounting/ledgerd_bank.c \
	accounting/ledgerd_checks.c accounting/ledgerd_checks.h accounting/ledgerd_grant.c \
	accounting/ledgerd_ask.c accounting/ledgerd_ask.h \
	accounting/ledgerd_group.c accounting/ledgerd_group.h accounting/ledgerd_hold.c \
	accounting/ledgerd_keep.c accounting/ledgerd_keep.h accounting/ledgerd_predict.c accounting/ledgerd_rejected.c accounting/ledgerd_report.c accounting/ledgerd_status.c
rain_ledgerd_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS) $(EVENT_CFLAGS)
rain_ledgerd_LDADD = libledger.la librpc.la $(EVENT_LIBS)

rain_PROGRAMS += rain-migrate rain-balance rain-report rain-grant rain-ledger
rain_migrate_SOURCES = accounting/migrate.c accounting/migrations.c accounting/migrations.h
rain_migrate_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS) $(PQ_CFLAGS) $(SODIUM_CFLAGS)
rain_migrate_LDADD = libcommon.la $(PQ_LIBS) $(SODIUM_LIBS)
rain_ledger_SOURCES = accounting/rain_ledger.c accounting/client.c accounting/client.h
rain_ledger_LDADD = libcommon.la

# The commands that show rows.
rain_PROGRAMS += rain-audit rain-reconcile rain-statement rain-transfer rain-refund rain-rate rain-account
show_sources = accounting/client.c accounting/client.h accounting/show.c accounting/show.h
rain_balance_SOURCES = accounting/rain_balance.c $(show_sources)
rain_balance_LDADD = libaccounting.la libcommon.la
rain_grant_SOURCES = accounting/rain_grant.c $(show_sources)
rain_grant_LDADD = libaccounting.la libcommon.la
rain_report_SOURCES = accounting/rain_report.c $(show_sources) \
	panel/ask.c panel/ask.h panel/report_nodes.c panel/report_nodes.h
rain_report_LDADD = libaccounting.la libpanel.la libhostlist.la libcommon.la
rain_audit_SOURCES = accounting/rain_audit.c $(show_sources)
rain_audit_LDADD = libaccounting.la libcommon.la
rain_reconcile_SOURCES = accounting/rain_reconcile.c $(show_sources)
rain_reconcile_LDADD = libaccounting.la libcommon.la $(SLURM_LIBS)
rain_statement_SOURCES = accounting/rain_statement.c $(show_sources)
rain_statement_LDADD = libaccounting.la libcommon.la
rain_transfer_SOURCES = accounting/rain_transfer.c $(show_sources)
rain_transfer_LDADD = libaccounting.la libcommon.la
rain_refund_SOURCES = accounting/rain_refund.c $(show_sources)
rain_refund_LDADD = libaccounting.la libcommon.la
rain_rate_SOURCES = accounting/rain_rate.c $(show_sources)
rain_rate_LDADD = libaccounting.la libcommon.la
rain_account_SOURCES = accounting/rain_account.c $(show_sources)
rain_account_LDADD = libaccounting.la libcommon.la

check_PROGRAMS += accounting/test/test_record accounting/test/test_rates accounting/test/test_pricing accounting/test/test_period accounting/test/test_migrations accounting/test/test_snapshot
accounting_test_test_record_SOURCES = accounting/test/test_record.c
accounting_test_test_record_LDADD = libaccounting.la $(test_libs)
accounting_test_test_rates_SOURCES = accounting/test/test_rates.c
accounting_test_test_rates_LDADD = libaccounting.la $(test_libs)
accounting_test_test_pricing_SOURCES = accounting/test/test_pricing.c
accounting_test_test_pricing_LDADD = libledger.la $(test_libs)
accounting_test_test_period_SOURCES = accounting/test/test_period.c
accounting_test_test_period_LDADD = libaccounting.la $(test_libs)
check_PROGRAMS += accounting/test/test_spool
accounting_test_test_spool_SOURCES = accounting/test/test_spool.c
accounting_test_test_spool_LDADD = libledger.la $(test_libs)
check_PROGRAMS += accounting/test/test_history
accounting_test_test_history_SOURCES = accounting/test/test_history.c
accounting_test_test_history_LDADD = libledger.la $(test_libs)
check_PROGRAMS += accounting/test/test_group
accounting_test_test_group_SOURCES = accounting/test/test_group.c
accounting_test_test_group_LDADD = libaccounting.la $(test_libs)
accounting_test_test_snapshot_SOURCES = accounting/test/test_snapshot.c
accounting_test_test_snapshot_LDADD = libledger.la $(test_libs) -lpthread
accounting_test_test_migrations_SOURCES = accounting/test/test_migrations.c accounting/migrations.c
accounting_test_test_migrations_CFLAGS = $(AM_CFLAGS) $(SODIUM_CFLAGS)
accounting_test_test_migrations_LDADD = $(test_libs) $(SODIUM_LIBS)

# Against a throw-away PostgreSQL; skipped where it isn't installed.
dist_check_SCRIPTS = accounting/test/test_ledger.sh accounting/test/test_ledgerd.sh \
	accounting/test/test_projects.sh accounting/test/test_lots.sh \
	accounting/test/test_rates.sh accounting/test/test_usage.sh \
	accounting/test/test_blocks.sh accounting/test/test_model.sh \
	accounting/test/test_policies.sh accounting/test/test_kill.sh \
	accounting/test/test_estimates.sh accounting/test/test_adversary.sh accounting/test/test_guards.sh \
	accounting/test/test_hung.sh
TESTS += $(dist_check_SCRIPTS)
EXTRA_DIST += accounting/test/postgres.sh accounting/test/ledgerd.sh accounting/test/populate.sh
check_LTLIBRARIES = accounting/test/kill_at.la
accounting_test_kill_at_la_SOURCES = accounting/test/kill_at.c
accounting_test_kill_at_la_CFLAGS = $(AM_CFLAGS) $(PQ_CFLAGS)
accounting_test_kill_at_la_LIBADD = $(PQ_LIBS)
accounting_test_kill_at_la_LDFLAGS = $(AM_LDFLAGS) -module -avoid-version -rpath /nowhere

# Records for a spool: for make bench-drain.
noinst_PROGRAMS += accounting/test/spool_fill
accounting_test_spool_fill_SOURCES = accounting/test/spool_fill.c
accounting_test_spool_fill_LDADD = libledger.la libcommon.la

# Callers of rain-ledgerd's socket: for tests and for make bench-ledger.
noinst_PROGRAMS += accounting/test/ledger_clients
accounting_test_ledger_clients_SOURCES = accounting/test/ledger_clients.c
accounting_test_ledger_clients_LDADD = libcommon.la

TESTS += accounting/test/test_commands.sh
EXTRA_DIST += accounting/test/test_commands.sh
# Started by test_model.sh, which brings its database.
noinst_PROGRAMS += accounting/test/model_clients
accounting_test_model_clients_SOURCES = accounting/test/model_clients.c \
	accounting/test/model.c accounting/test/model.h accounting/test/model_lots.c accounting/test/model_rates.c \
	accounting/test/model_play.c accounting/test/model_play.h accounting/test/model_race.c \
	accounting/test/model_sql.c accounting/test/model_sql.h
accounting_test_model_clients_CFLAGS = $(AM_CFLAGS) $(PQ_CFLAGS)
accounting_test_model_clients_LDADD = $(PQ_LIBS)
EXTRA_DIST += accounting/test/model-seeds
DISTCLEANFILES += accounting/test/model-failed

# Minutes of work and gigabytes of data: never part of the tests. doc/ledger-speed.md
# says what each measures and what came out.
EXTRA_DIST += accounting/bench/bench.sh accounting/bench/drain.sh accounting/bench/ledger.sh \
	accounting/bench/reports.sh accounting/bench/slurmdbd.sh accounting/bench/dbd_feed.c
bench-ledger: rain-migrate rain-ledgerd accounting/test/ledger_clients
	srcdir=$(srcdir) bash $(srcdir)/accounting/bench/ledger.sh
bench-reports: rain-migrate
	srcdir=$(srcdir) bash $(srcdir)/accounting/bench/reports.sh $(N)
bench-drain: rain-migrate rain-ledgerd accounting/test/spool_fill
	srcdir=$(srcdir) EACH=$(EACH) COLD=$(COLD) bash $(srcdir)/accounting/bench/drain.sh $(N) $(USERS) $(RATE)
bench-slurmdbd: rain-migrate rain-ledgerd accounting/test/spool_fill
	srcdir=$(srcdir) CC="$(CC)" SLURM_SOURCE="$(SLURM_SOURCE)" bash $(srcdir)/accounting/bench/slurmdbd.sh $(N)
.PHONY: bench-ledger bench-reports bench-drain bench-slurmdbd
