# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# /etc of a cluster: the host's for what programs need, our own for everything that says who we are.

etc_make() { # ROOT IMAGE
	local root=$1 etc=$1/etc
	tar -C / --exclude-from=- -c etc <<-'LIST' | tar -C "$root" -x
		etc/passwd*
		etc/group*
		etc/shadow*
		etc/gshadow*
		etc/subuid*
		etc/subgid*
		etc/.pwd.lock
		etc/sudoers*
		etc/ssh
		etc/ssl/private
		etc/apt
		etc/fstab
		etc/crypttab
		etc/machine-id
		etc/hostname
		etc/hosts
		etc/resolv.conf
		etc/environment
		etc/slurm*
		etc/munge
		etc/rain
		etc/postgresql
		etc/NetworkManager
		etc/netplan
		etc/wireguard
		etc/openvpn
		etc/cron*
		etc/systemd
		etc/ld.so.preload
	LIST
	if [[ -d $2/etc ]]; then cp -a "$2/etc/." "$etc/"; fi
	etc_people "$etc"
	etc_network "$etc"
	etc_environment "$etc"
	install -d "$etc/slurm" "$etc/rain"
	install -d -m 0700 -o munge -g munge "$etc/munge"
	head -c 128 /dev/urandom >"$etc/munge/munge.key"
	chown munge:munge "$etc/munge/munge.key"
	chmod 0400 "$etc/munge/munge.key"
	head -c 16 /dev/urandom | od -An -tx1 | tr -d ' \n' >"$etc/machine-id"
}

# Users: the host's system users, whose files are in /usr; then our people, daemons and guests.
etc_people() { # ETC
	local etc=$1 user uid i name
	# 64030 is slurm's own number in Debian, in a range that Debian gives out.
	awk -F: '$3 < 1000 || $3 == 65534 || $1 == "slurm" || $1 == "munge" || $1 == "postgres"' /etc/passwd |
		grep -Ev '^(rain|rain-gw|rain-panel):' >"$etc/passwd"
	awk -F: '$3 < 1000 || $3 == 65534 || $1 == "slurm" || $1 == "munge" || $1 == "postgres"' /etc/group |
		cut -d: -f1-3 | sed 's/$/:/' | grep -Ev '^(rain|rain-gw|rain-panel|i2c):' >"$etc/group"
	uid=$UID_PEOPLE
	for user in $USERS; do
		etc_user "$etc" "$user" "$uid" "/home/$user" /bin/bash
		install -d -m 0700 -o "$uid" -g "$uid" "${etc%/etc}/home/$user"
		cp -a /etc/skel/. "${etc%/etc}/home/$user/"
		chown -R "$uid:$uid" "${etc%/etc}/home/$user"
		uid=$((uid + 1))
	done
	etc_user "$etc" rain "$UID_RAIN" /nonexistent /usr/sbin/nologin
	etc_user "$etc" rain-gw $((UID_RAIN + 1)) /var/lib/rain/gateway /usr/sbin/nologin
	etc_user "$etc" rain-panel $((UID_RAIN + 2)) /nonexistent /usr/sbin/nologin
	echo "i2c:x:$((UID_RAIN + 3)):rain-panel" >>"$etc/group"
	name=
	for ((i = 1; i <= 16; i++)); do
		etc_user "$etc" "rain-guest$i" $((UID_GUEST + i - 1)) /nonexistent /usr/sbin/nologin
		name+=${name:+,}rain-guest$i
	done
	echo "rain-guest:x:$((UID_GUEST + 16)):$name" >>"$etc/group"
	sed 's/:.*/:*:19000:0:99999:7:::/' "$etc/passwd" >"$etc/shadow"
	sed 's/:.*/:*::/' "$etc/group" >"$etc/gshadow"
	chmod 0640 "$etc/shadow" "$etc/gshadow"
	chown root:shadow "$etc/shadow" "$etc/gshadow"
}

etc_user() { # ETC NAME UID HOME SHELL
	echo "$2:x:$3:$3::$4:$5" >>"$1/passwd"
	echo "$2:x:$3:" >>"$1/group"
}

etc_network() { # ETC
	local i
	echo head >"$1/hostname"
	{
		echo "127.0.0.1 localhost"
		echo "10.20.30.1 head"
		for ((i = 1; i <= NODES; i++)); do echo "10.20.30.$((10 + i)) node$i"; done
	} >"$1/hosts"
	# No name service: strangers are reached by address.
	: >"$1/resolv.conf"
	sed -i 's/^hosts:.*/hosts: files/' "$1/nsswitch.conf"
}

# Ranks outnumber the host's CPUs: a rank that waits must let another one work.
etc_environment() { # ETC
	printf '%s\n' PATH=/usr/local/bin:/usr/bin:/bin LANG=C.UTF-8 OMPI_MCA_mpi_yield_when_idle=1 >"$1/environment"
	install -d "$1/openmpi"
	echo "mpi_yield_when_idle = 1" >>"$1/openmpi/openmpi-mca-params.conf"
	# Debian's prompt shows this.
	echo "$CLUSTER" >"$1/debian_chroot"
}
