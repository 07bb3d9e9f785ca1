#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# bluenet-relay over a bad network: two namespaces, a pair of interfaces
# between them, and netem in both. Needs root and the netem of the kernel.
#
# shellcheck disable=SC2154,SC2016 # what relay.bash sets; scripts of the peer
# shellcheck disable=SC2030,SC2031 # bats runs each test in a process

load relay

setup_file() {
	make_certificates
}

# Names of our own, so that runs do not meet.
near=bnet-near-$BASHPID
far=bnet-far-$BASHPID

# weather [ARG...]: of netem, in both directions; or the test is skipped.
weather() {
	local ns link

	[ "$(id -u)" -eq 0 ] || skip "not root"
	need ip iproute2
	ip netns add "$near" 2>/dev/null || skip "no network namespaces here"
	ip netns add "$far"
	ip -n "$near" link add near type veth peer name far netns "$far" \
		2>/dev/null || skip "no veth here"
	for ns in near far; do
		link=$ns
		[ "$ns" = near ] && ns=$near || ns=$far
		ip -n "$ns" link set lo up
		ip -n "$ns" link set "$link" up
		[ $# -eq 0 ] || tc -n "$ns" qdisc add dev "$link" root netem "$@" \
			2>/dev/null || skip "no netem here"
	done
	ip -n "$near" address add 198.51.100.1/24 dev near
	ip -n "$far" address add 198.51.100.2/24 dev far
}

# The relay is in one of them, the peers are in the other.
netem_relay() {
	program=$relay
	relay=in_near
	in_near() {
		exec ip netns exec "$near" "$program" "$@"
	}
	start_relay -L 198.51.100.1:26000 --insecure-nodes \
		--cert "$certs/server.pem" --key "$certs/server.key" "$@"
	curl() {
		ip netns exec "$near" curl "$@"
	}
}

far_play() {
	ip netns exec "$far" "$tools/peer" t="$tls" pid="$pid" "$@"
}

teardown() {
	local failed=0

	relay_teardown || failed=1
	ip netns del "$near" 2>/dev/null || true
	ip netns del "$far" 2>/dev/null || true
	return "$failed"
}

traffic() {
	cat <<'END'
mute
timeout 120
join a $t tls insecure
join b $t tls insecure order=network
join n $t tls12 insecure role=node id=7
flood a count=500 dest=node:7 key=app payload=size:1000
flood b count=500 dest=node:7 key=app payload=size:1000
repeat 1000 expect n packet key=app payload=size:1000
flood n count=300 dest=client:0 forks=$a.id,$b.id key=app payload=size:2000
collect total=600 a:packet b:packet
echo a dest=node:7 cookie=1
answer n
expect a echo-reply cookie=1
END
}

@test "delay: the relay knows how far its peers are" {
	weather delay 20ms 5ms
	netem_relay --ping-interval 100ms
	{
		traffic
		cat <<'END'
until ip netns exec $near curl -sS http://$$metrics/links | jq -e '[.links[].latency_us | numbers] | length == 3 and min >= 10000'
END
	} | far_play near="$near"
}

@test "loss and reordering" {
	weather delay 5ms 2ms loss 3% reorder 20% 50%
	netem_relay
	traffic | far_play
}

@test "a slow line" {
	weather rate 8mbit delay 2ms
	netem_relay --overload pause --queue 64K
	traffic | far_play
}

@test "a line that goes down: the link is cut in time" {
	weather
	netem_relay --keepalive 500ms
	far_play far="$far" <<'END'
join a $t tls insecure
run ip -n $far link set far down
END
	within no_links
}

no_links() {
	[ "$(metric links)" -eq 0 ]
}
