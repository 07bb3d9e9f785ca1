#!/bin/sh
# SPDX-License-Identifier: MIT
# dist.sh FOLDER - the last commit as a tarball, bluenet-tools-VERSION.tar.gz,
# with its version in a file. The same commit makes the same bytes anywhere.
set -eu

to=$(cd "$1" && pwd)
cd "$(dirname "$0")/../.."
[ -e .git ] || {
	echo "dist: expected a git checkout" >&2
	exit 1
}
sh tests/tools/version.sh check
version=$(sh tests/tools/version.sh)
name=bluenet-tools-$version
[ -z "$(git status --porcelain)" ] ||
    echo "dist: changes that are not committed are left out" >&2
git -c tar.umask=0022 archive --prefix="$name/" \
    --add-virtual-file="$name/VERSION:$version" HEAD |
    gzip -9n >"$to/$name.tar.gz.part"
mv "$to/$name.tar.gz.part" "$to/$name.tar.gz"
echo "$to/$name.tar.gz"
