# shellcheck shell=bash disable=SC2034 # its neighbours use what it sets
# SPDX-License-Identifier: GPL-2.0-or-later
# Inside a cluster: directories and daemons.
# shellcheck source=contrib/trainer/lib/table.sh
. "$LIB/table.sh"

RAIN_CONF=/etc/rain/rain.conf
POSTGRES_BIN=/usr/lib/postgresql/15/bin
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

directories_make() {
	install -d -m 0755 /run/rain /var/lib/rain /var/spool/rain /run/lock /var/log/rain /var/spool/slurmd
	chmod 1777 /run/lock
	install -d -m 0755 -o rain -g rain /run/rain/ledger
	install -d -m 0755 -o rain-gw -g rain-gw /run/rain/gateway
	install -d -m 0750 -o root -g rain-gw /run/rain/broker
	install -d -m 0755 -o rain-panel -g rain-panel /run/rain/panel
	install -d -m 0700 -o rain-gw -g rain-gw /var/lib/rain/gateway
	install -d -m 0755 -o rain-panel -g rain-panel /var/lib/rain/panel
	install -d -m 2770 -o slurm -g rain /var/spool/rain/jobcomp
	install -d -m 0711 /var/spool/rain/guest
	install -d -m 0700 -o slurm -g slurm /var/spool/slurmctld
	install -d -m 0755 -o munge -g munge /run/munge
	install -d -m 0711 -o munge -g munge /var/lib/munge
	install -d -m 0700 -o munge -g munge /var/log/munge
	install -d -m 2775 -o postgres -g postgres /run/postgresql
	install -d -m 0755 /var/lib/postgresql
	mv /host/postgres /var/lib/postgresql/data
}

# as USER COMMAND...: nothing of our environment but what every daemon may expect.
as() {
	local user=$1 home
	shift
	home=$(getent passwd "$user" | cut -d: -f6)
	env -i PATH="$PATH" HOME="$home" USER="$user" LOGNAME="$user" LANG=C.UTF-8 \
		setpriv --reuid="$user" --regid="$user" --init-groups -- "$@"
}

# Sets WHERE (node), WHO (user), WHAT (command line) of a daemon.
daemon_describe() { # NAME
	local name=$1
	WHERE=head WHO=root WHAT=()
	case $name in
	munged) WHO=munge WHAT=(/usr/sbin/munged --foreground --num-threads=2 --key-file=/etc/munge/munge.key) ;;
	postgres)
		WHO=postgres
		WHAT=("$POSTGRES_BIN/postgres" -D /var/lib/postgresql/data -c listen_addresses= -c unix_socket_directories=/run/postgresql
			-c shared_buffers=32MB -c logging_collector=off)
		;;
	slurmctld) WHO=slurm WHAT=(/usr/sbin/slurmctld -D) ;;
	slurmd@*) WHERE=${name#*@} WHAT=(/usr/sbin/slurmd -D -N "${name#*@}") ;;
	ledgerd) WHO=rain WHAT=(/usr/local/sbin/rain-ledgerd --config "$RAIN_CONF") ;;
	brokerd) WHAT=(/usr/local/sbin/rain-brokerd --config "$RAIN_CONF") ;;
	gatewayd) WHO=rain-gw WHAT=(/usr/local/sbin/rain-gatewayd --config "$RAIN_CONF") ;;
	panelweb) WHO=rain-panel WHAT=(/usr/local/sbin/rain-panelweb --config "$RAIN_CONF") ;;
	paneld@*) WHERE=${name#*@} WHO=rain-panel WHAT=(/usr/local/sbin/rain-paneld --config "$RAIN_CONF" --node "${name#*@}") ;;
	*) return 1 ;;
	esac
}

process_start() { # PID -> its start time
	local stat
	stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
	# shellcheck disable=SC2086 # the fields are words
	set -- ${stat##*)}
	[[ $1 != Z && $1 != X ]] || return 1
	echo "${20}"
}

daemon_pid() { # NAME -> its process, if it runs
	local pid start
	read -r pid start 2>/dev/null <"/run/trainer/pids/$1" || return 1
	[[ $(process_start "$pid") == "$start" ]] || return 1
	echo "$pid"
}

# What the caller of the trainer has open is not for daemons: a test runner, for one, waits until
# everybody has closed its pipe.
fds_close() {
	local fd
	for fd in /proc/self/fd/*; do
		fd=${fd##*/}
		if ((fd > 2)); then eval "exec $fd>&-"; fi
	done
}

daemon_start() { # NAME
	local pid
	if daemon_pid "$1" >/dev/null; then return 0; fi
	daemon_describe "$1"
	cd /
	(
		# A subshell of its own, which ends at once and leaves the daemon to the cluster's init; inside
		# it everything is exec, so that the number is the daemon's.
		(
			fds_close
			in_node_exec "$WHERE" setsid env -i PATH="$PATH" HOME=/ LANG=C.UTF-8 \
				setpriv --reuid="$WHO" --regid="$WHO" --init-groups -- "${WHAT[@]}"
		) </dev/null >>"/var/log/rain/$1.log" 2>&1 &
		pid=$!
		echo "$pid $(process_start "$pid")" >"/run/trainer/pids/$1"
	)
}

slurmctld_listens() { (: </dev/tcp/10.20.30.1/6817) 2>/dev/null; }
postgres_answers() { "$POSTGRES_BIN/pg_isready" -q -h /run/postgresql; }

# Every node of our own and every virtual one, fit to take a job.
nodes_ready() {
	local count want
	count=$(sinfo --noheader --Node --format='%N %T' 2>/dev/null | sort -u | grep -cE ' (idle|mixed|allocated)$') || return 1
	want=$((NODES * (1 + $(wc -w <<<"$PEERS"))))
	((count == want))
}

# A socket that a dead daemon left is a file, but the kernel doesn't list it.
socket_lives() { awk -v path="$1" '$8 == path { found = 1 } END { exit !found }' /proc/net/unix; }

# A daemon that serves a socket is ready when the socket is there.
daemon_ready() { # NAME
	daemon_pid "$1" >/dev/null || return 1
	case $1 in
	munged) socket_lives /run/munge/munge.socket.2 ;;
	postgres) postgres_answers ;;
	slurmctld) slurmctld_listens ;;
	ledgerd) socket_lives /run/rain/ledger/ledger.sock ;;
	brokerd) socket_lives /run/rain/broker/broker.sock ;;
	gatewayd) socket_lives /run/rain/gateway/gateway.sock && socket_lives /run/rain/gateway/control.sock ;;
	panelweb) (: </dev/tcp/127.0.0.1/7249) 2>/dev/null ;;
	paneld@*) in_node "${1#*@}" grep -q '/run/rain/panel/panel\.sock$' /proc/net/unix ;;
	*) return 0 ;;
	esac
}
