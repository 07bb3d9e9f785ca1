# SPDX-License-Identifier: MIT
# What the tests of bluenet-replay share, beside relay.bash.
# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # the tests use it; relay.bash sets it

replay=${BNET_BUILD:-$BATS_TEST_DIRNAME/../../build}/bluenet-replay

# start_nodes [OPTION...]: bluenet-node at the last relay; $node_pid
start_nodes() {
	# that of the last ones says ready, too
	: >"$tmp/node.out"
	"${build:?}/bluenet-node" "$@" "$plain" >"$tmp/node.out" \
		2>"$tmp/node.err" 3>&- &
	node_pid=$!
	children+=("$node_pid")
	within grep -qs ': ready ' "$tmp/node.out"
}

# record NAME [OPTION...]: what the script of standard input plays on a relay
# with these options, and node 7, as $tmp/NAME.pcap.
record() {
	local name=$1 script

	shift
	script=$(cat)
	start_relay --capture "$tmp/$name.pcap" "$@"
	start_nodes --id 7 --register market::quote --reply-size 40
	play <<<"$script"
	kill "$node_pid"
	wait "$node_pid" || true
	stop_relay "$pid"
}

# start_target [OPTION...]: another relay, of other ids, with node 7, which
# records what it sees as target.pcap
start_target() {
	start_relay --capture "$tmp/target.pcap" --clients-from 500 --id 99 "$@"
	start_nodes --id 7 --register market::quote --reply-size 40
}

# How late this machine is must not matter: nothing is late, no answer that
# comes is given up, and peers that write to each other wait for each other.
# One thread does what is due in order, however late it is.
patience() {
	echo --answer-timeout 60s --threads 1
	[[ " $* " == *" --asap "* ]] || echo --max-lateness 1h
}

# replays EXIT [ARG...]: with that exit status; $output, $stderr, $tmp/r.json
replays() {
	local wanted=$1

	shift
	# shellcheck disable=SC2046 # words on purpose
	try timeout "$wait_seconds" "$replay" -p any \
		$(patience "$@") --report "$tmp/r.json" "$@" </dev/null
	printf '%s\n' "$stderr" >"$tmp/replay.err"
	clean "$tmp/replay.err"
	if [ "$status" -ne "$wanted" ]; then
		echo "exit $status, not $wanted: $*"
		echo "$output"
		echo "$stderr"
		return 1
	fi
}

# replays_beside [ARG...]: the same beside the test; $replay_pid
replays_beside() {
	# shellcheck disable=SC2046 # words on purpose
	"$replay" -p any $(patience "$@") --report "$tmp/r.json" "$@" \
		>"$tmp/replay.out" \
		2>"$tmp/replay.err" </dev/null 3>&- &
	replay_pid=$!
	children+=("$replay_pid")
}

# report FILTER: of the report, by jq
report() {
	jq -r "$1" "$tmp/r.json"
}

# frames FILE FILTER [FIELDS]: what of a capture a filter takes, sorted
frames() {
	"$decode" -r "$1" -p any -o json --payload hex \
		--keys "$fixtures/keys.txt" -Y "$2" |
		jq -c "${3:-[.header.key, .header.dest_type, .codec,
		    .header.serial, .header.priority, .payload]}" | sort
}
