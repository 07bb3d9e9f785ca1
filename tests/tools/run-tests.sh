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

# A program that dies before its last line is one failure.
units() {
	for t in "$BUILD"/unit/test_*; do
		[ -x "$t" ] || continue
		wanted "$t" || continue
		"$t" >"$logs/one" 2>&1
		status=$?
		cat "$logs/one"
		[ "$status" -eq 0 ] ||
		    grep -qE '^[0-9]+%: Checks: ' "$logs/one" ||
		    echo "died: $t: exit status $status"
	done
}

# So is a bats file that ends early.
cli() {
	bats --tap "$1"
	status=$?
	[ "$status" -le 1 ] || echo "died: $1: exit status $status"
}

units >"$logs/unit.log" 2>&1 &
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
