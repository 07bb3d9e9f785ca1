#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# SIGHUP: every option that a reload may change takes effect. The options are
# those of the RELOAD list of the manual, which a unit test compares with the
# table; each has a function reload_NAME here, so that none can be forgotten.
#
# shellcheck disable=SC2154,SC2016 # what relay.bash sets; scripts of the peer
# shellcheck disable=SC2030,SC2031,SC2317 # bats; the functions of the table

load relay

setup_file() {
	make_certificates
}

# begin LINE...: a relay with this configuration, with TLS too.
begin() {
	configure "$@"
	start_relay -l 127.0.0.1:0 -L 127.0.0.1:0 --config "$tmp/conf"
}

configure() {
	printf '%s\n' "cert = $certs/server.pem" "key = $certs/server.key" \
		"$@" >"$tmp/conf"
}

# again LINE...: with this one from now on.
again() {
	configure "$@"
	signal_again
}

signal_again() {
	local before

	before=$(metric reloads_total 'result="ok"')
	kill -HUP "$pid"
	within reloaded "$before"
}

reloaded() {
	[ "$(metric reloads_total 'result="ok"')" -gt "$1" ]
}

counted() {
	[ "$(metric "$@")" -ge 1 ]
}

# closed REASON: within the time
closed() {
	within counted connections_closed_total "reason=\"$1\""
}

# token NAME ID FILE: a new one; its line goes to FILE, it is printed.
token() {
	"$relay" --make-token "$2" "$1" >"$tmp/token"
	grep "^$2 $1 " "$tmp/token" >>"$3"
	grep "^$1[.]" "$tmp/token"
}

# ---- one function an option

connect_until_refused() {
	play <<<'connect a $r' || true
	counted accepts_refused_total "reason=\"$1\""
}

reload_accept_rate() {
	begin 'accept-rate = 0'
	again 'accept-rate = 1'
	within connect_until_refused rate
}

reload_ca() {
	begin
	play <<'END'
connect n $t tls insecure cert=$c/node7.pem key=$c/node7.key
hello n role=node id=7
await n refuse code=2
END
	again "ca = $certs/ca.pem"
	configure "ca = $certs/other.pem"
	cp "$tmp/conf" "$tmp/other"
	configure "ca = $certs/ca.pem"
	play <<'END'
join n $t tls insecure role=node id=7 cert=$c/node7.pem key=$c/node7.key
join a $t tls insecure
run cp $tmp/other $tmp/conf; kill -HUP $pid
await n refuse code=2
await n closed
echo a cookie=1
expect a echo-reply cookie=1
END
	closed revoked
	grep -q 'reason="the certificate is no longer accepted: ' "$tmp/$pid.err"
}

# A file that is no list changes nothing; who is on the list goes.
reload_crl() {
	begin "ca = $certs/ca.pem"
	cp "$certs/crl.pem" "$tmp/crl.pem"
	again "ca = $certs/ca.pem" "crl = $tmp/crl.pem"
	play <<'END'
join n $t tls insecure role=node id=7 cert=$c/node7.pem key=$c/node7.key
join m $t tls insecure role=node id=9 cert=$c/any.pem key=$c/any.key
run cp $c/ca.pem $tmp/crl.pem; kill -HUP $pid
until grep -q 'msg="not reloaded, .*revocation list' $err
echo n cookie=1
expect n echo-reply cookie=1
run cp $c/crl7.pem $tmp/crl.pem; kill -HUP $pid
await n refuse code=2
await n closed
echo m cookie=2
expect m echo-reply cookie=2
connect n $t tls insecure cert=$c/node7.pem key=$c/node7.key
await n @(tls-failed|reset|cut)
join b $t tls insecure role=node id=9 cert=$c/any.pem key=$c/any.key
END
	closed revoked
	same "$(metric connections_closed_total 'reason="revoked"')" 1
	grep -q 'reason="the certificate is no longer accepted: certificate revoked' "$tmp/$pid.err"
}

served_by() {
	openssl s_client -connect "$tls" -CAfile "$certs/ca.pem" </dev/null \
		2>/dev/null | grep -c "CN *= *$1\$" || true
}

reload_cert() {
	begin
	same "$(served_by server2)" 0
	printf '%s\n' "cert = $certs/server2.pem" "key = $certs/server2.key" \
		>"$tmp/conf"
	signal_again
	[ "$(served_by server2)" -ge 1 ]
}

reload_key() { # of the same name, with other contents
	cp "$certs"/server{,2}.{key,pem} "$tmp"
	printf '%s\n' "cert = $tmp/server.pem" "key = $tmp/server.key" \
		>"$tmp/conf"
	start_relay -L 127.0.0.1:0 --config "$tmp/conf"
	same "$(served_by server2)" 0
	cp "$tmp/server2.pem" "$tmp/server.pem"
	cp "$tmp/server2.key" "$tmp/server.key"
	signal_again
	[ "$(served_by server2)" -ge 1 ]
}

reload_client_tokens() {
	begin
	play <<<'join a $r'
	touch "$tmp/tokens"
	again "client-tokens = $tmp/tokens"
	play <<'END'
connect a $r
hello a
await a refuse code=2
END
}

reload_tokens() {
	local market

	touch "$tmp/tokens"
	market=$(token market 7 "$tmp/tokens")
	begin
	play market="$market" <<'END'
connect n $t tls insecure
hello n role=node id=7 token=$market
await n refuse code=2
END
	again "tokens = $tmp/tokens"
	play market="$market" <<<'join n $t tls insecure role=node id=7 token=$market'
}

reload_keep_revoked() {
	local market

	market=$(token market 7 "$tmp/tokens")
	begin "tokens = $tmp/tokens"
	touch "$tmp/none"
	cp "$tmp/conf" "$tmp/was"
	configure "tokens = $tmp/none" 'keep-revoked = yes'
	cp "$tmp/conf" "$tmp/keep"
	configure "tokens = $tmp/none"
	cp "$tmp/conf" "$tmp/revoke"
	cp "$tmp/was" "$tmp/conf"
	play market="$market" <<'END'
join n $t tls insecure role=node id=7 token=$market
join a $r
run cp $tmp/keep $tmp/conf; kill -HUP $pid
until grep -q 'msg=.*reloaded' $err
echo n cookie=1
expect n echo-reply cookie=1
run cp $tmp/revoke $tmp/conf; kill -HUP $pid
await n refuse code=2
await n closed
echo a cookie=2
expect a echo-reply cookie=2
END
	closed revoked
}

reload_drain_timeout() {
	begin 'drain-timeout = 1h'
	again 'drain-timeout = 50ms'
	play <<'END'
join a $r
run kill -TERM $pid
await a closed
until ! kill -0 $pid 2>/dev/null
END
}

# A quarter of an hour would be waited for before everybody is told.
reload_drain_spread() {
	begin 'drain-timeout = 1h' 'drain-spread = 15m'
	again 'drain-timeout = 1h' 'drain-spread = 0s'
	play <<'END'
join a $r
join b $r
join n $r role=node id=7
run kill -TERM $pid
await a drain
await b drain
await n drain
END
}

reload_drain_to() {
	begin 'drain-to = here'
	again 'drain-to = there'
	play <<'END'
join a $r
run kill -TERM $pid
await a drain where=there
END
}

reload_frame_timeout() {
	begin 'frame-timeout = 1h'
	again 'frame-timeout = 50ms'
	play <<'END'
join a $r
raw a 10000000 00
await a @(closed|reset|cut)
END
	closed frame_timeout
}

reload_handshake_timeout() {
	begin 'handshake-timeout = 1h'
	again 'handshake-timeout = 50ms'
	play <<'END'
connect a $t
await a @(closed|reset|cut)
END
	closed handshake_timeout
}

reload_hello_timeout() {
	begin 'hello-timeout = 1h'
	again 'hello-timeout = 50ms'
	play <<'END'
connect a $r
await a @(closed|reset|cut)
END
	closed hello_timeout
}

reload_id_rest() { # of what leaves from then on
	begin 'id-rest = 1h'
	configure 'id-rest = 0s'
	play <<'END'
join a $r
run kill -HUP $pid
until grep -q 'msg=.*reloaded' $err
close a
until grep -q 'msg="link down" id=1' $err
connect b $r
hello b
expect b welcome id=1
END
}

reload_log_level() {
	begin 'log-level = info'
	again 'log-level = error'
	play <<<'join quiet $r name=quiet'
	again 'log-level = info'
	play <<<'join loud $r name=loud'
	within grep -q 'link down.*name=loud' "$tmp/$pid.err"
	run ! grep 'name=quiet' "$tmp/$pid.err"
}

reload_verbose() {
	begin 'log-level = error'
	again 'log-level = error' 'verbose = yes'
	play <<<'join loud $r name=loud'
	within grep -q 'link down.*name=loud' "$tmp/$pid.err"
}

reload_max_connections() {
	begin 'max-connections = 100'
	again 'max-connections = 1'
	play <<'END'
join a $r
connect b $r
await b @(closed|reset|cut)
END
	counted accepts_refused_total 'reason="total"'
}

reload_reserve_nodes() {
	begin 'max-connections = 3' 'reserve-nodes = 0'
	configure 'max-connections = 3' 'reserve-nodes = 2'
	play <<'END'
join a $r
run kill -HUP $pid
until grep -q 'msg=.*reloaded' $err
connect b $r
hello b
await b refuse code=5
await b closed
join n $r role=node id=7
join m $r role=node id=8
END
	closed limit
}

reload_max_per_address() {
	begin 'max-per-address = 0'
	again 'max-per-address = 1'
	play <<'END'
join a $r
connect b $r
await b @(closed|reset|cut)
END
	counted accepts_refused_total 'reason="address"'
}

reload_memory() {
	begin 'memory = 1G' 'queue = 1M'
	again 'memory = 1M' 'queue = 1M'
	play <<'END'
mute
join a $r
join n $r role=node id=7 rcvbuf=4096
join m $r role=node id=8 rcvbuf=4096
pause n
pause m
flood a count=6000 dest=node:7 key=app payload=size:1000
flood a count=6000 dest=node:8 key=app payload=size:1000
until [ $$(metric packets_refused_total 'reason="memory"') -ge 1 ]
resume n
resume m
END
}

# Nodes have no rate.
reload_client_rate() {
	begin 'client-rate = 0'
	again 'client-rate = 3'
	play <<'END'
mute
join a $r
join b $r
join n $r role=node id=7
flood a count=50 dest=node:7 key=app payload=hello
await a error code=5 dest=node:7 key=app
flood n count=50 dest=client:$b.id key=app payload=hello
collect total=50 b:packet
END
	counted packets_refused_total 'reason="client_rate"'
}

reload_client_bytes() {
	begin
	again 'client-bytes = 10K'
	play <<'END'
mute
join a $r
join n $r role=node id=7
flood a count=100 dest=node:7 key=app payload=size:1000
await a error code=5 dest=node:7 key=app
END
	counted packets_refused_total 'reason="client_bytes"'
}

reload_key_rate() {
	begin
	again 'key-rate = app=2' 'key-rate = other=3'
	play <<'END'
mute
join a $r
join n $r role=node id=7
flood a count=100 dest=node:7 key=free payload=hello
collect total=100 n:packet
flood a count=50 dest=node:7 key=app payload=hello
await a error code=5 dest=node:7 key=app
END
	counted packets_refused_total 'reason="key_rate"'
}

# All arrives, though ten of them are as many as a second has room for.
reload_client_excess() {
	begin 'client-rate = 10'
	again 'client-rate = 10' 'client-excess = pause'
	play <<'END'
mute
join a $r
join n $r role=node id=7
flood a count=14 dest=node:7 key=app payload=hello
collect total=14 n:packet
END
	counted rate_pauses_total
	same "$(metric packets_refused_total)" 0
}

reload_overload() {
	begin 'queue = 64K' 'overload = refuse'
	again 'queue = 64K' 'overload = cut'
	play <<'END'
mute
join a $r role=node id=8
join n $r role=node id=7 rcvbuf=4096
pause n
flood a count=20000 dest=node:7 key=app payload=size:1000
until [ $$(metric connections_closed_total 'reason="overload"') = 1 ]
END
}

# The links are up before the queue grows: what the sockets hold comes on top.
reload_queue() {
	begin 'queue = 64K'
	configure 'queue = 64M'
	play <<'END'
mute
join a $r
join n $r role=node id=7 rcvbuf=4096
pause n
run kill -HUP $pid
until [ $$(metric reloads_total 'result="ok"') = 1 ]
flood a count=20000 dest=node:7 key=app payload=size:1000
until [ $$(metric packets_forwarded_total 'dest="node"') = 20000 ]
resume n
collect total=20000 n:packet
END
	same "$(metric packets_refused_total)" 0
}

# ---- the table

reloadable() {
	sed -n '/RELOAD: /,/RELOAD END/p' "$root/man/bluenet-relay.1" |
		tr -s ' ,' '\n' | sed -n 's/^-\([a-z]\)/\1/p'
}

@test "SIGHUP: every option that may change takes effect" {
	local name failed=''

	[ "$(reloadable | wc -l)" -ge 19 ]
	for name in $(reloadable); do
		[ "$(type -t "reload_${name//-/_}")" = function ] ||
			failed+=" $name (no function here)"
	done
	same "$failed" ''
	for name in $(reloadable); do
		echo "--$name"
		"reload_${name//-/_}"
		books "$pid"
		stop_relay "$pid"
	done
}
