#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# tests/tools/stacks.sh: where the threads of a test that hangs are.
#
# shellcheck disable=SC2154 # what relay.bash sets

load relay

stacks() {
	sh "$root/tests/tools/stacks.sh" "$@"
}

@test "the threads of a relay, by the pid of its parent" {
	command -v gdb >/dev/null || skip "gdb is not installed"
	start_relay --threads 2
	run stacks "$$"
	[ "$status" -eq 0 ]
	[[ $output == *"== bluenet-relay, process $pid =="* ]]
	[ "$(grep -c '^#[0-9]* .* in worker_run ' <<<"$output")" -eq 2 ]
	# it goes on
	curl -sS "http://$metrics/healthz" | grep -qx ok
}

@test "without gdb: it says so, and what the kernel knows" {
	start_relay
	mkdir "$tmp/bin"
	for tool in sh awk cat sed sort timeout; do
		ln -s "$(command -v "$tool")" "$tmp/bin/$tool"
	done
	PATH=$tmp/bin run stacks "$pid"
	[[ $output == *"gdb is not installed"* ]]
	[[ $output == *"thread $pid state "* ]]
}

@test "nothing of ours, and no pid" {
	run stacks 1073741824
	[ "$status" -eq 0 ]
	[[ $output == "no program of ours among 1073741824 "* ]]
	run stacks
	[ "$status" -eq 2 ]
}
