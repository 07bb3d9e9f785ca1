#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# The load profiles of fixtures/captures: what is in them, that they can be
# played, and that they can be made anew (tests/tools/profile.sh).
#
# What relay.bash sets; each test is a subshell.
# shellcheck disable=SC2154,SC2030,SC2031

load relay
load replay

# profile NAME: $capture
profile() {
	capture=$fixtures/captures/profile-$1.pcap
}

# What the tools make of it is what they should; else how it is not.
as_expected() {
	profile "$1"
	BUILD=$build sh "$root/tests/tools/profile.sh" expected "$capture" \
		>"$tmp/$1"
	diff "${capture%.pcap}.expected" "$tmp/$1"
}

@test "their statistics are those expected" {
	as_expected relay
	as_expected fleet
	as_expected market
	as_expected macho
	as_expected direct
}

@test "nobody in them has a token" {
	for name in relay fleet market; do
		profile "$name"
		same "$("$decode" -r "$capture" -o json -Y 'message == hello' |
			jq .message.token | sort -u)" false
	done
}

# all_played SESSIONS FRAMES: each got ready, and sent all
all_played() {
	same "$(report .counts.sessions_ready)" "$1"
	same "$(report .counts.sessions_done)" "$1"
	same "$(report .counts.frames_sent)" "$2"
	same "$(report .counts.unsent)" 0
	same "$(report .counts.unanswered)" 0
}

@test "a busy relay of 1,600 users, as fast as can be" {
	start_relay
	start_nodes --id 1001 --count 3 --register market::quote \
		--reply-size 90
	start_nodes --id 1004
	profile relay
	replays 0 -q --asap "$capture" "$plain"
	all_played 1600 2200
	same "$(report .counts.answered)" 200
	same "$(report .counts.errors)" 0
}

# The node of the capture is played, too. Only where all were connected before
# it spoke did they all hear it.
@test "a fleet fight: what one node says reaches 250 clients" {
	start_relay
	profile fleet
	replays 0 -q --roles all --connect-speed 100 "$capture" "$plain"
	all_played 251 750
	if [ "$(report .counts.errors)" -eq 0 ]; then
		same "$(report '.keys[] | select(.key == -934780036) |
		    .received')" 7500
	fi
}

@test "a market: small requests to any node, answered" {
	start_relay
	start_nodes --id 1001 --count 3 --register market::quote \
		--reply-size 48
	profile market
	replays 0 -q --asap "$capture" "$plain"
	all_played 60 1800
	same "$(report .counts.answered)" 1800
}

@test "one is made anew, and is the same but for its times" {
	profile market
	ADDRESS=$own:26000 BUILD=$build sh \
		"$root/tests/tools/profile.sh" market "$tmp"
	same "$(frames "$tmp/profile-market.pcap" 'key_name == "market::quote"')" \
		"$(frames "$capture" 'key_name == "market::quote"')"
}
