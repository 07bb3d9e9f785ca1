#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# Looking into a relay: the pages, the capture, the key log, and whether the
# manual and the dashboard for Grafana fit them.
#
# shellcheck disable=SC2016,SC2030,SC2031,SC2154 # jq; relay.bash

load relay

page() {
	curl -sS "http://$metrics/$1"
}

# The families of a relay that runs.
families() {
	page metrics | awk '$1 == "#" && $2 == "TYPE" { print $3 }' | sort -u
}

# ---- the pages

@test "metrics, links and health while traffic passes" {
	need promtool prometheus
	start_relay --threads 2
	cat >"$tmp/script" <<'END'
mute
join a $r
join b $r
join n $r role=node id=7
join m $r role=node id=8
flood a count=4000 dest=node:7 key=app payload=size:300
flood b count=4000 dest=node:8 key=app payload=size:300
collect total=8000 n:packet m:packet
END
	play <"$tmp/script" >"$tmp/beside.out" 2>"$tmp/beside.err.txt" 3>&- &
	peer_pid=$!
	children+=("$peer_pid")
	while ! ended "$peer_pid"; do
		page metrics | promtool check metrics
		page links | jq -e '.links | type == "array"'
		same "$(page healthz)" ok
	done
	played
	[ "$(metric packets_forwarded_total 'dest="node"')" -eq 8000 ]
	[ "$(metric copies_written_total)" -ge 8000 ]
	[ "$(metric packets_per_write_count)" -ge 1 ]
}

@test "/links: sorted, and what peers call themselves stays a string" {
	start_relay
	play <<'END'
join n $r role=node id=9 name=}],\u0022
join m $r role=node id=7 order=network
join a $r codecs=zlib,snappy name=pilot
connect s $r
send s dest=node:7 key=app payload=hello
expect m packet payload=hello
run curl -sS http://$$metrics/links > $tmp/links
END
	jq . "$tmp/links"
	same "$(jq -c '[.links[] | [.role, .id]]' "$tmp/links")" \
		'[["client",1],["client",2],["node",7],["node",9]]'
	jq -e '.links[3].name == "}],\\u0022" and .links[1].stock and
		.links[0].codecs == ["zlib", "snappy"] and
		.links[2].order == "network" and
		all(.links[]; .tls == null) and .links[2].packets_out >= 1 and
		(.links[0].since | fromdate) > 1700000000' "$tmp/links"
}

@test "no port, no page" {
	start_relay
	relay_says 1 -l 127.0.0.1:0 --metrics "$metrics"
	says "--metrics: cannot listen on $metrics: "
}

# ---- the manual

@test "every metric is in the manual, and no other" {
	start_relay
	sed -n '/METRICS: /,/METRICS END/s/^\.It Li \([a-z_]*\).*/bluenet_relay_\1/p' \
		"$root/man/bluenet-relay.1" | sort >"$tmp/manual"
	diff <(families) "$tmp/manual"
}

@test "every word that a label takes is in the manual" {
	start_relay
	sed -n '/METRICS: /,/METRICS END/p' "$root/man/bluenet-relay.1" |
		tr -s ' ,\n' '\n' | sed 's/\.$//' | sort -u >"$tmp/manual"
	page metrics | grep -v '^bluenet_relay_info\|^bluenet_relay_errors_sent' |
		sed -n 's/^[a-z_]*{\([a-z]*\)="\([^"]*\)".*/\1 \2/p' |
		sed '/^le /d; s/.* //' | sort -u >"$tmp/words"
	same "$(comm -13 "$tmp/manual" "$tmp/words")" ''
}

# ---- the capture

# Payloads of the frames with a serial in direction $1, in their order.
payloads() {
	"$decode" -r "$tmp/relay.pcap" -p any -o json --payload hex |
		jq -r --arg dir "$1" 'select(.type == "frame" and
			.dir == $dir and .header.serial > 0) | .payload'
}

# sound CAPTURE: for foreign eyes all checksums are right, no sequence number
# skips or repeats a byte, and nothing is acknowledged that was not sent. Prints
# how many connections there are.
sound() {
	tcpdump -nnvvS -r "$1" 2>"$tmp/tcpdump.txt" | awk '
		function wrong(what) {
			print what ": " $0
			failed = 1
		}
		/bad cksum|incorrect/ { wrong("checksum") }
		!/Flags \[/ { next }
		{
			to = $3
			sub(/:$/, "", to)
			way = $1 " " to
			back = to " " $1
			n = $0
			sub(/.*, seq /, "", n)
			seq = n + 0
			n = $0
			sub(/.*, length /, "", n)
			bytes = n + 0
			if (!/[(]correct[)]/)
				wrong("no checksum")
			if ((way in next_seq) && next_seq[way] != seq)
				wrong("expected seq " next_seq[way])
			next_seq[way] = seq + bytes + /Flags \[[SF]/
			connections += /Flags \[S\]/
		}
		/, ack / {
			n = $0
			sub(/.*, ack /, "", n)
			if (n + 0 > next_seq[back] || n + 0 < acked[way])
				wrong("ack")
			acked[way] = n + 0
		}
		END {
			print connections + 0
			exit failed
		}'
}

@test "--capture: what came in, and what went out of it" {
	need tcpdump tcpdump
	start_relay --capture "$tmp/relay.pcap"
	play <<'END'
mute
join a $r
join n $r role=node id=7 order=network
flood a count=50 dest=node:7 key=app payload=size:3000
collect total=50 n:packet
END
	stop_relay "$pid"
	same "$(payloads up | wc -l)" 50
	same "$(payloads up)" "$(payloads down)"
	same "$(sound "$tmp/relay.pcap")" 2
	# and it is them that look: bytes turned over, a packet left out
	{
		head -c 2000 "$tmp/relay.pcap"
		printf 'wrong'
		tail -c +2006 "$tmp/relay.pcap"
	} >"$tmp/turned.pcap"
	run -1 sound "$tmp/turned.pcap"
	[[ $output == *checksum:* ]]
	tcpdump -nn -r "$tmp/relay.pcap" -w "$tmp/less.pcap" \
		'not (tcp[4:4] = 1 and src port '"${plain##*:}"')' \
		2>"$tmp/tcpdump.txt"
	run -1 sound "$tmp/less.pcap"
	[[ $output == *"expected seq 1"* ]]
}

@test "--capture: FILE is the newest, and old connections go on in it" {
	start_relay --capture "$tmp/relay.pcap" --capture-size 64K \
		--capture-files 3
	play <<'END'
mute
join a $r
join n $r role=node id=7
flood a count=200 dest=node:7 key=app payload=size:3000
collect total=200 n:packet
END
	stop_relay "$pid"
	same "$(cd "$tmp" && echo relay.pcap*)" \
		'relay.pcap relay.pcap.1 relay.pcap.2'
	for file in "$tmp"/relay.pcap*; do
		[ "$(stat -c %s "$file")" -le 65536 ]
	done
	"$decode" -r "$tmp/relay.pcap" -p any -o json |
		jq -e -s 'any(.type == "frame" and .header.serial == 200)'
}

@test "--capture: a file that was there is kept" {
	echo precious >"$tmp/relay.pcap"
	start_relay --capture "$tmp/relay.pcap"
	stop_relay "$pid"
	same "$(cat "$tmp/relay.pcap.1")" precious
}

@test "--capture: a full disk stops the capture, not the relay; room lets it go on" {
	need prlimit util-linux
	ulimit -S -f 100
	start_relay --capture "$tmp/relay.pcap"
	ulimit -S -f unlimited
	same "$(metric recording)" 1
	play <<'END'
mute
join a $r
join b $r
join n $r role=node id=7
flood a count=200 dest=node:7 key=app payload=size:3000
collect total=200 n:packet
until grep -q 'nothing is recorded until there is room' $err
flood b count=20 dest=node:7 key=app payload=size:3000
collect total=20 n:packet
until [ $$(metric capture_dropped_total) -ge 1 ]
until [ $$(metric recording) = 0 ]
run prlimit --pid $pid --fsize=unlimited; kill -HUP $pid
until [ $$(metric recording) = 1 ]
send b dest=node:7 key=app payload=afterwards
expect n packet payload=afterwards
END
	stop_relay "$pid"
	same "$(grep -c 'nothing is recorded until' "$tmp/$pid.err")" 1
	grep -q 'recording goes on' "$tmp/$pid.err"
	# every record is whole, to the last one
	tcpdump -nn -r "$tmp/relay.pcap" 2>&1 >"$tmp/packets" |
		tee "$tmp/tcpdump.txt"
	run ! grep -i truncated "$tmp/tcpdump.txt"
	"$decode" -r "$tmp/relay.pcap" -p any -o json --payload hex \
		>"$tmp/frames" || [ $? -eq 3 ]
	grep -q "$(printf afterwards | od -An -tx1 | tr -d ' \n')" "$tmp/frames"
}

@test "--capture, --keylog: files that cannot be" {
	relay_says 1 -l 127.0.0.1:0 --capture "$tmp"
	says "--capture: cannot record: $tmp: expected a regular file"
	relay_says 1 -l 127.0.0.1:0 --capture "$tmp/no/x.pcap"
	says "$tmp/no/x.pcap: No such file or directory"
	relay_says 1 -l 127.0.0.1:0 --keylog "$tmp/no/keys"
	says "--keylog: $tmp/no/keys: No such file or directory"
}

# ---- the key log

@test "--keylog: what was captured outside can be read" {
	[ "$(id -u)" -eq 0 ] || skip "only root may capture"
	need tcpdump tcpdump
	make_certificates
	start_relay -L 127.0.0.1:0 --cert "$certs/server.pem" \
		--key "$certs/server.key" --keylog "$tmp/keys"
	tcpdump -i lo -U -B 8192 -w "$tmp/outside.pcap" \
		"tcp port ${tls##*:}" 2>"$tmp/tcpdump.txt" 3>&- &
	tcpdump=$!
	children+=("$tcpdump")
	within grep -q 'listening on' "$tmp/tcpdump.txt" ||
		skip "tcpdump cannot capture here"
	play <<'END'
mute
join a $t tls insecure
join b $t tls12 insecure
flood a count=20 dest=client:$b.id key=app payload=size:300
collect total=20 b:packet
END
	outside() {
		"$decode" -r "$tmp/outside.pcap" -p "${tls##*:}" -o json \
			--keylog "$tmp/keys" 2>"$tmp/decode.txt" | jq -s '[.[] |
			select(.type == "frame" and .header.serial > 0)] |
			length'
	}
	has_all() {
		[ "$(outside)" -eq 40 ] # in, and out again
	}
	within has_all
	kill -INT "$tcpdump"
}

# ---- the dashboard

dashboard() {
	jq -r "$@" "$fixtures/grafana/bluenet-relay.json"
}

# Every query of it.
queries() {
	dashboard '.panels[].targets[]?.expr,
		.templating.list[].definition? | values'
}

@test "the dashboard: it has every metric of the relay, and no other" {
	start_relay
	queries | grep -oE 'bluenet_relay_[a-z_]+' |
		sed 's/_per_write_[a-z]*$/_per_write/' | sort -u >"$tmp/used"
	diff <(families) "$tmp/used"
}

@test "the dashboard: every label in it is one of its metric's" {
	local name label

	start_relay
	page metrics >"$tmp/page"
	queries | sed -nE 's/.*sum by \(([a-z]+)\) \(rate\((bluenet_relay_[a-z_]+).*/\2 \1/p' \
		>"$tmp/labels"
	[ "$(wc -l <"$tmp/labels")" -gt 8 ]
	while read -r name label; do
		grep -q "^$name{$label=" "$tmp/page" || {
			echo "$name has no $label"
			return 1
		}
	done <"$tmp/labels"
}

@test "the dashboard: Prometheus can read its queries" {
	need promtool prometheus
	dashboard -c '{ groups: [{ name: "dashboard", rules: [.panels[] |
		.targets[]?.expr] | to_entries | map({
			record: "query:n\(.key)",
			expr: (.value | gsub("\\$__rate_interval"; "5m") |
				gsub("\\$[a-z]+"; ".*"))
		}) }] }' >"$tmp/rules.yml"
	run promtool check rules "$tmp/rules.yml"
	echo "$output"
	[ "$status" -eq 0 ]
	[[ $output == *SUCCESS* ]]
}

@test "the dashboard: as Grafana wants it" {
	dashboard -e '.schemaVersion >= 36 and .uid == "bluenet-relay"'
	# the data source is a variable, everywhere
	same "$(dashboard '[.. | objects | select(has("datasource")) |
		.datasource.uid] | unique[]')" "\${datasource}"
	dashboard -e 'any(.templating.list[]; .type == "datasource")'
	# every panel has a number and a title of its own
	dashboard -e '(.panels | length) as $n |
		([.panels[].id] | unique | length) == $n and
		([.panels[].title] | unique | length) == $n'
	# and a place of its own
	dashboard -e '[.panels[].gridPos] as $p | all(range($p | length);
		. as $i | all(range($i);
			$p[.] as $a | $p[$i] as $b |
			$a.x + $a.w <= $b.x or $b.x + $b.w <= $a.x or
			$a.y + $a.h <= $b.y or $b.y + $b.h <= $a.y)) and
		all($p[]; .x + .w <= 24)'
}
