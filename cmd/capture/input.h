/* SPDX-License-Identifier: MIT */
/*
 * input - the bytes of a capture file or of standard input, as a stream.
 *
 *	descriptor -> (gzip, zstd, lz4) -> stdio
 *
 * What is compressed is recognised by its first bytes, not by its name, and is
 * decompressed as it is read, so its size does not matter. Owns the descriptor
 * and the decompressor; called by capfile.c.
 */
#ifndef CAPTURE_INPUT_H
#define CAPTURE_INPUT_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#define INPUT_MAGIC_BYTES 4

/* How to wait for a pipe or an interface; outlives the inputs that use it. */
struct input_wait {
	bool (*idle)(void *arg); /* nothing to read at the moment; or NULL */
	void *arg;
	volatile sig_atomic_t broken; /* end soon; set by a signal or idle() */
};

/*
 * Waits until `fd` can be read. Calls idle() first if it cannot be read now.
 *	1	it can
 *	0	not yet
 *	-1	the input has to end
 */
int input_await(struct input_wait *wait, int fd);

struct input;

/*
 * Opens a file, or "-": standard input, which stays open. `buffer_bytes`: of
 * stdio. Waits for the first bytes. Returns NULL and an errno, or EILSEQ with
 * `why` set to a static text.
 */
struct input *input_open(const char *path, size_t buffer_bytes,
    struct input_wait *wait, const char **why);
void input_close(struct input *in); /* NULL is allowed */

/* The decompressed bytes, from the first one. input_close() closes it. */
FILE *input_file(struct input *in);

/*
 * Takes stdio's buffer away, before anything is read: input_read() goes on
 * where input_file() is.
 */
void input_unbuffered(struct input *in);

/* As read() on the decompressed bytes; 0, too, when the input has to end. */
ssize_t input_read(struct input *in, void *p, size_t n_bytes);

/* Somebody else has closed it: libpcap does with the stream of a pcap file. */
void input_released(struct input *in);

/* The first of them; fewer than INPUT_MAGIC_BYTES if there are no more. */
size_t input_magic(const struct input *in, uint8_t magic[INPUT_MAGIC_BYTES]);

/* What ended the stream early, such as "corrupt gzip data"; NULL: nothing. */
const char *input_problem(const struct input *in);

/* A regular file: it can be opened again, and input_size() is known. */
bool input_is_regular(const struct input *in);
/* Bytes read so far, and of the file, as it is on the disk. */
uint64_t input_at(const struct input *in);
uint64_t input_size(const struct input *in);

#endif
