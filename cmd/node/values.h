/* SPDX-License-Identifier: MIT */
/*
 * values - a JSON value as a marshal stream (bluenet-node(1), VALUES). The
 * notation is that of bluenet-decode's "object", with what it does not tell
 * apart. For services.c.
 */
#ifndef NODE_VALUES_H
#define NODE_VALUES_H

#include "proto/buf.h"

#include <jansson.h>
#include <stdbool.h>

#define VALUES_ERR_CHARS 160

/*
 * Append the stream of `json` to `out`. False: `err` says what was expected;
 * `out` may then hold a part.
 */
bool values_stream(
    const json_t *json, struct bnet_buf *out, char err[VALUES_ERR_CHARS]);

#endif
