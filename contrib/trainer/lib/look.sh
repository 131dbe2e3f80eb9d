# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# To look inside: status, logs, commands and shells.

# Takes --user and --node from in front of a command. Sets LOOK_USER, LOOK_NODE, LOOK_REST.
look_options() {
	LOOK_USER=root LOOK_NODE=head
	while (($#)); do
		case $1 in
		--user | --node)
			(($# > 1)) || usage_error "$1 needs a value"
			if [[ $1 == --user ]]; then LOOK_USER=$2; else LOOK_NODE=$2; fi
			shift
			;;
		--user=*) LOOK_USER=${1#*=} ;;
		--node=*) LOOK_NODE=${1#*=} ;;
		--) shift; break ;;
		-*) usage_error "unknown option $1" ;;
		*) break ;;
		esac
		shift
	done
	LOOK_REST=("$@")
}

verb_exec() {
	(($#)) || usage_error "exec needs a cluster and a command"
	local name=$1
	shift
	require_cluster "$name"
	look_options "$@"
	((${#LOOK_REST[@]})) || usage_error "exec needs a command"
	cluster_run "$name" "$LOOK_USER" "$LOOK_NODE" "${LOOK_REST[@]}"
}

verb_shell() {
	(($#)) || usage_error "shell needs a cluster"
	local name=$1
	shift
	require_cluster "$name"
	look_options "$@"
	((${#LOOK_REST[@]} == 0)) || usage_error "shell takes no command: use exec"
	if [[ -t 0 ]]; then
		# script makes a terminal in there: the host's own terminal has no name inside.
		cluster_run "$name" "$LOOK_USER" "$LOOK_NODE" script --quiet --return --command "bash -l" /dev/null
	else
		cluster_run "$name" "$LOOK_USER" "$LOOK_NODE" bash -l
	fi
}

verb_logs() {
	(($# == 1 || $# == 2)) || usage_error "logs needs a cluster and, if you like, a daemon"
	local directory=$STATE/logs/$1
	[[ -d $directory ]] || usage_error "there are no logs of a cluster \"$1\""
	if (($# == 1)); then
		say "Logs of $1 in $directory:"
		(cd "$directory" && find . -type f -name '*.log' -size +0 -printf '%8s bytes  %P\n' | sort -V -k3)
		return 0
	fi
	if [[ -f $directory/rain/$2.log ]]; then
		cat "$directory/rain/$2.log"
	elif [[ -f $directory/$2.log ]]; then
		cat "$directory/$2.log"
	else
		usage_error "$1 has no log \"$2\"; see: trainer logs $1"
	fi
}

verb_status() {
	(($# == 0)) || usage_error "status takes no arguments"
	local name other others bad=0 state daemons
	world_pid >/dev/null || { say "Instance $INSTANCE is not up."; return 1; }
	for name in $CLUSTERS; do
		if ! cluster_pid "$name" >/dev/null; then
			say "$name: down"
			bad=1
			continue
		fi
		say "$name  (head $(faults_head "$name"), users $(table_users "$name"))"
		daemons=$(in_cluster "$name" bash /run/trainer/lib/control.sh status)
		look_table <<<"$daemons"
		if grep -v '^[^ ]* up ' <<<"$daemons" >/dev/null; then bad=1; fi
		cluster_run "$name" root head timeout 5 sinfo --format='  %9P %6D %9T %N' || { say "  sinfo failed"; bad=1; }
	done
	say "lines"
	others=$CLUSTERS
	for name in $CLUSTERS; do
		others=${others#"$name"}
		others=${others# }
		for other in $others; do
			state=open
			if faults_is_cut "$name" "$other"; then state="cut"; fi
			say "  $name - $other: $state"
		done
		say "  $name: $(in_world tc qdisc show dev "$name" root | awk '/tbf/ { for (i = 1; i < NF; i++) if ($i == "rate") { print "rate " $(i + 1); found = 1 } } END { if (!found) print "full rate" }')"
	done
	return $bad
}

# Daemons of the same kind in the same state share a line.
look_table() {
	awk '
	{ kind = $1; sub(/@.*/, "", kind); key = kind " " $2
	  if (!(key in count)) order[++n] = key
	  count[key]++; rss[key] += $4; pid[key] = $3; name[key] = name[key] " " $1 }
	END { for (i = 1; i <= n; i++) { key = order[i]; split(key, part, " ")
		detail = count[key] == 1 ? "pid " pid[key] : "x" count[key]
		if (part[2] != "up" && count[key] <= 20) detail = name[key]
		printf "  %-10s %-8s %-12s %6.1f MB\n", part[1], part[2], detail, rss[key] / 1024 } }'
}
