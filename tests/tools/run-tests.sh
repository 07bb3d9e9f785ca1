#!/bin/sh
# SPDX-License-Identifier: MIT
# run-tests.sh - all unit tests and bats files of the build in $BUILD, a few
# side by side, and one line at the end that counts them.
# run-tests.sh FILE: one of them, for which it calls itself.
set -u

# one FILE: what dies before its last line is one failure.
one() {
	log=$logs/$(basename "$1").log
	case $1 in
	*.bats)
		bats --tap --timing "$1" >"$log" 2>&1
		status=$?
		[ "$status" -le 1 ] && return
		;;
	*)
		"$1" >"$log" 2>&1
		status=$?
		[ "$status" -eq 0 ] || grep -qE '^[0-9]+%: Checks: ' "$log" && return
		;;
	esac
	echo "died: $1: exit status $status" >>"$log"
}

if [ $# -gt 0 ]; then
	one "$1"
	exit 0
fi

# absolute: some tests work in folders of their own
BUILD=$(cd "$BUILD" && pwd)
fixtures=$(cd "${BNET_FIXTURES:-fixtures}" && pwd)
logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT
export logs BNET_BUILD="$BUILD" BNET_DECODE="$BUILD/bluenet-decode" \
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

# The long files first, so that none of them is left at the end. More than a
# few at once, and each step of a test takes seconds.
# shellcheck disable=SC2012 # their names are ours
{ ls -S tests/cli/*.bats; ls "$BUILD"/unit/test_*; } |
while read -r t; do
	! wanted "$t" || echo "$t"
done | xargs -P $((3 * $(nproc))) -n 1 sh "$0"
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
