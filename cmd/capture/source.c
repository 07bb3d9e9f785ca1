/* SPDX-License-Identifier: MIT */
#include "cmd/capture/source.h"

#include "cmd/capture/capture.h"

#include <errno.h>
#include <pcap/pcap.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

#define READ_BYTES (1 << 20) /* stdio's buffer; reduces system calls */
#define POLL_MS 100 /* live: as long as the kernel may hold back a packet */
#define NS_PER_S INT64_C(1000000000)
/* A file may contain any time; this limit keeps differences within 63 bits. */
#define TIME_MAX_S INT64_C(4600000000)

struct source {
	pcap_t *pcap;
	FILE *file; /* NULL: live; closed by pcap */
	FILE *pipe; /* the input of `file`, or NULL */
	int fd; /* to poll: live, or of the pipe */
	bool (*idle)(void *arg); /* or NULL */
	void *idle_arg;
	volatile sig_atomic_t broken; /* must end */
	char *buffer;
	uint64_t size_bytes; /* of a regular file; else 0 */
	char path[200];
	uint64_t n_packets;
};

static int64_t
to_ns(const struct timeval *ts, int64_t scale)
{
	int64_t s = ts->tv_sec, rest = ts->tv_usec;

	s = s > TIME_MAX_S ? TIME_MAX_S : s < -TIME_MAX_S ? -TIME_MAX_S : s;
	rest = rest < 0 || rest >= NS_PER_S ? 0 : rest * scale;
	return s * NS_PER_S + rest;
}

/* Uses a buffer of our own, because standard input outlives the source. */
static void
free_source(struct source *src)
{
	if (src->file == stdin)
		setvbuf(stdin, NULL, _IONBF, 0);
	free(src->buffer);
	free(src);
}

static struct source *
new_source(const char *path, char *err)
{
	struct source *src = calloc(1, sizeof(*src));

	if (src == NULL)
		snprintf(err, SOURCE_ERR_CHARS, "out of memory");
	else
		snprintf(src->path, sizeof(src->path), "%s", path);
	return src;
}

/* 1: there is something to read; 0: not yet; -1: the source must end. */
static int
await(struct source *src)
{
	struct pollfd p = { .fd = src->fd, .events = POLLIN };
	int n = poll(&p, 1, 0);

	if (n == 0) {
		if (src->idle != NULL && !src->idle(src->idle_arg))
			src->broken = 1;
		/* with a timeout: a signal may have come just before */
		n = src->broken ? 0 : poll(&p, 1, POLL_MS);
	}
	if (src->broken)
		return -1;
	if (n < 0) /* the read will report other errors */
		return errno != EINTR;
	return n;
}

static ssize_t
read_pipe(void *arg, char *p, size_t size)
{
	struct source *src = arg;
	ssize_t n;
	int ready;

	do {
		ready = await(src);
		if (ready < 0)
			return 0;
		n = ready > 0 ? read(src->fd, p, size) : -1;
	} while (ready == 0 || (n < 0 && (errno == EINTR || errno == EAGAIN)));
	return n;
}

static int
close_pipe(void *arg)
{
	struct source *src = arg;

	return src->pipe == stdin ? 0 : fclose(src->pipe);
}

/*
 * Where input may be slow, stdio reads through await(), because only stdio
 * knows when it needs more.
 */
static FILE *
open_stream(struct source *src, const char *path)
{
	const cookie_io_functions_t io = { .read = read_pipe,
		.close = close_pipe };
	FILE *f = strcmp(path, "-") == 0 ? stdin : fopen(path, "rb");
	struct stat st = { .st_mode = 0 };
	FILE *through;

	if (f == NULL || fstat(fileno(f), &st) != 0)
		return f;
	if (S_ISREG(st.st_mode))
		src->size_bytes = (uint64_t)st.st_size;
	if (!S_ISFIFO(st.st_mode) && !S_ISSOCK(st.st_mode) &&
	    !S_ISCHR(st.st_mode))
		return f;
	src->pipe = f;
	src->fd = fileno(f);
	through = fopencookie(src, "rb", io);
	return through != NULL ? through : f;
}

/*
 * Returns the source; closes it and returns NULL if its link type is unknown.
 */
static struct source *
of_known_link(struct source *src, char *err)
{
	if (cap_linktype_known(source_linktype(src)))
		return src;
	snprintf(err, SOURCE_ERR_CHARS,
	    "%s: link type %s (%d) is not one that can be read: expected"
	    " Ethernet, Linux cooked, raw IP or NULL",
	    src->path, source_linktype_name(src), source_linktype(src));
	source_close(src);
	return NULL;
}

struct source *
source_open_file(const char *path, char *err)
{
	bool is_stdin = strcmp(path, "-") == 0;
	struct source *src =
	    new_source(is_stdin ? "standard input" : path, err);
	char why[PCAP_ERRBUF_SIZE];

	if (src == NULL)
		return NULL;
	src->file = open_stream(src, path);
	if (src->file == NULL) {
		snprintf(err, SOURCE_ERR_CHARS, "%s: %s", src->path,
		    strerror(errno));
		free(src);
		return NULL;
	}
	src->buffer = malloc(READ_BYTES);
	if (src->buffer != NULL)
		setvbuf(src->file, src->buffer, _IOFBF, READ_BYTES);
	src->pcap = pcap_fopen_offline_with_tstamp_precision(
	    src->file, PCAP_TSTAMP_PRECISION_NANO, why);
	if (src->pcap == NULL) {
		snprintf(err, SOURCE_ERR_CHARS,
		    "%s: %.200s (expected a pcap or pcapng file)", src->path,
		    why);
		if (src->file != stdin)
			fclose(src->file);
		free_source(src);
		return NULL;
	}
	return of_known_link(src, err);
}

struct source *
source_open_live(const char *iface, int snaplen, char *err)
{
	struct source *src = new_source(iface, err);
	char why[PCAP_ERRBUF_SIZE] = "";
	int status;

	if (src == NULL)
		return NULL;
	src->pcap = pcap_create(iface, why);
	if (src->pcap == NULL) {
		snprintf(err, SOURCE_ERR_CHARS, "%s: %s", iface, why);
		free(src);
		return NULL;
	}
	pcap_set_snaplen(src->pcap, snaplen);
	pcap_set_timeout(src->pcap, POLL_MS);
	pcap_set_promisc(src->pcap, 1);
	pcap_set_tstamp_precision(src->pcap, PCAP_TSTAMP_PRECISION_NANO);
	status = pcap_activate(src->pcap);
	if (status < 0) {
		const char *words = pcap_statustostr(status);
		const char *more = pcap_geterr(src->pcap);

		if (status == PCAP_ERROR_PERM_DENIED)
			more = "root or CAP_NET_RAW is needed";
		snprintf(err, SOURCE_ERR_CHARS, "%s: %s%s%.200s", iface, words,
		    strcmp(words, more) == 0 || more[0] == '\0' ? "" : ": ",
		    strcmp(words, more) == 0 ? "" : more);
		source_close(src);
		return NULL;
	}
	/* a blocking read would wait until the kernel's buffer is full */
	if (pcap_setnonblock(src->pcap, 1, why) != 0) {
		snprintf(err, SOURCE_ERR_CHARS, "%s: %s", iface, why);
		source_close(src);
		return NULL;
	}
	src->fd = pcap_get_selectable_fd(src->pcap);
	return of_known_link(src, err);
}

static void
note_time(u_char *arg, const struct pcap_pkthdr *head, const u_char *data)
{
	int64_t *at_s = (int64_t *)(void *)arg;

	(void)data;
	*at_s = head->ts.tv_sec;
}

/*
 * Live: drops what the kernel buffered before the filter was set. While the
 * buffer is full of it, packets that pass the filter are lost. Stops at a
 * packet that came more than a second after the start.
 */
static void
drop_unfiltered(struct source *src)
{
	const int64_t until_s = (int64_t)time(NULL) + 1;
	int64_t at_s = 0;

	while (at_s <= until_s &&
	    pcap_dispatch(src->pcap, 1, note_time, (u_char *)&at_s) > 0)
		;
}

bool
source_filter(struct source *src, const char *bpf, char *err)
{
	struct bpf_program program;

	if (pcap_compile(src->pcap, &program, bpf, 1, PCAP_NETMASK_UNKNOWN) !=
	    0) {
		snprintf(err, SOURCE_ERR_CHARS,
		    "capture filter '%.200s': %.200s", bpf,
		    pcap_geterr(src->pcap));
		return false;
	}
	if (pcap_setfilter(src->pcap, &program) != 0) {
		snprintf(err, SOURCE_ERR_CHARS, "capture filter: %s",
		    pcap_geterr(src->pcap));
		pcap_freecode(&program);
		return false;
	}
	pcap_freecode(&program);
	if (src->file == NULL)
		drop_unfiltered(src);
	return true;
}

void
source_close(struct source *src)
{
	if (src == NULL)
		return;
	pcap_close(src->pcap);
	free_source(src);
}

int
source_linktype(const struct source *src)
{
	return pcap_datalink(src->pcap);
}

const char *
source_linktype_name(const struct source *src)
{
	const char *name = pcap_datalink_val_to_name(pcap_datalink(src->pcap));

	return name != NULL ? name : "unknown";
}

void
source_on_idle(struct source *src, bool (*idle)(void *arg), void *arg)
{
	src->idle = idle;
	src->idle_arg = arg;
}

enum source_result
source_next(struct source *src, struct source_packet *packet, char *err)
{
	struct pcap_pkthdr *head;
	const u_char *data;
	int64_t scale;
	int got;

	do
		got = pcap_next_ex(src->pcap, &head, &data);
	while (got == 0 && await(src) >= 0);
	if (got == 0 || got == PCAP_ERROR_BREAK ||
	    (got < 0 && src->broken)) /* in the middle of a packet */
		return SOURCE_END;
	if (got < 0) {
		snprintf(err, SOURCE_ERR_CHARS, "%s: after packet %llu: %s",
		    src->path, (unsigned long long)src->n_packets,
		    pcap_geterr(src->pcap));
		return SOURCE_ERROR;
	}
	src->n_packets++;
	/* with nanosecond precision, tv_usec holds nanoseconds */
	scale = src->file != NULL ||
		pcap_get_tstamp_precision(src->pcap) ==
		    PCAP_TSTAMP_PRECISION_NANO
	    ? 1
	    : 1000;
	packet->time_ns = to_ns(&head->ts, scale);
	packet->data = (struct bnet_slice){ data, head->caplen };
	packet->wire_bytes = head->len;
	return SOURCE_PACKET;
}

void
source_break(struct source *src)
{
	src->broken = 1;
	pcap_breakloop(src->pcap);
}

bool
source_progress(const struct source *src, uint64_t *at, uint64_t *size)
{
	off_t here;

	if (src->size_bytes == 0)
		return false;
	here = ftello(src->file);
	*at = here < 0 ? 0 : (uint64_t)here;
	*size = src->size_bytes;
	return here >= 0;
}

uint64_t
source_dropped(const struct source *src)
{
	struct pcap_stat stat;

	if (src->file != NULL || pcap_stats(src->pcap, &stat) != 0)
		return 0;
	return (uint64_t)stat.ps_drop + stat.ps_ifdrop;
}

bool
source_list(FILE *out, char *err)
{
	char why[PCAP_ERRBUF_SIZE];
	pcap_if_t *all, *dev;
	unsigned i = 1;

	if (pcap_findalldevs(&all, why) != 0) {
		snprintf(err, SOURCE_ERR_CHARS, "%s", why);
		return false;
	}
	for (dev = all; dev != NULL; dev = dev->next)
		fprintf(out, "%u.%s%s%s%s%s\n", i++, dev->name,
		    dev->description != NULL ? " (" : "",
		    dev->description != NULL ? dev->description : "",
		    dev->description != NULL ? ")" : "",
		    dev->flags & PCAP_IF_LOOPBACK ? " [Loopback]" : "");
	pcap_freealldevs(all);
	return true;
}
