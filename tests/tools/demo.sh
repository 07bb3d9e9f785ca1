#!/bin/sh
# SPDX-License-Identifier: MIT
# demo.sh - a relay, twelve nodes, some traffic, what a capture of it shows,
# how long the nodes took to answer, and the same against another relay ("make
# demo"). All of it on loopback, on ports that are free, and in a folder that
# goes at the end. Status 0: everything was as it should be.
set -eu

BUILD=$(cd "$BUILD" && pwd)
PATH=$BUILD:$PATH	# what is shown is what is run
pids=

# ---- programs beside us -----------------------------------------------------

# Whatever ends the script, nothing is left behind.
clean_up() {
	for pid in $pids; do
		kill "$pid" 2>/dev/null || true
	done
	for pid in $pids; do
		wait "$pid" 2>/dev/null || true
	done
	rm -rf "$tmp"
}

failed() {
	echo "demo: $1" >&2
	cat "$tmp"/*.err >&2 2>/dev/null || true
	exit 1
}

# ready NAME LINES: within 10 s $pid has said so many in NAME.out; show them.
ready() {
	tries=0
	while [ "$(wc -l <"$tmp/$1.out")" -lt "$2" ]; do
		tries=$((tries + 1))
		if [ "$tries" -gt 200 ] || ! kill -0 "$pid" 2>/dev/null; then
			failed "$1 did not get ready"
		fi
		sleep 0.05
	done
	cat "$tmp/$1.out"
}

# start NAME LINES COMMAND: beside us; it is ready after so many lines.
start() {
	printf '\n$ %s &\n' "$3"
	: >"$tmp/$1.out"
	(cd "$tmp" && eval "exec $3") >"$tmp/$1.out" 2>"$tmp/$1.err" &
	pid=$!
	pids="$pids $pid"
	ready "$1" "$2"
}

# stop NAME PID: it ends in order.
stop() {
	kill "$2"
	wait "$2" || failed "$1 did not end in order"
}

# show COMMAND [STATUS]: as if somebody typed it; STATUS is as good as 0.
show() {
	printf '\n$ %s\n' "$1"
	status=0
	(cd "$tmp" && eval "$1") || status=$?
	[ "$status" -eq 0 ] || [ "$status" -eq "${2:-0}" ] ||
	    failed 'that was not as it should be'
}

# ---- what is shown ----------------------------------------------------------

# Two clients and a node say hello, send, and tell what comes back. The first
# `expect` that is not met ends the demo. See tests/tools/peer.c.
traffic() {
	cat <<'EOT'
mute
join ann $r codecs=zlib,snappy
join bob $r codecs=zlib order=network
join eve $r role=node id=200
echo ann
expect ann echo-reply source=1
run echo '  echo       ann asks the relay, which answers'
echo ann dest=node:107
expect ann echo-reply source=107
run echo '  echo       ann asks node 107, which answers'
send ann dest=node:103 key=chat::line payload=hello_node
expect ann packet source=103 key=chat::line
run echo '  NODE       ann to node 103, which answers'
send ann dest=client:$bob.id key=chat::line payload=hello_bob
expect bob packet source=$ann.id bytes=hello_bob
run echo '  CLIENT     ann to bob'
send ann dest=client:$bob.id key=chat::line payload=size:20000 codec=snappy
expect bob packet source=$ann.id payload=size:20000
run echo '  snappy     ann to bob, who does not take it: the relay inflates'
send eve dest=client forks=$ann.id,$bob.id key=destiny::update payload=undock
expect ann packet source=200 bytes=undock
expect bob packet source=200 bytes=undock
run echo '  multicast  eve to ann and bob'
send eve dest=broadcast key=destiny::update payload=downtime_soon
expect ann packet source=200 bytes=downtime_soon
expect bob packet source=200 bytes=downtime_soon
run echo '  BROADCAST  eve to every client'
send bob dest=node:999 key=chat::line payload=anybody
expect bob error key=chat::line
run echo '  error      bob to node 999, who is not there: bob is told'
repeat 12 send ann dest=any key=market::quote payload=size:1500
repeat 12 await ann packet source=1* key=market::quote
run echo '  ANY        ann, to one node after the other that has market::quote'
EOT
	echo "run sh '$0' links '$1'"
}

# links ADDRESS: /links of a relay, the columns that fit.
links() {
	printf '\n$ curl http://%s/links | jq ...\n' "$1"
	row='%4s  %-7s %-9s %10s %11s %9s  %s\n'
	# shellcheck disable=SC2059 # the same row
	printf "$row" id role name packets_in packets_out order codecs
	json=$(curl -sSf "http://$1/links")
	printf '%s\n' "$json" | jq -r '.links[] | [.id, .role, .name,
	    .packets_in, .packets_out, .order,
	    (.codecs | join(",") | if . == "" then "-" else . end)] | @tsv' |
		awk -F '\t' -v row="$row" '
		    { printf row, $1, $2, $3, $4, $5, $6, $7 }'
}

# ---- the demo ---------------------------------------------------------------

if [ "${1:-}" = links ]; then
	links "$2"
	exit
fi

for tool in curl jq; do
	if ! command -v "$tool" >/dev/null; then
		echo "demo: $tool is missing; try: make deps" >&2
		exit 1
	fi
done
tmp=$(mktemp -d)
trap clean_up EXIT
trap 'exit 130' HUP INT TERM
cp fixtures/keys.txt "$tmp"

start relay 2 \
	'bluenet-relay -l 127.0.0.1:0 --metrics 127.0.0.1:0 --capture demo.pcap'
relay=$pid
at=$(sed -n 's/^bluenet-relay: ready on //p' "$tmp/relay.out")
metrics=$(sed -n 's/^bluenet-relay: metrics on //p' "$tmp/relay.out")

start nodes 1 "bluenet-node --count 12 --id 101 --register market::quote \\
    --reply-size 40 $at"
nodes=$pid

printf '\nTwo clients, ann and bob, and eve, a node, on that relay:\n'
traffic "$metrics" >"$tmp/traffic"
"$BUILD/tools/peer" r="$at" <"$tmp/traffic" || failed 'traffic went astray'

printf '\nTwenty-five pings of each of the nodes, for later:\n'
show "bluenet-ping -c 25 -i 20ms $at >table"

stop bluenet-relay "$relay"
stop bluenet-node "$nodes"
printf '\nNow relay and nodes have ended. What was recorded, any tool reads:\n'
show "bluenet-decode -r demo.pcap -p any --keys keys.txt -t -c 20 \\
    -Y 'key_name matches \"chat|destiny|market\"'"
show 'bluenet-decode -r demo.pcap -p any --keys keys.txt -q -z keys'
printf '\nAnd how long the twelve nodes took to answer, in seconds:\n'
show 'cat table'

printf '\nThe clients of that recording, played against another relay:\n'
start relay2 1 'bluenet-relay -l 127.0.0.1:0 --clients-from 501'
relay=$pid
at=$(sed -n 's/^bluenet-relay: ready on //p' "$tmp/relay2.out")
start nodes2 1 "bluenet-node --count 12 --id 101 --register market::quote \\
    --reply-size 40 $at"
nodes=$pid
# Exit status 4: this machine was too busy to send on time, and replay says so.
show "bluenet-replay --port any --keys keys.txt demo.pcap $at" 4
stop bluenet-relay "$relay"
stop bluenet-node "$nodes"
