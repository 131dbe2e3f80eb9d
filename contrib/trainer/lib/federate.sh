# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What the owners would do once the machines run: make peers, give people tokens. Safe to repeat.

FEDERATE_GRANT=100

federate_all() {
	local name other others
	for name in $CLUSTERS; do federate_grants "$name"; done
	others=$CLUSTERS
	for name in $CLUSTERS; do
		others=${others#"$name"}
		others=${others# }
		for other in $others; do federate_pair "$name" "$other"; done
	done
	note "all clusters know each other, everybody has $FEDERATE_GRANT tokens"
}

federate_pair() { # A B: A invites, B accepts
	local invitation
	if federate_knows "$1" "$2" && federate_knows "$2" "$1"; then return 0; fi
	invitation=$(cluster_run "$1" root head rain peer invite | grep '^rain-peer1:') ||
		{ echo "rain peer invite on $1 printed no invitation"; return 1; }
	cluster_run "$2" root head rain peer accept "$invitation"
}

federate_knows() { # A B: has A a peer B?
	local list
	list=$(cluster_run "$1" root head rain peer list) && awk '{ print $1 }' <<<"$list" | grep -xF "$2" >/dev/null
}

federate_grants() { # CLUSTER
	local user key
	for user in $(table_users "$1"); do
		# The same key for the same gift: a second `up` gives nothing twice.
		key=$(md5sum <<<"trainer welcome $user" | sed -E 's/^(.{8})(.{4})(.{4})(.{4})(.{12}).*/\1-\2-\3-\4-\5/')
		cluster_run "$1" root head rain grant --reason "welcome" --key "$key" "$user" "$FEDERATE_GRANT"
	done
}
