/* SPDX-License-Identifier: MIT */
#include "cmd/capture/tls_impl.h"

#include <openssl/crypto.h>
#include <stdlib.h>

/* Trial decryption, in bytes gone over: at first and at most; for each fed. */
#define BUDGET_FIRST (UINT64_C(8) << 20)
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
	tls->budget_bytes = BUDGET_FIRST;
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

/* ---- taking -------------------------------------------------------------- */

/* A hole can be crossed, or must wait until the other side's hello is in. */
static bool
must_wait(const struct cap_tls *tls, enum cap_dir dir)
{
	return tls->half[dir].hello && !tls->half[!dir].hello;
}

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
		tls_take(h, used);
		h->blocked = step == TLS_BLOCKED;
		if (step == TLS_ON)
			continue;
		if (!h->hole || (must_wait(tls, dir) && !last)) {
			h->blocked = h->blocked || h->hole;
			break;
		}
		if (h->blocked) /* for ever: the end has come */
			break;
		tls_hole_cross(tls, dir, in);
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
			tls_hole_open(h, bytes.len, bytes.len);
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

size_t
cap_tls_memory_bytes(const struct cap_tls *tls)
{
	return tls->half[CAP_UP].in.cap + tls->half[CAP_DOWN].in.cap;
}
