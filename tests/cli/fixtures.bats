#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# Fixtures that a program of ours has made are what it makes today. It is long
# at work and has one thread, so no sanitizer looks at it.
#
# shellcheck disable=SC2154 # bats and common.bash set it

bats_require_minimum_version 1.5.0
load common

setup() {
	root=$BATS_TEST_DIRNAME/../..
	build=${BNET_BUILD:-$root/build}
	tools=${BNET_TOOLS:-$build/tools}
	fixtures=${BNET_FIXTURES:-$root/fixtures}
	tmp=$BATS_TEST_TMPDIR
	export LC_ALL=C
}

# table LOG: all that is read from it
table() {
	try "$build/bluenet-ping" --from "$1" -o json --per-node </dev/null
	echo "$stderr" >&2
	[ "$status" -eq 0 ] && [ -n "$output" ]
}

# made RUN: not byte by byte, as another zlib compresses otherwise
made() {
	local wanted

	"$tools/gen_ping" "$1" >"$tmp/$1"
	table "$fixtures/ping/$1.hlog"
	wanted=$output
	table "$tmp/$1"
	[ "$output" = "$wanted" ]
}

@test "the pings before" {
	made before
}

@test "the pings after" {
	made after
}
