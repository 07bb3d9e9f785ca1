#!/bin/sh
# SPDX-License-Identifier: MIT
# run.sh gate FUZZER...		the committed corpus, then a fixed number of
#				inputs from a fixed seed: the same each time
# run.sh long SECONDS FUZZER...	look for something new, two at a time
# run.sh keep FUZZER...		what that found, minimised, into tests/fuzz/corpus
# run.sh coverage FUZZER...	what of each source file the corpora reach
# What breaks one is kept in $FUZZ_BUILD/crash; once mended, it goes to
# fixtures/fuzz-found/FUZZER, where a unit test runs it.
set -eu

corpora=tests/fuzz/corpus
crash=$FUZZ_BUILD/crash
mode=$1
shift

# More inputs than the corpus: for about a second and a half of each.
n_inputs() {
	case $1 in
	fuzz_hdr_log) echo 300 ;;
	fuzz_link_tls) echo 500 ;;
	fuzz_capture_tls) echo 700 ;;
	fuzz_tls_record) echo 1500 ;;
	fuzz_capture | fuzz_layers) echo 2000 ;;
	fuzz_report) echo 4000 ;;
	fuzz_keylog | fuzz_scenario) echo 10000 ;;
	*) echo 20000 ;;
	esac
}

# unpack FUZZER DIR
unpack() {
	mkdir -p "$2"
	[ ! -e "$corpora/$1.tar.gz" ] || tar -xzf "$corpora/$1.tar.gz" -C "$2"
}

# FUZZER's corpus and what it found, in an order that no file system decides.
inputs_of() {
	unpack "$1" "$work/$1"
	find "$work/$1" "fixtures/fuzz-found/$1" -type f 2>"$work/$1.none" |
	    LC_ALL=C sort | paste -s -d , - >"$work/$1.list"
	tr , '\n' <"$work/$1.list" | grep -c . || :
}

# start FUZZER OPTION...
start() {
	name=$1
	shift
	[ ! -e "tests/fuzz/$name.dict" ] || set -- "$@" \
	    "-dict=tests/fuzz/$name.dict"
	"$FUZZ_BUILD/fuzz/$name" -rss_limit_mb=2048 -print_final_stats=1 \
	    -artifact_prefix="$crash/$name-" "$@" >"$crash/$name.log" 2>&1
}

not_ok() {
	tail -n 40 "$crash/$1.log"
	echo "not ok $1: see $crash"
	exit 1
}

# Comparisons give libFuzzer ideas, among them addresses, which differ.
one_gate() {
	n=$(inputs_of "$1")
	start "$1" -seed=1 -runs=$((n + $(n_inputs "$1"))) -use_cmp=0 \
	    -reload=0 -seed_inputs="@$work/$1.list" || not_ok "$1"
	echo "ok $1: $(sed -n 's/^#\([0-9]*\)\tDONE *\(.*\) corp: .*/\1 runs, \2/p' \
	    "$crash/$1.log")"
}

one_long() {
	new=$FUZZ_BUILD/corpus/$1
	mkdir -p "$new" "$FUZZ_BUILD/seeds/$1"
	unpack "$1" "$work/$1"
	start "$1" -max_total_time="$seconds" -timeout=20 -fork=1 \
	    -ignore_crashes=1 -ignore_timeouts=1 -ignore_ooms=1 \
	    "$new" "$work/$1" "$FUZZ_BUILD/seeds/$1" || not_ok "$1"
	found=$(find "$crash" -name "$1-*" | wc -l)
	[ "$found" -eq 0 ] || not_ok "$1"
	echo "ok $1: $(find "$new" -type f | wc -l) inputs"
}

one_keep() {
	mkdir -p "$work/$1" "$FUZZ_BUILD/corpus/$1" "$FUZZ_BUILD/seeds/$1"
	unpack "$1" "$work/old/$1"
	start "$1" -merge=1 -max_len=16384 "$work/$1" "$work/old/$1" \
	    "$FUZZ_BUILD/corpus/$1" "$FUZZ_BUILD/seeds/$1" || not_ok "$1"
	mkdir -p "$corpora"
	tar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner \
	    --mode=0644 -cf - -C "$work/$1" . | gzip -9n >"$corpora/$1.tar.gz"
	echo "ok $1: $(find "$work/$1" -type f | wc -l) inputs," \
	    "$(wc -c <"$corpora/$1.tar.gz") bytes"
}

one_coverage() {
	inputs_of "$1" >"$work/$1.n"
	LLVM_PROFILE_FILE=$work/$1.profraw start "$1" -runs=0 \
	    -seed_inputs="@$work/$1.list" || not_ok "$1"
}

# A line a source file that is reached, the least covered first; functions
# that no input enters are mostly those that write, not read.
table() {
	llvm-profdata merge -o "$work/all" "$work"/*.profraw
	for name in "$@"; do
		objects="${objects:-} -object $FUZZ_BUILD/fuzz/$name"
	done
	# shellcheck disable=SC2086 # words
	llvm-cov report -instr-profile "$work/all" $objects |
	awk '/\.c / && $1 !~ /^tests/ && $8 > $9 {
		printf "%7s %7s %6d/%-3d %s\n", $10, $4, $5 - $6, $5, $1
	}' | sort -n | sed '1i\  lines regions  functions'
}

mkdir -p "$crash"
case $mode in
one_*)
	"$mode" "$1"
	exit
	;;
esac

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export work
case $mode in
long)
	seconds=$1
	shift
	export seconds
	JOBS=2
	;;
esac
case $mode in
long | keep) "$BUILD/tools/seeds" "$FUZZ_BUILD/seeds" ;;
esac
printf '%s\n' "$@" | xargs -P "${JOBS:-2}" -n 1 sh "$0" "one_$mode"
[ "$mode" != coverage ] || table "$@"
