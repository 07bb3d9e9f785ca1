/* SPDX-License-Identifier: MIT */
/* What the tests of diff share: a tape of two sessions, and what came. */
#ifndef REPLAY_DIFF_MADE_H
#define REPLAY_DIFF_MADE_H

#include "cmd/replay/play/diff.h"
#include "proto/message.h"
#include "tests/unit/replay_tape_make.h"

#define KEY 7
#define OTHER 8
#define NODE 1001
#define OWN 12

static struct made made;
static struct tape *tape;
static struct diff_masks masks;
static struct diff *diff;
static struct diff_vclient vclient;
static char err[CLI_ERR_CHARS];

static inline void
setup(void)
{
	made_init(&made);
	made_session(&made, 1);
	made_session(&made, 2);
	tape = NULL;
	diff = NULL;
	vclient = (struct diff_vclient){ NULL };
	ck_assert(diff_masks_parse(&masks, NULL, err));
}

static inline void
teardown(void)
{
	diff_free(diff);
	tape_close(tape);
	if (tape == NULL)
		bnet_buf_free(&made.bytes);
}

static inline struct bnet_header
header(int32_t key)
{
	return (struct bnet_header){ .source = NODE,
		.dest_type = BNET_DEST_CLIENT,
		.dest = OWN,
		.key = key };
}

static inline struct bnet_slice
text(const char *s)
{
	return (struct bnet_slice){ (const uint8_t *)s, strlen(s) };
}

/* One character is one captured frame, at that second. */
static inline void
captured(uint32_t session, int32_t key, const char *frames)
{
	const struct bnet_header h = header(key);

	for (size_t i = 0; frames[i] != '\0'; i++)
		made_frame(&made, session, CAP_DOWN, &h,
		    (struct bnet_slice){ (const uint8_t *)&frames[i], 1 },
		    (struct tape_record){
			.at_ns = (int64_t)made.sessions[session].n[CAP_DOWN] *
			    1000000000 });
}

static inline void
open_tape(void)
{
	if (tape == NULL)
		tape = made_open(&made);
	diff = diff_new(tape, &masks);
	ck_assert_ptr_nonnull(diff);
}

static inline void
packet_in(const struct bnet_header *h, struct bnet_slice payload)
{
	const struct bnet_packet packet = { .has_oob = true,
		.has_header = true,
		.header = *h,
		.payload = payload };

	(void)diff_received(diff, &vclient, 0, &packet, NULL, NULL);
}

static inline void
received(int32_t key, const char *frames)
{
	const struct bnet_header h = header(key);

	for (size_t i = 0; frames[i] != '\0'; i++)
		packet_in(
		    &h, (struct bnet_slice){ (const uint8_t *)&frames[i], 1 });
}

static inline void
ended(void)
{
	diff_ended(diff, &vclient, 0, NULL);
	ck_assert_ptr_null(vclient.state);
}

static inline void
counts(const char *what, const uint64_t wanted[DIFF_N_KINDS])
{
	uint64_t total = 0;

	for (int kind = 0; kind < DIFF_N_KINDS; kind++) {
		uint64_t n = diff_found(diff)->counts[kind];

		ck_assert_msg(n == wanted[kind], "%s: kind %d: %llu, not %llu",
		    what, kind, (unsigned long long)n,
		    (unsigned long long)wanted[kind]);
		total += n;
	}
	ck_assert_uint_eq(diff_total(diff), total);
}

#endif
