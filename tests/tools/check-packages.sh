#!/bin/sh
# SPDX-License-Identifier: MIT
# check-packages.sh - what "make deb" and "make image" make of the last commit,
# in roots of their own ("make check-packages", as root): the packages are the
# same from two folders, lintian finds nothing, they install, run, are removed
# and leave nothing; the image is a valid one, and runs as its user.
#
# PACKAGES: the folder to make the roots in (a temporary one, which goes at the
# end; roots that are there are used again); MIRROR: see root.sh.
# shellcheck disable=SC2016 # commands for a shell in a root
set -eu
cd "$(dirname "$0")/../.."
. tests/tools/root.sh

needs_build='dpkg-dev debhelper build-essential fakeroot lintian man-db jq umoci'

# ---- the packages

# Twice, in two folders, from the tarball.
build() {
	for at in /root/one /root/another/folder; do
		rm -rf "$folder/build$at"
		mkdir -p "$folder/build$at"
		tar -xzf "$tarball" -C "$folder/build$at"
		in_root "$folder/build" "
			cd $at/bluenet-tools-*
			apt-get -qq build-dep -y \
			    ./fixtures/packaging >/var/log/get.log 2>&1 ||
				{ tail /var/log/get.log; exit 1; }
			make deb BUILD=$at/b >$at/log 2>&1 ||
				{ tail -n 30 $at/log; exit 1; }"
	done
	for deb in "$folder"/build/root/one/b/deb/*.deb; do
		cmp "$deb" "$folder/build/root/another/folder/b/deb/$(basename \
		    "$deb")" || failed 'two builds are not equal'
	done
	in_root "$folder/build" 'cd /root/one/b/deb
		lintian --allow-root --fail-on warning *.changes'
}

# The names of packages and files of what is installed there, to compare.
# Caches and logs of dpkg and ldconfig are theirs.
installed() {
	(cd "$1" && find . -xdev \( -path ./proc -o -path ./sys -o -path ./dev \
	    -o -path ./var/log -o -path ./var/cache -o -path ./root \
	    -o -path ./tmp -o -path ./var/lib/dpkg -o -path ./var/lib/apt \
	    -o -path ./run \) -prune -o -print | grep -v '/etc/ld.so.cache$' |
	    sort)
}

install_and_remove() {
	clean=$folder/clean
	rm -rf "$clean/root/debs"
	mkdir -p "$clean/root/debs"
	cp "$folder"/build/root/one/b/deb/*.deb "$clean/root/debs"
	rm -f "$clean"/root/debs/*dbgsym*
	# what they depend on first, so that only ours come and go
	in_root "$clean" '
		apt-get -qq update
		apt-get -qq install -y --no-install-recommends autopkgtest \
		    man-db systemd >/dev/null 2>&1
		apt-get -qq install -y --no-install-recommends /root/debs/*.deb
		apt-get -qq purge -y libbluenet0 libbluenet-engine0 \
		    libbluenet-dev bluenet-tools bluenet-relay bluenet-doc
		userdel bluenet-relay 2>/dev/null || true
	' >"$folder/clean.log" 2>&1 || {
		tail -n 30 "$folder/clean.log" >&2
		failed 'the packages do not install'
	}
	installed "$clean" >"$folder/before"
	in_root "$clean" '
		apt-get -qq install -y --no-install-recommends /root/debs/*.deb
		for p in decode node ping relay replay; do
			bluenet-$p --version
			man -w bluenet-$p
		done
		getent passwd bluenet-relay
		bluenet-relay --config /etc/bluenet/relay.conf --check-config
		systemctl is-enabled bluenet-relay.service | grep -x disabled
		systemctl is-enabled bluenet-relay.socket | grep -x disabled
		systemd-analyze verify bluenet-relay.service bluenet-relay.socket
		bluenet-decode -r /usr/share/doc/bluenet-doc/fixtures/captures/plain.pcap \
		    | grep -q market::quote
		bluenet-replay --scenario scenarios/headers.bns \
		    --scenario-relay "bluenet-relay -l 127.0.0.1:0"'
	in_root "$clean" 'echo "# mine" >>/etc/bluenet/relay.conf
		apt-get -qq remove -y bluenet-relay
		grep "# mine" /etc/bluenet/relay.conf
		apt-get -qq install -y /root/debs/bluenet-relay_*.deb
		grep "# mine" /etc/bluenet/relay.conf'
	in_root "$clean" 'apt-get -qq purge -y libbluenet0 libbluenet-engine0 \
	    libbluenet-dev bluenet-tools bluenet-relay bluenet-doc'
	installed "$clean" | diff "$folder/before" - ||
	    failed 'removing the packages leaves something'
}

# debian/tests, as Debian runs it
autopkgtest() {
	rm -rf "$clean/root/src"
	mkdir "$clean/root/src"
	cp -r "$folder"/build/root/one/b/deb/bluenet-tools "$clean/root/src/"
	in_root "$clean" 'cd /root/src
		autopkgtest --no-built-binaries /root/debs/*.deb bluenet-tools/ \
		    -- null'
}

# ---- the image

image() {
	in_root "$folder/build" '
		cd /root/one/bluenet-tools-*
		make -s -j2 BUILD=/root/one/plain all >/dev/null
		make image BUILD=/root/one/plain
		cd /root/one/plain/image
		sha256sum oci/index.json >first
		cd -
		make image BUILD=/root/one/plain
		cd /root/one/plain/image
		sha256sum -c first
		rm -rf bundle
		umoci unpack --image oci:$(jq -r \
		    ".manifests[0].annotations[\"org.opencontainers.image.ref.name\"]" \
		    oci/index.json) bundle'
	run_image "$folder/build/root/one/plain/image/bundle"
}

# As its user, with its command: the relay answers its healthcheck.
run_image() {
	jq -e '.process.user.uid == 65532' "$1/config.json"
	# shellcheck disable=SC2016 # expanded inside
	BUNDLE=$1 unshare --mount --pid --net --fork sh -eux <<'EOF'
	mount -t proc proc /proc
	ip link set lo up 2>/dev/null || ifconfig lo up
	run() {
		chroot --userspec=65532:65532 "$BUNDLE/rootfs" "$@"
	}
	mkdir -p "$BUNDLE/rootfs/proc"
	mount -t proc proc "$BUNDLE/rootfs/proc"
	[ ! -e "$BUNDLE/rootfs/bin/sh" ]
	jq -r '.process.args[]' "$BUNDLE/config.json" >"$BUNDLE/args"
	# shellcheck disable=SC2046 # words on purpose
	run $(sed 's|^bluenet|/usr/bin/bluenet|' "$BUNDLE/args") \
	    >"$BUNDLE/out" &
	relay=$!
	until grep -q 'ready on' "$BUNDLE/out"; do
		kill -0 $relay
		sleep 0.1
	done
	run /usr/bin/bluenet-ping --hop ping -c 1 -w 60s 127.0.0.1:26000
	run /usr/bin/bluenet-replay --scenario scenarios/headers.bns \
	    127.0.0.1:26000
	kill $relay
	wait $relay
EOF
}

# ---- all of it

root_folder "${PACKAGES:-}"
folder=$(cd "$folder" && pwd)
bare_root "$folder/bare"
for root in build clean; do
	[ -e "$folder/$root" ] || cp -a "$folder/bare" "$folder/$root"
done
# shellcheck disable=SC2086 # words on purpose
in_root_get "$folder/build" $needs_build
tarball=$(sh tests/tools/dist.sh "$folder" | tail -n 1)
build
install_and_remove
autopkgtest
image
echo 'check-packages: all is well'
