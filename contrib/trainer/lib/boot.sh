#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Inside a cluster, below its init: makes the nodes, starts the daemons, waits until all is ready.
set -Eeuo pipefail
LIB=${BASH_SOURCE[0]%/*}
for part in say inside nodes; do
	# shellcheck source=/dev/null
	. "$LIB/$part.sh"
done
# shellcheck source=/dev/null
. /run/trainer/settings
# A cluster that fails to boot stays, so that one can look inside.
trap 'failed "$BASH_SOURCE, line $LINENO"' ERR
failed() {
	local name
	((BASH_SUBSHELL)) && return
	for name in /run/trainer/pids/*; do
		name=${name##*/}
		daemon_pid "$name" >/dev/null && continue
		echo "$name has ended; its last words:"
		tail -n 5 "/var/log/rain/$name.log"
	done
	echo "$1" >/run/trainer/failed
	exec sleep infinity
}
BOOT_START=$(now_ms)
stamp() { echo "$(seconds_since "$BOOT_START") s: $*"; }

# await DAEMON SECONDS CONDITION...: no longer than the daemon lives.
await() {
	local name=$1 seconds=$2
	shift 2
	wait_until "$seconds" settled "$name" "$@" && "$@"
}
settled() {
	local name=$1
	shift
	"$@" || ! daemon_pid "$name" >/dev/null
}

directories_make
nodes_network
stamp "directories, network"
for daemon in munged postgres slurmctld; do daemon_start "$daemon"; done
nodes_make
stamp "nodes"
await munged 20 socket_lives /run/munge/munge.socket.2 || failed "munged opens no socket"
await slurmctld 20 slurmctld_listens || failed "slurmctld does not listen"
stamp "slurmctld listens"
for daemon in $(table_daemons "$CLUSTER" | grep ^slurmd@); do daemon_start "$daemon"; done
stamp "slurmd started"

await postgres 30 postgres_answers || failed "PostgreSQL does not answer"
stamp "postgres answers"
(cd / && as postgres /usr/local/libexec/rain/rain-migrate) >>/var/log/rain/migrate.log 2>&1 || {
	cat /var/log/rain/migrate.log
	failed "rain-migrate failed"
}
for daemon in $(table_daemons "$CLUSTER" | grep -v ^slurmd@); do daemon_start "$daemon"; done
stamp "RAIN started"

wait_until 60 nodes_ready || { sinfo -N -l; failed "not all nodes are idle"; }
stamp "all nodes idle"
for daemon in $(table_daemons "$CLUSTER"); do
	await "$daemon" 20 daemon_ready "$daemon" || failed "$daemon is not ready; see: trainer logs $CLUSTER $daemon"
done
stamp "all daemons ready"
touch /run/trainer/ready
exec sleep infinity
