#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The guards of the ledger: whatever a superuser takes away, switches off, replaces or adds
# is named, and nothing is migrated on top of it.
. "${srcdir:-.}/accounting/test/postgres.sh"
pg_create

in_place() { expect "$1: all guards are in place" rain "SELECT * FROM ledger.check_guards()" ""; }

# named KIND OBJECT PROBLEM SQL UNDO: what a superuser does is named, and nothing else is
named() {
	sql postgres "$4" >/dev/null || fail "a superuser can't: $4"
	expect "${4%%;*}" rain "SELECT kind, object, problem FROM ledger.check_guards()" "$1|$2|$3"
	sql postgres "$5" >/dev/null || fail "a superuser can't: $5"
	in_place "undone"
}

in_place "at first"
named trigger 'frozen_row on ledger.transfer' 'is disabled' "ALTER TABLE ledger.transfer DISABLE TRIGGER frozen_row" \
	"ALTER TABLE ledger.transfer ENABLE TRIGGER frozen_row"
named trigger 'frozen_row on ledger.hold' 'fires at other times' "ALTER TABLE ledger.hold ENABLE REPLICA TRIGGER frozen_row" \
	"ALTER TABLE ledger.hold ENABLE TRIGGER frozen_row"
named trigger 'frozen_all on ledger.block' 'is missing' "DROP TRIGGER frozen_all ON ledger.block" \
	"CREATE TRIGGER frozen_all BEFORE TRUNCATE ON ledger.block EXECUTE FUNCTION ledger.frozen()"
named trigger 'late on ledger.hold' 'was added' "CREATE TRIGGER late BEFORE UPDATE ON ledger.hold FOR EACH ROW EXECUTE FUNCTION ledger.frozen()" \
	"DROP TRIGGER late ON ledger.hold"
named trigger 'frozen_row on ledger.rate' 'was changed' "DROP TRIGGER frozen_row ON ledger.rate;
	CREATE TRIGGER frozen_row BEFORE DELETE ON ledger.rate FOR EACH ROW WHEN (OLD.num > 5) EXECUTE FUNCTION ledger.frozen()" \
	"DROP TRIGGER frozen_row ON ledger.rate; $(sql rain_owner "SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE tgname = 'frozen_row' AND tgrelid = 'ledger.rate'::regclass")"
named constraint 'refunds_at_most_the_charge on ledger.charge' 'is missing' "ALTER TABLE ledger.charge DROP CONSTRAINT refunds_at_most_the_charge" \
	"ALTER TABLE ledger.charge ADD CONSTRAINT refunds_at_most_the_charge CHECK (refunded BETWEEN 0 AND amount)"
named function 'ledger.tokens_text(p_amount bigint)' 'was changed' "ALTER FUNCTION ledger.tokens_text(bigint) OWNER TO postgres" \
	"ALTER FUNCTION ledger.tokens_text(bigint) OWNER TO rain_owner"
named function 'ledger.grant_tokens(p_account bigint, p_amount bigint, p_reason text, p_idem uuid, p_actor text)' 'was changed' \
	"GRANT EXECUTE ON FUNCTION ledger.grant_tokens(bigint, bigint, text, uuid, text) TO \"rain-gw\"" \
	"REVOKE EXECUTE ON FUNCTION ledger.grant_tokens(bigint, bigint, text, uuid, text) FROM \"rain-gw\""
named function 'ledger.frozen()' 'was changed' "CREATE OR REPLACE FUNCTION ledger.frozen() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'" \
	"$(sql rain_owner "SELECT pg_get_functiondef('ledger.frozen()'::regprocedure)")"
named table 'ledger.transfer' 'was changed' "GRANT SELECT ON ledger.transfer TO rain" "REVOKE SELECT ON ledger.transfer FROM rain"
named table 'ledger.rate' 'was changed' "GRANT UPDATE (num) ON ledger.rate TO rain" "REVOKE UPDATE (num) ON ledger.rate FROM rain"
named schema ledger 'was changed' "GRANT CREATE ON SCHEMA ledger TO rain" "REVOKE CREATE ON SCHEMA ledger FROM rain"
named rule 'quiet on ledger.charge' 'was added' "CREATE RULE quiet AS ON INSERT TO ledger.charge DO INSTEAD NOTHING" \
	"DROP RULE quiet ON ledger.charge"
named index ledger.job_run_record 'is missing' "DROP INDEX ledger.job_run_record" \
	"SET ROLE rain_owner; CREATE UNIQUE INDEX job_run_record ON ledger.job_run (record_seq) WHERE record_seq IS NOT NULL"
named role rain 'was changed' "ALTER ROLE rain BYPASSRLS" "ALTER ROLE rain NOBYPASSRLS"
named setting 'of rain: session_replication_role=replica' 'was added' \
	"ALTER ROLE rain IN DATABASE rain SET session_replication_role = replica" "ALTER ROLE rain IN DATABASE rain RESET ALL"
sql postgres "GRANT rain_owner TO rain"
expect "who may become the owner" rain "SELECT kind, object, problem FROM ledger.check_guards()" "role|rain|was changed
role|rain_owner|was changed"
sql postgres "REVOKE rain_owner FROM rain"
refused "rewriting what is right" rain 42501 "SELECT ledger.guards_keep()"
refused "also by hand" rain 42501 "DELETE FROM rain.guard"

# A migration would write down what it finds as right.
mkdir "$work/sql"
cp "${srcdir:-.}"/accounting/sql/*.sql "$work/sql"
echo 'CREATE TABLE ledger.next (n integer)' >"$work/sql/9000-next.sql"
migrate() { ./rain-migrate -D "dbname=rain user=postgres" -s "$work/sql" "$@" 2>&1; }
sql postgres "ALTER TABLE ledger.transfer DISABLE TRIGGER frozen_row"
out=$(migrate) && fail "migrated although a guard is off"
[[ $out == *'trigger frozen_row on ledger.transfer is disabled'*'1 of the ledger'*'--accept-guards'* ]] || fail "rain-migrate says: $out"
sql postgres "ALTER TABLE ledger.transfer ENABLE TRIGGER frozen_row"
out=$(migrate) || fail "not migrated: $out"
in_place "migrated"
sql postgres "ALTER TABLE ledger.next ADD CONSTRAINT wanted CHECK (n > 0)"
out=$(migrate --accept-guards) || fail "not accepted: $out"
in_place "accepted"
