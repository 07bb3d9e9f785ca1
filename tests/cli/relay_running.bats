#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# bluenet-relay as one runs it: its options and its configuration, signals,
# metrics, recordings, and a balancer in front.
#
# shellcheck disable=SC2154,SC2016 # what relay.bash sets; scripts of the peer
# shellcheck disable=SC2030,SC2031 # bats runs each test in a process

load relay

# ---- where it listens

@test "port 0 is a port that was free, and it is said" {
	start_relay -l 127.0.0.1:0 -l 127.0.0.1:0
	same "$(grep -c '^bluenet-relay: ready on 127.0.0.1:[1-9]' \
		"$tmp/$pid.out")" 2
	while read -r address; do
		play to="$address" <<<'join a $to'
	done < <(sed -n 's/^bluenet-relay: ready on //p' "$tmp/$pid.out")
}

@test "IPv6" {
	[ -e /proc/net/if_inet6 ] && grep -q ' lo$' /proc/net/if_inet6 ||
		skip "no IPv6 here"
	start_relay -l '[::1]:0'
	[[ $plain == '[::1]:'* ]]
	play r="$plain" <<<'join a $r'
}

@test "a port that is taken: exit 1" {
	start_relay
	relay_says 1 -l "$plain"
	says "$plain"
}

@test "--user: root is given up once the sockets are open" {
	[ "$(id -u)" -eq 0 ] || skip "not root"
	need ps procps
	start_relay --user nobody
	same "$(ps -o user= -p "$pid")" nobody
	play <<<'join a $r'
}

# ---- configuration

@test "--config: every option as a line" {
	cat >"$tmp/relay.conf" <<'END'
# a relay
listen = 127.0.0.1:0
metrics = 127.0.0.1:0
id = 42
name = gate
require-hello = yes
keepalive = 5s
END
	start_relay -l 127.0.0.1:0 --config "$tmp/relay.conf"
	play <<'END'
connect a $r
hello a
expect a welcome relay=42 name=gate keepalive=5000
END
}

@test "--check-config" {
	printf 'listen = 127.0.0.1:0\n' >"$tmp/relay.conf"
	relay_says 0 --check-config --config "$tmp/relay.conf"
	printf 'listen = 10.0.0.1:0\n' >"$tmp/relay.conf"
	relay_says 2 --check-config --config "$tmp/relay.conf"
}

# ---- SIGHUP

@test "SIGHUP: new limits, nobody dropped" {
	printf 'max-connections = 10\n' >"$tmp/relay.conf"
	start_relay --config "$tmp/relay.conf"
	play <<'END'
join a $r
join b $r
run echo 'max-connections = 1' > $tmp/relay.conf; kill -HUP $pid
until grep -q 'msg=.*reload' $err
connect d $r
hello d
await d @(closed|reset|cut|refuse)
send a dest=client:$b.id key=app payload=hello
expect b packet payload=hello
END
}

@test "an id rests before the next one gets it" {
	printf 'id-rest = 1h\nids = 3\n' >"$tmp/conf"
	start_relay --config "$tmp/conf"
	play <<'END'
connect a $r
hello a
expect a welcome id=1
close a
until grep -q 'msg="link down" id=1' $err
connect b $r
hello b
expect b welcome id=2
connect c $r
hello c id=1
expect c welcome id=3
# no other is free
connect d $r
hello d
expect d welcome id=1
run printf 'id-rest = 0ms\nids = 3\n' > $tmp/conf; kill -HUP $pid
until grep -q 'msg=.*reload' $err
close b
until grep -q 'msg="link down" id=2' $err
connect e $r
hello e id=2
expect e welcome id=2
END
}

@test "SIGHUP: a configuration that is wrong leaves the old in force" {
	printf 'max-connections = 10\n' >"$tmp/relay.conf"
	start_relay --config "$tmp/relay.conf"
	play <<'END'
join a $r
run echo 'max-connections = none' > $tmp/relay.conf; kill -HUP $pid
until grep -q 'level=error.*relay.conf:1' $err
join b $r
send a dest=client:$b.id key=app payload=hello
expect b packet payload=hello
END
}

@test "SIGHUP under load" {
	printf 'max-connections = 100\n' >"$tmp/relay.conf"
	start_relay --config "$tmp/relay.conf" --queue 16M
	play <<'END'
mute
join a $r
join n $r role=node id=7
repeat 10 flood a count=500 dest=node:7 key=app payload=size:1000
run kill -HUP $pid
repeat 10 flood a count=500 dest=node:7 key=app payload=size:1000
run kill -HUP $pid
repeat 10000 expect n packet key=app
END
}

# ---- SIGTERM

@test "SIGTERM: drain is told, nobody new, what is queued arrives" {
	start_relay --drain-to other.example:26000 --drain-timeout 1h \
		--queue 8M
	play <<'END'
mute
join a $r
join n $r role=node id=7 rcvbuf=4096
connect stock $r
send stock dest=node:7 key=app
expect n packet
pause n
flood a count=2000 dest=node:7 key=app payload=size:1000
fence a
run kill -TERM $pid
expect a drain where=other.example:26000 seconds=[1-9]*
resume n
repeat 2000 expect n packet key=app size=1000
expect n drain
connect late $r
expect late unreachable
close a
close n
close stock
until ! kill -0 $pid 2>/dev/null
END
}

@test "SIGTERM: who stays is closed between two frames, when it is time" {
	start_relay --drain-timeout 100ms
	play <<'END'
mute
join a $r
join n $r role=node id=7 order=network
connect stock $r
send stock dest=node:7 key=app
expect n packet
run kill -TERM $pid
expect a drain
expect n drain
expect n closed
expect a closed
expect stock closed
END
}

# The fences say that it was read: by now it may be between two threads.
@test "SIGINT: what was read for another thread's link arrives" {
	start_relay --threads 2 --queue 8M
	play <<'END'
mute
join a $r
join b $r
join c $r
join n $r role=node id=7
flood a count=400 dest=node:7 key=app payload=size:1000
flood b count=400 dest=node:7 key=app payload=size:1000
flood c count=400 dest=node:7 key=app payload=size:1000
fence a
fence b
fence c
run kill -INT $pid
repeat 1200 expect n packet key=app size=1000
expect n drain
expect n closed
expect a drain
expect a closed
END
}

@test "SIGTERM: who does not read is not waited for longer than told" {
	start_relay --drain-timeout 500ms --queue 8M
	play <<'END'
mute
join a $r
join n $r role=node id=7 rcvbuf=4096
pause n
flood a count=5000 dest=node:7 key=app payload=size:1000
fence a
run kill -TERM $pid
await a drain
await a closed
until ! kill -0 $pid 2>/dev/null
END
}

@test "SIGTERM: --drain-timeout is the time of all of it" {
	local begun

	start_relay --drain-timeout 4s --queue 8M
	# they stay, and one does not even read
	play_beside <<'END'
mute
join a $r
join n $r role=node id=7 rcvbuf=4096
pause n
flood a count=5000 dest=node:7 key=app payload=size:1000
fence a
run touch $tmp/there
await a closed
END
	within test -e "$tmp/there"
	begun=$(now_ms)
	kill -TERM "$pid"
	ends_in_time "$pid"
	# it was twice of that
	[ $(($(now_ms) - begun)) -lt 6500 ]
	[ $(($(now_ms) - begun)) -ge 2000 ]
}

now_ms() {
	echo "${EPOCHREALTIME%???}" | tr -d .
}

@test "SIGTERM: peers are told one after the other, and all are told" {
	start_relay --drain-timeout 1h --drain-spread 15m
	play <<'END'
join a $r
join b $r
join c $r
run kill -TERM $pid
until grep -q msg=draining $err
# their turn is in minutes
expect-none a
expect-none b
expect-none c
run kill -TERM $pid
expect a drain
expect a closed
expect b drain
expect c drain
END
}

@test "--log-format json: every line is an object" {
	start_relay --log-format json
	play <<'END'
join a $r name=a\u0022\u000a{
close a
until grep -q 'link down' $err
END
	stop_relay "$pid"
	jq -e -s 'all(.[]; .time and .level and .msg) and
		any(.[]; .msg == "link up" and .id == 1) and
		any(.[]; .msg == "draining" and .timeout == 10)' "$tmp/$pid.err"
}

@test "nobody reads standard error: the relay works on, and ends" {
	mkfifo "$tmp/full"
	exec 8<>"$tmp/full"
	# the whole of a pipe
	head -c 65536 /dev/zero >&8
	"$relay" -l 127.0.0.1:0 --metrics 127.0.0.1:0 --log-level debug \
		--drain-timeout 100ms >"$tmp/full.out" 2>&8 8>&- 3>&- &
	pid=$!
	relays+=("$pid")
	: >"$tmp/$pid.err"
	full_is_ready() {
		plain=$(said_ready ready '' "$tmp/full.out")
		metrics=$(said_ready metrics '' "$tmp/full.out")
		[ -n "$plain" ] && [ -n "$metrics" ]
	}
	within full_is_ready
	echo "$metrics" >"$tmp/$pid.metrics"
	play <<'END'
join n $r role=node id=7
join c $r
echo c cookie=1
expect c echo-reply cookie=1
END
	books "$pid"
	stop_relay "$pid"
	exec 8<&-
}

@test "a second SIGTERM ends it at once" {
	start_relay --drain-timeout 1h --queue 8M
	play <<'END'
mute
join a $r
join n $r role=node id=7 rcvbuf=4096
pause n
flood a count=5000 dest=node:7 key=app payload=size:1000
fence a
run kill -TERM $pid
await a drain
run kill -TERM $pid
until ! kill -0 $pid 2>/dev/null
END
}

@test "SIGTERM under load: no frame is cut in the middle" {
	start_relay --drain-timeout 300ms
	play_beside <<'END'
mute
join a $r
join n $r role=node id=7
repeat 100 flood a count=500 dest=node:7 key=app payload=size:1000
# an end in the middle of one would be `cut`
await n closed
END
	within busy
	kill -TERM "$pid"
	played
}

busy() {
	[ "$(metric packets_forwarded_total)" -ge 1000 ]
}

# ---- looking into it

@test "promtool has no objection to the metrics" {
	need promtool prometheus
	start_relay
	play <<'END'
join a $r
join n $r role=node id=7
send a dest=node:7 key=app
expect n packet
send a dest=node:8 key=app
expect a error code=3
run curl -sS http://$$metrics/metrics | promtool check metrics
END
}

@test "the counters count" {
	start_relay
	play <<'END'
join a $r
join n $r role=node id=7
until [ $$(metric links 'role="client"') = 1 ]
until [ $$(metric links 'role="node"') = 1 ]
flood a count=10 dest=node:7 key=app payload=size:100
collect total=10 n:packet
until [ $$(metric packets_forwarded_total) = 10 ]
flood a count=5 dest=node:8 key=app
collect total=5 a:error
until [ $$(metric packets_refused_total) = 5 ]
END
}

@test "/healthz" {
	start_relay
	same "$(curl -sS -o /dev/null -w '%{http_code}' \
		"http://$metrics/healthz")" 200
	same "$(curl -sS -o /dev/null -w '%{http_code}' \
		"http://$metrics/nothing")" 404
	same "$(curl -sS -o /dev/null -w '%{http_code}' -X POST \
		"http://$metrics/metrics")" 405
}

@test "/links: every link, as JSON" {
	start_relay
	play <<'END'
join a $r name=pilot codecs=zlib
join n $r role=node id=7 name=jita
send a dest=node:7 key=app payload=size:100
expect n packet
connect s $r
send s dest=node:7 key=app
expect n packet
run curl -sS http://$$metrics/links > $tmp/links
END
	jq . "$tmp/links"
	same "$(jq '[.. | objects | select(has("role"))] | length' \
		"$tmp/links")" 3
	same "$(jq -r '.. | objects | select(.name? == "jita") |
		"\(.id) \(.role)"' "$tmp/links")" "7 node"
	jq -e '.. | objects | select(.name? == "pilot") |
		has("address") and has("queue_bytes") and has("latency_us")' \
		"$tmp/links"
}

@test "--capture: bluenet-decode reads what was sent" {
	start_relay --capture "$tmp/relay.pcap"
	play <<'END'
join a $r codecs=zlib
join n $r role=node id=7 order=network
flood a count=20 dest=node:7 key=app payload=size:3000
collect total=20 n:packet
send a dest=node:7 key=app payload=size:5000 codec=zlib
expect n packet codec=none
send n dest=client:$a.id key=app payload=done
expect a packet payload=done
END
	stop_relay "$pid"
	"$decode" -r "$tmp/relay.pcap" -p any -o json --payload hex \
		>"$tmp/frames"
	# up: 20 + 1 read and as many written
	same "$(jq -r 'select(.type == "frame") |
		select(.header.serial > 0) | .header.serial' "$tmp/frames" |
		sort -n | uniq -c | awk '{ print $1 }' | sort -u)" 2
	same "$(jq -r 'select(.type == "frame") | .payload' "$tmp/frames" |
		grep -c '^646f6e65$')" 2
}

@test "--capture: TLS is in it decrypted, and it rotates" {
	make_certificates
	start_relay -l 127.0.0.1:0 -L 127.0.0.1:0 --cert "$certs/server.pem" \
		--key "$certs/server.key" --capture "$tmp/relay.pcap" \
		--capture-size 64K --capture-files 2
	play <<'END'
mute
join a $t tls insecure
join n $r role=node id=7
flood a count=200 dest=node:7 key=app payload=size:3000
collect total=200 n:packet
END
	stop_relay "$pid"
	[ "$(find "$tmp" -name 'relay.pcap*' | wc -l)" -le 2 ]
	for file in "$tmp"/relay.pcap*; do
		[ "$(stat -c %s "$file")" -le 70000 ]
		same "$(stat -c %a "$file")" 600
	done
	for file in "$tmp"/relay.pcap*; do
		"$decode" -r "$file" -p any -o json || [ $? -eq 3 ]
	done | jq -e -s 'any(.type == "frame" and .header.serial > 0)'
}

# ---- in front of it

connects() {
	(: <"/dev/tcp/${1/://}") 2>/dev/null
}

@test "PROXY protocol v2, of haproxy" {
	need haproxy haproxy
	start_relay --proxy-protocol 127.0.0.1/32
	front=$own:26001
	cat >"$tmp/haproxy.cfg" <<END
defaults
	mode tcp
	timeout connect 10s
	timeout client 60s
	timeout server 60s
frontend f
	bind $front
	default_backend b
backend b
	server s $plain send-proxy-v2
END
	haproxy -db -q -f "$tmp/haproxy.cfg" >"$tmp/haproxy.err" 2>&1 3>&- &
	children+=($!)
	within connects "$front"
	play front="$front" <<'END'
join a $front
join b $front
send a dest=client:$b.id key=app payload=hello
expect b packet payload=hello source=$a.id
# what comes through a balancer is not local, so not open
connect n $front
hello n role=node id=7
expect n refuse code=2
# and without the header it is cut
connect x $r
hello x
await x @(closed|reset|cut)
END
}

# A header of version 2: TCP over IPv4, from 203.0.113.9:1234.
proxy_header=0d0a0d0a000d0a515549540a2111000c
proxy_header+=cb007109cb00710a04d26590

@test "PROXY protocol v2: the address that it says is the peer's" {
	start_relay --proxy-protocol 127.0.0.1/32 --max-per-address 1
	play header="$proxy_header" <<'END'
connect a $r
raw a $header
hello a name=proxied
expect a welcome
run curl -sS http://$$metrics/links | grep -q 203.0.113.9
connect b $r
raw b $header
hello b
await b @(closed|reset|cut|refuse)
END
}

@test "PROXY protocol: not of whom we do not trust" {
	start_relay --proxy-protocol 192.0.2.1/32
	play header="$proxy_header" <<'END'
connect a $r
raw a $header
await a @(closed|reset|cut)
join b $r
END
}

@test "PROXY protocol: a header that comes a byte at a time, or never" {
	start_relay --proxy-protocol 127.0.0.1/32 --handshake-timeout 500ms \
		--hello-timeout 1h
	play <<'END'
connect a $r
raw a 0d0a0d0a00
await a @(closed|reset|cut)
connect b $r
raw b 0d0a0d0a00
flush b
raw b 0d0a51554954
raw b 0a2111000c cb007109
raw b cb00710a04d26590
hello b
expect b welcome
END
}
