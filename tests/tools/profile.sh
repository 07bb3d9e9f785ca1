#!/bin/sh
# SPDX-License-Identifier: MIT
# profile.sh NAME [FOLDER] - make a load profile anew: FOLDER/profile-NAME.pcap
# and .expected (fixtures/captures). What is in them comes from the tools:
# bluenet-relay --capture, bluenet-node, and clients that tests/tools/peer
# plays; all of it on loopback, nobody has a token. BUILD says where they are.
#
#	relay	a busy relay of 1,600 users: chat, moves and quotes in all
#		sizes, zlib and snappy, both byte orders, stock clients too
#	fleet	a fleet fight: 250 clients, and a node that multicasts to all
#	market	small requests of 60 clients to any of three nodes, answered
#	macho	calls of machoNet, answered by a node behind the relay: the
#		scenarios of fixtures/scenarios/macho/calls.bns
#	direct	the same without headers and without a relay: direct.bns.
#		tcpdump records them, which needs the right to do so
#
#	profile.sh expected FILE.pcap	what the statistics of it should be
set -eu

BUILD=$(cd "$BUILD" && pwd)
PATH=$BUILD:$BUILD/tools:$PATH
# What to listen on: the port is in the captures, and there the default.
address=${ADDRESS:-127.26.0.1:26000}
export LC_ALL=C TZ=UTC
# shellcheck disable=SC3045 # wherever there are limits there is -n
ulimit -n 4096 2>/dev/null || true # one for each of 1,600 users
pids=

# ---- what is expected -------------------------------------------------------

# What the tools make of it; whose streams they are would be too long.
expected() {
	keys=$(dirname "$0")/../../fixtures/keys.txt
	echo '== bluenet-decode -q -z frames -z keys -z health'
	bluenet-decode -q -z frames -z keys -z health --keys "$keys" -r "$1" 2>&1
	case $1 in
	*/profile-macho.pcap | */profile-direct.pcap)
		echo '== bluenet-decode -q -z calls -z calls,tree -z events'
		bluenet-decode -q -z calls -z calls,tree -z events -r "$1" 2>&1
		;;
	esac
	echo '== bluenet-replay --dry-run'
	bluenet-replay --dry-run --progress never --keys "$keys" "$1" 2>&1
	echo '== bluenet-replay --dry-run --roles all --rate 1000'
	bluenet-replay --dry-run --progress never --keys "$keys" --roles all \
	    --rate 1000 "$1" 2>&1
}

if [ "${1:-}" = expected ]; then
	expected "$2"
	exit
fi

# ---- programs beside us -----------------------------------------------------

clean_up() {
	for pid in $pids; do
		kill "$pid" 2>/dev/null || true
	done
	for pid in $pids; do
		wait "$pid" 2>/dev/null || true
	done
	rm -rf "$tmp"
}

failed() {
	echo "profile: $1" >&2
	tail -n 5 "$tmp"/*.err >&2
	exit 1
}

# start NAME COMMAND...: beside us; it is ready within 10 s.
start() {
	name=$1
	shift
	: >"$tmp/$name.out"
	"$@" >"$tmp/$name.out" 2>"$tmp/$name.err" &
	pid=$!
	pids="$pid $pids"
	tries=0
	until grep -q -e ready -e listening "$tmp/$name.out"; do
		tries=$((tries + 1))
		if [ "$tries" -gt 200 ] || ! kill -0 "$pid" 2>/dev/null; then
			failed "$name did not get ready"
		fi
		sleep 0.05
	done
}

# The relay last, so that all is in its capture.
stop_all() {
	for pid in $pids; do
		kill "$pid"
		wait "$pid" || failed "$pid did not end in order"
	done
	pids=
}

# ---- who plays --------------------------------------------------------------

# A pause of so long: clients do not all speak at once.
# shellcheck disable=SC2016 # a script of awk
words='
function pause(s) { print "run sleep " s }
function size(i, least, most) {
	return "size:" least + (i * 7919) % (most - least + 1)
}
function codec(i, n) { # large ones are compressed, mostly
	if (n < 200 || i % 5 == 0)
		return ""
	return i % 8 == 0 ? " codec=zlib" : " codec=snappy"
}'

relay_nodes() {
	start quotes bluenet-node --id 1001 --count 3 --name market \
		--register market::quote --reply-size 90 "$address"
	start zone bluenet-node --id 1004 --name zone "$address"
}

relay_clients() {
	awk "$words"'BEGIN {
		users = 1600
		for (i = 1; i <= users; i++) {
			order = i % 8 == 3 ? " order=network" : ""
			if (i % 40 == 7) # a stock client: no hello
				print "connect u" i " $r" order
			else
				print "join u" i " $r name=pilot-" i \
				    " codecs=" (i % 4 == 1 ? "none" : "zlib,snappy") \
				    order
			if (i % 40 == 0)
				pause(0.05)
		}
		for (i = 1; i <= users; i++) {
			print "send u" i " dest=node:1004 key=destiny::update payload=" \
			    size(i, 16, 40)
			if (i % 4 == 0) {
				n = 30 + (i * i * 31) % 500
				print "send u" i " dest=node:1004 key=chat::line" \
				    " payload=size:" n codec(i, n)
			}
			if (i % 8 == 0)
				print "send u" i " dest=any key=market::quote" \
				    " payload=" size(i, 8, 16)
			if (i % 20 == 0)
				pause(0.02)
		}
		for (i = 8; i <= users; i += 8)
			print "await u" i " packet key=market::quote"
	}'
}

fleet_nodes() {
	:
}

fleet_clients() {
	awk "$words"'BEGIN {
		pilots = 250
		ticks = 30
		print "join n $r role=node id=1001 name=fleet"
		for (i = 1; i <= pilots; i++)
			print "join p" i " $r name=pilot-" i \
			    " codecs=zlib,snappy"
		pause(0.5)
		for (tick = 1; tick <= ticks; tick++) {
			for (i = tick; i <= pilots; i += 10)
				print "send p" i " dest=node:1001" \
				    " key=chat::line payload=size:24"
			for (i = tick; i <= pilots; i += 10)
				print "await n packet key=chat::line"
			print "send n dest=client forks=$p1.id-$p" pilots ".id" \
			    " key=destiny::update serial=" tick \
			    " payload=" size(tick, 30, 60)
			print "await p" pilots " packet serial=" tick
			pause(0.1)
		}
		for (i = 1; i < pilots; i++)
			print "await p" i " packet serial=" ticks
	}'
}

market_nodes() {
	start quotes bluenet-node --id 1001 --count 3 --name market \
		--register market::quote --reply-size 48 "$address"
}

market_clients() {
	awk "$words"'BEGIN {
		traders = 60
		for (i = 1; i <= traders; i++)
			print "join t" i " $r name=trader-" i
		pause(0.5)
		for (round = 1; round <= 30; round++) {
			for (i = 1; i <= traders; i++)
				print "send t" i " dest=any" \
				    " key=market::quote serial=" round " payload=" \
				    size(i * round, 8, 40)
			for (i = 1; i <= traders; i++)
				print "await t" i " packet source=100*"
			pause(0.1)
		}
	}'
}

# scenarios NAME: of fixtures/scenarios/macho; they check what they get.
scenarios() {
	bluenet-replay --scenario "$macho/$1.bns" "$address" >"$tmp/$1.tap" \
		2>"$tmp/$1.err" || failed "not ok: see the scenarios"
}

macho_nodes() {
	start macho bluenet-node --id 7 --macho "$macho/services.json" "$address"
}

macho_play() {
	scenarios calls
}

direct_nodes() {
	start macho bluenet-node --listen "$address" \
		--macho "$macho/services.json"
}

direct_play() {
	scenarios direct
}

# peer_plays PROFILE: its clients, by tests/tools/peer.
peer_plays() {
	"$1_clients" >"$tmp/script"
	{ echo mute && cat "$tmp/script"; } | peer r="$address" \
		>"$tmp/peer.out" 2>"$tmp/peer.err" ||
		failed "the clients did not get what they should"
}

# record_lo: what passes, until stop_all. It is ready once it listens.
record_lo() {
	: >"$tmp/dump.err"
	tcpdump -i lo --immediate-mode -U -w "$tmp/pcap" "tcp port ${address##*:}" \
		>"$tmp/dump.out" 2>"$tmp/dump.err" &
	pids="$! $pids"
	tries=0
	until grep -q listening "$tmp/dump.err"; do
		tries=$((tries + 1))
		[ "$tries" -le 200 ] || failed "tcpdump did not get ready"
		sleep 0.05
	done
}

# ---- a profile --------------------------------------------------------------

case ${1:-} in
relay | fleet | market | macho | direct) ;;
*)
	echo "usage: profile.sh relay|fleet|market|macho|direct [FOLDER]" >&2
	exit 2
	;;
esac
out=${2:-fixtures/captures}/profile-$1
tmp=$(mktemp -d)
trap clean_up EXIT
trap 'exit 130' HUP INT TERM

macho=$(dirname "$0")/../../fixtures/scenarios/macho
if [ "$1" = direct ]; then
	record_lo
else
	start relay bluenet-relay -l "$address" --threads 1 \
		--capture "$tmp/pcap"
fi
"$1_nodes"
case $1 in
macho | direct) "$1_play" ;;
*) peer_plays "$1" ;;
esac
stop_all
cp "$tmp/pcap" "$out.pcap"
expected "$out.pcap" >"$out.expected"
chmod 644 "$out.pcap"
