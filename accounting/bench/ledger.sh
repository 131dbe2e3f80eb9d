#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# How fast the ledger is, beside pgbench's TPC-B on the same server in the same run.
# Called by `make bench-ledger`; no part of `make check`.
#
#   BENCH_SECONDS  of each measurement (default 10)
#
# Clients of rain-ledgerd wait, as those of two commits do, until the hold is durable, and
# again until the post is; rain-ledgerd makes their calls in groups.
. "${srcdir:-.}/accounting/bench/bench.sh"
pgbench=$pg_bin/pgbench
[ -x "$pgbench" ] || skip "pgbench isn't installed"
seconds=${BENCH_SECONDS:-10}

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

# as measure, but through rain-ledgerd's socket
measure_ledgerd() { # CLIENTS ARGUMENT...
	local clients=$1 out
	shift
	out=$(accounting/test/ledger_clients -c "$clients" -t "$seconds" -l "$work/took" "$@" "$work/ledger.sock" 2>&1) ||
		fail "ledger_clients: $out"
	tps=$(sed -n 's/^tps = //p' <<<"$out")
	latencies=$(sort -n "$work/took" | awk '{ v[NR] = $1 / 1000 }
		END { printf "%.2f %.2f %.2f", v[int(NR * .5) + 1], v[int(NR * .99) + 1], v[int(NR * .999) + 1] }')
}

line() { # what clients rate unit
	local p50 p99 p999
	read -r p50 p99 p999 <<<"$latencies"
	printf '%-42s %3s clients %9.0f %-7s p50 %8s  p99 %8s  p99.9 %8s ms\n' "$1" "$2" "$3" "$4" "$p50" "$p99" "$p999"
}

share() { awk -v a="$1" -v b="$2" 'BEGIN { print a / b }'; }

scripts() {
	cat >"$work/single" <<-'SQL'
		\set u :user0 + random(0, 999)
		\set p :peer0 + random(0, 19)
		\set r random(1, 9000000000000000000)
		SELECT ledger.hold_create(md5('h' || :r)::uuid, :u, :p, 1000, '');
		SELECT ledger.hold_post(md5('h' || :r)::uuid, md5('p' || :r)::uuid, 900);
	SQL
	sed 's/^\\set u .*/\\set u :user0/' "$work/single" >"$work/single-hot"
	# What a gateway has to say at one moment: a job ended, another one wants to start. Both
	# calls travel together and are committed together. Clients share peers, not users: who
	# posts for one user and holds for another while somebody else does it the other way
	# round would have to begin again.
	cat >"$work/pipeline" <<-'SQL'
		\set u :user0 + :client_id + 64 * random(0, 14)
		\set p :peer0 + random(0, 19)
		\set r random(1, 9000000000000000000)
		\if :old = 0
		SELECT ledger.hold_create(md5('h' || :r)::uuid, :u, :p, 1000, '');
		\else
		\startpipeline
		SELECT ledger.hold_post(md5('h' || :old)::uuid, md5('p' || :old)::uuid, 900);
		SELECT ledger.hold_create(md5('h' || :r)::uuid, :u, :p, 1000, '');
		\endpipeline
		\endif
		\set old :r
	SQL
	sed 's/^\\set u .*/\\set u :user0/' "$work/pipeline" >"$work/pipeline-hot"
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

start_ledgerd() {
	ledger_config "administrators = { \"$(id -un)\" }"
	./rain-ledgerd --config "$conf" 2>"$work/log" &
	ledgerd=$!
	wait_until test -S "$work/ledger.sock"
}

speed() {
	local tpcb=() single=() pipeline=() grouped=() clients batch hot_single hot_pipeline hot_grouped
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
		measure_ledgerd $clients
		grouped[clients]=$tps
		line "hold + post, through rain-ledgerd" $clients "$tps" jobs/s
		measure $clients -M prepared -D old=0 -D user0="$user0" -D peer0="$peer0" -f "$work/pipeline" rain
		pipeline[clients]=$tps
		line "post + next hold, pipeline, one commit" $clients "$tps" jobs/s
	done
	measure 16 -M prepared -D user0="$user0" -D peer0="$peer0" -f "$work/single-hot" rain
	hot_single=$tps
	line "hold + post, two commits, one account" 16 "$tps" jobs/s
	measure_ledgerd 16 -u 1
	hot_grouped=$tps
	line "through rain-ledgerd, one account" 16 "$tps" jobs/s
	measure 16 -M prepared -D old=0 -D user0="$user0" -D peer0="$peer0" -f "$work/pipeline-hot" rain
	hot_pipeline=$tps
	line "post + next hold, pipeline, one account" 16 "$tps" jobs/s
	measure 4 -D user0="$user0" -D peer0="$peer0" -f "$work/batch" rain
	batch=$(awk -v t="$tps" 'BEGIN { print t * 1000 }')
	line "hold + post, batches of 1000" 4 "$batch" jobs/s
	measure 4 -D user0="$user0" -D peer0="$peer0" -f "$work/batch-hot" rain
	line "hold + post, batches, one account" 4 "$(awk -v t="$tps" 'BEGIN { print t * 1000 }')" jobs/s
	echo
	for clients in 1 16 64; do
		budget "single jobs through rain-ledgerd, share of TPC-B, $clients clients" "$(share "${grouped[clients]}" "${tpcb[clients]}")" at-least 1.0
	done
	budget "single jobs, two commits, share of TPC-B, 16 clients" "$(share "${single[16]}" "${tpcb[16]}")" at-least 1.0
	for clients in 1 16 64; do
		budget "single jobs, one commit, share of TPC-B, $clients clients" "$(share "${pipeline[clients]}" "${tpcb[clients]}")" at-least 1.0
	done
	budget "batched jobs, share of TPC-B" "$(share "$batch" "${tpcb[16]}")" at-least 3.5
	budget "single jobs of one account, through rain-ledgerd, share of spread" "$(share "$hot_grouped" "${grouped[16]}")" at-least 0.5
	budget "single jobs of one account, two commits, share of spread" "$(share "$hot_single" "${single[16]}")" at-least 0.5
	budget "single jobs of one account, one commit, share of spread" "$(share "$hot_pipeline" "${pipeline[16]}")" at-least 0.5
	budget "batched jobs of one account, share of spread" "$(awk -v a="$tps" -v b="$batch" 'BEGIN { print a * 1000 / b }')" at-least 0.5
}

accounts
scripts
start_ledgerd
speed
[ -z "$(sql rain "SELECT * FROM ledger.check_invariants()")" ] || fail "the ledger is not sound after the bench"
exit $failed
