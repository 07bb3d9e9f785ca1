# SPDX-License-Identifier: MIT
# Completion of bluenet-replay for bash; needs nothing but bash.
# shellcheck shell=bash

_bluenet_replay_files() {
	compopt -o filenames 2>/dev/null
	mapfile -t COMPREPLY < <(compgen -f -- "$1")
}

_bluenet_replay_words() {
	mapfile -t COMPREPLY < <(compgen -W "$2" -- "$1")
}

# The value of option $1, of which $2 is there. Fails where $1 takes no value.
_bluenet_replay_value() {
	case $1 in
	--keylog | --keys | --compile | --ca | --cert | --key | \
	    --token-file | --report | --log | --html | --scenario)
		_bluenet_replay_files "$2" ;;
	--order)
		_bluenet_replay_words "$2" "auto little network" ;;
	--roles)
		_bluenet_replay_words "$2" "clients nodes all" ;;
	--pacing)
		_bluenet_replay_words "$2" "open closed hybrid" ;;
	--codec)
		_bluenet_replay_words "$2" "none zlib snappy" ;;
	--progress)
		_bluenet_replay_words "$2" "auto always never" ;;
	--tls-host)
		mapfile -t COMPREPLY < <(compgen -A hostname -- "$2") ;;
	-f | --bpf | -Y | --filter | -p | --port | --speed | --rate | \
	    --max-idle | --connect-speed | --ramp | --stagger | \
	    --answer-timeout | --duration | --loop | --start-at | --clients | \
	    --shard | --map-node | --threads | --allow | --token | \
	    --max-lateness | --bucket | --ignore | --scenario-only | \
	    --scenario-timeout)
		COMPREPLY=() ;;
	*)
		return 1 ;;
	esac
}

_bluenet_replay() {
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}

	# --option=value comes in three words
	if [[ $cur == "=" && $prev == --* ]]; then
		cur=
	elif [[ $prev == "=" && $COMP_CWORD -gt 2 ]]; then
		prev=${COMP_WORDS[COMP_CWORD - 2]}
	fi
	COMPREPLY=()
	_bluenet_replay_value "$prev" "$cur" && return
	if [[ $cur != -* ]]; then
		_bluenet_replay_files "$cur"
		return 0
	fi
	_bluenet_replay_words "$cur" "
		-f --bpf -Y --filter -p --port --order --keylog --keys --roles
		--compile --dry-run --speed --rate --asap --pacing --max-idle
		--connect-speed --ramp --stagger --answer-timeout --duration
		--loop --start-at --clients --shard --map-node --codec
		--threads --spin --allow --tls --tls-host --ca --cert --key
		--token --token-file --max-lateness --bucket --report --log
		--html --diff --ignore --merge --progress -q --quiet --scenario
		--scenario-only --scenario-timeout -h --help --version"
}

complete -F _bluenet_replay bluenet-replay
