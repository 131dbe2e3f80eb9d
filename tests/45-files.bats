#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# Files that travel with a job, there and back.
load helper

teardown_file() {
	"$TRAINER" wan --rate unlimited
	clear_jobs
}

# burst ARGUMENTS...: a job of ada's that ran on bravo; its output and id as $output and $id
burst() {
	id=$(submit ada --burst=only "$@")
	await 60 job_ended alpha "$id"
	output=$(output ada "$id")
	echo "$output"
	job_is alpha "$id" COMPLETED
}

@test "directories, patterns and other names reach every node; modes and holes stay" {
	on alpha ada 'rm -rf d back logs; mkdir -p d/e; echo one >d/a.txt; echo two >d/b.txt; chmod 640 d/a.txt
		truncate -s 10M d/e/hole; echo big >in.dat; ln -s a.txt d/link'
	burst --nodes=2 --stage-in='in.dat:data/input,d/*.txt:texts,d,/etc/hostname:host' --stage-out='result:back/final,*.log:logs' \
		--wrap='srun --ntasks=2 --ntasks-per-node=1 sh -c "cat data/input texts/b.txt d/link host; stat -c \"%a %s %b\" d/a.txt d/e/hole"
			echo done >result; echo 1 >x.log; echo 2 >y.log'
	[ "$(grep -cx big <<<"$output")/$(grep -cx two <<<"$output")/$(grep -cx one <<<"$output")" = 2/2/2 ]
	[ "$(grep -cx "$(on alpha ada cat /etc/hostname)" <<<"$output")" = 2 ]
	[ "$(grep -c '^640 4 ' <<<"$output")" = 2 ]
	[ "$(grep -cx '644 10485760 0' <<<"$output")" = 2 ]
	run -0 on alpha ada 'cat back/final logs/x.log logs/y.log'
	[ "$output" = $'done\n1\n2' ]
}

@test "what leaves the tree is refused before anything travels" {
	on alpha ada 'rm -rf t; mkdir t; ln -s /etc/passwd t/out; ln -s ../../x t/up'
	for item in t/out t/up t; do
		id=$(submit ada --burst=only --stage-in="$item" --wrap=true)
		await 60 job_ended alpha "$id"
		[ "$(job alpha "$id" ExitCode)" = 125:0 ]
		output ada "$id" | grep -q 'symbolic link'
	done
	run on alpha ada 'sbatch --burst=only --stage-in=a:/etc/b --wrap=true'
	[[ $status -ne 0 && $output == *"not below the job's working directory"* ]]
	run on alpha ada 'sbatch --burst=only --stage-in=a:../b --wrap=true'
	[[ $status -ne 0 && $output == *'".."'* ]]
}

# bytes that have come to the lender since $1
came() { on bravo root "find /var/lib/rain/gateway/blobs/?? /var/lib/rain/gateway/blobs/partial -type f -newermt @$1 -printf '%s\n' | awk '{ n += \$1 } END { print n + 0 }'"; }
more_came() { (($(came "$1") > $2)); }

@test "a transfer goes on where the lender's gateway was killed, to the same bytes" {
	local before start
	on alpha ada 'head -c 24M /dev/urandom >large'
	before=$(on alpha ada 'sha256sum <large')
	start=$(date +%s)
	"$TRAINER" wan --rate 40mbit
	id=$(submit ada --burst=only --stage-in=large --stage-out=large:came-back --wrap='sha256sum <large')
	await 30 more_came "$start" 4000000
	await 10 on alpha ada 'rain bursts | grep -E "inputs: [0-9.]+ of 24\.[0-9] MiB"'
	"$TRAINER" kill bravo gatewayd
	more_came "$start" 4000000
	"$TRAINER" start bravo gatewayd
	await 30 more_came "$start" 8000000
	"$TRAINER" cut alpha bravo
	"$TRAINER" heal alpha bravo
	await 60 more_came "$start" 25000000
	"$TRAINER" wan --rate unlimited
	await 60 job_ended alpha "$id"
	[ "$(output ada "$id")" = "$before" ]
	[ "$(on alpha ada 'sha256sum <came-back')" = "$before" ]
}

@test "scancel while the inputs are on their way ends the job here and there, and the sending" {
	local start
	on alpha ada 'head -c 24M /dev/urandom >large; echo small >small'
	start=$(date +%s)
	"$TRAINER" wan --rate 20mbit
	id=$(submit ada --burst=only --stage-in=large --wrap='echo begun')
	await 30 more_came "$start" 2000000
	on alpha ada "scancel $id"
	await 20 job_is alpha "$id" CANCELLED
	await 20 eval '[ "$(sql bravo "SELECT count(*) FROM federation.loan WHERE state NOT IN ('"'closed', 'void'"')")" = 0 ]'
	[ -z "$(on bravo root 'squeue --noheader --partition=guest')" ]
	[ "$(sql alpha "SELECT held FROM ledger.balance('user:ada')")" = 0 ]
	run ! on alpha ada "grep begun slurm-$id.out"
	# What was still under way would be there before what is asked next.
	"$TRAINER" wan --rate unlimited
	burst --stage-in=small --wrap='cat small'
	[ "$output" = small ]
	run ! more_came "$start" 20000000
}

@test "the same input again is neither read nor sent" {
	local same other
	on alpha ada 'rm -rf .cache/rain; echo first >same; echo second >other'
	burst --stage-in=same --wrap='cat same'
	same=$(on alpha ada 'ls .cache/rain')
	burst --stage-in=other --wrap='cat other'
	other=$(on alpha ada "ls .cache/rain | grep -v $same")
	# What is known of a file is believed: a false entry brings the other one.
	on alpha ada "cp .cache/rain/$other .cache/rain/$same"
	burst --stage-in=same --wrap='cat other'
	[ "$output" = second ]
	# What the gateway has thrown away meanwhile is packed again.
	on alpha root 'rm -f /var/lib/rain/gateway/blobs/owner/uid-*/*'
	burst --stage-in=other --wrap='cat other'
	[ "$output" = second ]
	# A file that has changed is another one, whatever is known.
	on alpha ada 'echo third >>same'
	burst --stage-in=same --wrap='cat same'
	[ "$output" = $'first\nthird' ]
}
