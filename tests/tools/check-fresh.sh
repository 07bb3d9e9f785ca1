#!/bin/sh
# SPDX-License-Identifier: MIT
# check-fresh.sh - the README's commands as somebody types them on a bare
# Debian 12: make and the certificates of authorities are there, nothing else
# ("make check-fresh", as root). What is tried is the last commit.
#
# FRESH: the folder to make it in (a temporary one, which goes at the end);
# MIRROR: see root.sh.
set -eu
cd "$(dirname "$0")/../.."
. tests/tools/root.sh

root_folder "${FRESH:-}"
bare_root "$folder"
rm -rf "$folder/root/bluenet-tools"
mkdir "$folder/root/bluenet-tools"
git archive HEAD | tar -x -C "$folder/root/bluenet-tools"
in_root "$folder" 'cd /root/bluenet-tools; make deps demo; make check'
