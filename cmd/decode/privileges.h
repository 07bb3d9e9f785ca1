/* SPDX-License-Identifier: MIT */
/* Give root up once the interface is open. */
#ifndef DECODE_PRIVILEGES_H
#define DECODE_PRIVILEGES_H

#include <stdbool.h>

/*
 * As root, go on as `user` (NULL: nobody); not as root, nothing. False and
 * `err` (SOURCE_ERR_CHARS) where that fails.
 */
bool privileges_drop(const char *user, char *err);

#endif
