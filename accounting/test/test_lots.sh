#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Grants that begin and end, holds with a deadline, overage.
. "${srcdir:-.}/accounting/test/postgres.sh"
pg_create

key=0
grant() { # account amount starts expires: SQL expressions, as an administrator gives them
	key=$((key + 1))
	sql rain "SELECT ledger.grant_lot('$1', $2, $3, $4, 'grant $key', 'root', '$(uuid $key)')"
}

spend() { # user amount: through a hold, as a burst does
	key=$((key + 1))
	sql rain-gw "SELECT ledger.hold_create('$(uuid $key)', ledger.account_id('user:$1'), $bravo, $2, '')" >/dev/null &&
		sql rain-gw "SELECT ledger.hold_post('$(uuid $key)', '$(uuid $((key + 10000)))', $2)" >/dev/null
}

lots() { # what account remaining…
	expect "$1" rain "SELECT string_agg(remaining::text, ' ') FROM ledger.lots('$2')" "$3"
	expect "$1: they are the balance" rain "SELECT balance = (SELECT sum(remaining) FROM ledger.lots('$2')
		WHERE starts_at IS NULL OR starts_at <= now()) FROM ledger.balance('$2')" t
}

over() { [ "$(sql rain "SELECT clock_timestamp() > '$1'::timestamptz")" = t ]; }
soon() { sql rain "SELECT clock_timestamp() + interval '$1 ms'"; }

test_order_of_spending() {
	bravo=$(sql rain-gw "SELECT ledger.account_ensure_peer('bravo', 1000)")
	sql rain "SELECT ledger.account_ensure_user('ada'), ledger.account_ensure_user('ben'),
		ledger.account_ensure_project('lab')" >/dev/null
	sql rain "SELECT ledger.grant_tokens(ledger.account_id('user:ada'), 50, '', '$(uuid 9999)')" >/dev/null
	grant user:ada 300 NULL "now() + interval '3 days'" >/dev/null
	grant user:ada 100 NULL "now() + interval '1 day'" >/dev/null
	expect "a grant for later is no money yet" rain "SELECT ledger.grant_lot('user:ada', 70,
		now() + interval '1 day', now() + interval '2 days', '', 'root', '$(uuid 9998)')" scheduled
	expect "once" rain "SELECT ledger.grant_lot('user:ada', 70, now() + interval '1 day',
		(SELECT expires_at FROM ledger.lots('user:ada') WHERE amount = 70), '', 'root', '$(uuid 9998)')" exists
	refused "the same key for another" rain RN001 \
		"SELECT ledger.grant_lot('user:ada', 71, NULL, NULL, '', 'root', '$(uuid 9998)')"
	refused "an end before the beginning" rain RN005 \
		"SELECT ledger.grant_lot('user:ada', 1, now() + interval '2 days', now() + interval '1 day', '', '', '$(uuid 9997)')"
	refused "a lot of a peer" rain RN005 \
		"SELECT ledger.grant_lot('peer:bravo', 1, NULL, NULL, '', '', '$(uuid 9997)')"
	lots "the earliest end first" user:ada "100 70 300 50"
	spend ada 130
	lots "after spending" user:ada "0 70 270 50"
	balance user:ada 320 0
	sound "after spending"
	spend ada 300
	lots "what has no end goes last" user:ada "0 70 0 20"
	grant user:ada 10 NULL "now() + interval '1 hour'" >/dev/null
	lots "a new lot pays nothing of before" user:ada "10 70 20"
	sound "after more"
}

test_transfer_keeps_the_end() {
	grant user:ben 100 NULL "now() + interval '1 day'" >/dev/null
	sql rain "SELECT ledger.transfer_tokens('user:ben', 'project:lab', 60, '', 'ben', '$(uuid 8000)')" >/dev/null
	lots "the giver has less" user:ben "40 0"
	lots "the receiver's tokens still end" project:lab "60 0"
	expect "on the same day" rain "SELECT a.expires_at = b.expires_at FROM ledger.lots('user:ben') a,
		ledger.lots('project:lab') b WHERE a.lot_id IS NOT NULL AND b.lot_id IS NOT NULL" t
	sound "after a transfer of lots"
}

test_expiry() {
	local end
	end=$(soon 25000)
	sql rain "SELECT ledger.account_ensure_user('cleo'), ledger.grant_tokens(ledger.account_ensure_user('cleo'), 30, '', '$(uuid 9000)')" >/dev/null
	grant user:cleo 100 NULL "'$end'" >/dev/null
	spend cleo 20
	sql rain-gw "SELECT ledger.hold_create('$(uuid 9001)', ledger.account_id('user:cleo'), $bravo, 25, '')" >/dev/null
	balance user:cleo 110 25
	wait_until over "$end"
	refused "an ended lot can't be held, swept or not" rain-gw RN002 \
		"SELECT ledger.hold_create('$(uuid 9002)', ledger.account_id('user:cleo'), $bravo, 31, '')"
	sql rain "SELECT ledger.lots_sweep()" >/dev/null
	balance user:cleo 55 25
	balance system:expiry 55 0
	expect "what a hold needs stays" rain-gw "SELECT ledger.hold_post('$(uuid 9001)', '$(uuid 9003)', 15)" posted
	sql postgres "SET session_replication_role = replica;
		UPDATE ledger.account SET next_lot_event = now() WHERE name = 'user:cleo'" >/dev/null # a minute passes
	expect "the sweep takes the rest" rain "SELECT ledger.lots_sweep()" 1
	balance user:cleo 30 0
	balance system:expiry 65 0
	expect "a second sweep has nothing to do" rain "SELECT ledger.lots_sweep()" 0
	sound "after an end"
}

test_begin() {
	local start
	start=$(soon 2500)
	sql rain "SELECT ledger.account_ensure_user('dan')" >/dev/null
	[ "$(grant user:dan 80 "'$start'" NULL)" = scheduled ] || fail "a grant for later isn't scheduled"
	refused "before its beginning it can't be held" rain-gw RN002 \
		"SELECT ledger.hold_create('$(uuid 9100)', ledger.account_id('user:dan'), $bravo, 1, '')"
	wait_until over "$start"
	expect "then it can, swept or not" rain-gw \
		"SELECT ledger.hold_create('$(uuid 9100)', ledger.account_id('user:dan'), $bravo, 80, '')" held
	sql rain-gw "SELECT ledger.hold_void('$(uuid 9100)')" >/dev/null
	sql rain "SELECT ledger.account_ensure_user('eli')" >/dev/null
	sql rain "SELECT ledger.account_limit_set('user:eli', 50)" >/dev/null
	spend eli 50
	grant user:eli 80 NULL "now() + interval '1 day'" >/dev/null
	lots "a debt eats of a new lot" user:eli "30 0"
	sound "after a beginning"
}

test_deadlines() {
	local end make ada
	ada=$(sql rain "SELECT ledger.account_id('user:ada')")
	sql rain "SELECT ledger.grant_tokens($ada, 1000, '', '$(uuid 9200)')" >/dev/null
	end=$(soon 2500)
	make="ledger.hold_create_until('$(uuid 9201)', $ada, $bravo, 40, 'job 7', '$end')"
	expect "a hold with a deadline" rain-gw "SELECT $make" held
	expect "once" rain-gw "SELECT $make" exists
	refused "early" rain-gw RN007 "SELECT ledger.hold_expire('$(uuid 9201)', 'job 7 is unknown')"
	refused "a deadline moves to later only" rain-gw RN005 \
		"SELECT ledger.hold_extend('$(uuid 9201)', now() - interval '1 s')"
	expect "it is extended" rain-gw "SELECT ledger.hold_extend('$(uuid 9201)', '$end'::timestamptz + interval '400 ms')" extended
	expect "once" rain-gw "SELECT ledger.hold_extend('$(uuid 9201)', '$end'::timestamptz + interval '400 ms')" exists
	wait_until over "$end"
	refused "the old deadline is no more" rain-gw RN007 "SELECT ledger.hold_expire('$(uuid 9201)', 'job 7 is unknown')"
	wait_until over "$(sql rain "SELECT '$end'::timestamptz + interval '400 ms'")"
	expect "it is due" rain "SELECT hold_id, debit FROM ledger.holds(NULL, true)" "$(uuid 9201)|user:ada"
	refused "the deadline alone is no proof" rain-gw RN005 "SELECT ledger.hold_expire('$(uuid 9201)', '')"
	refused "nor in plain SQL" rain_owner 23514 \
		"INSERT INTO ledger.hold_resolution (hold_id, held, outcome, posted) VALUES ('$(uuid 9201)', 40, 'expired', 0)"
	expect "with proof it expires" rain-gw "SELECT ledger.hold_expire('$(uuid 9201)', 'job 7 is unknown to squeue')" expired
	expect "once" rain-gw "SELECT ledger.hold_expire('$(uuid 9201)', 'job 7 is unknown to squeue')" exists
	refused "posting it then" rain-gw RN001 "SELECT ledger.hold_post('$(uuid 9201)', '$(uuid 9202)', 1)"
	refused "extending it then" rain-gw RN001 "SELECT ledger.hold_extend('$(uuid 9201)', now() + interval '1 day')"
	expect "a hold without a deadline" rain-gw "SELECT ledger.hold_create('$(uuid 9203)', $ada, $bravo, 1, '')" held
	refused "gets none" rain-gw RN005 "SELECT ledger.hold_extend('$(uuid 9203)', now() + interval '1 day')"
	refused "and never expires" rain_owner RN007 "INSERT INTO ledger.hold_resolution
		(hold_id, held, outcome, posted, evidence) VALUES ('$(uuid 9203)', 1, 'expired', 0, 'because')"
	expect "open holds" rain "SELECT hold_id, amount FROM ledger.holds('user:ada')" "$(uuid 9203)|1"
	sql rain-gw "SELECT ledger.hold_void('$(uuid 9203)')" >/dev/null
	sound "after deadlines"
}

test_overage() {
	local fay
	fay=$(sql rain "SELECT ledger.account_ensure_user('fay')")
	sql rain "SELECT ledger.grant_tokens($fay, 100, '', '$(uuid 9300)'), ledger.account_limit_set('user:fay', 20)" >/dev/null
	sql rain-gw "SELECT ledger.hold_create('$(uuid 9301)', $fay, $bravo, 60, ''), ledger.hold_create('$(uuid 9302)', $fay, $bravo, 10, '')" >/dev/null
	expect "a job that outran its hold" rain-gw \
		"SELECT * FROM ledger.hold_post_over('$(uuid 9301)', '$(uuid 9303)', 75)" "60|15|0"
	expect "again" rain-gw "SELECT * FROM ledger.hold_post_over('$(uuid 9301)', '$(uuid 9303)', 75)" "60|15|0"
	refused "with another key" rain-gw RN001 "SELECT * FROM ledger.hold_post_over('$(uuid 9301)', '$(uuid 9304)', 75)"
	expect "beyond the credit it stays unpaid" rain-gw \
		"SELECT * FROM ledger.hold_post_over('$(uuid 9302)', '$(uuid 9305)', 100)" "10|35|55"
	balance user:fay -20 0
	sound "after overage"
}

test_guards() {
	refused "using up a lot by hand" rain_owner RN006 "UPDATE ledger.lot SET spent = 0"
	refused "moving its end" rain_owner RN006 "UPDATE ledger.lot SET expires_at = 'infinity'"
	refused "deleting it" rain_owner RN006 "DELETE FROM ledger.lot"
	refused "a used lot" rain_owner RN006 "INSERT INTO ledger.lot (account_id, idem, amount, starts_at, expires_at, spent, transfer_id)
		SELECT credit, '$(uuid 9400)', 1, now(), 'infinity', 1, transfer_id FROM ledger.transfer WHERE idem = '$(uuid 9300)'"
	refused "more lot than the transfer" rain_owner RN005 "INSERT INTO ledger.lot (account_id, idem, amount, starts_at, expires_at, transfer_id)
		SELECT credit, '$(uuid 9400)', 101, now(), 'infinity', transfer_id FROM ledger.transfer WHERE idem = '$(uuid 9300)'"
	refused "writing uses" rain_owner RN006 \
		"INSERT INTO ledger.lot_use SELECT lot_id, 1, 1, NULL FROM ledger.lot LIMIT 1"
	refused "rewriting uses" rain_owner RN006 "UPDATE ledger.lot_use SET amount = 1"
	refused "rewriting settlements" rain_owner RN006 "DELETE FROM ledger.lot_settlement"
	refused "putting a settlement off" rain_owner RN006 "UPDATE ledger.account SET next_lot_event = 'infinity' WHERE name = 'user:ada'"
	refused "moving where lots stand" rain_owner RN006 "UPDATE ledger.account SET lots_debited = 0 WHERE name = 'user:ada'"
	refused "rewriting extensions" rain_owner RN006 "DELETE FROM ledger.hold_extension"
	for role in rain rain-gw; do
		for table in lot lot_use lot_settlement hold_extension; do
			refused "reading $table" $role 42501 "SELECT FROM ledger.$table"
		done
		refused "settling by hand" $role 42501 "SELECT ledger.lots_due(1)"
	done
	refused "granting" rain-gw 42501 "SELECT ledger.grant_lot('user:ada', 1, NULL, NULL, '', '', '$(uuid 9401)')"
	sound "at the end"
}

test_order_of_spending
test_transfer_keeps_the_end
test_expiry
test_begin
test_deadlines
test_overage
test_guards
