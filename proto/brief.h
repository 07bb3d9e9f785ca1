/* SPDX-License-Identifier: MIT */
/*
 * bnet_brief - who calls what in a machoNet packet, and nothing else: found
 * without a tree, for counting many packets quickly.
 */
#ifndef BNET_BRIEF_H
#define BNET_BRIEF_H

#include "buf.h"
#include "macho.h"
#include "strings.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Strings are borrowed from the stream or the table; p NULL: there is none. */
struct bnet_brief {
	int64_t type; /* enum bnet_macho_type, or unknown */
	bool has_call_id;
	int64_t call_id;
	int64_t client; /* the id that calls or is answered; 0: not said */
	struct bnet_string service, method; /* of a call; "?": no string */
	struct bnet_string event; /* of a notification */
};

/*
 * Look into the stream, up to what is wanted. False: it is no machoNet packet,
 * or not in the form that is usual: read it with bnet_marshal_read() and
 * bnet_brief_of(), which say the same.
 */
bool bnet_brief_scan(struct bnet_slice in, const struct bnet_strings *strings,
    struct bnet_brief *brief);

void bnet_brief_of(const struct bnet_macho *macho, struct bnet_brief *brief);

#ifdef __cplusplus
}
#endif

#endif
