#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# Every kind of job that Slurm knows, on a peer: arrays, dependencies, and a workflow that knows
# nothing of RAIN.
load helper

setup_file() {
	workflow | "$TRAINER" exec alpha --user ada bash -c 'cat >workflow && chmod +x workflow'
}

teardown_file() { clear_jobs; }
teardown() { ledgers_hold; }

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
	fill_alpha
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
