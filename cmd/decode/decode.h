/* SPDX-License-Identifier: MIT */
/*
 * decode - the state of a running bluenet-decode: main.c creates it, and loop.c
 * reads the capture with it.
 */
#ifndef DECODE_DECODE_H
#define DECODE_DECODE_H

#include "cmd/capture/keylog.h"
#include "cmd/capture/keylog_follow.h"
#include "cmd/capture/source.h"
#include "cmd/common/keys.h"
#include "cmd/common/outbuf.h"
#include "cmd/decode/columns.h"
#include "cmd/decode/export.h"
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
	struct keylog_follow *key_follow; /* NULL: the key logs are complete */
	struct keys *keys;
	bool filter_payload; /* the filter reads payloads */
	struct payload_reader *payloads; /* NULL: nothing wants to know */
	struct filter *filter; /* NULL: everything passes */
	struct statistics *stats; /* NULL: none */
	struct save *save; /* NULL: no -w */
	struct decode_export *export; /* NULL: no --export */
	struct columns *columns; /* NULL: no -e */
	bool narrow; /* --first, --last or --follow */
	struct bnet_buf store; /* for decoding the current message */
	struct bnet_message message;
	struct output output;
	struct outbuf out; /* standard output */
	size_t n_secrets; /* when streams last looked for theirs */
	int64_t ticked_ns; /* the last cap_tick() */
	int64_t flushed_ns; /* live: the last time lines were written */
	int64_t idle_since_ns; /* no packet came since; 0: one has come */
	bool lines; /* records are shown */
	bool names, messages; /* needed by an output */
	uint64_t n_shown;
	bool followed; /* something of --follow's stream was shown */
	bool done; /* -c was reached, or the reader is gone */
	bool interrupted; /* by a signal */
	bool lossy; /* some of the input was bad */
	int exit_code;
};

/* loop.c: reads the source to its end, and shows its contents. */
void decode_run(struct decode *d);

/* The exit status so far, an enum cli_exit. */
int decode_status(const struct decode *d);

#endif
