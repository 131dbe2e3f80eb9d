#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# How fast a backlog of job records is booked, and how much memory that takes.
#
#   make bench-drain [N=RECORDS] [USERS=USERS [RATE=HOME-RATE]]
. "${srcdir:-.}/accounting/bench/bench.sh"
records=${1:-100000} users=${2:-100} rate=${3:-0}
spool=$work/spool
mkdir "$spool"
cat >"$work/rain.conf" <<CONF
cluster { name = "alpha" }
ledger {
	database = "dbname=rain host=$work/pg user=rain"
	spool = "$spool"
	socket = "$work/ledger.sock"
	home-rate = "$rate"
}
node-type "mark2" { nodes = "node[1-8]" mflops-per-core = 1000 }
CONF
accounting/test/spool_fill "$spool" "$records" 1 "$users" || fail "spool_fill"
sync -f "$spool" # as jobcomp_rain leaves them
if [ "$users" -gt 0 ]; then # all have tokens: every run is charged
	sql rain "SELECT count(ledger.grant_tokens(ledger.account_ensure_user('user' || n), 1000000000000, 'bench',
		md5(n::text)::uuid)) FROM generate_series(0, $users - 1) n" >/dev/null
fi
empty() { [ "$(sql rain "SELECT count(*) FROM ledger.usage_report(0, 2000000000, 'place', NULL) WHERE runs >= $records")" = 1 ]; }
begin=$(date +%s.%N)
./rain-ledgerd --config "$work/rain.conf" 2>"$work/log" &
ledgerd=$!
end=$((SECONDS + 900))
until drained; do
	[ $SECONDS -lt $end ] || fail "not drained within 900 s: $(tail -n 3 "$work/log")"
	sleep 0.2
done
finish=$(date +%s.%N)
# Seconds of processor time: what remains comparable on a busy machine.
cpu() { awk -v hz="$(getconf CLK_TCK)" '{ sub(/.*\) /, ""); s += ($12 + $13) / hz } END { print s + 0 }' "$@"; }
ours=$(cpu "/proc/$ledgerd/stat")
theirs=$(sql postgres "SELECT pid FROM pg_stat_activity WHERE usename = 'rain'" | sed 's|.*|/proc/&/stat|' | xargs -r cat | cpu)
empty || fail "records are missing in the ledger"
[ -z "$(sql rain 'SELECT * FROM ledger.check_invariants()')" ] || fail "the ledger is not sound"
memory=$(awk '/VmHWM/ { print $2 / 1024 }' "/proc/$ledgerd/status")
awk -v n="$records" -v u="$users" -v r="$rate" -v a="$begin" -v b="$finish" -v o="$ours" -v t="$theirs" 'BEGIN {
	printf "%d records of %d users at home rate %s in %.1f s\n", n, u, r, b - a
	printf "processor time a record: rain-ledgerd %.0f us, PostgreSQL %.0f us\n", o / n * 1e6, t / n * 1e6 }'
budget "records a second" "$(awk -v n="$records" -v a="$begin" -v b="$finish" 'BEGIN { print n / (b - a) }')" at-least 5000
budget "memory of rain-ledgerd at most, MB" "$memory" at-most 64
kill "$ledgerd"
wait "$ledgerd"
ledgerd=
exit $failed
