/* SPDX-License-Identifier: MIT */
/*
 * compile - captures in, a tape out.
 *
 *	packets -> cap (reassembly, TLS, frames) -> filter -> sessions -> tape
 *
 * One pass over the packets. Memory is a few hundred bytes per session and what
 * cap_limits allow, whatever the frames hold. Several captures are read one
 * after the other, as if they were one.
 */
#ifndef REPLAY_COMPILE_H
#define REPLAY_COMPILE_H

#include "cmd/capture/capture.h"
#include "cmd/common/keys.h"
#include "cmd/filter/filter.h"
#include "cmd/replay/tape/tape.h"

#include <stdbool.h>
#include <stddef.h>

struct compile_settings {
	const char *const *paths; /* n of them; "-" is standard input */
	size_t n_paths;
	const char *bpf; /* or NULL */
	const struct filter *filter; /* or NULL: all frames */
	struct keys *keys; /* borrowed: names for the filter, or NULL */
	const char *keylog; /* a file of TLS secrets, or NULL */
	struct cap_settings cap; /* ports, order, limits; keylog is not read */
	/* Called from time to time with how much was read; total 0: unknown. */
	void (*progress)(void *arg, uint64_t done_bytes, uint64_t total_bytes);
	void *arg;
};

/*
 * Make a tape in `fd`, which is empty and open for reading and writing. After a
 * failure what is in it is not a tape. compile_break() makes it stop. False:
 * err says why.
 */
bool
compile(const struct compile_settings *set, int fd, char err[TAPE_ERR_CHARS]);

/* Safe in a signal handler. */
void compile_break(void);

#endif
