#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# Inputs of guests that stay unpacked on the lender's nodes: for whom, and for whom not.
load helper

CACHE=/var/spool/rain/guest-cache

setup_file() {
	clear_jobs
	for user in ada ben; do
		on alpha $user 'rm -rf c back; mkdir -p c/sub; echo one >c/a; echo two >c/sub/b; touch -d @1000000000 c/a c/sub/b c/sub c'
	done
	for node in 1 2 3 4 5 6 7 8; do on_node bravo "node$node" root "rm -rf $CACHE"; done
}
teardown_file() { clear_jobs; }

# burst USER ARGUMENTS...: its output and id as $output and $id
burst() {
	local user=$1
	shift
	id=$(submit "$user" --burst=only "$@")
	await 60 job_ended alpha "$id"
	output=$(output "$user" "$id")
	echo "$output"
	job_is alpha "$id" COMPLETED
}

entries() { on_node bravo "$1" root "ls $CACHE/entries"; } # NODE

# A mark that only the kept tree has, so that a job which sees it was given that tree.
mark() { # NODE WORD
	on_node bravo "$1" root "for t in $CACHE/entries/*/tree; do
		[ -e \$t/mark ] || { echo $2 >\$t/mark; chown --reference=\$t \$t/mark; }; done"
}

nothing_left() { # NODE: but what is kept
	on_node bravo "$1" root "! grep -q ' /var/spool/rain/guest/' /proc/self/mountinfo && ! ls $CACHE/jobs | grep . &&
		! ls /var/spool/rain/guest | grep . && ! ls $CACHE/trash | grep ."
}

@test "the same input again is what was unpacked before, on every node, and stays as it was" {
	burst ada --nodes=2 --stage-in=c --stage-out=c:back --wrap='srun --ntasks-per-node=1 sh -c "cat c/a c/sub/b"
		echo more >>c/a; mv c/sub c/moved; echo new >c/new; cat c/moved/b'
	[ "$(grep -cx one <<<"$output")/$(grep -cx two <<<"$output")" = 2/3 ]
	# home comes what the job has changed
	[ "$(on alpha ada 'cat back/a back/new; ls back')" = $'one\nmore\nnew\na\nmoved\nnew' ]
	for node in node1 node2; do
		await 10 nothing_left "$node"
		[ "$(entries "$node" | wc -l)" = 1 ]
		mark "$node" adas
	done
	burst ada --nodes=2 --stage-in=c --wrap='srun --ntasks-per-node=1 sh -c "cat mark c/a c/sub/b"; echo changed >c/a; mv c d; cat d/a'
	[ "$(grep -cx adas <<<"$output")/$(grep -cx one <<<"$output")/$(grep -cx two <<<"$output")" = 2/2/2 ]
	[ "$(tail -n 1 <<<"$output")" = changed ]
}

@test "of several inputs only what is new is unpacked; the later one has what both have" {
	on alpha ada 'rm -rf both; mkdir both; echo three >both/a; echo four >both/new; echo p1 >param'
	burst ada --nodes=1 --stage-in=c,param,both/*:c --wrap='cat mark c/a c/sub/b c/new param'
	[ "$output" = $'adas\nthree\ntwo\nfour\np1' ]
	on alpha ada 'echo p2 >param'
	burst ada --nodes=1 --stage-in=c,c,param,both/*:c --wrap='cat mark c/a param'
	[ "$output" = $'adas\nthree\np2' ]
}

@test "another user of the same peer with the same bytes gets nothing of it" {
	before=$(entries node1)
	burst ben --nodes=2 --stage-in=c --wrap='ls; cat c/a'
	[ "$output" = $'c\none' ]
	# it is the same input, under another owner
	key=$(entries node1 | grep -vxF "$before" | sed 's/.*\.//')
	[[ -n $key && $before == *"$key"* ]]
	mark node1 bens
	burst ada --nodes=2 --stage-in=c --wrap='cat mark'
	[ "$output" = adas ]
	burst ben --nodes=1 --stage-in=c --wrap='cat mark'
	[ "$output" = bens ]
}

# What a guest's program asks of the keeper: a step and a key.
ASK='import socket, struct, sys, os
s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
try:
    s.connect(os.path.join(os.environ["HOME"], "..", "inputs.sock"))
except OSError as e:
    print("refused", e.errno); sys.exit()
def ask(step, count, *keys):
    s.send(struct.pack("qII4160s", 1, ord(step), count, b"".join(k.ljust(65, b"\0") for k in keys)))
    said = s.recv(99); print(step, count, said[:1].decode(), sum(said[1:]))
ask("u", 1, b"../../../../../../../../../../../../../../../../../../../../etc/x"[:64])
ask("u", 1, b"x" * 65)
ask("u", 4000000000)
ask("b", 0)
ask("?", 1, KEY)
ask("u", 2, KEY, KEY)
ask("k", 0)
s.send(b"short"); print(len(s.recv(1)))'

@test "a guest sees no other tree, whatever it asks for" {
	key=$(entries node1 | head -n 1 | sed 's/.*\.//')
	on alpha ben "cat >ask.py <<'PY'
KEY = b'$key'
$ASK
PY"
	# staging is over: nobody answers any more
	burst ben --nodes=1 --stage-in=ask.py --wrap="python3 ask.py; ls $CACHE /var/spool/rain 2>&1; ls -A ..; touch ../x && echo own"
	[[ $output == refused* && $output == *own* && $output != *entries* && $output != *inputs.sock* ]]
	[ "$(grep -c 'cannot access\|No such file' <<<"$output")" -ge 1 ]
}

# Prolog or Epilog of a job that Slurm doesn't know, on node8.
guard() { # CONTEXT
	on_node bravo node8 root "SPANK_RAIN_OWNER=$OWNER SLURM_SCRIPT_CONTEXT=$1 SLURM_JOB_ID=60000000 SLURM_NODELIST=node8 \
		SLURM_JOB_UID=\$(id -u rain-guest16) SLURM_JOB_GID=\$(id -g rain-guest16) /usr/local/libexec/rain/rain-guest-guard"
}

@test "the keeper answers one agent, has nothing for a stranger's keys, and goes with its job" {
	OWNER=$(printf 'a%.0s' {1..64}) key=$(printf 'b%.0s' {1..64})
	room=/var/spool/rain/guest/60000000
	guard prolog_slurmd
	# another owner's entry of this key
	on_node bravo node8 root "mkdir -p $CACHE/entries/$key.$key/tree && touch $CACHE/entries/$key.$key/tree/mark"
	body=$(base64 -w0 <<<"KEY = b'$key'
$ASK")
	as_guest() { on_node bravo node8 root "HOME=$room/work setpriv --reuid=rain-guest16 --regid=rain-guest16 --clear-groups \
		python3 -c \"import base64; exec(base64.b64decode('$body'))\"; ls $room/work"; }
	run -0 as_guest
	[ "$output" = $'u 1 p 0\nu 1 p 0\nu 4000000000 p 0\nb 0 p 0\n? 1 p 0\nu 2 p 0\nk 0 p 0\n0' ]
	run -0 as_guest
	[[ $output == refused* ]]
	guard epilog_slurmd
	nothing_left node8
	# A message that is none is an agent's, too.
	guard prolog_slurmd
	body=$(base64 -w0 <<<"${ASK%%def ask*}${ASK##*$'\n'}")
	run -0 as_guest
	[ "$output" = 0 ]
	run -0 as_guest
	[[ $output == refused* ]]
	guard epilog_slurmd
	# Where the cache can't be opened any more the keeper and its mounts go all the same.
	guard prolog_slurmd
	on_node bravo node8 root "grep -q ' $room ' /proc/self/mountinfo && pgrep -x rain-guest-guar && chmod 755 $CACHE/entries"
	guard epilog_slurmd
	on_node bravo node8 root "! grep -q ' $room' /proc/self/mountinfo && [ ! -e $room ] && ! ls $CACHE/jobs | grep . &&
		! pgrep -x rain-guest-guar && chmod 700 $CACHE/entries"
	guard epilog_slurmd
	nothing_left node8
	on_node bravo node8 root "rm -r $CACHE/entries/*"
}

@test "a tree goes over to the user's new account" {
	burst ada --nodes=1 --stage-in=c --wrap='cat mark; id -u'
	[[ $output == adas* ]]
	uid=$(tail -n 1 <<<"$output")
	await 30 eval '[ "$(sql bravo "SELECT count(*) FROM federation.loan WHERE NOT job_over AND job_id > 0")" = 0 ]'
	new=$((uid == 61109 ? 61108 : 61109))
	sql bravo "UPDATE federation.guest SET uid = $new WHERE uid = $uid"
	burst ada --nodes=1 --stage-in=c --wrap='cat mark c/a; id -u; echo more >>c/a; stat -c %u c/a c/sub/b mark | sort -u'
	[ "$output" = $'adas\none\n'"$new"$'\n'"$new" ]
}

@test "a killed guest leaves no mount, and what is kept can be seen and bounded" {
	id=$(submit ada --burst=only --nodes=1 --stage-in=c --wrap='echo up; cd c; sleep 300')
	await 60 eval 'output ada "$id" | grep -q up'
	node=$(on bravo root "squeue --noheader --partition=guest --format=%N")
	on_node bravo "$node" root "grep -q ' overlay rain-inputs ' /proc/self/mountinfo"
	on alpha ada "scancel $id"
	on_node bravo "$node" root "pkill -KILL -x rain-agent || true"
	await 20 nothing_left "$node"
	run -0 on_node bravo "$node" root "/usr/local/libexec/rain/rain-guest-guard --cache --json"
	[ "$(jq -r '.refused, (.entries | length > 0), (.entries | map(.bytes > 0 and (.in_use | not)) | all)' <<<"$output")" = $'null\ntrue\ntrue' ]
	run -0 on_node bravo "$node" root "/usr/local/libexec/rain/rain-guest-guard --cache"
	[[ $output == *OWNER*trees,* ]]
	run on_node bravo "$node" eve "/usr/local/libexec/rain/rain-guest-guard --cache"
	[ "$status" = 1 ]
}

@test "where nothing can or may be kept, inputs are unpacked as ever" {
	for node in 1 2 3 4 5 6 7 8; do on_node bravo "node$node" root "echo 'no overlays here' >$CACHE/refused 2>/dev/null || true"; done
	burst ada --nodes=2 --stage-in=c --wrap='cat c/a; echo more >>c/a; ls'
	[ "$output" = $'one\nc' ]
	for node in 1 2 3 4 5 6 7 8; do on_node bravo "node$node" root "rm -f $CACHE/refused"; done
	on bravo root "sed -i.before '/^lend {/a cache-gib = 0' /etc/rain/rain.conf"
	burst ada --nodes=2 --stage-in=c --wrap='cat c/a; ls'
	on bravo root 'cat /etc/rain/rain.conf.before >/etc/rain/rain.conf; rm /etc/rain/rain.conf.before'
	[ "$output" = $'one\nc' ]
	for node in node1 node2; do await 10 eval '[ -z "$(entries '$node')" ]'; done
}
