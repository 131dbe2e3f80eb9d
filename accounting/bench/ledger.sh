#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# How fast the ledger is, beside pgbench's TPC-B on the same server in the same run.
# Called by `make bench-ledger`; no part of `make check`.
#
#   BENCH_SECONDS  of each measurement (default 10)
#   BENCH_RUNS     job runs for the reports (default 10000000; 0: leave them out)
#   BENCH_TRANSFERS  transfers for the statements (default 2000000)
# shellcheck disable=SC2034 # for pg_start
pg_options='-c max_connections=100 -c max_wal_size=4GB' # as the server comes, fsync included
. "${srcdir:-.}/accounting/test/postgres.sh"
pg_create
pgbench=$pg_bin/pgbench
[ -x "$pgbench" ] || skip "pgbench isn't installed"
seconds=${BENCH_SECONDS:-10}
runs=${BENCH_RUNS:-10000000}
transfers=${BENCH_TRANSFERS:-2000000}
failed=0

# measure CLIENTS ARGUMENT...: sets $tps (scripts a second) and $latencies (ms)
measure() {
	local clients=$1 out
	shift
	rm -f "$work"/log.*
	out=$(cd "$work" && "$pgbench" -U postgres -n -T "$seconds" -c "$clients" -j 2 -l --log-prefix=log "$@" 2>&1) ||
		fail "pgbench: $out"
	tps=$(sed -n 's/^tps = \([0-9.]*\).*/\1/p' <<<"$out")
	latencies=$(cut -d ' ' -f 3 "$work"/log.* | sort -n | awk '{ v[NR] = $1 / 1000 }
		END { printf "%.2f %.2f %.2f", v[int(NR * .5) + 1], v[int(NR * .99) + 1], v[int(NR * .999) + 1] }')
}

line() { # what clients rate unit
	local p50 p99 p999
	read -r p50 p99 p999 <<<"$latencies"
	printf '%-42s %3s clients %9.0f %-7s p50 %8s  p99 %8s  p99.9 %8s ms\n' "$1" "$2" "$3" "$4" "$p50" "$p99" "$p999"
}

budget() { # what value at-least|at-most bound
	local verdict=met
	awk -v v="$2" -v b="$4" -v s="$3" 'BEGIN { exit !(s == "at-least" ? v >= b : v <= b) }' || { verdict=MISSED failed=1; }
	printf '  %-60s %10.2f  (%s %s: %s)\n' "$1" "$2" "${3/-/ }" "$4" $verdict
}

scripts() {
	cat >"$work/single" <<-'SQL'
		\set u :user0 + random(0, 999)
		\set p :peer0 + random(0, 19)
		\set r random(1, 9000000000000000000)
		SELECT ledger.hold_create(md5('h' || :r)::uuid, :u, :p, 1000, '');
		SELECT ledger.hold_post(md5('h' || :r)::uuid, md5('p' || :r)::uuid, 900);
	SQL
	sed 's/^\\set u .*/\\set u :user0/' "$work/single" >"$work/single-hot"
	cat >"$work/batch" <<-'SQL'
		\set r random(1, 9000000000000000000)
		SELECT count(*) FROM ledger.hold_batch(ARRAY(SELECT md5('h' || :r || '-' || i)::uuid FROM generate_series(1, 1000) i), ARRAY(SELECT :user0 + (:r + i) % 1000 FROM generate_series(1, 1000) i), ARRAY(SELECT :peer0 + (:r + i) % 20 FROM generate_series(1, 1000) i), array_fill(1000::bigint, ARRAY[1000]));
		SELECT count(*) FROM ledger.post_batch(ARRAY(SELECT md5('h' || :r || '-' || i)::uuid FROM generate_series(1, 1000) i), ARRAY(SELECT md5('p' || :r || '-' || i)::uuid FROM generate_series(1, 1000) i), array_fill(900::bigint, ARRAY[1000]));
	SQL
	sed 's/:user0 + (:r + i) % 1000/:user0::bigint/' "$work/batch" >"$work/batch-hot"
}

accounts() {
	sql rain "SELECT count(ledger.account_ensure_user('u' || i)) FROM generate_series(1, 10000) i" >/dev/null
	sql rain-gw "SELECT count(ledger.account_ensure_peer('p' || i, 1000000000000000000)) FROM generate_series(1, 20) i" >/dev/null
	sql rain "SELECT count(ledger.grant_tokens(ledger.account_id('user:u' || i), 1000000000000000, '', gen_random_uuid()))
		FROM generate_series(1, 10000) i" >/dev/null
	user0=$(sql rain "SELECT ledger.account_id('user:u1')")
	peer0=$(sql rain "SELECT ledger.account_id('peer:p1')")
}

speed() {
	local tpcb=() single=() clients batch hot_single
	psql -XqAt -U postgres -d postgres -c 'CREATE DATABASE tpcb'
	"$pgbench" -U postgres -i -q -s 10 tpcb >/dev/null 2>&1 || fail "pgbench -i"
	psql -XqAt -U postgres -d rain -c 'VACUUM ANALYZE'
	for clients in 1 16 64; do
		measure $clients tpcb
		tpcb[clients]=$tps
		line "TPC-B" $clients "$tps" tx/s
		measure $clients -M prepared -D user0="$user0" -D peer0="$peer0" -f "$work/single" rain
		single[clients]=$tps
		line "hold + post, two commits" $clients "$tps" jobs/s
	done
	measure 16 -M prepared -D user0="$user0" -D peer0="$peer0" -f "$work/single-hot" rain
	hot_single=$tps
	line "hold + post, one account" 16 "$tps" jobs/s
	measure 4 -D user0="$user0" -D peer0="$peer0" -f "$work/batch" rain
	batch=$(awk -v t="$tps" 'BEGIN { print t * 1000 }')
	line "hold + post, batches of 1000" 4 "$batch" jobs/s
	measure 4 -D user0="$user0" -D peer0="$peer0" -f "$work/batch-hot" rain
	line "hold + post, batches, one account" 4 "$(awk -v t="$tps" 'BEGIN { print t * 1000 }')" jobs/s
	echo
	budget "single jobs, share of TPC-B, 16 clients" "$(awk -v a="${single[16]}" -v b="${tpcb[16]}" 'BEGIN { print a / b }')" at-least 1.0
	budget "batched jobs, share of TPC-B" "$(awk -v a="$batch" -v b="${tpcb[16]}" 'BEGIN { print a / b }')" at-least 3.5
	budget "single jobs of one account, share of spread" "$(awk -v a="$hot_single" -v b="${single[16]}" 'BEGIN { print a / b }')" at-least 0.5
	budget "batched jobs of one account, share of spread" "$(awk -v a="$tps" -v b="$batch" 'BEGIN { print a * 1000 / b }')" at-least 0.5
}

# Ten thousand users' runs, thirty days of them, written past the triggers.
fill() {
	psql -XqAt -v ON_ERROR_STOP=1 -U postgres -d rain <<-SQL || fail "the data set can't be made"
		SET session_replication_role = replica;
		SET synchronous_commit = off;
		INSERT INTO ledger.job_run (cluster, slurm_job_id, submit_time, restart, recorded_at, user_name, account,
		        partition, qos, job_name, state, exit_code, exit_signal, start_time, end_time, nodes, node_count,
		        cpus, core_ms, place, price, unpaid, record_seq)
		    SELECT 'alpha', 1 + i % 4000000000, e - 700, 0, to_timestamp(e), 'u' || 1 + i * 7919 % 10000, '', 'trainer',
		           'normal', 'job', 'COMPLETED', 0, 0, e - 600, e, 'node1', 1, 4, 2400000, 'home', 0, 0, i + 1
		      FROM (SELECT i, 1759276800 + i * 2592000 / $runs AS e FROM generate_series(0::bigint, $runs - 1) i) x;
		INSERT INTO ledger.transfer (idem, code, debit, credit, amount, posted_at)
		    SELECT lpad(to_hex(i), 32, '0')::uuid, 'charge', $user0 + i * 7919 % 10000,
		           (SELECT account_id FROM ledger.account WHERE name = 'system:use'), 1,
		           timestamptz '2025-10-01 UTC' + i * interval '30 days' / $transfers
		      FROM generate_series(0::bigint, $transfers - 1) i;
		SET session_replication_role = origin;
		SELECT ledger.usage_rebuild();
		VACUUM ANALYZE;
	SQL
}

best_of() { # STATEMENT: the middle of five, in ms, all rows fetched
	for _ in 1 2 3 4 5; do
		PGUSER=rain psql -XqAt -d rain -c '\timing on' -c "$1" | sed -n 's/^Time: \([0-9.]*\) ms.*/\1/p'
	done | sort -n | sed -n 3p
}

reports() {
	local october=1759276800 # 2025-10-01, when the month begins
	fill
	echo
	budget "a month by user over $runs runs, ms" \
		"$(best_of "SELECT * FROM ledger.usage_by($october, $october + 2592000, 'user')")" at-most 300
	budget "the same from 7 seconds later on, ms" \
		"$(best_of "SELECT * FROM ledger.usage_by($october + 7, $october + 2592000, 'user')")" at-most 300
	budget "one user's month by day, ms" \
		"$(best_of "SELECT * FROM ledger.usage_by($october, $october + 2592000, 'day', 'u77')")" at-most 300
	budget "a statement of one user of 10000, $transfers transfers, ms" \
		"$(best_of "SELECT * FROM ledger.statement('user:u77', '2025-10-01 UTC', '2025-11-01 UTC', 10000)")" at-most 50
}

accounts
scripts
speed
[ "$runs" = 0 ] || reports
[ -z "$(sql rain "SELECT * FROM ledger.check_invariants() WHERE invariant = 'all accounts together are worth 0'")" ] ||
	[ "$runs" != 0 ] || fail "the ledger is not sound after the bench"
exit $failed
