/* SPDX-License-Identifier: MIT */
/*
 * replay_trace OUT.pcap CONNECTIONS FRAMES RATE: so many connections that
 * each send so many frames of 128 bytes under bluenet.discard, RATE a second
 * in all, evenly: frame k of connection c at (k x CONNECTIONS + c) / RATE. No
 * hello, so that whatever reads can be the other end. One segment a frame, for
 * tcpreplay. The last 8 bytes of each frame are its number, little-endian, by
 * which replay_late knows it again.
 */
#include "tests/captures/gen_flow.h"

#include <stdlib.h>

#define NS_PER_S 1e9
#define FRAME_BYTES 128
#define START_NS (INT64_C(1700000000) * 1000000000)
#define SETTLE_NS (INT64_C(1) * 1000000000) /* for the handshakes */

static void
trace(struct gen *g, uint32_t n_flows, uint64_t n_frames, double rate)
{
	struct flow *flows = calloc(n_flows, sizeof(*flows));
	uint8_t payload[FRAME_BYTES] = "payload";
	struct send send = { .header = { .key = bnet_key("bluenet.discard") } };
	int64_t start_ns;

	if (flows == NULL)
		errx(1, "out of memory");
	send.payload = (struct bnet_slice){ payload,
		FRAME_BYTES - BNET_FRAME_WORD_BYTES - BNET_FRAME_OOB_BYTES -
		    gen_header(g, &send) };
	for (uint32_t c = 0; c < n_flows; c++)
		flow_open(g, &flows[c]);
	start_ns = g->now_ns + SETTLE_NS;
	for (uint64_t i = 0; i < n_frames * n_flows; i++) {
		memcpy(payload + send.payload.len - sizeof(i), &i, sizeof(i));
		g->now_ns = start_ns + (int64_t)((double)i / rate * NS_PER_S);
		gen_frame(g, &flows[i % n_flows], UP, &send);
	}
	for (uint32_t c = 0; c < n_flows; c++)
		flow_close(g, &flows[c]);
	free(flows);
}

int
main(int argc, char **argv)
{
	struct gen g = { .segment_bytes = 1448,
		.flush = true,
		.order = BNET_ORDER_LITTLE,
		.port = 26000,
		.random = 1,
		.now_ns = START_NS,
		.file = { .linktype = 1, .snaplen = 262144, .nano = true } };

	if (argc != 5)
		errx(2, "usage: replay_trace OUT.pcap CONNECTIONS FRAMES RATE");
	pkt_file_open(&g.file, argv[1]);
	bnet_buf_init(&g.oob, OOB_MAX);
	trace(&g, (uint32_t)strtoul(argv[2], NULL, 10),
	    strtoull(argv[3], NULL, 10), strtod(argv[4], NULL));
	pkt_file_close(&g.file);
	bnet_buf_free(&g.oob);
	return 0;
}
