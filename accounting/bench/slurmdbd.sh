#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# How many completed jobs a second slurmdbd with MariaDB puts where they last, and RAIN.
#
#   make bench-slurmdbd [N=JOBS]   (default 20000), configured with --with-slurm-source
#
# The same jobs to one, then to the other, three times; the middle of the ratios counts, for
# the host has its moods. The goal is held against whole jobs: what slurmdbd keeps of a
# completed job it gets as two messages, its start and its completion, and a record of
# RAIN's spool is both. Beside the completions alone, as if starts cost nothing, is printed.
#
# MariaDB, munged and slurmdbd of Debian's packages run in a directory that is gone
# afterwards. dbd_feed.c tells what slurmdbd gets; RAIN's jobs come from its spool.
# Both keep what they commit (fsync); RAIN prices and charges beside.
. "${srcdir:-.}/accounting/bench/bench.sh"
jobs=${1:-20000} users=100
source=${SLURM_SOURCE:-no} CC=${CC:-gcc}
for program in mariadbd mariadb-install-db slurmdbd sacctmgr munged "${CC%% *}"; do
	PATH=$PATH:/usr/sbin command -v "$program" >/dev/null || skip "$program isn't installed (mariadb-server, slurmdbd, munge)"
done
[ "$source" != no ] || skip "configure was not told the source of Slurm (--with-slurm-source)"
[ "$(id -u)" = 0 ] || skip "slurmdbd and MariaDB are started by root only"
PATH=$PATH:/usr/sbin
started=()
ours_cleanup() {
	local pid
	for pid in "${started[@]}"; do
		kill "$pid" 2>/dev/null && wait "$pid" 2>/dev/null
	done
	cleanup
}
trap ours_cleanup EXIT

free_port() { # the first that nobody listens at
	local port=$1
	while (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do port=$((port + 1)); done
	echo "$port"
}

db() { mariadb --no-defaults -N -S "$work/my/sock" -u root "$@"; }

serves() { db -e 'SELECT 1' >/dev/null 2>&1; }

start_mariadb() {
	mkdir "$work/my"
	chown mysql "$work/my"
	mariadb-install-db --no-defaults --user=mysql --datadir="$work/my/data" --auth-root-authentication-method=normal \
		>"$work/my.log" 2>&1 || fail "mariadb-install-db: $(tail -n 3 "$work/my.log")"
	my_port=$(free_port 17306)
	# As Slurm's documentation wants it; what is committed is on disk (the default).
	mariadbd --no-defaults --user=mysql --datadir="$work/my/data" --socket="$work/my/sock" --pid-file="$work/my/pid" \
		--bind-address=127.0.0.1 --port="$my_port" --innodb-buffer-pool-size=1G --innodb-log-file-size=256M \
		--innodb-lock-wait-timeout=900 --innodb-flush-log-at-trx-commit=1 >"$work/my.log" 2>&1 &
	started=($! "${started[@]}")
	wait_until serves
	db -e "CREATE USER slurm@'127.0.0.1' IDENTIFIED BY 'bench'; GRANT ALL ON slurm.* TO slurm@'127.0.0.1'"
}

start_munge() {
	head -c 128 /dev/urandom >"$work/munge.key"
	chmod 400 "$work/munge.key"
	munged --foreground --force --key-file="$work/munge.key" --socket="$work/munge.sock" --pid-file="$work/munge.pid" \
		--log-file="$work/munge.log" --seed-file="$work/munge.seed" >/dev/null 2>&1 &
	started+=($!)
	wait_until test -S "$work/munge.sock"
}

answers() { sacctmgr -n list cluster >/dev/null 2>&1; }

start_slurmdbd() { # COMMIT-DELAY
	cat >"$work/slurmdbd.conf" <<-CONF
		AuthType=auth/munge
		AuthInfo=socket=$work/munge.sock
		DbdHost=localhost
		DbdPort=$dbd_port
		SlurmUser=root
		LogFile=$work/slurmdbd.log
		PidFile=$work/slurmdbd.pid
		StorageType=accounting_storage/mysql
		StorageHost=127.0.0.1
		StoragePort=$my_port
		StorageUser=slurm
		StoragePass=bench
		StorageLoc=slurm
		CommitDelay=$1
	CONF
	chmod 600 "$work/slurmdbd.conf"
	slurmdbd -D >/dev/null 2>&1 &
	dbd=$!
	started=("$dbd" "${started[@]}")
	wait_until answers
}

# feed COMMIT-DELAY: sets $starts and $completions (seconds)
feed() {
	db -e 'DROP DATABASE IF EXISTS slurm; CREATE DATABASE slurm'
	start_slurmdbd "$1"
	sacctmgr -iQ add cluster alpha >/dev/null || fail "sacctmgr: $(tail -n 3 "$work/slurmdbd.log")"
	sacctmgr -iQ add account bench cluster=alpha >/dev/null
	sacctmgr -iQ add user name="$(seq -s , -f user%.0f 0 $((users - 1)))" account=bench cluster=alpha >/dev/null
	# shellcheck disable=SC2046 # one word each
	read -r starts completions < <("$work/dbd_feed" "$jobs" $(db -e "SELECT id_assoc FROM slurm.alpha_assoc_table
		WHERE user <> '' AND user <> 'root' ORDER BY id_assoc")) || fail "dbd_feed: $(tail -n 3 "$work/slurmdbd.log")"
	[ "$(db -e 'SELECT count(*) FROM slurm.alpha_job_table WHERE state = 3 AND time_end > 0')" = "$jobs" ] ||
		fail "slurmdbd lost jobs"
	kill "$dbd"
	wait "$dbd"
}

rate() { awk -v n="$jobs" -v s="$1" 'BEGIN { printf "%.0f", n / s }'; }

library=$(ldd "$(command -v slurmdbd)" | awk '/libslurmfull/ { print $3 }')
${CC:-gcc} -O2 -isystem "$source" -o "$work/dbd_feed" "${srcdir:-.}/accounting/bench/dbd_feed.c" "$library" \
	-Wl,-rpath,"$(dirname "$library")" || fail "dbd_feed isn't built"
dbd_port=$(free_port 17819)
export SLURM_CONF="$work/slurm.conf"
cat >"$SLURM_CONF" <<-CONF
	ClusterName=alpha
	SlurmctldHost=localhost
	SlurmUser=root
	AuthInfo=socket=$work/munge.sock
	AccountingStorageType=accounting_storage/slurmdbd
	AccountingStorageHost=127.0.0.1
	AccountingStoragePort=$dbd_port
	AccountingStoragePass=$work/munge.sock
	NodeName=node[1-8] CPUs=4
CONF
start_mariadb
start_munge

# RAIN takes as many more jobs: sets $seconds
drain() { # ROUND
	local begin
	accounting/test/spool_fill "$spool" "$jobs" $(($1 * jobs)) $users || fail "spool_fill"
	sync -f "$spool" # as jobcomp_rain leaves them
	begin=$(date +%s.%N)
	./rain-ledgerd --config "$conf" 2>"$work/log" &
	ledgerd=$!
	wait_until spool_is_empty
	seconds=$(awk -v a="$begin" -v b="$(date +%s.%N)" 'BEGIN { print b - a }')
	kill "$ledgerd"
	wait "$ledgerd"
	ledgerd=
	[ "$(sql rain_owner "SELECT count(*) FROM ledger.job_run WHERE recorded_at IS NOT NULL")" = $(($1 * jobs)) ] ||
		fail "RAIN lost jobs"
}

middle() { printf '%s\n' "$@" | sort -n | sed -n "$((($# + 1) / 2))p"; }

ledger_config
for round in 1 2 3; do
	feed 0
	drain $round
	whole=$(awk -v a="$starts" -v b="$completions" 'BEGIN { print a + b }')
	printf 'slurmdbd: starts %s s, completions %s s: %s jobs/s whole, %s completions/s; RAIN: %s jobs/s\n' \
		"$starts" "$completions" "$(rate "$whole")" "$(rate "$completions")" "$(rate "$seconds")"
	of_whole+=("$(awk -v a="$whole" -v b="$seconds" 'BEGIN { print a / b }')")
	of_completions+=("$(awk -v a="$completions" -v b="$seconds" 'BEGIN { print a / b }')")
done
feed 1
printf 'slurmdbd that may lose the last second (CommitDelay=1): %s jobs/s whole, %s completions/s\n' \
	"$(rate "$(awk -v a="$starts" -v b="$completions" 'BEGIN { print a + b }')")" "$(rate "$completions")"
budget "completed jobs, times those of slurmdbd as it comes" "$(middle "${of_whole[@]}")" at-least 10
printf '  (%.2f times its completions, had it the starts for nothing)\n' "$(middle "${of_completions[@]}")"
exit $failed
