/* SPDX-License-Identifier: MIT */
#include "cmd/capture/capfile.h"

#include "cmd/capture/pcapng.h"
#include "cmd/common/cli.h"

#include <errno.h>
#include <pcap/pcap.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#define BUFFER_BYTES ((size_t)1 << 20) /* reduces system calls */
#define BUFFER_SMALL_BYTES ((size_t)64 << 10)
#define NS_PER_S INT64_C(1000000000)
/* A file may contain any time; this limit keeps differences within 63 bits. */
#define TIME_MAX_S INT64_C(4600000000)

/*
 * The records of a usual pcap file, which libpcap has opened. Handed on where
 * they were read to, they cost no copy.
 */
struct records {
	uint8_t *p; /* read and not handed on yet: at to n; NULL: libpcap */
	size_t at, n, room;
	uint32_t snaplen, unit_ns;
	int linktype;
	char problem[120];
};

struct capfile {
	struct input *in;
	struct input_wait *wait;
	pcap_t *pcap; /* one of these two; neither: an empty file */
	struct pcapng *ng;
	struct records records; /* of `pcap` */
	uint64_t n_packets;
	bool secrets_told; /* their problem was */
	char path[200];
};

static size_t
buffer_bytes(unsigned flags)
{
	return flags & CAPFILE_SMALL ? BUFFER_SMALL_BYTES : BUFFER_BYTES;
}

static void
tell_secrets(struct capfile *file, const struct pcapng *ng)
{
	if (file->secrets_told || pcapng_secrets_problem(ng)[0] == '\0')
		return;
	cli_warn("%s: its decryption secrets: %s", file->path,
	    pcapng_secrets_problem(ng));
	file->secrets_told = true;
}

/* Reads all of a pcapng file for its secrets. Errors are for the next pass. */
static void
read_secrets(struct capfile *file, const char *path, struct cap_keylog *log)
{
	const char *why;
	struct input *in = input_open(path, buffer_bytes(0), file->wait, &why);
	struct pcapng *ng = in == NULL ? NULL : pcapng_new(input_file(in), log);

	while (ng != NULL && !file->wait->broken && pcapng_next_secrets(ng))
		;
	if (ng != NULL)
		tell_secrets(file, ng);
	pcapng_free(ng);
	input_close(in);
}

static bool
open_pcapng(
    struct capfile *file, const char *path, struct cap_keylog *log, char *err)
{
	if (log != NULL && input_is_regular(file->in)) {
		read_secrets(
		    file, strcmp(path, "-") == 0 ? "/dev/stdin" : path, log);
		log = NULL; /* it has them */
	}
	file->ng = pcapng_new(input_file(file->in), log);
	if (file->ng == NULL)
		snprintf(err, SOURCE_ERR_CHARS, "out of memory");
	else if (pcapng_begin(file->ng) != SOURCE_ERROR)
		return true;
	else
		snprintf(err, SOURCE_ERR_CHARS, "%s: %s", file->path,
		    input_problem(file->in) != NULL ? input_problem(file->in)
						    : pcapng_problem(file->ng));
	return false;
}

/* In this machine's byte order; libpcap knows all the others. */
#define MAGIC_US UINT32_C(0xa1b2c3d4)
#define MAGIC_NS UINT32_C(0xa1b23c4d)

/* Are the records those of version 2.4, and as they are? */
static void
open_records(struct capfile *file, uint32_t magic, unsigned flags)
{
	struct records *r = &file->records;

	if (pcap_major_version(file->pcap) != 2 ||
	    pcap_minor_version(file->pcap) != 4)
		return;
	r->room = buffer_bytes(flags);
	r->p = malloc(r->room);
	r->unit_ns = magic == MAGIC_US ? 1000 : 1;
	r->snaplen = (uint32_t)pcap_snapshot(file->pcap);
	r->linktype = pcap_datalink(file->pcap);
}

static bool
open_pcap(struct capfile *file, unsigned flags, uint32_t magic, char *err)
{
	bool usual = magic == MAGIC_US || magic == MAGIC_NS;
	char why[PCAP_ERRBUF_SIZE];
	const char *problem;

	if (usual)
		input_unbuffered(file->in);
	file->pcap = pcap_fopen_offline_with_tstamp_precision(
	    input_file(file->in), PCAP_TSTAMP_PRECISION_NANO, why);
	if (file->pcap != NULL) {
		if (usual)
			open_records(file, magic, flags);
		return true;
	}
	problem = input_problem(file->in);
	snprintf(err, SOURCE_ERR_CHARS,
	    "%s: %.200s (expected a pcap or pcapng file)", file->path,
	    problem != NULL ? problem : why);
	return false;
}

static bool
open_content(struct capfile *file, const char *path, unsigned flags,
    struct cap_keylog *log, char *err)
{
	uint8_t magic[INPUT_MAGIC_BYTES];
	size_t n = input_magic(file->in, magic);
	uint32_t number = 0;

	if (n == 0 && (flags & CAPFILE_EMPTY_OK) &&
	    input_problem(file->in) == NULL) {
		cli_warn("%s: an empty file: left out", file->path);
		return true;
	}
	if (n == sizeof(magic) && memcmp(magic, PCAPNG_MAGIC, n) == 0)
		return open_pcapng(file, path, log, err);
	if (n == sizeof(number))
		memcpy(&number, magic, sizeof(number));
	return open_pcap(file, flags, number, err);
}

struct capfile *
capfile_open(const char *path, unsigned flags, struct input_wait *wait,
    struct cap_keylog *log, char *err)
{
	struct capfile *file = calloc(1, sizeof(*file));
	const char *why = NULL;

	if (file == NULL) {
		snprintf(err, SOURCE_ERR_CHARS, "out of memory");
		return NULL;
	}
	file->wait = wait;
	snprintf(file->path, sizeof(file->path), "%s",
	    strcmp(path, "-") == 0 ? "standard input" : path);
	file->in = input_open(path, buffer_bytes(flags), wait, &why);
	if (file->in == NULL)
		snprintf(err, SOURCE_ERR_CHARS, "%s: %s", file->path,
		    why != NULL ? why : strerror(errno));
	else if (open_content(file, path, flags, log, err))
		return file;
	capfile_close(file);
	return NULL;
}

void
capfile_close(struct capfile *file)
{
	if (file == NULL)
		return;
	pcapng_free(file->ng);
	if (file->pcap != NULL) {
		pcap_close(file->pcap); /* closes the stream of `in` */
		input_released(file->in);
	}
	input_close(file->in);
	free(file->records.p);
	free(file);
}

/* ---- packets ---- */

static int64_t
to_ns(int64_t s, int64_t ns)
{
	s = s > TIME_MAX_S ? TIME_MAX_S : s < -TIME_MAX_S ? -TIME_MAX_S : s;
	return s * NS_PER_S + (ns < 0 || ns >= NS_PER_S ? 0 : ns);
}

/* Makes `n` bytes there, if the file has so many. */
static bool
read_more(struct capfile *file, size_t n)
{
	struct records *r = &file->records;
	uint8_t *p = r->p;
	ssize_t got;

	if (r->at > 0) {
		memmove(r->p, r->p + r->at, r->n - r->at);
		r->n -= r->at;
		r->at = 0;
	}
	if (n > r->room) {
		p = realloc(r->p, n);
		if (p == NULL) {
			snprintf(
			    r->problem, sizeof(r->problem), "out of memory");
			return false;
		}
		r->p = p;
		r->room = n;
	}
	while (r->n < n) {
		got = input_read(file->in, r->p + r->n, r->room - r->n);
		if (got <= 0)
			return false;
		r->n += (size_t)got;
	}
	return true;
}

static inline bool
need(struct capfile *file, size_t n)
{
	return file->records.n - file->records.at >= n || read_more(file, n);
}

/* | s u32 | us or ns u32 | captured u32 | sent u32 | data | */
#define RECORD_BYTES 16

/* The file ends in the middle of something. */
static enum source_result
cut(struct records *r, const char *what, size_t n, size_t got)
{
	if (r->problem[0] == '\0')
		snprintf(r->problem, sizeof(r->problem),
		    "truncated dump file; tried to read %zu %s bytes, only got"
		    " %zu",
		    n, what, got);
	return SOURCE_ERROR;
}

static enum source_result
next_record(struct capfile *file, struct source_packet *packet)
{
	struct records *r = &file->records;
	uint32_t head[4];
	size_t n;

	if (!need(file, RECORD_BYTES))
		return r->n == r->at && r->problem[0] == '\0'
		    ? SOURCE_END
		    : cut(r, "header", RECORD_BYTES, r->n - r->at);
	memcpy(head, r->p + r->at, sizeof(head));
	n = head[2];
	if (n > SOURCE_SNAPLEN_MAX) {
		snprintf(r->problem, sizeof(r->problem),
		    "invalid packet capture length %zu, bigger than maximum"
		    " of %d",
		    n, SOURCE_SNAPLEN_MAX);
		return SOURCE_ERROR;
	}
	if (!need(file, RECORD_BYTES + n))
		return cut(r, "captured", n, r->n - r->at - RECORD_BYTES);
	packet->time_ns =
	    to_ns((int32_t)head[0], (int64_t)head[1] * r->unit_ns);
	packet->data = (struct bnet_slice){ r->p + r->at + RECORD_BYTES,
		n < r->snaplen ? n : r->snaplen };
	packet->wire_bytes = head[3];
	packet->linktype = r->linktype;
	r->at += RECORD_BYTES + n;
	return SOURCE_PACKET;
}

static enum source_result
next_pcap(struct capfile *file, struct source_packet *packet)
{
	struct pcap_pkthdr *head;
	const u_char *data;
	int got;

	if (file->records.p != NULL)
		return next_record(file, packet);
	got = pcap_next_ex(file->pcap, &head, &data);
	if (got == PCAP_ERROR_BREAK)
		return SOURCE_END;
	if (got < 0)
		return SOURCE_ERROR;
	packet->time_ns = to_ns(head->ts.tv_sec, head->ts.tv_usec);
	packet->data = (struct bnet_slice){ data, head->caplen };
	packet->wire_bytes = head->len;
	packet->linktype = pcap_datalink(file->pcap);
	return SOURCE_PACKET;
}

static const char *
problem_of(const struct capfile *file)
{
	if (input_problem(file->in) != NULL)
		return input_problem(file->in);
	if (file->ng != NULL)
		return pcapng_problem(file->ng);
	return file->records.p != NULL ? file->records.problem
				       : pcap_geterr(file->pcap);
}

enum source_result
capfile_next(struct capfile *file, struct source_packet *packet, char *err)
{
	enum source_result result = SOURCE_END;

	if (file->pcap != NULL)
		result = next_pcap(file, packet);
	else if (file->ng != NULL)
		result = pcapng_next(file->ng, packet);
	if (result == SOURCE_PACKET) {
		file->n_packets++;
		return result;
	}
	if (file->ng != NULL)
		tell_secrets(file, file->ng);
	if (file->wait->broken) /* in the middle of a packet */
		return SOURCE_END;
	if (result == SOURCE_END && input_problem(file->in) == NULL)
		return result;
	snprintf(err, SOURCE_ERR_CHARS, "%s: after packet %llu: %s", file->path,
	    (unsigned long long)file->n_packets, problem_of(file));
	return SOURCE_ERROR;
}

bool
capfile_is_pcapng(const struct capfile *file)
{
	return file->ng != NULL;
}

bool
capfile_secrets_may_follow(const struct capfile *file)
{
	return file->ng != NULL && !input_is_regular(file->in);
}

int
capfile_linktype(const struct capfile *file)
{
	if (file->pcap != NULL)
		return pcap_datalink(file->pcap);
	return file->ng != NULL ? pcapng_linktype(file->ng, 0) : -1;
}

uint64_t
capfile_dropped(const struct capfile *file)
{
	return file->ng != NULL ? pcapng_dropped(file->ng) : 0;
}

bool
capfile_is_regular(const struct capfile *file)
{
	return input_is_regular(file->in);
}

uint64_t
capfile_at(const struct capfile *file)
{
	return input_at(file->in);
}

uint64_t
capfile_size(const struct capfile *file)
{
	return input_size(file->in);
}
