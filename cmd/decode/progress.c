/* SPDX-License-Identifier: MIT */
#include "cmd/decode/progress.h"

#include "cmd/common/clock.h"

#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOOK_EVERY 1024 /* packets between checks of the clock */
#define DRAW_NS INT64_C(200000000)
#define WIDTH_DEFAULT 80
#define WIDTH_TEXT 24 /* besides the bar */
#define BAR_MAX 256

static bool
is_pipe(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 &&
	    (S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode));
}

void
progress_init(struct progress *progress, const struct decode_options *opt,
    const struct source *src)
{
	bool lines = opt->output != OUTPUT_NONE && !opt->quiet;
	uint64_t at, size;

	*progress = (struct progress){ .on = opt->progress == WHEN_ALWAYS };
	if (opt->progress == WHEN_AUTO)
		progress->on = isatty(STDERR_FILENO) &&
		    !is_pipe(STDOUT_FILENO) &&
		    !(lines && isatty(STDOUT_FILENO));
	if (!source_progress(src, &at, &size))
		progress->on = false;
	progress->drawn_ns = clock_now_ns();
	if (opt->progress == WHEN_ALWAYS) /* even if it does not take long */
		progress->drawn_ns -= DRAW_NS;
}

static void
draw(const struct source *src)
{
	struct winsize ws = { .ws_col = 0 };
	char bar[BAR_MAX + 1];
	uint64_t at, size;
	unsigned width, full;

	if (!source_progress(src, &at, &size))
		return;
	at = at < size ? at : size;
	ioctl(STDERR_FILENO, TIOCGWINSZ, &ws);
	width = ws.ws_col != 0 ? ws.ws_col : WIDTH_DEFAULT;
	width = width > WIDTH_TEXT ? width - WIDTH_TEXT : 1;
	width = width < BAR_MAX ? width : BAR_MAX;
	full = (unsigned)((double)width * (double)at / (double)size);
	for (unsigned i = 0; i < width; i++)
		bar[i] = i < full ? '#' : '.';
	bar[width] = '\0';
	fprintf(stderr, "\r[%s] %3u%% %6.0f MB ", bar,
	    (unsigned)(100 * (double)at / (double)size), (double)at / 1e6);
	fflush(stderr);
}

void
progress_step(struct progress *progress, const struct source *src)
{
	int64_t now;

	if (!progress->on || ++progress->calls % LOOK_EVERY != 0)
		return;
	now = clock_now_ns();
	if (now - progress->drawn_ns < DRAW_NS)
		return;
	progress->drawn_ns = now;
	progress->drawn = true;
	draw(src);
}

void
progress_end(struct progress *progress)
{
	if (progress->drawn)
		fputs("\r\033[K", stderr);
	progress->on = false;
}
