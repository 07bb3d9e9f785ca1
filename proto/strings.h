/* SPDX-License-Identifier: MIT */
/*
 * bnet_strings - the table of strings of marshal streams (bluenet-marshal.5,
 * STRINGS): both ends know it, so that a stream holds an index only.
 */
#ifndef BNET_STRINGS_H
#define BNET_STRINGS_H

#include "message.h"

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define BNET_STRINGS_MAX 255 /* what an index of a byte reaches */

/* String i + 1 of the table; the first has index 1. Borrowed. */
struct bnet_strings {
	const struct bnet_string *at;
	uint32_t n;
};

/* The published table of 2026: 195 strings. Peers of other eras differ. */
const struct bnet_strings *bnet_strings_builtin(void);

#ifdef __cplusplus
}
#endif

#endif
