#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# bluenet-relay, before it runs: options and the configuration file; the manual
# is held against them by tests/unit/test_manuals.c. BNET_BUILD says where the
# program is.
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

@test "the example of the manual is a good configuration" {
	sed -n '/^# relay 2/,/^\.Ed/{/^\.Ed/!p}' "$manual" >"$conf"
	[ "$(wc -l <"$conf")" -ge 8 ]
	# all is read, and this is the only mistake
	echo 'nonsense = 1' >>"$conf"
	relay 2 --config "$conf"
	says "relay.conf:$(wc -l <"$conf"): nonsense: expected the name"
	same "$(wc -l <<<"$stderr")" 2
}

@test "wrong usage: exit 2, and what was expected" {
	relay 2 --nonsense
	says "bluenet-relay: --nonsense: no such option"
	says "Try 'bluenet-relay --help'."
	relay 2 -k
	says "-k: no such option"
	relay 2 --listen
	says "--listen: expected HOST:PORT after it"
	relay 2 words
	says '"words": expected options only'
	relay 2 --listen 70000
	says '--listen: "70000": expected HOST:PORT'
	relay 2 --listen 127.0.0.1:99999
	says '--listen: "127.0.0.1:99999": expected HOST:PORT'
	relay 2 --queue 1T
	says '--queue: "1T": expected a size such as'
	relay 2 --keepalve 5s
	says "--keepalve: no such option; did you mean --keepalive?"
	relay 2 --overload maybe
	says "expected one of refuse, pause, cut"
}

@test "what is reached from other machines has to be asked for" {
	relay 2 -l 0.0.0.0:0
	says '--listen: "0.0.0.0:0": expected a loopback address'
	says "--listen-tls"
	says "--insecure-listen"
	relay 2 -l '[::]:0'
	says '--listen: "[::]:0": expected a loopback address'
	relay 2 --metrics 0.0.0.0:0
	says '--metrics: "0.0.0.0:0": expected a loopback address'
	says "--insecure-metrics"
	# each opens one thing, and not another
	relay 2 --metrics 0.0.0.0:0 --insecure-listen --insecure-nodes
	says '--metrics: "0.0.0.0:0": expected a loopback address'
	relay 2 -l 0.0.0.0:0 --insecure-metrics --insecure-nodes
	says '--listen: "0.0.0.0:0": expected a loopback address'
	relay 2 --insecure
	says "--insecure: "
	relay 2 -L 127.0.0.1:0
	says "add --cert FILE and --key FILE"
}

@test "a bad file: its name, the line, and what was expected" {
	printf '# relay\nid = 3\n\nqueue = lots\n' >"$conf"
	relay 2 --config "$conf"
	says "$conf:4: queue: \"lots\": expected a size such as"
	printf 'listen = 127.0.0.1:0\nnonsense = 1\n' >"$conf"
	relay 2 --config "$conf"
	says "$conf:2: nonsense: expected the name of an option"
	printf 'trace\n' >"$conf"
	relay 2 --config "$conf"
	says "$conf:1: expected NAME = VALUE"
	relay 2 --config "$conf.none"
	says "$conf.none: No such file or directory"
}

@test "--check-config reports every mistake" {
	local n

	printf '%s\n' 'id = 0' 'queu = 1M' '[relay]' 'trace' \
		'metrics = 0.0.0.0:1' 'overload = wait' 'key = a' >"$conf"
	relay 2 --check-config --config "$conf"
	for n in 1 2 3 4 5 6 7; do
		says "bluenet-relay: $conf:$n: "
	done
	says "$conf:2: queu: expected the name of an option; did you mean queue?"
	same "$(wc -l <<<"$stderr")" 8
	# and every file that is not there
	printf 'tokens = %s\ncert = %s\nkey = %s\nclient-tokens = %s\n' \
		"$conf.t" "$conf.c" "$conf.k" "$conf.u" >"$conf"
	relay 1 --check-config --config "$conf"
	says "--tokens: $conf.t: No such file"
	says "--client-tokens: $conf.u: No such file"
	says "--cert: $conf.c: No such file"
}

@test "-l takes a port alone, and a name" {
	relay 1 --check-config -l 0 -l localhost:0 --tokens "$conf.none"
	says "--tokens: $conf.none: No such file"
	same "$(wc -l <<<"$stderr")" 1
}

@test "--user needs root" {
	[ "$(id -u)" -ne 0 ] || skip "this is root"
	relay 2 --user nobody
	says '--user: "nobody": expected to be started by root'
}
