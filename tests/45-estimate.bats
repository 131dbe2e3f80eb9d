#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# What is said of a job before it is submitted, and in which order the home queue goes.
load helper

setup_file() {
	on alpha ada "printf '#!/bin/sh\n#SBATCH --nodes=2 --ntasks-per-node=4 --time=5\nsleep 1\n' >estimate.sh"
	on alpha ada 'head -c 2000000 /dev/zero >estimate.in'
}

teardown() { ledgers_hold; }
teardown_file() { clear_jobs; }

estimate() { on alpha ada "rain estimate $*"; }
field() { python3 -c "import json,sys; print(json.load(sys.stdin)$1)"; } # PATH: of the JSON on stdin
priority() { job alpha "$1" Priority; }

# refused WORDS ARGUMENTS...: exit code 1 and a sentence with these words, nothing else
refused() {
	local words=$1
	shift
	run estimate "$@"
	[ "$status" = 1 ]
	[ "${#lines[@]}" = 1 ]
	[[ $output == "rain-estimate: "*"$words"* ]]
}

@test "an idle home starts it at once; the ceiling is the price of the limit" {
	answer=$(estimate --json --time=6 --nodes=1 estimate.sh)
	[ "$(field "['places'][0]['name']" <<<"$answer")" = alpha ]
	[ "$(field "['places'][0]['start_s'] <= 5" <<<"$answer")" = True ]
	# 4 cores of 1 GFLOP/s for 360 s are 0.4 tokens, at home a quarter of it
	[ "$(field "['places'][0]['ceiling_utok']" <<<"$answer")" = 100000 ]
	[ "$(field "['places'][1]['ceiling_utok']" <<<"$answer")" = 400000 ]
	balance=$(on alpha ada "rain balance --json" | field "['available_utok']")
	cost=$(field "['places'][1]['cost_expected_utok']" <<<"$answer")
	[ "$(field "['places'][1]['balance_after_utok']" <<<"$answer")" = $((balance - cost)) ]
	[ "$(field "['best']" <<<"$answer")" = alpha ]
	[[ $(field "['advice']" <<<"$answer") == *"at home: it can start"* ]]
	run estimate estimate.sh
	[ "$status" = 0 ]
	[[ $output == *PLACE*START-IN*CEILING*LEFT*alpha*bravo*"Advice: "* ]]
}

@test "what a user ran tells how long the next one will run" {
	submit ada --array=1-10 --ntasks=1 --time=50 --job-name=known --wrap='sleep 2'
	submit ada --array=1-2 --ntasks=1 --time=50 --job-name=slow --wrap='sleep 10'
	known() {
		answer=$(estimate --json --ntasks=1 --time=50 --job-name=known --wrap=true)
		# Before, other jobs of hers are what it goes by.
		[ "$(field "['prediction']['basis']" <<<"$answer")" = name ] &&
			[ "$(field "['prediction']['samples']" <<<"$answer")" -ge 10 ]
	}
	await 60 known
	[ "$(field "['prediction']['confidence']" <<<"$answer")" = 90 ]
	python3 -c 'import json,sys
p = json.load(sys.stdin)["places"]
for q in p: assert 1 <= q["run_expected_s"] <= q["run_high_s"] < 3000, q
for q in p: assert q["cost_expected_utok"] <= q["cost_high_utok"] < q["ceiling_utok"], q' <<<"$answer"
	# and how good that was is published: what came tenth or later was foretold
	submit ada --array=1-3 --ntasks=1 --time=50 --job-name=known --wrap='sleep 2'
	judged() { on alpha ada 'rain report estimates --csv' | awk -F, '$1 == "ada" && $3 >= 3 { ok = 1 } END { exit !ok }'; }
	await 60 judged
	on alpha ada 'rain report estimates' | grep -q 'WITHIN90%'
}

@test "home full: a peer is advised, with its price and what sending the inputs takes" {
	fill_alpha
	answer=$(estimate --json --stage-in=estimate.sh,estimate.in --nodes=1 estimate.sh)
	[ "$(field "['input_bytes'] > 2000000" <<<"$answer")" = True ]
	# Slurm goes by the limit of what runs: half an hour
	[ "$(field "['places'][0]['start_s'] > 1500" <<<"$answer")" = True ]
	[ "$(field "['best']" <<<"$answer")" = bravo ]
	[[ $(field "['advice']" <<<"$answer") == "use --burst=auto: home can start it in "*"bravo could at once"*tokens ]]
	run estimate --burst=auto --burst-max-tokens=0.01 estimate.sh
	[[ $output == *"bravo: it may cost"*"--burst-max-tokens is 0.010000."*"no peer fits"* ]]
	run estimate --nodes=2 --time=61 estimate.sh
	[[ $output == *"bravo: it takes jobs of up to 60 minutes"* ]]
}

@test "sbatch says it in one line with --burst, or always, or never; a plain submission is silent" {
	said() { on alpha ada "sbatch $* 2>&1" | grep -c 'rain: estimate: .*home'; }
	# a busy host may be too late with it: then there is none
	told() { on alpha ada 'sbatch --burst=auto estimate.sh 2>&1' | grep 'rain: estimate: .*home can start it in .*bravo could at once'; }
	await 20 told
	[ "$(told | wc -l)" -le 1 ]
	[[ $(told || true) != *"use --burst"* ]] # that is what was said
	[ "$(said estimate.sh || true)" = 0 ]
	[ "$(said --burst=never estimate.sh || true)" = 0 ]
	on alpha root "sed 's/at-submission = .*/at-submission = \"always\"/' /etc/rain/rain.conf >/tmp/always.conf
		grep -q at-submission /tmp/always.conf || printf 'estimate { at-submission = \"always\" }\n' >>/tmp/always.conf
		cp -p /etc/rain/rain.conf /etc/rain/rain.conf.kept && cat /tmp/always.conf >/etc/rain/rain.conf"
	always() { [ "$(said estimate.sh)" = 1 ]; }
	await 20 always && always=1
	on alpha root "cat /etc/rain/rain.conf.kept >/etc/rain/rain.conf; sed -i '\$a estimate { at-submission = \"never\" }' /etc/rain/rain.conf"
	never=$(said --burst=auto estimate.sh || true)
	on alpha root "cat /etc/rain/rain.conf.kept >/etc/rain/rain.conf; rm /etc/rain/rain.conf.kept"
	[ "$always" = 1 ]
	[ "$never" = 0 ]
	clear_jobs
}

@test "what can't be estimated is said in a sentence, with exit code 1" {
	on alpha ada "printf 'echo hi\n' >bad.sh; printf '#!/bin/sh\n#SBATCH -n1\n#SBATCH hetjob\n#SBATCH -n2\n' >het.sh"
	refused 'does not look like a batch script' bad.sh
	refused 'Unable to open file nosuch.sh' nosuch.sh
	refused "unrecognized option '--frobnicate'" --frobnicate estimate.sh
	refused 'heterogeneous job, of 2 components' het.sh
	refused 'heterogeneous job, of 2 components' -n1 : -n2 estimate.sh
	refused 'Invalid --time' --time=soon estimate.sh
	refused 'has no time limit' --time=0 estimate.sh
	refused 'has no time limit' --time=99999999999 estimate.sh
	refused 'node configuration is not available' --nodes=100 estimate.sh
	refused 'invalid partition' --partition=none estimate.sh
	refused 'must be never, auto or only' --burst=sometimes estimate.sh
	run estimate
	[ "$status" = 2 ]
	run estimate --array=1-10%2 --stage-in=nosuchfile --burst=auto --burst-peers=bravo,charly -d afterany:1 estimate.sh
	[ "$status" = 0 ]
	[[ $output == *"An array of 10 tasks"*'"nosuchfile" isn'"'t there"*"no peer called charly"* ]]
	[[ $output == *"this one waits for another job first"* ]]
	[ -z "$(on alpha ada 'squeue --noheader --me')" ]
}

@test "whoever doesn't answer is named, and the rest is told" {
	"$TRAINER" kill alpha ledgerd
	"$TRAINER" kill alpha gatewayd
	run estimate estimate.sh
	[ "$status" = 0 ]
	[[ $output == *"run time can't be predicted"*"balance isn't known"*"Peers aren't known"*"Advice: run it at home"* ]]
	# a submission neither fails nor hangs for it
	run on alpha ada "timeout 10 sbatch --burst=auto estimate.sh 2>&1"
	[ "$status" = 0 ]
	[[ $output == *"Submitted batch job"* ]]
	"$TRAINER" kill alpha postgres
	"$TRAINER" start alpha ledgerd
	run estimate estimate.sh
	[ "$status" = 0 ]
	[[ $output == *"balance isn't known"*"Advice: "* ]]
	"$TRAINER" start alpha postgres
	"$TRAINER" start alpha gatewayd
	whole() { run estimate estimate.sh && [[ $output != *known:* ]] && [[ $output == *bravo* ]]; }
	await 60 whole
	clear_jobs
	"$TRAINER" kill alpha slurmctld
	run estimate estimate.sh
	"$TRAINER" start alpha slurmctld
	[ "$status" = 3 ]
	[[ $output == "rain-estimate: slurmctld doesn't answer"* ]]
	up() { on alpha ada 'squeue --noheader'; }
	await 30 up
	# what it had not yet written down when it was killed is there again
	clear_jobs
}

@test "the home queue: the shortest by prediction first, and who waits keeps its place" {
	clear_jobs
	fill_alpha
	learned() { [ "$(estimate --json --ntasks=1 --time=50 --job-name=slow --wrap=true | field "['places'][0]['run_expected_s']")" -ge 9 ]; }
	await 30 learned
	# both may take as long, but one never does
	long=$(submit ada --ntasks=1 --time=50 --job-name=slow --wrap='sleep 1')
	short=$(submit ada --ntasks=1 --time=50 --job-name=known --wrap='sleep 1')
	# a point is a second, and five are given for each second that it is shorter
	(($(priority "$short") - $(priority "$long") >= 5 * 7 - 10))
	endless=$(submit ada --ntasks=1 --time=30-0 --job-name=slow --wrap='sleep 1')
	# nobody stands back for longer than max-wait-hours
	(($(priority "$short") - $(priority "$endless") <= 24 * 3600))
	on alpha ben 'scancel --user=ben'
	await 60 job_ended alpha "$long"
	await 60 job_ended alpha "$endless"
	clear_jobs
}

@test "slurmctld survives a snapshot that is cut, garbage or gone, and takes it for not known" {
	clear_jobs
	fill_alpha
	known=$(priority "$(submit ada --ntasks=1 --time=50 --job-name=known --wrap=true)")
	pid=$(on alpha root 'pidof slurmctld')
	"$TRAINER" kill alpha ledgerd
	for harm in 'truncate --size=100 FILE' 'truncate --size=0 FILE' 'head -c 70000 /dev/urandom >FILE' \
		'printf RAINBAL >FILE; truncate --size=1000000000 FILE' 'rm FILE; mkfifo FILE' \
		'rm FILE; ln -s /dev/zero FILE' 'rm FILE'; do
		for map in predictions balances; do
			on alpha root "${harm//FILE//var/spool/rain/jobcomp/$map.map}"
		done
		# once with what was mapped before, once with what is there now
		submit ada --burst=auto --ntasks=1 --time=50 --job-name=known --wrap=true
		on alpha root 'scontrol reconfigure'
		unknown=$(priority "$(submit ada --ntasks=1 --time=50 --job-name=known --wrap=true)")
		# as long as its limit: neither the shortest nor the last
		echo "known $known, after $harm: $unknown"
		((unknown < known - 5 * 2900 && unknown > known - 5 * 3000 - 300))
	done
	[ "$(on alpha root 'pidof slurmctld')" = "$pid" ]
	"$TRAINER" start alpha ledgerd
	clear_jobs
}
