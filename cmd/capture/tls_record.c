/* SPDX-License-Identifier: MIT */
#include "cmd/capture/tls_impl.h"

#include <openssl/crypto.h>
#include <stdlib.h>

/* Trial decryption, in bytes gone over: at first and at most; for each fed. */
#define BUDGET_BYTES (UINT64_C(256) << 20)
#define BUDGET_EACH 64
#define IN_MAX_BYTES CAP_TLS_HOLD_BYTES

struct cap_tls *
cap_tls_new(const struct cap_keylog *keylog)
{
	struct cap_tls *tls = calloc(1, sizeof(*tls));

	if (tls == NULL)
		return NULL;
	tls->keylog = keylog;
	tls->reason = "";
	tls->budget_bytes = BUDGET_BYTES;
	for (int dir = 0; dir < 2; dir++) {
		bnet_buf_init(&tls->half[dir].in, IN_MAX_BYTES);
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
		bnet_buf_free(&h->messages.hello);
		tls_opener_free(&h->now);
		tls_opener_free(&h->next);
	}
	tls_opener_free(&tls->early);
	OPENSSL_cleanse(tls, sizeof(*tls));
	free(tls);
}

/* ---- losses -------------------------------------------------------------- */

void
tls_tell(struct cap_tls *tls, enum cap_dir dir)
{
	struct tls_half *h = &tls->half[dir];

	if (h->told_reason != NULL)
		tls->sink->lost(
		    tls->sink->arg, dir, h->told_bytes, h->told_reason);
	h->told_reason = NULL;
	h->told_bytes = 0;
}

void
tls_lose(struct cap_tls *tls, enum cap_dir dir, uint64_t n, const char *reason)
{
	struct tls_half *h = &tls->half[dir];

	if (h->told_reason != reason)
		tls_tell(tls, dir);
	h->told_reason = reason;
	h->told_bytes += n;
	h->lost_bytes += n;
}

void
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

void
tls_kill_both(struct cap_tls *tls, enum cap_tls_state state, const char *reason)
{
	tls_kill(tls, CAP_UP, state, reason);
	tls_kill(tls, CAP_DOWN, state, reason);
}

/* ---- holes --------------------------------------------------------------- */

const char tls_missing[] = "bytes are missing";
const char tls_no_start[] =
    "the start of the TLS session is not in the capture";

static void
take(struct tls_half *h, size_t n)
{
	bnet_buf_consume(&h->in, n);
	if (h->hole)
		h->hole_at -= n;
}

/* A record is cut by a hole: what it would have changed. */
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
	/* until the first opens, those before it may be of other keys */
	if (h->records > 0 || (!h->blind && !tls->early_data))
		h->seq += h->level != TLS_PLAIN;
}

/*
 * A record began before the hole, with `before` of its bytes. Its head, if
 * that is there, tells where the next one starts.
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

/* The hole begins within a record that had one already. */
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
 * Go over the hole at the end of `before`, what is left ahead of it. Both
 * hellos are there, or will never be.
 */
static void
cross_hole(struct cap_tls *tls, enum cap_dir dir, struct bnet_slice before)
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
	tls_lose(tls, dir, before.len + h->dropped_bytes, tls_missing);
	take(h, before.len);
	h->dropped_bytes = 0;
	h->hole = false;
	if (h->dead == NULL && !h->synced && h->level == TLS_PLAIN)
		(void)tls_keys_start(tls, dir);
}

/* A hole can be crossed, or must wait until the other side's hello is in. */
static bool
must_wait(const struct cap_tls *tls, enum cap_dir dir)
{
	return tls->half[dir].hello && !tls->half[!dir].hello;
}

/* ---- taking -------------------------------------------------------------- */

static void
bury(struct cap_tls *tls, enum cap_dir dir)
{
	struct tls_half *h = &tls->half[dir];

	if (h->in.len > 0 || h->hole)
		tls_lose(tls, dir, h->in.len + h->dropped_bytes, h->dead);
	h->dropped_bytes = 0;
	h->hole = false;
	h->blocked = false;
	bnet_buf_free(&h->in);
	tls_messages_reset(&h->messages, true);
}

/* Take all that can be taken. last: nothing more comes. */
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
		step = tls_step(tls, dir, in, last || h->hole, &used);
		take(h, used);
		h->blocked = step == TLS_BLOCKED;
		if (step == TLS_ON)
			continue;
		if (!h->hole || (must_wait(tls, dir) && !last)) {
			h->blocked = h->blocked || h->hole;
			break;
		}
		if (h->blocked) /* for ever: the end has come */
			break;
		cross_hole(tls, dir, in);
	}
	if (h->dead != NULL)
		bury(tls, dir);
	else if (h->in.len == 0)
		bnet_buf_free(&h->in);
}

/* The same of both, `dir` first; hellos may come in either. */
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

static uint64_t
sum(uint64_t a, uint64_t b)
{
	return b > UINT64_MAX - a ? UINT64_MAX : a + b;
}

/*
 * There is a hole behind what is held; `dropped_bytes` of it were fed. Where
 * one is there already, what lies between the two is given up.
 */
static void
open_hole(struct tls_half *h, uint64_t missing_bytes, uint64_t dropped_bytes)
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

static enum bnet_err
feed(struct cap_tls *tls, enum cap_dir dir, struct bnet_slice bytes)
{
	struct tls_half *h = &tls->half[dir];
	enum bnet_err err;

	while (bytes.len > 0 && h->dead == NULL) {
		struct bnet_slice part = bytes;

		if (part.len > IN_MAX_BYTES - h->in.len)
			part.len = IN_MAX_BYTES - h->in.len;
		err = BNET_ELIMIT;
		if (part.len > 0)
			err = bnet_buf_append(&h->in, part);
		if (err != BNET_OK) {
			/* what can not be kept is a hole as well */
			open_hole(h, bytes.len, bytes.len);
			return err == BNET_ENOMEM ? err : BNET_OK;
		}
		bytes = bnet_slice_from(bytes, part.len);
		drain_both(tls, dir);
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
		err = feed(tls, dir, bytes);
	else if (bytes.len > 0)
		open_hole(&tls->half[dir], bytes.len, bytes.len);
	finish(tls);
	return err;
}

enum bnet_err
cap_tls_gap(struct cap_tls *tls, enum cap_dir dir, uint64_t missing_bytes,
    const struct cap_tls_sink *sink)
{
	enum bnet_err err = begin(tls, sink);

	if (missing_bytes > 0 && tls->half[dir].dead == NULL)
		open_hole(&tls->half[dir], missing_bytes, 0);
	if (err == BNET_OK)
		drain_both(tls, dir);
	finish(tls);
	return err;
}

static void
end(struct cap_tls *tls, enum cap_dir dir)
{
	struct tls_half *h = &tls->half[dir];

	drain(tls, dir, true);
	if (h->blocked) {
		tls_kill_both(tls, CAP_TLS_NO_START, tls_no_start);
		bury(tls, dir);
	}
	if (h->in.len > 0)
		tls_lose(tls, dir, h->in.len, "the end cuts a TLS record");
	bnet_buf_free(&h->in);
	tls_tell(tls, dir);
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
