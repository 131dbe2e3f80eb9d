#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What RAIN costs slurmctld: two of them side by side on this host, one bare, one with job_submit,
# site_factor, jobcomp and SPANK, take in jobs in turns; then how long each hook takes per job.
# Called by `make bench-submit`, as root; no part of `make check`.
#
#   BENCH_PAIRS   pairs of measurements through the API (default 240), which are short so that
#                 both of a pair meet the same noise
#   BENCH_JOBS    jobs of each of them (default 20)
#   BENCH_ROUNDS  pairs of measurements through sbatch (default 15)
#   BENCH_SBATCH  submissions of each measurement through sbatch (default 25)
#   BENCH_RUN     jobs that run, for the time of the hooks (default 600)
set -euo pipefail
build=$(pwd -P)
: "${sysconfdir:?is set by make}" "${slurm_plugins:?is set by make}"
rounds=${BENCH_ROUNDS:-15} api_pairs=${BENCH_PAIRS:-240} jobs=${BENCH_JOBS:-20} sbatches=${BENCH_SBATCH:-25} run=${BENCH_RUN:-600}

if [[ ${1:-} != inside ]]; then
	((EUID == 0)) || { echo "bench-submit needs root, for a network and a mount namespace of its own" >&2; exit 1; }
	for program in slurmctld slurmd sbatch munged; do
		command -v "$program" >/dev/null || { echo "bench-submit needs $program" >&2; exit 1; }
	done
	# Whatever is started below ends with this.
	exec unshare --net --mount --uts --ipc --pid --fork --kill-child --mount-proc bash "$0" inside
fi

ip link set lo up
ip address add 192.0.2.1/32 dev lo # Slurm finds no address where there are only those of loopback
hostname bench
work=/run/rain-bench
mkdir -p "$work"
mount -t tmpfs tmpfs "$work"
echo "192.0.2.1 bench" >"$work/hosts" # munge looks itself up
mount --bind "$work/hosts" /etc/hosts
mkdir -p "$sysconfdir" "$work"/{up,tmp,munge,spool}
mount -t overlay overlay -o "lowerdir=$sysconfdir,upperdir=$work/up,workdir=$work/tmp" "$sysconfdir"
mkdir -p "$sysconfdir/rain"

head -c 1024 /dev/urandom >"$work/munge/key"
chmod 0700 "$work/munge"; chmod 0400 "$work/munge/key"
munged --force --socket="$work/munge.socket" --key-file="$work/munge/key" --pid-file="$work/munged.pid" \
	--seed-file="$work/munge/seed" --log-file="$work/munge/log"

cat >"$sysconfdir/rain/rain.conf" <<CONF
cluster { name = "bench" }
ledger { spool = "$work/spool" }
priority { order = "shortest" }
CONF

conf() { # NAME PORT
	mkdir -p "$work/$1"/{state,slurmd}
	cat >"$work/$1/slurm.conf" <<-CONF
		ClusterName=$1
		SlurmctldHost=bench(127.0.0.1)
		SlurmctldPort=$2
		SlurmUser=root
		AuthInfo=socket=$work/munge.socket
		PluginDir=$slurm_plugins:$build/.libs
		PlugStackConfig=$work/$1/plugstack.conf
		StateSaveLocation=$work/$1/state
		SlurmdSpoolDir=$work/$1/slurmd
		SlurmctldPidFile=$work/$1/slurmctld.pid
		SlurmdPidFile=$work/$1/slurmd.pid
		SlurmctldDebug=error
		SlurmdDebug=error
		ProctrackType=proctrack/linuxproc
		TaskPlugin=task/none
		SlurmdParameters=config_overrides
		MpiDefault=none
		ReturnToService=2
		SelectType=select/cons_tres
		SelectTypeParameters=CR_Core
		PriorityType=priority/multifactor
		AccountingStorageType=accounting_storage/none
		JobAcctGatherType=jobacct_gather/none
		MaxJobCount=200000
		NodeName=bench NodeAddr=127.0.0.1 Port=$(($2 + 100)) CPUs=8 Boards=1 SocketsPerBoard=1 CoresPerSocket=8 ThreadsPerCore=1 RealMemory=1024
		PartitionName=all Nodes=bench Default=YES MaxTime=INFINITE State=UP
	CONF
	: >"$work/$1/plugstack.conf"
	echo "CgroupAutomount=no" >"$work/$1/cgroup.conf"
}
conf bare 16817
conf rain 16818
cat >>"$work/rain/slurm.conf" <<CONF
JobSubmitPlugins=rain
PrioritySiteFactorPlugin=site_factor/rain
JobCompType=jobcomp/rain
JobCompLoc=$work/spool
CONF
echo "required $build/.libs/spank_rain.so overflow_partition=overflow guest_uids=61000-61015" >"$work/rain/plugstack.conf"

# The same slurmctld for an sbatch that also asks cli_filter/rain, which then has nothing to say.
mkdir "$work/cli"
{ cat "$work/rain/slurm.conf"; echo CliFilterPlugins=rain; } >"$work/cli/slurm.conf"

# with NAME COMMAND...: as a user of that slurmctld
with() { SLURM_CONF=$work/$1/slurm.conf "${@:2}"; }

await() { # COMMAND...
	local tries=0
	until "$@" >/dev/null 2>&1; do
		((++tries < 1200)) || { echo "this did not come about: $*" >&2; tail -n 5 "$work"/*/*.log >&2; exit 1; }
		sleep 0.1
	done
}

start() { # NAME [VARIABLE=VALUE...]
	env "${@:2}" slurmctld -D -f "$work/$1/slurm.conf" >>"$work/$1/slurmctld.log" 2>&1 &
	await with "$1" sinfo
}

slurmctld_end() { # NAME
	local pid
	pid=$(<"$work/$1/slurmctld.pid")
	kill "$pid"
	while kill -0 "$pid" 2>/dev/null; do wait "$pid" 2>/dev/null || true; done
}

"$build/plugins/bench/bench_submit" publish "$work/spool" &
await test -e "$work/spool/predictions.map"
start bare
start rain

# shellcheck disable=SC2317 # called by its name
by_sbatch() {
	local begun=$EPOCHREALTIME i
	for ((i = 0; i < sbatches; i++)); do
		with "$1" sbatch --parsable --hold --output=/dev/null --wrap=true >/dev/null
	done
	awk -v a="$begun" -v b="$EPOCHREALTIME" -v n="$sbatches" 'BEGIN { printf "%.3f\n", n / (b - a) }'
	with "$1" scancel --user=root
}

# Both print "bare other" rates, whoever begins changing from pair to pair
# shellcheck disable=SC2317 # called by its name
pairs_by_api() { # OTHER
	"$build/plugins/bench/bench_submit" compare "$work/bare/slurm.conf" "$work/$1/slurm.conf" "$api_pairs" "$jobs"
}

# shellcheck disable=SC2317
pairs_by_sbatch() { # OTHER
	local i bare other
	by_sbatch bare >/dev/null
	by_sbatch "$1" >/dev/null
	for ((i = 0; i < rounds; i++)); do
		if ((i % 2)); then bare=$(by_sbatch bare); other=$(by_sbatch "$1"); else other=$(by_sbatch "$1"); bare=$(by_sbatch bare); fi
		echo "$bare $other"
	done
}

quantiles() { sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 3) / 4)], v[int((NR + 1) / 2)], v[int((3 * NR + 3) / 4)] }'; }

ratio() { # WHAT PAIRS-BY OTHER
	local rates low middle high bare rain
	rates=$("$2" "$3")
	read -r low middle high < <(awk '{ print $2 / $1 }' <<<"$rates" | quantiles)
	read -r _ bare _ < <(cut -d ' ' -f 1 <<<"$rates" | quantiles)
	read -r _ rain _ < <(cut -d ' ' -f 2 <<<"$rates" | quantiles)
	printf '%-28s bare %7.1f/s  with RAIN %7.1f/s  ratio %.3f (quartiles %.3f %.3f)' "$1" "$bare" "$rain" "$middle" "$low" "$high"
	if [[ $3 == rain ]]; then verdict "$middle" at-least 0.97; else echo; fi
}

failed=0
verdict() { # VALUE at-least|at-most BOUND
	if awk -v v="$1" -v b="$3" -v s="$2" 'BEGIN { exit !(s == "at-least" ? v >= b : v <= b) }'; then
		echo "  $2 $3: met"
	else
		echo "  $2 $3: MISSED"
		failed=1
	fi
}

echo "$(nproc) CPUs, load $(cut -d ' ' -f 1-3 /proc/loadavg), Slurm $(slurmctld -V | cut -d ' ' -f 2), $api_pairs pairs of $jobs jobs by the API, $rounds of $sbatches by sbatch"
ratio "jobs a second, API" pairs_by_api rain
ratio "jobs a second, sbatch" pairs_by_sbatch rain
ratio "the same with cli_filter" pairs_by_sbatch cli

slurmctld_end rain
start rain LD_PRELOAD="$build/plugins/bench/.libs/hook_clock.so" RAIN_HOOK_FILE="$work/hooks"
with rain slurmd -N bench -f "$work/rain/slurm.conf" -D >>"$work/rain/slurmd.log" 2>&1 &
await bash -c "SLURM_CONF=$work/rain/slurm.conf sinfo --noheader --format=%T | grep -qx idle"
first=$(with rain "$build/plugins/bench/bench_submit" run "$run")
await bash -c "! SLURM_CONF=$work/rain/slurm.conf squeue --noheader | grep -q ."
slurmctld_end rain
"$build/plugins/bench/bench_submit" hooks "$work/hooks" "$first" "$run" | tee "$work/times"
echo "(the loop is as long, touches nothing and calls nobody: what it takes longer at p99 is other work on this host)"
echo "records in the spool: $(cat "$work"/spool/*.runs | wc -l) of $run jobs"
echo "(processor time holds the reading of its own clock, a system call each; reading the other is none)"
p99=$(awk '/^all hooks of a job, by the clock/ { for (i = 1; i < NF; i++) if ($i == "p99") print $(i + 1) }' "$work/times")
printf 'all hooks of a job, by the clock, p99, us: %s' "$p99"
verdict "$p99" at-most 20
exit "$failed"
