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

# Time passes for one account: nobody waits for dates, they are moved into the past
# under the ledger.
pass() { # user days
	sql postgres "SET session_replication_role = replica; SET search_path = ledger;
		UPDATE lot SET starts_at = starts_at - interval '$2 days', expires_at = expires_at - interval '$2 days'
		 WHERE account_id = account_id('user:$1');
		UPDATE hold_extension e SET expires_at = e.expires_at - interval '$2 days' FROM hold h
		 WHERE h.hold_id = e.hold_id AND h.debit = account_id('user:$1');
		UPDATE hold SET expires_at = expires_at - interval '$2 days' WHERE debit = account_id('user:$1');
		UPDATE account SET next_lot_event = next_lot_event - interval '$2 days' WHERE name = 'user:$1'" >/dev/null
}

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
	refused "the same without dates" rain RN001 \
		"SELECT ledger.grant_tokens(ledger.account_id('user:ada'), 70, '', '$(uuid 9998)')"
	refused "a transfer with its key" rain RN001 \
		"SELECT ledger.transfer_tokens('user:ada', 'user:ben', 1, '', '', '$(uuid 9998)')"
	refused "with dates what was granted without" rain RN001 "SELECT ledger.grant_lot('user:ada', 50,
		now() + interval '1 day', NULL, '', 'root', '$(uuid 9999)')"
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
	sql rain "SELECT ledger.account_ensure_user('cleo'), ledger.grant_tokens(ledger.account_ensure_user('cleo'), 30, '', '$(uuid 9000)')" >/dev/null
	grant user:cleo 100 NULL "now() + interval '9 days'" >/dev/null
	spend cleo 20
	sql rain-gw "SELECT ledger.hold_create('$(uuid 9001)', ledger.account_id('user:cleo'), $bravo, 25, '')" >/dev/null
	balance user:cleo 110 25
	pass cleo 10
	refused "an ended lot can't be held, swept or not" rain-gw RN002 \
		"SELECT ledger.hold_create('$(uuid 9002)', ledger.account_id('user:cleo'), $bravo, 31, '')"
	sql rain "SELECT ledger.lots_sweep()" >/dev/null
	balance user:cleo 55 25
	balance system:expiry 55 0
	expect "what a hold needs stays" rain-gw "SELECT ledger.hold_post('$(uuid 9001)', '$(uuid 9003)', 15)" posted
	pass cleo 1
	expect "the sweep takes the rest" rain "SELECT ledger.lots_sweep()" 1
	balance user:cleo 30 0
	balance system:expiry 65 0
	expect "a second sweep has nothing to do" rain "SELECT ledger.lots_sweep()" 0
	sound "after an end"
}

test_begin() {
	sql rain "SELECT ledger.account_ensure_user('dan')" >/dev/null
	[ "$(grant user:dan 80 "now() + interval '1 day'" NULL)" = scheduled ] || fail "a grant for later isn't scheduled"
	refused "before its beginning it can't be held" rain-gw RN002 \
		"SELECT ledger.hold_create('$(uuid 9100)', ledger.account_id('user:dan'), $bravo, 1, '')"
	pass dan 1
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
	end=$(sql rain "SELECT now() + interval '1 day'")
	make="ledger.hold_create_until('$(uuid 9201)', $ada, $bravo, 40, 'job 7', '$end')"
	expect "a hold with a deadline" rain-gw "SELECT $make" held
	expect "once" rain-gw "SELECT $make" exists
	refused "early" rain-gw RN007 "SELECT ledger.hold_expire('$(uuid 9201)', 'job 7 is unknown')"
	refused "a deadline moves to later only" rain-gw RN005 \
		"SELECT ledger.hold_extend('$(uuid 9201)', now() - interval '1 s')"
	expect "it is extended" rain-gw "SELECT ledger.hold_extend('$(uuid 9201)', '$end'::timestamptz + interval '1 day')" extended
	expect "once" rain-gw "SELECT ledger.hold_extend('$(uuid 9201)', '$end'::timestamptz + interval '1 day')" exists
	pass ada 1
	refused "the old deadline is no more" rain-gw RN007 "SELECT ledger.hold_expire('$(uuid 9201)', 'job 7 is unknown')"
	pass ada 1
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

charge() { # job user amount: a job at home
	sql rain "SELECT ledger.job_runs_record('[{\"cluster\":\"alpha\",\"slurm_job_id\":$1,\"submit_time\":1000,\"restart\":0,
		\"user_name\":\"$2\",\"account\":\"\",\"partition\":\"p\",\"qos\":\"\",\"job_name\":\"\",\"state\":\"COMPLETED\",
		\"exit_code\":0,\"exit_signal\":0,\"start_time\":1001,\"end_time\":1011,\"nodes\":\"node1\",\"node_count\":1,
		\"cpus\":4,\"core_ms\":40000,\"place\":\"home\",\"price\":$3}]')" >/dev/null
}

refund() { # job amount
	key=$((key + 1))
	sql rain "SELECT ledger.charge_refund((SELECT job_run_id FROM ledger.job_runs_find('alpha', $1)), $2, '', '$(uuid $key)')" >/dev/null
}

# What is refunded ends when that would have ended which paid it.
test_refunds_keep_the_end() {
	local transfer
	sql rain "SELECT ledger.grant_tokens(ledger.account_ensure_user('gil'), 100, '', '$(uuid 9500)')" >/dev/null
	grant user:gil 100 NULL "now() + interval '2 days'" >/dev/null
	grant user:gil 50 NULL "now() + interval '1 day'" >/dev/null
	charge 1 gil 30  # all of it from the 50
	charge 2 gil 100 # 20 from the 50, 80 from the 100
	charge 3 gil 60  # 20 from the 100, 40 of what has no end
	lots "spent" user:gil "0 0 60"
	refund 1 30
	lots "a refund goes back to the lot that paid" user:gil "30 60"
	refund 3 50
	lots "to what has no end first, then to the lot" user:gil "30 10 100"
	refund 3 10
	lots "and the rest of it" user:gil "30 10 10 100"
	refund 2 100
	lots "a charge that two lots paid" user:gil "30 20 10 10 80 100"
	expect "each has its end again" rain "SELECT count(DISTINCT expires_at), sum(remaining) FROM ledger.lots('user:gil')
		WHERE lot_id IS NOT NULL" "2|150"
	sound "after refunds"

	# A lot that paid a debt: as if the job had never run.
	sql rain "SELECT ledger.account_ensure_user('hal')" >/dev/null
	sql rain "SELECT ledger.account_limit_set('user:hal', 50)" >/dev/null
	charge 4 hal 50
	grant user:hal 80 NULL "now() + interval '1 day'" >/dev/null
	lots "a debt was paid" user:hal "30 0"
	refund 4 50
	lots "a refund of the debt ends as what paid it" user:hal "30 50 0"
	sound "after a debt"

	# A transfer that is taken back, a burst that is.
	grant user:ida 40 NULL "now() + interval '1 day'" 2>/dev/null && fail "a grant to nobody"
	sql rain "SELECT ledger.account_ensure_user('ida'), ledger.account_ensure_project('den')" >/dev/null
	grant user:ida 40 NULL "now() + interval '1 day'" >/dev/null
	sql rain "SELECT ledger.transfer_tokens('user:ida', 'project:den', 25, '', '', '$(uuid 9501)')" >/dev/null
	transfer=$(sql rain_owner "SELECT transfer_id FROM ledger.transfer WHERE idem = '$(uuid 9501)'")
	expect "a transfer is taken back" rain "SELECT ledger.transfer_correct($transfer, 25, '', '', '$(uuid 9502)')" corrected
	lots "with its end" user:ida "15 25 0"
	spend ida 35
	transfer=$(sql rain_owner "SELECT max(transfer_id) FROM ledger.transfer WHERE code = 'post'")
	expect "a burst is taken back" rain "SELECT ledger.transfer_correct($transfer, 35, '', '', '$(uuid 9503)')" corrected
	expect "with its end" rain "SELECT sum(remaining) FROM ledger.lots('user:ida') WHERE lot_id IS NOT NULL" 40
	sound "after corrections"

	# Refunded after its end, it ends at once.
	sql rain "SELECT ledger.account_ensure_user('jan')" >/dev/null
	grant user:jan 20 NULL "now() + interval '1 day'" >/dev/null
	charge 5 jan 20
	pass jan 2
	sql rain "SELECT ledger.lots_sweep()" >/dev/null
	refund 5 20
	balance user:jan 0 0
	expect "what came back too late is written down" rain "SELECT string_agg(code || ' ' || amount, ', ' ORDER BY transfer_id)
		FROM ledger.statement('user:jan', '-infinity', 'infinity')" "grant 20, charge -20, refund 20, expire -20"
	sound "after a late refund"
	refused "giving back a lot by hand" rain_owner RN005 "INSERT INTO ledger.lot (account_id, idem, amount, starts_at, expires_at, transfer_id, gives_back)
		SELECT t.credit, gen_random_uuid(), 1, l.starts_at, l.expires_at, t.transfer_id, l.lot_id
		  FROM ledger.lot l JOIN ledger.transfer t ON t.credit = l.account_id
		 WHERE t.idem = '$(uuid 9500)' AND l.spent = 0 LIMIT 1"
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
	refused "putting a settlement off" rain_owner RN006 "UPDATE ledger.account SET next_lot_event = '2100-01-01' WHERE name = 'user:ada'"
	refused "moving where lots stand" rain_owner RN006 "UPDATE ledger.account SET lots_debited = lots_debited - 1 WHERE name = 'user:ada'"
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
test_refunds_keep_the_end
test_guards
