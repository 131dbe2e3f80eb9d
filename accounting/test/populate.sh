# SPDX-License-Identifier: GPL-2.0-or-later
# Sourced by tests after postgres.sh: a ledger with a row in each table. Sets $bravo,
# the number of a peer's account.
# shellcheck shell=bash

run() { # job
	printf '{"cluster":"alpha","slurm_job_id":%s,"submit_time":1000,"restart":0,"user_name":"ada","account":"",
		"partition":"p","qos":"","job_name":"n","state":"COMPLETED","exit_code":0,"exit_signal":0,
		"start_time":1001,"end_time":1011,"nodes":"node1","node_count":1,"cpus":4,"core_ms":40000,
		"place":"home","price":3}' "$1"
}

populate_some() {
	sql rain "SELECT ledger.account_ensure_user('ada'), ledger.account_ensure_user('ben')" >/dev/null
	bravo=$(sql rain-gw "SELECT ledger.account_ensure_peer('bravo', 1000000)")
	sql rain "SELECT ledger.grant_tokens(ledger.account_id('user:ada'), 10000000, 'start', '$(uuid 1)'),
		ledger.grant_lot('user:ben', 5000, NULL, now() + interval '1 day', 'May', 'root', '$(uuid 2)')" >/dev/null
}

due() { [ "$(sql rain "SELECT count(*) FROM ledger.holds('user:ben', true), ledger.lots('user:ben') l WHERE l.expires_at < now() - interval '100 ms'")" = 1 ]; }

# What populate_some left empty.
populate_all() {
	sql rain "SELECT ledger.account_ensure_project('lab'), ledger.rate_set('alpha', '*', '*', 'cpu', 1, 3)" >/dev/null
	sql rain "SELECT ledger.rate_set('alpha', '*', '*', 'cpu', 1, 4, clock_timestamp() + interval '1 hour'),
		ledger.account_limit_set('user:ben', 70, 'trust', 'root'),
		ledger.quote_make('$(uuid 60)', 'alpha', 'p', '', '{\"cpu\": 3}', 1000, now() + interval '1 day'),
		ledger.reward_own_use('ada', 50, 100, '', '$(uuid 61)'),
		ledger.transfer_tokens('user:ben', 'project:lab', 1000, '', '', '$(uuid 62)')" >/dev/null
	sql rain "SELECT ledger.commons_share(100, 'fixed', '{\"user:ada\": 1}', 2, 'May', 'root', '$(uuid 63)')" >/dev/null
	sql rain "SELECT ledger.charge_refund((SELECT job_run_id FROM ledger.job_runs_find('alpha', 1)), 1, '', '$(uuid 64)'),
		ledger.transfer_correct($(sql rain_owner "SELECT transfer_id FROM ledger.transfer WHERE idem = '$(uuid 62)'"), 10, '', '', '$(uuid 65)')" >/dev/null
	sql rain-gw "SELECT ledger.hold_create_until('$(uuid 66)', ledger.account_id('user:ben'), $bravo, 5, 'x', now() + interval '200 ms'),
		ledger.hold_create('$(uuid 67)', ledger.account_id('user:ada'), $bravo, 9, '')" >/dev/null
	sql rain-gw "SELECT ledger.hold_extend('$(uuid 66)', now() + interval '1 s'),
		ledger.hold_post_run('$(uuid 67)', '$(uuid 68)', 4, 'alpha', 9, 1000, 0)" >/dev/null
	sql rain "SELECT ledger.job_runs_record('[$(run 9 | sed 's/"account"/"array_job_id":9,"array_task_id":2,"het_job_id":9,&/')]'),
		ledger.usage_fold()" >/dev/null
	# a hold expires, and a lot
	sql rain "SELECT ledger.grant_lot('user:ben', 7, NULL, now() + interval '500 ms', '', '', '$(uuid 71)')" >/dev/null
	wait_until due
	sql rain-gw "SELECT ledger.hold_expire('$(uuid 66)', 'no such job')" >/dev/null
	sql rain "SELECT ledger.lots_sweep()" >/dev/null
	# a job paid from a lot, refunded
	sql rain "SELECT ledger.account_ensure_user('cleo')" >/dev/null
	sql rain "SELECT ledger.grant_lot('user:cleo', 90, NULL, now() + interval '1 day', '', '', '$(uuid 69)')" >/dev/null
	sql rain "SELECT ledger.job_runs_record('[$(run 10 | sed 's/"ada"/"cleo"/')]')" >/dev/null
	sql rain "SELECT ledger.charge_refund((SELECT job_run_id FROM ledger.job_runs_find('alpha', 10)), 2, '', '$(uuid 70)')" >/dev/null
}
