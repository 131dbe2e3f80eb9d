#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# Jobs at home: they run as under plain Slurm, and are booked.
load helper

setup_file() { examples ada; }

@test "alpha shows its own nodes and those that stand for bravo" {
	run -0 on alpha ada "sinfo --noheader --format='%P %D %T %N'"
	[[ $output == *"trainer* $NODES idle node[1-$NODES]"* ]]
	[[ $output == *"overflow $NODES idle bravo-[1-$NODES]"* ]]
	run -0 on alpha root "sinfo --noheader --format='%P %D %T %N'"
	[[ $output == *"guest $NODES idle node[1-$NODES]"* ]]
}

@test "the clusters share no user, key or id" {
	run ! on bravo root "getent passwd ada"
	[ "$(on alpha root 'id -u rain-gw')" != "$(on bravo root 'id -u rain-gw')" ]
	[ "$(on alpha root 'sha256sum < /etc/munge/munge.key')" != "$(on bravo root 'sha256sum < /etc/munge/munge.key')" ]
}

@test "an MPI job of 4 nodes and 16 ranks runs at home" {
	id=$(submit ada heat.sh)
	await 90 job_ended alpha "$id"
	run -0 output ada "$id"
	[[ $output == *"16 ranks, plate 64 x 64"* ]]
	[ "$(grep -oE 'on node[0-9]' <<<"$output" | sort -u | wc -l)" = 4 ]
	[ "$(job alpha "$id" ExitCode)" = 0:0 ]
}

@test "a job at home is charged exactly once, to the micro-token" {
	id=$(submit ben --nodes=2 --ntasks=2 --wrap='sleep 2')
	await 30 job_ended alpha "$id"
	await 20 eval '[ "$(sql alpha "SELECT count(*) FROM ledger.job_run WHERE slurm_job_id = '"$id"'")" = 1 ]'
	# 1000 MFLOP/s cost 5000/18 micro-tokens a core-second; a quarter of it at home; rounded up once
	run -0 sql alpha "SELECT count(*) FROM ledger.job_run JOIN ledger.charge USING (job_run_id) WHERE slurm_job_id = $id
		AND amount = ceil(core_ms::numeric * 1000 * 5 / 18000 / 4)"
	[ "$output" = 1 ]
}

@test "the exit code of a job at home is its own" {
	id=$(submit ada --wrap='exit 3')
	await 30 job_ended alpha "$id"
	[ "$(job alpha "$id" ExitCode)" = 3:0 ]
}

@test "wrong RAIN options are refused by name and nothing is queued" {
	before=$(on alpha ada "squeue --noheader --states=all | wc -l")
	while IFS='|' read -r option named; do
		run on alpha ada "sbatch $option --wrap=true"
		echo "$option: $output"
		[ "$status" -ne 0 ]
		[[ $output == *"$named"* ]]
	done <<-'CASES'
		--burst=maybe|burst
		--burst=|burst
		--burst=auto --burst-max-tokens=-1|burst-max-tokens
		--burst=auto --burst-max-tokens=lots|burst-max-tokens
		--burst=auto --burst-peers=No/Name|burst-peers
		--burst=auto --stage-in=../outside|stage-in
		--burst=auto --stage-out=a,,b|stage-out
	CASES
	run on alpha ada "sbatch --burst=maybe --wrap=true"
	[[ $output == *never*auto*only* ]]
	[ "$(on alpha ada "squeue --noheader --states=all | wc -l")" = "$before" ]
}

@test "nobody submits to the overflow or guest partition by hand" {
	run on alpha ada "sbatch --partition=overflow --wrap=true"
	[ "$status" -ne 0 ]
	run on bravo eve "sbatch --partition=guest --wrap=true"
	[ "$status" -ne 0 ]
}

@test "users see their own account, administrators all; only they grant" {
	run -0 on alpha ada "rain balance"
	[[ $output == *ada* && $output != *ben* ]]
	run on alpha ada "rain grant ada 1000"
	[ "$status" -eq 1 ]
	for user in ada ben; do ids+=("$(submit $user --wrap=true)"); done
	for id in "${ids[@]}"; do await 30 job_ended alpha "$id"; done
	await 20 eval '[[ $(on alpha root "rain report --parsable2") == *ada*ben* ]]'
}
