# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The source tree of the very Slurm that is installed: the controller plugins need its headers.

slurm_version() { dpkg-query -W -f '${Version}' slurmctld; }

slurm_source_dir() { echo "$CACHE/slurm-$(slurm_version)"; }

# The host's own package sources, with the same keys, asked for source packages instead of binaries.
apt_source_lists() { # DIRECTORY
	local file
	for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
		[[ -f $file ]] || continue
		sed -n 's/^[[:space:]]*deb\(-src\)\{0,1\}\([[:space:]].*\)$/deb-src\2/p' "$file" | awk '!seen[$0]++' >"$1/$(basename "$file" .list).list"
	done
	for file in /etc/apt/sources.list.d/*.sources; do
		[[ -f $file ]] || continue
		sed 's/^[Tt]ypes:.*/Types: deb-src/' "$file" >"$1/$(basename "$file")"
	done
}

slurm_source_fetch() {
	local version directory work apt
	version=$(slurm_version)
	directory=$(slurm_source_dir)
	if [[ -f $directory/done ]]; then
		note "$version, in the cache"
		return 0
	fi
	exec 8>>"$CACHE/slurm.lock"
	flock 8
	if [[ -f $directory/done ]]; then
		note "$version, in the cache"
		return 0
	fi
	work=$directory.new
	rm -rf "$directory" "$work"
	install -d "$work/apt/parts" "$work/apt/lists/partial" "$work/source"
	apt_source_lists "$work/apt/parts"
	apt=(-q -o Dir::Etc::sourcelist=/dev/null -o "Dir::Etc::sourceparts=$work/apt/parts"
		-o "Dir::State::lists=$work/apt/lists" -o APT::Get::List-Cleanup=0 -o APT::Sandbox::User=root
		-o "Dir::Cache::pkgcache=" -o "Dir::Cache::srcpkgcache=")
	apt-get "${apt[@]}" update || echo "some package sources have no sources; going on"
	slurm_source_download "$work" "$version" "${apt[@]}"
	(cd "$work/source" && dpkg-source --no-check -x ./*.dsc tree)
	rm -rf "$work/apt"
	(cd "$work/source/tree" && ./configure --sysconfdir=/etc/slurm)
	touch "$work/done"
	mv "$work" "$directory"
	note "$version, fetched and configured"
}

# The same version may be in several archives (a point release takes over what the security archive
# had), and one of them may have dropped the files that it still lists: then do without its list.
slurm_source_download() { # WORK VERSION APT-OPTIONS...
	local work=$1 version=$2 list
	shift 2
	cd "$work/source" || return 1
	apt-get "$@" --download-only source "slurm-wlm=$version" && return 0
	for list in "$work"/apt/lists/*_Sources*; do
		echo "--- once more without ${list##*/}"
		mv "$list" "$work/apt/without"
		rm -f ./*
		apt-get "$@" --download-only source "slurm-wlm=$version" && return 0
		mv "$work/apt/without" "$list"
	done
	return 1
}

slurm_source_tree() { echo "$(slurm_source_dir)/source/tree"; }
