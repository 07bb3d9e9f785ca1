#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# bluenet-decode over recordings: what is about the program, its files, its
# pipes and its exit status. What it makes of captures that are harder to read
# is in tests/unit/test_captures_*.c.

bats_require_minimum_version 1.5.0

setup() {
	local root=$BATS_TEST_DIRNAME/../..
	decode=${BNET_DECODE:-$root/build/bluenet-decode}
	tools=${BNET_TOOLS:-$root/build/tools}
	captures=${BNET_FIXTURES:-$root/fixtures}/captures
	cap=$BATS_TEST_TMPDIR/capture
	lost=$BATS_TEST_TMPDIR/lost.jsonl
	out=$BATS_TEST_TMPDIR/out.jsonl
	messages=$BATS_TEST_TMPDIR/messages
}

# decode_to_json STATUS FILE [OPTION ...]: to $out; it ended with that status.
decode_to_json() {
	local wanted=$1 file=$2 exit=0

	shift 2
	"$decode" -r "$file" -o json --payload hex "$@" \
		>"$out" 2>"$messages" || exit=$?
	if [ "$exit" -ne "$wanted" ]; then
		echo "exit $exit, not $wanted"
		cat "$messages"
		return 1
	fi
}

# The recording under TLS was ended by its client with a RST before all was
# sent: these ends of the streams are not in it.
same_tls() {
	printf '{"conn":%d,"dir":"up","from":%d,"to":%d}\n' \
		34228 139421 172878 34234 400588 400611 34236 287221 297150 \
		>"$lost"
	"$tools/expect" --lost "$lost" --streams 3 \
		"$captures/tls13.jsonl" "$out"
	[ "$(grep -c '"type":"frame"' "$out")" -eq 160 ]
}

@test "a recording: every frame, exit 0" {
	decode_to_json 0 "$captures/plain.pcap"
	"$tools/expect" --streams 3 "$captures/plain.jsonl" "$out"
	[ ! -s "$messages" ]
}

@test "standard input" {
	decode_to_json 0 - <"$captures/plain.pcap"
	"$tools/expect" --streams 3 "$captures/plain.jsonl" "$out"
}

@test "standard input, a pipe of pcapng" {
	"$tools/mangle" "$captures/net.pcap" "$cap" --pcapng
	# shellcheck disable=SC2002 # a pipe, which cannot seek, is the point
	cat "$cap" | decode_to_json 0 -
	"$tools/expect" --streams 3 "$captures/net.jsonl" "$out"
}

@test "segments are missing: the rest, what is missing, exit 3" {
	"$tools/mangle" "$captures/stock.pcap" "$cap" --segment 1448 \
		--drop-random 1 --lost "$lost"
	[ -s "$lost" ]
	decode_to_json 3 "$cap"
	"$tools/expect" --lost "$lost" "$captures/stock.jsonl" "$out"
	grep -q '"type":"gap"' "$out"
}

@test "a truncated file: all before the damage, an error, exit 1" {
	"$tools/mangle" "$captures/net.pcap" "$cap" --pcapng --cut-bytes 5000 \
		--lost "$lost"
	decode_to_json 1 "$cap"
	"$tools/expect" --lost "$lost" "$captures/net.jsonl" "$out"
	grep -q '"type":"frame"' "$out"
	[ -s "$messages" ]
}

@test "a file that is no capture: exit 1" {
	decode_to_json 1 "$captures/plain.jsonl"
	[ ! -s "$out" ]
	[ -s "$messages" ]
	: >"$cap"
	decode_to_json 1 "$cap"
}

@test "TLS 1.3 with a key log" {
	decode_to_json 3 "$captures/tls13.pcap" --keylog "$captures/tls13.keys"
	same_tls # one of them ends inside a frame
}

@test "pcapng with the TLS secrets in it" {
	"$tools/mangle" "$captures/tls13.pcap" "$cap" --pcapng \
		--secrets "$captures/tls13.keys"
	decode_to_json 3 "$cap"
	same_tls
}

@test "TLS 1.3 without its secrets gives no frames, and says so" {
	decode_to_json 3 "$captures/tls13.pcap"
	run ! grep '"type":"frame"' "$out"
	grep -q 'could not be decrypted' "$messages"
}
