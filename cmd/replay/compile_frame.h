/* SPDX-License-Identifier: MIT */
/* compile_frame - a captured frame becomes a record of the tape. */
#ifndef REPLAY_COMPILE_FRAME_H
#define REPLAY_COMPILE_FRAME_H

#include "cmd/common/keys.h"
#include "cmd/filter/filter.h"
#include "cmd/replay/captured.h"

struct compile_frame {
	const struct filter *filter; /* or NULL */
	const struct keys *keys;
	struct tape_writer writer;
	struct captured_all all;
	struct tape_coverage *coverage;
	struct bnet_buf store; /* of the message at hand */
	struct bnet_message message;
	uint32_t *refs; /* owned; of n_refs */
	uint32_t n_refs;
	int64_t start_ns; /* unix: the first packet of all */
};

/* False when out of memory. */
bool compile_frame(struct compile_frame *frames, struct captured *captured,
    const struct cap_event *event);

#endif
