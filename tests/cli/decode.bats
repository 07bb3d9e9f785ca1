#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# bluenet-decode as people use it: its options, its messages, its exit status.
#
# shellcheck disable=SC2154 # what decode.bash sets

load decode

# ---- what it says of itself

@test "--version" {
	decode 0 --version
	[[ $output =~ ^bluenet-decode\ [0-9]+\.[0-9]+\.[0-9]+$ ]]
	decode 0 -V -r none
	[[ $output == "bluenet-decode "* ]]
}

@test "--help" {
	decode 0 --help
	same "${lines[0]%% [*}" "usage: bluenet-decode"
	local long=$output
	decode 0 -h
	same "$output" "$long"
	# for a terminal of 80 columns
	run ! grep -E '^.{81}' <<<"$long"
}

@test "-z help lists what -z takes, and the manual has each" {
	local name

	decode 0 -z help
	[ "${#lines[@]}" -ge 7 ]
	while read -r name _; do
		grep -q "^\.It Cm ${name%%,*}\( \|$\)" \
			"$root/man/bluenet-decode.1"
	done <<<"$output"
}

@test "-Y help lists the fields, and the manual has each" {
	local field

	decode 0 -Y help
	for field in $(sed -n '/^\.It Em field/,/^\.El/p' \
		"$root/man/bluenet-decode.1" |
		sed -n 's/^\.It \(.*\) Ta .* Ta.*/\1/p' | tr -d ',' |
		grep -v '^Em'); do
		[[ " $output " =~ [^a-z_]"$field"[^a-z_] ]] || {
			echo "no $field"
			return 1
		}
	done
}

@test "the example of the manual is what the recording gives" {
	decode 0 -r "$plain" -c 1 -o json
	same "$(jq -c '[keys_unsorted, (.header | keys_unsorted)]' \
		<<<"$output")" "$(sed -n '/^{"type":"frame"/,/^\.Ed/p' \
		"$root/man/bluenet-decode.1" | grep -v '^\.' |
		jq -c '[keys_unsorted, (.header | keys_unsorted)]')"
}

# ---- usage

@test "wrong usage: exit 2, and what was expected" {
	decode 2
	says "expected -r FILE or -i INTERFACE"
	decode 2 -r "$plain" -i lo
	says "expected one of them"
	decode 2 --nonsense
	says "--nonsense: no such option"
	decode 2 -r "$plain" -k
	says "-k: no such option"
	decode 2 -r
	says "-r: expected FILE after it"
	decode 2 -r "$plain" --memory
	says "--memory: expected BYTES after it"
	decode 2 -r "$plain" -o xml
	says "\"xml\": expected one of text, json, fields, csv, none"
	decode 2 -r "$plain" --color sometimes
	says "expected one of auto, always, never"
	decode 2 -r "$plain" --time noon
	says "\"noon\""
	decode 2 -r "$plain" --payload base64
	says "\"base64\""
	decode 2 -r "$plain" --order middle
	says "\"middle\""
	decode 2 -r "$plain" --overlap both
	says "\"both\""
	decode 2 -r "$plain" --progress soon
	says "\"soon\""
	decode 2 -r "$plain" -Z nobody
	says "--relinquish-privileges: expected --interface with it"
	says "Try 'bluenet-decode --help'"
	[ -z "$output" ]
}

@test "numbers that can not be: exit 2, and the range" {
	local bad

	for bad in 0 -1 1.5 x '' 99999999999999999999999; do
		decode 2 -r "$plain" -c "$bad"
		says "-c: \"$bad\": expected a number from 1 to"
		decode 2 -r "$plain" --max-streams "$bad"
		decode 2 -r "$plain" --memory "$bad"
		says "expected a size such as"
		decode 2 -r "$plain" --frame-max "$bad"
		decode 2 -r "$plain" -p "$bad"
	done
	decode 2 -r "$plain" --frame-max 256M
	decode 2 -r "$plain" --memory 16777216T
	decode 2 -r "$plain" --memory 99999999999G
	decode 2 -r "$plain" -p 65536
	decode 2 -r "$plain" -p 26000,
	decode 0 -r "$plain" -q -p 1,any
	decode 2 -r "$plain" -s 262145
	decode 2 -r "$plain" --idle 0
	decode 2 -r "$plain" --idle 1y
	says "expected a time such as 500ms, 20s or 5m, from 1ms to 720h"
}

@test "numbers that can be" {
	decode 0 -r "$plain" -q -c 18446744073709551615 --memory 1M \
		--stream-memory 128K --max-streams 4294967295 \
		--frame-max 268435455 --payload-max 1G --idle 30m -s 0 \
		-p 1,26000,65535
}

@test "long names, and their beginnings" {
	decode 0 --read "$plain" --count 2 --output json --hex --verbose \
		--line-buffered --port 26000
	same "${#lines[@]}" 2
	decode 0 --rea="$plain" --cou=2
	same "${#lines[@]}" 2
}

# ---- what is shown

@test "text: a line a frame, with all that a line has" {
	decode 0 -r "$plain"
	same "${#lines[@]}" 480
	[[ ${lines[0]} =~ ^22:22:42\.137298\ 127\.0\.0\.1:34290\ \>\  ]]
	[[ ${lines[0]} == *" -> client 961198589026  BlueNet::pong  9000  "* ]]
	[[ ${lines[0]} == *"  priority" ]]
	[[ ${lines[1]} == *"  market::quote  zlib 373->1500" ]]
	grep -q ' 127.0.0.1:34290 < 127.0.0.1:26000 ' <<<"$output"
	grep -q '  250 ms' <<<"$output"
	grep -q '  ping' <<<"$output"
	grep -q ' -> any node ' <<<"$output"
	grep -q ' snappy [0-9]*->[0-9]*' <<<"$output"
	[ -z "$stderr" ]
}

@test "text: session messages are spelled out" {
	"$tools/gen" "$tmp/s.pcap" --session --frames 1
	decode 0 -r "$tmp/s.pcap"
	grep -qE 'bluenet\.hello .*hello (node|client) [0-9]+ "' <<<"$output"
	local word
	for word in welcome refuse error register roster roster-reply echo \
		echo-reply keepalive discard drain; do
		grep -q "  bluenet\.$word  " <<<"$output"
	done
}

@test "a token is never shown" {
	"$tools/gen" "$tmp/s.pcap" --session --frames 1
	decode 0 -r "$tmp/s.pcap" -Y 'message == hello' -o json
	jq -e '.message.token | type == "boolean"' <<<"$output"
	decode 0 -r "$fixtures/hostile/message-name-with-escapes.pcap" -v
	[[ $output != *s3cret* ]]
	decode 0 -r "$fixtures/hostile/message-name-with-escapes.pcap" -o json
	[[ $output != *s3cret* ]]
	jq -se 'any(.message.token == true)' <<<"$output"
}

@test "what a peer sends can not drive the terminal" {
	local how

	for how in '' -v; do
		# shellcheck disable=SC2086 # empty: none
		"$decode" -r \
			"$fixtures/hostile/message-name-with-escapes.pcap" \
			$how >"$tmp/out"
		[ -s "$tmp/out" ]
		[ -z "$(tr -d '\n\t\40-\176' <"$tmp/out")" ]
	done
}

@test "-t: times" {
	decode 0 -r "$plain" -c 2
	[[ ${lines[0]} == 22:22:42.137298\ 127.* ]]
	local day=$output
	decode 0 -r "$plain" -c 2 --time time
	same "$output" "$day"
	decode 0 -r "$plain" -c 2 -t
	[[ ${lines[0]} == 127.* ]]
	local none=$output
	decode 0 -r "$plain" -c 2 --time none
	same "$output" "$none"
	decode 0 -r "$plain" -c 2 -tt
	[[ ${lines[0]} == 1795386162.137298\ 127.* ]]
	decode 0 -r "$plain" -c 2 -t -t --output text
	[[ ${lines[0]} == 1795386162.137298\ 127.* ]]
	decode 0 -r "$plain" -c 2 -ttt
	[[ ${lines[0]} == 0.000000\ 127.* ]]
	[[ ${lines[1]} == 0.000056\ 127.* ]]
	decode 0 -r "$plain" -c 2 -tttt
	[[ ${lines[0]} == 2026-11-22\ 22:22:42.137298\ 127.* ]]
	decode 0 -r "$plain" -c 2 --time date
	[[ ${lines[1]} == 2026-11-22\ 22:22:42.137354\ 127.* ]]
	TZ=UTC-1 decode 0 -r "$plain" -c 1 --time date
	[[ ${lines[0]} == 2026-11-22\ 23:22:42.137298\ 127.* ]]
}

@test "-t is for text only: JSON has seconds since 1970" {
	decode 0 -r "$plain" -c 1 -o json -ttt
	same "$(jq -r .time <<<"$output")" 1795386162.137298000
}

@test "-c" {
	local n

	for n in 1 7 480 1000; do
		decode 0 -r "$plain" -c "$n"
		same "${#lines[@]}" "$((n < 480 ? n : 480))"
	done
	decode 0 -r "$plain" -c 3 -Y 'codec == snappy' -o json
	same "$(jq -rs 'map(.codec) | join(" ")' <<<"$output")" \
		"snappy snappy snappy"
}

@test "the latency of a pong is a ping: in text, JSON, -Y, and in no table" {
	local pongs='key_name == "BlueNet::pong"'

	decode 0 -r "$plain" -Y "$pongs && ping == 250"
	[ "${#lines[@]}" -gt 3 ]
	same "$(grep -c '  ping' <<<"$output")" "${#lines[@]}"
	run ! grep ' 250 ms' <<<"$output"
	decode 0 -r "$plain" -Y "$pongs && ping == 250" -v -c 1
	grep -qE '^ +latency_ms +250 \(a ping\)$' <<<"$output"
	decode 0 -r "$plain" -Y 'ping && !(key_name == "BlueNet::pong")'
	same "$output" ''
	decode 0 -r "$plain" -Y 'key_name == "bluenet.echo" && latency_ms == 250'
	[ "${#lines[@]}" -gt 3 ]
	same "$(grep -c '  250 ms' <<<"$output")" "${#lines[@]}"
	decode 0 -r "$plain" -o json
	same "$(jq -s 'map(select(.header)) | all(.header |
		if .key_name == "BlueNet::pong" and .latency_ms > 0
		then .ping == .latency_ms
		else has("ping") | not end)' <<<"$output")" true
	decode 0 -r "$plain" -q -z keys -o json
	same "$(jq -c '.rows[] | select(.[0] == "BlueNet::pong") |
		.[8:10]' <<<"$output")" '[null,null]'
	same "$(jq -c '.rows[] | select(.[0] == "bluenet.echo") | .[9]' \
		<<<"$output")" 250
}

@test "-v: every field on its own line" {
	local name

	decode 0 -r "$plain" -c 1 -v
	for name in order size source dest_type dest key forks serial \
		latency_ms priority timestamp; do
		grep -qE "^ +$name " <<<"$output"
	done
	"$tools/gen" "$tmp/s.pcap" --session --frames 1
	decode 0 -r "$tmp/s.pcap" -v
	[ "${#lines[@]}" -gt 100 ]
}

@test "-x: payloads in hex and ASCII, decompressed" {
	local i

	decode 0 -r "$plain" -c 2 -x
	same "${lines[1]}" \
		$'\t0x0000:  706f 7320 3937 3420 3738 3920 7374 6174  pos 974 789 stat'
	# all of it: the bytes of both frames
	same "$(grep -c $'^\t0x' <<<"$output")" "$((9000 / 16 + 1 + 1500 / 16 + 1))"
	local hex='' json
	for i in "${lines[@]:1:563}"; do
		[[ $i == $'\t0x'* ]] || break
		i=${i:10:40}
		hex+=${i// /}
	done
	json=$("$decode" -r "$plain" -c 1 -o json --payload hex | jq -r .payload)
	same "$hex" "$json"
}

@test "-q and -o none: no lines" {
	decode 0 -r "$plain" -o none
	[ -z "$output" ]
	decode 0 -r "$plain" -q
	[[ $output != *"127.0.0.1:34290 > "* ]]
	grep -q '^Frames' <<<"$output"
	grep -q '^Streams' <<<"$output"
	grep -q '^Health' <<<"$output"
	decode 0 -r "$plain" -q -z keys
	grep -q '^Keys' <<<"$output"
	[[ $output != *Health* ]]
}

@test "-l gives the same" {
	decode 0 -r "$plain" -l
	local all=$output
	decode 0 -r "$plain"
	same "$output" "$all"
}

@test "--color" {
	decode 0 -r "$plain" -c 5 --color always
	[[ $output == *$'\033['* ]]
	local bare
	bare=$(printf '%s\n' "$output" | sed 's/\x1b\[[0-9;]*m//g')
	decode 0 -r "$plain" -c 5 --color never
	same "$output" "$bare"
	decode 0 -r "$plain" -c 5 # no terminal
	same "$output" "$bare"
}

# on_terminal COLUMNS COMMAND: its output, from a terminal as wide.
on_terminal() {
	need script bsdutils
	script -qec "stty cols $1 rows 24; $2" /dev/null </dev/null |
		tr -d '\r'
}

@test "on a terminal: colour, unless NO_COLOR" {
	run on_terminal 80 "'$decode' -r '$plain' -c 5"
	[[ $output == *$'\033['* ]]
	NO_COLOR=1 run on_terminal 80 "'$decode' -r '$plain' -c 5"
	[[ $output == *"BlueNet::pong"* ]]
	[[ $output != *$'\033['* ]]
}

@test "on a terminal: tables are no wider than it" {
	local columns

	for columns in 80 132; do
		run on_terminal "$columns" "'$decode' -r '$plain' -q \
			-z frames -z streams -z keys -z endpoints -z io,50ms \
			-z health --progress never"
		[[ $output == *Endpoints* ]]
		run ! grep -E "^.{$((columns + 1))}" <<<"$output"
	done
	run on_terminal 20 "'$decode' -r '$plain' -q"
	[ "$status" -eq 0 ]
}

@test "--progress: on standard error, and taken off again" {
	"$tools/gen" "$tmp/g.pcap" --frames 3000 --one-frame-per-packet
	decode 0 -r "$tmp/g.pcap" -q --progress always
	[[ $stderr == *"%"* ]]
	[[ $stderr == *$'\r\033[K' ]]
	[[ $output != *"%"$'\r'* ]]
	decode 0 -r "$tmp/g.pcap" -q --progress never
	[ -z "$stderr" ]
	decode 0 -r "$tmp/g.pcap" -q # no terminal
	[ -z "$stderr" ]
	# nobody knows how long a pipe is
	try "$decode" -r - -q --progress always \
		< <(cat "$tmp/g.pcap")
	[ "$status" -eq 0 ]
	[ -z "$stderr" ]
}

# ---- JSON

@test "JSON: a line an object, members in order, as the schema says" {
	local order='["type","number","time","packet","stream","dir","src",
		"dst","order","size","codec","oob_len","header","payload_len"]'
	local header='["source","dest_type","dest","key","key_name","forks",
		"serial","latency_ms","priority","timestamp","fork_ids"]'

	for name in plain net stock; do
		"$decode" -r "$fixtures/captures/$name.pcap" -o json \
			>"$tmp/out"
		same "$(jq -sc --argjson o "$order" --argjson h "$header" '
			map(.number) == [range(1; length + 1)], (.[] | select(
				(keys_unsorted - ["message"]) != $o or
				(.header != null and
				(.header | keys_unsorted - ["ping"]) != $h)))' \
			"$tmp/out")" true
		same "$(fit "$fixtures/decode.schema.json" <"$tmp/out")" ''
	done
}

@test "JSON: payload and oob" {
	"$decode" -r "$net" -o json --payload hex >"$tmp/out"
	same "$(jq -nc 'inputs | select((.payload | length) !=
		2 * .payload_len or (.oob | length) != 2 * .oob_len) |
		.number' "$tmp/out")" ''
	same "$(fit "$fixtures/decode.schema.json" <"$tmp/out")" ''
	decode 0 -r "$net" -c 1 -o json --payload none
	jq -e 'has("payload") or has("oob") | not' <<<"$output"
}

@test "JSON: session messages, all of them, as the schema says" {
	"$tools/gen" "$tmp/s.pcap" --session --frames 1
	"$decode" -r "$tmp/s.pcap" -o json >"$tmp/out"
	same "$(fit "$fixtures/decode.schema.json" <"$tmp/out")" ''
	same "$(jq -r 'select(.message) | .message.type' "$tmp/out" |
		sort -u | tr '\n' ' ')" \
		"discard drain echo echo-reply error hello keepalive refuse \
register roster roster-reply welcome "
	same "$(jq -c 'select(.message.type == "hello") |
		.message | keys_unsorted' "$tmp/out" | sort -u)" \
		'["type","version","role","wanted_id","codecs","frame_max_bytes","name","token"]'
	# the type is that of the key's name
	same "$(jq -c 'select(.message and
		"bluenet." + .message.type != .header.key_name)' \
		"$tmp/out")" ''
}

@test "JSON: a session message that is bad is null" {
	decode 0 -r "$fixtures/hostile/message-string-too-long.pcap" -o json
	same "$(jq -c 'select(.header.key_name == "bluenet.refuse") |
		[has("message"), .message]' <<<"$output")" '[true,null]'
	same "$(jq -c 'select(.header.key_name != "bluenet.refuse" and
		has("message")) | .number' <<<"$output")" ''
}

@test "JSON: events, as the schema says" {
	local name events=(-o json -Y 'type != frame')

	"$tools/mangle" "$plain" "$tmp/m.pcap" --segment 1448 --drop-random 3
	"$decode" -r "$tmp/m.pcap" "${events[@]}" >"$tmp/out" || [ $? -eq 3 ]
	"$tools/mangle" "$plain" "$tmp/m.pcap" --segment 1448 --conflict 5
	"$decode" -r "$tmp/m.pcap" "${events[@]}" >>"$tmp/out" || [ $? -eq 3 ]
	for name in random zlib-bomb fragments-unfinished zeros; do
		"$decode" -r "$fixtures/hostile/$name.pcap" -o json \
			>>"$tmp/out" || [ $? -le 3 ]
	done
	same "$(jq -r .type "$tmp/out" | sort -u | tr '\n' ' ')" \
		"frame gap limit malformed overlap skip "
	same "$(fit "$fixtures/decode.schema.json" <"$tmp/out")" ''
	same "$(jq -c 'select(.type != "frame") | keys_unsorted' "$tmp/out" |
		sort -u)" \
		'["type","time","packet","stream","dir","src","dst","bytes","reason"]'
}

@test "JSON: statistics, as the schema says" {
	"$decode" -r "$plain" -o json -q -z frames -z streams -z keys \
		-z endpoints -z io,10ms -z echo -z health >"$tmp/out"
	same "$(fit "$fixtures/decode.schema.json" <"$tmp/out")" ''
	same "$(jq -c 'select(.type != "statistics")' "$tmp/out")" ''
	# a cell for each column
	same "$(jq -c '(.columns | length) as $n |
		select(.rows | any(length != $n)) | .name' "$tmp/out")" ''
	same "$(jq -r '.name | split(".")[0]' "$tmp/out" | uniq |
		tr '\n' ' ')" "frames streams keys endpoints io echo health "
}

@test "the schema turns down what is wrong" {
	decode 0 -r "$plain" -c 1 -o json
	same "$(jq -c 'del(.header), (.codec = "gzip"), (.number = 0),
		(.time = 1), (.header.key_name = 7), del(.header.forks),
		(.dst = "nowhere"), (.payload = "00"), (.stream = null),
		(.message = { type: "hello" }), (.type = "fram"),
		(.message = { name: "keepalive" })' <<<"$output" |
		tee "$tmp/wrong" | fit "$fixtures/decode.schema.json")" \
		"$(sed 's/^/does not fit: /' "$tmp/wrong")"
	same "$(wc -l <"$tmp/wrong")" 12
	same "$(fit "$fixtures/decode.schema.json" <<<"$output")" ''
}

# ---- key names

@test "--keys" {
	printf '# ours\n\nchat::line\r\nmarket::order\n' >"$tmp/names"
	printf 'fleet::move' >"$tmp/more"
	"$tools/gen" "$tmp/g.pcap" --frames 200
	decode 0 -r "$tmp/g.pcap" -o json
	# the installed names, here those of fixtures/
	jq -se 'any(.header.key_name == "chat::line") and
		(any(.header.key_name == "market::order") | not)' <<<"$output"
	# unknown is in hexadecimal, as in text; no key is null
	same "$(jq -r 'select(.header.key_name == null) | .header.key' \
		<<<"$output" | sort -u)" 0
	local hex
	hex=$(jq -r '.header.key_name | select(. != null and
		startswith("0x"))' <<<"$output" | sort -u)
	same "$(wc -l <<<"$hex")" 2
	decode 0 -r "$tmp/g.pcap"
	for name in $hex; do
		[[ $name =~ ^0x[0-9a-f]{8}$ ]]
		grep -q "  $name  " <<<"$output"
	done
	decode 0 -r "$tmp/g.pcap" -o json --keys "$tmp/names" \
		--keys "$tmp/more"
	same "$(jq -r .header.key_name <<<"$output" | sort -u | tr '\n' ' ')" \
		"bluenet.discard chat::line fleet::move market::order null "
	decode 0 -r "$tmp/g.pcap" --keys "$tmp/names"
	grep -q '  chat::line  ' <<<"$output"
}

@test "--keys: a bad line is named, with its file" {
	decode 1 -r "$plain" --keys "$tmp/none"
	says "--keys: $tmp/none: No such file"
	{
		echo good
		head -c 256 /dev/zero | tr '\0' a
	} >"$tmp/long"
	decode 1 -r "$plain" --keys "$tmp/long"
	says "--keys: $tmp/long: line 2: "
	printf 'good\nb\0d\n' >"$tmp/nul"
	decode 1 -r "$plain" --keys "$tmp/nul"
	says "$tmp/nul: line 2: "
	[ -z "$output" ]
}

@test "--keylog: a bad line is told, the good ones are used" {
	{
		cat "$fixtures/captures/tls13.keys"
		echo "CLIENT_RANDOM nonsense"
	} >"$tmp/keys"
	try "$decode" -r "$fixtures/captures/tls13.pcap" \
		--keylog "$tmp/keys" -o json
	[ "$status" -le 3 ]
	says "$tmp/keys: line "
	same "$(grep -c '"type":"frame"' <<<"$output")" 160
	decode 1 -r "$fixtures/captures/tls13.pcap" --keylog "$tmp/none"
	says "--keylog: $tmp/none: No such file"
}

# ---- filters

@test "-Y" {
	decode 0 -r "$plain" -o json
	local all=$output
	decode 0 -r "$plain" -o json -Y 'key_name == "BlueNet::pong" &&
		(dest == 7 || latency_ms > 50) && !priority'
	[ "${#lines[@]}" -gt 0 ]
	same "$output" "$(jq -r 'select(.header.key_name == "BlueNet::pong"
		and (.header.dest == 7 or .header.latency_ms > 50)
		and (.header.priority | not)) | .number' <<<"$all" |
		while read -r n; do sed -n "${n}p" <<<"$all"; done)"
	decode 0 -r "$plain" -o json -Y 'payload_len > 1000 and codec == zlib
		and dir == up and stream == 0'
	same "$(jq -c 'select(.payload_len <= 1000 or .codec != "zlib" or
		.dir != "up" or .stream != 0)' <<<"$output")" ''
	[ "${#lines[@]}" -gt 0 ]
	decode 0 -r "$plain" -Y 'type != frame'
	[ -z "$output" ]
}

# caret COLUMN: the last two lines of standard error show that column.
caret() {
	# shellcheck disable=SC2154 # set by run
	same "${stderr_lines[-1]}" "$(printf '%*s' $(($1 + 2)) '^')"
	says "column $1: "
}

@test "-Y: a mistake is shown at its column, exit 2" {
	decode 2 -r "$plain" -Y 'bogus == 1'
	caret 1
	decode 2 -r "$plain" -Y 'dest == 7 && bogus'
	same "${stderr_lines[-2]}" '  dest == 7 && bogus'
	caret 14
	decode 2 -r "$plain" -Y 'stream =='
	caret 10
	decode 2 -r "$plain" -Y 'key_name == "BlueNet'
	caret 13
	decode 2 -r "$plain" -Y '(dest == 7'
	decode 2 -r "$plain" -Y 'dest == 7)'
	caret 10
	decode 2 -r "$plain" -Y ''
	decode 2 -r "$plain" -Y 'dest = 7'
	[ -z "$output" ]
	# even where the file is not there: nothing was read for it
	decode 2 -r "$tmp/none" -Y 'bogus'
}

@test "a capture filter: -f, trailing words, both" {
	decode 0 -r "$plain" -f 'src port 34290' -o json
	same "$(jq -r .src <<<"$output" | sort -u)" 127.0.0.1:34290
	local all=$output
	decode 0 -r "$plain" -o json src port 34290
	same "$output" "$all"
	decode 0 -r "$plain" -o json 'src port 34290'
	same "$output" "$all"
	# each is one expression: "a or b" and "c"
	decode 0 -r "$plain" -o json -f 'port 34290 or port 34298' port 34298
	same "$(jq -r .src <<<"$output" | sort -u | tr '\n' ' ')" \
		"127.0.0.1:26000 127.0.0.1:34298 "
	decode 2 -r "$plain" -f 'garbage('
	says "capture filter 'garbage('"
	decode 2 -r "$plain" -f tcp nonsense words
	says "capture filter"
}

# ---- statistics

@test "-z: each, several, and what there is not" {
	local name

	for name in frames streams keys endpoints io,100ms echo health; do
		decode 0 -r "$plain" -q -z "$name"
		[ "${#lines[@]}" -ge 2 ]
		decode 0 -r "$plain" -q -z "$name" -o json
		jq -e '.type == "statistics"' <<<"$output"
	done
	decode 0 -r "$plain" -q -z keys -z health -z keys
	same "$(grep -cE '^(Keys|Health)' <<<"$output")" 2
	decode 2 -r "$plain" -z nonsense
	says "no statistic 'nonsense'"
	decode 2 -r "$plain" -z io,soon
	decode 2 -r "$plain" -z io,0
	decode 2 -r "$plain" -z keys,1
	decode 2 -r "$plain" -z ''
}

@test "-z counts what is there" {
	decode 0 -r "$plain" -q -z frames -o json
	same "$(jq -c 'select(.name == "frames") | .rows[] |
		select(.[0] == "all") | .[1]' <<<"$output")" 480
	decode 0 -r "$plain" -q -z streams -o json
	same "$(jq '.rows | length' <<<"$output" | head -1)" 3
	decode 0 -r "$plain" -q -z frames -o json -Y 'codec == zlib'
	same "$(jq -c 'select(.name == "frames") | .rows[] |
		select(.[0] == "all") | .[1]' <<<"$output")" \
		"$(grep -c '"codec": "zlib"' "$fixtures/captures/plain.jsonl")"
}

@test "-z with lines: they come first" {
	decode 0 -r "$plain" -c 3 -z health
	[[ ${lines[2]} == *" > "* ]]
	[[ ${lines[3]} == Health ]]
	decode 0 -r "$plain" -c 3 -z health -o json
	same "$(jq -r .type <<<"$output" | tr '\n' ' ')" \
		"frame frame frame statistics "
}

@test "-z echo: from echo to reply" {
	"$tools/gen" "$tmp/e.pcap" --echo --frames 100
	decode 0 -r "$tmp/e.pcap" -q -z echo -o json
	jq -se 'map(select(.name | startswith("echo"))) | length > 0' \
		<<<"$output"
	decode 0 -r "$tmp/e.pcap" -q -z echo
	[[ $output == *[0-9].[0-9]* ]]
}

# ---- files

@test "standard input: a file, a pipe" {
	decode 0 -r "$plain"
	local all=$output
	same "$("$decode" -r - <"$plain")" "$all"
	# shellcheck disable=SC2002 # a pipe is what is tested
	same "$(cat "$plain" | "$decode" -r -)" "$all"
}

@test "no file to read: exit 1, with its name" {
	decode 1 -r "$tmp/none"
	says "$tmp/none: No such file or directory"
	decode 1 -r "$tmp"
	says "$tmp: "
	says "Is a directory"
	: >"$tmp/empty"
	decode 1 -r "$tmp/empty"
	says "$tmp/empty: "
	says "expected a pcap or pcapng file"
	decode 1 -r "$fixtures/captures/plain.jsonl"
	says "plain.jsonl: unknown file format"
	gzip -c "$fixtures/captures/plain.jsonl" >"$tmp/lines.gz"
	decode 1 -r "$tmp/lines.gz"
	says "lines.gz: unknown file format"
	decode 1 -r - # nothing
	says "standard input: "
	[ -z "$output" ]
}

@test "a truncated file: what is before, then the error, exit 1" {
	head -c 1000000 "$plain" >"$tmp/cut.pcap"
	decode 1 -r "$tmp/cut.pcap" -o json
	says "$tmp/cut.pcap: after packet 273: "
	local n
	n=$(grep -c '"type":"frame"' <<<"$output")
	[ "$n" -gt 50 ]
	same "$(grep '"type":"frame"' <<<"$output")" \
		"$("$decode" -r "$plain" -o json | head -"$n")"
	# statistics are printed all the same
	decode 1 -r "$tmp/cut.pcap" -q -z health
	[[ $output == Health* ]]
}

@test "a link type that is not read: exit 1, with its name" {
	# LINKTYPE_USB_LINUX, in the header of the file
	{
		head -c 20 "$plain"
		printf '\275\0\0\0'
		tail -c +25 "$plain"
	} >"$tmp/usb.pcap"
	decode 1 -r "$tmp/usb.pcap"
	says "link type USB_LINUX (189)"
	[ -z "$output" ]
}

# What it makes of each is compared in tests/unit/test_captures_hostile.c.
@test "hostile input: the exit status that is written down, and the schema" {
	local file want status n=0

	while read -r file want _; do
		[[ $file != \#* ]] && [ -n "$file" ] || continue
		n=$((n + 1))
		status=0
		"$decode" -r "$fixtures/hostile/$file" -o json >>"$tmp/out" \
			2>"$tmp/err" || status=$?
		same "$file $status" "$file $want"
		[ "$want" -ne 1 ] || [ -s "$tmp/err" ]
	done <"$fixtures/hostile/expected.txt"
	[ "$n" -gt 0 ]
	same "$(fit "$fixtures/decode.schema.json" <"$tmp/out")" ''
}

@test "limits are reported, never silent: exit 3" {
	"$tools/gen" "$tmp/g.pcap" --frames 200 --streams 20
	decode 3 -r "$tmp/g.pcap" -o json --max-streams 5
	jq -se 'any(.type == "limit")' <<<"$output"
	"$tools/mangle" "$plain" "$tmp/m.pcap" --reorder 64 --segment 8000
	run "$decode" -r "$tmp/m.pcap" -o json --stream-memory 128K --memory 1M
	[ "$status" -eq 0 ] || [[ $output == *'"type":"limit"'* ]]
	decode 3 -r "$plain" -o json --frame-max 4K
	jq -se 'any(.type == "malformed")' <<<"$output"
	decode 3 -r "$plain" -o json --payload-max 1000 -Y 'type == malformed'
	jq -se 'all(.reason | contains("limit"))' <<<"$output"
	decode 3 -r "$plain" -o json --order network
}

# ---- captures made by hand

# le32 N: in hexadecimal.
le32() {
	printf '%02x%02x%02x%02x' $(($1 & 255)) $(($1 >> 8 & 255)) \
		$(($1 >> 16 & 255)) $(($1 >> 24 & 255))
}

# segment FLAGS SEQ HEX: a packet of a connection, in hexadecimal; its own
# length is a multiple of 4 if that of the contents is.
segment() {
	printf '4500%04x00000000400600007f0000017f000001' $((40 + ${#3} / 2))
	printf '9c406590%08x0000000050%sffff00000000%s' "$2" "$1" "$3"
}

# to_pcap PACKET ...
to_pcap() {
	local packet n

	bytes "d4c3b2a1 02000400 00000000 00000000 00000400 65000000"
	for packet; do
		n=$(le32 $((${#packet} / 2)))
		bytes "0000000000000000 $n $n $packet"
	done
}

# to_pcapng OFFSET MICROSECONDS PACKET: a time in it is so many seconds less.
to_pcapng() {
	local n=$((${#3} / 2)) total

	total=$(le32 $((n + 32)))
	bytes "0a0d0d0a 1c000000 4d3c2b1a 01000000 ffffffffffffffff 1c000000"
	bytes "01000000 24000000 65000000 00000400"
	bytes "0e000800 $(le32 "-$1")ffffffff 00000000 24000000"
	bytes "06000000 $total 00000000 00000000 $(le32 "$2")"
	bytes "$(le32 "$n") $(le32 "$n") $3 $total"
}

@test "out-of-band bytes after the header are counted" {
	local header=2041cefff0bf810100

	to_pcap "$(segment 02 0 '')" \
		"$(segment 18 1 "130000100b000000${header}aabb70696e67")" \
		"$(segment 18 24 "1100001009000000${header}70696e67")" \
		>"$tmp/t.pcap"
	decode 0 -r "$tmp/t.pcap" -o json
	same "$(jq -c '[.oob_len, .trailing_len, .payload_len]' \
		<<<"$output" | tr '\n' ' ')" '[11,2,4] [9,null,4] '
	same "$(jq -c 'has("trailing_len")' <<<"$output" | tr '\n' ' ')" \
		'true false '
	same "$(jq -c 'keys_unsorted[11:14]' <<<"${lines[0]}")" \
		'["oob_len","trailing_len","header"]'
	same "$(fit "$fixtures/decode.schema.json" <<<"$output")" ''
	decode 0 -r "$tmp/t.pcap"
	[[ ${lines[0]} == *"  +2 bytes after the header  "* ]]
	[[ ${lines[1]} != *behind* ]]
}

@test "times before 1970" {
	local row offset us time

	for row in '1 500000 -0.500000' '1 0 -1.000000' '1 1000000 0.000000' \
		'7 1250000 -5.750000'; do
		read -r offset us time <<<"$row"
		to_pcapng "$offset" "$us" "$(segment 02 0 04000000aabbccdd)" \
			>"$tmp/t.pcapng"
		decode 0 -r "$tmp/t.pcapng" -o json
		same "$(jq -r .time <<<"$output")" "${time}000"
		same "$(fit "$fixtures/decode.schema.json" <<<"$output")" ''
		decode 0 -r "$tmp/t.pcapng" -tt
		same "${output%% *}" "$time"
	done
}
