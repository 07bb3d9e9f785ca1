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
#define DECIMALS 5 /* of seconds, as in the table */
#define HELP "q: end  arrows: scroll"
#define HELP_COLUMNS 24
#define HEAD_COLUMNS 40 /* of what is left of it */

/* The widest layout that fits is used; a sparkline has what it leaves. */
static const struct layout {
	int columns; /* all of these, with a blank before each number */
	int name_columns;
	bool whole; /* sent, best and worst, too */
} layouts[] = {
	{ 62, 16, true },
	{ 32, 10, false },
};

#define N_LAYOUTS (sizeof(layouts) / sizeof(layouts[0]))

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
	enum cluster_unit unit;
	bool utf8;
	size_t top; /* first target shown */
	size_t n_rows, n_all;
	struct target *order[TARGETS_MAX]; /* by role and id; borrowed */
	size_t n_order;
	struct row rows[ROWS_MAX];
};

/* ---- the terminal ---- */

struct screen *
screen_open(enum cluster_unit unit)
{
	struct screen *screen;

	if (!isatty(STDOUT_FILENO) || !isatty(STDIN_FILENO))
		return NULL;
	screen = calloc(1, sizeof(*screen));
	if (screen == NULL)
		return NULL;
	screen->unit = unit;
	setlocale(LC_CTYPE, "");
	screen->utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
	screen->terminal = newterm(NULL, stdout, stdin);
	if (screen->terminal == NULL) {
		free(screen);
		return NULL;
	}
	if (tigetstr("cup") == NULL) { /* TERM=dumb */
		screen_close(screen);
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

static int
by_id(const void *a, const void *b)
{
	const struct target *x = *(struct target *const *)a;
	const struct target *y = *(struct target *const *)b;

	if (x->role != y->role)
		return x->role > y->role ? -1 : 1; /* nodes first */
	return (x->id > y->id) - (x->id < y->id);
}

/* Targets never move, so that the order changes with their number only. */
static void
sort(struct screen *screen, const struct targets *targets)
{
	size_t n = targets_n(targets);

	if (n > TARGETS_MAX)
		n = TARGETS_MAX;
	if (screen->n_order == n)
		return;
	for (size_t i = 0; i < n; i++)
		screen->order[i] = targets_at(targets, i);
	qsort(screen->order, n, sizeof(screen->order[0]), by_id);
	screen->n_order = n;
}

static void
look(struct screen *screen, struct measure *measure, size_t room)
{
	struct targets *targets = measure_lock(measure);

	screen->n_rows = screen->n_all = 0;
	if (targets == NULL)
		return;
	sort(screen, targets);
	for (size_t i = 0; i < screen->n_order; i++) {
		const struct target *target = screen->order[i];

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

static const struct layout *
layout(void)
{
	size_t i = 0;

	while (i + 1 < N_LAYOUTS && COLS < layouts[i].columns)
		i++;
	return &layouts[i];
}

static void
draw_head(const struct screen *screen, const struct layout *layout,
    const struct measure_view *view, const char *relay)
{
	char line[256], head[16];

	snprintf(line, sizeof(line), "bluenet-ping  %s  %zu nodes%s", relay,
	    screen->n_all,
	    view->state < MEASURE_UP && !view->down ? "  connecting" : "");
	(void)mvaddnstr(0, 0, line, COLS);
	if (COLS >= HEAD_COLUMNS + HELP_COLUMNS)
		(void)mvaddstr(0, COLS - HELP_COLUMNS, HELP);
	if (view->down) {
		snprintf(line, sizeof(line), "relay lost %.0f s ago: %.160s",
		    (double)(clock_now_ns() - view->down_at_ns) / 1e9,
		    view->reason);
		(void)mvaddnstr(1, 0, line, COLS);
	}
	snprintf(head, sizeof(head), "node, %s", cluster_units[screen->unit]);
	snprintf(line, sizeof(line), "%-*s%s %5s %7s %7s%s",
	    layout->name_columns, head, layout->whole ? "    sent" : "",
	    "lost%", "last", "avg", layout->whole ? "    best   worst" : "");
	(void)attron(A_BOLD);
	(void)mvaddnstr(HEAD_LINES - 1, 0, line, COLS);
	(void)attroff(A_BOLD);
}

/* In seven columns; the decimals are the same but for what is 10 s and more. */
static void
draw_time(const struct screen *screen, double ns)
{
	unsigned decimals = ns < 9999990e3 ? DECIMALS : DECIMALS - 2;
	double value = cluster_in(screen->unit, ns / 1e9, &decimals);

	(void)printw(" %7.*f", (int)decimals, value);
}

static void
draw_times(const struct screen *screen, const struct layout *layout,
    const struct row *row)
{
	int n = layout->whole ? 4 : 2;

	if (row->round_ns.count == 0) {
		(void)printw("%*s", 8 * n, "");
		return;
	}
	draw_time(screen, (double)row->last_ns);
	draw_time(screen, row->round_ns.mean);
	if (!layout->whole)
		return;
	draw_time(screen, row->round_ns.min);
	draw_time(screen, row->round_ns.max);
}

static void
draw_row(const struct screen *screen, const struct layout *layout, size_t i,
    int64_t low_ns, int64_t high_ns)
{
	const struct row *row = &screen->rows[i];
	char name[SERIES_NAME_CHARS];
	int width;
	double lost = row->n_sent > 0
	    ? 100 * (double)row->n_lost / (double)row->n_sent
	    : 0;

	width = target_fit(name, row->name, layout->name_columns, screen->utf8);
	(void)mvprintw(HEAD_LINES + (int)i, 0, "%s%*s", name,
	    layout->name_columns - width, "");
	if (layout->whole)
		(void)printw(" %7llu", (unsigned long long)row->n_sent);
	(void)printw(" %5.1f", lost);
	draw_times(screen, layout, row);
	if (COLS <= layout->columns + 2)
		return;
	(void)addstr(row->active ? "  " : " -");
	draw_spark(
	    screen, row, (size_t)(COLS - layout->columns - 2), low_ns, high_ns);
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
	draw_head(screen, layout(), view, relay);
	for (size_t i = 0; i < screen->n_rows; i++)
		draw_row(screen, layout(), i, low_ns, high_ns);
	(void)refresh();
	return true;
}
