# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# slurm.conf, plugstack.conf and rain.conf of a cluster.

slurm_conf_make() { # ROOT
	local plugins peer i
	plugins=$(dirname "$(dpkg -L slurm-wlm-basic-plugins | grep '/auth_munge\.so$')")
	cat >"$1/etc/slurm/slurm.conf" <<-CONF
		# $CLUSTER, a virtual cluster of the RAIN trainer
		ClusterName=$CLUSTER
		SlurmctldHost=head(10.20.30.1)
		SlurmUser=slurm
		AuthType=auth/munge
		PluginDir=$plugins:/usr/local/lib/rain/slurm
		StateSaveLocation=/var/spool/slurmctld
		SlurmdSpoolDir=/var/spool/slurmd
		SlurmctldPidFile=/run/slurmctld.pid
		SlurmdPidFile=/run/slurmd-%n.pid
		MailProg=/bin/true

		# Many nodes on one host: nothing may rely on the node being a machine of its own.
		ProctrackType=proctrack/linuxproc
		TaskPlugin=task/none
		SlurmdParameters=config_overrides
		PropagateResourceLimits=NONE
		MpiDefault=pmix
		ReturnToService=2
		# A host busy with MPI answers late; that is no reason to take a node for dead.
		MessageTimeout=30
		SlurmdTimeout=120
		KillWait=2
		UnkillableStepTimeout=60

		SelectType=select/cons_tres
		SelectTypeParameters=CR_Core
		SchedulerType=sched/backfill
		SchedulerParameters=batch_sched_delay=0,sched_interval=5,bf_interval=2,bf_continue,default_queue_depth=1000,bf_max_job_test=1000
		PriorityType=priority/multifactor
		PreemptType=preempt/partition_prio
		PreemptMode=CANCEL
		JobRequeue=1
		# Ended jobs stay visible long enough for everybody who asks about them.
		MinJobAge=900
		MaxJobCount=200000
		AccountingStorageType=accounting_storage/none
		JobAcctGatherType=jobacct_gather/none
		SlurmctldDebug=info
		SlurmdDebug=info

		PrologFlags=Alloc
		LaunchParameters=use_interactive_step
	CONF
	slurm_conf_rain "$1"
	{
		printf '\nNodeName=node[1-%d] NodeAddr=%s CPUs=%d Boards=1 SocketsPerBoard=1 CoresPerSocket=%d ThreadsPerCore=1 RealMemory=2048\n' \
			"$NODES" "$(slurm_conf_addresses)" "$CPUS" "$CPUS"
		i=0
		for peer in $PEERS; do
			echo "# stands for what $peer lends us: on the head, with as many CPUs as anybody may ask for"
			printf 'NodeName=%s-[1-%d] NodeHostname=head NodeAddr=10.20.30.1 Port=%s CPUs=256 Boards=1 SocketsPerBoard=1 CoresPerSocket=256 ThreadsPerCore=1 RealMemory=1048576 Feature=%s\n' \
				"$peer" "$NODES" "$(slurm_conf_range $((7001 + 100 * i)))" "$peer"
			i=$((i + 1))
		done
		printf '\nPartitionName=trainer Nodes=node[1-%d] Default=YES DefaultTime=10 MaxTime=INFINITE PriorityTier=10 PreemptMode=OFF State=UP\n' "$NODES"
		printf 'PartitionName=guest Nodes=node[1-%d] DefaultTime=10 MaxTime=INFINITE PriorityTier=1 PreemptMode=CANCEL GraceTime=5 State=UP\n' "$NODES"
		if [[ -n $PEERS ]]; then
			printf 'PartitionName=overflow Nodes=%s DefaultTime=10 MaxTime=INFINITE PriorityTier=10 PreemptMode=OFF State=UP\n' "$(slurm_conf_virtual)"
		fi
	} >>"$1/etc/slurm/slurm.conf"
	echo "CgroupAutomount=no" >"$1/etc/slurm/cgroup.conf"
	# With the default mix of trees and rings a node may leave a fence before all have come, and
	# MPI_Init dies of an early message: 3 of 40 runs on a busy host, none of 70 with rings.
	echo "PMIxCollFence=ring" >"$1/etc/slurm/mpi.conf"
	rain_conf_make "$1"
}

# RAIN's part. What is named here must be there: slurmctld starts on no half of it.
slurm_conf_rain() { # ROOT
	local file installed=$1/host/local guard=libexec/rain/rain-guest-guard
	for file in lib/rain/slurm/{spank_rain,job_submit_rain,jobcomp_rain,site_factor_rain,cli_filter_rain}.so "$guard"; do
		if [[ ! -x $installed/$file ]]; then
			echo "the build of RAIN has no /usr/local/$file"
			return 1
		fi
	done
	cat >>"$1/etc/slurm/slurm.conf" <<-CONF
		JobSubmitPlugins=rain
		CliFilterPlugins=rain
		PrioritySiteFactorPlugin=site_factor/rain
		JobCompType=jobcomp/rain
		JobCompLoc=/var/spool/rain/jobcomp
		Prolog=/usr/local/$guard
		Epilog=/usr/local/$guard
	CONF
	echo "required /usr/local/lib/rain/slurm/spank_rain.so overflow_partition=overflow guest_uids=$UID_GUEST-$((UID_GUEST + 15))" \
		>"$1/etc/slurm/plugstack.conf"
}

slurm_conf_range() { if ((NODES > 1)); then echo "[$1-$(($1 + NODES - 1))]"; else echo "$1"; fi; }
slurm_conf_addresses() { if ((NODES > 1)); then echo "10.20.30.[11-$((10 + NODES))]"; else echo 10.20.30.11; fi; }
slurm_conf_virtual() {
	local peer list=
	for peer in $PEERS; do list+="${list:+,}$peer-[1-$NODES]"; done
	echo "$list"
}

rain_conf_make() { # ROOT
	cat >"$1/etc/rain/rain.conf" <<-CONF
		# RAIN on $CLUSTER, a virtual cluster of the trainer; the same file on every node.
		cluster {
			name = "$CLUSTER"
		}
		ledger {
			database = "dbname=rain"
			spool = "/var/spool/rain/jobcomp"
			socket = "/run/rain/ledger/ledger.sock"
			home-rate = "1/4"
			administrators = {"root"}
		}
		# What HPL measured on one core of a Mark II board: the trainer states it, nobody ran it here.
		node-type "mark2" {
			nodes = "node[1-$NODES]"
			mflops-per-core = 1000
		}
		gateway {
			database = "dbname=rain"
			listen = "0.0.0.0:7246"
			addresses = {"$WAN_HEAD:7246"}
			agent-listen = "10.20.30.1:7247"
			state = "/var/lib/rain/gateway"
			socket = "/run/rain/gateway/gateway.sock"
			control = "/run/rain/gateway/control.sock"
			overflow-partition = "overflow"
		}
		lend {
			partition = "guest"
			max-nodes = $NODES
			max-minutes = 60
			price-percent = 100
			credit-limit = "1000"
			guest-uid-min = $UID_GUEST
			guest-uid-max = $((UID_GUEST + 15))
		}
		# The shortest first, by what rain-ledgerd expects; and nobody waits for ever.
		priority {
			order = "shortest"
			patience = 5
			max-wait-hours = 24
		}
		broker {
			socket = "/run/rain/broker/broker.sock"
			gateway-user = "rain-gw"
		}
		panel {
			driver = "sim"
			listen = "0.0.0.0:7248"
			port = 7248
			nodes = "node[1-$NODES]"
			head = "head:7247"
			socket = "/run/rain/panel/panel.sock"
			mode = "status"
		}
	CONF
}
