/* SPDX-License-Identifier: MIT */
/*
 * thresholds - the tests of --fail-if for a run: over every count of a report
 * and its latency, lateness and connecting, of the whole run or of a key; see
 * cmd/stats/threshold.
 */
#ifndef REPLAY_REPORT_THRESHOLDS_H
#define REPLAY_REPORT_THRESHOLDS_H

#include "cmd/common/options.h"
#include "cmd/replay/report/report.h"

/* Are they tests? False: err says which is not, and what is expected. */
bool
thresholds_check(const struct option_texts *tests, char err[CLI_ERR_CHARS]);

/*
 * Sets report->has_rules, n_broken, n_undecided and rules. Without tests, the
 * rule of report_cluster() stays.
 */
void thresholds_judge(struct report *report, const struct option_texts *tests,
    const struct keys *keys);

#endif
