#!/bin/sh
# SPDX-License-Identifier: MIT
# relay.sh - CPU time a frame and memory a connection of bluenet-relay beside
# what else could carry the packets, in one run, as Markdown. Only the CPU time
# of the process in the middle counts, user and system; the load is the same
# for all (relay_load.c). Medians of RUNS interleaved runs; the machine is
# noisy, so read the ratios. Needs haproxy, nats-server and openssl.
#
#	RUNS=3 FRAMES=2000000 SECONDS_EACH=1	how long
#	IDLE_TLS=2500	idle TLS connections (a handshake takes 1 ms and more)
#	PEERS="relay-1 haproxy-1 ..."	who (-N: threads); default: all there
#	RELAY_ARGS="..."			more options of the relay
set -eu

bench=$BUILD/bench
load=$bench/relay_load
relay=$BUILD/bluenet-relay
runs=${RUNS:-3}
frames=${FRAMES:-2000000}
seconds=${SECONDS_EACH:-1}
stream_payload=111	# a frame of 128 bytes
users_payload=16
idle_tls=${IDLE_TLS:-2500}

dir=$(mktemp -d)
pids=
stop() {
	for pid in $pids; do
		kill "$pid" 2>/dev/null || true
		wait "$pid" 2>/dev/null || true
	done
	pids=
}
trap 'stop; rm -rf "$dir"' EXIT
trap 'exit 1' HUP INT TERM

say() {
	echo "relay.sh: $*" >&2
}

for tool in haproxy nats-server openssl; do
	PATH=$PATH:/usr/sbin command -v $tool >/dev/null || {
		say "$tool is not there (apt-get install $tool)"
		exit 1
	}
done
PATH=$PATH:/usr/sbin

default="copy splice haproxy-1 haproxy-2 nats"
[ ! -x "$bench/zmqproxy" ] || default="$default zmq"
if [ -x "$relay" ]; then
	default="relay-1 relay-2 $default"
else
	say "$relay is not there: the others only"
fi
peers=${PEERS:-$default}

# A copier has two sockets a user, and so has its load.
# shellcheck disable=SC3045 # dash and bash have it
many=$((($(ulimit -n) - 100) / 2))
[ "$many" -le 10000 ] || many=10000

openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 \
    -subj /CN=localhost -keyout "$dir/key.pem" -out "$dir/cert.pem" \
    2>/dev/null
cat "$dir/cert.pem" "$dir/key.pem" >"$dir/both.pem"

# ---- the peers: `launch NAME` sets $pid and adds it to $pids, and says in
# $dir/NAME its wire, port, TLS port (0: none) and node port

free_ports() {
	# shellcheck disable=SC2046 # words on purpose
	set -- $("$load" ports 3)
	a=$1 b=$2 c=$3
}

start() {
	name=$1
	shift
	"$@" >"$dir/$name.log" 2>&1 &
	pid=$!
	pids="$pids $pid"
	echo "$pid" >"$dir/$name.pid"
}

ready_port() {
	sed -n "s/^bluenet-relay: ready on .*:\([0-9][0-9]*\)$2\$/\1/p" \
	    "$dir/$1.log" | head -n 1
}

# The relay finds its own ports and says them.
launch_relay() {
	# shellcheck disable=SC2086 # words on purpose
	start "$1" "$relay" -l 127.0.0.1:0 -L 127.0.0.1:0 \
	    --cert "$dir/cert.pem" --key "$dir/key.pem" --threads "${1#*-}" \
	    ${RELAY_ARGS:-}
	tries=0
	until [ -n "$(ready_port "$1" '')" ] && \
	    [ -n "$(ready_port "$1" ' tls')" ]; do
		tries=$((tries + 1))
		if [ $tries -gt 100 ]; then
			say "the relay did not get ready:"
			cat "$dir/$1.log" >&2
			exit 1
		fi
		sleep 0.1
	done
	a=$(ready_port "$1" '')
	echo "bnet $a $(ready_port "$1" ' tls') $a" >"$dir/$1"
}

launch_haproxy() {
	free_ports
	cat >"$dir/$1.cfg" <<END
global
	nbthread ${1#*-}
	maxconn $((many + 10))
defaults
	mode tcp
	maxconn $((many + 10))
	timeout connect 10s
	timeout client 300s
	timeout server 300s
frontend plain
	bind 127.0.0.1:$a
	default_backend sink
frontend secure
	bind 127.0.0.1:$b ssl crt $dir/both.pem
	default_backend sink
backend sink
	server sink 127.0.0.1:$c
END
	start "$1" haproxy -db -q -f "$dir/$1.cfg"
	echo "raw $a $b $c" >"$dir/$1"
	"$load" ready "$a"
}

launch_nats() {
	free_ports
	cat >"$dir/nats.conf" <<END
host: 127.0.0.1
port: $a
max_connections: 20000
ping_interval: "10m"
allow_non_tls: true
tls {
	cert_file: "$dir/cert.pem"
	key_file: "$dir/key.pem"
	timeout: 10
}
END
	start "$1" nats-server -c "$dir/nats.conf"
	echo "nats $a $a $a" >"$dir/$1"
	"$load" ready "$a"
}

launch_epoll() {
	free_ports
	start "$1" "$bench/epollrelay" "$1" "$a" "$b"
	echo "raw $a 0 $b" >"$dir/$1"
	"$load" ready "$a"
}

launch_zmq() {
	free_ports
	start "$1" "$bench/zmqproxy" "$a" "$b"
	echo "zmq $a 0 $b" >"$dir/$1"
	"$load" ready "$a"
}

launch() {
	case $1 in
	relay-*) launch_relay "$1" ;;
	haproxy-*) launch_haproxy "$1" ;;
	copy | splice) launch_epoll "$1" ;;
	nats | zmq) launch_"$1" "$1" ;;
	*)
		say "no such peer: $1"
		exit 2
		;;
	esac
}

# ---- measuring: one line in $dir/results, KEY and numbers

# TEST SECURITY PEER OPTIONS...; SECURITY is plain, 1.2 or 1.3
measure() {
	test=$1 security=$2 peer=$3
	shift 3
	read -r wire port tls_port node_port <"$dir/$peer"
	if [ "$security" != plain ]; then
		port=$tls_port
		set -- "$@" --tls "$security"
	fi
	"$load" "$test" --wire "$wire" --port "$port" --node-port \
	    "$node_port" --pid "$(cat "$dir/$peer.pid")" "$@" >"$dir/one" || {
		say "$test, $security, $peer, $*: failed"
		tail -n 5 "$dir/$peer.log" >&2
		exit 1
	}
}

# What a peer can not do is left out.
can() {
	case $1/$2/$3 in
	stream/*/splice | users/*/copy | users/*/zmq) return 1 ;;
	idle/*/copy | idle/*/splice | idle/*/zmq) return 1 ;;
	idle/*/relay-1 | idle/*/haproxy-1) return 1 ;; # as with 2
	*/1.?/copy | */1.?/splice | */1.?/zmq) return 1 ;;
	esac
}

keep() {
	awk -v key="$1" '{ print key, $2 / $1 / 1e3, $4 / 1e6, $5 / 1e6 }' \
	    "$dir/one" >>"$dir/results"
}

one_run() {
	for security in plain 1.3; do
		for peer in $peers; do
			can stream "$security" "$peer" || continue
			measure stream "$security" "$peer" \
			    --payload $stream_payload --frames "$frames"
			keep "stream/$security/1/$peer"
			case $peer in
			relay-*) vary "$security" "$peer" ;;
			esac
		done
		for n in 1 100 1600; do
			users_run "$security" "$n"
		done
	done
}

# SECURITY PEER: what comes in a row has not the same header, which the relay
# would decode and encode once.
vary() {
	measure stream "$1" "$2" --vary --payload $stream_payload \
	    --frames "$frames"
	keep "vary/$1/1/$2"
}

# SECURITY USERS
users_run() {
	for peer in $peers; do
		can users "$1" "$peer" || continue
		measure users "$1" "$peer" --payload $users_payload \
		    --users "$2" --seconds "$seconds"
		keep "users/$1/$2/$peer"
	done
}

# Each from a new process, which holds no memory of what went before.
memory_run() {
	for peer in $peers; do
		for security in plain 1.2 1.3; do
			can idle $security "$peer" || continue
			n=$idle_tls
			[ $security != plain ] || n=$many
			launch "$peer"
			measure idle $security "$peer" --users "$n"
			awk -v key="idle/$security/$peer" \
			    '{ print key, $2 / 1024 }' "$dir/one" \
			    >>"$dir/results"
			stop
		done
	done
}

# ---- the tables

# Median of column $2 of a key, printed with format $3; "" where none.
median() {
	awk -v key="$1" -v c="$2" '$1 == key { print $c }' "$dir/results" |
	    sort -g | awk -v f="$3" '{ v[NR] = $1 }
	    END { if (NR) printf f, v[int((NR + 1) / 2)] }'
}

# The same as a multiple of another key.
ratio() {
	echo "$(median "$1" 2 %f) $(median "$2" 2 %f)" |
	    awk 'NF == 2 && $2 > 0 { printf "%.2f x", $1 / $2 }'
}

label() {
	case $1 in
	relay-*) echo "\`bluenet-relay --threads ${1#*-}\`" ;;
	copy) echo "raw epoll loop, copying" ;;
	splice) echo "raw epoll loop, splicing" ;;
	haproxy-*) echo "HAProxy, TCP mode, nbthread ${1#*-}" ;;
	nats) echo "NATS server" ;;
	zmq) echo "ZeroMQ proxy, PULL to PUSH" ;;
	esac
}

stream_table() {
	echo "| | CPU s per million | against raw | no two headers in a row" \
	    "the same | TLS 1.3 | against HAProxy, 1 |"
	echo "|---|---|---|---|---|---|"
	for peer in $peers; do
		can stream plain "$peer" || continue
		plain=stream/plain/1 tls=stream/1.3/1
		echo "| $(label "$peer") | $(median $plain/"$peer" 2 %.3f)" \
		    "| $(ratio $plain/"$peer" $plain/copy)" \
		    "| $(median vary/plain/1/"$peer" 2 %.3f)" \
		    "| $(median $tls/"$peer" 2 %.3f)" \
		    "| $(ratio $tls/"$peer" $tls/haproxy-1) |"
	done
}

# SECURITY BASE NAME
users_table() {
	echo "| | 1 user | 100 | 1,600 | $many | 1,600 against $3 |" \
	    "turn at 1,600, p50 / p99 ms |"
	echo "|---|---|---|---|---|---|---|"
	for peer in $peers; do
		can users "$1" "$peer" || continue
		printf '| %s ' "$(label "$peer")"
		for n in 1 100 1600 "$many"; do
			printf '| %s ' "$(median "users/$1/$n/$peer" 2 %.2f)"
		done
		key=users/$1/1600
		echo "| $(ratio "$key/$peer" "$key/$2")" \
		    "| $(median "$key/$peer" 3 %.1f) /" \
		    "$(median "$key/$peer" 4 %.1f) |"
	done
}

idle_table() {
	echo "| KiB a connection | plain | TLS 1.2 | TLS 1.3 |"
	echo "|---|---|---|---|"
	for peer in $peers; do
		can idle plain "$peer" || continue
		printf '| %s ' "$(label "$peer")"
		for security in plain 1.2 1.3; do
			printf '| %s ' "$(median "idle/$security/$peer" 2 %.1f)"
		done
		echo "|"
	done
}

report() {
	echo "$(nproc) cores, $(sed -n 's/^model name.*: //p' /proc/cpuinfo |
	    head -n 1), Linux $(uname -r);" \
	    "$(haproxy -v | sed -n 's/ [0-9/]* - .*//;1p')" \
	    "(default buffers); $(nats-server --version);" \
	    "$(openssl version | cut -d' ' -f1,2), AES-128-GCM, P-256." \
	    "Medians of $runs runs; $many users: one run."
	echo
	echo "1. One user streams frames of 128 bytes to one node" \
	    "($frames of them; the same payload for all):"
	echo
	stream_table
	echo
	echo "2. Users with one packet of $users_payload bytes on the way" \
	    "each, answered by the node; CPU us a frame, a turn is two:"
	echo
	users_table plain splice splicing
	echo
	echo "3. The same, users over TLS 1.3:"
	echo
	users_table 1.3 haproxy-1 "HAProxy, 1"
	echo
	echo "4. $many idle connections ($idle_tls over TLS), growth of private" \
	    "memory (HAProxy's each hold one to the backend too):"
	echo
	idle_table
}

: >"$dir/results"
i=0
while [ $i -lt "$runs" ]; do
	memory_run
	i=$((i + 1))
done
for peer in $peers; do
	launch "$peer"
done
i=0
while [ $i -lt "$runs" ]; do
	one_run
	i=$((i + 1))
done
for security in plain 1.3; do
	users_run $security "$many"
done
stop
report
