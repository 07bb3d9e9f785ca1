/* SPDX-License-Identifier: MIT */
/*
 * screen - the full screen of --live: one row per node, with a sparkline of its
 * latest round trips, all on one scale. q quits, the arrow keys scroll. It owns
 * the terminal while it is open. For run.c.
 */
#ifndef PING_SCREEN_H
#define PING_SCREEN_H

#include "cmd/ping/cluster_table.h"
#include "cmd/ping/measure.h"

#include <stdbool.h>

#define SCREEN_LEVELS 8 /* of a sparkline */
#define SCREEN_LEVEL_LOST (-1)

struct screen;

/* Takes over the terminal; times are in `unit`. NULL: it cannot be drawn on. */
struct screen *screen_open(enum cluster_unit unit);

/* Restores the terminal. NULL is allowed. */
void screen_close(struct screen *screen);

/*
 * Read the targets and draw them; call it periodically. False: the user quits.
 */
bool screen_draw(struct screen *screen, struct measure *measure,
    const struct measure_view *view, const char *relay);

/*
 * The height of a round trip in a sparkline, 0 to SCREEN_LEVELS - 1, on a
 * logarithmic scale from low_ns to high_ns; SCREEN_LEVEL_LOST for TARGET_LOST.
 */
int screen_level(int64_t round_ns, int64_t low_ns, int64_t high_ns);

#endif
