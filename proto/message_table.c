/* SPDX-License-Identifier: MIT */
/* The session messages as tables: names, keys, fields (bluenet-wire.5). */
#include "message_impl.h"

#include <stddef.h>

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

const struct bnet_row *
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
