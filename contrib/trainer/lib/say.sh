# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What the trainer says: steps with their times, errors in plain sentences.

say() { printf '%s\n' "$*"; }

die() {
	printf 'trainer: %s\n' "$*" >&2
	exit 1
}

usage_error() {
	printf 'trainer: %s (see "trainer --help")\n' "$*" >&2
	exit 2
}

now_ms() { local t=$EPOCHREALTIME; printf '%s\n' "$((${t%[.,]*} * 1000 + 10#${t#*[.,]} / 1000))"; }

seconds_since() { # MILLISECONDS -> "1.2"
	local d=$(($(now_ms) - $1))
	printf '%d.%d\n' $((d / 1000)) $((d % 1000 / 100))
}

# A clause about what a step did; the last one stands in the step's line.
note() { printf '%s\n' "$*" >"$STATE/note"; }

STEP_TICKER=

ticker_start() { # TEXT: shows that a step is alive, on a terminal only
	[[ -t 1 ]] || return 0
	local text=$1 start=$2
	(
		exec 9>&-
		trap 'exit 0' TERM
		while :; do
			printf '\r\033[K%6s s  %s ...' "$(seconds_since "$start")" "$text"
			sleep 0.2
		done
	) &
	STEP_TICKER=$!
}

ticker_stop() {
	[[ -n $STEP_TICKER ]] || return 0
	kill "$STEP_TICKER" 2>/dev/null || true
	wait "$STEP_TICKER" 2>/dev/null || true
	STEP_TICKER=
	printf '\r\033[K'
}

# step TEXT FUNCTION [ARGUMENTS]: runs the function in a subshell, its output in the log; says one
# line. A step that fails ends the trainer with the tail of what it wrote.
step() {
	local text=$1 start status log=$STATE/log/${2}.log
	shift
	start=$(now_ms)
	rm -f "$STATE/note"
	ticker_start "$text" "$start"
	set +e
	(
		set -e
		"$@"
	) >"$log" 2>&1 </dev/null
	status=$?
	set -e
	ticker_stop
	if ((status)); then
		printf '%6s s  %s: failed\n' "$(seconds_since "$start")" "$text"
		tail -n 40 "$log" | sed 's/^/    | /' >&2
		die "$text failed; the whole log is $log"
	fi
	[[ -s $STATE/note ]] && text="$text: $(tail -n 1 "$STATE/note")"
	printf '%6s s  %s\n' "$(seconds_since "$start")" "$text"
}

# wait_until SECONDS COMMAND...: until the command succeeds; 1 after the time is over.
wait_until() {
	local end=$((SECONDS + $1))
	shift
	until "$@"; do
		((SECONDS < end)) || return 1
		sleep 0.05
	done
}
