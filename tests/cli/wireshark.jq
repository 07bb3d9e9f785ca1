# SPDX-License-Identifier: MIT
# One line a frame, the same whether it was told by `bluenet-decode -o json
# --payload object` ($from "decode") or by `tshark -T json` with bluenet.lua
# ("tshark"): the packet, and the members as text. Numbers of more digits than
# jq keeps are strings on both sides: tests/cli/wireshark.bats puts them so.

# Members whose value is JSON in a field of text.
def objects: ["object", "args", "kwargs", "result", "exception", "user_id"];

def text: if type == "string" then . else tojson end;

def exact:
	gsub("(?<a>[:,\\[])(?<n>-?[0-9]{16,})(?=[\\],}])"; "\(.a)\"\(.n)\"")
	| if test("^-?[0-9]{16,}$") then "\"\(.)\"" else . end
	| fromjson;

# What bluenet-decode says.
def members:
	with_entries(
		.key as $key
		| select(.value != null or ($key | IN("result", "exception")))
		| select(.value != [] or ($key | IN("fork_ids", "entries",
		    "hops") | not))
		| if objects | index($key) then .
		elif .value | type == "object" then
			# an address, or a value of any type
			if ["header", "message", "macho", "batch", "clock",
			    "source", "destination"] | index($key)
			then .value |= members
			else .value |= text
			end
		elif ["entries", "hops"] | index($key) then
			.value |= map(members)
		elif $key == "fork_ids" then .value |= map(text)
		else .value |= text
		end);

def told_by_decode:
	select(.type == "frame")
	| .packet as $packet
	| if has("object") then .object = [.object] else . end
	| if has("message") then .message //= "bad" else . end
	| {order, size, codec, oob_len, trailing_len, payload_len, cut_of,
	    header, message, object, object_error, object_error_at, macho,
	    batch, clock}
	# what is wrong is told in other words
	| if .object_error then .object_error = "true" else . end
	| del(.object_error_at)
	| [$packet, members];

# What Wireshark says.
def list: if type == "array" then . else [.] end;

def tree:
	with_entries(
		.key |= sub(".*[.]"; "")
		| .key as $key
		# nor are pairs and expert infos in our JSON
		| select($key | test("^_ws|_tree$|^expert$") | not)
		| select($key | IN("request_in", "response_in",
		    "call_time", "echo_time") | not)
		| if objects | index($key) then .value |= exact
		elif ["entries", "hops"] | index($key) then
			.value |= (list | map(tree))
		elif $key == "fork_ids" then .value |= list
		elif $key | IN("priority", "more", "token")
		then .value |= (. == "1" or . == "true" | text)
		elif .value | type == "object" then .value |= tree
		else .
		end);

def nested:
	to_entries
	| map(.key |= ltrimstr("bluenet."))
	| map(select(.key | IN("oob", "payload", "summary",
	    "object_error_at") or test("^_ws|_tree$") | not))
	| reduce .[] as $e ({};
		if $e.key | test("^(batch|clock)[.]") then
			setpath($e.key | split("."); $e.value)
		else
			.[$e.key] = $e.value
		end)
	| if .batch then .batch.args |= exact else . end
	| if .clock.dilation then .clock.dilation |= (tonumber | text)
	else . end
	| if .message | type == "object" and (has("bluenet.message.type") | not)
	then .message = "bad" else . end
	| with_entries(
		if .value == "bad" then .
		elif .key == "object" then .value |= [exact]
		elif .key == "object_error" then .value = "true"
		elif .key | IN("header", "message", "macho")
		then .value |= tree
		else .
		end);

def told_by_tshark:
	.[]._source.layers
	| (.frame["frame.number"] | tonumber) as $packet
	| .bluenet
	| list[]
	| select(type == "object" and has("bluenet.size"))
	| [$packet, nested];

if $from == "decode" then told_by_decode else told_by_tshark end
