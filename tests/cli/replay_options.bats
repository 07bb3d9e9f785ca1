#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# bluenet-replay, before it sends: options, replay files and the plan; the manual
# is held against the options by tests/unit/test_manuals.c. BNET_BUILD says where
# the program is.
#
# What bats sets; each test is a subshell.
# shellcheck disable=SC2154,SC2030,SC2031

bats_require_minimum_version 1.5.0
load common

setup() {
	root=$BATS_TEST_DIRNAME/../..
	replay=${BNET_BUILD:-$root/build}/bluenet-replay
	captures=${BNET_FIXTURES:-$root/fixtures}/captures
	tmp=$BATS_TEST_TMPDIR
	export LC_ALL=C TZ=UTC
	export TMPDIR=$tmp/made
	mkdir "$TMPDIR"
	[ -x "$replay" ] || skip "bluenet-replay is not built"
}

# A replay file without a name is gone, and nothing else is left.
teardown() {
	[ -z "$(ls -A "$TMPDIR")" ]
}

# replay EXIT [ARG ...]: it ended with that status, in time.
replay() {
	local status_wanted=$1

	shift
	try timeout 120 "$replay" "$@" </dev/null
	if [ "$status" -ne "$status_wanted" ]; then
		echo "exit $status, not $status_wanted: $*"
		echo "$output"
		echo "$stderr"
		return 1
	fi
}

# same A B
same() {
	diff <(printf '%s\n' "$1") <(printf '%s\n' "$2")
}

# ---- what is written about it

@test "--version" {
	replay 0 --version
	[[ $output =~ ^bluenet-replay\ [0-9]+\.[0-9]+\.[0-9]+$ ]]
	replay 0 -V
}

@test "--help" {
	replay 0 --help
	[[ $output == "usage: bluenet-replay "* ]]
	local long=$output
	replay 0 -h
	same "$output" "$long"
	# for a terminal of 80 columns
	run ! grep -E '^.{81}' <<<"$long"
	"$replay" --help 2>&1 >/dev/full | grep -q "standard output: "
}

@test "-Y help lists the fields" {
	replay 0 -Y help
	[[ $output == *latency_ms* && $output == *contains* ]]
}

# ---- bad usage

@test "bad usage: 2, and what was expected" {
	local args want

	while IFS='|' read -r args want; do
		# shellcheck disable=SC2086 # the words are the arguments
		replay 2 $args
		says "bluenet-replay: $want"
		says "Try 'bluenet-replay --help'."
		same "$output" ''
	done <<'END'
|expected CAPTURE... TARGET[:PORT]
host|expected CAPTURE... TARGET[:PORT], but got only "host"
--nonsense a h|--nonsense: no such option
-k a h|-k: no such option
a h --speed|--speed: expected X after it
--speed 0 a h|--speed: "0": expected a number above 0, such as 2 or 0.5
--speed 1 --rate 5 a h|--speed and --rate: expected one of them
--speed 1 --asap a h|--speed and --asap: expected one of them
--rate 5 --asap a h|--rate and --asap: expected one of them
--asap --max-lateness 1ms a h|--asap and --max-lateness: without a schedule
--rate 5 --max-idle 1s a h|--rate and --max-idle: a rate has no silence
--rate 5 --pacing closed a h|--rate and --pacing closed: closed pacing follows
--pacing half a h|--pacing: "half": expected one of open, closed, hybrid
--ignore payload a h|--ignore needs --diff
--diff --ignore nonsense a h|--ignore: 
--stagger 1s a h|--stagger needs --clients
--clients 0 a h|--clients: "0": expected a number from 1 to 1000000
--shard 4/4 a h|--shard: "4/4": expected I/N with I from 0 to N - 1
--map-relay 10.0.0.1 a h|--map-relay: "10.0.0.1": expected OLD=NEW, an address of the capture
--map-relay host=b a h|--map-relay: "host=b": expected OLD=NEW
--map-relay 10.0.0.1= a h|--map-relay: "10.0.0.1=": expected OLD=NEW
a 127.0.0.1:99999 h:1|TARGET: "127.0.0.1:99999": expected HOST, HOST:PORT
--map-node 7 a h|--map-node: "7": expected OLD=NEW
--map-node 7=8 --map-node 7=9 a h|--map-node: "7=9": expected each OLD once
--allow 10.0.0.1/8 a h|--allow: "10.0.0.1/8": expected an address, or
--start-at noon a h|--start-at: "noon": expected a time such as
--start-at @5 a h|--start-at: "@5": expected a time in the future
--port 0 a h|--port: "0": expected ports from 1 to 65535, ranges such as 26000-26010, or any
--cpu 1- a h|--cpu: "1-": expected numbers and ranges of processors, such as 1 or 0,2-3
--cpu 2-1 a h|--cpu: "2-1": expected numbers and ranges of processors
--cpu 0, a h|--cpu: "0,": expected numbers and ranges of processors
-p x a h|-p: "x": expected ports
--codec lz4 a h|--codec: "lz4": expected one of none, zlib, snappy
--roles relays a h|--roles: "relays": expected one of clients, nodes, all
--progress so a h|--progress: "so": expected one of auto, always, never
--speed 1 a 127.0.0.1:99999|TARGET: "127.0.0.1:99999": expected HOST, HOST:PORT
--sped 1 a h|--sped: no such option; did you mean --speed?
--token a --token-file b a h|--token and --token-file: expected one of them
--tls --cert a a h|--cert and --key: expected both or none
--ca a a h|--ca, --cert and --key go with --tls
--tls-host a a h|--tls-host needs --tls
--compile t --speed 2 a|--speed cannot be used with --compile without a TARGET
--merge --speed 2 a|--speed cannot be used with --merge
--merge|--merge: expected files that --report wrote
--scenario d|--scenario: expected one TARGET[:PORT]
--scenario d --diff h|--diff cannot be used with --scenario
--scenario-only x a h|--scenario-only cannot be used with playing
END
}

@test "a filter that is none: a caret under the place" {
	replay 2 -Y 'key ==' "$captures/plain.pcap" 127.0.0.1
	says 'bluenet-replay: -Y: '
	says '    ^'
}

@test "files that are not there, or not what they should be: 1" {
	local args want

	echo >"$tmp/empty"
	while IFS='|' read -r args want; do
		# shellcheck disable=SC2086 # the words are the arguments
		replay 1 $args
		says "bluenet-replay: $want"
	done <<END
$tmp/none 127.0.0.1|$tmp/none: No such file or directory
$tmp/none $tmp/empty 127.0.0.1|$tmp/none: No such file or directory
--dry-run $tmp/empty|
--keys $tmp/none $tmp/empty 127.0.0.1|--keys: $tmp/none
--tls --ca $tmp/none $tmp/empty 127.0.0.1|--ca: $tmp/none: No such file
--token-file $tmp/empty $tmp/empty 127.0.0.1|--token-file: $tmp/empty: expected a token
--report $tmp/none/r $tmp/empty 127.0.0.1|--report: $tmp/none/r: No such file
--log / $tmp/empty 127.0.0.1|--log: /: 
--merge $tmp/none|
--merge $tmp/empty|
--compile $tmp/none/t $captures/plain.pcap|--compile: $tmp/none/t: No such file
END
}

@test "no room for the replay file: 1, and where" {
	TMPDIR=$tmp/none try "$replay" --dry-run \
		"$captures/plain.pcap"
	[ "$status" -eq 1 ]
	says "$tmp/none: No such file or directory"
	says "TMPDIR"
}

# ---- replay files

@test "--compile: the file is there, and the coverage on standard error" {
	mkdir "$tmp/in"
	replay 0 --compile "$tmp/in/tape" "$captures/plain.pcap"
	same "$output" ''
	says "can be played"
	[ -s "$tmp/in/tape" ]
	same "$(ls "$tmp/in")" tape
	replay 0 -q --compile "$tmp/again" "$captures/plain.pcap"
	same "$stderr" ''
	cmp "$tmp/in/tape" "$tmp/again"
}

@test "--compile: a replay file is as good as its capture" {
	replay 0 --compile "$tmp/tape" "$captures/plain.pcap"
	replay 0 -q --dry-run "$captures/plain.pcap"
	local from_capture=$output
	replay 0 -q --dry-run "$tmp/tape"
	same "$output" "$from_capture"
	replay 0 -q --dry-run --compile "$tmp/beside" "$captures/plain.pcap"
	same "$output" "$from_capture"
	cmp "$tmp/tape" "$tmp/beside"
}

# A connection that begins in one file and goes on in another, compressed, and
# named first.
@test "--dry-run: a capture in two files is that of one" {
	local mangle=${BNET_TOOLS:-$root/build/tools}/mangle

	"$mangle" "$captures/stock.pcap" "$tmp/1.pcap" --segment 9000 \
		--drop-packets 101-295 >/dev/null
	"$mangle" "$captures/stock.pcap" "$tmp/2.pcap" --segment 9000 \
		--drop-packets 1-100 >/dev/null
	"$mangle" "$captures/stock.pcap" "$tmp/12.pcap" --segment 9000 \
		>/dev/null
	gzip "$tmp/2.pcap"
	replay 0 --dry-run "$tmp/12.pcap"
	local whole=$output
	[ -n "$whole" ]
	replay 0 --dry-run "$tmp/2.pcap.gz" "$tmp/1.pcap"
	[ "$output" = "$whole" ]
	says ", 295 packets"
}

@test "--compile: several captures, and standard input" {
	replay 0 --compile "$tmp/two" "$captures/plain.pcap" \
		"$captures/stock.pcap"
	try "$replay" --compile "$tmp/stdin" - \
		<"$captures/plain.pcap"
	[ "$status" -eq 0 ]
	replay 0 --compile "$tmp/file" "$captures/plain.pcap"
	cmp "$tmp/stdin" "$tmp/file"
	[ "$(stat -c %s "$tmp/two")" -gt "$(stat -c %s "$tmp/file")" ]
}

@test "--compile: never a half file, nor one that is read" {
	mkdir "$tmp/in"
	cd "$tmp/in"
	echo before >tape
	head -c 1000 /dev/zero >bad
	replay 1 --compile tape bad
	same "$(cat tape)" before
	cp "$captures/plain.pcap" capture
	replay 2 --compile capture capture
	says "is one of the captures"
	cmp "$captures/plain.pcap" capture
	replay 2 --compile /dev/null capture
	says "is not a regular file"
	same "$(ls)" "$(printf 'bad\ncapture\ntape')"
}

@test "a replay file is what it is: nothing is chosen in it any more" {
	replay 0 --compile "$tmp/tape" "$captures/plain.pcap"
	replay 2 --dry-run -Y forks "$tmp/tape"
	says "apply only to captures"
	replay 2 --dry-run "$tmp/tape" "$captures/plain.pcap"
	says "a replay file must be the only capture"
	replay 2 --compile "$tmp/again" "$tmp/tape"
	says "is already a replay file"
}

@test "a replay file that is damaged is none" {
	replay 0 --compile "$tmp/tape" "$captures/plain.pcap"
	head -c 3000 "$tmp/tape" >"$tmp/cut"
	replay 1 --dry-run "$tmp/cut"
	says "$tmp/cut: "
}

# ---- the plan

@test "--dry-run: what would be sent, and nothing is" {
	replay 0 --dry-run --keys "$root/fixtures/keys.txt" \
		"$captures/plain.pcap" 127.0.0.1:1
	grep -q '^target     127.0.0.1:1$' <<<"$output"
	grep -q '^sessions   [0-9]*: of [0-9]* of the [0-9]* captured' \
		<<<"$output"
	grep -q '^length     [0-9.]* s$' <<<"$output"
	grep -q '^frames     [0-9]*, [0-9]* bytes$' <<<"$output"
	grep -q '^rate       .* frames a second on average' <<<"$output"
	# the keys add up to the frames
	same "$(awk '/ 0x| none$/ { n += $1 } END { print n }' <<<"$output")" \
		"$(sed -n 's/^frames     \([0-9]*\),.*/\1/p' <<<"$output")"
}

@test "-v: each step on standard error" {
	replay 0 -v --dry-run "$captures/plain.pcap" 127.0.0.1:1
	says "bluenet-replay: 127.0.0.1:1: address 127.0.0.1:1"
	says "bluenet-replay: read: "
	says "bluenet-replay: planned: "
}

# The number of line $1 of the plan.
number_of() {
	sed -n "s/^$1 *\([0-9]*\)[^0-9].*/\1/p" <<<"$output"
}

@test "--dry-run: clones, shards, rounds" {
	local whole part=0 shard

	replay 0 -q --dry-run --clients 50 "$captures/plain.pcap"
	same "$(number_of sessions)" 50
	grep -q ' of them clones' <<<"$output"
	whole=$(number_of frames)
	for shard in 0 1 2 3; do
		replay 0 -q --dry-run --clients 50 --shard "$shard/4" \
			"$captures/plain.pcap"
		grep -q "^shard      $shard of 4: [0-9]* of 50 sessions" <<<"$output"
		part=$((part + $(number_of frames)))
	done
	same "$part" "$whole"
	replay 0 -q --dry-run --loop 3 --asap "$captures/plain.pcap"
	grep -q ' a round, 3 rounds' <<<"$output"
	grep -q '^rate       as much as the target takes' <<<"$output"
}

# spread [ARG...]: how many sessions each target gets, in order
spread() {
	replay 0 -q --dry-run -p any "$@"
	sed -n 's/^ *\([0-9]*\)  sessions to 127[.]0[.]0[.]1:\([0-9]*\)$/\2:\1/p' \
		<<<"$output" | xargs
}

@test "--dry-run: sessions go to several targets, by their captured relays" {
	local one=$captures/replay-one-way.pcap
	local two=$captures/replay-two-relays.pcap shard

	same "$(spread "$two" 127.0.0.1:1 127.0.0.1:2)" '1:1 2:1'
	same "$(spread "$two" 127.0.0.1:1)" '1:2'
	same "$(spread --clients 10 "$two" 127.0.0.1:1 127.0.0.1:2)" '1:5 2:5'
	# those of a relay stay together, or are spread evenly
	same "$(spread --clients 12 "$two" 127.0.0.1:1 127.0.0.1:2 \
		127.0.0.1:3)" '1:3 2:6 3:3'
	same "$(spread --clients 9 "$one" 127.0.0.1:1 127.0.0.1:2 127.0.0.1:3 \
		127.0.0.1:4)" '1:3 2:2 3:2 4:2'
	# --map-relay, with a port and without
	same "$(spread --clients 10 --map-relay 10.0.0.3:26000=127.0.0.1:2 \
		"$two" 127.0.0.1:1)" '1:5 2:5'
	same "$(spread --clients 10 --map-relay 10.0.0.3=127.0.0.1:2 \
		--map-relay 10.0.0.2=127.0.0.1:3 "$two" 127.0.0.1:1)" \
		'1:0 2:5 3:5'
	same "$(spread --map-relay 10.0.0.9=127.0.0.1:2 "$two" 127.0.0.1:1)" \
		'1:2 2:0'
	# parts of a run
	for shard in 0/2 1/2; do
		spread --clients 1000 --shard "$shard" --map-relay \
			10.0.0.3=127.0.0.1:3 "$two" 127.0.0.1:1 127.0.0.1:2
	done | tr ': ' '\n' | paste - - | awk '{ n[$1] += $2 }
		END { same = n[3] == 500 && n[1] + n[2] == 500; exit !same }'
	# a capture that is not there is none of them
	replay 1 --dry-run "$two" "$tmp/no.pcap" 127.0.0.1:1
	says "$tmp/no.pcap: No such file or directory"
}

@test "--dry-run: whom nodes' frames go to" {
	replay 0 -q --dry-run "$captures/plain.pcap"
	local id
	id=$(awk '/to node/ { getline; print $2 }' <<<"$output")
	[ -n "$id" ] || skip "the capture sends nothing to nodes"
	replay 0 -q --dry-run --map-node "$id=1007" "$captures/plain.pcap"
	grep -q " $id  1007 (--map-node)" <<<"$output"
}

@test "standard output that cannot be written to: 1" {
	run bash -c "'$replay' -q --dry-run '$captures/plain.pcap' 2>&1 \
		>/dev/full"
	[ "$status" -eq 1 ]
	[[ $output == *"standard output: "* ]]
}

@test "what is written is not what is read, nor written twice: 2" {
	cp "$captures/plain.pcap" "$tmp/mine.pcap"
	replay 2 --report "$tmp/mine.pcap" "$tmp/mine.pcap" 127.0.0.1:1
	says "--report: $tmp/mine.pcap is one of the inputs"
	cmp "$captures/plain.pcap" "$tmp/mine.pcap"
	replay 2 --report "$tmp/x" --log "$tmp/x" "$tmp/mine.pcap" 127.0.0.1:1
	says "--log: $tmp/x is also the file of --report"
}

word_at() {
	od -An -tu8 -j "$1" -N 8 "$2" | tr -d ' '
}

@test "a chain of a replay file that is broken is told: 1" {
	local at

	replay 0 --compile "$tmp/tape" "$captures/plain.pcap"
	cp "$tmp/tape" "$tmp/broken"
	# `next` of the first record of the first session: see tape.h
	at=$(word_at 24 "$tmp/tape")
	printf '\xff\xff\xff' | dd of="$tmp/broken" bs=1 conv=notrunc \
		seek="$(word_at "$at" "$tmp/tape")" status=none
	replay 1 --dry-run "$tmp/broken"
	says "the replay file is damaged"
}

@test "a capture of a link type that is not read: 1, and which" {
	# pcap, little-endian, microseconds, link type 147 (USER0)
	printf '\xd4\xc3\xb2\xa1\x02\0\x04\0\0\0\0\0\0\0\0\0\0\0\x04\0\x93\0\0\0' \
		>"$tmp/user0.pcap"
	replay 1 --dry-run "$tmp/user0.pcap"
	says "user0.pcap: link type unknown (147) is not one that can be read"
}

@test "--keys are the filter's, too" {
	echo 'my::own' >"$tmp/keys"
	replay 1 --keys "$tmp/keys" -Y 'key_name == "my::own"' --dry-run \
		"$captures/plain.pcap"
	says "there is none in the capture of which -Y takes a frame"
}

@test "a clock that steps back is noticed and taken out" {
	replay 0 --dry-run "$captures/times-step-back.pcap"
	[[ $output$stderr == *"1.499 s, 48 packets"* ]]
	[[ $output$stderr == *"1  steps of its clock, taken out of all times"* ]]
	[[ $output == *"length     1.499 s"* ]]
	[[ $output == *"19 frames a second on average, 19 in the busiest"* ]]
}

@test "behind a hole, frames are as spread out as their segments" {
	local f
	for f in hole retransmit mid-nosyn; do
		replay 0 --dry-run "$captures/times-$f.pcap"
		[[ $output == *" 20 in the busiest second"* ]]
		says "of these waited for bytes before them, on 1 connections"
	done
	replay 0 --dry-run "$captures/times-retransmit.pcap"
	[[ $output == *"frames     60"* ]]
}

@test "what a capture holds in place of frames is said" {
	local tools=${BNET_TOOLS:-$root/build/tools}

	"$tools/mangle" "$captures/stock.pcap" "$tmp/p.pcap" \
		--port 26001
	replay 1 --dry-run -p 26000 "$tmp/p.pcap"
	says 'TCP streams on 26001 look like BlueNet: try -p 26001'
	"$tools/mangle" "$captures/stock.pcap" "$tmp/p.pcap" \
		--around vlan
	replay 1 --dry-run -f 'port 26000' "$tmp/p.pcap"
	says "carry VLAN tags: try 'vlan and (port 26000)'"
	replay 0 --dry-run "$tmp/p.pcap"
}
