/* SPDX-License-Identifier: MIT */
/* Adding up the shards of one run. */
#include "cmd/replay/report/report.h"

#include "cmd/replay/report_impl.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* What has to be the same; NULL: it is. */
static const char *
differs(const struct report *a, const struct report *b)
{
	if (a->of_shards != b->of_shards)
		return "another number of shards";
	if (strcmp(a->target, b->target) != 0)
		return "another target";
	if (strcmp(a->captures, b->captures) != 0)
		return "other captures";
	if (strcmp(a->how, b->how) != 0)
		return "other options";
	if (a->scheduled != b->scheduled)
		return "--asap, or not";
	if (a->max_late_ns != b->max_late_ns)
		return "another --max-lateness";
	if (!results_fit(&a->results, &b->results))
		return "another --bucket";
	return NULL;
}

static bool
mergeable(const struct report *report, const struct report *from,
    char err[CLI_ERR_CHARS])
{
	const char *what = differs(report, from);

	if (what != NULL) {
		snprintf(
		    err, CLI_ERR_CHARS, "not a part of the same run: %s", what);
		return false;
	}
	if (report->start_ns != from->start_ns) {
		snprintf(err, CLI_ERR_CHARS,
		    "not a part of the same run: it began %.3f s %s (shards"
		    " begin together with --start-at)",
		    (double)llabs(from->start_ns - report->start_ns) / 1e9,
		    from->start_ns > report->start_ns ? "later" : "earlier");
		return false;
	}
	if (report->of_shards > REPORT_SHARDS_MAX) {
		snprintf(err, CLI_ERR_CHARS, "more than %d shards",
		    REPORT_SHARDS_MAX);
		return false;
	}
	for (uint32_t i = 0; i < report->of_shards; i++) {
		if (!report_has_shard(report, i) || !report_has_shard(from, i))
			continue;
		snprintf(err, CLI_ERR_CHARS,
		    "shard %" PRIu32 "/%" PRIu32 " is there already", i,
		    report->of_shards);
		return false;
	}
	return true;
}

static void
merge_shards(struct report *report, const struct report *from)
{
	uint64_t *has = report->has_shard;

	for (uint32_t i = 0; i < report->of_shards; i++)
		if (report_has_shard(from, i) || i == report->shard)
			has[i / 64] |= UINT64_C(1) << i % 64;
	if (from->shard < report->shard)
		report->shard = from->shard;
	report->n_shards += from->n_shards;
}

bool
report_merge(
    struct report *report, const struct report *from, char err[CLI_ERR_CHARS])
{
	if (!mergeable(report, from, err))
		return false;
	if (!results_merge(&report->results, &from->results)) {
		snprintf(err, CLI_ERR_CHARS, "out of memory");
		return false;
	}
	merge_shards(report, from);
	if (report->environment[0] == '\0')
		memcpy(report->environment, from->environment,
		    sizeof(report->environment));
	if (from->length_ns > report->length_ns)
		report->length_ns = from->length_ns;
	report->sessions += from->sessions;
	report->interrupted = report->interrupted || from->interrupted;
	report->diffed = report->diffed || from->diffed;
	report->compared += from->compared;
	report->differences += from->differences;
	return true;
}
