/* SPDX-License-Identifier: MIT */
/* Numbers, times and names for people; and files. */
#include "cmd/replay/report_impl.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

struct unit {
	double from; /* values from here on */
	double per; /* are so many of it */
	const char *name;
};

/* A little below the power, where three digits round up to it. */
static const struct unit time_units[] = {
	{ 599.5e9, 60e9, "min" },
	{ 0.9995e9, 1e9, "s" },
	{ 0.9995e6, 1e6, "ms" },
	{ 0.9995e3, 1e3, "us" },
	{ 0, 1, "ns" },
};

static const struct unit byte_units[] = {
	{ 0.9995e12, 1e12, "TB" },
	{ 0.9995e9, 1e9, "GB" },
	{ 0.9995e6, 1e6, "MB" },
	{ 0.9995e3, 1e3, "kB" },
	{ 0, 1, "bytes" },
};

static const char *
scaled(char text[REPORT_NUMBER_CHARS], double v, const struct unit *unit)
{
	int decimals;

	while (v < unit->from)
		unit++;
	v /= unit->per;
	decimals = unit->per <= 1 || v >= 99.95 ? 0 : v >= 9.995 ? 1 : 2;
	snprintf(text, REPORT_NUMBER_CHARS, "%.*f %s", decimals, v, unit->name);
	return text;
}

const char *
report_time(char text[REPORT_NUMBER_CHARS], int64_t v_ns)
{
	return scaled(text, v_ns < 0 ? 0 : (double)v_ns, time_units);
}

const char *
report_bytes(char text[REPORT_NUMBER_CHARS], uint64_t v_bytes)
{
	return scaled(text, (double)v_bytes, byte_units);
}

const char *
report_number(char text[REPORT_NUMBER_CHARS], uint64_t v)
{
	char digits[REPORT_NUMBER_CHARS];
	int n = snprintf(digits, sizeof(digits), "%" PRIu64, v);
	char *to = text;

	for (int i = 0; i < n; i++) {
		if (i > 0 && (n - i) % 3 == 0)
			*to++ = ',';
		*to++ = digits[i];
	}
	*to = '\0';
	return text;
}

const char *
report_clock(char text[REPORT_NUMBER_CHARS], int64_t at_ns)
{
	int64_t s = at_ns / REPORT_NS_PER_S;

	snprintf(text, REPORT_NUMBER_CHARS,
	    "%02" PRId64 ":%02" PRId64 ":%02" PRId64, s / 3600, s / 60 % 60,
	    s % 60);
	return text;
}

const char *
report_date(char text[REPORT_NUMBER_CHARS], int64_t unix_ns)
{
	time_t s = (time_t)(unix_ns / REPORT_NS_PER_S);
	struct tm tm;

	text[0] = '\0';
	if (gmtime_r(&s, &tm) != NULL)
		strftime(
		    text, REPORT_NUMBER_CHARS, "%Y-%m-%d %H:%M:%S UTC", &tm);
	return text;
}

const char *
report_key_name(
    const struct keys *keys, int32_t key, char text[REPORT_NAME_CHARS])
{
	const char *name = keys == NULL ? NULL : keys_name(keys, key);

	if (key == 0)
		name = "no key";
	if (name == NULL)
		snprintf(
		    text, REPORT_NAME_CHARS, "0x%08" PRIx32, (uint32_t)key);
	else if (strlen(name) < REPORT_NAME_CHARS)
		snprintf(text, REPORT_NAME_CHARS, "%s", name);
	else
		snprintf(text, REPORT_NAME_CHARS, "%.*s..",
		    REPORT_NAME_CHARS - 3, name);
	return text;
}

FILE *
report_create(const char *path, char err[CLI_ERR_CHARS])
{
	FILE *file = fopen(path, "we");

	if (file == NULL)
		snprintf(
		    err, CLI_ERR_CHARS, "%.300s: %s", path, strerror(errno));
	return file;
}

bool
report_close(FILE *file, bool ok, const char *path, char err[CLI_ERR_CHARS])
{
	struct stat st;
	bool regular = fstat(fileno(file), &st) == 0 && S_ISREG(st.st_mode);
	int error = 0;

	if (ferror(file))
		error = EIO;
	if (fclose(file) != 0)
		error = errno;
	if (ok && error == 0)
		return true;
	snprintf(err, CLI_ERR_CHARS, "%.300s: %s", path,
	    strerror(ok ? error : ENOMEM));
	if (regular) /* not of a device */
		unlink(path);
	return false;
}
