#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# What `make install` puts, that the demo works, and that the example of
# bluenet(3) is true.

bats_require_minimum_version 1.5.0
load common

# install [WORD...]: what make is told (install), into $root
install() {
	make -s -C "$BATS_TEST_DIRNAME/../.." BUILD="$BNET_BUILD" \
	    DESTDIR="$root" PREFIX=/opt/bluenet "${@:-install}" >/dev/null
}

setup_file() {
	case $BNET_BUILD in
	*-asan | *-tsan) return ;;
	esac
	root=$BATS_FILE_TMPDIR/root
	install
}

setup() {
	case $BNET_BUILD in
	*-asan | *-tsan) skip "the library as users get it" ;;
	esac
	need pkg-config pkg-config
	root=$BATS_FILE_TMPDIR/root
	prefix=$root/opt/bluenet
	export PKG_CONFIG_PATH=$prefix/lib/pkgconfig
	export PKG_CONFIG_SYSROOT_DIR=$root
	cd "$BATS_TEST_DIRNAME/../.." || return
}

embed() {
	sh tests/tools/extract-example.sh man/bluenet.3 embed.c \
	    >"$BATS_TEST_TMPDIR/embed.c"
	sh tests/tools/extract-example.sh man/bluenet.3 embed.out \
	    >"$BATS_TEST_TMPDIR/embed.out"
	[ -s "$BATS_TEST_TMPDIR/embed.c" ]
	[ -s "$BATS_TEST_TMPDIR/embed.out" ]
}

@test "install puts what the README says" {
	for f in bin/bluenet-decode bin/bluenet-relay bin/bluenet-node \
	    bin/bluenet-ping share/man/man1/bluenet-ping.1 \
	    bin/bluenet-replay share/man/man1/bluenet-replay.1 \
	    share/man/man5/bluenet-scenario.5 \
	    share/bluenet/keys.txt share/bluenet/decode.schema.json \
	    share/bluenet/scenarios/forwarding.bns \
	    share/bluenet/scenarios/macho/services.json \
	    share/bluenet/grafana/bluenet-relay.json \
	    share/bluenet/wireshark/bluenet.lua \
	    share/bluenet/examples/embed.c etc/bluenet/relay.conf \
	    share/bash-completion/completions/bluenet-node \
	    share/zsh/site-functions/_bluenet-node \
	    share/bash-completion/completions/bluenet-replay \
	    share/zsh/site-functions/_bluenet-replay \
	    share/bash-completion/completions/bluenet-ping \
	    share/zsh/site-functions/_bluenet-ping \
	    lib/libbluenet.a lib/libbluenet.so \
	    lib/libbluenet.so.0 lib/pkgconfig/bluenet.pc \
	    lib/libbluenet-engine.a lib/libbluenet-engine.so \
	    lib/libbluenet-engine.so.0 lib/pkgconfig/bluenet-engine.pc \
	    include/bluenet/engine.h share/man/man3/bluenet-engine.3 \
	    share/bluenet/examples/client.c share/bluenet/examples/server.c \
	    include/bluenet/bluenet.h share/man/man1/bluenet-decode.1 \
	    share/man/man1/bluenet-relay.1 share/man/man1/bluenet-node.1 \
	    share/man/man3/bluenet.3 share/man/man5/bluenet-wire.5 \
	    share/man/man5/bluenet-marshal.5 \
	    share/bash-completion/completions/bluenet-decode \
	    share/bash-completion/completions/bluenet-relay \
	    share/zsh/site-functions/_bluenet-decode \
	    share/zsh/site-functions/_bluenet-relay \
	    lib/systemd/system/bluenet-relay.service \
	    lib/systemd/system/bluenet-relay.socket; do
		[ -e "$prefix/$f" ] || { echo "missing: $f"; false; }
	done
	for program in bluenet-decode bluenet-relay bluenet-node \
	    bluenet-ping bluenet-replay; do
		run -0 "$prefix/bin/$program" --version
		[[ $output == "$program "[0-9]* ]]
	done
	run ls "$prefix"/include/bluenet/*_impl.h
	[ "$status" -ne 0 ]
}

# complete_bash WORD...: what bash suggests for the last of the words.
complete_bash() {
	bash -c 'source "$0"
		COMP_WORDS=("$@")
		COMP_CWORD=$(($# - 1))
		"$(complete -p "$1" | sed "s/.*-F \([^ ]*\).*/\1/")"
		printf "%s\n" "${COMPREPLY[@]}"' \
		"$prefix/share/bash-completion/completions/$1" "$@"
}

@test "the completions know every option of --help" {
	local program name shell

	for program in decode node ping relay replay; do
		"$prefix/bin/bluenet-$program" --help |
			grep -oE '^ +(-., )?--[a-z-]+' | grep -oE -- '--.*' \
			>"$BATS_TEST_TMPDIR/names"
		[ "$(wc -l <"$BATS_TEST_TMPDIR/names")" -ge 29 ]
		for shell in bash-completion/completions/ \
		    zsh/site-functions/_; do
			while read -r name; do
				grep -qE -e "$name(\$|[^a-z-])" \
				    "$prefix/share/${shell}bluenet-$program" ||
					{ echo "$shell: no $name"; return 1; }
			done <"$BATS_TEST_TMPDIR/names"
		done
	done
}

@test "bash completes options and their values" {
	[ "$(complete_bash bluenet-relay --overl)" = --overload ]
	[ "$(complete_bash bluenet-relay --overload c)" = cut ]
	[ "$(complete_bash bluenet-relay --overload = p)" = pause ]
	[ "$(complete_bash bluenet-node --mode ser)" = serial ]
	[ "$(complete_bash bluenet-decode -r "$prefix/sha")" = "$prefix/share" ]
	# -z asks the program
	PATH=$prefix/bin:$PATH
	[ "$(complete_bash bluenet-decode -z str)" = streams ]
	[ "$(complete_bash bluenet-decode -z i)" = io, ]
}

@test "the units start the relay where it was installed" {
	grep -q '^ExecStart=/opt/bluenet/bin/bluenet-relay ' \
	    "$prefix/lib/systemd/system/bluenet-relay.service"
	run ! grep -r /usr/local "$prefix/lib/systemd/system"
}

@test "relay.conf shows every option, and its defaults are valid" {
	local conf=$prefix/etc/bluenet/relay.conf name

	run ! grep -v '^#\|^$' "$conf"
	"$prefix/bin/bluenet-relay" --help | grep -oE -- ' --[a-z-]+' |
		sed 's/^ --//' | grep -vxE 'help|version|config|check-config|make-token|admin' \
		>"$BATS_TEST_TMPDIR/names"
	[ "$(wc -l <"$BATS_TEST_TMPDIR/names")" -ge 29 ]
	while read -r name; do
		grep -q "^#$name = " "$conf" || { echo "no $name"; return 1; }
	done <"$BATS_TEST_TMPDIR/names"
	run -0 "$prefix/bin/bluenet-relay" --config "$conf" --check-config
	# with each default as if it had been chosen
	awk '/^# / { last = $0; next } /^#/ && last !~ /default[:)]/ {
		print substr($0, 2) }' "$conf" >"$BATS_TEST_TMPDIR/relay.conf"
	[ "$(wc -l <"$BATS_TEST_TMPDIR/relay.conf")" -ge 15 ]
	run -0 "$prefix/bin/bluenet-relay" \
		--config "$BATS_TEST_TMPDIR/relay.conf" --check-config
	grep -q -- '--config /opt/bluenet/etc/bluenet/relay.conf$' \
	    "$prefix/lib/systemd/system/bluenet-relay.service"
}

@test "a changed relay.conf is not touched, at another SYSCONFDIR" {
	root=$BATS_TEST_TMPDIR/root
	install SYSCONFDIR=/etc install
	echo 'id = 7' >>"$root/etc/bluenet/relay.conf"
	install SYSCONFDIR=/etc install
	install SYSCONFDIR=/etc uninstall
	[ "$(find "$root" -type f)" = "$root/etc/bluenet/relay.conf" ]
	[ "$(tail -n 1 "$root/etc/bluenet/relay.conf")" = 'id = 7' ]
}

@test "the demo works, and leaves nothing behind" {
	mkdir "$BATS_TEST_TMPDIR/tmp"
	BUILD=$BNET_BUILD TMPDIR=$BATS_TEST_TMPDIR/tmp \
	    run -0 sh tests/tools/demo.sh
	[[ $output == *"(12 of 12 links up)"*"market::quote "*" 24 "*" 24 "* ]]
	[[ $output == *"Minimum Maximum Average"*" answered, 0 lost"* ]]
	run ls "$BATS_TEST_TMPDIR/tmp"
	[ -z "$output" ]
}

@test "the programs find what is installed, also where the tree is moved" {
	local moved=$BATS_TEST_TMPDIR/moved

	cp -r "$prefix" "$moved"
	cd "$BATS_TEST_TMPDIR"
	run -0 "$moved/bin/bluenet-decode" -p any -o json -c 50 \
	    -r "$OLDPWD/fixtures/captures/plain.pcap"
	[[ $output == *'"key_name":"market::quote"'* ]]
	# a user's name comes before the installed one, wherever it stands
	run -0 "$moved/bin/bluenet-decode" -p any -c 50 --keys keys.txt \
	    -r "$OLDPWD/fixtures/captures/plain.pcap"
	[[ $output == *market::quote* ]]
	run -0 "$moved/bin/bluenet-replay" --scenario scenarios/headers.bns \
	    --scenario-only header-priority-kept \
	    --scenario-relay "'$moved/bin/bluenet-relay' -l 127.0.0.1:0"
	[[ $output == *"ok 1 - header-priority-kept"* ]]
	# the error names what was typed
	rm -r "$moved/share/bluenet/scenarios"
	run -2 "$moved/bin/bluenet-replay" --scenario scenarios/headers.bns \
	    --scenario-relay "'$moved/bin/bluenet-relay' -l 127.0.0.1:0"
	[[ $output == *": scenarios/headers.bns: No such file"* ]]
}

@test "the manuals name the files where they are" {
	local f

	grep -ohE 'Pa /opt/bluenet/[^ ]+' "$prefix"/share/man/*/* |
		cut -d ' ' -f 2 | sort -u >"$BATS_TEST_TMPDIR/names"
	[ "$(wc -l <"$BATS_TEST_TMPDIR/names")" -ge 6 ]
	while read -r f; do
		[ -e "${prefix%/opt/bluenet}$f" ] || { echo "no $f"; return 1; }
	done <"$BATS_TEST_TMPDIR/names"
	grep -q '^.It Pa /opt/bluenet/etc/bluenet/relay.conf$' \
	    "$prefix/share/man/man1/bluenet-relay.1"
	run ! grep -r /usr/local/share "$prefix/share/man"
}

# a clone with one more commit and perhaps a tag, whatever this checkout is
clone() {
	git clone -q --no-tags "$PWD" "$1" &&
	    git -C "$1" -c user.name=a -c user.email=a@b.c \
		commit -q --allow-empty -m one
}

@test "the version is that of the tag; the tarball is the same bytes anywhere" {
	local header one=$BATS_TEST_TMPDIR/one two=$BATS_TEST_TMPDIR/two

	need git git
	[ -e .git ] || skip "no git checkout"
	header=$(sed -n 's/^#define BNET_VERSION "\(.*\)"/\1/p' proto/bluenet.h)
	clone "$one"
	[ "$(sh "$one/tests/tools/version.sh")" = "$header" ]
	git -C "$one" tag "v$header"
	[ "$(sh "$one/tests/tools/version.sh")" = "$header" ]
	(umask 077 && git clone -q "$one" "$two")
	make -s -C "$one" dist BUILD=build
	touch "$two/README.md"
	(umask 077 && cd "$two" && TZ=Asia/Tokyo make -s dist BUILD=other)
	cmp "$one/build/bluenet-tools-$header.tar.gz" \
	    "$two/other/bluenet-tools-$header.tar.gz"
	# the tarball knows its version, without git
	tar -xzf "$one/build/bluenet-tools-$header.tar.gz" -C "$BATS_TEST_TMPDIR"
	echo 9.9.9 >"$BATS_TEST_TMPDIR/bluenet-tools-$header/VERSION"
	[ "$(sh "$BATS_TEST_TMPDIR/bluenet-tools-$header/tests/tools/version.sh")" = 9.9.9 ]
	# later commits say how far they are; a wrong tag is refused
	git -C "$two" -c user.name=a -c user.email=a@b.c \
	    commit -q --allow-empty -m two
	[[ $(sh "$two/tests/tools/version.sh") == "$header-1-g"* ]]
	git -C "$two" tag v99.0
	run ! make -s -C "$two" dist
	[[ $output == *"expected 99.0, as the tag says"* ]]
}

@test "uninstall leaves no file" {
	root=$BATS_TEST_TMPDIR/root
	install
	[ -e "$root/opt/bluenet/bin/bluenet-decode" ]
	install uninstall
	left=$(find "$root" -type f -o -type l)
	echo "$left"
	[ -z "$left" ]
}

@test "the shared library exports bnet_ names only" {
	run bash -c "nm -D --defined-only '$prefix/lib/libbluenet.so' |
	    awk '\$2 != \"A\" { print \$3 }' | grep -v '^bnet_'"
	[ -z "$output" ]
	readelf -d "$prefix/lib/libbluenet.so" | grep -q 'libbluenet.so.0'
	# with a version each
	run ! bash -c "nm -D --defined-only '$prefix/lib/libbluenet.so' |
	    awk '\$2 != \"A\"' | grep -v '@@BLUENET_[0-9.]*\$'"
}

# example COMPILER OPTION...: the example of bluenet(3), compiled without a
# warning, prints what the manual says.
example() {
	embed
	(cd "$BATS_TEST_TMPDIR" && "$@" -o embed)
	LD_LIBRARY_PATH=$prefix/lib "$BATS_TEST_TMPDIR/embed" \
	    >"$BATS_TEST_TMPDIR/got"
	diff -u "$BATS_TEST_TMPDIR/embed.out" "$BATS_TEST_TMPDIR/got"
}

# shared and static [PACKAGE]: what pkg-config says a program needs, as words
shared() {
	pkg-config --cflags --libs "${1:-bluenet}"
}

static() {
	pkg-config --cflags --libs --static "${1:-bluenet}"
}

@test "the example of bluenet(3) compiles as C and C++, and prints what it says" {
	local strict="-Wall -Wextra -pedantic -Werror" way

	need g++ g++
	need clang++ clang
	for way in "gcc -std=c99" "gcc -std=c17" "clang -std=c99" \
	    "g++ -std=c++11 -x c++" "g++ -x c++" \
	    "clang++ -std=c++11 -x c++" "clang++ -x c++"; do
		echo "$way"
		# shellcheck disable=SC2046,SC2086 # words on purpose
		example $way $strict embed.c -x none $(shared)
	done
}

@test "the example of bluenet(3), static" {
	# shellcheck disable=SC2046 # words on purpose
	example cc -static embed.c $(static)
	run -0 readelf -d "$BATS_TEST_TMPDIR/embed"
	[[ $output == *"no dynamic section"* ]]
}

# talk: client and server of bluenet-engine(3) print what the manual says.
talk() {
	local server at

	export LD_LIBRARY_PATH=$prefix/lib
	cd "$BATS_TEST_TMPDIR" || return
	rm -f ready
	mkfifo ready
	./server 0 >ready 3>&- &
	server=$!
	{
		read -r _ _ at
		./client "$at" >client.got
		cat >server.got
	} <ready
	wait "$server"
	diff -u client.out client.got
	diff -u server.out server.got
	cd "$OLDPWD" || return
}

@test "the examples of bluenet-engine(3), as C and C++, shared and static" {
	local strict="-Wall -Wextra -pedantic -Werror" way name

	need g++ g++
	for name in client.c server.c client.out server.out; do
		sh tests/tools/extract-example.sh man/bluenet-engine.3 "$name" \
		    >"$BATS_TEST_TMPDIR/$name"
	done
	for way in "gcc -std=c99" "g++ -std=c++11 -x c++"; do
		for name in client server; do
			# shellcheck disable=SC2046,SC2086 # words on purpose
			$way $strict -o "$BATS_TEST_TMPDIR/$name" \
			    "$BATS_TEST_TMPDIR/$name.c" -x none \
			    $(shared bluenet-engine)
		done
		talk
	done
	for name in client server; do
		# shellcheck disable=SC2046 # words on purpose
		cc -static -o "$BATS_TEST_TMPDIR/$name" \
		    "$BATS_TEST_TMPDIR/$name.c" $(static bluenet-engine)
	done
	talk
}

@test "the engine's libraries show their own names only" {
	run -0 nm -g --defined-only "$prefix/lib/libbluenet-engine.a"
	run ! grep -vE ' T bnet_(engine|conn|inbox)_|^$|:$' <<<"$output"
	run -0 nm -D --defined-only "$prefix/lib/libbluenet-engine.so"
	run ! grep -vE ' A BLUENET|@@BLUENET_ENGINE_[0-9.]*$' <<<"$output"
}

@test "the headers do not hide those of the system" {
	run -0 pkg-config --cflags bluenet
	[[ $output == "-I$prefix/include "* ]]
	[[ $output != *"/bluenet "* ]]
	cat >"$BATS_TEST_TMPDIR/both.c" <<'EOF'
#include <bluenet/bluenet.h>
#include <bluenet/err.h>
#include <bluenet/link.h>
#include <bluenet/strings.h>
#include <err.h>
#include <link.h>
#include <strings.h>

int
main(void)
{
	struct link_map map = { .l_name = NULL };
	struct bnet_link *link = NULL;

	warnx("%s", bnet_strerror(BNET_MORE));
	bnet_link_free(link);
	return strcasecmp("A", "a") + (map.l_name != NULL);
}
EOF
	# shellcheck disable=SC2046 # words on purpose
	cc -std=c17 -D_GNU_SOURCE -Wall -Wextra -Werror \
	    -o "$BATS_TEST_TMPDIR/both" "$BATS_TEST_TMPDIR/both.c" $(shared)
	LD_LIBRARY_PATH=$prefix/lib run -0 "$BATS_TEST_TMPDIR/both"
	[[ $output == "both: "?* ]]
}

@test "each installed header compiles alone, as C and as C++" {
	local h name

	need g++ g++
	for h in "$prefix"/include/bluenet/*.h; do
		name=$(basename "$h")
		[ "$name" = bluenet.h ] || grep -q '^extern "C" {$' "$h"
		echo "#include <bluenet/$name>" >"$BATS_TEST_TMPDIR/one.c"
		for way in "gcc -std=c99" "g++ -std=c++11 -x c++"; do
			echo "$way $name"
			# shellcheck disable=SC2086 # words on purpose
			$way -Wall -Wextra -pedantic -Werror -fsyntax-only \
			    -I"$prefix/include" "$BATS_TEST_TMPDIR/one.c"
		done
	done
}

@test "LIBDIR is where the library and its description go" {
	local at=lib/x86_64-linux-gnu

	root=$BATS_TEST_TMPDIR/root
	prefix=$root/opt/bluenet
	install LIBDIR=/opt/bluenet/$at install
	[ -e "$prefix/$at/libbluenet.so.0" ]
	[ ! -e "$prefix/lib/libbluenet.so.0" ]
	export PKG_CONFIG_PATH=$prefix/$at/pkgconfig PKG_CONFIG_SYSROOT_DIR=$root
	[[ " $(shared) " == *" -L$prefix/$at "* ]]
	install LIBDIR=/opt/bluenet/$at uninstall
	[ -z "$(find "$root" -type f -o -type l)" ]
}
