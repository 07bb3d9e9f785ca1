/* SPDX-License-Identifier: MIT */
#include "cmd/capture/filter_hint.h"

#include "cmd/capture/layers.h"
#include "cmd/capture/source.h"

#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#define FILTER_CHARS 80 /* a longer one is not repeated */

struct seen {
	uint64_t packets;
	uint64_t tagged; /* with VLAN tags around all else */
	uint64_t tagged_twice;
	uint64_t wrapped; /* in tunnels, MPLS, PPPoE */
};

static void
look(struct seen *seen, struct source *source)
{
	struct source_packet packet;
	char err[SOURCE_ERR_CHARS];
	struct cap_ip ip;

	while (source_next(source, &packet, err) == SOURCE_PACKET) {
		(void)cap_layers_ip(
		    packet.linktype, packet.data, packet.wire_bytes, &ip);
		seen->packets++;
		seen->tagged += ip.n_vlans > 0;
		seen->tagged_twice += ip.n_vlans > 1;
		seen->wrapped += ip.wrapped;
	}
}

static bool
look_again(struct seen *seen, const char *path)
{
	char err[SOURCE_ERR_CHARS];
	struct source *source;
	struct stat st;

	if (strcmp(path, "-") == 0 || stat(path, &st) != 0 ||
	    !S_ISREG(st.st_mode))
		return false;
	source = source_open(&path, 1, NULL, err);
	if (source == NULL)
		return false;
	look(seen, source);
	source_close(source);
	return true;
}

void
filter_hint(const char *const *paths, size_t n_paths, const char *bpf,
    char text[FILTER_HINT_CHARS])
{
	struct seen seen = { .packets = 0 };
	const char *shown = strlen(bpf) < FILTER_CHARS ? bpf : "...";
	bool all = true;

	for (size_t i = 0; i < n_paths; i++)
		all = look_again(&seen, paths[i]) && all;
	if (!all)
		snprintf(text, FILTER_HINT_CHARS,
		    "the capture filter matched no packet (one with a VLAN tag"
		    " needs 'vlan and (%s)')",
		    shown);
	else if (seen.tagged > 0)
		snprintf(text, FILTER_HINT_CHARS,
		    "the capture filter matched none of %" PRIu64
		    " packets; %" PRIu64 " of them carry VLAN tags:"
		    " try '%svlan and (%s)'",
		    seen.packets, seen.tagged,
		    seen.tagged_twice > 0 ? "vlan and " : "", shown);
	else if (seen.wrapped > 0)
		snprintf(text, FILTER_HINT_CHARS,
		    "the capture filter matched none of %" PRIu64
		    " packets; %" PRIu64 " of them are in tunnels, into which"
		    " a filter does not look: try -p for the ports",
		    seen.packets, seen.wrapped);
	else
		snprintf(text, FILTER_HINT_CHARS,
		    "the capture filter matched none of %" PRIu64 " packets",
		    seen.packets);
}
