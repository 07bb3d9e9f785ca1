# SPDX-License-Identifier: MIT
# Completion of bluenet-relay for bash; needs nothing but bash.
# shellcheck shell=bash

_bluenet_relay_files() {
	compopt -o filenames 2>/dev/null
	mapfile -t COMPREPLY < <(compgen -f -- "$1")
}

_bluenet_relay_words() {
	mapfile -t COMPREPLY < <(compgen -W "$2" -- "$1")
}

# The value of option $1, of which $2 is there. Fails where $1 takes no value.
_bluenet_relay_value() {
	case $1 in
	--cert | --key | --ca | --tokens | --client-tokens | --config | \
	    --capture | --keylog)
		_bluenet_relay_files "$2" ;;
	--user)
		mapfile -t COMPREPLY < <(compgen -u -- "$2") ;;
	--tls-min)
		_bluenet_relay_words "$2" "1.2 1.3" ;;
	--codecs)
		_bluenet_relay_words "$2" "zlib snappy zlib,snappy none" ;;
	--overload)
		_bluenet_relay_words "$2" "refuse pause cut" ;;
	--log-level)
		_bluenet_relay_words "$2" "error warn info debug" ;;
	-l | --listen | -L | --listen-tls | --metrics | --proxy-protocol | \
	    --id | --name | --environment | --clients-from | --nodes-from | \
	    --ids | --threads | --handshake-timeout | --hello-timeout | \
	    --frame-timeout | --keepalive | --ping-interval | \
	    --drain-timeout | --drain-to | --max-connections | \
	    --max-per-address | --accept-rate | --max-frame | \
	    --max-payload | --threshold | --queue | --memory | \
	    --capture-size | --capture-files | --make-token)
		COMPREPLY=() ;;
	*)
		return 1 ;;
	esac
}

_bluenet_relay() {
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}

	# --option=value comes in three words
	if [[ $cur == "=" && $prev == --* ]]; then
		cur=
	elif [[ $prev == "=" && $COMP_CWORD -gt 2 ]]; then
		prev=${COMP_WORDS[COMP_CWORD - 2]}
	fi
	COMPREPLY=()
	_bluenet_relay_value "$prev" "$cur" && return
	[[ $cur == -* ]] || return 0
	_bluenet_relay_words "$cur" "
		-l --listen -L --listen-tls --cert --key --ca --tls-min
		--proxy-protocol --id --name --environment --clients-from
		--nodes-from --ids --threads --user --insecure --tokens
		--client-tokens --require-hello --no-client-to-client
		--handshake-timeout --hello-timeout --frame-timeout
		--keepalive --ping-interval --drain-timeout --drain-to
		--max-connections --max-per-address --accept-rate
		--max-frame --max-payload --codecs --threshold --queue
		--memory --overload --trace --metrics --capture
		--capture-size --capture-files --keylog --log-level --config
		--check-config --make-token -h --help -V --version"
}

complete -F _bluenet_relay bluenet-relay
