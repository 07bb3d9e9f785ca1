/* SPDX-License-Identifier: MIT */
/*
 * bnet_tls - ciphertext <-> plaintext over an OpenSSL BIO pair.
 *
 *	wire in  -> [ pair ] -> SSL -> plaintext out
 *	wire out <- [ pair ] <- SSL <- plaintext in
 *
 * TLS 1.2 and 1.3, both ends, ALPN bluenet/1 (bluenet-wire.5, TLS). No
 * socket and no file: certificates and keys are PEM text in memory. The pair
 * is sized (OpenSSL's default is 34 KiB) and OpenSSL's own buffers are
 * released when idle.
 */
#ifndef BNET_TLS_H
#define BNET_TLS_H

#include "buf.h"
#include "err.h"

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

#define BNET_TLS_ALPN "bluenet/1"
/*
 * The default size in each direction. An idle server connection then takes
 * 16.8 KiB (15.8 with TLS 1.2), of which OpenSSL 3.0 takes 14.8 (13.8) for any
 * pair size; a parsed peer certificate adds 3 to 4. A larger pair makes bulk
 * transfer a little cheaper: 4096 by a quarter.
 */
#define BNET_TLS_PAIR_BYTES 1024

enum bnet_tls_version {
	BNET_TLS_1_2 = 12,
	BNET_TLS_1_3 = 13,
};

enum bnet_tls_role {
	BNET_TLS_CLIENT,
	BNET_TLS_SERVER,
};

/*
 * Called with every secret, as a line of the NSS key log format without a
 * newline. `line` is borrowed for the call.
 */
typedef void bnet_tls_keylog(void *arg, const char *line);

/* Borrowed until bnet_tls_ctx_new() returns; keylog and its arg for longer. */
struct bnet_tls_settings {
	size_t struct_bytes; /* sizeof; 0: the members of version 0.1 */
	enum bnet_tls_role role;
	struct bnet_slice cert_pem; /* chain, leaf first; server: required */
	struct bnet_slice key_pem;
	/*
	 * The CAs that are trusted. Empty: for a client, those of the system
	 * (OpenSSL's default files, SSL_CERT_FILE, SSL_CERT_DIR); a server asks
	 * for no certificate.
	 */
	struct bnet_slice ca_pem;
	/*
	 * Accept any certificate of the peer, whoever it is: for tests, and for
	 * a caller that judges bnet_tls_peer_cert() itself before it sends
	 * anything. Not with ca_pem.
	 */
	bool insecure;
	bool require_peer_cert; /* server: refuse a client without one; needs
				   ca_pem or insecure */
	enum bnet_tls_version version_min; /* 0: 1.2 */
	enum bnet_tls_version version_max; /* 0: 1.3 */
	bool require_alpn; /* fail unless the peer agrees on BNET_TLS_ALPN */
	size_t pair_bytes; /* each way; 0: BNET_TLS_PAIR_BYTES */
	bnet_tls_keylog *keylog; /* NULL: none */
	void *keylog_arg;
	/*
	 * Each handshake in full. Else a server gives tickets, and a client
	 * keeps one session for each host, so that a peer which returns is
	 * verified by what was verified before: for at most a week, not past
	 * the end of a certificate of its chain, and only with the same
	 * context. So a context with other CAs or revocation lists starts anew.
	 */
	bool no_resume;
	/*
	 * Certificate revocation lists: one for each CA that issued a
	 * certificate of the peer's chain, which is refused without. Goes with
	 * ca_pem.
	 */
	struct bnet_slice crl_pem;
};

struct bnet_tls_ctx; /* what connections share; counted references */
struct bnet_tls; /* one connection */

/*
 *	BNET_OK		the caller owns *ctx; end with bnet_tls_ctx_free()
 *	BNET_ETLS	certificate, key or CA not usable; the reason, if
 *			`reason` is not NULL, is written there, NUL-ended
 *	BNET_ENOMEM
 *	BNET_ESETTINGS	a member is set that this version does not know
 */
BNET_MUST enum bnet_err bnet_tls_ctx_new(const struct bnet_tls_settings *set,
    struct bnet_tls_ctx **ctx, char *reason, size_t reason_bytes);

/* Add an owner; each owner calls bnet_tls_ctx_free(). */
void bnet_tls_ctx_ref(struct bnet_tls_ctx *ctx);

/*
 * Would the context accept the certificate of this connection's peer, if it
 * came now? NULL: yes, or it has none. Else why not, in words. For connections
 * that were made from an older context, with other CAs or revocation lists: the
 * context that made it has accepted it.
 */
const char *bnet_tls_ctx_refuses(
    const struct bnet_tls_ctx *ctx, const struct bnet_tls *tls);

/* Connections made from it stay valid. NULL is allowed. */
void bnet_tls_ctx_free(struct bnet_tls_ctx *ctx);

/*
 * Make one connection. `host`, for a client, is the name sent as SNI and,
 * unless the context is insecure, required of the certificate; an address
 * (IPv4, IPv6) is required but not sent. NULL: neither, which a context that
 * trusts the CAs of the system refuses in bnet_tls_start(), since they vouch
 * for anybody. Returns NULL when out of memory.
 */
struct bnet_tls *bnet_tls_new(struct bnet_tls_ctx *ctx, const char *host);

/* NULL is allowed. */
void bnet_tls_free(struct bnet_tls *tls);

/*
 * Begin (a client's first flight) or continue; appends to `wire`. For a client,
 * call it once before anything else; it is not needed afterwards.
 * Returns as bnet_tls_feed().
 */
BNET_MUST enum bnet_err
bnet_tls_start(struct bnet_tls *tls, struct bnet_buf *wire);

/*
 * Take all of the ciphertext `in`; append plaintext to `plain`, and bytes to
 * send to `wire`. Send `wire` even on error: it may hold the alert.
 *	BNET_OK		bnet_tls_ready() says whether the handshake is done
 *	BNET_CLOSED	close_notify came; plaintext before it is in `plain`
 *	BNET_ETLS	see bnet_tls_reason(); the connection is lost
 *	BNET_ELIMIT, BNET_ENOMEM	of `plain` or `wire`; lost as well
 */
BNET_MUST enum bnet_err bnet_tls_feed(struct bnet_tls *tls,
    struct bnet_slice in, struct bnet_buf *plain, struct bnet_buf *wire);

/*
 * Encrypt all of `plain` and append it to `wire`. Only when ready.
 *	BNET_OK, BNET_ETLS, BNET_ELIMIT, BNET_ENOMEM
 *	BNET_MORE	the handshake is not done; nothing taken
 */
BNET_MUST enum bnet_err bnet_tls_send(
    struct bnet_tls *tls, struct bnet_slice plain, struct bnet_buf *wire);

/* Append close_notify to `wire`. BNET_OK, BNET_ELIMIT, BNET_ENOMEM, ETLS. */
BNET_MUST enum bnet_err
bnet_tls_close(struct bnet_tls *tls, struct bnet_buf *wire);

/*
 * The transport ended.
 *	BNET_CLOSED	after close_notify: an orderly end
 *	BNET_ECUT	without close_notify: the connection was cut
 */
BNET_MUST enum bnet_err bnet_tls_end(const struct bnet_tls *tls);

bool bnet_tls_ready(const struct bnet_tls *tls);

/* 0 before the handshake is done. */
enum bnet_tls_version bnet_tls_version(const struct bnet_tls *tls);

/* The agreed protocol is BNET_TLS_ALPN. */
bool bnet_tls_alpn(const struct bnet_tls *tls);

/* The handshake was short: it resumed an earlier session. */
bool bnet_tls_resumed(const struct bnet_tls *tls);

/*
 * The peer's certificate as an OpenSSL X509, borrowed until bnet_tls_free();
 * NULL if it sent none.
 */
struct x509_st *bnet_tls_peer_cert(const struct bnet_tls *tls);

/* Why it failed, in words; "" if it did not. Valid until bnet_tls_free(). */
const char *bnet_tls_reason(const struct bnet_tls *tls);

#ifdef __cplusplus
}
#endif

#endif
