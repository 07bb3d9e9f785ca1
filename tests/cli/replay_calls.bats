#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# bluenet-replay and machoNet: calls are paired with their answers by id, rows
# are by method, objects are compared, and ids in payloads are rewritten.
#
# What relay.bash sets; each test is a subshell.
# shellcheck disable=SC2154,SC2016,SC2030,SC2031

load relay
load replay

# le32 NUMBER; name TEXT: with its length
le32() {
	printf '%02x%02x%02x%02x' $(($1 & 255)) $(($1 >> 8 & 255)) \
		$(($1 >> 16 & 255)) $(($1 >> 24 & 255))
}

name() {
	printf '%02x' ${#1}
	printf %s "$1" | od -An -v -tx1 | tr -d ' \n'
}

# object CLASS STATE; address CLIENT CALL_ID: of a client; any: of a service
object() {
	printf '232c2502%s%s2d2d' "$(name "$1")" "$2"
}

address() {
	object macho.MachoAddress "1404060204$(le32 "$1")04$(le32 "$2")01"
}

any() {
	object macho.MachoAddress "1403060812$(name market)01"
}

stream() {
	printf '7e00000000%s' "$1"
}

# inner OBJECT: a stream in a stream
inner() {
	local whole

	whole=$(stream "$1")
	printf '2b%02x%s' $((${#whole} / 2)) "$whole"
}

# call CLIENT CALL_ID METHOD
call() {
	stream "$(object macho.CallReq "14060606$(address "$1" "$2")$(any)01$(
	)252c08$(inner "14040912$(name "$3")2401")01")"
}

# result CLIENT CALL_ID NUMBER: the number of orders, and who is asked
result() {
	stream "$(object macho.CallRsp "14060607$(any)$(address "$1" "$2")01$(
	)25$(inner "1601$(printf '06%02x' "$3")12$(name orders)")01")"
}

# Two calls of ann, 1001, which node 8 answers in the other order.
record_calls() {
	record a --clients-from 1001 <<-EOT
		join n \$r role=node id=8
		join ann \$r name=ann
		send ann dest=node:8 key=app::orders payload=hex:$(call 1001 42 GetOrders)
		send ann dest=node:8 key=app::orders payload=hex:$(call 1001 43 GetPrices)
		await n packet
		await n packet
		send n dest=client:\$ann.id key=app::orders payload=hex:$(result 1001 43 7)
		send n dest=client:\$ann.id key=app::orders payload=hex:$(result 1001 42 3)
		await ann packet
		await ann packet
	EOT
}

# answers_two CLIENT FIRST SECOND NUMBER: lines of node 8, for two calls
answers_two() {
	cat <<-EOT
		await n packet
		await n packet
		send n dest=client:\$n.source key=app::orders payload=hex:$(result "$1" "$2" "$4")
		send n dest=client:\$n.source key=app::orders payload=hex:$(result "$1" "$3" 7)
	EOT
}

# node_8 LINES: beside the test, at the last relay
node_8() {
	rm -f "$tmp/ready" "$tmp/over"
	play_beside <<-EOT
		join n \$r role=node id=8
		run touch \$tmp/ready
		$1
		run until [ -e \$tmp/over ]; do sleep 0.1; done
	EOT
	within test -e "$tmp/ready"
}

over() {
	: >"$tmp/over"
	played
}

# methods: name, calls, answered, unanswered, latencies
methods() {
	report '[.methods[] | [.method, .sent, .answered, .unanswered,
		(.latency.count // 0)]] | sort[] | join(" ")'
}

@test "calls are paired by id: rows by method, and what differs by its path" {
	record_calls
	start_relay --clients-from 500
	# the same answers, in the order of the calls
	node_8 "$(answers_two 500 42 43 3)"
	replays 0 -q --no-probe --diff --fail-if 'market::*:unanswered>0' \
		--html "$tmp/page.html" "$tmp/a.pcap" "$plain"
	over
	same "$(methods)" 'market::GetOrders 1 1 0 1
market::GetPrices 1 1 0 1'
	[[ $output == *'By method'*'market::GetOrders '* ]]
	grep -q '<td>market::GetPrices</td>' "$tmp/page.html"
	same "$(report '.counts.answered, .counts.unanswered' | xargs)" '2 0'
	# one number is another one
	node_8 "$(answers_two 501 42 43 4)"
	replays 1 -q --no-probe --diff "$tmp/a.pcap" "$plain"
	over
	[[ $output == *'Differences: 1 in 2 frames received'* ]]
	[[ $output == *'1. another payload: frame 1 of market::GetOrders'* ]]
	[[ $output == *'   object.state[4][0].orders: 4 instead of 3'* ]]
	node_8 "$(answers_two 502 42 43 4)"
	replays 0 -q --no-probe --diff --ignore 'object.state[4][0].orders' \
		"$tmp/a.pcap" "$plain"
	over
}

@test "ids of calls and clients in payloads become those of the run" {
	record_calls
	start_relay --clients-from 500 --capture "$tmp/target.pcap"
	node_8 "$(answers_two 500 43 42 3)
$(answers_two 501 45 44 3)"
	replays 0 -q --no-probe --rewrite-payload --loop 2 --pacing hybrid \
		"$tmp/a.pcap" "$plain"
	over
	same "$(report '.counts | .answered, .unanswered, .rewritten,
		.unrewritten_malformed' | xargs)" '4 0 4 0'
	[[ $output == *'rewritten   4 payloads'* ]]
	same "$(methods)" 'market::GetOrders 2 2 0 2
market::GetPrices 2 2 0 2'
	stop_relay "$pid"
	"$decode" -r "$tmp/target.pcap" -p any -o json --payload object \
		-Y 'macho.type == "call" && dir == up' >"$tmp/calls"
	same "$(jq .macho.call_id "$tmp/calls" | sort -n | xargs)" '42 43 44 45'
	# no captured id is left, and the ids are those of the headers
	jq -e '(.object.instance.state[1].instance.state[1] == 1001) | not' \
		"$tmp/calls" >/dev/null
	same "$(jq '.object.instance.state[1].instance.state[1]' "$tmp/calls" |
		head -n 2 | xargs)" '500 500'
}
