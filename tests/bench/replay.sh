#!/bin/sh
# SPDX-License-Identifier: MIT
# replay.sh - how fast, how punctual, how wide and how lean bluenet-replay is,
# in one run, as Markdown. The load is that of replay_trace: frames of 128
# bytes on connections of stock clients; the other end throws away
# (replay_sink). Medians of RUNS; the machine is noisy, so read the ratios.
# For the row of tcpreplay it needs root (a network namespace of its own),
# tcpreplay and tcpdump.
#
#	RUNS=3 SECONDS_EACH=10	how long
#	RATE=50000 CONNECTIONS=1000	of the punctuality
#	MANY=10000	connections at once
#	REPLAY_CPU=0 SINK_CPU=1	processors; empty: wherever (the default)
#	BIG_MB=2048	of the large capture (and 2 x that of disk); 0: none
set -eu

bench=$BUILD/bench
replay=$BUILD/bluenet-replay
runs=${RUNS:-3}
seconds=${SECONDS_EACH:-10}
rate=${RATE:-50000}
connections=${CONNECTIONS:-1000}
many=${MANY:-10000}
big_mb=${BIG_MB:-2048}
on_replay=${REPLAY_CPU:+taskset -c $REPLAY_CPU}
on_sink=${SINK_CPU:+taskset -c $SINK_CPU}
PATH=$PATH:/usr/sbin

dir=$(mktemp -d)
sink=
# The sink ends when its input does.
stop() {
	exec 9>&- || true
	[ -z "$sink" ] || wait "$sink" 2>/dev/null || true
	sink=
}
trap 'stop; rm -rf "$dir"' EXIT
trap 'exit 1' HUP INT TERM

say() {
	echo "replay.sh: $*" >&2
}

# start_sink: $at is where it listens
start_sink() {
	rm -f "$dir/in" "$dir/sink"
	mkfifo "$dir/in"
	$on_sink "$bench/replay_sink" <"$dir/in" >"$dir/sink" &
	sink=$!
	exec 9>"$dir/in"
	at=
	while [ -z "$at" ]; do
		at=$(sed -n 's/^ready on //p' "$dir/sink")
	done
}

# number JSON FILTER
number() {
	jq -r "$2" "$1"
}

median() {
	sort -g | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'
}

# trace NAME CONNECTIONS FRAMES_EACH RATE: a tape
trace() {
	"$bench/replay_trace" "$dir/$1.pcap" "$2" "$3" "$4"
	"$replay" -q --compile "$dir/$1.tape" "$dir/$1.pcap"
}

# ---- how fast ---------------------------------------------------------------

fast() {
	frames=8000000
	trace fast 16 $((frames / 16)) 1000000
	rm "$dir/fast.pcap"
	for _ in $(seq "$runs"); do
		start_sink
		"$replay" -q --asap --threads 1 --report "$dir/r.json" \
		    "$dir/fast.tape" "$at" >/dev/null
		stop
		number "$dir/r.json" '.counts.frames_sent /
		    .run.length_ns * 1e9 | floor'
	done | median >"$dir/rate"
	rm "$dir/fast.tape"
	echo '| frames of 128 bytes a second, --asap --threads 1 |'
	echo '|---|'
	echo "| $(cat "$dir/rate") |"
	echo
}

# ---- how punctual -----------------------------------------------------------

# own ARG...: us late by its own clock: p99, frames, p50, max; the median run
own() {
	for _ in $(seq "$runs"); do
		start_sink
		$on_replay "$replay" -q --threads 1 --report "$dir/r.json" \
		    "$@" "$at" >/dev/null || true
		stop
		number "$dir/r.json" '[.late.p99_ns / 1e3, .late.count,
		    .late.p50_ns / 1e3, .late.max_ns / 1e3] | @tsv'
	done | sort -g | awk '{ v[NR] = $0 } END { print v[int((NR + 1) / 2)] }'
}

# watch COMMAND...: runs it while tcpdump stamps what comes to $port on lo
watch() {
	tcpdump -i lo -w "$dir/seen.pcap" -s 1024 -B 131072 \
	    --time-stamp-precision=nano "tcp dst port $port and greater 150" \
	    2>"$dir/tcpdump" &
	dump=$!
	until grep -q listening "$dir/tcpdump"; do sleep 0.1; done
	"$@" >/dev/null 2>&1 || true
	sleep 1
	kill -INT "$dump"
	wait "$dump" || true
	"$bench/replay_late" "$dir/seen.pcap" "$rate" "$port"
}

# In a namespace of our own, by the kernel's stamps, for all alike.
watched() {
	dir=$1
	ip link set lo up
	for args in '' --spin; do
		for _ in $(seq "$runs"); do
			start_sink
			port=${at##*:}
			# shellcheck disable=SC2086 # an option, or none
			watch $on_replay "$replay" -q --threads 1 $args "$dir/late.tape" \
			    "$at"
			stop
		done | middle "\`bluenet-replay $args\`"
	done
	port=26000
	for _ in $(seq "$runs"); do
		# shellcheck disable=SC2086 # words, or none
		watch $on_replay tcpreplay -q --preload-pcap -i lo "$dir/late.pcap"
	done | middle "\`tcpreplay --preload-pcap\`"
}

# The run with the median p99 as a row.
middle() {
	sort -g -k 3 | awk -v name="$1" '{ v[NR] = $0 }
	    END { $0 = v[int((NR + 1) / 2)]
		printf "| %s | %s | %s | %s | %s |\n", name, $1, $2, $3, $4 }'
}

punctual() {
	trace late "$connections" $((rate * seconds / connections)) "$rate"
	echo "| us late, $rate frames/s, $connections connections |" \
	    "frames | p50 | p99 | max |"
	echo '|---|---|---|---|---|'
	for args in '' --spin; do
		# shellcheck disable=SC2086 # an option, or none
		own $args "$dir/late.tape" >"$dir/row"
		read -r p99 n p50 max <"$dir/row"
		echo "| \`bluenet-replay $args\`, own clock |" \
		    "$n | $p50 | $p99 | $max |"
	done
	if [ "$(id -u)" -eq 0 ] && command -v tcpreplay >/dev/null; then
		echo '| by the stamps of tcpdump, which runs beside: | | | | |'
		unshare -n sh "$0" watched "$dir"
	else
		say 'no root, or no tcpreplay: its row is left out'
	fi
	rm -f "$dir"/late.*
	echo
}

# ---- how wide ---------------------------------------------------------------

wide() {
	trace wide "$many" 20 20000
	start_sink
	"$replay" -q --threads 1 --report "$dir/r.json" "$dir/wide.tape" \
	    "$at" >/dev/null || true
	stop
	echo '| connections at once | ready | frames sent | us late, p50 | p99 |'
	echo '|---|---|---|---|---|'
	number "$dir/r.json" '[.run.sessions, .counts.sessions_ready,
	    .counts.frames_sent, .late.p50_ns / 1e3, .late.p99_ns / 1e3]
	    | "| " + (map(tostring) | join(" | ")) + " |\n"'
	rm -f "$dir"/wide.*
}

# ---- how lean ---------------------------------------------------------------

# peak COMMAND...: the most private memory that it had, in MB
peak() {
	"$@" >/dev/null &
	pid=$!
	most=0
	while kb=$(sed -n 's/^RssAnon:[^0-9]*\([0-9]*\).*/\1/p' \
	    "/proc/$pid/status" 2>/dev/null) && [ -n "$kb" ]; do
		[ "$kb" -le "$most" ] || most=$kb
		sleep 0.05
	done
	wait "$pid"
	echo "$most" | awk '{ printf "%.1f", $1 / 1024 }'
}

lean() {
	echo '| capture | compiling, MB of private memory | playing |'
	echo '|---|---|---|'
	for mb in $((big_mb / 10)) "$big_mb"; do
		"$bench/replay_trace" "$dir/big.pcap" 1000 $((mb * 5)) 1000000
		size=$(stat -c %s "$dir/big.pcap")
		one=$(peak "$replay" -q --compile "$dir/big.tape" \
		    "$dir/big.pcap")
		rm "$dir/big.pcap"
		start_sink
		two=$(peak "$replay" -q --asap --threads 1 "$dir/big.tape" \
		    "$at")
		stop
		rm "$dir/big.tape"
		echo "| $((size / 1000000)) MB | $one | $two |"
	done
}

if [ "${1:-}" = watched ]; then
	trap 'stop' EXIT
	rm -rf "$dir"
	watched "$2"
	exit
fi
if [ ! -x "$replay" ]; then
	say "$replay is not there"
	exit 1
fi
fast
punctual
wide
[ "$big_mb" -eq 0 ] || lean
