/* SPDX-License-Identifier: MIT */
#include "cmd/decode/text.h"

#include "cmd/decode/json.h"
#include "cmd/decode/object_text.h"

/* ---- a session message in words ---- */

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

static void
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

/* ---- a line ---- */

#define HEX_ROW_BYTES 16
#define FORKS_SHOWN 8

enum paint {
	PAINT_OFF = 0,
	PAINT_TIME,
	PAINT_UP,
	PAINT_DOWN,
	PAINT_KEY,
	PAINT_MESSAGE,
	PAINT_BAD,
};

static void
paint(struct output *output, enum paint what)
{
	static const char *const code[] = {
		[PAINT_OFF] = "\033[0m",
		[PAINT_TIME] = "\033[2m",
		[PAINT_UP] = "\033[36m",
		[PAINT_DOWN] = "\033[35m",
		[PAINT_KEY] = "\033[1m",
		[PAINT_MESSAGE] = "\033[32m",
		[PAINT_BAD] = "\033[1;31m",
	};

	if (output->color)
		out_str(output->out, code[what]);
}

/* Prints time, ends and direction; the opener is on the left. */
static void
put_where(struct output *output, const struct cap_event *event)
{
	const struct cap_stream *s = event->stream;
	struct outbuf *out = output->out;

	if (output->opt->time != TIME_NONE) {
		paint(output, PAINT_TIME);
		output_time(output, event->time_ns, event->clock_ns);
		out_short(out, output->time, output->time_chars);
		paint(output, PAINT_OFF);
		OUT_LIT(out, " ");
	}
	if (s == NULL)
		return;
	out_short(out, s->end[0], s->end_chars[0]);
	paint(output, event->dir == CAP_UP ? PAINT_UP : PAINT_DOWN);
	if (event->dir == CAP_UP)
		OUT_LIT(out, " > ");
	else
		OUT_LIT(out, " < ");
	paint(output, PAINT_OFF);
	out_short(out, s->end[1], s->end_chars[1]);
	OUT_LIT(out, "  ");
}

/*
 * The header does not say what kind the source is. A peer that sent a hello
 * said so; otherwise a packet for clients comes from a node, others from a
 * client.
 */
static const char *
source_kind(const struct record *record)
{
	const struct cap_event *event = record->event;
	int64_t dest_type = event->frame->header.dest_type;
	uint32_t role = (uint32_t)event->stream->user;

	if (event->dir == CAP_UP && output_role(role) != NULL)
		return output_role(role);
	if (dest_type == BNET_DEST_CLIENT || dest_type == BNET_DEST_BROADCAST)
		return "node";
	return dest_type == BNET_DEST_HOP ? "peer" : "client";
}

static void
put_source(struct outbuf *out, const struct record *record)
{
	const struct bnet_header *h = &record->event->frame->header;
	const char *kind = source_kind(record);

	out_str(out, kind);
	if (h->source == 0)
		return; /* the relay fills it in */
	OUT_LIT(out, " ");
	out_i64(out, h->source);
}

static void
put_forks(struct outbuf *out, const struct bnet_packet *frame)
{
	struct bnet_bits_rd rd = frame->forks;

	OUT_LIT(out, "clients ");
	for (uint32_t i = 0; i < frame->header.forks; i++) {
		if (i == FORKS_SHOWN) {
			out_printf(
			    out, " and %u more", frame->header.forks - i);
			break;
		}
		if (i > 0)
			OUT_LIT(out, ",");
		out_u64(out, bnet_bits_u64(&rd));
	}
}

static void
put_dest(struct outbuf *out, const struct bnet_packet *frame)
{
	const struct bnet_header *h = &frame->header;

	switch (h->dest_type) {
	case BNET_DEST_HOP:
		OUT_LIT(out, "hop");
		break;
	case BNET_DEST_NODE:
		OUT_LIT(out, "node ");
		out_i64(out, h->dest);
		break;
	case BNET_DEST_CLIENT:
		if (h->forks > 0) {
			put_forks(out, frame);
			break;
		}
		OUT_LIT(out, "client ");
		out_i64(out, h->dest);
		break;
	case BNET_DEST_BROADCAST:
		OUT_LIT(out, "all clients");
		if (h->dest != 0)
			out_printf(out, " of %lld", (long long)h->dest);
		break;
	case BNET_DEST_ANY:
		OUT_LIT(out, "any node");
		break;
	default:
		out_printf(out, "type %lld id %lld", (long long)h->dest_type,
		    (long long)h->dest);
	}
}

static void
put_key(struct output *output, const struct record *record)
{
	int32_t key = record->event->frame->header.key;

	paint(output, PAINT_KEY);
	if (record->key_name != NULL)
		out_safe(
		    output->out, record->key_name, strlen(record->key_name));
	else if (key == 0)
		OUT_LIT(output->out, "machoNet");
	else
		out_printf(output->out, "0x%08x", (uint32_t)key);
	paint(output, PAINT_OFF);
}

/* "zlib 395->700", only the length, or "cut at 74 of 1205". */
static void
put_sizes(struct outbuf *out, const struct cap_event *event)
{
	const struct bnet_packet *frame = event->frame;

	if (frame->codec != BNET_CODEC_NONE) {
		out_str(out, bnet_codec_name(frame->codec));
		OUT_LIT(out, " ");
	}
	if (event->cut_of > 0) {
		OUT_LIT(out, "cut at ");
		out_u64(out, frame->payload.len);
		OUT_LIT(out, " of ");
		out_u64(out, event->cut_of);
		return;
	}
	if (frame->codec != BNET_CODEC_NONE) {
		out_u64(out, frame->wire_payload.len);
		OUT_LIT(out, "->");
	}
	out_u64(out, frame->payload.len);
}

static void
put_marks(struct outbuf *out, const struct bnet_header *h)
{
	bool pong = h->key == BNET_KEY_PONG; /* its latency is a ping */

	if (h->latency_ms != 0 && !pong)
		out_printf(out, "  %u ms", h->latency_ms);
	if (h->priority)
		OUT_LIT(out, "  priority");
	if (h->serial != 0)
		out_printf(out, "  serial %u", h->serial);
	if (h->timestamp != 0 && pong)
		OUT_LIT(out, "  pong");
	if (h->latency_ms != 0 && pong)
		OUT_LIT(out, "  ping");
	if (h->timestamp == 0 || pong)
		return;
	if (h->timestamp & BNET_TIMESTAMP_PING_BACK)
		OUT_LIT(out, "  ping, ping back");
	else
		OUT_LIT(out, "  ping");
}

static void
put_message(struct output *output, const struct record *record)
{
	if (record->message_type == BNET_MSG_NONE)
		return;
	OUT_LIT(output->out, "  ");
	if (record->message == NULL) {
		paint(output, PAINT_BAD);
		OUT_LIT(output->out, "bad session message");
	} else {
		paint(output, PAINT_MESSAGE);
		text_message(output->out, record->message);
	}
	paint(output, PAINT_OFF);
}

/* The characters of the line so far, without its colours. */
static size_t
line_chars(const struct outbuf *out, size_t from)
{
	size_t n = 0;
	bool escape = false;

	for (size_t i = from; i < out->n; i++) {
		if (out->p[i] == '\033')
			escape = true;
		n += !escape;
		if (out->p[i] == 'm')
			escape = false;
	}
	return n;
}

/* What the payload says, in what is left of the line. */
static void
put_payload(struct output *output, const struct payload *payload, size_t from)
{
	struct outbuf *out = output->out;
	size_t used;

	if (payload == NULL || payload->kind == PAYLOAD_OTHER)
		return;
	OUT_LIT(out, "  ");
	used = line_chars(out, from < out->n ? from : 0);
	paint(output, PAINT_MESSAGE);
	payload_line(
	    out, payload, used < output->width ? output->width - used : 0);
	paint(output, PAINT_OFF);
}

/* A frame without a BlueNet header belongs to the application. */
static void
put_headerless(struct outbuf *out, const struct cap_event *event)
{
	const struct bnet_packet *frame = event->frame;

	OUT_LIT(out, "machoNet  ");
	put_sizes(out, event);
	if (frame->has_oob)
		out_printf(
		    out, "  %zu out-of-band bytes, no header", frame->oob.len);
}

void
text_dump(struct outbuf *out, const char *margin, struct bnet_slice bytes)
{
	for (size_t at = 0; at < bytes.len; at += HEX_ROW_BYTES) {
		char ascii[HEX_ROW_BYTES];
		size_t n = bytes.len - at;

		n = n < HEX_ROW_BYTES ? n : HEX_ROW_BYTES;
		out_printf(out, "%s0x%04zx: ", margin, at);
		for (size_t i = 0; i < HEX_ROW_BYTES; i++) {
			if (i % 2 == 0)
				OUT_LIT(out, " ");
			if (i < n)
				out_hex(out, bytes.p + at + i, 1);
			else
				OUT_LIT(out, "  ");
		}
		for (size_t i = 0; i < n; i++)
			ascii[i] = (char)(bytes.p[at + i] >= 0x20 &&
				    bytes.p[at + i] < 0x7f
				? bytes.p[at + i]
				: '.');
		OUT_LIT(out, "  ");
		out_short(out, ascii, n);
		out_line(out);
	}
}

static void
field(struct outbuf *out, const char *name)
{
	out_printf(out, "    %-12s ", name);
}

static void
verbose_number(struct outbuf *out, const char *name, int64_t v)
{
	field(out, name);
	out_i64(out, v);
	out_line(out);
}

static void
verbose_header(struct output *output, const struct record *record)
{
	const struct bnet_packet *frame = record->event->frame;
	const struct bnet_header *h = &frame->header;
	struct outbuf *out = output->out;

	verbose_number(out, "source", h->source);
	verbose_number(out, "dest_type", h->dest_type);
	verbose_number(out, "dest", h->dest);
	field(out, "key");
	out_printf(out, "%d (0x%08x) ", h->key, (uint32_t)h->key);
	put_key(output, record);
	out_line(out);
	verbose_number(out, "forks", h->forks);
	if (h->forks > 0) {
		struct bnet_bits_rd rd = frame->forks;

		field(out, "fork_ids");
		for (uint32_t i = 0; i < h->forks; i++) {
			out_u64(out, bnet_bits_u64(&rd));
			OUT_LIT(out, " ");
		}
		out_line(out);
	}
	verbose_number(out, "serial", h->serial);
	field(out, "latency_ms");
	out_u64(out, h->latency_ms);
	if (h->key == BNET_KEY_PONG && h->latency_ms != 0)
		OUT_LIT(out, " (a ping)");
	out_line(out);
	field(out, "priority");
	out_str(out, h->priority ? "true" : "false");
	out_line(out);
	field(out, "timestamp");
	out_u64(out, h->timestamp);
	out_line(out);
	if (frame->trailing_bytes > 0)
		verbose_number(out, "trailing", (int64_t)frame->trailing_bytes);
}

static void
verbose_frame(struct output *output, const struct record *record)
{
	const struct cap_event *event = record->event;
	const struct bnet_packet *frame = event->frame;
	struct outbuf *out = output->out;

	field(out, "frame");
	out_printf(out, "%llu, packet %llu, stream %llu%s",
	    (unsigned long long)event->number,
	    (unsigned long long)event->packet,
	    (unsigned long long)event->stream->number,
	    event->stream->tls ? ", TLS" : "");
	out_line(out);
	if (event->stream->client_src != NULL) {
		field(out, "client_src");
		out_str(out, event->stream->client_src);
		out_line(out);
	}
	field(out, "order");
	out_str(out,
	    event->stream->order == BNET_ORDER_NETWORK ? "network" : "little");
	out_line(out);
	verbose_number(out, "size", frame->size_bytes);
	verbose_number(out, "oob_len", (int64_t)frame->oob.len);
	if (frame->has_header)
		verbose_header(output, record);
	field(out, "payload");
	put_sizes(out, event);
	OUT_LIT(out, " bytes");
	out_line(out);
	if (record->message != NULL)
		verbose_message(out, record->message);
	if (record->payload != NULL)
		payload_lines(out, record->payload);
}

static void
text_frame(struct output *output, const struct record *record, size_t from)
{
	const struct bnet_packet *frame = record->event->frame;
	struct outbuf *out = output->out;

	if (!frame->has_header) {
		put_headerless(out, record->event);
		put_payload(output, record->payload, from);
		out_line(out);
	} else {
		put_source(out, record);
		OUT_LIT(out, " -> ");
		put_dest(out, frame);
		OUT_LIT(out, "  ");
		put_key(output, record);
		OUT_LIT(out, "  ");
		put_sizes(out, record->event);
		put_marks(out, &frame->header);
		if (frame->trailing_bytes > 0)
			out_printf(out, "  +%zu bytes after the header",
			    frame->trailing_bytes);
		put_message(output, record);
		put_payload(output, record->payload, from);
		out_line(out);
	}
	if (output->opt->verbose)
		verbose_frame(output, record);
	if (output->opt->hex) {
		if (frame->has_oob && !frame->has_header)
			text_dump(out, "\t", frame->oob);
		text_dump(out, "\t", frame->payload);
	}
}

static void
text_record(struct output *output, const struct record *record)
{
	const struct cap_event *event = record->event;
	const bool bad = event->type < CAP_N_LOSSES;
	struct outbuf *out = output->out;
	const size_t from = out->n;

	put_where(output, event);
	if (event->type == CAP_FRAME) {
		text_frame(output, record, from);
		return;
	}
	if (bad)
		paint(output, PAINT_BAD);
	out_str(out, output_event_name(event->type));
	if (bad)
		paint(output, PAINT_OFF);
	if (event->type == CAP_CLOCK)
		out_printf(out, " %+.6f s: %s", (double)event->step_ns / 1e9,
		    event->reason);
	else
		out_printf(out, " %llu bytes: %s",
		    (unsigned long long)event->bytes, event->reason);
	if (event->type == CAP_PROXY && event->stream->client_src != NULL)
		out_printf(out, ", client %s", event->stream->client_src);
	out_line(out);
}

const struct output_format output_text = { text_record };
