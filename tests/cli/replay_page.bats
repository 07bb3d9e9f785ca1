#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# The page of --html, opened as people do: in a browser.
#
# What relay.bash sets; scripts of the peer; each test is a subshell.
# shellcheck disable=SC2154,SC2016,SC2030,SC2031

load relay
load replay

# A run with answers and errors; $tmp/page.html
run_page() {
	record a <<-'EOT'
		join ann $r name=ann
		repeat 5 send ann dest=node:7 key=market::quote payload=one
		repeat 5 await ann packet key=market::quote
	EOT
	start_relay
	start_nodes --id 7 --register market::quote --reply-size 40
	replays 0 --html "$tmp/page.html" --keys "$fixtures/keys.txt" \
		--clients 20 --speed 0.1 --bucket 50ms "$@" "$tmp/a.pcap" \
		"$plain"
}

# browse PAGE [ARG...]: headless; the network is of no use to it
browse() {
	local page=$1

	shift
	chromium --headless --no-sandbox --disable-gpu --no-first-run \
		--user-data-dir="$tmp/profile" --enable-logging=stderr "$@" \
		"file://$page" 2>"$tmp/browser.err"
}

@test "the page has the verdict, the charts and the keys" {
	need chromium chromium
	need gnuplot gnuplot-nox
	run_page
	browse "$tmp/page.html" --dump-dom >"$tmp/dom"
	grep -q '<p class="verdict good">injector: pass: ' "$tmp/dom"
	grep -q '<p class="verdict good">cluster: pass: ' "$tmp/dom"
	grep -A1 '<div class="cards">' "$tmp/dom" | grep -q '>injector<.*>pass<'
	same "$(grep -c '<svg' "$tmp/dom")" 4
	grep -q '<td>market::quote</td>' "$tmp/dom"
	# the curves are there, not just their axes
	[ "$(grep -o '<path' "$tmp/dom" | wc -l)" -gt 8 ]
	run ! grep CONSOLE "$tmp/browser.err"
	browse "$tmp/page.html" --window-size=1000,1800 \
		--screenshot="$tmp/page.png"
	[ "$(stat -c %s "$tmp/page.png")" -gt 20000 ]
}

@test "the page is one file: nothing comes from elsewhere" {
	run_page
	run ! grep -Eo '(src|href)="[^#][^"]*"' "$tmp/page.html"
	run ! grep -E 'url\(["'\'']?[^#)]' "$tmp/page.html"
	run ! grep '<script' "$tmp/page.html"
}

@test "names are text, whatever is in them" {
	echo '<b>bold</b>&' >"$tmp/names"
	record a <<-'EOT'
		join ann $r name=ann
		send ann dest=node:7 key=<b>bold</b>& payload=one
	EOT
	start_relay
	# nobody is there to answer, which is not the question
	replays 0 --html "$tmp/page.html" --keys "$tmp/names" --asap \
		--fail-if 'sent<1' "$tmp/a.pcap" "$plain"
	grep -qF '<td>&lt;b&gt;bold&lt;/b&gt;&amp;</td>' "$tmp/page.html"
	run ! grep -F '<b>bold' "$tmp/page.html"
}

@test "without gnuplot the page says so, and has the rest" {
	run_page --report "$tmp/kept.json"
	mkdir "$tmp/none"
	PATH=$tmp/none run -0 "$replay" --merge "$tmp/kept.json" \
		--html "$tmp/plain.html"
	grep -q 'Charts are missing: cannot run gnuplot' "$tmp/plain.html"
	grep -q '<table>' "$tmp/plain.html"
}

@test "a folder that is not there is told before anything is sent" {
	start_relay
	try "$replay" --html "$tmp/no/page.html" \
		"$fixtures/captures/plain.pcap" "$plain"
	[ "$status" -ne 0 ]
	says "$tmp/no/page.html"
}
