/* SPDX-License-Identifier: MIT */
/*
 * left_out - what the packets are that lead to no stream: those that are not
 * TCP, by protocol, and TCP on other ports, by port. Looks into the first
 * segments of each of these ports for frames.
 *
 * Bounded: so many kinds, so many segments of a port and of all. Owns its
 * counts; called by capture.c, and by the tools to tell of them.
 */
#ifndef CAPTURE_LEFT_OUT_H
#define CAPTURE_LEFT_OUT_H

#include "cmd/capture/capture.h"
#include "cmd/capture/layers.h"

#define LEFT_OUT_KINDS_MAX 1024
#define LEFT_OUT_LINES_MAX 6 /* of left_out_lines() */
#define LEFT_OUT_NAME_CHARS 64

struct left_out;

/* Returns NULL when out of memory. */
struct left_out *left_out_new(uint32_t frame_max_bytes);
void left_out_free(struct left_out *left_out); /* NULL is allowed */

/* A packet that is not TCP. */
void left_out_packet(struct left_out *left_out, const struct cap_other *what);

/* A segment between ports of which none is decoded. */
void
left_out_segment(struct left_out *left_out, const struct cap_segment *segment);

/* One kind of packet; `name` is borrowed for the call. */
typedef void
left_out_row(void *arg, const char *name, uint64_t packets, bool looks_like);

/* All kinds, the most frequent first, "(others)" last. NULL is allowed. */
void
left_out_rows(const struct left_out *left_out, left_out_row *row, void *arg);

/*
 * All kinds as numbers, in no order, and those of another one added: for the
 * sum of several captures.
 */
typedef void
left_out_kind(void *arg, uint64_t key, uint64_t packets, uint32_t likely);
void
left_out_kinds(const struct left_out *left_out, left_out_kind *kind, void *arg);
void left_out_add(
    struct left_out *left_out, uint64_t key, uint64_t packets, uint32_t likely);

/*
 * Sentences for people about what the counters and their `left_out` hold, at
 * most LEFT_OUT_LINES_MAX; none where all was decoded.
 */
void left_out_lines(const struct cap_counters *counters,
    void (*line)(void *arg, const char *text), void *arg);

#endif
