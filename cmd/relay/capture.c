/* SPDX-License-Identifier: MIT */
/*
 * In this order: bytes as a TCP segment; files of a bounded size; the ring
 * between the workers and the writing thread.
 */
#include "cmd/relay/capture.h"

#include "cmd/common/clock.h"
#include "cmd/common/ending.h"
#include "cmd/common/log.h"
#include "cmd/common/map.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

struct record_file;

#define RECORD_SEGMENT_BYTES 16384 /* payload limit */
#define RECORD_HEAD_BYTES 60 /* header limit */

enum record_flag {
	RECORD_FIN = 0x01,
	RECORD_SYN = 0x02,
	RECORD_PUSH = 0x08,
	RECORD_ACK = 0x10,
};

/* The source [0] and the destination [1] of a segment. */
struct record_ends {
	uint8_t ip[2][16]; /* IPv4: as ::ffff:a.b.c.d */
	uint16_t port[2];
	bool ipv6; /* at least one is not an IPv4 address */
};

struct record_segment {
	int64_t time_ns; /* unix */
	struct record_ends ends;
	uint32_t seq, ack;
	uint32_t n_bytes; /* of payload */
	uint8_t flags; /* enum record_flag */
};

static void record_file_close(struct record_file *file);

#define IPV4_BYTES 20
#define IPV6_BYTES 40
#define TCP_BYTES 20
#define MAPPED_BYTES 12 /* of ::ffff:a.b.c.d, before the IPv4 address */
#define TTL 64
#define WINDOW 65535

/* ---- addresses ---- */

static const uint8_t mapped[MAPPED_BYTES] = { [10] = 0xff, [11] = 0xff };

static bool
is_mapped(const uint8_t ip[16])
{
	return memcmp(ip, mapped, sizeof(mapped)) == 0;
}

static void
set_end(struct record_ends *ends, int which, const struct address *at,
    uint64_t number)
{
	const struct sockaddr_in *in = (const void *)&at->sa;
	const struct sockaddr_in6 *in6 = (const void *)&at->sa;
	uint8_t *ip = ends->ip[which];

	memcpy(ip, mapped, sizeof(mapped));
	ends->port[which] = (uint16_t)number;
	if (at->len_bytes == 0)
		return;
	if (at->sa.ss_family == AF_INET) {
		memcpy(ip + MAPPED_BYTES, &in->sin_addr, 4);
		ends->port[which] = ntohs(in->sin_port);
	} else if (at->sa.ss_family == AF_INET6) {
		memcpy(ip, &in6->sin6_addr, 16);
		ends->port[which] = ntohs(in6->sin6_port);
	}
}

/*
 * Sockets without an IP address (AF_UNIX, and NULL) get 0.0.0.0, with the low
 * bits of `number` as port.
 */
static struct record_ends
record_ends_of(
    const struct address *from, const struct address *to, uint64_t number)
{
	static const struct address nowhere;
	struct record_ends ends = { 0 };

	set_end(&ends, 0, from != NULL ? from : &nowhere, number);
	set_end(&ends, 1, to != NULL ? to : &nowhere, number);
	ends.ipv6 = !is_mapped(ends.ip[0]) || !is_mapped(ends.ip[1]);
	return ends;
}

/* The same ends in the opposite direction. */
static struct record_ends
record_ends_swap(const struct record_ends *ends)
{
	struct record_ends swapped = { .ipv6 = ends->ipv6 };

	for (int i = 0; i < 2; i++) {
		memcpy(swapped.ip[i], ends->ip[1 - i], 16);
		swapped.port[i] = ends->port[1 - i];
	}
	return swapped;
}

/* ---- headers ---- */

static void
put16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static void
put32(uint8_t *p, uint32_t v)
{
	put16(p, v >> 16);
	put16(p + 2, v & 0xffff);
}

/* The sum of RFC 1071, not yet folded. */
static uint64_t
sum(uint64_t so_far, const uint8_t *p, size_t n)
{
	size_t i;

	for (i = 0; i + 1 < n; i += 2)
		so_far += (uint64_t)p[i] << 8 | p[i + 1];
	return i < n ? so_far + ((uint64_t)p[i] << 8) : so_far;
}

static uint16_t
fold(uint64_t total)
{
	while (total >> 16 != 0)
		total = (total & 0xffff) + (total >> 16);
	return (uint16_t)~total;
}

/* `tcp` is room for the TCP header, followed by the payload. */
static void
put_tcp(const struct record_segment *segment, uint8_t *tcp)
{
	size_t n = TCP_BYTES + segment->n_bytes;
	const struct record_ends *ends = &segment->ends;
	size_t skip = ends->ipv6 ? 0 : MAPPED_BYTES;
	uint64_t pseudo = IPPROTO_TCP + n;

	memset(tcp, 0, TCP_BYTES);
	put16(tcp, ends->port[0]);
	put16(tcp + 2, ends->port[1]);
	put32(tcp + 4, segment->seq);
	put32(tcp + 8, segment->ack);
	tcp[12] = TCP_BYTES / 4 << 4;
	tcp[13] = segment->flags;
	put16(tcp + 14, WINDOW);
	for (int i = 0; i < 2; i++)
		pseudo = sum(pseudo, ends->ip[i] + skip, 16 - skip);
	put16(tcp + 16, fold(sum(pseudo, tcp, n)));
}

static void
put_ipv4(const struct record_ends *ends, uint8_t *ip, size_t tcp_bytes)
{
	memset(ip, 0, IPV4_BYTES);
	ip[0] = 4 << 4 | IPV4_BYTES / 4;
	put16(ip + 2, (uint32_t)(IPV4_BYTES + tcp_bytes));
	ip[6] = 0x40; /* do not fragment, so the id may be 0 */
	ip[8] = TTL;
	ip[9] = IPPROTO_TCP;
	memcpy(ip + 12, ends->ip[0] + MAPPED_BYTES, 4);
	memcpy(ip + 16, ends->ip[1] + MAPPED_BYTES, 4);
	put16(ip + 10, fold(sum(0, ip, IPV4_BYTES)));
}

static void
put_ipv6(const struct record_ends *ends, uint8_t *ip, size_t tcp_bytes)
{
	memset(ip, 0, IPV6_BYTES);
	ip[0] = 6 << 4;
	put16(ip + 4, (uint32_t)tcp_bytes);
	ip[6] = IPPROTO_TCP;
	ip[7] = TTL;
	memcpy(ip + 8, ends->ip[0], 16);
	memcpy(ip + 24, ends->ip[1], 16);
}

/*
 * The payload is at packet + RECORD_HEAD_BYTES; write the headers before it.
 * Returns the start of the packet; *n_bytes is its length.
 */
static uint8_t *
record_packet(const struct record_segment *segment,
    uint8_t packet[RECORD_HEAD_BYTES + RECORD_SEGMENT_BYTES], size_t *n_bytes)
{
	uint8_t *tcp = packet + RECORD_HEAD_BYTES - TCP_BYTES;
	size_t tcp_bytes = TCP_BYTES + segment->n_bytes;
	uint8_t *ip = tcp - (segment->ends.ipv6 ? IPV6_BYTES : IPV4_BYTES);

	put_tcp(segment, tcp);
	if (segment->ends.ipv6)
		put_ipv6(&segment->ends, ip, tcp_bytes);
	else
		put_ipv4(&segment->ends, ip, tcp_bytes);
	*n_bytes = (size_t)(tcp - ip) + tcp_bytes;
	return ip;
}

#define FILE_HEAD_BYTES 24
#define PACKET_HEAD_BYTES 16
#define SNAP_BYTES 65535
#define PCAP_S_NS 1000000000
#define PCAP_MAGIC_NS UINT32_C(0xa1b23c4d) /* in our own byte order */
#define LINK_RAW 101 /* LINKTYPE_RAW: begins with an IP header */
#define BUFFER_BYTES ((size_t)256 << 10) /* written at a time */
#define ROOM_BYTES ((uint64_t)1 << 20) /* from which it goes on */

/*
 * Records are written whole: if the disk takes only a part of the buffer, the
 * file is cut after the last whole one, and the others are lost and counted.
 */
struct record_file {
	char *path;
	uint64_t max_bytes, n_bytes; /* of the newest file, with the buffer */
	unsigned n_files;
	int fd; /* -1: none could be made */
	uint64_t n_written, n_lost; /* records */
	size_t buffered_bytes, n_buffered;
	uint8_t buffer[BUFFER_BYTES];
};

struct pcap_file_head {
	uint32_t magic;
	uint16_t major, minor;
	int32_t zone;
	uint32_t accuracy, snap_bytes, link_type;
};

struct pcap_packet_head {
	uint32_t s, ns, kept_bytes, bytes;
};

static bool
fail(const char *path, const char *what, const char *why,
    char err[RECORD_ERR_CHARS])
{
	(void)snprintf(
	    err, RECORD_ERR_CHARS, "%s: %.300s: %s", what, path, why);
	return false;
}

/* ---- names ---- */

static bool
name_of(const struct record_file *file, unsigned i, char name[PATH_MAX])
{
	int n = i == 0 ? snprintf(name, PATH_MAX, "%s", file->path)
		       : snprintf(name, PATH_MAX, "%s.%u", file->path, i);

	if (n < PATH_MAX)
		return true;
	errno = ENAMETOOLONG;
	return false;
}

/* Rename FILE.(i - 1) to FILE.i if it exists. */
static bool
shift(const struct record_file *file, unsigned i)
{
	char from[PATH_MAX], to[PATH_MAX];

	return name_of(file, i - 1, from) && name_of(file, i, to) &&
	    (rename(from, to) == 0 || errno == ENOENT);
}

static bool
make_place(const struct record_file *file)
{
	if (file->n_files == 1)
		return unlink(file->path) == 0 || errno == ENOENT;
	for (unsigned i = file->n_files - 1; i > 0; i--)
		if (!shift(file, i))
			return false;
	return true;
}

/* ---- one file ---- */

/* How many bytes were written before the first error (errno). */
static size_t
write_some(int fd, const uint8_t *p, size_t n)
{
	size_t done = 0;
	ssize_t some;

	errno = 0;
	while (done < n) {
		some = write(fd, p + done, n - done);
		if (some > 0)
			done += (size_t)some;
		else if (some < 0 && errno != EINTR)
			break;
	}
	return done;
}

/* Of the first `n` bytes of the buffer: those of whole records. */
static size_t
whole_records(struct record_file *file, size_t n, size_t *n_records)
{
	struct pcap_packet_head head;
	size_t at = 0, next;

	for (*n_records = 0; at < n; ++*n_records) {
		memcpy(&head, file->buffer + at, sizeof(head));
		next = at + sizeof(head) + head.kept_bytes;
		if (next > n)
			break;
		at = next;
	}
	return at;
}

/* Write the buffer. False: `err` says why, and what did not fit is lost. */
static bool
record_file_flush(struct record_file *file, char err[RECORD_ERR_CHARS])
{
	size_t n = file->buffered_bytes, n_records, done, whole;
	uint64_t begin = file->n_bytes - n;
	int error;

	if (n == 0)
		return true;
	done = file->fd < 0 ? 0 : write_some(file->fd, file->buffer, n);
	error = errno;
	whole = whole_records(file, done, &n_records);
	file->n_written += n_records;
	file->n_lost += file->n_buffered - n_records;
	file->n_bytes = begin + whole;
	file->buffered_bytes = file->n_buffered = 0;
	if (done == n)
		return true;
	if (file->fd >= 0 && whole < done &&
	    ftruncate(file->fd, (off_t)file->n_bytes) == 0)
		(void)lseek(file->fd, (off_t)file->n_bytes, SEEK_SET);
	return fail(file->path, "cannot write",
	    file->fd < 0 ? "there is no file" : strerror(error), err);
}

/* O_EXCL: never follow a link or write into an existing file. */
static bool
begin(struct record_file *file, char err[RECORD_ERR_CHARS])
{
	const struct pcap_file_head head = { PCAP_MAGIC_NS, 2, 4, 0, 0,
		SNAP_BYTES, LINK_RAW };
	int error;

	if (!make_place(file))
		return fail(file->path, "cannot rotate", strerror(errno), err);
	file->fd =
	    open(file->path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (file->fd < 0)
		return fail(file->path, "cannot make", strerror(errno), err);
	file->n_bytes = FILE_HEAD_BYTES;
	if (write_some(file->fd, (const uint8_t *)&head, sizeof(head)) ==
	    sizeof(head))
		return true;
	error = errno;
	(void)close(file->fd);
	(void)unlink(file->path); /* so that the older ones stay */
	file->fd = -1;
	return fail(file->path, "cannot write", strerror(error), err);
}

/* Close a full file, once all of it is on its way to the disk. */
static bool
rotate(struct record_file *file, char err[RECORD_ERR_CHARS])
{
	if (!record_file_flush(file, err))
		return false;
	if (file->fd >= 0)
		(void)close(file->fd);
	file->fd = -1;
	return begin(file, err);
}

/* Write an IP packet. False: `err` says why; it may be lost, and is counted. */
static bool
record_file_write(struct record_file *file, int64_t time_ns,
    const uint8_t *packet, size_t n_bytes, char err[RECORD_ERR_CHARS])
{
	const struct pcap_packet_head head = {
		.s = (uint32_t)(time_ns / PCAP_S_NS),
		.ns = (uint32_t)(time_ns % PCAP_S_NS),
		.kept_bytes = (uint32_t)n_bytes,
		.bytes = (uint32_t)n_bytes,
	};
	size_t n = sizeof(head) + n_bytes;
	bool ok = true;

	if (file->n_bytes > FILE_HEAD_BYTES &&
	    file->n_bytes + n > file->max_bytes)
		ok = rotate(file, err);
	else if (file->buffered_bytes + n > BUFFER_BYTES)
		ok = record_file_flush(file, err);
	if (!ok) {
		file->n_lost++;
		return false;
	}
	memcpy(file->buffer + file->buffered_bytes, &head, sizeof(head));
	memcpy(file->buffer + file->buffered_bytes + sizeof(head), packet,
	    n_bytes);
	file->buffered_bytes += n;
	file->n_buffered++;
	file->n_bytes += n;
	return true;
}

/* Is there room again? It makes a file if there is none. */
static bool
record_file_has_room(struct record_file *file)
{
	char err[RECORD_ERR_CHARS];
	struct rlimit limit;
	struct statvfs vfs;

	if (file->fd < 0 && !begin(file, err))
		return false;
	if (fstatvfs(file->fd, &vfs) == 0 &&
	    (uint64_t)vfs.f_bavail * vfs.f_frsize < ROOM_BYTES)
		return false;
	return getrlimit(RLIMIT_FSIZE, &limit) != 0 ||
	    limit.rlim_cur == RLIM_INFINITY ||
	    limit.rlim_cur >= file->n_bytes + ROOM_BYTES;
}

/* ---- beginning and end ---- */

/* Rotation must not rename a device or a directory. */
static bool
may_replace(const char *path, char err[RECORD_ERR_CHARS])
{
	struct stat st;

	if (lstat(path, &st) != 0 || S_ISREG(st.st_mode))
		return true;
	return fail(path, "cannot record", "expected a regular file", err);
}

/*
 * Begin with a new file, mode 0600. An existing file of that name becomes
 * FILE.1, or is replaced if n_files is 1. Packets take at most max_bytes per
 * file. NULL: `err` says why.
 */
static struct record_file *
record_file_open(const char *path, uint64_t max_bytes, unsigned n_files,
    char err[RECORD_ERR_CHARS])
{
	struct record_file *file = calloc(1, sizeof(*file));

	if (file != NULL) {
		file->path = strdup(path);
		file->max_bytes = max_bytes;
		file->n_files = n_files;
		file->fd = -1;
	}
	if (file == NULL || file->path == NULL)
		(void)fail(path, "cannot record", "out of memory", err);
	else if (may_replace(path, err) && begin(file, err))
		return file;
	record_file_close(file);
	return NULL;
}

static void
record_file_close(struct record_file *file)
{
	if (file == NULL)
		return;
	if (file->fd >= 0)
		(void)close(file->fd);
	free(file->path);
	free(file);
}

#define RING_BYTES ((size_t)8 << 20)
#define CONNS_MAX ((size_t)1 << 20)
#define RETRY_MIN_NS INT64_C(1000000000)
#define RETRY_MAX_NS INT64_C(60000000000)
#define FLUSH_S 1 /* the longest that a packet stays in memory */
#define S_NS INT64_C(1000000000)

/* A recorded connection. */
struct flow {
	uint64_t conn; /* the key; first */
	struct record_ends ends; /* in the direction from the peer */
	uint32_t seq[2]; /* next sequence numbers, by enum record_way */
};

struct record {
	pthread_mutex_t lock; /* of all members but the thread's */
	pthread_cond_t wake; /* of the thread */
	struct map flows;
	uint8_t *ring;
	size_t ring_bytes;
	uint64_t head, tail; /* total bytes put in and taken out */
	uint64_t n_dropped; /* before they were in the ring */
	uint64_t n_lost, n_written; /* after */
	bool stop, failed;
	bool again; /* try now whether there is room */
	bool started;
	pthread_t thread;
	/* for the thread only */
	struct record_file *file;
	int64_t retry_ns, wait_ns; /* once it failed */
	uint8_t packet[RECORD_HEAD_BYTES + RECORD_SEGMENT_BYTES];
};

/* ---- the ring; under the lock, or from tail to a head that was read ---- */

/* How many of `n` bytes fit before the end of the ring. */
static size_t
before_end(const struct record *rec, uint64_t at, size_t n)
{
	size_t left = rec->ring_bytes - (size_t)(at % rec->ring_bytes);

	return n < left ? n : left;
}

static void
put(struct record *rec, const void *p, size_t n)
{
	size_t first = before_end(rec, rec->head, n);

	if (n == 0)
		return;
	memcpy(rec->ring + rec->head % rec->ring_bytes, p, first);
	memcpy(rec->ring, (const uint8_t *)p + first, n - first);
	rec->head += n;
}

static void
get(const struct record *rec, uint64_t at, void *p, size_t n)
{
	size_t first = before_end(rec, at, n);

	memcpy(p, rec->ring + at % rec->ring_bytes, first);
	memcpy((uint8_t *)p + first, rec->ring, n - first);
}

static bool
has_room(const struct record *rec, size_t n_bytes)
{
	return !rec->failed &&
	    rec->ring_bytes - (size_t)(rec->head - rec->tail) >=
	    sizeof(struct record_segment) + n_bytes;
}

/* ---- recording; under the lock ---- */

/* A position in the slices of a piece. */
struct cursor {
	const struct bnet_slice *pieces;
	size_t at; /* offset in the first slice */
};

/* Take the next `n_bytes`, and put them into the ring unless dropping. */
static void
pass(struct record *rec, struct cursor *cur, size_t n_bytes, bool keep)
{
	size_t some;

	while (n_bytes > 0) {
		some = cur->pieces->len - cur->at;
		if (some > n_bytes)
			some = n_bytes;
		if (keep && some > 0)
			put(rec, cur->pieces->p + cur->at, some);
		cur->at += some;
		n_bytes -= some;
		if (cur->at == cur->pieces->len) {
			cur->pieces++;
			cur->at = 0;
		}
	}
}

/* A segment of the next `n_bytes`; without payload if `cur` is NULL. */
static void
segment(struct record *rec, struct flow *flow, enum record_way way,
    unsigned flags, struct cursor *cur, size_t n_bytes)
{
	struct record_segment seg;
	bool keep = has_room(rec, n_bytes);

	memset(&seg, 0, sizeof(seg));
	seg.time_ns = clock_unix_ns();
	seg.ends =
	    way == RECORD_IN ? flow->ends : record_ends_swap(&flow->ends);
	seg.seq = flow->seq[way];
	seg.ack = (flags & RECORD_ACK) != 0 ? flow->seq[1 - way] : 0;
	seg.n_bytes = (uint32_t)n_bytes;
	seg.flags = (uint8_t)flags;
	if (keep)
		put(rec, &seg, sizeof(seg));
	else
		rec->n_dropped++;
	if (cur != NULL)
		pass(rec, cur, n_bytes, keep);
	flow->seq[way] += (uint32_t)n_bytes;
	if ((flags & (RECORD_SYN | RECORD_FIN)) != 0)
		flow->seq[way]++;
	if (rec->head - rec->tail >= rec->ring_bytes / 4)
		pthread_cond_signal(&rec->wake);
}

void
record_open(struct record *rec, uint64_t conn, const struct address *peer,
    const struct address *local)
{
	struct flow *flow;

	pthread_mutex_lock(&rec->lock);
	flow = map_get(&rec->flows, &conn);
	if (flow != rec->flows.others) {
		flow->ends = record_ends_of(peer, local, conn);
		segment(rec, flow, RECORD_IN, RECORD_SYN, NULL, 0);
		segment(
		    rec, flow, RECORD_OUT, RECORD_SYN | RECORD_ACK, NULL, 0);
		segment(rec, flow, RECORD_IN, RECORD_ACK, NULL, 0);
	} else {
		rec->n_dropped++;
	}
	pthread_mutex_unlock(&rec->lock);
}

void
record_bytes(struct record *rec, uint64_t conn, enum record_way way,
    const struct bnet_slice *pieces, size_t n)
{
	struct cursor cur = { .pieces = pieces };
	struct flow *flow;
	size_t left = 0, some;

	for (size_t i = 0; i < n; i++)
		left += pieces[i].len;
	pthread_mutex_lock(&rec->lock);
	flow = map_find(&rec->flows, &conn);
	if (flow == NULL)
		rec->n_dropped++;
	for (; flow != NULL && left > 0; left -= some) {
		some =
		    left < RECORD_SEGMENT_BYTES ? left : RECORD_SEGMENT_BYTES;
		segment(rec, flow, way, RECORD_PUSH | RECORD_ACK, &cur, some);
	}
	pthread_mutex_unlock(&rec->lock);
}

void
record_close(struct record *rec, uint64_t conn)
{
	struct flow *flow;

	pthread_mutex_lock(&rec->lock);
	flow = map_find(&rec->flows, &conn);
	if (flow != NULL) {
		segment(rec, flow, RECORD_IN, RECORD_FIN | RECORD_ACK, NULL, 0);
		segment(
		    rec, flow, RECORD_OUT, RECORD_FIN | RECORD_ACK, NULL, 0);
		segment(rec, flow, RECORD_IN, RECORD_ACK, NULL, 0);
		map_remove(&rec->flows, &conn);
	}
	pthread_mutex_unlock(&rec->lock);
}

uint64_t
record_dropped(struct record *rec)
{
	uint64_t n;

	pthread_mutex_lock(&rec->lock);
	n = rec->n_dropped + rec->n_lost;
	pthread_mutex_unlock(&rec->lock);
	return n;
}

uint64_t
record_written(struct record *rec)
{
	uint64_t n;

	pthread_mutex_lock(&rec->lock);
	n = rec->n_written;
	pthread_mutex_unlock(&rec->lock);
	return n;
}

bool
record_works(struct record *rec)
{
	bool works;

	pthread_mutex_lock(&rec->lock);
	works = !rec->failed;
	pthread_mutex_unlock(&rec->lock);
	return works;
}

void
record_again(struct record *rec)
{
	pthread_mutex_lock(&rec->lock);
	rec->again = true;
	pthread_cond_signal(&rec->wake);
	pthread_mutex_unlock(&rec->lock);
}

/* ---- the writing thread ---- */

/* What is before `until` is written, or lost. */
static void
take(struct record *rec, uint64_t until)
{
	pthread_mutex_lock(&rec->lock);
	rec->tail = until;
	rec->n_written = rec->file->n_written;
	rec->n_lost = rec->file->n_lost;
	pthread_mutex_unlock(&rec->lock);
}

static void
set_failed(struct record *rec, bool failed)
{
	pthread_mutex_lock(&rec->lock);
	rec->failed = failed;
	pthread_mutex_unlock(&rec->lock);
}

/* It tries again sooner or later; later if it failed at once. */
static void
give_up(struct record *rec, const char *err)
{
	if (rec->failed)
		return;
	rec->wait_ns = 2 * rec->wait_ns < RETRY_MIN_NS ? RETRY_MIN_NS
	    : 2 * rec->wait_ns > RETRY_MAX_NS          ? RETRY_MAX_NS
						       : 2 * rec->wait_ns;
	rec->retry_ns = clock_now_ns() + rec->wait_ns;
	log_error(
	    "nothing is recorded until there is room", LOG_STR("reason", err));
	set_failed(rec, true);
}

/* Write the segment at `at`; it is lost if writing failed before. */
static void
write_one(struct record *rec, uint64_t *at)
{
	char err[RECORD_ERR_CHARS];
	struct record_segment seg;
	uint8_t *packet;
	size_t n;

	get(rec, *at, &seg, sizeof(seg));
	get(rec, *at + sizeof(seg), rec->packet + RECORD_HEAD_BYTES,
	    seg.n_bytes);
	packet = record_packet(&seg, rec->packet, &n);
	*at += sizeof(seg) + seg.n_bytes;
	if (rec->failed)
		rec->file->n_lost++;
	else if (!record_file_write(rec->file, seg.time_ns, packet, n, err))
		give_up(rec, err);
}

/* Write everything up to `head`, freeing the room as it goes. */
static void
write_all(struct record *rec, uint64_t head)
{
	char err[RECORD_ERR_CHARS];
	uint64_t at = rec->tail; /* only this thread changes it */
	uint64_t given = at;

	while (at < head) {
		write_one(rec, &at);
		if (at - given >= rec->ring_bytes / 16) {
			take(rec, at);
			given = at;
		}
	}
	if (!record_file_flush(rec->file, err))
		give_up(rec, err);
	else if (!rec->failed && at > rec->tail)
		rec->wait_ns = 0;
	take(rec, head);
}

/* After a failure: go on if there is room. `now`: do not wait to look. */
static void
try_again(struct record *rec, bool now)
{
	if (!rec->failed || (!now && clock_now_ns() < rec->retry_ns))
		return;
	rec->retry_ns = clock_now_ns() + RETRY_MIN_NS;
	if (!record_file_has_room(rec->file))
		return;
	log_info(
	    "recording goes on", LOG_U64("segments_lost", record_dropped(rec)));
	set_failed(rec, false);
}

/* Wait until the ring is partly full, a second has passed, or the end. */
static void
wait_for_some(struct record *rec)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += FLUSH_S;
	while (!rec->stop && !rec->again &&
	    rec->head - rec->tail < rec->ring_bytes / 4)
		if (pthread_cond_timedwait(&rec->wake, &rec->lock, &until) ==
		    ETIMEDOUT)
			break;
}

static void *
writer(void *arg)
{
	struct record *rec = arg;
	uint64_t head;
	bool stop, again;

	do {
		pthread_mutex_lock(&rec->lock);
		wait_for_some(rec);
		head = rec->head;
		stop = rec->stop;
		again = rec->again;
		rec->again = false;
		pthread_mutex_unlock(&rec->lock);
		write_all(rec, head);
		try_again(rec, again);
	} while (!stop);
	return NULL;
}

/* ---- beginning and end ---- */

static bool
init(struct record *rec, const struct record_settings *set)
{
	pthread_condattr_t attr;

	rec->ring_bytes = set->ring_bytes != 0 ? set->ring_bytes : RING_BYTES;
	rec->ring = malloc(rec->ring_bytes);
	if (rec->ring == NULL ||
	    !map_init(&rec->flows, sizeof(struct flow), 1, CONNS_MAX)) {
		free(rec->ring);
		return false;
	}
	(void)pthread_mutex_init(&rec->lock, NULL);
	(void)pthread_condattr_init(&attr);
	(void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&rec->wake, &attr);
	(void)pthread_condattr_destroy(&attr);
	return true;
}

struct record *
record_new(const struct record_settings *set, char err[RECORD_ERR_CHARS])
{
	struct record *rec = calloc(1, sizeof(*rec));

	if (rec == NULL || !init(rec, set)) {
		(void)snprintf(err, RECORD_ERR_CHARS, "out of memory");
		free(rec);
		return NULL;
	}
	(void)signal(SIGXFSZ, SIG_IGN);
	rec->file =
	    record_file_open(set->path, set->file_bytes, set->n_files, err);
	if (rec->file != NULL)
		return rec;
	record_free(rec);
	return NULL;
}

bool
record_start(struct record *rec)
{
	errno = pthread_create(&rec->thread, NULL, writer, rec);
	rec->started = errno == 0;
	return rec->started;
}

void
record_free(struct record *rec)
{
	if (rec == NULL)
		return;
	pthread_mutex_lock(&rec->lock);
	rec->stop = true;
	pthread_cond_signal(&rec->wake);
	pthread_mutex_unlock(&rec->lock);
	if (rec->started && !ending_join(rec->thread, "the recording"))
		return;
	if (!rec->started && rec->file != NULL)
		write_all(rec, rec->head);
	record_file_close(rec->file);
	if (ending_is_stuck())
		return; /* running threads may still record */
	map_free(&rec->flows);
	free(rec->ring);
	pthread_mutex_destroy(&rec->lock);
	pthread_cond_destroy(&rec->wake);
	free(rec);
}
