# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# trainer test: unit tests, lint, then the integration tests against running clusters; at the end
# one line of sums.

TEST_PASSED=0 TEST_FAILED=0 TEST_SKIPPED=0

verb_test() { # [PATTERN] | chaos [--jobs N] [--seed S]
	local pattern=${1:-} start
	if [[ $pattern == chaos ]]; then
		chaos_options "${@:2}"
	else
		(($# <= 1)) || usage_error "test takes one pattern at most"
		chaos_options
	fi
	start=$(now_ms)
	require_system
	rm -f "$STATE/log/skips" "$STATE/log/failures"
	# shellcheck disable=SC2034 # host.sh reads it
	PACKAGES_EXTRA=("${PACKAGES_PROOF[@]}")
	prepare
	if [[ -z $pattern ]]; then
		step "a kernel to boot" kernel_fetch
		test_unit
		test_lint
	fi
	if [[ $pattern != chaos ]]; then test_integration "$pattern"; fi
	if [[ -z $pattern || $pattern == chaos ]]; then
		test_chaos
		step "down" down_all
	fi
	test_report "$start"
	((TEST_FAILED == 0))
}

# Adds what a TAP stream says to the sums. Skips are kept with their reasons: bats gives them in
# the line itself; cmocka says "not ok 5 # SKIP NAME" and can't, so our tests print them as a
# comment in the line before.
test_count() { # TAPFILE
	local passed failed skipped
	skipped=$(grep -ciE '^(not )?ok\b.*# skip' "$1" || true)
	passed=$(grep -E '^ok\b' "$1" | grep -civ '# skip' || true)
	failed=$(test_failures "$1" | wc -l)
	awk 'tolower($0) ~ /^ok .*# skip/ { print }
		/^not ok .*# SKIP / { print substr($0, 5) (before ? ":" before : "") }
		{ before = /^# / ? substr($0, 2) : "" }' "$1" >>"$STATE/log/skips"
	test_failures "$1" >>"$STATE/log/failures"
	TEST_PASSED=$((TEST_PASSED + passed))
	TEST_FAILED=$((TEST_FAILED + failed))
	TEST_SKIPPED=$((TEST_SKIPPED + skipped))
}

test_failures() { grep -E '^not ok\b' "$1" | grep -v '# SKIP' || true; } # TAPFILE

test_one() { # NAME STATUS LOG: something that is one test by itself
	if (($2 == 0)); then
		TEST_PASSED=$((TEST_PASSED + 1))
		return 0
	fi
	TEST_FAILED=$((TEST_FAILED + 1))
	echo "not ok $1" | tee -a "$STATE/log/failures"
	tail -n 40 "$3" | sed 's/^/    | /'
}

# cmocka speaks TAP when asked to. A test program that dies before it says so is one failure.
test_unit() {
	local tree log status trs result start
	tree=$(build_tree)
	log=$STATE/log/test_unit.log
	start=$(now_ms)
	ticker_start "unit tests" "$start"
	find "$tree" -name '*.trs' -delete
	status=0
	CMOCKA_MESSAGE_OUTPUT=TAP make -C "$tree" -k -j "$(nproc)" check >"$log" 2>&1 </dev/null || status=$?
	ticker_stop
	while IFS= read -r trs; do
		result=$(sed -n 's/^:test-result: \([A-Z]*\).*/\1/p' "$trs")
		if grep -qE '^(not )?ok\b' "${trs%.trs}.log"; then
			test_count "${trs%.trs}.log"
			# Every test was fine, and still the program failed: a leak, a crash at the end.
			if [[ $result != PASS && $result != SKIP ]] && [[ -z $(test_failures "${trs%.trs}.log") ]]; then
				test_one "${trs##*/}: the program itself" 1 "${trs%.trs}.log"
			elif [[ $result != PASS && $result != SKIP ]]; then
				tail -n 40 "${trs%.trs}.log" | sed 's/^/    | /'
			fi
		elif [[ $result == SKIP ]]; then
			TEST_SKIPPED=$((TEST_SKIPPED + 1))
			echo "ok ${trs##*/} # skip $(tail -n 1 "${trs%.trs}.log")" >>"$STATE/log/skips"
		else
			test_one "${trs##*/}" "$([[ $result == PASS ]]; echo $?)" "${trs%.trs}.log"
		fi
	done < <(find "$tree" -name '*.trs' | sort)
	if ((status && TEST_FAILED == 0)); then test_one "make check" 1 "$log"; fi
	printf '%6s s  unit tests: %s passed, %s failed\n' "$(seconds_since "$start")" "$TEST_PASSED" "$TEST_FAILED"
}

test_lint() {
	local log=$STATE/log/test_lint.log status=0 start
	start=$(now_ms)
	ticker_start "lint" "$start"
	make -C "$(build_tree)" lint >"$log" 2>&1 </dev/null || status=$?
	ticker_stop
	test_one "lint" "$status" "$log"
	printf '%6s s  lint: %s\n' "$(seconds_since "$start")" "$( ((status)) && echo failed || echo clean)"
}

# Every integration test speaks to clusters of this instance, started anew.
test_integration() { # PATTERN
	local files=() file tap=$STATE/log/test_integration.tap failed=$TEST_FAILED
	for file in "$CHECKOUT"/tests/*.bats; do
		[[ -f $file && ${file##*/} == *"$1"* ]] && files+=("$file")
	done
	if ((${#files[@]} == 0)); then
		[[ -z $1 ]] || die "no integration test has \"$1\" in its file name"
		return 0
	fi
	up_anew
	# The tests call the trainer themselves: they need the lock.
	exec 9>&-
	say "integration tests:"
	# A temporary directory that the clusters don't see, and that goes with the run.
	install -d "$STATE/tmp"
	RAIN_TRAINER=$TRAINER RAIN_TRAINER_INSTANCE=$INSTANCE TMPDIR=$STATE/tmp BATS_TEST_TIMEOUT=300 \
		bats --timing --print-output-on-failure --formatter tap "${files[@]}" </dev/null 2>&1 | tee "$tap" | sed -u 's/^/    /' || true
	rm -rf "$STATE/tmp"
	test_complete "$tap"
	test_count "$tap"
	state_lock
	if ((TEST_FAILED > failed)); then test_evidence; fi
	step "down" down_all
}

# A run that ends before its plan is through is a failure, whatever the lines before say.
test_complete() { # TAPFILE
	local plan seen
	plan=$(sed -n 's/^1\.\.\([0-9]*\)$/\1/p' "$1" | head -n 1)
	seen=$(grep -cE '^(not )?ok\b' "$1" || true)
	if [[ -z $plan || $plan != "$seen" ]]; then
		echo "not ok the run of bats itself: ${plan:-no} tests planned, $seen came" >>"$1"
	fi
}

# What somebody who was not there needs to see.
test_evidence() {
	local name log
	say "What the daemons wrote last:"
	for name in $CLUSTERS; do
		for log in "$STATE/logs/$name"/rain/{gatewayd,brokerd,ledgerd,slurmctld,postgres}.log; do
			[[ -s $log ]] || continue
			say "--- $name ${log##*/}"
			tail -n 25 "$log" | sed 's/^/    | /'
		done
		say "--- $name jobs"
		cluster_run "$name" root head timeout 10 scontrol --oneliner show jobs 2>&1 | tail -n 12 | cut -c1-400 | sed 's/^/    | /' || true
	done
	for name in $CLUSTERS; do
		grep -HEi 'sanitizer|segfault|assert|core dumped' "$STATE/logs/$name"/rain/*.log | tail -n 20 || true
	done
}

test_report() { # START
	say
	if [[ -s $STATE/log/skips ]]; then
		say "Skipped:"
		sed 's/^/    /' "$STATE/log/skips"
	fi
	if [[ -s $STATE/log/failures ]]; then
		say "Failed:"
		sed 's/^/    /' "$STATE/log/failures"
		say "Logs: $STATE/log (build and tests), $STATE/logs (the clusters' daemons)"
	fi
	say "trainer test took $(seconds_since "$1") s"
	say "$TEST_PASSED passed, $TEST_FAILED failed, $TEST_SKIPPED skipped"
}
