#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# How fast a backlog of job records is booked, and how much memory that takes.
#
#   make bench-drain [N=RECORDS] [USERS=USERS [RATE=HOME-RATE]] [EACH=RECORDS] [COLD=1]
#
# EACH: so many records in a segment, as when they came slowly (a segment is ended after five
# minutes); else segments are as large as they become. COLD: nothing of them is in memory when
# rain-ledgerd begins, as after days; this empties the caches of the whole machine (root).
. "${srcdir:-.}/accounting/bench/bench.sh"
records=${1:-100000} users=${2:-100} rate=${3:-0}
accounting/test/spool_fill "$spool" "$records" 1 "$users" "${EACH:-0}" || fail "spool_fill"
segments=$(find "$spool" -name '*.runs' | wc -l)
if [ -n "${COLD:-}" ]; then
	sync
	echo 3 >/proc/sys/vm/drop_caches || fail "only root can empty the machine's caches"
fi
ledger_config "home-rate = \"$rate\""
if [ "$users" -gt 0 ]; then # all have tokens: every run is charged
	sql rain "SELECT count(ledger.grant_tokens(ledger.account_ensure_user('user' || n), 1000000000000, 'bench',
		md5(n::text)::uuid)) FROM generate_series(0, $users - 1) n" >/dev/null
fi
complete() { [ "$(sql rain "SELECT count(*) FROM ledger.usage_report(0, 2000000000, 'place', NULL) WHERE runs >= $records")" = 1 ]; }
now() { date +%s.%N; }
# Seconds of processor time: what remains comparable on a busy machine.
cpu() { awk -v hz="$(getconf CLK_TCK)" '{ sub(/.*\) /, ""); s += ($12 + $13) / hz } END { print s + 0 }'; }
ours() { cpu <"/proc/$ledgerd/stat"; }
theirs() { sql postgres "SELECT pid FROM pg_stat_activity WHERE usename = 'rain'" | sed 's|.*|/proc/&/stat|' | xargs -r cat | cpu; }
all() { awk -v hz="$(getconf CLK_TCK)" '/^cpu / { print ($2 + $3 + $4 + $7 + $8) / hz }' /proc/stat; }
others=$(all)
begin=$(now)
./rain-ledgerd --config "$conf" 2>"$work/log" &
ledgerd=$!
end=$((SECONDS + 1800))
told=$((SECONDS + 20))
until spool_is_empty; do
	[ $SECONDS -lt $end ] || fail "not drained within half an hour: $(tail -n 3 "$work/log")"
	if [ $SECONDS -ge $told ]; then # does it get slower as the ledger grows?
		awk -v n="$(sql postgres 'SELECT last_value FROM ledger.job_run_record_seq')" -v a="$begin" -v b="$(now)" \
			-v o="$(ours)" -v t="$(theirs)" 'BEGIN {
			printf "  %d after %.0f s, %.0f + %.0f us of processor time a record\n", n, b - a, o / n * 1e6, t / n * 1e6 }'
		told=$((told + 20))
	fi
	sleep 0.2
done
finish=$(now)
ours=$(ours) theirs=$(theirs) others=$(awk -v a="$others" -v b="$(all)" 'BEGIN { print b - a }')
memory=$(awk '/VmHWM/ { print $2 / 1024 }' "/proc/$ledgerd/status")
awk -v n="$records" -v u="$users" -v r="$rate" -v s="$(awk -v a="$begin" -v b="$finish" 'BEGIN { print b - a }')" \
	-v o="$ours" -v t="$theirs" -v all="$others" -v segments="$segments" -v cold="${COLD:+ on a cold disk}" 'BEGIN {
	printf "%d records of %d users in %d segments%s at home rate %s in %.1f s\n", n, u, segments, cold, r, s
	printf "processor time a record: rain-ledgerd %.0f us, PostgreSQL %.0f us; %.0f %% of the machine'"'"'s went to others\n",
		o / n * 1e6, t / n * 1e6, 100 * (1 - (o + t) / all) }'
budget "records a second" "$(awk -v n="$records" -v a="$begin" -v b="$finish" 'BEGIN { print n / (b - a) }')" at-least 5000
budget "memory of rain-ledgerd at most, MB" "$memory" at-most 64
complete || fail "records are missing in the ledger"
[ -z "$(sql rain 'SELECT * FROM ledger.check_invariants()')" ] || fail "the ledger is not sound"
kill "$ledgerd"
wait "$ledgerd"
ledgerd=
exit $failed
