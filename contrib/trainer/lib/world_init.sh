#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The first process of an instance's world. Arguments: the instance's state directory.
set -euo pipefail
STATE=$1
LIB=${BASH_SOURCE[0]%/*}
# shellcheck source=contrib/trainer/lib/state.sh
. "$LIB/state.sh"

# /proc is still the host's, so this is the host's number of this process.
read -r pid _ </proc/self/stat
process_identity "$pid" >"$STATE/world.pid.new"
mv "$STATE/world.pid.new" "$STATE/world.pid"
rm -f "$STATE/world.starting"

hostname internet
install -d "$STATE/world"
mount -t tmpfs -o mode=0755,size=75% rain-world "$STATE/world"

ip link set lo up
echo 1 >/proc/sys/net/ipv4/ip_forward
nft -f - <<'NFT'
table ip rain {
	# Pairs of heads (source . destination) between which nothing passes.
	set cut { type ipv4_addr . ipv4_addr; }
	chain forward {
		type filter hook forward priority 0; policy accept;
		ip saddr . ip daddr @cut drop
	}
}
NFT

touch "$STATE/world.ready"
exec tini -- sleep infinity
