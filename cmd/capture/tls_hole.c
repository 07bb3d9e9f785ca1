/* SPDX-License-Identifier: MIT */
/* Bytes that are missing: kept in order with those held, then crossed. */
#include "cmd/capture/tls_impl.h"

const char tls_missing[] = "bytes are missing";
const char tls_no_start[] =
    "the start of the TLS session is not in the capture";

void
tls_take(struct tls_half *h, size_t n)
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

void
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
	tls_lose(tls, dir, before.len + h->dropped_bytes, tls_missing);
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

void
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
