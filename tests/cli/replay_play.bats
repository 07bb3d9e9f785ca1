#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# bluenet-replay plays what was recorded: who is sent what, and when.
#
# What relay.bash sets; scripts of the peer; each test is a subshell.
# shellcheck disable=SC2154,SC2016,SC2030,SC2031

load relay
load replay

setup_file() {
	make_certificates
}

# What clients sent to applications; the node's answers are not theirs, and
# pongs are made anew.
up='dir == up && key != 0 && !message && dest_type != hop &&
    !(dest_type == client && key_name == "market::quote")'

# What reached the others.
said='dir == down && key_name == "chat::line"'
what='[.header.serial, .payload]'

# Both are known before they write to each other, and stay until the last has
# got there.
chat='
join ann $r codecs=zlib,snappy name=ann
join bob $r name=bob order=network
run sleep 0.2
send ann dest=client:$bob.id key=chat::line payload=hello_bob serial=1
await bob packet bytes=hello_bob
send bob dest=client:$ann.id key=chat::line payload=hello_ann serial=2
await ann packet bytes=hello_ann
send ann dest=node:7 key=market::quote payload=one serial=3 priority
await ann packet key=market::quote
send ann dest=any key=market::quote payload=size:900 codec=zlib
await ann packet key=market::quote
send bob dest=node:7 key=market::quote payload=size:700
await bob packet key=market::quote
echo ann dest=node:7
expect ann echo-reply
run sleep 0.3'

@test "what was sent is sent again, to those who have the ids now" {
	record a <<<"$chat"
	start_target
	# by the clock, one may answer the other before it was asked, or may
	# have left
	replays 0 --speed 0.3 --fail-if 'unsent>0' "$tmp/a.pcap" "$plain"
	same "$(report .counts.sessions_ready)" 2
	same "$(report .counts.unsent)" 0
	stop_relay "$pid"
	same "$(frames "$tmp/target.pcap" "$up")" "$(frames "$tmp/a.pcap" "$up")"
	# they reached each other, so ids were mapped
	[ "$(report .counts.errors)" -gt 0 ] ||
		same "$(frames "$tmp/target.pcap" "$said" "$what")" \
			"$(frames "$tmp/a.pcap" "$said" "$what")"
	same "$(frames "$tmp/target.pcap" "$up" .header.source | grep -c 50)" 0
}

@test "a stock client stays one" {
	record a <<-'EOT'
		connect old $r order=network
		send old dest=node:7 key=market::quote payload=one
		await old packet key=market::quote
		send old dest=node:7 key=market::quote payload=two
		await old packet key=market::quote
	EOT
	start_target
	replays 0 "$tmp/a.pcap" "$plain"
	same "$(report .counts.answered)" 2
	stop_relay "$pid"
	# who said hello: the node; there is no probe
	same "$(frames "$tmp/target.pcap" 'message == hello' .dir | wc -l)" 1
	same "$(frames "$tmp/target.pcap" "$up")" "$(frames "$tmp/a.pcap" "$up")"
	# a target that takes a second to answer is asked in the other order
	[[ $stderr == *' order'* ]] ||
		same "$(frames "$tmp/target.pcap" "$up" .order)" \
			"$(frames "$tmp/a.pcap" "$up" .order)"
}

# Of what the capture shows, too, nobody is to blame.
@test "an error that was captured is as in the capture; another is not" {
	record a <<-'EOT'
		join ann $r name=ann
		send ann dest=node:7 key=market::quote payload=one
		await ann packet key=market::quote
		send ann dest=node:999 key=market::quote payload=lost
		await ann error code=3
	EOT
	start_target
	replays 0 --diff "$tmp/a.pcap" "$plain"
	[[ $output == *'1 answered, 0 not, 1 with an error as in the capture'* ]]
	[[ $output == *'1 no such destination (code 3), as in the capture'* ]]
	[[ $output == *$'\ncluster: pass: 1 of 1 requests answered' ]]
	same "$(report '.counts.unanswered, .counts.errors,
		.errors_as_captured[3]' | xargs)" '0 1 1'
	# node 7 is not there: its error is news
	stop_relay "$pid"
	start_relay
	replays 1 "$tmp/a.pcap" "$plain"
	[[ $output == *'0 answered, 1 not, 1 with an error as in the capture'* ]]
	[[ $output == *'2 no such destination (code 3), 1 of them as in the'* ]]
	[[ $output == *'cluster: fail: 0 of 1 requests answered; 1 request without an answer; 1 error' ]]
	run -1 "$build/bluenet-replay" --merge "$tmp/r.json"
	echo "$output" >"$tmp/merged"
	grep -q '2 no such destination (code 3), 1 of them as in the capture' \
		"$tmp/merged"
}

quotes='
join ann $r name=ann
repeat 5 send ann dest=node:7 key=market::quote payload=one
repeat 5 await ann packet key=market::quote
send ann dest=node:7 key=market::quote payload=two
await ann packet key=market::quote
send ann dest=node:7 key=market::quote payload=three
await ann packet key=market::quote'

@test "closed: what was asked after an answer waits for it" {
	record a <<<"$quotes"
	start_target
	for pacing in closed hybrid; do
		replays 0 --asap --pacing "$pacing" "$tmp/a.pcap" "$plain"
		same "$(report .counts.answered)" 7
		same "$(report .counts.unanswered)" 0
	done
	stop_relay "$pid"
	# five were sent at once; what came later waited for these
	for most in $(pending "$tmp/target.pcap"); do
		[ "$most" -le 5 ]
	done
}

# How many requests were open at most, for each connection that asked.
pending() {
	"$decode" -r "$1" -p any -o json --keys "$fixtures/keys.txt" \
		-Y 'key_name == "market::quote"' |
		jq -r '[.stream, .dir, .header.dest_type] | @tsv' | awk '
		$2 == "up" && $3 == 1 && ++open[$1] > most[$1] {
			most[$1] = open[$1]
		}
		$2 == "down" && $3 == 2 { open[$1]-- }
		END { for (s in most) print most[s] }' | paste -sd' '
}

@test "an answer that never comes is waited for so long, and told" {
	record a <<<"$quotes"
	start_relay --clients-from 500
	start_nodes --id 7 --loss 100
	replays 1 --asap --pacing closed --answer-timeout 200ms "$tmp/a.pcap" \
		"$plain"
	same "$(report .counts.answered)" 0
	same "$(report .counts.unanswered)" 7
	same "$(report .counts.frames_sent)" 7
}

@test "errors are counted by code, and are no answers" {
	record a <<<"$quotes"
	start_relay
	replays 1 --asap "$tmp/a.pcap" "$plain"
	same "$(report .counts.errors)" 7
	same "$(report '.errors[3]')" 7
	same "$(report .counts.unanswered)" 7
}

@test "captured nodes have other ids here: --map-node" {
	record a <<<"$quotes"
	start_relay
	start_nodes --id 8 --register market::quote --reply-size 40
	replays 0 --asap --map-node 7=8 "$tmp/a.pcap" "$plain"
	same "$(report .counts.answered)" 7
	same "$(report .counts.errors)" 0
}

@test "clones and rounds: N times the frames, on connections of their own" {
	record a <<<"$quotes"
	start_target
	replays 0 --clients 40 --loop 3 --asap "$tmp/a.pcap" "$plain"
	same "$(report .counts.sessions_ready)" 120
	same "$(report .counts.sessions_done)" 120
	same "$(report .counts.frames_sent)" 840
	same "$(report .counts.unsent)" 0
	same "$(report .counts.errors)" 0
}

@test "for ever, until the time is over" {
	record a <<<"$quotes"
	start_target
	replays_beside --loop 0 --duration 3s "$tmp/a.pcap" "$plain"
	# it ends by itself, and on no signal
	wait "$replay_pid"
	[ "$(report '.counts.sessions_done + .counts.sessions_stopped')" -gt 0 ]
	same "$(report .run.interrupted)" false
}

@test "over TLS, in another codec" {
	record a <<<"$chat"
	start_relay -L 127.0.0.1:0 --cert "$certs/server.pem" \
		--key "$certs/server.key" --ca "$certs/ca.pem" --capture "$tmp/target.pcap"
	plain=$tls start_tls_nodes
	replays 0 --tls --ca "$certs/ca.pem" --codec snappy --speed 0.3 \
		--fail-if 'unsent>0' "$tmp/a.pcap" "localhost:${tls##*:}"
	same "$(report .counts.unsent)" 0
	stop_relay "$pid"
	same "$(frames "$tmp/target.pcap" "$up && payload_len > 600" .codec)" \
		"$(printf '"snappy"\n"snappy"')"
	same "$(frames "$tmp/target.pcap" "$up" .payload)" \
		"$(frames "$tmp/a.pcap" "$up" .payload)"
}

start_tls_nodes() {
	start_nodes --id 7 --register market::quote --reply-size 40 --tls \
		--ca "$certs/ca.pem" --cert "$certs/node7.pem" \
		--key "$certs/node7.key"
}

# Megabytes wait to be taken from us, and have not grown for so many looks that
# more frames were due: the kernel's buffers are full.
stuck() {
	local n

	n=$(ss -tnH state established dport = ":${plain##*:}" |
		awk '$2 > most { most = $2 } END { print most + 0 }')
	if [ "$n" -gt 1000000 ] && [ "$n" = "${last_n:-}" ]; then
		looks=$((looks + 1))
	else
		looks=0
	fi
	last_n=$n
	[ "$looks" -ge 20 ]
}

@test "a cluster that takes no more is told from a late injector" {
	need ss iproute2
	record a --max-frame 4M <<-'EOT'
		connect ann $r limit=4000000
		hello ann name=ann
		await ann welcome
		run sleep 0.2
		flood ann count=50 key=bluenet.discard payload=size:1000000
		echo ann
		await ann echo-reply
	EOT
	start_relay --max-frame 4M --keepalive 10m
	# evenly, however long the recording took
	replays_beside --rate 20 "$tmp/a.pcap" "$plain"
	within grep -q 'name=ann' "$tmp/$pid.err"
	kill -STOP "$pid"
	within stuck || true # then it says why below
	kill -CONT "$pid"
	wait "$replay_pid"
	[ "$(report .counts.held)" -gt 0 ]
	same "$(report '.late.count + .counts.held')" \
		"$(report .counts.frames_sent)"
	same "$(report .counts.unsent)" 0
	same "$(report .verdict.word)" valid
	[ -n "$(report .verdict.cluster)" ]
}

@test "a cluster that goes away: what was not sent is counted" {
	record a <<-'EOT'
		join ann $r name=ann
		send ann dest=node:7 key=market::quote payload=one
		await ann packet
		run sleep 0.5
		repeat 10 send ann dest=node:7 key=market::quote payload=two
		echo ann
		await ann echo-reply
	EOT
	start_target --drain-timeout 100ms
	# it has stopped long before the next is due
	replays_beside --speed 0.005 "$tmp/a.pcap" "$plain"
	within grep -q 'name=ann' "$tmp/$pid.err"
	stop_relay "$pid"
	wait "$replay_pid" || true
	same "$(report .counts.sessions_cut)" 1
	same "$(report '.counts.frames_sent + .counts.unsent')" 12
}

# The relay records in batches: both are to be known before they are written to.
@test "rounds: who writes to whom is of the same round" {
	record a <<-'EOT'
		join ann $r name=ann
		join bob $r name=bob
		run sleep 0.5
		send ann dest=client:$bob.id key=chat::line payload=one serial=1
		await bob packet bytes=one
		run sleep 0.2
		send bob dest=client:$ann.id key=chat::line payload=two serial=2
		await ann packet bytes=two
	EOT
	start_target
	# who is late writes to one who has left, but by the id that it had
	replays 0 --loop 3 --fail-if 'unsent>0' "$tmp/a.pcap" "$plain"
	same "$(report .counts.unsent)" 0
	stop_relay "$pid"
	same "$(frames "$tmp/target.pcap" 'dir == up && dest_type == client' \
		'.header.dest >= 500' | sort | uniq -c | xargs)" '6 true'
}

@test "a node has its own numbers: a client of the same is somebody else" {
	record a <<-'EOT'
		join other $r
		join ann $r name=ann
		join ned $r role=node id=$ann.id name=ned
		register ned ned::ask
		fence ned
		send ann dest=node:$ann.id key=ned::ask payload=one
		await ned packet
		send ned dest=client:$ann.id key=ned::ask payload=two
		await ann packet
	EOT
	start_target
	# by the clock alone, the answer may come before its request
	replays 0 --roles all --pacing hybrid --diff --fail-if 'errors>0' \
		"$tmp/a.pcap" "$plain"
	stop_relay "$pid"
	same "$(frames "$tmp/target.pcap" 'dir == up && dest_type == node' \
		.header.dest)" 2
}

@test "a request that is too large here holds nobody up" {
	local pacing

	record a <<-'EOT'
		join ann $r name=ann
		send ann dest=node:7 key=market::quote payload=size:300000
		await ann packet key=market::quote
		send ann dest=node:7 key=market::quote payload=two
		await ann packet key=market::quote
	EOT
	start_target --max-frame 100000
	for pacing in open closed hybrid; do
		replays 0 --pacing "$pacing" "$tmp/a.pcap" "$plain"
		same "$(report .counts.unsendable,.counts.answered | xargs)" \
			'1 1'
	done
}

@test "--codec: as much as the target takes, and what is on the wire counts" {
	record a <<-'EOT'
		join ann $r name=ann codecs=zlib
		send ann dest=node:7 key=market::quote payload=size:100000
		await ann packet key=market::quote
	EOT
	start_relay
	start_nodes --id 7 --register market::quote --reply-size 40
	replays 0 --codec zlib "$tmp/a.pcap" "$plain"
	[ "$(report .counts.bytes_sent)" -lt 20000 ]
	kill "$node_pid"
	start_target --codecs none
	replays 0 --codec zlib "$tmp/a.pcap" "$plain"
	[ "$(report .counts.bytes_sent)" -gt 100000 ]
	stop_relay "$pid"
	same "$(frames "$tmp/target.pcap" "$up" .codec)" '"none"'
}
