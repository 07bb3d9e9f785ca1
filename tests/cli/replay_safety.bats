#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# bluenet-replay does no harm: whom it refuses, the probe, credentials, and
# how it ends when it is told to.
#
# What relay.bash sets; each test is a subshell; commands for within.
# shellcheck disable=SC2154,SC2030,SC2031,SC2317

load relay

setup_file() {
	make_certificates
}

# Of stock clients, which say no hello.
stock() {
	echo "$fixtures/captures/plain.pcap"
}

# A node, and a client that says hello with a token: $tmp/hello.pcap.
record_hello() {
	make_token old
	start_relay --capture "$tmp/hello.pcap" --client-tokens "$tmp/old"
	play token="$(<"$tmp/old.secret")" <<'END'
join node $r role=node id=7
register node market::quote
join ann $r name=ann token=$token
send ann dest=node:7 key=market::quote payload=one
await node packet
send node dest=client:$ann.id key=market::quote payload=1
await ann packet
END
	stop_relay "$pid"
}

# make_token FILE: for any client; what it has to show is in FILE.secret.
make_token() {
	"$relay" --make-token '*' market >"$tmp/made"
	grep ' market ' "$tmp/made" >"$tmp/$1"
	grep "^market[.]" "$tmp/made" >"$tmp/$1.secret"
}

# replays EXIT [ARG...]: its output in $output, its standard error in $stderr.
replays() {
	local wanted=$1

	shift
	try timeout "$wait_seconds" \
		"$build/bluenet-replay" "$@" </dev/null
	if [ "$status" -ne "$wanted" ]; then
		echo "exit $status, not $wanted: $*"
		echo "$output"
		echo "$stderr"
		return 1
	fi
}

# In the background: $replay_pid, its output in $tmp/out and $tmp/said.
begin_replay() {
	"$build/bluenet-replay" "$@" >"$tmp/out" 2>"$tmp/said" \
		</dev/null 3>&- &
	replay_pid=$!
	children+=("$replay_pid")
}

# ends EXIT: it ends by itself.
ends() {
	local status=0

	ends_in_time "$replay_pid"
	wait "$replay_pid" || status=$?
	[ "$status" -eq "$1" ] || {
		echo "exit $status, not $1"
		cat "$tmp/out" "$tmp/said"
		return 1
	}
	clean "$tmp/said"
}

# ---- addresses

# A capture whose addresses are others: those of 127.0.0.1 become 10.9.8.7.
moved_capture() {
	sed 's/\x7f\x00\x00\x01/\x0a\x09\x08\x07/g' \
		"$fixtures/captures/plain.pcap" >"$1"
}

@test "a target that is an address of the capture is refused" {
	moved_capture "$tmp/moved.pcap"
	replays 2 -q "$tmp/moved.pcap" 10.9.8.7
	says "refused: the target 10.9.8.7:26000 is an address of the capture"
	replays 2 -q "$tmp/moved.pcap" "[::ffff:10.9.8.7]:1"
	says "is an address of the capture"
	# also where it is allowed
	replays 2 -q --allow 10.9.8.7 "$tmp/moved.pcap" 10.9.8.7
	# and told beforehand
	replays 2 -q --dry-run "$tmp/moved.pcap" 10.9.8.7
	says "is an address of the capture"
	[[ $output == *"sessions "* ]]
	replays 0 -q --dry-run "$tmp/moved.pcap" 10.9.8.6
	same "$stderr" ""
}

# What would be sent there: nothing at all.
@test "an address that is not private is refused, without --allow" {
	want strace strace
	# LeakSanitizer cannot work under it
	ASAN_OPTIONS=detect_leaks=0 run --separate-stderr strace -f -e trace=connect,sendto,sendmsg \
		-o "$tmp/trace" "$build/bluenet-replay" -q "$(stock)" 8.8.8.8
	same "$status" 2
	says "refused: 8.8.8.8:26000 is not a private address"
	says "--allow"
	run ! grep -E 'AF_INET6?' "$tmp/trace"
}

@test "--allow lets through what it covers, and no more" {
	replays 2 -q --dry-run "$(stock)" 203.0.113.9
	says "refused: 203.0.113.9:26000 is not a private address"
	replays 2 -q --dry-run --allow 198.51.100.0/24 "$(stock)" 203.0.113.9
	replays 0 -q --dry-run --allow 203.0.113.0/24 "$(stock)" 203.0.113.9
	replays 0 -q --dry-run --allow 198.51.100.1 --allow 203.0.113.9 \
		"$(stock)" 203.0.113.9
	replays 2 -q --scenario "$tmp" 203.0.113.9
	says "is not a private address"
}

# ---- the probe

@test "production is refused: 2, and nothing was played" {
	record_hello
	start_relay --environment Production
	replays 2 -q -p any "$tmp/hello.pcap" "$plain"
	says "refused: $plain "
	says "says environment=Production"
	same "$(metric accepts_total)" 1 # the probe
	replays 2 -q --scenario "$tmp" "$plain"
	says "says environment=Production"
}

@test "nobody listens: 3" {
	replays 3 -q "$(stock)" 127.0.0.1:1
	says "cannot connect to 127.0.0.1:1: Connection refused"
	# a resolver that fails is not the cluster's
	replays 4 -q "$(stock)" nowhere.invalid
	says "the target: "
}

@test "a hello that is refused: 3, and the token is not shown" {
	record_hello
	make_token new
	start_relay --client-tokens "$tmp/new"
	replays 3 -q -p any --token market.secret "$tmp/hello.pcap" "$plain"
	says "refused our hello: "
	[[ $stderr$output != *secret* ]]
	replays 3 -q -p any "$tmp/hello.pcap" "$plain"
	# stock clients say none, so that is not the same case
	replays 1 -q --max-lateness 1h --answer-timeout 10ms --token market.secret \
		"$(stock)" "$plain"
	# nor is it asked for, on this machine
	[[ $stderr != *hello* ]]
}

@test "the probe: none that nobody needs, and none with --no-probe" {
	start_relay
	replays 1 -q --max-lateness 1h --answer-timeout 10ms "$(stock)" "$plain"
	same "$(metric accepts_total)" 3 # the sessions
	stop_relay "$pid"
	record_hello
	start_relay
	replays 1 -q -p any --max-lateness 1h --answer-timeout 10ms --no-probe \
		"$tmp/hello.pcap" "$plain"
	same "$(metric accepts_total)" 1
	replays 1 -v -p any --max-lateness 1h --answer-timeout 10ms \
		"$tmp/hello.pcap" "$plain"
	same "$(metric accepts_total)" 3 # a probe and the session
	says 'waiting for the target to name its environment (2 s at most'
}

@test "our token is sent, and never the one of the capture" {
	record_hello
	make_token new
	# where the old one is good, nothing is sent that says so
	start_relay --client-tokens "$tmp/old"
	replays 3 -q -p any "$tmp/hello.pcap" "$plain"
	stop_relay "$pid"
	# where it is not, all are let in
	start_relay --client-tokens "$tmp/new"
	replays 1 -q -p any --max-lateness 1h --answer-timeout 10ms \
		--report "$tmp/report.json" --token-file "$tmp/new.secret" \
		"$tmp/hello.pcap" "$plain"
	same "$(jq .counts.sessions_ready "$tmp/report.json")" 1
	[[ $stderr$output$(<"$tmp/report.json") != *"$(<"$tmp/new.secret")"* ]]
	run ! grep -q 'link refused' "$tmp/$pid.err"
}

@test "TLS that does not come about: 3, and why" {
	record_hello
	start_relay -L 127.0.0.1:0 --cert "$certs/server.pem" \
		--key "$certs/server.key"
	replays 3 -q --tls --ca "$certs/other.pem" "$(stock)" "$tls"
	says "cannot connect to $tls: TLS: certificate not accepted: "
	replays 3 -q --tls --ca "$certs/ca.pem" --tls-host other.example \
		"$(stock)" "$tls"
	says "cannot connect to $tls: TLS: certificate not accepted: hostname"
	SSL_CERT_FILE=$certs/other.pem replays 3 -q --tls "$(stock)" "$tls"
	says "certificate not accepted"
	replays 3 -q --token market.00 --allow 203.0.113.1/32 "$(stock)" \
		203.0.113.1:1
	says "a token goes to another machine over --tls only"
	# plain, to where TLS is spoken
	replays 3 -q -p any "$tmp/hello.pcap" "$tls"
	says "no welcome: it closed the connection"
}

# ---- the end

# is_playing N: the relay has had more packets than that.
is_playing() {
	[ "$(metric packets_read_total)" -gt "$1" ]
}

@test "Ctrl-C once: it sends no more, and reports" {
	start_relay
	begin_replay --loop 0 --clients 20 --rate 500 --answer-timeout 10ms \
		--max-lateness 1h --report "$tmp/report.json" \
		"$(stock)" "$plain"
	within is_playing 200
	kill -INT "$replay_pid"
	ends 1 # nobody answers
	grep -q 'sending stopped' "$tmp/said"
	grep -q '^injector: undecided: interrupted: ' "$tmp/out"
	same "$(jq -r '.verdict.word, .verdicts.injector.word' \
		"$tmp/report.json" | xargs)" 'interrupted undecided'
	# what was planned is somewhere
	jq -e '.counts | .planned == .frames_sent + .unsent + .unsendable +
		.skipped' "$tmp/report.json"
}

# Nobody answers: there is no node, and a client that takes no messages is not
# told of that.
@test "Ctrl-C twice: it waits for nobody, and reports all the same" {
	start_relay
	begin_replay --loop 0 --clients 20 --rate 500 --answer-timeout 1h \
		--report "$tmp/report.json" "$(stock)" "$plain"
	within is_playing 200
	kill -INT "$replay_pid"
	within grep -q 'sending stopped' "$tmp/said"
	kill -INT "$replay_pid"
	ends 130
	[ -s "$tmp/out" ]
	jq -e . "$tmp/report.json" >/dev/null
}

@test "SIGTERM is as good as Ctrl-C" {
	start_relay
	begin_replay --loop 0 --rate 500 --answer-timeout 10ms \
		--max-lateness 1h "$(stock)" "$plain"
	within is_playing 200
	kill -TERM "$replay_pid"
	ends 1
}

@test "SIGHUP keeps what there is; so does SIGKILL, but for the last seconds" {
	start_relay
	begin_replay --loop 0 --rate 500 --answer-timeout 10ms \
		--max-lateness 1h --report "$tmp/report.json" \
		--log "$tmp/log" "$(stock)" "$plain"
	within test -s "$tmp/log.part"
	same "$(jq -r .verdict.word "$tmp/report.json.part")" interrupted
	[ "$(jq .counts.frames_sent "$tmp/report.json.part")" -gt 0 ]
	kill -HUP "$replay_pid"
	ends 1 # nobody answers
	# what was kept meanwhile is in it, once
	jq -e '.counts | .planned == .frames_sent + .unsent + .unsendable +
		.skipped' "$tmp/report.json"
	jq -e '.late.count + .counts.held == .counts.frames_sent and
		([.buckets[].sent] | add) == .counts.frames_sent' \
		"$tmp/report.json"
	same "$(cd "$tmp" && echo report.json* log*)" 'report.json log'
	begin_replay --loop 0 --rate 500 --answer-timeout 10ms \
		--max-lateness 1h --report "$tmp/killed.json" "$(stock)" \
		"$plain"
	within test -s "$tmp/killed.json.part"
	kill -KILL "$replay_pid"
	wait "$replay_pid" || true
	replays 1 --merge "$tmp/killed.json.part"
	[[ $output == *$'\ninjector: undecided: interrupted: '* ]]
	[ ! -e "$tmp/killed.json" ]
}

@test "Ctrl-C before it begins: nothing was sent" {
	start_relay
	begin_replay --start-at +1h "$(stock)" "$plain"
	within grep -q 'starting in' "$tmp/said"
	kill -INT "$replay_pid"
	ends 130
	same "$(metric accepts_total)" 0
}

# ---- how far it is

@test "--progress: on standard error, and only there" {
	start_relay
	begin_replay --loop 0 --rate 500 --answer-timeout 10ms \
		--max-lateness 1h --progress always "$(stock)" "$plain"
	within grep -q 'sessions, .* frames/s, p99 .* ms late' "$tmp/said"
	kill -INT "$replay_pid"
	ends 1
	run ! grep -q 'frames/s' "$tmp/out"
	# the line is redrawn, cut to the width that terminals have, and taken off
	run ! grep -qE $'\r[^\r]{80}' "$tmp/said"
	grep -q $'\r\033\\[Kbluenet-replay: sending stopped' "$tmp/said"
	replays 1 -q --answer-timeout 10ms --max-lateness 1h --progress always \
		"$(stock)" "$plain"
	[[ $stderr != *frames/s* ]]
}
