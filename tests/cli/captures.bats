#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# The frames of every recording come out as they were sent, also when the
# capture was made harder to read; and what a capture does not hold is said.
# BNET_DECODE, BNET_TOOLS and BNET_FIXTURES say where things are.

setup() {
	local root=$BATS_TEST_DIRNAME/../..

	decode=${BNET_DECODE:-$root/build/bluenet-decode}
	tools=${BNET_TOOLS:-$root/build/tools}
	captures=${BNET_FIXTURES:-$root/fixtures}/captures
	cap=$BATS_TEST_TMPDIR/m.cap
	lost=$BATS_TEST_TMPDIR/lost.jsonl
	out=$BATS_TEST_TMPDIR/out.jsonl
	messages=$BATS_TEST_TMPDIR/err
}

# decode_to_json FILE [OPTION ...]: to $out; the exit status is in $exit.
decode_to_json() {
	local file=$1

	shift
	exit=0
	"$decode" -r "$file" -o json --payload hex "$@" \
		>"$out" 2>"$messages" || exit=$?
	if [ "$exit" -gt 3 ]; then # a crash, or a sanitizer
		cat "$messages" >&2
		return 1
	fi
}

# exits N ...: the last decode ended with one of these.
exits() {
	local wanted

	for wanted; do
		[ "$exit" -ne "$wanted" ] || return 0
	done
	echo "exit $exit, not $*"
	head -5 "$messages"
	return 1
}

# same [MANGLE-OPTION ...] [-- DECODE-OPTION ...]: of the plain recordings,
# nothing is lost and nothing is reported.
same() {
	local name mangle=()

	while [ $# -gt 0 ] && [ "$1" != -- ]; do
		mangle+=("$1")
		shift
	done
	[ $# -eq 0 ] || shift
	for name in plain net stock; do
		"$tools/mangle" "$captures/$name.pcap" "$cap" "${mangle[@]}" \
			--lost "$lost"
		[ ! -s "$lost" ]
		decode_to_json "$cap" "$@"
		"$tools/expect" "$captures/$name.jsonl" "$out"
		exits 0
	done
}

# lossy NAME STATUS [MANGLE-OPTION ...]: less the frames that the lost bytes
# held, with the loss reported. STATUS is one or several, comma-separated.
lossy() {
	local name=$1 status=$2

	shift 2
	"$tools/mangle" "$captures/$name.pcap" "$cap" "$@" --lost "$lost"
	[ -s "$lost" ]
	decode_to_json "$cap"
	"$tools/expect" --lost "$lost" "$captures/$name.jsonl" "$out"
	# shellcheck disable=SC2086 # a list
	exits ${status//,/ }
}

# The recording under TLS was ended by its client with a RST before all was
# sent: these ends of the streams are not in it.
tls_end() {
	printf '{"conn":%d,"dir":"up","from":%d,"to":%d}\n' \
		34228 139421 172878 34234 400588 400611 34236 287221 297150
}

# same_tls NAME-OF-FILE [DECODE-OPTION ...]: its frames, from that file.
same_tls() {
	decode_to_json "$@"
	tls_end >"$lost"
	"$tools/expect" --lost "$lost" --streams 3 \
		"$captures/tls13.jsonl" "$out"
	[ "$(grep -c '"type":"frame"' "$out")" -eq 160 ]
	exits 3 # one of them ends inside a frame
}

# mangled_tls [MANGLE-OPTION ...]
mangled_tls() {
	"$tools/mangle" "$captures/tls13.pcap" "$cap" "$@"
	same_tls "$cap" --keylog "$captures/tls13.keys"
}

# reported TYPE: there is an object of that type.
reported() {
	grep -q "\"type\":\"$1\"" "$out"
}

not_reported() {
	! reported "$1"
}

# ---- as recorded

@test "the recordings as they are" {
	local name

	for name in plain net stock; do
		decode_to_json "$captures/$name.pcap"
		"$tools/expect" "$captures/$name.jsonl" "$out"
		exits 0
	done
}

@test "TLS 1.3 with a key log" {
	same_tls "$captures/tls13.pcap" --keylog "$captures/tls13.keys"
}

@test "TLS 1.3 without its secrets gives no frames" {
	decode_to_json "$captures/tls13.pcap"
	not_reported frame
}

@test "standard input" {
	exit=0
	"$decode" -r - -o json --payload hex \
		<"$captures/plain.pcap" >"$out" || exit=$?
	"$tools/expect" --streams 3 "$captures/plain.jsonl" "$out"
	exits 0
}

@test "standard input, a pipe of pcapng" {
	"$tools/mangle" "$captures/net.pcap" "$cap" --pcapng
	exit=0
	# shellcheck disable=SC2002 # a pipe, which cannot seek, is the point
	cat "$cap" | "$decode" -r - -o json --payload hex >"$out" || exit=$?
	"$tools/expect" --streams 3 "$captures/net.jsonl" "$out"
	exits 0
}

# ---- segments

@test "re-segmented to 1,448 bytes" {
	same --segment 1448
}

@test "re-segmented to 7 bytes" {
	"$tools/mangle" "$captures/net.pcap" "$cap" --segment 7
	decode_to_json "$cap"
	"$tools/expect" "$captures/net.jsonl" "$out"
	exits 0
}

@test "small segments joined" {
	same --coalesce 60000
}

@test "reordered" {
	same --reorder 4
	same --reorder 10 --seed 1
}

@test "re-segmented and reordered" {
	same --segment 1448 --reorder 16 --seed 2
	same --segment 536 --reorder 64 --seed 3
}

@test "duplicated" {
	same --duplicate 25
	same --segment 1448 --duplicate 10 --seed 4
}

@test "duplicated, all of it" {
	same --segment 8000 --duplicate 100
}

@test "overlapping with the same contents" {
	same --overlap 40
	same --segment 1448 --overlap 40 --seed 5
	not_reported overlap
}

@test "overlapping with other contents: the first counts, and it is said" {
	local name

	for name in plain net stock; do
		"$tools/mangle" "$captures/$name.pcap" "$cap" \
			--segment 1448 --conflict 5 --seed 6
		decode_to_json "$cap"
		"$tools/expect" "$captures/$name.jsonl" "$out"
		[ "$(grep -c '"type":"overlap"' "$out")" -eq 5 ]
		exits 0 3
	done
}

@test "overlapping with other contents: --overlap last" {
	"$tools/mangle" "$captures/plain.pcap" "$cap" \
		--segment 1448 --conflict 5 --conflict-first --seed 6
	decode_to_json "$cap" --overlap last
	"$tools/expect" "$captures/plain.jsonl" "$out"
	[ "$(grep -c '"type":"overlap"' "$out")" -eq 5 ]
	exits 0 3

	# and with the other policy the wrong contents are in the frames
	decode_to_json "$cap" --overlap first
	run "$tools/expect" "$captures/plain.jsonl" "$out"
	[ "$status" -eq 1 ]
}

@test "sequence numbers that wrap" {
	same --seq-wrap
	same --seq-wrap --segment 1448 --reorder 12 --duplicate 5
}

@test "RST in place of FIN" {
	same --rst
	same --rst --segment 1448 --duplicate 5 --reorder 6
}

@test "a port used again is a stream of its own" {
	"$tools/mangle" "$captures/plain.pcap" "$cap" --port-reuse
	decode_to_json "$cap"
	"$tools/expect" --again 34290 --streams 4 "$captures/plain.jsonl" "$out"
	exits 0
	"$tools/mangle" "$captures/net.pcap" "$cap" --port-reuse --rst \
		--segment 1448 --reorder 6 --duplicate 5
	decode_to_json "$cap"
	"$tools/expect" --again 34318 --streams 4 "$captures/net.jsonl" "$out"
	exits 0
}

@test "a port used again without an end of the first connection" {
	# the last packets of the first of the two
	"$tools/mangle" "$captures/stock.pcap" "$cap" --port-reuse \
		--drop-packets 78-80 --lost "$lost"
	decode_to_json "$cap"
	"$tools/expect" --lost "$lost" --again 44730 --streams 2 \
		"$captures/stock.jsonl" "$out"
}

# ---- links and networks

@test "VLAN" {
	same --vlan 7
}

@test "QinQ" {
	same --qinq 100,200
}

@test "other link types" {
	local link

	for link in sll sll2 raw null loop; do
		same --link "$link"
	done
}

@test "other link types with IPv6" {
	local link

	for link in sll sll2 raw null loop; do
		same --link "$link" --ipv6
	done
}

@test "VLAN in a cooked capture" {
	same --link sll --vlan 9
	same --link sll2 --qinq 9,10
}

@test "IPv6" {
	same --ipv6
	grep -q '"src":"\[fd00::7f00:1\]:' "$out"
}

@test "IPv6 with extension headers" {
	same --ipv6 --exthdr
}

@test "IPv4 fragments" {
	same --fragment 1480
	same --segment 4000 --fragment 1480 --fragment-reorder
}

@test "IPv6 fragments" {
	same --ipv6 --fragment 1400
	same --ipv6 --exthdr --fragment 1400 --fragment-reorder
}

@test "fragments that are missing" {
	lossy plain 3 --segment 4000 --fragment 1480 --drop-fragments 2
	lossy net 3 --ipv6 --segment 4000 --fragment 1400 --drop-fragments 2
}

@test "another port" {
	same --port 4000 -- -p 4000
	same --port 4000 -- -p any
	decode_to_json "$cap"
	not_reported frame
}

# ---- files

@test "nanoseconds" {
	same --nano
	"$tools/gen" "$cap" --nano --one-frame-per-packet --frames 50
	decode_to_json "$cap"
	[ "$(grep -c '"type":"frame"' "$out")" -eq 50 ]
	grep -q '"time":"1763850858\.[0-9]*[1-9]"' "$out"
}

@test "the other byte order" {
	same --big-endian
	same --big-endian --nano
}

@test "pcapng" {
	same --pcapng
	same --pcapng --nano --link sll2
	same --pcapng --big-endian
}

@test "pcapng with the TLS secrets in it" {
	"$tools/mangle" "$captures/tls13.pcap" "$cap" --pcapng \
		--secrets "$captures/tls13.keys"
	same_tls "$cap"
}

@test "a truncated file: all before the damage, an error, exit 1" {
	local name format

	for name in plain net stock; do
		for format in --nano --pcapng; do
			lossy "$name" 1 "$format" --cut-bytes 5000
			reported frame
			[ -s "$messages" ]
		done
	done
	# in the header of a packet too
	for format in --nano --pcapng; do
		"$tools/mangle" "$captures/net.pcap" "$cap" "$format" \
			--cut-bytes 90 --lost "$lost"
		decode_to_json "$cap"
		"$tools/expect" --lost "$lost" "$captures/net.jsonl" "$out"
		exits 1
		[ -s "$messages" ]
	done
}

@test "a file that is no capture: exit 1" {
	decode_to_json "$captures/plain.jsonl"
	exits 1
	[ ! -s "$out" ]
	: >"$cap"
	decode_to_json "$cap"
	exits 1
}

# ---- losses

@test "the start is missing" {
	lossy plain 3 --cut-start 20
	lossy plain 3 --cut-start 260
	lossy net 3 --cut-start 40
	lossy stock 3 --cut-start 9
}

@test "the start is missing, at any packet" {
	local n

	for n in 1 2 3 4 5 6 7 8 12 16 24 32 48; do
		"$tools/mangle" "$captures/stock.pcap" "$cap" \
			--segment 30000 --cut-start "$n" --lost "$lost"
		decode_to_json "$cap"
		"$tools/expect" --lost "$lost" "$captures/stock.jsonl" "$out"
	done
}

@test "the end is missing" {
	lossy plain 0,3 --cut-end 60
	lossy stock 0,3 --cut-end 30
}

@test "segments are missing" {
	local seed

	for seed in 1 2 3 4; do
		lossy plain 3 --drop-random 3 --seed "$seed"
		lossy net 3 --drop-random 3 --seed "$seed"
		lossy plain 3 --segment 1448 --drop-random 1 --seed "$seed"
		lossy stock 3 --segment 1448 --drop-random 1 --seed "$seed"
	done
	reported gap
}

@test "half of the segments are missing" {
	lossy plain 3 --segment 1448 --drop-random 50
	lossy net 3 --segment 536 --drop-random 50
}

@test "segments are missing, the rest out of order and doubled" {
	lossy plain 3 --segment 1448 --reorder 8 --duplicate 10 --drop-random 2
	lossy net 3 --segment 1448 --reorder 8 --overlap 10 --drop-random 2
	lossy stock 3 --segment 1448 --reorder 8 --rst --drop-random 2
}

@test "a snapshot length" {
	lossy plain 3 --snaplen 1500
	lossy net 3 --segment 1448 --snaplen 1000
	lossy stock 3 --snaplen 20000
}

@test "garbage in a stream is passed over and reported" {
	local seed

	for seed in 1 2 3 4 5; do
		lossy plain 3 --garbage 50 --seed "$seed"
		lossy net 3 --garbage 3000 --seed "$seed"
		lossy stock 3 --garbage 1 --segment 1448 --seed "$seed"
	done
}

@test "a pause of a day costs the frame it falls into, at most" {
	"$tools/mangle" "$captures/net.pcap" "$cap" --idle 86400 --lost "$lost"
	decode_to_json "$cap"
	"$tools/expect" --lost "$lost" "$captures/net.jsonl" "$out"
}

# ---- TLS

@test "TLS, harder to read" {
	mangled_tls --segment 1448 --reorder 8 --duplicate 10
	mangled_tls --segment 1448 --overlap 30 --seq-wrap
	mangled_tls --ipv6 --exthdr --link sll2 --rst
	mangled_tls --segment 100 --fragment 56 --fragment-reorder --pcapng
}

@test "TLS with segments missing: what is told is right, the rest reported" {
	"$tools/mangle" "$captures/tls13.pcap" "$cap" --segment 1448 \
		--drop-packets 300 --lost "$lost"
	[ -s "$lost" ]
	decode_to_json "$cap" --keylog "$captures/tls13.keys"
	grep -q '"conn":34234,' "$lost"
	tls_end | grep -v 34234 >>"$lost"
	"$tools/expect" --tls 34234 --lost "$lost" \
		"$captures/tls13.jsonl" "$out"
	reported frame
	exits 3
}

# ---- all at once

@test "combinations" {
	local seed

	for seed in 1 2 3; do
		same --seed "$seed" --segment 1448 --reorder 8 --duplicate 8 \
			--overlap 8 --seq-wrap --rst --ipv6 --exthdr \
			--link sll2 --vlan 5 --nano
		same --seed "$seed" --coalesce 9000 --segment 5000 \
			--reorder 3 --duplicate 20 --fragment 1000 \
			--fragment-reorder --qinq 3,4 --pcapng --big-endian
	done
}

# ---- captures that never were

@test "generated captures" {
	local codec order jsonl=$BATS_TEST_TMPDIR/gen.jsonl

	for codec in none zlib snappy; do
		for order in little network; do
			"$tools/gen" "$cap" --frames 2000 --streams 3 \
				--codec "$codec" --order "$order" \
				--frame-bytes 700 --session --jsonl "$jsonl"
			decode_to_json "$cap"
			"$tools/expect" --streams 6 "$jsonl" "$out"
			exits 0
		done
	done
}

@test "session messages are spelled out" {
	local key

	"$tools/gen" "$cap" --session --frames 1
	decode_to_json "$cap"
	exits 0
	for key in hello welcome refuse error register roster roster-reply \
		echo echo-reply drain; do
		grep "\"key_name\":\"bluenet.$key\"" "$out" |
			grep -q '"message":{'
	done
}

@test "one frame in a packet" {
	local jsonl=$BATS_TEST_TMPDIR/gen.jsonl

	"$tools/gen" "$cap" --frames 500 --one-frame-per-packet \
		--jsonl "$jsonl"
	decode_to_json "$cap"
	"$tools/expect" --streams 1 "$jsonl" "$out"
	[ "$(grep -o '"packet":[0-9]*' "$out" | sort -u | wc -l)" -eq 500 ]
}

@test "the echo statistics are those of the echoes that were generated" {
	local said min max avg

	said=$("$tools/gen" "$cap" --echo --frames 300 --seed 3)
	read -r min max avg < <(awk -F '[:,}]' \
		'{ printf "%.6f %.6f %.6f\n", $4/1e9, $6/1e9, $8/$2/1e9 }' \
		<<<"$said")
	"$decode" -r "$cap" -q -z echo |
		grep -E "^ *all +both +300 +300 +0 +$min +$max +$avg "
}

# ---- the comparer itself

@test "the comparer notices what is wrong" {
	local sent=$captures/stock.jsonl bad=$BATS_TEST_TMPDIR/bad.jsonl

	decode_to_json "$captures/stock.pcap"
	wrong() {
		run "$tools/expect" "$sent" "$bad"
		[ "$status" -eq 1 ]
		! cmp -s "$bad" "$out"
	}
	sed 5d "$out" >"$bad" # a frame less
	wrong
	sed 5p "$out" >"$bad" # once more
	wrong
	sed '7{h;d};8{G}' "$out" >"$bad" # changed places
	wrong
	sed '7s/"latency_ms":[0-9]*/"latency_ms":77777/' "$out" >"$bad"
	wrong
	sed '1s/"payload":"../"payload":"zz/' "$out" >"$bad"
	wrong
	sed '1s/"payload":"\(..\)\(..\)/"payload":"\2\1/' "$out" >"$bad"
	wrong
	sed '1s/"codec":"none"/"codec":"zlib"/' "$out" >"$bad"
	wrong
}
