/* SPDX-License-Identifier: MIT */
/*
 * hostile - inputs that mean harm, as fixtures/hostile/ holds them. What is
 * hostile in a stream is made twice: as NAME.frames, the bytes that one end
 * sends, and as NAME.pcap, a capture of it; the rest as a capture only.
 */
#ifndef TESTS_CAPTURES_HOSTILE_H
#define TESTS_CAPTURES_HOSTILE_H

#include "proto/buf.h"

/* A file; all is borrowed for the call. */
typedef void hostile_take(void *arg, const char *name, struct bnet_slice file);

/* All files, each to `take`. */
void hostile(hostile_take *take, void *arg);

#endif
