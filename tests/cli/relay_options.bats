#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# bluenet-relay, before it runs: options, the configuration file, and that
# --help, the manual and the completions say the same. BNET_BUILD says where
# the program is.
#
# shellcheck disable=SC2154 # what bats sets

bats_require_minimum_version 1.5.0
load common

setup() {
	root=$BATS_TEST_DIRNAME/../..
	relay=${BNET_BUILD:-$root/build}/bluenet-relay
	manual=$root/man/bluenet-relay.1
	conf=$BATS_TEST_TMPDIR/relay.conf
	export LC_ALL=C
	[ -x "$relay" ] || skip "bluenet-relay is not built"
}

# relay EXIT [ARG ...]: it ended with that status, in time.
relay() {
	local status_wanted=$1

	shift
	try timeout 60 "$relay" "$@" </dev/null
	if [ "$status" -ne "$status_wanted" ]; then
		echo "exit $status, not $status_wanted: $*"
		echo "$stderr"
		return 1
	fi
}

# same A B
same() {
	diff <(printf '%s\n' "$1") <(printf '%s\n' "$2")
}

@test "--version" {
	relay 0 --version
	[[ $output =~ ^bluenet-relay\ [0-9]+\.[0-9]+\.[0-9]+$ ]]
	relay 0 -V
}

@test "--help" {
	relay 0 --help
	[[ $output == "usage: bluenet-relay "* ]]
	local long=$output
	relay 0 -h
	same "$output" "$long"
	# for a terminal of 80 columns
	run ! grep -E '^.{81}' <<<"$long"
	"$relay" --help 2>&1 >/dev/full | grep -q "standard output: "
}

# Each line is an option: its letter or -, its name, yes if it takes a value.
options_of_help() {
	"$relay" --help | sed -nE '
		s/^  -(.), --([a-z-]+)( [A-Z:]+)* .*/\1 \2\3/p
		s/^      --([a-z-]+)( [A-Z:]+)* .*/- \1\2/p' |
		sed -E 's/ [A-Z:]+$/ yes/' | sort
}

options_of_manual() {
	sed -n '/^\.Sh OPTIONS/,/^\.Sh CONFIGURATION/p' "$manual" | sed -nE '
		/^\.It Fl/!d
		s/^\.It Fl (.) , -([a-z-]+)( (Ar|Cm) .*)?$/\1 \2\3/p
		s/^\.It Fl -([a-z-]+)( (Ar|Cm) .*)?$/- \1\2/p' |
		sed -E 's/ (Ar|Cm) .*$/ yes/' | sort
}

@test "--help and the manual have the same options" {
	same "$(options_of_help)" "$(options_of_manual)"
	[ "$(options_of_manual | wc -l)" -ge 45 ]
}

@test "the manual has the options in order" {
	local names

	names=$(sed -n '/^\.Sh OPTIONS/,/^\.Sh CONFIGURATION/p' "$manual" |
		sed -nE 's/^\.It Fl (. , )?-([a-z-]+).*/\2/p')
	same "$names" "$(sort <<<"$names")"
}

# NAME DEFAULT, where --help has one at the end of its line.
defaults_of_help() {
	"$relay" --help |
		sed -nE 's/^ .*--([a-z-]+) .*\(([^ ()]+)\)$/\1 \2/p'
}

# The texts of all options in the manual, a line each, without macros: NAME TEXT
texts_of_manual() {
	sed -n '/^\.Sh OPTIONS/,/^\.Sh CONFIGURATION/p' "$manual" |
		sed -E 's/^\.(Cm|Dq|Li|Fl|Ar) //; s/ ([.,])$/\1/' | awk '
		/^\.It Fl/ {
			sub(/^\.It Fl (. , )?-/, "")
			printf "\n%s ", $1
			next
		}
		/^\.(It|El)/ { print ""; next }
		{ printf "%s ", $0 }'
}

@test "--help and the manual have the same defaults" {
	local name value text texts n=0

	texts=$(texts_of_manual)

	while read -r name value; do
		[[ $'\n'$texts =~ $'\n'"$name "([^$'\n']*) ]]
		text=${BASH_REMATCH[1]}
		n=$((n + 1))
		case $name in
		listen) [[ $text == *" is $value."* ]] ;;
		codecs) [[ $text == *"snappy or both, which is the default."* ]] ;;
		*) [[ $text == *"The default is $value."* ||
			$text == *"The default, $value, is "* ]] ;;
		esac || {
			echo "--$name ($value): $text"
			return 1
		}
	done < <(defaults_of_help)
	[ "$n" -ge 25 ]
}

@test "the completions know every option" {
	local file name options text

	options=$(options_of_help)
	for file in "$root"/cmd/relay/completion/*; do
		text=$(<"$file")
		while read -r _ name _; do
			[[ $text =~ --$name($|[^a-z-]) ]] || {
				echo "no --$name in $file"
				return 1
			}
		done <<<"$options"
	done
}

@test "the manual says what a reload changes" {
	local names

	names=$(sed -n '/RELOAD:/,/RELOAD END/p' "$manual" |
		grep -oE -e '-[a-z-]+' | sed 's/^-//' | sort)
	[ "$(wc -l <<<"$names")" -ge 10 ]
	# in the table, a row is over where the next one opens
	same "$names" "$(tr -d '\n' <"$root/cmd/relay/options.c" |
		sed 's/{ [0'"'"']/\n&/g' | grep RELAY_RELOAD |
		sed -nE "s/^\{ [^,]+, \"([a-z-]+)\".*/\1/p" | sort)"
}

@test "the example of the manual is a good configuration" {
	sed -n '/^# relay 2/,/^\.Ed/{/^\.Ed/!p}' "$manual" >"$conf"
	[ "$(wc -l <"$conf")" -ge 8 ]
	# all is read before the last mistake is found
	echo 'nonsense = 1' >>"$conf"
	relay 2 --config "$conf"
	says "relay.conf:$(wc -l <"$conf"): nonsense: '1': expected the name"
}

@test "wrong usage: exit 2, and what was expected" {
	relay 2 --nonsense
	says "bluenet-relay: --nonsense: no such option"
	says "Try 'bluenet-relay --help'."
	relay 2 -k
	says "-k: no such option"
	relay 2 --listen
	says "--listen: an argument is missing"
	relay 2 words
	says "'words': expected options only"
	relay 2 --listen 26000
	says "--listen: '26000': expected ADDRESS:PORT"
	relay 2 --queue 1T
	says "--queue: '1T': expected a size from"
	relay 2 --overload maybe
	says "expected one of refuse, pause, cut"
}

@test "what is reached from other machines has to be asked for" {
	relay 2 -l 0.0.0.0:0
	says "listen: '0.0.0.0:0': expected a loopback address"
	says "--listen-tls"
	says "--insecure"
	relay 2 -l '[::]:0'
	says "listen: '[::]:0': expected a loopback address"
	relay 2 --metrics 0.0.0.0:0
	says "metrics: '0.0.0.0:0': expected a loopback address"
	relay 2 -L 127.0.0.1:0
	says "add --cert FILE and --key FILE"
}

@test "a bad file: its name, the line, and what was expected" {
	printf '# relay\nid = 3\n\nqueue = lots\n' >"$conf"
	relay 2 --config "$conf"
	says "$conf:4: queue: 'lots': expected a size from"
	printf 'listen = 127.0.0.1:0\nnonsense = 1\n' >"$conf"
	relay 2 --config "$conf"
	says "$conf:2: nonsense: '1': expected the name of an option"
	printf 'insecure\n' >"$conf"
	relay 2 --config "$conf"
	says "$conf:1: expected NAME = VALUE"
	relay 2 --config "$conf.none"
	says "$conf.none: No such file or directory"
}

@test "--user needs root" {
	[ "$(id -u)" -ne 0 ] || skip "this is root"
	relay 2 --user nobody
	says "user: 'nobody': expected to be started by root"
}
