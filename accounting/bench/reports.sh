#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# How fast reports are over many job runs.
#
#   make bench-reports [N=RUNS]   (default 10000000: minutes to fill, 10 GB for a while)
. "${srcdir:-.}/accounting/bench/bench.sh"
runs=${1:-10000000} transfers=$((${1:-10000000} / 5))
first=1759190400 # 2025-09-30 UTC: October begins in every zone within the runs, and ends
seconds=$((32 * 86400))

accounts() {
	sql rain "SELECT count(ledger.account_ensure_user('u' || i)) FROM generate_series(1, 10000) i" >/dev/null
	user0=$(sql rain "SELECT ledger.account_id('user:u1')")
}

# Ten thousand users' runs, thirty-two days of them, written past the triggers.
fill() {
	psql -XqAt -v ON_ERROR_STOP=1 -U postgres -d rain <<-SQL || fail "the data set can't be made"
		SET session_replication_role = replica;
		SET synchronous_commit = off;
		INSERT INTO ledger.job_run (cluster, slurm_job_id, submit_time, restart, recorded_at, user_name, account,
		        partition, qos, job_name, state, exit_code, exit_signal, start_time, end_time, nodes, node_count,
		        cpus, core_ms, place, price, unpaid, record_seq)
		    SELECT 'alpha', 1 + i % 4000000000, e - 700, 0, to_timestamp(e), 'u' || 1 + i * 7919 % 10000, '', 'trainer',
		           'normal', 'job', 'COMPLETED', 0, 0, e - 600, e, 'node1', 1, 4, 2400000, 'home', 0, 0, i + 1
		      FROM (SELECT i, $first + i * $seconds / $runs AS e FROM generate_series(0::bigint, $runs - 1) i) x;
		INSERT INTO ledger.transfer (idem, code, debit, credit, amount, posted_at)
		    SELECT lpad(to_hex(i), 32, '0')::uuid, 'charge', $user0 + i * 7919 % 10000,
		           (SELECT account_id FROM ledger.account WHERE name = 'system:use'), 1,
		           to_timestamp($first) + i * interval '$seconds s' / $transfers
		      FROM generate_series(0::bigint, $transfers - 1) i;
		SET session_replication_role = origin;
		SELECT ledger.usage_rebuild();
		VACUUM ANALYZE;
	SQL
}

middle() { # STATEMENT: the middle of five, in ms, all rows fetched
	for _ in 1 2 3 4 5; do
		PGUSER=rain psql -XqAt -d rain -c '\timing on' -c "$1" | sed -n 's/^Time: \([0-9.]*\) ms.*/\1/p'
	done | sort -n | sed -n 3p
}

# month ZONE: the same month by the clock there
month() {
	local begin end
	read -r begin end < <(sql rain "SELECT extract(epoch FROM timestamp '2025-10-01' AT TIME ZONE '$1')::bigint || ' '
		|| extract(epoch FROM timestamp '2025-11-01' AT TIME ZONE '$1')::bigint")
	budget "October in $1 by user over $runs runs, ms" \
		"$(middle "SELECT * FROM ledger.usage_by($begin, $end, 'user')")" at-most 300
}

accounts
echo "filling in $runs runs of 10000 users, and $transfers transfers" >&2
fill
for zone in UTC Europe/Berlin America/New_York Asia/Kolkata Asia/Kathmandu Pacific/Auckland Pacific/Marquesas; do
	month $zone
done
budget "31 days that begin at 00:00:07 by user, ms" \
	"$(middle "SELECT * FROM ledger.usage_by(1759276807, 1759276807 + 2678400, 'user')")" at-most 300
printf '  one user'"'"'s month by day in Berlin: %s ms\n' \
	"$(middle "SELECT * FROM ledger.usage_by(1759269600, 1761951600, 'day', 'u77', NULL, 'Europe/Berlin')")"
budget "a month's statement of one user of 10000, ms" \
	"$(middle "SELECT * FROM ledger.statement('user:u77', '2025-10-01 UTC', '2025-11-01 UTC', 10000)")" at-most 50
exit $failed
