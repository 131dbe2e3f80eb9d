#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# The bank beside a real Slurm: every run is booked once, whatever becomes of its job.
load helper

runs() { sql alpha "SELECT count(*) FROM ledger.job_run WHERE recorded_at IS NOT NULL AND $1"; }
runs_are() { [ "$(runs "$1")" = "$2" ]; } # CONDITION NUMBER

# Slurm and the ledger agree, but for what this file planted when it ran before (at its end).
reconcile() { on alpha root "rain reconcile --grace 2 -P" || true; }
setup_file() { reconcile >"$BATS_FILE_TMPDIR/planted"; }
agree() {
	local all
	all=$(reconcile)
	[[ $all == PROBLEM* ]] && ! grep -qvxFf "$BATS_FILE_TMPDIR/planted" <<<"$all"
}

@test "sbatch tells with --burst what can be spent" {
	# published and found within seconds after the start
	told() { on alpha ada "sbatch --burst=auto --wrap=true 2>&1" | grep -q "you can spend .* tokens"; }
	await 30 told
}

@test "without rain-ledgerd the balance is not known, and never 0" {
	"$TRAINER" kill alpha ledgerd
	# what is published grows stale
	told() { on alpha ada "sbatch --burst=auto --wrap=true 2>&1" | grep -q "your balance isn't known"; }
	await 40 told
	run on alpha ada "sbatch --burst=auto --wrap=true 2>&1"
	[[ $output != *"no tokens"* ]]
	"$TRAINER" start alpha ledgerd
	known() { on alpha ada "sbatch --burst=auto --wrap=true 2>&1" | grep -q "you can spend"; }
	await 40 known
}

@test "an array, a requeued and a heterogeneous job: each run is booked once, and Slurm agrees" {
	array=$(submit ada --array=1-3 --wrap=true)
	het=$(submit ada --wrap=true : --wrap=true || true)
	id=$(submit ada --requeue --wrap='sleep 300')
	await 30 job_is alpha "$id" RUNNING
	on alpha root "scontrol requeue $id"
	await 30 job_is alpha "$id" PENDING
	on alpha root "scancel $id"
	# the second time it never ran
	await 30 runs_are "slurm_job_id = $id AND restart = 0 AND state = 'REQUEUED'" 1
	runs_are "slurm_job_id = $id" 1
	await 30 runs_are "array_job_id = $array" 3
	[ -z "$het" ] || await 30 runs_are "het_job_id = ${het%%;*}" 2
	await 60 agree
}

@test "killed at any moment, rain-ledgerd and PostgreSQL lose no run and book none twice" {
	before=$(runs true)
	id=$(submit ada --array=1-20 --wrap=true)
	"$TRAINER" kill alpha ledgerd
	"$TRAINER" start alpha ledgerd
	"$TRAINER" kill alpha ledgerd
	ended() { [ -z "$(on alpha ada "squeue --noheader --jobs=$id 2>/dev/null")" ]; }
	await 60 ended
	"$TRAINER" start alpha ledgerd
	await 60 runs_are "array_job_id = $id" 20
	await 60 agree
	[ "$(runs true)" -ge $((before + 20)) ]
}

SPOOL=/var/spool/rain/jobcomp
problem() { reconcile | grep -E "^$2\|$1\|"; } # JOB PROBLEM

# Last: for some minutes Slurm and the ledger will differ about what is planted here.
@test "reconcile names what is missing, unknown to Slurm, and told differently" {
	"$TRAINER" kill alpha ledgerd
	lost=$(submit ada --wrap=true)
	wrong=$(submit ada --wrap='exit 1')
	foreign=$((lost + 900000))
	await 30 job_ended alpha "$lost"
	await 30 job_ended alpha "$wrong"
	record() { on alpha root "grep -h '\"job_id\":$1,' $SPOOL/*.runs"; }
	await 30 record "$lost"
	await 30 record "$wrong"
	# Their lines go from the spool; what is to be booked in their place comes back as what
	# was put aside does. slurmctld finds its segment replaced and begins another.
	on alpha root "cut -d' ' -f4- <<<'$(record "$lost")' >/root/lost.json
		install -d -o rain -g rain -m 750 $SPOOL/rejected
		cut -d' ' -f4- <<<'$(record "$wrong")' | sed 's/\"FAILED\"/\"COMPLETED\"/' >$SPOOL/rejected/wrong.json
		sed 's/\"job_id\":[0-9]*,/\"job_id\":$foreign,/' /root/lost.json >$SPOOL/rejected/foreign.json
		sed -i -e '/\"job_id\":$lost,/d' -e '/\"job_id\":$wrong,/d' $SPOOL/*.runs"
	"$TRAINER" start alpha ledgerd
	await 30 runs_are "slurm_job_id IN ($foreign, $wrong)" 2
	await 30 problem "$lost" 'missing in the ledger'
	await 30 problem $foreign 'unknown to Slurm'
	await 30 problem "$wrong" 'FAILED in Slurm'
	# found again, it is booked, and no longer named
	on alpha root "cp /root/lost.json $SPOOL/rejected/found.json && rain ledger replay found.json"
	await 30 runs_are "slurm_job_id = $lost" 1
	! problem "$lost" 'missing in the ledger' || false
}
