#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What the lights cost a job and an idle cluster: on alpha of a trainer that is up.
# Called by `make bench-panel`; prints figures, asserts none.
#
#   RAIN_TRAINER_INSTANCE  which trainer (without it there is nothing to measure)
#   BENCH_ROUNDS           launches in each state of rain-paneld (default 15)
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
trainer=$here/../../contrib/trainer/trainer
rounds=${BENCH_ROUNDS:-15}
node=node2
[[ -n ${RAIN_TRAINER_INSTANCE:-} ]] || { echo "RAIN_TRAINER_INSTANCE names no trainer: nothing measured in a cluster"; exit 0; }
work=$(mktemp -d)
trap 'set_state running; rm -rf "$work"' EXIT

inside() { "$trainer" --instance "$RAIN_TRAINER_INSTANCE" exec alpha "$@"; }
pid() { inside cut -d' ' -f1 "/run/trainer/pids/paneld@$1"; }

set_state() { # running, stopped (SIGSTOP), full (SIGSTOP and no room in its socket), dead
	if [[ $1 == dead ]]; then
		"$trainer" --instance "$RAIN_TRAINER_INSTANCE" kill alpha "paneld@$node"
		return
	fi
	"$trainer" --instance "$RAIN_TRAINER_INSTANCE" start alpha "paneld@$node" >/dev/null
	inside kill -CONT "$(pid $node)"
	[[ $1 == running ]] || inside kill -STOP "$(pid $node)"
	[[ $1 != full ]] || "$trainer" --instance "$RAIN_TRAINER_INSTANCE" exec alpha --node $node python3 -c '
import socket
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.setblocking(False)
s.connect("/run/rain/panel/panel.sock")
try:
    while True: s.send(b"x")
except BlockingIOError: pass'
}

launch() { # from srun to its end, in milliseconds
	inside bash -c "began=\$EPOCHREALTIME; srun --quiet -w $node true; ended=\$EPOCHREALTIME
		echo \$(((\${ended/./} - \${began/./}) / 1000))"
}

quantiles() { sort -n "$1" | awk '{ v[NR] = $1 } END { printf "p25 %5d  p50 %5d  p75 %5d ms", v[int(NR * .25) + 1], v[int(NR * .5) + 1], v[int(NR * .75) + 1] }'; }

# All states in each round, in another order each time, so that what else the host does hits all alike.
for ((i = 0; i < rounds; i++)); do
	states=(running stopped full dead running)
	for ((k = 0; k < 5; k++)); do
		which=$(((i + k) % 5))
		set_state "${states[which]}"
		name=${states[which]}
		((which < 4)) || name=again
		launch >>"$work/$name"
	done
done
set_state running
for name in running again stopped full dead; do
	printf 'srun of one task, rain-paneld %-28s %s' "$name" "$(quantiles "$work/$name")"
	paste "$work/$name" "$work/running" | awk '{ print $1 - $2 }' | sort -n |
		awk '{ v[NR] = $1 } END { printf ", by pairs %+d ms\n", v[int(NR / 2) + 1] }'
done

cpu() { inside bash -c 'for f in /run/trainer/pids/paneld@*; do read -r p _ <"$f"; read -r ns _ <"/proc/$p/schedstat"; echo "$ns $(sed -n "s/^VmRSS:[^0-9]*\([0-9]*\).*/\1/p" "/proc/$p/status")"; done'; }
cpu >"$work/before"
sleep "${BENCH_IDLE:-30}"
cpu >"$work/after"
paste "$work/before" "$work/after" | awk -v s="${BENCH_IDLE:-30}" '{ c = ($3 - $1) / s / 1e7; sum += c; if (c > most) most = c; if ($4 > rss) rss = $4 }
	END { printf "%d rain-paneld in the idle trainer: %.4f %% of a core each, at most %.4f %%; RSS at most %d kB\n", NR, sum / NR, most, rss }'
