/* SPDX-License-Identifier: MIT */
#include "cmd/filter/fields.h"

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

static const struct filter_word dest_words[] = {
	{ "hop", BNET_DEST_HOP },
	{ "node", BNET_DEST_NODE },
	{ "client", BNET_DEST_CLIENT },
	{ "broadcast", BNET_DEST_BROADCAST },
	{ "any", BNET_DEST_ANY },
	{ NULL, 0 },
};

/* The messages and their fields, from the table of the library. */
#define MESSAGE_ROWS_MAX 64
#define MESSAGE_NAME_CHARS 40

static struct {
	struct filter_word words[BNET_N_MSGS]; /* the last one ends the list */
	struct filter_row rows[MESSAGE_ROWS_MAX];
	char names[MESSAGE_ROWS_MAX][MESSAGE_NAME_CHARS];
	size_t n_rows;
} messages;

_Static_assert((int)BNET_N_MSGS <= 64, "words are bits of a uint64_t");

_Static_assert(sizeof(enum cap_event_type) == sizeof(uint32_t) &&
	sizeof(enum bnet_order) == sizeof(uint32_t),
    "LOAD_ENUM reads 32 bits");

#define EVENT(member) offsetof(struct cap_event, member)
#define STREAM(member) offsetof(struct cap_stream, member)
#define PACKET(member) offsetof(struct bnet_packet, member)
#define HEADER(member) offsetof(struct bnet_header, member)
#define RECORD(member) offsetof(struct record, member)

/* clang-format off */
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
	    BASE_STREAM, LOAD_END_SRC, 0 },
	{ { "src_port", FILTER_NUMBER, "", "TCP port of src", NULL },
	    BASE_STREAM, LOAD_PORT_SRC, 0 },
	{ { "dst", FILTER_ADDRESS, "", "the receiver's end", NULL },
	    BASE_STREAM, LOAD_END_DST, 0 },
	{ { "dst_port", FILTER_NUMBER, "", "TCP port of dst", NULL },
	    BASE_STREAM, LOAD_PORT_DST, 0 },
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
	    BASE_FRAME, LOAD_IDS, 0 },
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
	    BASE_HEADER, LOAD_PONG_PING, 0 },
	{ { "payload_len", FILTER_NUMBER, "bytes",
	    "of the payload, decompressed", NULL },
	    BASE_FRAME, LOAD_SIZE, PACKET(payload.len) },
	{ { "payload", FILTER_BYTES, "", "the payload, decompressed", NULL },
	    BASE_FRAME, LOAD_SLICE, PACKET(payload) },
	{ { "message", FILTER_WORD, "", "name of the session message",
	    messages.words },
	    BASE_RECORD, LOAD_ENUM, RECORD(message_type) },
	{ { "reason", FILTER_STRING, "", "of what is no frame", NULL },
	    BASE_EVENT_LOSS, LOAD_CSTR, EVENT(reason) },
	{ { "bytes", FILTER_NUMBER, "bytes", "that the event took", NULL },
	    BASE_EVENT_LOSS, LOAD_U64, EVENT(bytes) },
};

/* clang-format on */

#define N_ROWS (sizeof(rows) / sizeof(rows[0]))

/*
 * Selects how to load a field of a message; returns false if it is not offered.
 */
static bool
message_row(const struct bnet_field *field, struct filter_row *row)
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

	if (field->secret)
		return false;
	row->field.type = kinds[field->kind].type;
	row->field.unit = row->field.description = "";
	row->field.words = row->field.type == FILTER_BOOL ? bool_words : NULL;
	row->load = kinds[field->kind].load;
	row->offset = field->at;
	return true;
}

static void
add_message(enum bnet_message_type type)
{
	static const char prefix[] = "bluenet.";
	const char *name = bnet_message_name(type) + sizeof(prefix) - 1;
	size_t n, at;
	const struct bnet_field *field = bnet_message_fields(type, &n);

	messages.words[type - 1] = (struct filter_word){ name, type };
	for (; n > 0; n--, field++) {
		struct filter_row row = { .base = (enum filter_base)(
					      BASE_MESSAGE + (int)type) };

		at = messages.n_rows;
		if (at == MESSAGE_ROWS_MAX || !message_row(field, &row))
			continue;
		snprintf(messages.names[at], MESSAGE_NAME_CHARS, "%s.%s", name,
		    field->list == NULL ? field->name : "n");
		row.field.name = messages.names[at];
		messages.rows[messages.n_rows++] = row;
	}
}

/* Builds the rows from the table of the library, once. */
static void
messages_init(void)
{
	if (messages.n_rows > 0)
		return;
	for (int type = BNET_MSG_NONE + 1; type < BNET_N_MSGS; type++)
		add_message((enum bnet_message_type)type);
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

const struct filter_row *
filter_row_find(const char *name, size_t len)
{
	const struct filter_row *row;

	for (size_t i = 0; (row = row_at(i)) != NULL; i++)
		if (strlen(row->field.name) == len &&
		    memcmp(row->field.name, name, len) == 0)
			return row;
	return NULL;
}

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

const char *
filter_row_nearest(const char *name, size_t len)
{
	const struct filter_row *row;
	const char *best = NULL, *its;
	size_t best_distance = len / 3 + 2, d;

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
	[FILTER_BYTES] = { "bytes", "== != in contains" },
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

	fputs("\nFields of session messages, see bluenet-wire(5):", f);
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
	      "  \"127.0.0.1:26000\"  0a:0b:0c\n"
	      "  in { 1, 5..9 }  in { \"a\", \"b\" }\n"
	      "\nA comparison with a field that is not there is false, also"
	      " with !=.\nA field alone is true when it is there and neither"
	      " 0, empty, false nor none.\n",
	    f);
}
