/* SPDX-License-Identifier: MIT */
#include "cmd/replay/compile_ports.h"

#include "cmd/capture/source.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct ports {
	uint16_t found[CAP_PORTS_MAX];
	size_t n;
	bool too_many;
};

/* The port of "ADDR:PORT". */
static uint16_t
port_of(const char *end)
{
	const char *colon = strrchr(end, ':');

	return colon == NULL ? 0 : (uint16_t)strtoul(colon + 1, NULL, 10);
}

static void
on_event(void *arg, const struct cap_event *event)
{
	struct ports *ports = arg;
	uint16_t port;

	if (event->type != CAP_FRAME || !event->stream->recognised)
		return;
	port = port_of(event->stream->end[1]);
	for (size_t i = 0; i < ports->n; i++)
		if (ports->found[i] == port)
			return;
	if (ports->n == CAP_PORTS_MAX)
		ports->too_many = true;
	else
		ports->found[ports->n++] = port;
}

static void
look_through(struct cap *cap, struct source *source)
{
	char err[SOURCE_ERR_CHARS];
	struct source_packet packet;
	struct cap_stream *stream;

	while (source_next(source, &packet, err) == SOURCE_PACKET)
		if (cap_packet(cap, source_linktype(source), packet.time_ns,
			packet.data, packet.wire_bytes, &stream) != BNET_OK)
			return;
}

static bool
are_files(const struct compile_settings *set)
{
	struct stat st;

	for (size_t i = 0; i < set->n_paths; i++)
		if (stat(set->paths[i], &st) != 0 || !S_ISREG(st.st_mode))
			return false;
	return true;
}

void
compile_find_ports(const struct compile_settings *set,
    const struct cap_keylog *keylog, struct cap_settings *cap)
{
	struct cap_settings any = *cap;
	struct ports ports = { .n = 0 };
	const struct cap_sink sink = { on_event, NULL, &ports };
	char err[SOURCE_ERR_CHARS];
	struct cap *found;

	any.keylog = keylog;
	found = are_files(set) ? cap_new(&any, &sink) : NULL;
	if (found == NULL)
		return;
	for (size_t i = 0; i < set->n_paths; i++) {
		struct source *source = source_open_file(set->paths[i], err);

		if (source != NULL &&
		    (set->bpf == NULL || source_filter(source, set->bpf, err)))
			look_through(found, source);
		source_close(source);
	}
	cap_finish(found);
	cap_free(found);
	if (ports.n == 0 || ports.too_many)
		return;
	memcpy(cap->ports, ports.found, sizeof(ports.found));
	cap->n_ports = ports.n;
	cap->any_port = false;
}
