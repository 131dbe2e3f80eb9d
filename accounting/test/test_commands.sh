#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The commands of the bank against rain-ledgerd and a real PostgreSQL: what they
# move, what they show, and what they refuse to whom.
. "${srcdir:-.}/accounting/test/postgres.sh"
pg_create
. "${srcdir:-.}/accounting/test/ledgerd.sh"

ledger_config 'home-rate = "1"'
export TZ=Europe/Berlin

# Slurm's record; times in epoch seconds
put() { # job restart user account start end [state [partition [submit [NAME=VALUE...]]]]
	put_record "$1" restart="$2" user="$3" account="$4" start="$5" end="$6" state="${7:-COMPLETED}" \
		partition="${8:-trainer}" submit="${9:-$(($5 - 10))}" "${@:10}"
}
key() { printf '00000000-0000-4000-8000-%012d' "$1"; }

# says WHAT PATTERN COMMAND...: it succeeds and prints a line that matches
says() {
	local what=$1 pattern=$2 out
	shift 2
	out=$("$@" 2>&1) || fail "$what: $* failed: $out"
	grep -qE -- "$pattern" <<<"$out" || fail "$what: $* says: $out"
	echo "ok: $what"
}

# denies WHAT PATTERN COMMAND...: it fails, with exit code 1 and this sentence
denies() {
	local what=$1 pattern=$2 out code
	shift 2
	out=$("$@" 2>&1)
	code=$?
	[ $code = 1 ] || fail "$what: $* ended with $code: $out"
	grep -qE -- "$pattern" <<<"$out" || fail "$what: $* says: $out"
	echo "ok: $what"
}

rain() { ./rain-"$1" -c "$conf" "${@:2}"; }
as_user() { runuser -u postgres -- ./rain-"$1" -c "$conf" "${@:2}"; }

./rain-ledgerd --config "$conf" 2>"$work/log" &
ledgerd=$!
wait_until answers

# 16 cores for 9 s at 1 GFLOP/s: 0.04 tokens; 2024-03-31 02:00 CET is 03:00 CEST
rain grant root 2000 --key "$(key 1)" >/dev/null || fail "rain grant"
put 1 0 root '' 1711846790 1711846799 # ends 2024-03-31 01:59:59 CET
put 2 0 root '' 1711846791 1711846800 # ends 2024-03-31 03:00:00 CEST
put 3 0 root '' 1711918791 1711918800 # ends 2024-03-31 23:00:00 CEST
put 4 0 root '' 1711922391 1711922400 # ends 2024-04-01 00:00:00 CEST
put 5 0 root '' 1711700000 1711922409 FAILED # over midnights and the change of clocks
wait_until spool_is_empty

says "the statement has a running balance" 'charge +[0-9]+ +system:use +-[0-9.]+ +[0-9.]+' rain statement
says "the statement adds up" '^Closing balance' rain statement
[ "$(rain statement --json | jq '.opening_utok + ([.rows[].amount_utok] | add) == .closing_utok and .rows[-1].balance_utok == .closing_utok')" = true ] ||
	fail "the statement doesn't add up: $(rain statement --json)"
says "stable headers" '^TIME\|WHAT\|JOB\|WITH\|AMOUNT\|BALANCE\|REASON$' rain statement -P

# A day of local time has 23 hours here; what ends at midnight belongs to the next day.
days() { rain report --by day --since 2024-03-30 --until 2024-04-02 -P "$@" | tail -n +2 | cut -d'|' -f1,2 | paste -sd' '; }
[ "$(days)" = '2024-03-31|3 2024-04-01|2' ] || fail "days in Berlin: $(days)"
[ "$(days --utc)" = '2024-03-31|5' ] || fail "days in UTC: $(days --utc)"
says "local time is said plainly" 'from 2024-03-31 00:00:00 CET until 2024-04-01 00:00:00 CEST' \
	rain report --since 2024-03-31 --until 2024-04-01
says "UTC is said plainly" 'from 2024-03-31 00:00:00 UTC until' rain report --since 2024-03-31 --until 2024-04-01 --utc
for by in user account cluster peer partition place qos day week month; do
	says "usage by $by" "^${by^^}\|RUNS\|CORE-HOURS\|TOKENS\|UNPAID$" rain report --by $by --since 2024-01-01 -P
done
says "weeks are ISO's" '^2024-W13' rain report --by week --since 2024-03-30 --until 2024-04-01 --csv
says "efficiency" '^root\|5\|80.0\|' rain report efficiency --since 2024-01-01 -P
says "the ledger by code" '^charge\|5\|' rain report ledger --by code -P
says "peers" '^PEER\|GAVE\|JOBS\|TOOK\|THEIRS\|BALANCE\|HELD\|LIMIT$' rain report peers -P
says "no bar but on a terminal" '^user:' rain report ledger --by account -P
[ "$(rain report ledger --by account | grep -c '█\|#')" = 0 ] || fail "bars in a pipe"
says "bars on a terminal" '#{3}' script -qec "stty cols 100; LC_ALL=C ./rain-report -c '$conf' --by day --since 2024-03-30 --until 2024-04-02" /dev/null
rain report --by moon 2>/dev/null
[ $? = 2 ] || fail "--by moon isn't wrong usage"

# Requeue, preemption, an array, a het job, a job number that comes again: each its own run.
put 10 0 root '' 1712000000 1712000009 REQUEUED trainer 1711990000
put 10 1 root '' 1712000100 1712000109 PREEMPTED trainer 1711990000
put 10 2 root '' 1712000200 1712000209 COMPLETED trainer 1711990000 array=9 task=4
put 11 0 root '' 1712000200 1712000209 COMPLETED trainer 1711990000 het=11
put 12 0 root '' 1712000200 1712000209 COMPLETED trainer 1711990000 het=11
put 10 0 root '' 1713000000 1713000009 COMPLETED trainer 1712990000
wait_until spool_is_empty
expect "every run of a job number is charged once" rain "SELECT count(*), count(DISTINCT (submit_time, restart)),
	sum(charged) FROM ledger.job_runs_find('alpha', 10)" "4|4|160000"
expect "parts of a heterogeneous job are runs of their own, and of it" rain_owner "SELECT count(*), sum(c.amount)
	FROM ledger.job_run r JOIN ledger.charge c USING (job_run_id) WHERE het_job_id = 11" "2|80000"
expect "a task of an array tells its array" rain_owner "SELECT slurm_job_id, restart FROM ledger.job_run
	WHERE (array_job_id, array_task_id) = (9, 4)" "10|2"

denies "a refund must name the run" 'has 4 charged runs' rain refund 10
says "a refund of one run" '0.040000 tokens refunded' rain refund 10 --restart 1 --key "$(key 2)"
run=$(sql rain "SELECT job_run_id FROM ledger.job_runs_find('alpha', 10) WHERE restart = 1")
says "the same refund again" 'made before' rain refund --run "$run" 0.04 --key "$(key 2)"
denies "no more than the charge" 'has a charge to refund|more can.t be' rain refund 10 1 --restart 1
[ "$(rain statement --json | jq -r '[.rows[] | select(.code == "refund") | .actor] | unique | .[]')" = root ] ||
	fail "who refunded isn't written down: $(rain statement --json)"
says "a part" '0.010000 tokens refunded' rain refund 1 0.01
denies "a job that isn't there" 'no run of job 999' rain refund 999
says "all that is left of a charge" '0.040000 tokens refunded' rain refund 2 --key "$(key 6)"
says "and again, when nothing is left" 'made before' rain refund 2 --key "$(key 6)"
denies "with the key of another refund" 'of another refund' rain refund 3 --key "$(key 6)"

# Programs read by these lines; the manual has them.
for command in statement balance "balance --lots" "account list" rate "report usage" "report efficiency" \
	"report estimates" "report ledger" "report peers" "report usage --by job"; do
	# shellcheck disable=SC2086
	line=$(rain $command --parsable2 2>/dev/null | head -n1)
	grep -qxF ".Dl $line" "${srcdir:-.}/doc/rain-${command%% *}.1" || fail "the manual of $command lacks $line"
	# shellcheck disable=SC2086
	[ "$(rain $command --csv 2>/dev/null | head -n1)" = "${line//|/,}" ] || fail "$command --csv has other headers"
done
echo "ok: the headers are documented"

# Tables fit a terminal, with dates that can be read.
for command in statement "report --by job --since 2024-01-01" report "balance --all" "account list" "rate --all"; do
	script -qec "stty cols 80; LC_ALL=C ./rain-${command%% *} -c '$conf' ${command#"${command%% *}"} 2>/dev/null" /dev/null | tr -d '\r' >"$work/out"
	[ -s "$work/out" ] || fail "$command says nothing on a terminal"
	! grep -nE '^.{81,}' "$work/out" || fail "$command doesn't fit 80 columns"
done
echo "ok: tables fit 80 columns"
says "dates are whole on a terminal" '^1 +root +job 1 +COMPLET[+ED]* +2024-03-31 01:59:59 ' script -qec "stty cols 80; ./rain-report -c '$conf' --by job --since 2024-03-01" /dev/null

says "a project" 'project:heat is there' rain account add heat
says "below it" 'project:tiny is there' rain account add tiny --parent heat
says "to a project" '5.000000 tokens transferred from user:root to project:heat' rain transfer project:heat 5 --key "$(key 3)"
says "the same transfer again" 'made before' rain transfer project:heat 5 --key "$(key 3)"
denies "more than there is" 'tokens available' rain transfer --from project:heat user:root 6
denies "to nobody" 'no user' rain transfer no-such-user 1
says "a project's balance" '^project:heat\|5.000000\|' rain balance project:heat -P
says "tokens for later" '^9.000000 tokens will be granted to project:heat on 2999-01-01 00:00:00 CET' \
	rain grant project:heat 9 --starts 2999-01-01 --ends 2999-07-01 --reason exams --key "$(key 7)"
says "the same again" 'made before' rain grant project:heat 9 --starts 2999-01-01 --ends 2999-07-01 --key "$(key 7)"
denies "with another end" 'other values' rain grant project:heat 9 --starts 2999-01-01 --ends 2999-07-02 --key "$(key 7)"
says "tokens with an end" '^What is left of them on 2999-01-01 00:00:00 UTC expires' rain grant root 3 --ends 2999-01-01 --utc
denies "no end before the start" "can't end before" rain grant root 3 --ends 2020-01-01
says "they are shown" '^9.000000\|9.000000\|2999-01-01T00:00:00\+0100\|2999-07-01T00:00:00\+0200\|0.000000\|0.000000\|exams$' \
	rain balance project:heat --lots -P
[ "$(rain balance --lots -P | sed -n 2p | cut -d'|' -f1,2,4)" = '3.000000|3.000000|2999-01-01T01:00:00+0100' ] ||
	fail "what ends isn't spent first: $(rain balance --lots -P)"
[ "$(rain balance --lots --json | jq '[.rows[].remaining_utok] | add')" = "$(rain balance --json | jq .balance_utok)" ] ||
	fail "lots don't add up: $(rain balance --lots --json)"
says "a limit" 'may go 2.000000 tokens below' rain account limit project:heat 2 --reason test
says "the list" '^project:heat\|.*\|5.000000\|0.000000\|7.000000\|2.000000$' rain account list -P
says "a rate" 'cpu costs 5/18' rain rate set cpu 5/18 --reason test
says "is shown" '^cpu\|5/18\|alpha\|\*\|\*\|.*\|root\|test$' rain rate show -P
says "and what jobs cost without" '^note: .* costs 1/1 of its calibrated price' rain rate
rain rate set cpu fast 2>/dev/null
[ $? = 2 ] || fail "a rate that is no ratio isn't wrong usage"

sealed() { [ "$(rain audit --json | jq '.head.unsealed == 0 and .head.blocks > 0')" = true ]; }
wait_until sealed
says "the audit finds nothing" '^History is what was sealed' rain audit
head=$(rain audit --json | jq -r '"\(.head.block_id)=\(.head.hash)"')
says "a hash that was kept" '^History is what' rain audit --known "$head"
denies "another hash" 'was rewritten' rain audit --known "${head%=*}=00"
transfer=$(sql rain_owner "SELECT max(transfer_id) FROM ledger.transfer WHERE reason = 'test' OR true")
tamper() { # REASON: as a superuser would, with the triggers off
	PGOPTIONS='-c client_min_messages=warning' psql -Xq -U postgres -d rain -c "SET session_replication_role = replica;
		UPDATE ledger.transfer SET reason = '$1' WHERE transfer_id = $transfer" || fail "a superuser can't tamper"
}
was=$(sql rain_owner "SELECT reason FROM ledger.transfer WHERE transfer_id = $transfer")
tamper x
denies "one changed byte is found, with its row" "\\b$transfer\\b" rain audit
tamper "$was"
says "as it was, it is sound again" '^History is what' rain audit

# The audit asks for some blocks at a time; it names guards that aren't in place.
for i in $(seq 14); do
	rain transfer project:heat 0.1 >/dev/null
	sql rain "SELECT ledger.seal(1)" >/dev/null
done
wait_until sealed
blocks=$(rain audit --json | jq .head.blocks)
[ "$blocks" -gt 12 ] || fail "only $blocks blocks"
transfer=$(sql rain_owner "SELECT last FROM ledger.block_part WHERE block_id = $blocks - 1 AND stream = 'transfer'")
was=$(sql rain_owner "SELECT reason FROM ledger.transfer WHERE transfer_id = $transfer")
tamper y
denies "a change in one of the last blocks" "^ *$((blocks - 1)) +transfer +$transfer +was changed" rain audit
says "which isn't among the first" '^History is' rain audit --to $((blocks - 2))
tamper "$was"
sql postgres "ALTER TABLE ledger.transfer DISABLE TRIGGER frozen_row" || fail "a superuser can't"
denies "a guard switched off" '^trigger +frozen_row on ledger.transfer +is disabled' rain audit
denies "also by the check" '^trigger +frozen_row on ledger.transfer +is disabled' rain ledger check
sql postgres "ALTER TABLE ledger.transfer ENABLE TRIGGER frozen_row"
says "and on again" '^History is' rain audit
script -qec "./rain-audit -c '$conf'" /dev/null | grep -q "checking blocks up to $blocks: 11" || fail "no progress on a terminal"
[ -z "$(rain audit 2>&1 >/dev/null)" ] || fail "progress in a pipe"

# While a check waits for the database, nobody else waits.
exec {locker}> >(psql -Xq -U postgres -d rain 2>&1)
echo 'BEGIN; LOCK TABLE ledger.block_part;' >&$locker
is_locked() { [ "$(sql postgres "SELECT count(*) FROM pg_locks WHERE relation = 'ledger.block_part'::regclass AND mode = 'AccessExclusiveLock' AND granted")" = 1 ]; }
wait_until is_locked
rain ledger check >"$work/check" 2>&1 &
check=$!
waits() { [ "$(sql postgres "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%check_invariants%'")" = 1 ]; }
wait_until waits
says "a balance beside a check that waits" 'user:root' rain balance
kill -0 $check 2>/dev/null || fail "the check didn't wait: $(cat "$work/check")"
echo 'ROLLBACK;' >&$locker
exec {locker}>&-
wait $check || fail "a check that waited: $(cat "$work/check")"

# An order of which nobody knows whether it was carried out comes with its key, and again
# with that it is done once.
have() { rain balance --json | jq .balance_utok; }
order=(./rain-grant -c "$conf" root 1)
again() { # WHAT: it is done once, in all
	local key
	key=$(grep -oE -- '--key [0-9a-f-]{36}' "$work/out") || fail "$1: no key: $(cat "$work/out")"
	# shellcheck disable=SC2086
	"${order[@]}" $key >"$work/again" || fail "$1, again with its key: $(cat "$work/again")"
	[ "$(have)" = $((before + 1000000)) ] || fail "$1: not done once, from $before to $(have)"
	echo "ok: $1"
	before=$(have)
}
before=$(have)
asks() { [ "$(grep -cF "$work/ledger.sock" /proc/net/unix)" -gt 1 ]; } # besides who listens
kill -STOP $ledgerd
"${order[@]}" 2>"$work/out" &
client=$!
wait_until asks
kill $client
wait $client
[ $? = 143 ] || fail "an interrupted order doesn't end by the signal"
kill -CONT $ledgerd
again "an interrupted order"
pg_stop fast
"${order[@]}" 2>"$work/out"
[ $? = 3 ] || fail "an order without a database isn't exit code 3"
pg_start
again "an order without a database"
sql postgres "REVOKE EXECUTE ON FUNCTION ledger.balances(), ledger.balance(text) FROM rain"
"${order[@]}" >"$work/out" 2>&1 || fail "a grant that was made fails: $(cat "$work/out")"
grep -q '^1.000000 tokens granted to user:root' "$work/out" || fail "a grant without a balance says $(cat "$work/out")"
grep -q "^note: the balance can't be told" "$work/out" || fail "a grant without a balance says $(cat "$work/out")"
sql postgres "GRANT EXECUTE ON FUNCTION ledger.balances(), ledger.balance(text) TO rain"
[ "$(have)" = $((before + 1000000)) ] || fail "a grant without a balance isn't made once"
says "a key of one's own is in the answer" "\"key\": \"$(key 9)\"" "${order[@]}" --key "$(key 9)" --json

# A campus: what lists all accounts has no end at a megabyte.
sql rain_owner "SET enable_seqscan = off; SELECT count(ledger.account_ensure_user('student' || i)) FROM generate_series(1, 10000) i" >/dev/null
[ "$(rain balance --all -P | grep -c '^user:student')" = 10000 ] || fail "not all accounts"
[ "$(rain account list -P | grep -c '^user:student')" = 10000 ] || fail "not all accounts in the list"
[ "$(rain ledger metrics | grep -c '^rain_account_balance_tokens{account="user:student')" = 10000 ] || fail "not all accounts in the metrics"
echo "ok: ten thousand accounts"

if [ "$(id -u)" = 0 ]; then
	denies "a user can't audit" 'only an administrator' as_user audit
	denies "a member whom nobody knows" 'no user "no-such-user"' rain account member heat no-such-user
	says "nothing happened yet, says the statement" '^Closing balance +0.000000$' as_user statement
	says "and the lots" '^LEFT\|' as_user balance --lots -P
	denies "a stranger's statement" 'neither your account' as_user statement root
	denies "a stranger's grants" 'grants of others' as_user balance --lots root
	denies "a stranger's transfer" 'neither your account' as_user transfer --from root postgres 1
	denies "a user can't refund" 'only an administrator' as_user refund 2
	denies "a user can't set rates" 'only an administrator' as_user rate set cpu 0
	denies "a user can't set limits" 'only an administrator' as_user account limit postgres 5
	denies "a user can't make projects at the top" 'only an administrator' as_user account add mine
	denies "a user can't see the ledger" 'only an administrator' as_user report ledger
	denies "a user can't see others' jobs" 'only an administrator' as_user report --user root
	says "a member" 'postgres is member of project:heat' rain account member heat postgres
	says "sees its project" '^project:heat\|' as_user account list -P
	denies "but moves nothing" 'you coordinate' as_user transfer --from project:heat postgres 1
	says "a coordinator" 'is coordinator' rain account member heat postgres --coordinator
	says "moves its tokens" '1.000000 tokens transferred' as_user transfer --from project:heat postgres 1
	says "and those below" 'project:tiny is there' as_user account add tiny --parent heat
	put 20 0 root heat 1714000000 1714000009
	put 21 0 root other 1714000000 1714000009
	wait_until spool_is_empty
	says "a coordinator sees the project's jobs" '^root\|1\|' as_user report --account heat --since 2024-01-01 -P
	denies "and no others" 'only an administrator' as_user report --account other --user root
	as_user report --account other --since 2024-01-01 -P | grep -q root && fail "a coordinator sees all"
	says "what pays" 'project:heat pays for your jobs' as_user account default project:heat
	as_user report --by job --account heat --since 2024-01-01 -P | grep -q root && fail "jobs of others by job"
fi
expect "the ledger is sound" rain "SELECT * FROM ledger.check_invariants()" ""
