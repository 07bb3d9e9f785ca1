/* SPDX-License-Identifier: MIT */
/*
 * date - points in time as people write them:
 *
 *	2026-11-30			2026-11-30 12:00:05.25
 *	2026-11-30T12:00Z		2026-11-30 12:00 +02:00
 *	30 Nov 2026 12:00		Nov 30, 2026 12:00 UTC
 *
 * Without a zone they are local. For the filter, and for options of programs.
 */
#ifndef COMMON_DATE_H
#define COMMON_DATE_H

#include <stdbool.h>
#include <stdint.h>

#define DATE_ERR_CHARS 128
#define DATE_NO_DAY INT64_MIN
#define DATE_SYNTAX "a date such as \"2026-11-30 12:00\""

/*
 * Reads the whole of `text`; *ns is the unix time. A time of day alone, such as
 * 12:00:05, is one on the local day of `day_ns`, and an error with DATE_NO_DAY.
 * Returns false on failure: `err` is "" if it is no date, or says what is wrong
 * with it.
 */
bool date_parse(
    const char *text, int64_t day_ns, int64_t *ns, char err[DATE_ERR_CHARS]);

#endif
