/* SPDX-License-Identifier: MIT */
/*
 * settings_impl - settings of a caller that was compiled against another
 * version of the headers. Each struct of settings begins with struct_bytes,
 * and grows at its end only; zeroed members are the defaults. Once there is a
 * member that version 0.1 did not have, first_bytes is its offset.
 */
#ifndef BNET_SETTINGS_IMPL_H
#define BNET_SETTINGS_IMPL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/*
 * Copy the caller's settings to ours, which are of `bytes` bytes; where the
 * caller does not say its size, it knows the first `first_bytes` of them. False
 * if the caller sets a member that we do not know.
 */
static inline bool
bnet_settings_take(
    void *ours, size_t bytes, size_t first_bytes, const void *theirs)
{
	const uint8_t *p = (const uint8_t *)theirs;
	size_t n;

	memcpy(&n, theirs, sizeof(n));
	if (n == 0)
		n = first_bytes;
	for (size_t i = bytes; i < n; i++)
		if (p[i] != 0)
			return false;
	memset(ours, 0, bytes);
	memcpy(ours, theirs, n < bytes ? n : bytes);
	return true;
}

#endif
