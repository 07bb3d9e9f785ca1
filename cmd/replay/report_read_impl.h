/* SPDX-License-Identifier: MIT */
/*
 * A place in a JSON file, and what is to be there. All return false where it
 * is not, and err says: "FILE: buckets[3].latency.count: expected ...".
 */
#ifndef REPLAY_REPORT_READ_IMPL_H
#define REPLAY_REPORT_READ_IMPL_H

#include "cmd/replay/report_impl.h"

#include <jansson.h>

struct in {
	const char *path; /* of the file */
	char *err; /* CLI_ERR_CHARS */
	const struct in *up; /* NULL: the top */
	const char *name; /* in that; NULL: it is an element */
	size_t i; /* of its number */
	json_t *v;
};

/* Always false. */
bool in_bad(const struct in *at, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
bool in_no_memory(const struct in *at);

/* A member of the object, an element of the array, of that type. */
bool
in_member(const struct in *up, const char *name, json_type type, struct in *at);
bool in_element(const struct in *up, size_t i, json_type type, struct in *at);

/* A number from 0 to max, or a string of its digits. */
bool in_u64(const struct in *up, const char *name, uint64_t max, uint64_t *v);
bool in_element_u64(const struct in *up, size_t i, uint64_t max, uint64_t *v);
bool in_ns(const struct in *up, const char *name, int64_t max_ns, int64_t *v);
bool in_i32(const struct in *up, const char *name, int32_t *v);
bool in_bool(const struct in *up, const char *name, bool *v);

/* What is too long is cut. */
bool
in_text(const struct in *up, const char *name, char text[REPORT_TEXT_CHARS]);

/*
 * A histogram of the layout that *hdr has, into it. Afterwards it has counts
 * where there are any.
 */
bool in_hdr(const struct in *up, const char *name, struct hdr *hdr);

#endif
