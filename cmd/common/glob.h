/* SPDX-License-Identifier: MIT */
/*
 * glob - patterns as the shell has them, with *(a|b), +(), ?(), @() and !() as
 * bash has them: fnmatch(3) knows these with glibc only. Bytes, not characters.
 * The pattern is the user's: one that tries everything takes its time.
 */
#ifndef COMMON_GLOB_H
#define COMMON_GLOB_H

#include <stdbool.h>

bool glob_match(const char *pattern, const char *text);

#endif
