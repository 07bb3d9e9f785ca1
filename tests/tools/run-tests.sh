#!/bin/sh
# SPDX-License-Identifier: MIT
# run-tests.sh - all unit tests and bats files of the build in $BUILD, and one
# line at the end that counts them.
set -u

fixtures=${BNET_FIXTURES:-fixtures}
log=$(mktemp)
trap 'rm -f "$log"' EXIT
passed=0
failed=0
skipped=0

# "100%: Checks: 12, Failures: 1, Errors: 0", of a program that may have died.
unit() {
	BNET_FIXTURES=$fixtures "$1" >"$log" 2>&1
	status=$?
	cat "$log"
	line=$(grep -E '^[0-9]+%: Checks: ' "$log" | tail -n 1)
	checks=$(echo "$line" | sed -n 's/.*Checks: \([0-9]*\).*/\1/p')
	bad=$(echo "$line" | sed -n \
	    's/.*Failures: \([0-9]*\), Errors: \([0-9]*\).*/\1 + \2/p')
	bad=$((${bad:-0}))
	if [ "$status" -ne 0 ] && [ "$bad" -eq 0 ]; then
		echo "$1: exit status $status"
		bad=1
	fi
	passed=$((passed + ${checks:-0} - bad))
	failed=$((failed + bad))
}

cli() {
	BNET_DECODE=$BUILD/bluenet-decode BNET_TOOLS=$BUILD/tools \
	    BNET_FIXTURES=$fixtures BNET_BUILD=$BUILD bats --tap "$1" \
	    >"$log" 2>&1
	status=$?
	cat "$log"
	n_skip=$(grep -cE '^ok .* # skip' "$log")
	n_ok=$(grep -cE '^ok ' "$log")
	n_bad=$(grep -cE '^not ok ' "$log")
	if [ "$status" -ne 0 ] && [ "$n_bad" -eq 0 ]; then
		echo "$1: exit status $status"
		n_bad=1
	fi
	passed=$((passed + n_ok - n_skip))
	failed=$((failed + n_bad))
	skipped=$((skipped + n_skip))
}

for t in "$BUILD"/unit/test_*; do
	[ -f "$t" ] && unit "$t"
done
for t in tests/cli/*.bats; do
	[ -f "$t" ] && cli "$t"
done
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
