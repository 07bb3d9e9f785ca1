# SPDX-License-Identifier: MIT
# What all tests share: what they look for before they begin, how they run a
# program, what they say where it is wrong.
# shellcheck shell=bash
# shellcheck disable=SC2034 # the tests use it

# TSan sleeps a second at the end of each program, for threads that are still at
# work: ours have been joined by then.
export TSAN_OPTIONS="${TSAN_OPTIONS:-} atexit_sleep_ms=0"

# ---- programs that are not part of every system, and how to get them

# missing PROGRAM PACKAGE
missing() {
	! type -P "$1" >/dev/null ||
		return 1
	echo "$1 is missing: install $2 (Debian's name) or run 'make deps-check'"
}

# need PROGRAM PACKAGE: `make deps-check` installs it; without it there is no
# saying whether all is well.
need() {
	! missing "$@"
}

# want PROGRAM PACKAGE: what is not for every system; the test is skipped.
want() {
	local why

	! why=$(missing "$@") || skip "$why"
}

# ---- to run one

# try COMMAND: as `run --separate-stderr`, in one process instead of five:
# $status, $output, $lines, $stderr, $stderr_lines.
try() {
	local IFS=$'\n'

	status=0
	output=$("$@" 2>"$BATS_TEST_TMPDIR/try.err") || status=$?
	stderr=$(<"$BATS_TEST_TMPDIR/try.err")
	read -d '' -r -a lines <<<"$output" || true
	read -d '' -r -a stderr_lines <<<"$stderr" || true
}

# says TEXT: standard error has it.
says() {
	if [[ $stderr != *"$1"* ]]; then
		echo "standard error has no '$1', but:"
		echo "$stderr"
		return 1
	fi
}
