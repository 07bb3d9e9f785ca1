/* SPDX-License-Identifier: MIT */
#include "cmd/decode/json.h"

#include <string.h>

/* ---- the fields of session messages ---- */

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

static void
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

/* ---- a record ---- */

static void
put_ends(struct outbuf *out, const struct cap_event *event)
{
	const struct cap_stream *s = event->stream;

	if (s == NULL) {
		OUT_LIT(out,
		    ",\"stream\":null,\"dir\":null,\"src\":null,"
		    "\"dst\":null");
		return;
	}
	OUT_LIT(out, ",\"stream\":");
	out_u64(out, s->number);
	if (event->dir == CAP_UP)
		OUT_LIT(out, ",\"dir\":\"up\",\"src\":\"");
	else
		OUT_LIT(out, ",\"dir\":\"down\",\"src\":\"");
	out_short(out, s->end[event->dir], s->end_chars[event->dir]);
	OUT_LIT(out, "\",\"dst\":\"");
	out_short(out, s->end[!event->dir], s->end_chars[!event->dir]);
	OUT_LIT(out, "\"");
}

static void
put_time(struct output *output, const struct cap_event *event)
{
	struct outbuf *out = output->out;

	output_epoch(output, event->time_ns);
	OUT_LIT(out, ",\"time\":\"");
	out_short(out, output->time, output->time_chars);
	OUT_LIT(out, "\",\"packet\":");
	out_u64(out, event->packet);
}

static void
put_key_hex(struct outbuf *out, uint32_t key)
{
	const uint8_t bytes[4] = { (uint8_t)(key >> 24), (uint8_t)(key >> 16),
		(uint8_t)(key >> 8), (uint8_t)key };

	OUT_LIT(out, "\"0x");
	out_hex(out, bytes, sizeof(bytes));
	OUT_LIT(out, "\"");
}

/* The name; 0x... where it is not known, null for "no key". */
static void
put_key_name(struct outbuf *out, const struct record *record)
{
	int32_t key = record->event->frame->header.key;

	if (record->key_name != NULL)
		out_json(out, record->key_name, strlen(record->key_name));
	else if (key == 0)
		OUT_LIT(out, "null");
	else
		put_key_hex(out, (uint32_t)key);
}

static void
put_forks(struct outbuf *out, const struct bnet_packet *frame)
{
	struct bnet_bits_rd rd = frame->forks;

	for (uint32_t i = 0; i < frame->header.forks; i++) {
		if (i > 0)
			OUT_LIT(out, ",");
		out_u64(out, bnet_bits_u64(&rd));
	}
}

static void
put_header(struct outbuf *out, const struct record *record)
{
	const struct bnet_packet *frame = record->event->frame;
	const struct bnet_header *h = &frame->header;

	if (!frame->has_header) {
		OUT_LIT(out, ",\"header\":null");
		return;
	}
	OUT_LIT(out, ",\"header\":{\"source\":");
	out_i64(out, h->source);
	OUT_LIT(out, ",\"dest_type\":");
	out_i64(out, h->dest_type);
	OUT_LIT(out, ",\"dest\":");
	out_i64(out, h->dest);
	OUT_LIT(out, ",\"key\":");
	out_i64(out, h->key);
	OUT_LIT(out, ",\"key_name\":");
	put_key_name(out, record);
	OUT_LIT(out, ",\"forks\":");
	out_u64(out, h->forks);
	OUT_LIT(out, ",\"serial\":");
	out_u64(out, h->serial);
	OUT_LIT(out, ",\"latency_ms\":");
	out_u64(out, h->latency_ms);
	if (h->priority)
		OUT_LIT(out, ",\"priority\":true,\"timestamp\":");
	else
		OUT_LIT(out, ",\"priority\":false,\"timestamp\":");
	out_u64(out, h->timestamp);
	OUT_LIT(out, ",\"fork_ids\":[");
	put_forks(out, frame);
	OUT_LIT(out, "]}");
}

static void
put_order_size_codec(struct outbuf *out, const struct cap_event *event)
{
	static const char *const codec[] = {
		[BNET_CODEC_NONE] = ",\"codec\":\"none\",\"oob_len\":",
		[BNET_CODEC_ZLIB] = ",\"codec\":\"zlib\",\"oob_len\":",
		[BNET_CODEC_SNAPPY] = ",\"codec\":\"snappy\",\"oob_len\":",
	};
	const struct bnet_packet *frame = event->frame;

	if (event->stream->order == BNET_ORDER_NETWORK)
		OUT_LIT(out, ",\"order\":\"network\",\"size\":");
	else
		OUT_LIT(out, ",\"order\":\"little\",\"size\":");
	out_u64(out, frame->size_bytes);
	out_str(out, codec[frame->codec]);
	out_u64(out, frame->oob.len);
	if (frame->trailing_bytes > 0) {
		OUT_LIT(out, ",\"trailing_len\":");
		out_u64(out, frame->trailing_bytes);
	}
}

static void
put_hex(struct outbuf *out, const char *name, struct bnet_slice bytes)
{
	out_str(out, name);
	out_hex(out, bytes.p, bytes.len);
	OUT_LIT(out, "\"");
}

static void
json_frame(struct output *output, const struct record *record)
{
	const struct cap_event *event = record->event;
	struct outbuf *out = output->out;

	OUT_LIT(out, "{\"type\":\"frame\",\"number\":");
	out_u64(out, event->number);
	put_time(output, event);
	put_ends(out, event);
	put_order_size_codec(out, event);
	put_header(out, record);
	OUT_LIT(out, ",\"payload_len\":");
	out_u64(out, event->frame->payload.len);
	if (record->message != NULL) {
		OUT_LIT(out, ",\"message\":");
		json_message(out, record->message);
	} else if (record->message_type != BNET_MSG_NONE) {
		OUT_LIT(out, ",\"message\":null");
	}
	if (output->opt->payload_hex) {
		put_hex(out, ",\"payload\":\"", event->frame->payload);
		put_hex(out, ",\"oob\":\"", event->frame->oob);
	}
	OUT_LIT(out, "}");
	out_line(out);
}

static void
json_record(struct output *output, const struct record *record)
{
	const struct cap_event *event = record->event;
	struct outbuf *out = output->out;

	if (event->type == CAP_FRAME) {
		json_frame(output, record);
		return;
	}
	OUT_LIT(out, "{\"type\":\"");
	out_str(out, output_event_name(event->type));
	OUT_LIT(out, "\"");
	put_time(output, event);
	put_ends(out, event);
	OUT_LIT(out, ",\"bytes\":");
	out_u64(out, event->bytes);
	OUT_LIT(out, ",\"reason\":");
	out_json(out, event->reason, strlen(event->reason));
	OUT_LIT(out, "}");
	out_line(out);
}

const struct output_format output_json = { json_record };
