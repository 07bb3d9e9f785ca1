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
#include "cmd/capture/stream.h"

#include "tests/fuzz/fuzz.h"
#include "tests/captures/pkt.h"

#include <pcap/dlt.h>

#define FRAME_MAX_BYTES 4096
#define PAYLOAD_MAX_BYTES 8192
#define STREAM_BYTES 16384
#define TOTAL_BYTES 65536
#define N_STREAMS 5
#define N_PACKETS_MAX 4096
#define NS_PER_MS INT64_C(1000000)
#define START_NS (INT64_C(1763850858) * 1000 * NS_PER_MS)

#define SET_SEGMENTS 0x80 /* in the first byte; else a link type */
#define SET_ANY_PORT 0x01 /* in the second */
#define SET_OVERLAP 0x02
#define SET_ORDER 0x0c

static const int linktypes[] = { DLT_EN10MB, DLT_LINUX_SLL, DLT_LINUX_SLL2,
	DLT_RAW, DLT_NULL, DLT_LOOP };

struct run {
	struct cap *cap;
	int linktype;
	int64_t time_ns;
	uint64_t n_frames;
	uint64_t last_packet;
	uint64_t told_bytes[CAP_N_EVENTS];
	bool tls;
};

static void
check_frame(const struct cap_event *event)
{
	const struct bnet_packet *frame = event->frame;

	MUST_HOLD(event->bytes == BNET_FRAME_WORD_BYTES + frame->size_bytes);
	MUST_HOLD(frame->size_bytes <= FRAME_MAX_BYTES);
	MUST_HOLD(frame->payload.len <= PAYLOAD_MAX_BYTES);
	MUST_HOLD(event->stream->order != BNET_ORDER_AUTO ||
	    frame->codec != BNET_CODEC_ZLIB || frame->payload.len == 0 ||
	    frame->wire_payload.len > 0);
	MUST_HOLD(event->stream->recognised);
}

static void
on_event(void *arg, const struct cap_event *event)
{
	struct run *run = arg;

	MUST_HOLD(event->packet >= run->last_packet);
	run->last_packet = event->packet;
	MUST_HOLD((unsigned)event->type < CAP_N_EVENTS);
	run->told_bytes[event->type] += event->bytes;
	if (event->type == CAP_FRAME) {
		MUST_HOLD(event->number == ++run->n_frames);
		check_frame(event);
		return;
	}
	MUST_HOLD(event->reason != NULL && event->reason[0] != '\0');
	MUST_HOLD(event->stream != NULL || event->type == CAP_LIMIT);
	if (event->stream == NULL)
		return;
	run->tls |= event->stream->tls;
	MUST_HOLD(strlen(event->stream->end[0]) == event->stream->end_chars[0]);
}

static void
on_closed(void *arg, struct cap_stream *stream)
{
	struct run *run = arg;

	run->tls |= stream->tls;
}

/* What the streams say they hold is what the limit is held against. */
static void
check_held(const struct cap *cap)
{
	const struct stream_list *lists[] = { &cap->streams.open,
		&cap->streams.closing, &cap->streams.dormant };
	size_t held = 0, n = 0;

	for (int i = 0; i < 3; i++)
		for (struct stream *s = lists[i]->oldest; s != NULL;
		     s = s->newer, n++) {
			held += s->tls_held_bytes;
			for (int dir = CAP_UP; dir <= CAP_DOWN; dir++)
				held += s->half[dir].held_bytes +
				    s->flow[dir].held_bytes;
		}
	MUST_HOLD(n == cap->streams.n && n <= N_STREAMS);
	MUST_HOLD(held == cap->held_bytes);
	MUST_HOLD(held <= TOTAL_BYTES);
}

static void
packet(struct run *run, int linktype, struct bnet_slice data, uint8_t time)
{
	struct cap_stream *stream;

	if (time == 255)
		run->time_ns -= 1000 * NS_PER_MS;
	else if (time > 240)
		run->time_ns += (time - 240) * 100000 * NS_PER_MS;
	else
		run->time_ns += time * NS_PER_MS;
	data = fuzz_copy(data);
	MUST_HOLD(cap_packet(run->cap, linktype, run->time_ns, data,
		      data.len + time % 3 / 2, &stream) == BNET_OK);
	fuzz_free(data);
	check_held(run->cap);
}

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
	packet(run, DLT_RAW, (struct bnet_slice){ bytes, n }, time);
}

static void
record(struct run *run, struct bnet_slice *in)
{
	size_t n = take_u16(in);
	uint8_t time = fuzz_byte(in);

	packet(run, run->linktype, take(in, n), time);
}

/* Where every stream was decoded as it is: what TCP passed on was told. */
static void
check_told(const struct run *run, bool any_port)
{
	const struct cap_counters *n = cap_counters(run->cap);
	uint64_t passed = n->segment_bytes - n->retransmitted_bytes;
	uint64_t told = run->told_bytes[CAP_FRAME] + run->told_bytes[CAP_SKIP] +
	    run->told_bytes[CAP_MALFORMED];

	MUST_HOLD(n->retransmitted_bytes <= n->segment_bytes);
	MUST_HOLD(n->events[CAP_FRAME] == run->n_frames);
	for (int i = 0; i < CAP_N_EVENTS; i++)
		MUST_HOLD(n->event_bytes[i] == run->told_bytes[i]);
	if (any_port || run->tls)
		return;
	MUST_HOLD(told == passed);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bnet_slice in = { data, size };
	uint8_t set = fuzz_byte(&in), set2 = fuzz_byte(&in);
	struct run run = { .time_ns = START_NS,
		.linktype = linktypes[set % 6] };
	const struct cap_settings settings = {
		.any_port = (set2 & SET_ANY_PORT) != 0,
		.overlap =
		    set2 & SET_OVERLAP ? CAP_OVERLAP_LAST : CAP_OVERLAP_FIRST,
		.order = (enum bnet_order)((set2 & SET_ORDER) >> 2) % 3,
		.frame_max_bytes = FRAME_MAX_BYTES,
		.payload_max_bytes = PAYLOAD_MAX_BYTES,
		.limits = { .stream_bytes = STREAM_BYTES,
		    .total_bytes = TOTAL_BYTES,
		    .n_streams = N_STREAMS,
		    .idle_ns = 60000 * NS_PER_MS },
	};
	const struct cap_sink sink = { on_event, on_closed, &run };

	run.cap = cap_new(&settings, &sink);
	MUST_HOLD(run.cap != NULL);
	for (int i = 0; i < N_PACKETS_MAX && in.len > 0; i++)
		if (set & SET_SEGMENTS)
			segment(&run, &in);
		else
			record(&run, &in);
	cap_finish(run.cap);
	check_held(run.cap);
	MUST_HOLD(run.cap->held_bytes == 0 && run.cap->streams.n == 0);
	check_told(&run, settings.any_port);
	cap_free(run.cap);
	return 0;
}
