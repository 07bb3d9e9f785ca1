/* SPDX-License-Identifier: MIT */
#include "cmd/capture/compress.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#define ZLIB_CONST /* its input is not changed */
#include <zlib.h>
#ifdef HAVE_ZSTD
#include <zstd.h>
#endif
#ifdef HAVE_LZ4
#include <lz4frame.h>
#endif

#define CHUNK_BYTES ((size_t)64 << 10) /* of stdio, and of what is compressed */
#define ROOM_BYTES (2 * CHUNK_BYTES) /* more than a chunk becomes */
#define GZIP_BITS (15 + 16) /* the largest window; a gzip header */

struct format;

struct compress {
	FILE *file; /* compressed */
	FILE *stream; /* to be written to */
	const struct format *format;
	z_stream gzip;
#ifdef HAVE_ZSTD
	ZSTD_CCtx *zstd;
#endif
#ifdef HAVE_LZ4
	LZ4F_cctx *lz4;
#endif
	char room[ROOM_BYTES];
};

/*
 * step() compresses all of p into `room`, so that it can be read; at the `last`
 * step p is empty, and the format ends. Returns the length, 0 at an error.
 */
struct format {
	const char *ending;
	bool (*begin)(struct compress *c); /* false: out of memory */
	size_t (*step)(
	    struct compress *c, const void *p, size_t n_bytes, bool last);
	void (*end)(struct compress *c);
	const char *lacking; /* begin is NULL */
};

static bool
gzip_begin(struct compress *c)
{
	return deflateInit2(&c->gzip, Z_DEFAULT_COMPRESSION, Z_DEFLATED,
		   GZIP_BITS, 8, Z_DEFAULT_STRATEGY) == Z_OK;
}

static size_t
gzip_step(struct compress *c, const void *p, size_t n_bytes, bool last)
{
	z_stream *z = &c->gzip;
	int status;

	z->next_in = p;
	z->avail_in = (uInt)n_bytes;
	z->next_out = (Bytef *)c->room;
	z->avail_out = (uInt)sizeof(c->room);
	status = deflate(z, last ? Z_FINISH : Z_SYNC_FLUSH);
	return status == (last ? Z_STREAM_END : Z_OK)
	    ? sizeof(c->room) - z->avail_out
	    : 0;
}

static void
gzip_end(struct compress *c)
{
	(void)deflateEnd(&c->gzip);
}

#ifdef HAVE_ZSTD
static bool
zstd_begin(struct compress *c)
{
	c->zstd = ZSTD_createCCtx();
	return c->zstd != NULL;
}

static size_t
zstd_step(struct compress *c, const void *p, size_t n_bytes, bool last)
{
	ZSTD_inBuffer from = { p, n_bytes, 0 };
	ZSTD_outBuffer to = { c->room, sizeof(c->room), 0 };

	return ZSTD_compressStream2(
		   c->zstd, &to, &from, last ? ZSTD_e_end : ZSTD_e_flush) == 0
	    ? to.pos
	    : 0;
}

static void
zstd_end(struct compress *c)
{
	(void)ZSTD_freeCCtx(c->zstd);
}
#else
#define zstd_begin NULL
#define zstd_step NULL
#define zstd_end NULL
#endif

#ifdef HAVE_LZ4
static bool
lz4_begin(struct compress *c)
{
	size_t n;

	if (LZ4F_isError(LZ4F_createCompressionContext(&c->lz4, LZ4F_VERSION)))
		return false;
	n = LZ4F_compressBegin(c->lz4, c->room, sizeof(c->room), NULL);
	return !LZ4F_isError(n) && fwrite(c->room, 1, n, c->file) == n;
}

static size_t
lz4_step(struct compress *c, const void *p, size_t n_bytes, bool last)
{
	size_t n = 0, more;

	if (n_bytes > 0)
		n = LZ4F_compressUpdate(
		    c->lz4, c->room, sizeof(c->room), p, n_bytes, NULL);
	if (LZ4F_isError(n))
		return 0;
	more = last
	    ? LZ4F_compressEnd(c->lz4, c->room, sizeof(c->room), NULL)
	    : LZ4F_flush(c->lz4, c->room + n, sizeof(c->room) - n, NULL);
	return LZ4F_isError(more) ? 0 : n + more;
}

static void
lz4_end(struct compress *c)
{
	(void)LZ4F_freeCompressionContext(c->lz4);
}
#else
#define lz4_begin NULL
#define lz4_step NULL
#define lz4_end NULL
#endif

static const struct format formats[] = {
	{ ".gz", gzip_begin, gzip_step, gzip_end, NULL },
	{ ".zst", zstd_begin, zstd_step, zstd_end,
	    "this build cannot write zstd" },
	{ ".lz4", lz4_begin, lz4_step, lz4_end, "this build cannot write lz4" },
};

static const struct format *
format_of(const char *path)
{
	size_t len = strlen(path), n;

	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
		n = strlen(formats[i].ending);
		if (len > n && strcmp(path + len - n, formats[i].ending) == 0)
			return &formats[i];
	}
	return NULL;
}

size_t
compress_name_len(const char *path)
{
	const struct format *format = format_of(path);

	return strlen(path) - (format == NULL ? 0 : strlen(format->ending));
}

/* Compresses a chunk, or ends. */
static bool
put(struct compress *c, const char *p, size_t n_bytes, bool last)
{
	size_t n = c->format->step(c, p, n_bytes, last);

	if (n == 0) {
		errno = ENOMEM;
		return false;
	}
	return fwrite(c->room, 1, n, c->file) == n && fflush(c->file) == 0;
}

static ssize_t
write_cookie(void *arg, const char *p, size_t n_bytes)
{
	struct compress *c = arg;
	size_t n;

	for (size_t at = 0; at < n_bytes; at += n) {
		n = n_bytes - at < CHUNK_BYTES ? n_bytes - at : CHUNK_BYTES;
		if (!put(c, p + at, n, false))
			return 0;
	}
	return (ssize_t)n_bytes;
}

bool
compress_open(
    struct compress **out, FILE *file, const char *path, const char **why)
{
	const cookie_io_functions_t io = { .write = write_cookie };
	const struct format *format = format_of(path);
	struct compress *c;

	*out = NULL;
	*why = NULL;
	if (format == NULL)
		return true;
	if (format->begin == NULL) {
		*why = format->lacking;
		return false;
	}
	c = calloc(1, sizeof(*c));
	if (c == NULL)
		return false;
	c->file = file;
	c->format = format;
	if (format->begin(c))
		c->stream = fopencookie(c, "wb", io);
	if (c->stream == NULL) {
		format->end(c);
		free(c);
		return false;
	}
	setvbuf(c->stream, NULL, _IOFBF, CHUNK_BYTES);
	*out = c;
	return true;
}

FILE *
compress_file(struct compress *c)
{
	return c->stream;
}

bool
compress_close(struct compress *c)
{
	bool ok;
	int error = 0;

	if (c == NULL)
		return true;
	ok = put(c, NULL, 0, true);
	if (!ok)
		error = errno;
	if (fclose(c->file) != 0 && ok) {
		error = errno;
		ok = false;
	}
	c->format->end(c);
	free(c);
	errno = error;
	return ok;
}
