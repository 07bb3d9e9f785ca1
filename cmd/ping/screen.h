/* SPDX-License-Identifier: MIT */
/*
 * screen - the full screen of --live: a row a node, with a sparkline of its
 * latest round trips, on one scale for all. q ends, the arrows scroll. It owns
 * the terminal while it is open. For run.c.
 */
#ifndef PING_SCREEN_H
#define PING_SCREEN_H

#include "cmd/ping/measure.h"

#include <stdbool.h>

#define SCREEN_LEVELS 8 /* of a sparkline */
#define SCREEN_LEVEL_LOST (-1)

struct screen;

/* Takes the terminal over. NULL: it is none that we can draw on. */
struct screen *screen_open(void);

/* Gives it back. NULL is allowed. */
void screen_close(struct screen *screen);

/*
 * Look at the targets and draw them; once in a while. False: somebody wants
 * it to end.
 */
bool screen_draw(struct screen *screen, struct measure *measure,
    const struct measure_view *view, const char *relay);

/*
 * How high a round trip stands in a sparkline, 0 to SCREEN_LEVELS - 1, by the
 * logarithm from low_ns to high_ns; SCREEN_LEVEL_LOST for TARGET_LOST.
 */
int screen_level(int64_t round_ns, int64_t low_ns, int64_t high_ns);

#endif
