#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# bluenet-decode and several files, compressed files, pcapng: one capture in
# order of time, however it was written.
# shellcheck disable=SC2154,SC2030,SC2031 # bats and decode.bash set it

load decode

# A capture, and three parts of it: packets 1-100, 101-150 and the rest.
setup_file() {
	local n

	load decode
	setup
	cd "$BATS_FILE_TMPDIR" || return
	"$tools/mangle" "$net" whole.pcap --segment 700 >/dev/null
	n=$("$decode" -r whole.pcap -q -o json -z health |
		jq '.rows[] | select(.[0] == "packets")[2]')
	"$tools/mangle" "$net" 1.pcap --segment 700 \
		--drop-packets "101-$n" >/dev/null
	"$tools/mangle" "$net" 2.pcap --segment 700 \
		--drop-packets "1-100,151-$n" >/dev/null
	"$tools/mangle" "$net" 3.pcap --segment 700 \
		--drop-packets 1-150 >/dev/null
	# every second packet, so that the times of the two overlap
	"$tools/mangle" "$net" odd.pcap --segment 700 --drop-packets \
		"$(seq -s , 2 2 "$n")" >/dev/null
	"$tools/mangle" "$net" even.pcap --segment 700 --drop-packets \
		"$(seq -s , 1 2 "$n")" >/dev/null
	"$tools/mangle" "$net" 2.pcapng --segment 700 --pcapng --big-endian \
		--drop-packets "1-100,151-$n" >/dev/null
	"$tools/mangle" "$net" whole.pcapng --segment 700 --pcapng >/dev/null
	"$tools/mangle" "$net" raw.pcapng --segment 700 --pcapng --link raw \
		--drop-packets "1-100" >/dev/null
	"$tools/mangle" "$net" ether.pcapng --segment 700 --pcapng \
		--drop-packets "101-$n" >/dev/null
	head -c 24 whole.pcap >none.pcap
	"$decode" -r whole.pcap -o json >whole.json
}

# whole ARG...: what they read is the whole capture, with its packet numbers.
whole() {
	decode 0 "$@" -o json
	cmp - <(printf '%s\n' "$output") <"$BATS_FILE_TMPDIR/whole.json"
}

# stdin FILE ARG...: the same on standard input.
stdin() {
	local file=$1

	shift
	"$decode" -r - "$@" -o json <"$file" | cmp - whole.json
}

# sorted ARG...: its frames, of equal times in any order
sorted() {
	"$decode" "$@" -o json --payload hex | jq -c 'del(.packet, .number,
		.stream)' | sort
}

@test "several files are one capture, in any order" {
	cd "$BATS_FILE_TMPDIR"
	whole -r 1.pcap -r 2.pcap -r 3.pcap
	whole -r 3.pcap -r 1.pcap -r 2.pcap
	whole -r 1.pcap 2.pcap 3.pcap
	whole -r [123].pcap
	stdin 3.pcap 2.pcap 1.pcap
	whole -r <(cat 3.pcap) <(cat 1.pcap) 2.pcap
	whole -r 1.pcap 2.pcapng 3.pcap
	# those without packets
	whole -r none.pcap 1.pcap 2.pcap 3.pcap none.pcap
	: >"$tmp/empty.pcap"
	whole -r "$tmp/empty.pcap" 1.pcap "$tmp/empty.pcap" 2.pcap 3.pcap
	says "$tmp/empty.pcap: an empty file: left out"
}

@test "files whose times overlap are merged" {
	cd "$BATS_FILE_TMPDIR"
	same "$(sorted -r odd.pcap even.pcap)" "$(sorted -r whole.pcap)"
	same "$(sorted -r even.pcap -r odd.pcap)" "$(sorted -r whole.pcap)"
	# the same one twice: nothing but retransmissions
	same "$(sorted -r whole.pcap whole.pcap)" "$(sorted -r whole.pcap)"
}

@test "many files are not open at once" {
	local i n

	cd "$BATS_FILE_TMPDIR"
	n=$("$decode" -r whole.pcap -q -o json -z health |
		jq '.rows[] | select(.[0] == "packets")[2]')
	for ((i = 1; i <= 40; i++)); do
		"$tools/mangle" "$net" "$tmp/$((100 + i)).pcap" --segment 700 \
			--drop-packets "1-$((10 * i)),$((10 * i + 11))-$n" \
			>/dev/null
		cp none.pcap "$tmp/none$i.pcap"
	done
	"$tools/mangle" "$net" "$tmp/100.pcap" --segment 700 \
		--drop-packets "11-$n" >/dev/null
	"$tools/mangle" "$net" "$tmp/141.pcap" --segment 700 \
		--drop-packets "1-410" >/dev/null
	ulimit -n 16
	whole -r "$tmp"/*.pcap
}

@test "operands: first files, then a filter" {
	cd "$BATS_FILE_TMPDIR"
	whole -r 1.pcap 2.pcap 3.pcap tcp port 26000
	whole -r 1.pcap -f "tcp port 26000" 2.pcap 3.pcap
	whole -r whole.pcap "tcp port 26000"
	whole -r whole.pcap tcp
	mkdir -p "$tmp/d/tcp"
	cd "$tmp/d" # a directory is no file
	whole -r "$BATS_FILE_TMPDIR/whole.pcap" tcp
	decode 1 -r "$plain" "$tmp/missing.pcap"
	says "$tmp/missing.pcap: No such file or directory"
	decode 2 -r "$plain" tcp prt 1
	says "capture filter 'tcp prt 1'"
	decode 2 -r - -r - <"$plain"
	says "--read: standard input can be read only once"
	decode 2 -i lo -i any
	says "--interface: given twice"
}

@test "a file among several that is cut: the others are read, exit 1" {
	cd "$BATS_FILE_TMPDIR"
	head -c -100 2.pcap >"$tmp/cut.pcap"
	decode 1 -r 1.pcap "$tmp/cut.pcap" 3.pcap -o json
	says "$tmp/cut.pcap: after packet "
	[ "$(wc -l <<<"$output")" -gt 100 ]
	decode 1 -r 1.pcap "$root/README.md"
	says "README.md: unknown file format"
}

@test "gzip, zstd, lz4: by content, also on standard input" {
	local tool fast

	cd "$BATS_FILE_TMPDIR"
	for tool in gzip zstd lz4; do
		need "$tool" "$tool"
		fast=-1
		[ "$tool" != lz4 ] || fast=-B4 # blocks of 64 KiB
		"$tool" "$fast" -q -c whole.pcap >"$tmp/w.pcap"
		decode 0 -r "$tmp/w.pcap" -o none ||
			[[ $stderr == *"which this build lacks"* ]] || return
		[[ $stderr != *"which this build lacks"* ]] || continue
		whole -r "$tmp/w.pcap"
		stdin "$tmp/w.pcap"
		whole -r <(cat "$tmp/w.pcap")
		"$tool" "$fast" -q -c whole.pcapng >"$tmp/w.pcapng"
		whole -r "$tmp/w.pcapng"
		whole -r <(cat "$tmp/w.pcapng")
		# two members
		(head -c 5000 whole.pcap | "$tool" "$fast" -q -c &&
			tail -c +5001 whole.pcap | "$tool" "$fast" -q -c) >"$tmp/two"
		whole -r "$tmp/two"
		# several, some of them compressed
		"$tool" "$fast" -q -c 2.pcap >"$tmp/2"
		whole -r 1.pcap "$tmp/2" 3.pcap
		# cut: what can be read, then the error
		head -c -5000 "$tmp/w.pcap" >"$tmp/cut"
		decode 1 -r "$tmp/cut"
		says "$tmp/cut: after packet "
		says ": the $tool data is cut"
		[ "${#lines[@]}" -gt 1 ]
	done
}

@test "gzip that is corrupt, or followed by something" {
	cd "$BATS_FILE_TMPDIR"
	gzip -c whole.pcap >"$tmp/w.gz"
	{
		head -c 100000 "$tmp/w.gz"
		head -c 100 /dev/zero
		tail -c +100101 "$tmp/w.gz"
	} >"$tmp/bad.gz"
	decode 1 -r "$tmp/bad.gz"
	says "$tmp/bad.gz: after packet "
	[ "${#lines[@]}" -gt 1 ]
	# its checksum
	(head -c -8 "$tmp/w.gz" && printf 12345678) >"$tmp/sum.gz"
	decode 1 -r "$tmp/sum.gz" -o json
	says ": corrupt gzip data"
	cmp - <(printf '%s\n' "$output") <whole.json
	(cat "$tmp/w.gz" && head -c 1000 /dev/zero) >"$tmp/padded.gz"
	whole -r "$tmp/padded.gz"
	(cat "$tmp/w.gz" && echo something) >"$tmp/more.gz"
	decode 1 -r "$tmp/more.gz" -o json
	says "something follows the gzip data"
	cmp - <(printf '%s\n' "$output") <whole.json
	# the header only, and nothing
	head -c 10 "$tmp/w.gz" >"$tmp/head.gz"
	decode 1 -r "$tmp/head.gz"
	says "$tmp/head.gz: the gzip data is cut"
}

@test "pcapng: two sections, of other orders and link types" {
	cd "$BATS_FILE_TMPDIR"
	cat 1.pcap >"$tmp/1.pcap"
	cat ether.pcapng raw.pcapng >"$tmp/two.pcapng"
	whole -r "$tmp/two.pcapng"
	stdin "$tmp/two.pcapng"
	whole -r "$tmp/two.pcapng" -f "tcp port 26000"
	whole -r raw.pcapng ether.pcapng
	decode 0 -r "$tmp/two.pcapng" -f "tcp port 1" -o json
	[ -z "$output" ]
	# a pcap file has one link type, a pcapng file as many as there are
	decode 1 -r "$tmp/two.pcapng" -o none -w "$tmp/w.pcap"
	says "packets of several link types do not fit into a pcap file"
	decode 0 -r "$tmp/two.pcapng" -o none -w "$tmp/w.pcapng"
	whole -r "$tmp/w.pcapng"
}

@test "-w pcapng: with the secrets that were used, and no others" {
	local tls=$fixtures/captures/tls13 other

	other=$(printf 'CLIENT_RANDOM %064d %096d' 7 7)
	(cat "$tls.keys" && echo "$other") >"$tmp/keys"
	decode 3 -r "$tls.pcap" --keylog "$tmp/keys" -w "$tmp/w.pcapng"
	local all=$output
	decode 3 -r "$tmp/w.pcapng"
	same "$output" "$all"
	# as they come
	same "$("$decode" -r - <"$tmp/w.pcapng")" "$all"
	# shellcheck disable=SC2002 # a pipe is what is tested
	same "$(cat "$tmp/w.pcapng" | "$decode" -r -)" "$all"
	[[ $all == *" > "* ]]
	run ! grep -q "${other##* }" "$tmp/w.pcapng"
	# what is not decrypted has no secrets
	decode 0 -r "$plain" --keylog "$tmp/keys" -o none -w "$tmp/p.pcapng"
	run ! grep -q SECRET "$tmp/p.pcapng"
	decode 0 -r "$plain"
	same "$("$decode" -r "$tmp/p.pcapng")" "$output"
}

# read_all FILE...: the lines are those of $tmp/all.
read_all() {
	decode 3 -r "$@" -o json
	cmp - "$tmp/all" <<<"$output"
}

# Secrets behind the packets that they are for, in a file and compressed.
@test "pcapng: secrets at the end of the file" {
	local tls=$fixtures/captures/tls13

	"$tools/mangle" "$tls.pcap" "$tmp/t.pcapng" --pcapng >/dev/null
	"$tools/mangle" "$tls.pcap" "$tmp/s.pcapng" --pcapng --secrets \
		"$tls.keys" --drop-packets "1-$("$decode" -r "$tls.pcap" -q \
			-o json -z health 2>/dev/null |
			jq '.rows[] | select(.[0] == "packets")[2]')" \
		>/dev/null
	decode 3 -r "$tmp/t.pcapng" --keylog "$tls.keys" -o json
	printf '%s\n' "$output" >"$tmp/all"
	cat "$tmp/t.pcapng" "$tmp/s.pcapng" >"$tmp/ts.pcapng"
	read_all "$tmp/ts.pcapng"
	"$decode" -r - -o json <"$tmp/ts.pcapng" | cmp - "$tmp/all"
	gzip "$tmp/ts.pcapng"
	read_all "$tmp/ts.pcapng.gz"
	# in another file
	read_all "$tmp/t.pcapng" "$tmp/s.pcapng"
}

# A pipe cannot be read twice: the records wait for their secrets, which -w
# writes, too. At the end of the pipe, no other secret can come.
@test "pcapng from a pipe: secrets behind the packets that they are for" {
	local tls=$fixtures/captures/tls13 n all

	n=$("$decode" -r "$tls.pcap" -q -o json -z health 2>/dev/null |
		jq '.rows[] | select(.[0] == "packets")[2]')
	"$tools/mangle" "$tls.pcap" "$tmp/t.pcapng" --pcapng >/dev/null
	"$tools/mangle" "$tls.pcap" "$tmp/s.pcapng" --pcapng --secrets \
		"$tls.keys" --drop-packets "1-$n" >/dev/null
	cat "$tmp/t.pcapng" "$tmp/s.pcapng" >"$tmp/ts.pcapng"
	decode 3 -r "$tls.pcap" --keylog "$tls.keys"
	all=$(sort <<<"$output")
	[ "$(wc -l <<<"$all")" -gt 100 ]
	try "$decode" -r - --keylog-wait 3600s -w "$tmp/w.pcapng" \
		< <(cat "$tmp/ts.pcapng")
	[ "$status" -eq 3 ]
	same "$(sort <<<"$output")" "$all"
	decode 3 -r "$tmp/w.pcapng"
	same "$(sort <<<"$output")" "$all"
	try "$decode" -r - --keylog-wait 3600s < <(cat "$tmp/t.pcapng")
	[[ $stderr == *"could not be decrypted"* ]]
	try "$decode" -r - --keylog-wait 0 < <(cat "$tmp/ts.pcapng")
	[[ $stderr == *"could not be decrypted"* ]]
}

@test "pcapng: drops that its statistics report" {
	cd "$BATS_FILE_TMPDIR"
	{
		cat whole.pcapng
		# statistics of interface 0: isb_ifdrop 5, isb_osdrop 2
		printf '\5\0\0\0\60\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0'
		printf '\5\0\10\0\5\0\0\0\0\0\0\0\7\0\10\0\2\0\0\0\0\0\0\0'
		printf '\60\0\0\0'
	} >"$tmp/d.pcapng"
	whole -r "$tmp/d.pcapng"
	says "7 packets were dropped during the capture"
	decode 0 -r "$tmp/d.pcapng" -q -z health -o json
	jq -es '.[0] | any(.rows[]; .[0] == "packets dropped" and .[2] == 7) and
		(.notes[0] | endswith("dropped during the capture: 7"))' \
		<<<"$output"
}

@test "-w where only root may write says that root was given up" {
	[ "$(id -u)" -eq 0 ] || skip "needs root"
	mkdir -m 700 "$tmp/private"
	decode 1 -i lo -w "$tmp/private/w.pcap"
	says "w.pcap: Permission denied: root was given up for nobody (-Z)"
}

# ---- many captures, each counted on its own: --merge

# All but what is of one capture, and the states, whose rows have an order.
tables() {
	grep -vE '"name":"(streams|slowest_calls)"' "$1" | jq -c 'del(.merge)'
}

@test "--merge: the sum of captures is one run over all of them" {
	local io='io,10ms,clock'
	local all=(-z frames -z keys -z endpoints -z "$io" -z echo
		-z calls -z 'calls,tree' -z events -z health -z streams)
	local c=$fixtures/captures f n=0 files=() jsons=()

	# all kinds of statistics have rows, one capture has losses; no two have
	# the ends of a stream in common
	"$tools/mangle" "$net" "$tmp/lossy.pcap" \
		--segment 700 --drop-packets 50-55 >/dev/null
	for f in "$tmp/lossy.pcap" "$c"/profile-{market,relay}.pcap \
		"$c"/{macho,stock}.pcap; do
		"$decode" -p any -q "${all[@]}" -o json -r "$f" \
			>"$tmp/$n.json" || [ $? -eq 3 ]
		files+=("$f")
		jsons+=("$tmp/$n.json")
		n=$((n + 1))
	done
	decode 3 -p any -q "${all[@]}" -o json -r "${files[@]}"
	echo "$output" >"$tmp/single.json"
	decode 0 --merge -o json "${jsons[@]}"
	echo "$output" >"$tmp/merged.json"
	[[ $stderr == *'streams: not merged: '*'slowest_calls: not merged: '* ]]
	diff <(tables "$tmp/single.json") <(tables "$tmp/merged.json")
	# in another order, in two steps, with frames between the lines
	decode 0 --merge -o json "${jsons[@]:3}"
	echo "$output" >"$tmp/half.json"
	"$decode" -r "$plain" -o json -c 5 >>"$tmp/half.json"
	decode 0 --merge -o json "$tmp/half.json" "${jsons[2]}" "${jsons[0]}" \
		"${jsons[1]}"
	echo "$output" >"$tmp/merged.json"
	diff <(tables "$tmp/single.json") <(tables "$tmp/merged.json")
	same "$(jq -r 'select(.rows != [] and .merge != null).merge.statistic' \
		"$tmp/merged.json" | tr '\n' ' ')" \
		"frames keys endpoints io,10ms,clock echo calls calls,tree events health "
	# as text, too
	decode 0 --merge "$tmp/merged.json"
	[[ ${lines[0]} == Frames ]]
}

@test "--merge: what is missing, damaged or of other intervals is told" {
	"$decode" -q -z keys -z io,1s -o json -r "$plain" >"$tmp/a.json"
	"$decode" -q -z keys -z io,1s -o json -r "$net" >"$tmp/b.json"
	"$decode" -q -z keys -o json -r "$net" >"$tmp/keys.json"
	decode 1 --merge "$tmp/a.json" "$tmp/b.json"
	[[ $stderr == *'b.json: line 2: io,1s: '*'-z io,1s,clock'* ]]
	[[ $output == Keys* ]]
	decode 1 --merge "$tmp/a.json" "$tmp/keys.json"
	[[ $stderr == *'keys.json: the statistic io,1s is not in it'* ]]
	decode 1 --merge "$tmp/keys.json" "$tmp/a.json"
	[[ $stderr == *'io,1s: the first file does not have it'* ]]
	head -c -20 "$tmp/keys.json" >"$tmp/cut.json"
	decode 1 --merge "$tmp/keys.json" "$tmp/cut.json"
	[[ $stderr == *'cut.json: line 1: '* ]]
	decode 1 --merge "$tmp/none.json"
	[[ $stderr == *'none.json: No such file'* ]]
	decode 1 --merge "$plain"
	[[ $stderr == *'no statistics to merge in it'* ]]
	decode 2 --merge
	decode 2 --merge -z keys "$tmp/a.json"
	decode 0 --merge -o csv "$tmp/a.json"
	[[ $output == statistic,key_name,* ]]
}
