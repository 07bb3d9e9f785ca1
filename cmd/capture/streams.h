/* SPDX-License-Identifier: MIT */
/*
 * streams - the TCP streams of a capture: where they are found, and when they
 * open, close and rest. One that ended lingers for a moment, for its stray
 * segments; one that is silent for long gives back what it can do without,
 * and is closed only where something of it would have to be held. Owns the
 * streams in a struct cap; called by capture.c.
 */
#ifndef CAPTURE_STREAMS_H
#define CAPTURE_STREAMS_H

#include "cmd/capture/flow.h"

/* ---- the table ---- */

bool streams_init(struct streams *streams, size_t n_max);
void streams_free(struct streams *streams); /* it must be empty */

/* NULL: not there. */
struct stream *
streams_find(struct streams *streams, const struct stream_key *key);

/* A new one, not there before, as the newest. NULL: out of memory. */
struct stream *
streams_add(struct streams *streams, const struct stream_key *key);

/* Take it out and free it; what it holds was freed before. */
void streams_remove(struct streams *streams, struct stream *stream);

/* It was seen now; `closing` moves it to that list. */
void
streams_touch(struct streams *streams, struct stream *stream, bool closing);

/* Move it to the dormant ones, until it is touched. */
void streams_rest(struct streams *streams, struct stream *stream);

/* ---- when streams open, close and rest ---- */

/* NULL: out of memory. `sender` is the index in key.end of who sent `seg`. */
struct stream *streams_open(struct cap *cap, const struct stream_key *key,
    int sender, const struct cap_segment *seg);

/* Report all that is held, and forget the stream. */
void streams_close(struct cap *cap, struct stream *stream);

/* Give back what it holds, unreported. */
void streams_release(struct cap *cap, struct stream *stream);

/* Close what ended or was silent for long. */
void streams_expire(struct cap *cap);

/* Close streams that hold something until all is within the limit. */
void streams_make_room(struct cap *cap);

/* Is one of the ports that were asked for? */
bool cap_port_listed(const struct cap *cap, uint16_t port);

#endif
