#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# alpha is full: jobs run on bravo and behave as if they ran at home.
load helper

setup_file() {
	examples ada
	examples ben
	fill_alpha >"$BATS_FILE_TMPDIR/filler"
}

teardown_file() { clear_jobs; }

burst() { # USER ARGUMENTS...
	local user=$1
	shift
	submit "$user" --burst=auto "$@"
}

settled() { # JOB: both ledgers have it
	[ "$(sql alpha "SELECT count(*) FROM federation.burst WHERE job_id = $1 AND state = 'settled'")" = 1 ]
}

@test "an MPI job overflows; its output, exit code and place are those of a home job" {
	id=$(burst ada --stage-in=heat,heat.in heat.sh)
	await 30 job_on_peer "$id"
	run -0 on alpha ada "squeue --noheader --format=%R --jobs=$id"
	[[ $output == bravo-\[1-4\] ]]
	await 90 job_ended alpha "$id"
	run -0 output ada "$id"
	[[ $output == *"16 ranks, plate 64 x 64"* ]]
	[ "$(grep -oE 'on node[0-9]' <<<"$output" | sort -u | wc -l)" = 4 ]
	[ "$(job alpha "$id" ExitCode)" = 0:0 ]
	await 20 settled "$id"
}

@test "bravo runs it under a guest account that is nobody's user" {
	id=$(burst ada --wrap='id -un; sleep 5')
	await 30 job_on_peer "$id"
	await 10 eval 'on bravo root "squeue --noheader --partition=guest --format=%u" | grep -qx "rain-guest[0-9]*"'
	await 30 job_ended alpha "$id"
	run -0 output ada "$id"
	[[ $output =~ ^rain-guest[0-9]+ ]]
}

@test "an exit code crosses over" {
	id=$(burst ada --wrap='echo out; echo err >&2; exit 3')
	await 60 job_ended alpha "$id"
	[ "$(job alpha "$id" JobState)" = FAILED ]
	[ "$(job alpha "$id" ExitCode)" = 3:0 ]
	[[ $(job alpha "$id" NodeList) == bravo-* ]]
	run -0 output ada "$id"
	[[ $output == *out* && $output == *err* ]]
}

@test "a signal crosses over" {
	id=$(burst ada --wrap='kill -9 $$')
	await 60 job_ended alpha "$id"
	[ "$(job alpha "$id" JobState)" = FAILED ]
	[ "$(job alpha "$id" ExitCode)" = 0:9 ]
}

@test "arguments, environment and separate stderr cross over" {
	on alpha ada 'printf "#!/bin/sh\necho \"\$1|\$2|\$GREETING\"; echo to-err >&2\n" > args.sh'
	id=$(GREETING=x submit ada --burst=auto --export=ALL,GREETING=hello --error=err-%j.txt args.sh "two words" '$HOME;`id`')
	await 60 job_ended alpha "$id"
	run -0 output ada "$id"
	[ "$output" = 'two words|$HOME;`id`|hello' ]
	run -0 on alpha ada "cat err-$id.txt"
	[ "$output" = to-err ]
}

@test "files come back" {
	id=$(burst ada --stage-in=heat.in --stage-out='result*.txt' --wrap='cp heat.in result1.txt; echo two > result2.txt')
	await 60 job_ended alpha "$id"
	[ "$(job alpha "$id" ExitCode)" = 0:0 ]
	run -0 on alpha ada "cmp heat.in result1.txt && cat result2.txt && stat -c %U result1.txt"
	[[ $output == *two*ada* ]]
}

@test "scancel at home ends the job on the peer within 5 s" {
	id=$(burst ada --wrap='sleep 600')
	await 30 eval '[ -n "$(on bravo root "squeue --noheader --partition=guest --states=RUNNING")" ]'
	on alpha ada "scancel $id"
	await 5 eval '[ -z "$(on bravo root "squeue --noheader --partition=guest --states=RUNNING,COMPLETING")" ]'
	await 10 job_is alpha "$id" CANCELLED
	await 20 eval '[ "$(sql alpha "SELECT count(*) FROM ledger.hold h WHERE NOT EXISTS (SELECT 1 FROM ledger.hold_resolution r WHERE r.hold_id = h.hold_id)")" = 0 ]'
}

@test "what ada pays is what bravo earns, and both sign it" {
	id=$(burst ada --nodes=2 --ntasks=2 --wrap='sleep 3')
	await 60 job_ended alpha "$id"
	await 20 settled "$id"
	paid=$(sql alpha "SELECT c.amount FROM ledger.charge c JOIN ledger.job_run r USING (job_run_id) WHERE r.slurm_job_id = $id")
	[ "$paid" -gt 0 ]
	owed=$(sql alpha "SELECT balance FROM ledger.balance('peer:bravo')")
	due=$(sql bravo "SELECT balance FROM ledger.balance('peer:alpha')")
	[ "$owed" = "$((-due))" ]
}

bursts_say() { on alpha root "rain bursts" | grep -E "^ *$1 " | grep -qE -- "$2"; } # JOB PATTERN

@test "too few tokens: it waits at home and says why" {
	# root has no tokens at all
	id=$(submit root --burst=auto --chdir=/tmp --wrap=true)
	await 20 job_comment_says "$id" "token"
	await 10 bursts_say "$id" token
	job_is alpha "$id" PENDING
	on alpha root "scancel $id"
}

@test "a bound on tokens that no offer meets: it waits at home and says why" {
	id=$(burst ada --nodes=4 --ntasks=16 --time=60 --burst-max-tokens=0.000001 --wrap=true)
	await 20 job_comment_says "$id" "0\.000001"
	await 10 bursts_say "$id" "0\.000001"
	job_is alpha "$id" PENDING
	on alpha ada "scancel $id"
}

@test "no peer fits: it waits at home and says why" {
	id=$(burst ada --time=600 --wrap=true)
	await 20 job_comment_says "$id" "bravo"
	job_is alpha "$id" PENDING
	await 10 bursts_say "$id" bravo
	on alpha ada "scancel $id"
}

@test "the peer can't be reached: it waits at home, says why, and goes when the line is back" {
	"$TRAINER" cut alpha bravo
	id=$(burst ada --wrap='echo over')
	await 30 job_comment_says "$id" "bravo"
	job_is alpha "$id" PENDING
	"$TRAINER" heal alpha bravo
	await 60 job_ended alpha "$id"
	[ "$(job alpha "$id" ExitCode)" = 0:0 ]
	[[ $(job alpha "$id" NodeList) == bravo-* ]]
}

@test "a line that is cut in mid-flight loses and repeats nothing" {
	id=$(burst ada --wrap='for i in $(seq 1 40); do echo line $i; sleep 0.2; done')
	await 30 eval 'output ada '"$id"' | grep -q "line 5"'
	"$TRAINER" cut alpha bravo
	sleep 3 # the length of the cut, not a wait for anything
	"$TRAINER" heal alpha bravo
	await 60 job_ended alpha "$id"
	run -0 output ada "$id"
	[ "$output" = "$(for i in $(seq 1 40); do echo "line $i"; done)" ]
}

@test "several jobs of ada and ben at once, each with its own output" {
	ids=()
	for i in 1 2 3; do
		ids+=("ada:$(burst ada --ntasks=2 --nodes=1 --wrap="echo ada $i; sleep 1")")
		ids+=("ben:$(burst ben --ntasks=2 --nodes=1 --wrap="echo ben $i; sleep 1")")
	done
	for id in "${ids[@]}"; do
		await 120 job_ended alpha "${id#*:}"
		[ "$(job alpha "${id#*:}" ExitCode)" = 0:0 ]
		[[ $(output "${id%:*}" "${id#*:}") =~ ^${id%:*}\ [123]$ ]]
	done
}

@test "--burst=only runs on a peer, and its hold can't be released by hand" {
	on alpha ada "scancel --user=ada"
	"$TRAINER" cut alpha bravo
	id=$(submit ada --burst=only --wrap='echo there')
	run on alpha ada "scontrol release $id"
	[ "$status" -ne 0 ]
	job_is alpha "$id" PENDING
	"$TRAINER" heal alpha bravo
	await 60 job_ended alpha "$id"
	[[ $(job alpha "$id" NodeList) == bravo-* ]]
}

@test "--burst=auto stays at home when home can start it" {
	clear_jobs
	id=$(burst ada --wrap='echo here')
	await 30 job_ended alpha "$id"
	[[ $(job alpha "$id" NodeList) == node* ]]
}
