/* SPDX-License-Identifier: MIT */
/*
 * Any bytes as the body of a session message, of the type that the first
 * byte says: what decodes is encoded again, never longer, decodes to the
 * same, and holds no more than its bytes can pay for.
 */
#include "proto/header.h"
#include "proto/message.h"

#include "tests/fuzz/fuzz.h"

#define STORE_MAX_BYTES ((size_t)1 << 24)
#define OUT_MAX_BYTES ((size_t)1 << 22)
/* The dearest are roster entries: 40 bytes for as little as 12 bits. */
#define STORE_PER_BODY 28
#define STORE_FLOOR_BYTES 256

/* What it is as bytes on the wire. */
static void
encode(const struct bnet_message *message, struct bnet_buf *out)
{
	bnet_buf_init(out, OUT_MAX_BYTES);
	MUST_HOLD(bnet_message_encode(message, out) == BNET_OK);
}

/* Decode and encode what was written: nothing left, nothing different. */
static void
check_written(enum bnet_message_type type, struct bnet_slice written)
{
	struct bnet_message message;
	struct bnet_buf store, again;
	size_t left;

	bnet_buf_init(&store, STORE_MAX_BYTES);
	MUST_HOLD(bnet_message_decode(type, written, &message, &store, &left) ==
	    BNET_OK);
	MUST_HOLD(message.type == type && left == 0);
	encode(&message, &again);
	MUST_HOLD(fuzz_same(bnet_buf_slice(&again), written));
	bnet_buf_free(&again);
	bnet_buf_free(&store);
}

/* A body that loses its last byte that counts, or the room to be held. */
static void
check_less(enum bnet_message_type type, struct bnet_slice body, size_t used,
    size_t stored)
{
	struct bnet_message message;
	struct bnet_buf store;
	struct bnet_slice cut;
	size_t left;

	if (used > 0) {
		cut = fuzz_copy((struct bnet_slice){ body.p, used - 1 });
		bnet_buf_init(&store, STORE_MAX_BYTES);
		MUST_HOLD(bnet_message_decode(type, cut, &message, &store,
			      &left) == BNET_EMESSAGE);
		MUST_HOLD(store.cap == 0);
		fuzz_free(cut);
	}
	if (stored > 0) {
		bnet_buf_init(&store, stored - 1);
		MUST_HOLD(bnet_message_decode(type, body, &message, &store,
			      &left) == BNET_ELIMIT);
		MUST_HOLD(store.len == 0);
		bnet_buf_free(&store);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bnet_slice body = { data, size };
	enum bnet_message_type type =
	    (enum bnet_message_type)(1 + fuzz_byte(&body) % (BNET_N_MSGS - 1));
	struct bnet_message message;
	struct bnet_buf store, out;
	enum bnet_err err;
	size_t left;

	MUST_HOLD(bnet_message_type(bnet_message_key(type)) == type);
	MUST_HOLD(bnet_key(bnet_message_name(type)) == bnet_message_key(type));
	bnet_buf_init(&store, STORE_MAX_BYTES);
	err = bnet_message_decode(type, body, &message, &store, &left);
	MUST_HOLD(err == BNET_OK || err == BNET_EMESSAGE);
	MUST_HOLD(store.len <= STORE_FLOOR_BYTES + STORE_PER_BODY * body.len);
	if (err == BNET_OK) {
		MUST_HOLD(message.type == type && left <= body.len);
		encode(&message, &out);
		MUST_HOLD(out.len <= body.len - left);
		check_written(type, bnet_buf_slice(&out));
		bnet_buf_free(&out);
		check_less(type, body, body.len - left, store.len);
	} else {
		MUST_HOLD(store.cap == 0);
	}
	bnet_buf_free(&store);
	return 0;
}
