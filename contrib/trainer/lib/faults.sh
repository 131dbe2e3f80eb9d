# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Faults on purpose: lines cut, lines slowed, daemons killed.

faults_head() { # CLUSTER: its address on the internet
	local index
	index=$(table_index "$1") || usage_error "there is no cluster \"$1\" here; there are: $CLUSTERS"
	table_wan_head "$index"
}

faults_pair() { # VERB A B: the two directions as elements of the router's set
	local a b
	(($# == 3)) || usage_error "$1 needs two clusters"
	a=$(faults_head "$2")
	b=$(faults_head "$3")
	[[ $a != "$b" ]] || usage_error "$1 needs two different clusters"
	PAIR="$a . $b, $b . $a"
}

verb_cut() {
	faults_pair cut "$@"
	in_world nft add element ip rain cut "{ $PAIR }"
}

verb_heal() {
	faults_pair heal "$@"
	# Deleting what isn't there is an error for nft, and none for us: add it first.
	in_world nft -f - <<<"add element ip rain cut { $PAIR }
delete element ip rain cut { $PAIR }"
}

faults_is_cut() { # A B
	in_world nft get element ip rain cut "{ $(faults_head "$1") . $(faults_head "$2") }" >/dev/null 2>&1
}

verb_wan() {
	local rate name
	case $# in
	2) [[ $1 == --rate ]] || usage_error "wan knows only --rate"; rate=$2 ;;
	1) [[ $1 == --rate=* ]] || usage_error "wan needs --rate"; rate=${1#*=} ;;
	*) usage_error "wan needs --rate, for example: wan --rate 10mbit" ;;
	esac
	if [[ $rate != unlimited && ! $rate =~ ^[0-9]+([.][0-9]+)?[kmg]?(bit|bps)$ ]]; then
		usage_error "\"$rate\" is no rate: a number with kbit, mbit, gbit, or \"unlimited\""
	fi
	for name in $CLUSTERS; do
		faults_rate "$name" "$rate"
	done
}

# A head's line is slow in both directions: what it sends is limited in the cluster, what it gets on the router.
faults_rate() { # CLUSTER RATE
	if [[ $2 == unlimited ]]; then
		in_world tc qdisc delete dev "$1" root 2>/dev/null || true
		in_cluster "$1" tc qdisc delete dev wan root 2>/dev/null || true
		return 0
	fi
	in_world tc qdisc replace dev "$1" root tbf rate "$2" burst 128kb latency 100ms
	in_cluster "$1" tc qdisc replace dev wan root tbf rate "$2" burst 128kb latency 100ms
}

verb_kill() {
	(($# == 2)) || usage_error "kill needs a cluster and a daemon"
	require_cluster "$1"
	in_cluster "$1" bash /run/trainer/lib/control.sh kill "$2"
}

verb_start() {
	(($# == 2)) || usage_error "start needs a cluster and a daemon"
	require_cluster "$1"
	in_cluster "$1" bash /run/trainer/lib/control.sh start "$2" 9>&-
}
