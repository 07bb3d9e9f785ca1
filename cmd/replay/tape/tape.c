/* SPDX-License-Identifier: MIT */
/*
 * Replay files: mapped and checked while they are read, and written record by
 * record. Owns the mapping of a tape and the buffer of a writer. compile.c
 * writes tapes; all of play/ reads them.
 */
#include "cmd/replay/tape/tape.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define ALIGN 8
#define SESSIONS_MAX (UINT32_C(1) << 28)
#define BUF_BYTES ((size_t)48 << 20)
#define KEEP_BYTES ((size_t)32 << 20) /* kept in memory, still changeable */

struct tape {
	const uint8_t *map;
	uint64_t file_bytes;
	const struct tape_head *head; /* points into the mapping */
	const struct tape_session *sessions;
	const char *texts;
	atomic_bool damaged;
};

/* ---- opening ---- */

bool
tape_is(int fd)
{
	char magic[sizeof(TAPE_MAGIC)];

	return pread(fd, magic, sizeof(magic) - 1, 0) ==
	    (ssize_t)sizeof(magic) - 1 &&
	    memcmp(magic, TAPE_MAGIC, sizeof(magic) - 1) == 0;
}

/* Returns what is wrong with the head; NULL: nothing. */
static const char *
bad_head(const struct tape_head *head, uint64_t file_bytes)
{
	uint64_t sessions_bytes;

	if (memcmp(head->magic, TAPE_MAGIC, sizeof(head->magic)) != 0)
		return "not a replay file";
	if (head->byte_order != TAPE_BYTE_ORDER)
		return "made on a machine with another byte order: "
		       "compile the capture again";
	if (head->version != TAPE_VERSION)
		return "made by another version: compile the capture "
		       "again";
	if (head->file_bytes != file_bytes)
		return "truncated, or never finished";
	sessions_bytes =
	    (uint64_t)head->n_sessions * sizeof(struct tape_session);
	if (head->n_sessions > SESSIONS_MAX || head->sessions_at % ALIGN != 0 ||
	    head->sessions_at < sizeof(*head) ||
	    head->sessions_at > file_bytes ||
	    sessions_bytes > file_bytes - head->sessions_at)
		return "its session table is damaged";
	if (head->texts_at > file_bytes || head->texts_bytes == 0 ||
	    head->texts_bytes != file_bytes - head->texts_at)
		return "its texts are damaged";
	return NULL;
}

static const char *
map_file(struct tape *tape, int fd)
{
	const char *bad;
	struct stat st;
	void *map;

	if (fstat(fd, &st) != 0)
		return strerror(errno);
	if (!S_ISREG(st.st_mode) ||
	    (uint64_t)st.st_size < sizeof(struct tape_head))
		return "not a replay file";
	tape->file_bytes = (uint64_t)st.st_size;
	map =
	    mmap(NULL, (size_t)tape->file_bytes, PROT_READ, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		return strerror(errno);
	tape->map = map;
	tape->head = map;
	bad = bad_head(tape->head, tape->file_bytes);
	if (bad != NULL)
		return bad;
	tape->sessions = (const void *)(tape->map + tape->head->sessions_at);
	tape->texts = (const char *)tape->map + tape->head->texts_at;
	if (tape->texts[tape->head->texts_bytes - 1] != '\0')
		return "its texts are damaged";
	return NULL;
}

struct tape *
tape_open(int fd, const char *name, char err[TAPE_ERR_CHARS])
{
	struct tape *tape = calloc(1, sizeof(*tape));
	const char *bad = tape == NULL ? "out of memory" : map_file(tape, fd);

	if (bad == NULL)
		return tape;
	snprintf(err, TAPE_ERR_CHARS, "%s: %s", name, bad);
	tape_close(tape);
	return NULL;
}

void
tape_close(struct tape *tape)
{
	union {
		const uint8_t *theirs;
		void *ours;
	} map;

	if (tape == NULL)
		return;
	map.theirs = tape->map;
	if (tape->map != NULL)
		munmap(map.ours, (size_t)tape->file_bytes);
	free(tape);
}

/* ---- reading ---- */

const struct tape_head *
tape_head(const struct tape *tape)
{
	return tape->head;
}

const struct tape_session *
tape_session(const struct tape *tape, uint32_t i)
{
	return &tape->sessions[i];
}

const char *
tape_text(const struct tape *tape, uint32_t text)
{
	return text < tape->head->texts_bytes ? tape->texts + text : "";
}

static uint64_t
refs_at(const struct tape_record *record)
{
	return ((uint64_t)record->oob_bytes + record->payload_bytes + 3) / 4 *
	    4;
}

/* The end of a record without a struct tape_macho. */
static uint64_t
macho_at(const struct tape_record *record)
{
	uint64_t at = (uint64_t)record->oob_bytes + record->payload_bytes;

	if (record->n_refs > 0)
		at = refs_at(record) +
		    (uint64_t)record->n_refs * sizeof(uint32_t);
	return (record->flags & TAPE_R_MACHO) != 0
	    ? (at + ALIGN - 1) / ALIGN * ALIGN
	    : at;
}

/* The record at `at`, which must follow `after` in the file. */
static const struct tape_record *
record_at(
    const struct tape *tape, uint64_t at, uint64_t after, uint32_t session)
{
	const struct tape_record *record;
	uint64_t left, need;

	if (at % ALIGN != 0 || at <= after || at < sizeof(struct tape_head) ||
	    at >= tape->head->sessions_at)
		return NULL;
	left = tape->head->sessions_at - at;
	if (left < sizeof(*record))
		return NULL;
	record = (const void *)(tape->map + at);
	need = macho_at(record);
	if ((record->flags & TAPE_R_MACHO) != 0)
		need += sizeof(struct tape_macho);
	if (need > left - sizeof(*record) || record->session != session ||
	    record->codec > BNET_CODEC_SNAPPY ||
	    (record->ref != TAPE_NONE && record->ref >= tape->head->n_sessions))
		return NULL;
	return record;
}

static const struct tape_record *
follow(const struct tape *tape, uint64_t at, uint64_t after, uint32_t session)
{
	union {
		const struct tape *theirs;
		struct tape *ours;
	} t = { .theirs = tape };
	const struct tape_record *record;

	if (at == 0)
		return NULL;
	record = record_at(tape, at, after, session);
	if (record == NULL)
		atomic_store(&t.ours->damaged, true);
	return record;
}

const struct tape_record *
tape_first(const struct tape *tape, uint32_t session, enum cap_dir dir)
{
	return follow(tape, tape->sessions[session].first[dir], 0, session);
}

const struct tape_record *
tape_next(const struct tape *tape, const struct tape_record *record)
{
	return follow(tape, record->next,
	    (uint64_t)((const uint8_t *)record - tape->map), record->session);
}

bool
tape_damaged(const struct tape *tape)
{
	return atomic_load(&tape->damaged);
}

uint32_t
tape_ref(const struct tape_record *record, uint32_t i)
{
	size_t at = (size_t)refs_at(record);
	uint32_t ref;

	if (i >= record->n_refs)
		return TAPE_NONE;
	memcpy(&ref,
	    (const uint8_t *)(record + 1) + at + (size_t)i * sizeof(ref),
	    sizeof(ref));
	return ref;
}

bool
tape_macho(const struct tape_record *record, struct tape_macho *macho)
{
	if ((record->flags & TAPE_R_MACHO) == 0)
		return false;
	memcpy(macho, (const uint8_t *)(record + 1) + (size_t)macho_at(record),
	    sizeof(*macho));
	return macho->kind <= CALL_ERROR;
}

/* ---- writing ---- */

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

/* Writes the oldest part of the buffer to the file. */
static void
flush(struct tape_writer *writer, size_t keep)
{
	size_t n = writer->n > keep ? writer->n - keep : 0;

	/* no field may lie half in the file and half in memory */
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
    struct bnet_slice oob, struct bnet_slice payload, const uint32_t *refs,
    const struct tape_macho *macho)
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
	if ((record->flags & TAPE_R_MACHO) != 0) {
		pad(writer, ALIGN);
		append(writer, macho, sizeof(*macho));
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
tape_write_times(
    struct tape_writer *writer, uint64_t at, int64_t at_ns, int64_t think_ns)
{
	change(writer, at + offsetof(struct tape_record, at_ns), &at_ns,
	    sizeof(at_ns));
	change(writer, at + offsetof(struct tape_record, think_ns), &think_ns,
	    sizeof(think_ns));
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
	/* last, because a file without a head is not a tape */
	write_at(writer, 0, head, sizeof(*head));
	errno = writer->error;
	return writer->error == 0;
}
