#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# How good predictions were: judged once, kept for ever, shown by anything.
. "${srcdir:-.}/accounting/test/postgres.sh"
pg_create

run() { # job user end run-seconds place state
	printf '{"cluster":"alpha","slurm_job_id":%s,"submit_time":%s,"restart":0,"user_name":"%s","account":"",
		"partition":"p","qos":"","job_name":"heat","state":"%s","exit_code":0,"exit_signal":0,
		"start_time":%s,"end_time":%s,"nodes":"node1","node_count":1,"cpus":4,"core_ms":4000,
		"place":"%s","price":0}' "$1" $(($3 - $4 - 5)) "$2" "${6:-COMPLETED}" $(($3 - $4)) "$3" "${5:-home}"
}
record() {
	local IFS=,
	sql rain "SELECT ledger.job_runs_record('[$*]')" >/dev/null
}

sql rain "SELECT ledger.account_ensure_user('ada'), ledger.account_ensure_user('ben')" >/dev/null
bravo=$(sql rain-gw "SELECT ledger.account_ensure_peer('bravo', 1000)")
ada=$(sql rain "SELECT ledger.account_id('user:ada')")
sql rain "SELECT ledger.grant_tokens($ada, 1000, '', '$(uuid 1)')" >/dev/null
record "$(run 1 ada 1000 100)" "$(run 2 ada 2000 300)" "$(run 3 ben 3000 50)" "$(run 4 ada 4000 10 home CANCELLED)" \
	"$(run 5 ada 5000 70 guest)" "$(run 6 ada 6000 80 overflow)"
sql rain-gw "SELECT ledger.hold_create('$(uuid 10)', $ada, $bravo, 50, ''),
	ledger.hold_post_run('$(uuid 10)', '$(uuid 11)', 40, 'alpha', 6, 5915, 0)" >/dev/null

expect "nothing is judged" rain "SELECT * FROM ledger.estimates_state()" "0|6"
expect "what there is to learn" rain "SELECT record_seq, user_name, run_s, counts FROM ledger.runs_to_learn(1, 4)" "2|ada|300|t
3|ben|50|t
4|ada|10|f
5|ada|70|f"
estimates='[{"job_run_id":1,"expected_s":90,"high_s":120,"samples":9,"basis":"name","run_s":100},
	{"job_run_id":2,"expected_s":90,"high_s":120,"samples":9,"basis":"shape","run_s":300}]'
expect "judged" rain "SELECT ledger.estimates_record('$estimates', 6)" 2
expect "judged again" rain "SELECT ledger.estimates_record('$estimates', 4)" 0
expect "how far" rain "SELECT * FROM ledger.estimates_state()" "6|6"
expect "by user" rain "SELECT * FROM ledger.estimates_by(0, 9000, 'user', NULL, NULL, 'UTC')" "ada|4|2|1|180|400|1|50|40
ben|1|0|0|0|0|0|0|0"
expect "by place, one user" rain "SELECT key, runs, predicted, within, bursts FROM ledger.estimates_by(0, 9000, 'place', 'ada', NULL, 'UTC')" \
	"home|3|2|1|0
overflow|1|0|0|1"
refused "changing what was said" rain_owner RN006 "UPDATE ledger.estimate SET high_s = 1000"
refused "unsaying it" rain_owner RN006 "DELETE FROM ledger.estimate"
refused "reading the table" rain 42501 "SELECT FROM ledger.estimate"
refused "judging by another" rain-gw 42501 "SELECT ledger.estimates_record('[]', 9)"
sound "after estimates"
