/* SPDX-License-Identifier: MIT */
/*
 * bnet_tls and memory. While OpenSSL's allocations fail, each in turn, an
 * error comes of it or nothing does, but never a crash, a leak or wrong
 * plaintext. And an idle connection holds little.
 */
#include "tests/unit/tls_certs.h"
#include "tests/unit/unit.h"

#include "proto/tls.h"

#include <malloc.h>
#include <openssl/crypto.h>
#include <openssl/err.h>

/* There are 14,000 of them; 1 tries all, which takes half a minute. */
#define STEP 7

static struct {
	unsigned long nth; /* to fail; 0: none */
	unsigned long seen;
} fails;

static size_t live_bytes; /* that OpenSSL holds */

static bool
fails_now(void)
{
	return fails.nth != 0 && ++fails.seen == fails.nth;
}

static void *
tls_malloc(size_t n, const char *file, int line)
{
	void *p = fails_now() ? NULL : malloc(n);

	(void)file, (void)line;
	live_bytes += malloc_usable_size(p);
	return p;
}

static void
tls_free(void *p, const char *file, int line)
{
	(void)file, (void)line;
	live_bytes -= malloc_usable_size(p);
	free(p);
}

static void *
tls_realloc(void *p, size_t n, const char *file, int line)
{
	size_t old_bytes = malloc_usable_size(p);
	void *q;

	if (n == 0) {
		tls_free(p, file, line);
		return NULL;
	}
	q = fails_now() ? NULL : realloc(p, n);
	if (q != NULL)
		live_bytes += malloc_usable_size(q) - old_bytes;
	return q;
}

struct side {
	struct bnet_tls *tls;
	struct bnet_buf plain, wire;
	enum bnet_err err;
};

static void
side_open(struct side *side, struct bnet_tls_ctx *ctx, const char *host)
{
	*side = (struct side){ .plain = { .max = 1 << 16 },
		.wire = { .max = 1 << 16 } };
	side->tls = bnet_tls_new(ctx, host);
	side->err = side->tls == NULL ? BNET_ENOMEM
				      : bnet_tls_start(side->tls, &side->wire);
}

static void
side_close(struct side *side)
{
	bnet_tls_free(side->tls);
	bnet_buf_free(&side->plain);
	bnet_buf_free(&side->wire);
}

static void
carry_side(struct side *from, struct side *to)
{
	if (to->err == BNET_OK)
		to->err = bnet_tls_feed(to->tls, bnet_buf_slice(&from->wire),
		    &to->plain, &to->wire);
	bnet_buf_clear(&from->wire);
}

static void
exchange(struct side *a, struct side *b)
{
	while (a->wire.len > 0 || b->wire.len > 0) {
		carry_side(a, b);
		carry_side(b, a);
	}
}

static const char text[] = "whatever else, this arrives as it was sent";

static void
open_both(struct side *client, struct bnet_tls_ctx *client_ctx,
    struct side *server, struct bnet_tls_ctx *server_ctx)
{
	side_open(server, server_ctx, NULL);
	side_open(client, client_ctx, "localhost");
	if (server->err == BNET_OK)
		exchange(client, server);
}

/* A handshake, and a line from the client. The first error of either end. */
static enum bnet_err
session(struct bnet_tls_ctx *client_ctx, struct bnet_tls_ctx *server_ctx)
{
	struct bnet_slice line = { (const uint8_t *)text, sizeof(text) };
	struct side client, server;
	enum bnet_err err;

	open_both(&client, client_ctx, &server, server_ctx);
	if (client.err == BNET_OK && server.err == BNET_OK)
		client.err = bnet_tls_send(client.tls, line, &client.wire);
	exchange(&client, &server);
	err = client.err != BNET_OK ? client.err : server.err;
	fails.nth = 0; /* check allocates too */
	/* an error can come behind it, never instead of a part of it */
	if (err == BNET_OK || server.plain.len > 0)
		unit_same("line", bnet_buf_slice(&server.plain), line);
	side_close(&client);
	side_close(&server);
	return err;
}

static enum bnet_err
new_ctx(enum bnet_tls_role role, struct bnet_tls_ctx **ctx)
{
	struct bnet_tls_settings set = { .role = role };

	if (role == BNET_TLS_CLIENT) {
		set.ca_pem = cert_of(ID_CA);
	} else {
		set.cert_pem = cert_of(ID_CHAINED);
		set.key_pem = key_of(ID_CHAINED);
	}
	return bnet_tls_ctx_new(&set, ctx, NULL, 0);
}

static void
check_outcome(enum bnet_err err)
{
	ck_assert_msg(err == BNET_OK || err == BNET_ENOMEM || err == BNET_ETLS,
	    "allocation %lu: %s", fails.seen, bnet_strerror(err));
	ck_assert_uint_eq(ERR_peek_error(), 0);
}

START_TEST(contexts)
{
	enum bnet_tls_role role = _i == 0 ? BNET_TLS_CLIENT : BNET_TLS_SERVER;
	struct bnet_tls_ctx *ctx;
	unsigned long n_errors = 0;
	enum bnet_err err;

	for (unsigned long nth = 1;; nth += STEP) {
		fails.seen = 0;
		fails.nth = nth;
		err = new_ctx(role, &ctx);
		fails.nth = 0;
		check_outcome(err);
		ck_assert_int_eq(err == BNET_OK, ctx != NULL);
		n_errors += err != BNET_OK;
		bnet_tls_ctx_free(ctx);
		if (fails.seen < nth)
			break;
	}
	ck_assert_int_eq(err, BNET_OK);
	ck_assert_uint_gt(n_errors, 10);
}
END_TEST

START_TEST(sessions)
{
	struct bnet_tls_ctx *client, *server;
	unsigned long n_errors = 0;
	enum bnet_err err;

	unit_err("client", new_ctx(BNET_TLS_CLIENT, &client), BNET_OK);
	unit_err("server", new_ctx(BNET_TLS_SERVER, &server), BNET_OK);
	/* what OpenSSL keeps for the next time is not what is tried here */
	unit_err("first", session(client, server), BNET_OK);
	for (unsigned long nth = 1;; nth += STEP) {
		fails.seen = 0;
		fails.nth = nth;
		err = session(client, server);
		check_outcome(err);
		n_errors += err != BNET_OK;
		if (fails.seen < nth)
			break;
	}
	ck_assert_int_eq(err, BNET_OK);
	ck_assert_uint_gt(n_errors, 100);
	bnet_tls_ctx_free(client);
	bnet_tls_ctx_free(server);
}
END_TEST

#define N_IDLE 100
/* as OpenSSL 3.0 has it, 15 KiB, and our pair; room for other releases */
#define IDLE_MAX_BYTES (22 * 1024)

START_TEST(idle)
{
	static struct side client[N_IDLE], server[N_IDLE];
	struct bnet_tls_ctx *client_ctx, *server_ctx;
	size_t both_bytes, before_bytes;

	unit_err("client", new_ctx(BNET_TLS_CLIENT, &client_ctx), BNET_OK);
	unit_err("server", new_ctx(BNET_TLS_SERVER, &server_ctx), BNET_OK);
	/* what is kept for the next time is not of a connection */
	for (int i = 0; i < 2; i++)
		unit_err("first", session(client_ctx, server_ctx), BNET_OK);
	before_bytes = live_bytes;
	for (int i = 0; i < N_IDLE; i++) {
		open_both(&client[i], client_ctx, &server[i], server_ctx);
		unit_err("client", client[i].err, BNET_OK);
		unit_err("server", server[i].err, BNET_OK);
	}
	both_bytes = live_bytes;
	for (int i = 0; i < N_IDLE; i++)
		side_close(&server[i]);
	ck_assert_uint_gt(both_bytes - live_bytes, N_IDLE * 1024);
	ck_assert_uint_lt(both_bytes - live_bytes, N_IDLE * IDLE_MAX_BYTES);
	for (int i = 0; i < N_IDLE; i++)
		side_close(&client[i]);
	ck_assert_uint_le(live_bytes, before_bytes);
	bnet_tls_ctx_free(client_ctx);
	bnet_tls_ctx_free(server_ctx);
}
END_TEST

static Suite *
alloc_suite(void)
{
	Suite *suite = suite_create("tls without memory");
	TCase *tc = unit_case(suite, "alloc");

	tcase_add_unchecked_fixture(tc, make_idents, free_idents);
	tcase_add_loop_test(tc, contexts, 0, 2);
	tcase_add_test(tc, sessions);
	tcase_add_test(tc, idle);
	return suite;
}

int
main(void)
{
	/* before OpenSSL allocates anything */
	if (CRYPTO_set_mem_functions(tls_malloc, tls_realloc, tls_free) != 1)
		return EXIT_FAILURE;
	return unit_run(alloc_suite());
}
