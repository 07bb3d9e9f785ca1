#!/bin/sh
# SPDX-License-Identifier: MIT
# abi.sh check|write LIBRARY - the binary interface of libbluenet.so.
#
# check: proto/bluenet.map exports the functions that the public headers
# declare, and programs that were compiled against the library of the last
# release run with this one: nothing that tests/abi/libbluenet.abi describes was
# removed or changed. What may be added is in tests/abi/allowed.
# write: describe this library there, at a release, with a new SOVERSION if
# programs have to be compiled again.
set -eu

what=$1
library=$2
description=tests/abi/libbluenet.abi
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

public_headers() {
	find proto -name '*.h' ! -name '*_impl.h'
}

# What is said of functions in headers, and defined in the archive beside.
declared() {
	public_headers | xargs grep -ohE '\<bnet_[a-z0-9_]+\(' | tr -d '(' |
	    LC_ALL=C sort -u >"$tmp/named"
	nm -g --defined-only "${library%.so.*}.a" |
	    awk '$2 == "T" { print $3 }' | LC_ALL=C sort -u >"$tmp/defined"
	LC_ALL=C comm -12 "$tmp/named" "$tmp/defined"
}

# "NAME" of each symbol with a version; the versions are symbols, too.
exported() {
	nm -D --defined-only "$library" | awk '$2 != "A" { print $3 }' |
	    grep '@@BLUENET_' | sed 's/@.*//' | LC_ALL=C sort -u
}

check_map() {
	declared >"$tmp/declared"
	exported >"$tmp/exported"
	diff -u "$tmp/declared" "$tmp/exported" >"$tmp/diff" || {
		echo "proto/bluenet.map: - is missing there, + is in no header:"
		grep '^[-+]bnet' "$tmp/diff"
		return 1
	}
}

# describe FILE: what the public headers say of the library
describe() {
	abidw --headers-dir proto --drop-private-types --no-show-locs \
	    --no-corpus-path --no-comp-dir-path --type-id-style hash \
	    --out-file "$1" "$library"
}

# Two descriptions are compared: given a library, abidiff 2.2 takes changes of
# public types to be private.
check_description() {
	describe "$tmp/now.abi"
	abidiff --no-added-syms --suppressions tests/abi/allowed \
	    "$description" "$tmp/now.abi" >"$tmp/diff" || {
		cat "$tmp/diff"
		echo "The interface is not that of $description." \
		    "If it has to change: make abi, and a new SOVERSION if" \
		    "that one was released."
		return 1
	}
}

case $what in
check)
	check_map
	check_description
	;;
write)
	describe "$description"
	;;
*)
	echo "usage: abi.sh check|write LIBRARY" >&2
	exit 2
	;;
esac
