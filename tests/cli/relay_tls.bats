#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# bluenet-relay: TLS, and who gets in.
#
# shellcheck disable=SC2154,SC2016 # what relay.bash sets; scripts of the peer

load relay

setup_file() {
	make_certificates
}

# start_tls [OPTION...]
start_tls() {
	start_relay -L 127.0.0.1:0 --cert "$certs/server.pem" \
		--key "$certs/server.key" "$@"
}

# token NAME ID FILE: a new one; its line goes to FILE, it is printed.
token() {
	"$relay" --make-token "$2" "$1" >"$tmp/token"
	grep "^$(printf %s "$2" | sed 's/[*]/[*]/') $1 " "$tmp/token" >>"$3"
	grep "^$1[.]" "$tmp/token"
}

# ---- TLS itself

@test "TLS 1.3 and TLS 1.2" {
	start_tls
	play <<'END'
join a $t tls ca=$c/ca.pem host=localhost
join b $t tls12 ca=$c/ca.pem host=127.0.0.1 order=network
send a dest=client:$b.id key=app payload=size:100000
expect b packet payload=size:100000 source=$a.id
send b dest=client:$a.id key=app payload=size:300000
expect a packet payload=size:300000
close a
close b
END
}

@test "plain and TLS listeners of one relay reach each other" {
	start_tls -l 127.0.0.1:0
	play <<'END'
join a $r
join b $t tls insecure
send a dest=client:$b.id key=app payload=hello
expect b packet payload=hello
send b dest=client:$a.id key=app payload=hello
expect a packet payload=hello
END
}

@test "--tls-min 1.3: no TLS 1.2" {
	start_tls --tls-min 1.3
	play <<'END'
connect a $t tls12 insecure
expect a @(tls-failed|cut|reset)
join b $t tls insecure
END
}

@test "bytes that are no TLS cut their connection and no other" {
	start_tls
	play <<'END'
join a $t tls insecure
connect x $t
raw x 47455420 2f204854 54502f31 2e310d0a 0d0a
await x @(bad|cut|closed|reset)
connect y $t
raw y 16030100 05010000 0100
reset y
echo a cookie=1
expect a echo-reply cookie=1
END
}

@test "openssl s_client: the name of the protocol, and our certificate" {
	start_tls
	run openssl s_client -connect "$tls" -alpn bluenet/1 \
		-CAfile "$certs/ca.pem" -verify_return_error \
		-verify_ip 127.0.0.1 </dev/null
	[ "$status" -eq 0 ]
	[[ $output == *"ALPN protocol: bluenet/1"* ]]
	[[ $output == *"Verify return code: 0 (ok)"* ]]
	# TLS 1.1 is not spoken
	run ! openssl s_client -connect "$tls" -tls1_1 \
		-cipher 'ALL@SECLEVEL=0' </dev/null
}

@test "sslscan: nothing weak" {
	need sslscan sslscan
	start_tls
	sslscan --no-colour --show-certificate "$tls" >"$tmp/scan"
	cat "$tmp/scan"
	run ! grep -E '(SSLv2|SSLv3|TLSv1\.0|TLSv1\.1) +enabled' "$tmp/scan"
	grep -E 'TLSv1\.2 +enabled' "$tmp/scan"
	grep -E 'TLSv1\.3 +enabled' "$tmp/scan"
	# all with forward secrecy and an AEAD
	run ! grep -E '^(Accepted|Preferred) .*(RC4|DES|CBC|NULL|EXP|MD5|anon)' \
		"$tmp/scan"
	run ! grep -E '^(Accepted|Preferred) +TLSv1\.2 .* (AES|ARIA|CAMELLIA)' \
		"$tmp/scan"
	run ! grep -i 'vulnerable to heartbleed' <(grep -v ' not vulnerable' \
		"$tmp/scan")
	run ! grep -iE 'Insecure session renegotiation|Compression enabled' \
		"$tmp/scan"
}

@test "--keylog: the secrets of a connection, for who captured it" {
	start_tls --keylog "$tmp/keys"
	play <<'END'
join a $t tls insecure
join b $t tls12 insecure
END
	grep -q '^CLIENT_TRAFFIC_SECRET_0 [0-9a-f]\{64\} ' "$tmp/keys"
	grep -q '^CLIENT_RANDOM [0-9a-f]\{64\} ' "$tmp/keys"
	same "$(stat -c %a "$tmp/keys")" 600
}

# ---- nodes

@test "a node with a certificate of our CA gets its id, and no other" {
	start_tls --ca "$certs/ca.pem"
	play <<'END'
join n $t tls insecure cert=$c/node7.pem key=$c/node7.key role=node id=7
connect m $t tls insecure cert=$c/node7.pem key=$c/node7.key
hello m role=node id=8
expect m refuse code=@(2|4)
expect m closed
join a $t tls ca=$c/ca.pem
send a dest=node:7 key=app payload=hello
expect n packet payload=hello
END
}

@test "bluenet:node:* is any id" {
	start_tls --ca "$certs/ca.pem"
	play <<'END'
join n $t tls insecure cert=$c/any.pem key=$c/any.key role=node id=7
join m $t tls insecure cert=$c/any.pem key=$c/any.key role=node id=8
join o $t tls12 insecure cert=$c/any.pem key=$c/any.key role=node
check $m.id = 8
END
}

@test "a certificate without our URI is no node" {
	start_tls --ca "$certs/ca.pem"
	play <<'END'
connect n $t tls insecure cert=$c/none.pem key=$c/none.key
hello n role=node id=7
expect n refuse code=2
expect n closed
END
}

@test "no certificate: no node, but a client" {
	start_tls --ca "$certs/ca.pem"
	play <<'END'
connect n $t tls insecure
hello n role=node id=7
expect n refuse code=2
expect n closed
join a $t tls insecure
END
}

@test "a certificate that has expired, or is of another CA" {
	start_tls --ca "$certs/ca.pem"
	play <<'END'
connect n $t tls insecure cert=$c/expired.pem key=$c/expired.key
hello n role=node id=7
await n @(tls-failed|reset|cut)
connect m $t tls insecure cert=$c/foreign.pem key=$c/foreign.key
hello m role=node id=7
await m @(tls-failed|reset|cut)
connect o $t tls12 insecure cert=$c/expired.pem key=$c/expired.key
await o @(tls-failed|reset|cut)
connect p $t tls12 insecure cert=$c/foreign.pem key=$c/foreign.key
await p @(tls-failed|reset|cut)
join good $t tls insecure cert=$c/node7.pem key=$c/node7.key role=node id=7
until [ $$(metric links) = 1 ]
END
}

@test "a relay with no CA and no tokens takes no node over TLS" {
	start_tls
	play <<'END'
connect n $t tls insecure
hello n role=node id=7
expect n refuse code=2
join a $t tls insecure
END
}

@test "--insecure-nodes takes it" {
	start_tls --insecure-nodes
	play <<'END'
join n $t tls insecure role=node id=7
END
}

@test "what is opened for listeners and metrics opens nothing for nodes" {
	start_tls --insecure-listen --insecure-metrics
	play <<'END'
connect n $t tls insecure
hello n role=node id=7
expect n refuse code=2
expect n closed
END
	grep -q 'open: .*--insecure-listen' "$tmp/$pid.err"
	grep -q 'open: .*--insecure-metrics' "$tmp/$pid.err"
	run ! grep -q 'insecure-nodes' "$tmp/$pid.err"
}

@test "plain loopback is open" {
	start_relay --ca "$certs/ca.pem"
	play <<'END'
join n $r role=node id=7
END
}

@test "a certificate that ends soon, or has ended, is in the log" {
	(cd "$certs" && certificate long ca DNS:localhost 30) 2>/dev/null
	# the chain counts, too
	cat "$certs/server.pem" "$certs/ca.pem" >"$tmp/server.pem"
	cp "$certs/server.key" "$tmp"
	start_relay -L 127.0.0.1:0 --cert "$tmp/server.pem" \
		--key "$tmp/server.key" --ca "$certs/expired.pem"
	within grep -q 'level=warn msg="a certificate ends soon" option=cert in=' \
		"$tmp/$pid.err"
	within grep -q 'level=error msg="a certificate has ended" option=ca ago=' \
		"$tmp/$pid.err"
	cat "$certs/long.pem" "$certs/ca.pem" >"$tmp/server.pem"
	cp "$certs/long.key" "$tmp/server.key"
	kill -HUP "$pid"
	soon() {
		[ "$(grep -c 'ends soon" option=cert' "$tmp/$pid.err")" -eq "$1" ]
	}
	within soon 2
	cp "$certs/long.pem" "$tmp/server.pem"
	kill -HUP "$pid"
	again() {
		[ "$(grep -c 'has ended" option=ca' "$tmp/$pid.err")" -eq "$1" ]
	}
	within again 3
	soon 2
}

@test "a private key that anybody may read is refused, at a reload, too" {
	cp "$certs/server.pem" "$certs/server.key" "$tmp"
	chmod 640 "$tmp/server.key"
	start_relay -L 127.0.0.1:0 --cert "$tmp/server.pem" \
		--key "$tmp/server.key"
	chmod 644 "$tmp/server.key"
	kill -HUP "$pid"
	within grep -q 'not reloaded.*anybody may read it (mode 644)' \
		"$tmp/$pid.err"
	play <<<'join a $t tls insecure'
	relay_says 1 -L 127.0.0.1:0 --cert "$tmp/server.pem" \
		--key "$tmp/server.key"
	says "anybody may read it"
}

# ---- tokens

@test "a node with a token" {
	local market any

	touch "$tmp/tokens"
	market=$(token market 7 "$tmp/tokens")
	any=$(token fleet '*' "$tmp/tokens")
	start_tls --tokens "$tmp/tokens"
	play market="$market" any="$any" <<'END'
join n $t tls insecure role=node id=7 token=$market
connect m $t tls insecure
hello m role=node id=8 token=$market
expect m refuse code=@(2|4)
join f $t tls insecure role=node id=8 token=$any
connect w $t tls insecure
hello w role=node id=9 token=wrong
expect w refuse code=2
expect w closed
connect x $t tls insecure
hello x role=node id=9 token=market.0000000000000000000000000000000000000000000000000000000000000000
expect x refuse code=2
connect y $t tls insecure
hello y role=node id=9
expect y refuse code=2
# the same token takes its own place
join n2 $t tls insecure role=node id=7 token=$market
expect n refuse code=9
expect n closed
END
	# the token is nowhere in what the relay said
	run ! grep -r "${market#*.}" "$tmp"/*.err "$tmp"/*.out
}

@test "who comes to the wrong port: the log says who, and what it looks like" {
	# shows PORT BYTES WHY LOOK: a line with the address of the peer
	shows() {
		exec 7<>"/dev/tcp/127.0.0.1/$1"
		printf %b "$2" >&7
		within grep -qE \
			"connection closed.* peer=127.0.0.1:[0-9]+ why=$3 reason=\"this looks like $4\"" \
			"$tmp/$pid.err"
		exec 7>&-
	}
	start_tls -l 127.0.0.1:0
	shows "${plain##*:}" '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03' oversize TLS
	shows "${plain##*:}" 'GET / HTTP/1.1\r\n\r\n' oversize HTTP
	shows "${plain##*:}" 'SSH-2.0-OpenSSH_9.2\r\n' oversize SSH
	shows "${tls##*:}" 'GET / HTTP/1.1\r\n\r\n' tls HTTP
	shows "${tls##*:}" 'SSH-2.0-OpenSSH_9.2\r\n' tls SSH
	shows "${tls##*:}" 'PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\n' tls "a PROXY header"
	# a handshake that is refused has an address, too
	exec 7<>"/dev/tcp/127.0.0.1/${tls##*:}"
	printf '\x15\x03\x01\x00\x02\x02\x28' >&7
	within grep -qE 'closed.* peer=127.0.0.1:[0-9]+ why=tls reason="?[^t"]' \
		"$tmp/$pid.err"
	exec 7>&-
}

@test "wrong tokens: the address has to wait, and nobody else" {
	local i market script=

	touch "$tmp/tokens"
	market=$(token market 7 "$tmp/tokens")
	start_tls --tokens "$tmp/tokens"
	for i in 1 2 3 4 5 6 7 8 9 10 11; do
		script+="connect w$i \$t tls insecure
hello w$i role=node id=9 token=wrong
expect w$i refuse code=2
"
	done
	script+='connect right $t tls insecure
hello right role=node id=7 token=$market
expect right refuse code=5
expect right closed
'
	play market="$market" <<<"$script"
	backed_off() {
		[ "$(metric connections_closed_total back_off)" = 1 ]
	}
	within backed_off
	grep -q "wrong tokens, so the address has to wait" "$tmp/$pid.err"
}

@test "another's credentials do not take a place" {
	local market

	touch "$tmp/tokens"
	market=$(token market 7 "$tmp/tokens")
	start_tls --tokens "$tmp/tokens" --ca "$certs/ca.pem"
	play market="$market" <<'END'
join n $t tls insecure role=node id=7 token=$market
connect m $t tls insecure cert=$c/node7.pem key=$c/node7.key
hello m role=node id=7
expect m refuse
expect m closed
echo n cookie=1
expect n echo-reply cookie=1
END
}

@test "--client-tokens: clients need one too" {
	local fan

	touch "$tmp/tokens"
	fan=$(token fan '*' "$tmp/tokens")
	start_tls --client-tokens "$tmp/tokens"
	play fan="$fan" <<'END'
join a $t tls insecure token=$fan
connect b $t tls insecure
hello b token=wrong
expect b refuse code=2
expect b closed
connect s $t tls insecure
send s dest=node:1 key=app
await s @(closed|cut|reset)
END
}

@test "certificate, key and CA that cannot be used" {
	relay_says 1 -L 127.0.0.1:0 --cert "$tmp/nothing" --key "$certs/ca.key"
	says "$tmp/nothing"
	relay_says 1 -L 127.0.0.1:0 --cert "$certs/server.pem" \
		--key "$certs/ca.key"
	says "server.pem"
	echo nonsense >"$tmp/nonsense"
	relay_says 1 -L 127.0.0.1:0 --cert "$certs/server.pem" \
		--key "$certs/server.key" --ca "$tmp/nonsense"
	says "nonsense"
}

# ---- SIGHUP

serial() {
	openssl s_client -connect "$tls" </dev/null 2>/dev/null |
		openssl x509 -noout -serial
}

@test "SIGHUP: a new certificate for new connections, the old ones live on" {
	cp "$certs/server.pem" "$tmp/cert.pem"
	cp "$certs/server.key" "$tmp/cert.key"
	start_relay -L 127.0.0.1:0 --cert "$tmp/cert.pem" \
		--key "$tmp/cert.key"
	before=$(serial)
	export tls tmp certs
	export -f serial
	play before="$before" <<'END'
join a $t tls ca=$c/ca.pem host=localhost
run cp $c/server2.pem $tmp/cert.pem; cp $c/server2.key $tmp/cert.key
run kill -HUP $pid
until [ "$$(serial)" != "$before" ]
echo a cookie=1
expect a echo-reply cookie=1
join b $t tls ca=$c/ca.pem host=localhost
send a dest=client:$b.id key=app payload=hello
expect b packet payload=hello
END
	same "$(serial)" \
		"$(openssl x509 -noout -serial -in "$certs/server2.pem")"
}

@test "SIGHUP: a certificate that is none leaves the old in force" {
	cp "$certs/server.pem" "$tmp/cert.pem"
	start_relay -L 127.0.0.1:0 --cert "$tmp/cert.pem" \
		--key "$certs/server.key"
	before=$(serial)
	echo nonsense >"$tmp/cert.pem"
	kill -HUP "$pid"
	within grep -q 'level=error.*cert.pem' "$tmp/$pid.err"
	same "$(serial)" "$before"
}

@test "SIGHUP: tokens that were taken away no longer open, nor keep open" {
	local market

	touch "$tmp/tokens"
	market=$(token market 7 "$tmp/tokens")
	start_tls --tokens "$tmp/tokens"
	play market="$market" <<'END'
join n $t tls insecure role=node id=7 token=$market
run : > $tmp/tokens; kill -HUP $pid
await n refuse code=2
await n closed
connect m $t tls insecure
hello m role=node id=7 token=$market
expect m refuse code=2
END
}
