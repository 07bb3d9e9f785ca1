/* SPDX-License-Identifier: MIT */
/* bnet_tls_ctx: settings become what the connections share. */
#include "tls_impl.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* OpenSSL writes an alert once and does not come back to it: it has to fit */
#define PAIR_MIN_BYTES 256

/* as on the wire: a length byte before the name */
static const unsigned char alpn_list[] = "\x09" BNET_TLS_ALPN;
#define ALPN_LIST_BYTES (sizeof(alpn_list) - 1)

_Static_assert(sizeof(BNET_TLS_ALPN) - 1 == 9, "length byte of alpn_list");

/* Is it an alert that the peer sent, as OpenSSL numbers them? */
static bool
is_alert(unsigned long e)
{
	int code = ERR_GET_REASON(e);

	return ERR_GET_LIB(e) == ERR_LIB_SSL && code > SSL_AD_REASON_OFFSET &&
	    code <= SSL_AD_REASON_OFFSET + UINT8_MAX;
}

enum bnet_err
bnet_tls_take_errors(const char *what, char *reason, size_t reason_bytes)
{
	unsigned long e, told = ERR_peek_error();
	enum bnet_err err = BNET_ETLS;
	const char *words;

	while ((e = ERR_get_error()) != 0) {
		/* TLS's own words say more than those of a cipher below it */
		if (ERR_GET_LIB(told) != ERR_LIB_SSL &&
		    ERR_GET_LIB(e) == ERR_LIB_SSL)
			told = e;
		if (ERR_GET_REASON(e) == ERR_R_MALLOC_FAILURE)
			err = BNET_ENOMEM;
	}
	words = ERR_reason_error_string(told);
	if (is_alert(told)) {
		what = "alert from the peer";
		words = SSL_alert_desc_string_long(
		    ERR_GET_REASON(told) - SSL_AD_REASON_OFFSET);
	}
	if (words == NULL)
		words = "unknown error";
	if (reason != NULL)
		(void)snprintf(reason, reason_bytes, "%s%s%s",
		    what == NULL ? "" : what, what == NULL ? "" : ": ", words);
	return err;
}

/* Without it OpenSSL would ask for a passphrase on the terminal. */
static int
no_passphrase(char *buf, int size, int rwflag, void *arg)
{
	(void)buf, (void)size, (void)rwflag, (void)arg;
	return -1;
}

static BIO *
pem_bio(struct bnet_slice pem)
{
	return BIO_new_mem_buf(pem.p, (int)pem.len);
}

/* The first certificate of `pem` is ours, the others are its chain. */
static bool
take_cert(struct bnet_tls_ctx *ctx, X509 *cert, size_t i)
{
	if (i > 0)
		return SSL_CTX_add1_chain_cert(ctx->ssl_ctx, cert) == 1;
	return SSL_CTX_use_certificate(ctx->ssl_ctx, cert) == 1;
}

static bool
take_ca(struct bnet_tls_ctx *ctx, X509 *cert, size_t i)
{
	X509_STORE *store = SSL_CTX_get_cert_store(ctx->ssl_ctx);

	(void)i;
	if (X509_STORE_add_cert(store, cert) != 1)
		return false;
	/* so that a client with several certificates knows which to show */
	return ctx->role != BNET_TLS_SERVER ||
	    SSL_CTX_add_client_CA(ctx->ssl_ctx, cert) == 1;
}

/* Give each certificate of `pem`, at least one, to `take`. */
static bool
each_cert(struct bnet_tls_ctx *ctx, struct bnet_slice pem,
    bool (*take)(struct bnet_tls_ctx *, X509 *, size_t))
{
	BIO *bio = pem_bio(pem);
	X509 *cert;
	size_t n = 0;
	bool ok = bio != NULL;

	while (ok) {
		cert = PEM_read_bio_X509(bio, NULL, no_passphrase, NULL);
		if (cert == NULL)
			break;
		ok = take(ctx, cert, n++);
		X509_free(cert);
	}
	BIO_free(bio);
	if (!ok || n == 0)
		return false;
	if (ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
		return false; /* damage, not the end of the text */
	ERR_clear_error();
	return true;
}

static bool
load_key(struct bnet_tls_ctx *ctx, struct bnet_slice pem)
{
	BIO *bio = pem_bio(pem);
	EVP_PKEY *key = NULL;
	bool ok;

	if (bio != NULL)
		key = PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL);
	ok = key != NULL && SSL_CTX_use_PrivateKey(ctx->ssl_ctx, key) == 1 &&
	    SSL_CTX_check_private_key(ctx->ssl_ctx) == 1;
	EVP_PKEY_free(key);
	BIO_free(bio);
	return ok;
}

/* The server's choice among what the client offers. */
static int
choose_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_bytes,
    const unsigned char *in, unsigned in_bytes, void *arg)
{
	const struct bnet_tls_ctx *ctx = arg;
	unsigned char *name;

	(void)ssl;
	if (SSL_select_next_proto(&name, out_bytes, alpn_list, ALPN_LIST_BYTES,
		in, in_bytes) == OPENSSL_NPN_NEGOTIATED) {
		*out = name;
		return SSL_TLSEXT_ERR_OK;
	}
	return ctx->require_alpn ? SSL_TLSEXT_ERR_ALERT_FATAL
				 : SSL_TLSEXT_ERR_NOACK;
}

/* choose_alpn() is not asked where a client offers nothing at all. */
static int
need_alpn(SSL *ssl, int *alert, void *arg)
{
	const unsigned char *ext;
	size_t ext_bytes;

	(void)arg;
	if (SSL_client_hello_get0_ext(ssl,
		TLSEXT_TYPE_application_layer_protocol_negotiation, &ext,
		&ext_bytes) == 1)
		return SSL_CLIENT_HELLO_SUCCESS;
	*alert = SSL_AD_NO_APPLICATION_PROTOCOL;
	ERR_raise(ERR_LIB_SSL, SSL_R_NO_APPLICATION_PROTOCOL);
	return SSL_CLIENT_HELLO_ERROR;
}

static void
on_keylog(const SSL *ssl, const char *line)
{
	const struct bnet_tls_ctx *ctx =
	    SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));

	ctx->keylog(ctx->keylog_arg, line);
}

/* Any certificate will do; whose it is, the caller judges. */
static int
accept_any(X509_STORE_CTX *store_ctx, void *arg)
{
	(void)arg;
	X509_STORE_CTX_set_error(store_ctx, X509_V_OK);
	return 1;
}

static void
set_verify(SSL_CTX *ssl_ctx, const struct bnet_tls_settings *set)
{
	bool have_ca = set->ca_pem.len > 0;
	int mode = SSL_VERIFY_NONE;

	if (have_ca || set->require_peer_cert)
		mode = SSL_VERIFY_PEER;
	if (set->require_peer_cert)
		mode |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT; /* a server's */
	SSL_CTX_set_verify(ssl_ctx, mode, NULL);
	if (!have_ca)
		SSL_CTX_set_cert_verify_callback(ssl_ctx, accept_any, NULL);
	/* what we are told to trust need not be a root */
	(void)X509_VERIFY_PARAM_set_flags(
	    SSL_CTX_get0_param(ssl_ctx), X509_V_FLAG_PARTIAL_CHAIN);
}

static int
proto_version(enum bnet_tls_version version, int otherwise)
{
	switch (version) {
	case BNET_TLS_1_2:
		return TLS1_2_VERSION;
	case BNET_TLS_1_3:
		return TLS1_3_VERSION;
	default:
		return otherwise;
	}
}

static bool
set_protocol(struct bnet_tls_ctx *ctx, const struct bnet_tls_settings *set)
{
	SSL_CTX *c = ctx->ssl_ctx;
	int low = proto_version(set->version_min, TLS1_2_VERSION);
	int high = proto_version(set->version_max, TLS1_3_VERSION);

	(void)SSL_CTX_set_mode(
	    c, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE);
	(void)SSL_CTX_set_options(c,
	    SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET | SSL_OP_NO_COMPRESSION);
	(void)SSL_CTX_set_session_cache_mode(c, SSL_SESS_CACHE_OFF);
	if (SSL_CTX_set_num_tickets(c, 0) != 1 ||
	    SSL_CTX_set_min_proto_version(c, low) != 1 ||
	    SSL_CTX_set_max_proto_version(c, high) != 1)
		return false;
	if (ctx->keylog != NULL)
		SSL_CTX_set_keylog_callback(c, on_keylog);
	if (ctx->role == BNET_TLS_CLIENT)
		return SSL_CTX_set_alpn_protos(c, alpn_list, ALPN_LIST_BYTES) ==
		    0;
	SSL_CTX_set_alpn_select_cb(c, choose_alpn, ctx);
	if (ctx->require_alpn)
		SSL_CTX_set_client_hello_cb(c, need_alpn, NULL);
	return true;
}

/* Returns the name of the setting that is not usable, or NULL. */
static const char *
apply(struct bnet_tls_ctx *ctx, const struct bnet_tls_settings *set)
{
	if (!set_protocol(ctx, set))
		return "protocol";
	set_verify(ctx->ssl_ctx, set);
	if (set->ca_pem.len > 0 && !each_cert(ctx, set->ca_pem, take_ca))
		return "CA";
	if (set->cert_pem.len > 0 && !each_cert(ctx, set->cert_pem, take_cert))
		return "certificate";
	if (set->key_pem.len > 0 && !load_key(ctx, set->key_pem))
		return "private key";
	return NULL;
}

/* What no library call would notice. Returns what is wrong, or NULL. */
static const char *
judge(const struct bnet_tls_settings *set)
{
	if (set->cert_pem.len > INT_MAX || set->key_pem.len > INT_MAX ||
	    set->ca_pem.len > INT_MAX)
		return "PEM text is too long";
	if (set->cert_pem.len == 0 && set->role == BNET_TLS_SERVER)
		return "a server needs a certificate";
	if ((set->cert_pem.len == 0) != (set->key_pem.len == 0))
		return "certificate and private key come together";
	if (set->version_min != 0 && set->version_max != 0 &&
	    set->version_min > set->version_max)
		return "lowest TLS version is above the highest";
	return NULL;
}

static struct bnet_tls_ctx *
ctx_alloc(const struct bnet_tls_settings *set)
{
	struct bnet_tls_ctx *ctx = calloc(1, sizeof(*ctx));

	if (ctx == NULL)
		return NULL;
	atomic_init(&ctx->n_refs, 1);
	ctx->role = set->role;
	ctx->require_alpn = set->require_alpn;
	ctx->pair_bytes = set->pair_bytes;
	if (ctx->pair_bytes == 0)
		ctx->pair_bytes = BNET_TLS_PAIR_BYTES;
	if (ctx->pair_bytes < PAIR_MIN_BYTES)
		ctx->pair_bytes = PAIR_MIN_BYTES;
	ctx->keylog = set->keylog;
	ctx->keylog_arg = set->keylog_arg;
	ctx->ssl_ctx =
	    SSL_CTX_new(set->role == BNET_TLS_SERVER ? TLS_server_method()
						     : TLS_client_method());
	if (ctx->ssl_ctx == NULL ||
	    SSL_CTX_set_app_data(ctx->ssl_ctx, ctx) != 1) {
		bnet_tls_ctx_free(ctx);
		return NULL;
	}
	return ctx;
}

enum bnet_err
bnet_tls_ctx_new(const struct bnet_tls_settings *set, struct bnet_tls_ctx **out,
    char *reason, size_t reason_bytes)
{
	struct bnet_tls_ctx *ctx;
	const char *bad = judge(set);
	enum bnet_err err;

	*out = NULL;
	if (reason != NULL && reason_bytes > 0)
		(void)snprintf(
		    reason, reason_bytes, "%s", bad == NULL ? "" : bad);
	if (bad != NULL)
		return BNET_ETLS;
	ERR_clear_error();
	ctx = ctx_alloc(set);
	bad = ctx == NULL ? "OpenSSL" : apply(ctx, set);
	if (bad == NULL) {
		ERR_clear_error();
		*out = ctx;
		return BNET_OK;
	}
	err = bnet_tls_take_errors(bad, reason, reason_bytes);
	if (ctx == NULL)
		err = BNET_ENOMEM;
	bnet_tls_ctx_free(ctx);
	return err;
}

void
bnet_tls_ctx_ref(struct bnet_tls_ctx *ctx)
{
	atomic_fetch_add(&ctx->n_refs, 1);
}

void
bnet_tls_ctx_free(struct bnet_tls_ctx *ctx)
{
	if (ctx == NULL || atomic_fetch_sub(&ctx->n_refs, 1) != 1)
		return;
	SSL_CTX_free(ctx->ssl_ctx);
	free(ctx);
}
