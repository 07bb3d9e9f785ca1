/* SPDX-License-Identifier: MIT */
/* bnet_tls against an end that is OpenSSL's alone, and not like ours. */
#include "tests/unit/tls_ends.h"
#include "tests/unit/unit.h"

#include <openssl/ssl.h>

struct foreign {
	SSL_CTX *ctx;
	SSL *ssl;
	BIO *in, *out; /* of ssl */
};

static struct end ours;
static struct foreign theirs;

static void
foreign_ctx(bool is_server)
{
	SSL_CTX *ctx =
	    SSL_CTX_new(is_server ? TLS_server_method() : TLS_client_method());

	ck_assert_ptr_nonnull(ctx);
	theirs.ctx = ctx;
	if (!is_server)
		return;
	ck_assert_int_eq(
	    SSL_CTX_use_certificate(ctx, idents[ID_SERVER].cert), 1);
	ck_assert_int_eq(SSL_CTX_use_PrivateKey(ctx, idents[ID_SERVER].key), 1);
}

static void
foreign_open(bool is_server)
{
	theirs.ssl = SSL_new(theirs.ctx);
	theirs.in = BIO_new(BIO_s_mem());
	theirs.out = BIO_new(BIO_s_mem());
	ck_assert_ptr_nonnull(theirs.ssl);
	SSL_set_bio(theirs.ssl, theirs.in, theirs.out);
	if (is_server)
		SSL_set_accept_state(theirs.ssl);
	else
		SSL_set_connect_state(theirs.ssl);
}

static void
teardown(void)
{
	end_close(&ours);
	SSL_free(theirs.ssl);
	SSL_CTX_free(theirs.ctx);
	ours = (struct end){ 0 };
	theirs = (struct foreign){ 0 };
}

/* What each has to send goes to the other; returns how much that was. */
static size_t
exchange(void)
{
	struct bnet_slice s = bnet_buf_slice(&ours.wire);
	struct bnet_buf all = { .max = END_MAX_BYTES };
	uint8_t chunk[4096];
	size_t moved = s.len;
	int n;

	if (s.len > 0)
		ck_assert_int_eq(
		    BIO_write(theirs.in, s.p, (int)s.len), (int)s.len);
	bnet_buf_clear(&ours.wire);
	/* SSL_peek: also handshakes, and post-handshake messages */
	(void)SSL_peek(theirs.ssl, chunk, 1);
	while ((n = BIO_read(theirs.out, chunk, sizeof(chunk))) > 0)
		ck_assert_int_eq(bnet_buf_append(&all,
				     (struct bnet_slice){ chunk, (size_t)n }),
		    BNET_OK);
	ERR_clear_error(); /* theirs */
	moved += all.len;
	(void)end_feed(&ours, bnet_buf_slice(&all));
	bnet_buf_free(&all);
	return moved;
}

static void
exchange_all(void)
{
	while (exchange() > 0)
		;
}

static void
foreign_says(const char *text)
{
	ck_assert_int_eq(
	    SSL_write(theirs.ssl, text, (int)strlen(text)), (int)strlen(text));
}

static void
foreign_heard(const char *text)
{
	char got[64] = "";

	ck_assert_int_eq(
	    SSL_read(theirs.ssl, got, sizeof(got) - 1), (int)strlen(text));
	ck_assert_str_eq(got, text);
}

/* Both directions still work. */
static void
talk(void)
{
	ck_assert(bnet_tls_ready(ours.tls));
	say(&ours, "from us");
	exchange_all();
	foreign_heard("from us");
	foreign_says("from them");
	exchange_all();
	heard(&ours, "from them");
	ck_assert_int_eq(ours.err, BNET_OK);
}

/* What a foreign client offers, and what a server of ours makes of it. */
static const struct offer {
	const char *name;
	const char *list; /* "" : no ALPN at all */
	bool agreed;
} offers[] = {
	{ "ours",
	    "\x09"
	    "bluenet/1",
	    true },
	{ "ours second",
	    "\x02h2\x09"
	    "bluenet/1",
	    true },
	{ "a longer one",
	    "\x0a"
	    "bluenet/11",
	    false },
	{ "a shorter one",
	    "\x07"
	    "bluenet",
	    false },
	{ "another", "\x02h2", false },
	{ "none", "", false },
};

START_TEST(alpn_of_a_client)
{
	const struct offer *offer = &offers[_i];
	struct bnet_tls_settings ss = server_settings();

	for (int require = 0; require < 2; require++) {
		ss.require_alpn = require == 1;
		foreign_ctx(false);
		if (offer->list[0] != '\0')
			ck_assert_int_eq(SSL_CTX_set_alpn_protos(theirs.ctx,
					     (const unsigned char *)offer->list,
					     (unsigned)strlen(offer->list)),
			    0);
		foreign_open(false);
		end_open(&ours, &ss, NULL);
		exchange_all();
		if (require == 1 && !offer->agreed) {
			ck_assert_int_eq(ours.err, BNET_ETLS);
			ck_assert_ptr_nonnull(strstr(
			    bnet_tls_reason(ours.tls), "application protocol"));
			ck_assert(!bnet_tls_ready(ours.tls));
		} else {
			ck_assert_int_eq(
			    bnet_tls_alpn(ours.tls), offer->agreed);
			talk();
		}
		teardown();
	}
}
END_TEST

/* A server that answers whatever it likes. */
static int
choose_nonsense(SSL *ssl, const unsigned char **out, unsigned char *out_bytes,
    const unsigned char *in, unsigned in_bytes, void *arg)
{
	(void)ssl, (void)in, (void)in_bytes, (void)arg;
	*out = (const unsigned char *)"bluenet/9";
	*out_bytes = 9;
	return SSL_TLSEXT_ERR_OK;
}

START_TEST(alpn_of_a_server)
{
	struct bnet_tls_settings cs = client_settings();
	bool nonsense = _i / 2 == 1;

	cs.require_alpn = _i % 2 == 1;
	foreign_ctx(true);
	if (nonsense)
		SSL_CTX_set_alpn_select_cb(theirs.ctx, choose_nonsense, NULL);
	foreign_open(true);
	end_open(&ours, &cs, "localhost");
	exchange_all();
	ck_assert(!bnet_tls_alpn(ours.tls));
	if (!nonsense && !cs.require_alpn) {
		talk();
		return;
	}
	if (!nonsense) {
		ck_assert_str_eq(bnet_tls_reason(ours.tls),
		    "the peer did not agree on bluenet/1");
		ck_assert(SSL_get_shutdown(theirs.ssl) & SSL_RECEIVED_SHUTDOWN);
	} /* else newer releases of OpenSSL refuse it themselves */
	if (cs.require_alpn)
		ck_assert_int_eq(ours.err, BNET_ETLS);
}
END_TEST

#define RECORD_ALERT 21

/* A 1.2 client that asks to negotiate anew is told no. */
START_TEST(no_renegotiation)
{
	struct bnet_tls_settings ss = server_settings();
	uint8_t again[4096];
	int n;

	ss.version_max = BNET_TLS_1_2;
	foreign_ctx(false);
	foreign_open(false);
	end_open(&ours, &ss, NULL);
	exchange_all();
	talk();
	ck_assert_int_eq(SSL_renegotiate(theirs.ssl), 1);
	ck_assert_int_le(SSL_do_handshake(theirs.ssl), 0);
	n = BIO_read(theirs.out, again, sizeof(again));
	ck_assert_int_gt(n, 100); /* a whole ClientHello */
	ck_assert_int_eq(
	    end_feed(&ours, (struct bnet_slice){ again, (size_t)n }), BNET_OK);
	ck_assert_uint_gt(ours.wire.len, 0);
	ck_assert_uint_lt(ours.wire.len, 64);
	ck_assert_int_eq(ours.wire.p[ours.wire.at], RECORD_ALERT);
	BIO_write(theirs.in, ours.wire.p + ours.wire.at, (int)ours.wire.len);
	ck_assert_int_le(SSL_do_handshake(theirs.ssl), 0);
	ck_assert_int_eq(
	    ERR_GET_REASON(ERR_peek_error()), SSL_R_NO_RENEGOTIATION);
}
END_TEST

START_TEST(key_update)
{
	struct bnet_tls_settings ss = server_settings();

	foreign_ctx(false);
	foreign_open(false);
	end_open(&ours, &ss, NULL);
	exchange_all();
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(
		    SSL_key_update(theirs.ssl, SSL_KEY_UPDATE_REQUESTED), 1);
		talk();
	}
}
END_TEST

/* Many tickets of a server change nothing; a server of ours gives one. */
START_TEST(tickets)
{
	struct bnet_tls_settings cs = client_settings(), ss = server_settings();

	foreign_ctx(true);
	ck_assert_int_eq(SSL_CTX_set_num_tickets(theirs.ctx, 8), 1);
	foreign_open(true);
	end_open(&ours, &cs, "localhost");
	exchange_all();
	talk();
	teardown();

	for (int none = 0; none < 2; none++) {
		ss.struct_bytes = sizeof(ss);
		ss.no_resume = none;
		foreign_ctx(false);
		foreign_open(false);
		end_open(&ours, &ss, NULL);
		exchange_all();
		talk();
		ck_assert_int_eq(
		    SSL_SESSION_is_resumable(SSL_get0_session(theirs.ssl)),
		    !none);
		if (!none)
			teardown();
	}
}
END_TEST

/* TLS 1.1 and older are not spoken. */
START_TEST(too_old)
{
	struct bnet_tls_settings ss = server_settings();

	foreign_ctx(false);
	SSL_CTX_set_security_level(theirs.ctx, 0);
	ck_assert_int_eq(
	    SSL_CTX_set_min_proto_version(theirs.ctx, TLS1_VERSION), 1);
	ck_assert_int_eq(
	    SSL_CTX_set_max_proto_version(theirs.ctx, TLS1_1_VERSION), 1);
	foreign_open(false);
	end_open(&ours, &ss, NULL);
	exchange_all();
	ck_assert_int_eq(ours.err, BNET_ETLS);
	ck_assert_str_eq(bnet_tls_reason(ours.tls), "unsupported protocol");
}
END_TEST

static Suite *
tls_suite(void)
{
	Suite *suite = suite_create("tls with others");
	TCase *tc = unit_case(suite, "foreign");

	tcase_add_unchecked_fixture(tc, make_idents, free_idents);
	tcase_add_checked_fixture(tc, NULL, teardown);
	tcase_add_loop_test(tc, alpn_of_a_client, 0, UNIT_ROWS(offers));
	tcase_add_loop_test(tc, alpn_of_a_server, 0, 4);
	tcase_add_test(tc, no_renegotiation);
	tcase_add_test(tc, key_update);
	tcase_add_test(tc, tickets);
	tcase_add_test(tc, too_old);
	return suite;
}

UNIT_MAIN(tls_suite)
