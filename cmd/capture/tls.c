/* SPDX-License-Identifier: MIT */
/*
 * Bytes wait in a half until a record is complete (a record). A key opens it
 * (keys). Its contents are a handshake message (messages), of which four kinds
 * matter, or application data, which goes to the sink. After missing bytes the
 * next record is searched (holes). Owns what is held of both directions. Called
 * by flow.c.
 */
#include "cmd/capture/tls.h"

#include "cmd/capture/tls_crypt.h"
#include "cmd/capture/tls_hello.h"

#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#define TLS_BODY_MAX_BYTES CAP_TLS_PLAIN_MAX_BYTES
#define TLS_BODY_13_MAX_BYTES (16384 + 256)
#define TLS_HELLO_MAX_BYTES 65536 /* longer hellos are not kept */

enum tls_content {
	TLS_CHANGE_CIPHER = 20,
	TLS_ALERT = 21,
	TLS_MESSAGE = 22,
	TLS_DATA = 23,
	TLS_HEARTBEAT = 24,
};

enum tls_message_type {
	TLS_CLIENT_HELLO = 1,
	TLS_SERVER_HELLO = 2,
	TLS_FINISHED = 20,
	TLS_KEY_UPDATE = 24,
};

enum tls_level {
	TLS_PLAIN = 0,
	TLS_HANDSHAKE, /* 1.3 only */
	TLS_TRAFFIC, /* 1.2: after ChangeCipherSpec */
};

/* Handshake messages, which may span records; only hellos are kept. */
struct tls_messages {
	struct bnet_buf hello;
	uint8_t head[4]; /* type, length u24 */
	uint8_t n_head;
	uint32_t left_bytes; /* of the message's body */
	bool keep;
	bool lost; /* after a hole: the start of a message is unknown */
};

/* The bytes before stream offset `end` came with that packet, or before. */
struct tls_mark {
	uint64_t end;
	struct cap_tls_mark packet;
};

struct tls_half {
	struct bnet_buf in; /* not processed yet */
	uint64_t in_at; /* offset of in[0] in the bytes kept */
	struct bnet_buf marks; /* struct tls_mark: of the bytes in `in` */
	bool hole; /* missing_bytes are missing at in[hole_at] */
	bool blocked; /* the next record needs the other side's hello */
	bool waiting; /* or a secret that the key log does not have yet */
	bool synced; /* a record starts at in[0] + skip_bytes */
	bool hello; /* the hello of this side is known */
	bool retry; /* expected: this side asked for another hello */
	bool advance; /* the next record uses the next keys */
	bool blind; /* no handshake secret: try only traffic keys */
	bool next_set; /* `next` and next_secret follow `now` */
	bool closed;
	enum tls_level level;
	size_t hole_at;
	uint64_t missing_bytes;
	uint64_t dropped_bytes; /* of the missing bytes: fed, but not kept */
	uint32_t skip_bytes; /* the rest of a record with a hole */
	struct tls_opener now, next;
	struct tls_secret secret, next_secret; /* 1.3 */
	uint64_t seq; /* of the next record */
	uint64_t slack; /* number of records that may have been missed */
	unsigned int n_failed; /* consecutive records that did not open */
	struct tls_messages messages;
	const char *dead; /* why reading ended, or NULL */
	uint64_t unreported_bytes; /* lost but not reported yet */
	const char *unreported_reason; /* if this is not NULL */
	uint64_t records, read_bytes, lost_bytes, plain_bytes;
};

struct cap_tls {
	const struct cap_keylog *keylog;
	struct tls_half half[2];
	struct tls_randoms randoms;
	uint16_t version, suite_id;
	struct tls_suite suite; /* if a key is set up */
	bool early_data; /* the client may send 0-RTT data */
	struct tls_opener early;
	uint64_t early_seq;
	uint64_t budget_bytes; /* for trial decryption */
	enum cap_tls_state state;
	const char *reason;
	bool wait; /* the key log may still grow */
	uint64_t horizon; /* records of later packets have to wait */
	struct cap_tls_mark now; /* of what is being reported */
	uint8_t *out; /* plaintext of one record; only during a call */
	const struct cap_tls_sink *sink; /* likewise */
};

static inline bool
tls_hellos(const struct cap_tls *tls)
{
	return tls->half[CAP_UP].hello && tls->half[CAP_DOWN].hello;
}

enum tls_step {
	TLS_ON, /* *used bytes processed, or the half was killed; continue */
	TLS_MORE, /* the record is not complete */
	TLS_BLOCKED, /* the other side's hello must come first */
};

enum tls_opened {
	TLS_OPENED, /* tls->out has *n_out bytes */
	TLS_NOT_OPENED,
	TLS_EARLY, /* opened; 0-RTT data */
};

/* ---- losses ---- */

/* Reports the losses so far. */
static void
report_losses(struct cap_tls *tls, enum cap_dir dir)
{
	struct tls_half *h = &tls->half[dir];

	if (h->unreported_reason != NULL)
		tls->sink->lost(tls->sink->arg, dir, h->unreported_bytes,
		    h->unreported_reason);
	h->unreported_reason = NULL;
	h->unreported_bytes = 0;
}

/*
 * Records a loss: `n` bytes were fed but not readable, or (0) there is a hole.
 */
static void
tls_lose(struct cap_tls *tls, enum cap_dir dir, uint64_t n, const char *reason)
{
	struct tls_half *h = &tls->half[dir];

	if (h->unreported_reason != reason)
		report_losses(tls, dir);
	h->unreported_reason = reason;
	h->unreported_bytes += n;
	h->lost_bytes += n;
}

/* ---- the packets of what is held ---- */

#define MARKS_MAX_BYTES (4096 * sizeof(struct tls_mark))

/*
 * The bytes that are still held came with this packet. Without room for more
 * marks, the last one covers these bytes, too.
 */
static void
mark_held(struct tls_half *h, const struct cap_tls_mark *packet)
{
	struct tls_mark mark = { h->in_at + h->in.len, *packet }, last;
	struct bnet_slice bytes = { (const uint8_t *)&mark, sizeof(mark) };
	uint8_t *at = NULL;

	if (h->in.len == 0) {
		bnet_buf_clear(&h->marks);
		return;
	}
	if (h->marks.len > 0) {
		at = h->marks.p + h->marks.at + h->marks.len - sizeof(mark);
		memcpy(&last, at, sizeof(last));
	}
	if ((at == NULL || last.packet.packet != packet->packet) &&
	    bnet_buf_append(&h->marks, bytes) == BNET_OK)
		return;
	if (at != NULL)
		memcpy(at, &mark, sizeof(mark));
}

/*
 * Sets tls->now for a record of `n` bytes at `rec`, a pointer into the held: the
 * packet that completed it is the latest of those that brought its bytes.
 */
static void
mark_find(struct cap_tls *tls, struct tls_half *h, const uint8_t *rec, size_t n)
{
	uint64_t at = h->in_at + (uint64_t)(rec - bnet_buf_slice(&h->in).p);
	uint64_t end = at + n;
	struct tls_mark mark;

	tls->now =
	    h->marks.len == 0 ? tls->sink->now : (struct cap_tls_mark){ 0, 0 };
	while (h->marks.len > 0) {
		memcpy(&mark, bnet_buf_slice(&h->marks).p, sizeof(mark));
		if (mark.end > at && mark.packet.packet > tls->now.packet)
			tls->now = mark.packet;
		if (mark.end >= end)
			return;
		bnet_buf_consume(&h->marks, sizeof(mark));
	}
	/* its last bytes have just come; or there was no memory for a mark */
	if (tls->now.packet == 0 || tls->sink->now.packet > tls->now.packet)
		tls->now = tls->sink->now;
}

/* The packet that completed the next record; 0: there is none. */
static uint64_t
mark_next(const struct tls_half *h)
{
	struct bnet_slice in = bnet_buf_slice(&h->in);
	struct bnet_slice marks = bnet_buf_slice(&h->marks);
	uint64_t end = h->in_at + TLS_HEAD_BYTES;
	struct tls_mark mark = { 0 };

	if (in.len == 0 || h->dead != NULL)
		return 0;
	if (in.len >= TLS_HEAD_BYTES)
		end += (uint64_t)in.p[3] << 8 | in.p[4];
	for (; marks.len > 0; marks = bnet_slice_from(marks, sizeof(mark))) {
		memcpy(&mark, marks.p, sizeof(mark));
		if (mark.end >= end)
			break;
	}
	return mark.packet.packet;
}

struct cap_tls_mark
cap_tls_now(const struct cap_tls *tls)
{
	return tls->now;
}

/* Ends the reading of this direction, or of both. */
static void
tls_kill(struct cap_tls *tls, enum cap_dir dir, enum cap_tls_state state,
    const char *reason)
{
	struct tls_half *h = &tls->half[dir];

	if (h->dead != NULL)
		return;
	h->dead = reason;
	if (tls->state < state) {
		tls->state = state;
		tls->reason = reason;
	}
	tls_opener_free(&h->now);
	tls_opener_free(&h->next);
}

static void
tls_kill_both(struct cap_tls *tls, enum cap_tls_state state, const char *reason)
{
	tls_kill(tls, CAP_UP, state, reason);
	tls_kill(tls, CAP_DOWN, state, reason);
}

/* ---- messages ---- */

/* Drops an incomplete message. */
static void
tls_messages_reset(struct tls_messages *messages, bool lost)
{
	bnet_buf_free(&messages->hello);
	messages->n_head = 0;
	messages->left_bytes = 0;
	messages->keep = false;
	messages->lost = lost;
}

static bool
client_hello(struct cap_tls *tls, struct bnet_slice in)
{
	struct tls_hello hello;

	if (!tls_hello_client(in, &hello))
		return false;
	if (tls_hellos(tls) && tls->version == TLS_1_3)
		return true; /* 1.3 has no second handshake */
	memcpy(tls->randoms.of[CAP_UP], hello.random, CAP_RANDOM_BYTES);
	tls->early_data = tls->early_data || hello.early_data;
	tls->half[CAP_UP].hello = true;
	return true;
}

static void
agreed(struct cap_tls *tls, const struct tls_hello *on)
{
	const char *wrong;

	tls->version = on->version;
	tls->suite_id = on->suite;
	tls->half[CAP_DOWN].hello = true;
	wrong = tls_suite_find(tls->version, tls->suite_id, &tls->suite);
	tls->suite.encrypt_then_mac = on->encrypt_then_mac;
	if (tls->version < TLS_1_0 || tls->version > TLS_1_3)
		wrong = "TLS version not supported: only 1.0 to 1.3";
	else if (wrong == NULL && on->compressed)
		wrong = "TLS compression not supported";
	else if (wrong == NULL && on->truncated_hmac &&
	    tls->suite.mac != TLS_MAC_AEAD)
		wrong = "truncated MACs of TLS not supported";
	if (wrong != NULL)
		tls_kill_both(tls, CAP_TLS_UNSUPPORTED, wrong);
}

static bool
server_hello(struct cap_tls *tls, struct bnet_slice in)
{
	struct tls_hello hello;

	if (!tls_hello_server(in, &hello))
		return false;
	if (hello.retry) {
		tls->half[CAP_DOWN].retry = true;
		return true; /* the final hello follows */
	}
	if (tls->half[CAP_DOWN].hello &&
	    (tls->version == TLS_1_3 || hello.version == TLS_1_3))
		return true;
	memcpy(tls->randoms.of[CAP_DOWN], hello.random, CAP_RANDOM_BYTES);
	agreed(tls, &hello);
	return true;
}

static void
complete(struct cap_tls *tls, enum cap_dir dir)
{
	struct tls_half *h = &tls->half[dir];
	struct bnet_slice body = bnet_buf_slice(&h->messages.hello);
	bool ok = true;

	switch (h->messages.head[0]) {
	case TLS_CLIENT_HELLO:
		ok = dir == CAP_UP && h->messages.keep &&
		    client_hello(tls, body);
		break;
	case TLS_SERVER_HELLO:
		ok = dir == CAP_DOWN && h->messages.keep &&
		    server_hello(tls, body);
		break;
	case TLS_FINISHED:
		h->advance = h->level == TLS_HANDSHAKE;
		break;
	case TLS_KEY_UPDATE:
		h->advance = h->level == TLS_TRAFFIC && tls->version == TLS_1_3;
		break;
	default:
		break;
	}
	if (!ok)
		tls_kill_both(tls, CAP_TLS_BROKEN, "malformed TLS hello");
	tls_messages_reset(&h->messages, false);
}

/*
 * The head of a message is complete: sets its length, and whether to keep it.
 */
static void
opened(struct tls_messages *m)
{
	m->left_bytes =
	    (uint32_t)m->head[1] << 16 | (uint32_t)m->head[2] << 8 | m->head[3];
	m->keep = m->left_bytes <= TLS_HELLO_MAX_BYTES &&
	    (m->head[0] == TLS_CLIENT_HELLO || m->head[0] == TLS_SERVER_HELLO);
	bnet_buf_init(&m->hello, TLS_HELLO_MAX_BYTES);
}

/*
 * Consumes the part of `in` that belongs to the head or the body; returns its
 * size.
 */
static size_t
gather(struct tls_messages *m, struct bnet_slice in)
{
	if (m->n_head < sizeof(m->head)) {
		m->head[m->n_head++] = *in.p;
		if (m->n_head == sizeof(m->head))
			opened(m);
		return 1;
	}
	if (in.len > m->left_bytes)
		in.len = m->left_bytes;
	if (m->keep && bnet_buf_append(&m->hello, in) != BNET_OK)
		m->keep = false; /* then it is not a hello */
	m->left_bytes -= (uint32_t)in.len;
	return in.len;
}

/* Processes the contents of one handshake record. */
static void
tls_messages_feed(struct cap_tls *tls, enum cap_dir dir, struct bnet_slice in)
{
	struct tls_half *h = &tls->half[dir];
	struct tls_messages *m = &h->messages;

	while (in.len > 0 && !m->lost && h->dead == NULL && !h->advance) {
		in = bnet_slice_from(in, gather(m, in));
		if (m->n_head == sizeof(m->head) && m->left_bytes == 0)
			complete(tls, dir);
	}
}

/* ---- what the first bytes look like ---- */

/* Limits of the record head, handshake type and length, and legacy version. */
static const struct {
	uint8_t min, max;
} hello_bytes[] = {
	{ TLS_MESSAGE, TLS_MESSAGE },
	{ 3, 3 },
	{ 0, 4 },
	{ 0, 0x48 },
	{ 0, 0xff },
	{ TLS_CLIENT_HELLO, TLS_SERVER_HELLO },
	{ 0, 0 },
	{ 0, 0xff },
	{ 0, 0xff },
	{ 3, 3 },
	{ 0, 4 },
};

enum cap_tls_looks
cap_tls_looks_like(struct bnet_slice first)
{
	size_t n = sizeof(hello_bytes) / sizeof(hello_bytes[0]);

	for (size_t i = 0; i < n; i++) {
		if (i == first.len)
			return CAP_TLS_PERHAPS;
		if (first.p[i] < hello_bytes[i].min ||
		    first.p[i] > hello_bytes[i].max)
			return CAP_TLS_NO;
	}
	/* no hello is shorter than its random, and no record than this */
	if (first.p[3] == 0 && first.p[4] < 4)
		return CAP_TLS_NO;
	return first.p[7] == 0 && first.p[8] < 38 ? CAP_TLS_NO : CAP_TLS_YES;
}

/* ---- keys ---- */

/* cost of one trial in addition to its bytes */
#define TRIAL_BYTES 256
#define SLACK_MAX (UINT64_C(1) << 20) /* the budget ends it long before */

/* Consecutive records that may fail: with keys that should fit, */
#define FAILED_MAX 64

/* at the very start, where keys should fit at once, */
#define FAILED_FIRST_MAX 4

/* and where records of other keys are expected. */
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

/* Handles the result of a key setup in *err. */
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
	    &h->now, &tls->suite, &master, &tls->randoms, dir == CAP_DOWN);
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
		/* some key logs have the traffic secrets only */
		h->blind = true;
		h->level = TLS_TRAFFIC;
		if (!secret_find(tls, label(dir, TLS_TRAFFIC), &h->secret)) {
			tls_kill(tls, dir, CAP_TLS_NO_KEYS, no_secret);
			return false;
		}
	}
	if (dir == CAP_UP && tls->early_data &&
	    secret_find(tls, CAP_SECRET_EARLY, &early)) {
		/* a secret that does not fit belongs to a refused suite */
		if (tls_opener_13(&tls->early, &tls->suite, &early) != BNET_OK)
			tls_opener_free(&tls->early);
		OPENSSL_cleanse(&early, sizeof(early));
	}
	return usable(
	    tls, dir, tls_opener_13(&h->now, &tls->suite, &h->secret));
}

/* Sets up the first keys of a direction; kills it and returns false if none. */
static bool
tls_keys_start(struct cap_tls *tls, enum cap_dir dir)
{
	struct tls_half *h = &tls->half[dir];

	h->seq = 0;
	h->n_failed = 0;
	return tls->version == TLS_1_3 ? start_13(tls, dir)
				       : start_12(tls, dir);
}

/* ---- the next keys ---- */

static enum bnet_err
next_make(struct cap_tls *tls, enum cap_dir dir)
{
	struct tls_half *h = &tls->half[dir];
	enum bnet_err err = BNET_OK;

	if (h->next_set)
		return BNET_OK;
	if (h->level == TLS_TRAFFIC)
		err =
		    tls_secret_update(&tls->suite, &h->secret, &h->next_secret);
	else if (!secret_find(tls, label(dir, TLS_TRAFFIC), &h->next_secret))
		return BNET_MORE; /* the key log does not contain it */
	if (err == BNET_OK)
		err = tls_opener_13(&h->next, &tls->suite, &h->next_secret);
	h->next_set = err == BNET_OK;
	return err;
}

static void
next_take(struct tls_half *h)
{
	struct tls_opener old = h->now;

	h->now = h->next;
	h->next = old; /* reuses its context */
	h->secret = h->next_secret;
	h->next_set = false;
	h->level = TLS_TRAFFIC;
	h->seq = 0;
	tls_messages_reset(&h->messages, false);
}

/* Replaces the keys after Finished and KeyUpdate. Returns as above. */
static bool
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

/* ---- opening ---- */

/* Records of `n_bytes` in total may have been missed. */
static void
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
 * Tries the record numbers `from` to `to`; on success h->seq is the next one.
 * One record gets a quarter of the remaining budget, as the next may fare
 * better.
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

/* The record does not open: decides whether that is expected, or the end. */
static void
failed(struct cap_tls *tls, enum cap_dir dir, bool prelude)
{
	struct tls_half *h = &tls->half[dir];
	unsigned int max = h->records == 0 ? FAILED_FIRST_MAX : FAILED_MAX;

	if (prelude)
		max = FAILED_PRELUDE_MAX;
	if (!h->synced)
		return;
	/* one more than needed, in case the count is short */
	if (!prelude)
		h->slack += h->slack < SLACK_MAX ? 2 : 0;
	if (++h->n_failed > max)
		tls_kill(tls, dir, CAP_TLS_BAD_KEYS,
		    h->records == 0 ? misfit : "it no longer decrypts");
}

/* Opens a record, by trial if some may have been missed. */
static enum tls_opened
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

/* ---- holes ---- */

static const char tls_missing[] = "bytes are missing";

static const char tls_too_much[] = "more than is held until it can be read";

static const char tls_no_start[] =
    "the start of the TLS session is not in the capture";

/* Consumes the first `n` bytes held. */
static void
tls_take(struct tls_half *h, size_t n)
{
	bnet_buf_consume(&h->in, n);
	h->in_at += n;
	if (h->hole)
		h->hole_at -= n;
}

/* Handles a record cut by a hole: applies what it would have changed. */
static void
cut(struct cap_tls *tls, enum cap_dir dir, uint8_t type)
{
	struct tls_half *h = &tls->half[dir];
	bool v13 = tls->version == TLS_1_3;

	if (!v13 && h->level == TLS_PLAIN)
		h->advance = type == TLS_CHANGE_CIPHER;
	if (v13 && type != TLS_DATA)
		return;
	if (v13 && h->level == TLS_PLAIN && !tls_keys_start(tls, dir))
		return;
	/* until the first one opens, earlier records may use other keys */
	if (h->records > 0 || (!h->blind && !tls->early_data))
		h->seq += h->level != TLS_PLAIN;
}

/*
 * A record began before the hole, with `before` of its bytes present. Its head,
 * if present, tells where the next one starts.
 */
static void
cross_record(struct cap_tls *tls, enum cap_dir dir, struct bnet_slice before)
{
	struct tls_half *h = &tls->half[dir];
	uint64_t left;

	if (before.len < TLS_HEAD_BYTES) {
		h->synced = false;
		tls_keys_missed(h, h->missing_bytes);
		return;
	}
	left = TLS_HEAD_BYTES + ((uint64_t)before.p[3] << 8 | before.p[4]) -
	    before.len;
	cut(tls, dir, before.p[0]);
	if (h->missing_bytes <= left) {
		h->skip_bytes = (uint32_t)(left - h->missing_bytes);
		return;
	}
	h->synced = false;
	tls_keys_missed(h, h->missing_bytes - left);
}

/* The hole begins within a record that already had one. */
static void
cross_skipped(struct tls_half *h)
{
	if (h->missing_bytes <= h->skip_bytes) {
		h->skip_bytes -= (uint32_t)h->missing_bytes;
		return;
	}
	h->synced = false;
	tls_keys_missed(h, h->missing_bytes - h->skip_bytes);
	h->skip_bytes = 0;
}

/*
 * Crosses the hole after `before`, the bytes left ahead of it. Both hellos are
 * known, or never will be.
 */
static void
tls_hole_cross(struct cap_tls *tls, enum cap_dir dir, struct bnet_slice before)
{
	struct tls_half *h = &tls->half[dir];

	if (!tls_hellos(tls)) {
		tls_kill_both(tls, CAP_TLS_NO_START, tls_no_start);
		return;
	}
	tls_messages_reset(&h->messages, true);
	if (h->skip_bytes > 0)
		cross_skipped(h);
	else if (h->synced)
		cross_record(tls, dir, before);
	else
		tls_keys_missed(h, h->missing_bytes);
	tls_lose(tls, dir, before.len + h->dropped_bytes,
	    h->dropped_bytes > 0 ? tls_too_much : tls_missing);
	tls_take(h, before.len);
	h->dropped_bytes = 0;
	h->hole = false;
	if (h->dead == NULL && !h->synced && h->level == TLS_PLAIN)
		(void)tls_keys_start(tls, dir);
}

static uint64_t
sum(uint64_t a, uint64_t b)
{
	return b > UINT64_MAX - a ? UINT64_MAX : a + b;
}

/*
 * Opens a hole after the bytes held; `dropped_bytes` of it were fed. If there
 * is a hole already, the bytes between the two are given up.
 */
static void
tls_hole_open(
    struct tls_half *h, uint64_t missing_bytes, uint64_t dropped_bytes)
{
	uint64_t between;

	if (!h->hole) {
		h->hole = true;
		h->hole_at = h->in.len;
		h->missing_bytes = 0;
	}
	between = h->in.len - h->hole_at;
	h->in.len = h->hole_at;
	h->dropped_bytes += between + dropped_bytes;
	h->missing_bytes = sum(h->missing_bytes, sum(missing_bytes, between));
}

/* ---- a record ---- */

#define ALERT_CLOSE_NOTIFY 0

static size_t
body_bytes(const uint8_t *head)
{
	return (size_t)head[3] << 8 | head[4];
}

/* Can this be a record head, given the state of the connection? */
static bool
head_good(const struct cap_tls *tls, const uint8_t *head)
{
	size_t max = tls->version == TLS_1_3 ? TLS_BODY_13_MAX_BYTES
					     : TLS_BODY_MAX_BYTES;

	return head[0] >= TLS_CHANGE_CIPHER && head[0] <= TLS_HEARTBEAT &&
	    head[1] == 3 && head[2] <= 4 && body_bytes(head) <= max;
}

static bool
sealed(const struct cap_tls *tls, const struct tls_half *h, uint8_t type)
{
	if (!tls_hellos(tls))
		return false;
	if (tls->version == TLS_1_3)
		return type == TLS_DATA;
	return h->level == TLS_TRAFFIC;
}

static void
alert(struct tls_half *h, struct bnet_slice in)
{
	if (in.len == 2 && in.p[1] == ALERT_CLOSE_NOTIFY)
		h->closed = true;
}

/* Processes the contents of an opened record by type. */
static void
contents(
    struct cap_tls *tls, enum cap_dir dir, uint8_t type, struct bnet_slice in)
{
	struct tls_half *h = &tls->half[dir];

	switch (type) {
	case TLS_DATA:
		if (in.len == 0)
			break;
		report_losses(tls, dir);
		h->plain_bytes += in.len;
		tls->sink->plain(tls->sink->arg, dir, in);
		break;
	case TLS_MESSAGE:
		tls_messages_feed(tls, dir, in);
		break;
	case TLS_ALERT:
		alert(h, in);
		break;
	case TLS_CHANGE_CIPHER: /* 1.2: a second handshake */
		h->advance = tls->version != TLS_1_3;
		break;
	default:
		break;
	}
}

/*
 * TLS 1.3: content, type, zeros. Sets *in to the content; returns 0 without a
 * type.
 */
static uint8_t
inner_type(struct bnet_slice *in)
{
	while (in->len > 0 && in->p[in->len - 1] == 0)
		in->len--;
	if (in->len == 0)
		return 0;
	return in->p[--in->len];
}

/*
 * Processes a sealed record of `n` bytes. Returns false if it does not open and
 * may not be a record at all.
 */
static bool
take_sealed(struct cap_tls *tls, enum cap_dir dir, const uint8_t *rec, size_t n)
{
	struct tls_half *h = &tls->half[dir];
	struct bnet_slice in = { rec + TLS_HEAD_BYTES, n - TLS_HEAD_BYTES };
	bool prelude = h->records == 0;
	uint8_t type = rec[0];
	enum tls_opened opened;
	size_t n_out = 0;

	mark_find(tls, h, rec, n);
	opened = tls_keys_open(tls, dir, rec, in, &n_out);
	if (h->synced || opened != TLS_NOT_OPENED)
		tls_opener_chain(&h->now, in);
	if (opened == TLS_NOT_OPENED) {
		if (!h->synced)
			return false;
		if (prelude && h->blind)
			h->read_bytes += n; /* handshake bytes */
		else if (prelude && dir == CAP_UP && tls->early_data)
			tls_lose(tls, dir, n, "0-RTT data that has no key");
		else
			tls_lose(tls, dir, n, "a record does not decrypt");
		return true;
	}
	h->read_bytes += n;
	in = (struct bnet_slice){ tls->out, n_out };
	if (tls->version == TLS_1_3)
		type = inner_type(&in);
	/* 0-RTT has one handshake message only, EndOfEarlyData */
	if (opened == TLS_OPENED || type == TLS_DATA)
		contents(tls, dir, type, in);
	tls->now = tls->sink->now;
	return true;
}

/* Processes a plaintext record: the hellos, and the handshake of 1.2. */
static void
take_plain(struct cap_tls *tls, enum cap_dir dir, const uint8_t *rec, size_t n)
{
	struct tls_half *h = &tls->half[dir];
	struct bnet_slice in = { rec + TLS_HEAD_BYTES, n - TLS_HEAD_BYTES };

	if (rec[0] == TLS_DATA) {
		tls_lose(tls, dir, n, "data before there are keys");
		return;
	}
	h->read_bytes += n;
	/* anybody could have sent it, so after the hellos most is ignored */
	if (rec[0] == TLS_MESSAGE && h->level == TLS_PLAIN)
		tls_messages_feed(tls, dir, in);
	else if (rec[0] == TLS_ALERT && h->level == TLS_PLAIN)
		alert(h, in);
	else if (rec[0] == TLS_CHANGE_CIPHER && tls_hellos(tls) &&
	    tls->version != TLS_1_3)
		h->advance = true;
}

/* Changes keys between two records. */
static void
change_keys(struct cap_tls *tls, enum cap_dir dir)
{
	struct tls_half *h = &tls->half[dir];

	h->advance = false;
	tls_messages_reset(&h->messages, false);
	if (tls->version == TLS_1_3)
		(void)tls_keys_advance(tls, dir);
	else
		(void)tls_keys_start(tls, dir);
}

/* ---- the search for a record ---- */

static bool
candidate(
    const struct cap_tls *tls, const struct tls_half *h, const uint8_t *head)
{
	bool v13 = tls->version == TLS_1_3;

	if (!head_good(tls, head) ||
	    head[2] != (v13 ? 3 : (tls->version & 0xff)) ||
	    body_bytes(head) < tls_opener_min(&h->now))
		return false;
	return !v13 || head[0] == TLS_DATA;
}

static void
pass_over(struct cap_tls *tls, enum cap_dir dir, size_t n)
{
	struct tls_half *h = &tls->half[dir];

	if (n == 0)
		return;
	tls_keys_missed(h, n);
	tls_lose(tls, dir, n, "no TLS record found after a hole");
}

/* Finds the first place where a record opens; the bytes before it are lost. */
static enum tls_step
resync(struct cap_tls *tls, enum cap_dir dir, struct bnet_slice in, bool last,
    size_t *used)
{
	struct tls_half *h = &tls->half[dir];
	size_t at, n, passed = 0;

	for (at = 0; in.len - at >= TLS_HEAD_BYTES; at++) {
		if (!candidate(tls, h, in.p + at))
			continue;
		n = TLS_HEAD_BYTES + body_bytes(in.p + at);
		if (n > in.len - at) {
			if (last)
				continue;
			break;
		}
		/* report the loss before the contents of the record */
		pass_over(tls, dir, at - passed);
		passed = at;
		tls_opener_chain(&h->now, (struct bnet_slice){ in.p, at });
		if (!take_sealed(tls, dir, in.p + at, n))
			continue;
		h->synced = true;
		*used = at + n;
		return TLS_ON;
	}
	pass_over(tls, dir, at - passed);
	tls_opener_chain(&h->now, (struct bnet_slice){ in.p, at });
	*used = at;
	return at > 0 ? TLS_ON : TLS_MORE;
}

/* No record starts where one must start. */
static enum tls_step
derailed(struct cap_tls *tls, enum cap_dir dir)
{
	struct tls_half *h = &tls->half[dir];

	if (!tls_hellos(tls)) {
		tls_kill_both(tls, CAP_TLS_BROKEN, "not a TLS record");
		return TLS_ON;
	}
	if (h->level == TLS_PLAIN && !tls_keys_start(tls, dir))
		return TLS_ON;
	h->synced = false;
	tls_messages_reset(&h->messages, true);
	return TLS_ON;
}

/* Is it a record that cannot be read before both hellos are known? */
static bool
before_hellos(const struct cap_tls *tls, const struct tls_half *h, uint8_t type)
{
	if (tls_hellos(tls))
		return false;
	if (type == TLS_CHANGE_CIPHER) /* after a retry it has no meaning */
		return h->hello || !h->retry;
	return type == TLS_DATA;
}

/*
 * Processes the record at the start of `in`. last: nothing follows `in` soon.
 */
static enum tls_step
tls_step(struct cap_tls *tls, enum cap_dir dir, struct bnet_slice in, bool last,
    size_t *used)
{
	struct tls_half *h = &tls->half[dir];
	size_t n;

	*used = 0;
	if (h->advance) {
		change_keys(tls, dir);
		return TLS_ON;
	}
	if (in.len > 0 && h->skip_bytes > 0) {
		*used = in.len < h->skip_bytes ? in.len : h->skip_bytes;
		h->skip_bytes -= (uint32_t)*used;
		tls_opener_chain(&h->now, (struct bnet_slice){ in.p, *used });
		tls_lose(tls, dir, *used, tls_missing);
		return TLS_ON;
	}
	if (in.len < TLS_HEAD_BYTES)
		return TLS_MORE;
	if (!h->synced)
		return resync(tls, dir, in, last, used);
	if (!head_good(tls, in.p))
		return derailed(tls, dir);
	n = TLS_HEAD_BYTES + body_bytes(in.p);
	if (n > in.len)
		return TLS_MORE;
	if (before_hellos(tls, h, in.p[0])) {
		if (h->hello)
			return TLS_BLOCKED;
		tls_kill_both(tls, CAP_TLS_NO_START, tls_no_start);
		return TLS_ON;
	}
	if (!sealed(tls, h, in.p[0])) {
		take_plain(tls, dir, in.p, n);
	} else {
		if (h->level == TLS_PLAIN && !tls_keys_start(tls, dir))
			return TLS_ON;
		(void)take_sealed(tls, dir, in.p, n);
	}
	*used = n;
	return TLS_ON;
}

/* ---- connections ---- */

/*
 * The budget for trial decryption, in bytes: initial, maximum, and per byte
 * fed.
 */
#define BUDGET_FIRST (UINT64_C(8) << 20)
#define BUDGET_BYTES (UINT64_C(256) << 20)
#define BUDGET_EACH 64

struct cap_tls *
cap_tls_new(const struct cap_keylog *keylog)
{
	struct cap_tls *tls = calloc(1, sizeof(*tls));

	if (tls == NULL)
		return NULL;
	tls->keylog = keylog;
	tls->reason = "";
	tls->budget_bytes = BUDGET_FIRST;
	tls->horizon = UINT64_MAX;
	for (int dir = 0; dir < 2; dir++) {
		bnet_buf_init(&tls->half[dir].in, CAP_TLS_HOLD_BYTES);
		bnet_buf_init(&tls->half[dir].marks, MARKS_MAX_BYTES);
		tls->half[dir].synced = true;
	}
	return tls;
}

void
cap_tls_free(struct cap_tls *tls)
{
	if (tls == NULL)
		return;
	for (int dir = 0; dir < 2; dir++) {
		struct tls_half *h = &tls->half[dir];

		bnet_buf_free(&h->in);
		bnet_buf_free(&h->marks);
		bnet_buf_free(&h->messages.hello);
		tls_opener_free(&h->now);
		tls_opener_free(&h->next);
	}
	tls_opener_free(&tls->early);
	OPENSSL_cleanse(tls, sizeof(*tls));
	free(tls);
}

/* ---- processing ---- */

/* Can the hole be crossed, or must it wait for the hello of the other side? */
static bool
must_wait(const struct cap_tls *tls, enum cap_dir dir)
{
	return tls->half[dir].hello && !tls->half[!dir].hello;
}

static void
discard(struct cap_tls *tls, enum cap_dir dir)
{
	struct tls_half *h = &tls->half[dir];

	if (h->in.len > 0 || h->hole)
		tls_lose(tls, dir, h->in.len + h->dropped_bytes, h->dead);
	h->dropped_bytes = 0;
	h->hole = false;
	h->blocked = h->waiting = false;
	bnet_buf_free(&h->in);
	bnet_buf_free(&h->marks);
	tls_messages_reset(&h->messages, true);
}

static bool
has_secret(const struct cap_tls *tls, enum cap_secret which)
{
	struct bnet_slice s;

	return tls->keylog != NULL &&
	    cap_keylog_find(tls->keylog, tls->randoms.of[CAP_UP], which, &s);
}

/* Does the next step need a secret that may still come? */
static bool
lacks_secret(const struct cap_tls *tls, enum cap_dir dir, struct bnet_slice in)
{
	const struct tls_half *h = &tls->half[dir];
	bool v13 = tls->version == TLS_1_3;

	if (!tls->wait || !tls_hellos(tls))
		return false;
	if (h->level != TLS_PLAIN)
		return h->advance && h->level == TLS_HANDSHAKE &&
		    !has_secret(tls, label(dir, TLS_TRAFFIC));
	if (!h->advance && !h->hole && h->synced &&
	    (!v13 || in.len == 0 || in.p[0] != TLS_DATA))
		return false;
	if (!v13)
		return !has_secret(tls, CAP_SECRET_MASTER);
	return !has_secret(tls, label(dir, TLS_HANDSHAKE)) &&
	    !has_secret(tls, label(dir, TLS_TRAFFIC));
}

/* Processes all it can. last: no more bytes will come. */
static void
drain(struct cap_tls *tls, enum cap_dir dir, bool last)
{
	struct tls_half *h = &tls->half[dir];
	struct bnet_slice in;
	enum tls_step step;
	size_t used;

	while (h->dead == NULL) {
		in = bnet_buf_slice(&h->in);
		if (h->hole)
			in.len = h->hole_at;
		h->waiting = lacks_secret(tls, dir, in);
		if (h->waiting ||
		    (tls->horizon != UINT64_MAX && mark_next(h) > tls->horizon))
			return;
		step = tls_step(tls, dir, in, last || h->hole, &used);
		tls_take(h, used);
		h->blocked = step == TLS_BLOCKED;
		if (step == TLS_ON)
			continue;
		if (!h->hole || (must_wait(tls, dir) && !last)) {
			h->blocked = h->blocked || h->hole;
			break;
		}
		if (h->blocked) /* permanently: the end has come */
			break;
		tls_hole_cross(tls, dir, in);
	}
	if (h->dead != NULL)
		discard(tls, dir);
	else if (h->in.len == 0)
		bnet_buf_free(&h->in);
}

/* Processes both directions, `dir` first; a hello may come in either. */
static void
drain_both(struct cap_tls *tls, enum cap_dir dir)
{
	enum cap_dir other = dir == CAP_UP ? CAP_DOWN : CAP_UP;

	drain(tls, dir, false);
	if (tls->half[other].blocked || tls->half[other].dead != NULL)
		drain(tls, other, false);
}

static enum bnet_err
begin(struct cap_tls *tls, const struct cap_tls_sink *sink)
{
	tls->sink = sink;
	tls->now = sink->now;
	tls->out = malloc(TLS_BODY_MAX_BYTES);
	return tls->out == NULL ? BNET_ENOMEM : BNET_OK;
}

static void
finish(struct cap_tls *tls)
{
	free(tls->out);
	tls->out = NULL;
	tls->sink = NULL;
}

static enum bnet_err
feed_half(struct cap_tls *tls, enum cap_dir dir, struct bnet_slice bytes)
{
	struct tls_half *h = &tls->half[dir];
	enum bnet_err err;

	while (bytes.len > 0 && h->dead == NULL) {
		struct bnet_slice part = bytes;

		if (part.len > h->in.max - h->in.len)
			part.len = h->in.max - h->in.len;
		err = BNET_ELIMIT;
		if (part.len > 0)
			err = bnet_buf_append(&h->in, part);
		if (err != BNET_OK) {
			/* bytes that cannot be kept are a hole, too */
			tls_hole_open(h, bytes.len, bytes.len);
			return err == BNET_ENOMEM ? err : BNET_OK;
		}
		bytes = bnet_slice_from(bytes, part.len);
		drain_both(tls, dir);
		mark_held(h, &tls->sink->now);
	}
	if (bytes.len > 0)
		tls_lose(tls, dir, bytes.len, h->dead);
	return BNET_OK;
}

enum bnet_err
cap_tls_feed(struct cap_tls *tls, enum cap_dir dir, struct bnet_slice bytes,
    const struct cap_tls_sink *sink)
{
	enum bnet_err err = begin(tls, sink);

	tls->budget_bytes += (uint64_t)bytes.len * BUDGET_EACH;
	if (tls->budget_bytes > BUDGET_BYTES)
		tls->budget_bytes = BUDGET_BYTES;
	if (err == BNET_OK)
		err = feed_half(tls, dir, bytes);
	else if (bytes.len > 0)
		tls_hole_open(&tls->half[dir], bytes.len, bytes.len);
	finish(tls);
	return err;
}

enum bnet_err
cap_tls_gap(struct cap_tls *tls, enum cap_dir dir, uint64_t missing_bytes,
    const struct cap_tls_sink *sink)
{
	enum bnet_err err = begin(tls, sink);

	if (missing_bytes > 0 && tls->half[dir].dead == NULL)
		tls_hole_open(&tls->half[dir], missing_bytes, 0);
	if (err == BNET_OK)
		drain_both(tls, dir);
	finish(tls);
	return err;
}

void
cap_tls_wait(struct cap_tls *tls, bool wait)
{
	tls->wait = wait;
	for (int dir = 0; dir < 2 && wait; dir++)
		tls->half[dir].in.max = CAP_TLS_WAIT_BYTES;
}

bool
cap_tls_waiting(const struct cap_tls *tls)
{
	return tls->half[CAP_UP].waiting || tls->half[CAP_DOWN].waiting;
}

/* The first packet that completes a record of either direction; 0: none. */
static uint64_t
first_packet(const struct cap_tls *tls)
{
	uint64_t up = mark_next(&tls->half[CAP_UP]);
	uint64_t down = mark_next(&tls->half[CAP_DOWN]);

	return up == 0 || (down != 0 && down < up) ? down : up;
}

enum bnet_err
cap_tls_retry(struct cap_tls *tls, const struct cap_tls_sink *sink)
{
	enum bnet_err err = begin(tls, sink);
	uint64_t first, last = 0;

	/* in the order of the capture, as long as that gets on */
	while (err == BNET_OK && (first = first_packet(tls)) > last) {
		last = tls->horizon = first;
		drain(tls, CAP_UP, false);
		drain(tls, CAP_DOWN, false);
	}
	tls->horizon = UINT64_MAX;
	if (err == BNET_OK) {
		drain(tls, CAP_UP, false);
		drain(tls, CAP_DOWN, false);
	}
	finish(tls);
	return err;
}

static void
end(struct cap_tls *tls, enum cap_dir dir)
{
	struct tls_half *h = &tls->half[dir];

	tls->wait = false;
	drain(tls, dir, true);
	if (h->blocked) {
		tls_kill_both(tls, CAP_TLS_NO_START, tls_no_start);
		discard(tls, dir);
	}
	if (h->in.len > 0)
		tls_lose(tls, dir, h->in.len, "the end cuts a TLS record");
	bnet_buf_free(&h->in);
	report_losses(tls, dir);
}

enum bnet_err
cap_tls_end(struct cap_tls *tls, const struct cap_tls_sink *sink)
{
	enum bnet_err err = begin(tls, sink);

	if (err == BNET_OK) {
		end(tls, CAP_UP);
		end(tls, CAP_DOWN);
	}
	finish(tls);
	return err;
}

void
cap_tls_status(const struct cap_tls *tls, struct cap_tls_status *status)
{
	*status = (struct cap_tls_status){ .state = tls->state,
		.reason = tls->reason,
		.version = tls->version,
		.suite = tls->suite_id };
	for (int dir = 0; dir < 2; dir++) {
		const struct tls_half *h = &tls->half[dir];

		status->closed[dir] = h->closed;
		status->records[dir] = h->records;
		status->read_bytes[dir] = h->read_bytes;
		status->lost_bytes[dir] = h->lost_bytes;
		status->plain_bytes[dir] = h->plain_bytes;
		status->held_bytes[dir] = h->in.len + h->dropped_bytes;
	}
}

size_t
cap_tls_memory_bytes(const struct cap_tls *tls)
{
	return tls->half[CAP_UP].in.cap + tls->half[CAP_DOWN].in.cap +
	    tls->half[CAP_UP].marks.cap + tls->half[CAP_DOWN].marks.cap;
}
