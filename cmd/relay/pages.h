/* SPDX-License-Identifier: MIT */
/*
 * pages - what a relay shows over HTTP: /metrics, /healthz and /links, made
 * from the relay as it is at the time.
 *
 * For one thread that is no worker, while the relay is there.
 */
#ifndef RELAY_PAGES_H
#define RELAY_PAGES_H

#include "cmd/relay/http.h"

#define PAGES_N 3

/* Their `arg` is the struct relay. */
extern const struct http_page pages[PAGES_N];

#endif
