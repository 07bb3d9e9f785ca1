# SPDX-License-Identifier: MIT
# root.sh - a bare Debian 12 in a folder, for check-fresh, check-packages and
# check-cross, which read this file. Needs root; what runs in it has mounts and
# processes of its own, so that both are gone with it.
#
# MIRROR: where Debian's packages come from (that of this system).
# shellcheck shell=sh

release=bookworm

failed() {
	echo "$(basename "$0" .sh): $1" >&2
	exit 1
}

# The mirror that apt uses here: the first of the release.
mirror() {
	cat /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null |
	    sed -nE 's/^(deb (\[[^]]*\] )?|URIs: *)(https?:[^ ]*debian\/?)( .*)?$/\3/p' |
	    head -n 1
}

# root_folder FOLDER: sets $folder to it, or, without one, to a temporary one
# that goes at the end; and looks for what all this needs.
root_folder() {
	[ "$(id -u)" -eq 0 ] || failed 'please run this as root'
	for tool in debootstrap git unshare; do
		command -v "$tool" >/dev/null 2>&1 ||
		    failed "$tool is missing: apt-get install $tool"
	done
	MIRROR=${MIRROR:-$(mirror)}
	[ -n "$MIRROR" ] || failed 'no mirror of Debian found: set MIRROR'
	folder=$1
	if [ -n "$folder" ]; then
		mkdir -p "$folder"
	else
		folder=$(mktemp -d)
		chmod 755 "$folder" # apt reads it as another user
		trap 'rm -rf "$folder"' EXIT
		trap 'exit 1' HUP INT TERM
	fi
}

# bare_root ROOT: make and the certificates of authorities, nothing else. One
# that is there stays as it is.
bare_root() {
	[ -x "$1/usr/bin/make" ] ||
	    debootstrap --variant=minbase --include=make,ca-certificates \
		"$release" "$1" "$MIRROR" >"$1.log" 2>&1 || {
		tail -n 20 "$1.log" >&2
		failed 'debootstrap failed'
	}
	rm -f "$1.log"
	cp /etc/resolv.conf /etc/hosts "$1/etc/"
	for set in /etc/apt/apt.conf.d/*proxy*; do
		[ ! -e "$set" ] || cp "$set" "$1/etc/apt/apt.conf.d/"
	done
}

# in_root ROOT COMMANDS: of a shell in it that ends at the first that fails
in_root() {
	# shellcheck disable=SC2016 # expanded inside
	ROOT=$1 COMMANDS=$2 unshare --mount --pid --fork sh -euc '
		mount -t proc proc "$ROOT/proc"
		mount --rbind /dev "$ROOT/dev"
		mount --rbind /sys "$ROOT/sys"
		exec chroot "$ROOT" env -i HOME=/root TERM=dumb \
		    DEBIAN_FRONTEND=noninteractive \
		    PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
		    sh -euxc "$COMMANDS"'
}

# in_root_get ROOT PACKAGE...: installs them there
in_root_get() {
	in=$1
	shift
	in_root "$in" "apt-get -o Acquire::Retries=3 -qq update &&
	    apt-get -o Acquire::Retries=3 -qq install -y \
		--no-install-recommends $* >/var/log/get.log 2>&1 || {
		tail -n 20 /var/log/get.log >&2
		exit 1
	    }"
}
