/* SPDX-License-Identifier: MIT */
/*
 * Progress on standard error: one line that is redrawn, or one line at a time.
 * Owns nothing; the caller keeps the state. Called by run.c.
 */
#include "cmd/replay/progress.h"

#include "cmd/common/cli.h"
#include "cmd/common/clock.h"

#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define NS_PER_S INT64_C(1000000000)
#define DRAW_NS (NS_PER_S / 5)
#define LINE_NS (5 * NS_PER_S)
#define WIDTH_DEFAULT 80
#define BAR_MIN 8 /* columns; a shorter bar is not readable */
#define BAR_MAX 40
#define FACTS_CHARS 384

void
replay_progress_init(
    struct replay_progress *progress, const struct replay_options *opt)
{
	*progress = (struct replay_progress){
		.bar = opt->progress == REPLAY_ALWAYS ||
		    (opt->progress == REPLAY_AUTO && isatty(STDERR_FILENO)),
		.verbose = opt->verbose,
		.off = opt->progress == REPLAY_NEVER || opt->quiet,
		.shown_ns = clock_now_ns(),
	};
}

bool
replay_progress_due(const struct replay_progress *progress)
{
	return !progress->off &&
	    clock_now_ns() - progress->shown_ns >=
	    (progress->bar ? DRAW_NS : LINE_NS);
}

static unsigned
width_of_terminal(void)
{
	struct winsize ws = { .ws_col = 0 };

	(void)ioctl(STDERR_FILENO, TIOCGWINSZ, &ws);
	return ws.ws_col != 0 ? ws.ws_col : WIDTH_DEFAULT;
}

static void
show(struct replay_progress *progress, const char *line)
{
	progress->shown_ns = clock_now_ns();
	if (!progress->bar) {
		cli_warn("%s", line);
		return;
	}
	fprintf(stderr, "\r%s\033[K", line);
	fflush(stderr);
	progress->drawn = true;
}

void
replay_progress_wait(struct replay_progress *progress, const char *what)
{
	if (progress->bar || progress->verbose)
		show(progress, what);
}

void
replay_progress_end(struct replay_progress *progress)
{
	if (progress->drawn)
		fputs("\r\033[K", stderr);
	progress->drawn = false;
}

void
replay_progress_read(
    struct replay_progress *progress, uint64_t done_bytes, uint64_t total_bytes)
{
	char line[PROGRESS_LINE_CHARS];

	if (!replay_progress_due(progress))
		return;
	if (total_bytes > 0)
		(void)snprintf(line, sizeof(line), "reading: %.0f MB, %.0f %%",
		    (double)done_bytes / 1e6,
		    100 * (double)done_bytes / (double)total_bytes);
	else
		(void)snprintf(line, sizeof(line), "reading: %.0f MB",
		    (double)done_bytes / 1e6);
	show(progress, line);
}

/* ---- the line of a run ---- */

/* The fraction done, 0 to 1; negative: unknown. */
static double
part_done(const struct progress_view *view)
{
	double part = -1;

	if (view->total_ns > 0)
		part = (double)view->at_ns / (double)view->total_ns;
	else if (view->total_frames > 0)
		part = (double)view->play->sent / (double)view->total_frames;
	return part > 1 ? 1 : part;
}

/* ", 1:02 left"; "" if unknown. */
static void
left(char text[48], const struct progress_view *view, double part)
{
	double s = part > 0 ? (double)view->at_ns * (1 - part) / part / 1e9 : 0;

	text[0] = '\0';
	if (part > 0 && part < 1 && s < 1e6)
		(void)snprintf(text, 48, ", %u:%02u left", (unsigned)s / 60,
		    (unsigned)s % 60);
}

static int
facts(char line[FACTS_CHARS], const struct progress_view *view, double part)
{
	const struct play_progress *play = view->play;
	char late[48] = "", remaining[48], failed[48] = "";

	if (view->scheduled)
		(void)snprintf(late, sizeof(late), ", p99 %.3f ms late",
		    (double)play->late_p99_ns / 1e6);
	if (play->failed > 0)
		(void)snprintf(failed, sizeof(failed), " (%llu failed)",
		    (unsigned long long)play->failed);
	left(remaining, view, part);
	return snprintf(line, FACTS_CHARS,
	    "%llu of %llu sessions%s, %.0f frames/s%s, %llu errors%s",
	    (unsigned long long)play->ready,
	    (unsigned long long)play->sessions_planned, failed,
	    view->frames_per_s, late, (unsigned long long)play->errors,
	    remaining);
}

void
progress_format(char line[PROGRESS_LINE_CHARS], unsigned width,
    const struct progress_view *view)
{
	char text[FACTS_CHARS], bar[BAR_MAX + 1] = "";
	double part = part_done(view);
	unsigned n = (unsigned)facts(text, view, part), room;

	room = width > n + 9 ? width - n - 9 : 0; /* "[] 100 % " */
	room = room < BAR_MAX ? room : BAR_MAX;
	if (room >= BAR_MIN && part >= 0) {
		memset(bar, '.', room);
		memset(bar, '#', (size_t)(part * room));
		bar[room] = '\0';
		(void)snprintf(line, PROGRESS_LINE_CHARS, "[%s] %3.0f %% %s",
		    bar, 100 * part, text);
	} else if (width == 0) {
		(void)snprintf(line, PROGRESS_LINE_CHARS, "%lld s: %s",
		    (long long)(view->at_ns / NS_PER_S), text);
	} else {
		(void)snprintf(line, PROGRESS_LINE_CHARS, "%s", text);
	}
	if (width > 0 && width < PROGRESS_LINE_CHARS)
		line[width] = '\0';
}

void
replay_progress_play(
    struct replay_progress *progress, struct progress_view *view)
{
	int64_t passed_ns = view->at_ns - progress->at_ns;
	char line[PROGRESS_LINE_CHARS];
	unsigned width = width_of_terminal();

	view->frames_per_s = passed_ns > 0
	    ? (double)(view->play->sent - progress->sent) * 1e9 /
		(double)passed_ns
	    : 0;
	progress->at_ns = view->at_ns;
	progress->sent = view->play->sent;
	/* a full last column would wrap */
	progress_format(line, progress->bar ? width - 1 : 0, view);
	show(progress, line);
}
