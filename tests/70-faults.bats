#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# Daemons die; jobs and money don't.
load helper

teardown() {
	local daemon
	for daemon in slurmctld postgres ledgerd brokerd gatewayd; do
		"$TRAINER" start alpha $daemon
		"$TRAINER" start bravo $daemon
	done
	await 30 sql alpha 'SELECT 1'
	await 30 sql bravo 'SELECT 1'
	ledgers_hold
}
teardown_file() { clear_jobs; }

charged() { # JOBS...: each exactly once
	local id
	for id; do
		[ "$(sql alpha "SELECT count(*) FROM ledger.charge JOIN ledger.job_run USING (job_run_id) WHERE slurm_job_id = $id")" = 1 ] || return 1
	done
}

# Slurm's saved state of each cluster is younger than its youngest job.
slurm_has_saved() {
	local cluster
	for cluster in alpha bravo; do
		[[ $(on $cluster root 'stat -c %Y /var/spool/slurmctld/job_state') -gt $(on $cluster root "scontrol --oneliner show jobs | grep -oE 'SubmitTime=[^ ]+' | sort | tail -n 1 | cut -d= -f2 | xargs -I@ date -d @ +%s") ]] || return 1
	done
}

@test "with every RAIN daemon and PostgreSQL dead, home jobs run; later they are booked once" {
	for daemon in ledgerd gatewayd brokerd postgres paneld@node2; do "$TRAINER" kill alpha "$daemon"; done
	ids=()
	for i in 1 2 3; do ids+=("$(submit ada --nodes=2 --wrap="sleep 1; exit $((i - 1))")"); done
	for i in 0 1 2; do
		await 30 job_ended alpha "${ids[i]}"
		[ "$(job alpha "${ids[i]}" ExitCode)" = "$i:0" ]
	done
	for daemon in postgres ledgerd gatewayd brokerd paneld@node2; do "$TRAINER" start alpha "$daemon"; done
	await 30 charged "${ids[@]}"
}

@test "kill -9 of slurmctld, ledgerd, gatewayd and PostgreSQL in turn: 25 jobs end right and are charged once" {
	# 20 home jobs of one node each and long enough to be hit; alpha is full with them
	home=() away=()
	for i in $(seq 1 20); do home+=("$(submit ada --nodes=1 --ntasks=3 --wrap="sleep 12; exit $((i % 3))")"); done
	for i in $(seq 1 5); do away+=("$(submit ben --burst=only --ntasks=2 --nodes=1 --wrap="echo begin $i; sleep 15; echo end $i; exit $((i % 3))")"); done
	for i in $(seq 1 5); do await 60 job_on_peer "${away[i - 1]}"; done
	# Slurm itself forgets what it has not saved yet, which takes it some seconds: not our subject.
	await 30 slurm_has_saved
	for daemon in slurmctld ledgerd gatewayd postgres; do
		for cluster in alpha bravo; do
			"$TRAINER" kill $cluster $daemon
			"$TRAINER" start $cluster $daemon
		done
	done
	for i in $(seq 1 20); do
		await 180 job_ended alpha "${home[i - 1]}"
		[ "$(job alpha "${home[i - 1]}" ExitCode)" = "$((i % 3)):0" ]
	done
	for i in $(seq 1 5); do
		await 180 job_ended alpha "${away[i - 1]}"
		echo "away $i: $(job alpha "${away[i - 1]}" ExitCode)"
		[ "$(job alpha "${away[i - 1]}" ExitCode)" = "$((i % 3)):0" ]
		[ "$(output ben "${away[i - 1]}")" = "begin $i
end $i" ]
	done
	await 60 charged "${home[@]}" "${away[@]}"
}
