#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# The web page, in a real browser. Its pictures stay beside the clusters' logs.
load helper

teardown_file() { clear_jobs; }

LOGS=${RAIN_TRAINER_STATE:-/var/lib/rain-trainer}/${RAIN_TRAINER_INSTANCE:-test}/log
page() { "$TRAINER" exec alpha --user "$1" curl -sS --max-time 5 "${@:2}"; } # USER ARGUMENTS
events() { "$TRAINER" exec alpha --user "$1" timeout 3 curl -sSN http://127.0.0.1:7249/events || true; } # USER

@test "the page can be looked at and nothing else" {
	[[ $(page ada http://127.0.0.1:7249/) == *"<title>RAIN</title>"* ]]
	[ "$(page ada -o /dev/null -w '%{http_code}' -X POST -d x http://127.0.0.1:7249/)" = 405 ]
	[ "$(page ada -o /dev/null -w '%{http_code}' http://127.0.0.1:7249/../etc/passwd)" = 404 ]
	[ "$(page ada -o /dev/null -w '%{http_code}' -H 'Host: evil.example' http://127.0.0.1:7249/)" = 403 ]
}

@test "only those who are entitled see names" {
	id=$(submit ada --nodes=1 --job-name=secret --wrap='sleep 60')
	await 20 job_is alpha "$id" RUNNING
	await 15 eval '[[ $(events root) == *secret* ]]'
	[[ $(events root) == *'"user":"ada"'* ]]
	run -0 events ben
	[[ $output == *"\"job\":$id"* ]]
	[[ $output != *secret* && $output != *'"ada"'* ]]
	[[ $output != *balance* && $output != *user:ada* && $output == *$'event: accounts\ndata: null'* ]]
	"$TRAINER" exec alpha --user ada scancel "$id"
}

@test "a light comes on for fifty viewers at once, in little memory" {
	cat >"$BATS_TEST_TMPDIR/watch.py" <<-'PYTHON'
		import json, selectors, socket, subprocess, sys, time
		selector, viewers, seen = selectors.DefaultSelector(), [], {}
		for i in range(50):
		    s = socket.create_connection(("127.0.0.1", 7249))
		    s.sendall(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
		    selector.register(s, selectors.EVENT_READ, i)
		end, started, text = time.monotonic() + 20, None, {i: b"" for i in range(50)}
		job = subprocess.Popen(["srun", "-w", "node5", "sh", "-c", "date +%s.%N; sleep 2"], stdout=subprocess.PIPE)
		while len(seen) < 50 and time.monotonic() < end:
		    for key, _ in selector.select(0.5):
		        text[key.data] = text[key.data][-4000:] + key.fileobj.recv(65536)
		        now = time.time()
		        _, there, node5 = text[key.data].rpartition(b'"index":4,"node":"node5"')
		        if key.data not in seen and there and b'"jobs":[{' in node5[:400]:
		            seen[key.data] = now
		began = float(job.stdout.readline())
		rss = [l for l in open(f"/proc/{sys.argv[1]}/status") if l.startswith("VmRSS")][0].split()[1]
		print(f"{len(seen)} viewers saw it, the last {1000 * (max(seen.values()) - began):.0f} ms after the program began; {rss} kB")
		sys.exit(not (len(seen) == 50 and int(rss) < 16384))
	PYTHON
	pid=$("$TRAINER" exec alpha cut -d' ' -f1 /run/trainer/pids/panelweb)
	run -0 "$TRAINER" exec alpha python3 - "$pid" <"$BATS_TEST_TMPDIR/watch.py"
	echo "# $output" >&3
}

@test "a browser shows lights, owners, places and accounts; by keyboard, on a telephone" {
	id=$(submit ada --nodes=2 --ntasks-per-node=1 --job-name=heat --wrap='srun sleep 300')
	away=$(submit ada --nodes=2 --burst=only --job-name=waves --wrap='sleep 300')
	submit ben --nodes=2 --exclusive --job-name=weather --wrap='srun sleep 300' >/dev/null
	submit ben --nodes=8 --exclusive --nice=10000 --job-name=big --wrap='srun sleep 5' >/dev/null
	await 20 job_is alpha "$id" RUNNING
	await 60 job_on_peer "$away"
	await 15 eval '[[ $(events root) == *weather* ]]'
	sensors_fake node5
	on_node alpha node5 root 'echo 76000 >/sys/class/thermal/thermal_zone0/temp'
	look_around node5
	await 5 led_is alpha node5 temp "on null"
	on_node alpha node5 root 'echo 54000 >/sys/class/thermal/thermal_zone0/temp'
	look_around node5
	directory=$("$TRAINER" exec alpha mktemp -d)
	browser_program() { "$TRAINER" exec alpha bash -c "cat >$directory/$1 && chmod 0755 $directory/$1"; } # NAME
	browser_program browser.py <"$BATS_TEST_DIRNAME/browser.py"
	browser_program turn <<-'TURN'
		#!/bin/sh
		# The switch of node4, by its paneld's own socket there.
		exec nsenter --mount --target "$(cut -d' ' -f1 /run/trainer/pids/paneld@node4)" python3 -c 'import socket, sys
		s = socket.socket(socket.AF_UNIX); s.connect("/run/rain/panel/sim.sock")
		s.sendall(b"{\"op\":\"mode\",\"mode\":\"%s\"}\n" % sys.argv[1].encode()); s.recv(1)' "$1"
	TURN
	browser_program blink <<<$'#!/bin/sh\nexec srun -w node7 sh -c "date +%s.%N; sleep 1"'
	browser_program call-back <<<$'#!/bin/sh\nexec scancel '"$away"
	run "$TRAINER" exec alpha python3 "$directory/browser.py" "$directory" "$id" ada "$away" ben
	sensors_remove node5
	echo "$output"
	sed -n 's/^# /# /p' <<<"$output" >&3
	for picture in panelweb-wide panelweb-after panelweb-narrow panelweb-grey; do
		"$TRAINER" exec alpha cat "$directory/$picture.png" >"$LOGS/$picture.png"
		[ -s "$LOGS/$picture.png" ]
	done
	[ "$status" = 0 ]
}
