/* SPDX-License-Identifier: MIT */
/* bnet_tls: one connection. What connections share is in tls_ctx.c. */
#include "tls.h"
#include "tls_impl.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REASON_BYTES 128

struct bnet_tls {
	SSL *ssl; /* owns its half of the pair */
	BIO *net; /* ours */
	struct bnet_tls_ctx *ctx; /* counted */
	enum bnet_err lost; /* BNET_OK, or what every call returns now */
	bool ready;
	bool peer_closed; /* close_notify came */
	char reason[REASON_BYTES];
};

/* The calls that move bytes through the pair, so that one loop does all. */
enum op {
	OP_HANDSHAKE,
	OP_PEEK,
	OP_READ,
	OP_WRITE,
	OP_SHUTDOWN
};

struct io {
	const uint8_t *from; /* OP_WRITE */
	uint8_t *to; /* OP_PEEK, OP_READ */
	size_t len;
	size_t n_done;
};

static enum bnet_err
lose(struct bnet_tls *tls, enum bnet_err err, const char *why)
{
	tls->lost = err;
	if (why != NULL)
		(void)snprintf(tls->reason, sizeof(tls->reason), "%s", why);
	return err;
}

/* SSL_ERROR_SSL or worse: what does OpenSSL say? */
static enum bnet_err
fail(struct bnet_tls *tls)
{
	unsigned long e = ERR_peek_error();
	long verify = SSL_get_verify_result(tls->ssl);

	tls->lost = bnet_tls_take_errors(NULL, tls->reason, REASON_BYTES);
	if (ERR_GET_LIB(e) == ERR_LIB_SSL &&
	    ERR_GET_REASON(e) == SSL_R_CERTIFICATE_VERIFY_FAILED)
		(void)snprintf(tls->reason, REASON_BYTES,
		    "certificate not accepted: %s",
		    X509_verify_cert_error_string(verify));
	if (verify == X509_V_ERR_OUT_OF_MEM)
		tls->lost = BNET_ENOMEM;
	return tls->lost;
}

static int
call(SSL *ssl, enum op op, struct io *io)
{
	switch (op) {
	case OP_HANDSHAKE:
		return SSL_do_handshake(ssl);
	case OP_PEEK:
		return SSL_peek_ex(ssl, io->to, io->len, &io->n_done);
	case OP_READ:
		return SSL_read_ex(ssl, io->to, io->len, &io->n_done);
	case OP_WRITE:
		return SSL_write_ex(ssl, io->from, io->len, &io->n_done);
	case OP_SHUTDOWN: /* 0: sent, and not waiting for the peer's */
		return SSL_shutdown(ssl) < 0 ? -1 : 1;
	}
	return -1;
}

/* Move what OpenSSL put into the pair to `wire`. */
static enum bnet_err
drain(struct bnet_tls *tls, struct bnet_buf *wire)
{
	uint8_t *tail;
	size_t n;
	int got;
	enum bnet_err err;

	while ((n = BIO_ctrl_pending(tls->net)) > 0) {
		err = bnet_buf_room(wire, n, &tail);
		if (err != BNET_OK)
			return lose(tls, err, bnet_strerror(err));
		got = BIO_read(tls->net, tail, (int)n);
		if (got <= 0)
			return lose(tls, BNET_ETLS, "BIO pair is stuck");
		bnet_buf_added(wire, (size_t)got);
	}
	return BNET_OK;
}

/*
 * One call, repeated while only the size of the pair stops it.
 *	BNET_OK		done
 *	BNET_MORE	it wants ciphertext; the pair is empty
 *	else		as bnet_tls_feed()
 */
static enum bnet_err
run(struct bnet_tls *tls, enum op op, struct io *io, struct bnet_buf *wire)
{
	enum bnet_err err;
	int ret, why;

	do {
		ERR_clear_error(); /* SSL_get_error() looks into the queue */
		ret = call(tls->ssl, op, io);
		why = ret > 0 ? SSL_ERROR_NONE : SSL_get_error(tls->ssl, ret);
		err = BNET_OK;
		if (why == SSL_ERROR_SSL || why == SSL_ERROR_SYSCALL)
			err = fail(tls);
		if (drain(tls, wire) != BNET_OK)
			return tls->lost;
		if (err != BNET_OK)
			return err;
	} while (why == SSL_ERROR_WANT_WRITE);
	switch (why) {
	case SSL_ERROR_NONE:
		return BNET_OK;
	case SSL_ERROR_WANT_READ:
		return BNET_MORE;
	case SSL_ERROR_ZERO_RETURN:
		tls->peer_closed = true;
		return BNET_CLOSED;
	default:
		return lose(tls, BNET_ETLS, "OpenSSL waits for a callback");
	}
}

static enum bnet_err
handshake(struct bnet_tls *tls, struct bnet_buf *wire)
{
	enum bnet_err err = run(tls, OP_HANDSHAKE, NULL, wire);

	if (err != BNET_OK)
		return err;
	if (tls->ctx->require_alpn && !bnet_tls_alpn(tls)) {
		/* a server refused it with an alert; a client can only go */
		err = run(tls, OP_SHUTDOWN, NULL, wire);
		if (err != BNET_OK)
			return err;
		return lose(
		    tls, BNET_ETLS, "the peer did not agree on " BNET_TLS_ALPN);
	}
	tls->ready = true;
	return BNET_OK;
}

/* Append all plaintext there is. BNET_MORE when the pair is empty. */
static enum bnet_err
read_all(struct bnet_tls *tls, struct bnet_buf *plain, struct bnet_buf *wire)
{
	uint8_t first;
	struct io io;
	enum bnet_err err;

	for (;;) {
		/* decrypts a record, so that we ask for no more room */
		io = (struct io){ .to = &first, .len = 1 };
		err = run(tls, OP_PEEK, &io, wire);
		if (err != BNET_OK)
			return err;
		io.len = (size_t)SSL_pending(tls->ssl);
		err = bnet_buf_room(plain, io.len, &io.to);
		if (err != BNET_OK)
			return lose(tls, err, bnet_strerror(err));
		err = run(tls, OP_READ, &io, wire);
		if (err != BNET_OK)
			return err;
		bnet_buf_added(plain, io.n_done);
	}
}

/* Go as far as the ciphertext in the pair allows. */
static enum bnet_err
advance(struct bnet_tls *tls, struct bnet_buf *plain, struct bnet_buf *wire)
{
	enum bnet_err err = BNET_OK;

	if (!tls->ready)
		err = handshake(tls, wire);
	if (err == BNET_OK && plain != NULL)
		err = read_all(tls, plain, wire);
	return err == BNET_MORE ? BNET_OK : err;
}

/* A name goes into SNI, an address does not; either is demanded. */
static enum bnet_err
set_host(struct bnet_tls *tls, const char *host)
{
	X509_VERIFY_PARAM *param = SSL_get0_param(tls->ssl);
	char name[TLSEXT_MAXLEN_host_name + 1]; /* OpenSSL wants no const */
	size_t len = strlen(host);

	if (X509_VERIFY_PARAM_set1_ip_asc(param, host) == 1)
		return BNET_OK;
	ERR_clear_error();
	/* for OpenSSL an empty name means that any will do */
	if (len == 0 || len >= sizeof(name))
		return lose(tls, BNET_ETLS, "not a host name");
	memcpy(name, host, len + 1);
	SSL_set_hostflags(tls->ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	if (SSL_set_tlsext_host_name(tls->ssl, name) == 1 &&
	    SSL_set1_host(tls->ssl, name) == 1)
		return BNET_OK;
	return bnet_tls_take_errors("host", tls->reason, REASON_BYTES);
}

static bool
make_pair(struct bnet_tls *tls)
{
	BIO *own;

	tls->ssl = SSL_new(tls->ctx->ssl_ctx);
	if (tls->ssl == NULL ||
	    BIO_new_bio_pair(&own, tls->ctx->pair_bytes, &tls->net,
		tls->ctx->pair_bytes) != 1)
		return false;
	SSL_set_bio(tls->ssl, own, own);
	if (tls->ctx->role == BNET_TLS_SERVER)
		SSL_set_accept_state(tls->ssl);
	else
		SSL_set_connect_state(tls->ssl);
	return true;
}

struct bnet_tls *
bnet_tls_new(struct bnet_tls_ctx *ctx, const char *host)
{
	struct bnet_tls *tls = calloc(1, sizeof(*tls));

	if (tls == NULL)
		return NULL;
	ERR_clear_error();
	atomic_fetch_add(&ctx->n_refs, 1);
	tls->ctx = ctx;
	if (!make_pair(tls))
		tls->lost = BNET_ENOMEM;
	else if (host != NULL && ctx->role == BNET_TLS_CLIENT)
		tls->lost = set_host(tls, host);
	ERR_clear_error();
	if (tls->lost == BNET_ENOMEM) {
		bnet_tls_free(tls);
		return NULL;
	}
	return tls; /* where the host is no name, start() tells */
}

void
bnet_tls_free(struct bnet_tls *tls)
{
	if (tls == NULL)
		return;
	SSL_free(tls->ssl);
	BIO_free(tls->net);
	bnet_tls_ctx_free(tls->ctx);
	free(tls);
}

enum bnet_err
bnet_tls_start(struct bnet_tls *tls, struct bnet_buf *wire)
{
	return bnet_tls_feed(tls, (struct bnet_slice){ 0 }, NULL, wire);
}

enum bnet_err
bnet_tls_feed(struct bnet_tls *tls, struct bnet_slice in,
    struct bnet_buf *plain, struct bnet_buf *wire)
{
	enum bnet_err err;
	int n;

	if (tls->lost != BNET_OK)
		return tls->lost;
	if (tls->peer_closed)
		return BNET_CLOSED;
	do {
		if (in.len > 0) {
			n = BIO_write(tls->net, in.p,
			    in.len > INT_MAX ? INT_MAX : (int)in.len);
			if (n <= 0)
				return lose(
				    tls, BNET_ETLS, "BIO pair is stuck");
			in = bnet_slice_from(in, (size_t)n);
		}
		err = advance(tls, plain, wire);
	} while (err == BNET_OK && in.len > 0);
	ERR_clear_error();
	return err;
}

enum bnet_err
bnet_tls_send(
    struct bnet_tls *tls, struct bnet_slice plain, struct bnet_buf *wire)
{
	struct io io;
	enum bnet_err err = tls->lost;

	if (err == BNET_OK && !tls->ready)
		return BNET_MORE;
	while (err == BNET_OK && plain.len > 0) {
		io = (struct io){ .from = plain.p, .len = plain.len };
		err = run(tls, OP_WRITE, &io, wire);
		if (err == BNET_OK)
			plain = bnet_slice_from(plain, io.n_done);
	}
	ERR_clear_error();
	return err;
}

enum bnet_err
bnet_tls_close(struct bnet_tls *tls, struct bnet_buf *wire)
{
	enum bnet_err err = tls->lost;

	/* once; and a handshake has no place for it */
	if (err == BNET_OK && tls->ready &&
	    (SSL_get_shutdown(tls->ssl) & SSL_SENT_SHUTDOWN) == 0)
		err = run(tls, OP_SHUTDOWN, NULL, wire);
	ERR_clear_error();
	return err;
}

enum bnet_err
bnet_tls_end(const struct bnet_tls *tls)
{
	return tls->peer_closed ? BNET_CLOSED : BNET_ECUT;
}

bool
bnet_tls_ready(const struct bnet_tls *tls)
{
	return tls->ready;
}

enum bnet_tls_version
bnet_tls_version(const struct bnet_tls *tls)
{
	if (!tls->ready)
		return 0;
	return SSL_version(tls->ssl) == TLS1_3_VERSION ? BNET_TLS_1_3
						       : BNET_TLS_1_2;
}

bool
bnet_tls_alpn(const struct bnet_tls *tls)
{
	const unsigned char *name;
	unsigned len;

	SSL_get0_alpn_selected(tls->ssl, &name, &len);
	return len == sizeof(BNET_TLS_ALPN) - 1 &&
	    memcmp(name, BNET_TLS_ALPN, len) == 0;
}

struct x509_st *
bnet_tls_peer_cert(const struct bnet_tls *tls)
{
	return SSL_get0_peer_certificate(tls->ssl);
}

const char *
bnet_tls_reason(const struct bnet_tls *tls)
{
	return tls->reason;
}
