/* SPDX-License-Identifier: MIT */
/*
 * Any bytes as calls of the writer, in any order: what it takes for a stream
 * is read back whole; what it refuses, it refuses with a reason.
 */
#include "proto/marshal_write.h"

#include "tests/fuzz/tree.h"

#define OUT_MAX_BYTES ((size_t)1 << 16)

static uint64_t
number(struct bnet_slice *in, unsigned n)
{
	uint64_t v = 0;

	for (unsigned i = 0; i < n; i++)
		v = v << 8 | fuzz_byte(in);
	return v;
}

/* Up to 300 bytes of the input. */
static struct bnet_slice
bytes(struct bnet_slice *in)
{
	size_t n = number(in, 1) * 2;
	struct bnet_slice s = *in;

	s.len = n < in->len ? n : in->len;
	*in = bnet_slice_from(*in, s.len);
	return s;
}

static void
put_text(struct bnet_marshal_wr *w, struct bnet_slice s, bool global)
{
	const char *p = s.len == 0 ? "" : (const char *)s.p;

	if (global)
		bnet_put_global(w, p, s.len);
	else
		bnet_put_str(w, p, s.len);
}

static void
put_rarer(struct bnet_marshal_wr *w, struct bnet_slice *in, unsigned kind)
{
	switch (kind) {
	case 8:
		bnet_put_tuple(w, (uint32_t)number(in, 1));
		break;
	case 9:
		bnet_put_list(w, (uint32_t)number(in, 1));
		break;
	case 10:
		bnet_put_dict(w, (uint32_t)number(in, 1));
		break;
	case 11:
		bnet_put_newobj(w);
		break;
	case 12:
		bnet_put_reduce(w);
		break;
	case 13:
		bnet_put_mark(w);
		break;
	case 14:
		(void)bnet_put_shared(w);
		break;
	default:
		bnet_put_ref(w, (uint32_t)number(in, 1));
	}
}

static void
put(struct bnet_marshal_wr *w, struct bnet_slice *in)
{
	unsigned kind = (unsigned)number(in, 1) % 16;
	uint64_t bits;
	double v;

	switch (kind) {
	case 0:
		bnet_put_none(w);
		break;
	case 1:
		bnet_put_bool(w, number(in, 1) & 1);
		break;
	case 2:
		bnet_put_int(w, (int64_t)number(in, 8));
		break;
	case 3:
		bnet_put_int(w, (int8_t)number(in, 1));
		break;
	case 4:
		bits = number(in, 8);
		memcpy(&v, &bits, sizeof(v));
		bnet_put_float(w, v);
		break;
	case 5:
	case 6:
		put_text(w, bytes(in), kind == 5);
		break;
	case 7:
		bnet_put_bytes(w, bytes(in));
		break;
	default:
		put_rarer(w, in, kind);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct bnet_marshal_wr *w;
	static struct bnet_marshal *m;
	struct bnet_slice in = { data, size };
	unsigned how = fuzz_byte(&in);
	const struct bnet_marshal_form form = { how & 1, (how & 2) != 0,
		(how & 4) != 0 };
	struct bnet_object o;
	struct bnet_buf out;
	enum bnet_err err;

	if (w == NULL) {
		w = bnet_marshal_wr_new(NULL);
		m = bnet_marshal_new(NULL);
	}
	MUST_HOLD(w != NULL && m != NULL);
	bnet_buf_init(&out, OUT_MAX_BYTES);
	bnet_marshal_begin(w, &out, &form);
	while (in.len > 0)
		put(w, &in);
	err = bnet_marshal_finish(w);
	MUST_HOLD(err == BNET_OK || err == BNET_EMARSHAL || err == BNET_ELIMIT);
	if (err == BNET_OK) {
		err = bnet_marshal_read(m, bnet_buf_slice(&out), &o);
		/* a tuple can be made to hold itself */
		MUST_HOLD(err == BNET_OK ||
		    strcmp(o.reason, "a tuple that holds itself") == 0);
		tree_check(&o);
		(void)tree_json(o.root);
	}
	bnet_buf_free(&out);
	return 0;
}
