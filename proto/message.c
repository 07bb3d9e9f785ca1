/* SPDX-License-Identifier: MIT */
/*
 * The session messages as tables: names, keys, fields (bluenet-wire.5). Then
 * what reads and writes any of them by its row.
 */
#include "message.h"

#include "bits.h"

#include <string.h>

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

#define AT(member) offsetof(struct bnet_message, u.member)
#define ENTRY_AT(member) offsetof(struct bnet_roster_entry, member)
#define HOP_AT(member) offsetof(struct bnet_echo_hop, member)
#define FIELDS(table) table, sizeof(table) / sizeof((table)[0])
#define NO_FIELDS NULL, 0

static const struct bnet_field entry_fields[] = {
	{ .kind = BNET_U64, .at = ENTRY_AT(id) },
	{ .kind = BNET_U32, .at = ENTRY_AT(role) },
	{ .kind = BNET_STRING, .at = ENTRY_AT(name) },
	{ .kind = BNET_U32, .at = ENTRY_AT(latency_us) },
};

static const struct bnet_list entries = { AT(roster_reply.entries),
	sizeof(struct bnet_roster_entry), FIELDS(entry_fields) };

static const struct bnet_field hop_fields[] = {
	{ .kind = BNET_U64, .at = HOP_AT(id) },
	{ .kind = BNET_U64, .at = HOP_AT(in_ns) },
	{ .kind = BNET_U64, .at = HOP_AT(out_ns) },
};

static const struct bnet_list hops = { AT(echo.hops),
	sizeof(struct bnet_echo_hop), FIELDS(hop_fields) };

static const struct bnet_field hello[] = {
	{ .kind = BNET_U32, .at = AT(hello.version) },
	{ .kind = BNET_U32, .at = AT(hello.role) },
	{ .kind = BNET_U64, .at = AT(hello.wanted_id) },
	{ .kind = BNET_U32, .at = AT(hello.codecs) },
	{ .kind = BNET_U32, .at = AT(hello.frame_max_bytes) },
	{ .kind = BNET_STRING, .at = AT(hello.name) },
	{ .kind = BNET_STRING, .at = AT(hello.token) },
};

static const struct bnet_field welcome[] = {
	{ .kind = BNET_U32, .at = AT(welcome.version) },
	{ .kind = BNET_U64, .at = AT(welcome.id) },
	{ .kind = BNET_U64, .at = AT(welcome.relay_id) },
	{ .kind = BNET_U32, .at = AT(welcome.codecs) },
	{ .kind = BNET_U32, .at = AT(welcome.frame_max_bytes) },
	{ .kind = BNET_U32, .at = AT(welcome.keepalive_ms) },
	{ .kind = BNET_STRING, .at = AT(welcome.environment) },
	{ .kind = BNET_STRING, .at = AT(welcome.relay_name) },
	{ .kind = BNET_U64, .at = AT(welcome.time_ns) },
};

static const struct bnet_field refuse[] = {
	{ .kind = BNET_U32, .at = AT(refuse.code) },
	{ .kind = BNET_STRING, .at = AT(refuse.reason) },
};

static const struct bnet_field error[] = {
	{ .kind = BNET_U32, .at = AT(error.code) },
	{ .kind = BNET_I64, .at = AT(error.dest_type) },
	{ .kind = BNET_I64, .at = AT(error.dest) },
	{ .kind = BNET_I32, .at = AT(error.key) },
	{ .kind = BNET_U64, .at = AT(error.cookie) },
	{ .kind = BNET_STRING, .at = AT(error.reason) },
};

static const struct bnet_field reg[] = {
	{ .kind = BNET_I32, .at = AT(reg.key) },
};

static const struct bnet_field roster[] = {
	{ .kind = BNET_U32, .at = AT(roster.roles) },
	{ .kind = BNET_STRING, .at = AT(roster.prefix) },
};

static const struct bnet_field roster_reply[] = {
	{ .kind = BNET_BOOL, .at = AT(roster_reply.more) },
	{ .kind = BNET_ARRAY, .at = AT(roster_reply.n), .list = &entries },
};

/* The last two are the reply's only. */
static const struct bnet_field echo[] = {
	{ .kind = BNET_U64, .at = AT(echo.cookie) },
	{ .kind = BNET_U64, .at = AT(echo.sent_ns) },
	{ .kind = BNET_U32, .at = AT(echo.flags) },
	{ .kind = BNET_ARRAY, .at = AT(echo.n), .list = &hops },
	{ .kind = BNET_U64, .at = AT(echo.received_ns) },
	{ .kind = BNET_U64, .at = AT(echo.replied_ns) },
};

#define ECHO_FIELDS echo, sizeof(echo) / sizeof(echo[0]) - 2

static const struct bnet_field drain[] = {
	{ .kind = BNET_U32, .at = AT(drain.seconds) },
	{ .kind = BNET_STRING, .at = AT(drain.where) },
};

/* Type, name, bnet_key() of the name, fields. A test holds the keys. */
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

/* Never NULL; the empty row for a type that there is not. */
static const struct bnet_row *
bnet_message_row(enum bnet_message_type type)
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
	return bnet_message_row(type)->name;
}

int32_t
bnet_message_key(enum bnet_message_type type)
{
	return bnet_message_row(type)->key;
}

const char *
bnet_code_name(uint32_t code)
{
	if (code >= sizeof(code_names) / sizeof(code_names[0]) ||
	    code_names[code] == NULL)
		return "unknown code";
	return code_names[code];
}

/* One reader and one writer walk the fields of every message's row. */

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
