# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Inside a cluster: the LAN and the nodes. A node is a network, a mount and a UTS namespace. A
# sleeping process holds them, so that the node lives on when its slurmd dies; its number is in
# /run/nodes/NODE.

nodes_network() {
	install -d /run/nodes /run/netns
	mount -n -t tmpfs -o mode=0755 netns /run/netns
	ip -batch - <<-'BATCH'
		link add name lan type bridge
		address add 10.20.30.1/24 dev lan
		link set lan up
	BATCH
}

nodes_make() {
	local i peer name
	for ((i = 1; i <= NODES; i++)); do
		(setsid unshare --mount --net --uts bash "$LIB/node_init.sh" "node$i" "$i" </dev/null &)
	done
	# A virtual node stands on the head: its network, its name and its /run, but its own /tmp and
	# spool, for Slurm takes each node for a machine with its own.
	for peer in $PEERS; do
		for ((i = 1; i <= NODES; i++)); do
			(setsid unshare --mount bash "$LIB/node_init.sh" "$peer-$i" virtual </dev/null &)
		done
	done
	for name in $(table_nodes "$CLUSTER"); do
		wait_until 20 test -e "/run/nodes/$name" || return 1
	done
}

# in_node_exec NAME COMMAND...: becomes the command, in the node. "head" is the head itself.
in_node_exec() {
	local name=$1
	shift
	case $name in
	head) exec "$@" ;;
	node*) exec nsenter --target "$(<"/run/nodes/$name")" --net --mount --uts --wdns=/ -- "$@" ;;
	*) exec nsenter --target "$(<"/run/nodes/$name")" --mount --wdns=/ -- "$@" ;;
	esac
}

in_node() { (in_node_exec "$@"); }
