# shellcheck shell=bash disable=SC2034 # its neighbours use what it sets
# SPDX-License-Identifier: GPL-2.0-or-later
# The clusters as data: who lives where, with which numbers. Everything that differs between two
# clusters is derived here from the cluster's place in the list.

CLUSTERS_DEFAULT=alpha,bravo
NODES_DEFAULT=8
CPUS_DEFAULT=4

table_users() { # CLUSTER: its people
	case $1 in
	alpha) echo "ada ben" ;;
	bravo) echo "eve" ;;
	charlie) echo "kim" ;;
	*) echo "user" ;;
	esac
}

table_index() { # CLUSTER: its place in CLUSTERS
	local name i=0
	for name in $CLUSTERS; do
		[[ $name == "$1" ]] && { echo $i; return 0; }
		i=$((i + 1))
	done
	return 1
}

table_peers() { # CLUSTER: all others
	local name
	for name in $CLUSTERS; do
		[[ $name == "$1" ]] || printf '%s ' "$name"
	done
}

# Numeric ids differ from cluster to cluster, as they do between strangers.
table_uid_people() { echo $((2001 + 1000 * $1)); }
table_uid_rain() { echo $((64801 + 10 * $1)); }
table_uid_guest() { echo $((61000 + 100 * $1)); }
TABLE_GUESTS=16

# Each cluster's own slice of the documentation network 192.0.2.0/24: the router, then the head.
table_wan_router() { echo "192.0.2.$((1 + 4 * $1))"; }
table_wan_head() { echo "192.0.2.$((2 + 4 * $1))"; }

# Every cluster has the same LAN: they are strangers.
TABLE_LAN_HEAD=10.20.30.1
table_lan_node() { echo "10.20.30.$((10 + $1))"; }

table_check() {
	local name seen=" "
	for name in $CLUSTERS; do
		[[ $name =~ ^[a-z][a-z0-9]{0,9}$ ]] ||
			usage_error "\"$name\" is no name for a cluster: a small letter, then up to nine small letters or digits"
		[[ $name == node || $name == head ]] && usage_error "\"$name\" is what nodes are called: choose another name"
		[[ $seen == *" $name "* ]] && usage_error "cluster \"$name\" is named twice"
		seen+="$name "
	done
	[[ $NODES =~ ^[1-9][0-9]*$ ]] && ((NODES <= 100)) || usage_error "--nodes must be between 1 and 100"
	[[ $CPUS =~ ^[1-9][0-9]*$ ]] && ((CPUS <= 256)) || usage_error "--cpus must be between 1 and 256"
	(($(wc -w <<<"$CLUSTERS") <= 60)) || usage_error "at most 60 clusters"
}

table_nodes() { # CLUSTER: its own nodes, then the virtual ones
	local i peer
	for ((i = 1; i <= NODES; i++)); do echo "node$i"; done
	for peer in $(table_peers "$1"); do
		for ((i = 1; i <= NODES; i++)); do echo "$peer-$i"; done
	done
}

# The daemons of a cluster, in the order in which they are listed.
table_daemons() { # CLUSTER
	local i
	printf '%s\n' munged postgres slurmctld
	table_nodes "$1" | sed 's/^/slurmd@/'
	printf '%s\n' ledgerd brokerd gatewayd
	for ((i = 1; i <= NODES; i++)); do echo "paneld@node$i"; done
	echo panelweb
}
