# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The host: who may run the trainer, on what, and the packages that it needs.

require_root() {
	((EUID == 0)) || die "it makes namespaces and installs packages, so it must run as root: sudo $TRAINER ..."
}

require_system() {
	local name
	name=$(
		# shellcheck source=/dev/null
		. /etc/os-release 2>/dev/null || true
		echo "${ID:-unknown} ${VERSION_ID:-unknown}"
	)
	[[ $name == "debian 12" ]] ||
		die "this is $name, and the trainer is made for debian 12. Use a Debian 12 machine (a virtual one will do)."
	[[ -L /bin && -L /lib ]] || die "/bin and /lib are no links to /usr here: install the package usrmerge first"
	unshare --mount --pid --net --fork true 2>/dev/null ||
		die "this machine lets root make no namespaces (a container without privileges?): use a virtual machine, or docker run --privileged"
}

PACKAGES_BUILD=(build-essential autoconf automake libtool pkg-config dpkg-dev
	libslurm-dev libmunge-dev libpq-dev libgnutls28-dev libsodium-dev libmicrohttpd-dev libjansson-dev
	libconfuse-dev libevent-dev libarchive-dev libzstd-dev zlib1g-dev libhwloc-dev libblas-dev libcmocka-dev)
PACKAGES_RUN=(slurmctld slurmd slurm-client slurm-wlm-basic-plugins munge openmpi-bin libopenmpi-dev libpmix-dev
	postgresql-15 postgresql-client-15 bubblewrap nftables iproute2 tini procps libopenblas0-serial hpcc)
PACKAGES_TEST=(bats curl jq mandoc python3-prometheus-client shellcheck)

# What only `trainer test` needs: a small machine with an I2C bus, a browser, a terminal.
# shellcheck disable=SC2034 # test.sh reads it
PACKAGES_PROOF=(qemu-system-x86 busybox-static cpio chromium chromium-driver tmux python3)
PACKAGES_EXTRA=()

package_installed() { [[ $(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null) == installed ]]; }

packages_missing() {
	local package
	for package in "${PACKAGES_BUILD[@]}" "${PACKAGES_RUN[@]}" "${PACKAGES_TEST[@]}" "${PACKAGES_EXTRA[@]+"${PACKAGES_EXTRA[@]}"}"; do
		package_installed "$package" || echo "$package"
	done
	# Any flavour of libcurl will do; two of them can't live together.
	dpkg-query -W -f '${db:Status-Status}\n' 'libcurl4-*-dev' 2>/dev/null | grep -qx installed || echo libcurl4-gnutls-dev
}

# The host's own services are none of our business: nothing may be started (policy-rc.d says so while
# we install), nothing that is new may start at the next boot, no database cluster is created.
POLICY=/usr/sbin/policy-rc.d
POLICY_MARK="# written by the RAIN trainer while it installs packages"

services_hold() {
	if [[ -e $POLICY ]]; then mv "$POLICY" "$POLICY.rain-trainer"; fi
	printf '#!/bin/sh\n%s\nexit 101\n' "$POLICY_MARK" >"$POLICY"
	chmod 0755 "$POLICY"
}

services_release() {
	if [[ -e $POLICY ]] && grep -qxF "$POLICY_MARK" "$POLICY"; then
		rm -f "$POLICY"
	fi
	if [[ -e $POLICY.rain-trainer && ! -e $POLICY ]]; then mv "$POLICY.rain-trainer" "$POLICY"; fi
	if [[ -e $CREATECLUSTER.rain-trainer ]]; then mv "$CREATECLUSTER.rain-trainer" "$CREATECLUSTER"; fi
}

CREATECLUSTER=/etc/postgresql-common/createcluster.conf

apt_install() {
	DEBIAN_FRONTEND=noninteractive apt-get -y -q -o DPkg::Lock::Timeout=600 -o Dpkg::Use-Pty=0 \
		--no-install-recommends install "$@"
}

packages_install() {
	local missing new_services=() service
	exec 8>>"$CACHE/apt.lock"
	flock 8
	services_release # what a killed run left
	mapfile -t missing < <(packages_missing)
	if ((${#missing[@]} == 0)); then
		note "nothing is missing"
		return 0
	fi
	for service in munge:munge slurmctld:slurmctld slurmd:slurmd postgresql-common:postgresql; do
		package_installed "${service%:*}" || new_services+=("${service#*:}")
	done
	trap services_release EXIT
	services_hold
	# An installation that was cut short, ours or another one, has to be finished first.
	if [[ -n $(dpkg --audit) ]]; then DEBIAN_FRONTEND=noninteractive dpkg --configure -a; fi
	apt-get -q -o DPkg::Lock::Timeout=600 update || echo "apt-get update failed: trying with the lists that are there"
	if ! package_installed postgresql-15; then
		apt_install postgresql-common
		cp -a "$CREATECLUSTER" "$CREATECLUSTER.rain-trainer"
		echo "create_main_cluster = false" >>"$CREATECLUSTER"
	fi
	apt_install "${missing[@]}"
	for service in "${new_services[@]+"${new_services[@]}"}"; do
		systemctl disable --quiet "$service" || true
	done
	services_release
	note "installed ${#missing[@]}"
}

# A kernel for the test's small machine, unpacked in the cache: none is installed on the host.
kernel_fetch() {
	local package directory
	package=$(apt-cache depends linux-image-amd64 2>/dev/null | awk '$1 == "Depends:" { print $2; exit }')
	[[ -n $package ]] || { note "apt knows none"; return 0; }
	directory=$CACHE/kernel-$package
	exec 8>>"$CACHE/kernel.lock"
	flock 8
	if [[ -n $(find "$directory" -name 'uinput.ko*' 2>/dev/null) ]]; then
		note "in the cache"
		return 0
	fi
	rm -rf "$directory.new"
	install -d "$directory.new"
	if ! (cd "$directory.new" && apt-get -q download "$package" && dpkg-deb -x "$package"_*.deb .); then
		rm -rf "$directory.new"
		note "can't be had at present"
		return 0
	fi
	# What the machine needs of it, and no more.
	find "$directory.new" -mindepth 1 ! -type d ! -name 'vmlinuz-*' ! -name 'i2c-*.ko*' \
		! -name 'uinput.ko*' ! -name 'ledtrig-timer.ko*' -delete
	find "$directory.new" -type d -empty -delete
	rm -rf "$directory"
	mv "$directory.new" "$directory"
	note "$package"
}
