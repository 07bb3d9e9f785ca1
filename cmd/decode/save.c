/* SPDX-License-Identifier: MIT */
#include "cmd/decode/save.h"

#include "cmd/capture/compress.h"
#include "cmd/capture/keylog.h"
#include "cmd/capture/pcapng_writer.h"
#include "cmd/common/map.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <pcap/pcap.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NS_PER_S INT64_C(1000000000)
#define SECRETS_AT_ONCE 8 /* in a block */
#define STREAMS_MAX MAP_ENTRIES_MAX

struct waiting {
	struct waiting *next;
	int64_t time_ns;
	size_t wire_bytes;
	size_t len;
	int linktype;
	uint8_t data[];
};

struct entry {
	uint64_t number; /* of the stream: the map key */
	struct waiting *head, *tail;
	size_t held_bytes;
	uint64_t n_dropped;
};

struct save {
	FILE *f; /* what is written to; closed by the dumper, if there is one */
	struct compress *compress; /* `f` is its stream; NULL: not compressed */
	pcap_t *pcap; /* pcap: these three */
	pcap_dumper_t *dumper;
	int linktype;
	struct pcapng_writer writer; /* pcapng: these three */
	const struct cap_keylog *log;
	size_t n_secrets; /* written */
	char path[200];
	bool is_stdout;
	int error; /* errno of the first failure; or */
	const char *problem;
	struct map waits; /* streams that did not match yet */
	size_t held_bytes;
	uint64_t n_dropped; /* from streams that matched later */
};

static bool
is_pcapng(const char *path)
{
	static const char ending[] = ".pcapng";
	size_t n = compress_name_len(path), n_ending = sizeof(ending) - 1;

	return n > n_ending &&
	    strncmp(path + n - n_ending, ending, n_ending) == 0;
}

/* The file gets closed, but standard output must stay open. */
static FILE *
open_stdout(void)
{
	int fd = dup(STDOUT_FILENO);
	FILE *f = fd < 0 ? NULL : fdopen(fd, "wb");

	if (f == NULL && fd >= 0) {
		close(fd);
		errno = EBADF; /* it is closed: see cli_standard_fds() */
	}
	return f;
}

/* Begins the file. Returns false with `why`, or when out of memory. */
static bool
begin(struct save *save, const char *path, const char **why)
{
	if (!compress_open(&save->compress, save->f, path, why))
		return false;
	if (save->compress != NULL)
		save->f = compress_file(save->compress);
	if (is_pcapng(path)) {
		pcapng_writer_begin(&save->writer, save->f);
		return true;
	}
	save->pcap = pcap_open_dead_with_tstamp_precision(
	    save->linktype, SOURCE_SNAPLEN_MAX, PCAP_TSTAMP_PRECISION_NANO);
	if (save->pcap != NULL)
		save->dumper = pcap_dump_fopen(save->pcap, save->f);
	return save->dumper != NULL;
}

bool
save_open(struct save **out, const char *path, int linktype,
    const struct cap_keylog *log, char *err)
{
	struct save *save = calloc(1, sizeof(*save));
	const char *why = NULL;
	int error;

	*out = NULL;
	if (save == NULL ||
	    !map_init(&save->waits, sizeof(struct entry), 1, STREAMS_MAX)) {
		snprintf(err, SOURCE_ERR_CHARS, "out of memory");
		free(save);
		errno = ENOMEM;
		return false;
	}
	save->is_stdout = strcmp(path, "-") == 0;
	save->linktype = linktype;
	save->log = log;
	snprintf(save->path, sizeof(save->path), "%s",
	    save->is_stdout ? "standard output" : path);
	save->f = save->is_stdout ? open_stdout() : fopen(path, "wb");
	error = errno;
	if (save->f != NULL && begin(save, path, &why)) {
		*out = save;
		return true;
	}
	if (save->f == NULL)
		snprintf(err, SOURCE_ERR_CHARS, "%s: %s", save->path,
		    save->is_stdout && error == EBADF ? "closed"
						      : strerror(error));
	else
		snprintf(err, SOURCE_ERR_CHARS, "%s%s%s",
		    why != NULL ? save->path : "", why != NULL ? ": " : "",
		    why != NULL ? why : "out of memory");
	if (save->f != NULL && save->dumper == NULL)
		fclose(save->f);
	(void)compress_close(save->compress);
	save->compress = NULL;
	save->f = NULL;
	(void)save_close(save, NULL);
	errno = error;
	return false;
}

/* The secrets that are known stand before the packets that need them. */
static void
write_secrets(struct save *save)
{
	char lines[SECRETS_AT_ONCE * CAP_KEYLOG_LINE_CHARS];
	size_t n, all;

	if (save->log == NULL)
		return;
	do {
		for (all = 0; all <= sizeof(lines) - CAP_KEYLOG_LINE_CHARS;
		     all += n) {
			n = cap_keylog_used(
			    save->log, save->n_secrets, lines + all);
			if (n == 0)
				break;
			save->n_secrets++;
		}
		if (all > 0)
			pcapng_writer_secrets(&save->writer,
			    (struct bnet_slice){ (const uint8_t *)lines, all });
	} while (all > 0);
	OPENSSL_cleanse(lines, sizeof(lines));
}

static void
write_pcap(struct save *save, const struct source_packet *packet)
{
	struct pcap_pkthdr head = {
		.ts = { .tv_sec = (time_t)(packet->time_ns / NS_PER_S),
		    .tv_usec = (suseconds_t)(packet->time_ns % NS_PER_S) },
		.caplen = (bpf_u_int32)packet->data.len,
		.len = (bpf_u_int32)packet->wire_bytes,
	};

	if (packet->linktype != save->linktype)
		save->problem = "packets of several link types do not fit into"
				" a pcap file: expected a name that ends in"
				" .pcapng";
	else
		pcap_dump((u_char *)save->dumper, &head, packet->data.p);
}

static void
write_one(struct save *save, const struct source_packet *packet)
{
	if (save->error != 0 || save->problem != NULL)
		return;
	errno = 0;
	if (save->dumper != NULL) {
		write_pcap(save, packet);
	} else {
		write_secrets(save);
		if (!pcapng_writer_packet(&save->writer, packet))
			save->problem = "too many link types";
	}
	if (ferror(save->f))
		save->error = errno != 0 ? errno : EIO;
}

static void
drop_first(struct save *save, struct entry *entry)
{
	struct waiting *first = entry->head;

	entry->head = first->next;
	if (entry->head == NULL)
		entry->tail = NULL;
	entry->held_bytes -= sizeof(*first) + first->len;
	save->held_bytes -= sizeof(*first) + first->len;
	free(first);
}

static void
wait(struct save *save, struct entry *entry, const struct source_packet *packet)
{
	struct waiting *w;

	if (entry == save->waits.others) {
		save->n_dropped++; /* cannot be attributed later */
		return;
	}
	w = malloc(sizeof(*w) + packet->data.len);
	if (w == NULL) {
		entry->n_dropped++;
		return;
	}
	w->next = NULL;
	w->time_ns = packet->time_ns;
	w->wire_bytes = packet->wire_bytes;
	w->len = packet->data.len;
	w->linktype = packet->linktype;
	memcpy(w->data, packet->data.p, w->len);
	if (entry->tail != NULL)
		entry->tail->next = w;
	else
		entry->head = w;
	entry->tail = w;
	entry->held_bytes += sizeof(*w) + w->len;
	save->held_bytes += sizeof(*w) + w->len;
	while (entry->head != NULL &&
	    (entry->held_bytes > SAVE_STREAM_BYTES ||
		save->held_bytes > SAVE_TOTAL_BYTES)) {
		drop_first(save, entry);
		entry->n_dropped++;
	}
}

static void
forget(struct save *save, struct entry *entry)
{
	uint64_t number = entry->number;

	while (entry->head != NULL)
		drop_first(save, entry);
	map_remove(&save->waits, &number);
}

void
save_packet(struct save *save, uint64_t number, bool matches,
    const struct source_packet *packet)
{
	struct entry *entry;

	if (!matches) {
		wait(save, map_get(&save->waits, &number), packet);
		return;
	}
	entry = map_find(&save->waits, &number);
	if (entry != NULL) {
		for (struct waiting *w = entry->head; w != NULL; w = w->next)
			write_one(save,
			    &(const struct source_packet){
				.time_ns = w->time_ns,
				.data = { w->data, w->len },
				.wire_bytes = w->wire_bytes,
				.linktype = w->linktype });
		save->n_dropped += entry->n_dropped;
		forget(save, entry);
	}
	save_any(save, packet);
}

void
save_any(struct save *save, const struct source_packet *packet)
{
	write_one(save, packet);
}

void
save_stream_end(struct save *save, uint64_t number)
{
	struct entry *entry = map_find(&save->waits, &number);

	if (entry != NULL)
		forget(save, entry);
}

void
save_flush(struct save *save)
{
	errno = 0;
	if (save->error == 0 && fflush(save->f) != 0)
		save->error = errno != 0 ? errno : EIO;
}

bool
save_failed(const struct save *save, char *err)
{
	if (save->error == 0 && save->problem == NULL)
		return false;
	snprintf(err, SOURCE_ERR_CHARS, "%s: %s", save->path,
	    save->problem != NULL ? save->problem : strerror(save->error));
	return true;
}

uint64_t
save_dropped(const struct save *save)
{
	return save->n_dropped;
}

static void
end_file(struct save *save)
{
	if (save->dumper != NULL)
		pcap_dump_close(save->dumper);
	else
		fclose(save->f);
	if (!compress_close(save->compress) && save->error == 0)
		save->error = errno;
}

bool
save_close(struct save *save, char *err)
{
	bool ok = true;

	if (save == NULL)
		return true;
	if (save->f != NULL) {
		if (save->dumper == NULL && !save_failed(save, err))
			write_secrets(save); /* that came behind the packets */
		save_flush(save);
		end_file(save);
		ok = (save->is_stdout && save->error == EPIPE) ||
		    !save_failed(save, err);
	}
	for (size_t i = 0; i < save->waits.n_made; i++) {
		struct entry *entry = map_at(&save->waits, i);

		while (entry->head != NULL)
			drop_first(save, entry);
	}
	map_free(&save->waits);
	if (save->pcap != NULL)
		pcap_close(save->pcap);
	free(save);
	return ok;
}
