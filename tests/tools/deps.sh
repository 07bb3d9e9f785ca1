#!/bin/sh
# SPDX-License-Identifier: MIT
# deps.sh - what building and checking needs ("make deps").
#
# Looks for each thing itself rather than for its package, so where all is
# there it is done, without network, on any system. On Debian and Ubuntu it
# installs what is missing; elsewhere it says what that is.
set -eu

# Debian's package | what it is, for others | how to find it
needs() {
	cat <<'EOF'
gcc|gcc, a C17 compiler|cmd gcc
libc6-dev|the headers of the C library|hdr stdlib.h
gcc|libasan and libubsan of gcc|link gcc -fsanitize=address,undefined
gcc|libtsan of gcc|link gcc -fsanitize=thread
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
check|check, the unit test framework|pc check 0.15
libjansson-dev|jansson, for development|pc jansson 2.12
bats|bats|cmd bats
clang|clang|cmd clang
clang-format|clang-format|cmd clang-format
@clang-rt|libFuzzer and the sanitizers of clang|link clang -fsanitize=fuzzer,address
cppcheck|cppcheck|cmd cppcheck
shellcheck|shellcheck|cmd shellcheck
mandoc|mandoc|cmd mandoc
tcpdump|tcpdump|cmd tcpdump
jq|jq|cmd jq
gnuplot-nox|gnuplot|cmd gnuplot
chromium|chromium, to open pages as people do|cmd chromium
openssl|openssl, the command|cmd openssl
curl|curl|cmd curl
haproxy|haproxy|cmd haproxy
prometheus|promtool, of prometheus|cmd promtool
sslscan|sslscan|cmd sslscan
iproute2|ip and tc, for network namespaces|cmd ip
procps|ps and pkill, for time limits in bats|cmd pkill
zsh|zsh, for its completions|cmd zsh
EOF
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
	# shellcheck disable=SC2086 # words on purpose
	as_root apt-get -o Acquire::Retries=3 -o DPkg::Lock::Timeout=120 \
	    -qq install -y --no-install-recommends $packages
}

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
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
