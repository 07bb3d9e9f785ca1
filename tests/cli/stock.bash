# SPDX-License-Identifier: MIT
# To start tests/tools/stock.c. After relay.bash.
# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # the tests use it; relay.bash sets it

# start_stock ROLE [OPTION...]: $plain, $nodes; what it says is in $tmp/stock.
start_stock() {
	# what an earlier one says is not for this file
	rm -f "$tmp/stock"
	: >"$tmp/stock"
	"$tools/stock" "$@" >"$tmp/stock" 2>"$tmp/stock.err" 3>&- &
	pid=$!
	children+=("$pid")
	within grep -qs ready "$tmp/stock"
	plain=$(sed -n 's/^stock: ready on //p' "$tmp/stock")
	nodes=$(sed -n 's/^stock: nodes on //p' "$tmp/stock")
}

# heard PATTERN: an application of it was told so, or will be.
heard() {
	within grep -qE "$1" "$tmp/stock" || {
		cat "$tmp/stock"
		return 1
	}
}
