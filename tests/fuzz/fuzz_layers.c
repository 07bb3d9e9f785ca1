/* SPDX-License-Identifier: MIT */
/*
 * Any bytes as packets with headers in headers. A byte that selects the link
 * type, then packets,
 *
 *	| len u16 | more u8 | len bytes |
 *
 * of which `more` bytes were sent, but not captured. Nothing is read outside of
 * a packet or of the datagram that fragments make; a walk ends; what is left
 * out has a name.
 */
#include "cmd/capture/left_out.h"
#include "tests/fuzz/fuzz.h"

#include <pcap/dlt.h>

#define N_PACKETS_MAX 512
#define FRAME_MAX_BYTES (1 << 20)

static const int linktypes[] = { DLT_EN10MB, DLT_LINUX_SLL, DLT_LINUX_SLL2,
	DLT_RAW, DLT_NULL, DLT_PPP, DLT_PPP_SERIAL, DLT_PPP_ETHER, DLT_PPP_PPPD,
	DLT_C_HDLC, DLT_MPLS, DLT_NFLOG, DLT_IEEE802_11, DLT_IEEE802_11_RADIO,
	DLT_FDDI };

#define N_LINKTYPES (sizeof(linktypes) / sizeof(linktypes[0]))

struct state {
	struct cap_fragments *fragments;
	struct left_out *left_out;
	uint64_t n_left_out, n_told;
	int64_t time_ns;
	uint32_t sum; /* of all bytes that came out: the sanitizer looks on */
};

static void
read_all(struct state *state, struct bnet_slice in)
{
	for (size_t i = 0; i < in.len; i++)
		state->sum += in.p[i];
}

static void
on_segment(struct state *state, const struct cap_ip *ip)
{
	struct cap_segment seg;

	MUST_HOLD(ip->protocol == 6);
	if (cap_layers_tcp(ip, &seg) != CAP_LAYER_TCP)
		return;
	MUST_HOLD(seg.tunnel != 0);
	MUST_HOLD(seg.data.len <= ip->data.len);
	read_all(state, seg.data);
	left_out_segment(state->left_out, &seg);
	state->n_left_out++;
}

/* As capture.c does. */
static void
on_layer(struct state *state, enum cap_layer layer, struct cap_ip *ip)
{
	size_t evicted_bytes;
	enum bnet_err err;

	while (layer == CAP_LAYER_FRAGMENT) {
		MUST_HOLD(ip->fragment);
		if (!cap_layers_wants(ip)) {
			layer = CAP_LAYER_OTHER;
			break;
		}
		err = cap_fragments_add(
		    state->fragments, ip, state->time_ns, &evicted_bytes);
		if (err != BNET_OK)
			return;
		layer = cap_layers_on(ip);
	}
	MUST_HOLD(ip->n_headers <= CAP_HEADERS_MAX + 1);
	read_all(state, ip->data);
	if (layer == CAP_LAYER_TCP) {
		on_segment(state, ip);
	} else if (layer == CAP_LAYER_OTHER) {
		MUST_HOLD(ip->other.kind != CAP_OTHER_NONE);
		left_out_packet(state->left_out, &ip->other);
		state->n_left_out++;
	}
}

static void
packet(struct state *state, int linktype, struct bnet_slice *in)
{
	size_t n = (size_t)fuzz_byte(in) << 8;
	size_t more, rest;
	struct bnet_slice data = *in;
	struct cap_ip ip;

	n |= fuzz_byte(in);
	more = fuzz_byte(in);
	data = *in;
	if (data.len > n)
		data.len = n;
	*in = bnet_slice_from(*in, data.len);
	data = fuzz_copy(data);
	state->time_ns += 1000000;
	on_layer(
	    state, cap_layers_ip(linktype, data, data.len + more, &ip), &ip);
	while ((rest = ip.rest.len) > 0) {
		on_layer(state, cap_layers_rest(&ip), &ip);
		MUST_HOLD(ip.rest.len < rest);
	}
	fuzz_free(data);
}

static void
told(void *arg, const char *name, uint64_t packets, bool looks_like)
{
	struct state *state = arg;

	(void)looks_like;
	MUST_HOLD(name[0] != '\0' && packets > 0);
	state->n_told += packets;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bnet_slice in = { data, size };
	int linktype = linktypes[fuzz_byte(&in) % N_LINKTYPES];
	struct state state = { .fragments = cap_fragments_new(),
		.left_out = left_out_new(FRAME_MAX_BYTES) };

	MUST_HOLD(state.fragments != NULL && state.left_out != NULL);
	for (int i = 0; i < N_PACKETS_MAX && in.len > 0; i++)
		packet(&state, linktype, &in);
	left_out_rows(state.left_out, told, &state);
	MUST_HOLD(state.n_told == state.n_left_out);
	left_out_free(state.left_out);
	cap_fragments_free(state.fragments);
	return 0;
}
