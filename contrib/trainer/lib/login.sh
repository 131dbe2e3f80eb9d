#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Inside a cluster: runs a command as somebody who has just logged in. Arguments: user, node, command.
set -euo pipefail
LIB=${BASH_SOURCE[0]%/*}
for part in inside nodes; do
	# shellcheck source=/dev/null
	. "$LIB/$part.sh"
done
# shellcheck source=/dev/null
. /run/trainer/settings
user=$1 node=$2
shift 2
entry=$(getent passwd "$user") || { echo "trainer: there is no user \"$user\" on $CLUSTER" >&2; exit 2; }
[[ $node == head || -e /run/nodes/$node ]] || { echo "trainer: there is no node \"$node\" in $CLUSTER" >&2; exit 2; }
IFS=: read -r _ _ uid gid _ home shell <<<"$entry"
[[ -d $home ]] || home=/
mapfile -t environment </etc/environment
path=/usr/local/bin:/usr/bin:/bin
((uid)) || path=$PATH
# shellcheck disable=SC2016 # for the shell inside
in_node_exec "$node" env -i "${environment[@]}" PATH="$path" HOME="$home" USER="$user" LOGNAME="$user" \
	SHELL="$shell" TERM="${TERM:-dumb}" \
	setpriv --reuid="$uid" --regid="$gid" --init-groups -- sh -c 'cd "$HOME" && exec "$@"' sh "$@"
