#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# Files of jobs that run at home: node1 and node2 have a home directory of their own.
load helper

setup_file() {
	local node
	for node in node1 node2; do
		on_node alpha $node root 'mount -n -t tmpfs -o mode=0755,uid=$(id -u ada),gid=$(id -g ada) home /home/ada'
	done
	on alpha ada 'rm -rf d back logs data texts host placed private typed; mkdir -p d/e; echo one >d/a.txt; echo two >d/e/b.txt; chmod 640 d/a.txt; echo big >in.dat'
}

teardown() {
	"$TRAINER" exec alpha scontrol update partition=overflow state=up
	ledgers_hold
}

teardown_file() {
	local node
	clear_jobs
	for node in node1 node2; do on_node alpha $node root 'umount -l /home/ada'; done
	on alpha ada 'rm -rf d back logs placed private in.dat late inode told out full'
	on alpha ben 'rm -f try.sh try.so ran'
}

# home ARGUMENTS...: a job of ada's, to its end; its output, from its first node, as $output
home() {
	id=$(submit ada --output=/tmp/home-files.%j "$@")
	await 30 job_ended alpha "$id"
	output=$(on_node alpha "$(job alpha "$id" BatchHost)" ada "cat /tmp/home-files.$id")
	echo "$output"
}

files() { on alpha ada 'find . -printf "%p %i %s %T@\n" | sort'; } # of the head, as they are
helpers() { "$TRAINER" exec alpha squeue --noheader --states=all --name=rain-stage | wc -l; }
no_helpers() { [ -z "$("$TRAINER" exec alpha squeue --noheader --name=rain-stage)" ]; }
home_shows() { on_node alpha "$1" ada 'ls -A ~' | grep -q "$2"; } # NODE PATTERN

@test "nodes without the head's files have the inputs, and the outputs come back" {
	home --nodelist=node1,node2 --stage-in='in.dat:data/input,d/*.txt:texts,d,/etc/hostname:host' \
		--stage-out='result:back/final,*.log:logs,d' \
		--wrap='srun --nodes=2 --ntasks-per-node=1 sh -c "cat data/input texts/a.txt d/e/b.txt host; stat -c \"%a %s\" d/a.txt"
			echo done >result; echo 1 >x.log; echo new >d/new'
	job_is alpha "$id" COMPLETED
	[ "$(grep -cx big <<<"$output")/$(grep -cx one <<<"$output")/$(grep -cx two <<<"$output")/$(grep -cx '640 4' <<<"$output")" = 2/2/2/2 ]
	[ "$(grep -cx "$(on alpha ada cat /etc/hostname)" <<<"$output")" = 2 ]
	run -0 on alpha ada 'cat back/final logs/x.log d/new; ls -A'
	[[ $output == $'done\n1\nnew\n'* && $output != *data* && $output != *texts* && $output != *.rain-* ]]
	run -0 on_node alpha node2 ada 'ls -A ~'
	[ "$output" = $'d\ndata\nhost\ntexts' ]
}

@test "nodes that see the head's files keep them as they are, and it costs nothing" {
	before=$(files) started=$(helpers)
	home --nodelist=node3,node4 --stage-in='in.dat,d' --wrap='srun --nodes=2 --ntasks-per-node=1 cat in.dat d/e/b.txt'
	[ "$output" = $'big\ntwo\nbig\ntwo' ] || [ "$output" = $'big\nbig\ntwo\ntwo' ]
	[ "$(files)" = "$before" ]
	[ "$(helpers)" = "$started" ]
	# … also what changes after the submission: the probe tells. node1 among them gets its own.
	id=$(submit ada --hold --output=/tmp/home-files.%j --nodelist=node3,node1 --stage-in='late,in.dat:placed/in' --stage-out='late,d' \
		--wrap='srun --nodes=2 --ntasks-per-node=1 cat late placed/in')
	on alpha ada "echo later >late; ls -i late >inode; scontrol release $id"
	await 30 job_ended alpha "$id"
	run -0 on_node alpha node1 ada "cat /tmp/home-files.$id"
	[ "$(grep -cx later <<<"$output")/$(grep -cx big <<<"$output")" = 2/2 ]
	on alpha ada 'ls -i late | cmp - inode; [ "$(cat placed/in)" = big ]'
}

@test "srun brings the files of the host where it is typed, or says why not" {
	run -0 --separate-stderr on alpha ada 'srun --nodelist=node1,node2 --stage-in=in.dat:typed/in,d cat typed/in d/e/b.txt'
	[ "$(grep -cx big <<<"$output")/$(grep -cx two <<<"$output")" = 2/2 ]
	run on alpha ada 'srun --nodelist=node1 --stage-in=nosuchfile echo ran'
	[[ $status -ne 0 && $output == *"--stage-in: nosuchfile: there is no such file"* && $output != *ran* ]]
	on alpha ada '! ls -d typed'
}

@test "every task of an array has its inputs, and its outputs come back" {
	id=$(submit ada --output=/dev/null --array=1-3 --nodelist=node1 --stage-in=in.dat --stage-out='task.*' \
		--wrap='cat in.dat >task.$SLURM_ARRAY_TASK_ID')
	for task in 1 2 3; do
		await 30 job_ended alpha "${id}_$task"
		job_is alpha "${id}_$task" COMPLETED
	done
	[ "$(on alpha ada 'cat task.1 task.2 task.3; rm task.*')" = "$(on alpha ada 'cat in.dat in.dat in.dat')" ]
}

@test "outputs come back after the time limit or scancel, and wait for a head without room" {
	id=$(submit ada --output=/tmp/home-files.%j --nodelist=node1 --stage-out=out --wrap='echo saved >out; touch saving; sleep 600')
	await 20 home_shows node1 saving
	"$TRAINER" exec alpha scontrol update partition=overflow state=inactive
	"$TRAINER" exec alpha scancel "$id"
	await 20 on_node alpha node1 ada "grep 'stage-out.*trying it again' /tmp/home-files.$id"
	"$TRAINER" exec alpha scontrol update partition=overflow state=up
	await 20 on alpha ada 'grep saved out'
	await 30 job_is alpha "$id" CANCELLED
}

@test "a full directory on the head says so, and where the outputs are" {
	local node
	on alpha ada 'mkdir full'
	# each virtual node sees mounts of its own
	for node in bravo-{1..8}; do on_node alpha $node root 'mount -n -t tmpfs -o nr_inodes=5,mode=0777 full /home/ada/full'; done
	on_node alpha node1 ada 'mkdir full'
	home --nodelist=node1 --chdir=/home/ada/full --stage-out=big \
		--wrap='mkdir big; for i in 1 2 3 4 5 6 7 8; do head -c 1M /dev/urandom >big/$i; done'
	for node in bravo-{1..8}; do on_node alpha $node root 'umount -l /home/ada/full'; done
	[[ $(job alpha "$id" ExitCode) == 125:0 && $output == *"--stage-out: "*"No space left on device"* && $output != *"again"* ]]
	[[ $output == *"lies on node node1 in /home/ada/full"* ]]
	on alpha ada 'rmdir full'
}

@test "what is missing, or can't be brought, is said and fails the job" {
	home --nodelist=node1 --stage-in=d,nosuchfile --wrap='echo ran'
	[[ $(job alpha "$id" ExitCode) == 125:0 && $output == *"--stage-in: nosuchfile: there is no such file"* && $output != *ran* ]]
	home --nodelist=node1,node2 --stage-in=d,nosuchfile --wrap='echo ran'
	[[ $(job alpha "$id" ExitCode) == 125:0 && $output == *"--stage-in: nosuchfile: there is no such file"* && $output != *ran* ]]
	on_node alpha node1 ada 'mkdir -p /tmp/only-here'
	home --nodelist=node1 --chdir=/tmp/only-here --stage-out=result --wrap='echo ran; echo 1 >result'
	[[ $(job alpha "$id" ExitCode) == 125:0 && $output == *ran*"--stage-out: on the head: can't open the working directory /tmp/only-here"* ]]
	home --nodelist=node1 --stage-out=never --wrap='echo ran; exit 3'
	[[ $(job alpha "$id" ExitCode) == 3:0 && $output == *"1 of 1 items name nothing"* ]]
}

@test "a job that is requeued finds the files as they are then" {
	on alpha ada 'echo first >in.dat'
	id=$(submit ada --output=/tmp/home-files.%j --open-mode=append --nodelist=node1 --stage-in=in.dat --stage-out=out \
		--wrap='cat in.dat; touch begun; [ "$(cat in.dat)" = second ] || sleep 600; cp in.dat out')
	await 20 home_shows node1 begun
	on alpha ada 'echo second >in.dat'
	"$TRAINER" exec alpha scontrol requeue "$id"
	await 20 job_is alpha "$id" PENDING
	# not within the same second: Slurm takes it for the run that it has just revoked
	"$TRAINER" exec alpha scontrol update job="$id" starttime=now+2
	await 30 job_ended alpha "$id"
	[ "$(on_node alpha node1 ada "grep -v 'CANCELLED\|--stage-out' /tmp/home-files.$id")" = $'first\nsecond' ]
	[ "$(on alpha ada 'cat out')" = second ]
}

@test "killed in the middle nothing half is left, neither here nor there" {
	on alpha ada 'head -c 200M /dev/urandom >large'
	id=$(submit ada --output=/tmp/home-files.%j --nodelist=node2 --stage-in=large --wrap=true)
	await 20 on_node alpha node2 ada 'find .rain-* -type f -size +1M | grep -q .'
	# srun's second process ends the allocation of a first one that was killed; nobody would, of both.
	on_node alpha node2 ada 'pkill -9 --oldest -x srun'
	await 20 job_ended alpha "$id"
	[[ $(job alpha "$id" ExitCode) == 125:0 && $(on_node alpha node2 ada "cat /tmp/home-files.$id") == *--stage-in* ]]
	! home_shows node2 '^.rain-\|large'
	await 20 no_helpers
	on alpha ada 'rm large; ! ls -A | grep "^.rain-"'
}

@test "the script alone gets what Slurm sends to it, once, and its end is the job's" {
	id=$(submit ada --output=/tmp/home-files.%j --nodelist=node2 --stage-out=told \
		--wrap='trap "echo usr1 >>told" USR1; trap "echo term >>told; kill -9 \$\$" TERM; touch ready; while :; do sleep 0.2; done')
	await 20 home_shows node2 ready
	"$TRAINER" exec alpha scancel --batch --signal=USR1 "$id"
	await 10 on_node alpha node2 ada 'grep usr1 ~/told'
	"$TRAINER" exec alpha scancel --batch --signal=TERM "$id"
	await 20 job_ended alpha "$id"
	[ "$(job alpha "$id" ExitCode)" = 0:9 ]
	[ "$(on alpha ada 'cat told')" = $'usr1\nterm' ]
}

@test "on the head only rain-stage runs, and as its caller" {
	local stage=/usr/local/libexec/rain/rain-stage
	on alpha ada 'mkdir -m 700 private; echo secret >private/secret'
	run on alpha ben 'srun --partition=overflow --job-name=rain-stage --nodes=1 --ntasks=1 cat /etc/hostname'
	[[ $status -ne 0 && $output == *"RAIN's own"* ]]
	run on alpha ben "srun --partition=overflow --job-name=rain-stage --nodes=1 --ntasks=1 $stage --head --give --directory=/home/ada/private --list=secret --job=1@1 | tr -d '\0'"
	[[ $output == *"can't open the working directory /home/ada/private: Permission denied"* && $output != *$'\nsecret'* ]]
	# … nor does anything that the environment or an option of srun's brings along
	on alpha ben 'printf "#!/bin/sh\ntouch ran; echo ran\n" >try.sh; chmod +x try.sh
		echo "__attribute__((constructor)) static void run(void) { creat(\"/home/ben/ran\", 0600); }" |
			gcc -w -include fcntl.h -shared -fPIC -x c -o try.so -'
	for what in 'RAIN_STAGE_SCRIPT=$PWD/try.sh srun' 'srun --export=ALL,LD_PRELOAD=$PWD/try.so' 'srun --task-prolog=$PWD/try.sh' 'srun --task-epilog=$PWD/try.sh'; do
		run on alpha ben "$what --chdir=/home/ben --partition=overflow --job-name=rain-stage --nodes=1 --ntasks=1 $stage --head --give --directory=/nosuch --list=try.sh --job=1@1 | tr -d '\0'"
		[[ $output == *"on the head: can't open the working directory /nosuch"* ]]
		run ! on alpha ben 'ls ran'
	done
	for what in 'srun --job-name=rain-stage --ntasks=2' 'srun --ntasks=1 --nodes=1' 'sbatch --job-name=rain-stage --nodes=1 --ntasks=1'; do
		run on alpha ben "echo -e '#!/bin/sh\nhostname' >try.sh; chmod +x try.sh; $what --partition=overflow try.sh"
		[[ $status -ne 0 && $output == *"are for RAIN itself"* ]]
	done
}
