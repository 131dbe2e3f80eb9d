#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# Every kind of job that Slurm knows, on a peer: arrays, dependencies, and a workflow that knows
# nothing of RAIN.
load helper

setup_file() {
	workflow | "$TRAINER" exec alpha --user ada bash -c 'cat >workflow && chmod +x workflow'
}

teardown_file() { clear_jobs; }

# From the first test that needs it on to the end of the file.
full_alpha() { [ -e "$BATS_FILE_TMPDIR/full" ] || fill_alpha >"$BATS_FILE_TMPDIR/full"; }

# What somebody wrote years ago for one cluster.
workflow() {
	cat <<'SCRIPT'
#!/bin/bash
mkdir -p data results out
job() { sbatch --parsable --time=2 --job-name="$1" --output="out/$1-%a" "${@:2}" 2>/dev/null; }
prepare=$(job prepare --wrap='for i in 1 2 3 4; do seq $((i * 10)) $((i * 10 + 5)) >data/part-$i; done')
map=$(job map --dependency=afterok:$prepare --array=1-4%2 --wrap='
	awk "{ s += \$1 } END { print s }" data/part-$SLURM_ARRAY_TASK_ID >results/sum-$SLURM_ARRAY_TASK_ID
	echo "$SLURM_JOB_NAME $SLURM_ARRAY_TASK_ID of $SLURM_ARRAY_TASK_MIN-$SLURM_ARRAY_TASK_MAX"
	[ $SLURM_ARRAY_TASK_ID != 3 ] || exit 3')
each=$(job each --dependency=aftercorr:$map --kill-on-invalid-dep=yes --array=1-4 --wrap='
	tee -a results/each-$SLURM_ARRAY_TASK_ID <results/sum-$SLURM_ARRAY_TASK_ID')
reduce=$(job reduce --dependency=afterany:$map --wrap='cat results/sum-* | tee results/all; hostname >/dev/null')
rescue=$(job rescue --dependency=afternotok:$map --wrap='echo rescued; kill -USR1 $$')
never=$(job never --dependency=afterok:$map --kill-on-invalid-dep=yes --wrap='echo this must not be')
first=$(job chain --dependency=singleton --wrap='echo one >results/chain; sleep 1; echo done')
second=$(job chain --dependency=singleton --wrap='echo two >>results/chain; cat results/chain')
srun=$(job step --ntasks=2 --nodes=2 --dependency=afterok:$reduce --wrap='srun --label sed s/^/from-step-/ results/all | sort')
echo $prepare $map $each $reduce $rescue $never $first $second $srun
SCRIPT
}

# run_workflow DIRECTORY [VARIABLE=VALUE...]: in an empty directory, to its end; prints the job ids
run_workflow() {
	local directory=$1 ids
	shift
	ids=$(on alpha ada "rm -rf $directory && mkdir $directory && cd $directory && $* ../workflow")
	# shellcheck disable=SC2086
	await 60 all_over $ids
	echo "$ids"
}

states() { "$TRAINER" exec alpha --user ada squeue --noheader --array --states=all --format="%T %V" --jobs="$(tr ' ' , <<<"$*")"; } # JOBS

all_over() { ! states "$@" | grep -qE 'PENDING|RUNNING|COMPLETING|SUSPENDED|CONFIGURING'; } # JOBS

# How each job and task ended, in the order of their submission.
fates() { # JOBS
	local id
	for id in "$@"; do
		"$TRAINER" exec alpha scontrol --oneliner show job "$id" |
			sed -n 's/.*JobName=\([^ ]*\).* JobState=\([^ ]*\).* ExitCode=\([^ ]*\).*/\1 \2 \3/p' | sort
	done
}

@test "a workflow that knows nothing of RAIN gives the same results at home and on a peer" {
	home=$(run_workflow home RAIN_BURST=never)
	full_alpha
	away=$(run_workflow away RAIN_BURST=auto RAIN_STAGE_IN=data,results RAIN_STAGE_OUT=data,results)
	# All of it was there, and not by chance at home.
	[ "$("$TRAINER" exec alpha squeue --noheader --array --states=COMPLETED,FAILED --format=%N --jobs="${away// /,}" | grep -c '^bravo')" = 13 ]
	run -0 on alpha ada "diff -r home away && ls -R away"
	[[ $output == *sum-4* && $output == *chain* && $output != *never* ]]
	# shellcheck disable=SC2086
	[ "$(fates $home)" = "$(fates $away)" ]
	# shellcheck disable=SC2086
	[[ $(fates $away) == *"map FAILED 3:0"*"rescue FAILED 0:10"*"never CANCELLED"* ]]
}

# ask_broker REQUEST: as the gateway does, on alpha
# shellcheck disable=SC2016
ask_broker() {
	"$TRAINER" exec alpha --user rain-gw perl -MIO::Socket::UNIX -e '
		my $s = IO::Socket::UNIX->new(Peer => "/run/rain/broker/broker.sock") or die "$!\n";
		print $s "$ARGV[0]\n"; print scalar <$s>' "$1"
}

broker_ends() { # JOB AS
	[[ $(ask_broker '{"op":"end","job_id":'"$1"',"submit_time":'"$(submitted "$1")"',"as":"'"$2"'"}') == *'"ended":true'* ]]
}

submitted() { "$TRAINER" exec alpha date +%s --date="$(job alpha "$1" SubmitTime)"; } # JOB

at_its_peer() { [ "$(sql alpha "SELECT count(*) FROM federation.burst WHERE job_id = $1 AND state = 'running'")" = 1 ]; } # JOB

@test "the time limit begins with the script; timeout and out of memory are told apart" {
	full_alpha
	late=$(submit ada --burst=auto --time=7 --wrap='sleep 300')
	hungry=$(submit ada --burst=auto --time=7 --wrap='sleep 300')
	await 30 at_its_peer "$late"
	await 30 at_its_peer "$hungry"
	await 10 eval '[[ $(job alpha '"$late"' TimeLimit) == 00:0[78]:00 ]]' # and no hour for staging any more
	await 10 broker_ends "$late" timeout
	await 10 broker_ends "$hungry" out_of_memory
	await 20 job_is alpha "$late" TIMEOUT
	await 20 job_is alpha "$hungry" OUT_OF_MEMORY
	await 20 eval '[ -z "$(on bravo root "squeue --noheader --partition=guest")" ]' # nothing goes on there
}

@test "a requeued job leaves the peer and begins again; a signal reaches its script" {
	full_alpha
	# what it has in the background doesn't hear what is sent to the script
	id=$(submit ada --burst=auto --time=5 --wrap='(trap "echo struck; exit" USR1; while :; do sleep 0.1; done) &
		trap "sleep 0.5; echo heard; kill $!; exit 5" USR1; echo begun; while :; do sleep 0.1; done')
	await 30 eval 'output ada '"$id"' | grep -q begun'
	on alpha ada "scontrol requeue $id"
	await 30 eval '[ "$(job alpha '"$id"' Restarts)" = 1 ]'
	await 40 at_its_peer "$id"
	await 10 eval 'output ada '"$id"' | grep -q begun'
	on alpha ada "scancel --batch --signal=USR1 $id"
	await 30 job_is alpha "$id" FAILED
	[ "$(job alpha "$id" ExitCode)" = 5:0 ]
	run -0 output ada "$id"
	[[ $output == *heard* && $output != *struck* ]]
}

tasks_running() { # JOB
	"$TRAINER" exec alpha squeue --noheader --array --states=RUNNING --jobs="$1" --format=%K | sort | xargs
}

@test "some tasks of an array are cancelled, the others aren't" {
	full_alpha
	id=$(submit ada --burst=auto --time=5 --array=1-6%4 --output=task-%a \
		--wrap='trap "exit 0" USR1; echo $SLURM_ARRAY_TASK_ID; while :; do sleep 0.1; done')
	await 30 eval '[ "$(tasks_running '"$id"' | wc -w)" = 4 ]'
	on alpha ada "scancel ${id}_[2-3,5]"
	await 30 eval '[ "$(tasks_running '"$id"')" = "1 4 6" ]'
	await 30 eval '[ "$(on alpha ada "cat task-1 task-4 task-6" | xargs)" = "1 4 6" ]' # they hear now
	on alpha ada "scancel --batch --signal=USR1 $id"
	await 30 all_over "$id"
	[ "$("$TRAINER" exec alpha squeue --noheader --array --states=COMPLETED --jobs="$id" --format=%K | sort | xargs)" = "1 4 6" ]
	[ "$("$TRAINER" exec alpha squeue --noheader --array --states=CANCELLED --jobs="$id" --format=%K | sort | xargs)" = "2 3 5" ]
	run -0 on alpha ada "cat task-1 task-4 task-6"
	[ "$output" = $'1\n4\n6' ]
}

# Shells and steps of guests that aren't stopped.
guests_move() { on bravo root "pgrep --runstates S,R --uid rain-guest1,rain-guest2,rain-guest3 'sh|srun'"; }

no_guest_left() {
	[ -z "$(on bravo root "squeue --noheader --partition=guest")" ] && ! on bravo root "pgrep --uid rain-guest1,rain-guest2,rain-guest3"
}

longer_than() { (($(output ada "$1" | wc -l) > $2)); } # JOB LINES

@test "a suspended job stops on all its nodes there, and goes on" {
	id=$(submit ada --burst=only --time=5 --nodes=2 --wrap='srun --ntasks=2 sh -c "while :; do echo tick; sleep 0.1; done"')
	await 30 longer_than "$id" 3
	on alpha root "scontrol suspend $id"
	await 15 eval '! guests_move'
	printed=$(output ada "$id" | wc -l)
	on alpha root "scontrol resume $id"
	await 15 guests_move
	await 15 longer_than "$id" $((printed + 20))
	on alpha ada "scancel $id"
	await 20 no_guest_left
}

@test "a held job goes to no peer before it is released; requeuehold takes it back" {
	full_alpha
	held=$(submit ada --burst=auto --hold --time=5 --wrap='sleep 300')
	id=$(submit ada --burst=auto --time=5 --wrap='sleep 300')
	await 30 at_its_peer "$id"
	job_is alpha "$held" PENDING
	[ "$(sql alpha "SELECT count(*) FROM federation.burst WHERE job_id = $held")" = 0 ]
	on alpha ada "scancel $id; scontrol release $held"
	await 30 at_its_peer "$held"
	on alpha ada "scontrol requeuehold $held"
	await 30 eval '[ "$(job alpha '"$held"' Partition)/$(job alpha '"$held"' Reason)" = trainer/job_requeued_in_held_state ]'
	await 20 no_guest_left
	await 10 job_is alpha "$held" PENDING # it completes there first
	on alpha ada "scontrol release $held"
	await 40 at_its_peer "$held"
	on alpha ada "scancel $held"
	await 20 no_guest_left
}

# dies_at CLUSTER TEXT: its gateway, when its log says so; in the background, `wait` for it
dies_at() { "$TRAINER" exec "$1" bash /run/trainer/lib/control.sh kill_at gatewayd "$2" 30 >"$BATS_TEST_TMPDIR/seen" 3>&- & }

nothing_open() { # JOB: its burst, its hold, its guest
	[ "$(sql alpha "SELECT count(*) FROM federation.burst WHERE job_id = $1 AND (state NOT IN ('settled', 'void') OR job <> 'over')")" = 0 ] &&
		[ "$(sql bravo "SELECT count(*) FROM federation.loan WHERE state NOT IN ('closed', 'void')")" = 0 ] && no_guest_left
}

@test "scancel ends a job that is bound, placed, or has ended there and is not told of it" {
	for point in "bravo loan is accepted" "bravo loan is released" "alpha burst is running"; do
		dies_at "${point%% *}" "${point#* }"
		killer=$!
		id=$(submit ada --burst=only --time=5 --output=cancelled --wrap='echo begun; sleep 0.5')
		wait "$killer"
		on alpha ada "scancel $id"
		"$TRAINER" start "${point%% *}" gatewayd
		[ ! -s "$BATS_TEST_TMPDIR/seen" ] # or it wasn't killed there
		await 30 job_is alpha "$id" CANCELLED
		await 40 nothing_open "$id"
	done
	[ "$(sql alpha "SELECT held FROM ledger.balance('user:ada')")" = 0 ]
}

@test "the warning before the time limit reaches the script; an evicted job that may not be requeued ends" {
	warned=$(submit ada --burst=only --time=1 --signal=B:USR1@40 --wrap='trap "echo warned; exit 9" USR1; echo begun; while :; do sleep 0.1; done')
	id=$(submit ada --burst=only --time=5 --no-requeue --wrap='echo begun; sleep 300')
	await 30 eval 'output ada '"$id"' | grep -q begun'
	on bravo root "scancel $(sql alpha "SELECT remote_job_id FROM federation.burst WHERE job_id = $id")"
	await 30 job_ended alpha "$id"
	[ "$(job alpha "$id" JobState)/$(job alpha "$id" ExitCode)" = FAILED/125:0 ]
	[[ $(output ada "$id") == *"won't run this job to its end"* && $(output ada "$id") != *"back to the queue"* ]]
	await 50 job_ended alpha "$warned"
	[ "$(job alpha "$warned" ExitCode)" = 9:0 ]
	[[ $(output ada "$warned") == $'begun\nwarned'* ]]
	await 20 no_guest_left
}

@test "a job whose requeue a killed slurmctld forgot, but not the end that came of it, goes back all the same" {
	id=$(submit ada --burst=only --time=5 --wrap='echo begun; sleep 300')
	await 30 eval 'output ada '"$id"' | grep -q begun'
	"$TRAINER" kill alpha brokerd
	on bravo root "scancel $(sql alpha "SELECT remote_job_id FROM federation.burst WHERE job_id = $id")"
	await 20 eval 'output ada '"$id"' | grep -q "it goes back to the queue"'
	on alpha root "scancel --batch --signal=TERM $id"
	await 20 job_is alpha "$id" FAILED
	"$TRAINER" start alpha brokerd
	await 30 job_is alpha "$id" "PENDING|RUNNING"
	[ "$(job alpha "$id" Restarts)" = 1 ]
	on alpha ada "scancel $id"
	await 20 no_guest_left
}

@test "a heterogeneous job stays at home and says so" {
	run -0 "$TRAINER" exec alpha --user ada sbatch --burst=auto --hold --wrap=true : --ntasks=1
	[[ $output == *"heterogeneous jobs can't burst"*"runs at home"* ]]
	run "$TRAINER" exec alpha --user ada sbatch --burst=only --wrap=true : --ntasks=1
	[ "$status" -ne 0 ]
	[[ $output == *"not queued"* ]]
}
