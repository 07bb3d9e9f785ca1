#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# bluenet-relay among peers that lie, stall, flood and die.
#
# shellcheck disable=SC2154,SC2016 # what relay.bash sets; scripts of the peer

load relay

# ---- bytes that are no frames

@test "a frame over the limit cuts its connection, and no other" {
	start_relay
	play <<'END'
join a $r
join b $r
# 1048577 bytes, and not one of them is waited for
raw a 01001000
await a @(closed|reset|cut)
join c $r order=network
raw c 00100001
await c @(closed|reset|cut)
send b key=bluenet.discard payload=size:1048000
echo b cookie=1
expect b echo-reply cookie=1
until [ $$(metric connections_closed_total 'oversize') = 2 ]
END
}

@test "--max-frame" {
	start_relay --max-frame 1000
	play <<'END'
connect a $r
hello a
expect a welcome maxframe=1000
send a key=bluenet.discard payload=size:900
echo a cookie=1
expect a echo-reply cookie=1
send a key=bluenet.discard payload=size:1000
await a @(closed|reset|cut)
END
}

@test "a frame that a destination does not take is code 6" {
	start_relay
	play <<'END'
join n $r role=node id=7
join small $r maxframe=500
send n dest=client:$small.id key=app payload=hex:07000000000000000000
expect small packet size=10
send n dest=client:$small.id key=app payload=size:600
expect n error code=6 dest=client:$small.id
# what would fit only as it came
send n dest=client:$small.id key=app payload=size:5000 codec=zlib
expect n error code=6
expect-none small via=n
END
}

@test "bit 31, and both codecs, are malformed" {
	start_relay
	play <<'END'
join a $r
join b $r
raw a 04000080 00000000
await a @(closed|reset|cut)
join c $r
raw c 04000060 00000000
await c @(closed|reset|cut)
join d $r
# the out-of-band section is longer than the frame
raw d 08000010 05000000 00000000
await d @(closed|reset|cut)
echo b cookie=1
expect b echo-reply cookie=1
until [ $$(metric connections_closed_total 'malformed') = 3 ]
END
}

@test "a client of the worked example gets through" {
	start_relay
	play <<'END'
join n $r role=node id=7
join m $r role=node id=8 order=network
connect s $r
connect w $r order=network
raw s 11000010 09000000 2041cefff0bf810100 70696e67
expect n packet key=bluenet.echo payload=ping dest=node:7
raw w 10000011 00000009 2041cefff0bf810100 70696e67
expect n packet key=bluenet.echo payload=ping
raw s 1d000030 09000000 2041cefff0bf810100 28000000 789c4b4c240e000036eb0f29
expect n packet codec=none size=40
END
}

@test "every hostile stream of the fixtures: the relay and its links live on" {
	start_relay
	for file in "$fixtures"/hostile/*.frames; do
		echo "$file"
		play file="$file" <<'END'
mute
join a $r
join n $r role=node id=7
connect x $r
raw x file=$file
halfclose x
await x @(closed|cut|reset|bad)
join y $r order=network
raw y file=$file
reset y
echo a dest=node:7 cookie=1
await n echo
END
	done
}

@test "session messages with bodies that are none" {
	start_relay
	play <<'END'
join a $r
send a key=bluenet.echo payload=hex:ff
await a error code=7 key=bluenet.echo
send a key=bluenet.roster payload=hex:07ffffffff
await a error code=7 key=bluenet.roster
join n $r role=node
send n key=bluenet.register
await n error code=7 key=bluenet.register
connect h $r
send h key=bluenet.hello payload=hex:ff
await h @(refuse|closed|cut|reset)
# those that only a relay sends
send a key=bluenet.welcome payload=size:50
send a key=bluenet.drain
send a key=bluenet.refuse
send a key=bluenet.hello payload=hex:00
echo a cookie=1
await a @(echo-reply|closed|refuse)
END
}

# ---- compression

@test "a zlib bomb is passed on as it is: the relay does not inflate" {
	start_relay
	play <<'END'
mute
join a $r codecs=zlib
join b $r codecs=zlib
send a dest=client:$b.id key=app payload=size:15000000 codec=zlib
expect b packet codec=zlib payload=size:15000000
run [ $$(metric inflated_for_peer_total) = 0 ]
END
}

@test "a zlib bomb for one without zlib, or for the relay: an error" {
	start_relay --max-payload 1M
	play <<'END'
mute
join a $r codecs=zlib
join b $r
send a dest=client:$b.id key=app payload=size:15000000 codec=zlib
expect a error code=@(6|7) dest=client:$b.id key=app
expect-none b via=a
send a dest=hop key=bluenet.echo payload=size:15000000 codec=zlib
expect a error code=@(6|7) key=bluenet.echo
echo a cookie=1
expect a echo-reply cookie=1
END
}

@test "for the relay nothing is inflated to more than a frame" {
	start_relay --max-frame 64k
	play <<'END'
mute
join a $r codecs=zlib,snappy
join b $r codecs=none
repeat 3 send a dest=hop key=bluenet.discard payload=size:70000 codec=zlib
repeat 3 expect a error code=6 key=bluenet.discard
send a dest=hop key=bluenet.discard payload=size:60000 codec=snappy
send a dest=client:$b.id key=app payload=size:60000 codec=snappy
expect b packet codec=none payload=size:60000
until [ $$(metric packets_local_total 'key="discard"') = 1 ]
until [ $$(metric packets_refused_total 'reason="too_large"') = 3 ]
END
}

# ---- peers that stall

@test "half-open: no first packet, no hello" {
	start_relay --hello-timeout 300ms
	play <<'END'
connect silent $r
connect half $r
# a frame of which the end never comes
raw half 40000010 0900
join good $r
await silent @(closed|reset|cut|refuse)
await half @(closed|reset|cut|refuse)
echo good cookie=1
expect good echo-reply cookie=1
until [ $$(metric links) = 1 ]
END
}

@test "half-open: no TLS handshake" {
	make_certificates
	start_relay -L 127.0.0.1:0 --cert "$certs/server.pem" \
		--key "$certs/server.key" --handshake-timeout 300ms \
		--hello-timeout 1h
	# a plain connection to the TLS port says nothing
	play <<'END'
connect silent $t
await silent @(closed|reset|cut)
connect some $t
raw some 160301
await some @(closed|reset|cut)
join good $t tls insecure
END
}

@test "a frame that does not go on is cut off" {
	start_relay --frame-timeout 300ms
	play <<'END'
join a $r
raw a 40000010 0900
await a @(closed|reset|cut)
END
}

@test "a peer that said hello and is silent is cut, one that answers is not" {
	start_relay --keepalive 1s
	play <<'END'
join silent $r nopong
join good $r
await good keepalive
await silent @(closed|reset|cut)
await good keepalive
await good keepalive
echo good cookie=1
expect good echo-reply cookie=1
until [ $$(metric links) = 1 ]
END
}

# ---- peers that do not read

@test "a slow reader, refuse: each packet arrives or is told of, in order" {
	start_relay --overload refuse --queue 256K
	play <<'END'
mute
join a $r
join n $r role=node id=7 rcvbuf=4096
join o $r role=node id=8
pause n
flood a count=20000 dest=node:7 key=app payload=size:1000
fence a
# others do not notice
send a dest=node:8 key=app payload=hello
expect o packet payload=hello
resume n
collect total=20000 n:packet a:error
check $a.error > 100
check $n.packet > 10
until [ $$(metric packets_refused_total 'overload') = $a.error ]
END
}

@test "a slow reader, pause: all arrives, in order" {
	start_relay --overload pause --queue 64K
	play <<'END'
mute
join a $r
join n $r role=node id=7 rcvbuf=4096
pause n
flood a count=20000 dest=node:7 key=app payload=size:1000
until [ $$(metric pauses_total) -ge 1 ]
resume n
collect total=20000 n:packet a:error
check $n.packet = 20000
END
}

@test "a slow reader, pause: several senders, one of them ends" {
	start_relay --overload pause --queue 64K
	play <<'END'
mute
join a $r
join b $r
join d $r
join n $r role=node id=7 rcvbuf=4096
pause n
flood a count=5000 dest=node:7 key=app payload=size:1000
flood b count=5000 dest=node:7 key=app payload=size:1000
flood d count=5000 dest=node:7 key=app payload=size:1000
until [ $$(metric pauses_total) -ge 2 ]
reset d
resume n
repeat 10000 await n packet source=@($a.id|$b.id)
END
}

@test "a slow reader, pause: it ends, and who waited for it goes on" {
	start_relay --overload pause --queue 64K
	play <<'END'
mute
join a $r
join n $r role=node id=7 rcvbuf=4096
pause n
# so few that its queue holds all errors
flood a count=1000 dest=node:7 key=app payload=size:16000
until [ $$(metric pauses_total) -ge 1 ]
reset n
echo a cookie=1
await a echo-reply cookie=1
END
}

@test "a slow reader, cut: it is cut, and its sender told" {
	start_relay --overload cut --queue 64K
	play <<'END'
mute
join a $r role=node id=8
join n $r role=node id=7 rcvbuf=4096
pause n
flood a count=20000 dest=node:7 key=app payload=size:1000
fence a
resume n
await n @(closed|cut|reset)
await a error code=@(3|5) dest=node:7
until [ $$(metric links 'role="node"') = 1 ]
until [ $$(metric connections_closed_total 'overload') = 1 ]
END
}

@test "a slow reader, pause: who speaks to others too is not paused" {
	start_relay --overload pause --queue 64K
	play <<'END'
mute
join n $r role=node id=7
join a $r rcvbuf=4096
join b $r
pause a
send n dest=client:$a.id key=app payload=hello
send n dest=client:$b.id key=app payload=hello
flood n count=2000 dest=client:$a.id key=app payload=size:1000
send n dest=client:$b.id key=app payload=bye
await b packet payload=bye
until [ $$(metric pauses_total) = 0 ]
END
}

@test "ANY passes over a node whose queue is full; where all are: 5" {
	start_relay --overload refuse --queue 64K
	play <<'END'
mute
join a $r
join n $r role=node id=7 rcvbuf=4096
join m $r role=node id=8
register n app
register m app
fence n
fence m
pause n
flood a count=12000 dest=node:7 key=app payload=size:2000
await a error code=5 dest=node:7
fence a
flood a count=20 dest=any key=app payload=size:3000
collect total=20 m:packet
pause m
flood a count=12000 dest=node:8 key=app payload=size:2000
await a error code=5 dest=node:8
send a dest=any key=app payload=size:3000
await a error code=5 dest=any
END
}

@test "--memory is never passed, however many do not read" {
	start_relay --overload refuse --queue 8M --memory 16M
	play <<'END'
mute
join n $r role=node id=7
repeat 20 join s$i $r rcvbuf=4096
repeat 20 pause s$i
repeat 20 flood n count=100 dest=client:0 forks=1-20 key=app payload=size:10000
fence n
run [ $$(metric memory_reserved_bytes) -le 16777216 ]
until [ $$(metric memory_reserved_bytes) -ge 4194304 ]
await n error code=5
repeat 20 resume s$i
join late $r
echo late cookie=1
expect late echo-reply cookie=1
END
}

@test "--memory is never passed by many half frames either" {
	start_relay --memory 4M
	head -c 100000 /dev/zero >"$tmp/zeros"
	play <<'END'
mute
repeat 100 connect f$i $r
# each is to be a frame of a megabyte, and has a tenth of it
repeat 100 raw f$i ffff0f00
repeat 100 raw f$i file=$tmp/zeros
repeat 100 flush f$i
run [ $$(metric memory_reserved_bytes) -le 4194304 ]
repeat 100 reset f$i
until [ $$(metric connections) = 0 ]
join good $r
echo good cookie=1
expect good echo-reply cookie=1
END
}

# How much of 50 packets from a to n arrives, before and during an attack, is
# compared in one run; nothing here depends on how fast that is.
@test "half frames: others are served as without them, and the holders go" {
	start_relay --memory 16M --threads 2
	head -c 300000 /dev/zero >"$tmp/zeros"
	play <<'END'
mute
join n $r role=node id=7
join a $r
flood a count=50 dest=node:7 key=app payload=size:4000
collect total=50 n:packet
repeat 100 connect f$i $r
repeat 100 raw f$i ffff0f00
repeat 100 raw f$i file=$tmp/zeros
flood a count=50 dest=node:7 key=app payload=size:4000
collect total=50 n:packet
join late $r
echo late cookie=1
expect late echo-reply cookie=1
until [ $$(metric connections_closed_total 'pressure') -ge 1 ]
flood a count=50 dest=node:7 key=app payload=size:4000
collect total=50 n:packet
run [ $$(metric memory_reserved_bytes) -le 16777216 ]
# a node is no victim, whoever held what
send n dest=client:$a.id key=app payload=size:300000
expect a packet size=300000
run [ $$(metric connections_closed_total '"memory"') = 0 ]
run [ $$(metric links 'role="node"') = 1 ]
END
	within grep -q 'msg="memory is short' "$tmp/$pid.err"
}

@test "nobody reads what a node broadcasts: a link that reads is served" {
	start_relay --memory 16M --queue 4M --overload refuse --threads 2
	play <<'END'
mute
join n $r role=node id=7
join m $r role=node id=8
join a $r
flood a count=50 dest=node:8 key=app payload=size:4000
collect total=50 m:packet
repeat 40 join s$i $r rcvbuf=4096
repeat 40 pause s$i
flood n count=300 dest=client:0 forks=2-41 key=app payload=size:10000
fence n
until [ $$(metric copies_refused_total 'reason="memory"') -ge 1 ]
flood a count=50 dest=node:8 key=app payload=size:4000
collect total=50 m:packet
send m dest=client:$a.id key=app payload=size:300000
expect a packet size=300000
run [ $$(metric memory_reserved_bytes) -le 16777216 ]
run [ $$(metric connections_closed_total '"memory"') = 0 ]
run [ $$(metric links 'role="node"') = 2 ]
run curl -s http://$$metrics/healthz | head -n 1 | grep -qx '\(degraded\|ok\)'
run curl -s http://$$metrics/links | jq -e '.largest | length > 0'
END
}

@test "--write-timeout: who reads nothing is cut, who reads slowly is not" {
	start_relay --write-timeout 600ms --queue 1M
	play <<'END'
mute
join a $r
join n $r role=node id=7 rcvbuf=4096
join o $r role=node id=8
pause n
flood a count=2000 dest=node:7 key=app payload=size:1000
flood a count=100 dest=node:8 key=app payload=size:1000
collect total=100 o:packet
until [ $$(metric connections_closed_total 'write_timeout') = 1 ]
run [ $$(metric links 'role="node"') = 1 ]
echo a cookie=1
await a echo-reply cookie=1
END
}

# ---- peers that die

@test "kill -9 of a peer in mid-frame" {
	start_relay
	play <<'END'
join a $r
join n $r role=node id=7
until [ $$(metric links) = 2 ]
END
	run play <<'END'
join n $r role=node id=7
raw n 40000010 0900
die
END
	[ "$status" -eq 137 ]
	play <<'END'
join a $r
until [ $$(metric links) = 1 ]
send a dest=node:7 key=app
expect a error code=3
until [ $$(metric connections_closed_total 'cut') -ge 1 ]
END
}

@test "a peer that resets, and one that half-closes" {
	start_relay
	play <<'END'
join a $r
join x $r
join y $r
reset x
# what it sent before its end is not lost
flood y count=100 dest=client:$a.id key=app
halfclose y
collect total=100 a:packet
expect y closed
until [ $$(metric links) = 1 ]
END
}

@test "destinations that come and go under load" {
	start_relay
	play <<'END'
mute
join a $r
repeat 30 join n$i $r role=node id=7
repeat 30 flood a count=50 dest=node:7 key=app payload=size:2000
fence a
close n30
until [ $$(metric links 'role="node"') = 0 ]
flood a count=50 dest=node:7 key=app payload=size:2000
await a error code=3
END
}

# ---- too many

@test "--max-connections" {
	start_relay --max-connections 3
	play <<'END'
join a $r
join b $r
join c $r
connect d $r
hello d
await d @(closed|reset|cut|refuse)
close a
until [ $$(metric links) = 2 ]
join e $r
END
}

@test "--reserve-nodes: a node comes back, however many clients there are" {
	start_relay --max-connections 20 --reserve-nodes 4
	play <<'END'
mute
join n $r role=node id=7
repeat 16 join a$i $r
connect b $r
hello b
await b refuse code=5
# of the original system
connect s $r
send s dest=node:7 key=app
await s @(closed|reset|cut)
# they say nothing, and have to go
repeat 3 connect x$i $r
close n
until [ $$(metric links 'role="node"') = 0 ]
join n2 $r role=node id=7
repeat 3 await x$i @(closed|reset|cut)
join m $r role=node id=8
close n2
END
	same "$(metric accepts_refused_total)" 0
	[ "$(metric connections_closed_total 'reason="limit"')" -eq 2 ]
}

@test "a stock client that vanished is found out by the kernel" {
	need ss iproute2
	start_relay --keepalive 6s
	play <<'END'
connect s $r
send s dest=hop key=app
until [ $$(metric links) = 1 ]
run ss -Htno state established "src $r" > $tmp/ss
END
	cat "$tmp/ss"
	# the next probe is seconds away, not two hours
	grep -qE 'timer:\(keepalive,[0-9.]+(ms|sec),0\)' "$tmp/ss"
}

@test "--max-per-address" {
	start_relay --max-per-address 2
	play <<'END'
join a $r
join b $r
connect c $r
hello c
await c @(closed|reset|cut|refuse)
END
}

@test "--accept-rate" {
	start_relay --accept-rate 1
	play <<'END'
mute
repeat 20 connect c$i $r
repeat 20 hello c$i
# of 20 at once some were too many
until [ $$(metric accepts_refused_total) -ge 5 ]
END
}

no_links() {
	[ "$(metric links)" -eq 0 ]
}

@test "5000 connections" {
	ulimit -n "$(ulimit -H -n)"
	[ "$(ulimit -n)" = unlimited ] || [ "$(ulimit -n)" -ge 11000 ] ||
		skip "only $(ulimit -n) files allowed"
	start_relay
	play <<'END'
mute
join n $r role=node id=7
repeat 5000 connect c$i $r
repeat 5000 hello c$i name=c$i
repeat 5000 expect c$i welcome
until [ $$(metric links) = 5001 ]
repeat 5000 send c$i dest=node:7 key=app payload=$i
repeat 5000 await n packet
send n dest=broadcast key=app payload=everybody
repeat 5000 expect c$i packet payload=everybody
END
	within no_links
}
