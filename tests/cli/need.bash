# SPDX-License-Identifier: MIT
# What a test looks for before it begins: programs that are not part of every
# system, and how to get them.
# shellcheck shell=bash

# missing PROGRAM PACKAGE
missing() {
	! type -P "$1" >/dev/null ||
		return 1
	echo "$1 is missing: install $2 (Debian's name) or run 'make deps-check'"
}

# need PROGRAM PACKAGE: `make deps-check` installs it; without it there is no
# saying whether all is well.
need() {
	! missing "$@"
}

# want PROGRAM PACKAGE: what is not for every system; the test is skipped.
want() {
	local why

	! why=$(missing "$@") || skip "$why"
}
