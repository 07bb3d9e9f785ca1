/* SPDX-License-Identifier: MIT */
/* Two ends of a TLS connection back to back in memory. */
#ifndef TESTS_TLS_ENDS_H
#define TESTS_TLS_ENDS_H

#include "proto/tls.h"
#include "tests/unit/tls_certs.h"

#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>

#define END_MAX_BYTES (1 << 20)

struct end {
	struct bnet_tls *tls;
	struct bnet_buf plain; /* received */
	struct bnet_buf wire; /* to be sent */
	enum bnet_err err; /* the first that was not BNET_OK */
};

static inline struct bnet_tls_settings
client_settings(void)
{
	return (struct bnet_tls_settings){
		.role = BNET_TLS_CLIENT,
		.ca_pem = cert_of(ID_CA),
	};
}

static inline struct bnet_tls_settings
server_settings(void)
{
	return (struct bnet_tls_settings){
		.role = BNET_TLS_SERVER,
		.cert_pem = cert_of(ID_SERVER),
		.key_pem = key_of(ID_SERVER),
	};
}

static inline struct bnet_tls_ctx *
end_ctx(const struct bnet_tls_settings *set)
{
	struct bnet_tls_ctx *ctx;
	char why[200];
	enum bnet_err err = bnet_tls_ctx_new(set, &ctx, why, sizeof(why));

	ck_assert_msg(err == BNET_OK, "%s", why);
	return ctx;
}

static inline void
end_open_in(struct end *end, struct bnet_tls_ctx *ctx, const char *host)
{
	end->tls = bnet_tls_new(ctx, host);
	ck_assert_ptr_nonnull(end->tls);
	bnet_buf_init(&end->plain, END_MAX_BYTES);
	bnet_buf_init(&end->wire, END_MAX_BYTES);
	end->err = bnet_tls_start(end->tls, &end->wire);
}

static inline void
end_open(struct end *end, const struct bnet_tls_settings *set, const char *host)
{
	struct bnet_tls_ctx *ctx = end_ctx(set);

	end_open_in(end, ctx, host);
	bnet_tls_ctx_free(ctx); /* the connection lives on */
}

static inline void
end_close(struct end *end)
{
	bnet_tls_free(end->tls);
	bnet_buf_free(&end->plain);
	bnet_buf_free(&end->wire);
}

/* Feed `in` to `end`, from a copy of exactly that size. */
static inline enum bnet_err
end_feed(struct end *end, struct bnet_slice in)
{
	uint8_t *copy = malloc(in.len == 0 ? 1 : in.len);
	enum bnet_err err;

	ck_assert_ptr_nonnull(copy);
	if (in.len > 0)
		memcpy(copy, in.p, in.len);
	err = bnet_tls_feed(end->tls, (struct bnet_slice){ copy, in.len },
	    &end->plain, &end->wire);
	free(copy);
	ck_assert_uint_eq(ERR_peek_error(), 0);
	if (end->err == BNET_OK)
		end->err = err;
	return err;
}

/* What `from` has to send, `chunk` bytes at a time, to `to`. */
static inline void
carry(struct end *from, struct end *to, size_t chunk)
{
	while (from->wire.len > 0) {
		struct bnet_slice s = bnet_buf_slice(&from->wire);

		if (s.len > chunk)
			s.len = chunk;
		(void)end_feed(to, s);
		bnet_buf_consume(&from->wire, s.len);
	}
}

/* To and fro until neither has anything to say. */
static inline void
settle(struct end *a, struct end *b, size_t chunk)
{
	while (a->wire.len > 0 || b->wire.len > 0) {
		carry(a, b, chunk);
		carry(b, a, chunk);
	}
}

static inline void
say(struct end *end, const char *text)
{
	struct bnet_slice s = { (const uint8_t *)text, strlen(text) };

	ck_assert_int_eq(bnet_tls_send(end->tls, s, &end->wire), BNET_OK);
}

/* `end` received exactly `text`; forget it. */
static inline void
heard(struct end *end, const char *text)
{
	ck_assert_uint_eq(end->plain.len, strlen(text));
	ck_assert_mem_eq(end->plain.p + end->plain.at, text, end->plain.len);
	bnet_buf_clear(&end->plain);
}

#endif
