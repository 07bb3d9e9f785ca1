/* SPDX-License-Identifier: MIT */
/*
 * progress - the progress on standard error: one line that is redrawn on a
 * terminal, otherwise a line every few seconds.
 */
#ifndef REPLAY_PROGRESS_H
#define REPLAY_PROGRESS_H

#include "cmd/replay/options.h"
#include "cmd/replay/play/play.h"

#include <stdbool.h>
#include <stdint.h>

#define PROGRESS_LINE_CHARS 512

struct replay_progress {
	bool bar; /* redrawn; else lines */
	bool off;
	bool drawn; /* there is a line to erase */
	int64_t shown_ns; /* when last; monotonic */
	int64_t at_ns; /* of the run, then */
	uint64_t sent; /* frames, then */
};

/* What is shown of a run. */
struct progress_view {
	const struct play_progress *play;
	int64_t at_ns; /* since the run's start */
	int64_t total_ns; /* 0: no planned end */
	uint64_t total_frames; /* 0: nor in frames */
	double frames_per_s;
	bool scheduled; /* there is a lateness */
};

void replay_progress_init(
    struct replay_progress *progress, const struct replay_options *opt);

/* While captures are read; total 0: unknown. May be called at any rate. */
void replay_progress_read(struct replay_progress *progress, uint64_t done_bytes,
    uint64_t total_bytes);

/* Is it time to show something? */
bool replay_progress_due(const struct replay_progress *progress);
void replay_progress_play(
    struct replay_progress *progress, struct progress_view *view);

/* Erase the line. */
void replay_progress_end(struct replay_progress *progress);

/*
 * Format the line, NUL-ended, of at most `width` columns: with a bar if there
 * is room for one and the end is known. Width 0: no bar, not cut, and preceded
 * by the seconds that have passed.
 */
void progress_format(char line[PROGRESS_LINE_CHARS], unsigned width,
    const struct progress_view *view);

#endif
