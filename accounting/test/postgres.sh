# SPDX-License-Identifier: GPL-2.0-or-later
# Sourced by tests: a throw-away PostgreSQL that listens on a Unix socket only,
# in a directory that is gone afterwards. Exports PGHOST; sets $work. Benches that
# need what is durable set pg_options before.
# shellcheck shell=bash

skip() {
	echo "SKIP: $*"
	exit 77
}

fail() {
	echo "FAIL: $*" >&2
	exit 1
}

pg_find() {
	local candidate
	for candidate in "$(command -v initdb)" /usr/lib/postgresql/*/bin/initdb; do
		[ -x "$candidate" ] && dirname "$(readlink -f "$candidate")" && return
	done
	return 1
}

# PostgreSQL refuses to run as root.
pg_as() {
	if [ "$(id -u)" = 0 ]; then
		runuser -u postgres -- "$@"
	else
		"$@"
	fi
}

pg_start() {
	pg_as "$pg_bin/pg_ctl" -s -w -D "$work/pg/data" -l "$work/pg/log" \
		-o "-c listen_addresses='' -c unix_socket_directories='$work/pg' ${pg_options:--c fsync=off}" start ||
		fail "PostgreSQL doesn't start: $(tail -n 3 "$work/pg/log")"
}

pg_stop() { # MODE: fast, or immediate for a crash
	pg_as "$pg_bin/pg_ctl" -s -w -D "$work/pg/data" -m "$1" stop
}

cleanup() {
	[ -z "${ledgerd:-}" ] || kill "$ledgerd" 2>/dev/null
	[ ! -f "$work/pg/data/postmaster.pid" ] || pg_stop immediate
	if mountpoint -q "$work/spool" 2>/dev/null; then umount "$work/spool"; fi
	rm -rf "$work"
}

pg_create() {
	pg_bin=$(pg_find) || skip "PostgreSQL isn't installed (initdb)"
	command -v psql >/dev/null || skip "PostgreSQL isn't installed (psql)"
	[ "$(id -u)" != 0 ] || id postgres >/dev/null 2>&1 || skip "there is no user postgres"
	work=$(mktemp -d "${TMPDIR:-/tmp}/rain-test-XXXXXX") || exit 99
	trap cleanup EXIT
	trap 'exit 1' INT TERM
	chmod 755 "$work"
	mkdir "$work/pg"
	[ "$(id -u)" != 0 ] || chown postgres "$work/pg"
	pg_as "$pg_bin/initdb" -D "$work/pg/data" -U postgres -A trust -N -E UTF8 --locale=C >/dev/null ||
		exit 99
	export PGHOST="$work/pg"
	unset PGUSER PGDATABASE PGPORT PGSERVICE
	pg_start
	./rain-migrate --database "dbname=rain user=postgres" \
		--sql-dir "${srcdir:-.}/accounting/sql" || fail "rain-migrate failed"
}

# sql ROLE STATEMENT: its answer, without decoration. rain_owner can't log in.
sql() {
	local user=$1 become=''
	if [ "$user" = rain_owner ]; then
		user=postgres
		become='SET ROLE rain_owner;'
	fi
	PGOPTIONS='-c client_min_messages=warning' psql -XqAt -v ON_ERROR_STOP=1 -v VERBOSITY=sqlstate \
		-U "$user" -d rain -c "$become $2"
}

# expect WHAT STATEMENT-ROLE STATEMENT ANSWER
expect() {
	local answer
	answer=$(sql "$2" "$3" 2>&1) || fail "$1: $2: $answer"
	[ "$answer" = "$4" ] || fail "$1: $2 got '$answer', not '$4'"
	echo "ok: $1"
}

# refused WHAT ROLE SQLSTATE STATEMENT
refused() {
	local answer
	if answer=$(sql "$2" "$4" 2>&1); then
		fail "$1: $2 was not refused: $answer"
	fi
	[[ $answer == *"ERROR:  $3"* ]] || fail "$1: $2 was refused with '$answer', not with $3"
	echo "ok: $1 ($2: $3)"
}

uuid() { printf '%08x-0000-4000-8000-000000000000' "$1"; } # a UUID of a number

sound() {
	expect "$1: the ledger is sound" rain "SELECT * FROM ledger.check_invariants()" ""
}

balance() { # account balance held
	expect "balance of $1" rain "SELECT balance, held FROM ledger.balance('$1')" "$2|$3"
}

# Waits until a command succeeds; gives up after a minute.
wait_until() {
	local end=$((SECONDS + 60))
	until "$@"; do
		[ $SECONDS -lt $end ] || fail "this never came true: $* $(tail -n 5 "$work/log" 2>/dev/null)"
		sleep 0.05
	done
}
