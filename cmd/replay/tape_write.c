/* SPDX-License-Identifier: MIT */
#include "cmd/replay/tape_write.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ALIGN 8
#define BUF_BYTES ((size_t)48 << 20)
#define KEEP_BYTES ((size_t)32 << 20) /* stays, to be changed in memory */

bool
tape_write_init(struct tape_writer *writer, int fd)
{
	*writer = (struct tape_writer){ .fd = fd };
	writer->buf = malloc(BUF_BYTES);
	if (writer->buf == NULL)
		return false;
	memset(writer->buf, 0, sizeof(struct tape_head));
	writer->n = sizeof(struct tape_head);
	return true;
}

void
tape_write_free(struct tape_writer *writer)
{
	free(writer->buf);
}

/* ---- bytes ---- */

static void
write_at(struct tape_writer *writer, uint64_t at, const void *p, size_t n)
{
	const uint8_t *from = p;
	ssize_t done;

	while (n > 0 && writer->error == 0) {
		done = pwrite(writer->fd, from, n, (off_t)at);
		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0) {
			writer->error = done < 0 ? errno : ENOSPC;
			return;
		}
		from += done;
		at += (uint64_t)done;
		n -= (size_t)done;
	}
}

/* The oldest part of the buffer goes into the file. */
static void
flush(struct tape_writer *writer, size_t keep)
{
	size_t n = writer->n > keep ? writer->n - keep : 0;

	/* no field is to lie half in the file and half in memory */
	if (keep > 0)
		n -= (size_t)((writer->at + n) % ALIGN) < n
		    ? (size_t)((writer->at + n) % ALIGN)
		    : n;

	write_at(writer, writer->at, writer->buf, n);
	memmove(writer->buf, writer->buf + n, writer->n - n);
	writer->at += n;
	writer->n -= n;
}

static void
append(struct tape_writer *writer, const void *p, size_t n)
{
	if (n > BUF_BYTES - writer->n)
		flush(writer,
		    n > BUF_BYTES - KEEP_BYTES - ALIGN ? 0 : KEEP_BYTES);
	if (n > BUF_BYTES - writer->n) {
		write_at(writer, writer->at, p, n);
		writer->at += n;
		return;
	}
	if (n > 0)
		memcpy(writer->buf + writer->n, p, n);
	writer->n += n;
}

static void
pad(struct tape_writer *writer, size_t align)
{
	static const uint8_t zeros[ALIGN];

	append(writer, zeros,
	    (align - (size_t)((writer->at + writer->n) % align)) % align);
}

static void
change(struct tape_writer *writer, uint64_t at, const void *p, size_t n)
{
	if (at >= writer->at)
		memcpy(writer->buf + (at - writer->at), p, n);
	else
		write_at(writer, at, p, n);
}

/* ---- records ---- */

uint64_t
tape_write_record(struct tape_writer *writer, const struct tape_record *record,
    struct bnet_slice oob, struct bnet_slice payload, const uint32_t *refs)
{
	uint64_t at;

	pad(writer, ALIGN);
	at = writer->at + writer->n;
	append(writer, record, sizeof(*record));
	append(writer, oob.p, oob.len);
	append(writer, payload.p, payload.len);
	if (record->n_refs > 0) {
		pad(writer, sizeof(*refs));
		append(writer, refs, record->n_refs * sizeof(*refs));
	}
	return at;
}

void
tape_write_next(struct tape_writer *writer, uint64_t at, uint64_t next)
{
	change(writer, at + offsetof(struct tape_record, next), &next,
	    sizeof(next));
}

void
tape_write_flags(struct tape_writer *writer, uint64_t at, uint32_t flags)
{
	uint64_t place = at + offsetof(struct tape_record, flags);
	uint32_t now = 0;

	if (place >= writer->at)
		memcpy(&now, writer->buf + (place - writer->at), sizeof(now));
	else if (pread(writer->fd, &now, sizeof(now), (off_t)place) !=
	    (ssize_t)sizeof(now))
		writer->error = writer->error != 0 ? writer->error : EIO;
	now |= flags;
	change(writer, place, &now, sizeof(now));
}

/* ---- the end ---- */

bool
tape_write_end(struct tape_writer *writer, struct tape_head *head,
    const struct tape_session *sessions, struct bnet_slice texts)
{
	pad(writer, ALIGN);
	head->sessions_at = writer->at + writer->n;
	append(writer, sessions, head->n_sessions * sizeof(*sessions));
	head->texts_at = writer->at + writer->n;
	head->texts_bytes = texts.len;
	append(writer, texts.p, texts.len);
	flush(writer, 0);
	head->file_bytes = writer->at;
	memcpy(head->magic, TAPE_MAGIC, sizeof(head->magic));
	head->version = TAPE_VERSION;
	head->byte_order = TAPE_BYTE_ORDER;
	/* last of all: what has no head is no tape */
	write_at(writer, 0, head, sizeof(*head));
	errno = writer->error;
	return writer->error == 0;
}
