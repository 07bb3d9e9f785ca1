/* SPDX-License-Identifier: MIT */
/*
 * window - the times between which records are shown (--first and --last).
 * A bound may be relative to the first packet, or a time of its day, and so is
 * known only when that has come. Owns nothing; called by options.c and loop.c.
 */
#ifndef DECODE_WINDOW_H
#define DECODE_WINDOW_H

#include "cmd/common/options.h"

#include <stdbool.h>
#include <stdint.h>

enum window_kind {
	WINDOW_NONE = 0,
	WINDOW_UNIX, /* ns since 1970 */
	WINDOW_SINCE, /* ns since the first packet */
	WINDOW_OF_DAY, /* the text, on the day of the first packet */
};

struct window_bound {
	enum window_kind kind;
	int64_t ns;
	char text[64];
};

struct window {
	struct window_bound first, last; /* as given */
	bool on; /* one of them was given */
	int64_t from_ns, to_ns; /* inclusive; once the first packet has come */
};

/*
 * Reads "1795386162.5", "+5s", "2026-11-30 12:00", or "12:00:05". Returns
 * false on failure: `err` says what was expected.
 */
bool window_bound_read(
    struct window_bound *bound, const char *text, char err[OPTION_ERR_CHARS]);

/* Can nothing be in it, as far as is known without a packet? */
bool window_is_empty(const struct window *window);

/* The first packet has this time. */
void window_begin(struct window *window, int64_t first_packet_ns);

static inline bool
window_has(const struct window *window, int64_t time_ns)
{
	return time_ns >= window->from_ns && time_ns <= window->to_ns;
}

#endif
