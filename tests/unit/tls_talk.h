/* SPDX-License-Identifier: MIT */
/*
 * tls_talk - a TLS connection in memory, written down as a capture would.
 *
 * Two SSL objects talk over memory BIOs; what they say is kept as flights in
 * the order in which it was said, with the secrets in a key log.
 */
#ifndef TESTS_TLS_TALK_H
#define TESTS_TLS_TALK_H

#include "cmd/capture/tls.h"

#include <check.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>

#define TALK_MAX 512 /* flights, messages */

struct talk_flight {
	enum cap_dir dir;
	size_t at, len; /* in `wire` */
};

/* One SSL_write(), so one record. */
struct talk_message {
	enum cap_dir dir;
	size_t stream_at, stream_len; /* in the bytes of its direction */
	size_t plain_at, plain_len; /* in `plain` */
};

struct talk {
	SSL_CTX *ctx[2];
	SSL *ssl[2]; /* [CAP_UP] the client */
	struct cap_keylog *keylog;
	struct bnet_buf keytext; /* the same as text */
	struct bnet_buf wire, plain;
	size_t stream_len[2];
	struct talk_flight flights[TALK_MAX];
	size_t n_flights;
	struct talk_message messages[TALK_MAX];
	size_t n_messages;
};

static inline void
talk_log(const SSL *ssl, const char *line)
{
	struct talk *t = SSL_get_app_data(ssl);
	size_t n = strlen(line);

	ck_assert_int_eq(cap_keylog_add(t->keylog,
			     (struct bnet_slice){ (const void *)line, n }),
	    BNET_OK);
	ck_assert_int_eq(bnet_buf_append(&t->keytext,
			     (struct bnet_slice){ (const void *)line, n }),
	    BNET_OK);
	ck_assert_int_eq(bnet_buf_append(&t->keytext,
			     (struct bnet_slice){ (const void *)"\n", 1 }),
	    BNET_OK);
}

static inline void
talk_certify(SSL_CTX *ctx)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *cert = X509_new();
	X509_NAME *name = X509_get_subject_name(cert);

	ck_assert(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
	    (const unsigned char *)"test", -1, -1, 0));
	ck_assert(X509_set_issuer_name(cert, name));
	ck_assert(ASN1_INTEGER_set(X509_get_serialNumber(cert), 1));
	ck_assert(X509_gmtime_adj(X509_getm_notBefore(cert), -3600) != NULL);
	ck_assert(X509_gmtime_adj(X509_getm_notAfter(cert), 3600) != NULL);
	ck_assert(X509_set_pubkey(cert, key));
	ck_assert(X509_sign(cert, key, EVP_sha256()));
	ck_assert(SSL_CTX_use_certificate(ctx, cert));
	ck_assert(SSL_CTX_use_PrivateKey(ctx, key));
	X509_free(cert);
	EVP_PKEY_free(key);
}

/* Both ends, limited to `version` and, if not NULL, `suite`. */
static inline void
talk_init(struct talk *t, int version, const char *suite)
{
	memset(t, 0, sizeof(*t));
	t->keylog = cap_keylog_new();
	bnet_buf_init(&t->keytext, 1 << 16);
	bnet_buf_init(&t->wire, 1 << 24);
	bnet_buf_init(&t->plain, 1 << 24);
	for (int i = 0; i < 2; i++) {
		SSL_CTX *ctx = SSL_CTX_new(
		    i == CAP_UP ? TLS_client_method() : TLS_server_method());

		ck_assert(SSL_CTX_set_min_proto_version(ctx, version));
		ck_assert(SSL_CTX_set_max_proto_version(ctx, version));
		SSL_CTX_set_security_level(ctx, 0);
		if (suite != NULL)
			ck_assert(version == TLS1_3_VERSION
				? SSL_CTX_set_ciphersuites(ctx, suite)
				: SSL_CTX_set_cipher_list(ctx, suite));
		t->ctx[i] = ctx;
	}
	talk_certify(t->ctx[CAP_DOWN]);
	SSL_CTX_set_keylog_callback(t->ctx[CAP_UP], talk_log);
}

static inline void
talk_connect(struct talk *t)
{
	for (int i = 0; i < 2; i++) {
		t->ssl[i] = SSL_new(t->ctx[i]);
		SSL_set_app_data(t->ssl[i], t);
		SSL_set_bio(
		    t->ssl[i], BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
	}
	SSL_set_connect_state(t->ssl[CAP_UP]);
	SSL_set_accept_state(t->ssl[CAP_DOWN]);
}

/* What one end has to say goes to the other, as one flight. */
static inline size_t
talk_carry(struct talk *t, enum cap_dir dir)
{
	BIO *from = SSL_get_wbio(t->ssl[dir]);
	size_t n = BIO_ctrl_pending(from);
	uint8_t *tail;

	if (n == 0)
		return 0;
	ck_assert_int_eq(bnet_buf_room(&t->wire, n, &tail), BNET_OK);
	ck_assert_int_eq(BIO_read(from, tail, (int)n), (int)n);
	ck_assert_int_eq(
	    BIO_write(SSL_get_rbio(t->ssl[!dir]), tail, (int)n), (int)n);
	ck_assert_uint_lt(t->n_flights, TALK_MAX);
	t->flights[t->n_flights++] =
	    (struct talk_flight){ dir, t->wire.len, n };
	bnet_buf_added(&t->wire, n);
	t->stream_len[dir] += n;
	return n;
}

/* Read whatever waits, so that key updates and tickets are handled. */
static inline void
talk_settle(struct talk *t)
{
	uint8_t block[4096];

	do {
		for (int i = 0; i < 2; i++) {
			while (SSL_read(t->ssl[i], block, sizeof(block)) > 0)
				;
		}
	} while (talk_carry(t, CAP_UP) + talk_carry(t, CAP_DOWN) > 0);
}

static inline void
talk_shake(struct talk *t)
{
	for (int rounds = 0; rounds < 8; rounds++) {
		(void)SSL_do_handshake(t->ssl[CAP_UP]);
		(void)talk_carry(t, CAP_UP);
		(void)SSL_do_handshake(t->ssl[CAP_DOWN]);
		(void)talk_carry(t, CAP_DOWN);
	}
	ck_assert(SSL_is_init_finished(t->ssl[CAP_UP]));
	ck_assert(SSL_is_init_finished(t->ssl[CAP_DOWN]));
	talk_settle(t);
}

/* A message of `n` bytes, all of them different from message to message. */
static inline void
talk_say(struct talk *t, enum cap_dir dir, size_t n)
{
	struct talk_message *m = &t->messages[t->n_messages];
	uint8_t *tail;

	ck_assert_uint_lt(t->n_messages, TALK_MAX);
	ck_assert_int_eq(bnet_buf_room(&t->plain, n, &tail), BNET_OK);
	for (size_t i = 0; i < n; i++)
		tail[i] = (uint8_t)((t->n_messages + 1) * 37 + i * i / 3);
	*m = (struct talk_message){ .dir = dir,
		.stream_at = t->stream_len[dir],
		.plain_at = t->plain.len,
		.plain_len = n };
	bnet_buf_added(&t->plain, n);
	ck_assert_int_eq(SSL_write(t->ssl[dir], tail, (int)n), (int)n);
	m->stream_len = talk_carry(t, dir);
	/* a key update may have gone out in front of it */
	tail = t->wire.p + t->flights[t->n_flights - 1].at;
	for (size_t r;
	     (r = 5 + ((size_t)tail[3] << 8 | tail[4])) < m->stream_len;
	     tail += r) {
		m->stream_at += r;
		m->stream_len -= r;
	}
	t->n_messages++;
	talk_settle(t);
}

static inline void
talk_update(struct talk *t, enum cap_dir dir, int request)
{
	ck_assert(SSL_key_update(t->ssl[dir], request));
	ck_assert_int_eq(SSL_do_handshake(t->ssl[dir]), 1);
	ck_assert_uint_ne(talk_carry(t, dir), 0);
	talk_settle(t);
}

static inline void
talk_close(struct talk *t)
{
	for (int i = 0; i < 2; i++) {
		(void)SSL_shutdown(t->ssl[i]);
		(void)talk_carry(t, i == 0 ? CAP_UP : CAP_DOWN);
	}
}

/* A conversation of every size, in both directions, with key updates. */
static inline void
talk_converse(struct talk *t)
{
	static const size_t sizes[] = { 1, 128, 37, 1448, 9000, 16384, 250, 128,
		128, 4096, 2, 700 };

	for (size_t i = 0; i < 3 * sizeof(sizes) / sizeof(sizes[0]); i++) {
		size_t n = sizes[i % (sizeof(sizes) / sizeof(sizes[0]))];

		talk_say(t, i % 3 == 1 ? CAP_DOWN : CAP_UP, n);
		if (SSL_version(t->ssl[CAP_UP]) != TLS1_3_VERSION)
			continue;
		if (i == 10)
			talk_update(t, CAP_UP, SSL_KEY_UPDATE_REQUESTED);
		if (i == 20)
			talk_update(t, CAP_DOWN, SSL_KEY_UPDATE_NOT_REQUESTED);
	}
	talk_close(t);
}

static inline void
talk_disconnect(struct talk *t)
{
	for (int i = 0; i < 2; i++) {
		SSL_free(t->ssl[i]);
		t->ssl[i] = NULL;
	}
}

static inline void
talk_free(struct talk *t)
{
	talk_disconnect(t);
	for (int i = 0; i < 2; i++)
		SSL_CTX_free(t->ctx[i]);
	cap_keylog_free(t->keylog);
	bnet_buf_free(&t->keytext);
	bnet_buf_free(&t->wire);
	bnet_buf_free(&t->plain);
}

#endif
