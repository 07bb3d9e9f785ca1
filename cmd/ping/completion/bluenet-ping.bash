# SPDX-License-Identifier: MIT
# Completion of bluenet-ping for bash; needs nothing but bash.
# shellcheck shell=bash

_bluenet_ping_files() {
	compopt -o filenames 2>/dev/null
	mapfile -t COMPREPLY < <(compgen -f -- "$1")
}

_bluenet_ping_words() {
	mapfile -t COMPREPLY < <(compgen -W "$2" -- "$1")
}

# The value of option $1, of which $2 is there. Fails where $1 takes no value.
_bluenet_ping_value() {
	case $1 in
	--log | --samples | --plot | --ca | --cert | --key | --token-file)
		_bluenet_ping_files "$2" ;;
	-o | --output)
		_bluenet_ping_words "$2" "text json csv" ;;
	--hop)
		_bluenet_ping_words "$2" "ping echo" ;;
	--layer)
		_bluenet_ping_words "$2" "net service both" ;;
	-c | --count | -i | --interval | -w | --deadline | -W | --timeout | \
	    -s | --size | --bucket | --tolerance | --fail-if | --as-node | \
	    --name | --seed | --token)
		COMPREPLY=() ;;
	*)
		return 1 ;;
	esac
}

_bluenet_ping() {
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}

	# --option=value comes in three words
	if [[ $cur == "=" && $prev == --* ]]; then
		cur=
	elif [[ $prev == "=" && $COMP_CWORD -gt 2 ]]; then
		prev=${COMP_WORDS[COMP_CWORD - 2]}
	fi
	COMPREPLY=()
	_bluenet_ping_value "$prev" "$cur" && return
	if [[ $cur != -* ]]; then
		# logs, behind these two
		[[ " ${COMP_WORDS[*]} " != *" --from "* &&
			" ${COMP_WORDS[*]} " != *" --compare "* ]] ||
			_bluenet_ping_files "$cur"
		return 0
	fi
	_bluenet_ping_words "$cur" "
		-c --count -i --interval -w --deadline -W --timeout -s --size
		-o --output -v --verbose --live --bucket --per-node
		--percentiles --clients --hop --layer --poisson --spin --trace
		--log --samples --from --compare --tolerance --fail-if --plot
		--as-node --mesh --name --seed --tls --ca --cert --key --token
		--token-file -h --help --version"
}

complete -F _bluenet_ping bluenet-ping
