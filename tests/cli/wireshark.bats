#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# fixtures/wireshark/bluenet.lua, in tshark: what it shows of each frame is what
# bluenet-decode's JSON says, its tables are those of the library, and hostile
# captures make it report, not fail.
#
# shellcheck disable=SC2154 # bats and common.bash set it

bats_require_minimum_version 1.5.0
load common

setup() {
	root=$BATS_TEST_DIRNAME/../..
	build=${BNET_BUILD:-$root/build}
	tools=${BNET_TOOLS:-$build/tools}
	fixtures=${BNET_FIXTURES:-$root/fixtures}
	captures=$fixtures/captures
	plugin=$fixtures/wireshark/bluenet.lua
	tmp=$BATS_TEST_TMPDIR
	export LC_ALL=C
	# no plugin or preference of whoever runs this
	export HOME=$tmp XDG_CONFIG_HOME=$tmp
	need jq jq
	want tshark tshark
}

# shark ARGUMENT ...: tshark with the plugin, and nothing is wrong in Lua.
# A port that another protocol has registered is no reason to take it for that.
shark() {
	local result=0

	tshark -X lua_script:"$plugin" -o tcp.try_heuristic_first:TRUE \
	    "$@" 2>"$tmp/shark.err" ||
		result=$?
	if grep -q 'Lua' "$tmp/shark.err"; then
		cat "$tmp/shark.err" >&2
		return 1
	fi
	return "$result"
}

# long_numbers: those that jq would round, as strings
long_numbers() {
	local long='s/([:,[])(-?[0-9]{16,})([],}])/\1"\2"\3/g'

	sed -E -e "$long" -e "$long"
}

# by_decode FILE OPTION ...: a line a frame
by_decode() {
	local file=$1

	shift
	"$build/bluenet-decode" -r "$file" -o json --payload object \
	    --keys "$fixtures/keys.txt" "$@" | long_numbers |
		jq -c -S --arg from decode -f "$BATS_TEST_DIRNAME/wireshark.jq"
}

by_tshark() {
	local file=$1

	shift
	shark -r "$file" -T json --no-duplicate-keys -J "bluenet frame" \
	    -Y bluenet "$@" |
		jq -c -S --arg from tshark -f "$BATS_TEST_DIRNAME/wireshark.jq"
}

# same FRAMES: as many as that, and the same
same() {
	if ! diff "$tmp/decode" "$tmp/tshark" >"$tmp/diff"; then
		head -c 2000 "$tmp/diff"
		return 1
	fi
	[ "$(wc -l <"$tmp/tshark")" -eq "$1" ]
}

# agree FRAMES FILE: packet by packet
agree() {
	by_decode "$2" >"$tmp/decode"
	by_tshark "$2" >"$tmp/tshark"
	same "$1"
}

# begin_alike FRAMES FILE PACKETS: as far as those
begin_alike() {
	by_decode "$2" | jq -c "select(.[0] <= $3)" >"$tmp/decode"
	by_tshark "$2" -c "$3" >"$tmp/tshark"
	same "$1"
}

# without_packets: Wireshark shows a frame where it has put the segments in
# order, or where the TLS record ends, and so in a later packet.
without_packets() {
	for by in decode tshark; do
		jq -c '.[1]' "$tmp/$by" | sort >"$tmp/$by.sorted"
		mv "$tmp/$by.sorted" "$tmp/$by"
	done
}

# ---- frame by frame

@test "plain frames, little" {
	agree 480 "$captures/plain.pcap"
}

@test "plain frames, network" {
	agree 360 "$captures/net.pcap"
}

@test "the published carbon-io" {
	agree 400 "$captures/stock.pcap"
}

@test "machoNet, rows and the keys of BlueNet" {
	agree 17 "$captures/macho.pcap"
}

@test "TLS, by Wireshark's own key log" {
	by_decode "$captures/tls13.pcap" --keylog "$captures/tls13.keys" \
	    >"$tmp/decode"
	by_tshark "$captures/tls13.pcap" \
	    -o tls.keylog_file:"$captures/tls13.keys" >"$tmp/tshark"
	without_packets
	same 160
	run shark -r "$captures/tls13.pcap" -Y bluenet
	[ "$status" -eq 0 ] && [[ $output != *BlueNet* ]]
}

@test "a capture that misses a segment, and one that starts late" {
	agree 121 "$captures/times-hole.pcap"
	agree 120 "$captures/times-mid-nosyn.pcap"
	agree 42 "$captures/times-step-back.pcap"
}

@test "captures for the replay" {
	agree 92 "$captures/replay-half-answered.pcap"
	agree 61 "$captures/replay-one-way.pcap"
}

@test "segments out of order" {
	by_decode "$captures/times-retransmit.pcap" >"$tmp/decode"
	by_tshark "$captures/times-retransmit.pcap" \
	    -o tcp.reassemble_out_of_order:TRUE >"$tmp/tshark"
	without_packets
	same 122
}

@test "a busy relay" {
	begin_alike 1647 "$captures/profile-relay.pcap" 2500
}

@test "a fleet fight" {
	begin_alike 1541 "$captures/profile-fleet.pcap" 2000
}

@test "a market hub" {
	begin_alike 2379 "$captures/profile-market.pcap" 2000
}

@test "calls, with a header and without" {
	agree 125 "$captures/profile-macho.pcap"
	agree 32 "$captures/profile-direct.pcap"
}

@test "no capture of the fixtures is left out" {
	local file name

	for file in "$captures"/*.pcap; do
		name=${file##*/}
		if ! grep -q "captures/$name" "$BATS_TEST_FILENAME"; then
			echo "not compared: $name"
			return 1
		fi
	done
}

# streams: each as a frame without a header, in hexadecimal for text2pcap
streams() {
	jq -r '(if type == "array" then .[] else . end) | .hex |
	    select(length < 60000) | (length / 2) as $n |
	    ("0123456789abcdef" / "") as $digits |
	    ([$n % 256, ($n / 256 | floor), 0, 0] |
	    map($digits[. / 16 | floor] + $digits[. % 16]) | join("")) + .' \
	    "$@" | sed -E 's/(..)/ \1/g; s/^/000000/'
}

@test "the vectors of marshal" {
	want text2pcap wireshark-common
	streams "$fixtures/vectors/marshal.jsonl" \
	    "$fixtures/vectors/marshal-named.json" >"$tmp/streams"
	text2pcap -q -T 40000,26000 "$tmp/streams" "$tmp/streams.pcap" \
	    2>"$tmp/text2pcap.err"
	agree 377 "$tmp/streams.pcap"
}

# ---- beyond our JSON

@test "call times and echo times, within the conversation" {
	run shark -r "$captures/macho.pcap" -Y bluenet.call_time -T fields \
	    -e frame.number -e bluenet.request_in -e bluenet.call_time
	[ "$status" -eq 0 ]
	[ "$output" = "$(printf '%s\n' $'5\t4\t0.003000000' \
	    $'9\t8\t0.004000000' $'10\t7\t0.020000000')" ]
	run shark -2 -r "$captures/macho.pcap" -Y bluenet.response_in -T fields \
	    -e frame.number -e bluenet.response_in
	[ "$output" = $'4\t5\n7\t10\n8\t9' ]
	run shark -r "$captures/times-step-back.pcap" -c 20 \
	    -Y bluenet.echo_time -T fields -e bluenet.echo_time
	[ "$status" -eq 0 ] && [ "${#lines[@]}" -gt 3 ]
}

@test "one line a packet, and filters" {
	run shark -r "$captures/macho.pcap" \
	    -Y 'bluenet.macho.method == "GetTime"' -T fields -e bluenet.summary
	[ "$output" = "call machoNet::GetTime() callID 42
call machoNet::GetTime() callID 46" ]
	run shark -r "$captures/macho.pcap" -Y bluenet.call_error -T fields \
	    -e _ws.col.Info
	[[ $output == "error callID 44 UNMACHODESTINATION"* ]]
}

@test "Decode As, where the heuristic is off" {
	run shark -r "$captures/macho.pcap" -Y bluenet \
	    --disable-heuristic bluenet_tcp
	[ "$status" -eq 0 ] && [[ $output != *BlueNet* ]]
	run shark -r "$captures/macho.pcap" -Y bluenet \
	    --disable-heuristic bluenet_tcp -d tcp.port==26000,bluenet
	[[ $output == *GetTime* ]]
}

@test "the second pass of a file shows what the first one did" {
	by_tshark "$captures/net.pcap" >"$tmp/decode"
	by_tshark "$captures/net.pcap" -2 >"$tmp/tshark"
	same 360
}

# ---- hostile input

@test "hostile captures: expert infos, and no error of Lua" {
	local file result

	for file in "$fixtures"/hostile/*.pcap; do
		result=0
		shark -r "$file" -V -d tcp.port==26000,bluenet >"$tmp/out" ||
			result=$?
		# 2: the file itself is broken
		[ "$result" -eq 0 ] || [ "$result" -eq 2 ]
		run ! grep -q 'Lua Error' "$tmp/out"
		case $file in
		*/message-* | */oob-len* | */oob-without* | */snappy-* | \
		    */word-* | */zlib-*)
			case $file in
			*-escapes.pcap) continue ;;
			esac
			if ! grep -q 'Expert Info.*Error' "$tmp/out"; then
				echo "nothing reported: $file"
				return 1
			fi
			;;
		esac
	done
}

@test "hostile marshal streams: expert infos, and no error of Lua" {
	want text2pcap wireshark-common
	streams "$fixtures/vectors/marshal-hostile.jsonl" >"$tmp/streams"
	text2pcap -q -T 40000,26000 "$tmp/streams" "$tmp/streams.pcap" \
	    2>"$tmp/text2pcap.err"
	shark -r "$tmp/streams.pcap" -V >"$tmp/out"
	run ! grep -q 'Lua Error' "$tmp/out"
	[ "$(grep -c 'Expert Info (Warning/Malformed)' "$tmp/out")" -gt 30 ]
}

# ---- the file

@test "its tables are those of the library" {
	sed -n '/^-- ---- generated by/,/^-- ---- end of what/p' "$plugin" |
		sed '1,2d' | sed '$d' | sed '$d' >"$tmp/there"
	"$tools/wireshark_tables" "$fixtures/keys.txt" >"$tmp/made"
	diff "$tmp/there" "$tmp/made"
}

@test "make install-wireshark puts it where it is found" {
	make -s -C "$root" install-wireshark
	run tshark -G plugins
	[[ $output == *bluenet.lua* ]]
	make -s -C "$root" install-wireshark WIRESHARK_DIR=/plugins \
	    DESTDIR="$tmp/root"
	cmp "$tmp/root/plugins/bluenet.lua" "$plugin"
}
