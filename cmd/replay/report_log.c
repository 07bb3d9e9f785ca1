/* SPDX-License-Identifier: MIT */
/* A run as a log of HdrHistogram, for the tools that draw these. */
#include "cmd/replay/report.h"

#include "cmd/replay/report_impl.h"
#include "cmd/stats/hdr.h"

bool
report_write_log(
    const struct report *report, const char *path, char err[CLI_ERR_CHARS])
{
	const struct results *results = &report->results;
	const struct results_row *row;
	FILE *file = report_create(path, err);
	int64_t at_ns;
	bool ok = true;

	if (file == NULL)
		return false;
	hdr_log_head(file, report->start_ns);
	hdr_log_legend(file);
	for (size_t i = 0; i < results->n_buckets; i++) {
		row = results->buckets[i];
		at_ns = report->start_ns + (int64_t)i * results->bucket_ns;
		if (row != NULL && row->latency.sums.count > 0)
			ok = hdr_log_line(file, "latency", at_ns,
				 results->bucket_ns, &row->latency) &&
			    ok;
		if (row != NULL && row->late.sums.count > 0)
			ok = hdr_log_line(file, "late", at_ns,
				 results->bucket_ns, &row->late) &&
			    ok;
	}
	return report_close(file, ok, path, err);
}
