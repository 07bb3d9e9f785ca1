#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# bluenet-decode as people ask it: columns, what -Y takes, one stream, payloads
# as files, times, ranges of ports.
#
# shellcheck disable=SC2154 # what decode.bash sets
# shellcheck disable=SC2030,SC2031 # each test is a subshell

load decode

hostile=message-name-with-escapes.pcap

# ---- columns

@test "-T fields: the values of JSON, and nothing where JSON has nothing" {
	local file

	for file in "$plain" "$net" "$fixtures/hostile/$hostile"; do
		"$decode" -r "$file" -o json | jq -r '
			[.type, .number, .time, .packet, .stream, .dir, .src,
			.dst, .order, .size, .codec, .oob_len, .payload_len,
			.header.source, .header.dest_type, .header.dest,
			.header.key, .header.key_name, .header.forks,
			.header.latency_ms, .header.priority,
			(.header.fork_ids // [] | map(tostring) | join(",")),
			.header.timestamp, .bytes] |
			map(. // "" | tostring) | join("\t")' >"$tmp/json" ||
			return 1
		"$decode" -r "$file" -T fields -e type -e number -e time \
			-e packet -e stream -e dir -e src -e dst -e order \
			-e size -e codec -e oob_len -e payload_len \
			-e source -e dest_type -e dest -e key -e key_name \
			-e forks -e latency_ms -e priority -e fork_ids \
			-e timestamp -e bytes |
			sed 's/\tfalse\t/\t\t/' >"$tmp/fields" || return 1
		diff "$tmp/json" "$tmp/fields"
	done
}

@test "-T fields: payloads, parts of them, and fields of messages" {
	decode 0 -r "$plain" -T fields -e payload -e 'payload[0:4]' \
		-e 'payload[-2:]' -c 3
	local row
	for row in "${lines[@]}"; do
		IFS=$'\t' read -r all four two <<<"$row"
		same "$four" "${all:0:8}"
		same "$two" "${all: -4}"
	done
	"$tools/gen" "$tmp/s.pcap" --session --frames 1
	decode 0 -r "$tmp/s.pcap" -Y message -T fields -e message \
		-e message.code -e message.name -e message.token \
		-e message.entries.id -e message.hops.id
	same "$output" "$("$decode" -r "$tmp/s.pcap" -o json -Y message | jq -r '
		.message | [.type, .code, .name, .token,
		(.entries // [] | map(.id | tostring) | join(",")),
		(.hops // [] | map(.id | tostring) | join(","))] |
		map(if . == null then "" else tostring end) | join("\t")')"
}

@test "-E: header, separator, quote, occurrence, aggregator" {
	decode 0 -r "$plain" -T fields -e number -e dir -E header=y -c 1
	same "$output" $'number\tdir\n1\tup'
	decode 0 -r "$plain" -T fields -e number -e dir -E separator=, -c 1
	same "$output" 1,up
	decode 0 -r "$plain" -T csv -e number -e dir -c 1 -E header=y
	same "$output" $'number,dir\n1,up'
	decode 0 -r "$plain" -o fields --field number -e dir -E separator=/s -c 1
	same "$output" "1 up"
	decode 0 -r "$plain" -T fields -e number -e reason -e dir -E quote=d -c 1
	same "$output" $'"1"\t\t"up"'
	decode 0 -r "$plain" -T fields -e number -e dir -E quote=s -c 1
	same "$output" $'\'1\'\t\'up\''
	decode 0 -r "$plain" -T fields -Y fork_ids -e fork_ids -c 1
	local all=$output
	[[ $all == *,* ]]
	decode 0 -r "$plain" -T csv -Y fork_ids -e fork_ids -c 1
	same "$output" "\"$all\""
	decode 0 -r "$plain" -T csv -Y fork_ids -e fork_ids -c 1 -E quote=n \
		-E aggregator=/s
	same "$output" "${all//,/ }"
	decode 0 -r "$plain" -T fields -Y fork_ids -e fork_ids -c 1 \
		-E occurrence=f
	same "$output" "${all%%,*}"
	decode 0 -r "$plain" -T fields -Y fork_ids -e fork_ids -c 1 \
		-E occurrence=l
	same "$output" "${all##*,}"
}

@test "columns: what a peer sends breaks neither the line nor the column" {
	local how

	for how in "-T fields" "-T csv" "-T fields -E quote=s" \
		"-T csv -E quote=n" "-T fields -E separator=m"; do
		# shellcheck disable=SC2086 # words
		"$decode" -r "$fixtures/hostile/$hostile" $how -e number \
			-e message.name -e message.reason -e src >"$tmp/out"
		same "$(wc -l <"$tmp/out")" \
			"$("$decode" -r "$fixtures/hostile/$hostile" | wc -l)"
		[ -z "$(LC_ALL=C tr -d '\n\t\40-\176\200-\377' <"$tmp/out")" ]
	done
	"$decode" -r "$fixtures/hostile/$hostile" -T fields -e message.name \
		-e src | awk -F '\t' 'NF != 2 { exit 1 }'
}

@test "columns: times are as in JSON, or as -t says" {
	decode 0 -r "$plain" -T fields -e time -c 1
	same "$output" 1795386162.137298000
	decode 0 -r "$plain" -T fields -e time -c 1 -t ud
	same "$output" "2026-11-22 22:22:42.137298"
	decode 0 -r "$plain" -T fields -e time -c 1 --time time
	same "$output" 22:22:42.137298
}

@test "columns: wrong usage" {
	decode 2 -r "$plain" -T fields
	says "-T fields: expected -e FIELD for each column"
	decode 2 -r "$plain" -e time
	says "--field: expected -T fields or -T csv with it"
	decode 2 -r "$plain" -o json -e time
	says "expected -T fields or -T csv with it"
	decode 2 -r "$plain" -T fields -e tiem
	says 'unknown field "tiem": did you mean "time"?'
	decode 2 -r "$plain" -T fields -e 'payload[4-1]'
	says "a slice is [OFFSET:LENGTH]"
	decode 2 -r "$plain" -T xml -e time
	says "expected one of text, json, fields, csv, none"
	decode 2 -r "$plain" -T fields -e time -E header
	says "expected header=, separator="
	decode 2 -r "$plain" -T fields -e time -E header=maybe
	says "expected one of the letters yn"
	decode 2 -r "$plain" -T fields -e time -E separator=
	says "expected one printable character"
	decode 2 -r "$plain" -T fields -e time -E color=y
	[ -z "$output" ]
	decode 0 -e help
	local help=$output
	decode 0 -Y help
	same "$output" "$help"
}

# ---- the filter

@test "each member of JSON has a name in -Y and in -e" {
	local names i args=()

	names=$(jq -r '
		def deref($r): if has("$ref") then
			$r["$defs"][.["$ref"] | ltrimstr("#/$defs/")]
			else . end;
		def members($r; $p): deref($r) |
			((.oneOf // [])[] | members($r; $p)),
			((.items // empty) | members($r; $p)),
			((.properties // {}) | to_entries[] | .key as $k |
				.value | deref($r) |
				(if .items and (.items | deref($r) |
					has("properties"))
				then empty else $p + $k end),
				members($r; $p + $k + "."));
		. as $r | [.oneOf[] |
			select(.["$ref"] != "#/$defs/statistics") |
			members($r; "")] | unique[]' \
		"$fixtures/decode.schema.json")
	[ "$(wc -l <<<"$names")" -gt 60 ]
	grep -qx header.dest <<<"$names"
	grep -qx message.hops.in_ns <<<"$names"
	grep -qx macho.destination.id_type <<<"$names"
	decode 0 -r "$plain" -q -Y "${names//$'\n'/ or }"
	while read -r name; do
		args+=(-e "$name")
	done <<<"$names"
	for ((i = 0; i < ${#args[@]}; i += 128)); do # 64 columns at most
		decode 0 -r "$plain" -T csv "${args[@]:i:128}" -c 1
	done
}

# counts EXPRESSION N: so many frames of plain.pcap pass.
counts() {
	decode 0 -r "$plain" -T fields -e number -Y "type == frame && ($1)"
	same "$(grep -c . <<<"$output" || true) $1" "$2 $1"
}

# of_json FILTER: the number of frames of plain.pcap that jq selects.
of_json() {
	"$decode" -r "$plain" -o json --payload hex |
		jq -s "map(select(.type == \"frame\") | select($1)) | length"
}

@test "-Y: addresses, sets and ranges of them, ports of either side" {
	counts 'src == 127.0.0.0/8' 480
	counts 'src != 127.0.0.0/8' 0
	counts 'src == 10.0.0.0/8' 0
	counts 'addr == ::/0' 0
	counts 'src.ip in { 127.0.0.1, 10.0.0.0/8 }' 480
	counts 'dst.ip in { 126.0.0.0..127.0.0.1 }' 480
	counts 'port == 26000' 480
	counts 'src.port in { 26000..26010 }' "$(of_json '.dir == "down"')"
	counts 'port == 34290' \
		"$(of_json '(.src + " " + .dst) | contains(":34290")')"
}

@test "-Y: dates, in the zone of the user or another one" {
	local all

	all=$(of_json '(.time | tonumber) >= 1795386162.3')
	[ "$all" -gt 0 ]
	counts 'time >= "2026-11-22 22:22:42.3"' "$all"
	counts 'time >= 2026-11-22T22:22:42.3Z' "$all"
	counts 'time >= "2026-11-23 00:22:42.3 +02:00"' "$all"
	counts 'time >= "Nov 22, 2026 22:22:42.3"' "$all"
	TZ=UTC-3 counts 'time >= "2026-11-23 01:22:42.3"' "$all"
	counts 'time in { 2026-11-22..2026-11-23 }' 480
	counts 'time < 2026-11-22' 0
}

@test "-Y: parts of payloads, and regular expressions on them" {
	counts 'payload[0:4] == 70:6f:73:20' \
		"$(of_json '.payload | startswith("706f7320")')"
	counts 'payload[0:4] == "pos "' \
		"$(of_json '.payload | startswith("706f7320")')"
	counts 'payload matches "^pos [0-9]+ [0-9]+ state"' "$(of_json \
		'.payload | test("^706f7320(3[0-9])+20(3[0-9])+207374617465")')"
	counts 'payload[-1] == 00' "$(of_json '.payload | endswith("00")')"
	counts 'payload_len == 0' "$(of_json '.payload == ""')"
}

@test "-Y: a regular expression that takes too long is given up and told" {
	decode 0 -r "$plain" -c 1 -T fields -e number \
		-Y 'payload matches "^(([a-z0-9 ;]|[a-z]+)+)+[A-Z]"'
	says "took too many steps, and count as none"
}

# ---- one stream, and files

@test "--follow: the payloads of a stream, in order, with their directions" {
	local n

	decode 0 -r "$plain" --follow 1,raw
	same "$output" "$("$decode" -r "$plain" -o json --payload hex |
		jq -r 'select(.stream == 1 and .payload != "") |
			(if .dir == "down" then "\t" else "" end) + .payload')"
	decode 0 -r "$plain" --follow 1
	same "${lines[0]}" "stream 1  $("$decode" -r "$plain" -o json -c 400 |
		jq -rs 'map(select(.stream == 1 and .dir == "up"))[0] |
			.src + " > " + .dst')"
	n=$(of_json '.stream == 1')
	same "$(grep -c '^[<>] [0-9:.]*  frame [0-9]* ' <<<"$output")" "$n"
	[ -z "$(grep -v '^[<>] ' <<<"$output" | sed 1d)" ]
	decode 0 -r "$plain" --follow 1,hex -t
	same "$(grep -c '^[<>] frame [0-9]* ' <<<"$output")" "$n"
	[[ $output == *$'\n>   0x0000:  706f 7320 '* ]]
	decode 0 -r "$plain" --follow 1,raw -Y 'dir == up' -c 1
	same "${#lines[@]}" 1
	# decrypted
	decode 3 -r "$fixtures/captures/tls13.pcap" \
		--keylog "$fixtures/captures/tls13.keys" --follow 0
	[[ ${lines[0]} == *"  TLS" ]]
	[[ $output == *">   pos "* ]]
}

@test "--follow: a payload can not pass for a line of ours" {
	decode 0 -r "$plain" --follow 0,text -Y 'payload_len > 0'
	[ -z "$(tr -d '\n\40-\176' <<<"$output")" ]
	decode 3 -r "$fixtures/hostile/gap.pcap" --follow 0 ||
		decode 0 -r "$plain" --follow 0
}

@test "--follow: wrong usage, and a stream that is not there" {
	local bad

	for bad in '' x -1 '1,' 1,xml 1,text,hex 99999999999999999999999; do
		decode 2 -r "$plain" --follow "$bad"
		says "expected the number of a stream"
	done
	decode 2 -r "$plain" --follow 0 -o json
	says "--follow: expected no other format"
	decode 1 -r "$plain" --follow 99
	says "--follow: nothing to show of stream 99"
	[ -z "$output" ]
}

@test "--export: each payload in a file, and a list of them" {
	decode 0 -r "$plain" --export "$tmp/x" -o none
	[ -z "$output" ]
	same "$(find "$tmp/x" -name '*.bin' | wc -l)" 480
	same "$(wc -l <"$tmp/x/manifest.ndjson")" 480
	(
		cd "$tmp/x"
		jq -r '.sha256 + "  " + .file' manifest.ndjson |
			sha256sum --quiet -c
	)
	same "$(jq -c '[.number, .time, .packet, .stream, .dir, .src, .dst,
		.key, .key_name, .codec, .length]' "$tmp/x/manifest.ndjson")" \
		"$("$decode" -r "$plain" -o json | jq -c '[.number, .time,
		.packet, .stream, .dir, .src, .dst, .header.key,
		.header.key_name, .codec, .payload_len]')"
	same "$(xxd -p "$tmp/x/frame-000000001-stream-0-up.bin" | tr -d '\n')" \
		"$("$decode" -r "$plain" -o json --payload hex -c 1 |
			jq -r .payload)"
}

@test "--export: only what -Y lets pass, and no more than --export-max" {
	decode 0 -r "$plain" --export "$tmp/y" -Y 'codec == zlib' -q -z keys
	same "$(jq -r .codec "$tmp/y/manifest.ndjson" | sort -u)" zlib
	decode 3 -r "$plain" --export "$tmp/z" --export-max 3 -o none
	says "--export: 477 payloads were not written: --export-max is 3"
	same "$(find "$tmp/z" -type f | wc -l)" 4
	decode 2 -r "$plain" --export "$tmp/z" --export-max 0
}

@test "--export-streams: the payloads of each direction in a file" {
	local file line

	decode 0 -r "$plain" --export "$tmp/e" -o none
	decode 0 -r "$plain" --export "$tmp/s" --export-streams -o none
	[ "$(wc -l <"$tmp/s/manifest.ndjson")" -ge 2 ]
	while read -r line; do
		file=$(jq -r .file <<<"$line")
		# the same as its payloads, one after the other
		(cd "$tmp/e" && jq -r --argjson l "$line" 'select(.stream ==
			$l.stream and .dir == $l.dir) | .file' \
			manifest.ndjson | xargs cat) | cmp - "$tmp/s/$file"
		same "$(jq -r .sha256 <<<"$line")" \
			"$(sha256sum <"$tmp/s/$file" | cut -d' ' -f1)"
		same "$(jq -r .length <<<"$line")" "$(stat -c %s "$tmp/s/$file")"
	done <"$tmp/s/manifest.ndjson"
	same "$(jq -s 'map(.frames) | add' "$tmp/s/manifest.ndjson")" 480
	decode 1 -r "$plain" --export "$tmp/s" --export-streams -o none
	decode 3 -r "$plain" --export "$tmp/m" --export-streams \
		--export-max 1 -o none
	same "$(find "$tmp/m" -type f | wc -l)" 2
	decode 2 -r "$plain" --export-streams
}

@test "--export: nothing is overwritten, nothing followed" {
	mkdir "$tmp/x"
	ln -s "$tmp/elsewhere" "$tmp/x/frame-000000002-stream-0-up.bin"
	decode 1 -r "$plain" --export "$tmp/x" -o none
	says "frame-000000002-stream-0-up.bin: it is there already"
	[ ! -e "$tmp/elsewhere" ]
	same "$(wc -l <"$tmp/x/manifest.ndjson")" 1
	decode 1 -r "$plain" --export "$tmp/x"
	says "manifest.ndjson: File exists"
	[ -z "$output" ]
	decode 1 -r "$plain" --export "$tmp/none/x"
	says "No such file"
	: >"$tmp/file"
	decode 1 -r "$plain" --export "$tmp/file"
	says "Not a directory"
}

# ---- times, ports, counts

@test "-t u: UTC, wherever the user is" {
	decode 0 -r "$plain" -c 1
	local here=$output
	TZ=UTC-5 decode 0 -r "$plain" -c 1 -t u
	same "$output" "$here"
	TZ=UTC-5 decode 0 -r "$plain" -c 1 --time utc
	same "$output" "$here"
	TZ=UTC-5 decode 0 -r "$plain" -c 1 -t ud
	same "$output" "2026-11-22 $here"
	TZ=UTC-5 decode 0 -r "$plain" -c 1 -qt u -o text -z frames
	decode 0 -r "$plain" -c 1 -t ad
	same "$output" "2026-11-22 $here"
	decode 0 -r "$plain" -c 1 -t e
	[[ $output == 1795386162.137298\ * ]]
	decode 0 -r "$plain" -c 1 -t d
	[[ $output == 0.000000\ * ]]
	# as in the text, a column has no step of the clock in it
	same "$("$decode" -r "$fixtures/captures/times-step-back.pcap" \
		-T fields -e time -t d)" \
		"$("$decode" -r "$fixtures/captures/times-step-back.pcap" \
		-t d | awk '{ print $1 }')"
	# -t stays what it was, and another word is a capture filter
	decode 0 -r "$plain" -c 1 -t tcp
	[[ $output == 127.0.0.1:* ]]
}

@test "--first, --last: dates, times of day, seconds, and since the start" {
	local all

	all=$("$decode" -r "$plain" -o json | jq -r .time |
		awk '$1 >= 1795386162.2 && $1 <= 1795386162.3' | wc -l)
	[ "$all" -gt 0 ]
	decode 0 -r "$plain" --first 1795386162.2 --last 1795386162.3
	same "${#lines[@]}" "$all"
	decode 0 -r "$plain" --first 22:22:42.2 --last 22:22:42.3
	same "${#lines[@]}" "$all"
	decode 0 -r "$plain" --first "2026-11-22 22:22:42.2" \
		--last 2026-11-22T22:22:42.3Z
	same "${#lines[@]}" "$all"
	TZ=UTC-3 decode 0 -r "$plain" --first "2026-11-23 01:22:42.2" \
		--last 01:22:42.3
	same "${#lines[@]}" "$all"
	local start
	start=$("$decode" -r "$plain" -T fields -e time -c 1)
	decode 0 -r "$plain" --first +0s --last +1h
	same "${#lines[@]}" 480
	decode 0 -r "$plain" --last +100ms -T fields -e time
	[ "${#lines[@]}" -gt 1 ]
	[ "${#lines[@]}" -lt 480 ]
	awk -v s="$start" '$1 - s > 0.11 { exit 1 }' <<<"$output"
	[ -z "$("$decode" -r - --first +1h <"$plain")" ]
	same "$("$decode" -r - --first +0 <"$plain" | wc -l)" 480
}

@test "--first, --last: wrong usage" {
	decode 2 -r "$plain" --first soon
	says "expected a date such as"
	decode 2 -r "$plain" --first 2026-02-30
	says "that month has no such day"
	decode 2 -r "$plain" --last +5y
	says "expected a time such as"
	decode 2 -r "$plain" --first +5 --last +4
	says "expected the first not to be after the last"
	decode 2 -r "$plain" --first 2026-11-23 --last 2026-11-22
}

@test "-p: ranges, and lists of them" {
	local ports

	for ports in 26000-26010 25990-26000 1-65535 80,25999-26001 26000-26000 \
		"1-5, 26000"; do
		decode 0 -r "$plain" -p "$ports" -T fields -e number
		same "${#lines[@]} $ports" "480 $ports"
	done
	decode 0 -r "$plain" -p 1-25999,26001-30000 -Y 'type == frame'
	[ -z "$output" ]
	for ports in 26010-26000 26000- -26000 1-2-3 0-5 1-65536 1..5; do
		decode 2 -r "$plain" -p "$ports"
	done
	says "ranges such as 26000-26010"
	decode 2 -r "$plain" -p 26010-26000
	says "expected the first port of a range to be below its last"
}

@test "-c counts in -q, too" {
	decode 0 -r "$plain" -q -c 3 -z frames -o json
	same "$(jq -rs '.[0].rows[0][1]' <<<"$output")" 3
	decode 0 -r "$plain" -q -c 3 -Y 'dir == down' -z frames -o json
	same "$(jq -rs '.[0].rows[0][1]' <<<"$output")" 3
}

@test "a relay's recording: what went in and what came out, told apart" {
	local market=$fixtures/captures/profile-market.pcap

	"$decode" -r "$market" -q -z keys -z endpoints -o json >"$tmp/z"
	"$decode" -r "$market" -o json >"$tmp/frames"
	# each request and reply passes the relay once
	same "$(jq -c 'select(.name == "keys") | .columns as $c | .rows[] |
		[., $c] | transpose | map({(.[1]): .[0]}) | add |
		select(.key_name == "market::quote") |
		[.frames, .frames_up, .frames_down]' "$tmp/z")" \
		"[7200,3600,3600]"
	same "$(jq -c 'select(.name == "keys") | .columns as $c | .rows[] |
		[., $c] | transpose | map({(.[1]): .[0]}) | add |
		[.key, .frames_up, .bytes_up, .frames_down, .bytes_down]' \
		"$tmp/z" | sort)" \
		"$(jq -sc 'group_by(.header.key)[] | [.[0].header.key] +
			([.[] | select(.dir == "up") | .size + 4] |
				[length, add // 0]) +
			([.[] | select(.dir == "down") | .size + 4] |
				[length, add // 0])' "$tmp/frames" | sort)"
	same "$(jq -c 'select(.name == "endpoints") | .columns as $c | .rows[] |
		[., $c] | transpose | map({(.[1]): .[0]}) | add |
		select(.kind == "source") |
		[.id, .frames_up, .frames_down]' "$tmp/z" | sort)" \
		"$(jq -sc 'map(select(.header)) | group_by(.header.source)[] |
			[.[0].header.source,
			(map(select(.dir == "up")) | length),
			(map(select(.dir == "down")) | length)]' \
			"$tmp/frames" | sort)"
}
