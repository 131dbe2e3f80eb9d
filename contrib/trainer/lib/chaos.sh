# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# trainer test chaos: overflow jobs between three clusters while daemons are killed and lines are
# cut. The seed makes the plan of faults; chaos_check.sh looks afterwards whether all is right.

CHAOS_CLUSTERS=alpha,bravo,charlie
CHAOS_JOBS_DEFAULT=200
CHAOS_SEED_DEFAULT=1

# What a log says when a state machine has just taken a step: there the gateway is killed.
CHAOS_POINTS=("burst is bound" "burst is placed" "burst is running" "burst is ended" "burst is settled"
	"loan is accepted" "loan is submitted" "loan is released" "loan is running" "loan is exited"
	"loan is receipted" "loan is closed")

chaos_options() { # ARGUMENTS: sets CHAOS_JOBS, CHAOS_SEED
	CHAOS_JOBS=$CHAOS_JOBS_DEFAULT CHAOS_SEED=$CHAOS_SEED_DEFAULT
	while (($#)); do
		case $1 in
		--jobs | --seed)
			(($# > 1)) || usage_error "$1 needs a number"
			if [[ $1 == --jobs ]]; then CHAOS_JOBS=$2; else CHAOS_SEED=$2; fi
			shift
			;;
		--jobs=*) CHAOS_JOBS=${1#*=} ;;
		--seed=*) CHAOS_SEED=${1#*=} ;;
		*) usage_error "test chaos does not know \"$1\"" ;;
		esac
		shift
	done
	[[ $CHAOS_JOBS =~ ^[1-9][0-9]{0,4}$ ]] || usage_error "--jobs must be between 1 and 99999"
	[[ $CHAOS_SEED =~ ^[0-9]{1,9}$ ]] || usage_error "--seed must be a number of at most nine digits"
}

# With three clusters there is somewhere else to go: the owner takes back the nodes of the peer that
# has a job, and the other one runs it. The log has what went on.
test_elsewhere() {
	local log=$STATE/log/test_elsewhere.log status=0 start
	start=$(now_ms)
	ticker_start "an evicted job goes to another peer" "$start"
	(elsewhere_run) >"$log" 2>&1 </dev/null 9>&- || status=$?
	ticker_stop
	test_one "an evicted job goes to another peer" "$status" "$log"
}

elsewhere_run() {
	local home=${CHAOS_CLUSTERS%%,*} user id first second
	user=$(chaos_user "$home")
	id=$(cluster_run "$home" "$user" head sbatch --parsable --burst=only --time=2 --open-mode=append --output=elsewhere.txt \
		--wrap='echo begin; sleep 8; echo end' 2>/dev/null) || return 1
	wait_until 30 elsewhere_printed "$home" "$user" 'begin' || { echo "job $id hasn't begun"; return 1; }
	first=$(elsewhere_peers "$home" "$id" "state = 'running'")
	echo "job $id of $home runs on $first, whose owner recalls its nodes"
	cluster_run "$first" root head rain recall --for 5m
	wait_until 60 elsewhere_printed "$home" "$user" 'begin.*begin.*end' || { echo "it hasn't run to its end elsewhere"; return 1; }
	wait_until 20 elsewhere_settled "$home" "$id" || { echo "it isn't settled"; return 1; }
	cluster_run "$first" root head rain recall --end
	second=$(elsewhere_peers "$home" "$id" "state = 'settled' AND amount_utok > 0")
	echo "it ran to its end on $second"
	[[ -n $second && $second != "$first" ]] || return 1
	[[ $(chaos_sql "$home" "SELECT outcome, coalesce(amount_utok, 0) <= 0 FROM federation.burst JOIN federation.peer p USING (peer_id)
		WHERE job_id = $id AND p.name = '$first'") == "evicted t" ]] || { echo "what was evicted isn't free, or wasn't"; return 1; }
}
elsewhere_printed() { [[ $(cluster_run "$1" "$2" head cat elsewhere.txt 2>/dev/null | tr '\n' ' ') =~ $3 ]]; } # HOME USER PATTERN
elsewhere_peers() { # HOME JOB CONDITION
	chaos_sql "$1" "SELECT p.name FROM federation.burst JOIN federation.peer p USING (peer_id) WHERE job_id = $2 AND $3"
}
elsewhere_settled() { [[ -n $(elsewhere_peers "$1" "$2" "state = 'settled'") ]]; } # HOME JOB

# The whole run, as one test. The log has the plan, what was done, and each thing that is wrong.
test_chaos() {
	local log=$STATE/log/test_chaos.log status=0 start
	OPTION_CLUSTERS=$CHAOS_CLUSTERS up_anew
	test_elsewhere
	start=$(now_ms)
	ticker_start "chaos: $CHAOS_JOBS jobs, seed $CHAOS_SEED" "$start"
	rm -rf "$STATE/chaos"
	install -d "$STATE/chaos"
	(chaos_run) >"$log" 2>&1 </dev/null 9>&- || status=$?
	ticker_stop
	test_one "chaos: $CHAOS_JOBS jobs, seed $CHAOS_SEED" "$status" "$log"
	printf '%6s s  %s\n' "$(seconds_since "$start")" "$(tail -n 1 "$log")"
}

chaos_run() {
	local faults=$((CHAOS_JOBS / 8 + 11)) start
	start=$(now_ms)
	chaos_plan "$CHAOS_SEED" "$faults" >"$STATE/chaos/plan"
	chaos_submit_all || return 1
	echo "$(seconds_since "$start") s: $CHAOS_JOBS jobs are submitted"
	chaos_faults "$start" <"$STATE/chaos/plan"
	echo "$(seconds_since "$start") s: no more faults"
	chaos_await_end $((180 + CHAOS_JOBS)) || true
	echo "$(seconds_since "$start") s: all is quiet"
	chaos_check
}

# --- the jobs ---

# Job I prints known lines and has a known end; some of them read and write files.
chaos_script() {
	cat <<'JOB'
#!/bin/sh
echo "begin $1"
line=0
while [ $line -lt $(($1 % 5)) ]; do
	line=$((line + 1))
	echo "line $line of $1"
	sleep 0.5
done
[ $(($1 % 7)) -ne 0 ] || sort -r input.txt >"out.$1"
echo "end $1"
[ $(($1 % 11)) -ne 0 ] || kill -9 $$
exit $(($1 % 4))
JOB
}

chaos_user() { table_users "$1" | cut -d' ' -f1; } # CLUSTER

# Each cluster submits its share; lines "I JOBID" go to chaos/ids.CLUSTER.
chaos_submit_all() {
	local name i=0 pids=() pid
	for name in $CLUSTERS; do
		i=$((i + 1)) # not in the background's own copy
		chaos_submit "$name" $i >"$STATE/chaos/ids.$name" &
		pids+=($!)
	done
	for pid in "${pids[@]}"; do wait "$pid" || return 1; done
	[[ $(cat "$STATE"/chaos/ids.* | wc -l) == "$CHAOS_JOBS" ]] || { echo "not every job was taken by sbatch"; return 1; }
}

# What Slurm hasn't saved it forgets when it is killed: submissions are not our subject.
chaos_submit() { # CLUSTER FIRST
	chaos_sbatch "$@" && in_cluster "$1" bash /run/trainer/lib/control.sh await_save
}

chaos_sbatch() { # CLUSTER FIRST
	chaos_script | in_cluster "$1" bash /run/trainer/lib/login.sh "$(chaos_user "$1")" head bash -c '
		cat >chaos.sh && seq 1000 >input.txt
		step=$1 last=$2
		for ((i = $3; i <= last; i += step)); do
			files=(); ((i % 7)) || files=(--stage-in=input.txt "--stage-out=out.$i")
			id=$(sbatch --parsable --burst=only --time=2 --job-name="chaos-$i" --output="chaos-$i.txt" \
				"${files[@]}" chaos.sh "$i" 2>&1 | grep -oxE "[0-9]+") || exit 1
			echo "$i $id"
		done' chaos "$(wc -w <<<"$CLUSTERS")" "$CHAOS_JOBS" "$2"
}

# --- the faults ---

# Lines: PAUSE_MS CLUSTER WHAT DOWN_MS [POINT]. Every third fault is one at a point, and the points
# take turns: of the ordinary run's 36 faults each comes once.
chaos_plan() { # SEED COUNT
	local names n kinds=(gatewayd gatewayd gatewayd brokerd brokerd ledgerd postgres postgres slurmctld
		slurmd-real slurmd-virtual cut cut)
	read -ra names <<<"$CLUSTERS"
	RANDOM=$1
	local first=$((RANDOM % ${#CHAOS_POINTS[@]}))
	for ((n = 0; n < $2; n++)); do
		local name=${names[RANDOM % ${#names[@]}]} other=${names[RANDOM % ${#names[@]}]} kind=${kinds[RANDOM % ${#kinds[@]}]}
		local pause=$((RANDOM % 2200)) down=$((RANDOM % 1500)) node=$((RANDOM % NODES + 1)) point=$(((first + n / 3) % ${#CHAOS_POINTS[@]}))
		((n % 3)) || kind=point
		case $kind in
		slurmd-real) kind=slurmd@node$node ;;
		slurmd-virtual) [[ $other != "$name" ]] && kind=slurmd@$other-$node || kind=slurmd@node$node ;;
		cut) [[ $other != "$name" ]] && kind=cut-$other || kind=gatewayd ;;
		point) kind=gatewayd-at ;;
		esac
		echo "$pause $name $kind $down ${CHAOS_POINTS[point]}"
	done
}

chaos_sleep() { if (($1 > 0)); then sleep "$(printf '%d.%03d' $(($1 / 1000)) $(($1 % 1000)))"; fi; } # MILLISECONDS

# Faults overlap, but for those of one daemon.
chaos_faults() { # START; the plan on standard input
	local pause name what down point
	local -A busy=()
	while read -r pause name what down point; do
		chaos_sleep "$pause"
		wait "${busy[$name/${what%-at}]:-$$}" 2>/dev/null || true
		chaos_fault "$1" "$name" "$what" "$down" "$point" &
		busy[$name/${what%-at}]=$!
	done
	wait
	for name in $CLUSTERS; do
		in_cluster "$name" bash /run/trainer/lib/control.sh status | grep -v '^[^ ]* up ' | sed "s/^/WRONG: ended by itself on $name: /" || true
	done
}

chaos_fault() { # START CLUSTER WHAT DOWN_MS POINT
	local control=(in_cluster "$2" bash /run/trainer/lib/control.sh) seen=
	case $3 in
	cut-*) verb_cut "$2" "${3#cut-}" ;;
	gatewayd-at) seen=$("${control[@]}" kill_at gatewayd "$5") ;;
	slurmctld) "${control[@]}" kill_saved slurmctld ;;
	*) "${control[@]}" kill "$3" ;;
	esac || echo "WRONG: $2 had no $3 to kill"
	echo "$(seconds_since "$1") s: $2 $3$([[ $3 != *-at ]] || echo ", $seen\"$5\"")"
	chaos_sleep "$4"
	case $3 in
	cut-*) chaos_sleep "$4" && verb_heal "$2" "${3#cut-}" ;;
	*) "${control[@]}" start "${3%-at}" || echo "WRONG: $3 of $2 did not start again" ;;
	esac
}

# --- the end ---

chaos_sql() { # CLUSTER QUERY
	in_cluster "$1" bash /run/trainer/lib/login.sh postgres head psql -XqtA -F ' ' -v ON_ERROR_STOP=1 -d rain -c "$2"
}

# What is still under way on a cluster, as one number.
chaos_open() { # CLUSTER
	local jobs
	jobs=$(cluster_run "$1" root head squeue --noheader 2>/dev/null) || return 1
	if [[ -n $jobs ]]; then wc -l <<<"$jobs"; return 0; fi
	chaos_sql "$1" "SELECT (SELECT count(*) FROM federation.burst WHERE state NOT IN ('settled', 'void') OR job <> 'over')
		+ (SELECT count(*) FROM federation.loan WHERE state NOT IN ('closed', 'void') OR NOT (job_over OR job_id = 0) OR NOT cleaned)
		+ (SELECT count(*) FROM federation.outbox)
		+ (SELECT count(*) FROM (VALUES $(chaos_values "$1")) v (job) WHERE NOT EXISTS
			(SELECT FROM ledger.job_run r WHERE r.slurm_job_id = v.job AND r.recorded_at IS NOT NULL))"
}
chaos_values() { sed 's/.* \(.*\)/(\1)/' "$STATE/chaos/ids.$1" | paste -sd,; } # CLUSTER

chaos_await_end() { # SECONDS
	local end=$((SECONDS + $1)) name open quiet
	while :; do
		quiet=yes
		for name in $CLUSTERS; do
			open=$(chaos_open "$name") && [[ $open == 0 ]] || { quiet=no; break; }
		done
		[[ $quiet == no ]] || return 0
		if ((SECONDS >= end)); then
			echo "WRONG: after $1 s $name still has ${open:-?} things under way"
			return 1
		fi
		sleep 0.5
	done
}
