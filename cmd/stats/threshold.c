/* SPDX-License-Identifier: MIT */
#include "cmd/stats/threshold.h"

#include "cmd/common/options.h"
#include "cmd/stats/hdr.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LIMIT_NS_MAX (24 * HDR_HOUR_NS)
#define NAME_END " <>="
#define NS_PER_MS 1e6

static bool
fail(char *err, const char *text, const char *at, const char *expected)
{
	snprintf(err, CLI_ERR_CHARS, "'%.100s', column %d: expected %.300s",
	    text, (int)(at - text) + 1, expected);
	return false;
}

static const char *
skip_blanks(const char *at)
{
	return at + strspn(at, " ");
}

/* "min, max or lost": the names of the table. */
static void
list_names(const struct threshold_table *table, char list[CLI_ERR_CHARS])
{
	size_t n = 0;

	list[0] = '\0';
	for (size_t i = 0; i < table->n && n < CLI_ERR_CHARS; i++)
		n += (size_t)snprintf(list + n, CLI_ERR_CHARS - n, "%s%s",
		    i == 0                  ? ""
			: i + 1 == table->n ? " or "
					    : ", ",
		    table->metrics[i].name);
}

/* Key names may hold colons: the last one before the test ends OF. */
static bool
take_of(const char **at, struct threshold *test)
{
	size_t n = strcspn(*at, NAME_END);
	const char *colon = memrchr(*at, ':', n);

	if (colon == NULL)
		return true;
	n = (size_t)(colon - *at);
	if (n == 0 || n >= sizeof(test->of))
		return false;
	memcpy(test->of, *at, n);
	test->of[n] = '\0';
	*at = skip_blanks(colon + 1);
	return true;
}

static bool
take_metric(const struct threshold_table *table, const char **at,
    struct threshold *test)
{
	size_t n = strcspn(*at, NAME_END);

	for (size_t i = 0; i < table->n; i++) {
		const char *name = table->metrics[i].name;

		if (strlen(name) != n || strncmp(*at, name, n) != 0)
			continue;
		test->metric = &table->metrics[i];
		*at = skip_blanks(*at + n);
		return true;
	}
	return false;
}

static bool
take_test(const char **at, struct threshold *test)
{
	if (**at != '<' && **at != '>')
		return false;
	test->below = **at == '<';
	(*at)++;
	test->equal = **at == '=';
	*at = skip_blanks(*at + test->equal);
	return true;
}

/* Parse to the end of the text. */
static bool
take_number(const char *at, struct threshold *test)
{
	enum threshold_unit unit = test->metric->unit;
	char *end;

	test->limit = strtod(at, &end);
	test->percent = unit == THRESHOLD_PERCENT;
	if (end == at || !isfinite(test->limit) || test->limit < 0)
		return false;
	if (*end == '%' && unit != THRESHOLD_COUNT) {
		test->percent = true;
		end++;
	}
	return *end == '\0';
}

static bool
take_limit(const char *at, struct threshold *test, char *err)
{
	char ignored[OPTION_ERR_CHARS];
	int64_t limit_ns;

	if (test->metric->unit != THRESHOLD_TIME) {
		if (take_number(at, test))
			return true;
		return fail(err, test->text, at,
		    test->metric->unit == THRESHOLD_SHARE
			? "a number or a percentage"
			: "a number");
	}
	if (!option_time(at, 0, LIMIT_NS_MAX, &limit_ns, ignored))
		return fail(err, test->text, at, "a time to 24h, such as 5ms");
	test->limit = (double)limit_ns;
	return true;
}

bool
threshold_parse(const struct threshold_table *table, const char *text,
    struct threshold *test, char err[CLI_ERR_CHARS])
{
	const char *at = skip_blanks(text);
	char list[CLI_ERR_CHARS];

	*test = (struct threshold){ .text = text };
	if (table->of && !take_of(&at, test))
		return fail(err, text, at, "a name before the colon");
	if (!take_metric(table, &at, test)) {
		list_names(table, list);
		return fail(err, text, at, list);
	}
	if (!take_test(&at, test))
		return fail(err, text, at, ">, >=, < or <=");
	return take_limit(at, test, err);
}

bool
threshold_holds(const struct threshold *test, double v)
{
	if (test->equal && v >= test->limit && v <= test->limit)
		return true;
	return test->below ? v < test->limit : v > test->limit;
}

const char *
threshold_value(
    const struct threshold *test, double v, char text[THRESHOLD_VALUE_CHARS])
{
	if (test->metric->unit == THRESHOLD_TIME)
		snprintf(text, THRESHOLD_VALUE_CHARS, "%.6g ms", v / NS_PER_MS);
	else
		snprintf(text, THRESHOLD_VALUE_CHARS, "%.6g%s", v,
		    test->percent ? " %" : "");
	return text;
}
