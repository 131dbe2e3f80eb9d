#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# kill -9 of rain-ledgerd, of PostgreSQL's postmaster, of the client and of what
# writes records inside slurmctld, at every named point (kill_at.c): afterwards each thing has happened exactly once.
# What was written survives its writer, so PostgreSQL needn't sync here.
. "${srcdir:-.}/accounting/test/postgres.sh"
pg_create
. "${srcdir:-.}/accounting/test/ledgerd.sh"

shim=$(readlink -f accounting/test/.libs/kill_at.so) || fail "make check builds kill_at"
export ASAN_OPTIONS=verify_asan_link_order=0
ledger_config 'home-rate = "1/4"'
price=10000 # 4 nodes x 4 cores x 9 s x 1 GFLOP/s at a quarter

job=0
put() { # COUNT [nodes]: so many more records
	local last=$((job + $1))
	while [ $job -lt $last ]; do
		job=$((job + 1))
		put_record $job nodes="${2:-node[1-4]}"
	done
}
struck() { grep -qs '^kill_at:' "$work/log.$round"; }
gone() { ! kill -0 "$ledgerd" 2>/dev/null; }

# armed POINT WHOM: the environment; WHOM: self or postgres
armed() {
	printf '%s\n' "LD_PRELOAD=$shim" "RAIN_KILL_AT=$1"
	[ "$2" = self ] || printf 'RAIN_KILL_WHOM=%s\n' "$(head -n 1 "$work/pg/data/postmaster.pid")"
}

start() { # [environment...]
	env "$@" ./rain-ledgerd --config "$conf" 2>"$work/log.$round" &
	ledgerd=$!
	disown # bash needn't tell who was killed
}
stop() {
	kill -KILL "$ledgerd" 2>/dev/null
	wait_until gone
	ledgerd=
}

# Without their postmaster PostgreSQL's processes end when they notice.
pg_gone() {
	local place
	for place in /proc/[0-9]*/cwd; do
		[ ! "$place" -ef "$work/pg/data" ] || return 1
	done
}
pg_rise() {
	wait_until pg_gone
	rm -f "$work/pg/data/postmaster.pid" "$work"/pg/.s.PGSQL.* # nobody may have buried the dead
	pg_start
}

# The dead rise: PostgreSQL recovers, rain-ledgerd starts anew.
rise() {
	[ "$1" = self ] || pg_rise
	stop
	round=$((round + 1))
	start
	wait_until answers
}

round=0
booked=0
# at WHOM POINT COUNT: so many records are booked while WHOM dies at POINT
at() {
	local environment
	mapfile -t environment < <(armed "$2" "$1")
	put "$3"
	booked=$((booked + $3))
	start "${environment[@]}"
	wait_until struck
	[ "$1" != self ] || wait_until gone
	rise "$1"
	wait_until spool_is_empty
	expect "$1 dies at $2: booked once" rain "SELECT count(*), sum(charged), sum(unpaid)
		FROM ledger.usage_jobs(0, 9999, NULL, 999)" "$booked|$((booked * price))|0"
	stop
	round=$((round + 1))
}

test_booking() {
	local whom point
	sql rain "SELECT ledger.grant_tokens(ledger.account_ensure_user('root'), 1000000000, '', '$(uuid 1)')" >/dev/null
	for whom in self postgres; do
		for point in before:job_runs_record sent:job_runs_record done:job_runs_record \
			unlink:.runs unlinked:.runs before:seal done:seal done:usage_fold; do
			at $whom $point 3
		done
	done
	sound "killed while booking"
	expect "history is what was sealed" rain "SELECT * FROM ledger.audit()" ""
}

# A record that can't be booked among others, killed while it is put aside or put back: it lies
# there once, the others are booked once.
test_putting_aside() {
	local point environment name
	for point in rename:.reason$ renamed:.reason$ rename:.json$ renamed:.json$ unlink:.runs unlinked:.runs; do
		mapfile -t environment < <(armed $point self)
		put 1
		put 1 'nowhere[1-4]'
		name=1000-$job-0.json
		put 1
		booked=$((booked + 2))
		start "${environment[@]}"
		wait_until struck
		rise self
		wait_until spool_is_empty
		[ "$(ls "$spool/rejected")" = "$(printf '%s\n' "$name" "$name.reason")" ] ||
			fail "killed at $point, there lie $(ls "$spool/rejected")"
		grep -q . "$spool/rejected/$name.reason" || fail "killed at $point, the reason is lost"
		expect "dies at $point: put aside once, the others booked once" rain "SELECT count(*), sum(charged)
			FROM ledger.usage_jobs(0, 9999, NULL, 999)" "$booked|$((booked * price))"
		stop
		round=$((round + 1))
		rm -r "$spool/rejected"
	done
	put 1 'nowhere[1-4]'
	start
	wait_until test -e "$spool/rejected/1000-$job-0.json"
	stop
	for point in wrote:.runs$ synced:.runs$ unlink:.json unlinked:.json unlinked:.json.reason; do
		round=$((round + 1))
		mapfile -t environment < <(armed $point self)
		start "${environment[@]}"
		wait_until struck
		rise self
		wait_until spool_is_empty
		wait_until test -e "$spool/rejected/1000-$job-0.json"
		[ "$(ls "$spool/rejected" | wc -l)" = 2 ] || fail "killed at $point, there lie $(ls "$spool/rejected")"
		stop
		echo "ok: dies at $point: put back, and aside again"
	done
	rm -r "$spool/rejected"
	round=$((round + 1))
}

# slurmctld dies while its plugin writes a record: either there is none, the ledger knows
# of no such run and rain reconcile, which asks this, names it; or it is booked. When the
# job ends once more for slurmctld, which may not know that it has told, that changes nothing.
unknown() { # JOB: the job, unless its run is in the ledger
	sql rain "SELECT x->>'slurm_job_id' FROM jsonb_array_elements(ledger.runs_unknown('[{\"cluster\":\"alpha\",
		\"slurm_job_id\":$1,\"submit_time\":1700000000,\"restart\":0}]')) x"
}
test_writer() {
	local point number=700000 environment left
	start
	wait_until answers
	while read -r point left; do # left: runs in the ledger then, or a line that is put aside
		number=$((number + 1))
		mapfile -t environment < <(armed "$point" self)
		env "${environment[@]}" plugins/test/jobcomp_write "$spool" $number 2>"$work/out"
		[ $? = 137 ] || fail "the writer wasn't killed at $point: $(cat "$work/out")"
		wait_until spool_is_empty
		[ "$left" != torn ] || { left=0 && rm "$spool"/rejected/*.line{,.reason}; } || fail "no torn line is told"
		[ -z "$(ls "$spool/rejected" 2>/dev/null)" ] || fail "killed at $point, there lie $(ls "$spool/rejected")"
		expect "the writer dies at $point: runs booked" rain \
			"SELECT count(*) FROM ledger.job_runs_find('alpha', $number)" "$left"
		[ "$(unknown $number)" = "$([ "$left" = 1 ] || echo $number)" ] || fail "told as missing: '$(unknown $number)'"
		plugins/test/jobcomp_write "$spool" $number || fail "the record isn't written again after $point"
		wait_until spool_is_empty
		expect "and told again it is booked once" rain \
			"SELECT count(*), sum(charged) FROM ledger.job_runs_find('alpha', $number)" "1|$price"
	done <<-'POINTS'
		write:.runs$ 0
		torn:.runs$ torn
		wrote:.runs$ 1
		sync:.runs$ 1
		synced:.runs$ 1
		sync:spool$ 1
		synced:spool$ 1
	POINTS
	stop
	round=$((round + 1))
	sound "killed while records were written"
}

granted=0
# what a client asked for, asked again with the same key, has happened once
ask() { # environment...
	env "$@" ./rain-grant -c "$conf" root 1 --key "$(uuid $((100 + granted)))" >"$work/out" 2>&1
}
once() { # what
	ask LANG=C || fail "$1: asked again: $(cat "$work/out")"
	granted=$((granted + 1))
	expect "$1: granted once" rain "SELECT count(*), count(DISTINCT reason) FROM ledger.statement('user:root',
		'-infinity', 'infinity', 9999) WHERE code = 'grant' AND amount = 1000000" "$granted|1"
	stop
	round=$((round + 1))
}

test_grants() {
	local whom point environment
	for whom in self postgres; do
		for point in before:group_calls sent:group_calls done:group_calls; do
			mapfile -t environment < <(armed $point $whom)
			start "${environment[@]}"
			wait_until answers
			ask LANG=C # may or may not have happened
			wait_until struck
			rise $whom
			once "$whom dies at $point"
		done
	done
	for point in send:grant sent-on:grant recv:grant; do
		start
		wait_until answers
		mapfile -t environment < <(armed $point self)
		ask "${environment[@]}" 2>/dev/null # bash needn't tell who was killed
		[ $? = 137 ] || fail "the client wasn't killed at $point: $(cat "$work/out")"
		once "the client dies at $point"
	done
	sound "killed while granting"
}

# Many clients at once, whose calls are one transaction, killed around it: each asks again
# with its keys, and each job is held and posted, or voided, once.
test_calls() {
	local whom point environment posted=0 out
	sql rain "SELECT ledger.grant_tokens(ledger.account_ensure_user('u' || i), 1000000000, '', gen_random_uuid())
		FROM generate_series(1, 5) i" >/dev/null
	for whom in self postgres; do
		for point in before:post sent:hold done:post; do
			mapfile -t environment < <(armed "${point%:*}:group_calls" $whom)
			start "${environment[@]}" "RAIN_KILL_VALUE=\"${point#*:}\""
			wait_until answers
			./accounting/test/ledger_clients -m -c 8 -n 4 -u 5 "$work/ledger.sock" >"$work/clients" 2>&1 &
			out=$!
			wait_until struck
			rise $whom
			wait $out || fail "clients while $whom dies at $point: $(cat "$work/clients")"
			posted=$((posted + $(sed -n 's/^jobs: posted \([0-9]*\) .*/\1/p' "$work/clients")))
			expect "$whom dies at $point: each job is paid once" rain "SELECT balance, (SELECT sum(held) FROM ledger.balances())
				FROM ledger.balance('system:commons')" "$((posted * 900))|0"
			stop
			round=$((round + 1))
		done
	done
	sound "killed while many called"
}

# A gateway's life with one burst, in small: hold, the job starts, it completes, the post
# for its run; jobcomp tells of the run as well. Each of these steps is its own COMMIT, and
# somebody dies between any two or within one; whoever comes back does all of it again.
burst() { # N: every step with its own keys, idempotent
	local hold
	hold=$(uuid $((5000 + $1)))
	sql rain-gw "SELECT ledger.hold_create('$hold', ledger.account_id('user:root'), ledger.account_ensure_peer('bravo', 0), 50, '')" >/dev/null &&
		step held && step started &&
		sql rain "SELECT ledger.job_runs_record('[{\"cluster\":\"alpha\",\"slurm_job_id\":$((900000 + $1)),\"submit_time\":1,
			\"restart\":0,\"user_name\":\"root\",\"account\":\"\",\"partition\":\"overflow\",\"qos\":\"\",\"job_name\":\"\",
			\"state\":\"COMPLETED\",\"exit_code\":0,\"exit_signal\":0,\"start_time\":2,\"end_time\":9,\"nodes\":\"bravo-1\",
			\"node_count\":1,\"cpus\":1,\"core_ms\":7000,\"place\":\"overflow\",\"price\":0}]')" >/dev/null &&
		step completed &&
		sql rain-gw "SELECT ledger.hold_post_run('$hold', '$(uuid $((6000 + $1)))', 30, 'alpha', $((900000 + $1)), 1, 0)" >/dev/null
}
step() { # NAME: PostgreSQL dies here when it is its turn
	[ "$die_at" = "$1" ] || return 0
	die_at=
	kill -KILL "$(head -n 1 "$work/pg/data/postmaster.pid")"
	wait_until pg_gone
}

test_burst() {
	local n=0 point=('' 'hold and job start' 'job start and completion' 'completion and post')
	for die_at in held started completed; do
		n=$((n + 1))
		burst $n 2>/dev/null
		pg_rise
		burst $n || fail "a burst doesn't go on"
		burst $n || fail "a burst isn't done once more to no effect"
		expect "postgres dies between ${point[$n]}: paid once" rain \
			"SELECT balance, held FROM ledger.balance('peer:bravo')" "$((n * 30))|0"
	done
	expect "their runs are told once" rain "SELECT count(*), sum(charged) FROM ledger.usage_jobs(0, 9999, NULL, 999)
		WHERE place = 'overflow'" "$n|$((n * 30))"
	sound "after bursts"
}

test_booking
test_putting_aside
test_writer
test_grants
test_calls
test_burst
