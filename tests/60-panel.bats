#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# The front panel shows whose job is on which node.
load helper

teardown_file() { clear_jobs; }

panel_jobs() { # CLUSTER: "node job kind" lines
	"$TRAINER" exec "$1" rain panel --once --json | jq -r '.nodes[] | .node as $n | .jobs[]? | "\($n) \(.job) \(.kind)"'
}

@test "every node answers" {
	run -0 on alpha ada "rain panel --once --json | jq '.nodes | length'"
	[ "$output" = $NODES ]
	run -0 on alpha ada "rain panel --once"
	[[ $output == *node1* && $output == *node8* ]]
}

@test "a job lights its nodes and no others; its end clears them" {
	id=$(submit ada --nodes=3 --ntasks=3 --wrap='srun sleep 8')
	await 20 job_is alpha "$id" RUNNING
	await 5 eval '[ "$(panel_jobs alpha | grep -c " '"$id"' home")" = 3 ]'
	await 30 job_ended alpha "$id"
	await 5 eval '[ -z "$(panel_jobs alpha)" ]'
}

@test "a killed paneld does not delay a job and heals itself" {
	"$TRAINER" kill alpha paneld@node1
	id=$(submit ada --nodes=8 --ntasks=8 --wrap='srun sleep 6')
	await 10 job_is alpha "$id" "RUNNING"
	"$TRAINER" start alpha paneld@node1
	await 30 job_ended alpha "$id"
	[ "$(job alpha "$id" ExitCode)" = 0:0 ]
	await 15 eval '[ -z "$(panel_jobs alpha)" ]'
	run -0 on alpha ada "rain panel --once --json | jq '.nodes | length'"
}
