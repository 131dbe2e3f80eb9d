# shellcheck shell=bash disable=SC2034 # its neighbours use what it sets
# SPDX-License-Identifier: GPL-2.0-or-later
# Where an instance keeps what it knows, the lock that lets only one trainer change it, and the
# identity of the processes that it started.

CACHE=${RAIN_TRAINER_CACHE:-/var/cache/rain-trainer}
STATE_ROOT=${RAIN_TRAINER_STATE:-/var/lib/rain-trainer}

state_open() { # VERB
	INSTANCE=${OPTION_INSTANCE:-${RAIN_TRAINER_INSTANCE:-}}
	if [[ -z $INSTANCE ]]; then
		INSTANCE=default
		# The tests start from scratch: they must not take away what somebody looks at.
		[[ $1 == test ]] && INSTANCE="test"
	fi
	[[ $INSTANCE =~ ^[a-z][a-z0-9-]{0,15}$ ]] ||
		usage_error "\"$INSTANCE\" is no name for an instance: a small letter, then up to 15 small letters, digits or dashes"
	STATE=$STATE_ROOT/$INSTANCE
	CLUSTERS=${CLUSTERS_DEFAULT//,/ } NODES=$NODES_DEFAULT CPUS=$CPUS_DEFAULT
	if [[ -f $STATE/settings ]]; then
		# shellcheck source=/dev/null
		. "$STATE/settings"
	fi
	case $1 in
	up | down | demo | test | kill | start | cut | heal | wan)
		install -d -m 0755 "$STATE_ROOT" "$CACHE" "$STATE" "$STATE/log" "$STATE/clusters"
		state_lock
		;;
	esac
}

# Held until the trainer ends, also by what it runs for a while (compilers, apt), and by nothing else.
state_lock() {
	exec 9>>"$STATE/lock"
	if ! flock --nonblock 9; then
		say "Another trainer works on instance $INSTANCE: waiting for it."
		flock --timeout 900 9 || die "the other trainer still works on instance $INSTANCE after 15 minutes"
	fi
}

state_choose() { # the settings of a new set of clusters: options, else the defaults
	local clusters=${OPTION_CLUSTERS:-$CLUSTERS_DEFAULT}
	CLUSTERS=${clusters//,/ } NODES=${OPTION_NODES:-$NODES_DEFAULT} CPUS=${OPTION_CPUS:-$CPUS_DEFAULT}
	table_check
}

state_save() {
	printf 'CLUSTERS=%q NODES=%q CPUS=%q\n' "$CLUSTERS" "$NODES" "$CPUS" >"$STATE/settings.new"
	mv "$STATE/settings.new" "$STATE/settings"
}

# The identity of a process: its id may be given to another one, these three together may not.
process_identity() { # PID -> "PID START PIDNAMESPACE"
	local stat ns
	stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
	ns=$(readlink "/proc/$1/ns/pid" 2>/dev/null) || return 1
	# The command name may hold spaces and parentheses: fields count from the last one.
	# shellcheck disable=SC2086 # the fields are words
	set -- "$1" ${stat##*)}
	[[ $2 != Z && $2 != X ]] || return 1
	printf '%s %s %s\n' "$1" "${21}" "$ns"
}

# The id of a recorded process that still runs and still is the same.
recorded_pid() { # FILE
	local record pid
	[[ -r $1 ]] || return 1
	record=$(<"$1")
	pid=${record%% *}
	[[ -n $pid && $(process_identity "$pid") == "$record" ]] || return 1
	printf '%s\n' "$pid"
}

world_pid() { recorded_pid "$STATE/world.pid"; }
cluster_pid() { recorded_pid "$STATE/clusters/$1/pid"; }

require_cluster() { # NAME: a cluster of this instance that runs
	table_index "$1" >/dev/null || usage_error "there is no cluster \"$1\" here; there are: $CLUSTERS"
	cluster_pid "$1" >/dev/null || die "cluster $1 is not up; start it with: trainer up"
}
