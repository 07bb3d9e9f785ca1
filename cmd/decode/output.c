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

void
output_epoch(struct output *output, int64_t time_ns)
{
	time_t s;
	int64_t ns;

	if (output->time_chars > 0 && output->cached_ns == time_ns)
		return;
	output->cached_ns = time_ns;
	split(time_ns, &s, &ns);
	output->time_chars = (size_t)snprintf(output->time,
	    sizeof(output->time), "%lld.%09lld", (long long)s, (long long)ns);
}

static void
calendar(struct output *output, int64_t time_ns, const char *format)
{
	struct tm tm;
	time_t s;
	int64_t ns;
	size_t n;

	split(time_ns, &s, &ns);
	localtime_r(&s, &tm);
	n = strftime(output->time, sizeof(output->time), format, &tm);
	output->time_chars = n +
	    (size_t)snprintf(output->time + n, sizeof(output->time) - n,
		".%06lld", (long long)ns / 1000);
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
output_time(struct output *output, int64_t time_ns)
{
	enum option_time how = output->opt->time;

	if (how == TIME_DELTA) {
		delta(output, time_ns);
		return;
	}
	if (output->time_chars > 0 && output->cached_ns == time_ns)
		return;
	if (how == TIME_EPOCH) {
		output_epoch(output, time_ns);
		output->time_chars -= 3; /* microseconds */
	} else if (how != TIME_NONE) {
		calendar(output, time_ns,
		    how == TIME_DATE ? "%Y-%m-%d %H:%M:%S" : "%H:%M:%S");
	}
	output->cached_ns = time_ns;
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
	};

	return names[type];
}
