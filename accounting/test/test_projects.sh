#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Projects, credit limits, transfers and corrections.
. "${srcdir:-.}/accounting/test/postgres.sh"
pg_create

give() { # account amount key
	sql rain "SELECT ledger.grant_tokens(ledger.account_id('$1'), $2, '', '$(uuid "$3")')" >/dev/null
}

test_tree() {
	sql rain "SELECT ledger.account_ensure_user('ada'), ledger.account_ensure_user('ben')" >/dev/null
	sql rain "SELECT ledger.account_ensure_project('lab'), ledger.account_ensure_project('heat', 'lab'),
		ledger.account_ensure_project('wave', 'lab'), ledger.account_ensure_project('deep', 'heat')" >/dev/null
	refused "a project below nothing" rain RN003 "SELECT ledger.account_ensure_project('x', 'nosuch')"
	refused "a project's name with a colon" rain RN005 "SELECT ledger.account_ensure_project('a:b')"
	refused "a circle of projects" rain RN005 "SELECT ledger.project_move('lab', 'deep')"
	refused "a project below itself" rain_owner RN005 "UPDATE ledger.project SET parent = account_id"
	expect "a project moves" rain "SELECT ledger.project_move('deep', 'wave')" ""
	expect "the tree" rain "SELECT name, coalesce(parent, '') FROM ledger.accounts() WHERE kind = 'project'" \
		"project:lab|
project:heat|project:lab
project:wave|project:lab
project:deep|project:wave"
	refused "deleting a project" rain_owner RN006 "DELETE FROM ledger.project"
}

test_members() {
	sql rain "SELECT ledger.project_member_set('heat', 'ada', 'member', 'root'),
		ledger.project_member_set('lab', 'ben', 'coordinator', 'root'),
		ledger.project_member_set('wave', 'ada', 'member', 'root')" >/dev/null
	refused "an unknown role" rain RN005 "SELECT ledger.project_member_set('heat', 'ada', 'king', '')"
	refused "a project as a member" rain_owner RN005 \
		"INSERT INTO ledger.project_member (project, user_id, role)
		 SELECT account_id, account_id, 'member' FROM ledger.project LIMIT 1"
	expect "a member may spend" rain \
		"SELECT ledger.account_may_spend('ada', ledger.account_id('project:heat'))" t
	expect "another may not" rain \
		"SELECT ledger.account_may_spend('ada', ledger.account_id('project:lab')),
		        ledger.account_may_spend('ada', ledger.account_id('user:ben'))" "f|f"
	expect "coordinators see everything below" rain "SELECT account, role FROM ledger.account_rights('ben') ORDER BY 1" \
		"project:deep|coordinator
project:heat|coordinator
project:lab|coordinator
project:wave|coordinator
user:ben|own"
	expect "without a default the user pays" rain \
		"SELECT ledger.account_payer('ada') = ledger.account_id('user:ada')" t
	refused "the default is an account that one may spend" rain RN005 \
		"SELECT ledger.account_default_set('ada', 'project:lab')"
	sql rain "SELECT ledger.account_default_set('ada', 'project:heat')" >/dev/null
	expect "the default pays" rain "SELECT ledger.account_payer('ada') = ledger.account_id('project:heat')" t
	expect "the job's own account comes first" rain-gw \
		"SELECT ledger.account_payer('ada', 'wave') = ledger.account_id('project:wave')" t
	expect "if one is in it" rain \
		"SELECT ledger.account_payer('ada', 'lab') = ledger.account_id('project:heat')" t
	sql rain "SELECT ledger.project_member_set('heat', 'ada', NULL)" >/dev/null
	expect "who leaves loses the default" rain \
		"SELECT ledger.account_payer('ada') = ledger.account_id('user:ada')" t
	expect "members" rain "SELECT * FROM ledger.project_members('lab')" "ben|coordinator"
	refused "a peer as default" rain_owner RN005 \
		"INSERT INTO ledger.account_default SELECT u.account_id, s.account_id
		   FROM ledger.account u, ledger.account s WHERE u.name = 'user:ada' AND s.name = 'system:use'"
}

test_limits() {
	local ada
	ada=$(sql rain "SELECT ledger.account_id('user:ada')")
	sql rain-gw "SELECT ledger.account_ensure_peer('bravo', 100)" >/dev/null
	expect "a user gets credit" rain "SELECT ledger.account_limit_set('user:ada', 500, 'thesis', 'root')" ""
	expect "which is written down" rain_owner \
		"SELECT credit_limit, reason, actor, set_by FROM ledger.account_limit" "500|thesis|root|rain"
	sql rain-gw "SELECT ledger.hold_create('$(uuid 1)', $ada, ledger.account_id('peer:bravo'), 400, '')" >/dev/null
	balance user:ada 0 400
	refused "a limit below what is used" rain RN002 "SELECT ledger.account_limit_set('user:ada', 399)"
	refused "more than the limit" rain-gw RN002 \
		"SELECT ledger.hold_create('$(uuid 2)', $ada, ledger.account_id('peer:bravo'), 101, '')"
	refused "credit for the system" rain RN005 "SELECT ledger.account_limit_set('system:use', 1)"
	refused "a limit of less than nothing" rain RN005 "SELECT ledger.account_limit_set('user:ada', -1)"
	refused "rewriting limits" rain_owner RN006 "UPDATE ledger.account_limit SET credit_limit = 9"
	refused "a user born with credit" rain_owner 23514 \
		"INSERT INTO ledger.account (kind, name, credit_limit) VALUES ('user', 'user:eve', 5)"
	sql rain-gw "SELECT ledger.hold_void('$(uuid 1)')" >/dev/null
	sound "after limits"
}

test_transfers() {
	local move id
	give project:lab 1000 10
	move="ledger.transfer_tokens('project:lab', 'user:ben', 300, 'stipend', 'ben'"
	expect "a transfer" rain "SELECT $move, '$(uuid 11)')" transferred
	expect "once" rain "SELECT $move, '$(uuid 11)')" exists
	refused "the same key for another" rain RN001 \
		"SELECT ledger.transfer_tokens('project:lab', 'user:ben', 301, '', '', '$(uuid 11)')"
	refused "more than is there" rain RN002 \
		"SELECT ledger.transfer_tokens('project:lab', 'user:ben', 701, '', '', '$(uuid 12)')"
	refused "to a peer" rain RN005 \
		"SELECT ledger.transfer_tokens('project:lab', 'peer:bravo', 1, '', '', '$(uuid 12)')"
	refused "out of the issuance" rain RN005 \
		"SELECT ledger.transfer_tokens('system:issuance', 'user:ben', 1, '', '', '$(uuid 12)')"
	refused "to oneself" rain RN005 \
		"SELECT ledger.transfer_tokens('user:ben', 'user:ben', 1, '', '', '$(uuid 12)')"
	balance project:lab 700 0
	balance user:ben 300 0

	id=$(sql rain_owner "SELECT transfer_id FROM ledger.transfer WHERE idem = '$(uuid 11)'")
	expect "a part is taken back" rain "SELECT ledger.transfer_correct($id, 100, 'typo', 'root', '$(uuid 13)')" corrected
	expect "once" rain "SELECT ledger.transfer_correct($id, 100, 'typo', 'root', '$(uuid 13)')" exists
	refused "more than it was" rain RN005 "SELECT ledger.transfer_correct($id, 201, '', '', '$(uuid 14)')"
	refused "the same in plain SQL" rain_owner 23514 \
		"INSERT INTO ledger.transfer (idem, code, debit, credit, amount, reverses)
		 SELECT '$(uuid 14)', 'correct', credit, debit, 201, transfer_id FROM ledger.transfer
		  WHERE transfer_id = $id"
	refused "setting what is corrected" rain_owner RN006 "UPDATE ledger.correction SET corrected = 0"
	refused "forgetting a correction" rain_owner RN006 "DELETE FROM ledger.correction"
	id=$(sql rain_owner "SELECT transfer_id FROM ledger.transfer WHERE idem = '$(uuid 13)'")
	refused "a correction of a correction" rain RN005 "SELECT ledger.transfer_correct($id, 1, '', '', '$(uuid 14)')"
	refused "an unknown transfer" rain RN003 "SELECT ledger.transfer_correct(999999, 1, '', '', '$(uuid 14)')"
	balance project:lab 800 0
	balance user:ben 200 0
	# What a burst paid, corrected before the run is known: no refund on top of that.
	sql rain-gw "SELECT ledger.hold_create('$(uuid 15)', ledger.account_id('user:ben'), ledger.account_id('peer:bravo'), 50, '')" >/dev/null
	sql rain-gw "SELECT ledger.hold_post('$(uuid 15)', '$(uuid 16)', 50)" >/dev/null
	id=$(sql rain_owner "SELECT transfer_id FROM ledger.transfer WHERE idem = '$(uuid 16)'")
	sql rain "SELECT ledger.transfer_correct($id, 50, '', '', '$(uuid 17)')" >/dev/null
	refused "a corrected post as a run's charge" rain-gw RN005 \
		"SELECT ledger.hold_post_run('$(uuid 15)', '$(uuid 16)', 50, 'alpha', 1, 1, 0)"
	sound "after transfers"
}

test_rights() {
	local call
	for call in "account_ensure_project('x')" "project_member_set('lab', 'ada', 'member')" \
		"account_limit_set('peer:bravo', 1)" "transfer_tokens('user:ada', 'user:ben', 1, '', '', '$(uuid 99)')" \
		"transfer_correct(1, 1, '', '', '$(uuid 99)')" "accounts()" "account_default_set('ada', NULL)"; do
		refused "$call" rain-gw 42501 "SELECT ledger.$call"
	done
	for call in "system_balance(1)" "transfer_again('$(uuid 1)', '', 1, 1, 1)" "amount_check(1)"; do
		refused "$call" rain 42501 "SELECT ledger.$call"
		refused "$call" rain-gw 42501 "SELECT ledger.$call"
	done
	for call in project project_member account_default account_limit correction; do
		refused "reading $call" rain 42501 "SELECT FROM ledger.$call"
		refused "reading $call" rain-gw 42501 "SELECT FROM ledger.$call"
	done
}

test_tree
test_members
test_limits
test_transfers
test_rights
