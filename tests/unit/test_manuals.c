/* SPDX-License-Identifier: MIT */
/*
 * The manuals against the tables of options: each option with its letter, its
 * argument and its default, and no other. BNET_MAN says where the manuals are.
 */
#include "cmd/decode/options.h"
#include "cmd/node/options.h"
#include "cmd/ping/options.h"
#include "cmd/relay/options.h"
#include "cmd/replay/options.h"
#include "tests/unit/unit.h"

#include <ctype.h>
#include <strings.h>

#define ITEMS_MAX OPTION_ROWS_MAX
#define TEXT_CHARS 8192
#define ARG_CHARS 256

/* What an item of the list in OPTIONS says. */
struct item {
	char name[64]; /* "": a letter only */
	char letter; /* 0: none */
	char arg[ARG_CHARS]; /* without macros and blanks; "": none */
	char text[TEXT_CHARS]; /* in one line, without macros */
};

static struct item items[ITEMS_MAX];
static size_t n_items;
static char reloaded[TEXT_CHARS]; /* " -a -b ", of the relay */

static const struct {
	const struct option_program *program;
	bool sorted; /* by name */
} manuals[] = {
	{ &decode_program, false },
	{ &node_program, true },
	{ &ping_program, false },
	{ &relay_program, true },
	{ &replay_program, true },
};

/* ---- reading a manual ---- */

static bool
is_macro(const char *word)
{
	static const char *const macros[] = { "Fl", "Ar", "Cm", "Ns", "Oo",
		"Oc", "Op", "Li", "Dq", "Sq", "Pq", "Em", "Xr", "Sx", "Dv",
		"Ev", "Pa", "Nm", "Ql", NULL };
	size_t i = 0;

	while (macros[i] != NULL && strcmp(macros[i], word) != 0)
		i++;
	return macros[i] != NULL;
}

/* ".It Fl l , -listen Ar address : Ns Ar port" */
static void
take_head(char *line)
{
	struct item *item = &items[n_items];
	char *save = NULL, *word;

	ck_assert_uint_lt(n_items, ITEMS_MAX);
	*item = (struct item){ .letter = 0 };
	(void)strtok_r(line, " ", &save);
	(void)strtok_r(NULL, " ", &save);
	word = strtok_r(NULL, " ", &save);
	if (strlen(word) == 1) {
		item->letter = *word;
		word = strtok_r(NULL, " ", &save);
		if (word != NULL && strcmp(word, ",") == 0)
			word = strtok_r(NULL, " ", &save);
	}
	if (word != NULL && word[0] == '-') {
		snprintf(item->name, sizeof(item->name), "%s", word + 1);
		word = strtok_r(NULL, " ", &save);
	}
	for (; word != NULL; word = strtok_r(NULL, " ", &save))
		if (!is_macro(word))
			strncat(
			    item->arg, word, ARG_CHARS - 1 - strlen(item->arg));
	n_items++;
}

static void
take_text(char *to, char *line)
{
	char *save = NULL, *word;
	bool macros = line[0] == '.';

	if (macros) /* the first one is one in any case */
		line += strcspn(line, " ");
	for (word = strtok_r(line, " ", &save); word != NULL;
	     word = strtok_r(NULL, " ", &save)) {
		bool joins = strchr(".,;:)", word[0]) != NULL && !word[1];
		size_t n = strlen(to);

		if (macros && is_macro(word))
			continue;
		snprintf(to + n, TEXT_CHARS - n, "%s%s",
		    n == 0 || joins ? "" : " ", word);
	}
}

static void
take_line(char *line, int *depth)
{
	line[strcspn(line, "\n")] = '\0';
	*depth += strncmp(line, ".Bl", 3) == 0;
	*depth -= strncmp(line, ".El", 3) == 0;
	if (*depth == 1 && strncmp(line, ".It Fl", 6) == 0)
		take_head(line);
	else if (n_items > 0 && *depth > 0)
		take_text(items[n_items - 1].text, line);
}

static void
read_manual(const char *program)
{
	const char *folder = getenv("BNET_MAN");
	char path[512], line[1024];
	bool in = false, reload = false;
	int depth = 0;
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s.1", folder != NULL ? folder : "man",
	    program);
	f = fopen(path, "r");
	ck_assert_msg(f != NULL, "cannot open %s", path);
	n_items = 0;
	reloaded[0] = '\0';
	while (fgets(line, sizeof(line), f) != NULL) {
		if (strncmp(line, ".Sh", 3) == 0)
			in = strcmp(line, ".Sh OPTIONS\n") == 0;
		if (strncmp(line, ".\\\" RELOAD", 10) == 0)
			reload = strstr(line, "END") == NULL;
		else if (reload)
			take_text(reloaded, line);
		else if (in)
			take_line(line, &depth);
	}
	ck_assert_int_eq(depth, 0);
	fclose(f);
}

/* ---- holding it against a table ---- */

static bool
is_end(const struct option_row *row)
{
	return row->name == NULL && row->letter == 0;
}

static const struct item *
item_of(const struct option_row *row)
{
	for (size_t i = 0; i < n_items; i++)
		if (row->name != NULL ? strcmp(items[i].name, row->name) == 0
				      : items[i].name[0] == '\0' &&
			    items[i].letter == row->letter)
			return &items[i];
	return NULL;
}

/* The words with | between, or the argument without blanks. */
static bool
same_arg(const struct option_row *row, const struct item *item)
{
	char want[ARG_CHARS] = "";
	size_t n = 0;

	for (const char *c = row->arg; c != NULL && *c != '\0'; c++)
		if (*c != ' ' && n + 1 < sizeof(want))
			want[n++] = *c;
	if (strcasecmp(want, item->arg) == 0)
		return true;
	n = 0;
	for (size_t i = 0; row->words != NULL && row->words[i] != NULL; i++)
		n += (size_t)snprintf(want + n, sizeof(want) - n, "%s%s",
		    i > 0 ? "|" : "", row->words[i]);
	return row->words != NULL && strcmp(want, item->arg) == 0;
}

static bool
same_default(const struct option_row *row, const struct item *item)
{
	static const char *const forms[] = { "The default is %s.",
		"The default is %s,",
		"The default is %s:", "The default, %s, is" };
	const char *initial = row->initial != NULL ? row->initial : row->shown;
	char want[ARG_CHARS];

	if (initial == NULL)
		return strstr(item->text, "The default is") == NULL;
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		size_t head = strcspn(forms[i], "%");

		snprintf(want, sizeof(want), "%.*s%s%s", (int)head, forms[i],
		    initial, forms[i] + head + 2);
		if (strstr(item->text, want) != NULL)
			return true;
	}
	return false;
}

START_TEST(options)
{
	const struct option_program *program = manuals[_i].program;
	const struct option_row *row = program->rows;
	const struct item *item;
	size_t n = 0;

	read_manual(program->name);
	for (; !is_end(row); row++, n++) {
		const char *name = row->name != NULL ? row->name : "";

		item = item_of(row);
		ck_assert_msg(item != NULL, "%s: no --%s (-%c)", program->name,
		    name, row->letter);
		ck_assert_msg(item->letter == row->letter, "--%s: -%c, not -%c",
		    name, item->letter, row->letter);
		ck_assert_msg(same_arg(row, item), "--%s: %s, not %s", name,
		    item->arg, row->arg);
		ck_assert_msg(same_default(row, item),
		    "--%s: expected The default is %s. in: %s", name,
		    row->initial != NULL ? row->initial : row->shown,
		    item->text);
		ck_assert_msg(item->text[0] != '\0', "--%s: nothing", name);
	}
	ck_assert_msg(n == n_items, "%s: %zu, not %zu options", program->name,
	    n_items, n);
	for (size_t i = 1; manuals[_i].sorted && i < n_items; i++)
		ck_assert_str_lt(items[i - 1].name, items[i].name);
}
END_TEST

/* Which options change while it runs. */
START_TEST(reload)
{
	size_t n = 0;
	char name[64];

	read_manual("bluenet-relay");
	for (const char *c = reloaded; *c != '\0'; c++)
		n += *c == '-' && (c == reloaded || c[-1] == ' ');
	for (const struct option_row *row = relay_program.rows; !is_end(row);
	     row++) {
		if ((row->flags & OPTION_RELOAD) == 0)
			continue;
		snprintf(name, sizeof(name), "-%s", row->name);
		ck_assert_msg(strstr(reloaded, name) != NULL, "no %s", name);
		n--;
	}
	ck_assert_uint_eq(n, 0);
}
END_TEST

/* The tables themselves: defaults that are good, and no name twice. */
START_TEST(tables)
{
	const struct option_program *program = manuals[_i].program;
	static char argv0[] = "x";
	char *argv[] = { argv0, NULL };
	struct option_reading reading;
	void *opt = calloc(1, program->opt_bytes);
	const struct option_row *row, *other;

	ck_assert_msg(options_read(&reading, program, opt, 1, argv), "%s",
	    reading.mistakes);
	options_free(program, opt);
	free(opt);
	ck_assert(program->rows[0].group != NULL);
	for (row = program->rows; !is_end(row); row++) {
		ck_assert_ptr_nonnull(row->help);
		ck_assert_int_lt(row - program->rows, OPTION_ROWS_MAX);
		for (other = program->rows; other < row; other++) {
			ck_assert(
			    row->letter == 0 || row->letter != other->letter);
			ck_assert(row->name == NULL || other->name == NULL ||
			    strcmp(row->name, other->name) != 0);
		}
	}
}
END_TEST

/* In a terminal of 80 columns. */
START_TEST(help)
{
	const struct option_program *program = manuals[_i].program;
	char *text = NULL, *line, *save = NULL;
	size_t n;
	FILE *f = open_memstream(&text, &n);

	options_help(program, f, 80);
	ck_assert_int_eq(fclose(f), 0);
	for (line = strtok_r(text, "\n", &save); line != NULL;
	     line = strtok_r(NULL, "\n", &save))
		ck_assert_msg(strlen(line) <= 80, "%s", line);
	free(text);
}
END_TEST

static Suite *
manuals_suite(void)
{
	Suite *suite = suite_create("manuals");
	TCase *tc = unit_case(suite, "manuals");

	tcase_add_loop_test(tc, options, 0, UNIT_ROWS(manuals));
	tcase_add_test(tc, reload);
	tcase_add_loop_test(tc, tables, 0, UNIT_ROWS(manuals));
	tcase_add_loop_test(tc, help, 0, UNIT_ROWS(manuals));
	return suite;
}

UNIT_MAIN(manuals_suite)
