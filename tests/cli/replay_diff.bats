#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# bluenet-replay --diff: did the cluster answer the same? And if not, how?
#
# What relay.bash sets; each test is a subshell.
# shellcheck disable=SC2154,SC2016,SC2030,SC2031

load relay
load replay

# market REPLY_BYTES: the nodes of the market, or others; the profile is
# $capture. Its answers are 48 bytes.
market() {
	capture=$fixtures/captures/profile-market.pcap
	start_relay
	start_nodes --id 1001 --count 3 --register market::quote \
		--reply-size "$1"
}

# diffs EXIT [OPTION...]: of one request after the other, so that answers of
# several nodes keep their order; which of them answers does not matter.
diffs() {
	local wanted=$1

	shift
	replays "$wanted" -q --speed 10 --pacing hybrid \
		--keys "$fixtures/keys.txt" --diff "$@" "$capture" "$plain"
}

# row KEY NUMBER...: of the table: compared, missing, extra, order, header,
# codec, payload
row() {
	local key=$1

	shift
	same "$(sed -n "s/^ *$key *\( [0-9 ]*\)\$/\1/p" <<<"$output" | head -n 1 |
		xargs)" "$*"
}

# What is said of the differences; the report comes behind it.
narrow() {
	! sed -n '/^Differences: /,/ to 127\.0\.0\.1:/p' <<<"$output" |
		grep -v ' to 127' | grep -E '.{81}'
}

@test "the same nodes answer the same" {
	market 48
	diffs 0 --ignore source
	[[ $output == *'Differences: 0 in 1800 frames received'* ]]
	row market::quote 1800 0 0 0 0 0 0
	same "$(report .run.diffed,.run.compared,.run.differences | xargs)" \
		'true 1800 0'
}

@test "shorter answers differ: which, where, and how" {
	market 40
	diffs 1 --ignore source
	row market::quote 1800 0 0 0 0 0 1800
	row all 1800 0 0 0 0 0 1800
	same "$(report .run.differences)" 1800
	same "$(grep -c '^   payload           48 bytes -> 40 bytes$' \
		<<<"$output")" 10
	grep -qx '     received from 40     (it has ended)' <<<"$output"
	grep -qE '^[0-9]+\. another payload: frame [0-9]+ of market::quote$' \
		<<<"$output"
	grep -qE '^   session [0-9]+, 127\.0\.0\.1:[0-9]+, trader-[0-9]+$' \
		<<<"$output"
	narrow
}

@test "--ignore leaves out what may differ" {
	market 40
	diffs 0 --ignore 'source,payload[40:]'
	row market::quote 1800 0 0 0 0 0 0
	diffs 0 --ignore source,payload
	diffs 1 --ignore 'source,payload[:40]'
}

@test "nobody answers: all is missing, and the errors are extra" {
	capture=$fixtures/captures/profile-market.pcap
	start_relay
	diffs 1
	row market::quote 0 1800 0 0 0 0 0
	row bluenet.error 1800 0 1800 0 0 0 0
	diffs 1 --ignore missing,extra
	[[ $output == *'cluster: fail: 0 of 1,800 requests'* ]]
	narrow
}

@test "an id of a node is that of the capture" {
	capture=$tmp/a.pcap
	record a <<-'END'
		join ann $r name=ann
		send ann dest=node:7 key=market::quote payload=one
		await ann packet key=market::quote
	END
	start_relay --id 99 --clients-from 500
	start_nodes --id 77 --reply-size 40
	diffs 0 --map-node 7=77
	row market::quote 1 0 0 0 0 0 0
}

@test "a mask that there is not" {
	capture=$fixtures/captures/profile-market.pcap
	plain=127.0.0.1:1
	diffs 2 --ignore source,sauce
	says "--ignore: 'sauce' at character 8: expected payload[FROM:TO], "
	says 'header, source, dest_type, dest, forks, serial, latency_ms'
	diffs 2 --ignore 'payload[8:4]'
	says 'TO one past the last: payload[0:8], payload[8:], payload[:8]'
}

quotes='
join ann $r name=ann
repeat 4 send ann dest=node:7 key=market::quote payload=one
repeat 4 await ann packet key=market::quote'

@test "sessions that are not let in are differences" {
	capture=$tmp/a.pcap
	record a <<<"$quotes"
	start_target --max-connections 3
	replays 1 -q --diff --clients 5 --loop 1 "$capture" "$plain"
	[ "$(report .counts.sessions_ready)" -lt 5 ]
	[ "$(report .run.differences)" -ge 4 ]
}

@test "it ends although the cluster keeps on talking" {
	capture=$tmp/a.pcap
	record a <<<"$quotes"
	# just more often than it would be quiet for long enough
	start_target --keepalive 900ms
	diffs 0 --answer-timeout 1h
	row market::quote 4 0 0 0 0 0 0
}

@test "answers to what -Y leaves out are not missed" {
	capture=$tmp/a.pcap
	record a <<-'EOT'
		join ann $r name=ann
		repeat 3 send ann dest=node:7 key=market::quote payload=one
		repeat 3 await ann packet key=market::quote
		echo ann dest=node:7
		await ann echo-reply
	EOT
	start_target
	diffs 0 -Y 'key_name == "market::quote"'
	diffs 0 -Y 'key_name == "bluenet.echo"'
	same "$(report .counts.frames_sent)" 1
}
