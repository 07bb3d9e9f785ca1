#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# bluenet-node: what it answers, its impairment, how it comes and goes, and its
# options.
#
# What relay.bash sets; scripts of the peer; each test is a subshell.
# shellcheck disable=SC2154,SC2016,SC2030,SC2031

load relay

setup_file() {
	make_certificates
}

# Of relay.bash, but for the books: what a relay counts is its own tests'.
teardown() {
	local pid failed=0

	for pid in "${nodes[@]}"; do
		stop_node "$pid" || failed=1
	done
	for pid in "${relays[@]}"; do
		stop_relay "$pid" || failed=1
		clean "$tmp/$pid.err" || failed=1
	done
	if [ -z "${BATS_TEST_COMPLETED:-}" ] || [ "$failed" -ne 0 ]; then
		tail -n 40 "$tmp"/*.err "$tmp"/*.out 2>/dev/null || true
	fi
	return "$failed"
}

# ---- relays and nodes

is_ready() {
	grep -qs ': ready ' "$tmp/$1.out" || ended "$1"
}

# begin PROGRAM [ARG...]: in the background, $pid; its output in $tmp/$pid.out
# and .err.
begin() {
	(exec "$@" >"$tmp/$BASHPID.out" 2>"$tmp/$BASHPID.err" 3>&-) &
	pid=$!
}

# run_relay [OPTION...]: $plain and $tls are where it listens.
run_relay() {
	[[ " $* " == *" -l "* || " $* " == *" -L "* ]] ||
		set -- -l 127.0.0.1:0 "$@"
	begin "$relay" "$@"
	relays+=("$pid")
	within is_ready "$pid"
	plain=$(said_ready ready '' "$tmp/$pid.out")
	tls=$(said_ready ready ' tls' "$tmp/$pid.out")
	relay_pid=$pid
	[ -n "$plain$tls" ]
}

# start_node [ARG...]: $node_pid; it need not get anywhere.
start_node() {
	begin "$node" --stats "$@"
	nodes+=("$pid")
	node_pid=$pid
}

# run_node [ARG...]: it is ready.
run_node() {
	start_node "$@"
	within is_ready "$node_pid"
	grep -q 'bluenet-node: ready ' "$tmp/$node_pid.out"
}

# stop_node PID [SIGNAL]: it ends in order, with 0.
stop_node() {
	local status=0

	[ ! -e "$tmp/$1.stopped" ] || return 0
	: >"$tmp/$1.stopped"
	kill -"${2:-TERM}" "$1" 2>/dev/null || true
	ends_in_time "$1" || {
		echo "node $1 did not end"
		kill -KILL "$1"
		return 1
	}
	wait "$1" || status=$?
	clean "$tmp/$1.err" || return 1
	same "exit status $status" "exit status 0"
}

# node_ends EXIT: the node of start_node ends by itself.
node_ends() {
	local status=0

	: >"$tmp/$node_pid.stopped"
	ends_in_time "$node_pid"
	wait "$node_pid" || status=$?
	clean "$tmp/$node_pid.err" || return 1
	same "exit status $status" "exit status $1"
}

# counted NAME N [NAME N...]: in the last line of --stats, of a node that ended.
counted() {
	local line

	line=$(grep '^bluenet-node: stats ' "$tmp/$node_pid.out" | tail -n 1)
	while [ $# -gt 0 ]; do
		[[ "$line " == *" $1=$2 "* ]] || {
			echo "no $1=$2: $line"
			return 1
		}
		shift 2
	done
}

# said N TEXT: standard error of the node has it so often, or more.
said() {
	[ "$(grep -cs -e "$2" "$tmp/$node_pid.err")" -ge "$1" ]
}

node_setup() {
	node=$build/bluenet-node
	nodes=()
	[ -x "$node" ] || skip "bluenet-node is not built"
}

eval "relay_$(declare -f setup)"
setup() {
	relay_setup
	node_setup
}

# ---- what it answers

@test "echo in both layers, of clients and of nodes" {
	run_relay
	run_node --id 7 "$plain"
	play <<'END'
join a $r
echo a dest=node:7 cookie=5
expect a echo-reply cookie=5 flags=0 source=7 n=0
echo a dest=node:7 cookie=6 flags=1
expect a echo-reply cookie=6 flags=1 source=7
check $a.received <= $a.replied
join n $r role=node id=8
echo n dest=node:7 cookie=7 flags=4
expect n echo-reply cookie=7 flags=4 source=7
echo n dest=node:7 cookie=8 flags=5
expect n echo-reply cookie=8 flags=5
END
	stop_node "$node_pid"
	counted echo_network 2 echo_service 2 connects 1 not_sent 0
}

@test "what is no echo, and what is only half of one" {
	run_relay
	run_node --id 7 "$plain"
	play <<'END'
join a $r
send a dest=node:7 key=bluenet.echo payload=hex:ff
send a dest=node:7 key=bluenet.echo
send a dest=node:7 key=bluenet.echo-reply payload=hex:00
send a dest=node:7 key=other payload=x
echo a dest=node:7 cookie=5
expect a echo-reply cookie=5
expect-none a
END
	stop_node "$node_pid"
	counted malformed 3 ignored 0 packets 1 echo_network 1 replies 0
}

@test "a client can not play the relay" {
	run_relay
	run_node --id 7 "$plain"
	play <<'END'
join a $r
send a dest=node:7 key=bluenet.drain payload=hex:0000000000
expect a error code=4
send a dest=node:7 key=bluenet.refuse payload=hex:1100000000
expect a error code=4
send a dest=node:7 key=bluenet.welcome payload=size:40
expect a error code=4
echo a dest=node:7 cookie=5
expect a echo-reply cookie=5
END
	stop_node "$node_pid"
	counted ignored 0 drains 0 refused 0 connects 1
}

@test "--register, --reply-size: ready means that the keys are taken" {
	run_relay
	run_node --register market --register chat --reply-size 300 "$plain"
	play <<'END'
join a $r codecs=zlib
send a dest=any key=market payload=hello
expect a packet key=market size=* bytes=hello*
send a dest=any key=chat payload=size:1000
expect a packet key=chat
send a dest=any key=other payload=hex:0100000000000000
expect a error code=3 cookie=1
END
	stop_node "$node_pid"
	counted packets 2 replies 2
}

@test "--count, --id and --name; every node at every relay" {
	local first

	run_relay
	first=$plain
	run_relay
	run_node --count 3 --id 7 --name jita "$first" "$plain"
	grep -qx 'bluenet-node: ready (6 of 6 links up)' "$tmp/$node_pid.out"
	play first="$first" <<'END'
join a $r
join b $first
roster a roles=2 prefix=jita
expect a roster-reply n=3 entries=*7:node:jita-1*
roster b roles=2 prefix=jita-3
expect b roster-reply n=1 entries=*9:node:jita-3*
echo a dest=node:8 cookie=1
expect a echo-reply cookie=1 source=8
echo b dest=node:9 cookie=1 flags=1
expect b echo-reply cookie=1 source=9
END
	stop_node "$node_pid"
	counted connects 6 echo_network 1 echo_service 1
}

@test "300 nodes on two threads" {
	run_relay
	run_node --count 300 --threads 2 --id 100 "$plain"
	play <<'END'
join a $r
repeat 299 echo a dest=node:10$i cookie=$i
echo a dest=node:399 cookie=1
await a echo-reply source=399
END
	stop_node "$node_pid"
	counted connects 300 failures 0
}

# ---- impairment

@test "--loss 100: nothing is answered, and that is counted" {
	run_relay
	run_node --id 7 --loss 100 -v "$plain"
	play out="$tmp/$node_pid.out" <<'END'
join a $r
echo a dest=node:7 cookie=5
echo a dest=node:7 cookie=6 flags=1
until grep -q ' lost=2 ' $out
expect-none a
END
	stop_node "$node_pid"
	counted echo_network 0 echo_service 0 not_sent 0 lost 2
}

# lost SEED: how many of 100 echoes were.
lost() {
	run_node --id 7 --loss 30 --seed "$1" -v "$plain"
	play <<'END' >/dev/null
join a $r
repeat 100 echo a dest=node:7 cookie=$i
send a dest=node:7 key=bluenet.echo
fence a
END
	# it has got the last, which is no echo
	within grep -q ' malformed=1 ' "$tmp/$node_pid.out"
	stop_node "$node_pid"
	sed -nE 's/.* lost=([0-9]+) .* malformed=1 .*/\1/p' "$tmp/$node_pid.out" |
		tail -n 1
}

@test "--loss and --seed: the same number, or another" {
	local once again other

	run_relay
	once=$(lost 5)
	again=$(lost 5)
	other=$(lost 6)
	[ "$once" -gt 10 ] && [ "$once" -lt 60 ]
	same "$once" "$again"
	[ "$once" -ne "$other" ]
}

@test "--jitter: all arrive, in another order" {
	run_relay
	run_node --id 7 --jitter 200ms --stats "$plain"
	play <<'END' >"$tmp/got"
join a $r
repeat 50 echo a dest=node:7 cookie=$i
repeat 50 expect a echo-reply
END
	sed -nE 's/^a: echo-reply cookie=([0-9]+) .*/\1/p' "$tmp/got" >"$tmp/order"
	same "$(sort -n "$tmp/order")" "$(seq 50)"
	run ! diff -q "$tmp/order" <(seq 50)
	stop_node "$node_pid"
	counted echo_network 50 not_sent 0
}

@test "--service-time: the service layer takes it, the network does not" {
	run_relay
	run_node --id 7 --service-time 500ms "$plain"
	play <<'END'
join a $r
echo a dest=node:7 cookie=1 flags=1
echo a dest=node:7 cookie=2
expect a echo-reply cookie=2
expect a echo-reply cookie=1
run [ $$(($a.replied - $a.received)) -ge 500000000 ]
END
}

@test "--mode serial: while the application works, the network waits" {
	run_relay
	run_node --id 7 --service-time 3s --mode serial "$plain"
	play <<'END'
join a $r
join b $r
echo a dest=node:7 cookie=1 flags=1
run sleep 1
echo b dest=node:7 cookie=2
expect a echo-reply cookie=1
expect b echo-reply cookie=2
run [ $b.received -ge $a.replied ]
END
}

@test "--mode serial --busy 100: the lock is handed on, nobody starves" {
	run_relay
	run_node --id 7 --busy 100 --slice 5ms --mode serial "$plain"
	play <<'END'
join a $r
echo a dest=node:7 cookie=1
expect a echo-reply cookie=1
echo a dest=node:7 cookie=2 flags=1
expect a echo-reply cookie=2
repeat 50 echo a dest=node:7 cookie=$i
repeat 50 expect a echo-reply cookie=$i
END
}

@test "--busy and --stall in parallel mode" {
	run_relay
	run_node --id 7 --busy 50 --slice 1ms --stall 20ms,5ms "$plain"
	play <<'END'
join a $r
repeat 100 echo a dest=node:7 cookie=$i flags=1
repeat 100 expect a echo-reply cookie=$i
END
}

# ---- coming and going

@test "a relay that is killed and comes back" {
	run_relay -l "$own:0"
	run_node --id 7 -v --backoff-max 200ms "$plain"
	: >"$tmp/$relay_pid.stopped"
	kill -KILL "$relay_pid"
	within said 1 'msg="link down"'
	run_relay -l "$plain"
	within said 2 'msg="link up"'
	play <<'END'
join a $r
echo a dest=node:7 cookie=5
expect a echo-reply cookie=5
END
	stop_node "$node_pid"
	counted connects 2 reconnects 1 echo_network 1
}

@test "a relay that is there later" {
	run_relay -l "$own:0"
	stop_relay "$relay_pid"
	start_node --id 7 --backoff-max 200ms "$plain"
	within said 1 'msg="cannot connect"'
	run_relay -l "$plain"
	within is_ready "$node_pid"
	stop_node "$node_pid"
	counted connects 1 reconnects 0
}

@test "drain: to where the relay says, or back when it is up again" {
	local other

	run_relay
	other=$plain
	run_relay -l "$own:0" --drain-to "$other"
	run_node --id 7 -v --backoff-max 200ms "$plain"
	stop_relay "$relay_pid"
	within said 2 'msg="link up"'
	play r="$other" <<'END'
join a $r
echo a dest=node:7 cookie=5
expect a echo-reply cookie=5
END
	# from there it goes home
	run_relay -l "$plain"
	stop_relay "${relays[0]}"
	within said 3 'msg="link up"'
	play <<'END'
join a $r
echo a dest=node:7 cookie=5
expect a echo-reply cookie=5
END
	stop_node "$node_pid"
	counted connects 3 reconnects 2 drains 2
}

@test "keepalive: a link with nothing to say stays" {
	run_relay --keepalive 100ms
	run_node --id 7 "$plain"
	sleep 1
	stop_node "$node_pid"
	counted connects 1 failures 0
}

@test "a newer node of the same id: the old one leaves it the place" {
	local old

	run_relay
	run_node --id 7 "$plain"
	old=$node_pid
	run_node --id 7 "$plain"
	node_pid=$old
	node_ends 1
	said 1 'msg=refused .* code=9 '
	counted refused 1 reconnects 0
}

@test "refused: the id of the relay" {
	run_relay --id 42
	start_node --id 42 "$plain"
	node_ends 1
	said 1 'msg=refused .* code=4 '
	counted connects 0 refused 1
}

@test "refused: no credentials" {
	run_relay -L 127.0.0.1:0 --cert "$certs/server.pem" \
		--key "$certs/server.key"
	start_node --tls --ca "$certs/ca.pem" --id 7 "$tls"
	node_ends 1
	said 1 'code=2 '
}

@test "nobody there: --once, and --for" {
	run_relay -l "$own:0"
	stop_relay "$relay_pid"
	start_node --once "$plain"
	node_ends 3
	counted failures 1
	start_node --for 300ms --backoff-max 100ms "$plain"
	node_ends 3
	start_node --once nowhere.invalid
	node_ends 3
}

@test "--once: what ends is not begun again" {
	run_relay
	run_node --once "$plain"
	stop_relay "$relay_pid"
	node_ends 1
	counted connects 1 reconnects 0 drains 1
}

@test "--for, SIGTERM and SIGINT: ended in order" {
	run_relay
	run_node --for 500ms "$plain"
	node_ends 0
	run_node "$plain"
	stop_node "$node_pid" INT
	counted up 0 connects 1
	start_node "$plain" "$plain" 127.0.0.1:1
	within said 1 'msg="cannot connect"'
	stop_node "$node_pid"
}

# ---- TLS and tokens

@test "TLS with a client certificate" {
	run_relay -L 127.0.0.1:0 --cert "$certs/server.pem" \
		--key "$certs/server.key" --ca "$certs/ca.pem"
	run_node --tls --ca "$certs/ca.pem" --cert "$certs/node7.pem" \
		--key "$certs/node7.key" --id 7 "$tls"
	play <<'END'
join a $t tls ca=$c/ca.pem
echo a dest=node:7 cookie=5 flags=1
expect a echo-reply cookie=5
END
	start_node --once --tls --ca "$certs/other.pem" "$tls"
	node_ends 3
	said 1 'msg="cannot connect" .*certificate'
	start_node --once --tls --ca "$certs/ca.pem" \
		--cert "$certs/foreign.pem" --key "$certs/foreign.key" "$tls"
	node_ends 3
}

@test "--token, --token-file" {
	"$relay" --make-token 7 market >"$tmp/made"
	grep '^7 market ' "$tmp/made" >"$tmp/tokens"
	grep '^market[.]' "$tmp/made" >"$tmp/secret"
	run_relay -L 127.0.0.1:0 --cert "$certs/server.pem" \
		--key "$certs/server.key" --tokens "$tmp/tokens"
	run_node --tls --ca "$certs/ca.pem" --token-file "$tmp/secret" "$tls"
	stop_node "$node_pid"
	run_node --tls --tls-insecure --token "$(<"$tmp/secret")" --id 7 "$tls"
	stop_node "$node_pid"
	run ! grep "$(cut -d. -f2 "$tmp/secret")" "$tmp/$node_pid.err"
	grep -q -e '--tls-insecure: the peer is not verified' \
		"$tmp/$node_pid.err"
	SSL_CERT_FILE=$certs/other.pem start_node --once --tls \
		--token-file "$tmp/secret" "$tls"
	node_ends 3
	said 1 'msg="cannot connect" .*certificate not accepted'
	start_node --tls --ca "$certs/ca.pem" --token market.00 "$tls"
	node_ends 1
	said 1 'code=2 '
}

# ---- options

# node_says EXIT [ARG...]
node_says() {
	local wanted=$1

	shift
	try timeout "$wait_seconds" "$node" "$@" </dev/null
	same "exit $status: $*" "exit $wanted: $*"
}

@test "bad usage: 2, and what was expected" {
	local -a row
	local line

	while IFS='|' read -r line expected; do
		read -ra row <<<"$line"
		node_says 2 "${row[@]}"
		says "$expected"
		says "Try 'bluenet-node --help'."
	done <<'END'
|expected a relay: HOST, HOST:PORT or [IPv6 ADDRESS]:PORT
--nonsense x|--nonsense: no such option
--relpy-size 1 x|--relpy-size: no such option; did you mean --reply-size?
127.0.0.1:99999|RELAY: "127.0.0.1:99999": expected HOST, HOST:PORT
-x x|-x: no such option
--id|--id: expected N after it
--id -1 x|--id: "-1": expected a number from 0 to 9223372036854775807
--id 9223372036854775807 x|--id: expected one with room for --count more
--count 0 x|--count: "0": expected a number from 1 to 65536
--loss 101 x|--loss: "101": expected a percentage such as 5 or 0.1, from 0 to 100
--loss nan x|--loss: "nan": expected a percentage such as 5 or 0.1, from 0 to 100
--busy 1e1 x|--busy: "1e1": expected a percentage such as 5 or 0.1, from 0 to 100
--jitter 1y x|--jitter: "1y": expected a time such as
--stall 10s x|--stall: "10s": expected EVERY,TIME such as 10s,50ms
--stall 10ms,20ms x|--stall: "10ms,20ms": expected a time such as
--mode fast x|--mode: "fast": expected one of parallel, serial
--codecs lz4 x|--codecs: "lz4": expected zlib, snappy, zlib,snappy or none
--threads 0 x|--threads: "0": expected a number from 1 to 64
--reply-size 1G x|--reply-size: "1G": expected a size such as 4096, 64K or 1M, from 0 to 512K
--cert a --tls x|--cert and --key: expected both or none
--ca a x|--ca, --cert and --key go with --tls
--token a --token-file b x|--token and --token-file: expected one of them
--backoff-min 2s --backoff-max 1s x|--backoff-min: expected at most --backoff-max
END
}

@test "files that are not there, or not what they should be: 1" {
	node_says 1 --tls --ca "$tmp/none" x
	says "--ca: $tmp/none: No such file or directory"
	node_says 1 --token-file "$tmp/none" x
	says "--token-file: $tmp/none: No such file or directory"
	echo >"$tmp/empty"
	node_says 1 --token-file "$tmp/empty" x
	says "expected a token"
	node_says 1 --tls --ca "$tmp/empty" x
	says "TLS: "
}

@test "--help, --version" {
	node_says 0 --help
	[[ $output == "usage: bluenet-node "* ]]
	node_says 0 --version
	[[ $output =~ ^bluenet-node\ [0-9]+\.[0-9]+\.[0-9]+$ ]]
	node_says 0 -V
	[[ $output == "bluenet-node "* ]]
	"$node" --help 2>&1 >/dev/full | grep -q "standard output: "
}

# ---- machoNet

macho=$BATS_TEST_DIRNAME/../../fixtures/scenarios/macho

# calls FILE RELAY: all of its scenarios pass.
calls() {
	run -0 "$build/bluenet-replay" --scenario "$macho/$1.bns" \
		--scenario-timeout "${wait_seconds}s" "$2" </dev/null
	same "$(grep -c '^ok ' <<<"$output")" 13
}

@test "--macho: calls through a relay" {
	run_relay
	run_node --id 7 --macho "$macho/services.json" "$plain"
	calls calls "$plain"
	stop_node "$node_pid"
	counted packets 14 results 7 call_errors 5 events 2 silent 1 \
		ignored 0 not_sent 0
}

@test "--macho: what is no call is answered as --reply-size says" {
	run_relay
	run_node --id 7 --macho "$macho/services.json" --reply-size 4 "$plain"
	play <<'END'
join a $r
send a dest=node:7 key=my::key payload=abcdef
expect a packet bytes=abcd source=7
END
	stop_node "$node_pid"
	counted packets 1 replies 1 results 0
}

is_listening() {
	grep -qs ': listening on ' "$tmp/$1.out" || ended "$1"
}

@test "--listen: calls without a header, and pings, as of a stock peer" {
	start_node --listen 127.0.0.1:0 --macho "$macho/services.json"
	within is_listening "$node_pid"
	plain=$(sed -n 's/^bluenet-node: listening on //p' \
		"$tmp/$node_pid.out")
	calls direct "$plain"
	play <<'END'
connect a $r
send a key=my::key timestamp=77
expect a pong timestamp=77
END
	stop_node "$node_pid"
	counted results 7 call_errors 5 events 2 silent 1 up 0 connects 0
}

@test "--macho and --listen: what is wrong with them" {
	echo '{ "services": { "s": { "m": { "latency": 2 } } } }' >"$tmp/bad"
	try "$node" --macho "$tmp/bad" 127.0.0.1
	[ "$status" -eq 1 ]
	[[ $stderr == *"--macho: $tmp/bad: services.s.m.latency: expected"* ]]
	try "$node" --macho "$tmp/none" 127.0.0.1
	[ "$status" -eq 1 ]
	[[ $stderr == *"--macho: $tmp/none: No such file"* ]]
	try "$node" --listen nowhere:x:y
	[ "$status" -eq 2 ]
	[[ $stderr == *"--listen: "*expected* ]]
}
