#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The first process of a cluster: makes its line to the internet and its root directory, moves in
# and becomes its init. The root is built from nothing: the host's /usr read-only, a copy of those
# parts of its /etc that are nobody's secret, and all the rest empty. So nothing of the host's
# data shows, and the host's own Slurm, PostgreSQL and RAIN stay out of sight.
# Arguments: state directory, cluster, the host's number of the world's process, image, database template.
set -Eeuo pipefail
STATE=$1 CLUSTER=$2 WORLD=$3 IMAGE=$4 TEMPLATE=$5
LIB=$(cd "${BASH_SOURCE[0]%/*}" && pwd -P)
HERE=$STATE/clusters/$CLUSTER
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
trap 'echo "line $LINENO of cluster_init.sh" >"$HERE/failed"' ERR
for part in state etc slurm_conf; do
	# shellcheck source=/dev/null
	. "$LIB/$part.sh"
done
# shellcheck source=/dev/null
. "$HERE/settings"

# /proc is still the host's, so this is the host's number of this process.
read -r pid _ </proc/self/stat
process_identity "$pid" >"$HERE/pid.new"
mv "$HERE/pid.new" "$HERE/pid"

# The line to the internet.
ip link set lo up
ip link add name wan type veth peer name "$CLUSTER" netns "/proc/$WORLD/ns/net"
ip address add "$WAN_HEAD/30" dev wan
ip link set wan up
nsenter --net="/proc/$WORLD/ns/net" ip -batch - <<-BATCH
	address add $WAN_ROUTER/30 dev $CLUSTER
	link set $CLUSTER up
BATCH
ip route add default via "$WAN_ROUTER"
# The head does not forward: between the nodes and the internet stands nothing but programs.
echo 0 >/proc/sys/net/ipv4/ip_forward
hostname head

# The root directory.
ROOT=$STATE/world/$CLUSTER
install -d "$ROOT"
mount --bind "$ROOT" "$ROOT"
for link in bin sbin lib lib32 lib64 libx32; do
	if [[ -L /$link ]]; then cp -a "/$link" "$ROOT/$link"; fi
done
install -d "$ROOT"/{dev,etc,home,mnt,opt,proc,root,run,srv,sys,tmp,usr,var,host} \
	"$ROOT"/var/{cache,lib,local,log,mail,opt,spool,tmp}
chmod 1777 "$ROOT/tmp" "$ROOT/var/tmp"
chmod 0700 "$ROOT/root"
ln -s /run "$ROOT/var/run"
ln -s /run/lock "$ROOT/var/lock"
mount --rbind /usr "$ROOT/usr"
mount -o remount,bind,ro "$ROOT/usr"
# The host's /usr/local is not ours; RAIN's is, and may be changed by hand inside.
install -d "$ROOT/host/local"
cp -a "$IMAGE/usr/local/." "$ROOT/host/local/"
install -d "$ROOT"/host/local/{bin,sbin,lib,libexec,share}
mount --bind "$ROOT/host/local" "$ROOT/usr/local"
etc_make "$ROOT" "$IMAGE"
slurm_conf_make "$ROOT"

# Kernel file systems of its own.
mount -t proc proc "$ROOT/proc"
mount -t sysfs sysfs "$ROOT/sys"
if [[ -d /sys/fs/cgroup ]]; then mount --rbind /sys/fs/cgroup "$ROOT/sys/fs/cgroup"; fi
mount -t tmpfs -o mode=0755,size=1m dev "$ROOT/dev"
cp -a /dev/{null,zero,full,random,urandom,tty} "$ROOT/dev/"
install -d "$ROOT"/dev/{pts,shm,mqueue}
mount -t devpts -o newinstance,ptmxmode=0666,mode=0620,gid=5 devpts "$ROOT/dev/pts"
mount -t tmpfs -o mode=1777 shm "$ROOT/dev/shm"
mount -t mqueue mqueue "$ROOT/dev/mqueue"
ln -s pts/ptmx "$ROOT/dev/ptmx"
for link in fd:fd stdin:fd/0 stdout:fd/1 stderr:fd/2; do
	ln -s "/proc/self/${link#*:}" "$ROOT/dev/${link%:*}"
done

# Two windows to the host: what the trainer knows of this cluster, and the logs, which outlive it.
install -d "$ROOT"/run/{trainer,lock} "$ROOT/var/log"
mount --bind "$HERE" "$ROOT/run/trainer"
mount --bind "$STATE/logs/$CLUSTER" "$ROOT/var/log"
cp -a "$LIB" "$ROOT/run/trainer/lib"
cp -a "$TEMPLATE" "$ROOT/host/postgres"

cd "$ROOT"
pivot_root . mnt
umount --lazy /mnt
exec chroot . tini -g -- bash /run/trainer/lib/boot.sh
