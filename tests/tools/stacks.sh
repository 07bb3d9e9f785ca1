#!/bin/sh
# SPDX-License-Identifier: MIT
# stacks.sh PID...: where every thread is of the project's programs and tests
# (bluenet-*, test_*) among these processes, their descendants and, where one
# leads a process group, its members. For tests that hang.
set -u

if [ $# -eq 0 ]; then
	echo 'usage: stacks.sh PID...' >&2
	exit 2
fi

# "PID NAME" a line. A name may hold blanks and parentheses.
ours() {
	cat /proc/[0-9]*/stat 2>/dev/null | awk -v roots="$*" '
	BEGIN {
		n = split(roots, root, " ")
		for (i = 1; i <= n; i++)
			in_it[root[i]] = leads[root[i]] = 1
	}
	{
		name = $0
		sub(/^[0-9]+ \(/, "", name)
		rest = name
		sub(/.*\) /, "", rest)
		sub(/\) [^)]*$/, "", name)
		split(rest, field, " ")
		if (field[1] == "Z")
			next
		names[$1] = name
		parent[$1] = field[2]
		if (field[3] in leads)
			in_it[$1] = 1
	}
	END {
		do {
			more = 0
			for (pid in parent)
				if (!(pid in in_it) && parent[pid] in in_it)
					more = in_it[pid] = 1
		} while (more)
		for (pid in names)
			if (pid in in_it && names[pid] ~ /^(bluenet-|test_)/)
				print pid, names[pid]
	}' | sort -n
}

# What the kernel tells of the threads, without a debugger.
threads() {
	for task in /proc/"$1"/task/*; do
		echo "thread ${task##*/}" \
		    "state $(sed -n 's/^State:[[:space:]]*//p' "$task/status")" \
		    "waits in $(cat "$task/wchan" 2>/dev/null)"
	done 2>/dev/null
}

stacks() {
	if ! command -v gdb >/dev/null; then
		echo 'no stacks: gdb is not installed (apt-get install gdb)'
		threads "$1"
		return
	fi
	# gdb attached to what hangs must not hang itself
	timeout -k 5 60 gdb -nx -batch -iex 'set debuginfod enabled off' \
	    -ex 'set pagination off' -ex 'thread apply all bt' -p "$1" \
	    </dev/null 2>&1 | awk '
		/ptrace: / || /Could not attach/ { refused = 1 }
		{ print }
		END { exit refused }' && return
	echo 'no stacks: may not attach; this needs root, or 0 in' \
	    '/proc/sys/kernel/yama/ptrace_scope, and SYS_PTRACE in a container'
	threads "$1"
}

found=$(ours "$@")
if [ -z "$found" ]; then
	echo "no program of ours among $* and their descendants"
	exit 0
fi
echo "$found" | while read -r pid name; do
	echo "== $name, process $pid =="
	stacks "$pid"
done
