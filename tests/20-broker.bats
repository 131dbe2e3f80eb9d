#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# rain-brokerd has root's power over Slurm: who may ask it, and for what.
load helper

teardown_file() { clear_jobs; }

# ask USER REQUEST: the broker's answer on alpha, one line of JSON
# shellcheck disable=SC2016
ask() {
	"$TRAINER" exec alpha --user "$1" perl -MIO::Socket::UNIX -e '
		my $s = IO::Socket::UNIX->new(Peer => "/run/rain/broker/broker.sock") or die "$!\n";
		print $s "$ARGV[0]\n"; print scalar <$s>' "$2"
}

refused() { # REQUEST REASON
	run ask root "$1"
	[[ $output == '{"ok":false,'*"$2"* ]] || { echo "$1: $output"; return 1; }
}

LOAN=11111111-2222-3333-4444-555555555555

submit_guest() { # MEMBERS: of the request, that come after right ones
	echo '{"op":"guest_submit","loan":"'$LOAN'","uid":61000,"nodes":1,"tasks":1,"minutes":1,'"$1"'}'
}

answers() { [[ $(ask root '{"op":"capacity"}') == '{"ok":true,'* ]]; }

@test "users can't reach the broker, the gateway's user can" {
	run ask ada '{"op":"queue"}'
	[[ $output == *"Permission denied"* ]]
	run ask rain-gw '{"op":"queue"}'
	[[ $output == '{"ok":true,'* ]]
}

@test "what the broker does not do has no name, and what it does has bounds" {
	refused '{"op":"exec","command":"id"}' "unknown operation"
	refused '{"op":"bind","job_id":1,"submit_time":1,"feature":"a|b"}' "feature"
	refused '{"op":"unbind","job_id":1,"submit_time":1,"partition":"guest"}' "no home"
	refused "$(submit_guest '"uid":0')" "uid"
	refused "$(submit_guest '"uid":1000')" "uid"
	refused "$(submit_guest '"nodes":1000')" "nodes"
	refused "$(submit_guest '"minutes":100000')" "minutes"
	refused "$(submit_guest '"agent_url":"http://x:1 --loan y"')" "agent_url"
	refused 'nonsense' ""
}

@test "jobs that did not ask for it are not moved, held, annotated or cancelled" {
	local id
	id=$(submit ada --hold --time=5 --wrap='sleep 60')
	for op in bind unbind annotate; do
		refused '{"op":"'$op'","job_id":'"$id"',"submit_time":1,"feature":"bravo","text":"x"}' \
			"isn't the one that is meant"
	done
	refused '{"op":"annotate","job_id":'"$id"',"text":"x"}' "its user did not ask for it"
	for op in guest_release guest_cancel guest_query; do
		refused '{"op":"'$op'","job_id":'"$id"'}' "is no guest's"
	done
	job_is alpha "$id" PENDING
	on alpha ada "scancel $id"
}

@test "a dead slurmctld is said at once, and a new one is found" {
	"$TRAINER" kill alpha slurmctld
	run ask root '{"op":"capacity"}'
	"$TRAINER" start alpha slurmctld
	[[ $output == *"slurmctld does not answer"* ]]
	await 20 answers
}

@test "the broker may be killed at any time" {
	"$TRAINER" kill alpha brokerd
	"$TRAINER" start alpha brokerd
	await 10 answers
}
