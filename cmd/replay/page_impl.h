/* SPDX-License-Identifier: MIT */
/* What the files of page share, and nobody else. */
#ifndef REPLAY_PAGE_IMPL_H
#define REPLAY_PAGE_IMPL_H

#include "cmd/replay/report_impl.h"

#define REPORT_LINE_CHARS 512

/* Text in HTML. */
void page_text(FILE *out, const char *text);

/* The charts, as inline SVG; or a line that says why there are none. */
void page_charts(const struct report *report, FILE *out);

#endif
