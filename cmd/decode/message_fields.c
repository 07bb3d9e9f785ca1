/* SPDX-License-Identifier: MIT */
/*
 * The fields of session messages, named as in proto/message.h: members of a
 * JSON object, or with -V a line each.
 */
#include "cmd/decode/output.h"

struct fields {
	struct outbuf *out;
	bool lines; /* -V */
};

static void
put_name(const struct fields *f, const char *name)
{
	if (f->lines) {
		out_printf(f->out, "    %-12s ", name);
		return;
	}
	OUT_LIT(f->out, ",\"");
	out_str(f->out, name);
	OUT_LIT(f->out, "\":");
}

static void
end_value(const struct fields *f)
{
	if (f->lines)
		out_line(f->out);
}

static void
put_u64(const struct fields *f, const char *name, uint64_t v)
{
	put_name(f, name);
	out_u64(f->out, v);
	end_value(f);
}

static void
put_i64(const struct fields *f, const char *name, int64_t v)
{
	put_name(f, name);
	out_i64(f->out, v);
	end_value(f);
}

static void
put_bool(const struct fields *f, const char *name, bool v)
{
	put_name(f, name);
	out_str(f->out, v ? "true" : "false");
	end_value(f);
}

static void
put_string(const struct fields *f, const char *name, struct bnet_string s)
{
	put_name(f, name);
	out_json(f->out, s.p, s.len_bytes);
	end_value(f);
}

static void
put_hello(const struct fields *f, const struct bnet_hello *m)
{
	put_u64(f, "version", m->version);
	put_u64(f, "role", m->role);
	put_u64(f, "wanted_id", m->wanted_id);
	put_u64(f, "codecs", m->codecs);
	put_u64(f, "frame_max_bytes", m->frame_max_bytes);
	put_string(f, "name", m->name);
	/* a credential: whether there is one, and no more */
	put_bool(f, "token", m->token.len_bytes > 0);
}

static void
put_welcome(const struct fields *f, const struct bnet_welcome *m)
{
	put_u64(f, "version", m->version);
	put_u64(f, "id", m->id);
	put_u64(f, "relay_id", m->relay_id);
	put_u64(f, "codecs", m->codecs);
	put_u64(f, "frame_max_bytes", m->frame_max_bytes);
	put_u64(f, "keepalive_ms", m->keepalive_ms);
	put_string(f, "environment", m->environment);
	put_string(f, "relay_name", m->relay_name);
	put_u64(f, "time_ns", m->time_ns);
}

static void
put_error(const struct fields *f, const struct bnet_error *m)
{
	put_u64(f, "code", m->code);
	put_i64(f, "dest_type", m->dest_type);
	put_i64(f, "dest", m->dest);
	put_i64(f, "key", m->key);
	put_u64(f, "cookie", m->cookie);
	put_string(f, "reason", m->reason);
}

/* The array is JSON in both forms. */
static void
put_roster_reply(const struct fields *f, const struct bnet_roster_reply *m)
{
	const struct fields json = { f->out, false };

	put_bool(f, "more", m->more);
	put_u64(f, "n", m->n);
	put_name(f, "entries");
	OUT_LIT(f->out, "[");
	for (uint32_t i = 0; i < m->n; i++) {
		const struct bnet_roster_entry *e = &m->entries[i];

		if (i > 0)
			OUT_LIT(f->out, ",");
		OUT_LIT(f->out, "{\"id\":");
		out_u64(f->out, e->id);
		put_u64(&json, "role", e->role);
		put_string(&json, "name", e->name);
		put_u64(&json, "latency_us", e->latency_us);
		OUT_LIT(f->out, "}");
	}
	OUT_LIT(f->out, "]");
	end_value(f);
}

static void
put_echo(const struct fields *f, const struct bnet_echo *m, bool reply)
{
	const struct fields json = { f->out, false };

	put_u64(f, "cookie", m->cookie);
	put_u64(f, "sent_ns", m->sent_ns);
	put_u64(f, "flags", m->flags);
	put_u64(f, "n", m->n);
	put_name(f, "hops");
	OUT_LIT(f->out, "[");
	for (uint32_t i = 0; i < m->n; i++) {
		if (i > 0)
			OUT_LIT(f->out, ",");
		OUT_LIT(f->out, "{\"id\":");
		out_u64(f->out, m->hops[i].id);
		put_u64(&json, "in_ns", m->hops[i].in_ns);
		put_u64(&json, "out_ns", m->hops[i].out_ns);
		OUT_LIT(f->out, "}");
	}
	OUT_LIT(f->out, "]");
	end_value(f);
	if (reply) {
		put_u64(f, "received_ns", m->received_ns);
		put_u64(f, "replied_ns", m->replied_ns);
	}
}

static void
put_fields(const struct fields *f, const struct bnet_message *message)
{
	switch (message->type) {
	case BNET_MSG_HELLO:
		put_hello(f, &message->u.hello);
		break;
	case BNET_MSG_WELCOME:
		put_welcome(f, &message->u.welcome);
		break;
	case BNET_MSG_REFUSE:
		put_u64(f, "code", message->u.refuse.code);
		put_string(f, "reason", message->u.refuse.reason);
		break;
	case BNET_MSG_ERROR:
		put_error(f, &message->u.error);
		break;
	case BNET_MSG_REGISTER:
		put_i64(f, "key", message->u.reg.key);
		break;
	case BNET_MSG_ROSTER:
		put_u64(f, "roles", message->u.roster.roles);
		put_string(f, "prefix", message->u.roster.prefix);
		break;
	case BNET_MSG_ROSTER_REPLY:
		put_roster_reply(f, &message->u.roster_reply);
		break;
	case BNET_MSG_ECHO:
	case BNET_MSG_ECHO_REPLY:
		put_echo(
		    f, &message->u.echo, message->type == BNET_MSG_ECHO_REPLY);
		break;
	case BNET_MSG_DRAIN:
		put_u64(f, "seconds", message->u.drain.seconds);
		put_string(f, "where", message->u.drain.where);
		break;
	default:
		break;
	}
}

void
json_message(struct outbuf *out, const struct bnet_message *message)
{
	static const char prefix[] = "bluenet.";
	const struct fields f = { out, false };

	OUT_LIT(out, "{\"type\":\"");
	out_str(out, bnet_message_name(message->type) + sizeof(prefix) - 1);
	OUT_LIT(out, "\"");
	put_fields(&f, message);
	OUT_LIT(out, "}");
}

void
verbose_message(struct outbuf *out, const struct bnet_message *message)
{
	const struct fields f = { out, true };

	put_fields(&f, message);
}
