#!/bin/sh
# SPDX-License-Identifier: MIT
# ping.sh - how well bluenet-ping measures, beside what else does, in one run,
# as Markdown: round trips over one TCP connection beside sockperf, whether
# pings are sent when they were due beside irtt, and a delay, jitter and loss
# that are known. Medians of RUNS interleaved runs. Needs sockperf and irtt;
# the last part needs root and the netem of the kernel, or is left out.
#
#	RUNS=3 SECONDS_EACH=2		how long; and at 1 ping a second:
#	SLOW_SECONDS=10
#	CLIENT_CPU=0 SERVER_CPU=1	as taskset has it; the default is the last
#	NETEM_PINGERS=20 NETEM_SECONDS=30
#
# sockperf sends the next message when the last was answered or, with --mps,
# so many a second, for which it busy-waits. It blocks in recvfrom(), or asks
# again and again (--nonblocked), which is what --spin is to be compared with.
# Servers block: sockperf's in recvfrom(), the relay in epoll_wait(). All of
# them are kept on SERVER_CPU, and those who measure round trips on CLIENT_CPU:
# whether the two are the same decides more than who measures, and the ratios
# differ too, so the table says where they were; 0-1 leaves it to the kernel.
set -eu

ping=$BUILD/bluenet-ping
relay=$BUILD/bluenet-relay
runs=${RUNS:-3}
seconds=${SECONDS_EACH:-2}
slow_seconds=${SLOW_SECONDS:-10}
pingers=${NETEM_PINGERS:-20}
netem_seconds=${NETEM_SECONDS:-30}
client_cpu=${CLIENT_CPU:-0}
server_cpu=${SERVER_CPU:-$(($(nproc) - 1))}
near=bnet-near-$$
far=bnet-far-$$

dir=$(mktemp -d)
pids=
stop() {
	for pid in $pids; do
		kill "$pid" 2>/dev/null || true
		wait "$pid" 2>/dev/null || true
	done
	pids=
	ip netns del "$near" 2>/dev/null || true
	ip netns del "$far" 2>/dev/null || true
}
PATH=$PATH:/usr/sbin
trap 'stop; rm -rf "$dir"' EXIT
trap 'exit 1' HUP INT PIPE TERM

say() {
	echo "ping.sh: $*" >&2
}

failed() {
	say "$1"
	tail -n 5 "$2" >&2
	exit 1
}

for tool in sockperf irtt; do
	command -v $tool >/dev/null || {
		say "$tool is not there (apt-get install $tool)"
		exit 1
	}
done

# ---- servers ----------------------------------------------------------------

# start NAME COMMAND ...: beside us
start() {
	name=$1
	shift
	"$@" >"$dir/$name.log" 2>&1 &
	pid=$!
	pids="$pids $pid"
}

# until_true WHAT LOG COMMAND ...: within 10 s
until_true() {
	what=$1 log=$2 tries=0
	shift 2
	until "$@" >/dev/null 2>&1; do
		tries=$((tries + 1))
		[ $tries -le 100 ] || failed "$what did not get ready" "$log"
		sleep 0.1
	done
}

# start_relay NAME ADDRESS COMMAND ...: sets $at
start_relay() {
	relay_log=$dir/$1.log
	name=$1 address=$2
	shift 2
	start "$name" "$@" "$relay" -l "$address" --insecure-listen --insecure-nodes --threads 1
	until_true "$name" "$relay_log" grep -q ': ready on ' "$relay_log"
	at=$(sed -n 's/^bluenet-relay: ready on //p' "$relay_log")
}

# start_foreign NAME COMMAND ...: on a port that is free; sets $port. Neither
# takes port 0, so the ports are tried.
start_foreign() {
	name=$1
	port=$((20000 + $$ % 10000))
	until "start_$name" && sleep 0.5 && kill -0 "$pid" 2>/dev/null; do
		port=$((port + 1))
		[ $port -lt 32000 ] || failed "no port for $name" "$dir/$name.log"
	done
}

start_sockperf() {
	start sockperf taskset -c "$server_cpu" \
	    sockperf server --tcp -i 127.0.0.1 -p "$port"
}

start_irtt() {
	start irtt taskset -c "$server_cpu" \
	    irtt server -b "127.0.0.1:$port" -i 0
}

# ---- measuring: one line in $dir/results, KEY and numbers

# quantiles VALUE FILE: p50, p99, maximum and mean of it, in us, and how many
# there are of FILE, which --samples wrote; a lost one has none.
quantiles() {
	awk -F, -v value="$1" 'NR > 1 && $7 != "" {
		print value == "due" ? $6 : value == "sent" ? $7 : $6 - $7
	}' "$2" | sort -g | awk '
	{ v[NR] = $1; sum += $1 }
	function at(q, i) { i = int(NR * q + 0.999999); return v[i] * 1e6 }
	END { if (NR) print at(0.5), at(0.99), v[NR] * 1e6, sum / NR * 1e6, NR
	    else print "- - - - 0" }'
}

# KEY COMMAND ...: p50 and p99 from when they were sent, and from when due
ours() {
	key=$1
	shift
	"$@" --hop echo --samples "$dir/samples" "$at" \
	    >"$dir/ping.log" 2>&1 || failed "$*" "$dir/ping.log"
	echo "$key $(quantiles sent "$dir/samples") $(quantiles due "$dir/samples")" \
	    >>"$dir/results"
}

# KEY OPTIONS...
sockperf_one() {
	key=$1
	shift
	taskset -c "$client_cpu" sockperf ping-pong --tcp -i 127.0.0.1 \
	    -p "$sockperf_port" -m 64 -t "$seconds" --full-rtt "$@" \
	    >"$dir/sockperf.out" 2>&1 ||
	    failed "sockperf $*" "$dir/sockperf.out"
	awk -v key="$key" '/percentile 50.00/ { p50 = $NF }
	    /percentile 99.000/ { p99 = $NF }
	    END { print key, p50, p99 }' "$dir/sockperf.out" >>"$dir/results"
}

round_trips() {
	sockperf_one sockperf/most
	for rate in 1000 10000; do
		sockperf_one sockperf/$rate --mps $rate
		sockperf_one sockperf--spin/$rate --mps $rate --nonblocked
		every=$((1000000 / rate))us
		ours ours/$rate taskset -c "$client_cpu" "$ping" \
		    -i $every -w "$seconds"
		ours ours--spin/$rate taskset -c "$client_cpu" "$ping" \
		    -i $every -w "$seconds" --spin
	done
}

# RATE INTERVAL SECONDS: how late each ping was sent
lateness() {
	for spin in '' --spin; do
		# shellcheck disable=SC2086 # nothing, or a word
		ours last "$ping" -i "$2" -w "$3" $spin
		missed=$(sed -n 's/.* \([0-9]*\) never sent.*/\1/p' \
		    "$dir/ping.log" | head -n 1)
		echo "late$spin/$1 $(quantiles late "$dir/samples")" \
		    "${missed:-0}" >>"$dir/results"
	done
	irtt client -i "$2" -d "${3}s" --wait=500ms -Q -o "$dir/irtt.json" \
	    "127.0.0.1:$irtt_port" >"$dir/irtt.out" 2>&1 ||
	    failed "irtt -i $2" "$dir/irtt.out"
	jq -r --arg key "irtt/$1" '.stats | [$key, "-", "-",
	    .timer_error.max / 1e3, .timer_error.mean / 1e3, .packets_sent,
	    .timer_misses] | join(" ")' "$dir/irtt.json" >>"$dir/results"
}

# ---- a network that is known ------------------------------------------------

# Two namespaces and what is between them; netem in one direction, so that
# what is lost is answers.
netem_ready() {
	[ "$(id -u)" -eq 0 ] || { why='not root'; return 1; }
	why='no network namespaces here'
	ip netns add "$near" 2>/dev/null || return 1
	ip netns add "$far" || return 1
	why='no veth here'
	ip -n "$near" link add near type veth peer name far netns "$far" \
	    2>/dev/null || return 1
	why='no netem in this kernel'
	tc -n "$far" qdisc add dev far root netem delay 10ms 2ms loss 1% \
	    2>/dev/null || return 1
	ip -n "$near" address add 198.51.100.1/24 dev near
	ip -n "$far" address add 198.51.100.2/24 dev far
	ip -n "$near" link set near up
	ip -n "$far" link set far up
}

# What is lost TCP sends again after 200 ms and more: of two pings a second
# each such is one ping, so they can be told and counted.
netem_measure() {
	start_relay far 198.51.100.2:0 ip netns exec "$far"
	waited=
	i=0
	while [ $i -lt "$pingers" ]; do
		start "pinger-$i" ip netns exec "$near" "$ping" --hop echo \
		    -i 500ms --poisson --seed "$((i + 1))" \
		    -w "$netem_seconds" --samples "$dir/netem-$i" "$at"
		waited="$waited $pid"
		i=$((i + 1))
	done
	for pid in $waited; do
		wait "$pid" || failed 'a pinger' "$dir/pinger-0.log"
	done
	netem_table
}

netem_table() {
	echo "| | netem | measured | |"
	echo "|---|---|---|---|"
	cat "$dir"/netem-* | awk -F, '
	$1 == "time" || $7 == "" { next }
	{ n++ }
	$7 > 0.1 { again++; next }
	{ ms = $7 * 1e3; sum += ms; squares += ms * ms; on_time++ }
	function row(what, set, got, off) {
		is = got - set <= off && set - got <= off
		printf "| %s | %s | %.2f +- %.2f | %s |\n", what, set, got,
		    off, is ? "within" : "not within"
	}
	END {
		if (!on_time)
			exit 1
		mean = sum / on_time
		sd = sqrt(squares / on_time - mean * mean)
		row("delay, ms", 10, mean, 3 * sd / sqrt(on_time) + 0.1)
		row("stddev, ms (2 / sqrt 3)", 1.15, sd,
		    3 * sd / sqrt(2 * on_time) + 0.05)
		row("lost, %", 1, again / n * 100,
		    300 * sqrt(0.01 * 0.99 / n))
		printf "\n%d pings; +-: three standard errors, and what the", n
		print " way itself takes (0.1 ms, 0.05 of stddev)."
	}'
}

# ---- the tables -------------------------------------------------------------

# Median of column $2 of a key, printed with format $3; "" where none.
median() {
	awk -v key="$1" -v c="$2" '$1 == key { print $c }' "$dir/results" |
	    sort -g | awk -v f="$3" '{ v[NR] = $1 }
	    END { m = v[int((NR + 1) / 2)]
	    if (m != "") printf m == "-" ? "%s" : f, m }'
}

ratio() {
	echo "$(median "$1" 2 %f) $(median "$2" 2 %f)" |
	    awk 'NF == 2 && $2 > 0 { printf "%.2f x", $1 / $2 }'
}

# LABEL RATE KEY PEER
trip_row() {
	echo "| $1 | $2 | $(median "$3" 2 %.1f) | $(median "$3" 3 %.1f)" \
	    "| $(ratio "$3" "$4") | $(median "$3" 7 %.1f) |"
}

trip_table() {
	echo "| us | a second | p50 | p99 | p50 against sockperf |" \
	    "p50 from when due |"
	echo "|---|---|---|---|---|---|"
	trip_row sockperf most sockperf/most ''
	for rate in 1000 10000; do
		trip_row sockperf $rate sockperf/$rate ''
		trip_row "\`bluenet-ping\`" $rate ours/$rate sockperf/$rate
		trip_row "sockperf, \`--nonblocked\`" $rate \
		    sockperf--spin/$rate ''
		trip_row "\`bluenet-ping --spin\`" $rate ours--spin/$rate \
		    sockperf--spin/$rate
	done
}

late_table() {
	echo "| us late | a second | p50 | p99 | max | mean | sent | never" \
	    "sent |"
	echo "|---|---|---|---|---|---|---|---|"
	for per_second in 1 1000 20000; do
		for who in late late--spin irtt; do
			case $who in
			late) label="\`bluenet-ping\`" ;;
			late--spin) label="\`bluenet-ping --spin\`" ;;
			irtt) label=irtt ;;
			esac
			key=$who/$per_second
			echo "| $label | $per_second | $(median "$key" 2 %.1f)" \
			    "| $(median "$key" 3 %.1f)" \
			    "| $(median "$key" 4 %.0f)" \
			    "| $(median "$key" 5 %.1f)" \
			    "| $(median "$key" 6 %d) | $(median "$key" 7 %d) |"
		done
	done
}

report() {
	echo "$(nproc) cores, $(sed -n 's/^model name.*: //p' /proc/cpuinfo |
	    head -n 1), Linux $(uname -r); sockperf" \
	    "$(sed -n 's/.*version #\([^ ]*\).*/\1/p' "$dir/sockperf.out" |
	    head -n 1), $(irtt version | sed -n 's/.*version: */irtt /p' |
	    head -n 1)." \
	    "Medians of $runs runs."
	echo
	echo "1. Round trips over one TCP connection on loopback, from when" \
	    "they were sent; clients on processor $client_cpu, servers on" \
	    "$server_cpu:"
	echo
	trip_table
	echo
	echo "2. How much later than due pings were sent (irtt tells mean and" \
	    "maximum; wrk2 publishes 1 ms):"
	echo
	late_table
	echo
	echo "3. Over a network with a delay of 10 ms, 2 ms of jitter and 1 %" \
	    "loss on the way back:"
	echo
}

: >"$dir/results"
start_relay relay 127.0.0.1:0 taskset -c "$server_cpu"
start_foreign sockperf
sockperf_port=$port
start_foreign irtt
irtt_port=$port
i=0
while [ $i -lt "$runs" ]; do
	round_trips
	lateness 1000 1ms "$seconds"
	lateness 20000 50us "$seconds"
	i=$((i + 1))
done
lateness 1 1s "$slow_seconds"
report
if netem_ready; then
	netem_measure
else
	echo "Left out: $why."
fi
