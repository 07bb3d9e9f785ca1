#!/bin/sh
# SPDX-License-Identifier: MIT
# check-calls.sh BUILD - which file calls which, from the objects of a build:
#
# - no two files call each other, on any way round;
# - a public function is called from another file, a test's or a tool's at
#   least, or it should be static.
#
# The library's own interface (proto/bluenet.map) is for others, and so is that
# of the engine (cmd/engine/engine.h).
set -eu

BUILD=$1
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

# The objects of what is there now; a build keeps those of what went.
objects() {
	find proto cmd tests -name '*.c' | LC_ALL=C sort |
	    sed "s|^|$BUILD/|; s|c$|o|" | while read -r object; do
		[ ! -e "$object" ] || echo "$object"
	done
}

# "FILE SYMBOL" of what is defined and of what is wanted; FILE without $BUILD.
symbols() {
	objects | xargs nm -A "$1" |
	    sed -nE "s|^$BUILD/(.*)\\.o:[^ ]* *[0-9a-f]* ($2) (.*)|\\1 \\3|p"
}

symbols --defined-only '[TDBRCV]' >"$tmp/defined"
symbols --undefined-only '[U]' >"$tmp/wanted"

# "CALLER CALLED SYMBOL", between files of the product
awk 'NR == FNR { home[$2] = $1; next }
    ($2 in home) && home[$2] != $1 && $1 !~ /^tests/ &&
    home[$2] !~ /^tests/ { print $1, home[$2], $2 }' \
    "$tmp/defined" "$tmp/wanted" | LC_ALL=C sort -u >"$tmp/calls"

status=0
cut -d ' ' -f 1,2 "$tmp/calls" | tsort >/dev/null 2>"$tmp/circles" || true
if [ -s "$tmp/circles" ]; then
	echo 'files that call each other:'
	sed -n 's/^tsort: -: input contains a loop:$/  a circle of/p
	    s/^tsort: \(.*[a-z]\)$/    \1.c/p' "$tmp/circles"
	status=1
fi

# public functions of the product that nobody outside their file wants
awk 'NR == FNR { wanted[$2] = 1; next }
    $1 !~ /^tests/ && $1 !~ /^proto/ && $2 != "main" && !($2 in wanted) {
	print $1 ".c: " $2 ": public, but used in this file only"
    }' "$tmp/wanted" "$tmp/defined" >"$tmp/lonely"
if [ -s "$tmp/lonely" ]; then
	cat "$tmp/lonely"
	status=1
fi
exit $status
