/* SPDX-License-Identifier: MIT */
/*
 * tape_write - a tape, record by record, as they come.
 *
 * What was written can still be changed (a chain's next, a flag): near the
 * end in memory, further back in the file. Memory is one buffer.
 */
#ifndef REPLAY_TAPE_WRITE_H
#define REPLAY_TAPE_WRITE_H

#include "cmd/replay/tape/tape.h"

struct tape_writer {
	int fd;
	int error; /* errno of the first failure; 0: none */
	uint8_t *buf; /* owned */
	size_t n; /* in it */
	uint64_t at; /* where in the file it begins */
};

/* False when out of memory. The file is empty. */
bool tape_write_init(struct tape_writer *writer, int fd);
void tape_write_free(struct tape_writer *writer);

/*
 * Append it, with what is behind it (record->oob_bytes and so on); returns its
 * offset.
 */
uint64_t
tape_write_record(struct tape_writer *writer, const struct tape_record *record,
    struct bnet_slice oob, struct bnet_slice payload, const uint32_t *refs);

/* Add flags to the record at `at`; say what is next in its chain. */
void tape_write_flags(struct tape_writer *writer, uint64_t at, uint32_t flags);
void tape_write_next(struct tape_writer *writer, uint64_t at, uint64_t next);

/*
 * The end: the sessions, the texts, and the head, whose places and sizes are
 * filled in here. False: errno.
 */
bool tape_write_end(struct tape_writer *writer, struct tape_head *head,
    const struct tape_session *sessions, struct bnet_slice texts);

#endif
