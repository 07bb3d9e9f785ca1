#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# Standard output of every program: closed or full, it is a failure; whose
# reader has gone, it is none, and nothing is said.
# shellcheck disable=SC2154 # bats and relay.bash set it

load relay

teardown() {
	relay_teardown
}

# ends EXIT COMMAND...: with that exit status; its errors in $stderr
ends() {
	local wanted=$1 got=0

	shift
	"$@" 2>"$tmp/err" || got=$?
	stderr=$(<"$tmp/err")
	if [ "$got" -ne "$wanted" ]; then
		echo "exit $got, not $wanted: $*"
		echo "$stderr"
		return 1
	fi
}

# where_it_goes COMMAND...: closed, full, and read by nobody any more
where_it_goes() {
	ends 0 "$@" >"$tmp/out"
	[ -s "$tmp/out" ]
	ends 1 "$@" >&-
	[[ $stderr == *": standard output: closed"* ]]
	if [ -c /dev/full ]; then
		ends 1 "$@" >/dev/full
		[[ $stderr == *": standard output: No space left"* ]]
	fi
	rm -f "$tmp/gone"
	mkfifo "$tmp/gone"
	# shellcheck disable=SC2094 # a pipe
	exec 7<>"$tmp/gone" 8>"$tmp/gone" 7<&-
	ends 0 "$@" >&8
	exec 8>&-
	[[ $stderr != *"standard output"* ]]
}

@test "all: --help and --version" {
	local name

	for name in decode ping relay node replay; do
		where_it_goes "$build/bluenet-$name" --help
		where_it_goes "$build/bluenet-$name" --version
	done
}

@test "bluenet-decode" {
	local capture=$fixtures/captures/profile-market.pcap how

	for how in '' '-o json' '-q' '-o json -q' -l '-w -' '-z help' \
		'-Y help'; do
		# shellcheck disable=SC2086 # words
		where_it_goes "$decode" -r "$capture" $how
	done
}

@test "bluenet-ping" {
	local logs=$fixtures/ping

	where_it_goes "$build/bluenet-ping" --from "$logs/before.hlog"
	where_it_goes "$build/bluenet-ping" --from "$logs/before.hlog" -o json
	start_relay
	"$build/bluenet-node" --id 7 "$plain" >"$tmp/node.out" 2>&1 3>&- &
	children+=("$!")
	within grep -qs ': ready ' "$tmp/node.out"
	where_it_goes "$build/bluenet-ping" -c 1 "$plain" 7
}

@test "bluenet-replay" {
	local capture=$fixtures/captures/profile-market.pcap

	where_it_goes "$build/bluenet-replay" --dry-run "$capture"
}

@test "bluenet-node" {
	start_relay
	where_it_goes "$build/bluenet-node" --id 8 --for 1s "$plain"
	where_it_goes "$build/bluenet-node" --id 8 --for 1s --stats "$plain"
}

# It says where it listens; what is closed ends it before it serves.
@test "bluenet-relay" {
	ends 1 "$relay" -l 127.0.0.1:0 >&-
	[[ $stderr == *": standard output: closed"* ]]
	where_it_goes "$relay" --make-token 7 market
}
