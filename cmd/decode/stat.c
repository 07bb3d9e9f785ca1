/* SPDX-License-Identifier: MIT */
#include "cmd/decode/stat.h"

#include <inttypes.h>

#define NS_PER_S 1000000000

void
stat_print(struct stat_out *to, struct table *table)
{
	if (to->format != TABLE_AS_JSON && to->n_tables > 0)
		fputc('\n', to->out);
	table->more_json = to->more_json;
	to->more_json = NULL;
	if (!table_print(table, to->out, to->format))
		to->failed = true;
	to->n_tables++;
	table_free(table);
}

double
stat_percent(uint64_t part, uint64_t whole)
{
	return whole == 0 ? 0 : 100.0 * (double)part / (double)whole;
}

void
stat_time(struct table *table, int64_t time_ns)
{
	uint64_t ns = time_ns < 0 ? 0 - (uint64_t)time_ns : (uint64_t)time_ns;

	table_fmt(table, "%s%" PRIu64 ".%09" PRIu64, time_ns < 0 ? "-" : "",
	    ns / NS_PER_S, ns % NS_PER_S);
}
