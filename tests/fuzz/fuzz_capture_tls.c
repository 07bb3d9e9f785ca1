/* SPDX-License-Identifier: MIT */
/*
 * A capture of a connection under TLS whose secrets are known: two bytes of
 * settings, then the orders of tls_write.h. What they write becomes segments,
 * so that hostile frames come out of TLS as well as out of TCP.
 */
#include "tests/fuzz/capture_run.h"
#include "tests/fuzz/tls_write.h"
#include "tests/captures/pkt.h"

#include <pcap/dlt.h>

#define SET_SWAP 0x04 /* in the first byte: each two change places */
#define SET_TWICE 0x08 /* each comes twice */
#define SET_END 0x10 /* FINs at the end */
#define SET_NO_START 0x20 /* no SYNs */
#define TIME_MS 1

static const size_t segment_bytes[] = { 1460, 7, 100, 16384 };

struct wire {
	struct run run;
	struct tls_write write;
	uint8_t set;
	uint32_t seq[2];
	uint64_t fed_bytes;
	struct pkt_tcp kept; /* to be sent behind the next; flags 0: none */
	uint8_t kept_bytes[16384];
};

static void
packet(struct wire *wire, const struct pkt_tcp *tcp)
{
	static uint8_t bytes[PKT_BUF_BYTES];
	size_t n = pkt_write_tcp(bytes + PKT_IP4_BYTES, tcp, false);

	n += pkt_write_ip4(bytes, tcp, n, 0, 0);
	run_packet(
	    &wire->run, DLT_RAW, (struct bnet_slice){ bytes, n }, TIME_MS);
}

static struct pkt_tcp
segment(struct wire *wire, enum cap_dir dir, uint8_t flags)
{
	struct pkt_tcp tcp = { .src = { 10, 0, 0, 1 },
		.dst = { 10, 0, 0, 2 },
		.sport = 40000,
		.dport = CAP_PORT,
		.seq = wire->seq[dir],
		.ack = wire->seq[!dir],
		.flags = flags,
		.window = 4096 };

	if (dir == CAP_DOWN) {
		tcp.src[3] = 2;
		tcp.dst[3] = 1;
		tcp.sport = CAP_PORT;
		tcp.dport = 40000;
	}
	return tcp;
}

static void
send_kept(struct wire *wire)
{
	if (wire->kept.flags != 0)
		packet(wire, &wire->kept);
	wire->kept.flags = 0;
}

static void
send_segment(struct wire *wire, enum cap_dir dir, struct bnet_slice bytes)
{
	struct pkt_tcp tcp = segment(wire, dir, PKT_ACK);

	tcp.payload = bytes;
	wire->seq[dir] += (uint32_t)bytes.len;
	if (wire->set & SET_SWAP && wire->kept.flags == 0) {
		memcpy(wire->kept_bytes, bytes.p, bytes.len);
		wire->kept = tcp;
		wire->kept.payload.p = wire->kept_bytes;
		return;
	}
	packet(wire, &tcp);
	if (wire->set & SET_TWICE)
		packet(wire, &tcp);
	send_kept(wire);
}

static void
feed(void *arg, enum cap_dir dir, struct bnet_slice bytes)
{
	struct wire *wire = arg;
	size_t max = segment_bytes[wire->set & 3];

	wire->fed_bytes += bytes.len;
	while (bytes.len > 0) {
		struct bnet_slice part = bytes;

		if (part.len > max)
			part.len = max;
		send_segment(wire, dir, part);
		bytes = bnet_slice_from(bytes, part.len);
	}
}

static void
gap(void *arg, enum cap_dir dir, unsigned int n)
{
	struct wire *wire = arg;

	wire->seq[dir] += n;
}

static void
send_flags(struct wire *wire, uint8_t flags)
{
	for (int dir = 0; dir < 2; dir++) {
		enum cap_dir d = dir == 0 ? CAP_UP : CAP_DOWN;
		struct pkt_tcp tcp = segment(wire, d, flags);

		packet(wire, &tcp);
		wire->seq[dir]++;
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct wire wire;
	struct bnet_slice in = { data, size };
	uint8_t set = fuzz_byte(&in), set2 = fuzz_byte(&in);

	memset(&wire, 0, sizeof(wire));
	wire.set = set;
	wire.write.feed = feed;
	wire.write.gap = gap;
	wire.write.arg = &wire;
	run_start(&wire.run, set2, tls_write_keylog());
	if (!(set & SET_NO_START)) {
		struct pkt_tcp tcp = segment(&wire, CAP_UP, PKT_SYN);

		packet(&wire, &tcp);
		wire.seq[CAP_UP]++;
		tcp = segment(&wire, CAP_DOWN, PKT_SYN | PKT_ACK);
		packet(&wire, &tcp);
		wire.seq[CAP_DOWN]++;
	}
	tls_write_all(&wire.write, in);
	send_kept(&wire);
	if (set & SET_END)
		send_flags(&wire, PKT_FIN | PKT_ACK);
	run_end(&wire.run);
	MUST_HOLD(wire.run.told_bytes[CAP_FRAME] <= wire.fed_bytes);
	tls_write_free(&wire.write);
	cap_free(wire.run.cap);
	return 0;
}
