#!/bin/sh
# SPDX-License-Identifier: MIT
# version.sh - the version of this tree: what the file VERSION of a tarball
# says, or "git describe" of the last tag (v1.2.3), or BNET_VERSION.
# version.sh check - fails where a commit has the tag of another version than
# that of its headers.
set -eu
cd "$(dirname "$0")/../.."

header=$(sed -n 's/^#define BNET_VERSION "\(.*\)"/\1/p' proto/bluenet.h)

described() {
	[ -e .git ] && git describe --tags --match 'v[0-9]*' "$@" 2>/dev/null |
	    sed 's/^v//' | grep .
}

if [ "${1:-}" = check ]; then
	tag=$(described --exact-match || echo "$header")
	[ "$tag" = "$header" ] || {
		echo "proto/bluenet.h: BNET_VERSION is $header: expected $tag," \
		    "as the tag says" >&2
		exit 1
	}
elif [ -s VERSION ]; then
	cat VERSION
else
	described || echo "$header"
fi
