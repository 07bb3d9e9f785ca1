/* SPDX-License-Identifier: MIT */
#include "cmd/capture/filter_hint.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#define FILTER_CHARS 80 /* a longer one is not repeated */

/* Appends to the text; truncates when there is no room. */
static void __attribute__((format(printf, 2, 3)))
append(char text[FILTER_HINT_CHARS], const char *format, ...)
{
	size_t at = strlen(text);
	va_list args;

	va_start(args, format);
	vsnprintf(text + at, FILTER_HINT_CHARS - at, format, args);
	va_end(args);
}

/* The filter that would have matched. In one, each vlan is one tag further. */
static void
append_try(const struct source_filtered *seen, const char *bpf, char *text)
{
	append(text, ": try '");
	if (seen->passed > 0)
		append(text, "(%s) or (", bpf);
	if (seen->tagged > 0 && seen->tagged_twice > 0)
		append(text, "vlan and ((%s) or (vlan and (%s)))", bpf, bpf);
	else
		append(text, "%svlan and (%s)",
		    seen->tagged_twice > 0 ? "vlan and " : "", bpf);
	append(text, seen->passed > 0 ? ")'" : "'");
}

bool
filter_hint(const struct source_filtered *seen, const char *bpf,
    char text[FILTER_HINT_CHARS])
{
	const char *shown = strlen(bpf) < FILTER_CHARS ? bpf : "...";
	uint64_t n_tagged;

	text[0] = '\0';
	append(text, "the capture filter matched ");
	if (seen == NULL) {
		append(text,
		    "no packet (one with a VLAN tag needs 'vlan and (%s)')",
		    shown);
		return true;
	}
	n_tagged = seen->tagged + seen->tagged_twice;
	if (seen->passed > 0 && n_tagged + seen->wrapped == 0)
		return false;
	if (seen->passed > 0)
		append(text,
		    "%" PRIu64 " of %" PRIu64 " packets, but not"
		    " others that it names",
		    seen->passed, seen->packets);
	else
		append(text, "none of %" PRIu64 " packets", seen->packets);
	if (n_tagged > 0) {
		append(text, "; %" PRIu64 " of them carry VLAN tags", n_tagged);
		append_try(seen, shown, text);
	}
	if (seen->wrapped > 0)
		append(text,
		    "; %" PRIu64 " of them are in tunnels or other headers,"
		    " into which a filter does not look: try -p for the ports",
		    seen->wrapped);
	return true;
}
