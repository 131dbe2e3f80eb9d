#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The ledger's invariants, tried against a real PostgreSQL by every role.
. "${srcdir:-.}/accounting/test/postgres.sh"
pg_create

run() { # job restart place price: one element of job_runs_record
	printf '{"cluster":"alpha","slurm_job_id":%s,"submit_time":1000,"restart":%s,
		"user_name":"ada","account":"","partition":"p","qos":"","job_name":"n",
		"state":"COMPLETED","exit_code":0,"exit_signal":0,"start_time":1001,
		"end_time":1011,"nodes":"node1","node_count":1,"cpus":4,"core_ms":40000,
		"place":"%s","price":%s}' "$1" "$2" "$3" "$4"
}

record() { # what answer run...
	local what=$1 answer=$2 IFS=,
	shift 2
	expect "$what" rain "SELECT ledger.job_runs_record('[$*]')" "$answer"
}

charged() { # job restart amount|unpaid
	expect "run $1.$2 is charged" rain "SELECT charged, unpaid FROM ledger.usage_jobs(0, 9999, NULL, 999)
		WHERE slurm_job_id = $1 AND restart = $2" "$3"
}

test_accounts() {
	ada=$(sql rain "SELECT ledger.account_ensure_user('ada')")
	expect "an account is made once" rain-gw "SELECT ledger.account_ensure_user('ada')" "$ada"
	bravo=$(sql rain-gw "SELECT ledger.account_ensure_peer('bravo', 5000)")
	expect "a peer keeps its limit" rain-gw \
		"SELECT ledger.account_ensure_peer('bravo', 9), ledger.account_available($bravo)" "$bravo|5000"
	commons=$(sql rain "SELECT ledger.account_id('system:commons')")
	use=$(sql rain "SELECT ledger.account_id('system:use')")
	issuance=$(sql rain "SELECT ledger.account_id('system:issuance')")
	refused "an unknown account" rain RN003 "SELECT ledger.account_id('user:nobody')"
	refused "a user's name with a colon" rain RN005 "SELECT ledger.account_ensure_user('a:b')"
	refused "a peer's name with capitals" rain-gw RN005 "SELECT ledger.account_ensure_peer('Bravo', 0)"
	expect "tokens are granted" rain \
		"SELECT ledger.grant_tokens($ada, 10000, 'start', '$(uuid 1)')" granted
	expect "once" rain "SELECT ledger.grant_tokens($ada, 10000, 'start', '$(uuid 1)')" exists
	refused "the same key for another amount" rain RN001 \
		"SELECT ledger.grant_tokens($ada, 10001, 'start', '$(uuid 1)')"
	refused "a grant to a peer" rain RN005 "SELECT ledger.grant_tokens($bravo, 1, '', '$(uuid 2)')"
	refused "a grant to the issuance" rain RN005 "SELECT ledger.grant_tokens($issuance, 1, '', '$(uuid 2)')"
	balance user:ada 10000 0
}

test_holds() {
	local make
	make="ledger.hold_create('$(uuid 10)', $ada, $bravo, 4000, 'burst')"
	expect "tokens are held" rain-gw "SELECT $make" held
	expect "a hold is made once" rain-gw "SELECT $make" exists
	refused "the same hold with other values" rain-gw RN001 \
		"SELECT ledger.hold_create('$(uuid 10)', $ada, $bravo, 4001, 'burst')"
	refused "a hold over what is there" rain-gw RN002 \
		"SELECT ledger.hold_create('$(uuid 11)', $ada, $bravo, 6001, '')"
	refused "a hold of nothing" rain-gw RN005 "SELECT ledger.hold_create('$(uuid 11)', $ada, $bravo, 0, '')"
	refused "a hold against the issuance" rain-gw RN005 \
		"SELECT ledger.hold_create('$(uuid 11)', $issuance, $bravo, 1, '')"
	refused "posting more than was held" rain-gw RN005 \
		"SELECT ledger.hold_post('$(uuid 10)', '$(uuid 110)', 4001)"
	balance user:ada 10000 4000
	expect "a hold is posted" rain-gw "SELECT ledger.hold_post('$(uuid 10)', '$(uuid 110)', 3000)" posted
	expect "once" rain-gw "SELECT ledger.hold_post('$(uuid 10)', '$(uuid 110)', 3000)" exists
	refused "posting it otherwise" rain-gw RN001 "SELECT ledger.hold_post('$(uuid 10)', '$(uuid 110)', 2999)"
	refused "voiding it then" rain-gw RN001 "SELECT ledger.hold_void('$(uuid 10)')"
	balance user:ada 7000 0
	balance peer:bravo 3000 0
	expect "another hold" rain-gw "SELECT ledger.hold_create('$(uuid 12)', $ada, $bravo, 7000, '')" held
	expect "is voided" rain-gw "SELECT ledger.hold_void('$(uuid 12)')" voided
	expect "once" rain-gw "SELECT ledger.hold_void('$(uuid 12)')" exists
	refused "posting it then" rain-gw RN001 "SELECT ledger.hold_post('$(uuid 12)', '$(uuid 112)', 1)"
	refused "an unknown hold" rain-gw RN003 "SELECT ledger.hold_void('$(uuid 99)')"
	expect "a hold is made and undone with its transaction" rain-gw \
		"BEGIN; SELECT ledger.hold_create('$(uuid 13)', $ada, $bravo, 7000, ''); ROLLBACK" held
	balance user:ada 7000 0
	sound "after holds"
}

test_peer_limit() {
	expect "a peer may owe up to its limit" rain-gw \
		"SELECT ledger.hold_create('$(uuid 20)', $bravo, $commons, 8000, 'loan')" held
	refused "and not more" rain-gw RN002 \
		"SELECT ledger.hold_create('$(uuid 21)', $bravo, $commons, 1, 'loan')"
	refused "a limit below what is used" rain-gw RN002 "SELECT ledger.peer_limit_set('bravo', 4999)"
	expect "a higher limit" rain-gw "SELECT ledger.peer_limit_set('bravo', 5001)" ""
	expect "gives room" rain-gw \
		"SELECT ledger.hold_create('$(uuid 21)', $bravo, $commons, 1, 'loan')" held
	expect "a loan earns" rain-gw "SELECT ledger.hold_post('$(uuid 20)', '$(uuid 120)', 8000)" posted
	balance peer:bravo -5000 1
	balance system:commons 8000 0
	sound "after a loan"
}

test_runs() {
	record "a home run" '["recorded"]' "$(run 1 0 home 2500)"
	record "is recorded once" '["exists"]' "$(run 1 0 home 2500)"
	charged 1 0 "2500|0"
	record "a requeued job runs again" '["recorded"]' "$(run 1 1 home 100)"
	record "twice in one batch" '["recorded", "exists"]' "$(run 2 0 home 100)" "$(run 2 0 home 100)"
	record "what can't be paid" '["recorded"]' "$(run 3 0 home 9000)"
	charged 3 0 "4300|4700"
	balance user:ada 0 0
	record "nothing left" '["recorded"]' "$(run 4 0 home 10)"
	charged 4 0 "0|10"
	record "a user without an account gets one" '["recorded"]' "$(run 7 0 home 10 | sed 's/"ada"/"new"/')"
	charged 7 0 "0|10"
	refused "a batch is all or nothing" rain 23514 \
		"SELECT ledger.job_runs_record('[$(run 5 0 home 0),$(run 6 0 away 0)]')"
	record "so its first part comes later" '["recorded"]' "$(run 5 0 home 0)"
	refused "more than 1000 in a batch" rain RN005 \
		"SELECT ledger.job_runs_record((SELECT jsonb_agg(1) FROM generate_series(1, 1001)))"
	expect "usage by user" rain "SELECT * FROM ledger.usage_report(0, 9999, 'user', NULL)" \
		"ada|6|240000|7000|4710
new|1|40000|0|10"
	sound "after runs"
}

# A burst's run is told twice, by the gateway and by jobcomp, in any order.
test_order() {
	sql rain "SELECT ledger.grant_tokens($ada, 10000, 'more', '$(uuid 3)')" >/dev/null
	for job in 30 31 32; do
		sql rain-gw "SELECT ledger.hold_create('$(uuid $job)', $ada, $bravo, 1000, '')" >/dev/null
	done
	local post30 post31
	post30="ledger.hold_post_run('$(uuid 30)', '$(uuid 130)', 600, 'alpha', 30, 1000, 0)"
	expect "the gateway first" rain-gw "SELECT $post30" posted
	expect "again" rain-gw "SELECT $post30" exists
	record "then jobcomp" '["recorded"]' "$(run 30 0 overflow 0)"
	record "again" '["exists"]' "$(run 30 0 overflow 0)"
	expect "and the gateway again" rain-gw "SELECT $post30" exists
	charged 30 0 "600|0"

	post31="ledger.hold_post_run('$(uuid 31)', '$(uuid 131)', 700, 'alpha', 31, 1000, 0)"
	record "jobcomp first" '["recorded"]' "$(run 31 0 overflow 0)"
	expect "then the gateway" rain-gw "SELECT $post31" posted
	expect "again" rain-gw "SELECT $post31" exists
	charged 31 0 "700|0"

	record "even a home price is not charged on top" '["recorded"]' "$(run 32 1 home 50)"
	refused "nor a hold on top of a home price" rain-gw RN004 \
		"SELECT ledger.hold_post_run('$(uuid 32)', '$(uuid 132)', 1, 'alpha', 32, 1000, 1)"
	expect "a burst that cost nothing" rain-gw \
		"SELECT ledger.hold_post_run('$(uuid 32)', '$(uuid 132)', 0, 'alpha', 32, 1000, 0)" posted
	record "is settled all the same" '["recorded"]' "$(run 32 0 home 50)"
	charged 32 0 "0|0"
	sql rain-gw "SELECT ledger.hold_create('$(uuid 33)', $ada, $bravo, 1000, '')" >/dev/null
	refused "a second hold for one run" rain-gw RN004 \
		"SELECT ledger.hold_post_run('$(uuid 33)', '$(uuid 133)', 1, 'alpha', 32, 1000, 0)"
	expect "the refused hold is still open" rain-gw "SELECT ledger.hold_void('$(uuid 33)')" voided
	sound "whoever comes first"
}

test_refunds() {
	local run
	run=$(sql rain "SELECT job_run_id FROM ledger.usage_jobs(0, 9999, NULL, 99) WHERE slurm_job_id = 1 AND restart = 0")
	expect "part of a charge comes back" rain "SELECT ledger.charge_refund($run, 2000, 'sorry', '$(uuid 40)')" refunded
	expect "once" rain "SELECT ledger.charge_refund($run, 2000, 'sorry', '$(uuid 40)')" exists
	refused "more than the charge" rain RN005 "SELECT ledger.charge_refund($run, 501, 'sorry', '$(uuid 41)')"
	charged 1 0 "500|0"
	refused "the same in plain SQL" rain_owner 23514 \
		"INSERT INTO ledger.transfer (idem, code, debit, credit, amount, reverses)
		 SELECT '$(uuid 42)', 'refund', credit, debit, 501, transfer_id FROM ledger.transfer
		  JOIN ledger.charge USING (transfer_id) WHERE job_run_id = $run"
	refused "a refund to somebody else" rain_owner RN005 \
		"INSERT INTO ledger.transfer (idem, code, debit, credit, amount, reverses)
		 SELECT '$(uuid 42)', 'refund', credit, $bravo, 1, transfer_id FROM ledger.transfer
		  JOIN ledger.charge USING (transfer_id) WHERE job_run_id = $run"
	refused "a refund of a grant" rain_owner RN003 \
		"INSERT INTO ledger.transfer (idem, code, debit, credit, amount, reverses)
		 SELECT '$(uuid 42)', 'refund', credit, debit, 1, transfer_id FROM ledger.transfer
		  WHERE idem = '$(uuid 1)'"
	sound "after refunds"
}

# The daemons' roles see functions only.
test_rights() {
	local role table
	for role in rain rain-gw; do
		for table in account transfer hold hold_resolution job_run charge; do
			refused "reading $table" $role 42501 "SELECT FROM ledger.$table"
			refused "deleting from $table" $role 42501 "DELETE FROM ledger.$table"
		done
		refused "setting a balance" $role 42501 "UPDATE ledger.account SET credited = 9"
		refused "making a function" $role 42501 "CREATE FUNCTION ledger.x() RETURNS int LANGUAGE sql AS 'SELECT 1'"
		refused "an inner function" $role 42501 "SELECT ledger.hold_resolve('$(uuid 10)', 'voided', 0, NULL)"
		refused "making a schema" $role 42501 "CREATE SCHEMA mine"
	done
	refused "granting" rain-gw 42501 "SELECT ledger.grant_tokens($ada, 1, '', '$(uuid 50)')"
	refused "recording runs" rain-gw 42501 "SELECT ledger.job_runs_record('[]')"
	refused "holding" rain 42501 "SELECT ledger.hold_create('$(uuid 50)', $ada, $bravo, 1, '')"
}

# What even the owner of the tables can't do in plain SQL.
test_owner() {
	local table
	for table in account transfer hold hold_resolution job_run charge; do
		refused "deleting from $table" rain_owner RN006 "DELETE FROM ledger.$table"
		refused "emptying $table" rain_owner RN006 "TRUNCATE ledger.$table CASCADE"
	done
	for table in "transfer SET amount = 1" "hold SET amount = 1" "hold_resolution SET posted = 0" \
		"account SET credited = credited + 1" "account SET debited = 0" "account SET held = 0" \
		"account SET name = 'user:eve' WHERE name = 'user:ada'" "charge SET refunded = 0" \
		"charge SET amount = 1" "job_run SET price = 0, unpaid = 0" "job_run SET restart = restart + 9" \
		"job_run SET hold_id = NULL WHERE hold_id IS NOT NULL"; do
		refused "UPDATE $table" rain_owner RN006 "UPDATE ledger.$table"
	done
	refused "a rich account" rain_owner RN006 \
		"INSERT INTO ledger.account (kind, name, credited) VALUES ('user', 'user:eve', 5)"
	refused "a user with credit" rain_owner 23514 \
		"UPDATE ledger.account SET credit_limit = 5 WHERE name = 'user:ada'"
	refused "a fourth system account" rain_owner 23514 \
		"INSERT INTO ledger.account (kind, name) VALUES ('system', 'system:mine')"

	local transfer='INSERT INTO ledger.transfer (idem, code, debit, credit, amount) VALUES'
	refused "a charge over what is there" rain_owner RN002 "$transfer ('$(uuid 60)', 'charge', $ada, $use, 10000000)"
	refused "two that are too much together" rain_owner RN002 \
		"$transfer ('$(uuid 60)', 'charge', $ada, $use, 9000), ('$(uuid 61)', 'charge', $ada, $use, 9000)"
	refused "a negative transfer" rain_owner 23514 "$transfer ('$(uuid 60)', 'charge', $ada, $use, -1)"
	refused "a transfer to oneself" rain_owner 23514 "$transfer ('$(uuid 60)', 'charge', $ada, $ada, 1)"
	refused "spending the commons" rain_owner RN005 "$transfer ('$(uuid 60)', 'charge', $commons, $use, 1)"
	refused "a grant out of the commons" rain_owner RN005 "$transfer ('$(uuid 60)', 'grant', $commons, $ada, 1)"
	refused "the same transfer twice" rain_owner 23505 "$transfer ('$(uuid 1)', 'grant', $issuance, $ada, 10000)"

	sql rain-gw "SELECT ledger.hold_create('$(uuid 62)', $ada, $bravo, 100, '')" >/dev/null
	refused "a post without a resolution" rain_owner 23503 \
		"INSERT INTO ledger.transfer (idem, code, debit, credit, amount, hold_id)
		 VALUES ('$(uuid 63)', 'post', $ada, $bravo, 100, '$(uuid 62)')"
	refused "a post of a voided hold" rain_owner RN006 \
		"INSERT INTO ledger.transfer (idem, code, debit, credit, amount, hold_id)
		 VALUES ('$(uuid 63)', 'post', $ada, $bravo, 100, '$(uuid 12)')"
	local resolve='INSERT INTO ledger.hold_resolution (hold_id, held, outcome, posted, idem) VALUES'
	refused "posting more than was held" rain_owner 23514 "$resolve ('$(uuid 62)', 100, 'posted', 101, '$(uuid 63)')"
	refused "lying about what was held" rain_owner 23503 "$resolve ('$(uuid 62)', 200, 'posted', 101, '$(uuid 63)')"
	refused "voiding with a payment" rain_owner 23514 "$resolve ('$(uuid 62)', 100, 'voided', 1, NULL)"
	refused "resolving twice" rain_owner 23505 "$resolve ('$(uuid 10)', 4000, 'posted', 1, '$(uuid 63)')"
	refused "charging a run twice" rain_owner 23505 \
		"INSERT INTO ledger.charge (job_run_id, transfer_id, amount)
		 SELECT job_run_id, transfer_id, amount FROM ledger.charge LIMIT 1"
	refused "charging a run by a foreign transfer" rain_owner RN005 \
		"INSERT INTO ledger.charge (job_run_id, transfer_id, amount)
		 SELECT r.job_run_id, t.transfer_id, t.amount FROM ledger.job_run r, ledger.transfer t
		  WHERE r.slurm_job_id = 4 AND t.idem = '$(uuid 1)'"
	sql rain-gw "SELECT ledger.hold_void('$(uuid 62)')" >/dev/null
	sound "after all this"
}

# Many sessions at once: nothing is spent twice, and nobody waits in a circle.
test_concurrency() {
	local i poor
	poor=$(sql rain "SELECT ledger.account_ensure_user('poor')")
	sql rain "SELECT ledger.grant_tokens($poor, 100, '', '$(uuid 70)')" >/dev/null
	for i in 1 2 3 4; do
		for _ in $(seq 50); do
			echo "SELECT ledger.hold_create(gen_random_uuid(), $poor, $bravo, 1, '');"
		done | psql -XqAt -U rain-gw -d rain >"$work/holds.$i" 2>/dev/null &
	done
	wait
	[ "$(cat "$work"/holds.? | grep -c held)" = 100 ] || fail "100 tokens didn't make 100 holds"
	balance user:poor 100 100

	sql rain "SELECT ledger.grant_tokens($ada, 10000, '', '$(uuid 71)')" >/dev/null
	for i in $(seq 100 139); do
		sql rain-gw "SELECT ledger.hold_create('$(uuid "$i")', $ada, $bravo, 10, '')"
	done >/dev/null
	for i in $(seq 100 139); do
		echo "SELECT ledger.hold_post_run('$(uuid "$i")', '$(uuid $((i + 1000)))', 7, 'alpha', $i, 1000, 0);"
	done | psql -XqAt -U rain-gw -d rain >"$work/posts" 2>&1 &
	for i in $(seq 139 -1 100); do
		echo "SELECT ledger.job_runs_record('[$(run "$i" 0 overflow 0 | tr -d '\n')]');"
	done | psql -XqAt -U rain -d rain >"$work/records" 2>&1 &
	wait
	[ "$(grep -c posted "$work/posts")" = 40 ] || fail "not all were posted: $(cat "$work/posts")"
	[ "$(grep -c recorded "$work/records")" = 40 ] || fail "not all were recorded: $(cat "$work/records")"
	expect "each is charged once" rain "SELECT count(*), sum(charged) FROM ledger.usage_jobs(0, 9999, NULL, 999)
		WHERE slurm_job_id BETWEEN 100 AND 139" "40|280"
	sound "after many at once"
}

# Two make the same hold at the same moment, for different accounts.
test_same_hold() {
	local line poor
	poor=$(sql rain "SELECT ledger.account_id('user:poor')")
	sql rain "SELECT ledger.grant_tokens($poor, 10, '', '$(uuid 7002)')" >/dev/null
	coproc PSQL { psql -XqAt -U rain-gw -d rain 2>&1; }
	echo "BEGIN; SELECT ledger.hold_create('$(uuid 7001)', $ada, $bravo, 5, '');" >&"${PSQL[1]}"
	read -r line <&"${PSQL[0]}"
	[ "$line" = held ] || fail "the first hold: $line"
	sql rain-gw "SELECT ledger.hold_batch(ARRAY['$(uuid 7001)']::uuid[], ARRAY[$poor]::bigint[], ARRAY[$bravo]::bigint[], ARRAY[1]::bigint[])" >"$work/second" 2>&1 &
	wait_until eval '[ "$(sql postgres "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = '"'Lock'"' AND query LIKE '"'%hold_batch%'"'")" = 1 ]'
	echo 'COMMIT;' >&"${PSQL[1]}"
	wait $!
	[ "$(cat "$work/second")" = '{3}' ] || fail "the same hold of another, in a batch: $(cat "$work/second")"
	sql rain-gw "SELECT ledger.hold_void('$(uuid 7001)')" >/dev/null
	echo '\q' >&"${PSQL[1]}"
	sound "the same hold twice at once"
}

test_migrate() {
	local database="dbname=rain user=postgres" out
	mkdir "$work/sql"
	cp "${srcdir:-.}"/accounting/sql/*.sql "$work/sql"
	./rain-migrate -D "$database" -s "$work/sql" | grep -q 'up to date' || fail "migrating again"
	echo 'CREATE TABLE ledger.half (x int); SELECT 1/0;' >"$work/sql/9000-bad.sql"
	out=$(./rain-migrate -D "$database" -s "$work/sql" 2>&1) && fail "a bad migration passed"
	[[ $out == *"failed and is undone"* ]] || fail "a bad migration says: $out"
	expect "a bad migration leaves nothing" postgres "SELECT to_regclass('ledger.half') IS NULL" t
	echo 'SELECT 1; COMMIT;' >"$work/sql/9000-bad.sql"
	out=$(./rain-migrate -D "$database" -s "$work/sql" 2>&1) && fail "a migration committed by itself"
	# A migration that makes money, past all guards, and one after money was made.
	local rich
	rich="SET LOCAL session_replication_role = replica; UPDATE ledger.account SET credited = credited + 1 WHERE name = 'user:ada';"
	echo "RESET ROLE; $rich SET LOCAL session_replication_role = origin;" >"$work/sql/9000-bad.sql"
	out=$(./rain-migrate -D "$database" -s "$work/sql" 2>&1) && fail "a migration made money"
	[[ $out == *"9000-bad"*"not sound after this migration"* ]] || fail "a migration that makes money says: $out"
	sound "its work is undone"
	sql postgres "BEGIN; $rich COMMIT"
	out=$(./rain-migrate -D "$database" -s "$work/sql" 2>&1) && fail "an unsound ledger was migrated"
	[[ $out == *"not sound as it is"* ]] || fail "an unsound ledger says: $out"
	sql postgres "BEGIN; ${rich/+ 1/- 1} COMMIT"
	rm "$work/sql/9000-bad.sql"
	echo '-- changed' >>"$work/sql/0001-ledger.sql"
	out=$(./rain-migrate -D "$database" -s "$work/sql" 2>&1) && fail "a changed file passed"
	[[ $out == *"changed afterwards"* ]] || fail "a changed file says: $out"
	cp "${srcdir:-.}"/accounting/sql/0001-ledger.sql "$work/sql"
	for _ in 1 2 3; do
		./rain-migrate -D "dbname=third user=postgres" -s "$work/sql" >>"$work/many" 2>&1 &
	done
	wait
	[ "$(grep -c '^applied 0001' "$work/many")" = 1 ] || fail "three at once: $(cat "$work/many")"
	[ "$(grep -c 'up to date' "$work/many")" = 3 ] || fail "three at once: $(cat "$work/many")"
	./rain-migrate -D "dbname=rain user=postgres host=$work/none" -s "$work/sql" 2>/dev/null
	[ $? = 3 ] || fail "an absent PostgreSQL isn't exit code 3"
	echo "ok: rain-migrate"
}

at_once() { # WHAT FIRST ANSWER SECOND ANSWER: the second call waits for the first, which commits then
	local line client
	coproc PSQL { psql -XqAt -U rain -d rain 2>&1; }
	client=$PSQL_PID
	echo "BEGIN; SELECT $2;" >&"${PSQL[1]}"
	read -r line <&"${PSQL[0]}"
	[ "$line" = "$3" ] || fail "$1: the first answers $line"
	sql rain "SELECT $4 AS second" >"$work/second" 2>&1 &
	local second=$!
	wait_until eval '[ "$(sql postgres "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = '"'Lock'"' AND query LIKE '"'% AS second'"'")" = 1 ]'
	printf '%s\n' 'COMMIT;' '\q' >&"${PSQL[1]}"
	wait "$second"
	[[ $(cat "$work/second") =~ $5 ]] || fail "$1: the second answers $(cat "$work/second")"
	wait "$client"
	echo "ok: $1"
}

test_same_key() {
	local run quote scheduled
	run=$(sql rain "SELECT job_run_id FROM ledger.usage_jobs(0, 9999, NULL, 999) WHERE slurm_job_id = 1 AND restart = 0")
	quote="ledger.quote_make('$(uuid 7010)', 'alpha', 'p', '', '{\"cpu\": 3}', 1000, '2999-01-01')"
	scheduled="ledger.grant_lot('user:poor', 7, '2998-01-01', NULL, '', '', '$(uuid 7012)')"
	at_once "a quote made twice" "$quote" 0 "$quote" '^0$'
	at_once "a grant and a refund" "ledger.grant_tokens($ada, 1, '', '$(uuid 7011)')" granted \
		"ledger.charge_refund($run, 1, '', '$(uuid 7011)')" RN001
	at_once "a grant with dates and without" "$scheduled" scheduled \
		"ledger.grant_tokens(ledger.account_id('user:poor'), 7, '', '$(uuid 7012)')" RN001
	at_once "a grant without dates and with" "ledger.grant_tokens(ledger.account_id('user:poor'), 7, '', '$(uuid 7013)')" \
		granted "${scheduled/$(uuid 7012)/$(uuid 7013)}" RN001
	sound "the same keys at once"
}

test_accounts
test_holds
test_peer_limit
test_runs
test_order
test_refunds
test_rights
test_owner
test_concurrency
test_same_hold
test_same_key
test_migrate
