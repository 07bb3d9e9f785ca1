/* SPDX-License-Identifier: MIT */
/*
 * seeing - looking into a relay that runs: metrics over HTTP, the capture,
 * the key log. For the main thread; what the hooks call is in relay.h.
 */
#ifndef RELAY_SEEING_H
#define RELAY_SEEING_H

#include "cmd/relay/relay.h"

struct seeing {
	struct relay *relay;
	struct keylog_file *keylog; /* NULL: none */
	struct http *http; /* NULL: none */
};

/* Before root is given up. All end the program where they cannot. */
void seeing_open_files(struct seeing *seeing, struct relay *relay,
    const struct relay_options *opt);
void seeing_listen(struct seeing *seeing);

/* The engine runs: answer. Says where on standard output. */
void seeing_start(struct seeing *seeing);
void seeing_stop(struct seeing *seeing);
void seeing_close_files(struct seeing *seeing);

#endif
