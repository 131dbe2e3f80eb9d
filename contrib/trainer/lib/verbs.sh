# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# up, down, demo.

verb_up() {
	local fresh=no start
	while (($#)); do
		case $1 in
		--fresh) fresh=yes ;;
		--keep) fresh=no ;;
		*) usage_error "up does not know \"$1\"" ;;
		esac
		shift
	done
	start=$(now_ms)
	(state_choose) || exit 2
	require_system
	prepare
	if [[ $fresh == no ]] && up_as_wished; then
		step "daemons" up_repair
		step "peers and tokens" federate_all
	else
		up_anew
	fi
	up_is_current || say "They run an older build of RAIN than this checkout is now: trainer up --fresh starts them with it."
	say "$(seconds_since "$start") s: up are ${CLUSTERS// /, } ($NODES nodes of $CPUS CPUs each)."
}

# From a clean slate.
up_anew() {
	state_choose
	step "clean slate" down_all
	state_save
	cp "$(build_dir)/signature" "$STATE/build"
	step "clusters" up_all
	step "peers and tokens" federate_all
}

# What every start needs: packages, Slurm's sources, our build, a database to copy.
prepare() {
	step "packages" packages_install
	step "Slurm's sources" slurm_source_fetch
	step "RAIN's build" build_rain
	step "database template" postgres_template_make
}

# Are the clusters that are asked for already there?
up_as_wished() {
	local name
	[[ -z ${OPTION_CLUSTERS:-} || ${OPTION_CLUSTERS//,/ } == "$CLUSTERS" ]] || return 1
	[[ -z ${OPTION_NODES:-} || $OPTION_NODES == "$NODES" ]] || return 1
	[[ -z ${OPTION_CPUS:-} || $OPTION_CPUS == "$CPUS" ]] || return 1
	world_pid >/dev/null || return 1
	for name in $CLUSTERS; do
		cluster_pid "$name" >/dev/null && [[ -e $STATE/clusters/$name/ready ]] || return 1
	done
}

up_is_current() { cmp -s "$(build_dir)/signature" "$STATE/build"; }

up_repair() {
	local name repaired=
	for name in $CLUSTERS; do
		repaired+=$(in_cluster "$name" bash /run/trainer/lib/control.sh repair 9>&- | sed "s/^/ $name:/")
	done
	if [[ -n $repaired ]]; then note "started again:$repaired"; else note "were running"; fi
}

up_all() {
	local name start
	start=$(now_ms)
	world_start
	for name in $CLUSTERS; do cluster_start "$name"; done
	for name in $CLUSTERS; do cluster_wait "$name"; done
	note "$CLUSTERS, in $(seconds_since "$start") s"
}

down_all() {
	if world_pid >/dev/null; then note "the clusters that ran are gone"; else note "nothing was running"; fi
	world_stop
}

verb_down() {
	(($# == 0)) || usage_error "down takes no arguments"
	step "down" down_all
	say "The logs stay in $STATE/logs."
}

verb_demo() {
	declare -F run_demo >/dev/null || die "this checkout has no demo (contrib/trainer/lib/demo.sh)"
	# The demo shows what this checkout is.
	if up_is_current; then verb_up --keep; else verb_up --fresh; fi
	# Whoever reads along may call the trainer too.
	exec 9>&-
	run_demo "$@"
}
