/* SPDX-License-Identifier: MIT */
/*
 * privileges - give root up once the interface is open. Owns nothing; called
 * by main.c.
 */
#ifndef DECODE_PRIVILEGES_H
#define DECODE_PRIVILEGES_H

#include <stdbool.h>

/*
 * As root, go on as `user` (NULL: nobody); not as root, nothing. False and
 * `err` (SOURCE_ERR_CHARS) where that fails.
 */
bool privileges_drop(const char *user, char *err);

#endif
