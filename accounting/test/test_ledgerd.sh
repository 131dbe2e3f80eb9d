#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# rain-ledgerd and its commands against a real PostgreSQL, with both killed at
# bad moments: no record is lost, none is booked twice.
. "${srcdir:-.}/accounting/test/postgres.sh"
pg_create
. "${srcdir:-.}/accounting/test/ledgerd.sh"

port=$((20000 + $$ % 20000)) # below those that the system gives out
ledger_config 'home-rate = "1/4"' "metrics = \"127.0.0.1:$port\"" "metrics-file = \"$work/rain.prom\""
echo 'node-type "fresh" { nodes = "fresh[1-8]" }' >>"$conf"

# 4 nodes x 4 cores x 9 s x 1 GFLOP/s at a quarter of the price: 0.01 tokens.
price=10000

put() { # job [nodes [partition]]
	put_record "$1" nodes="${2:-node[1-4]}" partition="${3:-trainer}"
}

start() {
	./rain-ledgerd --debug --config "$conf" 2>>"$work/log" &
	ledgerd=$!
}

stop() { # SIGNAL
	kill "-$1" "$ledgerd"
	wait "$ledgerd" 2>/dev/null
	local code=$?
	ledgerd=
	return $code
}

rejected_are() { [ "$(compgen -G "$spool/rejected/*.json" | wc -l)" = "$1" ]; }

booked() { # what runs: besides the first, which nobody could pay
	wait_until spool_is_empty
	expect "$1" rain "SELECT count(*), sum(charged) FROM ledger.usage_jobs(0, 9999, NULL, 9999)
		WHERE slurm_job_id > 1" "$2|$(($2 * price))"
	expect "$1: the ledger is sound" rain "SELECT * FROM ledger.check_invariants()" ""
}

test_start_without_database() {
	pg_stop fast
	put 1
	start
	wait_until test -S "$work/ledger.sock"
	local out
	out=$(./rain-balance -c "$conf" 2>&1)
	[ $? = 3 ] || fail "a balance without a database isn't exit code 3: $out"
	[[ $out == *"database can't be reached"* ]] || fail "without a database it says: $out"
	wait_until grep -q 'records wait in the spool' "$work/log"
	! spool_is_empty || fail "the record is gone before it was booked"
	pg_start
	wait_until spool_is_empty
	sql rain "SELECT unpaid FROM ledger.usage_jobs(0, 9999, NULL, 9)" | grep -qx $price ||
		fail "a job of a user without tokens isn't recorded as unpaid"
	echo "ok: the daemon starts before its database"
}

test_commands() {
	local key=00000000-0000-4000-8000-000000000001
	./rain-grant -c "$conf" root 1000 --reason 'for tests' --key $key >/dev/null || fail "rain-grant"
	./rain-grant -c "$conf" root 1000 --reason 'for tests' --key $key | grep -q 'made before' ||
		fail "a grant was repeated"
	expect "who granted" rain_owner "SELECT actor FROM ledger.transfer WHERE idem = '$key'" "$(id -un)"
	./rain-balance -c "$conf" --csv | grep -qx 'user:root,1000.000000,0.000000,1000.000000,0.000000' ||
		fail "rain-balance: $(./rain-balance -c "$conf" --csv)"
	./rain-balance -c "$conf" --json | grep -q '"available_utok": 1000000000' || fail "rain-balance --json"
	./rain-balance -c "$conf" --all --csv | grep -qx 'system:issuance,-1000.000000,0.000000,-,0.000000' ||
		fail "rain-balance --all: $(./rain-balance -c "$conf" --all --csv)"
	./rain-grant -c "$conf" no-such-user 1 2>"$work/out" && fail "a grant to nobody"
	grep -q 'there is no user' "$work/out" || fail "a grant to nobody says: $(cat "$work/out")"
	./rain-grant -c "$conf" root -- -1 2>/dev/null; [ $? = 2 ] || fail "a negative grant isn't wrong usage"
	./rain-report -c "$conf" --since 1970-01-01 --parsable2 | grep -qx 'root|1|0.0400|0.000000|0.010000' ||
		fail "rain-report: $(./rain-report -c "$conf" --since 1970-01-01 --parsable2)"
	./rain-report -c "$conf" --since 1970-01-01 --by job --json | grep -q '"slurm_job_id": 1' ||
		fail "rain-report --by job"
	./rain-report -c "$conf" --by moon 2>/dev/null; [ $? = 2 ] || fail "--by moon isn't wrong usage"
	if [ "$(id -u)" = 0 ]; then
		runuser -u postgres -- ./rain-balance -c "$conf" user:root 2>"$work/out" &&
			fail "a stranger sees a balance"
		grep -q 'only an administrator' "$work/out" || fail "a stranger is told: $(cat "$work/out")"
		runuser -u postgres -- ./rain-grant -c "$conf" postgres 5 2>/dev/null && fail "a user granted"
		runuser -u postgres -- ./rain-report -c "$conf" --since 1970-01-01 --csv | grep -q root &&
			fail "a stranger sees usage"
	fi
	echo "ok: the commands"
}

# uid 0 in the snapshot of balances: somewhere behind a header of 72 bytes; an entry is
# key (a 1 before the uid), balance, held, available.
snapshot() {
	od -An -v -j72 -w32 -td8 "$spool/balances.map" 2>/dev/null | awk '$1 == 4294967296 { print $4 }'
}
snapshot_tells() { [ "$(snapshot)" = "$1" ]; }

test_snapshot() {
	[ "$(id -u)" = 0 ] || return 0
	wait_until snapshot_tells 1000000000
	./rain-grant -c "$conf" root 1 >/dev/null || fail "rain-grant"
	wait_until snapshot_tells 1001000000
	rm "$spool/balances.map"
	wait_until snapshot_tells 1001000000
	echo "ok: the balance snapshot follows the ledger"
}

# Grants, transfers and holds of many at once are made in groups; each is answered for itself.
test_calls() {
	local calls groups out i pids=()
	calls=$(./rain-ledger -c "$conf" metrics | sed -n 's/^rain_ledger_calls_total //p')
	sql rain "SELECT ledger.grant_tokens(ledger.account_ensure_user('u' || i), 1000000000, '', gen_random_uuid())
		FROM generate_series(1, 20) i" >/dev/null
	./accounting/test/ledger_clients -m -c 40 -n 15 -u 20 "$work/ledger.sock" >"$work/clients" ||
		fail "many clients: $(cat "$work/clients")"
	read -r _ _ posted _ voided _ refused < <(grep ^jobs "$work/clients")
	[ $((posted + voided)) = 600 ] && [ "$refused" -gt 0 ] || fail "many clients: $(cat "$work/clients")"
	expect "many clients: each job is paid once" rain "SELECT balance FROM ledger.balance('system:commons')" $((posted * 900))
	expect "many clients: nothing is held" rain "SELECT sum(held) FROM ledger.balances()" 0
	sound "after many clients"
	out=$(./rain-ledger -c "$conf" metrics)
	calls=$(($(sed -n 's/^rain_ledger_calls_total //p' <<<"$out") - calls))
	groups=$(sed -n 's/^rain_ledger_groups_total //p' <<<"$out")
	[ $calls -ge 1200 ] && [ $((groups * 3)) -lt $calls ] || fail "$calls calls made $groups groups"
	for i in $(seq 20); do
		./rain-grant -c "$conf" root 1 --reason same --key "$(uuid $((300 + i % 10)))" >/dev/null &
		pids+=($!)
	done
	wait "${pids[@]}"
	expect "the same grants at once" rain "SELECT count(*) FROM ledger.statement('user:root', '-infinity', 'infinity', 999)
		WHERE code = 'grant' AND reason = 'same'" 10
	# What the gateway holds for a peer is nobody's on the socket, nor is a peer's account.
	sql rain-gw "SELECT ledger.account_ensure_peer('zulu', 5000000); SELECT ledger.hold_create('$(uuid 290)', ledger.account_id('user:u1'),
		ledger.account_id('peer:zulu'), 5, '')" >/dev/null
	for i in '"call": "void"' "\"call\": \"post\", \"amount\": 5, \"key\": \"$(uuid 291)\"" '"call": "extend", "until": 4000000000'; do
		out=$(sql rain "SELECT ledger.group_calls('[{$i, \"hold\": \"$(uuid 290)\"}]')")
		[[ $out == *'moved by receipts only'* ]] || fail "a group with $i for a peer's hold: $out"
	done
	sql rain-gw "SELECT ledger.hold_void('$(uuid 290)')" >/dev/null
	if [ "$(id -u)" = 0 ]; then
		runuser -u postgres -- ./accounting/test/ledger_clients -n 1 "$work/ledger.sock" 2>"$work/out" && fail "a user holds tokens"
		grep -q 'only an administrator may hold tokens' "$work/out" || fail "a user who holds is told: $(cat "$work/out")"
	fi
	echo "ok: calls in groups"
}

# SIGTERM while calls wait: they are told or done, and asked again they are done once.
test_calls_stop() {
	local clients i
	./accounting/test/ledger_clients -m -c 40 -n 20 -u 20 "$work/ledger.sock" >"$work/clients" 2>&1 &
	clients=$!
	for i in 1 2 3; do
		stop TERM || fail "SIGTERM among calls isn't a clean end"
		start
		wait_until answers
	done
	wait $clients || fail "clients while it stops: $(cat "$work/clients")"
	read -r _ _ i _ < <(grep ^jobs "$work/clients")
	posted=$((posted + i))
	expect "stopped among calls: each job is paid once" rain "SELECT balance FROM ledger.balance('system:commons')" $((posted * 900))
	sound "stopped among calls"
}

test_database_crash() {
	local i
	for i in $(seq 10 19); do put "$i"; done
	pg_stop immediate
	for i in $(seq 20 29); do put "$i"; done
	pg_start
	for i in $(seq 30 34); do put "$i"; done
	booked "records before, during and after a crash of the database" 25
	pg_stop immediate
	pg_start
	answers || fail "the first question after a restart of the database got no answer"
	echo "ok: a lost connection is made again at once"
}

test_stop() {
	stop TERM || fail "SIGTERM isn't a clean end"
	[ ! -e "$work/ledger.sock" ] || fail "the socket is left after SIGTERM"
	./rain-balance -c "$conf" 2>"$work/out"
	[ $? = 3 ] || fail "a balance without the daemon isn't exit code 3: $(cat "$work/out")"
	start
	wait_until answers
}

test_kill_at_any_time() {
	local i round
	for round in 1 2 3; do
		for i in $(seq $((round * 100)) $((round * 100 + 49))); do put "$i"; done
		stop KILL
		start
	done
	booked "kill -9 while records come" 175
	for i in $(seq 100 149); do put "$i"; done
	booked "the same records again" 175
}

test_rejects() {
	local out
	# The first three aren't RAIN's.
	mkdir "$spool/directory.json"
	ln -s /etc/passwd "$spool/link.json"
	echo x >"$spool/core"
	touch --no-dereference --date='1 hour ago' "$spool/directory.json" "$spool/link.json" "$spool/core"
	kill -HUP "$ledgerd"
	wait_until test -e "$spool/rejected/core"
	grep -q 'no segment' "$spool/rejected/core.reason" || fail "no reason for a foreign file"
	rm "$spool"/rejected/core*
	put 500 'fresh[1-4]'
	put 501 'fresh[1-4]' overflow
	put 502 'fresh[1-4]' guest
	echo '{"v":1,' | accounting/test/spool_fill "$spool" -
	wait_until rejected_are 4
	wait_until spool_is_empty
	grep -q "isn't calibrated" "$spool/rejected/1000-500-0.json.reason" || fail "no reason for an uncalibrated node"
	grep -q "isn't calibrated" "$work/log" || fail "an uncalibrated node isn't in the log"
	out=$(./rain-balance -c "$conf" 2>&1)
	[[ $out == *"4 job records could not be booked"* ]] || fail "the balance doesn't mention rejects: $out"
	[ -f /etc/passwd ] || fail "a link was followed"
	grep -l 'not valid JSON' "$spool"/rejected/*.reason | sed 's/.reason$//' | xargs -I{} rm {} {}.reason
	rm -r "$spool"/rejected/{directory,link}.json
	sed -i 's/"fresh\[1-8\]"/& mflops-per-core = 1000/' "$conf"
	kill -HUP "$ledgerd"
	wait_until rejected_are 0
	wait_until spool_is_empty
	expect "calibrated, it is booked" rain "SELECT charged FROM ledger.usage_jobs(0, 9999, NULL, 999)
		WHERE slurm_job_id = 500" $price
	expect "others pay for the rest" rain "SELECT sum(charged) FROM ledger.usage_jobs(0, 9999, NULL, 999)
		WHERE slurm_job_id IN (501, 502)" 0
	echo 'nonsense' >>"$conf"
	kill -HUP "$ledgerd"
	wait_until grep -q 'configuration is not taken over' "$work/log"
	sed -i '/nonsense/d' "$conf"
	answers || fail "a broken configuration stopped it"
}

doctor() { ./rain-doctor -c "$conf" | sed -n 's/  ledger   */ /p'; } # the gateway isn't there
test_replay() {
	./rain-ledger -c "$conf" status | grep -q '^0 are put aside' || fail "rain ledger status: $(./rain-ledger -c "$conf")"
	put 510 'raw[1-4]'
	wait_until rejected_are 1
	wait_until eval './rain-ledger -c "$conf" rejected | grep -q "1000-510-0.json .*no node-type"'
	wait_until eval 'doctor | grep -q "^wrong .*1 records .* lie in $spool/rejected (1000-510-0.json: .*no node-type.*rain ledger replay"'
	./rain-ledger -c "$conf" replay 999.json 2>/dev/null && fail "a record that isn't there was replayed"
	./rain-ledger -c "$conf" replay ../1000-510-0.json 2>/dev/null && fail "a path was replayed"
	./rain-ledger -c "$conf" replay 1000-510-0.json | grep -q '^1 records' || fail "rain ledger replay FILE"
	wait_until rejected_are 1
	echo 'node-type "raw" { nodes = "raw[1-8]" mflops-per-core = 1000 }' >>"$conf"
	kill -HUP "$ledgerd"
	wait_until rejected_are 0
	wait_until spool_is_empty
	wait_until eval 'doctor | grep -q "^ok  *answers; 0 records"'
	expect "replayed, it is booked" rain "SELECT charged FROM ledger.usage_jobs(0, 9999, NULL, 999)
		WHERE slurm_job_id = 510" $price
	if [ "$(id -u)" = 0 ]; then
		runuser -u postgres -- ./rain-ledger -c "$conf" replay 2>/dev/null && fail "a stranger replays"
		runuser -u postgres -- ./rain-ledger -c "$conf" >/dev/null || fail "a stranger sees no status"
	fi
	./rain-ledger -c "$conf" check | grep -q 'is sound' || fail "rain ledger check"
	echo "ok: a poison record is counted, shown and replayed"
}

http() { # REQUEST-LINE
	exec 3<>"/dev/tcp/127.0.0.1/$port" || return 1
	printf '%s\r\nHost: x\r\n\r\n' "$1" >&3
	cat <&3
	exec 3>&-
}

test_metrics() {
	local text
	text=$(http 'GET /metrics HTTP/1.1') || fail "nobody listens for metrics"
	for line in 'HTTP/1.1 200 OK' 'Content-Type: application/openmetrics-text' 'rain_ledger_database_up 1' \
		'rain_ledger_spool_records 0' 'rain_ledger_rejected_records 0' \
		'rain_account_balance_tokens{account="user:root"} ' 'rain_account_credited_tokens_total{account="user:root"} ' 'rain_ledger_commit_seconds_bucket{le="+Inf"} ' '# EOF'; do
		grep -qF -- "$line" <<<"$text" || fail "the metrics lack '$line': $text"
	done
	grep -q 'rain_ledger_runs_recorded_total [1-9]' <<<"$text" || fail "no run is counted: $text"
	grep -qE 'job.?id' <<<"$text" && fail "a label for each job"
	http 'GET /secret HTTP/1.1' | grep -q '404 Not Found' || fail "no 404"
	wait_until grep -q '^# EOF' "$work/rain.prom"
	./rain-ledger -c "$conf" metrics >"$work/metrics" || fail "rain ledger metrics"
	strictly "$work/metrics"
	strictly "$work/rain.prom"
	echo "ok: metrics"
}

# By Prometheus' own parser of OpenMetrics; and nothing has a label but these.
strictly() { # FILE
	/usr/bin/python3 -c 'import prometheus_client' 2>/dev/null ||
		{ echo "SKIP: metrics are not parsed: python3-prometheus-client isn't installed"; return; }
	/usr/bin/python3 - "$1" <<-'PYTHON' || fail "$1 is no strict OpenMetrics: $(cat "$1")"
		import sys
		from prometheus_client.openmetrics.parser import text_string_to_metric_families
		families = list(text_string_to_metric_families(open(sys.argv[1]).read()))
		assert len(families) > 10, families
		for family in families:
		    assert family.documentation, family.name
		    for sample in family.samples:
		        assert set(sample.labels) <= {"account", "le"}, sample
	PYTHON
}

# A full disk holds up nothing that can be booked, and loses nothing.
test_full_disk() {
	[ "$(id -u)" = 0 ] && mount -t tmpfs -o size=256k none "$spool" 2>/dev/null || { echo "ok: no full disk without mounts"; return; }
	stop TERM
	local booked='SELECT count(*) FROM ledger.usage_jobs(0, 9999, NULL, 999) WHERE slurm_job_id BETWEEN 700 AND 702'
	put 700
	put 701 'unknown[1-4]'
	put 702
	dd if=/dev/zero of="$spool/fill" bs=4k 2>/dev/null
	start
	wait_until grep -q 'nor put aside: .*No space left' "$work/log"
	wait_until eval '[ "$(sql rain "$booked")" = 2 ]'
	./rain-ledger -c "$conf" status | grep -q '^1 job records wait' || fail "stuck: $(./rain-ledger -c "$conf" status)"
	rm "$spool/fill"
	kill -HUP "$ledgerd"
	wait_until rejected_are 1
	rm -r "$spool/rejected"
	wait_until spool_is_empty
	expect "what can be booked is, on a full disk" rain "$booked" 2
	stop TERM
	umount "$spool"
	start
	wait_until answers
}

# What the database refuses is put aside alone; the rest of its batch is booked.
test_culprit() {
	local i
	stop TERM
	for i in $(seq 600 609); do put_record "$i" user="$([ "$i" = 605 ] && echo 'bad\u0001name' || echo root)"; done
	start
	wait_until spool_is_empty
	rejected_are 1 || fail "not exactly one is put aside"
	expect "the others are booked" rain "SELECT count(*) FROM ledger.usage_jobs(0, 9999, NULL, 999)
		WHERE slurm_job_id BETWEEN 600 AND 609" 9
}

# More than one run of the intake takes, one record of it refused; the database and the
# daemon die while one transaction is under way and the next is being read.
begun() { [ "$(many)" -ge 500 ]; }
many() { sql rain_owner "SELECT count(*) FROM ledger.job_run WHERE slurm_job_id >= 2000 AND recorded_at IS NOT NULL"; }
test_many() {
	stop TERM
	accounting/test/spool_fill "$spool" 700 2000 || fail "spool_fill"
	put_record 2700 user='bad\u0001name'
	accounting/test/spool_fill "$spool" 1599 2701 || fail "spool_fill"
	start
	wait_until begun
	pg_stop immediate
	pg_start
	wait_until answers
	stop KILL
	start
	wait_until spool_is_empty
	rejected_are 2 || fail "not exactly one more is put aside"
	[ "$(many)" = 2299 ] || fail "of 2299 runs $(many) are booked"
	expect "many, and deaths between: the ledger is sound" rain "SELECT * FROM ledger.check_invariants()" ""
}

# A record that the database refuses, and that can't be read again to put it aside, holds up no other.
test_refused_and_gone() {
	local booked='SELECT count(*) FROM ledger.usage_jobs(0, 9999, NULL, 9999) WHERE slurm_job_id IN (6000, 6002)' locker
	stop TERM
	put_record 6000 partition=guest # without a price: it is written first, and waits for our lock
	put_record 6001 user='bad\u0001name'
	exec {locker}> >(psql -Xq -U postgres -d rain 2>&1)
	echo 'BEGIN; LOCK TABLE ledger.job_run IN EXCLUSIVE MODE;' >&$locker
	wait_until eval '[ "$(sql postgres "SELECT count(*) FROM pg_locks WHERE granted AND mode = '"'ExclusiveLock'"' AND relation = '"'ledger.job_run'"'::regclass")" = 1 ]'
	start
	wait_until eval '[ "$(sql postgres "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = '"'Lock'"' AND query LIKE '"'%job_runs_record%'"'")" = 1 ]'
	mkdir "$work/moved"
	mv "$spool"/*.runs "$work/moved"
	echo 'ROLLBACK;' >&$locker
	exec {locker}>&-
	wait_until grep -q "nor put aside: can't read .* again" "$work/log"
	put 6002
	wait_until eval '[ "$(sql rain "$booked")" = 2 ]'
	mv "$work"/moved/*.runs "$spool"
	kill -HUP "$ledgerd"
	wait_until test -e "$spool/rejected/1000-6001-0.json"
	wait_until spool_is_empty
	expect "a record that couldn't be read again holds up no other" rain "$booked" 2
}

# However often the others are tried while the database is away, a record is put aside once.
told() { grep -c "$1" "$work/log"; }
told_more() { [ "$(told "$1")" -ge "$2" ]; } # TEXT COUNT
test_put_aside_once() {
	local aside tried back
	kill -STOP "$ledgerd"
	put 6010
	put 6011 'unknown[1-4]'
	pg_stop immediate
	aside=$(told 'a job record is put aside')
	tried=$(told 'job records wait in the spool')
	back=$(told 'the database are back')
	kill -CONT "$ledgerd"
	wait_until told_more 'job records wait in the spool' $((tried + 3))
	[ "$(told 'the database are back')" = "$back" ] || fail "the database that is away is told to be back"
	pg_start
	wait_until test -e "$spool/rejected/1000-6011-0.json"
	wait_until spool_is_empty
	[ "$(told 'a job record is put aside')" = $((aside + 1)) ] || fail "it is put aside more than once"
	expect "beside what is put aside" rain "SELECT count(*) FROM ledger.usage_jobs(0, 9999, NULL, 9999)
		WHERE slurm_job_id = 6010" 1
}

test_start_without_database
test_commands
test_snapshot
test_calls
test_calls_stop
test_database_crash
test_stop
test_kill_at_any_time
test_rejects
test_replay
test_metrics
test_full_disk
test_culprit
test_many
test_refused_and_gone
test_put_aside_once
stop TERM || fail "SIGTERM isn't a clean end"
if grep -qiE 'sanitizer|runtime error' "$work/log"; then
	cat "$work/log"
	exit 1
fi
