#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# bluenet-ping without a relay: --from, --compare, --fail-if, --plot.
# shellcheck disable=SC2154 # bats sets it

bats_require_minimum_version 1.5.0
load common

setup() {
	root=$BATS_TEST_DIRNAME/../..
	ping=${BNET_BUILD:-$root/build}/bluenet-ping
	fixtures=${BNET_FIXTURES:-$root/fixtures}/ping
	before=$fixtures/before.hlog
	after=$fixtures/after.hlog
	tmp=$BATS_TEST_TMPDIR
	# the zone of a log is its own: what is said must not depend on ours
	export LC_ALL=C TZ=Asia/Kathmandu
	need jq jq
}

# ping EXIT [ARG ...]: output in $output and $lines, errors in $stderr.
ping() {
	local status_wanted=$1

	shift
	try "$ping" "$@" </dev/null
	if [ "$status" -ne "$status_wanted" ]; then
		echo "exit $status, not $status_wanted: $*"
		echo "$stderr"
		return 1
	fi
}

# The table alone, a blank between cells.
table() {
	printf '%s\n' "$output" | tr -s ' ' | grep -E '^[0-9][0-9]:'
}

@test "--unit: the same table in ms and us, and its name above it" {
	ping 0 --from --unit ms "$before"
	[ "${lines[0]}" = 'in ms' ]
	[ "$(table | head -n 1)" = '16:00 0.65 3220 42 32' ]
	[[ $output == *'in all 0.64 4360 37 39: 216000 answered'* ]]
	ping 0 --from --unit us "$before"
	[ "$(table | head -n 1)" = '16:00 650 3220000 42000 32000' ]
	ping 0 --from --unit s "$before"
	[[ ${lines[0]} == Time* ]]
	ping 0 --from --unit us -o csv "$before"
	[[ ${lines[1]} == *,0.000650000,3.220000000,* ]]
	ping 2 --compare --unit ms "$before" "$after"
}

@test "the article's table before, to the digit" {
	ping 0 --from "$before"
	[ "$(table)" = "16:00 0.00065 3.22 0.042 0.032
21:00 0.00064 4.36 0.068 0.056
22:00 0.00065 1.21 0.027 0.027
23:00 0.00064 4.36 0.027 0.028
00:00 0.00065 1.01 0.020 0.017" ]
	[ "$(tr -s ' ' <<<"${lines[0]}")" = \
		"Time Minimum Maximum Average Stddev" ]
}

@test "the article's table after, to the digit" {
	ping 0 --from "$after"
	[ "$(table)" = "16:00 0.00064 2.00 0.014 0.021
21:00 0.00064 1.02 0.014 0.018
22:00 0.00064 0.25 0.009 0.011
23:00 0.00064 1.93 0.014 0.021
00:00 0.00064 1.06 0.010 0.014" ]
}

@test "the factors, row by row and overall" {
	ping 0 --compare "$before" "$after"
	[ "$(table)" = "16:00 0.00065 3.22 0.042 0.032 0.00064 2.00 0.014 0.021 1.0 1.6 3.0 1.5
21:00 0.00064 4.36 0.068 0.056 0.00064 1.02 0.014 0.018 1.0 4.3 4.9 3.1
22:00 0.00065 1.21 0.027 0.027 0.00064 0.25 0.009 0.011 1.0 4.8 3.0 2.5
23:00 0.00064 4.36 0.027 0.028 0.00064 1.93 0.014 0.021 1.0 2.3 1.9 1.3
00:00 0.00065 1.01 0.020 0.017 0.00064 1.06 0.010 0.014 1.0 1.0 2.0 1.2" ]
	[[ $output == *"maximum lower by a factor of 2.2"* ]]
	[[ $output == *"average lower by a factor of 3.0 (95 %: "* ]]
	[[ $output == *"stddev lower by a factor of 2.2 (95 %: "* ]]
}

@test "worse by more than the tolerance is exit 1" {
	ping 1 --compare "$after" "$before"
	[[ $output == *"average higher by a factor of 3.0"* ]]
	[[ $output == *"after is worse, by more than the tolerance"* ]]
	ping 0 --compare "$before" "$before"
	[[ $output == *"average the same"* ]]
}

@test "parts of a measurement add up" {
	ping 0 --from "$before" "$before" -o json
	[ "$(jq -s 'map(select(.type == "total")) | .[0].due.count' \
		<<<"$output")" = 432000 ]
	both=$(jq -c 'select(.type == "row") | .due.average_s' <<<"$output")
	ping 0 --from "$before" -o json
	[ "$(jq -c 'select(.type == "row") | .due.average_s' \
		<<<"$output")" = "$both" ]
}

@test "a table a node, and percentiles" {
	ping 0 --from "$before" --per-node --percentiles
	[[ $output == *"Node 1, sol-1"* && $output == *"Node 4, sol-4"* ]]
	[[ ${lines[0]} == *p99.9 ]]
}

@test "JSON is an object a row, CSV a line" {
	ping 0 --from "$before" -o json
	[ "$(jq -s length <<<"$output")" = 6 ]
	[ "$(jq -r 'select(.type == "row") | .time' <<<"$output" |
		head -n 1)" = 16:00 ]
	ping 0 --from "$before" -o csv
	[ "${#lines[@]}" -eq 7 ]
	[[ ${lines[1]} == 16:00,1221494400.000,net,all,* ]]
	ping 0 --compare "$before" "$after" -o json
	[ "$(jq -r 'select(.time == "total") | .factor.average >= 3' \
		<<<"$output")" = true ]
	ping 0 --compare "$before" "$after" -o csv
	[ "${#lines[@]}" -eq 7 ]
}

@test "--bucket puts hours together" {
	ping 0 --from "$before" --bucket 24h -o csv
	[ "${#lines[@]}" -eq 4 ]
	[[ ${lines[1]} == 2008-09-15,* && ${lines[2]} == 2008-09-16,* ]]
}

@test "--fail-if judges what was read" {
	ping 0 --from "$before" --fail-if 'p99>1s' --fail-if 'lost%>0'
	ping 1 --from "$before" --fail-if 'p99>5ms'
	[[ $stderr == *"p99>5ms: p99 is "*" ms at layer net"* ]]
	ping 0 --compare "$before" "$after" --fail-if 'max>3s'
	ping 1 --compare "$before" "$after" --fail-if 'max>1s'
}

@test "--fail-if that is no test is bad usage, and says where" {
	ping 2 --from "$before" --fail-if 'p98>5ms'
	[[ $stderr == *"--fail-if: 'p98>5ms', column 1: expected min, "* ]]
	ping 2 --from "$before" --fail-if 'p99>5 parsecs'
	[[ $stderr == *"column 5: expected a time"* ]]
}

@test "a plot of one run, and of two" {
	need gnuplot gnuplot-nox
	ping 0 --from "$before" --plot "$tmp/one.svg"
	grep -q '<svg' "$tmp/one.svg"
	ping 0 --compare "$before" "$after" --plot "$tmp/two'; quit.png"
	[ "$(head -c 4 "$tmp/two'; quit.png" | tail -c 3)" = PNG ]
}

@test "no plot without gnuplot, and of no other kind" {
	run --separate-stderr env PATH="$tmp" "$ping" --from "$before" \
		--plot "$tmp/one.svg"
	[ "$status" -eq 1 ]
	[[ $stderr == *"one.svg: cannot run gnuplot"* ]]
	[ ! -e "$tmp/one.svg" ]
	ping 2 --from "$before" --plot "$tmp/one.gif"
	[[ $stderr == *"expected FILE.svg or FILE.png"* ]]
}

@test "what is no log is told by name and line" {
	ping 1 --from "$tmp/none"
	[[ $stderr == *"$tmp/none: No such file or directory"* ]]
	ping 1 --from "$root/LICENSE"
	[[ $stderr == *"LICENSE, line 1: expected when the interval began"* ]]
	: >"$tmp/empty"
	ping 1 --compare "$before" "$tmp/empty"
	[[ $stderr == *"$tmp/empty: no interval in it"* ]]
}

@test "a log that was cut is read as far as it goes" {
	size=$(wc -c <"$before")
	head -c "$((size - 100))" "$before" >"$tmp/cut"
	ping 0 --from "$tmp/cut"
	[[ $stderr == *"cut, line "*": it has no end, and is left out"* ]]
	[ "$(table | wc -l)" -eq 5 ]
}
