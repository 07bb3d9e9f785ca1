#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# Tools that dial a peer of one byte order only (tests/tools/stock.c): they find
# it out, keep it, and lose nothing.
#
# What relay.bash sets; each test is a subshell.
# shellcheck disable=SC2154,SC2016,SC2030,SC2031

load relay
load replay
load stock

setup_file() {
	make_certificates
}

# tool EXIT PROGRAM [ARG...]: $output, $stderr
tool() {
	local wanted=$1 program=$2

	shift 2
	try timeout "$wait_seconds" "$build/$program" "$@" </dev/null
	if [ "$status" -ne "$wanted" ]; then
		echo "exit $status, not $wanted: $program $*"
		echo "$output"
		echo "$stderr"
		return 1
	fi
}

# times N TEXT: standard error has it so often.
times() {
	same "$(grep -c "$2" <<<"$stderr")" "$1"
}

# ---- ping

# What this machine was too busy to send is no matter here.
all_answered() {
	grep -qE ': [1-9][0-9]* answered, 0 lost' <<<"$output" || {
		echo "$output"
		return 1
	}
}

@test "ping: network order is found, said once, and every ping answered" {
	start_stock server
	tool 0 bluenet-ping --hop ping -c 5 -i 10ms "$plain"
	all_answered
	times 1 "$plain: relay speaks network order"
}

@test "ping: little order is the first, so there is nothing to say" {
	start_stock server --without network-order
	tool 0 bluenet-ping --hop ping -c 2 -i 10ms "$plain"
	all_answered
	same "$stderr" ''
}

@test "ping: a peer that closes on what it cannot read" {
	start_stock server --without oversize-resync
	tool 0 bluenet-ping --hop ping -c 2 -i 10ms "$plain"
	all_answered
	says "$plain: relay speaks network order"
}

@test "ping: TLS" {
	start_stock server --cert "$certs/server.pem" --key "$certs/server.key"
	tool 0 bluenet-ping --tls --ca "$certs/ca.pem" --hop ping -c 2 -i 10ms \
		"$plain"
	all_answered
	says "$plain: relay speaks network order"
}

@test "ping: --order speaks one, and tries no other" {
	start_stock server
	tool 0 bluenet-ping --order network --hop ping -c 2 -i 10ms "$plain"
	all_answered
	same "$stderr" ''
	tool 1 bluenet-ping --order little --hop ping -c 2 -i 10ms -W 10ms "$plain"
	grep -qE '(^|[^0-9])0 answered, [12] lost \(100 %\)' <<<"$output"
	times 1 "$plain: no answer in little order (timed out)"
	tool 2 bluenet-ping --order big --hop ping "$plain"
}

@test "ping: whatever a pong makes of the timestamp" {
	local trait

	for trait in pong-truncates pong-bit-63 plain-behind; do
		start_stock server --with "$trait"
		tool 0 bluenet-ping --order network --hop ping -c 3 -i 10ms "$plain"
		all_answered
	done
}

# ---- node

@test "node: it says the order once, and speaks it at once from then on" {
	start_stock server
	timeout "$wait_seconds" "$build/bluenet-node" --backoff-max 1ms \
		--backoff-min 1ms "$plain" >"$tmp/node.out" 2>"$tmp/node.err" 3>&- &
	children+=("$!")
	heard '^application key=' # the hello
	within grep -q 'relay speaks network order' "$tmp/node.err"
	stderr=$(<"$tmp/node.err")
	times 1 'relay speaks network order'
}

# What waits for a welcome that never comes takes the welcome's time limit.
@test "node and ping say what a stock peer cannot do" {
	start_stock server
	local code=0 ping

	timeout "$wait_seconds" "$build/bluenet-ping" -c 1 "$plain" \
		>/dev/null 2>"$tmp/ping.err" 3>&- &
	ping=$!
	tool 1 bluenet-node "$plain"
	says 'a stock peer cannot take a node: it sends no welcome'
	wait "$ping" || code=$?
	same "$code" 3
	grep -q 'a stock peer: .*which --hop ping measures' "$tmp/ping.err"
}

@test "node: --order" {
	start_stock server
	timeout "$wait_seconds" "$build/bluenet-node" --order network "$plain" \
		>"$tmp/node.out" 2>"$tmp/node.err" 3>&- &
	children+=("$!")
	heard '^application key='
	run ! grep 'order' "$tmp/node.err"
}

# ---- replay

# The keepalive with a ping by which a session asks.
question='^application key=0xd14409b0 payload=$'

# n_heard N: so many packets have reached the application.
n_heard() {
	[ "$(grep -c '^application ' "$tmp/stock")" -eq "$1" ]
}

play_to_stock() {
	# it answers pings only; what is asked here is whether all is sent
	tool 0 bluenet-replay -p any --answer-timeout 10ms --max-lateness 1h \
		--fail-if 'unsent>0' "$@" "$plain"
}

@test "replay: a capture in little order, to a peer of network order" {
	start_stock server
	play_to_stock -q "$fixtures/captures/plain.pcap"
	[[ $output == *"3 planned, 3 ready, 3 done"* ]]
	[[ $output == *"sent        240 frames"* ]]
	start_stock server
	play_to_stock "$fixtures/captures/plain.pcap"
	times 1 "$plain: relay speaks network order"
	[[ $output == *"sent        240 frames"* ]]
}

@test "replay: each frame is sent once, behind one question" {
	local n

	# all but the pongs, which no application gets
	n=$("$decode" -r "$fixtures/captures/plain.pcap" -p any -o json |
		jq -s '[.[] | select(.type == "frame" and .dir == "up" and
			.header.key != -1807880710)] | length')
	start_stock server
	play_to_stock -q --target-order network "$fixtures/captures/plain.pcap"
	within n_heard "$n"
	run ! grep -q "$question" "$tmp/stock"
	grep '^application ' "$tmp/stock" | sort >"$tmp/told"
	start_stock server
	play_to_stock -q "$fixtures/captures/plain.pcap"
	within n_heard $((n + 1))
	same "$(grep -c "$question" "$tmp/stock")" 1
	# those of the capture are the same, each once
	grep '^application ' "$tmp/stock" | grep -v "$question" | sort |
		cmp "$tmp/told" -
}

@test "replay: sessions with a hello, to a stock peer" {
	local option

	for option in '' --no-probe '--target-order network'; do
		start_stock server --register app
		# shellcheck disable=SC2086
		tool 1 bluenet-replay -p any --answer-timeout 10ms --asap \
			--report "$tmp/report.json" $option \
			"$fixtures/captures/profile-market.pcap" "$plain"
		times 1 "$plain: the target is a stock peer: sessions are played without hello"
		[[ $output == *"60 planned, 60 ready, 60 done, 60 without hello"* ]]
		[[ $output == *"sent        1,800 frames"* ]]
		[[ $output == *"received    0 frames"* ]]
		same "$(jq .counts.sessions_without_hello "$tmp/report.json")" 60
	done
	# a probe found it out, so no session says a hello of its own
	same "$(grep -c 'key=0x6a9942e6' "$tmp/stock")" 1
}

@test "replay: session messages are not for a stock peer" {
	start_relay --capture "$tmp/session.pcap"
	play <<'END'
join a $r
roster a roles=3
expect a roster-reply
echo a cookie=9
expect a echo-reply
send a dest=node:77 key=app payload=x
expect a error
END
	stop_relay "$pid"
	start_stock server --register app
	tool 1 bluenet-replay -p any --answer-timeout 10ms --asap -q \
		--report "$tmp/report.json" "$tmp/session.pcap" "$plain"
	[[ $output == *"2 not for a stock peer"* ]]
	same "$(jq .counts.not_for_stock "$tmp/report.json")" 2
	same "$(grep -c '^application' "$tmp/stock")" 1 # the probe's hello
	heard '^call .* dest=77 payload=78'
}

@test "replay: the order of the capture is tried first" {
	start_stock server
	play_to_stock "$fixtures/captures/stock.pcap"
	[[ $stderr != *speaks* ]]
	[[ $output == *"1 planned, 1 ready, 1 done"* ]]
}

@test "replay: hundreds of sessions; one of them asks" {
	start_stock server
	play_to_stock -q --clients 200 --ramp 0 --stagger 0 \
		"$fixtures/captures/plain.pcap"
	[[ $output == *"200 planned, 200 ready, 200 done"* ]]
	same "$(grep -c "$question" "$tmp/stock")" 1
}

# A frame that is passed on compressed has to be right for who reads it.
@test "replay: zlib has its size in the order of the target" {
	start_relay --capture "$tmp/relay.pcap"
	play_to_stock -q --target-order network "$fixtures/captures/plain.pcap"
	stop_relay "$pid"
	"$decode" -r "$tmp/relay.pcap" -p any -o json >"$tmp/frames"
	same "$(jq -r 'select(.type == "frame" and .dir == "up") | .order' \
		"$tmp/frames" | sort -u)" network
	[ "$(grep -c '"codec":"zlib"' "$tmp/frames")" -gt 10 ]
	same "$(jq -r 'select(.type != "frame") | .type' "$tmp/frames" |
		sort -u)" ''
}

@test "replay: TLS" {
	start_stock server --cert "$certs/server.pem" --key "$certs/server.key"
	play_to_stock --tls --ca "$certs/ca.pem" --allow 127.0.0.0/8 \
		"$fixtures/captures/plain.pcap"
	[[ $output == *"3 planned, 3 ready, 3 done"* ]]
	times 1 "$plain: relay speaks network order"
}

@test "scenarios speak what the target was found to speak" {
	start_stock server
	cat >"$tmp/one.bns" <<'END'
scenario asks
section 4.1
about a ping is answered
connect a $r
send a key=app timestamp=7
expect a pong timestamp=7
END
	tool 0 bluenet-replay --scenario "$tmp/one.bns" "$plain"
	says "relay speaks network order"
	tool 0 bluenet-replay --no-probe --target-order network \
		--scenario "$tmp/one.bns" "$plain"
	tool 1 bluenet-replay --no-probe --scenario-timeout 100ms \
		--scenario "$tmp/one.bns" "$plain"
}

# ---- what stock peers append

# The double answers with the payload that it got and 4 bytes of its heap, which
# differ each time.
@test "--diff: garbage of stock peers alone is told as such; --stock ignores it" {
	start_stock server --register app --answer --pcap "$tmp/stock.pcap"
	play <<'END'
connect a $r order=network
send a key=app payload=hello
await a packet key=app
END
	start_stock server --register app --answer
	play_to_stock -q --clients 2 --answer-timeout 60s --diff "$tmp/stock.pcap" || true
	same "$status" 1
	[[ $output == *'bytes that stock peers append: the last 4 of payloads'* ]]
	[[ $output == *$'\n    --stock\n'* ]]
	start_stock server --register app --answer
	play_to_stock -q --clients 2 --answer-timeout 60s --diff --stock "$tmp/stock.pcap"
	[[ $output == *'Differences: 0 in 2 frames'* ]]
	start_stock server --register app --answer
	play_to_stock -q --clients 2 --answer-timeout 60s --diff --ignore 'payload[-4:]' \
		"$tmp/stock.pcap"
	[[ $output == *'Differences: 0 in 2 frames'* ]]
}
