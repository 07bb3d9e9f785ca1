/* SPDX-License-Identifier: MIT */
/*
 * record - what the filter, the outputs and the statistics are given of an
 * event. Owns nothing: who reads the capture fills it.
 */
#ifndef FILTER_RECORD_H
#define FILTER_RECORD_H

#include "cmd/capture/capture.h"
#include "proto/message.h"

struct record {
	const struct cap_event *event;
	/* the rest only for CAP_FRAME with a header, else NULL and NONE */
	const char *key_name; /* NULL where unknown */
	enum bnet_message_type message_type;
	const struct bnet_message *message; /* NULL: none, or bad */
};

#endif
