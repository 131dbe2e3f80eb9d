#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Rates and quotes, rewards, and the sharing out of the commons.
. "${srcdir:-.}/accounting/test/postgres.sh"
pg_create

test_rates() {
	local price="ledger.price_at('alpha', 'trainer', 'normal', '{\"cpu\": 16, \"calibrated\": 100}'"
	expect "without a rate it is free" rain "SELECT $price, 10000, now())" 0
	sql rain "SELECT ledger.rate_set('alpha', '*', '*', 'cpu', 1, 3)" >/dev/null
	expect "a third of a micro-token, rounded up once" rain "SELECT $price, 10000, now())" 54
	sql rain "SELECT ledger.rate_set('alpha', '*', '*', 'calibrated', 1, 7)" >/dev/null
	expect "two TRES, rounded up once" rain "SELECT $price, 10000, now())" 197 # 53 1/3 + 142 6/7
	expect "nothing for no time" rain "SELECT $price, 0, now())" 0
	sql rain "SELECT ledger.rate_set('alpha', 'trainer', '*', 'cpu', 2, 3)" >/dev/null
	expect "the partition's own rate" rain "SELECT $price, 10000, now())" 250 # 106 2/3 + 142 6/7
	sql rain "SELECT ledger.rate_set('alpha', 'trainer', 'normal', 'cpu', 0, 1, NULL, 'free', 'root')" >/dev/null
	expect "the QOS's own rate" rain "SELECT $price, 10000, now())" 143
	refused "a rate in the past" rain RN005 \
		"SELECT ledger.rate_set('alpha', '*', '*', 'cpu', 1, 1, now() - interval '1 hour')"
	refused "a negative rate" rain 23514 "SELECT ledger.rate_set('alpha', '*', '*', 'gpu', -1, 1)"
	refused "a rate over nothing" rain 23514 "SELECT ledger.rate_set('alpha', '*', '*', 'gpu', 1, 0)"
	sql rain "SELECT ledger.rate_set('alpha', '*', '*', 'mem', 1, 1, now() + interval '1 day')" >/dev/null
	refused "a rate before one that is set" rain RN005 "SELECT ledger.rate_set('alpha', '*', '*', 'mem', 1, 1)"
	expect "a rate for tomorrow" rain "SELECT
		ledger.price_at('alpha', 'x', 'y', '{\"mem\": 1}', 1000, now()),
		ledger.price_at('alpha', 'x', 'y', '{\"mem\": 1}', 1000, now() + interval '2 days')" "0|1"
	refused "two rates at a time" rain_owner 23P01 "INSERT INTO ledger.rate (cluster, partition, qos, tres, num, den, valid)
		VALUES ('alpha', '*', '*', 'cpu', 5, 1, tstzrange(now(), now() + interval '1 minute'))"
	refused "rewriting a rate" rain_owner RN006 "UPDATE ledger.rate SET num = 9"
	refused "ending a rate in the past" rain_owner RN006 \
		"UPDATE ledger.rate SET valid = tstzrange(lower(valid), lower(valid) + interval '1 us') WHERE upper_inf(valid)"
	refused "deleting a rate" rain_owner RN006 "DELETE FROM ledger.rate"
	refused "overflow" rain RN005 "SELECT ledger.price_at('alpha', 'x', 'y',
		'{\"mem\": 9000000000000000000}', 1000000000, now() + interval '2 days')"
}

test_quotes() {
	local make
	make="ledger.quote_make('$(uuid 1)', 'alpha', 'p', 'q', '{\"cpu\": 3}', 5000, now() + interval '1 hour')"
	expect "a quote" rain "SELECT $make" 5
	sql rain "SELECT ledger.rate_set('alpha', '*', '*', 'cpu', 100, 1)" >/dev/null
	expect "pins its rates" rain "SELECT ledger.quote_price('$(uuid 1)', 5000), ledger.quote_price('$(uuid 1)', 1)" "5|1"
	expect "when others pay more" rain "SELECT ledger.price_at('alpha', 'p', 'q', '{\"cpu\": 3}', 5000, now())" 1500
	expect "the same quote again" rain "SELECT $make" 5
	refused "another under its name" rain RN001 \
		"SELECT ledger.quote_make('$(uuid 1)', 'alpha', 'p', 'q', '{\"cpu\": 4}', 5000, now() + interval '1 hour')"
	sql rain "SELECT ledger.quote_make('$(uuid 2)', 'alpha', 'p', 'q', '{\"cpu\": 3}', 5000, now())" >/dev/null
	refused "an expired quote" rain RN007 "SELECT ledger.quote_price('$(uuid 2)', 1)"
	refused "an unknown quote" rain RN003 "SELECT ledger.quote_price('$(uuid 3)', 1)"
	refused "rewriting a quote" rain_owner RN006 "UPDATE ledger.quote SET amount = 0"
}

test_rewards() {
	local reward="ledger.reward_own_use('ada', 60, 100, 'own use'"
	expect "a reward" rain "SELECT $reward, '$(uuid 10)')" 60
	expect "once" rain "SELECT $reward, '$(uuid 10)')" 60
	expect "up to the day's cap" rain "SELECT $reward, '$(uuid 11)')" 40
	expect "and not more" rain "SELECT $reward, '$(uuid 12)')" 0
	balance user:ada 100 0
	refused "nor in plain SQL" rain_owner 23514 \
		"INSERT INTO ledger.transfer (idem, code, debit, credit, amount)
		 SELECT '$(uuid 13)', 'reward', debit, credit, 1 FROM ledger.transfer WHERE idem = '$(uuid 10)'"
	refused "without a cap" rain_owner RN005 \
		"INSERT INTO ledger.transfer (idem, code, debit, credit, amount, posted_at)
		 SELECT '$(uuid 13)', 'reward', debit, credit, 1, now() - interval '9 days' FROM ledger.transfer WHERE idem = '$(uuid 10)'"
	refused "forgetting what was given" rain_owner RN006 "UPDATE ledger.reward_day SET rewarded = 0"
	refused "forgetting the day" rain_owner RN006 "DELETE FROM ledger.reward_day"
	sound "after rewards"
}

test_shares() {
	sql rain "SELECT ledger.account_ensure_user('ben'), ledger.account_ensure_user('cleo'), ledger.account_ensure_project('lab')" >/dev/null
	refused "nothing can be shared" rain RN005 "SELECT ledger.commons_share(NULL, 'equal', NULL, NULL, '', '', '$(uuid 20)')"
	sql rain-gw "SELECT ledger.hold_create('$(uuid 21)', ledger.account_ensure_peer('bravo', 5000), ledger.account_id('system:commons'), 1000, '')" >/dev/null
	sql rain-gw "SELECT ledger.hold_post('$(uuid 21)', '$(uuid 22)', 1000)" >/dev/null
	refused "more than the commons has" rain RN002 "SELECT ledger.commons_share(1001, 'equal', NULL, NULL, '', '', '$(uuid 20)')"
	local equal
	equal="SELECT * FROM ledger.commons_share(100, 'equal', NULL, NULL, 'May', 'root', '$(uuid 20)')"
	expect "equal, to the last one" rain "$equal" "user:ada|34
user:ben|33
user:cleo|33"
	expect "once" rain "SELECT sum(amount) FROM ($equal) s" 100
	expect "by contribution" rain "SELECT * FROM ledger.commons_share(100, 'contribution',
		'{\"user:ada\": 1, \"project:lab\": 5}', NULL, '', '', '$(uuid 23)')" "project:lab|83
user:ada|17"
	expect "fixed parts leave the rest" rain "SELECT * FROM ledger.commons_share(100, 'fixed',
		'{\"user:ben\": 25, \"user:cleo\": 50}', 100, '', '', '$(uuid 24)')" "user:ben|25
user:cleo|50"
	balance system:commons 725 0
	refused "parts of more than all" rain RN005 "SELECT ledger.commons_share(100, 'fixed', '{\"user:ben\": 101}', 100, '', '', '$(uuid 25)')"
	refused "a negative weight" rain RN005 "SELECT ledger.commons_share(100, 'contribution', '{\"user:ben\": -1, \"user:ada\": 2}', NULL, '', '', '$(uuid 25)')"
	refused "to a peer" rain RN005 "SELECT ledger.commons_share(100, 'contribution', '{\"peer:bravo\": 1}', NULL, '', '', '$(uuid 25)')"
	refused "the same in plain SQL" rain_owner RN002 \
		"INSERT INTO ledger.transfer (idem, code, debit, credit, amount)
		 SELECT '$(uuid 26)', 'share', debit, credit, 726 FROM ledger.transfer WHERE code = 'share' LIMIT 1"
	expect "all that is left" rain "SELECT sum(amount) FROM ledger.commons_share(NULL, 'equal', NULL, NULL, '', '', '$(uuid 27)')" 725
	balance system:commons 0 0
	sound "after sharing"
}

test_rights() {
	for role in rain rain-gw; do
		for table in rate quote reward_day share share_part; do
			refused "reading $table" $role 42501 "SELECT FROM ledger.$table"
		done
	done
	refused "setting rates" rain-gw 42501 "SELECT ledger.rate_set('alpha', '*', '*', 'cpu', 1, 1)"
	refused "rewarding" rain-gw 42501 "SELECT ledger.reward_own_use('ada', 1, 1, '', '$(uuid 30)')"
	refused "sharing" rain-gw 42501 "SELECT ledger.commons_share(NULL, 'equal', NULL, NULL, '', '', '$(uuid 30)')"
}

test_rates
test_quotes
test_rewards
test_shares
test_rights
