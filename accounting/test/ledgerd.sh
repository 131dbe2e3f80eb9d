# SPDX-License-Identifier: GPL-2.0-or-later
# Sourced by tests and benches after pg_create: what rain-ledgerd lives on, and records for
# its spool. Sets $spool and $conf.
# shellcheck shell=bash

spool=$work/spool
conf=$work/rain.conf
mkdir "$spool"

# ledger_config [LINE...]: the configuration, with these lines in its section ledger
ledger_config() {
	cat >"$conf" <<-CONF
		cluster { name = "alpha" }
		ledger {
			database = "dbname=rain host=$work/pg user=rain"
			spool = "$spool"
			socket = "$work/ledger.sock"
			$(printf '%s\n' "$@")
		}
		node-type "mark2" { nodes = "node[1-8]" mflops-per-core = 1000 }
	CONF
}

# put_record JOB [NAME=VALUE...]: Slurm's record of a run, as a segment of the spool. Without
# more: root's 16 cores for 9 s at 1 GFLOP/s, 40000 micro-tokens in full.
put_record() {
	local job=$1 restart=0 user=root account='' partition=trainer state=COMPLETED submit=1000 start=1010 end=1019 \
		nodes='node[1-4]' tres=cpu=16 array=null task=null het=null
	shift
	local "$@" _ # of these names
	accounting/test/spool_fill "$spool" - <<-JSON || fail "spool_fill"
		{"v":1,"cluster":"alpha","job_id":$job,"array_job_id":$array,"array_task_id":$task,"het_job_id":$het,
		"restart":$restart,"uid":0,"user":"$user","group":"root","account":"$account","partition":"$partition",
		"qos":"normal","name":"job $job","state":"$state","exit_code":0,"exit_signal":0,"submit":$submit,
		"eligible":$submit,"start":$start,"end":$end,"nodes":"$nodes","node_count":4,"cpus":16,
		"tres":"$tres","admin_comment":null}
	JSON
}

spool_is_empty() { ! compgen -G "$spool/*.runs" >/dev/null; }
answers() { ./rain-balance -c "$conf" >/dev/null 2>&1; }
