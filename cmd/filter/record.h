/* SPDX-License-Identifier: MIT */
/*
 * record - an event as the filter, the outputs and the statistics see it. Owns
 * nothing: the reader of the capture fills it.
 */
#ifndef FILTER_RECORD_H
#define FILTER_RECORD_H

#include "cmd/capture/capture.h"
#include "cmd/common/payload.h"
#include "proto/message.h"

struct record {
	const struct cap_event *event;
	/* only for CAP_FRAME with a header; otherwise NULL and NONE */
	const char *key_name; /* NULL if unknown */
	enum bnet_message_type message_type;
	const struct bnet_message *message; /* NULL: none, or bad */
	/* NULL: no frame of an application, or nothing wants to know */
	const struct payload *payload;
};

#endif
