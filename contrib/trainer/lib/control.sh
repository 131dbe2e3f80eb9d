#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Inside a cluster: what the trainer asks about daemons. Arguments: kill|start NAME, or status.
set -euo pipefail
LIB=${BASH_SOURCE[0]%/*}
for part in say inside nodes; do
	# shellcheck source=/dev/null
	. "$LIB/$part.sh"
done
# shellcheck source=/dev/null
. /run/trainer/settings

known() {
	grep -qxF -- "$1" <<<"$(table_daemons "$CLUSTER")" || {
		echo "trainer: $CLUSTER has no daemon \"$1\"; see trainer status" >&2
		exit 2
	}
}

control_kill() {
	local pid
	known "$1"
	pid=$(daemon_pid "$1") || { echo "trainer: $1 on $CLUSTER does not run" >&2; exit 1; }
	kill -KILL "$pid"
	wait_until 10 gone "$1"
	# The postmaster's children notice a moment later that it is gone; a new one can't start before.
	if [[ $1 == postgres ]]; then wait_until 30 no_process_of postgres; fi
}

# Right after Slurm has saved its state: what it has not saved it forgets, by its own design.
control_kill_saved() {
	local pid
	pid=$(daemon_pid "$1") || { echo "trainer: $1 on $CLUSTER does not run" >&2; exit 1; }
	control_await_save
	kill -KILL "$pid"
	wait_until 10 gone "$1"
}

# With nothing to save it does not save: then nothing can be forgotten.
control_await_save() {
	local state=/var/spool/slurmctld/job_state mark tries=0
	mark=$(mktemp)
	# Nobody writes to it: to read from it is to pause without a process.
	exec 7<> <(:)
	until [[ $state -nt $mark ]] || ((tries++ > 1500)); do read -rt 0.005 -u 7 || true; done
	rm -f "$mark"
}

# When its log says that it has just done something; after a while without that all the same, and
# says so.
control_kill_at() { # NAME TEXT [SECONDS]
	(timeout "${3:-5}" tail -n 0 -F "/var/log/rain/$1.log" 2>/dev/null || true) | grep -m 1 -qF -- "$2" || printf 'but not at '
	control_kill "$1"
}

gone() { ! daemon_pid "$1" >/dev/null; }
no_process_of() { ! pgrep -u "$1" >/dev/null; }

control_start() {
	known "$1"
	daemon_start "$1"
	wait_until 30 daemon_ready "$1" || {
		echo "trainer: $1 on $CLUSTER did not get ready; see trainer logs $CLUSTER $1" >&2
		exit 1
	}
}

control_status() { # a line for each daemon: name, state, pid, RSS in kB
	local name pid
	for name in $(table_daemons "$CLUSTER"); do
		if pid=$(daemon_pid "$name"); then
			echo "$name up $pid $(awk '$1 == "VmRSS:" { print $2 }' "/proc/$pid/status")"
		else
			echo "$name dead - 0"
		fi
	done
}

# Starts whatever should run and does not.
control_repair() {
	local name
	for name in $(table_daemons "$CLUSTER"); do
		if ! daemon_pid "$name" >/dev/null; then
			echo "$name"
			control_start "$name"
		fi
	done
}

verb=$1
shift
"control_$verb" "$@"
