/* SPDX-License-Identifier: MIT */
/*
 * event - what came over a connection, as a line that a script is compared
 * with:
 *
 *	KIND NAME=VALUE ...
 *
 * KIND is the name of the session message without "bluenet.", pong, packet,
 * bad-payload, or how the connection ended.
 */
#ifndef REPLAY_SCENARIO_EVENT_H
#define REPLAY_SCENARIO_EVENT_H

#include "proto/bluenet.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

/* ---- lines of a script, and failure ---- */

#define PEER_WORDS_MAX 64u
#define PEER_SCRIPT_WRONG 2 /* exit status: not the fault of the other side */

/* A command: words[0], and its arguments; `taken` those that were read. */
struct peer_args {
	char *words[PEER_WORDS_MAX]; /* borrowed from the line */
	bool taken[PEER_WORDS_MAX];
	unsigned n;
};

extern unsigned peer_line; /* of the script */

/* The script is wrong. */
#define peer_wrong(...) peer_stop(PEER_SCRIPT_WRONG, __VA_ARGS__)
/* The other side did not do what was expected. */
#define peer_fail(...) peer_stop(1, __VA_ARGS__)
#define peer_stop(status, ...) \
	do { \
		(void)fflush(stdout); \
		fprintf(stderr, "peer: line %u: ", peer_line); \
		fprintf(stderr, __VA_ARGS__); \
		fputc('\n', stderr); \
		_exit(status); \
	} while (0)

void *peer_alloc(size_t n, size_t bytes);

char *peer_dup(const char *text, size_t len);

/* ---- variables: from the command line, from `set`, from events ---- */

/* NULL: unknown. */
const char *peer_var(const char *name, size_t len);

void peer_var_set(const char *name, const char *value);

/* Returns the value of a variable, allocated; NULL: unknown. */
typedef char *peer_lookup(const char *name, size_t len);

/* `line` with $NAME replaced, and $$ by $; the caller frees it. */
char *peer_expand(const char *line, peer_lookup *lookup);

/* ---- words, NAME=VALUE arguments ---- */

/* Borrows from `line`, and writes into it. */
struct peer_args peer_split(char *line);

/* The word at `i`, which must be there. */
const char *peer_arg_at(struct peer_args *args, unsigned i, const char *what);

bool peer_flag(struct peer_args *args, const char *name);

/* The VALUE of NAME=VALUE, or `otherwise`. */
const char *
peer_arg(struct peer_args *args, const char *name, const char *otherwise);

/* Any number of 64 bits: from -2^63 to 2^64-1, the latter as its bits. */
int64_t peer_number_of(const char *what, const char *text);

int64_t
peer_number(struct peer_args *args, const char *name, int64_t otherwise);

/* Fails if an argument was not read by anybody. */
void peer_args_done(const struct peer_args *args);

/* ---- events ---- */

#define PEER_MESSAGE_BYTES (1 << 24)
#define PEER_SHOWN_BYTES 64 /* of a payload */

struct peer_event {
	struct peer_event *next;
	char *text; /* KIND NAME=VALUE ... */
	int32_t key; /* of the packet; of an error: of the refused one */
	uint64_t timestamp;
	uint32_t serial;
	uint8_t *payload;
	size_t payload_bytes;
};

void peer_event_free(struct peer_event *ev);

/* A key by name or number; a name is remembered. */
int32_t peer_key(const char *text);

struct peer_event *peer_event_text(const char *text);

struct peer_event *
peer_event_packet(const struct bnet_packet *p, enum bnet_err bad);

/* What a script may say for a field of proto/message's table. */
struct peer_short {
	const char *name, *field;
};

extern const struct peer_short peer_shorts[]; /* NULL, NULL ends it */

/* The value of a field, also for short, or NULL; the caller frees it. */
char *
peer_event_field(const struct peer_event *ev, const char *name, size_t len);

/* `kinds`: a glob, or several with | between. */
bool peer_event_is(const struct peer_event *ev, const char *kinds);

#endif
