#!/bin/sh
# SPDX-License-Identifier: MIT
# payload.sh FILE.pcap - marshal bytes to JSON: bluenet-decode -o json --payload
# object, beside jq on that JSON and Python's marshal and pickle loaders on the
# same objects, in one run. CPU seconds of a user, best of five.
set -eu

decode=$BUILD/bluenet-decode
file=$1
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

"$decode" -r "$file" -o json --payload object |
    jq -c 'select(has("object")) | .object' >"$dir/objects"
bytes=$("$decode" -r "$file" -o json --payload object |
    jq -s '[.[] | select(has("object")) | .payload_len] | add')

python3 - "$dir/objects" "$bytes" "$decode" "$file" <<'EOF'
import json, marshal, os, pickle, resource, subprocess, sys, time

path, size, decode, capture = sys.argv[1], int(sys.argv[2]), *sys.argv[3:]
objects = [json.loads(line) for line in open(path)]
dumped = [marshal.dumps(o) for o in objects]
pickled = [pickle.dumps(o) for o in objects]


def child(command):
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before


def own(load, texts):
    before = time.process_time()
    for text in texts:
        load(text)
    return time.process_time() - before


def row(what, run):
    best = min(run() for _ in range(5))
    print(f"  {what:44} {best:8.3f} s {size / max(best, 1e-4) / 1e6:8.0f} MB/s")


print(f"{len(objects)} objects, {size} marshal bytes")
row("bluenet-decode -o none (reading alone)",
    lambda: child([decode, "-r", capture, "-o", "none", "-q", "-z", "frames"]))
row("bluenet-decode -o json --payload object",
    lambda: child([decode, "-r", capture, "-o", "json", "--payload", "object"]))
row("jq . of the objects as JSON", lambda: child(["jq", "-c", ".", path]))
row("Python json.loads of them", lambda: own(json.loads, open(path).readlines()))
row("Python marshal.loads of them", lambda: own(marshal.loads, dumped))
row("Python pickle.loads of them", lambda: own(pickle.loads, pickled))
EOF
