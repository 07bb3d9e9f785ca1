/* SPDX-License-Identifier: MIT */
/*
 * compress - a stream that compresses what is written to it: gzip, zstd or lz4,
 * as input.c reads them.
 *
 *	stdio -> (gzip, zstd, lz4) -> file
 *
 * Whatever stdio hands on can be read at once, so a flush of the stream is
 * one of the file. Owns the compressor and the file; called by save.c.
 */
#ifndef CAPTURE_COMPRESS_H
#define CAPTURE_COMPRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct compress;

/* The length of a name without an ending such as ".gz". */
size_t compress_name_len(const char *path);

/*
 * Compresses to `file` as the ending of `path` says. *out becomes NULL if it
 * has no such ending. Returns false with errno set, or with `why`: this build
 * lacks the format. Then `file` stays the caller's.
 */
bool compress_open(
    struct compress **out, FILE *file, const char *path, const char **why);

/* Write to it, and close it before compress_close(). */
FILE *compress_file(struct compress *compress);

/* Ends the format, and closes the file. False: errno. NULL is allowed. */
bool compress_close(struct compress *compress);

#endif
