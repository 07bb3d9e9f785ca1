#!/bin/sh
# SPDX-License-Identifier: MIT
# scale.sh - fixtures/scale/slurm.sh as it is, on a real Slurm ("make
# check-scale"): munged, slurmctld and slurmd run as root on loopback, in folders
# of their own, and are ended by their process ids. Not part of the gate.
#
#	a replay	four tasks and their merge are the single run
#	statistics	a task for each capture, merged, are one run over all
#
# The node says that it has more processors than this machine
# (config_overrides), so that all tasks of an array run side by side.
#
#	WAIT=240	seconds for each of the two
#	START_IN=30	seconds until the shards begin, by when all have to run
#
# Needs slurm-wlm, munge and jq. Status 0: all is the same.
set -eu

BUILD=$(cd "$BUILD" && pwd)
PATH=$BUILD:$PATH
scale=$PWD/fixtures/scale/slurm.sh
captures=$PWD/fixtures/captures
wait_s=${WAIT:-240}
started=
tmp=

say() {
	echo "check-scale: $*" >&2
}

failed() {
	say "$1"
	for log in "$tmp"/*.log "$tmp"/*/*.log; do
		[ ! -s "$log" ] || {
			echo "== $log" >&2
			tail -n 20 "$log" >&2
		}
	done
	exit 1
}

# The last that was started is the first to end.
clean_up() {
	for pid in $started; do
		kill "$pid" 2>/dev/null || true
		wait "$pid" 2>/dev/null || true
	done
	rm -rf "${tmp:?}"
}

for program in munged mungekey slurmctld slurmd sbatch sinfo jq; do
	command -v "$program" >/dev/null || {
		say "$program is missing: apt-get install slurm-wlm munge jq"
		exit 2
	}
done
if [ "$(id -u)" -ne 0 ]; then
	say 'slurmd starts jobs as their users, so this has to be root'
	exit 2
fi

# start NAME COMMAND...: beside us, its output in NAME.log
start() {
	name=$1
	shift
	"$@" >"$tmp/$name.log" 2>&1 &
	started="$! $started"
}

# until_true WHAT COMMAND...
until_true() {
	what=$1
	shift
	tries=0
	until "$@" >/dev/null 2>&1; do
		tries=$((tries + 1))
		[ "$tries" -le $((wait_s * 5)) ] || failed "$what: not in time"
		sleep 0.2
	done
}

# Two ports that nobody listens on.
free_ports() {
	port=$((20000 + $$ % 10000))
	while ss -Htan | grep -qE ":($port|$((port + 1))) "; do
		port=$((port + 2))
	done
}

# ---- the cluster

configure() {
	cat >"$tmp/slurm.conf" <<-END
		ClusterName=scale
		SlurmctldHost=$(hostname -s)(127.0.0.1)
		SlurmctldPort=$port
		SlurmdPort=$((port + 1))
		SlurmUser=root
		AuthType=auth/munge
		AuthInfo=socket=$tmp/munge/socket
		CredType=cred/munge
		StateSaveLocation=$tmp/state
		SlurmdSpoolDir=$tmp/spool
		SlurmctldPidFile=$tmp/slurmctld.pid
		SlurmdPidFile=$tmp/slurmd.pid
		SlurmdParameters=config_overrides
		ProctrackType=proctrack/pgid
		TaskPlugin=task/none
		MpiDefault=none
		SwitchType=switch/none
		SelectType=select/cons_tres
		SelectTypeParameters=CR_CPU
		ReturnToService=2
		MailProg=/bin/true
		NodeName=one NodeHostname=$(hostname -s) NodeAddr=127.0.0.1 CPUs=16 RealMemory=65536
		PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
	END
}

start_slurm() {
	mkdir -m 0755 "$tmp/munge" "$tmp/state" "$tmp/spool"
	free_ports
	configure
	export SLURM_CONF="$tmp/slurm.conf"
	mungekey --create --keyfile "$tmp/munge/key"
	start munged munged --foreground --force --num-threads 2 \
	    --key-file "$tmp/munge/key" --socket "$tmp/munge/socket" \
	    --pid-file "$tmp/munge/pid" --log-file "$tmp/munge/munged.log" \
	    --seed-file "$tmp/munge/seed"
	until_true munged test -S "$tmp/munge/socket"
	start slurmctld slurmctld -D -c -f "$SLURM_CONF"
	start slurmd slurmd -D -N one -f "$SLURM_CONF"
	until_true 'slurmd: idle' is_idle
}

is_idle() {
	sinfo -h -o %t | grep -qx idle
}

# merged FOLDER: until the job behind the array has ended
merged() {
	until_true "$1: merged" test -s "$1/merged.log"
	until_true "$1: all jobs ended" no_jobs
}

no_jobs() {
	[ -z "$(squeue -h)" ]
}

# ---- the replay

start_target() {
	start relay bluenet-relay -l 127.0.0.1:0
	until_true relay grep -q ': ready on' "$tmp/relay.log"
	target=$(sed -n 's/^bluenet-relay: ready on //p' "$tmp/relay.log")
	start nodes bluenet-node --id 1001 --count 3 \
	    --register market::quote --reply-size 48 "$target"
	until_true nodes grep -q ': ready' "$tmp/nodes.log"
}

# What of a report does not depend on the speed of the machine.
exact() {
	jq -c '.run.sessions,
	    (.counts | del(.held, .frames_received, .bytes_received)),
	    .errors, .connect.count, .late.count, .latency.count,
	    ([.buckets[].answered] | add), ([.buckets[].sent] | add),
	    (.keys[] | select(.name == null) | [.key, .sent, .sent_bytes,
		.received, .answered, .unanswered, .latency.count])' "$1"
}

replay() {
	start_target
	bluenet-replay -q --compile "$tmp/market.tape" \
	    "$captures/profile-market.pcap"
	bluenet-replay -q --speed 10 --max-lateness 1h \
	    --report "$tmp/single.json" "$tmp/market.tape" "$target"
	FOLDER=$tmp/replay TAPE=$tmp/market.tape TARGET=$target \
	    START_IN=${START_IN:-30} SHARDS=4 \
	    sh "$scale" submit --speed 10 --max-lateness 1h
	merged "$tmp/replay"
	[ "$(jq -c .run.shards "$tmp/replay/merged.json")" = '[0,1,2,3]' ] ||
	    failed 'replay: a shard is missing'
	exact "$tmp/single.json" >"$tmp/single.txt"
	exact "$tmp/replay/merged.json" | diff "$tmp/single.txt" - ||
	    failed 'replay: the merge of four shards is not the single run'
	echo "replay: four shards, merged, are the single run:" \
	    "$(jq .counts.frames_sent "$tmp/replay/merged.json") frames"
}

# ---- the statistics

decode() {
	FOLDER=$tmp/decode PORTS=any STATISTICS='frames keys calls health' \
	    sh "$scale" decode "$captures/profile-market.pcap" \
	    "$captures/profile-relay.pcap" "$captures/stock.pcap"
	merged "$tmp/decode"
	bluenet-decode -p any -q -z frames -z keys -z calls -z health \
	    -r "$captures/profile-market.pcap" \
	    "$captures/profile-relay.pcap" "$captures/stock.pcap" >"$tmp/single.txt"
	diff "$tmp/single.txt" "$tmp/decode/merged.log" ||
	    failed 'decode: the sum of the captures is not one run over them'
	echo "decode: three captures, merged, are one run over all"
}

tmp=$(mktemp -d)
trap clean_up EXIT
trap 'exit 130' HUP INT PIPE TERM
start_slurm
decode
replay
