/* SPDX-License-Identifier: MIT */
#include "cmd/replay/options_impl.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#define NS_PER_S INT64_C(1000000000)
#define DAY_S 86400
#define START_MAX_S (400 * DAY_S) /* ahead of now */
#define SPEED_MAX 1e6
#define RATE_MAX 1e9
#define SHARDS_MAX 100000

#define TIME_SYNTAX "a time such as 2026-11-25T12:00:00Z, @1764072000.5 or +5s"

static bool
expected(char err[CLI_ERR_CHARS], const char *what)
{
	(void)snprintf(err, CLI_ERR_CHARS, "expected %s", what);
	return false;
}

bool
replay_factor(const char *text, double max, double *v, char err[CLI_ERR_CHARS])
{
	char *end;

	*v = strtod(text, &end);
	/* strtod() takes blanks, signs, words and hexadecimal as well */
	if (end != text && *end == '\0' && *v > 0 && *v <= max &&
	    strspn(text, "0123456789.") == strlen(text))
		return true;
	(void)snprintf(err, CLI_ERR_CHARS,
	    "expected a number above 0, such as 2 or 0.5, up to %.0f", max);
	return false;
}

bool
replay_take_speed(
    struct replay_options *opt, const char *text, char err[CLI_ERR_CHARS])
{
	opt->timing = REPLAY_SPEED;
	return replay_factor(text, SPEED_MAX, &opt->speed, err);
}

bool
replay_take_rate(
    struct replay_options *opt, const char *text, char err[CLI_ERR_CHARS])
{
	opt->timing = REPLAY_RATE;
	return replay_factor(text, RATE_MAX, &opt->rate, err);
}

/* ---- words ---- */

bool
replay_take_pacing(
    struct replay_options *opt, const char *text, char err[CLI_ERR_CHARS])
{
	static const char *const words[] = { "open", "closed", "hybrid", NULL };
	int v = 0;
	bool ok = cli_take_word(text, words, &v, err);

	opt->pacing = (enum replay_pacing)v;
	return ok;
}

bool
replay_take_codec(
    struct replay_options *opt, const char *text, char err[CLI_ERR_CHARS])
{
	static const char *const words[] = { "none", "zlib", "snappy", NULL };

	return cli_take_word(text, words, &opt->codec, err);
}

bool
replay_take_roles(
    struct replay_options *opt, const char *text, char err[CLI_ERR_CHARS])
{
	static const char *const words[] = { "clients", "nodes", "all", NULL };
	int v = 0;
	bool ok = cli_take_word(text, words, &v, err);

	opt->clients = v != 1;
	opt->nodes = v != 0;
	return ok;
}

bool
replay_take_order(
    struct replay_options *opt, const char *text, char err[CLI_ERR_CHARS])
{
	static const char *const words[] = { "auto", "little", "network",
		NULL };
	int v = 0;
	bool ok = cli_take_word(text, words, &v, err);

	opt->cap.order = (enum bnet_order)v;
	return ok;
}

/* ---- lists and pairs ---- */

/* The number before `mark`, and what is behind it. */
static bool
number_before(
    const char *text, char mark, uint64_t max, uint64_t *v, const char **rest)
{
	char *end;

	errno = 0;
	*v = strtoull(text, &end, 10);
	*rest = end + 1;
	return isdigit((unsigned char)text[0]) && errno == 0 && *end == mark &&
	    *v <= max;
}

bool
replay_take_ports(
    struct replay_options *opt, const char *text, char err[CLI_ERR_CHARS])
{
	struct cap_settings *cap = &opt->cap;
	const char *rest = text;
	uint64_t port;

	if (strcmp(text, "any") == 0) {
		cap->any_port = true;
		return true;
	}
	do {
		text = rest;
		if (!number_before(text, ',', 65535, &port, &rest) &&
		    !number_before(text, '\0', 65535, &port, &rest))
			port = 0;
		if (port == 0)
			return expected(err,
			    "ports from 1 to 65535, with , "
			    "between them, or any");
		if (cap->n_ports == CAP_PORTS_MAX)
			return expected(err, "fewer ports");
		cap->ports[cap->n_ports++] = (uint16_t)port;
	} while (rest[-1] == ',');
	return true;
}

bool
replay_take_shard(
    struct replay_options *opt, const char *text, char err[CLI_ERR_CHARS])
{
	uint64_t i, n;
	const char *rest;

	if (!number_before(text, '/', SHARDS_MAX, &i, &rest) ||
	    !number_before(rest, '\0', SHARDS_MAX, &n, &rest) || i >= n)
		return expected(
		    err, "I/N with I from 0 to N - 1, such as 0/4 of four");
	opt->shard = (uint32_t)i;
	opt->of_shards = (uint32_t)n;
	return true;
}

bool
replay_take_map(
    struct replay_options *opt, const char *text, char err[CLI_ERR_CHARS])
{
	struct replay_node_map map;
	const char *rest;

	if (!number_before(text, '=', INT64_MAX, &map.from, &rest) ||
	    !number_before(rest, '\0', INT64_MAX, &map.to, &rest))
		return expected(
		    err, "OLD=NEW, two ids of nodes such as 7=1007");
	for (size_t i = 0; i < opt->n_maps; i++)
		if (opt->maps[i].from == map.from)
			return expected(err, "each OLD once");
	if (opt->n_maps == REPLAY_MAPS_MAX)
		return expected(err, "fewer of them");
	opt->maps[opt->n_maps++] = map;
	return true;
}

bool
replay_take_allow(
    struct replay_options *opt, const char *text, char err[CLI_ERR_CHARS])
{
	if (opt->n_allow == REPLAY_ALLOW_MAX)
		return expected(err, "fewer of them");
	if (!cidr_parse(text, &opt->allow[opt->n_allow]))
		return expected(err, CIDR_SYNTAX);
	opt->n_allow++;
	return true;
}

/* ---- times ---- */

/* ".5": decimals of a second, at least one; nine of them count. */
static bool
decimals(const char **text, int64_t *ns)
{
	const char *p = *text;
	int64_t unit = NS_PER_S / 10;

	*ns = 0;
	if (*p != '.')
		return true;
	for (p++; isdigit((unsigned char)*p); p++, unit /= 10)
		*ns += unit * (*p - '0');
	*text = p;
	return isdigit((unsigned char)p[-1]);
}

/* "Z", "+01:30" or "-08:00", and nothing behind it. */
static bool
zone(const char *text, int64_t *ahead_s)
{
	int sign = text[0] == '-' ? -1 : 1;

	*ahead_s = 0;
	if (strcasecmp(text, "Z") == 0)
		return true;
	if ((text[0] != '+' && text[0] != '-') || strlen(text) != 6 ||
	    text[3] != ':' || strspn(text + 1, "0123456789") != 2 ||
	    strspn(text + 4, "0123456789") != 2)
		return false;
	*ahead_s = sign *
	    (((text[1] - '0') * 10 + text[2] - '0') * 3600 +
		((text[4] - '0') * 10 + text[5] - '0') * 60);
	return true;
}

static bool
calendar(const char *text, int64_t *at_ns)
{
	static const char form[] = "dddd-dd-ddTdd:dd:dd";
	struct tm tm = { .tm_sec = 0 }, back;
	int64_t ns, ahead_s;
	time_t at;

	for (size_t i = 0; form[i] != '\0'; i++)
		if (form[i] == 'd' ? !isdigit((unsigned char)text[i])
				   : toupper((unsigned char)text[i]) != form[i])
			return false;
	if (sscanf(text, "%4d-%2d-%2d%*1c%2d:%2d:%2d", &tm.tm_year, &tm.tm_mon,
		&tm.tm_mday, &tm.tm_hour, &tm.tm_min, &tm.tm_sec) != 6)
		return false;
	tm.tm_year -= 1900;
	tm.tm_mon--;
	back = tm;
	at = timegm(&back); /* which makes a March of February 30 */
	text += sizeof(form) - 1;
	if (back.tm_mday != tm.tm_mday || back.tm_mon != tm.tm_mon ||
	    back.tm_hour != tm.tm_hour || back.tm_min != tm.tm_min ||
	    !decimals(&text, &ns) || !zone(text, &ahead_s))
		return false;
	*at_ns = ((int64_t)at - ahead_s) * NS_PER_S + ns;
	return true;
}

static bool
unix_time(const char *text, int64_t *at_ns)
{
	char *end;
	const char *rest;
	int64_t ns;
	long long s;

	errno = 0;
	s = strtoll(text, &end, 10);
	rest = end;
	if (!isdigit((unsigned char)text[0]) || errno != 0 ||
	    s > INT64_MAX / NS_PER_S - 1 || !decimals(&rest, &ns) ||
	    *rest != '\0')
		return false;
	*at_ns = s * NS_PER_S + ns;
	return true;
}

bool
replay_time(
    const char *text, int64_t now_ns, int64_t *at_ns, char err[CLI_ERR_CHARS])
{
	int64_t ahead_ns;

	if (text[0] == '+') {
		if (!cli_take_duration_ns(
			text + 1, 0, START_MAX_S * NS_PER_S, &ahead_ns, err))
			return expected(err, TIME_SYNTAX);
		*at_ns = now_ns + ahead_ns;
	} else if (!(text[0] == '@' ? unix_time(text + 1, at_ns)
				    : calendar(text, at_ns)))
		return expected(err, TIME_SYNTAX);
	if (*at_ns < now_ns) {
		(void)snprintf(err, CLI_ERR_CHARS,
		    "expected a time to come: this was %.0f s ago",
		    (double)(now_ns - *at_ns) / 1e9);
		return false;
	}
	if (*at_ns - now_ns > START_MAX_S * NS_PER_S)
		return expected(err, "a time within the next 400 days");
	return true;
}

bool
replay_take_start(
    struct replay_options *opt, const char *text, char err[CLI_ERR_CHARS])
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return replay_time(text, (int64_t)ts.tv_sec * NS_PER_S + ts.tv_nsec,
	    &opt->start_at_ns, err);
}
