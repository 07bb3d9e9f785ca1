#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Print examples of a man page as they were before roff. With NAME, the display
# that follows the comment  .\" EXAMPLE NAME ; without, all other displays of
# the section EXAMPLES, each followed by a line %%.
#
#	extract-example.sh man/bluenet.3 embed.c > embed.c
#	extract-example.sh man/bluenet-ping.1
set -eu

if [ $# -lt 1 ] || [ $# -gt 2 ]; then
	echo "usage: $0 PAGE [NAME]" >&2
	exit 2
fi

named() {
	awk -v mark=".\\\\\" EXAMPLE $2" '
		$0 == mark	{ marked = 1; next }
		marked && /^\.Bd/ { inside = 1; next }
		inside && /^\.Ed/ { found = 1; exit }
		inside		{ print }
		END		{ exit !found }
	' "$1"
}

# Lines of .Dl that follow each other are one display.
unnamed() {
	awk '
		/^\.Sh /	{ section = $2; next }
		section != "EXAMPLES" { next }
		/^\.\\" EXAMPLE / { skip = 1; next }
		/^\.Bd -literal/ { inside = !skip; skip = 0; next }
		/^\.Ed/ && inside { print "%%"; inside = 0; found = 1 }
		inside		{ print; next }
		/^\.Dl /	{ print substr($0, 5); line = 1; next }
		line		{ print "%%"; line = 0; found = 1 }
		END		{ if (line) print "%%"; exit !(found || line) }
	' "$1"
}

if [ $# -eq 2 ]; then
	text=$(named "$1" "$2")
else
	text=$(unnamed "$1")
fi || {
	echo "$0: no example ${2:-} in $1" >&2
	exit 1
}
printf '%s\n' "$text" | sed \
    -e 's/^\\&//' \
    -e 's/\\-/-/g' \
    -e "s/\\\\(aq/'/g" \
    -e 's/\\(dq/"/g' \
    -e 's/\\(ga/`/g' \
    -e 's/\\(ha/^/g' \
    -e 's/\\(ti/~/g' \
    -e 's/\\e/\\/g'
