#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# rain-ledgerd and a database that neither answers nor breaks: it gives up, takes another
# connection after a reload, and ends when it is told to. Nothing is lost or done twice.
. "${srcdir:-.}/accounting/test/postgres.sh"
pg_create
. "${srcdir:-.}/accounting/test/ledgerd.sh"

thaw() { [ ${#frozen[@]} = 0 ] || kill -CONT "${frozen[@]}" 2>/dev/null; frozen=(); }
frozen=()
trap 'thaw; cleanup' EXIT

freeze() { # PID...
	frozen+=("$@")
	kill -STOP "$@" || fail "these can't be stopped: $*"
}

# The postmaster and all its children.
everybody() { local p; p=$(head -n 1 "$work/pg/data/postmaster.pid"); echo "$p"; ps -o pid= --ppid "$p"; }

backend_of() { # STATEMENT [NAME]: of rain-ledgerd's connections
	sql postgres "SELECT pid FROM pg_stat_activity WHERE usename = 'rain' AND query LIKE '%$1%'
		AND application_name = '${2:-}' AND pid <> pg_backend_pid()"
}
is_there() { [ -n "$(backend_of "$@")" ]; }
ended() { ! kill -0 "$ledgerd" 2>/dev/null; }
none_is_left() { [ -z "$(backend_of '' "$1")" ]; }

start() {
	ledger_config
	sed -i "s/user=rain/user=rain application_name=$1/" "$conf"
	./rain-ledgerd --config "$conf" 2>>"$work/log" &
	ledgerd=$!
	wait_until answers
}

grant() { ./rain-grant -c "$conf" root 1 --key "$(uuid "$1")" >"$work/grant.$1" 2>&1; }
granted() { # HOW OFTEN
	expect "granted" rain "SELECT coalesce(sum(amount), 0) FROM ledger.statement('user:root', '-infinity', 'infinity', 999)" \
		$(($1 * 1000000))
	sound "afterwards"
}

# Housekeeping is at work when the reload comes, groups are idle.
test_give_up() {
	local caller
	start first
	grant 1 || fail "a grant: $(cat "$work/grant.1")"
	wait_until is_there ledger.seal first
	freeze "$(backend_of group_calls first)" "$(backend_of ledger.seal first)"
	grant 2 &
	caller=$!
	answers || fail "nobody is answered while a group hangs"
	wait $caller && fail "a grant that hangs is told as done"
	grep -q "ledger's database did not answer: it took too long" "$work/grant.2" || fail "it says: $(cat "$work/grant.2")"
	sed -i 's/application_name=first/application_name=second/' "$conf"
	kill -HUP "$ledgerd"
	grant 3 || fail "the next group: $(cat "$work/grant.3")"
	is_there group_calls second || fail "groups don't take the new connection"
	wait_until grep -q "isn't sealed: the ledger's database did not answer: it took too long" "$work/log"
	thaw
	wait_until none_is_left first
	grant 2 || fail "the same grant again: $(cat "$work/grant.2")"
	granted 3
	wait_until is_there ledger.seal second
	echo "ok: what takes too long is given up, and asked again it is done once; a reload brings a new connection"
}

test_stop() {
	local caller
	# shellcheck disable=SC2046 # a word for each
	freeze $(everybody)
	grant 4 &
	caller=$!
	kill -TERM "$ledgerd"
	wait_until ended
	wait "$ledgerd" || fail "it doesn't end cleanly"
	ledgerd=
	wait $caller && fail "a grant that hangs is told as done"
	thaw
	start third
	grant 4 || fail "the same grant again: $(cat "$work/grant.4")"
	granted 4
	echo "ok: it ends while its database hangs"
}

test_give_up
test_stop
