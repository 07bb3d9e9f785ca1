/* SPDX-License-Identifier: MIT */
/*
 * page - the status page of the relay, / of the metrics address. For admin.c.
 */
#ifndef RELAY_PAGE_H
#define RELAY_PAGE_H

#include "cmd/common/json.h"

#include <stdbool.h>

/* Append the page, text/html. `arg` is not used. True. */
bool page_status(void *arg, struct text *out);

#endif
