/* SPDX-License-Identifier: MIT */
/*
 * However a stream is damaged, every byte of it is in a frame, a gap, a skip
 * or a malformed frame, once; and what was not damaged comes through.
 */
#include "tests/unit/packets.h"

#define N_ROUNDS 250 /* of each way, each with other damage */
#define N_PACKETS_MAX 4000

static uint64_t seed;

static uint64_t
below(uint64_t n)
{
	return unit_random(&seed) % n;
}

/* One way to spoil a capture; chances are in 1000. */
struct way {
	const char *name;
	unsigned flip_bytes, cut_in, insert_bytes, zero_run; /* of the stream */
	unsigned lose, twice, late, snap; /* of the segments */
	bool no_damage; /* every frame comes out */
};

static const struct way ways[] = {
	{ .name = "as it is", .no_damage = true },
	{ .name = "late and twice",
	    .late = 300,
	    .twice = 200,
	    .no_damage = true },
	{ .name = "flipped", .flip_bytes = 20 },
	{ .name = "many flipped", .flip_bytes = 300 },
	{ .name = "bytes cut out", .cut_in = 10 },
	{ .name = "bytes put in", .insert_bytes = 10 },
	{ .name = "zeros put in", .zero_run = 20 },
	{ .name = "lost", .lose = 30 },
	{ .name = "half lost", .lose = 500 },
	{ .name = "late, twice, lost", .lose = 50, .late = 200, .twice = 100 },
	{ .name = "snapped", .snap = 100 },
	{ .name = "all",
	    .flip_bytes = 5,
	    .cut_in = 3,
	    .insert_bytes = 3,
	    .zero_run = 3,
	    .lose = 20,
	    .twice = 50,
	    .late = 100,
	    .snap = 10 },
};

/* Frames of every kind and size, with both codecs. */
static void
put_stream(struct bnet_buf *out, struct bnet_codecs *codecs)
{
	enum bnet_order order =
	    below(2) == 0 ? BNET_ORDER_LITTLE : BNET_ORDER_NETWORK;
	uint32_t n = 1 + (uint32_t)below(40);

	/* the first one tells the order */
	put_numbered(out, order, 0, below(100));
	for (uint32_t i = 0; i < n; i++) {
		if (below(12) == 0)
			put_talk(out, order, codecs);
		else
			put_numbered(out, order, i,
			    below(5) == 0 ? below(5000) : below(200));
	}
}

static bool
chance(unsigned in_1000)
{
	return below(1000) < in_1000;
}

/* A copy of `in` with damage; what stands in it is what is sent. */
static void
spoil(struct bnet_buf *out, struct bnet_slice in, const struct way *way)
{
	static uint8_t bytes[1 << 20];
	size_t n = 0;

	for (size_t i = 0; i < in.len && n < sizeof(bytes) - 300; i++) {
		bytes[n++] = in.p[i];
		if (below(100) != 0) /* as damage of one in a hundred bytes */
			continue;
		if (chance(way->flip_bytes))
			bytes[n - 1] ^= (uint8_t)(1u << below(8));
		if (chance(way->cut_in))
			i += below(200);
		for (uint64_t k = chance(way->insert_bytes) ? below(200) : 0;
		     k > 0; k--)
			bytes[n++] = (uint8_t)unit_random(&seed);
		for (uint64_t k = chance(way->zero_run) ? below(200) : 0; k > 0;
		     k--)
			bytes[n++] = 0;
	}
	bnet_buf_clear(out);
	unit_err("spoilt",
	    bnet_buf_append(out, (struct bnet_slice){ bytes, n }), BNET_OK);
}

struct piece {
	size_t from, to;
};

static void
send_pieces(struct tap *tap, struct conn *conn, struct bnet_slice in,
    const struct piece *pieces, size_t n_pieces, const struct way *way)
{
	uint32_t base = conn->seq[0];

	for (size_t i = 0; i < n_pieces; i++) {
		struct pkt pkt;
		size_t n = pieces[i].to - pieces[i].from, captured = SIZE_MAX;

		conn->seq[0] = base + (uint32_t)pieces[i].from;
		pkt = conn_pkt(conn, CAP_UP, TCP_ACK);
		if (chance(way->snap))
			captured = PKT_HEAD_BYTES + below(n + 1);
		tap_cut_packet(tap, &pkt,
		    part_of(in, pieces[i].from, pieces[i].to), captured);
		conn->seq[0] = base + (uint32_t)pieces[i].to;
		if (chance(300))
			conn_ack(tap, conn, CAP_DOWN);
	}
	conn->seq[0] = base + (uint32_t)in.len;
	conn_ack(tap, conn, CAP_DOWN);
}

static size_t
cut_pieces(struct piece *pieces, struct bnet_slice in, const struct way *way)
{
	size_t segment = 1 + below(below(3) == 0 ? 40 : 1448), n = 0;

	for (size_t at = 0; at < in.len && n + 2 < N_PACKETS_MAX;) {
		struct piece piece = { at,
			at + segment < in.len ? at + segment : in.len };

		if (n + 5 >= N_PACKETS_MAX)
			piece.to = piece.from + 60000 < in.len
			    ? piece.from + 60000
			    : in.len;
		at = piece.to;
		if (chance(way->lose))
			continue;
		pieces[n++] = piece;
		if (chance(way->twice))
			pieces[n++] = piece;
	}
	for (size_t i = 1; i < n; i++)
		if (chance(way->late)) {
			size_t j = i - 1 - below(i < 8 ? i : 8);
			struct piece piece = pieces[i];

			pieces[i] = pieces[j];
			pieces[j] = piece;
		}
	return n;
}

static void
one_round(const struct way *way, struct bnet_codecs *codecs)
{
	static struct piece pieces[N_PACKETS_MAX];
	struct conn conn = CONN(50000, 26000);
	struct bnet_buf whole, spoilt;
	struct bnet_slice in;
	struct tap tap;
	uint64_t told;
	size_t n_pieces;

	tap_open(&tap, NULL);
	bnet_buf_init(&whole, TALK_MAX_BYTES);
	bnet_buf_init(&spoilt, TALK_MAX_BYTES);
	put_stream(&whole, codecs);
	spoil(&spoilt, bnet_buf_slice(&whole), way);
	in = bnet_buf_slice(&spoilt);
	conn.seq[0] = (uint32_t)unit_random(&seed);
	conn_open(&tap, &conn);
	n_pieces = cut_pieces(pieces, in, way);
	send_pieces(&tap, &conn, in, pieces, n_pieces, way);
	conn_close(&tap, &conn);
	tap_finish(&tap);
	told = told_bytes(&tap.told, CAP_UP);
	ck_assert_msg(told == in.len,
	    "%s: %llu of %zu bytes: %llu in frames, %llu in gaps, %llu "
	    "skipped, %llu malformed",
	    way->name, (unsigned long long)told, in.len,
	    (unsigned long long)tap.told.bytes[CAP_UP][CAP_FRAME],
	    (unsigned long long)tap.told.bytes[CAP_UP][CAP_GAP],
	    (unsigned long long)tap.told.bytes[CAP_UP][CAP_SKIP],
	    (unsigned long long)tap.told.bytes[CAP_UP][CAP_MALFORMED]);
	ck_assert_uint_eq(tap.told.n[CAP_UP][CAP_LIMIT], 0);
	if (way->no_damage)
		ck_assert_uint_eq(tap.told.bytes[CAP_UP][CAP_FRAME], in.len);
	bnet_buf_free(&whole);
	bnet_buf_free(&spoilt);
	tap_free(&tap);
}

START_TEST(test_every_byte_is_told)
{
	struct bnet_codecs *codecs = bnet_codecs_new();

	ck_assert_ptr_nonnull(codecs);
	seed = (uint64_t)_i * 1000003 + 17;
	for (int round = 0; round < N_ROUNDS; round++)
		one_round(&ways[_i], codecs);
	bnet_codecs_free(codecs);
}
END_TEST

/* Random packets, of no connection that makes sense. */
START_TEST(test_random_packets)
{
	static uint8_t data[2000];
	struct tap tap;
	const struct cap_settings set = { .any_port = _i & 1,
		.overlap = _i & 2 ? CAP_OVERLAP_LAST : CAP_OVERLAP_FIRST,
		.limits = { .n_streams = 6,
		    .total_bytes = 100000,
		    .stream_bytes = 20000,
		    .idle_ns = INT64_C(1000000000) } };

	seed = (uint64_t)_i + 4242;
	tap_open(&tap, &set);
	for (int i = 0; i < 20000; i++) {
		struct pkt pkt = { .src = 1, .dst = 2 };
		size_t n = below(5) == 0 ? below(sizeof(data)) : below(30);
		bool up = below(2) == 0;

		pkt.src_port = (uint16_t)(up ? 1000 + below(5) : 26000);
		pkt.dst_port = (uint16_t)(up ? 26000 : 1000 + below(5));
		pkt.seq = (uint32_t)(below(10) == 0 ? unit_random(&seed)
						    : below(5000));
		pkt.ack = (uint32_t)below(5000);
		pkt.flags =
		    (uint8_t)(below(4) == 0 ? unit_random(&seed) : TCP_ACK);
		for (size_t j = 0; j < n; j++)
			data[j] = (uint8_t)(below(3) == 0 ? unit_random(&seed)
							  : below(2));
		tap_cut_packet(&tap, &pkt, (struct bnet_slice){ data, n },
		    below(9) == 0 ? 40 + below(60) : SIZE_MAX);
		tap.time_ns += (int64_t)below(20000000) - 1000000;
		ck_assert_uint_le(tap.cap->held_bytes, 100000);
		ck_assert_uint_le(tap.cap->streams.n, 6);
	}
	tap_finish(&tap);
	tap_free(&tap);
}
END_TEST

static Suite *
make_suite(void)
{
	Suite *suite = suite_create("capture_mutate");
	TCase *tc = unit_case(suite, "damage");

	tcase_add_loop_test(tc, test_every_byte_is_told, 0, UNIT_ROWS(ways));
	tcase_add_loop_test(tc, test_random_packets, 0, 4);
	return suite;
}

UNIT_MAIN(make_suite)
