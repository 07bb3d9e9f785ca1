#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# The conformance suite: our relay passes it, so does another one, and where
# that is wrong in one way, those scenarios fail that should, and no other.
#
# What relay.bash sets; scripts of the peer; each test is a subshell.
# shellcheck disable=SC2154,SC2016,SC2030,SC2031

load relay
load replay

setup_file() {
	make_certificates
}

scenarios=$BATS_TEST_DIRNAME/../../fixtures/scenarios

# suite EXIT [ARG...]: all of the scenarios, or as the arguments say
suite() {
	local wanted=$1

	shift
	try timeout $((10 * wait_seconds)) "$replay" \
		--scenario "$scenarios" --scenario-timeout "${wait_seconds}s" \
		"$@" </dev/null
	printf '%s\n' "$stderr" >"$tmp/replay.err"
	clean "$tmp/replay.err"
	if [ "$status" -ne "$wanted" ]; then
		echo "exit $status, not $wanted: $*"
		echo "$output" | grep -A 16 '^not ok'
		echo "$stderr"
		return 1
	fi
}

# One line each, numbered, as many as planned.
is_tap() {
	printf '%s\n' "$output" | awk '
		NR == 1 && $0 != "TAP version 13" { exit bad = 1 }
		/^1\.\./ { planned = substr($0, 4) + 0 }
		/^(not )?ok / { sub(/^not /, ""); if ($2 != ++n) exit bad = 1 }
		END { exit bad || planned == 0 || n != planned }'
}

# For scenarios that need one with options: on ports of their own.
own_relays() {
	printf '%s' "'$relay' -l 127.0.0.1:0 --log-level error"
}

@test "our relay passes" {
	start_relay
	suite 0 --scenario-relay "$(own_relays)" "$plain"
	is_tap
	[ "$(grep -c '^ok ' <<<"$output")" -ge 140 ]
	run ! grep SKIP <<<"$output"
}

@test "our relay passes with two threads, and over TLS" {
	start_relay --threads 2 -l 127.0.0.1:0 -L 127.0.0.1:0 \
		--cert "$certs/server.pem" --key "$certs/server.key"
	suite 0 "$plain"
	# raw bytes, halves of connections: what TLS does not have is no matter
	suite 0 --tls --ca "$certs/ca.pem" \
		--scenario-only '!(half-close|cut-in-*)' "localhost:${tls##*:}"
}

@test "another relay passes, too; no target is needed where relays are started" {
	suite 0 --scenario-relay "'$tools/wrong_relay'"
	is_tap
	run ! grep SKIP <<<"$output"
}

@test "without --scenario-relay, what needs options is left out" {
	start_relay
	suite 0 --scenario-only '@(trace|drain|to-a-node)' "$plain"
	same "$(grep -c '# SKIP needs a relay started with --' <<<"$output")" 2
	same "$(grep -c '^ok' <<<"$output")" 3
}

@test "a relay that does not start: 3, and says so" {
	suite 3 --scenario-only trace --scenario-relay false
	says "the relay ended before it was ready"
	suite 3 --scenario-only trace --scenario-relay "'$relay' --no-such"
	says "--trace"
}

@test "a published peer passes what is stock's, and only that is run" {
	local names trait

	"$tools/stock" proxy >"$tmp/stock" 3>&- &
	children+=("$!")
	within grep -qs nodes "$tmp/stock"
	suite 0 --only stock "$(sed -n 's/^stock: ready on //p' "$tmp/stock")"
	is_tap
	names=$(awk '/^scenario / { name = $2 }
		/^rules .*stock/ { print name }' "$scenarios"/*.bns | sort)
	same "$(sed -n 's/^ok [0-9]* - \([^ ]*\) .*/\1/p' <<<"$output" | sort)" \
		"$names"
	# a peer that is not as published does not pass
	for trait in network-order oversize-resync ignores-flags cut-headers \
		pong-payload pong-ping; do
		"$tools/stock" proxy --without "$trait" >"$tmp/$trait" 3>&- &
		children+=("$!")
		within grep -qs nodes "$tmp/$trait"
		suite 1 --only stock --scenario-timeout 500ms \
			--scenario-only 'stock-*@(ping|pong|little|oversize|flags|cut)*' \
			"$(sed -n 's/^stock: ready on //p' "$tmp/$trait")"
	done
}

@test "what a scenario may ask of a relay: no files, no shell" {
	local options

	while IFS= read -r options; do
		printf 'scenario a\nsection 1\nwith %s\nabout b\njoin a $r\n' \
			"$options" >"$tmp/x.bns"
		try "$replay" --scenario "$tmp/x.bns" --scenario-relay true
		same "$options: $status" "$options: 2"
		says "x.bns:3: expected options of a relay such as --keepalive 1s"
	done <<-'EOT'
		--capture x
		--keepalive 1s; true
		--keepalive $(true)
		--keepalive 1s --keylog x
		--client-tokens /etc/passwd
		--client-tokens ../x
		--config x
		keepalive 1s
	EOT
	printf 'scenario a\nsection 1\nabout b\nterminate\n' >"$tmp/x.bns"
	try "$replay" --scenario "$tmp/x.bns" --scenario-relay true
	same "$status" 2
	says "x.bns:4: expected 'with OPTIONS' before terminate"
	printf 'scenario a\nsection 1\nrules theirs\n' >"$tmp/x.bns"
	try "$replay" --scenario "$tmp/x.bns" --scenario-relay true
	same "$status" 2
	says "x.bns:3: expected 'rules ours stock', not: theirs"
}

@test "each names its section of the protocol" {
	run grep -h -A 2 '^scenario ' "$scenarios"/*.bns
	[ "$(grep -c '^scenario ' <<<"$output")" = \
		"$(grep -c '^section [1-5]' <<<"$output")" ]
}

# wrong_fails FAULT NAME...: a relay with that fault passes all scenarios but
# these, and fails these. Waiting for what never comes is most of the time of a
# run, so several run side by side; each has its own files.
wrong_fails() {
	local fault=$1 dir=$tmp/fault-$1 passed failed names timed

	shift
	names="$*"
	mkdir "$dir"
	scenarios "$wait_seconds"s "!(${names// /|})" >"$dir/passed" 2>&1 || {
		grep -A 16 '^not ok' "$dir/passed"
		return 1
	}
	# what fails, waits; what is cut short fails as well: not so those
	# that take periods of the relay
	passed=0
	timed='@(latency-*|any-passes-*|silent-*|overloaded)'
	scenarios 100ms "@(${names// /|})" >"$dir/failed" 2>&1 || passed=$?
	for name; do
		# shellcheck disable=SC2053 # a pattern on purpose
		[[ $name == $timed ]] || continue
		sed -i "/^not ok [0-9]* - $name /d" "$dir/failed"
		scenarios 5s "$name" >>"$dir/failed" 2>&1 || passed=$?
	done
	clean "$dir/passed" && clean "$dir/failed" || return 1
	failed=$(sed -n 's/^not ok [0-9]* - \([^ ]*\) .*/\1/p' "$dir/failed" |
		sort | paste -sd' ')
	same "exit $passed: $failed" "exit 1: $names"
}

# scenarios TIMEOUT GLOB
scenarios() {
	"$replay" --scenario "$scenarios" --scenario-timeout "$1" \
		--scenario-only "$2" --scenario-relay \
		"'$tools/wrong_relay' --wrong $fault" </dev/null 3>&-
}

@test "a relay that is wrong fails what it should, and nothing else" {
	local fault names every=1 n=0 failed=0 pids=() faults=()

	diff <("$tools/wrong_relay" --wrong list | sort) \
		<(sed 's/:.*//' "$scenarios/wrong.txt" | sort)
	# sanitizers look at the runner, which is the same for all of them
	case $build in
	*-asan | *-tsan) every=8 ;;
	esac
	while IFS=': ' read -r fault names; do
		[ $((n++ % every)) -eq 0 ] || continue
		# shellcheck disable=SC2086 # words on purpose
		(wrong_fails "$fault" $names && : >"$tmp/$fault.passed") \
			>"$tmp/$fault.log" 2>&1 3>&- &
		pids+=($!)
		faults+=("$fault")
		[ "${#pids[@]}" -lt 16 ] || wait -n || true
	done <"$scenarios/wrong.txt"
	wait "${pids[@]}" || true
	for fault in "${faults[@]}"; do
		[ -e "$tmp/$fault.passed" ] || {
			echo "fault $fault:"
			cat "$tmp/$fault.log"
			failed=1
		}
	done
	[ "$failed" -eq 0 ]
}

@test "a file that is no scenario is bad usage, with its place" {
	start_relay
	printf 'scenario a\nsection 1\nabout b\n\njion a $r\n' >"$tmp/x.bns"
	try "$replay" --scenario "$tmp/x.bns" "$plain"
	same "$status" 2
	says "x.bns:5: unknown command jion"
}

@test "nobody is displaced: free ids are picked, a fixed one is left out" {
	local glob='@(header-trailing-bytes|header-id-beyond-*|hello-id-taken)'

	start_relay
	start_nodes --id 8589934601 --name far
	start_nodes --id 7 --name near
	suite 0 --scenario-only "$glob" "$plain"
	is_tap
	same "$(grep SKIP <<<"$output")" "ok 1 - header-trailing-bytes # SKIP\
 line 61: 7 is the id of near, which is connected and would be displaced:\
 --force takes it"
	same "$(grep -c '^ok' <<<"$output")" 3
	run ! grep -E 'link down.* name=(far|near) ' "$tmp/$pid.err"
	suite 0 --force --scenario-only "$glob" "$plain"
	run ! grep SKIP <<<"$output"
	within grep -qs 'link down.* name=near .*why=replaced' "$tmp/$pid.err"
}

@test "where nodes need a token: left out without, run with it" {
	"$relay" --make-token '*' market >"$tmp/made"
	grep ' market ' "$tmp/made" >"$tmp/tokens"
	grep '^market[.]' "$tmp/made" >"$tmp/secret"
	start_relay -L 127.0.0.1:0 --cert "$certs/server.pem" \
		--key "$certs/server.key" --tokens "$tmp/tokens"
	tls="--tls --ca $certs/ca.pem localhost:${tls##*:}"
	# shellcheck disable=SC2086 # words on purpose
	suite 0 --scenario-only 'to-a-*' $tls
	is_tap
	same "$(grep -c '# SKIP nodes are not admitted' <<<"$output")" 2
	# shellcheck disable=SC2086 # words on purpose
	suite 0 --scenario-only 'to-a-*' --token-file "$tmp/secret" $tls
	run ! grep SKIP <<<"$output"
}

@test "nobody there: 3" {
	try "$replay" --scenario "$scenarios" 127.0.0.1:1
	same "$status" 3
}

@test "IPv6" {
	start_relay -l '[::1]:0'
	suite 0 --scenario-only 'to-a-*' "$plain"
}

@test "a scenario gives no files away" {
	local line

	start_relay
	echo secret >"$tmp/secret"
	# shellcheck disable=SC2016 # scripts of the peer
	for line in "raw a \"file=$tmp/secret\"" "connect b \$r tls ca=$tmp/secret" \
		"raw a $(printf '\t')file=$tmp/secret"; do
		printf 'scenario a\nsection 1\nabout b\nconnect a $r\n%s\n' \
			"$line" >"$tmp/x.bns"
		try "$replay" --scenario "$tmp/x.bns" "$plain"
		same "$line: $status" "$line: 2"
		[[ $output$stderr == *'scenarios cannot read files'* ]]
	done
}

@test "lines that say nothing useful are bad usage" {
	local line

	start_relay
	while IFS= read -r line; do
		printf 'scenario a\nsection 1\nabout b\njoin a $r\n%s\n' \
			"$line" >"$tmp/x.bns"
		try "$replay" --scenario "$tmp/x.bns" "$plain"
		same "$line: $status" "$line: 2"
	done <<-'EOT'
		repeat send a dest=any key=1
		repeat 0 send a dest=any key=1
		send a dest=any key=1 payload=x codec=zlib,snappy
		check 3 "" 2
		check 3 =< 2
		send a dest=client:1 forks=5-3
		send a dest=client:1 forks=1-18446744073709551615
		send a dest=type:zzz
		send a dest=any key=1 serial=99999999999
		raw a 0x05
		timeout inf
		timeout nan
	EOT
	# shellcheck disable=SC2016 # $r is the script's
	printf 'scenario a\nsection 1\nabout b # TODO\ncheck 1 = 2\n' \
		>"$tmp/x.bns"
	try "$replay" --scenario "$tmp/x.bns" "$plain"
	same "$status" 1
	[[ $output == *'about b \# TODO'* || $output == *': b \# TODO'* ]]
}

@test "--scenario-only that is no scenario's name: 2" {
	start_relay
	try "$replay" --scenario "$scenarios" \
		--scenario-only 'typo*' "$plain"
	same "$status" 2
	says "'typo*' matches no scenario"
}
