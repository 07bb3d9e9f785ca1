/* SPDX-License-Identifier: MIT */
/*
 * compile - compiles captures into a tape.
 *
 *	packets -> cap (reassembly, TLS, frames) -> filter -> sessions -> tape
 *
 * One pass over the packets. Memory is a few hundred bytes per session plus
 * what cap_limits allow, whatever the frames hold. Several captures are read in
 * sequence, as if they were one.
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
	const char *const *paths; /* n paths; "-" is standard input */
	size_t n_paths;
	const char *bpf; /* or NULL */
	const struct filter *filter; /* or NULL: all frames */
	struct keys *keys; /* borrowed: key names for the filter, or NULL */
	const char *keylog; /* path of a file with TLS secrets, or NULL */
	struct cap_settings cap; /* ports, order, limits; keylog is ignored */
	/* Called now and then with the amount read; total 0: unknown. */
	void (*progress)(void *arg, uint64_t done_bytes, uint64_t total_bytes);
	void *arg;
	/* Told what is in the captures, but not on the tape; or NULL. */
	void (*line)(void *arg, const char *text);
};

/*
 * Compiles a tape into `fd`, which must be empty and open for reading and
 * writing. compile_break() stops it. Returns false on failure: err says why,
 * and the contents of the file are not a tape.
 */
bool
compile(const struct compile_settings *set, int fd, char err[TAPE_ERR_CHARS]);

/* Makes compile stop soon. Safe in a signal handler. */
void compile_break(void);

#endif
