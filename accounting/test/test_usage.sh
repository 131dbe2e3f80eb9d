#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Usage by the day, reports over any interval, statements, who pays.
. "${srcdir:-.}/accounting/test/postgres.sh"
pg_create

day=86400

run() { # job user account partition end price
	printf '{"cluster":"alpha","slurm_job_id":%s,"submit_time":%s,"restart":0,"user_name":"%s","account":"%s",
		"partition":"%s","qos":"","job_name":"n%s","state":"COMPLETED","exit_code":0,"exit_signal":0,
		"start_time":%s,"end_time":%s,"nodes":"node1","node_count":1,"cpus":4,"core_ms":4000,
		"place":"home","price":%s}' "$1" $(($5 - 30)) "$2" "$3" "$4" "$1" $(($5 - 10)) "$5" "$6"
}

record() {
	local IFS=,
	sql rain "SELECT ledger.job_runs_record('[$*]')" >/dev/null
}

usage() { # what since until by answer [user [account [zone]]]
	expect "$1" rain "SELECT key, runs, charged, unpaid FROM ledger.usage_by($2, $3, '$4', ${6:-NULL}, ${7:-NULL}, ${8:-"'UTC'"})" "$5"
}

test_runs() {
	sql rain "SELECT ledger.account_ensure_user('ada'), ledger.account_ensure_project('lab')" >/dev/null
	sql rain "SELECT ledger.grant_tokens(ledger.account_id('user:ada'), 1000, '', '$(uuid 1)'),
		ledger.grant_tokens(ledger.account_id('project:lab'), 100, '', '$(uuid 2)'),
		ledger.project_member_set('lab', 'ada', 'member')" >/dev/null
	record "$(run 1 ada '' p $((day - 1)) 10)" "$(run 2 ada lab p $day 20)" "$(run 3 ben '' p $((day + 5)) 0)" \
		"$(run 4 ada lab q $((2 * day)) 90)" "$(run 5 ada '' q $((2 * day + 7)) 5)" "$(run 6 ben '' q $((35 * day)) 3)"
	balance user:ada 985 0
	balance project:lab 0 0 # the project pays for its jobs, as far as it can
	expect "a run and who paid it" rain "SELECT state, payer, charged, refunded, unpaid
		FROM ledger.job_runs_find('alpha', 4)" "COMPLETED|project:lab|80|0|10"
	sound "after runs"
}

test_usage() {
	local when
	for when in before after; do
		usage "by user, $when folding" 0 $((99 * day)) user "ada|4|115|10
ben|2|0|3"
		usage "whole days, $when folding" $day $((2 * day)) user "ada|1|20|0
ben|1|0|0"
		usage "a part of a day, $when folding" $((day + 1)) $((2 * day + 1)) user "ada|1|80|10
ben|1|0|0"
		usage "a moment, $when folding" $((day + 5)) $((day + 6)) user "ben|1|0|0"
		usage "by day, $when folding" 0 $((3 * day)) day "1970-01-01|1|10|0
1970-01-02|2|20|0
1970-01-03|2|85|10"
		usage "by week, $when folding" 0 $((99 * day)) week "1970-W01|5|115|10
1970-W06|1|0|3"
		usage "a month and some days, $when folding" 0 $((34 * day)) user "ada|4|115|10
ben|1|0|0"
		usage "some days and a month, $when folding" $day $((59 * day)) user "ada|3|105|10
ben|2|0|3"
		usage "by month, $when folding" 0 $((99 * day)) month "1970-01|5|115|10
1970-02|1|0|3"
		usage "by another zone's days, $when folding" 0 $((3 * day)) day "1970-01-02|3|30|0
1970-01-03|2|85|10" NULL NULL "'Europe/Berlin'"
		usage "one user's accounts, $when folding" 0 $((99 * day)) account "|2|15|0
lab|2|100|10" "'ada'"
		usage "one account's partitions, $when folding" 0 $((99 * day)) partition "p|1|20|0
q|1|80|10" NULL "'lab'"
		[ $when = after ] || sql rain "SELECT ledger.usage_fold()" >/dev/null
	done
	expect "nothing is left to fold" rain "SELECT ledger.usage_fold()" 0
	sql rain "SELECT ledger.charge_refund((SELECT job_run_id FROM ledger.job_runs_find('alpha', 4)), 30, '', '$(uuid 3)')" >/dev/null
	usage "a refund" $((2 * day)) $((3 * day)) user "ada|2|55|10"
	sound "after a refund"
	sql rain "SELECT ledger.usage_rebuild()" >/dev/null
	usage "counted again" $((2 * day)) $((3 * day)) user "ada|2|55|10"
	refused "by shoe size" rain RN005 "SELECT * FROM ledger.usage_by(0, 1, 'shoe')"
	refused "in Middle-earth" rain RN005 "SELECT * FROM ledger.usage_by(0, 1, 'day', NULL, NULL, 'Middle/Earth')"
	sql rain_owner "UPDATE ledger.usage_day SET runs = runs + 1 WHERE day = 0"
	[[ $(sql rain "SELECT * FROM ledger.check_invariants()") == *"usage by the day"*"|1" ]] ||
		fail "a wrong sum isn't found"
	sql rain "SELECT ledger.usage_rebuild()" >/dev/null
	sound "counted again"
}

# Whatever the ends, a report is what its runs say: four months of them, some paid, some
# not, some of them not folded yet; ends drawn at random, at midnights, a second beside.
test_edges() {
	local begin=1743000000 zone by
	for half in 0 1; do
		sql rain "SELECT ledger.job_runs_record((SELECT jsonb_agg(jsonb_build_object('cluster', 'alpha',
			'slurm_job_id', 1000 + i, 'submit_time', e - 90, 'restart', 0, 'user_name', 'u' || i % 7, 'account', '',
			'partition', 'p', 'qos', '', 'job_name', '', 'state', 'COMPLETED', 'exit_code', 0, 'exit_signal', 0,
			'start_time', e - 60, 'end_time', e, 'nodes', 'node1', 'node_count', 1, 'cpus', 1, 'core_ms', i,
			'place', 'home', 'price', i % 3))
			FROM (SELECT i, $begin + i * 7919 % 1000 * 10800 + i % 5 - 2 AS e
			        FROM generate_series($half * 500, $half * 500 + 499) i) r))" >/dev/null
		[ $half = 1 ] || sql rain "SELECT ledger.usage_fold()" >/dev/null
	done
	expect "any two ends" rain_owner "WITH ends AS (
			SELECT $begin + CASE i % 3 WHEN 0 THEN (random() * 10800000)::bigint
			       WHEN 1 THEN (random() * 500)::bigint * 21600 + (random() * 2)::bigint - 1
			       ELSE (random() * 3000)::bigint * 3600 END AS t, i FROM generate_series(1, 300) i)
		SELECT count(*), max(u.runs) > 100, min(u.runs) < 10
		  FROM ends a JOIN ends b ON b.i = a.i + 1 CROSS JOIN LATERAL (
			SELECT sum(u.runs) AS runs, count(*) FILTER (WHERE (u.runs, u.core_ms, u.wait_s, u.charged, u.unpaid)
			       IS DISTINCT FROM (r.runs, r.core_ms, r.wait_s, 0::numeric, r.price)) AS wrong
			  FROM ledger.usage_by(least(a.t, b.t), greatest(a.t, b.t), 'user') u FULL JOIN (
				SELECT user_name AS key, count(*) AS runs, sum(core_ms) AS core_ms, sum(start_time - submit_time) AS wait_s,
				       sum(price) AS price FROM ledger.job_run
				 WHERE end_time >= least(a.t, b.t) AND end_time < greatest(a.t, b.t) GROUP BY 1) r USING (key)) u
		 WHERE u.wrong = 0 GROUP BY u.wrong" "299|t|t"
	for zone in Europe/Berlin America/New_York Asia/Kolkata Pacific/Auckland; do
		for by in day week month; do
			expect "by $by in $zone" rain_owner "SELECT count(*) FROM ledger.usage_by(0, 4000000000, '$by', NULL, NULL, '$zone') u
				FULL JOIN (SELECT to_char(to_timestamp(end_time) AT TIME ZONE '$zone', CASE '$by' WHEN 'day' THEN 'YYYY-MM-DD'
					WHEN 'week' THEN 'IYYY\"-W\"IW' ELSE 'YYYY-MM' END) AS key, count(*) AS runs FROM ledger.job_run
					WHERE recorded_at IS NOT NULL GROUP BY 1) r
				USING (key) WHERE u.runs IS DISTINCT FROM r.runs" 0
		done
	done
	sound "after many runs"
}

# A burst's run, told by the gateway and by jobcomp in both orders.
test_bursts() {
	local bravo ada
	bravo=$(sql rain-gw "SELECT ledger.account_ensure_peer('bravo', 1000)")
	ada=$(sql rain "SELECT ledger.account_id('user:ada')")
	sql rain-gw "SELECT ledger.hold_create('$(uuid 10)', $ada, $bravo, 50, ''), ledger.hold_create('$(uuid 11)', $ada, $bravo, 50, '')" >/dev/null
	record "$(run 20 ada '' overflow $((50 * day)) 0 | sed 's/"home"/"overflow"/')"
	sql rain-gw "SELECT ledger.hold_post_run('$(uuid 10)', '$(uuid 12)', 40, 'alpha', 20, $((50 * day - 30)), 0)" >/dev/null
	sql rain-gw "SELECT ledger.hold_post_run('$(uuid 11)', '$(uuid 13)', 30, 'alpha', 21, $((50 * day - 30)), 0)" >/dev/null
	record "$(run 21 ada '' overflow $((50 * day)) 0 | sed 's/"home"/"overflow"/')"
	usage "bursts" $((50 * day)) $((51 * day)) place "overflow|2|70|0"
	sound "after bursts"
}

test_statement() {
	expect "a statement" rain "SELECT code, other, amount, balance, slurm_job_id
		FROM ledger.statement('user:ada', now() - interval '1 hour', now() + interval '1 hour')" \
		"grant|system:issuance|1000|1000|
charge|system:use|-10|990|1
charge|system:use|-5|985|5
post|peer:bravo|-40|945|20
post|peer:bravo|-30|915|21"
	expect "its second page" rain "WITH first AS (SELECT * FROM ledger.statement('user:ada', '-infinity', 'infinity', 2))
		SELECT s.amount, s.balance FROM ledger.statement('user:ada', '-infinity', 'infinity', 2,
			(SELECT max(transfer_id) FROM first)) s" "-5|985
-40|945"
	expect "a refund names its job" rain "SELECT amount, balance, slurm_job_id
		FROM ledger.statement('project:lab', '-infinity', 'infinity') WHERE code = 'refund'" "30|30|4"
	expect "its sums" rain "SELECT * FROM ledger.statement_totals('user:ada', '-infinity', 'infinity')" "0|1000|85|915"
	expect "nothing happened later" rain "SELECT * FROM ledger.statement_totals('user:ada', now() + interval '1 hour', 'infinity')" \
		"915|0|0|915"
	expect "of the system" rain "SELECT * FROM ledger.statement_totals('system:use', '-infinity', 'infinity')" "0|115|30|85"
	expect "flows" rain "SELECT * FROM ledger.ledger_flows('-infinity', 'infinity') WHERE account = 'project:lab'" \
		"project:lab|charge|0|100|2
project:lab|grant|100|0|1
project:lab|refund|30|0|1"
	refused "of nobody" rain RN003 "SELECT * FROM ledger.statement('user:nobody', '-infinity', 'infinity')"
	for role in rain rain-gw; do
		for table in usage_day usage_delta usage_base; do
			refused "reading $table" $role 42501 "SELECT FROM ledger.$table"
		done
	done
	refused "a statement" rain-gw 42501 "SELECT * FROM ledger.statement('user:ada', '-infinity', 'infinity')"
}

# Whatever the cut, the parts of a history add up to what the statement says.
test_history() {
	local points since
	expect "peers, and who moved most" rain "SELECT name, balance, held, credit_limit FROM
		ledger.balance_history(0, 4000000000, 10, 1)" "peer:bravo|70|0|1000
user:ada|915|0|0"
	for points in 1 7 500; do
		for since in 0 "$(($(date +%s) - 3600))" "$(date +%s)"; do
			expect "a history in $points parts since $since" rain "SELECT count(*) FROM
				ledger.balance_history($since, $(($(date +%s) + 60)), $points, 100) h,
				ledger.statement_totals(h.name, to_timestamp($since), to_timestamp(h.until)) s
				WHERE h.opening <> s.opening OR cardinality(h.credited) <> $points OR cardinality(h.debited) <> $points
				OR (SELECT sum(x) FROM unnest(h.credited) x) <> s.credited
				OR (SELECT sum(x) FROM unnest(h.debited) x) <> s.debited" 0
		done
	done
	expect "what comes after it is not in it" rain "SELECT DISTINCT opening, (SELECT sum(x) FROM unnest(credited) x)
		FROM ledger.balance_history(1, 1000, 5, 100)" "0|0"
	refused "in no parts" rain RN005 "SELECT * FROM ledger.balance_history(0, 1, 0, 1)"
	refused "backwards" rain RN005 "SELECT * FROM ledger.balance_history(2, 1, 1, 1)"
	refused "a history" rain-gw 42501 "SELECT * FROM ledger.balance_history(0, 1, 1, 1)"
}

test_runs
test_usage
test_edges
test_bursts
test_statement
test_history
