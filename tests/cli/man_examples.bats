#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# The examples of the manuals do what the manuals say: each command of a
# section EXAMPLES runs as a user would type it, in a folder with the files that
# it names, and its output is like the one that is shown.
#
# A line "$ " or "# " is a command, and goes on after \, | and &&; what follows
# is its output, in which ... is anything. With & a relay or a node runs beside
# the other commands of its display; without, until it is ready, as if by
# Ctrl-C. A display that connects to a relay and starts none gets one.
#
# What relay.bash sets.
# shellcheck disable=SC2154,SC2016

load relay

# Commands that are not run, or end with another status than 0, by how they
# begin: PAGE|COMMAND|no REASON, or PAGE|COMMAND|exit STATUS
exceptions='
bluenet-decode.1|bluenet-decode -i eth0|no root, and an interface
bluenet-decode.1|bluenet-decode -r tls.pcap|exit 3
bluenet-relay.1|bluenet-relay --config /etc|no root, and systemd
bluenet-replay.1|for i in 0 1 2 3|no four machines; replay_scale.bats has parts
bluenet-replay.1|bluenet-replay --merge|no reports of these
bluenet.3|cc -o embed embed.c|no install.bats does it
bluenet.3|./embed|no install.bats does it
bluenet-engine.3|cc -o|no install.bats does it
bluenet-engine.3|./server|no install.bats does it
'

# What is other than in the manual: hosts and folders, and what takes long or
# depends on how fast a machine is.
substitute() {
	sed -E "
		s/127\.0\.0\.1|0\.0\.0\.0|10\.1\.2\.3/$own/g
		s/(relay|staging)\.example/$own/g
		s/ssh relay-1 tcpdump [^|]*/cat day.pcap /
		s/-c 10 /-c 3 -i 10ms /
		s/-c 50 /-c 5 /
		s/-c 100 -i 20ms /-c 20 -i 10ms /
		s/-w 8h/-w 200ms/
		s/--for 10s/--for 200ms/
		s/p90>5ms/p90>60s/
		s/--clients 16000/--clients 16/
		s/--loop 0/--loop 2/"
}

setup_file() {
	case $BNET_BUILD in
	*-asan | *-tsan) return ;;
	esac
	need openssl openssl
	mkdir "$BATS_FILE_TMPDIR/certs"
	(
		cd "$BATS_FILE_TMPDIR/certs" || exit
		authority ca
		certificate relay ca "IP:$own"
		certificate node7 ca URI:bluenet:node:7
		cp ca.pem nodes-ca.pem
		cp ca.pem relay-ca.pem
	) >"$BATS_FILE_TMPDIR/openssl.log" 2>&1
	echo "$own" >"$BATS_FILE_TMPDIR/own"
}

# ---- programs beside a display

is_ready() {
	grep -qs ': ready ' "$tmp/served" || ended "$served"
}

# serve PROGRAM [ARG...]: until `stop_all`; $! is it.
serve() {
	local program=$1

	shift
	[[ $program != bluenet-relay || " $* " == *" -"[lL]" "* ]] ||
		set -- -l "$own:26000" "$@"
	rm -f "$tmp/served" # that of another one may still be written to
	"$build/$program" "$@" >"$tmp/served" 2>>"$tmp/served.err" </dev/null &
	served=$!
	servers+=("$served")
	within is_ready && ! ended "$served"
}

# The last one first: a relay waits for its nodes. One may have ended.
stop_all() {
	local i failed=0

	for ((i = ${#servers[@]} - 1; i >= 0; i--)); do
		ended "${servers[i]}" || {
			kill "${servers[i]}"
			wait "${servers[i]}" || failed=$?
		}
	done
	servers=()
	return "$failed"
}

# It is given so much time that no machine is too slow.
bluenet-replay() {
	case " $* " in
	*" --dry-run "* | *" --compile "* | *" --scenario "*) ;;
	*) set -- --max-lateness 60s "$@" ;;
	esac
	command bluenet-replay "$@"
}

# ---- to run a command

# like SHOWN GOT: but for numbers, blanks and what ... stands for
like() {
	local line quoted pattern='' shown got

	# a process substitution would change $!
	shown=$(shape <<<"$1")
	got=$(shape <<<"$2")
	while IFS= read -r line; do
		printf -v quoted %q "${line%...}"
		[ "$line" != ... ] || quoted=
		[[ $line != *... ]] || quoted+='*'
		pattern+=$quoted$'\n'
	done <<<"$shown"
	# shellcheck disable=SC2053 # a pattern
	[[ $got$'\n' == ${pattern//$'*\n'/'*'} ]]
}

# Numbers are alike, also where they touch a unit, and so is any space.
shape() {
	sed -E 's/0x[0-9a-f]+/N/g; s/[0-9]+([.:][0-9]+)*/N/g; s/ +/ /g'
}

# exception COMMAND: what the table says of it
exception() {
	local row_page row_command what

	while IFS='|' read -r row_page row_command what; do
		[[ $row_page == "$page" && $1 == "$row_command"* ]] || continue
		echo "$row_command" >>"$tmp/used"
		echo "$what"
		return
	done <<<"$exceptions"
}

fails() {
	echo "$page: $1: $2"
	cat "$tmp/got" "$tmp/got.err" "$tmp/served.err" 2>/dev/null
	return 1
}

# run_command COMMAND SHOWN
run_command() {
	local command=$1 shown=$2 status=0 wanted=0 what beside=

	what=$(exception "$command")
	case $what in
	no\ *) return ;;
	exit\ *) wanted=${what#exit } ;;
	esac
	command=$(substitute <<<"$command")
	if [[ $command =~ ^bluenet-(relay|node)( |$) &&
		! $command =~ --(for|make-token|check-config) ]]; then
		beside=${command##*[^&]}
		eval "serve ${command%&}" || fails "$1" "not ready" || return
		[ -n "$beside" ] || stop_all || status=$?
		: >"$tmp/got"
	else
		eval "$command" >"$tmp/got" 2>"$tmp/got.err" </dev/null ||
			status=$?
	fi
	[ "$status" -eq "$wanted" ] ||
		fails "$1" "exit $status, not $wanted" || return
	[ -z "$shown" ] || like "$shown" "$(<"$tmp/got")" ||
		fails "$1" "the output is not like that" || return
}

# run_display LINE...: its commands, in a shell of their own
run_display() (
	command='' shown='' more='' prompt=${1:0:2} servers=()
	trap stop_all EXIT

	for line; do
		if [ -n "$more" ]; then
			command+=$'\n'$line
		elif [ "${line:0:2}" = "$prompt" ]; then
			[ -z "$command" ] ||
				run_command "$command" "$shown" || exit
			command=${line:2} shown=
		else
			shown+=${shown:+$'\n'}$line
			continue
		fi
		more=
		[[ $line != *[\\\|] && $line != *"&&" ]] || more=yes
	done
	run_command "$command" "$shown" && stop_all
)

teardown() {
	stop_all
}

# ---- to run a page

# Its files, in an empty folder, and what its relay is started with.
prepare() {
	local name captures=$fixtures/captures

	own=$(<"$BATS_FILE_TMPDIR/own") # that of the certificate
	PATH=$build:$PATH
	relay_options=() nodes=()
	mkdir "$tmp/folder" && cd "$tmp/folder" || return
	while read -r name; do
		sh "$root/tests/tools/extract-example.sh" "$root/man/$page" \
			"$name" >"./$name" || return
	done < <(sed -n 's/^\.\\" EXAMPLE //p' "$root/man/$page")
	case $page in
	bluenet-decode.1)
		cp "$captures/plain.pcap" day.pcap
		cp "$captures/tls13.pcap" tls.pcap
		cp "$captures/tls13.keys" secrets.txt
		cp "$fixtures/keys.txt" names.txt
		cp "$captures/macho.pcap" macho.pcap
		;;
	bluenet-node.1)
		cp "$certs"/* .
		relay_options=(-l "$own:26000" -L "$own:26001"
			--cert relay.pem --key relay.key --ca nodes-ca.pem)
		;;
	bluenet-ping.1)
		cp "$fixtures"/ping/*.hlog .
		nodes=(--name sol --count 8)
		;;
	bluenet-relay.1)
		cp "$certs"/* .
		bluenet-relay --make-token 7 market | tail -n 1 >nodes.tokens
		sed -i "s,/etc/bluenet,$PWD," relay.conf
		;;
	bluenet-replay.1)
		need gnuplot gnuplot-nox || return
		ln -s "$fixtures" fixtures
		echo secret >secret
		record_hour
		nodes=(--id 7 --register market::quote --reply-size 40)
		;;
	bluenet-scenario.5)
		ln -s "$fixtures" fixtures
		;;
	bluenet-wire.5 | bluenet-marshal.5)
		need xxd xxd
		;;
	esac
}

# hour.pcap: clients, and the answers of node 7
record_hour() {
	serve bluenet-relay --capture hour.pcap &&
		serve bluenet-node --id 7 --register market::quote \
			--reply-size 40 "$own" &&
		plain=$own:26000 play <<-'EOT'
			mute
			repeat 24 join a$i $r
			repeat 24 send a$i dest=node:7 key=market::quote payload=size:40
			repeat 24 await a$i packet key=market::quote
			repeat 24 close a$i
		EOT
	stop_all
}

# beside COMMAND...: does a display with these need a relay?
wants_relay() {
	[[ $* == *"$own"* && $* != *"bluenet-relay "* ]]
}

# examples PAGE
examples() {
	local page=$1 own relay_options nodes line lines display=() status=0

	case $BNET_BUILD in
	*-asan | *-tsan) skip "the manuals are the same" ;;
	esac
	prepare || return
	: >"$tmp/used"
	mapfile -t lines < <(sh "$root/tests/tools/extract-example.sh" \
		"$root/man/$page")
	[ "${#lines[@]}" -gt 1 ]
	for line in "${lines[@]}"; do
		if [ "$line" != %% ]; then
			display+=("$line")
			continue
		fi
		if wants_relay "$(substitute < <(printf '%s\n' \
			"${display[@]}"))"; then
			serve bluenet-relay "${relay_options[@]}"
			[ "${#nodes[@]}" -eq 0 ] ||
				serve bluenet-node "${nodes[@]}" "$own"
			# what --map-node names
			[ "$page" != bluenet-replay.1 ] ||
				serve bluenet-node "${nodes[@]/#7/1007}" "$own"
		fi
		run_display "${display[@]}" || status=$?
		stop_all && [ "$status" -eq 0 ] || return
		display=()
	done
	# the table has no row that is not needed
	diff <(sed -n "s/^$page|\(.*\)|.*/\1/p" <<<"$exceptions" | sort) \
		<(sort -u "$tmp/used")
}

@test "the examples of bluenet-decode(1)" {
	examples bluenet-decode.1
}

@test "the examples of bluenet-marshal(5)" {
	examples bluenet-marshal.5
}

@test "the examples of bluenet-node(1)" {
	examples bluenet-node.1
}

@test "the examples of bluenet-ping(1)" {
	examples bluenet-ping.1
}

@test "the examples of bluenet-relay(1)" {
	examples bluenet-relay.1
}

@test "the examples of bluenet-replay(1)" {
	examples bluenet-replay.1
}

@test "the examples of bluenet-scenario(5)" {
	examples bluenet-scenario.5
}

@test "the examples of bluenet-wire(5)" {
	examples bluenet-wire.5
}

@test "the examples of bluenet(3)" {
	examples bluenet.3
}

@test "the examples of bluenet-engine(3)" {
	examples bluenet-engine.3
}

@test "no manual is left out" {
	local file

	for file in "$root"/man/*.[135]; do
		grep -q "^	examples ${file##*/}\$" "$BATS_TEST_FILENAME" || {
			echo "${file##*/} is not tested"
			return 1
		}
	done
}
