/* SPDX-License-Identifier: MIT */
/* keys - names of application keys: built-in ones, and those from files. */
#ifndef COMMON_KEYS_H
#define COMMON_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KEYS_MAX (1 << 20) /* maximum number of names */
#define KEYS_NAME_MAX 255 /* bytes of a name */

struct keys;

/* Starts with the built-in names. Returns NULL when out of memory. */
struct keys *keys_new(void);
void keys_free(struct keys *keys); /* NULL is allowed */

/*
 * Reads names from a file, one per line; skips empty lines and those starting
 * with #. Returns false on failure: `err` says what is wrong, and where. A
 * path that is not there may be that of an installed file (data_files). The
 * first name of a key counts.
 */
bool
keys_read(struct keys *keys, const char *path, char *err, size_t err_bytes);

/*
 * Adds the names of the installed keys.txt, if there is one; call it after
 * those of the user. Returns false on failure, as keys_read().
 */
bool keys_read_installed(struct keys *keys, char *err, size_t err_bytes);

/* The name of a key; NULL if unknown. Valid until keys_free(). */
const char *keys_name(const struct keys *keys, int32_t key);

#endif
