#!/bin/sh
# SPDX-License-Identifier: MIT
#
# sentences.sh text	the sentences of the protocol in man/bluenet-wire.5, one
#			a line: of its sections about frames, headers, relays
#			and session messages, displays and tables left out
# sentences.sh check	that fixtures/scenarios/sentences.txt has each of them,
#			each with scenarios that are there, or with the reason
#			why a peer cannot observe it; and how many there are
# sentences.sh table	the same as a table: sentence, scenarios
#
# A line of sentences.txt is "SCENARIO... | SENTENCE", or "- REASON | SENTENCE".
set -eu

root=$(dirname "$0")/../..
table=$root/fixtures/scenarios/sentences.txt

# Sections of the manual that are the protocol's 1 to 5.
text() {
	awk '
	function flush(  i, n, part, s) {
		gsub(/[ \t]+/, " ", para)
		sub(/^ /, "", para)
		# a sentence ends at a stop before a capital, or the end
		while (match(para, /[.:;][ ]+[A-Z(]/)) {
			s = substr(para, 1, RSTART)
			para = substr(para, RSTART + 1)
			sub(/^ +/, "", para)
			say(s)
		}
		sub(/ +$/, "", para)
		say(para)
		para = ""
	}
	# what only introduces a list or a display says nothing yet
	function say(s) {
		if (s ~ / / && s !~ /:\)?$/)
			print s
	}
	/^\.Sh/ {
		flush()
		name = substr($0, 5)
		on = name ~ /^(FRAME|BYTE ORDER|COMPRESSION|PRIMITIVES|HEADER)$/ ||
		    name ~ /^(RELAY|SESSION MESSAGES|CODES|KEEP-ALIVE)$/ ||
		    name ~ /^STOCK PEERS$/
		next
	}
	!on { next }
	/^\.Bd/ { flush(); display = 1; next }
	/^\.Ed/ { display = 0; next }
	/^\.Bl -column/ { flush(); columns = 1; next }
	/^\.El/ { flush(); columns = 0; next }
	display || columns { next }
	/^\.\\"/ { next }
	/^\.(Pp|Ss|Bl|It)/ {
		flush()
		if (/^\.It/ && NF > 1) {
			sub(/^\.It /, "")
			para = $0 ": "
		}
		next
	}
	/^\.(Pq|Dq|Em|Sx|Xr|Dv|Fl|Pa|Ev|Cm|Ar|Li) ?/ {
		macro = $1
		sub(/^\.[A-Z][a-z] /, "")
		gsub(/(^| )(Em|Sx|Xr|Fl|Ar|Cm|Li|see Sx) /, " ")
		gsub(/ [.,;:]$/, "&")
		if (macro == ".Dq")
			$0 = "\"" $0 "\""
		if (macro == ".Pq")
			$0 = "(" $0 ")"
		gsub(/ ([.,;:])/, "&")
	}
	{
		gsub(/\\e/, "\\"); gsub(/\\&/, ""); gsub(/\\\(dq/, "\"")
		gsub(/ [.,;:)]"?$/, "&")
		para = para " " $0
		gsub(/ \./, ".", para); gsub(/ ,/, ",", para)
		gsub(/ ;/, ";", para); gsub(/ :/, ":", para)
	}
	END { flush() }' "$root/man/bluenet-wire.5"
}

# The scenarios that there are.
scenarios() {
	sed -n 's/^scenario //p' "$root"/fixtures/scenarios/*.bns | sort
}

# What is wrong with the table, a line each.
mistakes() {
	text | sort >"$tmp/said"
	sed 's/^[^|]*| //' "$table" | sort >"$tmp/listed"
	comm -23 "$tmp/said" "$tmp/listed" | sed 's/^/not in the table: /'
	comm -13 "$tmp/said" "$tmp/listed" | sed 's/^/not in the manual: /'
	uniq -d "$tmp/listed" | sed 's/^/twice: /'
	scenarios >"$tmp/there"
	sed -n '/^- /!s/ *|.*//p' "$table" | tr ' ' '\n' | sort -u |
		comm -23 - "$tmp/there" | sed 's/^/no such scenario: /'
	# an empty row: neither a scenario nor a reason
	grep -vE '^(- [^|]+|[a-z0-9]+[a-z0-9 -]+) \| ' "$table" |
		sed 's/^/an empty row: /' || true
}

check() {
	mistakes >"$tmp/wrong"
	if [ -s "$tmp/wrong" ]; then
		sed 's/^/sentences.txt: /' "$tmp/wrong" >&2
		exit 1
	fi
	printf '%s sentences: %s seen by %s of %s scenarios, %s %s\n' \
		"$(wc -l <"$table")" "$(grep -vc '^- ' "$table")" \
		"$(sed -n '/^- /!s/ *|.*//p' "$table" | tr ' ' '\n' |
			sort -u | wc -l)" \
		"$(scenarios | wc -l)" "$(grep -c '^- ' "$table")" \
		'that no peer of a relay can observe'
}

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
case ${1:-} in
text) text ;;
check) check ;;
table)
	check >&2
	awk -F ' [|] ' '{ printf "%s\n\t%s\n", $2, $1 }' "$table"
	;;
*)
	echo "usage: sentences.sh text|check|table" >&2
	exit 2
	;;
esac
