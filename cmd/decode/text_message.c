/* SPDX-License-Identifier: MIT */
/* Session messages in words: hello node 7 "jita". */
#include "cmd/decode/output.h"

static void
put_quoted(struct outbuf *out, struct bnet_string s)
{
	OUT_LIT(out, " \"");
	out_safe(out, s.p, s.len_bytes);
	OUT_LIT(out, "\"");
}

static void
put_role(struct outbuf *out, uint32_t role)
{
	const char *name = output_role(role);

	if (name != NULL)
		out_printf(out, " %s", name);
	else
		out_printf(out, " role %u", role);
}

static void
put_codecs(struct outbuf *out, uint32_t codecs)
{
	out_printf(out, ", codecs%s%s%s", codecs == 0 ? " none" : "",
	    codecs & BNET_CODEC_ZLIB ? " zlib" : "",
	    codecs & BNET_CODEC_SNAPPY ? " snappy" : "");
}

static void
put_code(struct outbuf *out, uint32_t code, struct bnet_string reason)
{
	out_printf(out, " %u %s", code, bnet_code_name(code));
	if (reason.len_bytes > 0)
		put_quoted(out, reason);
}

static void
put_hello(struct outbuf *out, const struct bnet_hello *m)
{
	put_role(out, m->role);
	if (m->wanted_id != 0)
		out_printf(out, " %llu", (unsigned long long)m->wanted_id);
	put_quoted(out, m->name);
	if (m->version != BNET_PROTOCOL_VERSION)
		out_printf(out, ", version %u", m->version);
	put_codecs(out, m->codecs);
	out_printf(out, ", frames to %u", m->frame_max_bytes);
	if (m->token.len_bytes > 0)
		OUT_LIT(out, ", with a token");
}

static void
put_welcome(struct outbuf *out, const struct bnet_welcome *m)
{
	out_printf(out, " %llu from relay %llu", (unsigned long long)m->id,
	    (unsigned long long)m->relay_id);
	put_quoted(out, m->relay_name);
	OUT_LIT(out, ", environment");
	put_quoted(out, m->environment);
	put_codecs(out, m->codecs);
	out_printf(out, ", frames to %u, keepalive %u ms", m->frame_max_bytes,
	    m->keepalive_ms);
}

static void
put_error(struct outbuf *out, const struct bnet_error *m)
{
	put_code(out, m->code, m->reason);
	out_printf(out, " for dest_type %lld dest %lld key 0x%08x cookie %llu",
	    (long long)m->dest_type, (long long)m->dest, (uint32_t)m->key,
	    (unsigned long long)m->cookie);
}

static void
put_roster_reply(struct outbuf *out, const struct bnet_roster_reply *m)
{
	for (uint32_t i = 0; i < m->n; i++) {
		const struct bnet_roster_entry *e = &m->entries[i];

		if (i > 0)
			OUT_LIT(out, ",");
		put_role(out, e->role);
		out_printf(out, " %llu", (unsigned long long)e->id);
		put_quoted(out, e->name);
		out_printf(out, " %u us", e->latency_us);
	}
	if (m->n == 0)
		OUT_LIT(out, " nobody");
	if (m->more)
		OUT_LIT(out, ", more to come");
}

static void
put_echo(struct outbuf *out, const struct bnet_echo *m, bool reply)
{
	out_printf(out, " cookie %llu", (unsigned long long)m->cookie);
	if (m->flags & BNET_ECHO_F_SERVICE)
		OUT_LIT(out, " service");
	if (m->flags & BNET_ECHO_F_NODE)
		OUT_LIT(out, " from a node");
	if (m->flags & BNET_ECHO_F_TRACE)
		OUT_LIT(out, " trace");
	for (uint32_t i = 0; i < m->n; i++)
		out_printf(out, " via %llu (%lld ns)",
		    (unsigned long long)m->hops[i].id,
		    (long long)(m->hops[i].out_ns - m->hops[i].in_ns));
	if (reply)
		out_printf(out, " answered in %lld ns",
		    (long long)(m->replied_ns - m->received_ns));
}

static void
put_roster(struct outbuf *out, const struct bnet_roster *m)
{
	out_printf(out, " of%s%s%s", m->roles == 0 ? " nobody" : "",
	    m->roles & BNET_ROLE_CLIENT ? " clients" : "",
	    m->roles & BNET_ROLE_NODE ? " nodes" : "");
	if (m->prefix.len_bytes > 0) {
		OUT_LIT(out, " named");
		put_quoted(out, m->prefix);
	}
}

void
text_message(struct outbuf *out, const struct bnet_message *message)
{
	static const char prefix[] = "bluenet.";

	out_str(out, bnet_message_name(message->type) + sizeof(prefix) - 1);
	switch (message->type) {
	case BNET_MSG_HELLO:
		put_hello(out, &message->u.hello);
		break;
	case BNET_MSG_WELCOME:
		put_welcome(out, &message->u.welcome);
		break;
	case BNET_MSG_REFUSE:
		put_code(out, message->u.refuse.code, message->u.refuse.reason);
		break;
	case BNET_MSG_ERROR:
		put_error(out, &message->u.error);
		break;
	case BNET_MSG_REGISTER:
		out_printf(out, " key 0x%08x", (uint32_t)message->u.reg.key);
		break;
	case BNET_MSG_ROSTER:
		put_roster(out, &message->u.roster);
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
		out_printf(out, " in %u s", message->u.drain.seconds);
		if (message->u.drain.where.len_bytes > 0) {
			OUT_LIT(out, ", go to");
			put_quoted(out, message->u.drain.where);
		}
		break;
	default:
		break;
	}
}
