/* SPDX-License-Identifier: MIT */
/*
 * version - of the programs: that of the tree they were built from, which is
 * the tag, or says how far from it that was (tests/tools/version.sh).
 */
#ifndef COMMON_VERSION_H
#define COMMON_VERSION_H

const char *tools_version(void); /* static */

#endif
