#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Random calls against the ledger and a model of it, one after another and all clients at
# once: seeds that failed once, then one of today (RAIN_SEED chooses it, RAIN_CALLS how
# many calls).
. "${srcdir:-.}/accounting/test/postgres.sh"
pg_create
seed=${RAIN_SEED:-$(date +%Y%m%d)}
kept=$(sed 's/#.*//' "${srcdir:-.}/accounting/test/model-seeds")
# shellcheck disable=SC2086 # a word for each seed
./accounting/test/model_clients "${RAIN_CALLS:-400}" $kept "$seed"
