/* SPDX-License-Identifier: MIT */
#include "cmd/capture/source.h"

#include "cmd/capture/capfile.h"
#include "cmd/capture/capture.h"
#include "cmd/capture/layers.h"
#include "cmd/common/cli.h"
#include "cmd/common/process.h"

#include <pcap/pcap.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <time.h>

#define POLL_MS 100 /* live: as long as the kernel may hold back a packet */
#define NS_PER_S INT64_C(1000000000)
#define KEPT_OPEN 16 /* of so many files, all stay open from the start */
#define MANY_FILES 512 /* may need more descriptors than there are */
#define PROGRAMS_MAX 32 /* link types with a filter */

/* A file of several. */
struct member {
	const char *path;
	int64_t first_ns; /* of equal times, the file that begins first */
	size_t order; /* goes first, then the one that was named first */
	struct capfile *file; /* NULL: not open */
	struct source_packet packet; /* its next one */
};

struct program {
	int linktype;
	bool passes_none; /* not a link type that can be read */
	struct bpf_program bpf;
};

struct source {
	struct input_wait wait;
	pcap_t *live; /* NULL: files */
	int fd; /* live: to poll */
	const char *iface;
	uint64_t n_packets, n_unknown; /* unknown: link type */
	int unknown_linktype, known_linktype; /* the last one of each; -1 */
	/* files */
	struct capfile *only; /* the only one, or NULL */
	struct member *members; /* by time; n of them */
	size_t n, n_opened;
	struct member **heap; /* open, by the time of their packets */
	size_t n_heap;
	bool taken; /* the packet at the top was */
	int linktype;
	uint64_t size_bytes, closed_bytes; /* of all; of those closed */
	bool size_known;
	uint64_t dropped; /* in those closed */
	size_t n_failed;
	char failure[SOURCE_ERR_CHARS]; /* the first one */
	/* the filter */
	char *filter; /* NULL: everything passes */
	struct program programs[PROGRAMS_MAX];
	size_t n_programs;
	struct bpf_program inside; /* for an IP packet without what is around */
	bool looks_inside;
	struct source_filtered filtered;
};

static struct source *
new_source(char *err)
{
	struct source *src = calloc(1, sizeof(*src));

	if (src == NULL)
		snprintf(err, SOURCE_ERR_CHARS, "out of memory");
	return src;
}

static const char *
name_of(int linktype)
{
	const char *name = pcap_datalink_val_to_name(linktype);

	return name != NULL ? name : "unknown";
}

static void
refuse_link(const char *path, int linktype, char *err)
{
	snprintf(err, SOURCE_ERR_CHARS,
	    "%.200s: link type %s (%d) is not one that can be read: expected"
	    " Ethernet, Linux cooked, raw IP, NULL, PPP, HDLC, MPLS, NFLOG or"
	    " 802.11",
	    path, name_of(linktype), linktype);
}

/* ---- opening files ---- */

/* Adds what is known about a file that was opened for the first time. */
static bool
examine(struct source *src, struct capfile *file, const char *path, char *err)
{
	int linktype = capfile_linktype(file);

	if (linktype >= 0 && !capfile_is_pcapng(file) &&
	    !cap_linktype_known(linktype)) {
		refuse_link(path, linktype, err);
		return false;
	}
	if (src->linktype < 0)
		src->linktype = linktype;
	if (capfile_size(file) == 0 && !capfile_is_regular(file))
		src->size_known = false;
	src->size_bytes += capfile_size(file);
	return true;
}

static bool
open_only(
    struct source *src, const char *path, struct cap_keylog *log, char *err)
{
	src->only = capfile_open(path, 0, &src->wait, log, err);
	return src->only != NULL && examine(src, src->only, path, err);
}

static void
note_failure(struct source *src, const char *err)
{
	if (src->n_failed++ == 0)
		snprintf(src->failure, sizeof(src->failure), "%s", err);
}

static void
close_member(struct source *src, struct member *member)
{
	src->dropped += capfile_dropped(member->file);
	src->closed_bytes += capfile_size(member->file);
	capfile_close(member->file);
	member->file = NULL;
}

/* Reads its next packet; closes it if there is none. */
static bool
advance(struct source *src, struct member *member)
{
	char err[SOURCE_ERR_CHARS];
	enum source_result result =
	    capfile_next(member->file, &member->packet, err);

	if (result == SOURCE_PACKET)
		return true;
	if (result == SOURCE_ERROR)
		note_failure(src, err);
	close_member(src, member);
	return false;
}

/* Looks at the first packet of a file; adds it to the members if it has one. */
static bool
add_member(struct source *src, const char *path, size_t n_paths,
    struct cap_keylog *log, char *err)
{
	struct member *member = &src->members[src->n];

	*member = (struct member){ .path = path, .order = src->n };
	member->file = capfile_open(
	    path, CAPFILE_SMALL | CAPFILE_EMPTY_OK, &src->wait, log, err);
	if (member->file == NULL)
		return false;
	src->n++; /* source_close() closes it */
	if (!examine(src, member->file, path, err))
		return false;
	if (!advance(src, member)) {
		src->n--;
		return true;
	}
	member->first_ns = member->packet.time_ns;
	if (n_paths > KEPT_OPEN && capfile_is_regular(member->file)) {
		capfile_close(member->file);
		member->file = NULL;
	}
	return true;
}

static int
by_time(const void *a, const void *b)
{
	const struct member *x = a, *y = b;

	if (x->packet.time_ns != y->packet.time_ns)
		return x->packet.time_ns < y->packet.time_ns ? -1 : 1;
	if (x->first_ns != y->first_ns)
		return x->first_ns < y->first_ns ? -1 : 1;
	return x->order < y->order ? -1 : 1;
}

static bool
open_members(struct source *src, const char *const *paths, size_t n,
    struct cap_keylog *log, char *err)
{
	src->members = calloc(n, sizeof(*src->members));
	src->heap = calloc(n, sizeof(*src->heap));
	if (src->members == NULL || src->heap == NULL) {
		snprintf(err, SOURCE_ERR_CHARS, "out of memory");
		return false;
	}
	if (n > MANY_FILES)
		(void)process_raise_descriptors();
	for (size_t i = 0; i < n; i++)
		if (!add_member(src, paths[i], n, log, err))
			return false;
	if (src->n > 0)
		qsort(src->members, src->n, sizeof(*src->members), by_time);
	return true;
}

struct source *
source_open(
    const char *const *paths, size_t n, struct cap_keylog *log, char *err)
{
	struct source *src = new_source(err);
	bool ok;

	if (src == NULL)
		return NULL;
	src->linktype = src->known_linktype = -1;
	src->size_known = true;
	ok = n == 1 ? open_only(src, paths[0], log, err)
		    : open_members(src, paths, n, log, err);
	if (!ok) {
		source_close(src);
		return NULL;
	}
	if (src->linktype < 0)
		src->linktype = DLT_EN10MB;
	return src;
}

/* ---- merging files ---- */

static void
swap(struct member **a, struct member **b)
{
	struct member *was = *a;

	*a = *b;
	*b = was;
}

/* The packet at the top was replaced by a later one. */
static void
sift_down(struct source *src)
{
	struct member **heap = src->heap;
	size_t at = 0, least;

	for (;; at = least) {
		least = at;
		for (size_t i = 2 * at + 1; i <= 2 * at + 2; i++)
			if (i < src->n_heap &&
			    by_time(heap[i], heap[least]) < 0)
				least = i;
		if (least == at)
			return;
		swap(&heap[at], &heap[least]);
	}
}

static void
push(struct source *src, struct member *member)
{
	struct member **heap = src->heap;
	size_t at = src->n_heap++;

	heap[at] = member;
	for (; at > 0 && by_time(heap[at], heap[(at - 1) / 2]) < 0;
	     at = (at - 1) / 2)
		swap(&heap[at], &heap[(at - 1) / 2]);
}

/* Opens it again, at its first packet. */
static void
open_member(struct source *src, struct member *member)
{
	char err[SOURCE_ERR_CHARS];

	if (member->file == NULL) {
		member->file = capfile_open(member->path,
		    CAPFILE_SMALL | CAPFILE_EMPTY_OK, &src->wait, NULL, err);
		if (member->file == NULL) {
			note_failure(src, err);
			return;
		}
		if (!advance(src, member))
			return;
	}
	push(src, member);
}

static enum source_result
next_merged(struct source *src, struct source_packet *packet, char *err)
{
	if (src->taken) {
		if (!advance(src, src->heap[0]))
			src->heap[0] = src->heap[--src->n_heap];
		sift_down(src);
	}
	src->taken = false;
	while (src->n_opened < src->n &&
	    (src->n_heap == 0 ||
		by_time(&src->members[src->n_opened], src->heap[0]) < 0))
		open_member(src, &src->members[src->n_opened++]);
	if (src->n_heap > 0) {
		*packet = src->heap[0]->packet;
		src->taken = true;
		return SOURCE_PACKET;
	}
	if (src->n_failed == 0)
		return SOURCE_END;
	snprintf(err, SOURCE_ERR_CHARS, "%s", src->failure);
	if (src->n_failed > 1)
		cli_warn(
		    "%zu files could not be read to their ends", src->n_failed);
	return SOURCE_ERROR;
}

/* ---- live ---- */

struct source *
source_open_live(const char *iface, int snaplen, char *err)
{
	struct source *src = new_source(err);
	char why[PCAP_ERRBUF_SIZE] = "";
	int status;

	if (src == NULL)
		return NULL;
	src->iface = iface;
	src->live = pcap_create(iface, why);
	if (src->live == NULL) {
		snprintf(err, SOURCE_ERR_CHARS, "%s: %s", iface, why);
		free(src);
		return NULL;
	}
	pcap_set_snaplen(src->live, snaplen);
	pcap_set_timeout(src->live, POLL_MS);
	pcap_set_promisc(src->live, 1);
	pcap_set_tstamp_precision(src->live, PCAP_TSTAMP_PRECISION_NANO);
	status = pcap_activate(src->live);
	if (status < 0) {
		const char *words = pcap_statustostr(status);
		const char *more = pcap_geterr(src->live);

		if (status == PCAP_ERROR_PERM_DENIED)
			more = "root or CAP_NET_RAW is needed";
		snprintf(err, SOURCE_ERR_CHARS, "%s: %s%s%.200s", iface, words,
		    strcmp(words, more) == 0 || more[0] == '\0' ? "" : ": ",
		    strcmp(words, more) == 0 ? "" : more);
		source_close(src);
		return NULL;
	}
	/* a blocking read would wait until the kernel's buffer is full */
	if (pcap_setnonblock(src->live, 1, why) != 0) {
		snprintf(err, SOURCE_ERR_CHARS, "%s: %s", iface, why);
		source_close(src);
		return NULL;
	}
	src->fd = pcap_get_selectable_fd(src->live);
	if (cap_linktype_known(source_linktype(src)))
		return src;
	refuse_link(iface, source_linktype(src), err);
	source_close(src);
	return NULL;
}

/* ---- the filter ---- */

/* Compiles the filter for a link type. */
static bool
compile(struct source *src, int linktype, struct bpf_program *bpf, char *err)
{
	pcap_t *pcap = src->live != NULL
	    ? src->live
	    : pcap_open_dead(linktype, SOURCE_SNAPLEN_MAX);
	bool ok;

	if (pcap == NULL) {
		snprintf(err, SOURCE_ERR_CHARS, "out of memory");
		return false;
	}
	ok = pcap_compile(pcap, bpf, src->filter, 1, PCAP_NETMASK_UNKNOWN) == 0;
	if (!ok)
		snprintf(err, SOURCE_ERR_CHARS,
		    "capture filter '%.200s': %.200s", src->filter,
		    pcap_geterr(pcap));
	if (pcap != src->live)
		pcap_close(pcap);
	return ok;
}

/* The filter for a link type; NULL: it cannot be compiled. */
static struct program *
program_of(struct source *src, int linktype, char *err)
{
	struct program *program = src->programs;

	for (size_t i = 0; i < src->n_programs; i++, program++)
		if (program->linktype == linktype)
			return program;
	if (src->n_programs == PROGRAMS_MAX) {
		snprintf(err, SOURCE_ERR_CHARS,
		    "capture filter: more than %d link types", PROGRAMS_MAX);
		return NULL;
	}
	program->linktype = linktype;
	program->passes_none = !cap_linktype_known(linktype);
	if (!program->passes_none &&
	    !compile(src, linktype, &program->bpf, err))
		return NULL;
	src->n_programs++;
	return program;
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
	    pcap_dispatch(src->live, 1, note_time, (u_char *)&at_s) > 0)
		;
}

static bool
filter_live(struct source *src, char *err)
{
	struct bpf_program program;
	bool ok;

	if (!compile(src, 0, &program, err))
		return false;
	ok = pcap_setfilter(src->live, &program) == 0;
	if (!ok)
		snprintf(err, SOURCE_ERR_CHARS, "capture filter: %s",
		    pcap_geterr(src->live));
	pcap_freecode(&program);
	if (ok)
		drop_unfiltered(src);
	return ok;
}

bool
source_filter(struct source *src, const char *bpf, char *err)
{
	struct bpf_program program;
	char why[SOURCE_ERR_CHARS];

	free(src->filter);
	src->filter = strdup(bpf);
	if (src->filter == NULL) {
		snprintf(err, SOURCE_ERR_CHARS, "out of memory");
		return false;
	}
	if (src->live != NULL)
		return filter_live(src, err);
	/* a mistake is told before anything is read */
	if (!compile(src, src->linktype, &program, err))
		return false;
	pcap_freecode(&program);
	/* one about links cannot be asked without them */
	src->looks_inside = compile(src, DLT_RAW, &src->inside, why);
	return true;
}

#define ETHER_BYTES 14

/* Usual packets, of which there are many, are told by a few bytes. */
static bool
is_plain_tcp(const struct source_packet *packet)
{
	const uint8_t *p = packet->data.p;

	return packet->linktype == DLT_EN10MB && packet->data.len >= 34 &&
	    p[12] == 0x08 && p[13] == 0x00 && p[23] == 6;
}

/* A packet did not match: would it, without what is around its IP packet? */
static void
note_hidden(struct source *src, const struct source_packet *packet)
{
	const uint8_t *data = packet->data.p;
	struct pcap_pkthdr head = { .caplen = 0 };
	struct cap_ip ip;
	size_t skipped;

	if (!src->looks_inside || is_plain_tcp(packet))
		return;
	(void)cap_layers_ip(
	    packet->linktype, packet->data, packet->wire_bytes, &ip);
	if (ip.start == NULL)
		return;
	skipped = (size_t)(ip.start - data);
	if (ip.n_vlans == 0 && !ip.wrapped &&
	    (packet->linktype != DLT_EN10MB || skipped == ETHER_BYTES))
		return; /* the filter knows these */
	head.caplen = (bpf_u_int32)(packet->data.len - skipped);
	head.len = (bpf_u_int32)(packet->wire_bytes - skipped);
	if (pcap_offline_filter(&src->inside, &head, ip.start) == 0)
		return;
	if (ip.wrapped || ip.n_vlans == 0)
		src->filtered.wrapped++;
	else if (ip.n_vlans == 1)
		src->filtered.tagged++;
	else
		src->filtered.tagged_twice++;
}

bool
source_filtered(const struct source *src, struct source_filtered *n)
{
	*n = src->filtered;
	n->packets = src->n_packets;
	return src->live == NULL;
}

/* 1: it passes; 0: it does not; -1: `err`. */
static int
passes(struct source *src, const struct source_packet *packet, char *err)
{
	const struct pcap_pkthdr head = {
		.caplen = (bpf_u_int32)packet->data.len,
		.len = (bpf_u_int32)packet->wire_bytes,
	};
	const struct program *program;

	if (src->filter == NULL)
		return 1;
	program = program_of(src, packet->linktype, err);
	if (program == NULL)
		return -1;
	if (program->passes_none)
		return 0;
	if (pcap_offline_filter(&program->bpf, &head, packet->data.p) == 0) {
		note_hidden(src, packet);
		return 0;
	}
	src->filtered.passed++;
	return 1;
}

/* ---- packets ---- */

void
source_close(struct source *src)
{
	if (src == NULL)
		return;
	if (src->live != NULL)
		pcap_close(src->live);
	capfile_close(src->only);
	for (size_t i = 0; i < src->n; i++)
		capfile_close(src->members[i].file);
	for (size_t i = 0; i < src->n_programs; i++)
		if (!src->programs[i].passes_none)
			pcap_freecode(&src->programs[i].bpf);
	if (src->looks_inside)
		pcap_freecode(&src->inside);
	free(src->filter);
	free(src->members);
	free(src->heap);
	free(src);
}

int
source_linktype(const struct source *src)
{
	return src->live != NULL ? pcap_datalink(src->live) : src->linktype;
}

const char *
source_linktype_name(const struct source *src)
{
	return name_of(source_linktype(src));
}

void
source_on_idle(struct source *src, bool (*idle)(void *arg), void *arg)
{
	src->wait.idle = idle;
	src->wait.arg = arg;
}

static enum source_result
next_live(struct source *src, struct source_packet *packet, char *err)
{
	struct pcap_pkthdr *head;
	const u_char *data;
	int64_t scale;
	int got;

	do
		got = pcap_next_ex(src->live, &head, &data);
	while (got == 0 && input_await(&src->wait, src->fd) >= 0);
	if (got == 0 || got == PCAP_ERROR_BREAK ||
	    (got < 0 && src->wait.broken))
		return SOURCE_END;
	if (got < 0) {
		snprintf(err, SOURCE_ERR_CHARS, "%s: after packet %llu: %s",
		    src->iface, (unsigned long long)src->n_packets,
		    pcap_geterr(src->live));
		return SOURCE_ERROR;
	}
	/* with nanosecond precision, tv_usec holds nanoseconds */
	scale =
	    pcap_get_tstamp_precision(src->live) == PCAP_TSTAMP_PRECISION_NANO
	    ? 1
	    : 1000;
	packet->time_ns = head->ts.tv_sec * NS_PER_S + head->ts.tv_usec * scale;
	packet->data = (struct bnet_slice){ data, head->caplen };
	packet->wire_bytes = head->len;
	packet->linktype = pcap_datalink(src->live);
	src->n_packets++;
	return SOURCE_PACKET;
}

/* At the end: what of the files could not be used, and why. */
static enum source_result
tell_unknown(struct source *src, char *err)
{
	uint64_t n_unknown = src->n_unknown;

	src->n_unknown = 0;
	if (n_unknown == 0)
		return SOURCE_END;
	if (n_unknown == src->n_packets) {
		refuse_link("the capture", src->unknown_linktype, err);
		return SOURCE_ERROR;
	}
	cli_warn("%llu packets are of a link type that cannot be read, such as"
		 " %s (%d)",
	    (unsigned long long)n_unknown, name_of(src->unknown_linktype),
	    src->unknown_linktype);
	return SOURCE_END;
}

/* Packets of unknown link types are passed on: they have numbers, too. */
static void
check_link(struct source *src, int linktype)
{
	if (cap_linktype_known(linktype)) {
		src->known_linktype = linktype;
		return;
	}
	src->n_unknown++;
	src->unknown_linktype = linktype;
}

static enum source_result
next_of_files(struct source *src, struct source_packet *packet, char *err)
{
	enum source_result result;
	int pass = 0;

	do {
		if (src->wait.broken)
			return SOURCE_END;
		result = src->only != NULL
		    ? capfile_next(src->only, packet, err)
		    : next_merged(src, packet, err);
		if (result == SOURCE_END)
			return tell_unknown(src, err);
		if (result == SOURCE_ERROR)
			return result;
		src->n_packets++;
		if (packet->linktype != src->known_linktype)
			check_link(src, packet->linktype);
		pass = passes(src, packet, err);
	} while (pass == 0);
	return pass > 0 ? SOURCE_PACKET : SOURCE_ERROR;
}

enum source_result
source_next(struct source *src, struct source_packet *packet, char *err)
{
	return src->live != NULL ? next_live(src, packet, err)
				 : next_of_files(src, packet, err);
}

void
source_break(struct source *src)
{
	src->wait.broken = 1;
	if (src->live != NULL)
		pcap_breakloop(src->live);
}

bool
source_progress(const struct source *src, uint64_t *at, uint64_t *size)
{
	if (src->live != NULL || !src->size_known || src->size_bytes == 0)
		return false;
	*at = src->closed_bytes;
	if (src->only != NULL)
		*at += capfile_at(src->only);
	for (size_t i = 0; i < src->n_heap; i++)
		*at += capfile_at(src->heap[i]->file);
	*size = src->size_bytes;
	return true;
}

uint64_t
source_dropped(const struct source *src)
{
	struct pcap_stat stat;
	uint64_t n = src->dropped;

	if (src->live != NULL)
		return pcap_stats(src->live, &stat) != 0
		    ? 0
		    : (uint64_t)stat.ps_drop + stat.ps_ifdrop;
	if (src->only != NULL)
		n += capfile_dropped(src->only);
	for (size_t i = 0; i < src->n_heap; i++)
		n += capfile_dropped(src->heap[i]->file);
	return n;
}

bool
source_secrets_may_follow(const struct source *src)
{
	const struct capfile *file = src->only;

	for (size_t i = 0; file == NULL && i < src->n; i++)
		if (src->members[i].file != NULL &&
		    capfile_secrets_may_follow(src->members[i].file))
			return true;
	return file != NULL && capfile_secrets_may_follow(file);
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
