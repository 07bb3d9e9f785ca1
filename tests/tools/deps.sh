#!/bin/sh
# SPDX-License-Identifier: MIT
# deps.sh [check] - install what building and the demo need ("make deps"), or
# what the tests need beyond that ("make deps-check").
#
# Looks for each thing itself rather than for its package, so where all is
# there it is done, without network, on any system. On Debian and Ubuntu it
# installs what is missing; elsewhere it says what that is.
set -eu

for_what=${1:-build}

# Debian's package | what it is, for others | how to find it
needs_build() {
	cat <<'EOF'
gcc|gcc, a C17 compiler|cmd gcc
libc6-dev|the headers of the C library|hdr stdlib.h
make|GNU make|cmd make
pkg-config|pkg-config|cmd pkg-config
libssl-dev|OpenSSL 3, for development|pc openssl 3.0
zlib1g-dev|zlib, for development|pc zlib 1.2
libsnappy-dev|snappy with its C API, for development|hdr snappy-c.h
libpcap-dev|libpcap, for development|pc libpcap 1.9
libpcre2-dev|PCRE2, for development|pc libpcre2-8 10
liburcu-dev|liburcu, for development|pc liburcu-qsbr 0.13
libmicrohttpd-dev|libmicrohttpd, for development|pc libmicrohttpd 0.9
libinih-dev|inih, for development|pc inih 53
libsystemd-dev|libsystemd, for development|pc libsystemd 240
libncurses-dev|ncurses with wide characters, for development|pc ncursesw 6
libjansson-dev|jansson, for development|pc jansson 2.12
libzstd-dev|zstd, for development|pc libzstd 1.4
liblz4-dev|lz4, for development|pc liblz4 1.9
curl|curl|cmd curl
jq|jq|cmd jq
EOF
}

needs_check() {
	cat <<'EOF'
gcc|libasan and libubsan of gcc|link gcc -fsanitize=address,undefined
gcc|libtsan of gcc|link gcc -fsanitize=thread
check|check, the unit test framework|pc check 0.15
bats|bats|cmd bats
g++|g++, for the header files in C++|cmd g++
abigail-tools|abidiff and abidw, of libabigail|cmd abidiff
clang|clang|cmd clang
clang-format|clang-format|cmd clang-format
@clang-rt|libFuzzer and the sanitizers of clang|link clang -fsanitize=fuzzer,address
cppcheck|cppcheck|cmd cppcheck
shellcheck|shellcheck|cmd shellcheck
mandoc|mandoc|cmd mandoc
tcpdump|tcpdump|cmd tcpdump
tshark|tshark, of Wireshark|cmd tshark
gnuplot-nox|gnuplot|cmd gnuplot
chromium|chromium, to open pages as people do|cmd chromium
openssl|openssl, the command|cmd openssl
haproxy|haproxy|cmd haproxy
prometheus|promtool, of prometheus|cmd promtool
sslscan|sslscan|cmd sslscan
iproute2|ip and tc, for network namespaces|cmd ip
procps|ps and pkill, for time limits in bats|cmd pkill
strace|strace, to look at what a program does|cmd strace
gdb|gdb, to show where a test that hangs is|cmd gdb
zsh|zsh, for its completions|cmd zsh
zstd|zstd, the command|cmd zstd
lz4|lz4, the command|cmd lz4
xxd|xxd, which the examples of a manual use|cmd xxd
EOF
}

needs() {
	needs_build
	[ "$for_what" = build ] || needs_check
}

# Can `$1 $2` make a program? libFuzzer brings main() and takes the other.
links() {
	command -v "$1" >/dev/null 2>&1 || return 1
	main='int main(void) { return 0; }'
	case $2 in
	*fuzzer*)
		main='int LLVMFuzzerTestOneInput(const unsigned char *p,
		    unsigned long n) { (void)p; (void)n; return 0; }'
		;;
	esac
	printf '%s\n' "$main" | "$1" "$2" -x c -o "$tmp/a.out" - \
	    >/dev/null 2>&1
}

found() {
	case $1 in
	cmd) command -v "$2" >/dev/null 2>&1 ;;
	hdr) printf '#include <%s>\n' "$2" | gcc -E - >/dev/null 2>&1 ;;
	pc) pkg-config --atleast-version="$3" "$2" >/dev/null 2>&1 ;;
	link) links "$2" "$3" ;;
	esac
}

# The rows of `needs` that are not there.
missing() {
	needs | while IFS='|' read -r package what how; do
		# shellcheck disable=SC2086 # words on purpose
		found $how || printf '%s|%s\n' "$package" "$what"
	done
}

say_missing() {
	echo "deps: missing:"
	missing | sed 's/^[^|]*|/	/'
}

# clang's runtime is named after its version where there is no default.
# Nothing where it is a part of clang itself.
clang_rt() {
	version=$(apt-cache depends clang 2>/dev/null |
	    sed -n 's/.*Depends: clang-\([0-9][0-9]*\)$/\1/p' | head -n 1)
	for name in libclang-rt-dev "libclang-rt-$version-dev"; do
		if [ -n "$(apt-cache madison "$name" 2>/dev/null)" ]; then
			echo "$name"
			return
		fi
	done
}

as_root() {
	if [ "$(id -u)" -eq 0 ]; then
		env DEBIAN_FRONTEND=noninteractive "$@"
	else
		sudo env DEBIAN_FRONTEND=noninteractive "$@"
	fi
}

# Debian starts the services of these when they are installed, now and at each
# boot. The tests run the programs themselves.
services='haproxy prometheus'
policy=/usr/sbin/policy-rc.d

start_no_services() {
	[ -e "$policy" ] && return
	policy_is_ours=yes
	printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
	as_root chmod 755 "$policy"
}

allow_services() {
	[ "${policy_is_ours:-}" = yes ] || return 0
	as_root rm -f "$policy"
	policy_is_ours=
}

# Those of $services that are not there now, and so are ours to switch off.
new_services() {
	for service in $services; do
		[ -e "/etc/init.d/$service" ] || echo "$service"
	done
}

switch_off() {
	for service; do
		[ ! -e "/etc/init.d/$service" ] ||
		    as_root update-rc.d "$service" disable >/dev/null 2>&1 ||
		    echo "deps: $service may start at boot"
	done
}

install_missing() {
	as_root apt-get -o Acquire::Retries=3 -qq update
	packages=$(missing | sed 's/|.*//' | sort -u)
	case $packages in
	*@clang-rt*)
		packages=$(printf '%s\n' "$packages" | grep -v '^@' || true)
		packages="$packages $(clang_rt)"
		;;
	esac
	packages=$(printf '%s' "$packages" | tr '\n' ' ')
	echo "deps: installing $packages"
	new=$(new_services)
	start_no_services
	# shellcheck disable=SC2086 # words on purpose
	as_root apt-get -o Acquire::Retries=3 -o DPkg::Lock::Timeout=120 \
	    -qq install -y --no-install-recommends $packages
	allow_services
	# shellcheck disable=SC2086 # words on purpose
	switch_off $new
}

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"; allow_services' EXIT
trap 'exit 1' HUP INT TERM

if [ -z "$(missing)" ]; then
	echo "deps: all there"
	exit 0
fi
if ! command -v apt-get >/dev/null 2>&1; then
	say_missing
	echo "deps: please install these with your system's package manager"
	exit 1
fi
if [ "$(id -u)" -ne 0 ] && ! command -v sudo >/dev/null 2>&1; then
	say_missing
	echo "deps: please run this as root, or install sudo"
	exit 1
fi
install_missing
if [ -n "$(missing)" ]; then
	say_missing
	exit 1
fi
echo "deps: all there"
