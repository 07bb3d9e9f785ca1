/* SPDX-License-Identifier: MIT */
/* Tapes made by hand, byte by byte: what tape.h says, and nothing of tape.c. */
#ifndef REPLAY_TAPE_MAKE_H
#define REPLAY_TAPE_MAKE_H

#include "cmd/replay/tape/tape.h"
#include "tests/unit/unit.h"

#include <sys/mman.h>
#include <unistd.h>

#define MADE_BYTES ((size_t)80 << 20)
#define MADE_LARGE_BYTES ((size_t)64 << 20) /* of a payload */
#define MADE_SESSIONS 4096
#define MADE_TEXTS "\0"
#define MADE_METHOD "market::GetOrders\0"
#define MADE_CLIENT "10.0.0.1:5000\0"
#define MADE_RELAY "10.0.0.2:26000\0"

#define MADE_METHOD_AT \
	((uint32_t)(sizeof(MADE_TEXTS) + sizeof(MADE_CLIENT) + \
	    sizeof(MADE_RELAY) - 3))

struct made {
	struct bnet_buf bytes; /* the head, and records */
	struct tape_session sessions[MADE_SESSIONS];
	uint64_t last[MADE_SESSIONS][2]; /* offsets; 0: none */
	uint32_t n;
	struct tape_head head;
	struct tape_macho macho; /* of records with TAPE_R_MACHO */
};

static inline void
made_add(struct made *made, const void *p, size_t n)
{
	ck_assert_int_eq(
	    bnet_buf_append(&made->bytes, (struct bnet_slice){ p, n }),
	    BNET_OK);
}

static inline void
made_align(struct made *made)
{
	static const uint8_t zeros[8];

	made_add(made, zeros, (8 - made->bytes.len % 8) % 8);
}

/* An empty tape. To be opened with made_open(), which ends it. */
static inline void
made_init(struct made *made)
{
	memset(made, 0, sizeof(*made));
	bnet_buf_init(&made->bytes, MADE_BYTES);
	made_add(made, &made->head, sizeof(made->head));
	made_align(made);
}

/* One more session, for the caller to fill in. */
static inline struct tape_session *
made_session(struct made *made, uint64_t hash)
{
	struct tape_session *session = &made->sessions[made->n];

	ck_assert_uint_lt(made->n, MADE_SESSIONS);
	session->hash = hash;
	session->stream = made->n++;
	session->role = 1;
	session->flags = TAPE_S_HELLO | TAPE_S_MESSAGES;
	session->order = BNET_ORDER_LITTLE;
	session->end[0] = sizeof(MADE_TEXTS) - 1;
	session->end[1] = sizeof(MADE_TEXTS) + sizeof(MADE_CLIENT) - 2;
	return session;
}

/* The record behind the last of its chain; lengths are those of the slices. */
static inline void
made_record(struct made *made, uint32_t session, enum cap_dir dir,
    struct tape_record record, struct bnet_slice oob, struct bnet_slice payload)
{
	uint64_t at;
	uint64_t *last = &made->last[session][dir];

	made_align(made);
	at = made->bytes.len;
	record.session = session;
	record.oob_bytes = (uint32_t)oob.len;
	record.payload_bytes = (uint32_t)payload.len;
	record.ref = TAPE_NONE;
	made_add(made, &record, sizeof(record));
	made_add(made, oob.p, oob.len);
	made_add(made, payload.p, payload.len);
	made_align(made);
	if ((record.flags & TAPE_R_MACHO) != 0)
		made_add(made, &made->macho, sizeof(made->macho));
	made->sessions[session].n[dir]++;
	if (*last == 0)
		made->sessions[session].first[dir] = at;
	else
		memcpy(
		    made->bytes.p + *last + offsetof(struct tape_record, next),
		    &at, sizeof(at));
	*last = at;
}

/* A record of a frame with this header, as a compiler of captures makes it. */
static inline void
made_frame(struct made *made, uint32_t session, enum cap_dir dir,
    const struct bnet_header *header, struct bnet_slice payload,
    struct tape_record record)
{
	struct bnet_buf oob;

	bnet_buf_init(&oob, 4096);
	ck_assert_int_eq(bnet_header_encode(header, NULL, &oob), BNET_OK);
	record.flags |= TAPE_R_OOB | TAPE_R_HEADER;
	record.key = header->key;
	made_record(made, session, dir, record, bnet_buf_slice(&oob), payload);
	bnet_buf_free(&oob);
}

static inline struct tape *
made_open(struct made *made)
{
	static const char texts[] =
	    MADE_TEXTS MADE_CLIENT MADE_RELAY MADE_METHOD;
	struct tape_head *head = &made->head;
	char err[TAPE_ERR_CHARS];
	int fd = memfd_create("tape", MFD_CLOEXEC);
	struct tape *tape;

	made_align(made);
	memcpy(head->magic, TAPE_MAGIC, sizeof(head->magic));
	head->version = TAPE_VERSION;
	head->byte_order = TAPE_BYTE_ORDER;
	head->n_sessions = made->n;
	head->sessions_at = made->bytes.len;
	made_add(made, made->sessions, made->n * sizeof(made->sessions[0]));
	head->texts_at = made->bytes.len;
	head->texts_bytes = sizeof(texts);
	made_add(made, texts, sizeof(texts));
	head->file_bytes = made->bytes.len;
	memcpy(made->bytes.p, head, sizeof(*head));
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, made->bytes.p, made->bytes.len),
	    (ssize_t)made->bytes.len);
	bnet_buf_free(&made->bytes);
	tape = tape_open(fd, "made", err);
	ck_assert_msg(tape != NULL, "%s", err);
	close(fd);
	return tape;
}

#endif
