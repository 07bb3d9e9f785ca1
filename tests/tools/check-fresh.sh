#!/bin/sh
# SPDX-License-Identifier: MIT
# check-fresh.sh - the README's commands as somebody types them on a bare
# Debian 12: make and the certificates of authorities are there, nothing else
# ("make check-fresh", as root). What is tried is the last commit.
#
# FRESH: the folder to make it in (a temporary one, which goes at the end);
# MIRROR: where Debian's packages come from (that of this system).
set -eu

release=bookworm

failed() {
	echo "check-fresh: $1" >&2
	exit 1
}

# The mirror that apt uses here: the first of the release.
mirror() {
	cat /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null |
	    sed -nE 's/^(deb (\[[^]]*\] )?|URIs: *)(https?:[^ ]*debian\/?)( .*)?$/\3/p' |
	    head -n 1
}

[ "$(id -u)" -eq 0 ] || failed 'please run this as root'
for tool in debootstrap git unshare; do
	command -v "$tool" >/dev/null 2>&1 ||
	    failed "$tool is missing: apt-get install $tool"
done
MIRROR=${MIRROR:-$(mirror)}
[ -n "$MIRROR" ] || failed 'no mirror of Debian found: set MIRROR'

if [ -n "${FRESH:-}" ]; then
	mkdir -p "$FRESH"
else
	FRESH=$(mktemp -d)
	chmod 755 "$FRESH" # apt reads it as another user
	trap 'rm -rf "$FRESH"' EXIT
	trap 'exit 1' HUP INT TERM
fi
[ -x "$FRESH/usr/bin/make" ] ||
    debootstrap --variant=minbase --include=make,ca-certificates \
	"$release" "$FRESH" "$MIRROR" >"$FRESH.log" 2>&1 || {
	tail -n 20 "$FRESH.log" >&2
	failed 'debootstrap failed'
}
rm -f "$FRESH.log"
cp /etc/resolv.conf /etc/hosts "$FRESH/etc/"
for set in /etc/apt/apt.conf.d/*proxy*; do
	[ ! -e "$set" ] || cp "$set" "$FRESH/etc/apt/apt.conf.d/"
done
rm -rf "$FRESH/root/bluenet-tools"
mkdir "$FRESH/root/bluenet-tools"
git archive HEAD | tar -x -C "$FRESH/root/bluenet-tools"

# Mounts and processes of its own, so that both are gone with it.
# shellcheck disable=SC2016 # expanded inside
FRESH="$FRESH" unshare --mount --pid --fork sh -euc '
	mount -t proc proc "$FRESH/proc"
	mount --rbind /dev "$FRESH/dev"
	mount --rbind /sys "$FRESH/sys"
	exec chroot "$FRESH" env -i HOME=/root TERM=dumb \
	    PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
	    sh -euxc "cd /root/bluenet-tools; make deps demo; make check"'
