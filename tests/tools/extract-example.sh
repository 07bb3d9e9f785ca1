#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Print an example of a man page as it was before roff: the display that
# follows the comment  .\" EXAMPLE NAME
#
#	extract-example.sh man/bluenet.3 embed.c > embed.c
set -eu

if [ $# -ne 2 ]; then
	echo "usage: $0 PAGE NAME" >&2
	exit 2
fi

text=$(awk -v mark=".\\\\\" EXAMPLE $2" '
	$0 == mark	{ marked = 1; next }
	marked && /^\.Bd/ { inside = 1; next }
	inside && /^\.Ed/ { found = 1; exit }
	inside		{ print }
	END		{ exit !found }
' "$1") || {
	echo "$0: no example $2 in $1" >&2
	exit 1
}
printf '%s\n' "$text" | sed \
    -e 's/^\\&//' \
    -e 's/\\-/-/g' \
    -e "s/\\\\(aq/'/g" \
    -e 's/\\(ga/`/g' \
    -e 's/\\(ha/^/g' \
    -e 's/\\(ti/~/g' \
    -e 's/\\e/\\/g'
