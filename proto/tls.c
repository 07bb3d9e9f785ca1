/* SPDX-License-Identifier: MIT */
/*
 * The context, which is made from settings and shared by connections; what it
 * keeps so that sessions can be resumed; then a connection.
 */
#include "tls.h"

#include "settings_impl.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* A session may be resumed for a week (RFC 8446, 4.6.1). */
#define RESUME_MAX_S 604800
#define HOSTS_MAX 64 /* whose sessions a client keeps */
#define HOST_CHARS (TLSEXT_MAXLEN_host_name + 1)
#define REASON_BYTES 128

/* The session of a client that the next connection to the host resumes. */
struct host_session {
	char host[HOST_CHARS]; /* "": of connections without */
	SSL_SESSION *session; /* owned; NULL: unused */
	time_t until_s;
};

struct bnet_tls_ctx {
	SSL_CTX *ssl_ctx;
	enum bnet_tls_role role;
	bool require_alpn;
	bool require_host; /* client */
	bool insecure;
	bool resume;
	size_t pair_bytes;
	bnet_tls_keylog *keylog;
	void *keylog_arg;
	time_t crl_until_s; /* when the first revocation list ends; 0: none */
	CRYPTO_RWLOCK *lock; /* of `hosts` */
	struct host_session *hosts; /* HOSTS_MAX; a client's, owned */
	size_t next_host; /* is replaced when all are in use */
	atomic_uint n_refs; /* connections may end in any thread */
};

struct bnet_tls {
	SSL *ssl; /* owns its half of the pair */
	BIO *net; /* ours */
	struct bnet_tls_ctx *ctx; /* counted */
	enum bnet_err lost; /* BNET_OK, or the result of every further call */
	bool ready;
	bool peer_closed; /* close_notify came */
	char *host; /* of a client that may resume; owned */
	time_t until_s; /* of the session that it offered; 0: none */
	char reason[REASON_BYTES];
};

/* OpenSSL tries to write an alert only once, so it has to fit */
#define PAIR_MIN_BYTES 256

/* as on the wire: a length byte before the name */
static const unsigned char alpn_list[] = "\x09" BNET_TLS_ALPN;
#define ALPN_LIST_BYTES (sizeof(alpn_list) - 1)

_Static_assert(sizeof(BNET_TLS_ALPN) - 1 == 9, "length byte of alpn_list");

/* Is it an alert from the peer, in OpenSSL's numbering? */
static bool
is_alert(unsigned long e)
{
	int code = ERR_GET_REASON(e);

	return ERR_GET_LIB(e) == ERR_LIB_SSL && code > SSL_AD_REASON_OFFSET &&
	    code <= SSL_AD_REASON_OFFSET + UINT8_MAX;
}

/*
 * Empty OpenSSL's error queue and describe it in `reason`: `what` as a prefix
 * if it is not NULL, then the text of the first error that matters.
 *	BNET_ENOMEM	an allocation failed
 *	BNET_ETLS	anything else
 */
static enum bnet_err
bnet_tls_take_errors(const char *what, char *reason, size_t reason_bytes)
{
	unsigned long e, first = ERR_peek_error();
	enum bnet_err err = BNET_ETLS;
	const char *words;

	while ((e = ERR_get_error()) != 0) {
		/* TLS errors are clearer than those of a cipher below */
		if (ERR_GET_LIB(first) != ERR_LIB_SSL &&
		    ERR_GET_LIB(e) == ERR_LIB_SSL)
			first = e;
		if (ERR_GET_REASON(e) == ERR_R_MALLOC_FAILURE)
			err = BNET_ENOMEM;
	}
	words = ERR_reason_error_string(first);
	if (is_alert(first)) {
		what = "alert from the peer";
		words = SSL_alert_desc_string_long(
		    ERR_GET_REASON(first) - SSL_AD_REASON_OFFSET);
	}
	if (words == NULL)
		words = "unknown error";
	if (reason != NULL)
		(void)snprintf(reason, reason_bytes, "%s%s%s",
		    what == NULL ? "" : what, what == NULL ? "" : ": ", words);
	return err;
}

/* Without this OpenSSL would ask for a passphrase on the terminal. */
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

/* Was it the end of the text, not damage? Then it is no error. */
static bool
is_end_of_pem(void)
{
	if (ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
		return false;
	ERR_clear_error();
	return true;
}

/* Use the first certificate of `pem` as ours, the others as its chain. */
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
	/* lets a client with several certificates choose the right one */
	return ctx->role != BNET_TLS_SERVER ||
	    SSL_CTX_add_client_CA(ctx->ssl_ctx, cert) == 1;
}

/* Call `take` for each certificate of `pem`; there must be at least one. */
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
	return ok && n > 0 && is_end_of_pem();
}

/* The time of OpenSSL's clock; 0: it is none. */
static time_t
time_of(const ASN1_TIME *at)
{
	int days, seconds;

	if (at == NULL || ASN1_TIME_diff(&days, &seconds, NULL, at) != 1)
		return 0;
	return time(NULL) + (time_t)days * 86400 + seconds;
}

static bool
take_crl(struct bnet_tls_ctx *ctx, X509_CRL *crl)
{
	time_t until_s = time_of(X509_CRL_get0_nextUpdate(crl));

	if (until_s != 0 &&
	    (ctx->crl_until_s == 0 || until_s < ctx->crl_until_s))
		ctx->crl_until_s = until_s;
	return X509_STORE_add_crl(SSL_CTX_get_cert_store(ctx->ssl_ctx), crl) ==
	    1;
}

/* All revocation lists of `pem`; there must be at least one. */
static bool
load_crls(struct bnet_tls_ctx *ctx, struct bnet_slice pem)
{
	BIO *bio = pem_bio(pem);
	X509_CRL *crl;
	size_t n = 0;
	bool ok = bio != NULL;

	while (ok) {
		crl = PEM_read_bio_X509_CRL(bio, NULL, no_passphrase, NULL);
		if (crl == NULL)
			break;
		ok = take_crl(ctx, crl);
		n++;
		X509_CRL_free(crl);
	}
	BIO_free(bio);
	if (!ok || n == 0 || !is_end_of_pem())
		return false;
	(void)X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(ctx->ssl_ctx),
	    X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL);
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

/* OpenSSL does not call choose_alpn() if a client offers nothing at all. */
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

/* Accept any certificate; the caller checks whose it is. */
static int
accept_any(X509_STORE_CTX *store_ctx, void *arg)
{
	(void)arg;
	X509_STORE_CTX_set_error(store_ctx, X509_V_OK);
	return 1;
}

/* A client without a CA of its own verifies with those of the system. */
static bool
needs_system_ca(const struct bnet_tls_settings *set)
{
	return set->role == BNET_TLS_CLIENT && !set->insecure &&
	    set->ca_pem.len == 0;
}

static void
set_verify(SSL_CTX *ssl_ctx, const struct bnet_tls_settings *set)
{
	int mode = SSL_VERIFY_NONE;

	if (set->role == BNET_TLS_CLIENT || set->ca_pem.len > 0 ||
	    set->require_peer_cert)
		mode = SSL_VERIFY_PEER;
	if (set->require_peer_cert)
		mode |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT; /* a server's */
	SSL_CTX_set_verify(ssl_ctx, mode, NULL);
	if (set->insecure)
		SSL_CTX_set_cert_verify_callback(ssl_ctx, accept_any, NULL);
	/* a trusted certificate need not be a root */
	(void)X509_VERIFY_PARAM_set_flags(
	    SSL_CTX_get0_param(ssl_ctx), X509_V_FLAG_PARTIAL_CHAIN);
}

/* ---- resumption ---- */

/*
 * Until when what the handshake verified may be relied on: every certificate
 * of the chain, and the revocation lists, are valid for so long.
 */
static time_t
verified_until(SSL *ssl, const struct bnet_tls_ctx *ctx)
{
	STACK_OF(X509) *chain = SSL_get0_verified_chain(ssl);
	time_t until_s = time(NULL) + RESUME_MAX_S, at_s;

	if (ctx->crl_until_s != 0 && ctx->crl_until_s < until_s)
		until_s = ctx->crl_until_s;
	for (int i = 0; i < sk_X509_num(chain); i++) {
		at_s = time_of(X509_get0_notAfter(sk_X509_value(chain, i)));
		if (at_s < until_s)
			until_s = at_s;
	}
	return until_s;
}

/*
 * What we add to a ticket, after the peer's certificate, which OpenSSL puts
 * there: until when it may be used, and the issuers that the peer sent, so that
 * bnet_tls_ctx_refuses() can judge a resumed session, too.
 */
#define TICKET_UNTIL_BYTES 8
#define TICKET_MAX_BYTES 16384

static bool
put_issuer(uint8_t *data, size_t *n, X509 *cert)
{
	uint8_t *at = data + *n;
	int len = i2d_X509(cert, NULL);

	if (len <= 0 || (size_t)len > TICKET_MAX_BYTES - *n)
		return false;
	*n += (size_t)i2d_X509(cert, &at);
	return true;
}

/* OpenSSL is about to make a ticket. 0 would end the connection. */
static int
on_ticket(SSL *ssl, void *arg)
{
	STACK_OF(X509) *sent = SSL_get_peer_cert_chain(ssl);
	uint64_t until_s;
	uint8_t *data;
	size_t n = TICKET_UNTIL_BYTES;
	int ok;

	if (SSL_session_reused(ssl))
		return 1; /* it has that of the ticket before it */
	data = malloc(TICKET_MAX_BYTES);
	if (data == NULL) {
		ERR_raise(ERR_LIB_SSL, ERR_R_MALLOC_FAILURE);
		return 0;
	}
	until_s = (uint64_t)verified_until(ssl, arg);
	for (int i = 0; i < sk_X509_num(sent); i++)
		if (!put_issuer(data, &n, sk_X509_value(sent, i)))
			until_s = 0; /* too long: this one is not resumed */
	for (int i = 0; i < TICKET_UNTIL_BYTES; i++)
		data[i] = (uint8_t)(until_s >> (56 - 8 * i));
	ok = SSL_SESSION_set1_ticket_appdata(SSL_get_session(ssl), data, n);
	free(data);
	return ok;
}

/* A client shows a ticket. */
static SSL_TICKET_RETURN
on_ticket_back(SSL *ssl, SSL_SESSION *session, const unsigned char *key_name,
    size_t key_name_len, SSL_TICKET_STATUS status, void *arg)
{
	uint64_t until_s = 0;
	void *data = NULL;
	size_t n = 0;

	(void)ssl, (void)key_name, (void)key_name_len, (void)arg;
	if (status != SSL_TICKET_SUCCESS && status != SSL_TICKET_SUCCESS_RENEW)
		return SSL_TICKET_RETURN_IGNORE_RENEW;
	if (SSL_SESSION_get0_ticket_appdata(session, &data, &n) != 1 ||
	    n < TICKET_UNTIL_BYTES)
		return SSL_TICKET_RETURN_IGNORE_RENEW;
	for (int i = 0; i < TICKET_UNTIL_BYTES; i++)
		until_s = until_s << 8 | ((const uint8_t *)data)[i];
	if (until_s <= (uint64_t)time(NULL))
		return SSL_TICKET_RETURN_IGNORE_RENEW;
	return SSL_TICKET_RETURN_USE; /* again and again: ours keeps it */
}

static struct host_session *
host_find(struct bnet_tls_ctx *ctx, const char *host)
{
	for (size_t i = 0; i < HOSTS_MAX && ctx->hosts[i].session != NULL; i++)
		if (strcmp(ctx->hosts[i].host, host) == 0)
			return &ctx->hosts[i];
	return NULL;
}

/* Keep a session, which becomes ours, in place of the host's or another's. */
static void
host_keep(struct bnet_tls_ctx *ctx, const char *host, SSL_SESSION *session,
    time_t until_s)
{
	struct host_session *at = host_find(ctx, host);

	if (at == NULL)
		at = &ctx->hosts[ctx->next_host++ % HOSTS_MAX];
	SSL_SESSION_free(at->session);
	at->session = session;
	at->until_s = until_s;
	memcpy(at->host, host, strlen(host) + 1);
}

/*
 * The server gave a session. We keep a copy, since OpenSSL marks that of a
 * connection that is cut as not resumable: those who return are of this kind.
 */
static int
on_session(SSL *ssl, SSL_SESSION *session)
{
	const struct bnet_tls *tls = SSL_get_app_data(ssl);
	time_t until_s = SSL_session_reused(ssl)
	    ? tls->until_s
	    : verified_until(ssl, tls->ctx);
	SSL_SESSION *copy;

	if (tls->host == NULL || CRYPTO_THREAD_write_lock(tls->ctx->lock) != 1)
		return 0;
	copy = SSL_SESSION_dup(session);
	if (copy != NULL)
		host_keep(tls->ctx, tls->host, copy, until_s);
	CRYPTO_THREAD_unlock(tls->ctx->lock);
	return 0; /* OpenSSL keeps its own reference */
}

/* Offer the session of the host, if there is one that is still good. */
static void
offer_session(struct bnet_tls *tls)
{
	struct bnet_tls_ctx *ctx = tls->ctx;
	struct host_session *at;
	SSL_SESSION *copy = NULL;

	if (CRYPTO_THREAD_write_lock(ctx->lock) != 1)
		return;
	at = host_find(ctx, tls->host);
	if (at != NULL && at->until_s > time(NULL)) {
		copy = SSL_SESSION_dup(at->session);
		tls->until_s = at->until_s;
	}
	CRYPTO_THREAD_unlock(ctx->lock);
	if (copy != NULL && SSL_set_session(tls->ssl, copy) != 1)
		tls->until_s = 0;
	SSL_SESSION_free(copy);
}

/* The handshake that offered a session failed: the next one is in full. */
static void
forget_session(const struct bnet_tls *tls)
{
	struct host_session *at;

	if (tls->ready || tls->until_s == 0 ||
	    CRYPTO_THREAD_write_lock(tls->ctx->lock) != 1)
		return;
	at = host_find(tls->ctx, tls->host);
	if (at != NULL)
		at->until_s = 0;
	CRYPTO_THREAD_unlock(tls->ctx->lock);
}

static void
free_sessions(struct bnet_tls_ctx *ctx)
{
	for (size_t i = 0; ctx->hosts != NULL && i < HOSTS_MAX; i++)
		SSL_SESSION_free(ctx->hosts[i].session);
	free(ctx->hosts);
	CRYPTO_THREAD_lock_free(ctx->lock);
}

/* The keys of the tickets are the SSL_CTX's: random, and gone with it. */
static bool
resume_server(struct bnet_tls_ctx *ctx)
{
	unsigned char name[SSL_MAX_SID_CTX_LENGTH];

	return RAND_bytes(name, sizeof(name)) == 1 &&
	    SSL_CTX_set_session_id_context(ctx->ssl_ctx, name, sizeof(name)) ==
	    1 &&
	    SSL_CTX_set_session_ticket_cb(
		ctx->ssl_ctx, on_ticket, on_ticket_back, ctx) == 1 &&
	    SSL_CTX_set_num_tickets(ctx->ssl_ctx, 1) == 1;
}

static bool
set_resume(struct bnet_tls_ctx *ctx)
{
	SSL_CTX *c = ctx->ssl_ctx;

	if (!ctx->resume) {
		(void)SSL_CTX_set_options(c, SSL_OP_NO_TICKET);
		return SSL_CTX_set_num_tickets(c, 0) == 1;
	}
	(void)SSL_CTX_set_timeout(c, RESUME_MAX_S);
	if (ctx->role == BNET_TLS_SERVER)
		return resume_server(ctx);
	ctx->hosts = calloc(HOSTS_MAX, sizeof(*ctx->hosts));
	ctx->lock = CRYPTO_THREAD_lock_new();
	if (ctx->hosts == NULL || ctx->lock == NULL) {
		ERR_raise(ERR_LIB_SSL, ERR_R_MALLOC_FAILURE);
		return false;
	}
	(void)SSL_CTX_set_session_cache_mode(
	    c, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(c, on_session);
	return true;
}

/* ---- the context ---- */

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
	(void)SSL_CTX_set_options(
	    c, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
	(void)SSL_CTX_set_session_cache_mode(c, SSL_SESS_CACHE_OFF);
	if (!set_resume(ctx) || SSL_CTX_set_min_proto_version(c, low) != 1 ||
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
	if (ctx->require_host &&
	    SSL_CTX_set_default_verify_paths(ctx->ssl_ctx) != 1)
		return "CAs of the system";
	if (set->ca_pem.len > 0 && !each_cert(ctx, set->ca_pem, take_ca))
		return "CA";
	if (set->crl_pem.len > 0 && !load_crls(ctx, set->crl_pem))
		return "revocation list";
	if (set->cert_pem.len > 0 && !each_cert(ctx, set->cert_pem, take_cert))
		return "certificate";
	if (set->key_pem.len > 0 && !load_key(ctx, set->key_pem))
		return "private key";
	return NULL;
}

/* Check what no library call would notice: the error text, or NULL. */
static const char *
judge(const struct bnet_tls_settings *set)
{
	if (set->cert_pem.len > INT_MAX || set->key_pem.len > INT_MAX ||
	    set->ca_pem.len > INT_MAX || set->crl_pem.len > INT_MAX)
		return "PEM text is too long";
	if (set->cert_pem.len == 0 && set->role == BNET_TLS_SERVER)
		return "a server needs a certificate";
	if ((set->cert_pem.len == 0) != (set->key_pem.len == 0))
		return "certificate and private key come together";
	if (set->insecure && set->ca_pem.len > 0)
		return "either a CA or insecure, not both";
	if (set->crl_pem.len > 0 && set->ca_pem.len == 0)
		return "revocation lists go with a CA";
	if (set->require_peer_cert && set->role == BNET_TLS_SERVER &&
	    set->ca_pem.len == 0 && !set->insecure)
		return "a CA is needed to verify the peers' certificates";
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
	ctx->insecure = set->insecure;
	ctx->resume = !set->no_resume;
	ctx->require_host = needs_system_ca(set);
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
bnet_tls_ctx_new(const struct bnet_tls_settings *theirs,
    struct bnet_tls_ctx **out, char *reason, size_t reason_bytes)
{
	struct bnet_tls_settings set;
	struct bnet_tls_ctx *ctx;
	const char *bad;
	enum bnet_err err = BNET_ETLS;

	*out = NULL;
	bad = NULL;
	if (bnet_settings_take(&set, sizeof(set),
		offsetof(struct bnet_tls_settings, no_resume), theirs)) {
		bad = judge(&set);
	} else {
		err = BNET_ESETTINGS;
		bad = bnet_strerror(err);
	}
	if (reason != NULL && reason_bytes > 0)
		(void)snprintf(
		    reason, reason_bytes, "%s", bad == NULL ? "" : bad);
	if (bad != NULL)
		return err;
	ERR_clear_error();
	ctx = ctx_alloc(&set);
	bad = ctx == NULL ? "OpenSSL" : apply(ctx, &set);
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
	free_sessions(ctx);
	free(ctx);
}

/* ---- judging a connection again ---- */

/* The issuers that the peer sent: NULL, with *err, when out of memory. */
static STACK_OF(X509) * issuers_of(const struct bnet_tls *tls)
{
	STACK_OF(X509) *sent = SSL_get_peer_cert_chain(tls->ssl), *all;
	const uint8_t *at, *end;
	void *data = NULL;
	size_t n = 0;
	X509 *cert;

	if (sent != NULL)
		return X509_chain_up_ref(sent);
	all = sk_X509_new_null();
	if (all == NULL || !SSL_session_reused(tls->ssl) ||
	    SSL_SESSION_get0_ticket_appdata(
		SSL_get_session(tls->ssl), &data, &n) != 1 ||
	    n <= TICKET_UNTIL_BYTES)
		return all;
	at = (const uint8_t *)data + TICKET_UNTIL_BYTES;
	end = (const uint8_t *)data + n;
	while (at < end && (cert = d2i_X509(NULL, &at, end - at)) != NULL)
		if (sk_X509_push(all, cert) <= 0)
			X509_free(cert);
	return all;
}

static void
free_issuers(STACK_OF(X509) * sent)
{
	X509 *cert;

	while ((cert = sk_X509_pop(sent)) != NULL)
		X509_free(cert);
	sk_X509_free(sent);
}

static const char *
verify_again(const struct bnet_tls_ctx *ctx, X509 *cert, STACK_OF(X509) * sent)
{
	X509_STORE_CTX *store_ctx = X509_STORE_CTX_new();
	const char *why = "out of memory";

	if (store_ctx != NULL &&
	    X509_STORE_CTX_init(store_ctx, SSL_CTX_get_cert_store(ctx->ssl_ctx),
		cert, sent) == 1 &&
	    X509_STORE_CTX_set_default(store_ctx,
		ctx->role == BNET_TLS_SERVER ? "ssl_client" : "ssl_server") ==
		1 &&
	    X509_VERIFY_PARAM_set1(X509_STORE_CTX_get0_param(store_ctx),
		SSL_CTX_get0_param(ctx->ssl_ctx)) == 1)
		why = X509_verify_cert(store_ctx) == 1
		    ? NULL
		    : X509_verify_cert_error_string(
			  X509_STORE_CTX_get_error(store_ctx));
	X509_STORE_CTX_free(store_ctx);
	return why;
}

const char *
bnet_tls_ctx_refuses(const struct bnet_tls_ctx *ctx, const struct bnet_tls *tls)
{
	X509 *cert = SSL_get0_peer_certificate(tls->ssl);
	STACK_OF(X509) * sent;
	const char *why;

	if (cert == NULL || ctx->insecure || ctx == tls->ctx)
		return NULL;
	ERR_set_mark(); /* another connection of this thread may look */
	sent = issuers_of(tls);
	why = verify_again(ctx, cert, sent);
	free_issuers(sent);
	ERR_pop_to_mark();
	return why;
}

/* ---- one connection ---- */

/* The calls that move bytes through the pair, so that one loop serves all. */
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

/* SSL_ERROR_SSL or worse: take the reason from OpenSSL. */
static enum bnet_err
fail(struct bnet_tls *tls)
{
	unsigned long e = ERR_peek_error();
	long verify = SSL_get_verify_result(tls->ssl);

	forget_session(tls);
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
	case OP_SHUTDOWN: /* 0: sent; we do not wait for the peer's */
		return SSL_shutdown(ssl) < 0 ? -1 : 1;
	}
	return -1;
}

/* Move OpenSSL's output from the pair to `wire`. */
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
 *	BNET_MORE	it needs ciphertext; the pair is empty
 *	else		as bnet_tls_feed()
 */
static enum bnet_err
run(struct bnet_tls *tls, enum op op, struct io *io, struct bnet_buf *wire)
{
	enum bnet_err err;
	int ret, why;

	do {
		ERR_clear_error(); /* SSL_get_error() reads the queue */
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
		/* a server refused it with an alert; a client just closes */
		err = run(tls, OP_SHUTDOWN, NULL, wire);
		if (err != BNET_OK)
			return err;
		return lose(
		    tls, BNET_ETLS, "the peer did not agree on " BNET_TLS_ALPN);
	}
	tls->ready = true;
	return BNET_OK;
}

/* Append all plaintext that is available. BNET_MORE: the pair is empty. */
static enum bnet_err
read_all(struct bnet_tls *tls, struct bnet_buf *plain, struct bnet_buf *wire)
{
	uint8_t first;
	struct io io;
	enum bnet_err err;

	for (;;) {
		/* peeking decrypts a record, so its length is known */
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

/* A name is sent as SNI, an address is not; either is verified. */
static enum bnet_err
set_host(struct bnet_tls *tls, const char *host)
{
	X509_VERIFY_PARAM *param = SSL_get0_param(tls->ssl);
	char name[TLSEXT_MAXLEN_host_name + 1]; /* OpenSSL wants no const */
	size_t len = strlen(host);

	if (X509_VERIFY_PARAM_set1_ip_asc(param, host) == 1)
		return BNET_OK;
	ERR_clear_error();
	/* OpenSSL takes an empty name to mean that any name will do */
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
	if (SSL_set_app_data(tls->ssl, tls) != 1)
		return false;
	if (tls->ctx->role == BNET_TLS_SERVER)
		SSL_set_accept_state(tls->ssl);
	else
		SSL_set_connect_state(tls->ssl);
	return true;
}

/* What was verified for a host holds for that host only. */
static enum bnet_err
set_session(struct bnet_tls *tls, const char *host)
{
	size_t n = strlen(host) + 1;

	if (n > HOST_CHARS)
		return BNET_OK; /* an address in a strange form: in full */
	tls->host = malloc(n);
	if (tls->host == NULL)
		return BNET_ENOMEM;
	memcpy(tls->host, host, n);
	offer_session(tls);
	return BNET_OK;
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
	else if (ctx->require_host)
		tls->lost = lose(tls, BNET_ETLS,
		    "a host is needed to verify the certificate");
	if (tls->lost == BNET_OK && ctx->role == BNET_TLS_CLIENT && ctx->resume)
		tls->lost = set_session(tls, host != NULL ? host : "");
	ERR_clear_error();
	if (tls->lost == BNET_ENOMEM) {
		bnet_tls_free(tls);
		return NULL;
	}
	return tls; /* start() reports a host that is not a name */
}

void
bnet_tls_free(struct bnet_tls *tls)
{
	if (tls == NULL)
		return;
	SSL_free(tls->ssl);
	BIO_free(tls->net);
	bnet_tls_ctx_free(tls->ctx);
	free(tls->host);
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

	/* only once, and not within a handshake */
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
bnet_tls_resumed(const struct bnet_tls *tls)
{
	return tls->ready && SSL_session_reused(tls->ssl) == 1;
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
