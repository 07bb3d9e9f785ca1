/* SPDX-License-Identifier: MIT */
/* One reader and one writer walk the fields of every message's row. */
#include "message.h"

#include "bits.h"
#include "message_impl.h"

#include <string.h>

/* No body needs this many times its own length of store. */
#define STORE_PER_BODY 64

/*
 * A body is read twice: first only to be judged and measured, then, with the
 * store reserved in one piece, for good. So whatever is malformed is refused
 * before anything is allocated, and nothing in the store ever moves.
 */
struct reader {
	struct bnet_bits_rd bits;
	struct bnet_buf *store; /* NULL while measuring */
	size_t need_bytes; /* of the store; counted while measuring */
};

static enum bnet_err
read_fields(struct reader *rd, const struct bnet_field *fields, size_t n_fields,
    void *into, void *message);

static enum bnet_err
read_string(struct reader *rd, struct bnet_string *s)
{
	struct bnet_bits_rd *bits = &rd->bits;

	if (rd->store != NULL)
		return bnet_bits_string(bits, rd->store, &s->p, &s->len_bytes);
	s->len_bytes = bnet_bits_u32(bits);
	if (s->len_bytes > bnet_bits_left(bits) / 8)
		return BNET_EMESSAGE;
	for (uint32_t i = 0; i < s->len_bytes; i++)
		(void)bnet_bits_raw(bits, 8);
	rd->need_bytes += (size_t)s->len_bytes + 1;
	return BNET_OK;
}

/*
 * An array stands before any string of its message, so at the start of the
 * store, which malloc() has aligned for it. A claim of more elements than the
 * bits can hold ends with the bits, while measuring.
 */
static enum bnet_err
read_array(
    struct reader *rd, const struct bnet_list *list, uint32_t n, void *message)
{
	union {
		struct bnet_roster_entry entry;
		struct bnet_echo_hop hop;
	} scratch;
	size_t step = 0, array_bytes = n * list->element_bytes;
	uint8_t *element = (uint8_t *)&scratch;
	enum bnet_err err;

	if (n == 0)
		return BNET_OK;
	rd->need_bytes += array_bytes;
	if (rd->store != NULL) {
		err = bnet_buf_room(rd->store, array_bytes, &element);
		if (err != BNET_OK)
			return err;
		bnet_buf_added(rd->store, array_bytes);
		memcpy(
		    (uint8_t *)message + list->p_at, &element, sizeof(element));
		step = list->element_bytes;
	}
	for (uint32_t i = 0; i < n; i++, element += step) {
		err = read_fields(
		    rd, list->fields, list->n_fields, element, message);
		if (err != BNET_OK)
			return err;
	}
	return BNET_OK;
}

static enum bnet_err
read_field(
    struct reader *rd, const struct bnet_field *field, void *at, void *message)
{
	switch (field->kind) {
	case BNET_U32:
		*(uint32_t *)at = bnet_bits_u32(&rd->bits);
		break;
	case BNET_U64:
		*(uint64_t *)at = bnet_bits_u64(&rd->bits);
		break;
	case BNET_I32:
		*(int32_t *)at = bnet_bits_i32(&rd->bits);
		break;
	case BNET_I64:
		*(int64_t *)at = bnet_bits_i64(&rd->bits);
		break;
	case BNET_BOOL:
		*(bool *)at = bnet_bits_bool(&rd->bits);
		break;
	case BNET_STRING:
		return read_string(rd, at);
	case BNET_ARRAY:
		*(uint32_t *)at = bnet_bits_u32(&rd->bits);
		return read_array(rd, field->list, *(uint32_t *)at, message);
	}
	return BNET_OK;
}

static enum bnet_err
read_fields(struct reader *rd, const struct bnet_field *fields, size_t n_fields,
    void *into, void *message)
{
	for (size_t i = 0; i < n_fields; i++) {
		enum bnet_err err = read_field(
		    rd, &fields[i], (uint8_t *)into + fields[i].at, message);

		if (err != BNET_OK)
			return err;
	}
	return rd->bits.bad ? BNET_EMESSAGE : BNET_OK;
}

enum bnet_err
bnet_message_decode(enum bnet_message_type type, struct bnet_slice body,
    struct bnet_message *message, struct bnet_buf *store, size_t *left_bytes)
{
	const struct bnet_row *row = bnet_message_row(type);
	struct reader rd = { .store = NULL };
	uint8_t *tail;
	enum bnet_err err;

	bnet_buf_clear(store);
	if (body.len > SIZE_MAX / STORE_PER_BODY)
		return BNET_ELIMIT; /* need_bytes would wrap */
	memset(message, 0, sizeof(*message));
	message->type = type;
	bnet_bits_read(&rd.bits, body);
	err = read_fields(&rd, row->fields, row->n_fields, message, message);
	if (err != BNET_OK)
		return err;
	*left_bytes = bnet_bits_left(&rd.bits) / 8;
	if (rd.need_bytes == 0)
		return BNET_OK;
	err = bnet_buf_room(store, rd.need_bytes, &tail);
	if (err != BNET_OK)
		return err;
	rd.store = store;
	bnet_bits_read(&rd.bits, body);
	return read_fields(&rd, row->fields, row->n_fields, message, message);
}

static void
write_fields(struct bnet_bits_wr *wr, const struct bnet_field *fields,
    size_t n_fields, const void *from, const void *message);

static void
write_array(struct bnet_bits_wr *wr, const struct bnet_list *list, uint32_t n,
    const void *message)
{
	const uint8_t *element;

	memcpy(
	    &element, (const uint8_t *)message + list->p_at, sizeof(element));
	for (uint32_t i = 0; i < n && wr->err == BNET_OK; i++)
		write_fields(wr, list->fields, list->n_fields,
		    element + i * list->element_bytes, message);
}

static void
write_field(struct bnet_bits_wr *wr, const struct bnet_field *field,
    const void *at, const void *message)
{
	const struct bnet_string *s = at;

	switch (field->kind) {
	case BNET_U32:
		bnet_bits_put_u32(wr, *(const uint32_t *)at);
		break;
	case BNET_U64:
		bnet_bits_put_u64(wr, *(const uint64_t *)at);
		break;
	case BNET_I32:
		bnet_bits_put_i32(wr, *(const int32_t *)at);
		break;
	case BNET_I64:
		bnet_bits_put_i64(wr, *(const int64_t *)at);
		break;
	case BNET_BOOL:
		bnet_bits_put_bool(wr, *(const bool *)at);
		break;
	case BNET_STRING:
		bnet_bits_put_string(wr, s->p, s->len_bytes);
		break;
	case BNET_ARRAY:
		bnet_bits_put_u32(wr, *(const uint32_t *)at);
		write_array(wr, field->list, *(const uint32_t *)at, message);
		break;
	}
}

static void
write_fields(struct bnet_bits_wr *wr, const struct bnet_field *fields,
    size_t n_fields, const void *from, const void *message)
{
	for (size_t i = 0; i < n_fields; i++)
		write_field(wr, &fields[i],
		    (const uint8_t *)from + fields[i].at, message);
}

enum bnet_err
bnet_message_encode(const struct bnet_message *message, struct bnet_buf *out)
{
	const struct bnet_row *row = bnet_message_row(message->type);
	struct bnet_bits_wr wr;

	bnet_bits_write(&wr, out);
	write_fields(&wr, row->fields, row->n_fields, message, message);
	return bnet_bits_finish(&wr);
}
