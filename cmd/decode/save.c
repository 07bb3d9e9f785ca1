/* SPDX-License-Identifier: MIT */
#include "cmd/decode/save.h"

#include "cmd/common/map.h"

#include <errno.h>
#include <pcap/pcap.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NS_PER_S INT64_C(1000000000)
#define SNAPLEN 262144
#define STREAMS_MAX MAP_ENTRIES_MAX

struct waiting {
	struct waiting *next;
	int64_t time_ns;
	size_t wire_bytes;
	size_t len;
	uint8_t data[];
};

struct entry {
	uint64_t number; /* of the stream: the map key */
	struct waiting *head, *tail;
	size_t held_bytes;
	uint64_t n_dropped;
};

struct save {
	pcap_t *pcap;
	pcap_dumper_t *dumper;
	char path[200];
	bool is_stdout;
	int error; /* errno of the first failure */
	struct map waits; /* streams that did not match yet */
	size_t held_bytes;
	uint64_t n_dropped; /* from streams that matched later */
};

/* libpcap closes its file, but standard output must stay open. */
static pcap_dumper_t *
dump_stdout(pcap_t *pcap)
{
	int fd = dup(STDOUT_FILENO);
	FILE *f = fd < 0 ? NULL : fdopen(fd, "wb");
	pcap_dumper_t *dumper = f == NULL ? NULL : pcap_dump_fopen(pcap, f);

	if (dumper == NULL && f != NULL)
		fclose(f);
	else if (f == NULL && fd >= 0)
		close(fd);
	return dumper;
}

static pcap_dumper_t *
dump(struct save *save, const char *path, char *err)
{
	pcap_dumper_t *dumper;

	errno = 0;
	dumper = save->is_stdout ? dump_stdout(save->pcap)
				 : pcap_dump_open(save->pcap, path);
	if (dumper == NULL && save->is_stdout)
		snprintf(err, SOURCE_ERR_CHARS, "%s: %s", save->path,
		    strerror(errno));
	else if (dumper == NULL)
		snprintf(
		    err, SOURCE_ERR_CHARS, "%.300s", pcap_geterr(save->pcap));
	return dumper;
}

bool
save_open(struct save **out, const char *path, int linktype, char *err)
{
	struct save *save = calloc(1, sizeof(*save));

	*out = NULL;
	if (save == NULL ||
	    !map_init(&save->waits, sizeof(struct entry), 1, STREAMS_MAX)) {
		snprintf(err, SOURCE_ERR_CHARS, "out of memory");
		free(save);
		return false;
	}
	save->is_stdout = strcmp(path, "-") == 0;
	snprintf(save->path, sizeof(save->path), "%s",
	    save->is_stdout ? "standard output" : path);
	save->pcap = pcap_open_dead_with_tstamp_precision(
	    linktype, SNAPLEN, PCAP_TSTAMP_PRECISION_NANO);
	if (save->pcap == NULL)
		snprintf(err, SOURCE_ERR_CHARS, "out of memory");
	else
		save->dumper = dump(save, path, err);
	if (save->dumper == NULL) {
		(void)save_close(save, NULL);
		return false;
	}
	*out = save;
	return true;
}

static void
write_one(struct save *save, int64_t time_ns, size_t wire_bytes,
    struct bnet_slice data)
{
	struct pcap_pkthdr head = {
		.ts = { .tv_sec = (time_t)(time_ns / NS_PER_S),
		    .tv_usec = (suseconds_t)(time_ns % NS_PER_S) },
		.caplen = (bpf_u_int32)data.len,
		.len = (bpf_u_int32)wire_bytes,
	};

	if (save->error != 0)
		return;
	errno = 0;
	pcap_dump((u_char *)save->dumper, &head, data.p);
	if (ferror(pcap_dump_file(save->dumper)))
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
			write_one(save, w->time_ns, w->wire_bytes,
			    (struct bnet_slice){ w->data, w->len });
		save->n_dropped += entry->n_dropped;
		forget(save, entry);
	}
	save_any(save, packet);
}

void
save_any(struct save *save, const struct source_packet *packet)
{
	write_one(save, packet->time_ns, packet->wire_bytes, packet->data);
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
	if (save->error == 0 && pcap_dump_flush(save->dumper) != 0)
		save->error = errno != 0 ? errno : EIO;
}

bool
save_failed(const struct save *save, char *err)
{
	if (save->error == 0)
		return false;
	snprintf(
	    err, SOURCE_ERR_CHARS, "%s: %s", save->path, strerror(save->error));
	return true;
}

uint64_t
save_dropped(const struct save *save)
{
	return save->n_dropped;
}

bool
save_close(struct save *save, char *err)
{
	bool ok = true;

	if (save == NULL)
		return true;
	if (save->dumper != NULL) {
		save_flush(save);
		ok = (save->is_stdout && save->error == EPIPE) ||
		    !save_failed(save, err);
		pcap_dump_close(save->dumper);
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
