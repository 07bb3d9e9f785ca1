/* SPDX-License-Identifier: MIT */
/* What the files of live share; nobody else includes it. */
#ifndef PING_LIVE_IMPL_H
#define PING_LIVE_IMPL_H

#include "cmd/ping/live.h"
#include "cmd/ping/measure.h"
#include "cmd/ping/noise.h"
#include "cmd/ping/report.h"
#include "cmd/ping/screen.h"

#include <stdbool.h>
#include <stdio.h>

struct live {
	const struct ping_options *opt;
	struct measure *measure;
	struct noise *noise;
	struct series *series;
	struct screen *screen; /* NULL: none */
	FILE *log, *samples; /* NULL: none */
	struct report_settings report;
	unsigned report_state;
	bool running; /* rows are shown as their buckets are closed */
	int signal_fd;
	bool told_words; /* those that nobody is */
	int64_t draw_at_ns;
	bool interrupted;
	struct measure_view view;
	struct noise_stall stalls[NOISE_HELD_MAX];
};

/* ---- live_lines.c: as ping prints them ---- */

void live_line(struct live *live, const struct measure_event *event);

/* ---- live_files.c: --log and --samples ---- */

/* Ends the process where one can not be created. */
void live_files_open(struct live *live);
void live_files_begin(struct live *live, int64_t wall_ns);
void live_files_sample(struct live *live, const struct measure_event *event);
void live_files_row(struct live *live, const struct series_row *row,
    const struct series_cell *cell);
/* False: one could not be written, which was said. */
bool live_files_close(struct live *live);

/* ---- live_mesh.c: --mesh, from whom to whom ---- */

void live_mesh(struct live *live);

/* ---- live_end.c: what is said when it is over ---- */

/* Print what there is, and say why it was not all well; the exit code. */
int live_end(struct live *live);

#endif
