# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# trainer demo: the whole path, told and done. Every command is shown with what it really printed,
# and every step checks itself.

DEMO_STEP=
DEMO_OUTPUT=
DEMO_BURST=
DEMO_EXAMPLES=/usr/local/share/doc/rain/examples

run_demo() {
	(($# == 0)) || usage_error "demo takes no arguments"
	trap demo_clean EXIT
	demo_step "1. alpha: its own nodes, and nodes that stand for its peer"
	demo_nodes
	demo_step "2. ada runs an MPI program on four nodes at home"
	demo_home
	demo_step "3. what it cost"
	demo_cost
	demo_step "4. alpha is full: the same program overflows to bravo"
	demo_overflow
	demo_step "5. who paid, who earned"
	demo_receipt
	demo_step "6. exit codes and scancel cross over"
	demo_exit_code
	demo_scancel
	say
	say "All six steps are as they should be. The clusters are still up: try"
	say "  $TRAINER shell alpha --user ada"
	say "  $TRAINER status"
	say "  $TRAINER down"
}

# Whatever happens, the jobs that fill alpha don't stay.
demo_clean() {
	local user
	for user in ada ben; do
		cluster_run alpha "$user" head scancel --quiet --user="$user" 2>/dev/null || true
	done
}

demo_step() {
	DEMO_STEP=$1
	printf '\n== %s\n' "$1"
}

demo_off() {
	printf '\ntrainer: step "%s" is off: %s\n' "$DEMO_STEP" "$*" >&2
	say "Look at: $TRAINER status; $TRAINER logs alpha gatewayd; $TRAINER logs bravo gatewayd" >&2
	exit 1
}

# demo_run CLUSTER USER COMMAND: shows a shell line and what it prints; keeps that in DEMO_OUTPUT.
demo_run() {
	local status=0
	printf '\n%s@%s$ %s\n' "$2" "$1" "$3"
	DEMO_OUTPUT=$(cluster_run "$1" "$2" head bash -c "$3" 2>&1) || status=$?
	[[ -z $DEMO_OUTPUT ]] || printf '%s\n' "$DEMO_OUTPUT"
	return "$status"
}

# The same without showing it: how the demo checks itself.
demo_ask() { DEMO_OUTPUT=$(cluster_run "$1" "$2" head bash -c "$3" 2>&1); }

demo_says() { # PATTERN WHAT: the last output must hold it
	grep -qE -- "$1" <<<"$DEMO_OUTPUT" || demo_off "$2"
}

demo_job_is() { # CLUSTER JOB PATTERN: its state
	demo_ask "$1" root "squeue --noheader --states=all --format=%T --jobs=$2" && grep -qE "^($3)$" <<<"$DEMO_OUTPUT"
}

demo_await() { # SECONDS WHAT COMMAND...
	local seconds=$1 what=$2
	shift 2
	wait_until "$seconds" "$@" || demo_off "$what did not come about within $seconds s"
}

demo_submit() { # USER COMMAND: sets DEMO_JOB
	demo_run alpha "$1" "$2" || demo_off "sbatch refused the job"
	DEMO_JOB=$(sed -n 's/^Submitted batch job \([0-9]*\)$/\1/p' <<<"$DEMO_OUTPUT")
	[[ -n $DEMO_JOB ]] || demo_off "sbatch told no job id"
}

demo_number() { # JSON-PATH of `rain balance --json`: an integer
	demo_ask alpha ada "rain balance --json" && jq -er "$1" <<<"$DEMO_OUTPUT"
}

demo_sql() { # CLUSTER QUERY
	demo_ask "$1" postgres "psql --no-psqlrc --quiet --tuples-only --no-align --dbname=rain --command=\"$2\"" || demo_off "PostgreSQL on $1: $DEMO_OUTPUT"
}

demo_nodes() {
	demo_run alpha ada "sinfo"
	demo_says "^trainer\*.* $NODES .*idle.* node\[1-$NODES\]" "the partition trainer should have $NODES idle nodes"
	demo_says "^overflow.* $NODES .*idle.* bravo-\[1-$NODES\]" "the partition overflow should have $NODES idle nodes named after bravo"
}

demo_home() {
	demo_run alpha ada "rain balance"
	DEMO_BEFORE=$(demo_number .available_utok) || demo_off "no balance"
	demo_run alpha ada "cp $DEMO_EXAMPLES/heat* . && mpicc -O2 -o heat heat.c -lm && ls heat*" || demo_off "the example does not compile"
	demo_run alpha ada "cat heat.sh"
	demo_submit ada "sbatch heat.sh"
	DEMO_HOME_JOB=$DEMO_JOB
	demo_await 30 "the start of job $DEMO_JOB" demo_job_is alpha "$DEMO_JOB" "RUNNING|COMPLETED"
	demo_await 10 "a lit LED for job $DEMO_JOB" demo_panel_shows alpha "$DEMO_JOB"
	demo_run alpha ada "rain panel --once"
	demo_await 120 "the end of job $DEMO_JOB" demo_job_is alpha "$DEMO_JOB" "COMPLETED|FAILED|CANCELLED|TIMEOUT|NODE_FAIL"
	demo_run alpha ada "cat slurm-$DEMO_JOB.out"
	demo_says "^16 ranks, plate" "16 ranks should have finished"
	demo_says "rank 0 on node.*" "it should have run on alpha's own nodes"
	demo_await 10 "dark LEDs after job $DEMO_JOB" demo_panel_dark alpha "$DEMO_JOB"
}

demo_panel_shows() { # CLUSTER JOB
	demo_ask "$1" root "rain panel --once --json" && jq -e "[.nodes[] | .jobs[]? | select(.job == $2)] | length > 0" <<<"$DEMO_OUTPUT" >/dev/null
}

demo_panel_dark() { ! demo_panel_shows "$@"; }

demo_charged() { # the balance has gone down
	local now
	now=$(demo_number .available_utok) && ((now < DEMO_BEFORE))
}

demo_cost() {
	demo_await 20 "the charge for job $DEMO_HOME_JOB" demo_charged
	demo_run alpha ada "rain balance"
	demo_run alpha ada "rain report"
	demo_says "ada" "the report should name ada"
	say
	say "The same from PostgreSQL:"
	demo_run alpha postgres "psql rain -c \"SELECT slurm_job_id, partition, nodes, core_ms, amount AS micro_tokens FROM ledger.job_run JOIN ledger.charge USING (job_run_id) WHERE slurm_job_id = $DEMO_HOME_JOB\""
	demo_says "\(1 row\)" "the run should be charged exactly once"
}

demo_on_bravo() { # JOB: squeue at home names the peer
	demo_ask alpha root "squeue --noheader --format='%T %N' --jobs=$1" && grep -qE '^RUNNING bravo-' <<<"$DEMO_OUTPUT"
}

demo_output_grows() { # JOB
	demo_ask alpha ada "grep -c '^step' slurm-$1.out" && ((DEMO_OUTPUT > 0))
}

demo_overflow() {
	demo_submit ben "sbatch --nodes=$NODES --exclusive --wrap='srun sleep 900'"
	DEMO_FILLER=$DEMO_JOB
	demo_await 30 "a full alpha" demo_job_is alpha "$DEMO_FILLER" RUNNING
	demo_run alpha ada "printf 'size 384\nsteps 2000\n' > heat.in"
	demo_run alpha ada "rain estimate --stage-in=heat,heat.in heat.sh"
	demo_says "^Advice: use --burst=auto: .*bravo could at once" "bravo should be advised while alpha is full"
	demo_submit ada "sbatch --burst=auto --stage-in=heat,heat.in heat.sh"
	DEMO_BURST_JOB=$DEMO_JOB
	demo_await 30 "job $DEMO_JOB on bravo" demo_on_bravo "$DEMO_JOB"
	demo_run alpha ada "squeue"
	demo_says "$DEMO_JOB .*ada .* bravo-\[1-4\]" "squeue should name the peer"
	demo_await 60 "output of job $DEMO_JOB at home while it runs" demo_output_grows "$DEMO_JOB"
	demo_run alpha ada "rain bursts; cat slurm-$DEMO_JOB.out"
	demo_run bravo root "squeue --format='%.8i %.9P %.12u %.4t %.6D %R'; rain panel --once"
	demo_says "guest +rain-guest[0-9]+ +R" "bravo should run it under a guest account"
	demo_await 180 "the end of job $DEMO_JOB" demo_job_is alpha "$DEMO_JOB" "COMPLETED|FAILED|CANCELLED|TIMEOUT|NODE_FAIL"
	demo_run alpha ada "tail -n 3 slurm-$DEMO_JOB.out; scontrol show job $DEMO_JOB | grep -E 'JobState|ExitCode|NodeList|AdminComment'"
	demo_says "^16 ranks, plate 384" "the whole output should be at home"
	demo_says "JobState=COMPLETED" "the job should be completed at home"
	demo_says "ExitCode=0:0" "its exit code should be 0"
}

demo_settled() { # JOB: bravo's receipt is countersigned and both ledgers have posted it
	demo_sql alpha "SELECT burst_id FROM federation.burst WHERE job_id = $1 AND state = 'settled'" || return 1
	DEMO_BURST=$DEMO_OUTPUT
	[[ -n $DEMO_BURST ]] || return 1
	demo_sql bravo "SELECT count(*) FROM federation.loan WHERE burst_id = '$DEMO_BURST' AND state = 'closed'" && [[ $DEMO_OUTPUT == 1 ]]
}

demo_receipt_of() { # CLUSTER SIDE: shows this side's copy, keeps it in DEMO_OUTPUT
	demo_run "$1" postgres "psql -d rain -c \"SELECT number, claimed_utok, amount_utok, left(sha256, 16) AS receipt, left(signature, 12) AS lender_signed, left(countersignature, 12) AS borrower_signed FROM federation.receipt WHERE side = '$2' AND burst_id = '$DEMO_BURST'\""
}

demo_receipt() {
	local paid copy
	demo_await 20 "the countersigned receipt for job $DEMO_BURST_JOB" demo_settled "$DEMO_BURST_JOB"
	say
	say "The receipt, as alpha keeps it and as bravo keeps it:"
	demo_receipt_of alpha borrower
	copy=$DEMO_OUTPUT
	demo_says "\(1 row\)" "alpha should have the receipt"
	demo_receipt_of bravo lender
	[[ $copy == "$DEMO_OUTPUT" ]] || demo_off "the two copies of the receipt differ"
	demo_sql alpha "SELECT c.amount FROM ledger.charge c JOIN ledger.job_run r USING (job_run_id) WHERE r.slurm_job_id = $DEMO_BURST_JOB"
	paid=$DEMO_OUTPUT
	demo_sql alpha "SELECT amount_utok FROM federation.receipt WHERE side = 'borrower' AND burst_id = '$DEMO_BURST'"
	[[ $paid == "$DEMO_OUTPUT" && $paid -gt 0 ]] || demo_off "ada paid $paid micro-tokens, the receipt says $DEMO_OUTPUT"
	demo_run alpha ada "rain balance; rain report --by job"
	demo_run alpha root "rain peer list"
	demo_run bravo root "rain peer list; rain balance"
	demo_sql alpha "SELECT balance FROM ledger.balance('peer:bravo')"
	copy=$DEMO_OUTPUT
	demo_sql bravo "SELECT -balance FROM ledger.balance('peer:alpha')"
	[[ $copy == "$DEMO_OUTPUT" ]] || demo_off "alpha owes bravo $copy, bravo is owed $DEMO_OUTPUT"
}

demo_exit_code() {
	demo_submit ada "sbatch --burst=auto --wrap='echo this goes wrong; exit 3'"
	demo_await 60 "the end of job $DEMO_JOB" demo_job_is alpha "$DEMO_JOB" "COMPLETED|FAILED|CANCELLED|TIMEOUT|NODE_FAIL"
	demo_run alpha ada "scontrol show job $DEMO_JOB | grep -E 'JobState|ExitCode|NodeList=bravo'; cat slurm-$DEMO_JOB.out"
	demo_says "JobState=FAILED" "the job should have failed"
	demo_says "ExitCode=3:0" "its exit code should be 3"
	demo_says "NodeList=bravo-" "it should have run on bravo"
}

demo_guests() { demo_ask bravo root "squeue --noheader --partition=guest --states=RUNNING,COMPLETING --format=%i"; }
demo_no_guest() { demo_guests && [[ -z $DEMO_OUTPUT ]]; }
demo_some_guest() { demo_guests && [[ -n $DEMO_OUTPUT ]]; }

demo_scancel() {
	local start
	demo_submit ada "sbatch --burst=auto --wrap='sleep 600'"
	demo_await 60 "job $DEMO_JOB running on bravo" demo_some_guest
	demo_run alpha ada "scancel $DEMO_JOB"
	start=$(now_ms)
	demo_await 5 "the end of job $DEMO_JOB on bravo" demo_no_guest
	say "bravo ended it after $(seconds_since "$start") s"
	demo_await 10 "the end of job $DEMO_JOB at home" demo_job_is alpha "$DEMO_JOB" CANCELLED
	demo_run alpha ada "squeue --states=all --jobs=$DEMO_JOB"
}
