#!/bin/sh
# SPDX-License-Identifier: MIT
# run.sh FUZZER... - each over its seeds and FUZZ_SECONDS more, two at a time.
# What breaks one is kept in $BUILD-fuzz/crash.
set -eu

corpus=$BUILD-fuzz/corpus
seeds=$BUILD-fuzz/seeds
crash=$BUILD-fuzz/crash
mkdir -p "$corpus" "$seeds" "$crash"
"$BUILD/tools/seeds" "$seeds"

one() {
	name=$(basename "$1")
	mkdir -p "$corpus/$name" "$seeds/$name"
	if "$1" -max_total_time="$FUZZ_SECONDS" -timeout=20 \
	    -rss_limit_mb=2048 -print_final_stats=1 \
	    -artifact_prefix="$crash/$name-" "$corpus/$name" \
	    "$seeds/$name" >"$crash/$name.log" 2>&1; then
		runs=$(sed -n 's/^stat::number_of_executed_units: *//p' \
		    "$crash/$name.log")
		echo "ok $name: $runs runs"
	else
		tail -n 40 "$crash/$name.log"
		echo "not ok $name: see $crash"
		return 1
	fi
}

status=0
while [ $# -gt 0 ]; do
	one "$1" &
	first=$!
	shift
	if [ $# -gt 0 ]; then
		one "$1" &
		second=$!
		shift
		wait "$second" || status=1
	fi
	wait "$first" || status=1
done
exit $status
