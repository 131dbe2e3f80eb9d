# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What must be true after a chaos run. Every sentence that begins with WRONG is one thing that isn't.

chaos_check() {
	local name other wrong again
	for name in $CLUSTERS; do
		chaos_check_jobs "$name"
		chaos_check_leavings "$name"
		chaos_check_ledger "$name"
		for other in $(table_peers "$name"); do chaos_check_pair "$name" "$other"; done
	done
	wrong=$(grep -c '^WRONG' "$STATE/log/test_chaos.log" || true)
	again=$(grep -c '^SLURM: job' "$STATE/log/test_chaos.log" || true)
	chaos_summary "$wrong" "$again"
	((wrong == 0))
}

chaos_summary() { # WRONG AGAIN
	local name runs=0 returned=0 n
	for name in $CLUSTERS; do
		n=$(chaos_sql "$name" "SELECT count(*) FROM federation.burst WHERE state = 'settled'") && runs=$((runs + n))
		n=$(chaos_sql "$name" "SELECT count(*) FROM federation.burst WHERE state = 'void'") && returned=$((returned + n))
	done
	n=$(grep -c ' gatewayd-at, "' "$STATE/log/test_chaos.log" || true)
	echo "chaos: $CHAOS_JOBS jobs, seed $CHAOS_SEED, $(wc -l <"$STATE/chaos/plan") faults, $n of them at named points; $runs bursts settled, $returned came to nothing and went again, $2 were run again by a Slurm that forgot; $1 things wrong"
}

# Each job ended once, as it should, with its whole output and its files, and was paid for once.
chaos_check_jobs() { # CLUSTER
	local name=$1 directory=$STATE/chaos/$1 i id
	local -A ends=() settled=() charged=()
	install -d "$directory"
	chaos_read ends "$name" "SELECT slurm_job_id, count(*) FILTER (WHERE state IN ('COMPLETED', 'FAILED')),
			(array_agg(state ORDER BY restart DESC))[1], (array_agg(exit_code ORDER BY restart DESC))[1],
			(array_agg(exit_signal ORDER BY restart DESC))[1]
		FROM ledger.job_run WHERE recorded_at IS NOT NULL GROUP BY 1"
	chaos_read settled "$name" "SELECT job_id, count(*) FROM federation.burst WHERE state = 'settled' GROUP BY 1"
	chaos_read charged "$name" "SELECT slurm_job_id, max(n) FROM (SELECT slurm_job_id, restart, count(*) AS n
		FROM ledger.charge JOIN ledger.job_run USING (job_run_id) GROUP BY 1, 2) r GROUP BY 1"
	cluster_run "$name" "$(chaos_user "$name")" head bash -c 'tar -c $(ls | grep -E "^(chaos-.*\.txt|out\..*)$")' |
		tar -x -C "$directory"
	while read -r i id; do
		chaos_check_end "$name" "$i" "$id" "${ends[$id]:-}" "${settled[$id]:-0}" "${charged[$id]:-0}"
		chaos_check_files "$directory" "$i" "$id on $name"
	done <"$STATE/chaos/ids.$name"
}

chaos_read() { # ARRAY CLUSTER QUERY: the first column names the rest of the row
	local -n into=$1
	local key rest
	# shellcheck disable=SC2034 # the caller's
	while read -r key rest; do into[$key]=$rest; done < <(chaos_sql "$2" "$3")
}

chaos_check_end() { # CLUSTER I JOB END SETTLED CHARGED
	local where="job $2 ($3 on $1)" wanted=COMPLETED code=$(($2 % 4)) signal=0
	if (($2 % 11 == 0)); then code=0 signal=9; fi
	if ((code || signal)); then wanted=FAILED; fi
	[[ $4 == "1 $wanted $code $signal" ]] ||
		echo "WRONG: $where should have ended once as $wanted $code:$signal, and the record says: ${4:-nothing}"
	(($6 <= 1)) || echo "WRONG: a run of $where is charged $6 times"
	if (($5 == 0)); then
		echo "WRONG: $where has not settled"
	elif (($5 > 1)) && chaos_slurm_forgot "$1"; then
		echo "SLURM: $where ran $5 times: its controller came back with an older state"
	elif (($5 > 1)); then
		echo "WRONG: $where ran $5 times"
	fi
}

# A controller that was killed before it saved a start or an end starts the job again, and says so.
chaos_slurm_forgot() { # CLUSTER
	grep -qE 'Duplicate jobid on nodes|missing from (batch )?node' "$STATE/logs/$1/rain/slurmctld.log"
}

chaos_check_files() { # DIRECTORY I WHERE
	local text='' wanted line
	wanted="begin $2"
	for ((line = 1; line <= $2 % 5; line++)); do wanted+=$'\n'"line $line of $2"; done
	wanted+=$'\n'"end $2"
	[[ ! -r $1/chaos-$2.txt ]] || text=$(<"$1/chaos-$2.txt")
	[[ $text == "$wanted" ]] || echo "WRONG: the output of job $2 ($3) is \"${text//$'\n'/|}\""
	(($2 % 7)) || cmp -s "$1/out.$2" <(seq 1000 | sort -r) || echo "WRONG: the file that job $2 ($3) made is not whole"
}

# Nothing of a guest is left, every daemon runs, every node is fit.
chaos_check_leavings() { # CLUSTER
	local name=$1 uids i found
	uids=$(table_uid_guest "$(table_index "$name")")
	uids=$(seq -s, "$uids" $((uids + TABLE_GUESTS - 1)))
	found=$(in_cluster "$name" pgrep -l -u "$uids" || true)
	[[ -z $found ]] || echo "WRONG: processes of guests are left on $name: $found"
	for ((i = 1; i <= NODES; i++)); do
		found=$(cluster_run "$name" root "node$i" find /var/spool/rain/guest -mindepth 1 -name .guard -prune -o -mindepth 1 -print)
		[[ -z $found ]] || echo "WRONG: files of guests are left on node$i of $name: $found"
	done
	# Home keeps the output of a settled burst for a minute: a controller
	# that comes back with an older state may ask for it again.
	found=$(cluster_run "$name" root head find /var/lib/rain/gateway/loans -mindepth 1 2>/dev/null || true)
	[[ -z $found ]] || echo "WRONG: streams of guests are left on $name: $found"
	found=$(in_cluster "$name" bash /run/trainer/lib/control.sh status | grep -v '^[^ ]* up ' || true)
	[[ -z $found ]] || echo "WRONG: not everything runs on $name: $found"
	found=$(cluster_run "$name" root head sinfo --noheader --Node --format='%N %T %E' | grep -v ' idle none$' | sort -u || true)
	if [[ -n $found ]]; then
		if grep -qvi 'duplicate jobid' <<<"$found"; then echo "WRONG: nodes of $name are not idle: $found"; else echo "SLURM: $name: $found"; fi
	fi
}

chaos_check_ledger() { # CLUSTER
	local found
	found=$(chaos_sql "$1" "SELECT * FROM ledger.check_invariants()")
	[[ -z $found ]] || echo "WRONG: the ledger of $1 says: $found"
	found=$(chaos_sql "$1" "SELECT count(*) FROM ledger.hold h WHERE NOT EXISTS (SELECT FROM ledger.hold_resolution r WHERE r.hold_id = h.hold_id)")
	[[ $found == 0 ]] || echo "WRONG: $found holds on $1 are still open"
	found=$(chaos_sql "$1" "SELECT sum(balance) FROM ledger.balances()")
	[[ $found == 0 ]] || echo "WRONG: the sum of all accounts of $1 is $found"
	found=$(chaos_sql "$1" "SELECT count(*) FROM federation.refused")
	[[ $found == 0 ]] || echo "WRONG: $1 skipped $found messages of its peers: $(chaos_sql "$1" "SELECT type, error FROM federation.refused LIMIT 3")"
}

# Home and lender tell the same story: bursts and loans, receipts, balance.
chaos_check_pair() { # HOME LENDER
	local home=$1 lender=$2 a=$STATE/chaos/$1.$2.home b=$STATE/chaos/$1.$2.lender owed due
	chaos_sql "$home" "SELECT burst_id, amount_utok, outcome, code, signal FROM federation.burst JOIN federation.peer p USING (peer_id)
		WHERE p.name = '$lender' AND state = 'settled' ORDER BY 1" >"$a"
	chaos_sql "$lender" "SELECT burst_id, amount_utok, outcome, code, signal FROM federation.loan JOIN federation.peer p USING (peer_id)
		WHERE p.name = '$home' AND state = 'closed' ORDER BY 1" >"$b"
	diff "$a" "$b" >/dev/null || echo "WRONG: settled bursts of $home and closed loans of $lender differ: $(diff "$a" "$b" | head -n 4)"
	chaos_sql "$home" "SELECT number, sha256, amount_utok FROM federation.receipt JOIN federation.peer p USING (peer_id)
		WHERE p.name = '$lender' AND side = 'borrower' ORDER BY 1" >"$a.receipts"
	chaos_sql "$lender" "SELECT number, sha256, amount_utok FROM federation.receipt JOIN federation.peer p USING (peer_id)
		WHERE p.name = '$home' AND side = 'lender' ORDER BY 1" >"$b.receipts"
	cmp -s "$a.receipts" "$b.receipts" || echo "WRONG: $home and $lender have different receipts: $(diff "$a.receipts" "$b.receipts" | head -n 4)"
	owed=$(chaos_sql "$home" "SELECT balance FROM ledger.balance('peer:$lender')")
	due=$(chaos_sql "$lender" "SELECT balance FROM ledger.balance('peer:$home')")
	[[ $owed == $((-due)) ]] || echo "WRONG: $home has $owed with $lender, and $lender has $due with $home"
}
