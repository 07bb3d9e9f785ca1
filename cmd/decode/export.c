/* SPDX-License-Identifier: MIT */
#include "cmd/decode/export.h"

#include "cmd/common/map.h"
#include "cmd/common/outbuf.h"
#include "cmd/decode/output.h"
#include "proto/codec.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MANIFEST "manifest.ndjson"
#define FILE_CHARS 96
#define NEW_FILE (O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC)

/* A direction of a stream, and its file. */
struct end_file {
	uint64_t id; /* 2 x stream + dir: the map key */
	uint64_t n_frames, n_bytes;
	int64_t first_ns, last_ns;
	EVP_MD_CTX *digest; /* NULL: out of memory */
	char end[2][CAP_END_CHARS]; /* [0] sends */
};

struct decode_export {
	int dir; /* descriptors, or -1 */
	bool streams; /* these three */
	struct map files; /* struct end_file */
	int fd; /* of the file written to last, or -1 */
	uint64_t fd_id;
	struct outbuf manifest;
	struct output output; /* for times */
	uint64_t n, max, n_left_out;
	char problem[EXPORT_ERR_CHARS]; /* "": none */
};

static void
close_fd(int fd)
{
	if (fd >= 0)
		(void)close(fd);
}

struct decode_export *
export_open(
    const char *path, uint64_t max, bool streams, char err[EXPORT_ERR_CHARS])
{
	struct decode_export *e = calloc(1, sizeof(*e));
	const char *what = "";
	int fd = -1;

	if (e == NULL ||
	    !map_init(&e->files, sizeof(struct end_file), 1, (size_t)max)) {
		(void)snprintf(err, EXPORT_ERR_CHARS, "out of memory");
		free(e);
		return NULL;
	}
	e->max = max;
	e->streams = streams;
	e->fd = -1;
	e->dir = mkdir(path, 0777) != 0 && errno != EEXIST
	    ? -1
	    : open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (e->dir >= 0) {
		what = "/" MANIFEST;
		fd = openat(e->dir, MANIFEST, NEW_FILE, 0666);
	}
	if (fd < 0) {
		(void)snprintf(err, EXPORT_ERR_CHARS, "%s%s: %s", path, what,
		    strerror(errno));
		close_fd(e->dir);
		map_free(&e->files);
		free(e);
		return NULL;
	}
	out_init(&e->manifest, fd, false);
	return e;
}

/* ---- one payload ---- */

static void
failed(struct decode_export *e, const char *name, int error)
{
	(void)snprintf(e->problem, sizeof(e->problem), "%s: %s", name,
	    error == EEXIST ? "it is there already" : strerror(error));
}

static bool
write_all(int fd, struct bnet_slice bytes)
{
	while (bytes.len > 0) {
		ssize_t n = write(fd, bytes.p, bytes.len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return false;
		bytes = bnet_slice_from(bytes, (size_t)n);
	}
	return true;
}

/* Writes a new file; on failure none is left. */
static bool
write_file(struct decode_export *e, const char *name, struct bnet_slice bytes)
{
	const int fd = openat(e->dir, name, NEW_FILE, 0666);
	int error = 0;

	if (fd < 0) {
		failed(e, name, errno);
		return false;
	}
	if (!write_all(fd, bytes))
		error = errno;
	if (close(fd) != 0 && error == 0)
		error = errno;
	if (error == 0)
		return true;
	(void)unlinkat(e->dir, name, 0);
	failed(e, name, error);
	return false;
}

/* n 0: none. */
static void
put_digest(struct outbuf *out, const unsigned char *digest, unsigned n)
{
	OUT_LIT(out, ",\"sha256\":");
	if (n > 0) {
		OUT_LIT(out, "\"");
		out_hex(out, digest, n);
		OUT_LIT(out, "\"");
	} else {
		OUT_LIT(out, "null");
	}
}

static void
put_key(struct outbuf *out, const struct record *record)
{
	const struct bnet_packet *frame = record->event->frame;

	if (!frame->has_header) {
		OUT_LIT(out, ",\"key\":null,\"key_name\":null");
		return;
	}
	OUT_LIT(out, ",\"key\":");
	out_i64(out, frame->header.key);
	OUT_LIT(out, ",\"key_name\":");
	if (record->key_name != NULL)
		out_json(out, record->key_name, strlen(record->key_name));
	else if (frame->header.key == 0)
		OUT_LIT(out, "null");
	else
		out_printf(out, "\"0x%08x\"", (unsigned)frame->header.key);
}

static void
put_line(struct decode_export *e, const struct record *record, const char *name)
{
	const struct cap_event *event = record->event;
	const struct cap_stream *stream = event->stream;
	const struct bnet_slice bytes = event->frame->payload;
	struct outbuf *out = &e->manifest;
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned n = 0;

	if (EVP_Digest(bytes.p, bytes.len, digest, &n, EVP_sha256(), NULL) != 1)
		n = 0;
	out_printf(out, "{\"file\":\"%s\",\"number\":%llu,\"time\":\"", name,
	    (unsigned long long)event->number);
	output_epoch(&e->output, event->time_ns);
	out_short(out, e->output.time, e->output.time_chars);
	out_printf(out, "\",\"packet\":%llu,\"stream\":%llu,\"dir\":\"%s\"",
	    (unsigned long long)event->packet,
	    (unsigned long long)stream->number,
	    event->dir == CAP_UP ? "up" : "down");
	out_printf(out, ",\"src\":\"%s\",\"dst\":\"%s\"",
	    stream->end[event->dir], stream->end[!event->dir]);
	put_key(out, record);
	out_printf(out, ",\"codec\":\"%s\",\"length\":%zu",
	    bnet_codec_name(event->frame->codec), bytes.len);
	put_digest(out, digest, n);
	OUT_LIT(out, "}");
	out_line(out);
	if (out->error != 0)
		failed(e, MANIFEST, out->error);
}

static void
export_payload(struct decode_export *e, const struct cap_event *event,
    const struct record *record)
{
	char name[FILE_CHARS];

	if (e->n == e->max) {
		e->n_left_out++;
		return;
	}
	(void)snprintf(name, sizeof(name), "frame-%09llu-stream-%llu-%s.bin",
	    (unsigned long long)event->number,
	    (unsigned long long)event->stream->number,
	    event->dir == CAP_UP ? "up" : "down");
	if (!write_file(e, name, event->frame->payload))
		return;
	e->n++;
	put_line(e, record, name);
}

/* ---- the payloads of a stream ---- */

static void
name_end(char name[FILE_CHARS], uint64_t id)
{
	(void)snprintf(name, FILE_CHARS, "stream-%llu-%s.bin",
	    (unsigned long long)(id / 2), id % 2 == CAP_UP ? "up" : "down");
}

static void
begin_end(struct end_file *file, const struct cap_event *event)
{
	const struct cap_stream *stream = event->stream;

	file->first_ns = event->time_ns;
	memcpy(file->end[0], stream->end[event->dir], CAP_END_CHARS);
	memcpy(file->end[1], stream->end[!event->dir], CAP_END_CHARS);
	file->digest = EVP_MD_CTX_new();
	if (file->digest != NULL &&
	    EVP_DigestInit_ex(file->digest, EVP_sha256(), NULL) != 1) {
		EVP_MD_CTX_free(file->digest);
		file->digest = NULL;
	}
}

/* The file of a direction, new or to be continued. */
static bool
open_end(struct decode_export *e, const struct end_file *file)
{
	const int how = file->n_frames == 0
	    ? NEW_FILE
	    : O_WRONLY | O_APPEND | O_NOFOLLOW | O_CLOEXEC;
	char name[FILE_CHARS];

	if (e->fd >= 0 && e->fd_id == file->id)
		return true;
	close_fd(e->fd);
	name_end(name, file->id);
	e->fd = openat(e->dir, name, how, 0666);
	e->fd_id = file->id;
	if (e->fd < 0)
		failed(e, name, errno);
	return e->fd >= 0;
}

static void
export_to_end(struct decode_export *e, const struct cap_event *event)
{
	const uint64_t id = 2 * event->stream->number + (uint64_t)event->dir;
	const struct bnet_slice payload = event->frame->payload;
	struct end_file *file = map_get(&e->files, &id);
	char name[FILE_CHARS];

	if (file == e->files.others) {
		e->n_left_out++;
		return;
	}
	if (file->n_frames == 0)
		begin_end(file, event);
	if (!open_end(e, file))
		return;
	if (!write_all(e->fd, payload)) {
		name_end(name, id);
		failed(e, name, errno);
		return;
	}
	file->n_frames++;
	file->n_bytes += payload.len;
	file->last_ns = event->time_ns;
	if (file->digest != NULL && payload.len > 0)
		(void)EVP_DigestUpdate(file->digest, payload.p, payload.len);
}

static void
put_end(struct decode_export *e, const struct end_file *file)
{
	struct outbuf *out = &e->manifest;
	unsigned char digest[EVP_MAX_MD_SIZE];
	char name[FILE_CHARS];
	unsigned n = 0;

	name_end(name, file->id);
	out_printf(out,
	    "{\"file\":\"%s\",\"stream\":%llu,\"dir\":\"%s\",\"src\":\"%s\","
	    "\"dst\":\"%s\",\"frames\":%llu,\"first_time\":\"",
	    name, (unsigned long long)(file->id / 2),
	    file->id % 2 == CAP_UP ? "up" : "down", file->end[0], file->end[1],
	    (unsigned long long)file->n_frames);
	output_epoch(&e->output, file->first_ns);
	out_short(out, e->output.time, e->output.time_chars);
	OUT_LIT(out, "\",\"last_time\":\"");
	output_epoch(&e->output, file->last_ns);
	out_short(out, e->output.time, e->output.time_chars);
	out_printf(
	    out, "\",\"length\":%llu", (unsigned long long)file->n_bytes);
	if (file->digest != NULL &&
	    EVP_DigestFinal_ex(file->digest, digest, &n) != 1)
		n = 0;
	put_digest(out, digest, n);
	OUT_LIT(out, "}");
	out_line(out);
}

void
export_record(struct decode_export *e, const struct record *record)
{
	const struct cap_event *event = record->event;

	if (event->type != CAP_FRAME || e->problem[0] != '\0')
		return;
	if (e->streams)
		export_to_end(e, event);
	else
		export_payload(e, event, record);
}

/* ---- the end ---- */

const char *
export_problem(const struct decode_export *e)
{
	return e->problem[0] != '\0' ? e->problem : NULL;
}

uint64_t
export_left_out(const struct decode_export *e)
{
	return e->n_left_out;
}

bool
export_close(struct decode_export *e, char err[EXPORT_ERR_CHARS])
{
	bool ok;

	if (e == NULL)
		return true;
	for (size_t i = 0; i < e->files.n; i++) {
		struct end_file *file = map_at(&e->files, i);

		if (file->n_frames > 0)
			put_end(e, file);
		EVP_MD_CTX_free(file->digest);
	}
	map_free(&e->files);
	close_fd(e->fd);
	out_flush(&e->manifest);
	if (close(e->manifest.fd) != 0 && e->manifest.error == 0)
		e->manifest.error = errno;
	if (e->manifest.error != 0 && e->problem[0] == '\0')
		failed(e, MANIFEST, e->manifest.error);
	close_fd(e->dir);
	ok = e->problem[0] == '\0';
	memcpy(err, e->problem, sizeof(e->problem));
	free(e);
	return ok;
}
