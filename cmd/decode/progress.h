/* SPDX-License-Identifier: MIT */
/*
 * progress - a bar on standard error while a large file is read. Owns the line
 * of the terminal; called by loop.c.
 */
#ifndef DECODE_PROGRESS_H
#define DECODE_PROGRESS_H

#include "cmd/capture/source.h"
#include "cmd/decode/options.h"

struct progress {
	bool on;
	bool drawn;
	uint64_t calls;
	int64_t drawn_ns; /* monotonic */
};

/*
 * Enables the bar if a file is read, standard error is a terminal, and standard
 * output is neither a pipe nor a terminal that shows lines.
 */
void progress_init(struct progress *progress, const struct decode_options *opt,
    const struct source *src);

/* Call it for each packet; redraws a few times a second. */
void progress_step(struct progress *progress, const struct source *src);

/* Removes the bar from the screen. */
void progress_end(struct progress *progress);

#endif
