#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# The status page, / of the metrics address, opened as people do: in a browser.
#
# shellcheck disable=SC2154,SC2016 # what relay.bash sets; scripts of the peer

load relay

# The time of the page stands while it waits for an answer of the relay.
browse() {
	cat <<-END
		chromium --headless --no-sandbox --disable-gpu --no-first-run \
			--user-data-dir=$tmp/profile --enable-logging=stderr \
			--virtual-time-budget=5000 $* http://$metrics/ \
			2>>$tmp/browser.err
	END
}

@test "the status page: links, what is wrong, and names as text" {
	local dom

	need chromium chromium
	start_relay --queue 256K --name 'relay <b>one'
	dom=$(browse --dump-dom)
	play dom="$dom" <<'END'
mute
join a $r name=<i>ann
join n $r role=node id=7 rcvbuf=4096 name=slow
run $dom >$tmp/good
pause n
flood a count=2000 dest=node:7 key=app payload=size:1000
fence a
run $dom >$tmp/bad
resume n
collect total=2000 n:packet a:error
END
	grep -q '<h1 id="name">relay &lt;b&gt;one</h1>' "$tmp/good"
	grep -q '<span id="health" class="good">ok</span>' "$tmp/good"
	grep -q '<li class="good">nothing</li>' "$tmp/good"
	grep -q '<td class="t">&lt;i&gt;ann</td>' "$tmp/good"
	grep -q 'id="card-links"[^/]*</span><b>2</b><small>nodes: 1<' "$tmp/good"
	same "$(grep -o '<polyline' "$tmp/good" | wc -l)" 6
	grep -q '<li>1 link does not read what is queued: node 7 (slow)<' \
		"$tmp/bad"
	grep -q '<td class="warn">[0-9.]* KiB</td>' "$tmp/bad"
	run ! grep CONSOLE "$tmp/browser.err"
}

@test "the status page is one file: nothing comes from elsewhere" {
	start_relay
	curl -sSf "http://$metrics/" >"$tmp/page"
	grep -q '</html>' "$tmp/page"
	run ! grep -E '(src|href|innerHTML) *=' "$tmp/page"
	run ! grep -E 'url\(|import|https?://[^w]' "$tmp/page"
	grep -q "default-src 'none'" "$tmp/page"
}
