#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What the configuration gives and takes: rates, rewards for own use, shares of the
# commons. Each exactly once, whoever dies; nothing is lost and nothing made by rounding.
. "${srcdir:-.}/accounting/test/postgres.sh"
pg_create
. "${srcdir:-.}/accounting/test/ledgerd.sh"

now=$(date +%s)
put() { # job user [start [partition [tres]]]
	local from=${3:-$((now - 100))}
	put_record "$1" user="$2" submit=$((from - 10)) start="$from" end=$((from + 9)) partition="${4:-trainer}" \
		tres="${5:-cpu=16,mem=64G,node=4}"
}
rain() { ./rain-"$1" -c "$conf" "${@:2}"; }
start() {
	./rain-ledgerd --config "$conf" 2>>"$work/log" &
	ledgerd=$!
	wait_until answers
}
stop() { # SIGNAL
	kill "-$1" "$ledgerd"
	wait "$ledgerd" 2>/dev/null
	ledgerd=
}
charged() { # what job amount
	expect "$1" rain "SELECT charged + unpaid FROM ledger.job_runs_find('alpha', $2)" "$3"
}

test_rates() {
	ledger_config 'home-rate = "1/4"'
	start
	put 1 ada
	wait_until spool_is_empty
	charged "without a rate the home rate counts" 1 10000
	rain rate set node 7/3 --reason test >/dev/null || fail "rain rate set"
	rain rate set mem 1/1000 --partition big >/dev/null || fail "rain rate set"
	put 2 ada
	put 3 ada $((now + 100)) trainer # it starts when the rate is in force
	put 4 ada $((now + 100)) big
	wait_until spool_is_empty
	charged "a rate isn't for what started before it" 2 10000
	charged "then it is" 3 $((10000 + 84))  # 4 nodes x 9 s x 7/3
	charged "and that of a partition" 4 $((10000 + 84 + 590)) # 65536 MiB x 9 s / 1000, all rounded up once
	rain rate set calibrated 1/2 >/dev/null || fail "rain rate set calibrated"
	put 5 ada $((now + 200))
	wait_until spool_is_empty
	charged "the calibrated speed may have a rate" 5 $((20000 + 84))
	stop KILL
	start
	put 6 ada $((now + 200))
	wait_until spool_is_empty
	charged "after a restart too" 6 $((20000 + 84))
	expect "C and SQL count alike" rain "SELECT ledger.price_at('alpha', 'big', 'normal',
		'{\"mem\": 65536, \"node\": 4}', 9000, to_timestamp($((now + 200))))" $((84 + 590))
	rain rate set cpu 1/1000001 2>/dev/null && fail "a rate that can't be summed exactly"
	put 7 ada $((now + 200)) big 'cpu=16,mem=lots,node=4'
	wait_until compgen -G "$spool/rejected/*-7-0.json" >/dev/null
	grep -q 'no amount of a TRES' "$spool"/rejected/*-7-0.json.reason || fail "a TRES that can't be read"
	rm -r "$spool/rejected"
	sound "after rates"
}

rewarded() { [ "$(sql rain "SELECT count(*) FROM ledger.statement('user:ben', '-infinity', 'infinity') WHERE code = 'reward'")" = "$1" ]; }
looked_at() { # all that is recorded is sealed, and then none is due
	[ "$(sql rain_owner "SELECT max(record_seq) = ledger.sealed_to('run') FROM ledger.job_run")" = t ] &&
		[ "$(sql rain "SELECT count(*) FROM ledger.own_use_due(1000)")" = 0 ]
}

test_rewards() {
	put 10 ben
	wait_until spool_is_empty
	wait_until looked_at
	stop TERM
	ledger_config 'own-use-reward = "1/10" own-use-cap = "0.011"'
	start
	put 11 ben
	put 12 ben "" guest
	put 13 ben "" overflow
	wait_until rewarded 1
	expect "a tenth of the price of the job at home, and none of before" rain \
		"SELECT amount, reason FROM ledger.statement('user:ben', '-infinity', 'infinity') WHERE code = 'reward'" "4000|job 11"
	stop KILL
	for i in $(seq 20 39); do put "$i" ben; done
	start
	stop KILL
	start
	wait_until spool_is_empty
	wait_until looked_at
	expect "up to the cap of the day, the last one cut" rain "SELECT string_agg(amount::text, ' ' ORDER BY transfer_id)
		FROM ledger.statement('user:ben', '-infinity', 'infinity') WHERE code = 'reward'" "4000 4000 3000"
	refused "looking again" rain_owner RN006 "UPDATE ledger.own_use SET record_seq = 0"
	refused "twice" rain RN001 "SELECT ledger.own_use_reward(1, '{\"1\": 5}', 100)"
	sound "after rewards"
}

earn() { # micro-tokens
	key=$((${key:-100} + 1))
	sql rain-gw "SELECT ledger.hold_create('$(uuid $key)', ledger.account_id('peer:bravo'), ledger.account_id('system:commons'), $1, '')" >/dev/null
	sql rain-gw "SELECT ledger.hold_post('$(uuid $key)', '$(uuid $((key + 1000)))', $1)" >/dev/null
}
share() { # what MODE WEIGHTS answer
	expect "$1" rain "SELECT ledger.commons_share_due('$2', $3, 100, 1)" "$4"
}
tomorrow() { # all that happened was a day earlier; nothing is sealed yet
	sql postgres "SET session_replication_role = replica; SET search_path = ledger;
		UPDATE transfer SET posted_at = posted_at - interval '1 day';
		UPDATE share_part SET share_id = md5(share_id::text)::uuid;
		UPDATE share SET share_id = md5(share_id::text)::uuid;
		UPDATE transfer SET idem = gen_random_uuid() WHERE code = 'share'" >/dev/null
}
parts() { # what answer: what the last share gave to whom
	expect "$1" rain_owner "SELECT string_agg(a.name || ' ' || t.amount, ', ' ORDER BY a.name)
		FROM ledger.transfer t JOIN ledger.account a ON a.account_id = t.credit
		WHERE t.code = 'share' AND t.transfer_id > $shared" "$2"
	shared=$(sql rain_owner "SELECT max(transfer_id) FROM ledger.transfer")
}

test_shares() {
	local user
	for user in ada ben cleo; do sql rain "SELECT ledger.account_ensure_user('$user')" >/dev/null; done
	sql rain "SELECT ledger.account_ensure_project('lab')" >/dev/null
	sql rain-gw "SELECT ledger.account_ensure_peer('bravo', 1000000)" >/dev/null
	shared=0
	share "nothing to share" equal NULL 0
	earn 100
	share "what was earned today waits for tomorrow" equal NULL 0
	tomorrow
	earn 1000
	share "what was earned before is shared" equal NULL 100
	share "once" equal NULL 0
	parts "equal, to the last micro-token" "user:ada 34, user:ben 33, user:cleo 33"
	balance system:commons 1000 0
	tomorrow
	earn 999
	share "by contribution" contribution "'{\"user:ada\": 1, \"user:ben\": 1, \"project:lab\": 5}'" 1000
	parts "by contribution, all of it" "project:lab 714, user:ada 143, user:ben 143"
	tomorrow
	share "fixed" fixed "'{\"user:cleo\": 33, \"project:lab\": 33}'" 659
	parts "fixed, the rest stays" "project:lab 329, user:cleo 330"
	balance system:commons 340 0
	tomorrow
	sound "after shares"
	# The daemon does it, once, also when it dies.
	ledger_config 'share-commons = "fixed" share-days = 1 shares = {"cleo=50", "project:lab=25"}'
	start
	wait_until grep -q "lending earned is shared out: amount=0.000255 mode=fixed" "$work/log"
	stop KILL
	start
	stop TERM
	parts "half and a quarter" "project:lab 85, user:cleo 170"
	[ "$(grep -c 'lending earned is shared out' "$work/log")" = 1 ] || fail "shared twice"
	sound "after the daemon's share"
}

# Whatever is shared among whomever: not a micro-token is lost or made.
test_rounding() {
	expect "shares of random amounts and weights add up" rain_owner "
		SELECT count(*) FROM (
			SELECT s.amount, sum(p.part) AS parts, min(p.part) AS least
			  FROM (SELECT setseed(0.42)) seed, LATERAL (
				SELECT n, 1 + floor(random() * 10 ^ (1 + n % 12))::bigint AS amount,
				       jsonb_build_object('user:ada', 1 + floor(random() * 1000)::int,
				           'user:ben', 1 + floor(random() * 7)::int, 'user:cleo', 1 + floor(random() * 1e9)::int,
				           'project:lab', 1 + floor(random() * 3)::int) AS weights
				  FROM generate_series(1, 500) n) s,
			LATERAL ledger.share_parts(s.amount, s.weights, (SELECT sum(value::numeric) FROM jsonb_each_text(s.weights))) p
			 GROUP BY s.n, s.amount) x
		 WHERE parts <> amount OR least < 0" 0
}

test_wrong() { # PATTERN line
	ledger_config "$2"
	./rain-ledgerd --config "$conf" 2>"$work/out" && fail "taken: $2"
	grep -q "$1" "$work/out" || fail "$2: $(cat "$work/out")"
	echo "ok: refused: $2"
}

test_shares
test_rates
test_rewards
test_rounding
test_wrong 'own-use-cap' 'own-use-reward = "1/2"'
test_wrong 'share-commons: "many"' 'share-commons = "many"'
test_wrong 'shares: name the accounts' 'share-commons = "fixed"'
test_wrong 'more than 100' 'share-commons = "fixed" shares = {"ada=60", "ben=41"}'
test_wrong 'ACCOUNT=WEIGHT' 'share-commons = "contribution" shares = {"ada"}'
test_wrong 'twice' 'share-commons = "contribution" shares = {"ada=1", "user:ada=2"}'
test_wrong 'no weights' 'share-commons = "equal" shares = {"ada=1"}'
test_wrong 'share-days' 'share-days = 0'
