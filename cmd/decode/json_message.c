/* SPDX-License-Identifier: MIT */
/* Session messages as JSON, their fields named as in proto/message.h. */
#include "cmd/decode/output.h"

static void
put_u64(struct outbuf *out, const char *name, uint64_t v)
{
	OUT_LIT(out, ",\"");
	out_str(out, name);
	OUT_LIT(out, "\":");
	out_u64(out, v);
}

static void
put_i64(struct outbuf *out, const char *name, int64_t v)
{
	OUT_LIT(out, ",\"");
	out_str(out, name);
	OUT_LIT(out, "\":");
	out_i64(out, v);
}

static void
put_bool(struct outbuf *out, const char *name, bool v)
{
	OUT_LIT(out, ",\"");
	out_str(out, name);
	out_str(out, v ? "\":true" : "\":false");
}

static void
put_string(struct outbuf *out, const char *name, struct bnet_string s)
{
	OUT_LIT(out, ",\"");
	out_str(out, name);
	OUT_LIT(out, "\":");
	out_json(out, s.p, s.len_bytes);
}

static void
put_hello(struct outbuf *out, const struct bnet_hello *m)
{
	put_u64(out, "version", m->version);
	put_u64(out, "role", m->role);
	put_u64(out, "wanted_id", m->wanted_id);
	put_u64(out, "codecs", m->codecs);
	put_u64(out, "frame_max_bytes", m->frame_max_bytes);
	put_string(out, "name", m->name);
	/* a credential: whether there is one, and no more */
	put_bool(out, "token", m->token.len_bytes > 0);
}

static void
put_welcome(struct outbuf *out, const struct bnet_welcome *m)
{
	put_u64(out, "version", m->version);
	put_u64(out, "id", m->id);
	put_u64(out, "relay_id", m->relay_id);
	put_u64(out, "codecs", m->codecs);
	put_u64(out, "frame_max_bytes", m->frame_max_bytes);
	put_u64(out, "keepalive_ms", m->keepalive_ms);
	put_string(out, "environment", m->environment);
	put_string(out, "relay_name", m->relay_name);
	put_u64(out, "time_ns", m->time_ns);
}

static void
put_error(struct outbuf *out, const struct bnet_error *m)
{
	put_u64(out, "code", m->code);
	put_i64(out, "dest_type", m->dest_type);
	put_i64(out, "dest", m->dest);
	put_i64(out, "key", m->key);
	put_u64(out, "cookie", m->cookie);
	put_string(out, "reason", m->reason);
}

static void
put_roster_reply(struct outbuf *out, const struct bnet_roster_reply *m)
{
	put_bool(out, "more", m->more);
	put_u64(out, "n", m->n);
	OUT_LIT(out, ",\"entries\":[");
	for (uint32_t i = 0; i < m->n; i++) {
		const struct bnet_roster_entry *e = &m->entries[i];

		if (i > 0)
			OUT_LIT(out, ",");
		OUT_LIT(out, "{\"id\":");
		out_u64(out, e->id);
		put_u64(out, "role", e->role);
		put_string(out, "name", e->name);
		put_u64(out, "latency_us", e->latency_us);
		OUT_LIT(out, "}");
	}
	OUT_LIT(out, "]");
}

static void
put_echo(struct outbuf *out, const struct bnet_echo *m, bool reply)
{
	put_u64(out, "cookie", m->cookie);
	put_u64(out, "sent_ns", m->sent_ns);
	put_u64(out, "flags", m->flags);
	put_u64(out, "n", m->n);
	OUT_LIT(out, ",\"hops\":[");
	for (uint32_t i = 0; i < m->n; i++) {
		if (i > 0)
			OUT_LIT(out, ",");
		OUT_LIT(out, "{\"id\":");
		out_u64(out, m->hops[i].id);
		put_u64(out, "in_ns", m->hops[i].in_ns);
		put_u64(out, "out_ns", m->hops[i].out_ns);
		OUT_LIT(out, "}");
	}
	OUT_LIT(out, "]");
	if (reply) {
		put_u64(out, "received_ns", m->received_ns);
		put_u64(out, "replied_ns", m->replied_ns);
	}
}

/* "hello" of "bluenet.hello". */
static void
put_type(struct outbuf *out, enum bnet_message_type type)
{
	static const char prefix[] = "bluenet.";

	OUT_LIT(out, "{\"type\":\"");
	out_str(out, bnet_message_name(type) + sizeof(prefix) - 1);
	OUT_LIT(out, "\"");
}

void
json_message(struct outbuf *out, const struct bnet_message *message)
{
	put_type(out, message->type);
	switch (message->type) {
	case BNET_MSG_HELLO:
		put_hello(out, &message->u.hello);
		break;
	case BNET_MSG_WELCOME:
		put_welcome(out, &message->u.welcome);
		break;
	case BNET_MSG_REFUSE:
		put_u64(out, "code", message->u.refuse.code);
		put_string(out, "reason", message->u.refuse.reason);
		break;
	case BNET_MSG_ERROR:
		put_error(out, &message->u.error);
		break;
	case BNET_MSG_REGISTER:
		put_i64(out, "key", message->u.reg.key);
		break;
	case BNET_MSG_ROSTER:
		put_u64(out, "roles", message->u.roster.roles);
		put_string(out, "prefix", message->u.roster.prefix);
		break;
	case BNET_MSG_ROSTER_REPLY:
		put_roster_reply(out, &message->u.roster_reply);
		break;
	case BNET_MSG_ECHO:
	case BNET_MSG_ECHO_REPLY:
		put_echo(out, &message->u.echo,
		    message->type == BNET_MSG_ECHO_REPLY);
		break;
	case BNET_MSG_DRAIN:
		put_u64(out, "seconds", message->u.drain.seconds);
		put_string(out, "where", message->u.drain.where);
		break;
	default:
		break;
	}
	OUT_LIT(out, "}");
}
