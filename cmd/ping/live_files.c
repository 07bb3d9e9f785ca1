/* SPDX-License-Identifier: MIT */
/* What a measurement leaves behind: --log and --samples. */
#include "cmd/ping/live_impl.h"

#include "cmd/common/cli.h"
#include "cmd/ping/series_log.h"

#include <errno.h>
#include <string.h>

#define NS 1e-9

static FILE *
create(const char *what, const char *path)
{
	FILE *f = path == NULL ? NULL : fopen(path, "we");

	if (path != NULL && f == NULL)
		cli_die("%s: %s: %s", what, path, strerror(errno));
	return f;
}

void
live_files_open(struct live *live)
{
	live->log = create("--log", live->opt->log);
	live->samples = create("--samples", live->opt->samples);
	if (live->samples != NULL)
		fputs("time,node,name,layer,seq,from_due,from_sent,up,down,"
		      "clock_error\n",
		    live->samples);
}

/* The head is for when the first row comes: the series is made by then. */
void
live_files_begin(struct live *live, int64_t wall_ns)
{
	if (live->log != NULL)
		series_log_head(
		    live->log, series_settings(live->series), wall_ns);
}

/* In CSV a name is quoted, and a quote in it doubled. */
static void
quoted(FILE *f, const char *s)
{
	putc('"', f);
	for (; *s != '\0'; s++) {
		if (*s == '"')
			putc('"', f);
		putc(*s, f);
	}
	putc('"', f);
}

/* One who was not answered has no round trip. */
void
live_files_sample(struct live *live, const struct measure_event *event)
{
	const struct ping_sample *s = &event->sample;
	FILE *f = live->samples;
	bool lost = event->kind == MEASURE_COUNT && event->what == PING_LOST;

	if (f == NULL || (event->kind != MEASURE_SAMPLE && !lost))
		return;
	fprintf(f, "%lld.%09lld,%llu,", (long long)(s->wall_ns / 1000000000),
	    (long long)(s->wall_ns % 1000000000), (unsigned long long)s->node);
	quoted(f, series_name_of(live->series, s->node));
	fprintf(f, ",%s,%llu,", ping_layer_names[s->layer],
	    (unsigned long long)event->slot);
	if (!lost)
		fprintf(f, "%.9f,%.9f,", (double)s->due_ns * NS,
		    (double)s->sent_ns * NS);
	else
		fputs(",,", f);
	if (s->has_clock)
		fprintf(f, "%.9f,%.9f,%.9f\n", (double)s->up_ns * NS,
		    (double)s->down_ns * NS, (double)s->clock_error_ns * NS);
	else
		fputs(",,\n", f);
}

void
live_files_row(struct live *live, const struct series_row *row,
    const struct series_cell *cell)
{
	if (live->log != NULL)
		(void)series_log_row(live->log, series_settings(live->series),
		    row, &cell->due, series_name_of(live->series, row->node));
}

static bool
finish(const char *what, const char *path, FILE *f)
{
	bool failed;

	if (f == NULL)
		return true;
	failed = ferror(f) != 0;
	if (fclose(f) == 0 && !failed)
		return true;
	cli_warn("%s: %s: %s", what, path, strerror(errno));
	return false;
}

bool
live_files_close(struct live *live)
{
	bool log = finish("--log", live->opt->log, live->log);

	return finish("--samples", live->opt->samples, live->samples) && log;
}
