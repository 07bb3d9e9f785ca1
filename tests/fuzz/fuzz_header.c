/* SPDX-License-Identifier: MIT */
/*
 * Any bytes as an out-of-band header, and as a row of bit-packed primitives:
 * what is read can be written, never longer, and is read again the same.
 */
#include "proto/header.h"

#include "tests/fuzz/fuzz.h"

#define OUT_MAX_BYTES ((size_t)1 << 22)

/* ---- the header ---- */

static uint64_t *
read_forks(struct bnet_bits_rd rd, uint32_t n)
{
	uint64_t *ids = calloc(n > 0 ? n : 1, sizeof(*ids));

	MUST_HOLD(ids != NULL);
	for (uint32_t i = 0; i < n; i++)
		ids[i] = bnet_bits_u64(&rd);
	MUST_HOLD(!rd.bad);
	return ids;
}

static bool
same_header(const struct bnet_header *a, const struct bnet_header *b)
{
	return a->source == b->source && a->dest_type == b->dest_type &&
	    a->dest == b->dest && a->key == b->key && a->forks == b->forks &&
	    a->serial == b->serial && a->latency_ms == b->latency_ms &&
	    a->priority == b->priority && a->timestamp == b->timestamp;
}

/* The fields in their order, as the manual has them. */
static void
check_fields(struct bnet_slice in, const struct bnet_header *header)
{
	struct bnet_bits_rd rd;
	struct bnet_header want;

	bnet_bits_read(&rd, in);
	want.source = bnet_bits_i64(&rd);
	want.dest_type = bnet_bits_i64(&rd);
	want.dest = bnet_bits_i64(&rd);
	want.key = bnet_bits_i32(&rd);
	want.forks = bnet_bits_u32(&rd);
	want.serial = bnet_bits_u32(&rd);
	want.latency_ms = bnet_bits_u32(&rd);
	want.priority = bnet_bits_bool(&rd);
	want.timestamp = bnet_bits_u64(&rd);
	MUST_HOLD(!rd.bad && same_header(header, &want));
}

/* What was written is read the same, wholly, and written so again. */
static void
check_written(struct bnet_slice written, const struct bnet_header *want,
    const uint64_t *want_ids)
{
	struct bnet_bits_rd forks;
	struct bnet_header header;
	struct bnet_buf again;
	uint64_t *ids;
	size_t trailing;

	MUST_HOLD(
	    bnet_header_decode(written, &header, &forks, &trailing) == BNET_OK);
	MUST_HOLD(trailing == 0);
	MUST_HOLD(same_header(&header, want));
	ids = read_forks(forks, header.forks);
	MUST_HOLD(memcmp(ids, want_ids, header.forks * sizeof(*ids)) == 0);
	bnet_buf_init(&again, OUT_MAX_BYTES);
	MUST_HOLD(bnet_header_encode(&header, ids, &again) == BNET_OK);
	MUST_HOLD(fuzz_same(bnet_buf_slice(&again), written));
	bnet_buf_free(&again);
	free(ids);
}

/* A ceiling below what it takes is told, and kept. */
static void
check_ceiling(const struct bnet_header *header, const uint64_t *ids, size_t n)
{
	struct bnet_buf out;

	bnet_buf_init(&out, n - 1);
	MUST_HOLD(bnet_header_encode(header, ids, &out) == BNET_ELIMIT);
	MUST_HOLD(out.len < n);
	bnet_buf_free(&out);
}

static void
check_header(struct bnet_slice in)
{
	struct bnet_bits_rd forks;
	struct bnet_header header, cut_header;
	struct bnet_buf out;
	struct bnet_slice cut;
	uint64_t *ids;
	size_t trailing, used;

	if (bnet_header_decode(in, &header, &forks, &trailing) != BNET_OK)
		return;
	MUST_HOLD(trailing < in.len);
	used = in.len - trailing;
	check_fields(in, &header);
	ids = read_forks(forks, header.forks);
	bnet_buf_init(&out, OUT_MAX_BYTES);
	MUST_HOLD(bnet_header_encode(&header, ids, &out) == BNET_OK);
	MUST_HOLD(out.len <= used);
	check_written(bnet_buf_slice(&out), &header, ids);
	check_ceiling(&header, ids, out.len);
	bnet_buf_free(&out);
	free(ids);
	cut = fuzz_copy((struct bnet_slice){ in.p, used - 1 });
	MUST_HOLD(bnet_header_decode(cut, &cut_header, NULL, &trailing) ==
	    BNET_EHEADER);
	fuzz_free(cut);
}

/* ---- the primitives ---- */

enum kind {
	U32,
	U64,
	I32,
	I64,
	BOOL,
	STRING,
	N_KINDS
};

struct value {
	enum kind kind;
	uint64_t v;
	const char *str; /* in the store */
};

#define VALUES_MAX 1024

static struct value
read_value(struct bnet_bits_rd *rd, enum kind kind, struct bnet_buf *store)
{
	struct value value = { .kind = kind };
	size_t before = bnet_bits_left(rd);
	enum bnet_err err;
	uint32_t len = 0;

	switch (kind) {
	case U32:
		value.v = bnet_bits_u32(rd);
		break;
	case U64:
		value.v = bnet_bits_u64(rd);
		break;
	case I32:
		value.v = (uint64_t)bnet_bits_i32(rd);
		break;
	case I64:
		value.v = (uint64_t)bnet_bits_i64(rd);
		break;
	case BOOL:
		value.v = bnet_bits_bool(rd);
		break;
	default:
		err = bnet_bits_string(rd, store, &value.str, &len);
		MUST_HOLD(err == (rd->bad ? BNET_EMESSAGE : BNET_OK));
		MUST_HOLD(err != BNET_OK || value.str[len] == '\0');
		value.v = len;
	}
	MUST_HOLD(!rd->bad || value.v == 0);
	MUST_HOLD(rd->bad || bnet_bits_left(rd) < before);
	return value;
}

static void
write_value(struct bnet_bits_wr *wr, const struct value *value)
{
	switch (value->kind) {
	case U32:
		bnet_bits_put_u32(wr, (uint32_t)value->v);
		break;
	case U64:
		bnet_bits_put_u64(wr, value->v);
		break;
	case I32:
		bnet_bits_put_i32(wr, (int32_t)value->v);
		break;
	case I64:
		bnet_bits_put_i64(wr, (int64_t)value->v);
		break;
	case BOOL:
		bnet_bits_put_bool(wr, value->v != 0);
		break;
	default:
		bnet_bits_put_string(wr, value->str, (uint32_t)value->v);
	}
}

static void
check_same_values(
    struct bnet_slice written, const struct value *values, size_t n)
{
	struct bnet_bits_rd rd;
	struct bnet_buf store;

	bnet_buf_init(&store, 2 * OUT_MAX_BYTES);
	bnet_bits_read(&rd, written);
	for (size_t i = 0; i < n; i++) {
		struct value got = read_value(&rd, values[i].kind, &store);

		MUST_HOLD(!rd.bad && got.v == values[i].v);
		if (got.kind == STRING)
			MUST_HOLD(
			    memcmp(got.str, values[i].str, (size_t)got.v) == 0);
	}
	MUST_HOLD(bnet_bits_left(&rd) < 8);
	bnet_buf_free(&store);
}

/* The bytes say as well of what kind each value is. */
static void
check_bits(struct bnet_slice in)
{
	static struct value values[VALUES_MAX];
	struct bnet_bits_rd rd;
	struct bnet_bits_wr wr;
	struct bnet_buf store, out;
	uint8_t *room;
	size_t n = 0;

	bnet_buf_init(&store, OUT_MAX_BYTES);
	bnet_buf_init(&out, OUT_MAX_BYTES);
	/* so that strings do not move: each takes a NUL more than its bytes */
	MUST_HOLD(bnet_buf_room(&store, in.len + VALUES_MAX, &room) == BNET_OK);
	bnet_bits_read(&rd, in);
	bnet_bits_write(&wr, &out);
	while (n < VALUES_MAX && n < in.len) {
		enum kind kind = in.p[in.len - 1 - n] % N_KINDS;
		struct value value = read_value(&rd, kind, &store);

		if (rd.bad)
			break;
		write_value(&wr, &value);
		values[n++] = value;
	}
	MUST_HOLD(bnet_bits_finish(&wr) == BNET_OK);
	MUST_HOLD(out.len <= in.len);
	check_same_values(bnet_buf_slice(&out), values, n);
	bnet_buf_free(&store);
	bnet_buf_free(&out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bnet_slice in = { data, size };

	check_header(in);
	check_bits(in);
	return 0;
}
