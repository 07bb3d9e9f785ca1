/* SPDX-License-Identifier: MIT */
#include "cmd/capture/tls_impl.h"

#include <openssl/crypto.h>
#include <string.h>

/* what one trial costs beside the bytes that it goes over */
#define TRIAL_BYTES 256
#define SLACK_MAX (UINT64_C(1) << 20) /* the budget ends it long before */
/* records in a row that may fail: with keys that ought to fit, ... */
#define FAILED_MAX 64
/* ... at the very start, where they ought to fit at once, ... */
#define FAILED_FIRST_MAX 4
/* ... and there where records of other keys are to be expected */
#define FAILED_PRELUDE_MAX 4096

static const char no_secret[] = "no secret for it in the key log";
static const char misfit[] = "the secrets of the key log do not fit";

static bool
secret_find(
    const struct cap_tls *tls, enum cap_secret which, struct tls_secret *out)
{
	struct bnet_slice s;

	if (tls->keylog == NULL ||
	    !cap_keylog_find(tls->keylog, tls->randoms.of[CAP_UP], which, &s))
		return false;
	memcpy(out->p, s.p, s.len);
	out->len = s.len;
	return true;
}

/* *err is what setting up a key returned. */
static bool
usable(struct cap_tls *tls, enum cap_dir dir, enum bnet_err err)
{
	if (err == BNET_ETLS)
		tls_kill(tls, dir, CAP_TLS_BAD_KEYS, misfit);
	else if (err != BNET_OK)
		tls_kill(tls, dir, CAP_TLS_BROKEN, "out of memory for keys");
	return err == BNET_OK;
}

static bool
start_12(struct cap_tls *tls, enum cap_dir dir)
{
	struct tls_half *h = &tls->half[dir];
	struct tls_secret master;
	enum bnet_err err;

	if (!secret_find(tls, CAP_SECRET_MASTER, &master)) {
		tls_kill(tls, dir, CAP_TLS_NO_KEYS, no_secret);
		return false;
	}
	err = tls_opener_12(
	    &h->now, tls->suite, &master, &tls->randoms, dir == CAP_DOWN);
	OPENSSL_cleanse(&master, sizeof(master));
	h->level = TLS_TRAFFIC;
	return usable(tls, dir, err);
}

static enum cap_secret
label(enum cap_dir dir, enum tls_level level)
{
	if (level == TLS_HANDSHAKE)
		return dir == CAP_UP ? CAP_SECRET_CLIENT_HANDSHAKE
				     : CAP_SECRET_SERVER_HANDSHAKE;
	return dir == CAP_UP ? CAP_SECRET_CLIENT_TRAFFIC
			     : CAP_SECRET_SERVER_TRAFFIC;
}

static bool
start_13(struct cap_tls *tls, enum cap_dir dir)
{
	struct tls_half *h = &tls->half[dir];
	struct tls_secret early;

	h->level = TLS_HANDSHAKE;
	if (!secret_find(tls, label(dir, TLS_HANDSHAKE), &h->secret)) {
		/* some key logs hold the traffic secrets alone */
		h->blind = true;
		h->level = TLS_TRAFFIC;
		if (!secret_find(tls, label(dir, TLS_TRAFFIC), &h->secret)) {
			tls_kill(tls, dir, CAP_TLS_NO_KEYS, no_secret);
			return false;
		}
	}
	if (dir == CAP_UP && tls->early_data &&
	    secret_find(tls, CAP_SECRET_EARLY, &early)) {
		/* a secret that does not fit was for a refused suite */
		if (tls_opener_13(&tls->early, tls->suite, &early) != BNET_OK)
			tls_opener_free(&tls->early);
		OPENSSL_cleanse(&early, sizeof(early));
	}
	return usable(tls, dir, tls_opener_13(&h->now, tls->suite, &h->secret));
}

bool
tls_keys_start(struct cap_tls *tls, enum cap_dir dir)
{
	struct tls_half *h = &tls->half[dir];

	h->seq = 0;
	h->n_failed = 0;
	return tls->version == TLS_1_3 ? start_13(tls, dir)
				       : start_12(tls, dir);
}

/* ---- the next keys ------------------------------------------------------- */

static enum bnet_err
next_make(struct cap_tls *tls, enum cap_dir dir)
{
	struct tls_half *h = &tls->half[dir];
	enum bnet_err err = BNET_OK;

	if (h->next_set)
		return BNET_OK;
	if (h->level == TLS_TRAFFIC)
		err =
		    tls_secret_update(tls->suite, &h->secret, &h->next_secret);
	else if (!secret_find(tls, label(dir, TLS_TRAFFIC), &h->next_secret))
		return BNET_MORE; /* the key log has not got it */
	if (err == BNET_OK)
		err = tls_opener_13(&h->next, tls->suite, &h->next_secret);
	h->next_set = err == BNET_OK;
	return err;
}

static void
next_take(struct tls_half *h)
{
	struct tls_opener old = h->now;

	h->now = h->next;
	h->next = old; /* its context is used again */
	h->secret = h->next_secret;
	h->next_set = false;
	h->level = TLS_TRAFFIC;
	h->seq = 0;
	tls_messages_reset(&h->messages, false);
}

bool
tls_keys_advance(struct cap_tls *tls, enum cap_dir dir)
{
	struct tls_half *h = &tls->half[dir];
	enum bnet_err err = next_make(tls, dir);

	if (err == BNET_MORE) {
		tls_kill(tls, dir, CAP_TLS_NO_KEYS, no_secret);
		return false;
	}
	if (!usable(tls, dir, err))
		return false;
	next_take(h);
	return true;
}

/* ---- opening ------------------------------------------------------------- */

void
tls_keys_missed(struct tls_half *h, uint64_t n_bytes)
{
	size_t least = TLS_HEAD_BYTES + tls_opener_min(&h->now);
	uint64_t n = n_bytes / least + 1;

	h->slack = n > SLACK_MAX - h->slack ? SLACK_MAX : h->slack + n;
}

static bool
afford(struct cap_tls *tls, uint64_t reserve_bytes, size_t n_bytes)
{
	if (tls->budget_bytes < reserve_bytes + n_bytes + TRIAL_BYTES)
		return false;
	tls->budget_bytes -= n_bytes + TRIAL_BYTES;
	return true;
}

/*
 * Try the numbers from `from` to `to`; h->seq becomes the one behind. One
 * record gets a quarter of what is left, for the next may be the better try.
 */
static bool
try_numbers(struct cap_tls *tls, struct tls_half *h,
    const struct tls_opener *op, uint64_t from, uint64_t to,
    const uint8_t *head, struct bnet_slice body, size_t *n_out)
{
	uint64_t reserve_bytes = tls->budget_bytes / 4 * 3;

	for (uint64_t seq = from; seq <= to; seq++) {
		if (!afford(tls, reserve_bytes, body.len))
			return false;
		if (tls_open(op, seq, head, body, tls->out, n_out)) {
			h->seq = seq + 1;
			return true;
		}
	}
	return false;
}

static bool
try_next(struct cap_tls *tls, enum cap_dir dir, const uint8_t *head,
    struct bnet_slice body, size_t *n_out)
{
	struct tls_half *h = &tls->half[dir];
	uint64_t seq = h->seq;

	if (tls->version != TLS_1_3 || next_make(tls, dir) != BNET_OK ||
	    !try_numbers(tls, h, &h->next, 0, h->slack, head, body, n_out))
		return false;
	seq = h->seq;
	next_take(h);
	h->seq = seq;
	return true;
}

/* It does not open: is that to be expected, or the end? */
static void
failed(struct cap_tls *tls, enum cap_dir dir, bool prelude)
{
	struct tls_half *h = &tls->half[dir];
	unsigned int max = h->records == 0 ? FAILED_FIRST_MAX : FAILED_MAX;

	if (prelude)
		max = FAILED_PRELUDE_MAX;
	if (!h->synced)
		return;
	/* one more than it took, should the count be short */
	if (!prelude)
		h->slack += h->slack < SLACK_MAX ? 2 : 0;
	if (++h->n_failed > max)
		tls_kill(tls, dir, CAP_TLS_BAD_KEYS,
		    h->records == 0 ? misfit : "it no longer decrypts");
}

enum tls_opened
tls_keys_open(struct cap_tls *tls, enum cap_dir dir, const uint8_t *head,
    struct bnet_slice body, size_t *n_out)
{
	struct tls_half *h = &tls->half[dir];
	bool first = h->records == 0 && h->slack == 0;
	bool early = first && dir == CAP_UP && tls->early_data;
	bool prelude = early || (first && h->blind);

	if (!h->synced && !afford(tls, 0, body.len))
		return TLS_NOT_OPENED;
	if (tls_open(&h->now, h->seq, head, body, tls->out, n_out)) {
		h->seq++;
		goto opened;
	}
	if (early && tls->early.ctx != NULL &&
	    tls_open(
		&tls->early, tls->early_seq, head, body, tls->out, n_out)) {
		tls->early_seq++;
		return TLS_EARLY;
	}
	if (!prelude &&
	    (try_numbers(tls, h, &h->now, h->seq + 1, h->seq + h->slack, head,
		 body, n_out) ||
		try_next(tls, dir, head, body, n_out)))
		goto opened;
	failed(tls, dir, prelude);
	return TLS_NOT_OPENED;
opened:
	h->slack = 0;
	h->n_failed = 0;
	h->records++;
	if (tls->state == CAP_TLS_HANDSHAKE)
		tls->state = CAP_TLS_DECRYPTING;
	return TLS_OPENED;
}
