# SPDX-License-Identifier: MIT
# What the tests of bluenet-decode share. BNET_DECODE, BNET_TOOLS and
# BNET_FIXTURES say where things are.
# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # the tests use it; bats sets it

bats_require_minimum_version 1.5.0
load common

setup() {
	root=$BATS_TEST_DIRNAME/../..
	decode=${BNET_DECODE:-$root/build/bluenet-decode}
	tools=${BNET_TOOLS:-$root/build/tools}
	fixtures=${BNET_FIXTURES:-$root/fixtures}
	plain=$fixtures/captures/plain.pcap
	net=$fixtures/captures/net.pcap
	tmp=$BATS_TEST_TMPDIR
	children=()
	# the log of a run shows what is escaped, not what a locale makes of it
	export LC_ALL=C TZ=UTC
	unset NO_COLOR
	need jq jq
}

teardown() {
	local pid

	for pid in "${children[@]}"; do
		kill "$pid" 2>/dev/null || true
	done
}

# decode EXIT [ARG ...]: standard output in $output and $lines, errors in
# $stderr; it ended with that status.
decode() {
	local status_wanted=$1

	shift
	try "$decode" "$@" </dev/null
	if [ "$status" -ne "$status_wanted" ]; then
		echo "exit $status, not $status_wanted: $*"
		echo "$stderr"
		return 1
	fi
}

# same A B
same() {
	if [ "$1" != "$2" ]; then
		printf '%s\n' "'$1'" is not "'$2'"
		return 1
	fi
}

# frames FILE [ARG ...]: what tells its frames apart, without where they are
# in the capture.
frames() {
	local file=$1

	shift
	"$decode" -r "$file" -o json --payload hex "$@" |
		jq -c 'select(.type == "frame") |
			[.time, .src, .dst, .size, .codec, .header, .payload]'
}

# fit SCHEMA: all lines of the input do.
fit() {
	jq -L "$BATS_TEST_DIRNAME" --slurpfile schema "$1" -nr '
		import "schema" as s;
		inputs | select(s::valid($schema[0]) | not) |
		"does not fit: \(.)"'
}

# bytes HEX: blanks in it do not count.
bytes() {
	# shellcheck disable=SC2059 # escapes
	printf "$(tr -d ' \n\t' <<<"$1" | sed 's/../\\x&/g')"
}
