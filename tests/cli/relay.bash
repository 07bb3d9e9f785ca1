# SPDX-License-Identifier: MIT
# What the tests of bluenet-relay share: relays on ports of their own, peers
# that a script plays (tests/tools/peer.c), the books. BNET_BUILD and
# BNET_TOOLS say where things are.
# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # the tests use it; bats sets it

bats_require_minimum_version 1.5.0
load common

PATH=$PATH:/usr/sbin:/sbin
wait_seconds=${BNET_WAIT:-30} # for what takes a moment, under sanitizers too

# An address of loopback that no other test has, for a port that is given up and
# wanted again: on 127.0.0.1 anybody may have taken it by then.
own=127.$((128 | BASHPID >> 16 & 63)).$((BASHPID >> 8 & 255)).$((BASHPID & 255))

# Also for the commands that a script of the peer runs.
export LC_ALL=C TZ=UTC metrics

setup() {
	root=$BATS_TEST_DIRNAME/../..
	build=${BNET_BUILD:-$root/build}
	relay=$build/bluenet-relay
	decode=${BNET_DECODE:-$build/bluenet-decode}
	tools=${BNET_TOOLS:-$build/tools}
	fixtures=${BNET_FIXTURES:-$root/fixtures}
	tmp=$BATS_TEST_TMPDIR
	certs=$BATS_FILE_TMPDIR/certs
	relays=() # pids of those that run
	children=() # of other programs
	[ -x "$relay" ] || skip "bluenet-relay is not built"
	need curl curl
	need jq jq
}

# What every test ends with: the books of each relay balance, it ends in
# order when told to, and no sanitizer has said anything.
relay_teardown() {
	local pid failed=0

	for pid in "${relays[@]}"; do
		metrics=$(<"$tmp/$pid.metrics")
		books "$pid" || failed=1
		stop_relay "$pid" || failed=1
		clean "$tmp/$pid.err" || failed=1
	done
	for pid in "${children[@]}"; do
		kill "$pid" 2>/dev/null || true
	done
	if [ -z "${BATS_TEST_COMPLETED:-}" ] || [ "$failed" -ne 0 ]; then
		tail -n 40 "$tmp"/*.err 2>/dev/null || true
	fi
	return "$failed"
}

teardown() {
	relay_teardown
}

# nap SECONDS: without a process; they are dear. Nothing comes from this pipe.
exec {never}<> <(:)
nap() {
	read -rt "$1" -u "$never" || true
}

# within COMMAND: it comes true in time. For what no event tells of.
within() {
	local end=$((SECONDS + wait_seconds))

	until "$@"; do
		[ "$SECONDS" -lt "$end" ] || return 1
		nap 0.05
	done
}

same() {
	if [ "$1" != "$2" ]; then
		printf '%s\n' "'$1'" is not "'$2'"
		return 1
	fi
}

# ---- relays

# The address of the first "ready" line that ends so.
said_ready() {
	local line

	while read -r line; do
		[[ $line =~ ^"bluenet-relay: $1 on "([^ ]*)"$2"$ ]] || continue
		echo "${BASH_REMATCH[1]}"
		return
	done <"$3"
}

# has_started PID N: it has said where its N listeners are; or it has died.
has_started() {
	local line ready=0 metrics_on=

	while read -r line; do
		case $line in
		'bluenet-relay: ready on '*) ready=$((ready + 1)) ;;
		'bluenet-relay: metrics on '*) metrics_on=yes ;;
		esac
	done <"$tmp/$1.out"
	{ [ "$ready" -ge "$2" ] && [ -n "$metrics_on" ]; } || ended "$1"
}

# start_relay [OPTION...]: one that listens on 127.0.0.1, or as the options
# say; sets $pid, $plain and $tls (where the first of each listens), $metrics.
start_relay() {
	local arg listeners=0

	[[ " $* " == *" -l "* || " $* " == *" -L "* ]] ||
		set -- -l 127.0.0.1:0 "$@"
	for arg; do
		[[ $arg != -[lL] ]] || listeners=$((listeners + 1))
	done
	# its files are to have its pid, which is known once it runs
	rm -f "$tmp/out" "$tmp/err"
	: >"$tmp/out" 2>"$tmp/err"
	"$relay" --metrics 127.0.0.1:0 "$@" >>"$tmp/out" \
		2>>"$tmp/err" 3>&- &
	pid=$!
	relays+=("$pid")
	ln "$tmp/out" "$tmp/$pid.out"
	ln "$tmp/err" "$tmp/$pid.err"
	: >"$tmp/$pid.metrics"
	within has_started "$pid" "$listeners" || true
	plain=$(said_ready ready '' "$tmp/$pid.out")
	tls=$(said_ready ready ' tls' "$tmp/$pid.out")
	metrics=$(said_ready metrics '' "$tmp/$pid.out")
	echo "$metrics" >"$tmp/$pid.metrics"
	if [ -z "$plain$tls" ] || [ -z "$metrics" ]; then
		echo "the relay did not get ready:"
		cat "$tmp/$pid.out" "$tmp/$pid.err"
		return 1
	fi
}

# What bash has not waited for yet has ended, too: it may miss that, where
# nothing else that it started ends later.
ended() {
	local stat

	{ read -r stat <"/proc/$1/stat"; } 2>/dev/null || return 0
	[[ $stat == *') Z '* ]]
}

# ends_in_time PID: otherwise it is shown where it is.
ends_in_time() {
	within ended "$1" && return
	cat "/proc/$1/stat" || true
	sh "$BATS_TEST_DIRNAME/../tools/stacks.sh" "$1" || true
	return 1
}

# stop_relay PID: SIGTERM, unless it has ended, and it ends with 0.
stop_relay() {
	local status=0

	[ ! -e "$tmp/$1.stopped" ] || return 0
	: >"$tmp/$1.stopped"
	kill -TERM "$1" 2>/dev/null || true
	ends_in_time "$1" || {
		echo "relay $1 did not end"
		kill -KILL "$1"
		return 1
	}
	wait "$1" || status=$?
	same "exit status $status" "exit status 0"
}

# clean FILE: no sanitizer, and no assertion, has written there.
clean() {
	! grep -E -A 30 'Sanitizer|runtime error:|Assertion' "$1"
}

# relay_says EXIT [OPTION...]: one that is not meant to run; its standard
# error in $stderr.
relay_says() {
	local wanted=$1

	shift
	try timeout "$wait_seconds" "$relay" "$@" </dev/null
	if [ "$status" -ne "$wanted" ]; then
		echo "exit $status, not $wanted: $*"
		echo "$output"
		echo "$stderr"
		return 1
	fi
}

# ---- the books

# metric NAME [LABEL="VALUE"]: the sum of all its lines, 0 if it has none.
metric() {
	curl -sS "http://$metrics/metrics" | sum "$@"
}

# The sum of the lines of metric $1 of the input that have $2.
sum() {
	awk -v name="bluenet_relay_$1" -v label="${2:-}" '
		{ bare = $1; sub(/{.*/, "", bare) }
		bare == name && index($0, label) > 0 { total += $NF }
		END { printf "%d\n", total }'
}

# What was read has gone somewhere, so has every copy; connections too.
balanced() {
	account=$(curl -s "http://$metrics/metrics" | awk '
		/^bluenet_relay_/ {
			bare = $1
			sub(/{.*/, "", bare)
			sub(/^bluenet_relay_/, "", bare)
			n[bare] += $NF
		}
		END {
			gone = n["packets_forwarded_total"]
			gone += n["packets_local_total"]
			gone += n["packets_refused_total"]
			gone += n["packets_dropped_total"]
			read = n["packets_read_total"]
			queued = n["copies_queued_total"]
			written = n["copies_written_total"]
			written += n["copies_lost_total"]
			opened = n["accepts_total"]
			links = n["connections"] + n["connections_closed_total"]
			account = "read %d gone %d; queued %d written %d; "
			account = account "accepted %d closed and open %d\n"
			printf account, read, gone, queued, written, opened, \
			    links
			if (NR == 0 || read != gone || queued != written)
				exit 1
			exit opened != links
		}')
}

# One that a test told to end may do so at any time, and answers no more then.
balanced_or_ended() {
	balanced || ended "$1"
}

# books PID: they balance once what is on its way has arrived.
books() {
	local account

	ended "$1" || within balanced_or_ended "$1" || {
		echo "the books do not balance: $account"
		curl -sS "http://$metrics/metrics" | grep '^bluenet_relay_'
		return 1
	}
}
export -f metric sum

# ---- peers

# play [NAME=VALUE...]: the script of standard input, which knows the addresses
# of the last relay as $r (plain) and $t (TLS), its $pid and its log $err, and
# the folders $c (certificates), $tmp and $hostile.
play() {
	"$tools/peer" -t "$wait_seconds" r="${plain:-}" t="${tls:-}" pid="${pid:-}" c="$certs" \
		err="$tmp/${pid:-}.err" tmp="$tmp" hostile="$fixtures/hostile" "$@"
}

# The same beside the test: $peer_pid; wait for it with `played`.
play_beside() {
	local script

	script=$(cat) # what runs beside has no standard input of its own
	play "$@" <<<"$script" >"$tmp/beside.out" 2>"$tmp/beside.err.txt" \
		3>&- &
	peer_pid=$!
	children+=("$peer_pid")
}

played() {
	wait "$peer_pid" || {
		cat "$tmp/beside.out" "$tmp/beside.err.txt"
		return 1
	}
}

# ---- certificates

# certificate NAME CA SAN [DAYS]
certificate() {
	openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
		-subj "/CN=$1" -keyout "$1.key" -out "$1.csr"
	printf 'subjectAltName=%s\n' "$3" >"$1.ext"
	openssl x509 -req -in "$1.csr" -CA "$2.pem" -CAkey "$2.key" \
		-CAcreateserial -days "${4:-2}" -extfile "$1.ext" -out "$1.pem"
}

authority() {
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
		-days 2 -subj "/CN=$1" \
		-addext basicConstraints=critical,CA:TRUE \
		-addext keyUsage=keyCertSign,cRLSign -keyout "$1.key" -out "$1.pem"
}

# revocations FILE CA [NAME]...: the list of an authority, with these on it
revocations() {
	printf '%s\n' '[ca]' 'default_ca=d' '[d]' "database=$2.index" \
		default_md=sha256 default_crl_days=2 "certificate=$2.pem" \
		"private_key=$2.key" >"$2.conf"
	: >"$2.index"
	for name in "${@:3}"; do
		openssl ca -config "$2.conf" -revoke "$name.pem"
	done
	openssl ca -config "$2.conf" -gencrl -out "$1.pem"
}

# For setup_file: two authorities, ca and other; what they signed.
make_certificates() {
	local server=DNS:localhost,IP:127.0.0.1

	need openssl openssl
	mkdir "$BATS_FILE_TMPDIR/certs"
	(
		cd "$BATS_FILE_TMPDIR/certs" || exit
		authority ca
		authority other
		certificate server ca "$server"
		certificate server2 ca "$server"
		certificate node7 ca URI:bluenet:node:7
		certificate any ca 'URI:bluenet:node:*'
		certificate none ca DNS:node.example
		certificate expired ca URI:bluenet:node:7 -1
		certificate foreign other URI:bluenet:node:7
		revocations crl ca
		revocations crl7 ca node7
	) >"$BATS_FILE_TMPDIR/openssl.log" 2>&1
}
