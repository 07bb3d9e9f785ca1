/* SPDX-License-Identifier: MIT */
/*
 * decode - all that bluenet-decode holds while it runs: main.c makes it, and
 * loop.c reads the capture with it.
 */
#ifndef DECODE_DECODE_H
#define DECODE_DECODE_H

#include "cmd/capture/keylog.h"
#include "cmd/capture/source.h"
#include "cmd/common/keys.h"
#include "cmd/common/outbuf.h"
#include "cmd/decode/options.h"
#include "cmd/decode/output.h"
#include "cmd/decode/save.h"
#include "cmd/decode/statistics.h"
#include "cmd/filter/filter.h"

struct decode {
	struct decode_options opt;
	struct source *src;
	struct cap *cap;
	struct cap_keylog *keylog;
	struct keys *keys;
	struct filter *filter; /* NULL: all pass */
	struct statistics *stats; /* NULL: none */
	struct save *save; /* NULL: no -w */
	struct bnet_buf store; /* of the message at hand */
	struct bnet_message message;
	struct output output;
	struct outbuf out; /* standard output */
	int64_t flushed_ns; /* live: when lines were last written */
	bool lines; /* records are shown */
	bool names, messages; /* these are of use */
	uint64_t n_shown;
	bool done; /* -c reached, or nobody reads */
	bool interrupted; /* by a signal */
	bool lossy; /* not all that was read was good */
	int exit_code;
};

/* loop.c: read the source to its end, and show what is in it. */
void decode_run(struct decode *d);

/* The exit status, an enum cli_exit, of all that was done so far. */
int decode_status(const struct decode *d);

#endif
