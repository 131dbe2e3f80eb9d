# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# trainer test: unit tests, then integration tests against running clusters, then one line of sums.

verb_test() {
	die "not yet"
}
