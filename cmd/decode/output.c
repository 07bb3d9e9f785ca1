/* SPDX-License-Identifier: MIT */
#include "cmd/decode/output.h"

#include <stdio.h>
#include <time.h>

#define NS_PER_S INT64_C(1000000000)

static void
split(int64_t time_ns, time_t *s, int64_t *ns)
{
	*s = (time_t)(time_ns / NS_PER_S);
	*ns = time_ns % NS_PER_S;
	if (*ns < 0) {
		*ns += NS_PER_S;
		(*s)--;
	}
}

/* Appends a number with a fixed number of digits. */
static void
put_digits(char *p, uint64_t v, unsigned width)
{
	for (unsigned i = width; i > 0; i--) {
		p[i - 1] = (char)('0' + v % 10);
		v /= 10;
	}
}

/* Before 1970: sign and magnitude. Rare, so not cached. */
static void
put_before(struct output *output, int64_t time_ns, unsigned n_digits)
{
	uint64_t t = UINT64_C(0) - (uint64_t)time_ns;
	uint64_t ns = t % (uint64_t)NS_PER_S;

	for (unsigned i = n_digits; i < 9; i++)
		ns /= 10;
	output->second_chars = 0;
	output->time_chars =
	    (size_t)snprintf(output->time, sizeof(output->time), "-%llu.%0*llu",
		(unsigned long long)(t / (uint64_t)NS_PER_S), (int)n_digits,
		(unsigned long long)ns);
}

/*
 * Formats the second with strftime's `format` (NULL: since 1970) and caches it;
 * only the fraction is formatted for each packet.
 */
static void
put_time(struct output *output, int64_t time_ns, const char *format,
    unsigned n_digits)
{
	struct tm tm;
	time_t s;
	int64_t ns;

	if (format == NULL && time_ns < 0) {
		put_before(output, time_ns, n_digits);
		return;
	}
	split(time_ns, &s, &ns);
	if (output->second_chars == 0 || s != output->second) {
		output->second = s;
		if (format == NULL) {
			output->second_chars = (size_t)snprintf(output->time,
			    sizeof(output->time), "%lld.", (long long)s);
		} else {
			if (output->opt->time >= TIME_UTC_CLOCK)
				gmtime_r(&s, &tm);
			else
				localtime_r(&s, &tm);
			output->second_chars = strftime(
			    output->time, sizeof(output->time), format, &tm);
		}
	}
	for (unsigned i = n_digits; i < 9; i++)
		ns /= 10;
	put_digits(output->time + output->second_chars, (uint64_t)ns, n_digits);
	output->time_chars = output->second_chars + n_digits;
}

void
output_epoch(struct output *output, int64_t time_ns)
{
	put_time(output, time_ns, NULL, 9);
}

static void
delta(struct output *output, int64_t time_ns)
{
	int64_t d =
	    output->previous_ns == 0 ? 0 : time_ns - output->previous_ns;
	bool before = d < 0;

	output->previous_ns = time_ns;
	d = before ? -d : d;
	output->time_chars = (size_t)snprintf(output->time,
	    sizeof(output->time), "%s%lld.%06lld", before ? "-" : "",
	    (long long)(d / NS_PER_S), (long long)(d % NS_PER_S / 1000));
}

void
output_time(struct output *output, int64_t time_ns, int64_t clock_ns)
{
	enum option_time how = output->opt->time;

	if (how == TIME_DELTA) {
		delta(output, clock_ns);
		return;
	}
	if (how == TIME_EPOCH)
		put_time(output, time_ns, NULL, 6);
	else if (how != TIME_NONE)
		put_time(output, time_ns,
		    how == TIME_DATE || how == TIME_UTC_DATE
			? "%Y-%m-%d %H:%M:%S."
			: "%H:%M:%S.",
		    6);
}

const char *
output_role(uint32_t role)
{
	return role == BNET_ROLE_CLIENT ? "client"
	    : role == BNET_ROLE_NODE    ? "node"
					: NULL;
}

const char *
output_event_name(enum cap_event_type type)
{
	static const char *const names[CAP_N_EVENTS] = {
		[CAP_FRAME] = "frame",
		[CAP_GAP] = "gap",
		[CAP_SKIP] = "skip",
		[CAP_OVERLAP] = "overlap",
		[CAP_MALFORMED] = "malformed",
		[CAP_LIMIT] = "limit",
		[CAP_PROXY] = "proxy",
		[CAP_NOTE] = "note",
		[CAP_CLOCK] = "clock",
	};

	return names[type];
}

const char *
output_dest_name(int64_t dest_type)
{
	static const char *const names[] = {
		[BNET_DEST_HOP] = "hop",
		[BNET_DEST_NODE] = "node",
		[BNET_DEST_CLIENT] = "client",
		[BNET_DEST_BROADCAST] = "broadcast",
		[BNET_DEST_ANY] = "any",
	};

	if (dest_type < 0 || dest_type > BNET_DEST_ANY)
		return NULL;
	return names[dest_type];
}
