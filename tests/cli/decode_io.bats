#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# Where bluenet-decode's packets come from and where its output goes: -w,
# pipes, terminals, interfaces, signals.
#
# shellcheck disable=SC2154 # what decode.bash sets

load decode

# What many of these compare with: the frames of $plain.
setup_file() {
	setup
	frames "$plain" >"$BATS_FILE_TMPDIR/plain"
}

# has_all FILE [ARG ...]: its frames are those.
has_all() {
	frames "$@" | cmp - "$BATS_FILE_TMPDIR/plain"
}

# Its standard output has no room.
full() {
	"$@" >/dev/full
}

# Its first line, and then nobody reads; its own exit status.
first_line() {
	"$@" | head -1
	return "${PIPESTATUS[0]}"
}

# append FILE COMMAND ...
append() {
	local file=$1

	shift
	"$@" >>"$file"
}

# ---- -w

@test "-w: the same frames come out of it" {
	decode 0 -r "$plain" -q -w "$tmp/w.pcap"
	has_all "$tmp/w.pcap"
	decode 0 -r "$plain" -q -w "$tmp/w.pcap" -p any
	has_all "$tmp/w.pcap" -p any
}

@test "-w with -Y: the streams that match, whole" {
	decode 0 -r "$plain" -q -w "$tmp/w.pcap" -Y 'stream == 1'
	same "$(frames "$tmp/w.pcap")" "$(frames "$plain" -Y 'stream == 1')"
	# the first frame that matches is the last one of its stream
	local last
	last=$("$decode" -r "$net" -o json -Y 'stream == 0' | tail -1 |
		jq .number)
	decode 0 -r "$net" -q -w "$tmp/w.pcap" -Y "number == $last"
	same "$(frames "$tmp/w.pcap")" "$(frames "$net" -Y 'stream == 0')"
	decode 0 -r "$plain" -q -w "$tmp/w.pcap" -Y 'dest == 123456'
	decode 0 -r "$tmp/w.pcap"
	[ -z "$output" ]
}

@test "-w keeps times to the nanosecond, and the link type" {
	"$tools/gen" "$tmp/g.pcap" --nano --frames 50 --one-frame-per-packet
	"$tools/mangle" "$tmp/g.pcap" "$tmp/m.pcap" --nano --link sll2
	decode 0 -r "$tmp/m.pcap" -q -w "$tmp/w.pcap"
	same "$(frames "$tmp/w.pcap")" "$(frames "$tmp/m.pcap")"
	frames "$tmp/w.pcap" | grep -q '^\["[0-9]*\.[0-9]*[1-9]"'
}

@test "-w that can not be written: exit 1" {
	decode 1 -r "$plain" -q -w "$tmp/none/w.pcap"
	says "-w: $tmp/none/w.pcap: No such file"
	[ -c /dev/full ] || skip "no /dev/full"
	decode 1 -r "$plain" -q -w /dev/full
	says "-w: /dev/full: No space left"
}

@test "-w of fragments: the same frames come out of it" {
	"$tools/mangle" "$plain" "$tmp/f.pcap" --segment 4000 --fragment 1480 \
		--fragment-reorder
	decode 0 -r "$tmp/f.pcap" -q -w "$tmp/w.pcap"
	has_all "$tmp/w.pcap"
	decode 0 -r "$tmp/f.pcap" -q -w "$tmp/w.pcap" -Y 'stream == 1'
	same "$(frames "$tmp/w.pcap" | sort)" \
		"$(frames "$plain" -Y 'stream == 1' | sort)"
}

@test "-w -: packets and nothing else, statistics to standard error" {
	local how

	for how in '' -v '-o json -z health'; do
		# shellcheck disable=SC2086 # words
		"$decode" -r "$plain" -w - $how >"$tmp/w.pcap" 2>"$tmp/err"
		has_all "$tmp/w.pcap"
	done
	same "$(jq -r .name "$tmp/err")" health
	# through a pipe, whose reader may leave
	"$decode" -r "$plain" -w - | "$decode" -r - -o json >"$tmp/out"
	same "$(wc -l <"$tmp/out")" "$(wc -l <"$BATS_FILE_TMPDIR/plain")"
	run first_line "$decode" -r "$plain" -w -
	[ "$status" -eq 0 ]
	[ -c /dev/full ] || skip "no /dev/full"
	run -1 full "$decode" -r "$plain" -w -
	[[ $output == *"-w: standard output: No space left on device"* ]]
}

@test "-w to the file that is read: refused, exit 2" {
	cp "$net" "$tmp/n.pcap"
	ln "$tmp/n.pcap" "$tmp/hard.pcap"
	ln -s n.pcap "$tmp/soft.pcap"
	for name in n hard soft; do
		decode 2 -r "$tmp/n.pcap" -w "$tmp/$name.pcap"
		says "-w: $tmp/$name.pcap: it is the file that is read"
	done
	# shellcheck disable=SC2094 # that is the point
	run -2 "$decode" -r - -w "$tmp/n.pcap" <"$tmp/n.pcap"
	run -2 append "$tmp/n.pcap" "$decode" -r "$tmp/n.pcap" -w -
	cmp "$tmp/n.pcap" "$net"
}

# ---- where output can go

@test "standard output that is full: an error, exit 1" {
	local args

	[ -c /dev/full ] || skip "no /dev/full"
	for args in "-r $plain" "-r $plain -o json" "-r $plain -q" \
		"-r $plain -l" --help --version "-z help" "-Y help" -D; do
		# shellcheck disable=SC2086 # words
		run -1 full "$decode" $args
		[[ $output == *"standard output: No space left on device"* ]]
	done
}

@test "a reader that leaves early ends it quietly" {
	local how

	for how in '' '-o json' -l '-q -o json'; do
		# shellcheck disable=SC2086 # words
		run first_line "$decode" -r "$plain" $how
		[ "$status" -eq 0 ]
		same "${#lines[@]}" 1
	done
}

@test "closed standard descriptors: no file takes their place" {
	"$decode" -r "$plain" -o none -w "$tmp/w.pcap" <&- >&- 2>&-
	has_all "$tmp/w.pcap"
	"$decode" -r "$plain" <&- >"$tmp/out"
	same "$(wc -l <"$tmp/out")" "$(wc -l <"$BATS_FILE_TMPDIR/plain")"
}

# ---- pipes

# trickle [ARG ...]: what has $PIPE as a capture to read, of which it can see
# the first million bytes; file descriptor 8 goes on, 9 is what it shows. All
# frames in those bytes are read from there by now: into $shown.
trickle() {
	local line n

	mkfifo "$tmp/in" "$tmp/out"
	n=$(head -c 1000000 "$plain" | "$decode" -r - 2>"$tmp/err" | wc -l)
	[ "$n" -gt 50 ]
	"$@" >"$tmp/out" 2>"$tmp/err" 3>&- &
	reader=$!
	children+=("$reader")
	exec 9<"$tmp/out" 8>"$tmp/in" # in the order of the other side
	head -c 1000000 "$plain" >&8
	shown=
	while [ "$n" -gt 0 ]; do
		read -r -t 60 line <&9
		shown+=$line$'\n'
		n=$((n - 1))
	done
}

# The key log is made after the whole of the capture went into the pipe.
@test "a pipe: records wait for a key log that is not there yet" {
	local capture=$fixtures/captures/tls13.pcap keys=$tmp/late
	local file waits

	mkfifo "$tmp/in"
	"$decode" -r - --keylog "$keys" --keylog-wait 60s -o json \
		<"$tmp/in" >"$tmp/out" 2>"$tmp/err" 3>&- &
	waits=$!
	cat "$capture" >"$tmp/in"
	cp "$fixtures/captures/tls13.keys" "$keys.new"
	mv "$keys.new" "$keys"
	wait "$waits" || [ $? -eq 3 ]
	grep -q 'late: not there yet' "$tmp/err"
	# time, packet and all: as if it had been there from the start
	"$decode" -r "$capture" --keylog "$keys" -o json >"$tmp/file" ||
		[ $? -eq 3 ]
	for file in out file; do
		jq -c 'del(.number)' "$tmp/$file" | sort >"$tmp/$file.sorted"
	done
	cmp "$tmp/out.sorted" "$tmp/file.sorted"
	[ "$(wc -l <"$tmp/file")" -gt 100 ]
	# a record that begins in packet 13 and ends in 15: as when it ended
	same "$(jq -r 'select(.packet == 15) | .size' "$tmp/file" | head -n 1)" 26
}

@test "a pipe: a secret that never comes is waited for, but not for ever" {
	local capture=$fixtures/captures/tls13.pcap

	: >"$tmp/empty"
	try "$decode" -r - --keylog "$tmp/empty" --keylog-wait 10ms \
		< <(cat "$capture")
	[ "$status" -eq 3 ]
	[[ $output == *"no secret for it in the key log"* ]]
	# in a file nothing is waited for
	decode 3 -r "$capture" --keylog "$tmp/empty" --keylog-wait 3600s
}

# of_stdin: the decoder with the pipe as its standard input.
of_stdin() {
	exec "$decode" -r - <"$tmp/in"
}

@test "a pipe: what there is so far is shown before there is more" {
	local how

	for how in of_stdin "$decode -r $tmp/in"; do
		# shellcheck disable=SC2086 # words
		trickle $how
		tail -c +1000001 "$plain" >&8
		exec 8>&-
		same "$shown$(timeout 60 cat <&9)" "$("$decode" -r "$plain")"
		wait "$reader"
		exec 9<&-
		rm "$tmp"/{in,out}
	done
}

@test "a pipe: an interrupt is an orderly end" {
	local how signal status

	for signal in INT TERM; do
		for how in of_stdin "$decode -r $tmp/in"; do
			# shellcheck disable=SC2086 # words
			trickle $how
			kill "-$signal" "$reader"
			status=0
			wait "$reader" || status=$?
			same "$status" 0
			same "$(cat <&9)" ''
			grep -qE '^273 packets read, [0-9]+ frames$' "$tmp/err"
			same "$(wc -l <"$tmp/err")" 1
			exec 8>&- 9<&-
			rm "$tmp"/{in,out}
		done
	done
}

# ---- live

# can_capture: skip, unless packets can be captured here.
can_capture() {
	if [ "$(id -u)" -ne 0 ]; then
		skip "a live capture needs root"
	fi
	try timeout 20 "$decode" -i lo -c 1 -f 'tcp[0] = 0' \
		-Z nosuchuser-
	if [[ $stderr != *nosuchuser-* ]]; then
		skip "no capture on lo: $stderr"
	fi
}

# talk: start the two ends; $port is theirs. speak: they begin.
talk() {
	mkfifo "$tmp/go" "$tmp/port"
	"$tools/loopback" "$1" <"$tmp/go" >"$tmp/port" 3>&- &
	talker=$!
	children+=("$talker")
	exec 8>"$tmp/go"
	read -r -t 60 port <"$tmp/port"
}

speak() {
	echo >&8
	wait "$talker"
	exec 8>&-
}

# listen ARG ...: a live capture of $port, begun when this returns; its
# standard output is in file descriptor 9. Of nothing else: what others say on
# this machine would fill the kernel's buffer.
listen() {
	mkfifo "$tmp/out" "$tmp/err"
	"$decode" -i lo -p "$port" -f "tcp port $port" "$@" >"$tmp/out" 2>"$tmp/err" 3>&- 8>&- &
	listener=$!
	children+=("$listener")
	exec 9<"$tmp/out" 7<"$tmp/err"
	read -r -t 60 line <&7
	[[ $line == "listening on lo, "* ]] || {
		echo "$line"
		cat <&7
		return 1
	}
}

@test "-i: live frames, -c of them" {
	can_capture
	talk "$fixtures/hostile/header-of-ones.frames"
	listen -c 15 -o json -Z nobody
	speak
	local out
	out=$(timeout 60 cat <&9)
	wait "$listener"
	same "$(jq -cs '[length, (map(.dst) | unique[]), .[0].payload_len,
		.[2].header]' <<<"$out")" "[15,\"127.0.0.1:$port\",4,null]"
	[[ $(cat <&7) == *" packets captured, "*", 15 frames" ]]
}

@test "-i: an interrupt prints what there was, exit 0" {
	local signal frame

	can_capture
	for signal in INT TERM; do
		talk "$fixtures/hostile/header-of-ones.frames"
		listen -z frames
		speak
		for _ in {1..15}; do # they are there before it is over
			read -r -t 60 frame <&9
			[[ $frame == *" > 127.0.0.1:$port "* ]]
		done
		kill -"$signal" "$listener"
		wait "$listener"
		[[ $(cat <&9) == *"Frames"*" all "*" 15 "* ]]
		[[ $(cat <&7) == *" packets captured, "*", 15 frames" ]]
		exec 9<&- 7<&-
		rm "$tmp"/{go,port,out,err}
	done
}

@test "-i: goes on as nobody, or as who -Z says" {
	local uid user

	can_capture
	for user in nobody daemon; do
		talk "$fixtures/hostile/header-of-ones.frames"
		if [ "$user" = nobody ]; then
			listen -c 1
		else
			listen -c 1 -Z "$user"
		fi
		uid=$(awk '$1 == "Uid:" { print $2, $3, $4 }' \
			"/proc/$listener/status")
		same "$uid" "$(id -u $user) $(id -u $user) $(id -u $user)"
		speak
		wait "$listener"
		exec 9<&- 7<&-
		rm "$tmp"/{go,port,out,err}
	done
	decode 1 -i lo -Z nosuchuser
	says "-Z: user 'nosuchuser': no such user"
}

@test "-i: no such interface" {
	decode 1 -i nosuchif0
	says "nosuchif0: "
}

@test "-i without the right to: says what is needed" {
	can_capture
	need setpriv util-linux
	run -1 setpriv --bounding-set -all --inh-caps -all \
		"$decode" -i lo -c 1
	[[ $output == *"lo: "*"root or CAP_NET_RAW is needed"* ]]
}

@test "-Z without root: says that it does nothing" {
	can_capture
	need setpriv util-linux
	mkfifo "$tmp/err"
	setpriv --reuid=65534 --inh-caps=+net_raw,+dac_read_search \
		--ambient-caps=+net_raw,+dac_read_search \
		"$decode" -i lo -f 'tcp[0] = 0' -Z daemon \
		>"$tmp/out" 2>"$tmp/err" 3>&- &
	listener=$!
	children+=("$listener")
	exec 7<"$tmp/err"
	read -r -t 60 line <&7
	same "$line" \
		"bluenet-decode: -Z: not started by root: it goes on as it is"
	read -r -t 60 line <&7
	[[ $line == "listening on lo, "* ]]
	kill -TERM "$listener"
	wait "$listener"
}

@test "-D lists the interfaces" {
	decode 0 -D
	grep -qE '^[0-9]+\.lo \[Loopback\]' <<<"$output" ||
		skip "no loopback here: ${lines[*]}"
}

# ---- what is not decoded is said ----

@test "a tunnel gives the frames of what is in it" {
	local list

	frames "$plain" >"$tmp/want"
	for list in vxlan gre qinq,mpls pppoe erspan3,vlan; do
		"$tools/mangle" "$plain" "$tmp/t.pcap" --around "$list" \
			--segment 8000
		frames "$tmp/t.pcap" | jq -c '.[1:]' >"$tmp/got"
		jq -c '.[1:]' "$tmp/want" | cmp - "$tmp/got"
		decode 0 -r "$tmp/t.pcap" -q -z health
		same "$stderr" ''
		[[ $output == *'verdict: clean'* ]]
	done
}

@test "streams on other ports: which of them look like BlueNet" {
	"$tools/mangle" "$plain" "$tmp/p.pcap" --port 26001
	decode 0 -r "$tmp/p.pcap"
	same "$output" ''
	[[ $stderr == *': TCP streams on 26001 look like BlueNet: try -p 26001'* ]]
	[[ $stderr == *' packets are TCP on other ports: 26001' ]]
	decode 0 -r "$tmp/p.pcap" -q -z health
	[[ $output == *'verdict: nothing decoded'* ]]
	[[ $output == *'try -p 26001'* ]]
	decode 0 -r "$tmp/p.pcap" -q -z health -o json
	same "$(jq -c 'select(.name == "health.left_out") | .rows[0] |
		[.[0], .[2]]' <<<"$output")" '["TCP port 26001","like BlueNet"]'
	same "$(fit "$fixtures/decode.schema.json" <<<"$output")" ''
	decode 0 -r "$tmp/p.pcap" -p 26001
	same "$stderr" ''
}

@test "packets that are not TCP are named" {
	# one of UDP, to the port of VXLAN but without a VNI, and one of ARP
	{
		bytes "d4c3b2a1 02000400 00000000 00000000 00000400 01000000"
		bytes "00000000 00000000 32000000 32000000"
		bytes "020000000001 020000000002 0800 45000024 00000000 40110000"
		bytes "0a000001 0a000002 c350 12b5 0010 0000 0000000000002a00"
		bytes "00000000 00000000 10000000 10000000"
		bytes "020000000001 020000000002 0806 0001"
	} >"$tmp/u.pcap"
	decode 0 -r "$tmp/u.pcap"
	same "$stderr" \
		'bluenet-decode: 2 packets are not TCP: ARP (1), UDP port 4789 (1)'
	decode 0 -r "$tmp/u.pcap" -q -z health
	[[ $output == *'verdict: nothing decoded'* ]]
	[[ $output == *'UDP port 4789'* ]]
}

@test "a capture filter that VLAN tags get past" {
	local n

	"$tools/mangle" "$plain" "$tmp/v.pcap" --vlan 7
	n=$("$decode" -r "$tmp/v.pcap" -q -z health -o json |
		jq '.rows[0][2]' | head -n 1)
	decode 0 -r "$tmp/v.pcap" -f 'tcp port 26000'
	same "$output" ''
	same "$stderr" "bluenet-decode: the capture filter matched none of $n \
packets; $n of them carry VLAN tags: try 'vlan and (tcp port 26000)'"
	decode 0 -r "$tmp/v.pcap" -f 'vlan and (tcp port 26000)'
	[ "${#lines[@]}" -gt 100 ]
	same "$stderr" ''
	"$tools/mangle" "$plain" "$tmp/v.pcap" --qinq 7,8
	decode 0 -r "$tmp/v.pcap" -f 'port 26000'
	[[ $stderr == *"try 'vlan and vlan and (port 26000)'" ]]
	decode 0 -r "$tmp/v.pcap" -f 'vlan and vlan and (port 26000)'
	[ "${#lines[@]}" -gt 100 ]
	decode 0 -r "$tmp/v.pcap" -p 26000
	[ "${#lines[@]}" -gt 100 ]
	"$tools/mangle" "$plain" "$tmp/v.pcap" --around vxlan
	decode 0 -r "$tmp/v.pcap" -f 'port 26000'
	[[ $stderr == *'are in tunnels'*'try -p for the ports' ]]
	decode 0 -r "$plain" -f 'port 1'
	[[ $stderr == *'matched none of '*' packets' ]]
}

@test "a capture filter that matches some, but not what is behind VLAN tags" {
	local n tagged in='tcp dst port 26000' both

	"$tools/mangle" "$plain" "$tmp/u.pcap"
	n=$("$decode" -r "$tmp/u.pcap" -q -z health -o json |
		jq '.rows[0][2]' | head -n 1)
	"$tools/mangle" "$plain" "$tmp/v.pcap" --vlan 7
	tagged=$("$decode" -r "$tmp/v.pcap" -q -z health -o json \
		-f "vlan and $in" | jq '.rows[0][2]' | head -n 1)
	[ "$tagged" -gt 50 ]
	both="($in) or (vlan and ($in))"
	# from a pipe, too: nothing is read twice
	try "$decode" -r "$tmp/u.pcap" -r - -f "$in" -o none < <(cat "$tmp/v.pcap")
	same "$stderr" "bluenet-decode: the capture filter matched $tagged of \
$((2 * n)) packets, but not others that it names; $tagged of them carry VLAN \
tags: try '$both'"
	decode 0 -r "$tmp/u.pcap" "$tmp/v.pcap" -f "$both" -o none
	same "$stderr" ''
	# what is not meant is not hidden
	decode 0 -r "$tmp/v.pcap" -f 'port 1' -o none
	[[ $stderr == *"matched none of $n packets" ]]
	decode 0 -r "$tmp/u.pcap" "$tmp/v.pcap" -f 'not vlan' -o none
	same "$stderr" ''
}
