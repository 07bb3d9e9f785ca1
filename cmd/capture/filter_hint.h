/* SPDX-License-Identifier: MIT */
/*
 * filter_hint - says what a capture filter passed over, and why. Called by the
 * tools, at the end.
 */
#ifndef CAPTURE_FILTER_HINT_H
#define CAPTURE_FILTER_HINT_H

#include "cmd/capture/source.h"

#define FILTER_HINT_CHARS 600

/*
 * Writes a sentence if the filter matched nothing, or not the packets that it
 * was meant for. `seen` is NULL for a live capture that got no packet. Returns
 * false if there is nothing to say.
 */
bool filter_hint(const struct source_filtered *seen, const char *bpf,
    char text[FILTER_HINT_CHARS]);

#endif
