#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# The owner comes first: guests give way, and the owner says who may have what.
load helper

setup_file() { fill_alpha >"$BATS_FILE_TMPDIR/filler"; }
teardown_file() {
	on bravo root "rain recall --end; rain peer resume alpha; rain peer unban alpha ada; cp /etc/rain/rain.conf.kept /etc/rain/rain.conf 2>/dev/null; true"
	on alpha root "rain peer resume bravo"
	reload bravo
	clear_jobs
}
teardown() { ledgers_hold; }

burst() { submit ada --burst=auto "$@"; }
bursts_say() { on alpha root "rain bursts" | grep -E "^ *$1 " | grep -qE -- "$2"; } # JOB PATTERN
guests_run() { on bravo root "squeue --noheader --partition=guest --states=RUNNING" | grep -q .; }
no_guests() { [[ -z $(on bravo root "squeue --noheader --partition=guest") ]]; }
offer_says() { on "$1" root "rain offers $2 --parsable2" | grep -qE "$3"; } # CLUSTER OPTIONS PATTERN
reload() { on "$1" root "pkill -HUP -x rain-gatewayd"; }
settled_or_void() { # JOB: no burst of it is open
	[ "$(sql alpha "SELECT count(*) FROM federation.burst WHERE job_id = $1 AND (state NOT IN ('settled', 'void') OR job <> 'over')")" = 0 ]
}

# Two evictions soon after each other keep alpha away from bravo for hours: not our subject.
forgive() {
	"$TRAINER" kill alpha gatewayd
	sql alpha "UPDATE federation.standing SET evicting = 0, closed_until = 0"
	"$TRAINER" start alpha gatewayd
}

@test "an owner's job drives a guest out: a signal, then gone; the job is back at once with its age, and nothing is owed" {
	before=$(sql bravo "SELECT balance FROM ledger.balance('peer:alpha')")
	id=$(burst --nodes=2 --open-mode=append --wrap='trap "echo asked to go" TERM; echo began; sleep 600 & wait; sleep 1; exit 0')
	await 30 job_on_peer "$id"
	await 20 eval 'output ada '"$id"' | grep -q began'
	submitted=$(job alpha "$id" SubmitTime)
	eligible=$(sql alpha "SELECT submit_time FROM federation.burst WHERE job_id = $id")
	own=$("$TRAINER" exec bravo --user eve sbatch --parsable --nodes=$NODES --exclusive --time=30 --wrap='srun sleep 600' 2>/dev/null)
	await 20 job_is bravo "$own" RUNNING
	# bravo is its owner's now, so the job waits at home, as it did before.
	await 20 job_is alpha "$id" PENDING
	[ "$(job alpha "$id" Partition)" = trainer ]
	[[ $(output ada "$id") == began*'asked to go'* ]]
	[ "$(output ada "$id" | grep -c 'asked to go')" = 1 ]
	await 10 settled_or_void "$id"
	[ "$(sql alpha "SELECT outcome FROM federation.burst WHERE job_id = $id")" = evicted ]
	[ "$(sql bravo "SELECT balance FROM ledger.balance('peer:alpha')")" = "$before" ]
	[ "$(sql alpha "SELECT held FROM ledger.balance('user:ada')")" = 0 ]
	# Its age counts from the first submission: it is eligible since then.
	[[ $(job alpha "$id" EligibleTime) < $(on alpha root "date -d '+10 seconds' +%FT%T") ]]
	on bravo eve "scancel $own"
	await 40 job_on_peer "$id"
	[ "$(job alpha "$id" Restarts)" = 1 ]
	on alpha ada "scancel $id"
	await 20 settled_or_void "$id"
}

@test "rain recall takes the nodes back now, and lends nothing until it is ended" {
	id=$(burst --wrap='echo began; sleep 600')
	await 30 guests_run
	run -0 on bravo root "rain recall --for 10m"
	[[ $output == "1 guests are being sent away"* ]]
	await 15 no_guests
	await 15 job_is alpha "$id" PENDING
	await 10 offer_says alpha "" '^bravo\|closed'
	run -1 on alpha ada "rain recall"
	[[ $output == *administrators* ]]
	# Also a gateway that starts anew knows it.
	"$TRAINER" kill bravo gatewayd
	"$TRAINER" start bravo gatewayd
	await 10 offer_says bravo --ours '^alpha\|no\|.*needs the machine'
	on bravo root "rain recall --end"
	forgive
	await 30 job_on_peer "$id"
	on alpha ada "scancel $id"
	await 20 settled_or_void "$id"
}

@test "a paused peer gets nothing, and what is paused on our side goes nowhere" {
	run -0 on bravo root "rain peer pause alpha --lend"
	[[ $output == *"lending to it is paused, sending jobs there is on"* ]]
	await 10 offer_says alpha "" '^bravo\|closed'
	id=$(burst --wrap='echo over')
	await 10 bursts_say "$id" bravo
	job_is alpha "$id" PENDING
	on bravo root "rain peer resume alpha"
	await 30 job_ended alpha "$id"
	on alpha root "rain peer pause bravo --borrow"
	offer_says alpha "" '^bravo\|paused'
	id=$(burst --wrap='echo over')
	await 10 bursts_say "$id" "paused"
	on alpha root "rain peer resume bravo"
	await 30 job_ended alpha "$id"
}

@test "limits: tokens that a peer may owe, cores and hours that it may have" {
	run -1 on bravo root "rain peer limit alpha 0"
	[[ $output == *"already uses"* ]]
	on bravo root "rain peer limit alpha 0.1"
	id=$(burst --time=60 --nodes=4 --ntasks=16 --wrap='echo over')
	await 20 bursts_say "$id" "credit|owe"
	on bravo root "rain peer limit alpha 1000"
	on alpha ada "scancel $id"
	on bravo root "cp /etc/rain/rain.conf /etc/rain/rain.conf.kept; sed -i 's/^\t*credit-limit/\tpeer alpha { max-cores = 2 }\n&/' /etc/rain/rain.conf"
	reload bravo
	await 10 offer_says bravo --ours '^alpha\|yes\|8\|2\|'
	id=$(burst --nodes=1 --ntasks=4 --wrap='echo over')
	await 20 bursts_say "$id" "2 cores"
	on alpha ada "scancel $id"
	# The whole week but this hour and its neighbours.
	window=$(on bravo root 'echo "$(date -d "2 hours" +%a) $(date -d "2 hours" +%H:00)-$(date -d "3 hours" +%H:00)"')
	on bravo root "sed -i 's/max-cores = 2/hours = {\"$window\"}/' /etc/rain/rain.conf"
	reload bravo
	await 10 offer_says bravo --ours '^alpha\|no\|.*other hours'
	on bravo root "cp /etc/rain/rain.conf.kept /etc/rain/rain.conf"
	reload bravo
	await 10 offer_says bravo --ours '^alpha\|yes'
}

@test "a black hole is left alone, and shown" {
	ids=()
	for i in 1 2 3 4 5; do ids+=("$(burst --wrap='/nonexistent/program')"); done
	for id in "${ids[@]}"; do await 60 job_ended alpha "$id"; done
	await 10 offer_says alpha "" '^bravo\|throttled\|.*5 jobs in a row'
	id=$(burst --wrap='echo over')
	await 10 bursts_say "$id" "in a row"
	on alpha ada "scancel $id"
	"$TRAINER" kill alpha gatewayd
	"$TRAINER" start alpha gatewayd
}

@test "a banned user of a peer is sent away and gets nothing, others do; a user's own bounds" {
	id=$(burst --wrap='sleep 600')
	await 30 guests_run
	run -1 on alpha ada "rain peer ban bravo eve"
	[[ $output == *administrators* ]]
	run -1 on bravo root "rain peer ban zulu ada"
	[[ $output == *"no peer 'zulu'"* ]]
	run -2 on bravo root "rain peer ban alpha"
	run -0 on bravo root "rain peer ban alpha ada --reason 'fills the disk'"
	[[ $output == *"1 of them are being sent away"* ]]
	await 15 no_guests
	await 20 bursts_say "$id" "doesn't take jobs of ada"
	job_is alpha "$id" PENDING
	run -0 on bravo root "rain peer bans --parsable2"
	[[ $output == *'alpha|ada|'*'|fills the disk' ]]
	# Another user of the same peer.
	other=$(submit ben --burst=auto --wrap='echo over')
	await 30 job_ended alpha "$other"
	run -0 on bravo root "rain peer unban alpha ada"
	run -1 on bravo root "rain peer unban alpha ada"
	[[ $output == *"is not banned"* ]]
	forgive
	await 30 job_on_peer "$id"
	on alpha ada "scancel $id"
	await 20 settled_or_void "$id"
	on bravo root "cp /etc/rain/rain.conf /etc/rain/rain.conf.kept; sed -i 's/^\t*credit-limit/\tpeer alpha { user ada { max-nodes = 0 } }\n&/' /etc/rain/rain.conf"
	reload bravo
	id=$(burst --wrap='echo over')
	await 20 bursts_say "$id" "ada may have 0 nodes"
	on bravo root "cp /etc/rain/rain.conf.kept /etc/rain/rain.conf"
	reload bravo
	await 30 job_ended alpha "$id"
}

@test "a peer is removed only when nothing runs, is a stranger then, and can come back" {
	id=$(burst --wrap='sleep 600')
	await 30 job_on_peer "$id"
	run -1 on alpha root "rain peer remove bravo"
	[[ $output == *"1 of our jobs are still there"* ]]
	on alpha ada "scancel $id"
	await 20 settled_or_void "$id"
	await 20 eval '[ "$(sql bravo "SELECT count(*) FROM federation.loan WHERE state NOT IN ('"'closed', 'void'"')")" = 0 ]'
	owed=$(sql alpha "SELECT balance FROM ledger.balance('peer:bravo')")
	run -0 on alpha root "rain peer remove bravo"
	run -0 on alpha root "rain peer list"
	[[ $output != *bravo* ]]
	invitation=$(on alpha root "rain peer invite" | grep '^rain-peer1:')
	run -0 on bravo root "rain peer accept '$invitation'"
	run -0 on alpha root "rain peer list"
	[[ $output == *bravo* ]]
	[ "$(sql alpha "SELECT balance FROM ledger.balance('peer:bravo')")" = "$owed" ]
	id=$(burst --wrap='echo over')
	await 30 job_ended alpha "$id"
	[ "$(output ada "$id")" = over ]
}
