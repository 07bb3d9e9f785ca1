/* SPDX-License-Identifier: MIT */
/* What is decrypted of a talk, and whether it is what was said. */
#ifndef TESTS_TLS_HEARD_H
#define TESTS_TLS_HEARD_H

#include "tests/unit/tls_talk.h"

struct heard {
	struct bnet_buf plain[2];
	uint64_t lost_bytes[2];
	size_t n_lost[2], n_plain[2];
	const char *reason;
};

static inline void
heard_plain(void *arg, enum cap_dir dir, struct bnet_slice plain)
{
	struct heard *h = arg;

	ck_assert_uint_gt(plain.len, 0);
	ck_assert_uint_le(plain.len, CAP_TLS_PLAIN_MAX_BYTES);
	h->n_plain[dir]++;
	ck_assert_int_eq(bnet_buf_append(&h->plain[dir], plain), BNET_OK);
}

static inline void
heard_lost(void *arg, enum cap_dir dir, uint64_t bytes, const char *reason)
{
	struct heard *h = arg;

	h->lost_bytes[dir] += bytes;
	h->n_lost[dir]++;
	h->reason = reason;
}

static inline void
heard_init(struct heard *h)
{
	memset(h, 0, sizeof(*h));
	h->reason = "";
	for (int i = 0; i < 2; i++)
		bnet_buf_init(&h->plain[i], 1 << 24);
}

static inline void
heard_free(struct heard *h)
{
	for (int i = 0; i < 2; i++)
		bnet_buf_free(&h->plain[i]);
}

/* Exactly the messages of `dir` outside [from, to) of its stream came. */
static inline void
heard_check(const struct heard *h, const struct talk *t, enum cap_dir dir,
    size_t from, size_t to)
{
	struct bnet_slice got = bnet_buf_slice(&h->plain[dir]);
	size_t n = 0;

	for (size_t i = 0; i < t->n_messages; i++) {
		const struct talk_message *m = &t->messages[i];

		if (m->dir != dir ||
		    (m->stream_at < to && m->stream_at + m->stream_len > from))
			continue;
		ck_assert_msg(got.len >= m->plain_len &&
			memcmp(got.p, t->plain.p + m->plain_at, m->plain_len) ==
			    0,
		    "message %zu (dir %d, %zu bytes at %zu) is not there; "
		    "hole %zu-%zu: %s",
		    i, (int)dir, m->plain_len, m->stream_at, from, to,
		    h->reason);
		got = bnet_slice_from(got, m->plain_len);
		n++;
	}
	ck_assert_uint_eq(got.len, 0);
	ck_assert_uint_eq(h->n_plain[dir], n);
}

#endif
