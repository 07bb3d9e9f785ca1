#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# The two verdicts of bluenet-replay, where each planned frame is, what decides
# the exit status, and what this machine lacks.
#
# What relay.bash sets; scripts of the peer; each test is a subshell.
# shellcheck disable=SC2154,SC2016,SC2030,SC2031,SC2317

load relay
load replay

setup_file() {
	make_certificates
}

# planned [N]: each planned frame is in a counter
planned() {
	same "$(report '.counts | .planned - .frames_sent - .unsent -
		.unsendable - .skipped')" 0
	same "$(report '.counts | .unsent - .unsent_not_connected - .unsent_cut
		- .unsent_stopped - .unsent_injector - .unsent_damaged')" 0
	[ $# -eq 0 ] || same "$(report .counts.planned)" "$1"
}

# verdicts INJECTOR CLUSTER: in JSON, and as the last lines
verdicts() {
	same "$(report '.verdicts.injector.word, .verdicts.cluster.word' |
		xargs)" "$1 $2"
	same "$(tail -n 2 <<<"$output" | cut -d: -f1,2 | xargs)" \
		"injector: $1 cluster: $2"
}

# One client that asks node 7 sixty times, of whose answers the capture holds
# all, half, or none.
@test "a request is answered, whether or not the capture holds its answer" {
	for capture in replay-one-way replay-half-answered; do
		start_relay
		start_nodes --id 7
		replays 0 --speed 10 "$fixtures/captures/$capture.pcap" "$plain"
		same "$(report '.counts.frames_sent, .counts.answered,
			.counts.unanswered' | xargs)" '60 60 0'
		planned 61
		verdicts pass pass
		# node 7 is gone
		kill "$node_pid"
		wait "$node_pid" || true
		replays 1 --speed 10 "$fixtures/captures/$capture.pcap" "$plain"
		same "$(report '.counts.answered, .counts.unanswered,
			.counts.errors' | xargs)" '0 60 60'
		verdicts pass fail
		stop_relay "$pid"
	done
}

@test "what waited behind holes of the capture, and its clock, are in the report" {
	local name want

	start_relay
	start_nodes --id 7
	while read -r name want; do
		replays 0 --asap "$fixtures/captures/times-$name.pcap" "$plain"
		same "$(report '.capture | .clock_steps, .held_frames,
			.held_connections, .held_packet, .held_client' |
			xargs)" "$want"
		planned
		run -0 "$replay" --merge "$tmp/r.json"
		[[ $output == *$'\n  capture     '* ]]
	done <<-'EOT'
		hole 0 10 1 47 10.0.0.1:40000
		mid-nosyn 0 5 1 1 10.0.0.1:40000
		retransmit 0 5 1 47 10.0.0.1:40000
		step-back 1 0 0 null null
	EOT
}

@test "two relays of the capture are two relays here" {
	local capture=$fixtures/captures/replay-two-relays.pcap first

	start_relay
	start_nodes --id 7
	first=$plain
	start_relay
	start_nodes --id 7
	replays 0 --speed 10 "$capture" "$first" "$plain"
	same "$(report '.counts.answered, .run.target' | xargs)" \
		"10 $first, $plain"
	same "$(metric accepts_total)" 3 # a node, a probe, a session
	planned 12
	# both are on the one that the capture did not have
	replays 0 --speed 10 --map-relay "10.0.0.2=$plain" \
		--map-relay "10.0.0.3=$plain" --no-probe "$capture" "$first"
	same "$(metric accepts_total)" 5
	replays 0 --speed 10 "$capture" "$first"
	says 'the sessions of 2 relays of the capture all go to one target'
}

@test "pings in headers and rosters are requests, too" {
	record a <<-'EOT'
		join ann $r name=ann
		roster ann
		expect ann roster-reply
		fence ann
	EOT
	# only what the client sent
	"$decode" -r "$tmp/a.pcap" -w "$tmp/up.pcap" -p any -Y 'dir == up'
	start_target
	replays 0 "$tmp/up.pcap" "$plain"
	# the roster, and the ping of the fence
	same "$(report '.counts.answered, .counts.unanswered' | xargs)" '2 0'
	verdicts pass pass
}

@test "--fail-if takes the place of the rule, and says what was measured" {
	local capture=$fixtures/captures/replay-one-way.pcap

	start_relay
	replays 0 --speed 10 --fail-if 'unsent>0' "$capture" "$plain"
	verdicts pass pass
	replays 1 --speed 10 --fail-if 'unsent>0' --fail-if 'answered<99%' \
		"$capture" "$plain"
	verdicts pass fail
	[[ $output == *'--fail-if answered<99%: answered is 0 %' ]]
	replays 1 --speed 10 --fail-if 'bluenet.echo:errors>59' "$capture" \
		"$plain"
	[[ $output == *'bluenet.echo: errors is 60' ]]
	# 60 samples are too few
	replays 1 --speed 10 --fail-if 'late.p99>1h' "$capture" "$plain"
	verdicts pass undecided
	replays 0 --speed 10 --fail-if 'late.p99>1h' --allow-undecided \
		"$capture" "$plain"
	verdicts pass undecided
	# of a report, later
	run -1 "$replay" --merge --fail-if 'errors>0' "$tmp/r.json"
	[[ $output == *'cluster: fail: '*'--fail-if errors>0: errors is 60' ]]
	run -2 "$replay" --fail-if 'error>0' "$capture" "$plain"
	[[ $output == *"--fail-if: 'error>0', column 1: expected answered, "* ]]
}

@test "a relay that dies in a run fails it, whatever the rule" {
	start_relay --drain-timeout 100ms
	replays_beside --fail-if 'latency.max>1h' --speed 0.01 \
		"$fixtures/captures/replay-one-way.pcap" "$plain"
	within metric_above packets_read_total 3
	stop_relay "$pid"
	status=0
	wait "$replay_pid" || status=$?
	same "$status" 1
	output=$(<"$tmp/replay.out")
	same "$(report .counts.sessions_cut)" 1
	same "$(report .verdicts.cluster.word)" fail
	planned 61
}

metric_above() {
	[ "$(metric "$1")" -gt "$2" ]
}

@test "no samples are null, and few make no percentile" {
	start_relay
	replays 1 --speed 10 "$fixtures/captures/replay-one-way.pcap" "$plain"
	same "$(report '.latency | .count, .min_ns, .max_ns, .mean_ns, .p50_ns' |
		xargs)" '0 null null null null'
	same "$(report '.late | .count, .p99_ns, (.p50_ns != null)' | xargs)" \
		'60 null true'
	run -1 "$replay" --merge "$tmp/r.json"
	[[ $output != *'  latency '* ]]
}

@test "--merge: a shard that is missing: 1; how far apart they began is said" {
	local capture=$fixtures/captures/replay-one-way.pcap

	start_relay
	start_nodes --id 7
	for shard in 0 1; do
		replays 0 --asap --clients 8 --shard "$shard/2" "$capture" \
			"$plain"
		cp "$tmp/r.json" "$tmp/$shard.json"
	done
	run -1 "$replay" --merge "$tmp/1.json"
	[[ $output == *'1 of 2 shards are missing'* ]]
	replays_merged() {
		"$replay" --merge --report "$tmp/r.json" "$@"
	}
	run -0 replays_merged "$tmp/1.json" "$tmp/0.json"
	[[ $output == *'2 of 2, which began '*' apart: times count from'* ]]
	# strings, since they are above 2^53
	same "$(report .run.apart_ns)" "$(($(jq -r .run.start_ns "$tmp/1.json") - \
		$(jq -r .run.start_ns "$tmp/0.json")))"
	same "$(report '.counts.answered, .counts.planned' | xargs)" '480 488'
}

@test "--cpu and --realtime: the run goes on without what is not permitted" {
	local cpus less=()

	[ "$(id -u)" -ne 0 ] || less=(setpriv --inh-caps -all
		--bounding-set "-sys_nice,-ipc_lock,-sys_resource")
	cpus=$(sed -n 's/^Cpus_allowed_list:[[:space:]]*//p' /proc/self/status)
	start_relay
	start_nodes --id 7
	replays 0 --speed 10 --realtime --cpu "$cpus" \
		"$fixtures/captures/replay-one-way.pcap" "$plain"
	same "$(report '.hiccups | has("max_ns"), has("histogram")' | xargs)" \
		'true true'
	same "$(report .verdicts.injector.late_because)" null
	(
		ulimit -r 0
		ulimit -l 64
		"${less[@]}" "$replay" -p any --realtime --max-lateness 1h \
			--speed 10 "$fixtures/captures/replay-one-way.pcap" \
			"$plain" 2>"$tmp/said" >"$tmp/out"
	)
	grep -q -e '--realtime: the threads are scheduled as usual: ' "$tmp/said"
	grep -q -e '--realtime: memory is not locked: ' "$tmp/said"
	replays 2 --cpu 1023 "$fixtures/captures/replay-one-way.pcap" "$plain"
	says '--cpu: 1023 is not one of the'
}

# ---- what is lacking here

@test "too few descriptors: refused before the run, with the number: 4" {
	start_relay
	limited() (
		ulimit -n 64
		"$replay" -q --asap --clients 200 \
			"$fixtures/captures/replay-one-way.pcap" "$plain"
	)
	run -4 limited
	[[ $output == *'200 sessions at once need 264 descriptors'* ]]
	[[ $output == *'only 64 are allowed (EMFILE, errno 24)'* ]]
	same "$(metric accepts_total)" 0
}

# By the schedule one session is open after the other; but each stays, for its
# answers do not come.
@test "descriptors that run out are the injector's, not the cluster's: 4" {
	start_relay
	start_nodes --id 7 --loss 100
	limited() (
		ulimit -n 66
		"$replay" -q -p any --speed 100 --stagger 60ms --clients 60 \
			--report "$tmp/r.json" --html "$tmp/page.html" \
			--answer-timeout 8s --max-lateness 60s \
			"$fixtures/captures/replay-one-way.pcap" "$plain"
	)
	run -4 limited
	[[ $output == *'injector: fail: the injector failed: Too many open files (EMFILE)'* ]]
	same "$(report '.verdicts.injector | .word, .errno')" $'fail\n24'
	same "$(report .counts.sessions_failed)" 0
	[ "$(report .counts.sessions_injector)" -gt 0 ]
	grep -q 'injector: fail: .*EMFILE' "$tmp/page.html"
	planned
}

@test "--source: connections come from there, in turn" {
	local capture=$fixtures/captures/replay-one-way.pcap

	start_relay --capture "$tmp/target.pcap"
	start_nodes --id 7
	replays 0 --asap --clients 4 --source 127.0.0.2,127.0.0.3 "$capture" \
		"$plain"
	verdicts pass pass
	stop_relay "$pid"
	same "$("$decode" -r "$tmp/target.pcap" -p any -o json \
		-Y 'message == hello && message.name != "node"' |
		jq -r '.src' | sed 's/:[0-9]*$//' | sort | uniq -c | xargs)" \
		'3 127.0.0.2 2 127.0.0.3' # and the probe
	# an address that is not ours
	start_relay
	replays 4 --asap --source 203.0.113.7 "$capture" "$plain"
	[[ $stderr == *'the injector failed: '*' (EADDRNOTAVAIL, errno 99)'* ]]
	replays 4 --asap --no-probe --source 203.0.113.7 "$capture" "$plain"
	[[ $output == *'Cannot assign requested address (EADDRNOTAVAIL)'* ]]
	verdicts fail undecided
	same "$(report .counts.unsent_injector)" 60
	planned 61
	for bad in 10 127.0.0.1:5 "127.0.0.2," host; do
		run -2 "$replay" --source "$bad" "$capture" "$plain"
		[[ $output == *'expected addresses without ports'* ]]
	done
	run -2 "$replay" --source '[::1]' "$capture" "$plain"
	[[ $output == *'[::1]:0 is of another family than '* ]]
}
