#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# bluenet-ping on real sockets: whom it pings, what it counts, how it ends.
# That times are right is for the tests of its parts and for the benchmarks:
# nothing here depends on how fast the machine is.
#
# What relay.bash sets; each test is a subshell; commands for within.
# shellcheck disable=SC2154,SC2030,SC2031,SC2317

load relay

setup_file() {
	make_certificates
}

# Of relay.bash, but for the books: what a relay counts is its own tests'.
teardown() {
	local pid failed=0

	for pid in "${children[@]}"; do
		kill -CONT "$pid" 2>/dev/null || true
		kill -TERM "$pid" 2>/dev/null || true
		ends_in_time "$pid" || kill -KILL "$pid"
		clean "$tmp/$pid.err" || failed=1
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

# ---- relays, nodes and pings

# begin PROGRAM [ARG...]: in the background, $pid; its output in $tmp/$pid.out
# and .err.
begin() {
	(exec "$@" >"$tmp/$BASHPID.out" 2>"$tmp/$BASHPID.err" 3>&-) &
	pid=$!
}

is_ready() {
	grep -qs ': ready ' "$tmp/$1.out" || ended "$1"
}

# run_relay [OPTION...]: $plain and $tls are where it listens.
run_relay() {
	[[ " $* " == *" -l "* || " $* " == *" -L "* ]] ||
		set -- -l 127.0.0.1:0 "$@"
	begin "$relay" "$@"
	relays+=("$pid")
	relay_pid=$pid
	within is_ready "$pid"
	plain=$(said_ready ready '' "$tmp/$pid.out")
	tls=$(said_ready ready ' tls' "$tmp/$pid.out")
	[ -n "$plain$tls" ]
}

# run_node [OPTION...]: one or more at the relay; $node_pid.
run_node() {
	begin "$build/bluenet-node" "$@" "${plain:-$tls}"
	children+=("$pid")
	node_pid=$pid
	within is_ready "$pid"
	grep -q ': ready ' "$tmp/$pid.out"
}

# begin_ping [ARG...]: in the background; $ping_pid.
begin_ping() {
	# what started the tests may ignore SIGHUP
	begin env --default-signal=HUP "$build/bluenet-ping" "$@"
	children+=("$pid")
	ping_pid=$pid
}

# ends PID EXIT: it ends by itself.
ends() {
	local status=0

	ends_in_time "$1"
	wait "$1" || status=$?
	same "exit status $status" "exit status $2"
}

# pings EXIT [ARG...]: its output in $output, its standard error in $stderr.
pings() {
	local wanted=$1

	shift
	try timeout -s INT "$wait_seconds" \
		"$build/bluenet-ping" "$@" </dev/null
	if [ "$status" -ne "$wanted" ]; then
		echo "exit $status, not $wanted: $*"
		echo "$output"
		echo "$stderr"
		return 1
	fi
}

# The value of `$2` in the total of layer $1 of JSON output.
total() {
	jq -s "map(select(.type == \"total\" and .layer == \"$1\" and
		.node == \"all\"))[0]$2" <<<"$output"
}

# asked LAYER: how many slots there were, of that output: on a machine that
# stands still some are missed.
asked() {
	total "$1" ' | if . then .due.count + .lost + .missed_slot else 0 end'
}

answered_from() {
	sed -n 's/^answer from \(.*\): seq=.*/\1/p' "$@" | sort -u | xargs
}

# ---- whom

@test "without NODE: every node" {
	run_relay
	run_node --count 3 --name sol
	pings 0 -c 4 -i 20ms -o json "$plain"
	same "$(asked net) $(total net .lost)" "12 0"
}

@test "the table: seconds, as the article prints them" {
	run_relay
	run_node --name sol
	pings 0 -c 3 -i 20ms "$plain"
	[[ ${lines[0]} =~ ^Time\ +Minimum\ +Maximum\ +Average\ +Stddev ]]
	[[ ${lines[1]} =~ ^[0-9][0-9]:00\ +0\.[0-9]{5}\ +[0-9]+\.[0-9]{2} ]]
	[[ $output == *" answered, 0 lost"* ]]
	pings 0 -c 3 -i 20ms --per-node --percentiles "$plain"
	[[ $output == *p99.9* && $output == *sol* ]]
}

@test "by name and by id" {
	run_relay
	run_node --count 4 --name sol --id 10
	pings 0 -v -c 2 -i 20ms "$plain" sol-2 13
	same "$(answered_from - <<<"$output")" "sol-2 sol-4"
}

@test "a name that nobody has, an id that nobody has" {
	run_relay
	run_node --name sol
	pings 1 -v -c 2 -i 20ms "$plain" sol jita 77
	says "jita: no node of that name at $plain"
	says "node 77: no answer (no such destination)"
	[[ $output == *"no answer from node 77: seq="*": no such destination"* ]]
	[[ $output == *"answer from sol: seq="* ]]
	pings 1 -c 1 "$plain" jita
	says "jita: no node"
}

@test "a relay without nodes" {
	run_relay
	pings 1 -c 1 "$plain"
	says "$plain: no node is there"
}

# answered FILE NAME: there is a line of it.
answered() {
	grep -q "^answer from $2: " "$1"
}

@test "a node that comes later, and one that goes" {
	run_relay
	run_node --name sol
	begin_ping -v -i 20ms "$plain"
	within answered "$tmp/$ping_pid.out" sol
	run_node --name jita
	within answered "$tmp/$ping_pid.out" jita
	kill -TERM "$node_pid"
	within grep -q 'jita: left the roster' "$tmp/$ping_pid.err"
	kill -INT "$ping_pid"
	ends "$ping_pid" 1
	grep -q '^Time  *Minimum' "$tmp/$ping_pid.out"
}

@test "--clients: clients too, and they answer" {
	run_relay
	run_node --name sol
	begin_ping --hop echo -v -i 20ms --name watcher "$plain"
	within answered "$tmp/$ping_pid.out" "$plain"
	pings 0 --clients -v -c 2 -i 20ms "$plain"
	same "$(answered_from - <<<"$output")" "sol watcher"
	pings 0 -v -c 2 -i 20ms "$plain"
	same "$(answered_from - <<<"$output")" "sol"
	kill -INT "$ping_pid"
	ends "$ping_pid" 0
}

@test "--hop: the relay, by header ping and by echo" {
	run_relay
	pings 0 --hop ping -c 3 -i 20ms -o json "$plain"
	same "$(asked hop)" 3
	pings 0 --hop echo -c 3 -i 20ms -o json "$plain"
	same "$(asked hop)" 3
}

@test "--as-node: measured from a node" {
	run_relay
	run_node --name sol
	pings 0 --as-node 99 -c 3 -i 20ms -v "$plain"
	same "$(answered_from - <<<"$output")" "sol"
}

@test "--as-node does not displace a node; --force does" {
	run_relay
	run_node --name sol --id 8
	pings 1 --as-node 8 -c 1 -i 20ms "$plain"
	says "--as-node: 8 is the id of sol, which is connected"
	[[ $stderr == *"--force"* && $stderr != *"no node is there"* ]]
	[ -z "$output" ]
	# it is still there, and other ids are free
	pings 0 --as-node 9 -c 3 -i 20ms -v "$plain"
	same "$(answered_from - <<<"$output")" "sol"
	pings 1 --as-node 8 --force -c 1 "$plain"
	says "no node is there"
	pings 0 --as-node 0 --hop ping -c 1 "$plain"
	pings 0 --as-node 9 --hop ping -c 1 "$plain"
}

@test "--mesh: every node to every other" {
	run_relay
	run_node --count 3 --name sol
	pings 0 --mesh -c 4 -i 20ms "$plain"
	[[ $output == *"From, to: average in ms"* ]]
	pings 0 --mesh -c 4 -i 20ms -o json "$plain"
	same "$(asked net)" 24
	same "$(jq -c 'select(.name == "mesh") | .rows[][0]' <<<"$output" |
		sort | xargs)" \
		"sol-1>sol-2 sol-1>sol-3 sol-2>sol-1 sol-2>sol-3 sol-3>sol-1 sol-3>sol-2"
}

@test "IPv6" {
	run_relay -l '[::1]:0'
	run_node --name sol
	pings 0 -c 2 -i 20ms "$plain"
}

# ---- what is measured

@test "--layer both: the network, and the queue of the application" {
	run_relay
	run_node --name sol --service-time 20ms
	pings 0 --layer both -c 5 -i 50ms -o json "$plain"
	same "$(total net .due.count)" "$(total service .due.count)"
	same "$(asked net)" 5
	total service .due.minimum_s | jq -e '. >= 0.020'
	pings 0 --layer service -c 2 -i 20ms -o json "$plain"
	same "$(asked net) $(asked service)" "0 2"
}

@test "--trace: by relay" {
	run_relay --id 42 --trace
	run_node --name sol
	pings 0 --trace -c 5 -i 20ms "$plain"
	[[ $output == *"relay 42"*"the node"* ]]
	[ -z "$stderr" ]
	run_relay
	run_node --name sol
	pings 0 --trace -c 1 "$plain"
	says "--trace: no relay on the way traces"
}

@test "up and down come with their bound, and add up to the whole" {
	run_relay
	run_node --name sol
	pings 0 -c 5 -i 20ms --samples "$tmp/samples" "$plain"
	awk -F, 'NR > 1 { n++; bad += $10 <= 0
		inside = $7 - $8 - $9
		bad += inside < -1e-9 || inside > $7 }
		END { exit n == 0 || bad > 0 }' "$tmp/samples"
	[[ $output == *"+- 0.0"* ]]
	# a header ping has no clock in it
	pings 0 --hop ping -c 3 -i 20ms --samples "$tmp/samples" "$plain"
	same "$(cut -d, -f 8- "$tmp/samples" | sort -u | xargs)" \
		",, up,down,clock_error"
}

# A slot that came while the node stood still waited until it went on, from
# when it was due: not only one of them. The first of them is due within an
# interval of the stop, at the latest with the second slot after it.
@test "a stall of a node appears in full, in every slot that it covers" {
	local stopped went_on

	run_relay
	run_node --name sol
	begin_ping -v -i 100ms --samples "$tmp/samples" "$plain" sol
	within answered "$tmp/$ping_pid.out" sol
	kill -STOP "$node_pid"
	stopped=$EPOCHREALTIME
	sleep 2
	went_on=$EPOCHREALTIME
	kill -CONT "$node_pid"
	# two answers more, and the stall is over
	seen=$(grep -c '^answer' "$tmp/$ping_pid.out")
	within more_than "$seen" "$tmp/$ping_pid.out"
	kill -INT "$ping_pid"
	ends "$ping_pid" 0
	# microseconds; dots of decimals are left out
	stopped=$((${went_on/./} - ${stopped/./}))
	# slots that this machine was too late for have no sample
	awk -F, -v us="$stopped" \
		-v missed="$(grep -c '^not sent' "$tmp/$ping_pid.out")" '
		BEGIN { stall = us / 1e6 }
		NR > 1 && $6 != "" {
			if ($6 > max) max = $6
			if ($6 > stall / 2) n++
		}
		END {
			print max, n, stall, missed
			exit !(max >= stall - 0.1 * (2 + missed) &&
			    n + missed >= stall / 2 / 0.1 - 2)
		}' "$tmp/samples"
}

more_than() {
	[ "$(grep -c '^answer' "$2")" -gt $(($1 + 22)) ]
}

@test "our own stall: slots are missed, and counted; a local hiccup" {
	run_relay
	run_node --name sol
	begin_ping -v -i 20ms -o json "$plain" sol
	within answered "$tmp/$ping_pid.out" sol
	kill -STOP "$ping_pid"
	sleep 1
	kill -CONT "$ping_pid"
	within grep -q '^not sent to sol: .* this machine was late' \
		"$tmp/$ping_pid.out"
	kill -INT "$ping_pid"
	ends "$ping_pid" 0
	output=$(grep '^{' "$tmp/$ping_pid.out")
	total net .missed_slot | jq -e '. >= 30'
	total net .hiccups.maximum_s | jq -e '. >= 0.9'
}

@test "lost: each ping is answered or lost" {
	run_relay
	run_node --name sol --loss 50 --seed 3
	pings 0 -c 40 -i 10ms -W 500ms -o json "$plain"
	same "$(asked net)" 40
	total net .lost | jq -e '. >= 5'
}

@test "a node that never answers" {
	run_relay
	run_node --name sol --loss 100
	pings 1 -c 2 -i 20ms -W 200ms "$plain"
	says "sol: no answer (timed out)"
}

@test "late: an answer after it was given up" {
	run_relay
	run_node --name sol --jitter 400ms
	pings 0 -v -c 40 -i 50ms -W 20ms -o json "$plain"
	[[ $output == *"late answer from sol: seq="* ]]
	output=$(grep '^{' <<<"$output")
	total net .late | jq -e '. >= 1'
}

@test "out of order" {
	run_relay
	run_node --name sol --jitter 300ms
	pings 0 -c 60 -i 10ms -o json "$plain"
	same "$(asked net)" 60
	total net .reordered | jq -e '. >= 1'
}

@test "--poisson, --spin and --size measure as well" {
	run_relay
	run_node --name sol
	pings 0 -c 20 -i 5ms --poisson --spin -s 1000 -o json "$plain"
	same "$(asked net)" 20
}

# The clock of this process is put ahead by an hour while it runs, and back.
@test "a step of the wall clock changes nothing" {
	local ping=${BNET_PLAIN:-$build}/bluenet-ping

	! nm "$ping" | grep -q -e __asan_init -e __tsan_init ||
		skip "a sanitizer wants to be loaded first"
	need cc gcc
	cat >"$tmp/step.c" <<'END'
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
int clock_gettime(clockid_t id, struct timespec *ts)
{
	static __thread struct timespec first;
	int r = (int)syscall(SYS_clock_gettime, id, ts);

	if (id == CLOCK_REALTIME && first.tv_sec == 0)
		first = *ts;
	if (id == CLOCK_REALTIME && (ts->tv_sec - first.tv_sec) % 2 == 1)
		ts->tv_sec += 3600;
	return r;
}
END
	cc -shared -fPIC -o "$tmp/step.so" "$tmp/step.c"
	run_relay
	run_node --name sol
	begin env LD_PRELOAD="$tmp/step.so" "$ping" -c 45 \
		-i 50ms --bucket 24h --samples "$tmp/samples" -o json "$plain"
	children+=("$pid")
	ends "$pid" 0
	output=$(<"$tmp/$pid.out")
	same "$(asked net)" 45
	# none takes an hour, none comes before it was sent, none jumps in time
	awk -F, 'NR > 1 { bad += $7 <= 0 || $7 > 600 || $8 < -600 || $8 > 600
		bad += last != "" && ($1 < last || $1 > last + 600); last = $1 }
		END { exit bad > 0 }' "$tmp/samples"
}

@test "shards add up: two logs read as one" {
	local first second

	run_relay
	run_node --count 2 --name sol
	pings 0 -c 20 -i 10ms --log "$tmp/a" -o json "$plain" sol-1
	first=$(total net .due.count)
	pings 0 -c 30 -i 10ms --log "$tmp/b" -o json "$plain" sol-2
	second=$(total net .due.count)
	pings 0 --from -o json "$tmp/a" "$tmp/b"
	same "$(total net .due.count)" $((first + second))
}

# ---- how it ends

@test "a relay that is not there" {
	run_relay -l "$own:0"
	stop_relay "$relay_pid"
	pings 3 -c 1 "$plain"
	says "cannot reach the relay $plain: Connection refused"
	pings 3 -c 1 no-such-host.invalid
	says "cannot reach the relay no-such-host.invalid: "
}

@test "a relay that goes, with --exit-on-loss: what there is is printed" {
	run_relay
	run_node --name sol
	begin_ping --exit-on-loss -v -i 20ms "$plain"
	within answered "$tmp/$ping_pid.out" sol
	kill -KILL "$relay_pid"
	relays=()
	ends "$ping_pid" 3
	grep -q "lost the relay $plain: " "$tmp/$ping_pid.err"
	grep -q '^Time  *Minimum' "$tmp/$ping_pid.out"
}

lost_lines() {
	[ "$(grep -c ': the relay was lost$' "$tmp/$ping_pid.out")" -ge "$1" ]
}

# answers_since LINES: an answer came after so many lines of output.
answers_since() {
	tail -n "+$1" "$tmp/$ping_pid.out" | grep -q '^answer from '
}

@test "a relay that is restarted: ping goes on, and the gap is marked" {
	local lost

	run_relay -l "$own:0"
	run_node --name sol --id 5
	begin_ping -v -i 20ms --log "$tmp/log" --samples "$tmp/samples" \
		--plot "$tmp/plot.svg" "$plain" 5
	within answered "$tmp/$ping_pid.out" sol
	kill -KILL "$relay_pid"
	relays=()
	within lost_lines 5
	grep -q "lost the relay $plain: .*; connecting again" \
		"$tmp/$ping_pid.err"
	run_relay -l "$plain"
	within grep -q "$plain: the relay is back after" "$tmp/$ping_pid.err"
	lost=$(wc -l <"$tmp/$ping_pid.out")
	within answers_since "$lost"
	kill -INT "$ping_pid"
	ends "$ping_pid" 0
	# no slot twice
	grep -q '^Time .* Outage$' "$tmp/$ping_pid.out"
	grep -q '^no relay: 1 time, ' "$tmp/$ping_pid.out"
	awk -F, 'NR > 1 && ($5 in seen) { bad++ }
		NR > 1 { seen[$5]; n++; last = $5 > last ? $5 : last }
		NR > 1 && $6 == "" { lost++ }
		END { exit bad > 0 || lost < 5 || n > last + 1 }' "$tmp/samples"
	grep -q 'outage: start_ns=' "$tmp/log"
	grep -q 'no relay' "$tmp/plot.svg"
	pings 0 --from "$tmp/log" -o json
	jq -se 'map(select(.type == "outage")) | length == 1 and
		(.[0] | .end_s > .start_s)' <<<"$output"
	jq -se 'map(select(.type == "row" and .node == "all")) |
		.[0].lost >= 5 and (map(.outage_s) | add) > 0' <<<"$output"
}

@test "a relay that is lost and does not come back: exit status 3" {
	run_relay -l "$own:0"
	run_node --name sol --id 5
	begin_ping -v -c 100 -i 20ms "$plain" 5
	within answered "$tmp/$ping_pid.out" sol
	kill -KILL "$relay_pid"
	relays=()
	ends "$ping_pid" 3
	grep -q "$plain: the relay is still lost: Connection refused" \
		"$tmp/$ping_pid.err"
	# all of the hundred slots are in the result
	grep -q '^in all ' "$tmp/$ping_pid.out"
	[ "$(sed -n 's/^in all .*: \([0-9]*\) answered, \([0-9]*\) lost.*/\1 + \2/p' \
		"$tmp/$ping_pid.out" | { read -r sum; echo $((sum)); })" -ge 90 ]
}

@test "Ctrl-C prints what there is" {
	run_relay
	run_node --name sol
	begin_ping -v -i 20ms --log "$tmp/log" "$plain"
	within answered "$tmp/$ping_pid.out" sol
	kill -INT "$ping_pid"
	ends "$ping_pid" 0
	grep -q '^in all .* answered, 0 lost' "$tmp/$ping_pid.out"
	pings 0 --from "$tmp/log"
}

# rows_of FILE: histograms in it.
rows_of() {
	grep -c '^#.bluenet-ping row: ' "$1"
}

has_rows() {
	[ "$(rows_of "$1")" -ge 2 ]
}

@test "SIGHUP, SIGTERM and a second Ctrl-C: what there is is printed and kept" {
	local signals signal

	run_relay
	run_node --name sol
	for signals in HUP TERM "INT INT"; do
		begin_ping -v -i 20ms --log "$tmp/log" --samples "$tmp/samples" \
			"$plain"
		within answered "$tmp/$ping_pid.out" sol
		for signal in $signals; do
			kill -"$signal" "$ping_pid"
		done
		ends "$ping_pid" 0
		grep -q '^in all .* answered, 0 lost' "$tmp/$ping_pid.out"
		pings 0 --from "$tmp/log"
		[ "$(wc -l <"$tmp/samples")" -gt 1 ]
	done
}

@test "kill -9: the log and the samples have what is older than 10 seconds" {
	run_relay
	run_node --name sol
	begin_ping -v -i 20ms --log "$tmp/log" --samples "$tmp/samples" "$plain"
	within has_rows "$tmp/log"
	kill -KILL "$ping_pid"
	wait "$ping_pid" || true
	unset 'children[-1]'
	pings 0 --from "$tmp/log" -o json
	total net .due.count | jq -e '. >= 1'
	[ "$(wc -l <"$tmp/samples")" -gt 1 ]
}

@test "--log: the interval of a row is the part of it that was measured" {
	run_relay
	run_node --name sol
	pings 0 -c 3 -i 20ms --bucket 24h --log "$tmp/log" "$plain"
	same "$(rows_of "$tmp/log")" 2
	awk -F, '/^[0-9T]/ { sub(/.*[,]?Tag=[^,]*,/, ""); print $2; n++
		bad += $2 <= 0 || $2 >= 3600 }
		END { exit n != 2 || bad > 0 }' "$tmp/log"
}

@test "-w: it stops then, and all is answered" {
	run_relay
	run_node --name sol
	pings 0 -w 500ms -i 10ms -o json "$plain"
	same "$(total net .lost)" 0
	asked net | jq -e '. <= 51 and . >= 1'
}

@test "--fail-if" {
	run_relay
	run_node --name sol
	pings 0 -c 3 -i 200ms --fail-if 'lost>0' --fail-if 'max>100s' "$plain"
	pings 1 -c 3 -i 200ms --fail-if 'min>1ns' "$plain"
	says "--fail-if"
	# too few to tell, whichever way the test points
	pings 1 -c 3 -i 200ms --fail-if 'p99>1ns' "$plain"
	says "answered at layer net, and p99 needs 1000"
	pings 1 -c 3 -i 200ms --fail-if 'p99>1h' "$plain"
	pings 0 -c 3 -i 200ms --fail-if 'p99>1ns' --allow-undecided "$plain"
	pings 1 -c 3 -i 200ms --fail-if 'loss<1%' --allow-undecided "$plain"
	pings 2 --fail-if 'speed>1' "$plain"
}

@test "TLS, certificates and tokens" {
	run_relay -L 127.0.0.1:0 --cert "$certs/server.pem" \
		--key "$certs/server.key" --ca "$certs/ca.pem"
	run_node --tls --ca "$certs/ca.pem" --cert "$certs/node7.pem" \
		--key "$certs/node7.key" --name sol
	pings 0 --tls --ca "$certs/ca.pem" -c 3 -i 20ms "$tls"
	pings 0 --tls --ca "$certs/ca.pem" --cert "$certs/any.pem" \
		--key "$certs/any.key" --as-node 9 -c 3 -i 20ms "$tls"
	pings 3 --tls --ca "$certs/ca.pem" --as-node 9 -c 1 "$tls"
	says "credentials are needed"
	pings 3 --tls --ca "$certs/other.pem" -c 1 "$tls"
	says "cannot reach the relay $tls: "
	pings 1 --tls --ca "$tmp/none" -c 1 "$tls"
	says "--ca: $tmp/none: No such file"
}

@test "tokens: one that is not good is refused, and not shown" {
	"$relay" --make-token '*' market >"$tmp/made"
	grep ' market ' "$tmp/made" >"$tmp/tokens"
	grep '^market[.]' "$tmp/made" >"$tmp/secret"
	run_relay -L 127.0.0.1:0 --cert "$certs/server.pem" \
		--key "$certs/server.key" --client-tokens "$tmp/tokens"
	pings 0 --tls --ca "$certs/ca.pem" --token-file "$tmp/secret" \
		--hop echo -c 1 "$tls"
	pings 0 --tls --ca "$certs/ca.pem" --token "$(<"$tmp/secret")" \
		--hop echo -c 1 "$tls"
	pings 3 --tls --ca "$certs/ca.pem" --token market.00 --hop echo -c 1 \
		"$tls"
	says "refused: not authorised"
	[[ $stderr != *market.00* ]]
}

@test "--tls: the CAs of the system vouch for the name, or --tls-insecure" {
	run_relay -L 0.0.0.0:0 --cert "$certs/server.pem" \
		--key "$certs/server.key"
	tls=127.0.0.1:${tls##*:}
	export SSL_CERT_DIR=$tmp/none SSL_CERT_FILE=$certs/ca.pem
	pings 0 --tls --hop echo -c 1 "$tls"
	pings 0 --tls --hop echo -c 1 "localhost:${tls##*:}"
	# one that they vouch for, by another name
	pings 3 --tls --hop echo -c 1 "127.0.0.2:${tls##*:}"
	says "cannot reach the relay"
	says "IP address mismatch"
	SSL_CERT_FILE=$certs/other.pem
	pings 3 --tls --token market.00 --hop echo -c 1 "$tls"
	says "certificate not accepted: unable to get local issuer certificate"
	pings 0 --tls --tls-insecure --hop echo -c 1 "$tls"
	says "--tls-insecure: the peer is not verified"
	pings 0 --tls --tls-insecure --token market.00 --hop echo -c 1 "$tls"
	says "whoever answers or listens can take the token"
}

@test "a token goes to another machine over TLS only" {
	pings 3 --token market.00 -c 1 203.0.113.1:1
	says "203.0.113.1:1: a token goes to another machine over --tls only"
	[[ $stderr != *market.00* ]]
}

@test "bad usage: 2, with the option and what was expected" {
	pings 2
	says "expected a relay"
	pings 2 -c 0 x
	says '-c: "0": expected a number'
	pings 2 --layer all x
	says '--layer: "all": expected one of net, service, both'
	pings 2 --plot a.jpg x
	pings 2 --nothing x
	says "--nothing: no such option"
	pings 2 127.0.0.1:99999
	says 'RELAY: "127.0.0.1:99999": expected HOST'
}

@test "--help, --version" {
	pings 0 --help
	[[ $output == "usage: bluenet-ping "* ]]
	pings 0 --version
	[[ $output == "bluenet-ping "* ]]
	pings 0 -V
	[[ $output == "bluenet-ping "* ]]
}
