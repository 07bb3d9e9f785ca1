/* SPDX-License-Identifier: MIT */
/*
 * How a message's body is laid out: what message_table.c tells message.c.
 * Not installed.
 */
#ifndef BNET_MESSAGE_IMPL_H
#define BNET_MESSAGE_IMPL_H

#include "message.h"

enum bnet_kind {
	BNET_U32,
	BNET_U64,
	BNET_I32,
	BNET_I64,
	BNET_BOOL,
	BNET_STRING,
	BNET_ARRAY,
};

/* What a BNET_ARRAY holds: its u32 n is the field, the elements come behind. */
struct bnet_list {
	size_t p_at; /* of the pointer to the elements, in the message */
	size_t element_bytes;
	const struct bnet_field *fields;
	size_t n_fields;
};

struct bnet_field {
	enum bnet_kind kind;
	size_t at; /* of the value, in the message or the element */
	const struct bnet_list *list;
};

/* One row a message: its name, its key, its fields in the wire's order. */
struct bnet_row {
	const char *name;
	int32_t key;
	const struct bnet_field *fields;
	size_t n_fields;
};

/* Never NULL; the empty row for a type that there is not. */
const struct bnet_row *bnet_message_row(enum bnet_message_type type);

#endif
