#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# A guest is a stranger with a local account: what it may not do.
load helper

setup_file() {
	fill_alpha >"$BATS_FILE_TMPDIR/filler"
	on bravo eve "umask 077; echo eves-secret > secret; chmod 644 secret; chmod 755 ."
}
teardown_file() { clear_jobs; }

# attempt SHELL-LINE: runs it as a guest on bravo; its output and status as bats knows them
attempt() {
	local id
	id=$(submit ada --burst=auto "${ARGS[@]}" --wrap="$1")
	await 60 job_ended alpha "$id"
	[[ $(job alpha "$id" NodeList) == bravo-* ]]
	output=$(output ada "$id")
	status=$(job alpha "$id" ExitCode)
	signal=${status#*:}
	status=${status%:*}
	echo "$output"
}
ARGS=()

@test "a guest reads nothing of bravo's users" {
	attempt 'ls -A /home /root; cat /home/eve/secret'
	[[ $output == *"/home:"*"/root:"* ]]
	[[ $output != *eves-secret* ]]
	# nothing stands in either directory
	[ "$(sed '/^cat:/d' <<<"$output" | grep -cv -e '^/' -e '^$')" = 0 ]
	[ "$status" -ne 0 ]
}

@test "a guest reaches no address outside its own nodes" {
	attempt 'for a in 192.0.2.1/7246 192.0.2.2/7246 192.0.2.6/7246 10.20.30.1/7246 10.20.30.18/6818; do
		if timeout 3 bash -c "echo > /dev/tcp/$a" 2>/dev/null; then echo "reached $a"; else echo "refused $a"; fi; done'
	[ "$(grep -c refused <<<"$output")" = 5 ]
	[[ $output != *reached* ]]
}

@test "a task of an inner srun is in the sandbox too, on every node" {
	ARGS=(--nodes=2 --ntasks=2)
	attempt 'srun sh -c "hostname; ls /home/eve /run/rain 2>&1; cat /home/eve/secret 2>&1; true"'
	[ "$(grep -cE '^node[0-9]$' <<<"$output")" = 2 ]
	[[ $output != *eves-secret* && $output != *broker* ]]
}

@test "what slurmstepd itself would open or run for a guest reads nothing of bravo's users" {
	# Each in a job of its own: Slurm keeps the cores of a step whose input it can't open.
	attempt 'srun --input=/home/eve/secret cat'
	[[ $output != *eves-secret* ]]
	attempt 'printf "#!/bin/sh\ncat /home/eve/secret\n" > spy.sh; chmod +x spy.sh; srun --task-epilog=$PWD/spy.sh true'
	[[ $output != *eves-secret* ]]
	attempt 'printf "#!/bin/sh\ncat /home/eve/secret\n" > spy.sh; chmod +x spy.sh; srun --task-prolog=$PWD/spy.sh true'
	[[ $output != *eves-secret* ]]
}

@test "LD_PRELOAD of a guest stays in the sandbox" {
	on alpha ada 'printf "%s\n" "#include <unistd.h>" "#include <fcntl.h>" "#include <stdio.h>" "__attribute__((constructor)) static void f(void) { int fd = open(\"/home/eve/secret\", O_RDONLY); char b[99]; long n = fd < 0 ? 0 : read(fd, b, 99); if (n > 0) { write(2, b, n); } }" > spy.c && cc -shared -fPIC -o spy.so spy.c'
	ARGS=(--stage-in=spy.so)
	attempt 'LD_PRELOAD=$PWD/spy.so srun /bin/true; echo done'
	[[ $output == *done* && $output != *eves-secret* ]]
}

# Somebody of the owner's listens on abstract sockets, which belong to a network and not to files.
listen_abstract() {
	local node
	for node in 1 2 3 4 5 6 7 8; do
		"$TRAINER" exec bravo --node "node$node" --user root bash -c \
			'cc -O -x c -o /tmp/escape - && exec /tmp/escape listen' \
			<"$BATS_TEST_DIRNAME/escape.c" >/dev/null 2>&1 3>&- &
	done
	for node in 1 2 3 4 5 6 7 8; do
		await 30 on_node bravo "node$node" root 'grep -q @rain-escape-datagram /proc/net/unix'
	done
}

@test "each way out of the sandbox is refused" {
	listen_abstract
	"$TRAINER" exec alpha --user ada cc -O -x c -o escape - <"$BATS_TEST_DIRNAME/escape.c"
	# for people of this cluster there is something to reach, so the attempts are real
	run -0 on_node bravo node1 eve /tmp/escape
	[[ $output == *"REACHED abstract stream socket"* && $output == *"REACHED abstract datagram socket"* && $output == *"REACHED abstract socket from a pair"* ]]
	[[ $output == *"REACHED any abstract socket"* && $output == *"REACHED reading /var/log"* ]]
	ARGS=(--stage-in=escape)
	attempt './escape; srun ./escape'
	on bravo root 'pkill -x escape'
	[ "$(grep -cx end <<<"$output")" = 2 ]
	[ "$(grep -c ^refused <<<"$output")" -ge 180 ]
	[[ $output != *REACHED* ]]
	[ "$status" = 0 ]
}

@test "a guest does nothing to Slurm" {
	local victim
	victim=$("$TRAINER" exec bravo --user eve sbatch --parsable --wrap='sleep 100')
	await 20 job_is bravo "$victim" RUNNING
	attempt "t() { if timeout 10 \"\$@\" >/dev/null 2>&1; then echo \"REACHED \$*\"; else echo \"refused \$*\"; fi; }
		echo x > f
		t scancel $victim
		t scontrol hold $victim
		t scontrol suspend $victim
		t srun --overlap --jobid=$victim true
		t sattach $victim.0
		t scontrol shutdown slurmctld
		t scontrol reconfigure
		t scontrol update nodename=node1 state=drain reason=x
		t scontrol create partition=mine nodes=node1
		t scontrol create reservation starttime=now duration=10 users=root nodes=node1
		t scontrol update jobid=\$SLURM_JOB_ID partition=trainer
		t scontrol update jobid=\$SLURM_JOB_ID timelimit=1000
		t strigger --set --node --down --program=/bin/true
		t salloc true
		t sbatch --wrap=true
		t srun --uid=0 true
		t sbcast -f f /home/eve/x
		t sbcast -f f /etc/cron.d/x
		sbcast -f f /tmp/left-outside
		SLURM_PMIX_TMPDIR=/etc srun sh -c 'sleep 1; echo inner'"
	[ "$(grep -c ^refused <<<"$output")" = 18 ]
	[[ $output != *REACHED* && $output == *inner* ]]
	job_is bravo "$victim" RUNNING
	"$TRAINER" exec bravo --user eve scancel "$victim"
	# what a guest leaves outside of its room goes with it, and root made it nothing elsewhere
	for node in 1 2 3 4 5 6 7 8; do
		await 10 eval '[ -z "$(on_node bravo node'$node' root "ls -d /tmp/left-outside /etc/spmix_appdir* 2>/dev/null")" ]'
	done
}

shm_size() { # SIZE
	local node
	for node in 1 2 3 4 5 6 7 8; do
		on_node bravo "node$node" root "mount -o remount,size=$1 /dev/shm"
	done
}

@test "a guest that fills the disk or the memory is ended, not the node" {
	shm_size 64m
	attempt 'head -c 100M /dev/zero > /dev/shm/fill; sleep 60; echo to the end'
	shm_size 50%
	[[ $output != *"to the end"* ]]
	[[ $output == *"the job is ended"* ]]
	[ "$signal" = 9 ]
}

@test "a guest submits nothing of its own" {
	attempt 'sbatch --wrap=true; echo "sbatch $?"; srun --jobid=1 true; salloc true; echo "salloc $?"'
	[[ $output == *"sbatch 1"* && $output == *"salloc 1"* ]]
}

@test "a guest sees no other process and none of RAIN's sockets" {
	attempt 'ps -e 2>/dev/null | wc -l; ls /run/rain /run/postgresql 2>&1; ls /proc | grep -cE "^[0-9]+$"'
	[[ $output != *".sock"* && $output != *PGSQL* ]]
	[ "$(tail -n 1 <<<"$output")" -lt 20 ]
}

@test "nothing of a guest is left on the nodes" {
	attempt 'touch leftover; (setsid sleep 300 &) ; echo left'
	await 20 no_jobs bravo
	for node in 1 2 3 4 5 6 7 8; do
		await 10 eval '[ -z "$(on_node bravo node'$node' root "ls /var/spool/rain/guest; nft list tables 2>/dev/null | xargs -r -n3 nft list >/dev/null; true")" ]'
	done
	run on bravo root "ps -eo user:20,args | grep '^rain-guest'"
	[ "$status" -ne 0 ]
}

guest_of() { remote=$(sql alpha "SELECT remote_job_id FROM federation.burst WHERE job_id = $1 AND state = 'running'") && [[ $remote ]]; } # JOB

@test "a guest job that had no Epilog, for its slurmd died, is cleared away by the next one there" {
	id=$(submit ada --burst=only --time=2 --wrap='sleep 6')
	await 40 guest_of "$id"
	node=$(job bravo "$remote" NodeList)
	on_node bravo "$node" root "cp -a /var/spool/rain/guest/.guard/$remote.json /tmp/kept"
	await 30 job_ended alpha "$id"
	await 20 eval '[ -z "$(on bravo root "squeue --noheader --partition=guest")" ]'
	on_node bravo "$node" root "cd /var/spool/rain/guest && [ ! -e $remote ] && mv /tmp/kept .guard/$remote.json && mkdir $remote"
	ARGS=(--nodes=$NODES)
	attempt 'echo next'
	[ "$output" = next ]
	on_node bravo "$node" root "cd /var/spool/rain/guest && [ ! -e $remote ] && [ ! -e .guard/$remote.json ]"
}
