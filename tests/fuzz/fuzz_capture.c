/* SPDX-License-Identifier: MIT */
/*
 * Any bytes as a capture under low limits. Two bytes of settings, then
 * records: either packets of a link type,
 *
 *	| len u16 | time u8 | len bytes |
 *
 * or segments of a few connections, for which the packets are made here,
 *
 *	| control u8 | seq u16 | len u16 | time u8 | len bytes |
 *
 * Held memory is under its limit, and none at the end; events are in order;
 * and every byte of a stream is told: in a frame, as skipped or as malformed.
 */
#include "tests/fuzz/capture_run.h"
#include "tests/captures/pkt.h"

#include <pcap/dlt.h>

#define N_PACKETS_MAX 4096

#define SET_SEGMENTS 0x80 /* in the first byte; else a link type */

static const int linktypes[] = { DLT_EN10MB, DLT_LINUX_SLL, DLT_LINUX_SLL2,
	DLT_RAW, DLT_NULL, DLT_LOOP };

static struct bnet_slice
take(struct bnet_slice *in, size_t n)
{
	struct bnet_slice got = *in;

	if (got.len > n)
		got.len = n;
	*in = bnet_slice_from(*in, got.len);
	return got;
}

static size_t
take_u16(struct bnet_slice *in)
{
	size_t high = fuzz_byte(in);

	return high << 8 | fuzz_byte(in);
}

/*
 * The packet of a segment: which of four connections and which way are in
 * the control's low bits, flags in the high ones.
 */
static void
segment(struct run *run, struct bnet_slice *in)
{
	static uint8_t bytes[PKT_BUF_BYTES];
	uint8_t control = fuzz_byte(in);
	bool down = (control & 4) != 0;
	uint16_t port = (uint16_t)(1024 + (control & 3));
	struct pkt_tcp tcp = { .src = { 10, 0, 0, 1 },
		.dst = { 10, 0, 0, 1 },
		.sport = down ? CAP_PORT : port,
		.dport = down ? port : CAP_PORT,
		.flags = PKT_ACK };
	uint8_t time;
	size_t n;

	tcp.seq = (uint32_t)take_u16(in) - 3;
	n = take_u16(in) % 2048;
	time = fuzz_byte(in);
	tcp.flags |= control & 0x10 ? PKT_SYN : 0;
	tcp.flags |= control & 0x20 ? PKT_FIN : 0;
	tcp.flags |= control & 0x40 ? PKT_RST : 0;
	if (control & 0x80)
		tcp.flags &= (uint8_t)~PKT_ACK;
	tcp.ack = control & 8 ? 70000 : 0;
	tcp.payload = take(in, n);
	n = pkt_write_tcp(bytes + PKT_IP4_BYTES, &tcp, false);
	n += pkt_write_ip4(bytes, &tcp, n, 0, 0);
	run_packet(run, DLT_RAW, (struct bnet_slice){ bytes, n }, time);
}

static void
record(struct run *run, struct bnet_slice *in)
{
	size_t n = take_u16(in);
	uint8_t time = fuzz_byte(in);

	run_packet(run, run->linktype, take(in, n), time);
}

/* Where every stream was decoded as it is: what TCP passed on was told. */
static void
check_told(const struct run *run, bool any_port)
{
	const struct cap_counters *n = cap_counters(run->cap);
	uint64_t passed = n->segment_bytes - n->retransmitted_bytes;
	uint64_t told = run->told_bytes[CAP_FRAME] + run->told_bytes[CAP_SKIP] +
	    run->told_bytes[CAP_MALFORMED] + run->told_bytes[CAP_PROXY] +
	    run->told_bytes[CAP_NOTE];

	MUST_HOLD(n->retransmitted_bytes <= n->segment_bytes);
	/* where the start is missing, a stream may not look like ours */
	if (any_port || run->tls || n->streams_selected < n->streams)
		return;
	MUST_HOLD(told == passed);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bnet_slice in = { data, size };
	uint8_t set = fuzz_byte(&in), set2 = fuzz_byte(&in);
	struct run run = { .linktype = linktypes[set % 6] };

	run_start(&run, set2, NULL);
	for (int i = 0; i < N_PACKETS_MAX && in.len > 0; i++)
		if (set & SET_SEGMENTS)
			segment(&run, &in);
		else
			record(&run, &in);
	run_end(&run);
	check_told(&run, (set2 & SET_ANY_PORT) != 0);
	cap_free(run.cap);
	return 0;
}
