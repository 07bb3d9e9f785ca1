/* SPDX-License-Identifier: MIT */
#include "cmd/ping/series_log_row.h"

#include <inttypes.h>
#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define U128_CHARS 40
#define YEAR_NS (INT64_C(366) * 24 * HDR_HOUR_NS)
#define DAY_NS (24 * HDR_HOUR_NS)

enum kind {
	KIND_SUMS,
	KIND_SUMMARY,
	KIND_COUNT,
};

#define AT(member) offsetof(struct series_row, member)

/* Those without a value are left out. */
static const struct field {
	const char *name;
	enum kind kind;
	size_t at;
} fields[] = {
	{ "due", KIND_SUMS, AT(due) },
	{ "sent", KIND_SUMS, AT(sent) },
	{ "lost", KIND_COUNT, AT(counts[PING_LOST]) },
	{ "late", KIND_COUNT, AT(counts[PING_LATE]) },
	{ "duplicate", KIND_COUNT, AT(counts[PING_DUPLICATE]) },
	{ "reordered", KIND_COUNT, AT(counts[PING_REORDERED]) },
	{ "missed_slot", KIND_COUNT, AT(counts[PING_MISSED_SLOT]) },
	{ "up", KIND_SUMMARY, AT(up) },
	{ "down", KIND_SUMMARY, AT(down) },
	{ "clock_error", KIND_SUMMARY, AT(clock_error) },
	{ "noise", KIND_SUMS, AT(noise) },
};

#define N_FIELDS (sizeof(fields) / sizeof(fields[0]))

static const char *
u128_text(hdr_u128 v, char text[U128_CHARS])
{
	char *p = &text[U128_CHARS - 1];

	*p = '\0';
	do
		*--p = (char)('0' + (int)(v % 10));
	while ((v /= 10) > 0);
	return p;
}

static void
print_sums(FILE *file, const char *name, const struct hdr_sums *sums)
{
	char sum[U128_CHARS], squares[U128_CHARS];

	if (sums->count == 0)
		return;
	fprintf(file, " %s=%" PRIu64 ",%" PRId64 ",%" PRId64 ",%s,%s", name,
	    sums->count, sums->min, sums->max, u128_text(sums->sum, sum),
	    u128_text(sums->sum_squares, squares));
}

static void
print_summary(FILE *file, const char *name, const struct summary *sum)
{
	if (sum->count == 0)
		return;
	fprintf(file, " %s=%" PRIu64 ",%.17g,%.17g,%.17g,%.17g", name,
	    sum->count, sum->min, sum->max, sum->mean, sum->m2);
}

static void
print_count(FILE *file, const char *name, const uint64_t *count)
{
	if (*count > 0)
		fprintf(file, " %s=%" PRIu64, name, *count);
}

/* To the end of the line, so blanks are fine; what ends lines is not. */
static void
print_name(FILE *file, const char *name)
{
	if (name[0] == '\0')
		return;
	fputs(" name=", file);
	for (; *name != '\0'; name++)
		fputc((unsigned char)*name < ' ' ? '?' : *name, file);
}

void
row_print(FILE *file, const struct series_row *row, const char *name)
{
	const char *base = (const char *)row;

	fprintf(file, ROW_START "start_ns=%" PRId64, row->start_ns);
	if (row->node == SERIES_ALL)
		fputs(" node=all", file);
	else if (row->node == SERIES_OTHERS)
		fputs(" node=others", file);
	else
		fprintf(file, " node=%" PRIu64, row->node);
	fprintf(file, " layer=%s", ping_layer_names[row->layer]);
	for (size_t i = 0; i < N_FIELDS; i++) {
		const void *v = base + fields[i].at;

		if (fields[i].kind == KIND_SUMS)
			print_sums(file, fields[i].name, v);
		else if (fields[i].kind == KIND_SUMMARY)
			print_summary(file, fields[i].name, v);
		else
			print_count(file, fields[i].name, v);
	}
	print_name(file, name);
	fputs("]\n", file);
}

void
row_print_head(FILE *file, const struct row_head *head)
{
	fprintf(file,
	    ROW_HEAD "version=1 bucket_ns=%" PRId64 " zone_ns=%" PRId64 "]\n",
	    head->bucket_ns, head->zone_ns);
}

/* A whole number, not negative, and `end` or a comma behind it. */
static bool
take_u128(const char **at, hdr_u128 *v)
{
	const char *p = *at;

	for (*v = 0; *p >= '0' && *p <= '9'; p++)
		*v = *v * 10 + (unsigned)(*p - '0');
	if (p == *at || p - *at >= U128_CHARS)
		return false;
	*at = p + (*p == ',');
	return true;
}

static bool
take_u64(const char **at, uint64_t *v)
{
	hdr_u128 wide;

	if (!take_u128(at, &wide) || wide > UINT64_MAX)
		return false;
	*v = (uint64_t)wide;
	return true;
}

static bool
take_time(const char **at, int64_t min_ns, int64_t max_ns, int64_t *v)
{
	bool negative = **at == '-';
	uint64_t part;

	*at += negative;
	if (!take_u64(at, &part) || part > INT64_MAX)
		return false;
	*v = negative ? -(int64_t)part : (int64_t)part;
	return *v >= min_ns && *v <= max_ns;
}

static bool
take_double(const char **at, double *v)
{
	char *end;

	*v = strtod(*at, &end);
	if (end == *at || !isfinite(*v))
		return false;
	*at = end + (*end == ',');
	return true;
}

static bool
take_sums(const char *at, struct hdr_sums *sums)
{
	return take_u64(&at, &sums->count) &&
	    take_time(&at, 0, INT64_MAX, &sums->min) &&
	    take_time(&at, sums->min, INT64_MAX, &sums->max) &&
	    take_u128(&at, &sums->sum) && take_u128(&at, &sums->sum_squares);
}

static bool
take_summary(const char *at, struct summary *sum)
{
	return take_u64(&at, &sum->count) && take_double(&at, &sum->min) &&
	    take_double(&at, &sum->max) && take_double(&at, &sum->mean) &&
	    take_double(&at, &sum->m2);
}

static bool
take_field(const struct field *field, const char *at, struct series_row *row)
{
	void *v = (char *)row + field->at;

	if (field->kind == KIND_SUMS)
		return take_sums(at, v);
	if (field->kind == KIND_SUMMARY)
		return take_summary(at, v);
	return take_u64(&at, v);
}

/* The value behind " key=" in the line; NULL where it is not. */
static const char *
value_of(const char *line, const char *key)
{
	const char *name = strstr(line, " name="), *at = line;
	size_t n = strlen(key);

	/* What looks like a field in a node's name is none. */
	while ((at = strchr(at, ' ')) != NULL && (name == NULL || at <= name)) {
		at++;
		if (strncmp(at, key, n) == 0 && at[n] == '=')
			return at + n + 1;
	}
	return NULL;
}

static bool
take_node(const char *at, uint64_t *node)
{
	if (strncmp(at, "all ", 4) == 0)
		*node = SERIES_ALL;
	else if (strncmp(at, "others ", 7) == 0)
		*node = SERIES_OTHERS;
	else
		return take_u64(&at, node);
	return true;
}

static bool
take_layer(const char *at, enum ping_layer *layer)
{
	size_t n = strcspn(at, " ]");

	for (unsigned i = 0; i < PING_LAYERS; i++) {
		if (strncmp(at, ping_layer_names[i], n) != 0 ||
		    ping_layer_names[i][n] != '\0')
			continue;
		*layer = (enum ping_layer)i;
		return true;
	}
	return false;
}

static void
take_name(const char *at, char name[SERIES_NAME_CHARS])
{
	size_t n;

	snprintf(name, SERIES_NAME_CHARS, "%s", at);
	n = strlen(name);
	if (n == strlen(at) && n > 0 && name[n - 1] == ']')
		name[n - 1] = '\0';
}

const char *
row_parse(
    const char *line, struct series_row *row, char name[SERIES_NAME_CHARS])
{
	const char *at = value_of(line, "start_ns");

	*row = (struct series_row){ 0 };
	name[0] = '\0';
	if (at == NULL || !take_time(&at, 0, INT64_MAX / 2, &row->start_ns))
		return "start_ns: expected unix time in ns";
	at = value_of(line, "node");
	if (at == NULL || !take_node(at, &row->node))
		return "node: expected \"all\", \"others\" or an id";
	at = value_of(line, "layer");
	if (at == NULL || !take_layer(at, &row->layer))
		return "layer: expected net, service or hop";
	for (size_t i = 0; i < N_FIELDS; i++) {
		at = value_of(line, fields[i].name);
		if (at != NULL && !take_field(&fields[i], at, row))
			return fields[i].name;
	}
	at = value_of(line, "name");
	if (at != NULL)
		take_name(at, name);
	return NULL;
}

const char *
row_parse_head(const char *line, struct row_head *head)
{
	const char *at = value_of(line, "version");

	if (at == NULL || at[0] != '1' || at[1] != ' ')
		return "a version of the log that is not known";
	at = value_of(line, "bucket_ns");
	if (at == NULL || !take_time(&at, 1, YEAR_NS, &head->bucket_ns))
		return "bucket_ns: expected ns, at most a year";
	at = value_of(line, "zone_ns");
	if (at == NULL || !take_time(&at, -DAY_NS, DAY_NS, &head->zone_ns))
		return "zone_ns: expected ns, at most a day";
	return NULL;
}
