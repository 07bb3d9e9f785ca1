/* SPDX-License-Identifier: MIT */
/*
 * filter_hint - why does a capture filter let nothing pass? Reads the file once
 * more without it. Called by the tools, when nothing passed.
 */
#ifndef CAPTURE_FILTER_HINT_H
#define CAPTURE_FILTER_HINT_H

#include <stddef.h>

#define FILTER_HINT_CHARS 400

/*
 * Writes a sentence about the packets in these files, which may be "-" or
 * anything that cannot be read again; then it says less.
 */
void filter_hint(const char *const *paths, size_t n_paths, const char *bpf,
    char text[FILTER_HINT_CHARS]);

#endif
