# SPDX-License-Identifier: GPL-2.0-or-later
# libburst: what the messages about bursts mean; pure, like libfederation.
noinst_LTLIBRARIES += libburst.la
libburst_la_SOURCES = \
	federation/burst.c federation/burst.h \
	federation/exit_report.c \
	federation/loan.c federation/loan.h \
	federation/manifest.c \
	federation/message.c federation/message.h \
	federation/receipt.c federation/receipt.h
libburst_la_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS) $(SODIUM_CFLAGS)

# libmind: the same in rain-gatewayd, with everything that waits and acts.
noinst_LTLIBRARIES += libmind.la
libmind_la_SOURCES = \
	federation/agent_face.c \
	federation/array.c \
	federation/ask.c \
	federation/ask_memory.c \
	federation/bursts_ops.c \
	federation/candidates.c federation/candidates.h \
	federation/faces.c federation/faces.h \
	federation/fetch.c \
	federation/home.c \
	federation/history.c \
	federation/home_work.c \
	federation/job_face.c \
	federation/lender.c \
	federation/lender_ask.c \
	federation/lender_decide.c \
	federation/lender_internal.h \
	federation/lender_lease.c \
	federation/lender_room.c \
	federation/lender_terms.c \
	federation/ban.c \
	federation/owner_ops.c \
	federation/lender_work.c \
	federation/load.c federation/load_rows.c \
	federation/mind.c federation/mind.h \
	federation/mind_live.c \
	federation/mind_messages.c \
	federation/pass.c federation/pass_peers.c \
	federation/policy.c federation/policy.h \
	federation/queue.c \
	federation/row.c federation/row.h \
	federation/settle.c federation/settle.h federation/dispute.c \
	federation/standing.c \
	federation/stream.c \
	federation/stream_input.c \
	federation/stream_move.c \
	federation/system.c federation/system.h \
	federation/waiter.c
libmind_la_CFLAGS = $(AM_CFLAGS) $(EVENT_CFLAGS) $(JANSSON_CFLAGS) $(PQ_CFLAGS) $(SODIUM_CFLAGS)
libmind_la_LIBADD = libburst.la libscheduler.la

rain_PROGRAMS += rain-bursts
rain_bursts_SOURCES = federation/rain_bursts.c federation/command.c federation/command.h
rain_bursts_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
rain_bursts_LDADD = libcommon.la $(JANSSON_LIBS)

dist_sql_DATA += federation/sql/0011-bursts.sql federation/sql/0055-policy.sql \
	federation/sql/0060-loan-agent.sql federation/sql/0061-endings.sql \
	federation/sql/0062-direct.sql federation/sql/0098-disputes.sql

check_PROGRAMS += federation/test/test_message federation/test/test_burst federation/test/test_loan \
	federation/test/test_receipt
federation_test_test_message_SOURCES = federation/test/test_message.c
federation_test_test_message_LDADD = libburst.la $(test_libs)
federation_test_test_burst_SOURCES = federation/test/test_burst.c
federation_test_test_burst_LDADD = libburst.la $(test_libs)
federation_test_test_loan_SOURCES = federation/test/test_loan.c
federation_test_test_loan_LDADD = libburst.la $(test_libs)
federation_test_test_receipt_SOURCES = federation/test/test_receipt.c
federation_test_test_receipt_CFLAGS = $(AM_CFLAGS) $(SODIUM_CFLAGS)
federation_test_test_receipt_LDADD = libburst.la libpeer.la $(test_libs) $(SODIUM_LIBS)

# One decision over 10,000 pending jobs and 100 peers, from the broker's bytes on.
EXTRA_PROGRAMS += federation/test/bench_decide
CLEANFILES += federation/test/bench_decide
federation_test_bench_decide_SOURCES = federation/test/bench_decide.c
federation_test_bench_decide_CFLAGS = $(wire_cflags)
federation_test_bench_decide_LDADD = libmind.la libwire.la
bench-decide: federation/test/bench_decide
	federation/test/bench_decide
.PHONY: bench-decide

# rain-gatewayd with an owner who cheats, for tests/75-liar.bats.
noinst_PROGRAMS += federation/test/lying_gatewayd
federation_test_lying_gatewayd_SOURCES = federation/gatewayd.c federation/test/lying_gatewayd.c
federation_test_lying_gatewayd_CFLAGS = $(wire_cflags)
federation_test_lying_gatewayd_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=rain_receipt_sign \
	-Wl,--wrap=rain_receipt_amount -Wl,--wrap=rain_mailbox_post -Wl,--wrap=rain_mind_price \
	-Wl,--wrap=rain_exit_report_parse -Wl,--wrap=rain_manifest_parse \
	-Wl,--wrap=rain_http_date -Wl,--wrap=rain_peers_own_card
federation_test_lying_gatewayd_LDADD = libmind.la libwire.la
