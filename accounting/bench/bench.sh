# SPDX-License-Identifier: GPL-2.0-or-later
# Sourced by the benches: a throw-away PostgreSQL that keeps what it commits, and goals.
# shellcheck shell=bash disable=SC2034 # for pg_start, and for who sources this
pg_options='-c max_connections=100 -c max_wal_size=4GB' # as the server comes, fsync included
failed=0
. "${srcdir:-.}/accounting/test/postgres.sh"
pg_create >&2
. "${srcdir:-.}/accounting/test/ledgerd.sh"

budget() { # what value at-least|at-most bound
	local verdict=met
	awk -v v="$2" -v b="$4" -v s="$3" 'BEGIN { exit !(s == "at-least" ? v >= b : v <= b) }' || { verdict=MISSED failed=1; }
	printf '  %-60s %10.2f  (%s %s: %s)\n' "$1" "$2" "${3/-/ }" "$4" $verdict
}
