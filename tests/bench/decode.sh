#!/bin/sh
# SPDX-License-Identifier: MIT
# decode.sh - bluenet-decode beside tshark, tcpdump and a bare libpcap loop,
# in one run ("make bench"). Times are medians of wall seconds; the machine is
# noisy, so read the ratios. Needs tshark and tcpdump, and 3 GB in $TMPDIR.
set -eu

tools=$BUILD/tools
decode=$BUILD/bluenet-decode
runs=${RUNS:-5}
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
for peer in tshark tcpdump; do
	command -v $peer >/dev/null || {
		echo "decode.sh: $peer is not there (apt-get install $peer)" >&2
		exit 1
	}
done

frame=128
segment=1448
full_bytes=${FULL_BYTES:-500000000}
slow_bytes=20000000
long_bytes=2000000000

# $wall and $rss of a command run so often
take() {
	n=$1
	shift
	line=$("$tools/measure" "$n" "$@")
	wall=${line%% *}
	rss=${line#* }
}

row() {
	awk -v what="$1" -v s="$2" -v b="$3" -v p="$4" -v f="$5" -v base="$6" \
	    'BEGIN { printf "  %-34s %8.3f %8.1f %10.0f %11.0f %9.3f\n", what,
	    s, b / s / 1e6, p / s, f / s, base / s }'
}

head_row() {
	printf '  %-34s %8s %8s %10s %11s %9s\n' "$1" s MB/s packets/s \
	    frames/s "$2"
}

count() {
	"$decode" -r "$1" -o none -q -z health -z frames |
	    awk '$1 == "packets" && NF == 3 { p = $2 } $1 == "all" { f = $2 }
	    END { print p, f }'
}

echo "machine: $(grep -m 1 'model name' /proc/cpuinfo | cut -d: -f2-)," \
    "$(nproc) cores, Linux $(uname -r)"

echo
echo "1. Segments of $segment bytes full of frames of $frame bytes"
"$tools/gen" "$dir/full.pcap" --bytes "$full_bytes" --frame-bytes $frame \
    --segment $segment
"$tools/gen" "$dir/slow.pcap" --bytes $slow_bytes --frame-bytes $frame \
    --segment $segment
size=$(stat -c %s "$dir/full.pcap")
slow=$(stat -c %s "$dir/slow.pcap")
# shellcheck disable=SC2046
set -- $(count "$dir/full.pcap")
packets=$1
frames=$2
# shellcheck disable=SC2046
set -- $(count "$dir/slow.pcap")
slow_packets=$1
slow_frames=$2
head_row "" "x libpcap"
take "$runs" "$tools/pcaploop" "$dir/full.pcap"
loop=$wall
row "libpcap alone" "$wall" "$size" "$packets" "$frames" "$loop"
take "$runs" "$decode" -r "$dir/full.pcap" -q -z health
row "bluenet-decode -q -z health" "$wall" "$size" "$packets" "$frames" "$loop"
take "$runs" "$decode" -r "$dir/full.pcap" -q
row "bluenet-decode -q" "$wall" "$size" "$packets" "$frames" "$loop"
take "$runs" "$decode" -r "$dir/full.pcap" -o text
row "bluenet-decode -o text" "$wall" "$size" "$packets" "$frames" "$loop"
take "$runs" "$decode" -r "$dir/full.pcap" -o json
row "bluenet-decode -o json" "$wall" "$size" "$packets" "$frames" "$loop"
take 3 tcpdump -nn -r "$dir/full.pcap"
row "tcpdump -nn (no frames)" "$wall" "$size" "$packets" "$frames" "$loop"
scaled=$(awk -v l="$loop" -v s="$slow" -v z="$size" 'BEGIN { print l*s/z }')
take 1 tshark -r "$dir/slow.pcap"
row "tshark, text (no frames)" "$wall" "$slow" "$slow_packets" \
    "$slow_frames" "$scaled"
take 1 tshark -r "$dir/slow.pcap" -q -z io,phs
row "tshark -q -z io,phs (no frames)" "$wall" "$slow" "$slow_packets" \
    "$slow_frames" "$scaled"

echo
echo "2. One frame of $frame bytes a packet"
"$tools/gen" "$dir/single.pcap" --frames 1000000 --frame-bytes $frame \
    --one-frame-per-packet
"$tools/gen" "$dir/few.pcap" --frames 50000 --frame-bytes $frame \
    --one-frame-per-packet
size=$(stat -c %s "$dir/single.pcap")
few=$(stat -c %s "$dir/few.pcap")
# shellcheck disable=SC2046
set -- $(count "$dir/single.pcap")
packets=$1
frames=$2
# shellcheck disable=SC2046
set -- $(count "$dir/few.pcap")
few_packets=$1
few_frames=$2
head_row "" "x tshark"
take 3 tshark -r "$dir/few.pcap" -T ek
ek=$(awk -v s="$wall" -v p="$few_packets" 'BEGIN { print s / p }')
row "tshark -T ek" "$wall" "$few" "$few_packets" "$few_frames" "$wall"
base=$(awk -v e="$ek" -v p="$packets" 'BEGIN { print e * p }')
take "$runs" "$decode" -r "$dir/single.pcap" -o json
row "bluenet-decode -o json" "$wall" "$size" "$packets" "$frames" "$base"
take 3 tshark -r "$dir/few.pcap"
text=$(awk -v s="$wall" -v p="$few_packets" 'BEGIN { print s / p }')
row "tshark, text" "$wall" "$few" "$few_packets" "$few_frames" "$wall"
base=$(awk -v e="$text" -v p="$packets" 'BEGIN { print e * p }')
take "$runs" "$decode" -r "$dir/single.pcap" -o text
row "bluenet-decode -o text" "$wall" "$size" "$packets" "$frames" "$base"

echo
echo "3. Memory: the largest resident size"
rm -f "$dir/full.pcap" "$dir/single.pcap"
take 1 "$decode" -r "$dir/slow.pcap" -o json
printf '  %-34s %8s KiB\n' "20 MB, -o json" "$rss"
"$tools/gen" "$dir/long.pcap" --bytes $long_bytes --frame-bytes $frame \
    --segment $segment
take 1 "$decode" -r "$dir/long.pcap" -o json
printf '  %-34s %8s KiB\n' "2 GB, -o json" "$rss"
take 1 "$decode" -r "$dir/long.pcap" -q
printf '  %-34s %8s KiB\n' "2 GB, -q" "$rss"
