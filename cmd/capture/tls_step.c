/* SPDX-License-Identifier: MIT */
#include "cmd/capture/tls_impl.h"

#define ALERT_CLOSE_NOTIFY 0

static size_t
body_bytes(const uint8_t *head)
{
	return (size_t)head[3] << 8 | head[4];
}

/* Can this be the head of a record, by what is known of the connection? */
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

/* The contents of an opened record, by their type. */
static void
contents(
    struct cap_tls *tls, enum cap_dir dir, uint8_t type, struct bnet_slice in)
{
	struct tls_half *h = &tls->half[dir];

	switch (type) {
	case TLS_DATA:
		if (in.len == 0)
			break;
		tls_tell(tls, dir);
		h->plain_bytes += in.len;
		tls->sink->plain(tls->sink->arg, dir, in);
		break;
	case TLS_MESSAGE:
		tls_messages_feed(tls, dir, in);
		break;
	case TLS_ALERT:
		alert(h, in);
		break;
	case TLS_CHANGE_CIPHER: /* 1.2, a second handshake */
		h->advance = tls->version == TLS_1_2;
		break;
	default:
		break;
	}
}

/* TLS 1.3: content, its type, zeros. *in becomes the content; 0: no type. */
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
 * A sealed record of `n` bytes. Returns false where it does not open and it
 * is not certain that it is a record.
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

	opened = tls_keys_open(tls, dir, rec, in, &n_out);
	if (opened == TLS_NOT_OPENED) {
		if (!h->synced)
			return false;
		if (prelude && h->blind)
			h->read_bytes += n; /* the handshake */
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
	/* 0-RTT has a handshake of its own, EndOfEarlyData, and no more */
	if (opened == TLS_OPENED || type == TLS_DATA)
		contents(tls, dir, type, in);
	return true;
}

/* A record as it is: the hellos, and what 1.2 says in the open. */
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
	/* anybody could have sent it, so behind the hellos little counts */
	if (rec[0] == TLS_MESSAGE && h->level == TLS_PLAIN)
		tls_messages_feed(tls, dir, in);
	else if (rec[0] == TLS_ALERT && h->level == TLS_PLAIN)
		alert(h, in);
	else if (rec[0] == TLS_CHANGE_CIPHER && tls->version == TLS_1_2)
		h->advance = true;
}

/* Keys change between two records. */
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

/* ---- the search for a record --------------------------------------------- */

static bool
candidate(
    const struct cap_tls *tls, const struct tls_half *h, const uint8_t *head)
{
	if (!head_good(tls, head) || head[2] != 3 ||
	    body_bytes(head) < tls_opener_min(&h->now))
		return false;
	return tls->version == TLS_1_2 || head[0] == TLS_DATA;
}

static void
pass_over(struct cap_tls *tls, enum cap_dir dir, size_t n)
{
	struct tls_half *h = &tls->half[dir];

	if (n == 0)
		return;
	tls_keys_missed(h, n);
	tls_lose(tls, dir, n, "no TLS record found behind a hole");
}

/* Find the first place where a record opens; what lies before it is lost. */
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
		/* the loss comes before what may be told of the record */
		pass_over(tls, dir, at - passed);
		passed = at;
		if (!take_sealed(tls, dir, in.p + at, n))
			continue;
		h->synced = true;
		*used = at + n;
		return TLS_ON;
	}
	pass_over(tls, dir, at - passed);
	*used = at;
	return at > 0 ? TLS_ON : TLS_MORE;
}

/* No record starts where one must. */
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

/* Is it a record that can not be read before both hellos are? */
static bool
before_hellos(const struct cap_tls *tls, const struct tls_half *h, uint8_t type)
{
	if (tls_hellos(tls))
		return false;
	if (type == TLS_CHANGE_CIPHER) /* behind a retry it is for show */
		return h->hello || !h->retry;
	return type == TLS_DATA;
}

enum tls_step
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
