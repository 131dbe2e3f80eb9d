#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# Nodes are measured by jobs of a real Slurm.
load helper

@test "a node is surveyed and measured by HPL; the result is kept, with the lines for both configurations" {
	"$TRAINER" exec alpha rain calibrate --nodes=node1 --seconds=1 --order=256 --json >"$BATS_TEST_TMPDIR/out" || true
	cat "$BATS_TEST_TMPDIR/out"
	cores=$(lscpu --parse=core,socket | grep -v '^#' | sort -u | wc -l)
	run -0 jq -e --argjson cores "$cores" '.nodes | length == 1 and .[0].node == "node1" and .[0].cores == $cores
		and .[0].clock_end_khz > 100000 and .[0].dgemm_mflops > 0' "$BATS_TEST_TMPDIR/out"
	run -0 jq -e '.types | length == 1 and .[0].hpl.order == 256 and .[0].hpl.mflops > 0
		and .[0].mflops_per_core > 0 and (.[0].slurm_line | startswith("NodeName=node1 CPUs="))' "$BATS_TEST_TMPDIR/out"
	# four CPUs are declared for each virtual node, however many the host has
	run on alpha root "rain calibrate --show"
	[[ $output == *"NodeName=node1 CPUs="*"mflops-per-core = "*"states 1000 MFLOP/s"* ]]
	run -0 on alpha root "cat /var/lib/rain/calibration.json"
	# nothing is left of it
	await 20 no_jobs alpha
	run -0 on_node alpha node1 root "ls -A /tmp | grep -c rain-calibrate || true"
	[ "$output" = 0 ]
}

@test "who may not keep the result is told so, and sees it all the same" {
	run on alpha ada "rain calibrate --nodes=node2 --seconds=1 --no-hpl"
	[[ $output == *node2*"NodeName=node2"* && $output != *"mflops-per-core ="* ]]
}

@test "nodes that are busy or unknown are named" {
	id=$(submit ben --nodelist=node3 --exclusive --time=10 --wrap='sleep 300')
	await 30 job_is alpha "$id" RUNNING
	run ! on alpha root "rain calibrate --nodes=node3 --seconds=1 --wait=1 --no-hpl"
	[[ $output == *"no node was surveyed"* ]]
	on alpha root "scancel $id"
	run ! on alpha root "rain calibrate --nodes=nowhere --seconds=1 --no-hpl"
	[[ $output == *"no node was surveyed"* ]]
	run -2 on alpha root "rain calibrate --seconds=0"
}
