#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# Either side may dial: a cluster whose port is closed lends and borrows as well. And one id
# follows a job through the logs of both.
load helper

setup_file() { fill_alpha >/dev/null; }
teardown_file() {
	on bravo root "nft delete table inet closed 2>/dev/null; mv -f /etc/rain/rain.conf.kept /etc/rain/rain.conf 2>/dev/null; true"
	anew bravo
	clear_jobs
}
teardown() { ledgers_hold; }

anew() { # CLUSTER: its gateway, and with it all connections
	"$TRAINER" kill "$1" gatewayd
	"$TRAINER" start "$1" gatewayd
}
state_is() { on "$1" root "rain peer list --parsable2" | grep -qE "^$2\|.*\|$3\|"; } # CLUSTER PEER STATE
bravo_answers() { on alpha root "timeout 1 bash -c ': </dev/tcp/192.0.2.6/7246'"; }

@test "a cluster that nobody can dial lends and borrows through its own long poll" {
	on bravo root "cp /etc/rain/rain.conf /etc/rain/rain.conf.kept; sed -i '/^addresses = /d' /etc/rain/rain.conf
		nft -f - <<<'table inet closed { chain input { type filter hook input priority 0; iifname wan tcp dport 7246 drop; }; }'"
	anew bravo
	run ! bravo_answers
	await 30 state_is alpha bravo up
	await 30 state_is bravo alpha up
	refused=$(on bravo root "grep -c \"doesn't come over\" /var/log/rain/gatewayd.log || true")
	# It lends: files go there, output and files come back, a signal arrives.
	on alpha ada 'mkdir -p far && cd far && head -c 300000 /dev/urandom >in'
	id=$("$TRAINER" exec alpha --user ada bash -c "cd far && sbatch --parsable --burst=auto --stage-in=in --stage-out=out --wrap='cp in out; echo done' 2>/dev/null")
	await 30 job_ended alpha "$id"
	on alpha ada "cd far && cmp in out && grep -qx done slurm-$id.out"
	[ "$(on bravo root "grep -c \"doesn't come over\" /var/log/rain/gatewayd.log || true")" = "$refused" ]
	id=$(submit ada --burst=auto --wrap='trap "echo heard; exit 7" USR1; echo up; while :; do sleep 0.1; done')
	await 30 eval 'output ada '"$id"' | grep -q up'
	on alpha ada "scancel --batch --signal=USR1 $id"
	await 30 job_ended alpha "$id"
	[ "$(job alpha "$id" ExitCode)" = 7:0 ]
	# It borrows.
	clear_jobs
	id=$("$TRAINER" exec bravo --user eve sbatch --parsable --burst=only --wrap='echo over' 2>/dev/null)
	await 40 job_ended bravo "$id"
	[ "$(on bravo eve "cat slurm-$id.out")" = over ]
	run ! bravo_answers
	on bravo root "nft delete table inet closed; mv -f /etc/rain/rain.conf.kept /etc/rain/rain.conf"
	anew bravo
	await 30 bravo_answers
	await 30 on alpha root "rain peer list | grep -q 192.0.2.6:7246"
}

@test "the id of a burst leads from the job through the logs of both clusters to its receipt" {
	id=$(submit ada --burst=only --wrap='echo over')
	await 40 job_ended alpha "$id"
	burst=$(on alpha root "grep -hoE 'burst=[0-9a-f-]{36} job=$id ' /var/log/rain/gatewayd.log" | grep -oE '[0-9a-f-]{36}' | sort -u)
	[[ $burst =~ ^[0-9a-f-]{36}$ ]]
	await 20 on alpha root "grep -q 'is settled burst=$burst' /var/log/rain/gatewayd.log"
	for step in bound placed running ended settled; do
		on alpha root "grep -q 'burst is $step burst=$burst' /var/log/rain/gatewayd.log"
	done
	await 20 on bravo root "grep -q 'is closed burst=$burst' /var/log/rain/gatewayd.log"
	for step in accepted submitted released running receipted closed; do
		on bravo root "grep -q 'loan is $step burst=$burst' /var/log/rain/gatewayd.log"
	done
	# Slurm's own record over there, and the receipt, bear it too.
	on bravo root "grep -q 'rain-$burst' /var/spool/rain/jobcomp/* /var/log/rain/*.log" ||
		on bravo root "scontrol show job $(sql bravo "SELECT job_id FROM federation.loan WHERE burst_id = '$burst'") | grep -q $burst"
	[ "$(sql alpha "SELECT count(*) FROM federation.receipt WHERE burst_id = '$burst'")" = 1 ]
}

@test "rain doctor finds nothing wrong, and names a port that is closed and a peer that is out of reach" {
	await 30 on alpha root "rain doctor"
	run -0 on alpha root "rain doctor"
	[[ $output == *"ok     key "* && $output == *"ok     port "* && $output == *"ok     bravo "* ]]
	"$TRAINER" kill bravo gatewayd
	run -1 on bravo root "rain doctor"
	[[ $output == *"wrong  port "*"nobody listens"* && $output == *"wrong  gateway "* ]]
	await 60 on alpha root "rain doctor | grep -qE '^wrong +bravo +out of reach'"
	"$TRAINER" start bravo gatewayd
	run -0 on bravo root "rain doctor --json"
	[[ $output == *'"verdict"'* ]]
}

scraped() { on alpha ada "curl -sf http://127.0.0.1:7250/metrics"; }
scraped_says() { scraped | grep -qE -- "$1"; }

@test "collectors get metrics of each peer, and of no job: by HTTP, as a file, by a command" {
	on alpha root "cp /etc/rain/rain.conf /etc/rain/rain.conf.kept; install -d -o rain-gw /var/lib/rain/collector
		sed -i 's|^gateway {|&\nmetrics = \"127.0.0.1:7250\"\nmetrics-file = \"/var/lib/rain/collector/rain.prom\"|' /etc/rain/rain.conf"
	anew alpha
	id=$(submit ada --burst=only --wrap='echo over')
	await 40 job_ended alpha "$id"
	await 20 scraped_says '^rain_peer_bursts_total.peer="bravo",outcome="exited". 1$'
	await 20 scraped_says '^rain_peer_applied_messages_total.peer="bravo",type="receipt". 1$'
	on alpha root "pkill -HUP -x rain-gatewayd" # writes the file anew
	await 20 on alpha root "grep -q 'type=\"receipt\"' /var/lib/rain/collector/rain.prom"
	for how in "curl -sf http://127.0.0.1:7250/metrics" "cat /var/lib/rain/collector/rain.prom" "rain peer list --openmetrics"; do
		run -0 on alpha root "$how"
		[[ $output == *'rain_peer_up{peer="bravo"} 1'* && $output == *'# UNIT rain_peer_balance_tokens tokens'* ]]
		/usr/bin/python3 - <<-PYTHON
			from prometheus_client.openmetrics.parser import text_string_to_metric_families
			families = list(text_string_to_metric_families("""$output
			"""))
			assert len(families) > 10, families
			for family in families:
			    assert family.documentation, family.name
			    for sample in family.samples:
			        assert set(sample.labels) <= {"peer", "type", "outcome"}, sample
		PYTHON
	done
	run -22 on alpha ada "curl -sf http://127.0.0.1:7250/secret"
	on alpha root "mv -f /etc/rain/rain.conf.kept /etc/rain/rain.conf"
	anew alpha
}
