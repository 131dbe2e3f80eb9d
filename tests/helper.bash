# SPDX-License-Identifier: GPL-2.0-or-later
# What the integration tests share. `trainer test` runs them against alpha and bravo, which are up;
# by hand: RAIN_TRAINER_INSTANCE=NAME bats tests/10-home.bats
bats_require_minimum_version 1.5.0

TRAINER=${RAIN_TRAINER:-$BATS_TEST_DIRNAME/../contrib/trainer/trainer}
NODES=8

# on CLUSTER USER SHELL-LINE: as somebody who has just logged in on the head
on() {
	local cluster=$1 user=$2
	shift 2
	"$TRAINER" exec "$cluster" --user "$user" bash -c "$*"
}

on_node() { # CLUSTER NODE USER SHELL-LINE
	"$TRAINER" exec "$1" --node "$2" --user "$3" bash -c "$4"
}

sql() { # CLUSTER QUERY
	"$TRAINER" exec "$1" --user postgres psql -XqtA -v ON_ERROR_STOP=1 -d rain -c "$2"
}

# await SECONDS COMMAND...: until it succeeds
await() {
	local end=$((SECONDS + $1))
	shift
	until "$@" >/dev/null 2>&1; do
		if ((SECONDS >= end)); then
			echo "this did not come about: $*"
			return 1
		fi
		sleep 0.1
	done
}

# submit USER ARGUMENTS...: sbatch on alpha, prints the job id
submit() {
	local user=$1
	shift
	"$TRAINER" exec alpha --user "$user" sbatch --parsable "$@" 2>/dev/null
}

job() { # CLUSTER JOB FIELD: from scontrol
	"$TRAINER" exec "$1" scontrol --oneliner show job "$2" |
		sed -n "s/.* $3=\([^ ]*\).*/\1/p"
}

job_comment() { # JOB: what RAIN says of it
	"$TRAINER" exec alpha scontrol show job "$1" | sed -n 's/^ *AdminComment=//p'
}

job_is() { [[ $(job "$1" "$2" JobState) =~ ^($3)$ ]]; } # CLUSTER JOB STATES
job_ended() { job_is "$1" "$2" "COMPLETED|FAILED|CANCELLED|TIMEOUT|NODE_FAIL|PREEMPTED"; }
job_on_peer() { [[ $(job alpha "$1" JobState)/$(job alpha "$1" NodeList) == RUNNING/bravo-* ]]; }
job_comment_says() { job_comment "$1" | grep -qE -- "$2"; }

output() { on alpha "$1" "cat slurm-$2.out"; } # USER JOB

# alpha is full: ben's job holds every core. Prints its id.
fill_alpha() {
	local id
	id=$(submit ben --nodes=$NODES --exclusive --time=30 --wrap='srun sleep 1800')
	await 30 job_is alpha "$id" RUNNING
	echo "$id"
}

no_jobs() { [[ -z $("$TRAINER" exec "$1" squeue --noheader) ]]; } # CLUSTER

# Nothing runs anywhere, and no guest is left.
clear_jobs() {
	"$TRAINER" exec alpha --user ada scancel --user=ada
	"$TRAINER" exec alpha --user ben scancel --user=ben
	"$TRAINER" exec bravo --user eve scancel --user=eve
	await 30 no_jobs alpha
	await 30 no_jobs bravo
}

examples() { # USER: a compiled MPI program in the home directory
	on alpha "$1" "[ -x heat ] || { cp /usr/local/share/doc/rain/examples/heat* . && mpicc -O2 -o heat heat.c -lm; }; printf 'size 64\nsteps 40\n' > heat.in"
}

# The database's own word on the ledger's invariants, and that nothing that keeps them is switched
# off, on both sides.
ledgers_hold() {
	local cluster violations
	for cluster in alpha bravo; do
		violations=$(sql "$cluster" 'SELECT * FROM ledger.check_invariants(); SELECT * FROM ledger.check_guards()') || return
		if [[ -n $violations ]]; then
			echo "$cluster: $violations"
			return 1
		fi
	done
}

# After every test; a file with a teardown of its own calls ledgers_hold there.
teardown() { ledgers_hold; }

led_of() { # CLUSTER NODE LED: what it shows, and the job that drives it
	"$TRAINER" exec "$1" rain panel --once --json |
		jq -r --arg n "$2" --arg l "$3" '.nodes[] | select(.node == $n) | .leds[] | select(.name == $l) | "\(.show) \(.job)"'
}
led_is() { [ "$(led_of "$1" "$2" "$3")" = "$4" ]; }

# What a node of alpha measures: it looks at once.
look_around() { "$TRAINER" exec alpha bash -c "kill -HUP \$(cut -d' ' -f1 /run/trainer/pids/paneld@$1)"; } # NODE

# Sensors as a board has them (54 °C, 1152 MHz, passive cooling from 75 °C on), for one node of alpha.
sensors_fake() { # NODE
	on_node alpha "$1" root 'd=$(mktemp -d); mkdir -p $d/thermal/thermal_zone0 $d/cpufreq/policy0; cd $d
		echo 54000 >thermal/thermal_zone0/temp; echo passive >thermal/thermal_zone0/trip_point_0_type
		echo 75000 >thermal/thermal_zone0/trip_point_0_temp
		for f in cpuinfo_max_freq scaling_max_freq scaling_cur_freq; do echo 1152000 >cpufreq/policy0/$f; done
		chmod -R a+rX $d; mount --bind $d/thermal /sys/class/thermal; mount --bind $d/cpufreq /sys/devices/system/cpu/cpufreq'
	look_around "$1"
}

sensors_remove() { # NODE
	on_node alpha "$1" root 'umount /sys/class/thermal /sys/devices/system/cpu/cpufreq'
	look_around "$1"
}
