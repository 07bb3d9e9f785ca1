/* SPDX-License-Identifier: MIT */
#include "cmd/replay/scenario_file.h"

#include "cmd/replay/scenario/script.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define SCENARIOS_MAX 10000
#define BLANK " \t\r\n"

struct reading {
	struct scenarios *all;
	const char *path, *file;
	unsigned line;
	char *err;
};

static bool
bad(struct reading *r, const char *what, const char *text)
{
	snprintf(r->err, SCENARIO_ERR_CHARS, "%s:%u: %s%.200s", r->path,
	    r->line, what, text);
	return false;
}

/* A copy without the blanks at both ends; NULL when out of memory. */
static char *
trimmed(const char *text)
{
	size_t len;

	text += strspn(text, BLANK);
	len = strlen(text);
	while (len > 0 && strchr(BLANK, text[len - 1]) != NULL)
		len--;
	return strndup(text, len);
}

/* ---- the head ---- */

static bool
is_name(const char *text)
{
	for (const char *p = text; *p != '\0'; p++)
		if (!islower((unsigned char)*p) &&
		    !isdigit((unsigned char)*p) && *p != '-')
			return false;
	return *text != '\0';
}

static bool
is_section(const char *text)
{
	return isdigit((unsigned char)*text) &&
	    strspn(text, "0123456789.") == strlen(text);
}

static struct scenario *
current(struct reading *r)
{
	return r->all->n == 0 ? NULL : &r->all->list[r->all->n - 1];
}

/* The last one is whole. */
static bool
check_whole(struct reading *r)
{
	const struct scenario *s = current(r);

	if (s == NULL || strcmp(s->file, r->file) != 0)
		return true;
	if (s->section == NULL)
		return bad(r, "expected 'section N' in scenario ", s->name);
	if (s->about == NULL || s->about[0] == '\0')
		return bad(r, "expected 'about TEXT' in scenario ", s->name);
	if (s->n_lines == 0)
		return bad(r, "nothing is done in scenario ", s->name);
	return true;
}

static bool
take_scenario(struct reading *r, char *name)
{
	struct scenarios *all = r->all;
	struct scenario *list;

	if (!check_whole(r))
		return false;
	if (!is_name(name))
		return bad(r, "expected a name of a-z, 0-9 and -, not: ", name);
	for (size_t i = 0; i < all->n; i++)
		if (strcmp(all->list[i].name, name) == 0)
			return bad(r, "there is already a scenario ", name);
	if (all->n == SCENARIOS_MAX)
		return bad(r, "too many scenarios at ", name);
	list = realloc(all->list, (all->n + 1) * sizeof(*list));
	if (list == NULL)
		return bad(r, "out of memory", "");
	all->list = list;
	list[all->n] = (struct scenario){
		.line = r->line, .file = strdup(r->file), .name = strdup(name)
	};
	all->n++;
	return list[all->n - 1].file != NULL && list[all->n - 1].name != NULL;
}

static bool
take_once(struct reading *r, char **where, const char *what, const char *text)
{
	if (*where != NULL)
		return bad(r, "a second time: ", what);
	*where = strdup(text);
	return *where != NULL || bad(r, "out of memory", "");
}

/* True: it is a line of the head, and *ok tells whether it is good. */
static bool
take_head(struct reading *r, const char *word, char *rest, bool *ok)
{
	struct scenario *s = current(r);

	if (strcmp(word, "scenario") == 0) {
		*ok = take_scenario(r, rest);
		return true;
	}
	if (strcmp(word, "section") != 0 && strcmp(word, "about") != 0 &&
	    strcmp(word, "needs") != 0)
		return false;
	if (s == NULL || strcmp(s->file, r->file) != 0)
		*ok = bad(r, "expected 'scenario NAME' before ", word);
	else if (strcmp(word, "about") == 0)
		*ok = take_once(r, &s->about, word, rest);
	else if (strcmp(word, "section") == 0)
		*ok = is_section(rest)
		    ? take_once(r, &s->section, word, rest)
		    : bad(r, "expected a section such as 4.3, not: ", rest);
	else if (strcmp(rest, "node") == 0)
		s->needs_node = *ok = true;
	else
		*ok = bad(r, "expected 'needs node', not: ", rest);
	return true;
}

/* ---- lines ---- */

/* What can be known of a line before it runs. */
static bool
check_line(struct reading *r, const char *line)
{
	const char *text = line;
	char word[32];
	size_t quotes = 0;

	while (strncmp(text, "repeat ", 7) == 0) {
		if (!isdigit((unsigned char)text[7]))
			return bad(r, "expected repeat N, not: ", text);
		text += 7 + strspn(text + 7, BLANK "0123456789");
		text += strspn(text, BLANK);
	}
	snprintf(word, sizeof(word), "%.*s", (int)strcspn(text, BLANK), text);
	if (peer_command(word) == NULL)
		return bad(r, "there is no command ", word);
	if (strstr(text, " file=") != NULL)
		return bad(r, "scenarios read no files: ", text);
	for (const char *p = text; *p != '\0'; p++)
		quotes += *p == '"';
	return quotes % 2 == 0 || bad(r, "a \" is not closed: ", text);
}

static bool
add_line(struct reading *r, char *text)
{
	struct scenario *s = current(r);
	struct scenario_line *lines;

	if (s == NULL || strcmp(s->file, r->file) != 0)
		return bad(r, "expected 'scenario NAME' before: ", text);
	if (s->n_lines == SCENARIO_LINES_MAX)
		return bad(r, "too many lines in scenario ", s->name);
	if (!check_line(r, text))
		return false;
	lines = realloc(s->lines, (s->n_lines + 1) * sizeof(*lines));
	if (lines == NULL)
		return bad(r, "out of memory", "");
	s->lines = lines;
	lines[s->n_lines].number = r->line;
	lines[s->n_lines].text = strdup(text);
	if (lines[s->n_lines].text == NULL)
		return bad(r, "out of memory", "");
	s->n_lines++;
	return true;
}

static bool
take_line(struct reading *r, const char *raw)
{
	char *line = trimmed(raw), *rest = NULL, word[16] = "";
	bool ok = true;
	size_t len;

	if (line == NULL)
		return bad(r, "out of memory", "");
	len = strcspn(line, BLANK);
	if (len < sizeof(word)) {
		memcpy(word, line, len);
		word[len] = '\0';
	}
	rest = line + len + strspn(line + len, BLANK);
	if (*line != '\0' && *line != '#' && !take_head(r, word, rest, &ok))
		ok = add_line(r, line);
	free(line);
	return ok;
}

/* ---- files ---- */

static bool
read_file(struct scenarios *all, const char *path, char *err)
{
	const char *slash = strrchr(path, '/');
	struct reading r = { .all = all,
		.path = path,
		.file = slash != NULL ? slash + 1 : path,
		.err = err };
	FILE *f = fopen(path, "re");
	size_t bytes = 0, total = 0;
	char *line = NULL;
	bool ok = true;
	ssize_t n;

	if (f == NULL) {
		snprintf(
		    err, SCENARIO_ERR_CHARS, "%s: %s", path, strerror(errno));
		return false;
	}
	while (ok && (n = getline(&line, &bytes, f)) >= 0) {
		r.line++;
		total += (size_t)n;
		if (total > SCENARIO_FILE_BYTES_MAX)
			ok = bad(&r, "the file is too long", "");
		else if (strlen(line) != (size_t)n)
			ok = bad(&r, "a byte of zero", "");
		else
			ok = take_line(&r, line);
	}
	ok = ok && check_whole(&r);
	free(line);
	fclose(f);
	return ok;
}

static int
is_scenario(const struct dirent *entry)
{
	return fnmatch("*.bns", entry->d_name, FNM_PERIOD) == 0;
}

static bool
read_folder(struct scenarios *all, const char *path, char *err)
{
	struct dirent **list;
	int n = scandir(path, &list, is_scenario, alphasort);
	bool ok = n > 0;
	char *name;

	if (n <= 0)
		snprintf(err, SCENARIO_ERR_CHARS, "%s: %s", path,
		    n < 0 ? strerror(errno) : "there is no *.bns in it");
	for (int i = 0; i < n; i++) {
		if (ok &&
		    asprintf(&name, "%s/%s", path, list[i]->d_name) >= 0) {
			ok = read_file(all, name, err);
			free(name);
		}
		free(list[i]);
	}
	if (n >= 0)
		free(list);
	return ok;
}

bool
scenarios_read(
    struct scenarios *scenarios, const char *path, char err[SCENARIO_ERR_CHARS])
{
	struct stat st;
	bool ok;

	*scenarios = (struct scenarios){ NULL, 0 };
	err[0] = '\0';
	if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
		ok = read_folder(scenarios, path, err);
	else
		ok = read_file(scenarios, path, err);
	if (ok && scenarios->n == 0) {
		snprintf(
		    err, SCENARIO_ERR_CHARS, "%s: expected a scenario", path);
		ok = false;
	}
	if (!ok)
		scenarios_free(scenarios);
	return ok;
}

void
scenarios_free(struct scenarios *scenarios)
{
	for (size_t i = 0; i < scenarios->n; i++) {
		struct scenario *s = &scenarios->list[i];

		for (size_t k = 0; k < s->n_lines; k++)
			free(s->lines[k].text);
		free(s->lines);
		free(s->file);
		free(s->name);
		free(s->section);
		free(s->about);
	}
	free(scenarios->list);
	*scenarios = (struct scenarios){ NULL, 0 };
}
