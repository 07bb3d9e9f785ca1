/* SPDX-License-Identifier: MIT */
/*
 * streams - the table of the TCP streams of a capture; opens, closes and rests
 * them. A finished stream lingers for a moment, for its stray segments. A
 * stream that is silent for a long time releases what it can, and is closed
 * only if it holds something. Owns the streams in a struct cap; called by
 * capture.c.
 */
#ifndef CAPTURE_STREAMS_H
#define CAPTURE_STREAMS_H

#include "cmd/capture/flow.h"

/* ---- the table ---- */

bool streams_init(struct streams *streams, size_t n_max);
void streams_free(struct streams *streams); /* it must be empty */

/* Returns NULL if there is none. */
struct stream *
streams_find(struct streams *streams, const struct stream_key *key);

/*
 * Streams of different networks may have the same ends. Of those with the ends
 * of `first`, returns the one that a segment in another tunnel belongs to: one
 * in that tunnel, or one whose sequence numbers it continues, as the same
 * packet seen at two points of its path does. NULL: none. `sender` is the index
 * in key.end.
 */
struct stream *streams_of_tunnel(struct streams *streams, struct stream *first,
    int sender, const struct cap_segment *seg);

/* Adds a stream that must not exist yet, as the newest. NULL: out of memory. */
struct stream *
streams_add(struct streams *streams, const struct stream_key *key);

/* Removes and frees a stream; release what it holds first. */
void streams_remove(struct streams *streams, struct stream *stream);

/* Marks it as seen now; `closing` moves it to that list. */
void
streams_touch(struct streams *streams, struct stream *stream, bool closing);

/* Moves it to the dormant streams until it is touched. */
void streams_rest(struct streams *streams, struct stream *stream);

/* ---- opening, closing, resting ---- */

/* Returns NULL when out of memory. `sender`: index in key.end of the sender. */
struct stream *streams_open(struct cap *cap, const struct stream_key *key,
    int sender, const struct cap_segment *seg);

/* The one to be closed first, when all are; NULL: there is none. */
struct stream *streams_oldest(struct streams *streams);

/* Reports everything that is held. */
void streams_end(struct cap *cap, struct stream *stream);

/* Ends the stream, hands over its events, and removes it. */
void streams_close(struct cap *cap, struct stream *stream);

/* Drops the segment put aside, if there is one, and says so. */
void streams_drop_suspect(struct cap *cap, struct stream *stream);

/* Releases what it holds, without reporting it. */
void streams_release(struct cap *cap, struct stream *stream);

/* Closes finished streams; those silent for long free what they can. */
void streams_expire(struct cap *cap);

/* Closes streams that hold something until the total is within the limit. */
void streams_make_room(struct cap *cap);

/* Is it one of the requested ports? */
static inline bool
cap_port_listed(const struct cap *cap, uint16_t port)
{
	const struct cap_settings *set = &cap->set;

	for (size_t i = 0; i < set->n_ports; i++)
		if (set->ports[i] == port ||
		    (set->ports[i] < port && port <= set->last_ports[i]))
			return true;
	return false;
}

#endif
