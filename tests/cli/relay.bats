#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# bluenet-relay: where a packet goes, section 4 of the protocol.
#
# shellcheck disable=SC2154,SC2016 # what relay.bash sets; scripts of the peer

load relay

# Two clients and three nodes, of both orders: $a $b, $n $m $o.
cluster() {
	cat <<'END'
join a $r
join b $r order=network
join n $r role=node id=7 name=jita
join m $r role=node id=8 name=amarr order=network
join o $r role=node id=9 name=dodixie
END
	cat
}

# ---- hello

@test "welcome says who the relay is, and what it takes" {
	start_relay --id 42 --name gate --environment staging \
		--keepalive 5s --clients-from 100 --nodes-from 500
	play <<'END'
connect a $r
hello a codecs=zlib,snappy
expect a welcome version=1 id=100 relay=42 codecs=3 keepalive=5000 maxframe=1048576 environment=staging name=gate time=1*
END
}

@test "a script may name fields as the protocol does" {
	start_relay --id 42 --name gate --keepalive 5s
	play <<'END'
connect n $r
hello n role=node wanted_id=7 frame_max_bytes=65536 name=jita
expect n welcome id=7 relay_id=42 keepalive_ms=5000 frame_max_bytes=1048576 relay_name=gate time_ns=1*
check $n.relay_id = 42
register n key=my::key
send n dest=any key=my::key payload=x
expect n packet key=my::key payload=x
roster n roles=2 prefix=jita
expect n roster-reply more=0 entries=7:node:jita
send n dest=client:99 key=my::key
expect n error code=3 dest_type=2 dest=client:99 key=my::key
END
	run play <<'END'
connect a $r
echo a hops=1
END
	[ "$status" -eq 2 ]
	[[ $output == *"line 2: echo cannot set 'hops'"* ]]
}

@test "welcome: the id that a node wants, else the lowest that is free" {
	start_relay --id-rest 0ms
	play <<'END'
join a $r
join b $r
join c $r
check $a.id = 1
check $b.id = 2
check $c.id = 3
close b
join n $r role=node id=77
check $n.id = 77
join m $r role=node
join o $r role=node
# the relay is node 1
check $m.id = 2
check $o.id = 3
until [ $$(metric links 'role="client"') = 2 ]
join d $r
check $d.id = 2
END
}

@test "hello: a version that is not ours is refused with 1" {
	start_relay
	play <<'END'
connect a $r
hello a version=9
expect a refuse code=1
expect a closed
END
}

@test "hello: a role that does not exist is refused" {
	start_relay
	play <<'END'
connect a $r
hello a role=3
expect a refuse code=@(2|4|7)
expect a closed
END
}

@test "a second node of the same id takes its place, code 9" {
	start_relay
	play <<'END'
join old $r role=node id=7
join a $r
join new $r role=node id=7
expect old refuse code=9
expect old closed
send a dest=node:7 key=app payload=hello
expect new packet payload=hello source=$a.id
END
}

# ---- every destination

@test "NODE: to that node, with priority, source and payload" {
	start_relay
	cluster <<'END' | play
send a dest=node:8 key=app payload=ping serial=5
expect m packet key=app dest=node:8 source=$a.id payload=ping priority=1 serial=5 forks=0
send n dest=node:9 key=app payload=size:100000
expect o packet key=app source=7 payload=size:100000 priority=1
expect-none n
expect-none m via=a
expect-none a
END
}

@test "one header many times: as the first, until its destination changes" {
	start_relay
	cluster <<'END' >"$tmp/script"
repeat 8 send a dest=node:8 key=app payload=p$i serial=5 latency=9 source=77
repeat 8 expect m packet key=app dest=node:8 source=$a.id payload=p$i priority=1 serial=5 forks=0 timestamp=0
repeat 8 send b dest=client:$a.id key=app payload=q$i source=77
repeat 8 expect a packet key=app dest=client:$a.id source=$b.id payload=q$i priority=0
repeat 4 send a dest=node:8 key=app payload=p serial=5 latency=9 source=77 timestamp=$i
repeat 4 expect a pong timestamp=$i
repeat 4 expect m packet payload=p serial=5 source=$a.id timestamp=0
repeat 4 send a dest=client:$b.id key=app payload=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa codec=zlib
repeat 4 expect b packet payload=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa source=$a.id
repeat 4 send a dest=node:8 key=bluenet.error payload=p
close m
until [ $$(metric links 'role="node"') = 2 ]
repeat 5 send a dest=node:8 key=app payload=p$i serial=5 latency=9 source=77
repeat 5 expect a error code=3 dest=node:8
join m2 $r role=node id=8 order=little
repeat 5 send a dest=node:8 key=app payload=r$i serial=5 latency=9 source=77
repeat 5 expect m2 packet payload=r$i source=$a.id
join m3 $r role=node id=8 order=network
expect m2 refuse code=9
repeat 5 send a dest=node:8 key=app payload=s$i serial=5 latency=9 source=77
repeat 5 expect m3 packet payload=s$i source=$a.id
expect-none m3 via=a
END
	play <"$tmp/script"
	# and what the last line of the script sends
	[ "$(metric packets_forwarded_total 'dest="node"')" -eq 23 ]
	[ "$(metric packets_forwarded_total 'dest="client"')" -eq 12 ]
	[ "$(metric packets_refused_total)" -eq 9 ]
}

@test "CLIENT: from nodes and from clients" {
	start_relay
	cluster <<'END' | play
send n dest=client:$b.id key=app payload=hello
expect b packet key=app dest=client:$b.id source=7 payload=hello
send a dest=client:$b.id key=app payload=hello
expect b packet key=app source=$a.id payload=hello
expect-none a via=n
END
}

@test "CLIENT from a client, with --no-client-to-client: code 4" {
	start_relay --no-client-to-client
	cluster <<'END' | play
send a dest=client:$b.id key=app payload=hex:0100000000000000
expect a error code=4 dest=client:$b.id key=app cookie=1
send a dest=node:7 key=app payload=x
expect n packet payload=x
send n dest=client:$b.id key=app
expect b packet source=7
END
}

@test "forks: from a node, one copy each" {
	start_relay
	cluster <<'END' | play
send n dest=client:0 forks=$a.id,$b.id key=app payload=size:3000 serial=3
expect a packet key=app source=7 forks=0 dest=client:$a.id payload=size:3000 serial=3
expect b packet key=app source=7 forks=0 dest=client:$b.id payload=size:3000 serial=3
expect-none n
END
}

@test "forks: those that are not there are one error, the first and how many" {
	start_relay
	cluster <<'END' | play
send n dest=client:0 forks=900,$a.id,901,902 key=app payload=hex:0900000000000000
expect a packet source=7
expect n error code=3 dest=client:900 key=app cookie=9 reason=*3*
expect-none n
END
}

@test "forks from a client are refused, code 4" {
	start_relay
	cluster <<'END' | play
send a dest=client:0 forks=$b.id key=app payload=hello
expect a error code=4
expect-none b via=a
END
}

@test "BROADCAST: from a node, to every client and no node" {
	start_relay
	cluster <<'END' | play
connect stock $r
send stock dest=node:9 key=app
expect o packet
send n dest=broadcast key=app payload=size:5000
expect a packet source=7 dest=broadcast payload=size:5000
expect b packet source=7 dest=broadcast payload=size:5000
expect stock packet source=7 payload=size:5000
expect-none n
expect-none m via=n
END
}

@test "BROADCAST with fork ids: a copy for every client, without them" {
	start_relay --threads 2
	cluster <<'END' | play
send n dest=broadcast forks=1-9 key=app payload=hello
expect a packet dest=broadcast forks=0 payload=hello
expect b packet dest=broadcast forks=0 payload=hello
END
}

@test "BROADCAST from a client is refused, code 4" {
	start_relay
	cluster <<'END' | play
send a dest=broadcast key=app payload=hello
expect a error code=4 dest=broadcast
expect-none b via=a
expect-none n via=a
END
}

@test "ANY: to those that registered the key, in turn" {
	start_relay --threads 1
	cluster <<'END' | play
register n any.key
register m any.key
register o other.key
fence n
fence m
fence o
flood a count=6 dest=any key=any.key payload=hello
collect total=6 n:packet m:packet
check $n.packet = 3
check $m.packet = 3
expect-none o via=a
close n
until [ $$(metric links 'role="node"') = 2 ]
flood a count=4 dest=any key=any.key
collect total=4 m:packet
END
}

@test "ANY that nobody registered is code 3" {
	start_relay
	cluster <<'END' | play
send a dest=any key=nobody payload=x
expect a error code=3 dest=any key=nobody
END
}

@test "register is for nodes" {
	start_relay
	cluster <<'END' | play
register a any.key
await a error code=4
send b dest=any key=any.key
expect b error code=3
expect-none a via=b
END
}

@test "no such destination is code 3, with the cookie" {
	start_relay
	cluster <<'END' | play
send a dest=node:99 key=app payload=hex:efcdab8967452301ff
expect a error code=3 dest=node:99 key=app cookie=81985529216486895
send a dest=node:99 key=app payload=short
expect a error code=3 cookie=0
send a dest=node:99 key=app payload=size:100 codec=zlib
expect a error code=3 cookie=0
send n dest=client:99 key=app payload=hex:0200000000000000
expect n error code=3 dest=client:99 cookie=2
send a dest=type:3:7 key=app payload=hex:0300000000000000
expect a error code=@(3|4|7) cookie=3 dest=type:3:7
send a dest=node:-7 key=app payload=hex:0400000000000000
expect a error code=3 cookie=4
END
}

@test "what only a relay says is not passed on" {
	local key

	start_relay
	for key in welcome refuse drain roster-reply; do
		echo "send a dest=client:\$b.id key=bluenet.$key"
		echo "expect a error code=4 key=bluenet.$key"
		echo "send a dest=node:7 key=bluenet.$key"
		echo "expect a error code=4"
		echo "send n dest=client:\$a.id key=bluenet.$key"
		echo "expect n error code=4"
		echo "send n dest=broadcast key=bluenet.$key"
		echo "expect n error code=4"
		echo "send n forks=1,2 dest=client:0 key=bluenet.$key"
		echo "expect n error code=4"
		echo "send a dest=any key=bluenet.$key"
		echo "expect a error code=4"
	done >"$tmp/words"
	{
		printf 'join a $r\njoin b $r\njoin n $r role=node id=7\n'
		cat "$tmp/words"
		printf 'expect-none b via=n\n'
	} | play
	same "$(metric packets_refused_total 'reason="not_allowed"')" 24
}

@test "no error about an error" {
	start_relay
	cluster <<'END' | play
send a dest=node:99 key=bluenet.error payload=hello
expect-none a
END
}

@test "a keyless packet, one of no header and one of a bad header go nowhere" {
	start_relay
	cluster <<'END' | play
send a noheader payload=hello
send a dest=node:7 key=0 payload=hello
raw a 05000010 01000000 ff
expect-none n via=a
until [ $$(metric packets_dropped_total) -ge 1 ]
END
}

# ---- what becomes of the header

@test "source is overwritten, always" {
	start_relay
	cluster <<'END' | play
send a dest=node:7 key=app source=8
expect n packet source=$a.id
send b dest=client:$a.id key=app source=7
expect a packet source=$b.id
send m dest=client:$a.id key=app source=-1
expect a packet source=8
END
}

@test "order of the bytes: between peers of two, compressed too" {
	start_relay
	cluster <<'END' | play
# little to network, and back; the raw size of zlib is in the peer's order
send n dest=node:8 key=app payload=size:50000 serial=1
expect m packet payload=size:50000 serial=1
send m dest=node:7 key=app payload=size:50000 serial=2
expect n packet payload=size:50000 serial=2
join zl $r codecs=zlib,snappy
join zn $r codecs=zlib,snappy order=network
send zl dest=client:$zn.id key=app payload=size:50000 codec=zlib
expect zn packet codec=zlib payload=size:50000
send zn dest=client:$zl.id key=app payload=size:50000 codec=zlib
expect zl packet codec=zlib payload=size:50000
send zl dest=client:$zn.id key=app payload=size:50000 codec=snappy
expect zn packet codec=snappy payload=size:50000
send n dest=client:0 forks=$zl.id,$zn.id key=app payload=size:50000 codec=zlib
expect zl packet codec=zlib payload=size:50000
expect zn packet codec=zlib payload=size:50000
END
}

@test "a codec that the destination did not offer is inflated for it, counted" {
	start_relay
	play <<'END'
join both $r codecs=zlib,snappy
join zlib $r codecs=zlib
join none $r order=network
send both dest=client:$none.id key=app payload=size:5000 codec=zlib
expect none packet codec=none payload=size:5000
send both dest=client:$none.id key=app payload=size:5000 codec=snappy
expect none packet codec=none payload=size:5000
send both dest=client:$zlib.id key=app payload=size:5000 codec=snappy
expect zlib packet codec=@(none|zlib) payload=size:5000
send both dest=client:$zlib.id key=app payload=size:5000 codec=zlib
expect zlib packet codec=zlib payload=size:5000
until [ $$(metric inflated_for_peer_total) = 3 ]
END
}

@test "a zlib payload that is none, for who has no zlib: code 7" {
	start_relay
	cluster <<'END' | play
# to node 7 under bluenet.echo
raw a 15000030 09000000 2041cefff0bf810100 28000000 ffffffff
expect a error code=7 dest=node:7 key=bluenet.echo
expect-none n via=a
END
}

# What it was inflated to must not be taken for the packet after it.
@test "a hello that comes compressed" {
	local hello=890432c894d99501 # a client called eve

	hello+=$(printf '%0800d' 0)
	start_relay --threads 1
	play hello="$hello" <<'END'
join none $r codecs=none nopong
connect eve $r nopong
send eve dest=hop key=bluenet.hello payload=hex:$hello codec=zlib
send eve dest=client:$none.id key=app payload=size:5000 codec=zlib
expect none packet codec=none payload=size:5000
expect eve welcome
END
}

@test "--codecs none: nothing is offered" {
	start_relay --codecs none
	play <<'END'
connect a $r
hello a codecs=zlib,snappy
expect a welcome codecs=0
END
}

@test "order is kept, for each link and destination" {
	start_relay
	cluster <<'END' | play
mute
flood a count=5000 dest=node:7 key=app payload=size:150
flood b count=5000 dest=node:8 key=app payload=size:150
flood n count=5000 dest=node:9 key=app payload=size:150
collect total=5000 n:packet
collect total=5000 m:packet
collect total=5000 o:packet
END
}

# ---- pings

@test "a header ping is answered with a pong" {
	start_relay
	cluster <<'END' | play
send a key=bluenet.discard timestamp=12345
expect a pong timestamp=12345 priority=1 size=4
# 2^63 + 77: and it pings back
send a key=bluenet.discard timestamp=9223372036854775885
expect a pong timestamp=77 priority=1 size=4
END
}

@test "bit 63 of a ping: the relay pings back" {
	start_relay
	play <<'END'
join a $r nopong
send a key=bluenet.discard timestamp=9223372036854775885
await a !(pong) timestamp=[1-9]*
END
}

@test "a ping is for the neighbour: it is cleared on the way" {
	start_relay --ping-interval 1h
	cluster <<'END' | play
# the first pings of the links are over
flood b count=3 dest=node:7 key=app
collect total=3 n:packet
send a dest=node:7 key=app timestamp=12345 payload=x
expect a pong timestamp=12345
expect n packet payload=x timestamp=!(12345)
END
}

@test "a ping without a key is not answered, and its packet dropped" {
	start_relay
	play <<'END'
join a $r
send a key=0 timestamp=12345 serial=1
await a error code=3
expect-none a kind=pong
connect s $r
send s dest=hop key=0 timestamp=12345 serial=1
send s dest=hop key=app timestamp=99
expect s pong timestamp=99
expect-none s kind=pong
until [ $$(metric packets_dropped_total no_key) -eq 2 ]
END
}

@test "a forged pong goes no further, wherever it is to go" {
	start_relay --threads 2
	cluster <<'END' | play
register n app
join c $r role=node id=9 nopong
send a dest=client:$b.id key=BlueNet::pong timestamp=1 latency=1442359 payload=pong
send a dest=node:7 key=BlueNet::pong timestamp=1 latency=7 payload=pong
send a dest=node:1 key=BlueNet::pong timestamp=1 latency=7 payload=pong
send a dest=hop key=BlueNet::pong timestamp=1 latency=7 payload=pong
send a dest=any key=BlueNet::pong timestamp=1 payload=pong
send a dest=type:3:9 key=BlueNet::pong timestamp=1 payload=pong
send n dest=broadcast key=BlueNet::pong timestamp=1 payload=pong
send n dest=client:0 forks=$a.id,$b.id key=BlueNet::pong timestamp=1 payload=pong
send n dest=client:$a.id key=BlueNet::pong timestamp=1 codec=zlib payload=pong
expect-none b via=a kind=pong
expect-none n via=a kind=pong
expect-none a kind=pong
expect-none a via=n kind=pong
expect-none b via=n kind=pong
until [ $$(metric pongs_unasked_total) -eq 9 ]
until [ $$(metric packets_refused_total) -eq 0 ]
# the right answer, once; then it is one too many
await c keepalive timestamp=[1-9]*
send c dest=client:$a.id key=BlueNet::pong timestamp=$c.timestamp payload=pong
fence c
send c dest=client:$a.id key=BlueNet::pong timestamp=$c.timestamp payload=pong
expect-none a via=c kind=pong
until [ $$(metric pongs_unasked_total) -eq 10 ]
END
}

@test "a pong does not set the latency of another link" {
	start_relay
	cluster <<'END' | play
fence b
repeat 9 send a dest=client:$b.id key=BlueNet::pong timestamp=$i
fence b via=a
send n dest=client:$b.id key=app latency=5 payload=x
expect b packet latency=@(5|6|7|8|9|[1-9]?|[1-9]??)
END
}

@test "forks of a client are refused for every kind of destination" {
	start_relay --id 42
	cluster <<'END' | play
register n app
fence n
send a dest=node:7 forks=1,2 key=app payload=hex:0100000000000000
expect a error code=4 dest=node:7 cookie=1
send a dest=any forks=1 key=app payload=hex:0200000000000000
expect a error code=4 dest=any cookie=2
send a dest=client:$b.id forks=1 key=app payload=hex:0300000000000000
expect a error code=4 cookie=3
send a dest=hop forks=1 key=bluenet.discard payload=hex:0400000000000000
expect a error code=4 dest=hop cookie=4
send a dest=node:42 forks=1 key=bluenet.discard payload=hex:0500000000000000
expect a error code=4 dest=node:42 cookie=5
send a dest=broadcast forks=1 key=app payload=hex:0600000000000000
expect a error code=4 dest=broadcast cookie=6
expect-none b via=a
expect-none n via=a
# and a node's go through
send m dest=any forks=1,2 key=app payload=x
expect n packet forks=2 payload=x
END
}

@test "pings: one in --ping-interval, whatever the keepalive; never bit 63" {
	start_relay --keepalive 400ms --ping-interval 1h
	play <<'END'
join a $r
# at 0 s; after that each one and a half keepalives, others without
expect a keepalive timestamp=!(0|9[0-9]*????????????????)
expect a keepalive timestamp=0
expect a keepalive timestamp=!(0|9[0-9]*????????????????)
expect a keepalive timestamp=0
expect a keepalive timestamp=!(0|9[0-9]*????????????????)
END
	stop_relay "$pid"
	start_relay --keepalive 300ms --ping-interval 10ms
	play <<'END'
join a $r
repeat 5 expect a keepalive timestamp=!(0)
END
}

@test "ANY passes over a node that is silent" {
	start_relay --keepalive 1s
	play <<'END'
join n $r role=node nopong
join m $r role=node
join a $r
register n app
register m app
fence m
fence n
flood a count=4 dest=any key=app
collect total=4 n:packet m:packet
check $n.packet = 2
# at 1 period, with a ping at 1.5; then at 2.5
expect n keepalive timestamp=!(0)
expect n keepalive timestamp=0
flood a count=4 dest=any key=app
collect total=4 m:packet
END
}

@test "ANY goes to a node again that was silent" {
	start_relay --keepalive 2s
	play <<'END'
join n $r role=node nopong
join m $r role=node
join a $r
register n app
register m app
fence m
fence n
# at 1 period, with a ping at 1.5; then at 2.5
expect n keepalive timestamp=0
expect n keepalive timestamp=!(0)
expect n keepalive timestamp=0
flood a count=4 dest=any key=app
collect total=4 m:packet
# whatever it sends ends its silence
echo n cookie=7
expect n echo-reply cookie=7
flood a count=4 dest=any key=app
collect total=4 n:packet m:packet
check $n.packet = 2
END
}

@test "a first packet with the key of a hello for another is none" {
	start_relay
	play <<'END'
join n $r role=node
join a $r
connect s $r
send s dest=node:$n.id key=bluenet.hello payload=hex:01
expect n packet key=bluenet.hello payload=hex:01 source=!($a.id)
send n dest=client:$n.source key=app payload=back
# a stock client it is, so no welcome came before
expect s packet key=app payload=back
send s dest=node:77 key=app payload=x
expect-none s
connect t $r
send t dest=any key=bluenet.hello payload=x
expect-none t
END
	[ "$(metric links_opened_total stock)" -eq 2 ] ||
		metric links_opened_total
}

@test "a broadcast that failed on several threads is told of once" {
	start_relay --threads 4
	play <<'END'
join n $r role=node
repeat 12 connect s$i $r
repeat 12 hello s$i maxframe=500
repeat 12 expect s$i welcome
repeat 4 join b$i $r
fence n
send n dest=broadcast key=app payload=size:600 serial=1
repeat 4 expect b$i packet size=600
expect n error code=6 dest=type:4:[1-9]* reason=*12_of_16*
expect-none n
until [ $$(metric copies_refused_total) -eq 12 ]
# more of them than are remembered at a time: all of them are counted
repeat 50 send n dest=broadcast key=app payload=size:600
repeat 50 await n error code=6
until [ $$(metric copies_refused_total) -eq 612 ]
END
}

@test "a stock peer's ping is answered too" {
	start_relay
	play <<'END'
connect a $r
send a dest=hop key=app timestamp=4711
expect a pong timestamp=4711 priority=1 size=4
END
}

@test "latency adds up" {
	start_relay
	cluster <<'END' | play
send a dest=node:7 key=app latency=1000
expect n packet latency=10??
END
}

# ---- stock peers

@test "a stock client: an id, no session messages" {
	start_relay
	play <<'END'
join n $r role=node id=7
connect s $r order=network
send s dest=node:7 key=app payload=hello
expect n packet payload=hello source=1
send n dest=client:1 key=app payload=size:4000 codec=zlib
expect s packet key=app source=7 codec=none payload=size:4000
# nobody there: no error for who did not say hello
send s dest=node:99 key=app payload=hello
expect-none s
until [ $$(metric packets_refused_total) -ge 1 ]
END
}

@test "a stock client is asked once in a while, with a packet for it" {
	start_relay
	play <<'END'
join a $r
connect s $r
send s dest=client:$a.id key=app
expect a packet
send a dest=client:2 key=app payload=1
expect s packet timestamp=[1-9]*
fence s
repeat 5 send a dest=client:2 key=app payload=2
repeat 5 expect s packet timestamp=0
END
}

@test "--require-hello: no stock clients" {
	start_relay --require-hello
	play <<'END'
connect s $r
send s dest=node:7 key=app payload=hello
await s @(closed|cut|reset)
join a $r
END
}

# ---- local applications

@test "echo of the relay, in both layers" {
	start_relay --id 42
	cluster <<'END' | play
echo a cookie=1
expect a echo-reply cookie=1 flags=0 received=1* replied=1*
echo a cookie=2 flags=1
expect a echo-reply cookie=2 flags=1 received=1* replied=1*
echo a dest=node:42 cookie=3
expect a echo-reply cookie=3
echo n dest=node:42 cookie=4 flags=5
expect n echo-reply cookie=4
echo b cookie=5
expect b echo-reply cookie=5
END
}

@test "echo of a node goes through" {
	start_relay
	cluster <<'END' | play
echo a dest=node:7 cookie=1
answer n
expect a echo-reply cookie=1 source=7 n=0
echo m dest=node:7 cookie=2 flags=4
answer n
expect m echo-reply cookie=2 source=7
END
}

@test "--trace: an echo that asks for it says which way it came" {
	start_relay --trace --id 42
	cluster <<'END' | play
echo a dest=node:8 cookie=1 flags=2
expect m echo cookie=1 flags=2 n=1 hops=42
echo a dest=node:8 cookie=2
expect m echo cookie=2 n=0
END
}

@test "without --trace it is passed on as it is" {
	start_relay
	cluster <<'END' | play
echo a dest=node:8 cookie=1 flags=2
expect m echo cookie=1 flags=2 n=0
END
}

@test "roster: by role and by prefix" {
	start_relay --clients-from 100
	play <<'END'
join n $r role=node id=7 name=jita-4
join m $r role=node id=8 name=jita-1
join o $r role=node id=9 name=amarr
join a $r name=jita-fan
roster a roles=2
expect a roster-reply more=0 n=3
roster a roles=2 prefix=jita
expect a roster-reply more=0 n=2 entries=*7:node:jita-4*
roster a roles=1
expect a roster-reply more=0 n=1 entries=100:client:jita-fan
roster a roles=3 prefix=jita
expect a roster-reply more=0 n=3
roster a roles=3 prefix=rens
expect a roster-reply more=0 n=0
END
}

@test "roster: many come in several replies" {
	start_relay
	play <<'END'
mute
repeat 2000 connect c$i $r
repeat 2000 hello c$i name=a-name-that-has-some-length-to-fill-the-replies-with-0123456789-0123456789-0123456789-0123456789-0123456789-0123456789-0123456789-0123456789-0123456789-0123456789-0123456789-0123456789-0123456789-0123456789-$i
repeat 2000 expect c$i welcome
join a $r name=last maxframe=65536
roster a roles=1 prefix=a-name
expect a roster-reply more=1
expect a roster-reply
await a roster-reply more=0
END
}

@test "discard: dropped and counted" {
	start_relay
	play <<'END'
join a $r
flood a count=100 key=bluenet.discard payload=size:500
fence a
until [ $$(metric packets_local_total 'discard') -ge 100 ]
END
}

@test "a key of the relay that nobody has: code 3" {
	start_relay
	play <<'END'
join a $r
send a dest=hop key=nobody payload=hex:0500000000000000
expect a error code=3 cookie=5 key=nobody
send a dest=node:1 key=nobody payload=hex:0600000000000000
expect a error code=3 cookie=6 key=nobody
END
}
