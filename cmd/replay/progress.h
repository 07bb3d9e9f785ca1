/* SPDX-License-Identifier: MIT */
/*
 * progress - progress on standard error: on a terminal one line that is
 * redrawn, otherwise one line every few seconds.
 */
#ifndef REPLAY_PROGRESS_H
#define REPLAY_PROGRESS_H

#include "cmd/replay/options.h"
#include "cmd/replay/play/play.h"

#include <stdbool.h>
#include <stdint.h>

#define PROGRESS_LINE_CHARS 512

struct replay_progress {
	bool bar; /* one redrawn line; false: separate lines */
	bool off;
	bool verbose;
	bool drawn; /* a drawn line must be erased */
	int64_t shown_ns; /* the last time it was shown; monotonic */
	int64_t at_ns; /* run time at shown_ns */
	uint64_t sent; /* frames sent at shown_ns */
};

/* The state of a run to show. */
struct progress_view {
	const struct play_progress *play;
	int64_t at_ns; /* since the start of the run */
	int64_t total_ns; /* 0: no planned end */
	uint64_t total_frames; /* 0: unknown */
	double frames_per_s;
	bool scheduled; /* lateness is measured */
};

void replay_progress_init(
    struct replay_progress *progress, const struct replay_options *opt);

/*
 * Shows how much of the captures was read; total 0: unknown. Call it at any
 * rate.
 */
void replay_progress_read(struct replay_progress *progress, uint64_t done_bytes,
    uint64_t total_bytes);

/* Says what is waited for, on the line that is redrawn, or with --verbose. */
void replay_progress_wait(struct replay_progress *progress, const char *what);

/* Is the next update due? */
bool replay_progress_due(const struct replay_progress *progress);
void replay_progress_play(
    struct replay_progress *progress, struct progress_view *view);

/* Erases the line. */
void replay_progress_end(struct replay_progress *progress);

/*
 * Formats the line into `line`, NUL-terminated, at most `width` columns: with a
 * bar if it fits and the end is known. Width 0: no bar, no truncation, and the
 * elapsed seconds come first.
 */
void progress_format(char line[PROGRESS_LINE_CHARS], unsigned width,
    const struct progress_view *view);

#endif
