/* SPDX-License-Identifier: MIT */
/*
 * rates - how many packets and bytes a second a client may send: in all, and
 * packets of one key. Each limit is a token bucket that holds a second's worth
 * and is full at first. No I/O, no clock. For options.c, run.c and hooks.c.
 */
#ifndef RELAY_RATES_H
#define RELAY_RATES_H

#include "cmd/common/options.h"
#include "proto/header.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RATES_KEYS_MAX 8
#define RATES_MAX 1000000 /* packets a second */

enum rates_excess {
	RATES_REFUSE,
	RATES_PAUSE,
};

/* 0 everywhere: no limit. */
struct rates_settings {
	enum rates_excess excess;
	bool any; /* there is a limit */
	int64_t packet_ns; /* a packet costs so much */
	uint64_t bytes_per_s;
	size_t n_keys;
	struct rates_key {
		int32_t key;
		int64_t packet_ns;
	} keys[RATES_KEYS_MAX];
};

/* The buckets of a link; all zero: full. */
struct rates {
	int64_t packets_ns, bytes_ns, keys_ns[RATES_KEYS_MAX];
};

enum rates_verdict {
	RATES_OK,
	RATES_PACKETS,
	RATES_BYTES,
	RATES_KEY,
	RATES_N_VERDICTS
};

/*
 * The settings of these options; `keys` are texts KEY=N. NULL: done; else the
 * text that is wrong.
 */
const char *rates_read(struct rates_settings *settings, uint64_t packets_per_s,
    uint64_t bytes_per_s, const struct option_texts *keys);

/*
 * Take a packet of `n_bytes` at now_ns, by a clock that does not go back.
 * RATES_REFUSE: it is over the limit that is returned, and cost nothing, or
 * RATES_OK. RATES_PAUSE: RATES_OK, and *until_ns is when the next one may come;
 * 0: at once.
 */
enum rates_verdict rates_take(struct rates *rates,
    const struct rates_settings *settings, const struct bnet_header *header,
    size_t n_bytes, int64_t now_ns, int64_t *until_ns);

#endif
