# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A cluster, seen from the host: start it, wait for it, go into it.

# Starts a cluster's first process; the rest happens inside (cluster_init.sh, boot.sh).
cluster_start() { # NAME
	local name=$1 world directory=$STATE/clusters/$1
	world=$(world_pid)
	rm -rf "$directory"
	install -d -m 0755 "$directory" "$directory/pids"
	cluster_logs_turn "$name"
	cluster_settings "$name" >"$directory/settings"
	# setsid: Ctrl-C is for the trainer.
	setsid nsenter --target "$world" --mount --pid -- \
		unshare --mount --pid --net --uts --ipc --fork \
		bash "$LIB/cluster_init.sh" "$STATE" "$name" "$world" "$(build_image)" "$(postgres_template)" \
		</dev/null >"$STATE/logs/$name/boot.log" 2>&1 9>&- &
	disown
}

cluster_logs_turn() { # NAME: the logs of the run before stay beside those of this one
	install -d -m 0755 "$STATE/logs"
	rm -rf "$STATE/logs/$1.old"
	if [[ -d $STATE/logs/$1 ]]; then mv "$STATE/logs/$1" "$STATE/logs/$1.old"; fi
	install -d -m 0755 "$STATE/logs/$1"
}

# What the cluster knows of itself; read by everything that runs inside.
cluster_settings() { # NAME
	local index peers
	index=$(table_index "$1")
	peers=$(table_peers "$1")
	printf '%s=%q\n' CLUSTER "$1" CLUSTERS "$CLUSTERS" NODES "$NODES" CPUS "$CPUS" PEERS "${peers% }" USERS "$(table_users "$1")" \
		UID_PEOPLE "$(table_uid_people "$index")" UID_RAIN "$(table_uid_rain "$index")" UID_GUEST "$(table_uid_guest "$index")" \
		WAN_ROUTER "$(table_wan_router "$index")" WAN_HEAD "$(table_wan_head "$index")"
}

cluster_wait() { # NAME
	local directory=$STATE/clusters/$1
	wait_until 120 cluster_settled "$1" || true
	[[ -e $directory/ready ]] && return 0
	echo "cluster $1 did not get ready: $(cat "$directory/failed" 2>/dev/null || echo "time is over")"
	tail -n 25 "$STATE/logs/$1/boot.log"
	return 1
}

cluster_settled() {
	local directory=$STATE/clusters/$1
	[[ -e $directory/ready || -e $directory/failed ]] && return 0
	# Its first process has come and gone.
	[[ -e $directory/pid ]] && ! cluster_pid "$1" >/dev/null
}

# A database cluster made once, copied for each cluster.
postgres_template() { echo "$CACHE/postgres-$(dpkg-query -W -f '${Version}' postgresql-15)"; }

postgres_template_make() {
	local template
	template=$(postgres_template)
	if [[ -d $template ]]; then
		note "in the cache"
		return 0
	fi
	exec 8>>"$CACHE/postgres.lock"
	flock 8
	if [[ -d $template ]]; then return 0; fi
	rm -rf "$template.new"
	install -d -m 0700 -o postgres -g postgres "$template.new"
	(cd / && setpriv --reuid=postgres --regid=postgres --init-groups \
		/usr/lib/postgresql/15/bin/initdb --pgdata="$template.new" --no-sync --encoding=UTF8 --locale=C.UTF-8 \
		--auth-local=peer --auth-host=reject)
	mv "$template.new" "$template"
	note "made"
}

# in_cluster NAME COMMAND...: in the cluster's namespaces, as root, on the head.
in_cluster() {
	local pid
	pid=$(cluster_pid "$1") || die "cluster $1 is not up; start it with: trainer up"
	shift
	nsenter --target "$pid" --mount --pid --net --uts --ipc --wdns=/ -- "$@"
}

# cluster_run NAME USER NODE COMMAND...: as somebody who has just logged in there.
cluster_run() {
	local name=$1
	shift
	in_cluster "$name" bash /run/trainer/lib/login.sh "$@"
}
