/* SPDX-License-Identifier: MIT */
/*
 * bnet_marshal_write - write a marshal stream (bluenet-marshal.5), value by
 * value or from a tree of proto/object.
 *
 *	bnet_marshal_begin(w, &out, &form);
 *	bnet_put_list(w, 2);
 *	bnet_put_int(w, 1);
 *	bnet_put_str(w, "two", 3);
 *	err = bnet_marshal_finish(w);
 *
 * It takes the forms that the published writer takes, and the published reader
 * reads them. The first error sticks: check at the end, once.
 */
#ifndef BNET_MARSHAL_WRITE_H
#define BNET_MARSHAL_WRITE_H

#include "buf.h"
#include "err.h"
#include "object.h"
#include "strings.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct bnet_marshal_form {
	uint32_t version; /* 0 or 1 */
	bool checksum;
	bool share; /* bnet_put_shared() and bnet_put_ref() may be used, and
		     * references of a tree stay references; else each is
		     * written again */
};

struct bnet_marshal_wr;

/*
 * `strings` (borrowed) is the table of the reader to be; NULL: the published
 * one. Returns NULL when out of memory.
 */
struct bnet_marshal_wr *bnet_marshal_wr_new(const struct bnet_strings *strings);
void bnet_marshal_wr_free(struct bnet_marshal_wr *w); /* NULL is allowed */

/* Begin a stream at the tail of `out`; what was not finished is forgotten. */
void bnet_marshal_begin(struct bnet_marshal_wr *w, struct bnet_buf *out,
    const struct bnet_marshal_form *form);

/*
 * End the stream.
 *	BNET_OK
 *	BNET_EMARSHAL	what was put is not exactly one object, or something
 *			that a stream cannot hold
 *	BNET_ELIMIT	the ceiling of `out`, or more than
 *			BNET_MARSHAL_DEPTH_MAX deep
 *	BNET_ENOMEM
 * On error `out` may hold a part.
 */
BNET_MUST enum bnet_err bnet_marshal_finish(struct bnet_marshal_wr *w);

void bnet_put_none(struct bnet_marshal_wr *w);
void bnet_put_bool(struct bnet_marshal_wr *w, bool v);
void bnet_put_int(struct bnet_marshal_wr *w, int64_t v);
void bnet_put_float(struct bnet_marshal_wr *w, double v); /* -0.0 as 0.0 */
void bnet_put_str(struct bnet_marshal_wr *w, const char *utf8, size_t n_bytes);
void bnet_put_bytes(struct bnet_marshal_wr *w, struct bnet_slice bytes);
void
bnet_put_global(struct bnet_marshal_wr *w, const char *name, size_t n_bytes);
/* A complete stream, as one value. */
void bnet_put_stream(struct bnet_marshal_wr *w, struct bnet_slice stream);

/* n values follow; of a dict, n times a VALUE and its KEY. */
void bnet_put_tuple(struct bnet_marshal_wr *w, uint32_t n);
void bnet_put_list(struct bnet_marshal_wr *w, uint32_t n);
void bnet_put_dict(struct bnet_marshal_wr *w, uint32_t n);

/*
 * An instance: a tuple follows, then items and bnet_put_mark(), then keys and
 * their values and bnet_put_mark(). The tuple of a newobj is ((class, ...),
 * state), that of a reduce (callable, args, state); the state can be left out.
 */
void bnet_put_newobj(struct bnet_marshal_wr *w);
void bnet_put_reduce(struct bnet_marshal_wr *w);
void bnet_put_mark(struct bnet_marshal_wr *w);

/*
 * The object that is put next (bytes, a global, an instance, or a container
 * that is not empty) can be referred to. Returns its number.
 */
uint32_t bnet_put_shared(struct bnet_marshal_wr *w);
void bnet_put_ref(struct bnet_marshal_wr *w, uint32_t number);

/*
 * A tree. A circle of references needs form.share; a BNET_NODE_CUT is an
 * error.
 */
void bnet_put_node(struct bnet_marshal_wr *w, const struct bnet_node *node);

#ifdef __cplusplus
}
#endif

#endif
