# SPDX-License-Identifier: MIT
# Completion of bluenet-decode for bash; needs nothing but bash.
# shellcheck shell=bash

_bluenet_decode_files() {
	compopt -o filenames 2>/dev/null
	mapfile -t COMPREPLY < <(compgen -f -- "$1")
}

_bluenet_decode_words() {
	mapfile -t COMPREPLY < <(compgen -W "$2" -- "$1")
}

# The first column of the list, less its number: "1.eth0 [Up]", "eth0".
_bluenet_decode_interfaces() {
	local names

	names=$("$2" -D 2>/dev/null | sed 's/^[0-9]*\.//; s/[[:space:]].*//')
	_bluenet_decode_words "$1" "$names"
}

# The value of option $1, of which $2 is there; $3 is the command. Fails
# where $1 takes no value.
_bluenet_decode_value() {
	case $1 in
	-r | --read | -w | --write | --keys | --keylog)
		_bluenet_decode_files "$2" ;;
	-i | --interface)
		_bluenet_decode_interfaces "$2" "$3" ;;
	-Z | --relinquish-privileges)
		mapfile -t COMPREPLY < <(compgen -u -- "$2") ;;
	-o | --output)
		_bluenet_decode_words "$2" "text json none" ;;
	-z | --statistics)
		_bluenet_decode_words "$2" \
		    "frames streams keys endpoints io, echo health" ;;
	-p | --port)
		_bluenet_decode_words "$2" "26000 any" ;;
	-Y | --display-filter)
		_bluenet_decode_words "$2" "help" ;;
	--time)
		_bluenet_decode_words "$2" "none epoch delta date time" ;;
	--order)
		_bluenet_decode_words "$2" "auto little network" ;;
	--overlap)
		_bluenet_decode_words "$2" "first last" ;;
	--payload)
		_bluenet_decode_words "$2" "none hex" ;;
	--color | --progress)
		_bluenet_decode_words "$2" "auto always never" ;;
	-f | --bpf | -c | --count | -s | --frame-max | --payload-max | \
	    --memory | --stream-memory | --max-streams | --idle)
		COMPREPLY=() ;;
	*)
		return 1 ;;
	esac
}

_bluenet_decode() {
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}

	# --option=value comes in three words
	if [[ $cur == "=" && $prev == --* ]]; then
		cur=
	elif [[ $prev == "=" && $COMP_CWORD -gt 2 ]]; then
		prev=${COMP_WORDS[COMP_CWORD - 2]}
	fi
	COMPREPLY=()
	_bluenet_decode_value "$prev" "$cur" "${COMP_WORDS[0]}" && return
	[[ $cur == -* ]] || return 0
	_bluenet_decode_words "$cur" "
		-r --read -i --interface -D --list-interfaces -f --bpf
		-Y --display-filter -c --count -o --output -x --hex
		-V --verbose -q --quiet -w --write -z --statistics
		-t --time -l --line-buffered -Z --relinquish-privileges
		-p --port -s --order --overlap --keys --keylog --payload
		--color --frame-max --payload-max --memory --stream-memory
		--max-streams --idle --progress -h --help --version"
}

complete -F _bluenet_decode bluenet-decode
