/* SPDX-License-Identifier: MIT */
/*
 * A table of the messages and their fields (bluenet-wire.5); one reader and one
 * writer walk it.
 */
#include "message.h"

#include "bits.h"

#include <stddef.h>
#include <string.h>

/* An upper bound of the store that a body needs, per byte of body. */
#define STORE_PER_BODY 64

/* One row per message: its name, its key, its fields in wire order. */
struct bnet_row {
	const char *name;
	int32_t key;
	const struct bnet_field *fields;
	size_t n_fields;
};

/* ---- the table ---- */

#define AT(member) offsetof(struct bnet_message, u.member)
#define FIELD(its_kind, of, member) \
	{ \
		.name = #member, .kind = BNET_FIELD_##its_kind, \
		.at = AT(of.member) \
	}
#define SECRET(its_kind, of, member) \
	{ \
		.name = #member, .kind = BNET_FIELD_##its_kind, \
		.secret = true, .at = AT(of.member) \
	}
#define LIST(of, its_list) \
	{ \
		.name = #its_list, .kind = BNET_FIELD_LIST, .at = AT(of.n), \
		.list = &its_list \
	}
#define ELEMENT(its_kind, of, member) \
	{ \
		.name = #member, .kind = BNET_FIELD_##its_kind, \
		.at = offsetof(struct of, member) \
	}
#define FIELDS(table) table, sizeof(table) / sizeof((table)[0])
#define NO_FIELDS NULL, 0

static const struct bnet_field entry_fields[] = {
	ELEMENT(U64, bnet_roster_entry, id),
	ELEMENT(U32, bnet_roster_entry, role),
	ELEMENT(STRING, bnet_roster_entry, name),
	ELEMENT(U32, bnet_roster_entry, latency_us),
};

static const struct bnet_list entries = { FIELDS(entry_fields),
	AT(roster_reply.entries), sizeof(struct bnet_roster_entry) };

static const struct bnet_field hop_fields[] = {
	ELEMENT(U64, bnet_echo_hop, id),
	ELEMENT(U64, bnet_echo_hop, in_ns),
	ELEMENT(U64, bnet_echo_hop, out_ns),
};

static const struct bnet_list hops = { FIELDS(hop_fields), AT(echo.hops),
	sizeof(struct bnet_echo_hop) };

static const struct bnet_field hello[] = {
	FIELD(U32, hello, version),
	FIELD(U32, hello, role),
	FIELD(U64, hello, wanted_id),
	FIELD(U32, hello, codecs),
	FIELD(U32, hello, frame_max_bytes),
	FIELD(STRING, hello, name),
	SECRET(STRING, hello, token),
};

static const struct bnet_field welcome[] = {
	FIELD(U32, welcome, version),
	FIELD(U64, welcome, id),
	FIELD(U64, welcome, relay_id),
	FIELD(U32, welcome, codecs),
	FIELD(U32, welcome, frame_max_bytes),
	FIELD(U32, welcome, keepalive_ms),
	FIELD(STRING, welcome, environment),
	FIELD(STRING, welcome, relay_name),
	FIELD(U64, welcome, time_ns),
};

static const struct bnet_field refuse[] = {
	FIELD(U32, refuse, code),
	FIELD(STRING, refuse, reason),
};

static const struct bnet_field error[] = {
	FIELD(U32, error, code),
	FIELD(I64, error, dest_type),
	FIELD(I64, error, dest),
	FIELD(I32, error, key),
	FIELD(U64, error, cookie),
	FIELD(STRING, error, reason),
};

static const struct bnet_field reg[] = {
	FIELD(I32, reg, key),
};

static const struct bnet_field roster[] = {
	FIELD(U32, roster, roles),
	FIELD(STRING, roster, prefix),
};

static const struct bnet_field roster_reply[] = {
	FIELD(BOOL, roster_reply, more),
	LIST(roster_reply, entries),
};

/* Only the reply has the last two. */
static const struct bnet_field echo[] = {
	FIELD(U64, echo, cookie),
	FIELD(U64, echo, sent_ns),
	FIELD(U32, echo, flags),
	LIST(echo, hops),
	FIELD(U64, echo, received_ns),
	FIELD(U64, echo, replied_ns),
};

#define ECHO_FIELDS echo, sizeof(echo) / sizeof(echo[0]) - 2

static const struct bnet_field drain[] = {
	FIELD(U32, drain, seconds),
	FIELD(STRING, drain, where),
};

/* Type, name, bnet_key() of the name, fields. A test checks the keys. */
#define MESSAGES(X) \
	X(HELLO, "bluenet.hello", 1788429030, FIELDS(hello)) \
	X(WELCOME, "bluenet.welcome", -1135695718, FIELDS(welcome)) \
	X(REFUSE, "bluenet.refuse", -2079037610, FIELDS(refuse)) \
	X(ERROR, "bluenet.error", -1711401820, FIELDS(error)) \
	X(REGISTER, "bluenet.register", -863860887, FIELDS(reg)) \
	X(ROSTER, "bluenet.roster", 1566002959, FIELDS(roster)) \
	X(ROSTER_REPLY, "bluenet.roster-reply", -1525585132, \
	    FIELDS(roster_reply)) \
	X(ECHO, "bluenet.echo", -1617951807, ECHO_FIELDS) \
	X(ECHO_REPLY, "bluenet.echo-reply", 519320538, FIELDS(echo)) \
	X(KEEPALIVE, "bluenet.keepalive", -784070224, NO_FIELDS) \
	X(DISCARD, "bluenet.discard", 2064977508, NO_FIELDS) \
	X(DRAIN, "bluenet.drain", 1793123208, FIELDS(drain))

static const struct bnet_row rows[BNET_N_MSGS] = {
	[BNET_MSG_NONE] = { .name = "" },
#define ROW(type, name, key, ...) \
	[BNET_MSG_##type] = { name, key, __VA_ARGS__ },
	MESSAGES(ROW)
#undef ROW
};

static const char *const code_names[] = {
	[BNET_CODE_VERSION] = "bad version",
	[BNET_CODE_NOT_AUTHORISED] = "not authorised",
	[BNET_CODE_NO_DESTINATION] = "no such destination",
	[BNET_CODE_REFUSED] = "refused",
	[BNET_CODE_OVERLOADED] = "overloaded",
	[BNET_CODE_TOO_LARGE] = "too large",
	[BNET_CODE_MALFORMED] = "malformed",
	[BNET_CODE_SHUTTING_DOWN] = "shutting down",
	[BNET_CODE_REPLACED] = "replaced by a newer connection",
};

static const struct bnet_row *
message_row(enum bnet_message_type type)
{
	return &rows[(unsigned)type < BNET_N_MSGS ? type : BNET_MSG_NONE];
}

enum bnet_message_type
bnet_message_type(int32_t key)
{
	switch (key) {
#define CASE(type, name, its_key, ...) \
	case its_key: \
		return BNET_MSG_##type;
		MESSAGES(CASE)
#undef CASE
	default:
		return BNET_MSG_NONE;
	}
}

const char *
bnet_message_name(enum bnet_message_type type)
{
	return message_row(type)->name;
}

int32_t
bnet_message_key(enum bnet_message_type type)
{
	return message_row(type)->key;
}

const char *
bnet_code_name(uint32_t code)
{
	if (code >= sizeof(code_names) / sizeof(code_names[0]) ||
	    code_names[code] == NULL)
		return "unknown code";
	return code_names[code];
}

const struct bnet_field *
bnet_message_fields(enum bnet_message_type type, size_t *n_fields)
{
	const struct bnet_row *row = message_row(type);

	*n_fields = row->n_fields;
	return row->fields;
}

/* ---- reading ---- */

/*
 * A body is read twice: first to check and measure it, then, with the store
 * reserved in one piece, to fill in the message. So a malformed body is
 * refused before anything is allocated, and nothing in the store ever moves.
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
 * An array comes before all strings of its message, so it is at the start of
 * the store, which malloc() has aligned for it. If it claims more elements
 * than the bits can hold, measuring stops at the end of the bits.
 */
static enum bnet_err
read_list(
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
	case BNET_FIELD_U32:
		*(uint32_t *)at = bnet_bits_u32(&rd->bits);
		break;
	case BNET_FIELD_U64:
		*(uint64_t *)at = bnet_bits_u64(&rd->bits);
		break;
	case BNET_FIELD_I32:
		*(int32_t *)at = bnet_bits_i32(&rd->bits);
		break;
	case BNET_FIELD_I64:
		*(int64_t *)at = bnet_bits_i64(&rd->bits);
		break;
	case BNET_FIELD_BOOL:
		*(bool *)at = bnet_bits_bool(&rd->bits);
		break;
	case BNET_FIELD_STRING:
		return read_string(rd, at);
	case BNET_FIELD_LIST:
		*(uint32_t *)at = bnet_bits_u32(&rd->bits);
		return read_list(rd, field->list, *(uint32_t *)at, message);
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
	const struct bnet_row *row = message_row(type);
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

/* ---- writing ---- */

static void
write_fields(struct bnet_bits_wr *wr, const struct bnet_field *fields,
    size_t n_fields, const void *from, const void *message);

static void
write_list(struct bnet_bits_wr *wr, const struct bnet_list *list, uint32_t n,
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
	case BNET_FIELD_U32:
		bnet_bits_put_u32(wr, *(const uint32_t *)at);
		break;
	case BNET_FIELD_U64:
		bnet_bits_put_u64(wr, *(const uint64_t *)at);
		break;
	case BNET_FIELD_I32:
		bnet_bits_put_i32(wr, *(const int32_t *)at);
		break;
	case BNET_FIELD_I64:
		bnet_bits_put_i64(wr, *(const int64_t *)at);
		break;
	case BNET_FIELD_BOOL:
		bnet_bits_put_bool(wr, *(const bool *)at);
		break;
	case BNET_FIELD_STRING:
		bnet_bits_put_string(wr, s->p, s->len_bytes);
		break;
	case BNET_FIELD_LIST:
		bnet_bits_put_u32(wr, *(const uint32_t *)at);
		write_list(wr, field->list, *(const uint32_t *)at, message);
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
	const struct bnet_row *row = message_row(message->type);
	struct bnet_bits_wr wr;

	bnet_bits_write(&wr, out);
	write_fields(&wr, row->fields, row->n_fields, message, message);
	return bnet_bits_finish(&wr);
}
