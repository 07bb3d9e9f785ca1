#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# The admin socket: what an operator asks of a relay that runs, who may ask, and
# what becomes of the socket's file.
#
# shellcheck disable=SC2154,SC2016,SC2034 # relay.bash; scripts of the peer
# shellcheck disable=SC2030,SC2031 # bats runs each test in a process

load relay

# Also for the commands that a script of the peer runs.
admin() {
	"$relay" --admin-socket "$tmp/s" --admin "$@"
}
counted() {
	[ "$(metric "$@")" -ge 1 ]
}
export -f admin counted

begin() {
	start_relay --admin-socket "$tmp/s" "$@"
	export relay tmp
}

# admin_says EXIT COMMAND...
admin_says() {
	local wanted=$1

	shift
	try admin "$@"
	same "exit status $status" "exit status $wanted"
}

@test "links: list, show, kick, drain" {
	begin --threads 2 --drain-timeout 100ms --drain-to other.example:26000
	play <<'END'
join n $r role=node id=7 name=jita
join m $r role=node id=8
join a $r name=a\u0022b
connect stock $r
send stock dest=node:7 key=app
expect n packet
run admin list > $tmp/list
run admin show node 7 > $tmp/show
run ! admin drain client 2 2> $tmp/no-hello
run admin kick client 2
expect stock closed
run admin kick node 7
expect n refuse code=4 reason=*operator*
expect n closed
run ! admin kick node 7 2> $tmp/gone
run admin drain node 8
expect m drain where=other.example:26000
expect m closed
run admin list > $tmp/left
END
	same "$(awk '{ print $1, $2 }' "$tmp/list" | tr '\n' ' ')" \
		'ROLE ID client 1 client 2 node 7 node 8 '
	same "$(grep -c '"a\\\\u0022b"$' "$tmp/list")" 1
	same "$(jq -c '[.role, .id, .name]' "$tmp/show")" '["node",7,"jita"]'
	grep 'client 2 said no hello' "$tmp/no-hello"
	grep 'there is no node 7' "$tmp/gone"
	same "$(awk '{ print $1, $2 }' "$tmp/left" | tr '\n' ' ')" \
		'ROLE ID client 1 '
	same "$(metric connections_closed_total 'reason="kicked"')" 3
	within grep -q 'msg="admin command" command="kick node 7" uid=[0-9]* pid=[0-9]* result=done' \
		"$tmp/$pid.err"
	grep 'command="kick node 7" .*result=refused reason="there is no' \
		"$tmp/$pid.err"
}

@test "addresses: block, unblock, blocked" {
	begin
	play <<'END'
join a $r
connect new $r
run admin block 127.0.0.0/8
run admin block 2001:db8::/32
run admin block 127.0.0.0/8
expect a refuse code=2
expect a closed
connect late $r
until counted accepts_refused_total 'reason="blocked"'
until counted connections_closed_total 'reason="blocked"'
run admin blocked > $tmp/blocked
run ! admin unblock 127.0.0.1 2> $tmp/not
run admin unblock 127.0.0.0/8
join b $r
END
	same "$(<"$tmp/blocked")" $'127.0.0.0/8\n2001:db8::/32'
	grep 'not blocked' "$tmp/not"
}

@test "log-level, and commands that are wrong" {
	begin
	admin log-level error
	play <<<'join a $r name=quiet'
	admin log-level info
	play <<<'join b $r name=loud'
	within grep -q 'msg="link up" .*name=loud' "$tmp/$pid.err"
	run ! grep name=quiet "$tmp/$pid.err"
	# whatever the level
	grep 'command="log-level info"' "$tmp/$pid.err"

	admin_says 2 hello
	says '"hello": expected list, show ROLE ID, '
	admin_says 2 kick node
	says '"kick node": expected "client" or "node", and an id after kick'
	admin_says 2 block 10.0.0.1/8
	says 'expected an address'
	admin_says 2 log-level loud
	says 'expected error, warn, info or debug after log-level'
	relay_says 2 --admin list
	says '--admin: expected the socket of the relay: add --admin-socket'
	# what other programs say there
	try curl -sS --http0.9 --unix-socket "$tmp/s" http://x/
	same "${lines[0]%% *}" error
	[[ ${lines[1]} == '"GET": expected list'* ]]
	try curl -sS --http0.9 --unix-socket "$tmp/s" \
		"http://x/$(printf '%01000d' 0)"
	same "${lines[1]}" 'expected a command of at most 255 bytes'
	admin list
}

@test "the socket: its mode, one that is stale, live, or no socket" {
	begin
	same "$(stat -c '%a %F' "$tmp/s")" '600 socket'
	relay_says 1 -l 127.0.0.1:0 --admin-socket "$tmp/s"
	says "$tmp/s: a process listens there already"
	admin list
	kill -KILL "$pid"
	ends_in_time "$pid"
	relays=()
	admin_says 1 list
	says 'Connection refused'
	begin
	admin list
	stop_relay "$pid"
	[ ! -e "$tmp/s" ]
	echo text >"$tmp/s"
	relay_says 1 -l 127.0.0.1:0 --admin-socket "$tmp/s"
	says 'a file that is not a socket'
	same "$(<"$tmp/s")" text
	relay_says 2 --admin-socket "$tmp/$(printf '%0120d' 0)"
	says '--admin-socket: '
}

@test "nobody else may ask, whatever the mode of the socket" {
	[ "$(id -u)" -eq 0 ] || skip "not root"
	want setpriv util-linux
	begin
	chmod 666 "$tmp/s"
	try setpriv --reuid=65534 --clear-groups "$(type -P true)" ||
		skip "cannot be another user"
	exec {dir}<"$tmp" # its folders are ours alone
	try setpriv --reuid=65534 --clear-groups curl -sS --http0.9 \
		--unix-socket "/proc/self/fd/$dir/s" http://x/
	[ -n "$output" ] || skip "the socket cannot be reached: $stderr"
	same "${lines[1]}" 'only the user of the relay and root may ask'
	admin list
}
