/* SPDX-License-Identifier: MIT */
/*
 * privileges - drops root privileges once the interface is open. Owns nothing;
 * called by main.c.
 */
#ifndef DECODE_PRIVILEGES_H
#define DECODE_PRIVILEGES_H

#include <stdbool.h>

#define PRIVILEGES_USER "nobody" /* the default */

/*
 * As root, continues as `user` (NULL: PRIVILEGES_USER); otherwise does nothing. Returns
 * false on failure and sets `err` (SOURCE_ERR_CHARS).
 */
bool privileges_drop(const char *user, char *err);

#endif
