/* SPDX-License-Identifier: MIT */
/* What the files of live share; nobody else includes it. */
#ifndef PING_LIVE_IMPL_H
#define PING_LIVE_IMPL_H

#include "cmd/ping/live.h"
#include "cmd/ping/measure.h"
#include "cmd/ping/noise.h"

#include <stdbool.h>
#include <stdio.h>

struct screen;

struct live {
	const struct ping_options *opt;
	struct measure *measure;
	struct noise *noise;
	struct series *series;
	struct screen *screen; /* NULL: none */
	FILE *samples; /* NULL: none */
	int signal_fd;
	bool told_words; /* those that nobody is */
	bool left; /* a node left the roster, and is not back */
	bool interrupted;
	struct measure_view view;
	struct noise_stall stalls[NOISE_HELD_MAX];
};

/* ---- live_lines.c: as ping prints them ---- */

void live_line(struct live *live, const struct measure_event *event);

/* ---- live_end.c: what is said when it is over ---- */

/* Says why it was not all well; the exit code. */
int live_verdict(struct live *live);
/* The tables beside the article's: clocks, relays. */
void live_tables(struct live *live);

#endif
