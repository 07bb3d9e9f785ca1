#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# Peers as published: that the double (tests/tools/stock.c) is one, trait by
# trait, and that the tools cope with it, whichever side it is.
#
# What relay.bash sets; scripts of the peer; each test is a subshell.
# shellcheck disable=SC2154,SC2016,SC2030,SC2031

load relay
load replay
load stock

setup_file() {
	make_certificates
}

# ---- the double

@test "every trait is in the list once" {
	"$tools/stock" --list >"$tmp/list"
	same "$(cut -d' ' -f1 "$tmp/list" | sort | uniq -d)" ''
	[ "$(wc -l <"$tmp/list")" -ge 20 ]
	while read -r name _; do
		timeout 10 "$tools/stock" client 127.0.0.1:1 --with "$name" \
			2>&1 </dev/null | grep -q 'Connection refused'
	done <"$tmp/list"
}

@test "network order only: the other is discarded without a sign" {
	start_stock server
	play <<'END'
connect a $r order=little
hello a
send a key=app payload=hello timestamp=1
connect b $r order=network
hello b
send b key=app timestamp=2 payload=hi
await b pong timestamp=2 size=4 payload=hex:00f00612 priority=1
expect-none b
# and it has not closed
send a key=app payload=again
END
	heard '^application key=0x[0-9a-f]* payload=6869$'
	run ! grep 68656c6c6f "$tmp/stock"
	start_stock server --without network-order
	play <<'END'
connect a $r order=little
send a key=app timestamp=1
expect a pong timestamp=1
END
}

@test "an oversize word takes the good frames before it along; no close" {
	start_stock server --register app
	play <<'END'
connect a $r order=network
# good, oversize (2 MiB), good, in one write: all is lost
raw a 00000003616161 00200000 00000003626262
connect b $r order=network
fence b
send a key=0 payload=ccc
send a key=x timestamp=5
expect a pong timestamp=5
END
	heard 'payload=636363$'
	run ! grep -E 'payload=(616161|626262)' "$tmp/stock"
	start_stock server --without oversize-resync
	play <<'END'
connect a $r order=network
raw a 00200000
await a @(closed|reset)
END
}

@test "bits 29 to 31 are ignored, cut headers filled with zeros" {
	start_stock server --register bluenet.echo
	play <<'END'
connect a $r order=network
raw a e0000003616263
# the header of the manual without its last byte, which is 0
raw a 10000010 00000008 2041cefff0bf8101 70696e67
send a key=x timestamp=5
expect a pong timestamp=5
END
	heard '^application key=0x00000000 payload=616263$'
	heard '^call key=0x9f9003c1 source=0 dest_type=1 dest=7 payload=70696e67'
	start_stock server --without cut-headers --register bluenet.echo
	play <<'END'
connect a $r order=network
raw a 10000010 00000008 2041cefff0bf8101 70696e67
send a key=x timestamp=5
expect a pong timestamp=5
END
	run ! grep '^call' "$tmp/stock"
}

@test "a proxy: sources, latency, 4 bytes more, priority; silent otherwise" {
	start_stock proxy --register app --id 1
	play nodes="$nodes" <<'END'
connect n $nodes order=network
connect a $r order=network
send a dest=node:1000 key=app payload=hello latency=7 source=99
expect n packet source=2 priority=1 size=9 bytes=hello* timestamp=!(0)
send n dest=client:2 key=app payload=back
expect a packet source=1000 size=8 bytes=back*
# what it cannot route
send a dest=node:77 key=app payload=x
send a dest=hop key=app payload=x
send a dest=broadcast key=app payload=x
send n dest=broadcast key=app payload=x
send a dest=any key=app payload=x
expect-none a
expect-none n
# its own id is itself, whatever kind it is
send a dest=client:1 key=app payload=mine
send a dest=type:8:1 key=other payload=up
fence a
END
	heard '^call .* dest_type=2 dest=1 payload=6d696e65[0-9a-f]{8}$'
	heard '^application .* payload=7570$'
	same "$(grep -c '^\(call\|application\)' "$tmp/stock")" 2
	start_stock proxy --without silent-drop --without four-bytes
	play <<'END'
connect a $r order=network
send a dest=node:77 key=app payload=x
expect a error code=3 dest=node:77
END
}

@test "a proxy: the n-th copy of a forked packet has n headers" {
	start_stock proxy
	play nodes="$nodes" <<'END'
connect n $nodes order=network
connect a $r order=network
connect b $r order=network
connect c $r order=network
fence c
fence a
fence b
send n dest=client:0 forks=2,3,4 key=app payload=x
expect a packet trailing=0 dest=client:2 size=5
expect b packet trailing=@(9|1?|2?) dest=client:3
expect c packet trailing=@([2-5]?) dest=client:4
END
}

@test "pings: bit 63 in its own, 32 bits in pongs, answered for ever" {
	start_stock server --register app --answer --with ping-always
	play <<'END'
connect a $r order=network
repeat 3 send a key=app payload=x
repeat 3 expect a packet timestamp=92233720368*
# a ping of ours: its pong has one, which our pong is to return
send a key=app timestamp=77
expect a pong timestamp=77 latency=[1-9]*
END
	start_stock server --with pong-truncates --with pong-bit-63 \
		--without pong-ping --without pong-payload
	play <<'END'
connect a $r order=network
send a key=app timestamp=4294967298
expect a pong timestamp=9223372036854775810 latency=0 payload=hex:00000000
END
	start_stock server --with plain-behind
	play <<'END'
connect a $r order=network
send a key=app timestamp=1
expect a pong
expect a packet oob=0 payload=behind
END
}

@test "a client: 1,024 forks a packet, a list of one as a plain packet" {
	start_stock server --pcap "$tmp/a.pcap"
	"$tools/stock" client "$plain" <<'END'
send client 0 app x 1-1500
send client 0 app x 9
END
	within eval '[ "$(grep -c ^application "$tmp/stock")" -eq 3 ]'
	try "$decode" -r "$tmp/a.pcap" -o json -Y 'dir == up'
	same "$(jq -sc 'map(.header.forks)' <<<"$output")" '[1024,476,0]'
	same "$(jq -sc '.[2].header.dest' <<<"$output")" 9
}

# ---- the tools

@test "decode: all traffic of a stock proxy, nothing malformed" {
	start_stock proxy --register app --answer --pcap "$tmp/a.pcap" \
		--with plain-behind
	play nodes="$nodes" <<'END'
connect n $nodes order=network
connect a $r order=network
connect b $r order=network
fence b
send a dest=node:1000 key=app payload=hello timestamp=3
await n packet
send n dest=client:0 forks=2,3 key=app payload=x
await b packet key=app
send a dest=client:1 key=app payload=mine
await a packet key=app
await a packet source=1
raw a 00000001 ff
fence a
END
	try "$decode" -r "$tmp/a.pcap"
	same "$status" 0
	[[ $output == *'bytes after the header'* ]]
	[[ $output == *'BlueNet::pong'*'pong  ping'* ]]
	[[ $output == *'ping, ping back'* ]]
	try "$decode" -r "$tmp/a.pcap" -q -z keys -o json
	same "$status" 0
	# what a pong carries is in no average
	jq -e '.rows[] | select(.[0] == "BlueNet::pong") | .[9] == null' \
		<<<"$output"
	jq -e '.rows | all((.[9] // 0) < 1000)' <<<"$output"
}

@test "relay: a stock client, plain and over TLS 1.3, to a node and back" {
	local i option

	start_relay -l 127.0.0.1:0 -L 127.0.0.1:0 --cert "$certs/server.pem" \
		--key "$certs/server.key" --tls-min 1.3
	play_beside <<'END'
join n $r role=node id=7
await n packet key=app bytes=hello*
send n dest=client:$n.source key=app payload=back
await n packet key=app bytes=hello*
send n dest=client:$n.source key=app payload=back
await n packet key=other
END
	within eval '[ "$(metric links "role=\"node\"")" -eq 1 ]'
	for i in 1 2; do
		option=(client "$plain")
		[ "$i" -eq 1 ] || option=(client "$tls" --tls)
		"$tools/stock" "${option[@]}" --with ping-always \
			--register app >"$tmp/client" <<-'END'
				send node 7 app hello
				send hop 0 app x
				send any 0 app x
				send broadcast 0 app x
				send node 7 BlueNet::pong x
				await 1
			END
		grep '^call .* source=7 dest_type=2 .*payload=6261636b' \
			"$tmp/client"
	done
	play <<'END'
join a $r
send a dest=node:7 key=other
END
	played
	# each of its pings was answered, none of them for ever
	[ "$(metric pongs_not_sent_total)" -eq 0 ]
	[ "$(metric errors_sent_total)" -eq 0 ]
}

@test "relay: what a stock client may do wrong harms nobody else" {
	start_relay --metrics 127.0.0.1:0
	play_beside <<'END'
join n $r role=node id=7
await n packet key=app bytes=good*
END
	within eval '[ "$(metric links "role=\"node\"")" -eq 1 ]'
	# forks, forged pongs, an oversize word: refused, dropped, cut
	"$tools/stock" client "$plain" <<-'END'
		send client 0 app x 1-1500
		send node 7 app x 1-3
		send client 1 BlueNet::pong x
		send node 7 app good
	END
	played
	[ "$(metric packets_refused_total not_allowed)" -ge 3 ]
	[ "$(metric pongs_unasked_total)" -ge 1 ]
	printf 'raw 01001000\nawait 1\n' |
		try "$tools/stock" client "$plain"
	within eval '[ "$(metric connections_closed_total oversize)" -eq 1 ]'
}
