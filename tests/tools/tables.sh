#!/bin/sh
# SPDX-License-Identifier: MIT
# tables.sh - the article's experiment ("make tables"): is the latency of a
# cluster under load better when its network does not share one lock with the
# application? One relay, PROCESSES times NODES nodes, pinged in their network
# layer, in short rounds that take turns: --mode serial, --mode parallel, and
# then the other way round, so that whatever else this machine does meets
# both. A row of the tables is one round of each. All of it on loopback.
#
# The load is chosen so that the serial cluster has the averages and maxima of
# the article; fixtures/ping/README.md explains it. The first process works for
# BUSY percent of the time, each other for one more, so that their work drifts
# past each other, in pieces of SLICE; the first one also stops once in
# STALL_EVERY for STALL. Together they need a third of two processors. With
# more, the pieces would often have both, and the scheduler would be measured.
#
#	ROWS=5 ROW_SECONDS=36		how long; 900 is a multiple of these
#	PROCESSES=4 NODES=3 BUSY=12 SLICE=400ms STALL_EVERY=10s STALL=1200ms
#	INTERVAL=20ms			between two pings of a node
#	SEED=1				of the pings' times
#
# Leaves $BUILD/tables.svg, and tables-serial.hlog and tables-parallel.hlog for
# bluenet-ping --from. Status 0: parallel is better by what the article says.
set -eu

BUILD=$(cd "$BUILD" && pwd)
PATH=$BUILD:$PATH
rows=${ROWS:-5}
row_seconds=${ROW_SECONDS:-36}
processes=${PROCESSES:-4}
nodes=${NODES:-3}
busy=${BUSY:-12}
slice=${SLICE:-400ms}
stall=${STALL_EVERY:-10s},${STALL:-1200ms}
article=fixtures/ping
interval=${INTERVAL:-20ms}
seed=${SEED:-1}
export TZ=UTC # rows begin where this script says

say() {
	echo "tables: $*" >&2
}

for number in "$rows" "$row_seconds" "$processes" "$nodes" "$busy" "$seed"; do
	case $number in
	'' | *[!0-9]*)
		say "$number is not a whole number"
		exit 2
		;;
	esac
done
if [ "$rows" -lt 1 ] || [ "$row_seconds" -lt 8 ] ||
    [ $((900 % row_seconds)) -ne 0 ]; then
	say "ROWS is at least 1; ROW_SECONDS at least 8, and divides 900"
	exit 2
fi

# ---- programs beside us -----------------------------------------------------

relay=
members=
awaited=

# end PID ...: and wait until they did.
end() {
	for pid; do
		kill "$pid" 2>/dev/null || true
	done
	for pid; do
		wait "$pid" 2>/dev/null || true
	done
}

clean_up() {
	# shellcheck disable=SC2086 # words on purpose
	end $awaited $members $relay
	rm -rf "$tmp"
}

failed() {
	say "$1"
	cat "$tmp"/*.err >&2 2>/dev/null || true
	exit 1
}

# ready NAME PID: within 10 s it has said so in NAME.out.
ready() {
	tries=0
	until grep -q ': ready' "$tmp/$1.out"; do
		tries=$((tries + 1))
		if [ "$tries" -gt 200 ] || ! kill -0 "$2" 2>/dev/null; then
			failed "$1 did not get ready"
		fi
		sleep 0.05
	done
}

# start NAME COMMAND ...: beside us; its pid is in $pid.
start() {
	name=$1
	shift
	: >"$tmp/$name.out"
	"$@" >"$tmp/$name.out" 2>"$tmp/$name.err" &
	pid=$!
}

# ---- the rounds -------------------------------------------------------------

# The end of what was started last; a signal need not wait for it.
await() {
	awaited=$pid
	wait "$pid"
	awaited=
}

# Until the next row begins.
await_row() {
	start sleep sleep $((row_seconds - $(date +%s) % row_seconds))
	await
}

# cluster MODE: its nodes, all ready.
cluster() {
	members=
	i=0
	while [ "$i" -lt "$processes" ]; do
		set -- "$1"
		[ "$i" -gt 0 ] || set -- "$1" --stall "$stall"
		start "node-$i" bluenet-node --mode "$@" --count "$nodes" \
		    --id $((101 + i * nodes)) --busy $((busy + i)) \
		    --slice "$slice" --seed $((seed + i)) "$at"
		members="$members $pid"
		i=$((i + 1))
	done
	i=0
	for pid in $members; do
		ready "node-$i" "$pid"
		i=$((i + 1))
	done
}

# A half row of MODE; two seconds of it are for starting and stopping.
round() {
	cluster "$1"
	start ping bluenet-ping --poisson --seed $((seed + row)) \
	    --interval "$interval" --deadline $((row_seconds / 2 - 2)) \
	    --bucket "${row_seconds}s" --log "$tmp/log" "$at"
	await || failed "$1: a node did not answer"
	cat "$tmp/log" >>"$BUILD/tables-$1.hlog"
	# shellcheck disable=SC2086 # words on purpose
	end $members
	members=
}

pair() {
	await_row
	say "row $row of $rows"
	if [ $((row % 2)) -eq 1 ]; then
		round serial
		round parallel
	else
		round parallel
		round serial
	fi
}

# ---- what came of it --------------------------------------------------------

# The article's factors, and whether these beat them.
judge() {
	bluenet-ping --compare "$article/before.hlog" "$article/after.hlog" \
	    >"$tmp/article" || true
	bluenet-ping --compare "$serial" "$parallel" >"$tmp/compared" || true
	awk '
	BEGIN { want["average"] = 3; want["maximum"] = want["stddev"] = 2 }
	NR == FNR { if ($2 == "lower") said[$1] = $7; next }
	$1 in want {
		x = $2 == "lower" ? $7 : $2 == "higher" ? 1 / $7 : 1
		better = x > want[$1]
		printf "%-8s the article: lower by %.1f; here by %.1f%s\n",
		    $1, said[$1], x, better ? "" : ": not better"
		met += better
	}
	END { exit met != 3 }' "$tmp/article" "$tmp/compared"
}

# table MODE WHAT LOG ARTICLE WHEN: and the article's beside it.
table() {
	bluenet-ping --from "$3" >"$tmp/here"
	bluenet-ping --from "$article/$4" >"$tmp/there"
	printf '\n%-42s  the article of 2008,\n' "--mode $1: $2,"
	printf '%-42s  %s\n\n' "here" "$5"
	# the rows from when pings were due
	sed -n '/^ sent/d;/^$/q;p' "$tmp/here" | awk '{
		printf "%-8s %8s %7s %7s %7s\n", $1, $2, $3, $4, $5
	}' >"$tmp/left"
	sed -n '/^$/q;p' "$tmp/there" | paste "$tmp/left" - |
	    awk -F '\t' '{ printf "%-42s  %s\n", $1, $2 }'
	printf '\n'
	sed 's/^/here: /' "$tmp/here" | sed -n '/^here: in all/,$p'
	sed 's/^/2008: /' "$tmp/there" | sed -n '/^2008: in all/,$p'
}

tmp=$(mktemp -d)
trap clean_up EXIT
trap 'exit 130' HUP INT PIPE TERM
serial=$BUILD/tables-serial.hlog
parallel=$BUILD/tables-parallel.hlog
: >"$serial"
: >"$parallel"

start relay bluenet-relay -l 127.0.0.1:0
relay=$pid
ready relay "$relay"
at=$(sed -n 's/^bluenet-relay: ready on //p' "$tmp/relay.out")

echo "$((processes * nodes)) nodes in $processes processes, busy for" \
    "$busy to $((busy + processes - 1)) % in pieces of $slice; the first one" \
    "stops for ${stall#*,} once in ${stall%,*}; $rows rows of $row_seconds s"
row=1
while [ "$row" -le "$rows" ]; do
	pair
	row=$((row + 1))
done

table serial 'one lock for both' "$serial" before.hlog \
    'before: network under the global lock'
table parallel 'no lock' "$parallel" after.hlog 'after: network beside it'
printf '\nserial (before) and parallel (after)\n\n'
plot=
if command -v gnuplot >/dev/null; then
	plot=$BUILD/tables.svg
else
	say 'gnuplot is missing (apt-get install gnuplot-nox): no plot'
fi
bluenet-ping --compare ${plot:+--plot "$plot"} "$serial" "$parallel" ||
    say 'parallel is not better'
printf '\n'
[ -z "$plot" ] || echo "plot: $plot"
judge
