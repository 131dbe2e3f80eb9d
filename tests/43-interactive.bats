#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# Programs that somebody sits before, on a peer: srun and salloc, with standard input and a terminal.
load helper

setup_file() { fill_alpha; }
teardown_file() { clear_jobs; }
teardown() { ledgers_hold; }

ada_srun() { "$TRAINER" exec alpha --user ada srun --quiet --burst=only --time=3 "$@"; }

# at_terminal STEP... -- COMMAND...: as ada, see terminal.py
at_terminal() {
	local steps=()
	while [[ $1 != -- ]]; do
		steps+=("$1")
		shift
	done
	python3 "$BATS_TEST_DIRNAME/terminal.py" "${steps[@]}" -- "$TRAINER" exec alpha --user ada "${@:2}"
}

no_guest() { no_jobs bravo && [ -z "$(on bravo root 'pgrep -u rain-guest1,rain-guest2')" ]; }

@test "srun on a peer: every task, its output labelled, and the step's exit code" {
	run -0 ada_srun --ntasks=6 --label bash -c 'echo "task $SLURM_PROCID"'
	[ "$(sort <<<"$output")" = "$(for i in 0 1 2 3 4 5; do echo "0: $i: task $i"; done)" ]
	run ada_srun bash -c 'echo out; echo err >&2; exit 7'
	[ "$status" = 7 ]
	[[ $output == *out* && $output == *err* && $output == *"exit code 7"* ]]
	run ada_srun --chdir=/home/ada bash -c 'kill -KILL $$'
	[ "$status" = 137 ]
	await 20 no_guest
}

@test "a program of the working directory goes along; another one must be there" {
	on alpha ada "printf '#!/bin/sh\necho own program: \$1\n' >mine && chmod +x mine"
	run -0 ada_srun --chdir=/home/ada ./mine yes
	[ "$output" = "own program: yes" ]
	run -127 ada_srun /no/such/program
	[[ $output == *"/no/such/program"* ]]
}

@test "standard input goes along to its last byte, and so does its end" {
	run -0 ada_srun cat <<<"typed at home"
	[ "$output" = "typed at home" ]
	run -0 ada_srun wc -c </dev/null
	[ "$output" = 0 ]
	sum=$(seq 2000000 | sha256sum)
	[ "$(seq 2000000 | ada_srun sha256sum)" = "$sum" ]
}

input_kept() { # CLUSTER SIDE: bytes of stdin in the gateway's files
	on "$1" root "stat --format=%s /var/lib/rain/gateway/$2/*/stdin" 2>/dev/null | sort -n | tail -1
}

# Home has 8 MiB more than the lender, which has as much more than srun swallows unread.
stands_still() {
	local here there
	there=$(input_kept bravo loans)
	here=$(input_kept alpha bursts)
	((there >= 8388608 && here - there == 8388608 && here < 40000000))
}

@test "a program that doesn't read stops who types, and loses nothing of it" {
	{ head -c 60000000 /dev/zero | tee >(sha256sum >"$BATS_TEST_TMPDIR/sum") |
		ada_srun --job-name=lazy bash -c 'trap exec\ sha256sum USR1; echo begun; while :; do sleep 0.1; done' >"$BATS_TEST_TMPDIR/there"; } 3>&- &
	await 30 grep -q begun "$BATS_TEST_TMPDIR/there"
	await 30 stands_still
	on alpha ada "scancel --signal=USR1 --jobname=lazy"
	wait $!
	[ "$(tail -1 "$BATS_TEST_TMPDIR/there")" = "$(cat "$BATS_TEST_TMPDIR/sum")" ]
}

@test "no byte typed is lost or repeated when the line is cut and gateways are killed" {
	numbers() {
		seq 1 100000
		"$TRAINER" cut alpha bravo
		seq 100001 300000
		"$TRAINER" kill alpha gatewayd
		"$TRAINER" start alpha gatewayd
		seq 300001 500000
		"$TRAINER" heal alpha bravo
		"$TRAINER" kill bravo gatewayd
		"$TRAINER" start bravo gatewayd
		seq 500001 600000
	}
	ada_srun --job-name=reads sh -c 'echo begun; sha256sum' < <(await 30 grep -q begun "$BATS_TEST_TMPDIR/said"; numbers 2>/dev/null) >"$BATS_TEST_TMPDIR/said" 3>&-
	[ "$(tail -1 "$BATS_TEST_TMPDIR/said")" = "$(seq 1 600000 | sha256sum)" ]
}

@test "a terminal on the peer: its size follows, an interrupt reaches the program" {
	run at_terminal 'expect:\$ ' 'send:stty size\n' 'expect:30 100' \
		size:50,120 'send:until [ "$(stty size)" = "50 120" ]; do sleep 0.1; done; echo it foll""ows\n' 'expect:it follows' \
		'send:sleep 1000\n' 'expect:sleep 1000' 'send:\x03' 'send:echo status=$?\n' 'expect:status=130' 'send:exit 9\n' -- \
		srun --burst=only --time=3 --pty bash --norc
	[ "$status" = 9 ]
	await 20 no_guest
}

@test "salloc gives a shell on the peer, and steps on all its nodes" {
	run at_terminal 'expect:\$ ' 'send:srun --nodes=2 sh -c "echo \\$SLURM_NODEID of \\$SLURM_NNODES"; echo do""ne\n' 'expect:done' 'send:exit 8\n' -- \
		salloc --burst=only --nodes=2 --time=3
	[ "$status" = 8 ]
	[[ $output == *"Nodes bravo-"* ]]
	[[ $output == *"0 of 2"* && $output == *"1 of 2"* ]]
	await 20 no_guest
}

@test "an allocation takes its first step to the peer, and says why not a second" {
	run "$TRAINER" exec alpha --user ada salloc --quiet --burst=only --time=3 bash -c 'srun hostname; srun hostname'
	[ "$status" != 0 ]
	[[ $output == node* && $output == *"takes only its first step from here"* ]]
}

@test "Ctrl-C at srun ends the step there, too" {
	run at_terminal 'expect:begun' 'send:\x03' -- srun --disable-status --burst=only --time=3 bash -c 'echo begun; sleep 1000'
	[ "$status" != 0 ]
	await 20 no_guest
}

@test "a signal for the job reaches the step there" {
	ada_srun --job-name=listens bash -c 'trap "echo heard it; exit 4" USR1; echo begun; while :; do sleep 0.1; done' >"$BATS_TEST_TMPDIR/said" 3>&- &
	await 30 grep -q begun "$BATS_TEST_TMPDIR/said"
	on alpha ada "scancel --signal=USR1 --jobname=listens"
	wait $! || status=$?
	[ "$status" = 4 ]
	[ "$(cat "$BATS_TEST_TMPDIR/said")" = $'begun\nheard it' ]
}
