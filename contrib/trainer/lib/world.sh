# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The world of one instance: a process that holds the namespaces in which everything else lives.
# Its PID namespace contains those of all clusters, so that ending this one recorded process ends
# all of them; its network namespace is the "internet", a router with one line to each cluster.
# Nothing of it has a name on the host: mounts, bridges and lines go with the last process.

world_start() {
	rm -f "$STATE/world.ready"
	# Until the world has written its record, this file tells that there is one to wait for.
	touch "$STATE/world.starting"
	# setsid: Ctrl-C is for the trainer.
	setsid unshare --mount --pid --net --uts --fork \
		bash "$LIB/world_init.sh" "$STATE" </dev/null >"$STATE/log/world.log" 2>&1 9>&- &
	disown
	wait_until 20 test -e "$STATE/world.ready" || { cat "$STATE/log/world.log"; return 1; }
}

# Ends the world that is recorded, and only if it is the one that was recorded.
world_stop() {
	local pid
	# A trainer killed while it started a world: it takes milliseconds until that has its record.
	wait_until 2 test ! -e "$STATE/world.starting" || rm -f "$STATE/world.starting"
	if pid=$(world_pid); then
		kill -KILL "$pid" 2>/dev/null || true
		wait_until 30 world_gone "$pid" || { echo "process $pid does not end"; return 1; }
	fi
	rm -f "$STATE"/world.pid "$STATE"/world.ready "$STATE"/clusters/*/{pid,ready,failed}
}

world_gone() {
	local name
	[[ -z $(process_identity "$1") ]] || return 1
	for name in "$STATE"/clusters/*/pid; do
		if recorded_pid "$name" >/dev/null; then return 1; fi
	done
}

in_world() { # COMMAND...: on the router
	local pid
	pid=$(world_pid) || die "instance $INSTANCE is not up; start it with: trainer up"
	nsenter --target "$pid" --net --mount --uts -- "$@"
}
