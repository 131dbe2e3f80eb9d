# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Builds this checkout in the cache, so that no file of root's litters the checkout itself.

build_dir() { echo "$CACHE/build-$(sha256sum <<<"$CHECKOUT" | cut -c1-12)"; }
build_tree() { echo "$(build_dir)/tree"; }
build_image() { echo "$(build_dir)/image"; }

# The checkout's files, each ended by a NUL: what git knows plus what it doesn't ignore.
checkout_files() {
	if command -v git >/dev/null && git -c safe.directory='*' -C "$CHECKOUT" rev-parse --git-dir >/dev/null 2>&1; then
		git -c safe.directory='*' -C "$CHECKOUT" ls-files -z --cached --others --exclude-standard
	else
		(cd "$CHECKOUT" && find . -path ./.git -prune -o -type f -printf '%P\0')
	fi | (cd "$CHECKOUT" && while IFS= read -r -d '' file; do
		# A file deleted but not yet committed is still in git's list.
		if [[ -e $file || -L $file ]]; then printf '%s\0' "$file"; fi
	done) | sort -zu
}

# What the build depends on, as one line: files with times and sizes, options, Slurm's version.
build_signature() { # FILELIST
	{
		(cd "$CHECKOUT" && xargs -0 stat -c '%n %y %s %a' <"$1")
		slurm_version
		build_flags
	} | sha256sum
}

build_flags() {
	echo "--prefix=/usr/local --sysconfdir=/etc --localstatedir=/var --runstatedir=/run" \
		"--enable-werror --with-slurm-source=$(slurm_source_tree) ${RAIN_TRAINER_CONFIGURE_FLAGS:-}"
}

build_rain() {
	local directory tree image signature
	directory=$(build_dir)
	tree=$(build_tree)
	image=$(build_image)
	install -d "$directory" "$tree"
	exec 8>>"$directory/lock"
	flock 8
	checkout_files >"$directory/files.new"
	signature=$(build_signature "$directory/files.new")
	if [[ -f $directory/signature && $(<"$directory/signature") == "$signature" && -d $image ]]; then
		note "nothing has changed"
		return 0
	fi
	rm -f "$directory/signature"
	build_copy "$directory" "$tree"
	if ! build_make "$tree"; then
		echo "--- the build failed; once more from nothing"
		rm -rf "$tree" "$directory/files"
		install -d "$tree"
		build_copy "$directory" "$tree"
		build_make "$tree"
	fi
	rm -rf "$image.new"
	make -C "$tree" install DESTDIR="$image.new"
	install -d "$image.new/usr/local"
	rm -rf "$image"
	mv "$image.new" "$image"
	echo "$signature" >"$directory/signature"
	note "$(find "$image" -type f -perm /111 | wc -l) programs and plugins"
}

build_copy() { # DIRECTORY TREE: brings the tree in line with the checkout, times included
	if [[ -f $1/files ]]; then
		comm -z -23 "$1/files" "$1/files.new" | (cd "$2" && xargs -0 -r rm -f)
	fi
	tar -C "$CHECKOUT" --null --no-recursion -T "$1/files.new" -c | tar -C "$2" --no-same-owner -x
	mv "$1/files.new" "$1/files"
	cp "$1/files" "$1/files.new"
}

build_make() { # TREE
	local flags
	flags=$(build_flags)
	(
		cd "$1" || exit 1
		if [[ ! -f configure ]]; then autoreconf -fi || exit 1; fi
		if [[ ! -f Makefile || $(cat .trainer-flags 2>/dev/null) != "$flags" ]]; then
			# shellcheck disable=SC2086 # the flags are words
			./configure --quiet $flags || exit 1
			echo "$flags" >.trainer-flags
		fi
		# Make links nothing again for a changed list of sources alone: a plugin would keep what it was.
		if [[ -n $(find . -name '*.mk' -newer .trainer-linked 2>/dev/null) ]]; then find . -name '*.la' -delete; fi
		make -j "$(nproc)" 8>&- 9>&- || exit 1
		touch .trainer-linked
	)
}
