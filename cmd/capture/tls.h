/* SPDX-License-Identifier: MIT */
/*
 * tls - decrypts one captured TLS connection with a key log.
 *
 *	ciphertext of both directions -> records -> keys -> plaintext
 *
 * Passive: it only listens to both sides. TLS 1.3
 * (RFC 8446) with its GCM, ChaCha20-Poly1305 and CCM suites, key updates,
 * retried hellos and 0-RTT; TLS 1.0 to 1.2 (RFC 5246) with the AEAD suites of
 * RFC 5288, 6655 and 7905, and with CBC, also with encrypt-then-MAC (RFC
 * 7366). All cryptography is OpenSSL's; suites that it lacks are named.
 *
 * A direction ahead of the hello that its keys require is held, up to
 * a limit. After a hole the next record is found by trial: the tag
 * proves the record and its sequence number. A budget limits all trials, so
 * that a hostile capture cannot cause much work with few bytes. A hole that
 * hides two key changes in one direction is not crossed: the bytes after it are
 * reported as lost.
 *
 * While the key log may still grow (cap_tls_wait), records whose secret is not
 * there are held likewise. What was held keeps the packet that completed it.
 *
 * Every byte fed is counted as read, reported as lost, or still held. Owns the
 * held bytes of both directions, and the keys; called by flow.c.
 */
#ifndef CAPTURE_TLS_H
#define CAPTURE_TLS_H

#include "cmd/capture/capture.h"
#include "cmd/capture/keylog.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Limits per direction: of what waits for the other hello, and for a secret. */
#define CAP_TLS_HOLD_BYTES ((size_t)256 * 1024)
#define CAP_TLS_WAIT_BYTES ((size_t)4 << 20)
#define CAP_TLS_PLAIN_MAX_BYTES (16384 + 2048) /* of one record */

enum cap_tls_looks {
	CAP_TLS_NO = 0,
	CAP_TLS_YES, /* a record that starts with a Client- or ServerHello */
	CAP_TLS_PERHAPS, /* so far; more bytes will decide */
};

/*
 * Do the first bytes of a direction look like TLS? 11 bytes are enough to
 * decide.
 */
enum cap_tls_looks cap_tls_looks_like(struct bnet_slice first);

enum cap_tls_state {
	CAP_TLS_HANDSHAKE = 0, /* no keys needed yet */
	CAP_TLS_DECRYPTING, /* records decrypt */
	CAP_TLS_NO_KEYS, /* the key log has no secret for it */
	CAP_TLS_BAD_KEYS, /* the key log has secrets, but they do not fit */
	CAP_TLS_NO_START, /* the hellos are not in the capture */
	CAP_TLS_UNSUPPORTED, /* version, cipher suite or compression */
	CAP_TLS_BROKEN, /* the bytes are not TLS */
	CAP_TLS_N_STATES
};

/* [CAP_UP] is client to server, according to the hellos. */
struct cap_tls_status {
	enum cap_tls_state state; /* the worse of both directions */
	const char *reason; /* static; "" while nothing is wrong */
	uint16_t version; /* 0x0303, 0x0304; 0: unknown yet */
	uint16_t suite; /* from the ServerHello; 0: unknown yet */
	bool closed[2]; /* close_notify was received */
	uint64_t records[2]; /* decrypted */
	uint64_t read_bytes[2]; /* ciphertext that was decrypted */
	uint64_t lost_bytes[2]; /* ciphertext that was not */
	uint64_t plain_bytes[2];
	uint64_t held_bytes[2]; /* waiting, including an open hole */
};

/* A packet of the capture. */
struct cap_tls_mark {
	int64_t time_ns;
	uint64_t packet; /* its number */
};

/* Called during feed, gap, retry and end; must not call those. */
struct cap_tls_sink {
	/* The application data of one record, never empty. Borrowed. */
	void (*plain)(void *arg, enum cap_dir dir, struct bnet_slice plaintext);
	/*
	 * The plaintext of `dir` has a hole here: `bytes` of the ciphertext fed
	 * could not be read (0: only the bytes reported to gap() are missing).
	 * Consecutive losses with the same reason are one call, made before the
	 * next plaintext or at the end. `reason` is static.
	 */
	void (*lost)(
	    void *arg, enum cap_dir dir, uint64_t bytes, const char *reason);
	void *arg;
	struct cap_tls_mark now; /* the packet of this call */
};

struct cap_tls;

/* `keylog` is borrowed and may be NULL. Returns NULL when out of memory. */
struct cap_tls *cap_tls_new(const struct cap_keylog *keylog);

/* NULL is allowed. */
void cap_tls_free(struct cap_tls *tls);

/*
 * Consumes the next bytes of a direction. May also report plaintext that waited
 * in the other direction.
 *	BNET_OK
 *	BNET_ENOMEM	the bytes are lost, as in a gap; the caller may continue
 */
BNET_MUST enum bnet_err cap_tls_feed(struct cap_tls *tls, enum cap_dir dir,
    struct bnet_slice bytes, const struct cap_tls_sink *sink);

/* `missing_bytes` of a direction are not in the capture. Returns as feed. */
BNET_MUST enum bnet_err cap_tls_gap(struct cap_tls *tls, enum cap_dir dir,
    uint64_t missing_bytes, const struct cap_tls_sink *sink);

/*
 * wait: the key log may still get the secret, so hold records without one.
 * cap_tls_waiting(): some are held for that. cap_tls_retry() looks again, as it
 * is to be done when the log has grown, or to give up with wait false. Returns
 * as feed.
 */
void cap_tls_wait(struct cap_tls *tls, bool wait);
bool cap_tls_waiting(const struct cap_tls *tls);
BNET_MUST enum bnet_err
cap_tls_retry(struct cap_tls *tls, const struct cap_tls_sink *sink);

/* In a call of the sink: the packet that completed what is reported. */
struct cap_tls_mark cap_tls_now(const struct cap_tls *tls);

/* No more bytes will come: reports what is held, and every remaining loss. */
BNET_MUST enum bnet_err
cap_tls_end(struct cap_tls *tls, const struct cap_tls_sink *sink);

void cap_tls_status(const struct cap_tls *tls, struct cap_tls_status *status);

/*
 * How many of the bytes fed were used; while a sink is called, up to the end of
 * the record that it is about.
 */
uint64_t cap_tls_used_bytes(const struct cap_tls *tls, enum cap_dir dir);

/* The memory that currently holds ciphertext. */
size_t cap_tls_memory_bytes(const struct cap_tls *tls);

#endif
