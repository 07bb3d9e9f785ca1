/* SPDX-License-Identifier: MIT */
#include "cmd/common/version.h"

#include "proto/bluenet.h"

#ifndef TREE_VERSION /* the Makefile says it */
#define TREE_VERSION BNET_VERSION
#endif

const char *
tools_version(void)
{
	return TREE_VERSION;
}
