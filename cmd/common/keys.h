/* SPDX-License-Identifier: MIT */
/*
 * keys - names of application keys: those of PROTOCOL, and of files.
 */
#ifndef COMMON_KEYS_H
#define COMMON_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KEYS_MAX (1 << 20) /* names held */
#define KEYS_NAME_MAX 255 /* bytes of a name */

struct keys;

/* With the built-in names. Returns NULL when out of memory. */
struct keys *keys_new(void);
void keys_free(struct keys *keys); /* NULL is allowed */

/*
 * The names of a file, one a line; empty lines and those starting with # are
 * passed over. False: `err` says what and where.
 */
bool
keys_read(struct keys *keys, const char *path, char *err, size_t err_bytes);

/* The name of a key; NULL where unknown. Valid until keys_free(). */
const char *keys_name(const struct keys *keys, int32_t key);

#endif
