/* SPDX-License-Identifier: MIT */
#include "cmd/capture/input.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>
#include <zlib.h>
#ifdef HAVE_ZSTD
#include <zstd.h>
#endif
#ifdef HAVE_LZ4
#include <lz4frame.h>
#endif

#define RAW_BYTES ((size_t)256 << 10) /* compressed, read at a time */
#define POLL_MS 100 /* as long as the kernel may hold back a packet */
#define GZIP_BITS (15 + 16) /* the largest window; a gzip header */

struct codec;

struct input {
	int fd;
	struct input_wait *wait;
	bool regular, slow; /* slow: wait before reading */
	uint64_t n_read, size;
	FILE *file; /* NULL: closed */
	FILE *plain; /* the same, if it is a file as it is */
	char *buffer; /* stdio's */
	uint8_t head[INPUT_MAGIC_BYTES]; /* of the content */
	size_t n_head, head_at;
	uint8_t *raw; /* read and not used yet: raw_at to raw_n */
	size_t raw_at, raw_n;
	bool raw_end;
	const struct codec *codec; /* NULL: not compressed */
	z_stream gzip;
#ifdef HAVE_ZSTD
	ZSTD_DStream *zstd;
#endif
#ifdef HAVE_LZ4
	LZ4F_dctx *lz4;
#endif
	bool whole; /* between two members, or at the end */
	bool full; /* the codec may have more without more input */
	const char *problem;
};

/* ---- waiting and reading ---- */

int
input_await(struct input_wait *wait, int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	int n = poll(&p, 1, 0);

	if (n == 0) {
		if (wait->idle != NULL && !wait->idle(wait->arg))
			wait->broken = 1;
		/* with a timeout: a signal may have come just before */
		n = wait->broken ? 0 : poll(&p, 1, POLL_MS);
	}
	if (wait->broken)
		return -1;
	if (n < 0) /* the read will report other errors */
		return errno != EINTR;
	return n;
}

/* As read(); the end, too, when the input has to end. */
static ssize_t
read_some(struct input *in, void *p, size_t n_bytes)
{
	ssize_t n;
	int ready;

	do {
		ready = in->slow ? input_await(in->wait, in->fd) : 1;
		if (ready < 0)
			return 0;
		n = ready > 0 ? read(in->fd, p, n_bytes) : -1;
	} while (ready == 0 || (n < 0 && (errno == EINTR || errno == EAGAIN)));
	if (n > 0)
		in->n_read += (uint64_t)n;
	return n;
}

/* Reads more behind what is there. Returns false at an error: errno. */
static bool
refill(struct input *in)
{
	ssize_t n;

	if (in->raw_at > 0) {
		memmove(in->raw, in->raw + in->raw_at, in->raw_n - in->raw_at);
		in->raw_n -= in->raw_at;
		in->raw_at = 0;
	}
	n = read_some(in, in->raw + in->raw_n, RAW_BYTES - in->raw_n);
	if (n < 0)
		return false;
	in->raw_n += (size_t)n;
	in->raw_end = n == 0;
	return true;
}

/* ---- codecs ---- */

/*
 * step() decompresses from `raw` into n bytes at `out` and returns how many it
 * wrote; 0: it needs more input. Sets `problem` if it cannot go on.
 */
struct codec {
	const char *cut; /* the problem if it ends in the middle */
	uint8_t magic[INPUT_MAGIC_BYTES];
	size_t n_magic;
	bool (*begin)(struct input *in); /* false: out of memory */
	size_t (*step)(struct input *in, uint8_t *out, size_t n);
	void (*end)(struct input *in);
};

static bool
gzip_begin(struct input *in)
{
	return inflateInit2(&in->gzip, GZIP_BITS) == Z_OK;
}

/* Behind a member: is there another one? Padding of zeros is skipped. */
static bool
gzip_next(struct input *in)
{
	while (in->raw_at < in->raw_n && in->raw[in->raw_at] == 0)
		in->raw_at++;
	if (in->raw_at == in->raw_n)
		return false;
	if (in->raw[in->raw_at] != 0x1f) {
		in->problem = "something follows the gzip data";
		return false;
	}
	in->whole = false;
	return inflateReset(&in->gzip) == Z_OK;
}

static size_t
gzip_step(struct input *in, uint8_t *out, size_t n)
{
	z_stream *z = &in->gzip;
	int status;

	if (in->whole && !gzip_next(in))
		return 0;
	z->next_in = in->raw + in->raw_at;
	z->avail_in = (uInt)(in->raw_n - in->raw_at);
	z->next_out = out;
	z->avail_out = (uInt)n;
	status = inflate(z, Z_NO_FLUSH);
	in->raw_at = in->raw_n - z->avail_in;
	in->whole = status == Z_STREAM_END;
	if (status == Z_MEM_ERROR)
		in->problem = "out of memory";
	else if (status != Z_OK && status != Z_STREAM_END &&
	    status != Z_BUF_ERROR)
		in->problem = "corrupt gzip data";
	return n - z->avail_out;
}

static void
gzip_end(struct input *in)
{
	(void)inflateEnd(&in->gzip);
}

#ifdef HAVE_ZSTD
static bool
zstd_begin(struct input *in)
{
	in->zstd = ZSTD_createDStream();
	return in->zstd != NULL;
}

static size_t
zstd_step(struct input *in, uint8_t *out, size_t n)
{
	ZSTD_inBuffer from = { in->raw, in->raw_n, in->raw_at };
	ZSTD_outBuffer to = { out, n, 0 };
	size_t left = ZSTD_decompressStream(in->zstd, &to, &from);

	in->raw_at = from.pos;
	in->whole = left == 0;
	if (ZSTD_isError(left))
		in->problem = "corrupt zstd data";
	return to.pos;
}

static void
zstd_end(struct input *in)
{
	(void)ZSTD_freeDStream(in->zstd);
}
#else
#define zstd_begin NULL
#define zstd_step NULL
#define zstd_end NULL
#endif

#ifdef HAVE_LZ4
static bool
lz4_begin(struct input *in)
{
	return !LZ4F_isError(
	    LZ4F_createDecompressionContext(&in->lz4, LZ4F_VERSION));
}

static size_t
lz4_step(struct input *in, uint8_t *out, size_t n)
{
	size_t n_in = in->raw_n - in->raw_at, n_out = n, left;

	left = LZ4F_decompress(
	    in->lz4, out, &n_out, in->raw + in->raw_at, &n_in, NULL);
	if (LZ4F_isError(left)) {
		in->problem = "corrupt lz4 data";
		return 0;
	}
	in->raw_at += n_in;
	in->whole = left == 0;
	return n_out;
}

static void
lz4_end(struct input *in)
{
	(void)LZ4F_freeDecompressionContext(in->lz4);
}
#else
#define lz4_begin NULL
#define lz4_step NULL
#define lz4_end NULL
#endif

static const struct codec codecs[] = {
	{ "the gzip data is cut", { 0x1f, 0x8b, 8 }, 3, gzip_begin, gzip_step,
	    gzip_end },
	{ "the zstd data is cut", { 0x28, 0xb5, 0x2f, 0xfd }, 4, zstd_begin,
	    zstd_step, zstd_end },
	{ "the lz4 data is cut", { 0x04, 0x22, 0x4d, 0x18 }, 4, lz4_begin,
	    lz4_step, lz4_end },
};

static ssize_t
decompress(struct input *in, uint8_t *out, size_t n_bytes)
{
	size_t n;

	while (in->problem == NULL) {
		if (!in->full && in->raw_at == in->raw_n && !in->raw_end &&
		    !refill(in)) {
			in->problem = strerror(errno);
			break;
		}
		if (!in->full && in->raw_at == in->raw_n && in->raw_end) {
			if (!in->whole && !in->wait->broken)
				in->problem = in->codec->cut;
			return 0;
		}
		n = in->codec->step(in, out, n_bytes);
		in->full = n == n_bytes;
		if (n > 0)
			return (ssize_t)n;
	}
	errno = EIO;
	return -1;
}

/* ---- the stream ---- */

/* The content, compressed or not. */
static ssize_t
content(struct input *in, void *p, size_t n_bytes)
{
	size_t n = in->raw_n - in->raw_at;
	ssize_t got;

	if (in->codec != NULL)
		return decompress(in, p, n_bytes);
	if (n > 0) {
		n = n < n_bytes ? n : n_bytes;
		memcpy(p, in->raw + in->raw_at, n);
		in->raw_at += n;
		return (ssize_t)n;
	}
	got = read_some(in, p, n_bytes);
	if (got < 0)
		in->problem = strerror(errno);
	return got;
}

static ssize_t
read_cookie(void *arg, char *p, size_t n_bytes)
{
	struct input *in = arg;
	size_t n = in->n_head - in->head_at;

	if (n == 0)
		return content(in, p, n_bytes);
	n = n < n_bytes ? n : n_bytes;
	memcpy(p, in->head + in->head_at, n);
	in->head_at += n;
	return (ssize_t)n;
}

/* Whoever closes the stream: libpcap closes that of a pcap file. */
static int
close_cookie(void *arg)
{
	struct input *in = arg;

	in->file = NULL;
	return 0;
}

/* Is it compressed? Returns false if that cannot be undone: *why. */
static bool
find_codec(struct input *in, const char **why)
{
	for (size_t i = 0; i < sizeof(codecs) / sizeof(codecs[0]); i++) {
		const struct codec *codec = &codecs[i];

		if (in->raw_n < codec->n_magic ||
		    memcmp(in->raw, codec->magic, codec->n_magic) != 0)
			continue;
		if (codec->begin == NULL) {
			*why = codec->magic[0] == 0x28
			    ? "compressed with zstd, which this build lacks"
			    : "compressed with lz4, which this build lacks";
			errno = EILSEQ;
			return false;
		}
		if (!codec->begin(in)) {
			errno = ENOMEM;
			return false;
		}
		in->codec = codec;
	}
	return true;
}

static bool
read_head(struct input *in, const char **why)
{
	ssize_t n = 1;

	while (in->raw_n < INPUT_MAGIC_BYTES && !in->raw_end)
		if (!refill(in))
			return false;
	if (!find_codec(in, why))
		return false;
	while (n > 0 && in->n_head < INPUT_MAGIC_BYTES) {
		n = content(
		    in, in->head + in->n_head, INPUT_MAGIC_BYTES - in->n_head);
		if (n > 0)
			in->n_head += (size_t)n;
	}
	return true;
}

static bool
open_fd(struct input *in, const char *path)
{
	struct stat st;

	in->fd = strcmp(path, "-") == 0 ? STDIN_FILENO
					: open(path, O_RDONLY | O_CLOEXEC);
	if (in->fd < 0 || fstat(in->fd, &st) != 0)
		return false;
	in->regular = S_ISREG(st.st_mode);
	in->slow =
	    S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode) || S_ISCHR(st.st_mode);
	if (in->regular)
		in->size = (uint64_t)st.st_size;
	return true;
}

/*
 * A regular file that is not compressed is stdio's: a stream of our own would
 * cost a copy of each byte. The descriptors share the position.
 */
static FILE *
open_plain(struct input *in, off_t from)
{
	int fd;

	if (from < 0 || !in->regular || in->codec != NULL ||
	    lseek(in->fd, from, SEEK_SET) != from)
		return NULL;
	fd = fcntl(in->fd, F_DUPFD_CLOEXEC, 0);
	in->plain = fd < 0 ? NULL : fdopen(fd, "rb");
	if (fd >= 0 && in->plain == NULL)
		close(fd);
	return in->plain;
}

/* From the first byte, whatever was read of it. */
static FILE *
open_stream(struct input *in, const char **why)
{
	const cookie_io_functions_t io = { .read = read_cookie,
		.close = close_cookie };
	off_t from = lseek(in->fd, 0, SEEK_CUR);

	if (!read_head(in, why))
		return NULL;
	in->file = open_plain(in, from);
	return in->file != NULL ? in->file : fopencookie(in, "rb", io);
}

struct input *
input_open(const char *path, size_t buffer_bytes, struct input_wait *wait,
    const char **why)
{
	struct input *in = calloc(1, sizeof(*in));
	int error;

	*why = NULL;
	errno = ENOMEM;
	if (in == NULL)
		return NULL;
	in->fd = -1;
	in->wait = wait;
	in->raw = malloc(RAW_BYTES);
	errno = ENOMEM;
	if (in->raw != NULL && open_fd(in, path))
		in->file = open_stream(in, why);
	if (in->file == NULL) {
		error = errno;
		input_close(in);
		errno = error;
		return NULL;
	}
	/* without a large buffer it goes on with a small one */
	in->buffer = malloc(buffer_bytes);
	if (in->buffer != NULL)
		setvbuf(in->file, in->buffer, _IOFBF, buffer_bytes);
	return in;
}

void
input_close(struct input *in)
{
	if (in == NULL)
		return;
	if (in->file != NULL)
		fclose(in->file);
	if (in->codec != NULL)
		in->codec->end(in);
	if (in->fd > STDIN_FILENO)
		close(in->fd);
	free(in->buffer);
	free(in->raw);
	free(in);
}

FILE *
input_file(struct input *in)
{
	return in->file;
}

void
input_unbuffered(struct input *in)
{
	setvbuf(in->file, NULL, _IONBF, 0);
	free(in->buffer);
	in->buffer = NULL;
}

ssize_t
input_read(struct input *in, void *p, size_t n_bytes)
{
	ssize_t n;

	if (in->plain == NULL)
		return read_cookie(in, p, n_bytes);
	n = read_some(in, p, n_bytes);
	if (n < 0)
		in->problem = strerror(errno);
	return n;
}

size_t
input_magic(const struct input *in, uint8_t magic[INPUT_MAGIC_BYTES])
{
	memcpy(magic, in->head, in->n_head);
	return in->n_head;
}

const char *
input_problem(const struct input *in)
{
	return in->problem;
}

bool
input_is_regular(const struct input *in)
{
	return in->regular;
}

void
input_released(struct input *in)
{
	in->file = NULL;
}

uint64_t
input_at(const struct input *in)
{
	off_t at = in->plain != NULL ? lseek(in->fd, 0, SEEK_CUR) : -1;

	return at >= 0 ? (uint64_t)at : in->n_read;
}

uint64_t
input_size(const struct input *in)
{
	return in->size;
}
