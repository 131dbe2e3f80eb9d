#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Every illegal write in plain SQL, by each role and by the owner of the tables, is
# refused: one line of TAP for each. The lists are made of the catalog, so a new table,
# column or function is tried as well. Who may change the schema itself (the owner by
# DDL, a superuser) can take the guards away: what he does then, rain audit finds
# (test_blocks.sh).
. "${srcdir:-.}/accounting/test/postgres.sh"
. "${srcdir:-.}/accounting/test/populate.sh"
pg_create
populate_some
sql rain "SELECT ledger.job_runs_record('[$(run 1)]')" >/dev/null
sql rain-gw "SELECT ledger.hold_create('$(uuid 80)', ledger.account_id('user:ada'), ledger.account_id('system:commons'), 500),
	ledger.hold_create('$(uuid 81)', ledger.account_id('user:ada'), $bravo, 500)" >/dev/null
sql rain-gw "SELECT ledger.hold_post('$(uuid 80)', '$(uuid 82)', 500)" >/dev/null
seals() { [ "$(sql rain "SELECT ledger.seal(1000)")" -gt 0 ]; }
wait_until seals
populate_all
wait_until seals

# What isn't history: the tree of projects as it is now, sums that check_invariants()
# counts again, and notes of how far some work got.
cat >"$work/free" <<'LIST'
project
project_member
account_default
usage_day
usage_delta
usage_month
usage_quarter
account_day
seal_wait
own_use
estimate
estimate_state
LIST

catalog() { psql -XqAt -F '|' -U postgres -d rain -c "$1"; }
tables() { catalog "SELECT table_name FROM information_schema.tables WHERE table_schema = 'ledger' AND table_type = 'BASE TABLE' ORDER BY 1"; }
history() { tables | grep -vxFf "$work/free"; }
for table in $(history); do # a trigger for each row needs one
	[ "$(catalog "SELECT count(*) > 0 FROM ledger.$table")" = t ] || fail "populate.sh leaves $table empty"
done

# stdin: statements, one a line; as this role each is tried and undone.
# Prints ROLE|SQLSTATE|STATEMENT.
attempt() { # ROLE
	local user=$1 line
	{
		if [ "$1" = rain_owner ]; then
			user=postgres
			echo 'SET ROLE rain_owner;'
		fi
		echo '\o /dev/null'
		while IFS= read -r line; do
			printf "BEGIN;\n%s;\n\\\\o\n\\\\echo '%s|':SQLSTATE'|%s'\n\\\\o /dev/null\nROLLBACK;\n" "$line" "$1" "${line//\'/\'\'}"
		done
	} >"$work/script"
	PGOPTIONS='-c client_min_messages=error' psql -XqAt -U "$user" -d rain -f "$work/script" 2>"$work/errors.$1"
}

# Tables, functions and the schema are closed to the daemons' roles.
by_daemon() { # ROLE
	local table
	for table in $(tables); do
		echo "SELECT FROM ledger.$table"
		echo "INSERT INTO ledger.$table DEFAULT VALUES"
		echo "UPDATE ledger.$table SET $(catalog "SELECT quote_ident(column_name) || ' = NULL' FROM information_schema.columns
			WHERE (table_schema, table_name) = ('ledger', '$table') AND is_identity = 'NO' LIMIT 1")"
		echo "DELETE FROM ledger.$table"
		echo "TRUNCATE ledger.$table"
		echo "COPY ledger.$table TO STDOUT"
		echo "LOCK ledger.$table"
		echo "ALTER TABLE ledger.$table DISABLE TRIGGER ALL"
		echo "DROP TABLE ledger.$table CASCADE"
	done
	catalog "SELECT format('SELECT ledger.%I(%s)', p.proname, (SELECT string_agg('NULL::' || t::regtype, ', ')
			FROM unnest(p.proargtypes) t))
		FROM pg_proc p WHERE pronamespace = 'ledger'::regnamespace AND prokind = 'f' AND prorettype <> 'trigger'::regtype AND provolatile <> 'i'
		  AND NOT has_function_privilege('$1', p.oid, 'EXECUTE') ORDER BY 1"
	cat <<-'SQL'
		CREATE TABLE ledger.mine (x int)
		CREATE SCHEMA mine
		CREATE FUNCTION ledger.mine() RETURNS int LANGUAGE sql AS 'SELECT 1'
		ALTER FUNCTION ledger.balance(text) RESET search_path
		ALTER FUNCTION ledger.balance(text) OWNER TO CURRENT_USER
		DROP SCHEMA ledger CASCADE
		GRANT rain_owner TO CURRENT_USER
		SET ROLE rain_owner
		SET session_replication_role = replica
		ALTER ROLE CURRENT_USER SUPERUSER
		ALTER SEQUENCE ledger.job_run_record_seq RESTART
		SELECT nextval('ledger.job_run_record_seq')
		SELECT pg_read_file('postgresql.conf')
		COPY (SELECT 1) TO PROGRAM 'true'
	SQL
}

# Another value in each column of each table of history; and each row gone.
by_owner() {
	local table
	for table in $(history); do
		echo "DELETE FROM ledger.$table"
		echo "TRUNCATE ledger.$table CASCADE"
	done
	catalog "SELECT format('UPDATE ledger.%1\$I SET %2\$I = %3\$s WHERE ctid = (SELECT ctid FROM ledger.%1\$I WHERE %2\$I IS NOT NULL%4\$s LIMIT 1)',
			table_name, column_name, replace(CASE data_type
				WHEN 'text' THEN '@ || chr(33)' WHEN 'uuid' THEN 'gen_random_uuid()' WHEN 'boolean' THEN 'NOT @'
				WHEN 'timestamp with time zone' THEN '@ + interval ''1 us''' WHEN 'jsonb' THEN '@ || ''{\"y\": 1}'''
				WHEN 'bytea' THEN 'set_byte(@, 0, 255 - get_byte(@, 0))' WHEN 'ARRAY' THEN '@ || 7::bigint'
				WHEN 'tstzrange' THEN 'tstzrange(lower(@) - interval ''1 us'', upper(@))' ELSE '@ + 1' END,
				'@', quote_ident(column_name)), CASE data_type
				WHEN 'timestamp with time zone' THEN ' AND isfinite(' || quote_ident(column_name) || ')'
				WHEN 'bytea' THEN ' AND length(' || quote_ident(column_name) || ') > 0' ELSE '' END)
		FROM information_schema.columns WHERE table_schema = 'ledger' AND table_name = ANY ('{$(history | paste -sd,)}')
		  AND (table_name, column_name) <> ('reward_day', 'cap') -- the configuration's, for what is still to be given
		ORDER BY 1"
	sed "s/^/INSERT INTO ledger./; s/ACCOUNT(\([a-z:]*\))/ledger.account_id('\1')/g; s/KEY/gen_random_uuid()/g" <<-'SQL'
		account (kind, name, credited) VALUES ('user', 'user:eve', 5)
		account (kind, name, debited) VALUES ('user', 'user:eve', -5)
		account (kind, name, held) VALUES ('user', 'user:eve', -5)
		account (kind, name, credit_limit) VALUES ('user', 'user:eve', 5)
		account (kind, name) VALUES ('system', 'system:mine')
		account (kind, name) VALUES ('user', 'peer:eve')
		account_limit (account_id, credit_limit) VALUES (ACCOUNT(user:ada), -1)
		account_limit (account_id, credit_limit) VALUES (ACCOUNT(system:issuance), 5)
		transfer (idem, code, debit, credit, amount) VALUES (KEY, 'charge', ACCOUNT(user:ada), ACCOUNT(system:use), 1000000000)
		transfer (idem, code, debit, credit, amount) VALUES (KEY, 'charge', ACCOUNT(user:ada), ACCOUNT(system:use), 0)
		transfer (idem, code, debit, credit, amount) VALUES (KEY, 'charge', ACCOUNT(user:ada), ACCOUNT(system:use), -1)
		transfer (idem, code, debit, credit, amount) VALUES (KEY, 'transfer', ACCOUNT(user:ada), ACCOUNT(user:ada), 1)
		transfer (idem, code, debit, credit, amount) VALUES (KEY, 'transfer', ACCOUNT(peer:bravo), ACCOUNT(user:ada), 1)
		transfer (idem, code, debit, credit, amount) VALUES (KEY, 'grant', ACCOUNT(system:commons), ACCOUNT(user:ada), 1)
		transfer (idem, code, debit, credit, amount) VALUES (KEY, 'grant', ACCOUNT(system:issuance), ACCOUNT(peer:bravo), 1)
		transfer (idem, code, debit, credit, amount) VALUES (KEY, 'gift', ACCOUNT(user:ada), ACCOUNT(user:ben), 1)
		transfer (idem, code, debit, credit, amount) VALUES (KEY, 'reward', ACCOUNT(system:issuance), ACCOUNT(user:ben), 1000)
		transfer (idem, code, debit, credit, amount) VALUES (KEY, 'share', ACCOUNT(system:commons), ACCOUNT(user:ada), 100000000)
		transfer (idem, code, debit, credit, amount) VALUES (KEY, 'expire', ACCOUNT(user:ada), ACCOUNT(user:ben), 1)
		transfer (idem, code, debit, credit, amount) VALUES (KEY, 'charge', 999999, ACCOUNT(system:use), 1)
		transfer (idem, code, debit, credit, amount) SELECT idem, 'grant', debit, credit, amount FROM ledger.transfer WHERE code = 'grant' LIMIT 1
		transfer (idem, code, debit, credit, amount, hold_id) SELECT KEY, 'post', debit, credit, 1, hold_id FROM ledger.hold LIMIT 1
		transfer (idem, code, debit, credit, amount, reverses) SELECT KEY, 'refund', credit, debit, 9999, transfer_id FROM ledger.transfer WHERE code = 'charge' LIMIT 1
		transfer (idem, code, debit, credit, amount, reverses) SELECT KEY, 'refund', credit, ACCOUNT(user:ben), 1, transfer_id FROM ledger.transfer WHERE code = 'charge' AND debit <> ACCOUNT(user:ben) LIMIT 1
		transfer (idem, code, debit, credit, amount, reverses) SELECT KEY, 'refund', credit, debit, 1, transfer_id FROM ledger.transfer WHERE code = 'grant' LIMIT 1
		transfer (idem, code, debit, credit, amount, reverses) SELECT KEY, 'correct', credit, debit, 1, transfer_id FROM ledger.transfer WHERE code = 'charge' LIMIT 1
		transfer (idem, code, debit, credit, amount, reverses) SELECT KEY, 'correct', credit, debit, amount + 1, transfer_id FROM ledger.transfer WHERE code = 'transfer' LIMIT 1
		hold (hold_id, debit, credit, amount) VALUES (KEY, ACCOUNT(user:ada), ACCOUNT(peer:bravo), 1000000000)
		hold (hold_id, debit, credit, amount) VALUES (KEY, ACCOUNT(user:ada), ACCOUNT(peer:bravo), 0)
		hold (hold_id, debit, credit, amount) VALUES (KEY, ACCOUNT(user:ada), ACCOUNT(user:ben), 1)
		hold (hold_id, debit, credit, amount) VALUES (KEY, ACCOUNT(system:issuance), ACCOUNT(peer:bravo), 1)
		hold (hold_id, debit, credit, amount) SELECT hold_id, debit, credit, amount FROM ledger.hold LIMIT 1
		hold_resolution (hold_id, held, outcome, posted, idem) SELECT hold_id, amount, 'posted', amount + 1, KEY FROM ledger.holds() LIMIT 1
		hold_resolution (hold_id, held, outcome, posted, idem) SELECT hold_id, amount + 1, 'posted', amount + 1, KEY FROM ledger.holds() LIMIT 1
		hold_resolution (hold_id, held, outcome, posted, idem) SELECT hold_id, amount, 'voided', 1, NULL FROM ledger.holds() LIMIT 1
		hold_resolution (hold_id, held, outcome, posted, evidence) SELECT hold_id, amount, 'expired', 0, 'I say so' FROM ledger.holds() WHERE expires_at IS NULL LIMIT 1
		hold_resolution (hold_id, held, outcome, posted, idem) SELECT hold_id, held, 'posted', 1, KEY FROM ledger.hold_resolution LIMIT 1
		hold_resolution (hold_id, held, outcome, posted, idem) VALUES (KEY, 5, 'posted', 5, KEY)
		hold_extension (hold_id, expires_at) SELECT hold_id, now() + interval '1 day' FROM ledger.hold_resolution LIMIT 1
		hold_extension (hold_id, expires_at) SELECT hold_id, now() + interval '1 day' FROM ledger.holds() WHERE expires_at IS NULL LIMIT 1
		charge (job_run_id, transfer_id, amount) SELECT job_run_id, transfer_id, amount FROM ledger.charge LIMIT 1
		charge (job_run_id, transfer_id, amount) SELECT 999999, transfer_id, amount FROM ledger.transfer WHERE code = 'charge' LIMIT 1
		job_run (cluster, slurm_job_id, submit_time, restart) SELECT cluster, slurm_job_id, submit_time, restart FROM ledger.job_run LIMIT 1
		lot (account_id, idem, amount, starts_at, expires_at, transfer_id) SELECT credit, KEY, amount + 1, now(), now() + interval '1 day', transfer_id FROM ledger.transfer WHERE code = 'grant' LIMIT 1
		lot (account_id, idem, amount, starts_at, expires_at, spent) VALUES (ACCOUNT(user:ben), KEY, 9, now(), now() + interval '1 day', -9)
		lot (account_id, idem, amount, starts_at, expires_at) VALUES (ACCOUNT(peer:bravo), KEY, 9, now(), now() + interval '1 day')
		lot_use (lot_id, settlement_id, amount) SELECT lot_id, settlement_id, 1 FROM ledger.lot_use LIMIT 1
		correction (transfer_id, amount, corrected) SELECT transfer_id, amount, 1 FROM ledger.transfer WHERE code = 'grant' LIMIT 1
		rate (cluster, partition, qos, tres, num, den, valid) SELECT cluster, partition, qos, tres, 9, 1, valid FROM ledger.rate LIMIT 1
		rate (cluster, partition, qos, tres, num, den, valid) VALUES ('c', '*', '*', 'gpu', 1, 0, tstzrange(now(), NULL))
		rate (cluster, partition, qos, tres, num, den, valid) VALUES ('c', '*', '*', 'gpu', -1, 1, tstzrange(now(), NULL))
		reward_day (account_id, day, cap, rewarded) VALUES (ACCOUNT(user:ben), current_date, 5, -5)
	SQL
}

# Refused means: no right (42501), by our own guards (RN…), by a constraint (23…), or by
# PostgreSQL's own numbering (428C9). Anything else is a hole, or no statement at all.
number=0
wrong=0
judge() {
	local role state statement
	while IFS='|' read -r role state statement; do
		number=$((number + 1))
		if [[ $state =~ ^(42501|RN00[0-9]|23...|428C9)$ ]]; then
			echo "ok $number - $role: $statement: $state"
		else
			echo "not ok $number - $role: $statement: $state"
			wrong=$((wrong + 1))
		fi
	done
}

for role in rain rain-gw; do
	by_daemon $role >"$work/list"
	attempt $role <"$work/list" >"$work/answers"
	judge <"$work/answers"
done
by_owner >"$work/list"
attempt rain_owner <"$work/list" >"$work/answers"
judge <"$work/answers"
echo "1..$number"
[ $number -gt 700 ] || fail "only $number writes were tried"
[ $wrong = 0 ] || fail "$wrong illegal writes were not refused"
sound "after all this"
