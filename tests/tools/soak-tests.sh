#!/bin/sh
# SPDX-License-Identifier: MIT
# soak-tests.sh - the tests of the gate N times, the second half of them beside
# a load that keeps every processor busy ("make soak-tests"). Status 0: no test
# failed in any round. A test that failed once is a fault.
set -u

load=

unload() {
	for pid in $load; do
		kill "$pid" 2>/dev/null
	done
	load=
}

# One busy loop a processor.
load_up() {
	[ -z "$load" ] || return 0
	for _ in $(seq "$(nproc)"); do
		sh -c 'while :; do :; done' &
		load="$load $!"
	done
}

trap unload EXIT
trap 'exit 1' HUP INT TERM

log=$(mktemp)
round=0
passed=0
while [ "$round" -lt "$N" ]; do
	round=$((round + 1))
	beside=
	if [ "$round" -gt $((N / 2)) ]; then
		load_up
		beside=', beside a load'
	fi
	echo "== round $round of $N$beside =="
	if sh tests/tools/run-tests.sh gate >"$log" 2>&1; then
		passed=$((passed + 1))
	else
		cat "$log"
	fi
	tail -n 1 "$log"
done
rm -f "$log"
echo "$passed of $N rounds passed"
[ "$passed" -eq "$N" ]
