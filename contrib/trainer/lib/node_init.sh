#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Inside a node's new namespaces: makes what a node has for itself, then holds them.
# Arguments: name, number ("virtual" for a virtual node).
set -euo pipefail
name=$1 number=$2
if [[ $number != virtual ]]; then
	hostname "$name"
	ip link add name eth0 type veth peer name "$name" netns /proc/1/ns/net
	ip -batch - <<-BATCH
		link set lo up
		address add 10.20.30.$((10 + number))/24 dev eth0
		link set eth0 up
	BATCH
	nsenter --net=/proc/1/ns/net ip link set "$name" master lan up
	# For `ip netns` and `ip -n` on the head.
	: >"/run/netns/$name"
	nsenter --mount=/proc/1/ns/mnt mount -n --bind "/proc/$$/ns/net" "/run/netns/$name"
fi
# -n: the table of mounts in /run is not ours to keep.
mount -n -t tmpfs -o mode=1777 tmp /tmp
mount -n -t tmpfs -o mode=1777 tmp /var/tmp
mount -n -t tmpfs -o mode=1777 shm /dev/shm
mount -n -t tmpfs -o mode=0755 spool /var/spool
mkdir -m 0755 /var/spool/slurmd /var/spool/rain
mkdir -m 0711 /var/spool/rain/guest
if [[ $number != virtual ]]; then
	# Of the head's /run a node sees nothing but its munge daemon, which here is the head's.
	mount -n -t tmpfs -o mode=0755 run /mnt
	mkdir -p /mnt/munge /mnt/trainer /mnt/lock /mnt/rain/panel /mnt/nodes
	chmod 1777 /mnt/lock
	chown rain-panel:rain-panel /mnt/rain/panel
	mount -n --bind /run/munge /mnt/munge
	mount -n --bind /run/trainer /mnt/trainer
	mount -n --bind /run/nodes /mnt/nodes
	mount -n --move /mnt /run
fi
echo $$ >"/run/nodes/.$name"
mv "/run/nodes/.$name" "/run/nodes/$name"
exec sleep infinity
