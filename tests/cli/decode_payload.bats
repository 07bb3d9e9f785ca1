#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# bluenet-decode and what payloads say: the recording has a frame of each kind.
#
# shellcheck disable=SC2154 # what decode.bash sets

load decode

# shown OPTION...: the text of the frames, from the payload's length on
shown() {
	decode 0 -r "$fixtures/captures/macho.pcap" -t \
		--keys "$fixtures/keys.txt" "$@"
}

# json FILTER: of each frame, without null
json() {
	decode 0 -r "$fixtures/captures/macho.pcap" -o json --payload object
	jq -c "$1 // empty" <<<"$output"
}

@test "text: what it is, behind the frame" {
	shown
	[ "${#lines[@]}" -eq 17 ]
	same "${lines[0]#*machoNet  }" '126  call machoNet::GetTime() callID 42'
	same "${lines[1]#*machoNet  }" \
		'121  result callID 42 133700000000000000'
	same "${lines[2]#*machoNet  }" "119  event OnItemChange('a', 2)"
	same "${lines[3]#*268  }" \
		'call market::GetOrders(34, 10000002, refresh=True) callID 43'
	[[ ${lines[5]} == *"  error callID 44 UNMACHODESTINATION ("* ]]
	same "${lines[9]#*BatchPacket  }" "11  OnTarget (1, 'abc')"
	same "${lines[13]#*84  }" \
		"Row(id=5, flag=True, n=None, s='abc', cy=1.5000, b=7)"
}

@test "text: the clock, with all of its times" {
	shown
	same "${lines[10]#*25  }" "clock init sim\
 2024-09-05T08:53:20.0000000Z dilation 1 wall 2024-09-05T08:53:20.0000005Z"
	same "${lines[11]#*25  }" "clock update sim\
 2024-09-05T08:53:21.0000000Z dilation 0.1 wall 2024-09-05T08:53:21.0000000Z"
	same "${lines[12]##*  }" 'clock detach'
}

@test "text: arguments are cut to the width, what follows them is not" {
	shown
	[[ ${lines[4]} == *"nothing::Here('xxx"*"x...) callID 44" ]]
	local line
	for line in "${lines[@]}"; do
		[ "${#line}" -le 180 ]
	done
}

@test "text: no marshal stream is shown as before, a bad one says why" {
	shown
	same "${lines[14]##*  }" 17
	[[ ${lines[15]} == *"[1, <cut: the stream ends here>]\
  [the stream ends here, at byte 7]" ]]
}

@test "text, --verbose: the whole object, indented" {
	shown --verbose -Y 'number == 3'
	grep -qx '    object' <<<"$output"
	grep -qx '      macho.Notification(' <<<"$output"
	grep -qE "^ {16,}'a',\$" <<<"$output"
}

@test "JSON: objects" {
	run -0 json .object
	same "${lines[9]}" \
		'{"row":{"id":5,"flag":true,"n":null,"s":"abc","cy":1.5,"b":7}}'
}

@test "JSON: objects of what is a marshal stream only, as the schema says" {
	decode 0 -r "$fixtures/captures/macho.pcap" -o json --payload object
	same "$(fit "$fixtures/decode.schema.json" <<<"$output")" ''
	same "$(jq -c 'select(has("object")) | .number' <<<"$output" |
		paste -s -d ' ')" '1 2 3 4 5 6 7 8 9 14 16 17'
	same "$(jq -c 'select(has("object_error")) |
		[.object, .object_error, .object_error_at]' <<<"$output")" \
		'[[1,{"cut":"the stream ends here"}],"the stream ends here",7]'
	# nothing of it without the option
	decode 0 -r "$fixtures/captures/macho.pcap" -o json
	run ! grep -E '"(object|macho|batch|clock)"' <<<"$output"
}

@test "JSON: machoNet" {
	run -0 json .macho
	same "${lines[0]}" '{"type":"call","number":6,"service":"machoNet",'\
'"method":"GetTime","call_id":42,"source":{"type":"client","id":0,'\
'"call_id":42},"destination":{"type":"any","service":"machoNet"},"args":[],'\
'"kwargs":{"machoVersion":1}}'
	same "$(jq -c '[.type, .call_id, .result]' <<<"${lines[1]}")" \
		'["result",42,133700000000000000]'
	same "$(jq -c '[.type, .event, .args]' <<<"${lines[2]}")" \
		'["event","OnItemChange",["a",2]]'
	same "$(jq -c '[.type, .error, .answered, .exception]' \
		<<<"${lines[5]}")" '["error","UNMACHODESTINATION","call",'\
'["UnMachoDestination","no such service"]]'
}

# of_filter FILE: lines of a number and an expression, so many frames pass
of_filter() {
	local n expression found

	while read -r n expression; do
		found=$("$decode" -r "$fixtures/captures/$1" -T fields \
			-e number -Y "$expression")
		same "$(grep -c . <<<"$found" || true) $expression" \
			"$n $expression"
	done
}

@test "-Y: values compare as numbers or as text" {
	of_filter profile-macho.pcap <<'END'
4 macho.args[0] == 34
4 macho.args[0] == 34.0
10 macho.args[0] != 34
8 macho.args[0] > 33.5
8 macho.args[0] >= 34
4 macho.args[0] > 34
2 macho.args[1] < 6
2 macho.args[1] == 5.12
0 macho.args[1] < "6"
2 macho.args[0] < "F"
2 macho.args[0] <= "EN"
0 macho.args[0] < "EN"
6 macho.args[0] in { 34, "EN" }
2 macho.args[0] matches "^E"
50 object.state[3] >= 90000001
2 macho.result[0].price > 5
2 macho.result[0].price == 5.12
2 macho.result[0].price == "5.12"
0 macho.result[2].price > 4.9999
2 macho.result[2].price >= 4.9999
2 macho.result[0].build > 123456789012345678000000000000
2 macho.result[0].build == 123456789012345678901234567890
0 macho.result[0].build == 123456789012345678901234567891
2 macho.result[0].isDev == false
2 macho.result[0].key contains "\x10"
2 macho.result[1] > 1000
12 macho.result
14 macho.args
58 object
END
}

@test "-Y: what else a payload says" {
	of_filter profile-macho.pcap <<'END'
28 macho.source == client
28 macho.source.type == client
30 macho.source.id == 65450
24 macho.destination.type == any
2 macho.destination.event contains "Account"
4 macho.destination.narrowcast[0] == 0
4 macho.destination.id_type == "clientID"
26 macho.kwargs.machoVersion == 1
54 macho.call_id > 0
0 macho.call_id == 0
4 macho.code == 0
2 macho.code == 1
10 macho.answered == "call"
2 macho.exception.class == "exceptions.UserError"
2 macho.number == 21
14 macho && macho.number == 7
END
	of_filter macho.pcap <<'END'
1 batch == "OnTarget" && batch.args[1] == "abc" && batch.args[0] < 2
0 object && batch
3 clock
1 clock == init && clock.dilation == 1
1 clock.dilation < 0.5
2 clock.sim_time > 0 && clock.wall_clock > 0
1 object_error contains "ends here" && object_error_at == 7
END
	decode 2 -r "$fixtures/captures/macho.pcap" -Y 'macho.args[0] < x'
	[[ $stderr == *'expected a number or text in double quotes, not "x"'* ]]
}

@test "JSON: events and the clock" {
	run -0 json .batch
	same "$output" '{"event":"OnTarget","args":[1,"abc"]}'
	run -0 json .clock
	same "$(jq -c .type <<<"$output" | paste -s -d ' ')" \
		'"init" "update" "detach"'
}

@test "--strings: another table" {
	printf 'one\ntwo\n' >"$tmp/strings"
	decode 0 -r "$fixtures/captures/macho.pcap" -o json --payload object \
		--strings "$tmp/strings" -c 1
	jq -e '.object_error == "a string that the table does not have"' \
		<<<"$output"
	seq 195 >"$tmp/strings"
	decode 0 -r "$fixtures/captures/macho.pcap" -o json --payload object \
		--strings "$tmp/strings" -c 1
	jq -e '.macho.kwargs == { "135": 1 }' <<<"$output"
}

@test "--strings: what can not be read" {
	decode 1 -r "$fixtures/captures/macho.pcap" --strings "$tmp/none"
	[[ $stderr == *"--strings: $tmp/none: No such file"* ]]
	: >"$tmp/strings"
	decode 1 -r "$fixtures/captures/macho.pcap" --strings "$tmp/strings"
	[[ $stderr == *"$tmp/strings: no strings: expected one a line"* ]]
	seq 256 >"$tmp/strings"
	decode 1 -r "$fixtures/captures/macho.pcap" --strings "$tmp/strings"
	[[ $stderr == *"line 255: more than 255 strings"* ]]
}

@test "-z calls: by method, and the slowest" {
	decode 0 -q -r "$fixtures/captures/macho.pcap" -o json -z calls
	same "${lines[0]%,\"merge\":*}" "$(printf '%s' \
		'{"type":"statistics","name":"calls",' \
		'"columns":["method","calls","answers","errors","unanswered",' \
		'"min_ms","avg_ms","max_ms","stddev_ms","p99_ms","call_bytes",' \
		'"answer_bytes"],"rows":[["machoNet::GetTime",2,1,0,1,3.000,' \
		'3.000,3.000,0.000,3.000,279,125],["market::GetOrders",2,1,0,1,' \
		'20.000,20.000,20.000,0.000,20.000,534,286],["nothing::Here",' \
		'1,0,1,0,null,null,null,null,null,661,178]]')"
	same "$(jq -c '[.name, (.rows[] | .[0:1] + .[2:5])]' \
		<<<"${lines[1]}")" '["slowest_calls",'\
'["market::GetOrders",0,4,7],["machoNet::GetTime",0,1,2]]'
}

@test "-z calls and events, as CSV" {
	decode 0 -q -r "$fixtures/captures/macho.pcap" -o csv -z calls -z events
	same "${lines[1]}" \
		'calls,machoNet::GetTime,2,1,0,1,3.000,3.000,3.000,0.000,3.000,279,125'
	same "${lines[3]}" 'calls,nothing::Here,1,0,1,0,,,,,,661,178'
	same "$(cut -d , -f 1 <<<"$output" | sort | uniq -c | xargs)" \
		'2 3 calls 2 events 2 slowest_calls 3 statistic'
}

@test "-z calls,tree: by service" {
	decode 0 -q -r "$fixtures/captures/macho.pcap" -z calls,tree
	grep -q '^  market  ' <<<"$output"
	grep -q '^    GetOrders  ' <<<"$output"
	decode 2 -q -r "$fixtures/captures/macho.pcap" -z calls,tre
}

@test "-z events" {
	decode 0 -q -r "$fixtures/captures/macho.pcap" -o json -z events
	same "$(jq -c '[.rows[] | .[0:2]]' <<<"$output")" \
		'[["OnItemChange",1],["OnTarget",1]]'
}

@test "-Y: macho" {
	decode 0 -r "$fixtures/captures/macho.pcap" -t \
		-Y 'macho.method == "GetTime"'
	[ "${#lines[@]}" -eq 2 ]
	decode 0 -r "$fixtures/captures/macho.pcap" -t \
		-Y 'macho.call_id == 43 && macho.type == "result"'
	[ "${#lines[@]}" -eq 1 ]
	decode 0 -r "$fixtures/captures/macho.pcap" -t \
		-Y 'macho.error == "UNMACHODESTINATION" || macho.event'
	[ "${#lines[@]}" -eq 2 ]
}

@test "-Y: a path into the object" {
	decode 0 -r "$fixtures/captures/macho.pcap" -t \
		-Y 'object.state[0] == 6 && object.state[1].state[2] == 43'
	[ "${#lines[@]}" -eq 1 ]
	decode 0 -r "$fixtures/captures/macho.pcap" -t -Y 'object.s == "abc"'
	[ "${#lines[@]}" -eq 1 ]
	decode 0 -r "$fixtures/captures/macho.pcap" -t -Y \
		'object.state[4][0][0].orderID == 1'
	[ "${#lines[@]}" -eq 1 ]
}

@test "-o csv: columns of the payload" {
	decode 0 -r "$fixtures/captures/macho.pcap" -o csv -e number \
		-e macho.method -e object.state[0] -Y 'number == 1'
	[[ $output == *'1,GetTime,6'* ]]
}
