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

@test "MPI ranks on several nodes drive the LEDs of each by the C header; the shell example works" {
	examples=/usr/local/share/doc/rain/examples
	on alpha ada "cat >ranks.c <<-'C'
		#include <mpi.h>
		#include <stdio.h>
		#include <stdlib.h>
		#include \"rain_led.h\"
		int main(int argc, char **argv)
		{
			static const char *const show[] = {\"on\", \"blink\", \"off\"};
			int rank = argc > 1 ? atoi(argv[1]) : 0, told;

			if (argc == 1) {
				MPI_Init(&argc, &argv);
				MPI_Comm_rank(MPI_COMM_WORLD, &rank);
			}
			told = rain_led(\"user2\", show[rank % 3], rank % 3 == 1 ? 3 : 0);
			printf(\"rank %d: %d\n\", rank, told);
			fflush(stdout);
			if (argc == 1) {
				MPI_Barrier(MPI_COMM_WORLD);
				getchar(); /* until the job is cancelled */
				MPI_Finalize();
			}
			return told != 0;
		}
	C
	mpicc -Wall -Wextra -Werror -I$examples -o ranks ranks.c"
	id=$(submit ada --nodes=3 --ntasks-per-node=1 --wrap='sleep 300 | srun ./ranks')
	await 20 job_is alpha "$id" RUNNING
	mapfile -t nodes < <("$TRAINER" exec alpha scontrol show hostnames "$(job alpha "$id" NodeList)")
	await 15 led_is alpha "${nodes[0]}" user2 "on $id"
	await 5 led_is alpha "${nodes[1]}" user2 "blink $id"
	await 5 led_is alpha "${nodes[2]}" user2 "off $id"
	# The same program of the same user, outside of the job, changes nothing.
	on_node alpha "${nodes[0]}" ada "./ranks 2"
	run -1 on_node alpha "${nodes[0]}" ben "rain led user2 off" # datagrams keep their order: it was read
	led_is alpha "${nodes[0]}" user2 "on $id"
	"$TRAINER" exec alpha --user ada scancel "$id"
	await 20 eval '[ -z "$(panel_jobs alpha)" ]'
	[ "$("$TRAINER" exec alpha rain panel --once --json | jq '[.nodes[].leds[3, 4] | select(.job or .show != "off")] | length')" = 0 ]

	id=$(submit ada "$examples/led.sh")
	await 20 job_is alpha "$id" RUNNING
	node=$(job alpha "$id" BatchHost)
	await 10 led_is alpha "$node" user1 "blink $id"
	await 10 led_is alpha "$node" user2 "pattern $id"
	"$TRAINER" exec alpha --user ada scancel "$id"
	await 20 led_is alpha "$node" user1 "off null"
}

@test "root makes a board blink" {
	on_node alpha node3 root "rain led identify 20"
	led_is alpha node3 boot "blink null"
	on_node alpha node3 root "rain led identify 0"
	await 5 led_is alpha node3 boot "on null"
	run -1 on_node alpha node3 ada "rain led identify 20"
}

own_frame() { # NODE: "network show level" of its network light, asked on the node itself
	on_node alpha "$1" root "python3 -c 'import socket, json
s = socket.socket(socket.AF_UNIX); s.connect(\"/run/rain/panel/sim.sock\"); s.sendall(b\"{\\\"op\\\":\\\"frame\\\"}\\n\")
f = json.loads(s.makefile().readline())[\"result\"]; print(f[\"network\"], f[\"leds\"][1][\"show\"])'"
}
network_is() { [ "$(own_frame "$1")" = "$2" ]; }

@test "the network light tells a silent head from a lost link" {
	head=$(on_node alpha node6 root "getent hosts head | cut -d' ' -f1")
	network_is node6 "ok on"
	on_node alpha node6 root "ip route add blackhole $head"
	look_around node6
	await 10 network_is node6 "no head blink" # its light blinks
	on_node alpha node6 root "ip route del blackhole $head"
	look_around node6
	await 10 network_is node6 "ok on"
	on_node alpha node6 root "ip link set eth0 down" # nobody needs to look around
	await 5 network_is node6 "down off"
	on_node alpha node6 root "ip link set eth0 up"
	await 10 network_is node6 "ok on"
}

stuff_socket() { # NODE: succeeds once its paneld's notice socket takes nothing more
	! on_node alpha "$1" root "python3 -c 'import socket; s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); s.setblocking(False); s.connect(\"/run/rain/panel/panel.sock\"); [s.send(b\"x\") for i in range(1000)]'"
}

@test "a stuck paneld with a full socket is nothing to a job, and it heals" {
	pid=$("$TRAINER" exec alpha cut -d' ' -f1 /run/trainer/pids/paneld@node2)
	"$TRAINER" exec alpha kill -STOP "$pid"
	await 10 stuff_socket node2
	run -0 "$TRAINER" exec alpha --user ada srun -w node2 echo done
	[[ $output == *done* ]]
	id=$(submit ada -w node2 --wrap='srun sleep 300')
	await 20 job_is alpha "$id" RUNNING
	stuff_socket node2
	"$TRAINER" exec alpha kill -CONT "$pid"
	# Both starts and the first end were lost; what runs is shown, and nothing else.
	await 40 eval '[ "$(panel_jobs alpha)" = "node2 '"$id"' home" ]'
	"$TRAINER" exec alpha --user ada scancel "$id"
	await 20 eval '[ -z "$(panel_jobs alpha)" ]'
}

codes() { "$TRAINER" exec alpha rain panel --once --json | jq -r '.nodes[].jobs[]? | "\(.uid) \(.code)"' | sort -u; }
codes_differ() { [ "$(codes | wc -l)" = 2 ] && [ "$(codes | cut -d' ' -f2 | sort -u | wc -l)" = 2 ]; }
codes_are() { [ "$(codes)" = "$1" ]; }

@test "owners who want the same code show different ones on all nodes, whatever is killed" {
	uid=$(($("$TRAINER" exec alpha id -u ada) + 30)) # codes are numbered 0 to 29
	"$TRAINER" exec alpha bash -c "getent passwd $uid >/dev/null || echo cleo:x:$uid:$uid::/tmp:/bin/bash >>/etc/passwd"
	id=$(submit ada --nodelist=node3 --nodes=1 --wrap='sleep 300')
	other=$("$TRAINER" exec alpha --user cleo sbatch --parsable --nodelist=node4 --nodes=1 --chdir=/tmp --output=/dev/null --wrap='sleep 300' 2>/dev/null)
	await 20 job_is alpha "$other" RUNNING
	await 20 codes_differ
	given=$(codes)
	# The one that gives them out is the last to come back.
	for node in node3 node4 node1; do "$TRAINER" kill alpha "paneld@$node"; done
	for node in node3 node4; do "$TRAINER" start alpha "paneld@$node"; done
	await 30 eval '[ "$(panel_jobs alpha | wc -l)" = 2 ]'
	"$TRAINER" start alpha paneld@node1
	await 30 codes_are "$given"
	# The page says the same.
	page=$("$TRAINER" exec alpha timeout 2 curl -sSN http://127.0.0.1:7249/events || true)
	while read -r _ code; do [[ $page == *"\"code\":\"$code\""* ]]; done <<<"$given"
	"$TRAINER" exec alpha scancel "$id" "$other"
	await 20 eval '[ -z "$(panel_jobs alpha)" ]'
}

guest_peers() { "$TRAINER" exec bravo rain panel --once --json | jq -r '.nodes[].jobs[]? | select(.kind == "guest") | .peer'; }

@test "a guest is shown as that of his peer, also by a paneld that missed his start" {
	id=$(submit ada --nodes=1 --burst=only --wrap='sleep 300')
	await 60 job_on_peer "$id"
	await 20 eval '[ "$(guest_peers)" = alpha ]'
	node=$("$TRAINER" exec bravo squeue --noheader --format=%N)
	"$TRAINER" kill bravo "paneld@$node"
	"$TRAINER" start bravo "paneld@$node"
	await 30 eval '[ "$(guest_peers)" = alpha ]'
	"$TRAINER" exec alpha --user ada scancel "$id"
	await 30 eval '[ -z "$(guest_peers)" ]'
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

what_runs() { # CLUSTER: "node job" lines, as Slurm has it
	"$TRAINER" exec "$1" bash -c 'squeue --noheader --states=RUNNING --format="%A %N" | while read -r id list; do
		for node in $(scontrol show hostnames "$list"); do echo "$node $id"; done; done' | sort
}
lights_show_what_runs() { # CLUSTER: each job on its nodes, its pattern on user1, and nothing elsewhere
	local frames
	frames=$("$TRAINER" exec "$1" rain panel --once --json)
	[ "$(jq -r '.nodes[] | .node as $n | .jobs[]? | "\($n) \(.job)"' <<<"$frames" | sort)" = "$(what_runs "$1")" ] &&
		[ "$(jq '[.nodes[] | select(.answered and ((.jobs | length > 0) == (.leds[3].show == "pattern")))] | length' <<<"$frames")" = $NODES ]
}

@test "after any order of starts, ends, crashes and restarts the lights show what runs" {
	seed=${RAIN_TEST_SEED:-$((SRANDOM % 32768))}
	echo "# seed $seed" >&3
	echo "RAIN_TEST_SEED=$seed repeats this order"
	RANDOM=$seed
	local jobs=() down=()
	for ((step = 0; step < 40; step++)); do
		what=$((RANDOM % 8)) where=$((RANDOM % 4 + 1)) size=$((RANDOM % 3 + 1))
		case $what in
		0 | 1 | 2) jobs+=("$(submit ada --nodes=$size --ntasks-per-node=1 --wrap='srun sleep 600')") ;;
		3)
			((${#jobs[@]})) || continue
			"$TRAINER" exec alpha --user ada scancel "${jobs[RANDOM % ${#jobs[@]}]}"
			;;
		4 | 5) down+=("paneld@node$where"); "$TRAINER" kill alpha "paneld@node$where" || true ;;
		6) down+=("slurmd@node$where"); "$TRAINER" kill alpha "slurmd@node$where" || true ;;
		7) for daemon in "${down[@]}"; do "$TRAINER" start alpha "$daemon"; done; down=() ;;
		esac
		echo "step $step: $what $where ${jobs[*]}"
	done
	for daemon in "${down[@]}"; do "$TRAINER" start alpha "$daemon"; done
	await 60 lights_show_what_runs alpha
	[ -n "$(what_runs alpha)" ] # or it would have shown nothing
	"$TRAINER" exec alpha --user ada scancel --user=ada
	await 60 eval '[ -z "$(what_runs alpha)" ] && lights_show_what_runs alpha'
}

node_report() { "$TRAINER" exec alpha --user ben rain report nodes --json | jq -c --arg n "$1" '.nodes[] | select(.node == $n)'; } # NODE
reports() { [ "$(node_report "$1" | jq "$2")" = true ]; } # NODE JQ

@test "heat, clock and throttling are kept where sensors tell, and over a restart" {
	reports node5 '.kept and .temperature == "unknown" and .millidegrees == null and .rows[0].throttles == 0'
	run -0 "$TRAINER" exec alpha --user ben rain report nodes
	[[ $output == *"no sensor tells temperature or clock on node["* ]]
	sensors_fake node5
	await 5 reports node5 '.temperature == "ok" and .millidegrees == 54000 and .rows[0].mean_khz == 1152000'
	on_node alpha node5 root 'echo 76000 >/sys/class/thermal/thermal_zone0/temp; echo 648000 >/sys/devices/system/cpu/cpufreq/policy0/scaling_cur_freq'
	look_around node5
	await 5 reports node5 '.temperature == "hot" and (.events | length) == 1 and .rows[0].slowest_khz == 648000'
	await 5 led_is alpha node5 temp "on null"
	on_node alpha node5 root 'echo 54000 >/sys/class/thermal/thermal_zone0/temp; echo 408000 >/sys/devices/system/cpu/cpufreq/policy0/scaling_max_freq'
	look_around node5
	await 5 reports node5 '.temperature == "slow" and .events[0].over and .events[1].kind == "slow"'
	await 5 led_is alpha node5 temp "blink null"
	sensors_remove node5
	"$TRAINER" kill alpha paneld@node5
	"$TRAINER" start alpha paneld@node5
	await 10 reports node5 '.rows[0].throttles == 2 and .rows[0].hottest_mdeg == 76000 and .temperature == "unknown"'
	[[ $("$TRAINER" exec alpha --user ben rain report nodes --by event --csv) == *node5,*,hot,*,76.0,648* ]]
}

# The terminal, by tmux: what a person sees at three widths, with and without colour.
terminal() { # WIDTH ENVIRONMENT: rain panel as it stands there
	local name=rain-panel-$$-$1$2
	tmux -L "$name" -f /dev/null new-session -d -x "$1" -y 24 "$TRAINER exec alpha env LANG=C.UTF-8 $2 rain panel --watch"
	await 15 eval "tmux -L $name capture-pane -p | grep -q node8"
	await 15 eval "! tmux -L $name capture-pane -p | grep -q asking"
	tmux -L "$name" capture-pane -p -e
	tmux -L "$name" send-keys q
	await 10 eval "! tmux -L $name list-sessions" || tmux -L "$name" kill-server
}

@test "the terminal shows all boards at 40, 80 and 200 columns, with and without colour" {
	command -v tmux
	id=$(submit ada --nodes=2 --ntasks-per-node=1 --wrap='srun sleep 60')
	await 20 job_is alpha "$id" RUNNING
	for colour in "" NO_COLOR=1; do
		for width in 40 80 200; do
			picture=$(terminal $width "$colour")
			plain=$(sed 's/\x1b\[[0-9;]*m//g' <<<"$picture")
			[ "$(grep -c '^node[1-8] ' <<<"$plain")" = 8 ]
			[ "$(grep -c "$id .*ada" <<<"$plain")" = 2 ]
			if [ -z "$colour" ]; then
				grep -q $'\x1b\\[3[0-9]m\|\x1b\\[9[0-9]m' <<<"$picture"
			else
				run -1 grep $'\x1b\\[3[0-9]m\|\x1b\\[9[0-9]m' <<<"$picture"
			fi
			(($(LC_ALL=C.UTF-8 wc -L <<<"$plain") <= width))
		done
	done
	"$TRAINER" exec alpha --user ada scancel "$id"
}
