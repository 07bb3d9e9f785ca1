#!/bin/sh
# SPDX-License-Identifier: MIT
# check.sh - the gate ("make check"): its parts one after the other, until one
# fails; then how long each took, and the line that counts the tests.
set -u

MAKE=${MAKE:-make}
COUNTS=$(mktemp)
export COUNTS
trap 'rm -f "$COUNTS" "$COUNTS.parts"' EXIT
trap 'exit 1' HUP INT TERM

finish() {
	echo '== time of each part =='
	cat "$COUNTS.parts"
	cat "$COUNTS"
	exit "$1"
}

# part NAME TARGET
part() {
	echo "== $1 =="
	began=$(date +%s)
	$MAKE "$2"
	status=$?
	printf '%8d s  %s\n' $(($(date +%s) - began)) "$1" >>"$COUNTS.parts"
	if [ "$status" -ne 0 ]; then
		echo "check: failed: $1 (make $2)" >&2
		finish 1
	fi
}

part 'what the tests need' deps-check
part 'builds, warnings are errors' check-builds
part 'cppcheck' lint-c
part 'clang-format, shellcheck, mandoc' lint-text
part 'proto/ free of I/O' lint-proto
part 'the interface of libbluenet' lint-abi
part 'no circles between files' lint-calls
part 'fuzzers' test-fuzz
part 'tests' check-tests
finish 0
