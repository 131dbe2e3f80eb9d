#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Boots Debian's kernel in qemu with a real I2C bus (i2c-dev, i2c-stub) and real LEDs of
# Linux' LED class (those of a keyboard by uinput), and runs the real rain-paneld there
# (i2c_scenario.c and leds_scenario.c say what happens). The kernel, as unpacked from its
# package, is in $RAIN_TEST_KERNEL or in the trainer's cache.
set -u -o pipefail
shopt -s nullglob

skip() {
	echo "1..0 # skip $1"
	exit 77
}

find_kernel() {
	local directory
	for directory in "${RAIN_TEST_KERNEL:-}" "${RAIN_TRAINER_CACHE:-/var/cache/rain-trainer}"/kernel-*/; do
		if [[ -n $directory && -n $(echo "$directory"/boot/vmlinuz-*) ]]; then
			echo "${directory%/}"
			return 0
		fi
	done
	return 1
}

[[ $(uname -m) == x86_64 ]] || skip "the small machine is made for x86_64"
for program in qemu-system-x86_64 cpio busybox; do
	command -v "$program" >/dev/null || skip "$program is not installed"
done
[[ -x panel/test/i2c_scenario && -x panel/test/leds_scenario ]] || skip "built without cmocka"
kernel=$(find_kernel) || skip "no kernel: trainer test fetches one, or set RAIN_TEST_KERNEL"

work=$(mktemp -d "${TMPDIR:-/tmp}/rain-kernel-XXXXXX")
qemu=
cleanup() {
	[[ -z $qemu ]] || kill -9 "$qemu" 2>/dev/null
	rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 1' INT TERM

root=$work/root
mkdir -p "$root"/{bin,dev,etc,proc,sys,tmp,run,modules,rain}
cp "$(command -v busybox)" "$root/bin/busybox"
for module in i2c-dev i2c-stub uinput ledtrig-timer; do
	find "$kernel" -name "$module.ko" -exec cp {} "$root/modules/" \;
	[[ -e $root/modules/$module.ko ]] || skip "the kernel in $kernel has no module $module"
done
cp rain-paneld panel/test/i2c_scenario panel/test/leds_scenario "$root/rain/"
for program in "$root"/rain/* "$root/bin/busybox"; do
	# The libraries as the loader finds them here; a static program has none.
	ldd "$program" 2>/dev/null | grep -o '/[^ ]*' | while read -r library; do
		mkdir -p "$root/${library%/*}"
		cp -n "$library" "$root/$library"
	done
done
cat >"$root/init" <<'INIT'
#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mount -t tmpfs tmp /tmp
ip link set lo up
insmod /modules/i2c-dev.ko
insmod /modules/i2c-stub.ko chip_addr=0x20
insmod /modules/uinput.ko
insmod /modules/ledtrig-timer.ko
export RAIN_PANELD=/rain/rain-paneld CMOCKA_MESSAGE_OUTPUT=TAP
for scenario in i2c leds; do
	/rain/${scenario}_scenario 2>&1
	code=$?
	[ $code = 0 ] || cat /tmp/rain-$scenario-*/log
	echo "the scenario $scenario ended with $code"
done
poweroff -f
INIT
chmod 0755 "$root/init"
(cd "$root" && find . -print0 | cpio --null --quiet -o -H newc -R 0:0) >"$work/initrd" || exit 99

timeout "${RAIN_TEST_SECONDS:-300}" qemu-system-x86_64 -accel tcg -m 256 -smp 1 -nodefaults -nographic -no-reboot \
	-serial "file:$work/console" -kernel "$kernel"/boot/vmlinuz-* -initrd "$work/initrd" \
	-append "console=ttyS0 quiet panic=-1 tsc=unstable" </dev/null >"$work/qemu.log" 2>&1 &
qemu=$!
wait "$qemu"
qemu=
tr -d '\r' <"$work/console" | sed 's/^.*\(ok [0-9]\|not ok\|1\.\.\)/\1/'
for scenario in i2c leds; do
	grep -q "the scenario $scenario ended with 0" "$work/console" && continue
	cat "$work/qemu.log"
	echo "not ok - the machine did not come to a good end"
	exit 1
done
