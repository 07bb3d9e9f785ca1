/* SPDX-License-Identifier: MIT */
#include "cmd/capture/source.h"

#include <errno.h>
#include <pcap/pcap.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define READ_BYTES (1 << 20) /* stdio's buffer: fewer system calls */
#define POLL_MS 100 /* live: as long as a line may wait */
#define NS_PER_S INT64_C(1000000000)
/* A file may say any time; two of these differ by no more than 63 bits. */
#define TIME_MAX_S INT64_C(4600000000)

struct source {
	pcap_t *pcap;
	FILE *file; /* NULL: live; closed by pcap */
	char *buffer;
	uint64_t size_bytes; /* of a regular file; 0 */
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

/* The buffer is ours: standard input lives on without it. */
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

struct source *
source_open_file(const char *path, char *err)
{
	bool is_stdin = strcmp(path, "-") == 0;
	struct source *src =
	    new_source(is_stdin ? "standard input" : path, err);
	char why[PCAP_ERRBUF_SIZE];
	struct stat st;

	if (src == NULL)
		return NULL;
	src->file = is_stdin ? stdin : fopen(path, "rb");
	if (src->file == NULL) {
		snprintf(err, SOURCE_ERR_CHARS, "%s: %s", src->path,
		    strerror(errno));
		free(src);
		return NULL;
	}
	if (fstat(fileno(src->file), &st) == 0 && S_ISREG(st.st_mode))
		src->size_bytes = (uint64_t)st.st_size;
	src->buffer = malloc(READ_BYTES);
	if (src->buffer != NULL)
		setvbuf(src->file, src->buffer, _IOFBF, READ_BYTES);
	src->pcap = pcap_fopen_offline_with_tstamp_precision(
	    src->file, PCAP_TSTAMP_PRECISION_NANO, why);
	if (src->pcap == NULL) {
		snprintf(err, SOURCE_ERR_CHARS,
		    "%s: %.200s (expected a pcap or pcapng file)", src->path,
		    why);
		if (!is_stdin)
			fclose(src->file);
		free_source(src);
		return NULL;
	}
	return src;
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
	return src;
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

enum source_result
source_next(struct source *src, struct source_packet *packet, char *err)
{
	struct pcap_pkthdr *head;
	const u_char *data;
	int64_t scale;

	switch (pcap_next_ex(src->pcap, &head, &data)) {
	case 1:
		break;
	case 0:
		return SOURCE_IDLE;
	case PCAP_ERROR_BREAK:
		return SOURCE_END;
	default:
		snprintf(err, SOURCE_ERR_CHARS, "%s: after packet %llu: %s",
		    src->path, (unsigned long long)src->n_packets,
		    pcap_geterr(src->pcap));
		return SOURCE_ERROR;
	}
	src->n_packets++;
	/* with this precision tv_usec holds nanoseconds */
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

FILE *
source_file(const struct source *src)
{
	return src->file;
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
