#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The chain of blocks: what a superuser changes is found and named; and a backup of
# a populated ledger, restored, is the same ledger.
. "${srcdir:-.}/accounting/test/postgres.sh"
. "${srcdir:-.}/accounting/test/populate.sh"
pg_create

# Autovacuum may hold a lock for a moment, and then a seal only waits.
sealed() { sql rain "SELECT ledger.seal(1000)" >/dev/null && [ "$(sql rain "SELECT unsealed FROM ledger.audit_head()")" = 0 ]; }

seal_all() { # what
	wait_until sealed
	expect "$1: all is sealed" rain "SELECT unsealed FROM ledger.audit_head()" 0
}

clean() { # what
	expect "$1: the audit finds nothing" rain "SELECT * FROM ledger.audit()" ""
	expect "$1: the ledger is sound" rain "SELECT * FROM ledger.check_invariants()" ""
	expect "$1: its guards are in place" rain "SELECT * FROM ledger.check_guards()" ""
}

# The owner of the tables takes the guard away, edits and puts it back: his DDL can't be
# refused, but nobody can log in as him, and what he did is found.
test_owner() {
	local ddl
	for ddl in 'ALTER TABLE ledger.transfer DISABLE TRIGGER frozen_row|ALTER TABLE ledger.transfer ENABLE TRIGGER frozen_row' \
		'DROP TRIGGER frozen_row ON ledger.transfer|CREATE TRIGGER frozen_row BEFORE UPDATE OR DELETE ON ledger.transfer
			FOR EACH ROW EXECUTE FUNCTION ledger.frozen()'; do
		sql rain_owner "${ddl%%|*}; UPDATE ledger.transfer SET reason = 'stars' WHERE transfer_id = 1; ${ddl##*|}" ||
			fail "the owner can't: ${ddl%%|*}"
		expect "what the owner edits after ${ddl%% ledger*} is found" rain \
			"SELECT block_id, stream, seq, problem FROM ledger.audit()" "1|transfer|1|was changed"
		sql postgres "SET session_replication_role = replica; UPDATE ledger.transfer SET reason = 'start' WHERE transfer_id = 1"
	done
	clean "mended"
	expect "nobody logs in as the owner, and no role may become it" postgres "SELECT rolcanlogin,
		(SELECT count(*) FROM pg_roles m WHERE NOT m.rolsuper AND m.rolname <> 'rain_owner' AND pg_has_role(m.oid, r.oid, 'MEMBER'))
		FROM pg_roles r WHERE rolname = 'rain_owner'" "f|0"
}

# An edit that no trigger sees, and back again.
edit() { # what finding change undo
	sql postgres "SET session_replication_role = replica; $3" >/dev/null
	expect "$1 is found" rain "SELECT block_id, stream, seq, problem FROM ledger.audit()" "$2"
	sql postgres "SET session_replication_role = replica; $4" >/dev/null
	expect "$1, mended" rain "SELECT * FROM ledger.audit()" ""
}

test_populate() {
	populate_some
	for batch in 1 2 3; do
		sql rain "SELECT ledger.hold_batch(array_agg(md5('h$batch-' || i)::uuid), array_agg(ledger.account_id('user:ada')),
			array_agg(CASE WHEN i % 2 = 0 THEN $bravo ELSE ledger.account_id('system:commons') END), array_agg(100 + i::bigint))
			FROM generate_series(1, 500) i" >/dev/null
		sql rain "SELECT ledger.post_batch(array_agg(md5('h$batch-' || i)::uuid), array_agg(md5('p$batch-' || i)::uuid),
			array_agg(i::bigint)) FROM generate_series(1, 400) i" >/dev/null
	done
	expect "a batch again changes nothing" rain "SELECT DISTINCT unnest(ledger.post_batch(array_agg(md5('h1-' || i)::uuid),
		array_agg(md5('p1-' || i)::uuid), array_agg(i::bigint))) FROM generate_series(1, 400) i" 2
	sql rain "SELECT ledger.job_runs_record('[$(run 1),$(run 2),$(run 3)]'), ledger.usage_fold()" >/dev/null
	seal_all "at first"
	clean "at first"
	expect "sealing again has nothing to do" rain "SELECT ledger.seal()" 0
	expect "system accounts count from the sealed days" rain \
		"SELECT balance FROM ledger.balance('system:commons')" $((3 * 40000))
}

test_edits() {
	local head
	head=$(sql rain "SELECT hash FROM ledger.audit_head()")
	edit "a changed amount" "1|transfer|7|was changed" \
		"UPDATE ledger.transfer SET amount = amount + 1 WHERE transfer_id = 7" \
		"UPDATE ledger.transfer SET amount = amount - 1 WHERE transfer_id = 7"
	edit "one changed letter of a reason" "1|transfer|1|was changed" \
		"UPDATE ledger.transfer SET reason = 'stars' WHERE transfer_id = 1" \
		"UPDATE ledger.transfer SET reason = 'start' WHERE transfer_id = 1"
	edit "a changed row of the second block" "2|transfer|1100|was changed" \
		"UPDATE ledger.transfer SET posted_at = posted_at + interval '1 us' WHERE transfer_id = 1100" \
		"UPDATE ledger.transfer SET posted_at = posted_at - interval '1 us' WHERE transfer_id = 1100"
	edit "a removed hold" "1|hold|9|is missing" \
		"CREATE TABLE public.kept AS SELECT * FROM ledger.hold WHERE seq = 9; DELETE FROM ledger.hold WHERE seq = 9" \
		"INSERT INTO ledger.hold OVERRIDING SYSTEM VALUE SELECT * FROM public.kept; DROP TABLE public.kept"
	edit "an added resolution" "1|resolution|5|was changed" \
		"INSERT INTO ledger.hold_resolution (hold_id, held, outcome, posted, seq) OVERRIDING SYSTEM VALUE
			VALUES ('$(uuid 77)', 1, 'voided', 0, 5)" \
		"DELETE FROM ledger.hold_resolution WHERE hold_id = '$(uuid 77)'"
	edit "a run with another user" "1|run|2|was changed" \
		"UPDATE ledger.job_run SET user_name = 'eve' WHERE record_seq = 2" \
		"UPDATE ledger.job_run SET user_name = 'ada' WHERE record_seq = 2"
	edit "a block with another hash" "1|||the block itself was changed
2|||does not continue the block before
2|||the block itself was changed" \
		"UPDATE ledger.block SET hash = sha256('x') WHERE block_id = 1; UPDATE ledger.block SET hash = sha256(hash) WHERE block_id = 2" \
		"UPDATE ledger.block SET hash = ledger.block_hash(block) WHERE block_id = 1;
		 UPDATE ledger.block SET hash = ledger.block_hash(block) WHERE block_id = 2"
	expect "the head is what it was" rain "SELECT ledger.audit_known(block_id, '$head') FROM ledger.audit_head()" t
	expect "and no other" rain "SELECT ledger.audit_known(block_id, 'abcd') FROM ledger.audit_head()" f
	refused "rewriting a block" rain_owner RN006 "UPDATE ledger.block SET hash = sha256('x')"
	refused "rewriting a part" rain_owner RN006 "UPDATE ledger.block_part SET rows = 0"
	refused "dropping blocks" rain_owner RN006 "DELETE FROM ledger.block"
	refused "sealing" rain-gw 42501 "SELECT ledger.seal()"
	refused "sealing in a snapshot" rain RN005 "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT ledger.seal()"
}

# One changed value in any column of any table: the audit names the block, or the sums
# no longer agree. What is no history, or is counted nowhere, is named here.
test_every_column() {
	local found
	populate_all
	seal_all "with all there is"
	clean "with all there is"
	sql postgres "SET session_replication_role = replica;
		CREATE TEMP TABLE verdict (place text, verdict text);
		DO \$\$
		DECLARE
			c record;
			was text;
		BEGIN
			SET CONSTRAINTS ALL IMMEDIATE;
			FOR c IN SELECT t.table_name AS tab, k.column_name AS col, k.data_type AS type,
					CASE k.data_type
					WHEN 'text' THEN '@ || chr(33)' WHEN 'uuid' THEN 'gen_random_uuid()' WHEN 'boolean' THEN 'NOT @'
					WHEN 'timestamp with time zone' THEN '@ + interval ''1 us''' WHEN 'jsonb' THEN '@ || ''{\"y\": 1}'''
					WHEN 'bytea' THEN 'set_byte(@, 0, 255 - get_byte(@, 0))' WHEN 'ARRAY' THEN '@ || 7::bigint'
					WHEN 'tstzrange' THEN 'tstzrange(lower(@), upper(@) + interval ''1 us'')'
					ELSE '@ + 1' END AS change
				  FROM information_schema.tables t JOIN information_schema.columns k USING (table_schema, table_name)
				 WHERE t.table_schema = 'ledger' AND t.table_type = 'BASE TABLE'
				   AND t.table_name NOT IN ('project', 'project_member', 'account_default', 'seal_wait', 'own_use',
				       'estimate', 'estimate_state')
				   AND (t.table_name, k.column_name) NOT IN (('reward_day', 'cap'), ('account', 'next_lot_event'))
				 ORDER BY 1, 2 LOOP
				was := 'MISSED';
				BEGIN
					EXECUTE format('UPDATE ledger.%1\$I SET %2\$I = %3\$s WHERE ctid = (SELECT ctid FROM ledger.%1\$I
						WHERE %2\$I IS NOT NULL AND %4\$s LIMIT 1)', c.tab, c.col,
						replace(c.change, '@', quote_ident(c.col)), CASE c.type
						WHEN 'tstzrange' THEN 'NOT upper_inf(' || quote_ident(c.col) || ')'
						WHEN 'bytea' THEN 'length(' || quote_ident(c.col) || ') > 0'
						WHEN 'timestamp with time zone' THEN 'isfinite(' || quote_ident(c.col) || ')' ELSE 'true' END);
					IF NOT FOUND THEN
						was := 'MISSED: no row has it';
					ELSIF EXISTS (SELECT FROM ledger.audit() WHERE block_id IS NOT NULL) THEN
						was := 'named by the audit';
					ELSIF EXISTS (SELECT FROM ledger.check_invariants()) THEN
						was := 'the sums disagree';
					END IF;
					RAISE EXCEPTION USING ERRCODE = 'P9999';
				EXCEPTION
					WHEN SQLSTATE 'P9999' THEN NULL;
					WHEN integrity_constraint_violation OR generated_always THEN was := 'refused';
				END;
				INSERT INTO verdict VALUES (format('%s.%s', c.tab, c.col), was);
			END LOOP;
		END \$\$;
		SELECT place || ': ' || verdict FROM verdict" >"$work/verdicts" || fail "no verdicts: $(cat "$work/verdicts")"
	found=$(grep -c 'named by the audit' "$work/verdicts")
	if grep MISSED "$work/verdicts"; then fail "a changed value was missed"; fi
	[ "$found" -gt 90 ] || fail "only $found columns are sealed: $(cat "$work/verdicts")"
	echo "ok: of $(wc -l <"$work/verdicts") columns one changed value is found, $found by the audit with its block"
	clean "after all this"
}

# A number that was drawn but not committed is never passed by.
test_open_transaction() {
	sql rain "SELECT ledger.grant_tokens(ledger.account_id('user:ada'), 1, '', '$(uuid 90)')" >/dev/null
	coproc PSQL { psql -XqAt -U rain -d rain 2>&1; }
	local client=$PSQL_PID line
	echo "BEGIN; SELECT ledger.grant_tokens(ledger.account_id('user:ben'), 1, 'late', '$(uuid 91)');" >&"${PSQL[1]}"
	read -r line <&"${PSQL[0]}"
	[ "$line" = granted ] || fail "the open transaction says: $line"
	sql rain "SELECT ledger.grant_tokens(ledger.account_id('user:ada'), 1, '', '$(uuid 92)')" >/dev/null
	expect "sealing waits for an open transaction" rain "SELECT ledger.seal()" 0
	expect "and waits" rain "SELECT ledger.seal()" 0
	expect "its neighbours aren't sealed either" rain "SELECT unsealed FROM ledger.audit_head()" 2
	echo "COMMIT; SELECT 'done';" >&"${PSQL[1]}"
	read -r line <&"${PSQL[0]}"
	[ "$line" = 'done' ] || fail "the open transaction ends with: $line"
	echo '\q' >&"${PSQL[1]}"
	wait "$client"
	seal_all "after the commit"
	clean "after the commit"
}

test_restore() {
	local before after
	before=$(sql rain "SELECT string_agg(b::text, ' ') FROM ledger.balances() b; SELECT hash FROM ledger.audit_head();
		SELECT * FROM ledger.usage_by(0, 99999, 'user'); SELECT string_agg(l::text, ' ') FROM ledger.lots('user:ben') l")
	pg_dump -U postgres -Fc -f "$work/rain.dump" rain || fail "pg_dump"
	sql postgres "SELECT 1" >/dev/null
	psql -XqAt -U postgres -d postgres -c "ALTER DATABASE rain RENAME TO lost" || fail "the old database stays"
	psql -XqAt -U postgres -d postgres -c "CREATE DATABASE rain OWNER rain_owner ENCODING 'UTF8' LOCALE 'C' TEMPLATE template0" ||
		fail "no new database"
	pg_restore -U postgres --exit-on-error --single-transaction -d rain "$work/rain.dump" || fail "pg_restore"
	./rain-migrate --database "dbname=rain user=postgres" --sql-dir "${srcdir:-.}/accounting/sql" | grep -q 'up to date' ||
		fail "rain-migrate doesn't know the restored database"
	after=$(sql rain "SELECT string_agg(b::text, ' ') FROM ledger.balances() b; SELECT hash FROM ledger.audit_head();
		SELECT * FROM ledger.usage_by(0, 99999, 'user'); SELECT string_agg(l::text, ' ') FROM ledger.lots('user:ben') l")
	[ "$before" = "$after" ] || fail "restored, the ledger differs: $after, not $before"
	clean "restored"
	expect "it goes on" rain-gw "SELECT ledger.hold_create('$(uuid 95)', ledger.account_id('user:ada'), $bravo, 5, '')" held
	expect "as it was" rain-gw "SELECT ledger.hold_post('$(uuid 95)', '$(uuid 96)', 5)" posted
	refused "its rights too" rain-gw 42501 "SELECT FROM ledger.transfer"
	refused "and its guards" rain_owner RN006 "UPDATE ledger.transfer SET amount = 1"
	seal_all "restored"
	clean "restored, and used"
}

test_populate
test_edits
test_owner
test_every_column
test_open_transaction
test_restore
