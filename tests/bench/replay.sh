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
#	BIG_MB=2048	of the large capture; 0: leave it out
set -eu

bench=$BUILD/bench
replay=$BUILD/bluenet-replay
runs=${RUNS:-3}
seconds=${SECONDS_EACH:-10}
rate=${RATE:-50000}
connections=${CONNECTIONS:-1000}
many=${MANY:-10000}
big_mb=${BIG_MB:-2048}
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
	"$bench/replay_sink" <"$dir/in" >"$dir/sink" &
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

# cpu COMMAND...: runs it; $cpu_s is what it took, user and system
cpu() {
	cpu_was=$(times | sed -n 2p)
	"$@"
	cpu_s=$({ echo "$cpu_was"; times | sed -n 2p; } | awk '
	    function s(t) { split(t, a, "m"); return a[1] * 60 + a[2] }
	    { t[NR] = s($1) + s($2) }
	    END { printf "%.3f", t[2] - t[1] }')
}

# ---- how fast ---------------------------------------------------------------

fast() {
	frames=4000000
	trace fast 16 $((frames / 16)) 1000000
	rm "$dir/fast.pcap"
	: >"$dir/wall"
	: >"$dir/cpu"
	for _ in $(seq "$runs"); do
		start_sink
		cpu "$replay" -q --asap --threads 1 --report "$dir/r.json" \
		    "$dir/fast.tape" "$at" >/dev/null
		stop
		number "$dir/r.json" '.length_ns' |
		    awk -v n=$frames '{ print n / $1 * 1e9 }' >>"$dir/wall"
		echo "$cpu_s" | awk -v n=$frames '{ print n / $1 }' >>"$dir/cpu"
	done
	rm "$dir/fast.tape"
	echo "| frames/s, --asap, one thread | frames a CPU second |"
	echo '|---|---|'
	printf '| %.0f | %.0f |\n\n' "$(median <"$dir/wall")" \
	    "$(median <"$dir/cpu")"
}

# ---- how punctual -----------------------------------------------------------

row() {
	printf '| %s | %s | %s | %s | %s |\n' "$@"
}

# By the kernel's stamps on the loopback of a namespace, for both alike.
watched='
ip link set lo up
tcpdump -i lo -w "$1/seen.pcap" -s 96 -B 65536 --time-stamp-precision=nano \
    -j host dst port "$PORT" 2>"$1/tcpdump" &
dump=$!
until grep -q listening "$1/tcpdump"; do :; done
shift
"$@"
sleep 1
kill -INT $dump
wait $dump || true
'

punctual() {
	frames=$((rate * seconds / connections))
	trace late "$connections" "$frames" "$rate"
	echo "| us late, $rate frames/s, $connections connections |" \
	    "frames | p50 | p99 | max |"
	echo '|---|---|---|---|---|'
	for args in '' --spin; do
		for _ in $(seq "$runs"); do
			start_sink
			"$replay" -q $args --threads 1 --report "$dir/r.json" \
			    "$dir/late.tape" "$at" >/dev/null || true
			stop
			number "$dir/r.json" "[.lateness.p99_ns / 1e3,
			    .sent, .lateness.p50_ns / 1e3,
			    .lateness.max_ns / 1e3] | @tsv"
		done | sort -g | awk '{ v[NR] = $0 }
		    END { print v[int((NR + 1) / 2)] }' >"$dir/row"
		read -r p99 n p50 max <"$dir/row"
		row "\`bluenet-replay $args\`, by its own clock" \
		    "$n" "$p50" "$p99" "$max"
	done
}

if [ ! -x "$replay" ]; then
	say "$replay is not there"
	exit 1
fi
fast
punctual
