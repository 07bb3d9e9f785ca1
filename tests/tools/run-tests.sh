#!/bin/sh
# SPDX-License-Identifier: MIT
# run-tests.sh - all unit tests and bats files of the build in $BUILD, side by
# side, and one line at the end that counts them.
set -u

# absolute: some tests work in folders of their own
BUILD=$(cd "$BUILD" && pwd)
fixtures=$(cd "${BNET_FIXTURES:-fixtures}" && pwd)
logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT
export BNET_BUILD="$BUILD" BNET_DECODE="$BUILD/bluenet-decode" \
    BNET_TOOLS="$BUILD/tools" BNET_FIXTURES="$fixtures"
export BATS_TEST_TIMEOUT=600	# what hangs has failed; no sooner
export BNET_WAIT="${BNET_WAIT:-120}"	# a step of a test, on a busy machine

# TEST_ONLY: the words of which one is in the name of a test that counts.
wanted() {
	[ -n "${TEST_ONLY:-}" ] || return 0
	for word in $TEST_ONLY; do
		case $(basename "$1") in
		*"$word"*) return 0 ;;
		esac
	done
	return 1
}

# unit PROGRAM: one that dies before its last line is one failure.
unit() {
	log=$logs/$(basename "$1").log
	"$1" >"$log" 2>&1
	status=$?
	[ "$status" -eq 0 ] || grep -qE '^[0-9]+%: Checks: ' "$log" ||
	    echo "died: $1: exit status $status" >>"$log"
}

# unit_lane I: every lane-th program, from the I-th on
unit_lane() {
	at=0
	for t in "$BUILD"/unit/test_*; do
		[ -x "$t" ] || continue
		wanted "$t" || continue
		[ $((at % lanes)) -ne "$1" ] || unit "$t"
		at=$((at + 1))
	done
}

# So is a bats file that ends early.
cli() {
	bats --tap "$1"
	status=$?
	[ "$status" -le 1 ] || echo "died: $1: exit status $status"
}

lanes=$(nproc 2>/dev/null || echo 2)
lane=0
while [ "$lane" -lt "$lanes" ]; do
	unit_lane "$lane" &
	lane=$((lane + 1))
done
for t in tests/cli/*.bats; do
	wanted "$t" || continue
	cli "$t" >"$logs/$(basename "$t").log" 2>&1 &
done
wait
cat "$logs"/*.log

awk '
/^[0-9]+%: Checks: / {
	gsub(/[,:]/, "")
	passed += $3 - $5 - $7
	failed += $5 + $7
}
/^ok .* # skip/ { skipped++; next }
/^ok [0-9]/ { passed++ }
/^not ok [0-9]/ { failed++ }
/^died: / { failed++ }
END {
	printf "%d passed, %d failed, %d skipped\n", passed, failed, skipped
	exit failed > 0 || passed == 0
}' "$logs"/*.log
