/* SPDX-License-Identifier: MIT */
#include "cmd/filter/fields.h"

#include <stdio.h>
#include <string.h>

static const struct filter_word type_words[] = {
	{ "frame", CAP_FRAME },
	{ "gap", CAP_GAP },
	{ "skip", CAP_SKIP },
	{ "overlap", CAP_OVERLAP },
	{ "malformed", CAP_MALFORMED },
	{ "limit", CAP_LIMIT },
	{ "proxy", CAP_PROXY },
	{ "note", CAP_NOTE },
	{ "clock", CAP_CLOCK },
	{ NULL, 0 },
};

static const struct filter_word dir_words[] = {
	{ "up", CAP_UP },
	{ "down", CAP_DOWN },
	{ NULL, 0 },
};

static const struct filter_word order_words[] = {
	{ "little", BNET_ORDER_LITTLE },
	{ "network", BNET_ORDER_NETWORK },
	{ NULL, 0 },
};

static const struct filter_word codec_words[] = {
	{ "none", BNET_CODEC_NONE },
	{ "zlib", BNET_CODEC_ZLIB },
	{ "snappy", BNET_CODEC_SNAPPY },
	{ NULL, 0 },
};

static const struct filter_word bool_words[] = {
	{ "true", 1 },
	{ "false", 0 },
	{ NULL, 0 },
};

static const struct filter_word clock_words[] = {
	{ "init", PAYLOAD_CLOCK_INIT },
	{ "update", PAYLOAD_CLOCK_UPDATE },
	{ "detach", PAYLOAD_CLOCK_DETACH },
	{ NULL, 0 },
};

static const struct filter_word dest_words[] = {
	{ "hop", BNET_DEST_HOP },
	{ "node", BNET_DEST_NODE },
	{ "client", BNET_DEST_CLIENT },
	{ "broadcast", BNET_DEST_BROADCAST },
	{ "any", BNET_DEST_ANY },
	{ NULL, 0 },
};

/* The messages and their fields, from the table of the library. */
#define MESSAGE_ROWS_MAX 128
#define MESSAGE_NAME_CHARS 40
#define MESSAGE_TYPE_PREFIX "message."

static struct {
	struct filter_word words[BNET_N_MSGS]; /* the last one ends the list */
	struct filter_row rows[MESSAGE_ROWS_MAX];
	char names[MESSAGE_ROWS_MAX][MESSAGE_NAME_CHARS];
	size_t n_rows, n_own; /* those after n_own are of any message */
	/* of those: the row of each type, as its number + 1; 0: none */
	uint8_t of_type[MESSAGE_ROWS_MAX][BNET_N_MSGS];
} messages;

_Static_assert(MESSAGE_ROWS_MAX < UINT8_MAX, "numbers of rows fit");

_Static_assert((int)BNET_N_MSGS <= 64, "words are bits of a uint64_t");

_Static_assert(sizeof(enum cap_event_type) == sizeof(uint32_t) &&
	sizeof(enum bnet_order) == sizeof(uint32_t),
    "LOAD_ENUM reads 32 bits");

/* The place of a field in the struct of its base. */
#define EVENT(member) .offset = offsetof(struct cap_event, member)
#define STREAM(member) .offset = offsetof(struct cap_stream, member)
#define PACKET(member) .offset = offsetof(struct bnet_packet, member)
#define HEADER(member) .offset = offsetof(struct bnet_header, member)
#define MACHO(member) .offset = offsetof(struct bnet_macho, member)
#define PAYLOAD(member) .offset = offsetof(struct payload, member)
#define RECORD(member) .offset = offsetof(struct record, member)

/* clang-format off */
/* The members of an address of a machoNet packet. */
#define ADDRESS_NODE(name, address, what, member, meaning) \
	{ { "macho." name "." what, FILTER_VALUE, "", meaning, NULL }, \
	    BASE_MACHO, LOAD_PATH, MACHO(address.member) }
#define ADDRESS_ROWS(name, address, who) \
	{ { "macho." name ".type", FILTER_VALUE, "", \
	    "of the " who ": node, client, any, broadcast", dest_words }, \
	    BASE_MACHO, LOAD_DEST, MACHO(address.type) }, \
	ADDRESS_NODE(name, address, "id", id, "of the " who), \
	ADDRESS_NODE(name, address, "service", service, "at the " who), \
	ADDRESS_NODE(name, address, "call_id", call_id, "at the " who), \
	ADDRESS_NODE(name, address, "event", broadcast, "that is broadcast"), \
	ADDRESS_NODE(name, address, "narrowcast", narrowcast, \
	    "whom it is for"), \
	ADDRESS_NODE(name, address, "id_type", id_type, "what that names")

static const struct filter_row rows[] = {
	{ { "type", FILTER_WORD, "", "what the record is", type_words },
	    BASE_EVENT, LOAD_ENUM, EVENT(type) },
	{ { "number", FILTER_NUMBER, "", "of the frame, from 1", NULL },
	    BASE_EVENT_FRAME, LOAD_U64, EVENT(number) },
	{ { "time", FILTER_TIME, "s", "when the packet was captured", NULL },
	    BASE_EVENT, LOAD_I64, EVENT(time_ns) },
	{ { "packet", FILTER_NUMBER, "",
	    "number of the packet in the capture, from 1", NULL },
	    BASE_EVENT, LOAD_U64, EVENT(packet) },
	{ { "stream", FILTER_NUMBER, "", "TCP connection, from 0", NULL },
	    BASE_STREAM, LOAD_U64, STREAM(number) },
	{ { "dir", FILTER_WORD, "",
	    "up: from the side that opened the connection", dir_words },
	    BASE_EVENT_STREAM, LOAD_ENUM, EVENT(dir) },
	{ { "src", FILTER_ADDRESS, "", "the sender's end", NULL },
	    BASE_STREAM, LOAD_END_SRC, .offset = 0 },
	{ { "src.ip", FILTER_IP, "", "address of src", NULL },
	    BASE_STREAM, LOAD_IP_SRC, .offset = 0 },
	{ { "src.port", FILTER_NUMBER, "", "TCP port of src", NULL },
	    BASE_STREAM, LOAD_PORT_SRC, .offset = 0 },
	{ { "dst", FILTER_ADDRESS, "", "the receiver's end", NULL },
	    BASE_STREAM, LOAD_END_DST, .offset = 0 },
	{ { "dst.ip", FILTER_IP, "", "address of dst", NULL },
	    BASE_STREAM, LOAD_IP_DST, .offset = 0 },
	{ { "dst.port", FILTER_NUMBER, "", "TCP port of dst", NULL },
	    BASE_STREAM, LOAD_PORT_DST, .offset = 0 },
	{ { "addr", FILTER_ADDRESS, "", "src and dst; any may fit", NULL },
	    BASE_STREAM, LOAD_END_BOTH, 0, .many = true },
	{ { "port", FILTER_NUMBER, "", "TCP port of both; any may fit", NULL },
	    BASE_STREAM, LOAD_PORT_BOTH, 0, .many = true },
	{ { "client_src", FILTER_ADDRESS, "",
	    "the client's, by a PROXY header", NULL },
	    BASE_STREAM, LOAD_CSTR, STREAM(client_src) },
	{ { "client_dst", FILTER_ADDRESS, "",
	    "what that client connected to", NULL },
	    BASE_STREAM, LOAD_CSTR, STREAM(client_dst) },
	{ { "order", FILTER_WORD, "", "byte order, once known", order_words },
	    BASE_STREAM, LOAD_ENUM, STREAM(order) },
	{ { "size", FILTER_NUMBER, "bytes", "of the frame after its word",
	    NULL },
	    BASE_FRAME, LOAD_U32, PACKET(size_bytes) },
	{ { "codec", FILTER_WORD, "", "how the payload came", codec_words },
	    BASE_FRAME, LOAD_ENUM, PACKET(codec) },
	{ { "oob_len", FILTER_NUMBER, "bytes", "of the out-of-band section",
	    NULL },
	    BASE_FRAME, LOAD_SIZE, PACKET(oob.len) },
	{ { "trailing_len", FILTER_NUMBER, "bytes", "of that behind the header",
	    NULL },
	    BASE_FRAME, LOAD_SIZE, PACKET(trailing_bytes) },
	{ { "oob", FILTER_BYTES, "", "the out-of-band section", NULL },
	    BASE_FRAME, LOAD_SLICE, PACKET(oob) },
	{ { "header", FILTER_BOOL, "", "there is a BlueNet header",
	    bool_words },
	    BASE_FRAME, LOAD_BOOL, PACKET(has_header) },
	{ { "source", FILTER_NUMBER, "", "id of the sender", NULL },
	    BASE_HEADER, LOAD_I64, HEADER(source) },
	{ { "dest_type", FILTER_NUMBER, "", "kind of destination",
	    dest_words },
	    BASE_HEADER, LOAD_I64, HEADER(dest_type) },
	{ { "dest", FILTER_NUMBER, "", "id of the destination", NULL },
	    BASE_HEADER, LOAD_I64, HEADER(dest) },
	{ { "key", FILTER_NUMBER, "",
	    "of the application; signed, or unsigned as 0x...", NULL },
	    BASE_HEADER, LOAD_KEY, HEADER(key) },
	{ { "key_name", FILTER_STRING, "", "the name, where it is known",
	    NULL },
	    BASE_RECORD, LOAD_CSTR, RECORD(key_name) },
	{ { "forks", FILTER_NUMBER, "", "number of fork ids", NULL },
	    BASE_HEADER, LOAD_U32, HEADER(forks) },
	{ { "fork_ids", FILTER_NUMBER, "", "client ids; any may fit", NULL },
	    BASE_FRAME, LOAD_IDS, 0, .many = true },
	{ { "serial", FILTER_NUMBER, "", "serial number", NULL },
	    BASE_HEADER, LOAD_U32, HEADER(serial) },
	{ { "latency_ms", FILTER_NUMBER, "ms", "over the hops so far", NULL },
	    BASE_HEADER, LOAD_U32, HEADER(latency_ms) },
	{ { "priority", FILTER_BOOL, "", "to be flushed at once",
	    bool_words },
	    BASE_HEADER, LOAD_BOOL, HEADER(priority) },
	{ { "timestamp", FILTER_NUMBER, "", "not 0: a ping", NULL },
	    BASE_HEADER, LOAD_U64, HEADER(timestamp) },
	{ { "ping", FILTER_NUMBER, "", "that a pong carries", NULL },
	    BASE_HEADER, LOAD_PONG_PING, .offset = 0 },
	{ { "payload_len", FILTER_NUMBER, "bytes",
	    "of the payload, decompressed", NULL },
	    BASE_FRAME, LOAD_SIZE, PACKET(payload.len) },
	{ { "cut_of", FILTER_NUMBER, "bytes",
	    "on the wire, of a payload that was cut",
	    NULL },
	    BASE_EVENT_CUT, LOAD_U64, EVENT(cut_of) },
	{ { "payload", FILTER_BYTES, "", "the payload, decompressed", NULL },
	    BASE_FRAME, LOAD_SLICE, PACKET(payload) },
	{ { "message", FILTER_WORD, "", "name of the session message",
	    messages.words },
	    BASE_RECORD, LOAD_ENUM, RECORD(message_type) },
	{ { "macho.type", FILTER_STRING, "",
	    "of a machoNet packet: call, result, event, error, ...", NULL },
	    BASE_MACHO, LOAD_MACHO_TYPE, MACHO(type) },
	{ { "macho.service", FILTER_STRING, "", "that is called", NULL },
	    BASE_MACHO, LOAD_NODE, MACHO(service) },
	{ { "macho.method", FILTER_STRING, "", "that is called", NULL },
	    BASE_MACHO, LOAD_NODE, MACHO(method) },
	{ { "macho.event", FILTER_STRING, "", "name of a notification", NULL },
	    BASE_MACHO, LOAD_NODE, MACHO(event) },
	{ { "macho.call_id", FILTER_NUMBER, "",
	    "of the call that is made or answered", NULL },
	    BASE_MACHO_CALL, LOAD_I64, MACHO(call_id) },
	{ { "macho.number", FILTER_NUMBER, "", "type as a number", NULL },
	    BASE_MACHO, LOAD_I64, MACHO(type) },
	{ { "macho.error", FILTER_STRING, "", "of an error: its name", NULL },
	    BASE_MACHO_ERROR, LOAD_MACHO_ERROR, MACHO(code) },
	{ { "macho.code", FILTER_NUMBER, "", "of an error: its number", NULL },
	    BASE_MACHO_ERROR, LOAD_I64, MACHO(code) },
	{ { "macho.answered", FILTER_STRING, "",
	    "of an error: the type that it answers", NULL },
	    BASE_MACHO_ERROR, LOAD_MACHO_TYPE, MACHO(answered_type) },
	{ { "macho.exception", FILTER_VALUE, "", "in an error", NULL },
	    BASE_MACHO, LOAD_PATH, MACHO(exception) },
	ADDRESS_ROWS("source", source, "sender"),
	ADDRESS_ROWS("destination", destination, "receiver"),
	{ { "macho.user_id", FILTER_VALUE, "", "of the user", NULL },
	    BASE_MACHO, LOAD_PATH, MACHO(user_id) },
	{ { "macho.args", FILTER_VALUE, "",
	    "macho.args[N]: an argument of a call or event", NULL },
	    BASE_MACHO, LOAD_PATH, MACHO(args) },
	{ { "macho.kwargs", FILTER_VALUE, "",
	    "macho.kwargs.KEY: one by name", NULL },
	    BASE_MACHO, LOAD_PATH, MACHO(kwargs) },
	{ { "macho.result", FILTER_VALUE, "", "of a call", NULL },
	    BASE_MACHO, LOAD_PATH, MACHO(result) },
	{ { "object", FILTER_VALUE, "",
	    "object.KEY[N]: a value in the payload", NULL },
	    BASE_OBJECT, LOAD_PATH, PAYLOAD(root) },
	{ { "object_error", FILTER_STRING, "", "what is wrong with it",
	    NULL },
	    BASE_OBJECT_ERROR, LOAD_CSTR, PAYLOAD(reason) },
	{ { "object_error_at", FILTER_NUMBER, "", "and at which byte",
	    NULL },
	    BASE_OBJECT_ERROR, LOAD_SIZE, PAYLOAD(at_byte) },
	{ { "batch.event", FILTER_VALUE, "", "of BlueNet::BatchPacket: name",
	    NULL },
	    BASE_BATCH, LOAD_PATH, PAYLOAD(root), .path = "[0]" },
	{ { "batch.args", FILTER_VALUE, "",
	    "batch.args[N]: an argument of it", NULL },
	    BASE_BATCH, LOAD_PATH, PAYLOAD(root), .path = "[1]" },
	{ { "clock.type", FILTER_WORD, "", "of a SimClock packet",
	    clock_words },
	    BASE_CLOCK, LOAD_ENUM, PAYLOAD(kind) },
	{ { "clock.sim_time", FILTER_NUMBER, "100 ns", "since 1601", NULL },
	    BASE_CLOCK_TIMES, LOAD_I64, PAYLOAD(clock.sim_time) },
	{ { "clock.dilation", FILTER_VALUE, "", "factor of the clock", NULL },
	    BASE_CLOCK_TIMES, LOAD_F64, PAYLOAD(clock.dilation) },
	{ { "clock.wall_clock", FILTER_NUMBER, "100 ns", "since 1601",
	    NULL },
	    BASE_CLOCK_TIMES, LOAD_I64, PAYLOAD(clock.wall_clock) },
	{ { "reason", FILTER_STRING, "", "of what is no frame", NULL },
	    BASE_EVENT_LOSS, LOAD_CSTR, EVENT(reason) },
	{ { "bytes", FILTER_NUMBER, "bytes", "that the event took", NULL },
	    BASE_EVENT_LOSS, LOAD_U64, EVENT(bytes) },
	{ { "step_ns", FILTER_NUMBER, "ns", "of the clock; positive: forward",
	    NULL },
	    BASE_EVENT_CLOCK, LOAD_I64, EVENT(step_ns) },
};

/* clang-format on */

#define N_ROWS (sizeof(rows) / sizeof(rows[0]))

/* Other names of fields. */
static const struct {
	const char *name, *means;
} aliases[] = {
	{ "src_port", "src.port" },
	{ "dst_port", "dst.port" },
	{ "src.addr", "src.ip" },
	{ "dst.addr", "dst.ip" },
	{ "message.type", "message" },
	{ "macho", "macho.type" },
	{ "macho.source", "macho.source.type" },
	{ "macho.destination", "macho.destination.type" },
	{ "batch", "batch.event" },
	{ "clock", "clock.type" },
};

#define N_ALIASES (sizeof(aliases) / sizeof(aliases[0]))
#define HEADER_PREFIX "header."

/* Selects how to load a field of a message. */
static void
set_kind(struct filter_row *row, const struct bnet_field *field)
{
	static const struct {
		enum filter_type type;
		enum filter_load load;
	} kinds[] = {
		[BNET_FIELD_U32] = { FILTER_NUMBER, LOAD_U32 },
		[BNET_FIELD_U64] = { FILTER_NUMBER, LOAD_U64 },
		[BNET_FIELD_I32] = { FILTER_NUMBER, LOAD_KEY },
		[BNET_FIELD_I64] = { FILTER_NUMBER, LOAD_I64 },
		[BNET_FIELD_BOOL] = { FILTER_BOOL, LOAD_BOOL },
		[BNET_FIELD_STRING] = { FILTER_STRING, LOAD_STRING },
		[BNET_FIELD_LIST] = { FILTER_NUMBER, LOAD_U32 },
	};

	row->field.type = kinds[field->kind].type;
	row->load = kinds[field->kind].load;
	if (field->secret) { /* as in JSON: only whether it is there */
		row->field.type = FILTER_BOOL;
		row->load = LOAD_IS_SET;
	}
	row->field.unit = row->field.description = "";
	row->field.words = row->field.type == FILTER_BOOL ? bool_words : NULL;
	row->offset = field->at;
}

/* Adds one more row; returns its number, SIZE_MAX if there is no room. */
static size_t
add_row(const struct filter_row *row, const char *of, const char *list,
    const char *name)
{
	const size_t at = messages.n_rows;

	if (at == MESSAGE_ROWS_MAX)
		return SIZE_MAX;
	snprintf(messages.names[at], MESSAGE_NAME_CHARS, "%s.%s%s%s", of, list,
	    *list != '\0' ? "." : "", name);
	messages.rows[at] = *row;
	messages.rows[at].field.name = messages.names[at];
	messages.n_rows++;
	return at;
}

static void
add_field(enum bnet_message_type type, const struct bnet_field *field,
    const struct bnet_field *list)
{
	static const char prefix[] = "bluenet.";
	const char *name = bnet_message_name(type) + sizeof(prefix) - 1;
	struct filter_row row = { .base = (enum filter_base)(
				      BASE_MESSAGE + (int)type),
		.many = list != NULL,
		.list = list };

	set_kind(&row, field);
	(void)add_row(&row, name, list != NULL ? list->name : "",
	    field->list == NULL ? field->name : "n");
}

static void
add_message(enum bnet_message_type type)
{
	static const char prefix[] = "bluenet.";
	size_t n;
	const struct bnet_field *field = bnet_message_fields(type, &n);

	messages.words[type - 1] =
	    (struct filter_word){ bnet_message_name(type) + sizeof(prefix) - 1,
		    type };
	for (; n > 0; n--, field++) {
		add_field(type, field, NULL);
		for (size_t i = 0;
		     field->list != NULL && i < field->list->n_fields; i++)
			add_field(type, &field->list->fields[i], field);
	}
}

/* "hello.name" is "name" of any message. */
static const char *
name_in_message(const struct filter_row *row)
{
	return strchr(row->field.name, '.') + 1;
}

/* Finds or adds the row for any message that has the name and type of `row`. */
static size_t
any_row(const struct filter_row *row)
{
	const char *name = name_in_message(row);
	struct filter_row any = *row;

	for (size_t i = messages.n_own; i < messages.n_rows; i++)
		if (strcmp(name_in_message(&messages.rows[i]), name) == 0)
			return messages.rows[i].load == row->load ? i
								  : SIZE_MAX;
	any.base = BASE_ANY_MESSAGE;
	any.list = NULL;
	any.offset = messages.n_rows;
	return add_row(&any, "message", "", name);
}

/* Builds the rows from the table of the library, once. */
static void
messages_init(void)
{
	size_t any;

	if (messages.n_rows > 0)
		return;
	for (int type = BNET_MSG_NONE + 1; type < BNET_N_MSGS; type++)
		add_message((enum bnet_message_type)type);
	messages.n_own = messages.n_rows;
	for (size_t i = 0; i < messages.n_own; i++) {
		any = any_row(&messages.rows[i]);
		if (any != SIZE_MAX)
			messages.of_type[any][(int)messages.rows[i].base -
			    BASE_MESSAGE] = (uint8_t)(i + 1);
	}
}

const struct filter_row *
filter_row_of(const struct filter_row *row, enum bnet_message_type type)
{
	const uint8_t at = messages.of_type[row->offset][type];

	return at == 0 ? NULL : &messages.rows[at - 1];
}

static const struct filter_row *
row_at(size_t i)
{
	messages_init();
	if (i < N_ROWS)
		return &rows[i];
	return i - N_ROWS < messages.n_rows ? &messages.rows[i - N_ROWS] : NULL;
}

const struct filter_field *
filter_field(size_t i)
{
	return i < N_ROWS ? &row_at(i)->field : NULL;
}

static bool
is_name(const char *name, const char *text, size_t len)
{
	return strlen(name) == len && memcmp(name, text, len) == 0;
}

/* Is it a member of JSON's "header"? */
static bool
is_of_header(const struct filter_row *row)
{
	return row->base == BASE_HEADER || row->load == LOAD_IDS ||
	    strcmp(row->field.name, "key_name") == 0;
}

static const struct filter_row *
find_row(const char *name, size_t len)
{
	const size_t prefix = strlen(HEADER_PREFIX);
	const bool in_header =
	    len > prefix && memcmp(name, HEADER_PREFIX, prefix) == 0;
	const struct filter_row *row;

	for (size_t i = 0; i < N_ALIASES; i++)
		if (is_name(aliases[i].name, name, len))
			return find_row(
			    aliases[i].means, strlen(aliases[i].means));
	for (size_t i = 0; (row = row_at(i)) != NULL; i++)
		if (is_name(row->field.name, name, len) ||
		    (in_header && is_of_header(row) &&
			is_name(row->field.name, name + prefix, len - prefix)))
			return row;
	return NULL;
}

/* ---- "did you mean" ---- */

/* Longer than any name; longer input is not near any name. */
#define NEAR_CHARS 24

static size_t
least(size_t a, size_t b)
{
	return a < b ? a : b;
}

static char
lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/*
 * The edit distance to the name; or one more than the distance to a prefix of
 * it.
 */
static size_t
distance(const char *a, size_t a_len, const char *name)
{
	size_t row[NEAR_CHARS + 1], len = strlen(name), corner, up, start;

	for (size_t j = 0; j <= len; j++)
		row[j] = j;
	for (size_t i = 1; i <= a_len; i++) {
		corner = row[0];
		row[0] = i;
		for (size_t j = 1; j <= len; j++) {
			up = row[j];
			corner += lower(a[i - 1]) != name[j - 1];
			row[j] = least(corner, least(up, row[j - 1]) + 1);
			corner = up;
		}
	}
	start = row[0];
	for (size_t j = 1; j <= len; j++)
		start = least(start, row[j]);
	if (start > 0 && a_len < 5) /* anything is like such a short one */
		return row[len];
	return least(row[len], start + 1);
}

/* The name that was probably meant, or NULL. */
static const char *
nearest(const char *name, size_t len)
{
	const struct filter_row *row;
	const char *best = NULL, *its;
	size_t best_distance = len < 4 ? 2 : len / 3 + 2, d;

	if (len > NEAR_CHARS)
		return NULL;
	for (size_t i = 0; (row = row_at(i)) != NULL; i++) {
		its = row->field.name;
		if (strlen(its) > NEAR_CHARS)
			continue;
		d = distance(name, len, its);
		if (len > strlen(its) && strncmp(its, name, strlen(its)) == 0)
			d = least(d, 2); /* such as destination */
		if (d < best_distance && d < len) {
			best_distance = d;
			best = its;
		}
	}
	return best;
}

/* ---- a field and its slice ---- */

static bool
no_field(const char *text, size_t len, char *err)
{
	const char *near = nearest(text, len);
	const int shown = len > NEAR_CHARS * 2 ? NEAR_CHARS * 2 : (int)len;

	if (near == NULL)
		snprintf(err, FILTER_REF_ERR_CHARS,
		    "unknown field \"%.*s%s\" (-Y help lists them)", shown,
		    text, (size_t)shown < len ? "..." : "");
	else
		snprintf(err, FILTER_REF_ERR_CHARS,
		    "unknown field \"%.*s\": did you mean \"%s\"?", shown, text,
		    near);
	return false;
}

/* Reads a number of up to nine digits; advances *s. */
static bool
slice_number(const char **s, const char *end, int64_t *v)
{
	const bool negative = *s < end && **s == '-';
	int n = 0;

	*s += negative;
	for (*v = 0; *s < end && **s >= '0' && **s <= '9' && n < 9; n++)
		*v = *v * 10 + (*(*s)++ - '0');
	*v = negative ? -*v : *v;
	return n > 0;
}

/* Reads "FROM", "FROM:LEN", "FROM-TO", ":LEN", "FROM:" up to `end`. */
static bool
read_slice(const char **s, const char *end, struct filter_ref *ref)
{
	int64_t to;

	ref->from = 0;
	ref->len = 1;
	if (*s < end && **s != ':' && !slice_number(s, end, &ref->from))
		return false;
	if (*s == end)
		return end[-1] != '[';
	if (**s == ':') {
		(*s)++;
		ref->len = -1;
		return *s == end ||
		    (slice_number(s, end, &ref->len) && ref->len > 0 &&
			*s == end);
	}
	if (*(*s)++ != '-' || !slice_number(s, end, &to) || *s != end ||
	    (to < 0) != (ref->from < 0) || to < ref->from)
		return false;
	ref->len = to - ref->from + 1;
	return true;
}

static bool
parse_slice(const char *text, size_t len, size_t at, struct filter_ref *ref,
    char *err, size_t *at_bytes)
{
	const enum filter_type type = ref->row->field.type;
	const char *s = text + at + 1, *end = text + len - 1;

	*at_bytes = at;
	if (type != FILTER_BYTES && type != FILTER_STRING) {
		snprintf(err, FILTER_REF_ERR_CHARS,
		    "%s is no bytes and no string: it has no slices",
		    ref->row->field.name);
		return false;
	}
	ref->sliced = true;
	if (*end != ']')
		s = text + len; /* a blank follows, or nothing */
	else if (read_slice(&s, end, ref))
		return true;
	*at_bytes = (size_t)(s - text);
	snprintf(err, FILTER_REF_ERR_CHARS,
	    "a slice is [OFFSET:LENGTH], [FROM-TO], [OFFSET], [OFFSET:] or"
	    " [:LENGTH], without blanks");
	return false;
}

/* A field with a path behind its name, such as object.a[0]. */
static bool
find_path(const char *text, size_t len, struct filter_ref *ref)
{
	size_t n;

	for (size_t i = 0; i < N_ROWS; i++) {
		n = strlen(rows[i].field.name);
		if (rows[i].load != LOAD_PATH || len <= n ||
		    len - n >= FILTER_PATH_CHARS ||
		    memcmp(text, rows[i].field.name, n) != 0 ||
		    (text[n] != '.' && text[n] != '['))
			continue;
		*ref = (struct filter_ref){ .row = &rows[i] };
		memcpy(ref->path, text + n, len - n);
		return true;
	}
	return false;
}

bool
filter_ref_parse(const char *text, size_t len, struct filter_ref *ref,
    char err[FILTER_REF_ERR_CHARS], size_t *at_bytes)
{
	const char *open = memchr(text, '[', len);
	const size_t name_len = open != NULL ? (size_t)(open - text) : len;

	*at_bytes = 0;
	if (find_path(text, len, ref))
		return true;
	*ref = (struct filter_ref){ .row = find_row(text, name_len) };
	if (ref->row == NULL)
		return no_field(text, name_len, err);
	return open == NULL ||
	    parse_slice(text, len, name_len, ref, err, at_bytes);
}

/* ---- what -Y help prints ---- */

static const struct {
	const char *name, *operators;
} types[FILTER_N_TYPES] = {
	[FILTER_NUMBER] = { "number", "== != < <= > >= in" },
	[FILTER_TIME] = { "time", "== != < <= > >= in" },
	[FILTER_BOOL] = { "bool", "== !=" },
	[FILTER_WORD] = { "word", "== != in contains matches" },
	[FILTER_STRING] = { "string", "== != in contains matches" },
	[FILTER_ADDRESS] = { "address", "== != in contains matches" },
	[FILTER_IP] = { "ip", "== != in contains matches" },
	[FILTER_BYTES] = { "bytes", "== != in contains matches" },
	[FILTER_VALUE] = { "value", "== != < <= > >= in contains matches" },
};

const char *
filter_type_name(enum filter_type type)
{
	return types[type].name;
}

const char *
filter_type_operators(enum filter_type type)
{
	return types[type].operators;
}

#define INDENT 24
#define LINE_CHARS 79

/*
 * Lists only names for session messages: their types are those of the wire
 * format.
 */
static void
print_message_fields(FILE *f)
{
	const struct filter_row *row;
	size_t at = LINE_CHARS, n;

	fputs("\nFields of session messages, see bluenet-wire(5); message.FIELD"
	      " is that of\nwhichever message has it:",
	    f);
	for (size_t i = N_ROWS; (row = row_at(i)) != NULL; i++) {
		n = strlen(row->field.name) + 1;
		if (at + n > LINE_CHARS) {
			fputs("\n ", f);
			at = 1;
		}
		fprintf(f, " %s", row->field.name);
		at += n;
	}
	fputc('\n', f);
}

static void
print_words(FILE *f, const struct filter_word *w)
{
	size_t at = INDENT;

	fprintf(f, "%*s", INDENT, "");
	for (; w->name != NULL; w++) {
		at += strlen(w->name) + 1;
		if (at > LINE_CHARS) {
			fprintf(f, "\n%*s", INDENT, "");
			at = INDENT + strlen(w->name) + 1;
		}
		fprintf(f, "%s ", w->name);
	}
	fputc('\n', f);
}

void
filter_help(FILE *f)
{
	const struct filter_field *field;

	fputs("Fields:\n", f);
	for (size_t i = 0; (field = filter_field(i)) != NULL; i++) {
		fprintf(f, "  %-12s %-8s %s%s%s%s\n", field->name,
		    filter_type_name(field->type), field->description,
		    *field->unit != '\0' ? " (" : "", field->unit,
		    *field->unit != '\0' ? ")" : "");
		if (field->words != NULL && field->type != FILTER_BOOL)
			print_words(f, field->words);
	}
	print_message_fields(f);
	fputs("\nOperators:\n", f);
	for (int t = 0; t < FILTER_N_TYPES; t++)
		fprintf(f, "  %-12s %s\n", types[t].name, types[t].operators);
	fputs("  eq ne lt le gt ge are == != < <= > >= in words; matches takes"
	      " a Perl-\n  compatible regular expression.\n"
	      "  Tests are joined by && (and), || (or), ! (not) and"
	      " parentheses.\n\nValues:\n"
	      "  -5  0x9f9003c1  zlib  \"text \\\" \\\\ \\n \\x0a\""
	      "  0a:0b:0c\n"
	      "  1795386162.5  \"2026-11-30 12:00\""
	      "  \"2026-11-30 12:00:05.25 +02:00\"\n"
	      "  127.0.0.1  \"127.0.0.1:26000\"  10.0.0.0/8  fd00::/8"
	      "  [::1]:26000\n"
	      "  in { 1, 5..9 }  in { \"a\", \"b\" }"
	      "  in { 10.0.0.1..10.0.0.9 }\n"
	      "\nA part of bytes and strings: payload[0:4] == 01:02:03:04"
	      " (OFFSET:LENGTH),\n[FROM-TO], [OFFSET], [OFFSET:], [:LENGTH];"
	      " a negative offset is from the end.\nNames have aliases as in"
	      " JSON (header.dest, message.type), and src_port and\ndst_port"
	      " are src.port and dst.port.\n"
	      "\nA comparison with a field that is not there is false, also"
	      " with !=.\nA field alone is true when it is there and neither"
	      " 0, empty, false nor none.\n",
	    f);
}
