#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Random calls against the ledger and a model of it, one after another and all clients at
# once: seeds that failed once, then one of today (RAIN_SEED chooses it, RAIN_CALLS how
# many calls).
. "${srcdir:-.}/accounting/test/postgres.sh"
pg_create
seed=${RAIN_SEED:-$(date +%Y%m%d)}
failed=accounting/test/model-failed # by this build, until they pass
kept=$(sed 's/#.*//' "${srcdir:-.}/accounting/test/model-seeds")
# shellcheck disable=SC2086 # a word for each seed
./accounting/test/model_clients "${RAIN_CALLS:-400}" $kept $(cat $failed 2>/dev/null) "$seed" | tee "$work/model"
code=${PIPESTATUS[0]}
sed -n 's/^FAIL: seed \([0-9]*\) .*/\1/p' "$work/model" | sort -u >$failed
[ -s $failed ] || rm $failed
exit "$code"
