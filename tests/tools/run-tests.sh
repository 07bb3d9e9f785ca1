#!/bin/sh
# SPDX-License-Identifier: MIT
# run-tests.sh - unit programs and bats files in one queue, the longest first,
# one more at a time than there are processors. Failures are shown as they
# come, then the slowest tests, then one line that counts them all.
#
#	run-tests.sh all	every test, on $BUILD ("make test")
#	run-tests.sh gate	each where tests/tools/tests.txt has it, on
#				$BUILD, $BUILD-asan or $BUILD-tsan
#	run-tests.sh units WHERE
#				the unit programs that the gate runs there
#
# TEST_ONLY: words, of which one is in the name of a test that is wanted.
set -u

# A test that prints nothing for so long hangs: its stacks are shown, and it
# has failed. This is no limit for a slow test.
STALLED_S=${STALLED_S:-300}
LOOK_S=10 # between looks at it
SHOWN=20 # of the slowest
table=$(dirname "$0")/tests.txt

failures='^not ok |^died: |^[0-9]+%: .*(Failures: [1-9]|Errors: [1-9])'

# ---- one test ("run-tests.sh one SECONDS BUILD FILE") -----------------------

# The processes of a test: it has a session of its own.
session() {
	ps -o pid= -s "$1" 2>/dev/null
}

# watch PID LOG
watch() {
	seen=0
	quiet_s=0
	while sleep "$LOOK_S" && kill -0 "$1" 2>/dev/null; do
		now=$(wc -c <"$2")
		quiet_s=$((now == seen ? quiet_s + LOOK_S : 0))
		seen=$now
		[ "$quiet_s" -ge "$STALLED_S" ] || continue
		echo "stalled: nothing for $STALLED_S s; the stacks:" >>"$2"
		# shellcheck disable=SC2046 # words on purpose
		sh "$(dirname "$0")/stacks.sh" $(session "$1") >>"$2" 2>&1
		# shellcheck disable=SC2046 # words on purpose
		kill -KILL $(session "$1")
		return
	done
}

# A process for each check of a unit program, where the search for leaks at the
# end of a process does not take longer than the check.
start() {
	case $1 in
	*.bats) exec setsid bats --tap --timing "$1" ;;
	*-asan/*) exec setsid env CK_FORK=no "$1" ;;
	*) exec setsid "$1" ;;
	esac
}

# What fails without a failure of its own in its log is one: it died, or leaks.
note_death() {
	[ "$2" -ne 0 ] || return
	! grep -qE "$failures" "$log" || return
	echo "died: $1: exit status $2" >>"$log"
}

# A test stops what it started; what is on its way out gets a moment.
note_left() {
	tries=0
	while [ -n "$(session "$1")" ]; do
		tries=$((tries + 1))
		[ "$tries" -le 50 ] || break
		sleep 0.1
	done
	[ "$tries" -gt 50 ] || return
	{
		echo "died: it left processes running:"
		ps -o pid=,args= -s "$1"
	} >>"$log"
	# shellcheck disable=SC2046 # words on purpose
	kill -KILL $(session "$1")
}

# say STATUS MS BUILD FILE: a line, and after a failure all that it printed.
say() {
	printf '%s %6d.%d s  %s\n' "$1" $(($2 / 1000)) $(($2 % 1000 / 100)) \
	    "$(basename "$3")/$(basename "$4")"
	[ "$1" = ok ] || cat "$log"
	grep -E '^ok .* # skip' "$log"
}

one() {
	export BNET_BUILD="$2" BNET_DECODE="$2/bluenet-decode" \
	    BNET_TOOLS="$2/tools"
	log=$logs/$(basename "$2").$(basename "$3").log
	began=$(date +%s%N)
	start "$3" >"$log" 2>&1 </dev/null &
	test=$!
	watch "$test" "$log" >/dev/null 2>&1 &
	watcher=$!
	wait "$test"
	status=$?
	kill "$watcher" 2>/dev/null
	ms=$((($(date +%s%N) - began) / 1000000))
	note_death "$3" "$status"
	note_left "$test"
	echo "$ms $(basename "$2")/$(basename "$3")" >"$log.time"
	if grep -qE "$failures" "$log"; then
		said=$(say FAILED "$ms" "$2" "$3")
	else
		said=$(say ok "$ms" "$2" "$3")
	fi
	printf '%s\n' "$said" # at once, so that nothing comes between
}

if [ "${1:-}" = one ]; then
	shift
	one "$@"
	exit 0
fi

# ---- which, and in which order ----------------------------------------------

# TEST_ONLY has a word of its name.
wanted() {
	[ -n "${TEST_ONLY:-}" ] || return 0
	for word in $TEST_ONLY; do
		case $1 in
		*"$word"*) return 0 ;;
		esac
	done
	return 1
}

# "SECONDS WHERE" of a test, from the table.
row_of() {
	awk -v name="$1" '$3 == name { print $1, $2 }' "$table"
}

# build_of WHERE: its folder.
build_of() {
	case $1 in
	plain) echo "$BUILD" ;;
	*) echo "$BUILD-$1" ;;
	esac
}

# queue_one FILE: its lines, "SECONDS BUILD FILE".
queue_one() {
	name=$(basename "$1" .bats)
	wanted "$name" || return 0
	row=$(row_of "$name")
	case $row,$1 in
	,*.bats)
		echo "run-tests: $name.bats has no line in $table" >&2
		return 1
		;;
	,*) row="1 asan" ;;
	esac
	if [ "$mode" = all ]; then
		echo "${row%% *} $BUILD $1"
		return
	fi
	echo "${row#* }" | tr , '\n' | while read -r where; do
		build=$(build_of "$where")
		case $1 in
		*.bats) echo "${row%% *} $build $1" ;;
		*) echo "${row%% *} $build $build/unit/$name" ;;
		esac
	done
}

queue() {
	for source in tests/cli/*.bats; do
		queue_one "$source" || return
	done
	for source in tests/unit/test_*.c; do
		queue_one "$BUILD/unit/$(basename "$source" .c)" || return
	done
}

mode=${1:-all}
if [ "$mode" = units ]; then
	queue | awk -v build="$BUILD-$2" '$2 == build && $3 ~ /unit/ { print $3 }'
	exit
fi
BUILD=$(mkdir -p "$BUILD" && cd "$BUILD" && pwd)
fixtures=$(cd "${BNET_FIXTURES:-fixtures}" && pwd)
logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT
export logs STALLED_S BNET_FIXTURES="$fixtures"
# for a test that cannot have a sanitizer
[ "$mode" != gate ] || export BNET_PLAIN="$BUILD"
export BNET_WAIT="${BNET_WAIT:-120}" # a step of a test, on a busy machine
# TSan would sleep for a second at the end of each program.
export TSAN_OPTIONS="suppressions=$PWD/tests/tsan.supp atexit_sleep_ms=0"

queue >"$logs/queue" || exit 1
sort -rn -k1,1 "$logs/queue" |
    xargs -P $(($(nproc) + 1)) -L 1 sh "$0" one

# "MS NAME" of every test: of a bats file each, of a unit program the whole.
test_times() {
	grep -hv '\.bats$' "$logs"/*.time
	for log in "$logs"/*.bats.log; do
		[ ! -e "$log" ] || sed -nE "s|^(not )?ok [0-9]+ (.*) in \
([0-9]+)ms.*|\3 $(basename "$log" .bats.log | tr . /): \2|p" "$log"
	done
}

echo "== the $SHOWN slowest =="
test_times | sort -rn | head -n "$SHOWN" | awk '{
	ms = $1
	sub(/^[0-9]+ /, "")
	printf "%8.1f s  %s\n", ms / 1000, $0
}'

# COUNTS: a file for the last line, for those who have more to say before it.
# (Not by /dev/stdout: where that is a file, opening it again empties it.)
[ -z "${COUNTS:-}" ] || exec >"$COUNTS"
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
