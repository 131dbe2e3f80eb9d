#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# The policy at work: jobs start where and in the order in which the simulator starts them; why
# others don't, in sentences; and what the gateway remembers.
load helper

SPEED=60     # seconds of the workload in one of ours
OVERHEAD=120 # seconds of the workload that a job costs more elsewhere: 2 of ours

setup_file() {
	# New users: nobody knows yet how long their jobs run.
	export CARL=carl$$ DORA=dora$$
	person alpha "$CARL"
	person bravo "$DORA"
	# What sending costs is known once something has been sent.
	a=$("$TRAINER" exec alpha --user ada sbatch --parsable --burst=only --chdir=/tmp --wrap=true)
	b=$("$TRAINER" exec bravo --user eve sbatch --parsable --burst=only --chdir=/tmp --wrap=true)
	await 60 job_ended alpha "$a"
	await 60 job_ended bravo "$b"
}


person() { # CLUSTER NAME: a user who has tokens
	"$TRAINER" exec "$1" useradd --create-home --shell /bin/bash "$2" 2>/dev/null || true
	"$TRAINER" exec "$1" rain grant "$2" 1000 >/dev/null
}

# --- the live path against the simulator ---

workload() { # CLUSTER: submit, nodes, run, limit of each job
	awk '!/^;/ { print $2, $5, $4, $9 }' "$BATS_TEST_DIRNAME/policy-$1.swf"
}

# Submits what is due when it is due. Prints for each job the second of the workload at which
# it was submitted, for the machine may be busy; its nodes, run and limit; and its id.
replay() { # CLUSTER USER BEGIN
	local at nodes run limit id begin=$3
	while read -r at nodes run limit; do
		sleep "$(awk -v now="$(date +%s.%N)" -v due="$((begin + at / SPEED))" \
			'BEGIN { print (due > now) ? due - now : 0 }')"
		id=$("$TRAINER" exec "$1" --user "$2" sbatch --parsable --burst=auto --nodes="$nodes" \
			--ntasks-per-node=4 --time="$((limit / 3600))" \
			--wrap="date +%s.%N; sleep $((run / SPEED))" </dev/null 2>/dev/null)
		echo "$(since "$begin" "$(date +%s.%N)") $nodes $run $limit $id"
	done < <(workload "$1")
}

since() { awk -v a="$1" -v b="$2" -v s="$SPEED" 'BEGIN { printf "%d", (b - a) * s }'; } # BEGIN TIME

# Where and when each job began: cluster, submission, start, place; as the simulator counts, from
# the first submission of each cluster.
fates() { # CLUSTER USER BEGIN; reads what replay printed
	local at nodes run limit id began first=''
	while read -r at nodes run limit id; do
		first=${first:-$at}
		began=$(on "$1" "$2" "head -n 1 slurm-$id.out" </dev/null)
		echo "$1,$((at - first)),$(($(since "$3" "$began") - first)),$(place "$1" "$id" </dev/null)"
	done
}

place() { # CLUSTER JOB
	local nodes
	nodes=$(job "$1" "$2" NodeList)
	case $nodes in
	alpha-* | bravo-*) echo "${nodes%%-*}" ;;
	*) echo "$1" ;;
	esac
}

all_ended() { ! "$TRAINER" exec "$1" squeue --noheader --user="$2" | grep -q .; }

simulate() { # what replay printed, for each cluster, goes through the simulator
	local cluster
	for cluster in alpha bravo; do
		awk '{ print NR, $1, -1, $3, $2, -1, -1, $2, $4, -1, 1, 1, -1, -1, -1, -1, -1, -1 }' "$cluster.ids" |
			"$TRAINER" exec alpha --user "$CARL" sh -c "cat >$cluster.swf"
	done
	on alpha "$CARL" "rain simulate --policy=clever --order=fcfs --overhead=$OVERHEAD --allowance=100 \
		--owners-evict --jobs=jobs.csv alpha.swf:8 bravo.swf:8 >/dev/null && cat jobs.csv"
}

# How the two differ: jobs that ran elsewhere; and, of the pairs of jobs whose simulated starts
# are more than 180 s apart, those that began in the other order.
compare() { # SIMULATED LIVE
	awk -F, '
		FNR == NR { start[$1 $2] = $3; host[$1 $2] = $4; next }
		{ live[$1 $2] = $3; elsewhere += host[$1 $2] != $4; jobs++ }
		END {
			for (a in start)
				for (b in start)
					if (start[a] + 180 < start[b]) {
						pairs++
						swapped += live[a] >= live[b]
					}
			print jobs, elsewhere + 0, pairs, swapped + 0
		}' "$1" "$2"
}

@test "jobs of two clusters start where and in the order in which the simulator starts them" {
	cd "$BATS_TEST_TMPDIR"
	begin=$(($(date +%s) + 2))
	replay alpha "$CARL" "$begin" >alpha.ids &
	replay bravo "$DORA" "$begin" >bravo.ids
	wait $!
	await 90 all_ended alpha "$CARL"
	await 90 all_ended bravo "$DORA"
	fates alpha "$CARL" "$begin" <alpha.ids >live
	fates bravo "$DORA" "$begin" <bravo.ids >>live
	simulate >jobs.csv
	awk -F, 'NR > 1 { print $2 "," $3 "," $6 "," $8 }' jobs.csv >simulated
	echo "cluster,submit,start,where: simulated | live"
	sort simulated >simulated.sorted
	sort live | paste -d'|' simulated.sorted -
	read -r jobs elsewhere pairs swapped < <(compare simulated live)
	echo "$jobs jobs, $elsewhere of them elsewhere; $pairs pairs, $swapped of them in the other order"
	[ "$jobs" = "$(cat alpha.ids bravo.ids | wc -l)" ]
	[ "$pairs" -gt 20 ]
	# The tolerance that doc/policy.md states: one job in ten, one pair in twenty.
	[ "$((elsewhere * 10))" -le "$jobs" ]
	[ "$((swapped * 20))" -le "$pairs" ]
}

# --- why, in words ---

on_alpha_full() { # by a job of CARL, whose jobs are known by now
	filler=$("$TRAINER" exec alpha --user "$CARL" sbatch --parsable --nodes=$NODES --ntasks-per-node=4 \
		--time=30 --wrap='sleep 1800' 2>/dev/null)
	await 30 job_is alpha "$filler" RUNNING
}

burst() { "$TRAINER" exec alpha --user "$CARL" sbatch --parsable --burst=auto "$@" 2>/dev/null; }
says() { on alpha root "rain bursts" | grep -E "^ *$1 " | grep -qE -- "$2"; } # JOB PATTERN

reload() { # CLUSTER SED-EXPRESSION: changes rain.conf; the gateway reads it again
	"$TRAINER" exec "$1" sh -c 'cp -n /etc/rain/rain.conf /etc/rain/rain.conf.before'
	"$TRAINER" exec "$1" sed -i "$2" /etc/rain/rain.conf
	"$TRAINER" exec "$1" pkill -HUP -x rain-gatewayd
}

as_before() { # CLUSTER: if it was changed
	"$TRAINER" exec "$1" sh -c '[ ! -e /etc/rain/rain.conf.before ] || {
		cat /etc/rain/rain.conf.before >/etc/rain/rain.conf
		rm /etc/rain/rain.conf.before
		pkill -HUP -x rain-gatewayd
	}'
}

teardown() {
	"$TRAINER" exec bravo scontrol update partitionname=guest maxtime=unlimited
	as_before alpha
	as_before bravo
	"$TRAINER" exec alpha scancel --user="$CARL"
	"$TRAINER" exec bravo scancel --user="$DORA"
	clear_jobs
	ledgers_hold
}

taken() { # CLUSTER POLICY TIMES: it has been taken over more often than that
	(($("$TRAINER" exec "$1" grep -c "overflow policy=$2" /var/log/rain/gatewayd.log) > $3))
}

takes() { # CLUSTER POLICY SED-EXPRESSION: a change that names another policy is taken over
	local before
	before=$("$TRAINER" exec "$1" grep -c "overflow policy=$2" /var/log/rain/gatewayd.log) || true
	reload "$1" "$3"
	await 20 taken "$1" "$2" "$before"
}

@test "a peer that gives no more credit says so in rain bursts; after a SIGHUP it gives some" {
	on_alpha_full
	sql bravo "UPDATE federation.standing SET borrowed_utok = 0" >/dev/null
	takes bravo simple '/^gateway {/a policy = "simple"'
	takes bravo clever '/policy = "simple"/d; /^lend {/a allowance-minutes = 0'
	id=$(burst --wrap=true)
	await 30 says "$id" "bravo.*credit.*(grows with what|until more of its jobs)"
	job_is alpha "$id" PENDING
	as_before bravo
	await 60 job_ended alpha "$id"
	[[ $(job alpha "$id" NodeList) == bravo-* ]]
}

@test "the gateway knows how long jobs ran, also after a restart; the simple policy doesn't ask" {
	on_alpha_full
	"$TRAINER" kill alpha gatewayd
	"$TRAINER" start alpha gatewayd
	id=$(burst --wrap=true)
	await 60 job_ended alpha "$id"
	decided "$id" 'goes to bravo.*1 of the 1 jobs before it are known from history'
	takes alpha simple '/^gateway {/a policy = "simple"'
	id=$(burst --wrap=true)
	await 60 job_ended alpha "$id"
	decided "$id" 'goes to bravo.*by the time limits of the jobs before it'
}

decided() { sql alpha "SELECT decision FROM federation.burst WHERE job_id = $1" | grep -qE "$2"; } # JOB PATTERN

@test "a guest may use the nodes that an owner's job waits for while it isn't in the way" {
	on_alpha_full
	eve=$("$TRAINER" exec bravo --user eve sbatch --parsable --chdir=/tmp --nodes=6 --ntasks-per-node=4 \
		--time=10 --wrap='sleep 600' 2>/dev/null)
	await 30 job_is bravo "$eve" RUNNING
	next=$("$TRAINER" exec bravo --user eve sbatch --parsable --chdir=/tmp --nodes=8 --ntasks-per-node=4 \
		--time=10 --wrap=true 2>/dev/null)
	await 30 eval '"$TRAINER" exec bravo squeue --noheader --start --job='"$next"' | grep -q "node"'
	long=$(burst --nodes=2 --time=30 --wrap=true)
	await 30 says "$long" "bravo.*owner"
	id=$(burst --nodes=2 --time=2 --wrap=true)
	await 60 job_ended alpha "$id"
	[[ $(job alpha "$id" NodeList) == bravo-* ]]
	job_is alpha "$long" PENDING
	job_is bravo "$next" PENDING
	on bravo eve "scancel --user=eve"
	await 60 job_ended alpha "$long"
	[[ $(job alpha "$long" NodeList) == bravo-* ]]
}

@test "a guest that Slurm doesn't start on the promised nodes goes back home, owes nothing, and goes again" {
	on_alpha_full
	reload bravo '/^lend {/a start-seconds = 2'
	# Slurm takes the guest's job and then never starts it.
	"$TRAINER" exec bravo scontrol update partitionname=guest maxtime=1
	id=$(burst --nodes=1 --time=5 --wrap=true)
	await 60 ends_of_bursts "$id" void evicted
	"$TRAINER" exec bravo scontrol update partitionname=guest maxtime=unlimited
	await 60 job_ended alpha "$id"
	[[ $(job alpha "$id" NodeList) == bravo-* ]]
	job_is alpha "$id" COMPLETED
	await 20 ends_of_bursts "$id" settled exited
	[ "$(sql alpha "SELECT count(*) FROM ledger.charge JOIN ledger.job_run USING (job_run_id)
		WHERE slurm_job_id = $id AND amount > 0")" = 1 ]
}

ends_of_bursts() { # JOB STATE OUTCOME: one of its bursts ended like that
	[ "$(sql alpha "SELECT count(*) FROM federation.burst WHERE job_id = $1 AND state = '$2' AND outcome = '$3'")" -ge 1 ]
}
