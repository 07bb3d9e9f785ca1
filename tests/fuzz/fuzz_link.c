/* SPDX-License-Identifier: MIT */
/*
 * Any bytes as one direction of a connection, after three of settings: fed
 * whole and fed in pieces the same packets come out, and the same end; and
 * what came out, sent by another link, comes out of a third the same.
 */
#include "proto/link.h"

#include "tests/fuzz/fuzz.h"

#define PAYLOAD_MAX_BYTES 65536
#define FORKS_MAX 4096
#define OUT_MAX_BYTES ((size_t)1 << 24)

static const uint32_t limits[] = { 16, 300, 65536, BNET_FRAME_MAX_BYTES };

/* All that the sinks were told, as one number, and some of it apart. */
struct told {
	uint64_t hash;
	size_t n_packets, n_bad;
	size_t bytes; /* in the frames of them */
	struct bnet_link *forward; /* where packets go on to, or NULL */
	size_t forward_max_bytes;
	bool fields_only; /* not how it looked on the wire */
};

/* The run at hand. */
struct run {
	struct bnet_codecs *codecs;
	struct bnet_link_settings set;
	bool no_bad; /* the sink has none: a bad payload ends it */
};

static void
mix(struct told *told, const void *p, size_t n)
{
	const uint8_t *bytes = p;

	for (size_t i = 0; i < n; i++)
		told->hash = (told->hash ^ bytes[i]) * UINT64_C(0x100000001b3);
}

static void
mix_number(struct told *told, uint64_t v)
{
	mix(told, &v, sizeof(v));
}

static void
mix_slice(struct told *told, struct bnet_slice s)
{
	mix_number(told, s.len);
	mix(told, s.p, s.len);
}

static void
mix_header(struct told *told, const struct bnet_packet *packet)
{
	const struct bnet_header *h = &packet->header;
	struct bnet_bits_rd forks = packet->forks;

	mix_number(told, (uint64_t)h->source);
	mix_number(told, (uint64_t)h->dest_type);
	mix_number(told, (uint64_t)h->dest);
	mix_number(told, (uint64_t)h->key);
	mix_number(told, h->serial);
	mix_number(told, h->latency_ms);
	mix_number(told, h->priority);
	mix_number(told, h->timestamp);
	for (uint32_t i = 0; i < h->forks; i++)
		mix_number(told, bnet_bits_u64(&forks));
	MUST_HOLD(!forks.bad);
}

static void
tell(struct told *told, const struct bnet_packet *packet)
{
	MUST_HOLD(packet->has_oob || packet->oob.len == 0);
	MUST_HOLD(packet->has_oob || !packet->has_header);
	MUST_HOLD(packet->payload.len <= PAYLOAD_MAX_BYTES ||
	    packet->codec == BNET_CODEC_NONE);
	MUST_HOLD(packet->size_bytes ==
	    packet->wire_payload.len + packet->oob.len +
		(packet->has_oob ? BNET_FRAME_OOB_BYTES : 0));
	mix_number(told, packet->codec);
	mix_number(told, packet->has_oob);
	mix_slice(told, packet->wire_payload);
	mix_slice(told, packet->payload);
	mix_number(told, packet->has_header);
	if (packet->has_header)
		mix_header(told, packet);
	if (!packet->has_header || !told->fields_only)
		mix_slice(told, packet->oob);
	told->bytes += BNET_FRAME_WORD_BYTES + packet->size_bytes;
}

/* Send it on; false where that can not be done here. */
static bool
forward(struct told *told, const struct bnet_packet *packet)
{
	static uint64_t ids[FORKS_MAX];
	struct bnet_packet copy = *packet;
	enum bnet_err err;

	if (packet->has_header) {
		if (packet->header.forks > FORKS_MAX)
			return false;
		for (uint32_t i = 0; i < packet->header.forks; i++)
			ids[i] = bnet_bits_u64(&copy.forks);
		copy.fork_ids = ids;
	}
	err = bnet_link_send(told->forward, &copy);
	MUST_HOLD(err == BNET_OK || err == BNET_ELIMIT);
	return err == BNET_OK;
}

static enum bnet_err
on_packet(void *arg, const struct bnet_packet *packet)
{
	struct told *told = arg;

	if (told->forward != NULL && !forward(told, packet))
		return BNET_OK;
	tell(told, packet);
	told->n_packets++;
	return BNET_OK;
}

static enum bnet_err
on_bad(void *arg, const struct bnet_packet *packet, enum bnet_err why)
{
	struct told *told = arg;

	MUST_HOLD(
	    why == BNET_EZLIB || why == BNET_ESNAPPY || why == BNET_EPAYLOAD);
	MUST_HOLD(packet->payload.len == 0);
	if (told->forward != NULL)
		return BNET_OK;
	tell(told, packet);
	mix_number(told, why);
	told->n_bad++;
	return BNET_OK;
}

static struct bnet_link *
new_link(const struct run *run)
{
	struct bnet_link *link;

	MUST_HOLD(bnet_link_new(&run->set, run->codecs, &link) == BNET_OK);
	return link;
}

/* Everything, `step` bytes at a time, 0: at once. *lost: where it stopped. */
static enum bnet_err
feed(const struct run *run, struct bnet_link *link, struct bnet_slice in,
    uint32_t step, struct told *told, size_t *lost)
{
	const struct bnet_link_sink sink = { on_packet,
		run->no_bad ? NULL : on_bad, told };
	size_t used, at = 0;
	enum bnet_err err = BNET_OK;

	while (at < in.len && err == BNET_OK) {
		struct bnet_slice piece = bnet_slice_from(in, at);

		if (step != 0) {
			step = step * 1103515245 + 12345;
			if (piece.len > (step >> 16) % 40)
				piece.len = (step >> 16) % 40;
		}
		piece = fuzz_copy(piece);
		err = bnet_link_feed(link, piece, &sink, &used);
		MUST_HOLD(used <= piece.len);
		MUST_HOLD(err != BNET_OK || used == piece.len);
		fuzz_free(piece);
		at += used;
	}
	*lost = at - bnet_link_pending(link).len;
	return err;
}

/* The two ends of the run agree with what was told. */
static void
check_end(const struct bnet_link *link, enum bnet_err err, size_t lost,
    const struct told *told, struct bnet_slice in)
{
	struct bnet_slice pending = bnet_link_pending(link);
	size_t missing = bnet_link_missing_bytes(link);

	MUST_HOLD(lost <= in.len);
	if (err == BNET_EZLIB || err == BNET_ESNAPPY || err == BNET_EPAYLOAD)
		return; /* behind the packet that was not told */
	MUST_HOLD(lost == told->bytes);
	if (err != BNET_OK)
		return;
	MUST_HOLD(fuzz_same(pending, bnet_slice_from(in, lost)));
	MUST_HOLD(
	    bnet_link_end(link) == (pending.len > 0 ? BNET_ECUT : BNET_CLOSED));
	MUST_HOLD(missing == 0 || pending.len > 0);
}

static void
check_pieces(const struct run *run, struct bnet_slice in, uint32_t step)
{
	struct bnet_link *whole = new_link(run), *cut = new_link(run);
	struct told a = { .hash = 1 }, b = { .hash = 1 };
	enum bnet_err err_a, err_b;
	size_t lost_a, lost_b;

	err_a = feed(run, whole, in, 0, &a, &lost_a);
	check_end(whole, err_a, lost_a, &a, in);
	err_b = feed(run, cut, in, step, &b, &lost_b);
	check_end(cut, err_b, lost_b, &b, in);
	MUST_HOLD(err_a == err_b && lost_a == lost_b);
	MUST_HOLD(a.hash == b.hash && a.n_packets == b.n_packets);
	MUST_HOLD(a.n_bad == b.n_bad);
	MUST_HOLD(bnet_link_order(whole) == bnet_link_order(cut));
	bnet_link_free(whole);
	bnet_link_free(cut);
}

static void
check_forward(const struct run *run, struct bnet_slice in)
{
	struct run next = *run;
	struct bnet_link *from = new_link(run), *to, *third;
	struct told sent = { .hash = 1, .fields_only = true };
	struct told got = { .hash = 1, .fields_only = true };
	struct bnet_slice out;
	size_t lost;

	next.set.out_max_bytes = OUT_MAX_BYTES;
	/* a raw size is as it came: it stays in the order that it came in */
	if (next.set.order == BNET_ORDER_AUTO)
		next.set.order = BNET_ORDER_LITTLE;
	sent.forward = to = new_link(&next);
	third = new_link(&next);
	if (run->set.order != BNET_ORDER_AUTO) {
		(void)feed(run, from, in, 0, &sent, &lost);
		MUST_HOLD(bnet_link_output(to, &out) == BNET_OK);
		MUST_HOLD(feed(&next, third, out, 0, &got, &lost) == BNET_OK);
		MUST_HOLD(lost == out.len);
		MUST_HOLD(got.n_packets == sent.n_packets);
		MUST_HOLD(got.hash == sent.hash);
		bnet_link_output_done(to, out.len);
		MUST_HOLD(bnet_link_output(to, &out) == BNET_OK);
		MUST_HOLD(out.len == 0);
	}
	bnet_link_free(from);
	bnet_link_free(to);
	bnet_link_free(third);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct bnet_codecs *codecs;
	struct bnet_slice in = { data, size };
	uint8_t set = fuzz_byte(&in);
	uint32_t step = fuzz_byte(&in);
	struct run run = { .no_bad = (set & 0x10) != 0 };

	if (codecs == NULL)
		codecs = bnet_codecs_new();
	MUST_HOLD(codecs != NULL);
	run.codecs = codecs;
	run.set.order = (enum bnet_order)((set & 3) % 3);
	run.set.frame_max_bytes = limits[set >> 2 & 3];
	run.set.payload_max_bytes = PAYLOAD_MAX_BYTES;
	run.set.no_inflate = (set & 0x20) != 0;
	check_pieces(&run, in, step + 1);
	check_forward(&run, in);
	return 0;
}
