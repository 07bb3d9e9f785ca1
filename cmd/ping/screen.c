/* SPDX-License-Identifier: MIT */
#include "cmd/ping/screen.h"

#include "cmd/common/clock.h"

#include <langinfo.h>
#include <locale.h>
#include <math.h>
#include <ncurses.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ROWS_MAX 512
#define HEAD_LINES 3
#define NAME_COLUMNS 20
#define NUMBERS_COLUMNS 62 /* width of the name and the numbers */
#define NS_PER_MS 1e6

/* What is drawn of a target: a copy, to hold the worker up only briefly. */
struct row {
	char name[SERIES_NAME_CHARS];
	bool active;
	uint64_t n_sent, n_lost;
	int64_t last_ns;
	struct summary round_ns;
	int64_t recent_ns[TARGET_RECENT]; /* oldest first */
	size_t n_recent;
};

struct screen {
	SCREEN *terminal;
	bool utf8;
	size_t top; /* first target shown */
	size_t n_rows, n_all;
	struct row rows[ROWS_MAX];
};

/* ---- the terminal ---- */

struct screen *
screen_open(void)
{
	struct screen *screen;

	if (!isatty(STDOUT_FILENO) || !isatty(STDIN_FILENO))
		return NULL;
	screen = calloc(1, sizeof(*screen));
	if (screen == NULL)
		return NULL;
	setlocale(LC_CTYPE, "");
	screen->utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
	screen->terminal = newterm(NULL, stdout, stdin);
	if (screen->terminal == NULL) {
		free(screen);
		return NULL;
	}
	(void)cbreak();
	(void)noecho();
	(void)nodelay(stdscr, TRUE);
	(void)keypad(stdscr, TRUE);
	(void)curs_set(0);
	return screen;
}

void
screen_close(struct screen *screen)
{
	if (screen == NULL)
		return;
	(void)endwin();
	delscreen(screen->terminal);
	free(screen);
}

/* ---- reading the targets ---- */

static void
copy_row(struct row *row, const struct target *target)
{
	uint64_t n = target->n_recent;
	char label[SERIES_NAME_CHARS];
	const char *name = target_label(target, label);

	memcpy(row->name, name, strlen(name) + 1);
	row->active = target->active || target->n_waiting > 0;
	row->n_sent = target->n_sent;
	row->n_lost = target->n_lost;
	row->last_ns = target->last_ns;
	row->round_ns = target->round_ns;
	row->n_recent = n < TARGET_RECENT ? (size_t)n : TARGET_RECENT;
	for (size_t i = 0; i < row->n_recent; i++)
		row->recent_ns[i] =
		    target->recent_ns[(n - row->n_recent + i) % TARGET_RECENT];
}

static void
look(struct screen *screen, struct measure *measure, size_t room)
{
	struct targets *targets = measure_lock(measure);

	screen->n_rows = screen->n_all = 0;
	if (targets == NULL)
		return;
	for (size_t i = 0; i < targets_n(targets); i++) {
		const struct target *target = targets_at(targets, i);

		if (!target->pinged)
			continue;
		if (screen->n_all++ >= screen->top && screen->n_rows < room)
			copy_row(&screen->rows[screen->n_rows++], target);
	}
	measure_unlock(measure);
}

/* ---- sparklines ---- */

int
screen_level(int64_t round_ns, int64_t low_ns, int64_t high_ns)
{
	double part;

	if (round_ns == TARGET_LOST)
		return SCREEN_LEVEL_LOST;
	if (round_ns <= low_ns || low_ns <= 0)
		return 0;
	if (round_ns >= high_ns)
		return SCREEN_LEVELS - 1;
	part = log((double)round_ns / (double)low_ns) /
	    log((double)high_ns / (double)low_ns);
	return (int)(part * SCREEN_LEVELS);
}

/* The shortest and the longest round trip on the screen. */
static void
scale(const struct screen *screen, int64_t *low_ns, int64_t *high_ns)
{
	*low_ns = INT64_MAX;
	*high_ns = 1;
	for (size_t i = 0; i < screen->n_rows; i++) {
		for (size_t k = 0; k < screen->rows[i].n_recent; k++) {
			int64_t ns = screen->rows[i].recent_ns[k];

			if (ns == TARGET_LOST)
				continue;
			*low_ns = ns < *low_ns ? ns : *low_ns;
			*high_ns = ns > *high_ns ? ns : *high_ns;
		}
	}
}

static void
draw_spark(const struct screen *screen, const struct row *row, size_t columns,
    int64_t low_ns, int64_t high_ns)
{
	static const char *const blocks[] = { "▁", "▂", "▃", "▄", "▅", "▆", "▇",
		"█" };
	static const char *const plain[] = { "_", ".", ":", "-", "=", "+", "*",
		"#" };
	size_t n = row->n_recent < columns ? row->n_recent : columns;

	for (size_t i = row->n_recent - n; i < row->n_recent; i++) {
		int level = screen_level(row->recent_ns[i], low_ns, high_ns);

		if (level == SCREEN_LEVEL_LOST)
			(void)addstr("x");
		else
			(void)addstr(
			    screen->utf8 ? blocks[level] : plain[level]);
	}
}

/* ---- drawing ---- */

static void
draw_head(const struct screen *screen, const struct measure_view *view,
    const char *relay)
{
	(void)mvprintw(0, 0, "bluenet-ping  %s  %zu nodes%s", relay,
	    screen->n_all, view->state < MEASURE_UP ? "  connecting" : "");
	if (view->down)
		(void)mvprintw(1, 0, "relay lost %.0f s ago: %.*s",
		    (double)(clock_now_ns() - view->down_at_ns) / 1e9,
		    COLS > 26 ? COLS - 26 : 0, view->reason);
	(void)mvaddstr(
	    0, COLS - 24 > 0 ? COLS - 24 : 0, "q: end  arrows: scroll");
	(void)attron(A_BOLD);
	(void)mvprintw(HEAD_LINES - 1, 0, "%-*s %7s %5s %6s %6s %6s %6s",
	    NAME_COLUMNS, "node, ms", "sent", "lost%", "last", "avg", "best",
	    "worst");
	(void)attroff(A_BOLD);
}

/* Milliseconds in six columns, for any value. */
static void
draw_ms(double ns)
{
	double ms = ns / NS_PER_MS;

	(void)printw(" %6.*f", ms < 10 ? 3 : ms < 1000 ? 1 : 0, ms);
}

static void
draw_row(const struct screen *screen, size_t i, int64_t low_ns, int64_t high_ns)
{
	const struct row *row = &screen->rows[i];
	double lost = row->n_sent > 0
	    ? 100 * (double)row->n_lost / (double)row->n_sent
	    : 0;

	(void)mvprintw(HEAD_LINES + (int)i, 0, "%-*.*s %7llu %5.1f",
	    NAME_COLUMNS, NAME_COLUMNS, row->name,
	    (unsigned long long)row->n_sent, lost);
	if (row->round_ns.count > 0) {
		draw_ms((double)row->last_ns);
		draw_ms(row->round_ns.mean);
		draw_ms(row->round_ns.min);
		draw_ms(row->round_ns.max);
	} else {
		(void)printw("%28s", "");
	}
	(void)addstr(row->active ? "  " : " -");
	if (COLS > NUMBERS_COLUMNS + 2)
		draw_spark(screen, row, (size_t)(COLS - NUMBERS_COLUMNS - 2),
		    low_ns, high_ns);
}

/* False: the user quits. */
static bool
keys(struct screen *screen, size_t room)
{
	size_t last = screen->n_all > room ? screen->n_all - room : 0;
	int key;

	while ((key = getch()) != ERR) {
		switch (key) {
		case 'q':
		case 'Q':
			return false;
		case KEY_DOWN:
			screen->top++;
			break;
		case KEY_UP:
			screen->top -= screen->top > 0;
			break;
		case KEY_NPAGE:
			screen->top += room;
			break;
		case KEY_PPAGE:
			screen->top -= screen->top < room ? screen->top : room;
			break;
		default:
			break; /* KEY_RESIZE: the screen is redrawn anyway */
		}
	}
	if (screen->top > last)
		screen->top = last;
	return true;
}

bool
screen_draw(struct screen *screen, struct measure *measure,
    const struct measure_view *view, const char *relay)
{
	size_t room = LINES > HEAD_LINES ? (size_t)(LINES - HEAD_LINES) : 1;
	int64_t low_ns, high_ns;

	if (room > ROWS_MAX)
		room = ROWS_MAX;
	if (!keys(screen, room))
		return false;
	look(screen, measure, room);
	scale(screen, &low_ns, &high_ns);
	(void)erase();
	draw_head(screen, view, relay);
	for (size_t i = 0; i < screen->n_rows; i++)
		draw_row(screen, i, low_ns, high_ns);
	(void)refresh();
	return true;
}
