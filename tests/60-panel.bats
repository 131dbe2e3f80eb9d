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

led_of() { # CLUSTER NODE LED: what it shows, and the job that drives it
	"$TRAINER" exec "$1" rain panel --once --json |
		jq -r --arg n "$2" --arg l "$3" '.nodes[] | select(.node == $n) | .leds[] | select(.name == $l) | "\(.show) \(.job)"'
}
led_is() { [ "$(led_of "$1" "$2" "$3")" = "$4" ]; }

@test "a job drives the LEDs of its own nodes, nobody else does, and its end clears them" {
	id=$(submit ada --nodes=2 --ntasks-per-node=1 --wrap='srun rain led user1 blink 3; srun rain led user2 code 2; sleep 20')
	await 20 job_is alpha "$id" RUNNING
	first=$(job alpha "$id" BatchHost)
	await 10 led_is alpha "$first" user2 "pattern $id"
	[ "$("$TRAINER" exec alpha rain panel --once --json | jq "[.nodes[] | .leds[]? | select(.job == $id)] | length")" = 4 ]
	# not his job; his own user, but outside of the job; root, who has none
	run -1 on_node alpha "$first" ben "rain led user1 on"
	[[ $output == *"belongs to no job"* ]]
	run -1 on_node alpha "$first" ada "SLURM_JOB_ID=$id rain led user1 on"
	run -1 on_node alpha "$first" root "rain led user1 on"
	led_is alpha "$first" user1 "blink $id"
	"$TRAINER" exec alpha --user ada scancel "$id"
	await 20 led_is alpha "$first" user1 "off null"
	await 5 led_is alpha "$first" user2 "off null"
}

@test "root makes a board blink" {
	on_node alpha node3 root "rain led identify 20"
	led_is alpha node3 boot "blink null"
	on_node alpha node3 root "rain led identify 0"
	await 5 led_is alpha node3 boot "on null"
	run -1 on_node alpha node3 ada "rain led identify 20"
}

# A stopped paneld and a full socket are nothing to a job.
@test "a stopped paneld does not delay jobs" {
	launch() { on alpha ada "s=\$(date +%s%N); for i in 1 2 3 4 5; do srun -w node2 true; done; echo \$(((\$(date +%s%N) - s) / 1000000))"; }
	before=$(launch)
	pid=$("$TRAINER" exec alpha bash -c 'cut -d" " -f1 /run/trainer/pids/paneld@node2')
	"$TRAINER" exec alpha kill -STOP "$pid"
	for i in $(seq 30); do on_node alpha node2 root "timeout 1 python3 -c 'import socket; s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); s.setblocking(False); s.connect(\"/run/rain/panel/panel.sock\"); [s.send(b\"x\") for i in range(1000)]'" || break; done
	stopped=$(launch)
	"$TRAINER" exec alpha kill -CONT "$pid"
	echo "five launches: $before ms, with a stopped paneld and a full socket $stopped ms"
	((stopped < 2 * before + 500))
	await 15 eval '[ -z "$(panel_jobs alpha)" ]'
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

node_report() { "$TRAINER" exec alpha --user ben rain report nodes --json | jq -c --arg n "$1" '.nodes[] | select(.node == $n)'; } # NODE
look_around() { "$TRAINER" exec alpha bash -c "kill -HUP \$(cut -d' ' -f1 /run/trainer/pids/paneld@$1)"; } # NODE
reports() { [ "$(node_report "$1" | jq "$2")" = true ]; } # NODE JQ

@test "heat, clock and throttling are kept where sensors tell, and over a restart" {
	reports node5 '.kept and .temperature == "unknown" and .millidegrees == null and .rows[0].throttles == 0'
	run -0 "$TRAINER" exec alpha --user ben rain report nodes
	[[ $output == *"no sensor tells temperature or clock on "*node5* ]]
	# Sensors as a board has them, seen by this node only.
	on_node alpha node5 root 'd=$(mktemp -d); mkdir -p $d/thermal/thermal_zone0 $d/cpufreq/policy0; cd $d
		echo 54000 >thermal/thermal_zone0/temp; echo passive >thermal/thermal_zone0/trip_point_0_type; echo 75000 >thermal/thermal_zone0/trip_point_0_temp
		for f in cpuinfo_max_freq scaling_max_freq scaling_cur_freq; do echo 1152000 >cpufreq/policy0/$f; done
		chmod -R a+rX $d; mount --bind $d/thermal /sys/class/thermal; mount --bind $d/cpufreq /sys/devices/system/cpu/cpufreq'
	look_around node5
	await 5 reports node5 '.temperature == "ok" and .millidegrees == 54000 and .rows[0].mean_khz == 1152000'
	on_node alpha node5 root 'echo 76000 >/sys/class/thermal/thermal_zone0/temp; echo 648000 >/sys/devices/system/cpu/cpufreq/policy0/scaling_cur_freq'
	look_around node5
	await 5 reports node5 '.temperature == "hot" and (.events | length) == 1 and .rows[0].slowest_khz == 648000'
	await 5 led_is alpha node5 temp "on null"
	on_node alpha node5 root 'echo 54000 >/sys/class/thermal/thermal_zone0/temp; echo 408000 >/sys/devices/system/cpu/cpufreq/policy0/scaling_max_freq'
	look_around node5
	await 5 reports node5 '.temperature == "slow" and .events[0].over and .events[1].kind == "slow"'
	await 5 led_is alpha node5 temp "blink null"
	on_node alpha node5 root 'umount /sys/class/thermal /sys/devices/system/cpu/cpufreq'
	"$TRAINER" kill alpha paneld@node5
	"$TRAINER" start alpha paneld@node5
	await 10 reports node5 '.rows[0].throttles == 2 and .rows[0].hottest_mdeg == 76000 and .temperature == "unknown"'
	[[ $("$TRAINER" exec alpha --user ben rain report nodes --by event --csv) == *node5,*,hot,*,76.0,648* ]]
}

# The terminal, by tmux: what a person sees at three widths, with and without colour.
terminal() { # WIDTH ENVIRONMENT: rain panel as it stands there
	local name=rain-panel-$$-$1
	tmux -L "$name" -f /dev/null new-session -d -x "$1" -y 24 "env LANG=C.UTF-8 $2 $TRAINER exec alpha rain panel --watch"
	await 15 eval "tmux -L $name capture-pane -p | grep -q node8"
	await 15 eval "! tmux -L $name capture-pane -p | grep -q asking"
	tmux -L "$name" capture-pane -p -e
	tmux -L "$name" send-keys q
	await 10 eval "! tmux -L $name list-sessions" || tmux -L "$name" kill-server
}

@test "the terminal shows all boards at 40, 80 and 200 columns" {
	command -v tmux
	id=$(submit ada --nodes=2 --ntasks-per-node=1 --wrap='srun sleep 60')
	await 20 job_is alpha "$id" RUNNING
	for width in 40 80 200; do
		picture=$(terminal $width "")
		plain=$(sed 's/\x1b\[[0-9;]*m//g' <<<"$picture")
		[ "$(grep -c '^node[1-8] ' <<<"$plain")" = 8 ]
		[ "$(grep -c "$id .*ada" <<<"$plain")" = 2 ]
		grep -q $'\x1b\\[' <<<"$picture"
		(($(LC_ALL=C.UTF-8 wc -L <<<"$plain") <= width))
	done
	"$TRAINER" exec alpha --user ada scancel "$id"
}
