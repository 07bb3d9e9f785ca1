#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
#
# bluenet-replay in parts: four shards side by side are the single run, by the
# very command lines of fixtures/scale.
#
# What relay.bash sets; each test is a subshell; the environment of a shard.
# shellcheck disable=SC2154,SC2030,SC2031

load relay
load replay

# The market with its nodes, its replay file, and $tmp/single.json of one run.
scale_setup() {
	scale=$fixtures/scale
	# seconds, for what takes milliseconds: all shards are ready by then
	soon=5
	PATH=$build:$PATH
	start_relay
	start_nodes --id 1001 --count 3 --register market::quote \
		--reply-size 48
	"$replay" -q --compile "$tmp/market.tape" \
		"$fixtures/captures/profile-market.pcap"
	"$replay" -q --speed 10 --max-lateness 1h \
		--report "$tmp/single.json" "$tmp/market.tape" "$plain"
}

# What of a report does not depend on the machine's speed.
exact() {
	jq -c '.run.sessions,
	    (.counts | del(.held, .frames_received, .bytes_received)),
	    .errors, .connect.count, .late.count, .latency.count,
	    ([.buckets[].answered] | add), ([.buckets[].late.count] | add),
	    ([.buckets[].sent] | add), ([.buckets[].opened] | add),
	    (.keys[] | select(.name == null) | [.key, .sent, .sent_bytes,
		.received, .answered, .unanswered, .latency.count])' "$1"
}

merged_is_single() {
	same "$(jq .counts.frames_sent "$1")" 1800
	same "$(jq -c .run.shards "$1")" '[0,1,2,3]'
	same "$(exact "$1")" "$(exact "$tmp/single.json")"
}

# The shards of a folder: none is empty, nothing is sent twice.
parts() {
	same "$(jq -s 'map(.counts.frames_sent) | add' "$1"/shard-*.json)" 1800
	same "$(jq -s 'map(select(.counts.frames_sent > 0)) | length' \
		"$1"/shard-*.json)" 4
	same "$(jq -r .run.start_ns "$1"/shard-*.json | sort -u | wc -l)" 1
}

# ---- Slurm

# An sbatch that runs what it is given, at once, as a cluster does it.
fake_sbatch() {
	mkdir "$tmp/bin"
	cat >"$tmp/bin/sbatch" <<-'END'
		#!/bin/bash
		echo "sbatch $*" >>"$FOLDER/sbatch.log"
		while [[ $1 == --* ]]; do
			[[ $1 != --array=0-* ]] || last=${1#--array=0-}
			shift
		done
		if [ -z "$last" ]; then
			"$@" >"$FOLDER/merged.log" 2>&1
			exit
		fi
		for i in $(seq 0 "$last"); do
			SLURM_ARRAY_TASK_ID=$i SLURM_ARRAY_TASK_COUNT=$((last + 1)) \
				"$@" >"$FOLDER/task-$i.log" 2>&1 &
		done
		wait
		echo "17;cluster"
	END
	chmod +x "$tmp/bin/sbatch"
	PATH=$tmp/bin:$PATH
}

@test "Slurm: four tasks of an array, and a job that merges" {
	scale_setup
	fake_sbatch
	FOLDER=$tmp/run TAPE=$tmp/market.tape TARGET=$plain START_IN=$soon \
		"$scale/slurm.sh" submit --speed 10 --max-lateness 1h
	grep -q -e '--array=0-3' "$tmp/run/sbatch.log"
	grep -q -e '--dependency=afterany:17 ' "$tmp/run/sbatch.log"
	parts "$tmp/run"
	merged_is_single "$tmp/run/merged.json"
	grep -q '^injector: pass: ' "$tmp/run/merged.log"
}

@test "Slurm: the statistics of captures, one by each task" {
	local c=$fixtures/captures

	scale=$fixtures/scale
	PATH=$build:$PATH
	fake_sbatch
	FOLDER=$tmp/run PORTS=any STATISTICS='keys calls health' \
		"$scale/slurm.sh" decode "$c"/{profile-market,profile-relay,stock}.pcap
	grep -q -e '--array=0-2' "$tmp/run/sbatch.log"
	bluenet-decode -p any -q -z keys -z calls -z health \
		-r "$c/profile-market.pcap" "$c"/{profile-relay,stock}.pcap \
		>"$tmp/single.txt"
	diff "$tmp/single.txt" "$tmp/run/merged.log"
	# a task that failed is missed
	rm "$tmp/run/decode-1.json"
	run env FOLDER="$tmp/run" "$scale/slurm.sh" sum 3
	same "$status" 1
	[[ $output == *'decode-1.json: No such file'* ]]
}

@test "Slurm: the script is for its own sbatch" {
	need shellcheck shellcheck
	shellcheck "$fixtures/scale/slurm.sh"
	run "$fixtures/scale/slurm.sh"
	same "$status" 2
	[[ $output == usage:* ]]
}

# ---- Kubernetes

# promtool reads YAML strictly; whatever it finds there is none of its own.
parses() {
	run promtool check config "$1"
	[[ $output == *'unmarshal errors'*'field kind not found'* ]]
	! grep -vE 'Checking|FAILED.*unmarshal errors|field [A-Za-z]+ not found|^$' \
		<<<"$output"
}

# The args of a manifest, one a line, as they are in a pod; its volumes and
# its target are ours.
pod_args() {
	sed -n '/^ *args:$/,/^ *resources:$/s/^ *- //p' "$1" |
		sed -e "s/[$](JOB_COMPLETION_INDEX)/$JOB_COMPLETION_INDEX/" \
			-e "s|/reports/|$tmp/run/|" -e "s|/tapes/|$tmp/|" \
			-e 's|hour[.]tape|market.tape|' \
			-e "s|relay[.]staging[.]svc:26000|$plain|" \
			-e "s|@START_AT@|$start_at|"
}

# pod INDEX [OPTION...]
pod() {
	local JOB_COMPLETION_INDEX=$1
	local args

	shift
	mapfile -t args < <(pod_args "$scale/job.yaml")
	exec bluenet-replay "$@" "${args[@]}"
}

@test "Kubernetes: four pods of an indexed job, and a job that merges" {
	local start_at i pids=() args

	need promtool prometheus
	scale_setup
	parses "$scale/job.yaml"
	parses "$scale/merge.yaml"
	mkdir "$tmp/run"
	start_at=$(date -u -d "+$soon seconds" +%Y-%m-%dT%H:%M:%SZ)
	for i in 0 1 2 3; do
		pod "$i" --speed 10 --max-lateness 1h >"$tmp/pod-$i.log" \
			2>&1 3>&- &
		pids+=("$!")
	done
	for i in 0 1 2 3; do
		wait "${pids[$i]}" || {
			cat "$tmp/pod-$i.log"
			return 1
		}
	done
	parts "$tmp/run"
	mapfile -t args < <(JOB_COMPLETION_INDEX='' pod_args "$scale/merge.yaml")
	bluenet-replay "${args[@]}"
	merged_is_single "$tmp/run/merged.json"
}

# As many as there are parts: the numbers in the manifests agree.
@test "Kubernetes: completions, parallelism, shards and reports agree" {
	local job=$fixtures/scale/job.yaml

	grep -qx '  completions: 4' "$job"
	grep -qx '  parallelism: 4' "$job"
	grep -q -e '--shard=[$](JOB_COMPLETION_INDEX)/4$' "$job"
	same "$(grep -c '/reports/shard-[0-3].json' \
		"$fixtures/scale/merge.yaml")" 4
}
