#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# A peer whose owner cheats: nothing is lost but what was agreed to be risked, and the log names it.
# The cheat is rain-gatewayd itself with a few functions wrapped (federation/test/lying_gatewayd.c).
load helper

GATEWAYD=/usr/local/sbin/rain-gatewayd
LIE=/var/lib/rain/gateway/lie

setup_file() {
	local cluster lib=${TRAINER%/*}/lib
	# shellcheck disable=SC2034 # for build_tree
	CHECKOUT=$(cd "${TRAINER%/*}/../.." && pwd -P) CACHE=${RAIN_TRAINER_CACHE:-/var/cache/rain-trainer}
	# shellcheck source=contrib/trainer/lib/build.sh
	. "$lib/build.sh"
	for cluster in alpha bravo; do
		on $cluster root "cp $GATEWAYD $GATEWAYD.honest; cat >$GATEWAYD.lying; chmod 755 $GATEWAYD.lying" \
			<"$(build_tree)/federation/test/lying_gatewayd"
	done
}
teardown_file() {
	for cluster in alpha bravo; do
		"$TRAINER" kill $cluster gatewayd
		on $cluster root "[ ! -e $GATEWAYD.honest ] || mv -f $GATEWAYD.honest $GATEWAYD; rm -f $GATEWAYD.lying $LIE"
		"$TRAINER" start $cluster gatewayd
	done
	on bravo root "rain peer limit alpha 1000"
	clear_jobs
}
teardown() { ledgers_hold; }

# lies CLUSTER WORD: from now on
lies() {
	"$TRAINER" kill "$1" gatewayd
	on "$1" root "cp --remove-destination $GATEWAYD.lying $GATEWAYD; echo $2 >$LIE; chmod 644 $LIE"
	mark
	"$TRAINER" start "$1" gatewayd
}
log_of() { "$TRAINER" exec "$1" cat /var/log/rain/gatewayd.log; }
mark() { for c in alpha bravo; do log_of $c | wc -l >"$BATS_FILE_TMPDIR/$c.mark"; done; }
log_says() { log_of "$1" | tail -n "+$(($(<"$BATS_FILE_TMPDIR/$1.mark") + 1))" | grep -E -- "$2"; } # CLUSTER PATTERN, since lies

burst_of() { sql alpha "SELECT $2 FROM federation.burst WHERE job_id = $1 ORDER BY bound_ms DESC LIMIT 1"; }
burst_is() { [[ $(burst_of "$1" state) == "$2" ]]; }
loans_are() { [[ $(sql bravo "SELECT count(*) FROM federation.loan WHERE state = '$1'") == "$2" ]]; }
paid_to_bravo() { sql alpha "SELECT balance FROM ledger.balance('peer:bravo')"; }
held_of_ada() { sql alpha "SELECT held FROM ledger.balance('user:ada')"; }

# A job that ran there; prints its id.
one_burst() {
	local id
	id=$(submit ada --burst=only --wrap='echo ran')
	await 40 job_ended alpha "$id" && [[ $(job alpha "$id" JobState)/$(output ada "$id") == COMPLETED/ran ]] && echo "$id"
}

# The owner of bravo gives up what alpha refused, and is paid again from then on.
bravo_withdraws() {
	on bravo root "rm -f $LIE"
	await 10 log_says bravo "loan is closed"
	run -0 on bravo root "rain peer disputes --parsable2"
	[[ $output == *'alpha|lent|'*'|open|'* ]]
	run -0 on bravo root "rain peer dispute alpha withdraw"
	[[ $output == *"1 receipts that alpha refused are withdrawn"* ]]
	is_paid
	[[ $(on alpha root "rain peer disputes --parsable2") != *'|open|'* ]]
}

is_paid() { # a job that runs there now
	id=$(one_burst)
	await 20 burst_is "$id" settled
	(($(burst_of "$id" amount_utok) > 0))
	await 20 loans_are receipted 0
	[ "$(paid_to_bravo)" = $((-$(sql bravo "SELECT balance FROM ledger.balance('peer:alpha')"))) ]
}

# A liar who repents: receipts that alpha never took are forgotten, as a database set back does.
bravo_repents() {
	"$TRAINER" kill bravo gatewayd
	on bravo root "rm -f $LIE"
	sql bravo "SELECT ledger.hold_void(hold_id) FROM federation.loan WHERE state = 'receipted';
		UPDATE federation.loan SET state = 'closed', amount_utok = 0 WHERE state = 'receipted'" >/dev/null
	sql bravo "SET session_replication_role = replica; DELETE FROM federation.receipt WHERE side = 'lender' AND number >
		$(sql alpha "SELECT coalesce(max(number), 0) FROM federation.receipt WHERE side = 'borrower'")"
	"$TRAINER" start bravo gatewayd
}

@test "a lender that claims hours for seconds is paid what home saw" {
	lies bravo overclaim
	id=$(one_burst)
	await 20 burst_is "$id" settled
	read -r amount observed ceiling <<<"$(burst_of "$id" "amount_utok || ' ' || observed_utok || ' ' || ceiling_utok")"
	((amount > 0 && amount <= observed && amount <= ceiling))
	[ "$(burst_of "$id" disputed)" = t ]
	log_says alpha "receipt disputed peer=bravo burst=$(burst_of "$id" burst_id)"
	await 20 loans_are receipted 0
	[ "$(sql bravo "SELECT amount_utok FROM federation.receipt WHERE side = 'lender' ORDER BY number DESC LIMIT 1")" = "$amount" ]
}

@test "a forged, a replayed, an inflated and a second receipt of one number are not paid, and their lender is named" {
	lies bravo honest
	is_paid # something to replay
	for lie in forge inflate fork replay; do
		before=$(paid_to_bravo)
		on bravo root "echo $lie >$LIE"
		id=$(one_burst)
		await 20 burst_is "$id" settled
		[ "$(burst_of "$id" amount_utok)" = 0 ]
		[ "$(paid_to_bravo)" = "$before" ]
		[ "$(held_of_ada)" = 0 ]
		await 10 log_says alpha "receipt refused: peer=bravo may be dishonest .*burst=$(burst_of "$id" burst_id)"
		# What was replayed is none that bravo signed for that burst.
		if [[ $lie == replay ]]; then bravo_repents; else bravo_withdraws; fi
	done
}

@test "a home that has lost receipts accepts what it refused for that, and is believed again" {
	lost=$(one_burst)
	await 20 burst_is "$lost" settled
	await 20 loans_are receipted 0
	run -1 on bravo root "rain peer dispute alpha withdraw"
	[[ $output == *"nothing of the kind is open"* ]]
	"$TRAINER" kill alpha gatewayd
	sql alpha "SET session_replication_role = replica; DELETE FROM federation.receipt WHERE side = 'borrower'
		AND burst_id = '$(burst_of "$lost" burst_id)'"
	"$TRAINER" start alpha gatewayd
	id=$(one_burst)
	await 20 burst_is "$id" settled
	[ "$(burst_of "$id" amount_utok)" = 0 ]
	await 20 loans_are receipted 0
	# bravo has its countersignature: to withdraw would be to deny what was paid.
	run -1 on bravo root "rain peer dispute alpha withdraw"
	[[ $output == *"has countersigned all up to"* ]]
	run -1 on alpha ada "rain peer dispute bravo accept"
	[[ $output == *administrators* ]]
	# Alpha is within its limit at bravo, but not with this.
	on bravo root "rain peer limit alpha $(sql bravo "SELECT trunc(-balance / 1e6, 6) FROM ledger.balance('peer:alpha')")"
	run -0 on alpha root "rain peer dispute bravo accept"
	[[ $output == "1 receipts of bravo are accepted, for 0."* ]]
	await 10 eval '[[ $(on bravo root "rain peer disputes --parsable2") != *"|open|"* ]]'
	# What alpha has paid bravo books, and the limit gives way by just that.
	[ "$(sql bravo "SELECT -balance || ' ' || available FROM ledger.balance('peer:alpha')")" = "$(paid_to_bravo) 0" ]
	on bravo root "rain peer limit alpha 1000"
	is_paid
	[[ $(on alpha root "rain peer disputes --json" | jq -r '.disputes[-1] | "\(.state) \(.paid_utok == .claimed_utok)"') == "accepted true" ]]
}

@test "a receipt that claims more than was said before is accepted for what was said" {
	lies bravo inflate
	before=$(paid_to_bravo)
	id=$(one_burst)
	await 20 burst_is "$id" settled
	run -0 on alpha root "rain peer dispute bravo accept"
	[[ $output == "1 receipts of bravo are accepted"* ]]
	[ "$(paid_to_bravo)" = $((before + $(burst_of "$id" claimed_utok))) ]
	bravo_repents
}

@test "repeated receipts are paid once, and rubbish between them holds nothing up" {
	for lie in repeat rubbish; do
		lies bravo $lie
		before=$(paid_to_bravo)
		id=$(one_burst)
		await 20 burst_is "$id" settled
		await 20 loans_are receipted 0
		amount=$(burst_of "$id" amount_utok)
		((amount > 0))
		[ "$(paid_to_bravo)" = $((before + amount)) ]
		await 10 log_says alpha "peer=bravo.*(refused|wrong|skipped)|(refused|wrong|skipped).*peer=bravo"
	done
}

@test "a receipt that is withheld costs nothing, and doesn't hold tokens for ever" {
	lies bravo withhold
	before=$(paid_to_bravo)
	id=$(one_burst)
	burst_is "$id" ended
	"$TRAINER" kill alpha gatewayd
	sql alpha "UPDATE federation.burst SET finished_ms = finished_ms - 8::bigint * 86400000,
		inputs_ms = inputs_ms - 8::bigint * 86400000 WHERE job_id = $id"
	"$TRAINER" start alpha gatewayd
	await 20 burst_is "$id" settled
	[ "$(paid_to_bravo)" = "$before" ]
	[ "$(held_of_ada)" = 0 ]
	log_says alpha "peer=bravo withholds its receipt"
	bravo_repents
}

@test "a home that pays with bad signatures or not at all gets no more than its credit" {
	bravo_repents
	owed=$(sql bravo "SELECT -balance FROM ledger.balance('peer:alpha')")
	on bravo root "rain peer limit alpha $(sql bravo "SELECT trunc((greatest(-balance, 0) + 400000) / 1e6, 6) FROM ledger.balance('peer:alpha')")"
	for lie in forge withhold; do
		lies alpha $lie
		one_burst
	done
	log_says bravo "peer=alpha"
	loans_are receipted 2
	# Two of them are held in full, and a third would pass the limit.
	id=$(submit ada --burst=only --wrap='echo ran')
	await 20 eval 'on alpha root "rain bursts" | grep -E "^ *'"$id"' " | grep -qE "credit|owe"'
	on alpha ada "scancel $id"
	[ "$(sql bravo "SELECT -balance FROM ledger.balance('peer:alpha')")" = "$owed" ]
	on bravo root "rain peer limit alpha 1000"
	# Alpha repents: what it had signed arrives after all.
	"$TRAINER" kill alpha gatewayd
	on alpha root "rm $LIE"
	for burst in $(sql bravo "SELECT burst_id FROM federation.loan WHERE state = 'receipted'"); do
		sql alpha "WITH next AS (UPDATE federation.peer SET outbox_seq = outbox_seq + 1 WHERE name = 'bravo'
				RETURNING peer_id, outbox_seq)
			INSERT INTO federation.outbox (peer_id, seq, type, body)
			SELECT next.peer_id, outbox_seq, 'countersigned', json_build_object('burst', burst_id, 'receipt_sha256', sha256,
				'amount_utok', amount_utok, 'signature', countersignature)::text
			FROM next, federation.receipt r WHERE side = 'borrower' AND burst_id = '$burst'"
	done
	"$TRAINER" start alpha gatewayd
	await 20 loans_are receipted 0
	[ "$(sql bravo "SELECT -balance FROM ledger.balance('peer:alpha')")" -gt "$owed" ]
	lies alpha stingy
	one_burst
	await 20 loans_are receipted 0
	log_says bravo "receipt disputed peer=alpha .*amount_utok=1 "
}

# As after an update of bravo's gateway, which tells its peers its new card.
updated() { # WORD
	sql bravo "UPDATE federation.peer SET card_sent = ''"
	lies bravo "$1"
}
state_is() { on "$1" root "rain peer list --parsable2" | grep -qE "^$2\|.*\|$3\|"; } # CLUSTER PEER STATE
bursts_say() { on "$1" root "rain bursts" | grep -E "^ *$2 " | grep -qE -- "$3"; } # CLUSTER JOB PATTERN

@test "a newer gateway works if it still speaks our protocol; else both sides say why not" {
	updated bilingual
	await 20 log_says alpha "a new card came peer=bravo"
	is_paid
	updated newer
	await 20 state_is alpha bravo incompatible
	run -1 on alpha root "rain doctor"
	[[ $output == *"bravo "*"no protocol version in common"* ]]
	id=$(submit ada --burst=only --wrap='echo ran')
	await 20 bursts_say alpha "$id" "speaks no version of the protocol that we speak"
	on alpha ada "scancel $id"
	id=$("$TRAINER" exec bravo --user eve sbatch --parsable --burst=only --wrap='echo ran' 2>/dev/null)
	await 20 bursts_say bravo "$id" "no version of the protocol in common"
	on bravo eve "scancel $id"
	line=$(on alpha root "rain peer invite" | grep '^rain-peer1:')
	run -1 on bravo root "rain peer accept '$line'"
	[[ $output == *"no protocol version in common"* ]]
	updated honest
	await 20 state_is alpha bravo up
	is_paid
}

@test "a peer whose clock is wrong is named, and works all the same" {
	lies bravo clock
	is_paid
	await 40 eval 'on alpha root "rain doctor" | grep -qE "^note +bravo +its clock is 2 h ahead of ours"'
	on alpha ada "rain peer list --openmetrics" | grep -qE '^rain_peer_clock_ahead_seconds{peer="bravo"} 7(19[0-9]|20[0-9])\.'
	lies bravo honest
	await 40 eval 'on alpha root "rain doctor" | grep -qE "^ok +bravo +its clock agrees with ours"'
}

# as_bravo STATUSES CURL-ARGUMENTS...: a request to alpha with bravo's own key; "000": cut off
as_bravo() {
	local want=$1
	shift
	got=$(on bravo rain-gw "cd /var/lib/rain/gateway && timeout 60 curl -sk --tlsv1.3 --cert certificate.pem --key identity.pem \
		-o /dev/null -w '%{http_code}' $*") || true
	[[ $got =~ ^($want)$ ]] || { echo "got $got for $*"; return 1; }
}
memory_kb() { on "$1" root "awk '/^VmHWM/ { print \$2 }' /proc/\$(pgrep -x rain-gatewayd)/status"; }

@test "endless and malformed bodies, and paths that climb, are cut short in bounded memory" {
	at=https://$(on alpha root "sed -n 's/.*addresses = {\"\\(.*\\)\"}.*/\\1/p' /etc/rain/rain.conf")
	as_bravo '411|413|100|000' -X POST -T - -H "'Transfer-Encoding: chunked'" "$at"/v1/messages '</dev/zero'
	as_bravo '413|100|000' -X POST -H "'Content-Length: 99999999999'" -d x "$at"/v1/messages
	as_bravo '400' -X POST -d '"$(printf "%0100000d" 0 | tr 0 [)"' "$at"/v1/messages
	as_bravo '400' -X POST -d "'{\"messages\":7}'" "$at"/v1/messages
	as_bravo '4[0-9][0-9]' --path-as-is "$at"/v1/blobs/../../../../etc/passwd
	as_bravo '4[0-9][0-9]' --path-as-is "$at"/v1/blobs/..%2f..%2fidentity.pem
	as_bravo '4[0-9][0-9]|100|000' -T /etc/passwd "$at/v1/blobs/$(printf '%064d' 0)"
	as_bravo '4[0-9][0-9]|100|000' -X PUT -T - -H "'Transfer-Encoding: chunked'" \
		"'$at/v1/streams/00000000-0000-4000-8000-000000000000/stdout?offset=0'" '</dev/zero'
	as_bravo '414|431|400|000' "$at/$(printf '%020000d' 0)"
	# The other way round: an answer that never ends.
	"$TRAINER" kill bravo gatewayd
	mark
	on bravo rain-gw "cd /var/lib/rain/gateway && { printf 'HTTP/1.1 200 OK\r\n\r\n'; yes; } |
		timeout 60 openssl s_server -tls1_3 -quiet -naccept 1 -accept 7246 -cert certificate.pem -key identity.pem >/dev/null 2>&1 || true"
	await 60 log_says alpha "peer=bravo.*the answer is larger"
	"$TRAINER" start bravo gatewayd
	on alpha root "rain peer list" | grep -q bravo
	(($(memory_kb alpha) < 65536))
}

# plants CLUSTER OWNER KIND: a hostile bundle lies among its blobs, to be told of
plants() {
	local bundle=$BATS_FILE_TMPDIR/bundle name
	python3 "$BATS_TEST_DIRNAME/hostile.py" "$3" >"$bundle"
	name=$(sha256sum "$bundle" | head -c 64)
	on "$1" rain-gw "cd /var/lib/rain/gateway/blobs && mkdir -p ${name::2} owner/$2 && { [ -e ${name::2}/$name ] || cat >${name::2}/$name; } &&
		ln -f ${name::2}/$name owner/$2/$name && echo $name $(stat -c %s "$bundle") >$LIE.blob" <"$bundle"
}
declare -A says=([climb]="a path that is not allowed" [link]="a link that leads out" [bomb]="more than 64 GiB")

@test "bundles that climb, lead out or blow up land nowhere, and their sender is named" {
	on alpha ada 'rm -rf safe; mkdir safe; echo in >safe/in'
	lies bravo bundle-back
	for kind in climb link bomb; do
		plants bravo peer-alpha $kind
		id=$(submit ada --chdir=safe --burst=only --stage-out='*' --wrap='echo ran; echo out >out')
		await 40 job_ended alpha "$id"
		[ "$(job alpha "$id" ExitCode)" = 125:0 ]
		on alpha ada "cat safe/slurm-$id.out" | grep -q "${says[$kind]}"
		log_says alpha "what peer=bravo returned .*burst=$(burst_of "$id" burst_id) .*${says[$kind]}"
		[ "$(on alpha ada "ls -A safe evil 2>/dev/null | grep -v '^slurm-' | xargs")" = "safe: in" ]
	done
	bravo_repents
	lies alpha bundle-there
	for kind in climb bomb; do
		plants alpha "uid-$(on alpha ada 'id -u')" $kind
		id=$(submit ada --chdir=safe --burst=only --stage-in=in --wrap='echo ran')
		# The job goes again after that, so it has more than one burst.
		await 40 eval 'log_says bravo "burst=($(sql alpha "SELECT string_agg(burst_id::text, '"'|'"') FROM federation.burst WHERE job_id = $id")) .*peer=alpha.*${says[$kind]}"'
		on alpha ada "scancel $id; ! grep -q ran safe/slurm-$id.out"
	done
	on alpha root "rm -f $LIE"
}
