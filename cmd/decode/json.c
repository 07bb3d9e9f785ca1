/* SPDX-License-Identifier: MIT */
#include "cmd/decode/json.h"

#include "cmd/common/object_json.h"

#include <string.h>

/* ---- the fields of session messages ---- */

/* Writes the fields with names, in the order of the table in proto/message. */
struct fields {
	struct outbuf *out;
	bool lines; /* -v: one per line; otherwise members of a JSON object */
	bool first; /* first member of a JSON object: no comma before it */
};

static void
put_name(struct fields *f, const char *name)
{
	if (f->lines) {
		out_printf(f->out, "    %-12s ", name);
		return;
	}
	if (f->first)
		OUT_LIT(f->out, "\"");
	else
		OUT_LIT(f->out, ",\"");
	f->first = false;
	out_str(f->out, name);
	OUT_LIT(f->out, "\":");
}

static void
put_string(struct outbuf *out, const struct bnet_field *field,
    const struct bnet_string *s)
{
	if (field->secret)
		out_str(out, s->len_bytes > 0 ? "true" : "false");
	else
		out_json(out, s->p, s->len_bytes);
}

static void
put_value(struct outbuf *out, const struct bnet_field *field, const void *value)
{
	switch (field->kind) {
	case BNET_FIELD_U32:
	case BNET_FIELD_LIST:
		out_u64(out, *(const uint32_t *)value);
		break;
	case BNET_FIELD_U64:
		out_u64(out, *(const uint64_t *)value);
		break;
	case BNET_FIELD_I32:
		out_i64(out, *(const int32_t *)value);
		break;
	case BNET_FIELD_I64:
		out_i64(out, *(const int64_t *)value);
		break;
	case BNET_FIELD_BOOL:
		out_str(out, *(const bool *)value ? "true" : "false");
		break;
	case BNET_FIELD_STRING:
		put_string(out, field, value);
		break;
	}
}

static void
put_field(struct fields *f, const struct bnet_field *field, const void *of)
{
	const bool list = field->kind == BNET_FIELD_LIST;

	put_name(f, list ? "n" : field->name);
	put_value(f->out, field, (const char *)of + field->at);
	if (f->lines)
		out_line(f->out);
}

/* Writes the elements as JSON, in both forms. */
static void
put_elements(
    struct fields *f, const struct bnet_field *field, const void *message)
{
	const struct bnet_list *list = field->list;
	const char *of = message, *element;
	uint32_t n;

	memcpy(&n, of + field->at, sizeof(n));
	memcpy(&element, of + list->p_at, sizeof(element));
	put_name(f, field->name);
	OUT_LIT(f->out, "[");
	for (uint32_t i = 0; i < n; i++, element += list->element_bytes) {
		struct fields json = { f->out, .first = true };

		if (i > 0)
			OUT_LIT(f->out, ",");
		OUT_LIT(f->out, "{");
		for (size_t k = 0; k < list->n_fields; k++)
			put_field(&json, &list->fields[k], element);
		OUT_LIT(f->out, "}");
	}
	OUT_LIT(f->out, "]");
	if (f->lines)
		out_line(f->out);
}

static void
put_fields(struct fields *f, const struct bnet_message *message)
{
	size_t n;
	const struct bnet_field *field = bnet_message_fields(message->type, &n);

	for (; n > 0; n--, field++) {
		put_field(f, field, message);
		if (field->kind == BNET_FIELD_LIST)
			put_elements(f, field, message);
	}
}

static void
json_message(struct outbuf *out, const struct bnet_message *message)
{
	static const char prefix[] = "bluenet.";
	struct fields f = { out, .lines = false };

	OUT_LIT(out, "{\"type\":\"");
	out_str(out, bnet_message_name(message->type) + sizeof(prefix) - 1);
	OUT_LIT(out, "\"");
	put_fields(&f, message);
	OUT_LIT(out, "}");
}

void
verbose_message(struct outbuf *out, const struct bnet_message *message)
{
	struct fields f = { out, .lines = true };

	put_fields(&f, message);
}

/* ---- a record ---- */

/* The address is the peer's claim, and a UNIX path may have any bytes. */
static void
put_client(struct outbuf *out, const struct cap_event *event)
{
	const struct cap_stream *s = event->stream;

	OUT_LIT(out, ",\"client_src\":");
	out_json(out, s->client_src, strlen(s->client_src));
	if (event->type != CAP_PROXY || s->client_dst == NULL)
		return;
	OUT_LIT(out, ",\"client_dst\":");
	out_json(out, s->client_dst, strlen(s->client_dst));
}

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
	if (s->client_src != NULL)
		put_client(out, event);
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

/* The name of the key; 0x... if unknown, null for "no key". */
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
	if (h->key == BNET_KEY_PONG && h->latency_ms != 0) {
		OUT_LIT(out, ",\"ping\":");
		out_u64(out, h->latency_ms);
	}
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

/* ---- payloads ---- */

/* `name` and the node, where there is one. */
static void
put_node(struct outbuf *out, const char *name, const struct bnet_node *node)
{
	if (node == NULL)
		return;
	out_str(out, name);
	object_json(out, node, OBJECT_JSON_WORK_MAX);
}

static void
put_address(
    struct outbuf *out, const char *name, const struct bnet_macho_address *a)
{
	const char *type = output_dest_name(a->type);

	if (a->type < 0)
		return;
	out_str(out, name);
	if (type != NULL)
		out_json(out, type, strlen(type));
	else
		out_i64(out, a->type);
	put_node(out, ",\"id\":", a->id);
	put_node(out, ",\"service\":", a->service);
	put_node(out, ",\"call_id\":", a->call_id);
	put_node(out, ",\"event\":", a->broadcast);
	put_node(out, ",\"narrowcast\":", a->narrowcast);
	put_node(out, ",\"id_type\":", a->id_type);
	OUT_LIT(out, "}");
}

static void
put_macho_error(struct outbuf *out, const struct bnet_macho *m)
{
	const char *name = bnet_macho_error_name(m->code);

	if (m->type != BNET_MACHO_ERRORRESPONSE)
		return;
	OUT_LIT(out, ",\"error\":");
	out_json(out, name, strlen(name));
	OUT_LIT(out, ",\"code\":");
	out_i64(out, m->code);
	name = bnet_macho_type_name(m->answered_type);
	OUT_LIT(out, ",\"answered\":");
	out_json(out, name, strlen(name));
	put_node(out, ",\"exception\":", m->exception);
}

static void
put_macho(struct outbuf *out, const struct bnet_macho *m)
{
	OUT_LIT(out, ",\"macho\":{\"type\":\"");
	out_str(out, bnet_macho_type_name(m->type));
	OUT_LIT(out, "\",\"number\":");
	out_i64(out, m->type);
	put_node(out, ",\"service\":", m->service);
	put_node(out, ",\"method\":", m->method);
	put_node(out, ",\"event\":", m->event);
	if (m->has_call_id) {
		OUT_LIT(out, ",\"call_id\":");
		out_i64(out, m->call_id);
	}
	put_macho_error(out, m);
	put_address(out, ",\"source\":{\"type\":", &m->source);
	put_address(out, ",\"destination\":{\"type\":", &m->destination);
	put_node(out, ",\"user_id\":", m->user_id);
	put_node(out, ",\"args\":", m->args);
	put_node(out, ",\"kwargs\":", m->kwargs);
	put_node(out, ",\"result\":", m->result);
	OUT_LIT(out, "}");
}

static void
put_clock(struct outbuf *out, const char *type, const struct payload *p)
{
	OUT_LIT(out, ",\"clock\":{\"type\":\"");
	out_str(out, type);
	OUT_LIT(out, "\"");
	if (p->kind != PAYLOAD_CLOCK_DETACH) {
		OUT_LIT(out, ",\"sim_time\":");
		out_i64(out, p->clock.sim_time);
		OUT_LIT(out, ",\"dilation\":");
		out_f64(out, p->clock.dilation);
		OUT_LIT(out, ",\"wall_clock\":");
		out_i64(out, p->clock.wall_clock);
	}
	OUT_LIT(out, "}");
}

static void
put_object(struct outbuf *out, const struct payload *p)
{
	put_node(out, ",\"object\":", p->root);
	if (p->reason[0] != '\0') {
		OUT_LIT(out, ",\"object_error\":");
		out_json(out, p->reason, strlen(p->reason));
		OUT_LIT(out, ",\"object_error_at\":");
		out_u64(out, p->at_byte);
	}
	if (p->kind == PAYLOAD_MACHO)
		put_macho(out, &p->macho);
}

static void
put_payload(struct outbuf *out, const struct payload *p)
{
	switch (p->kind) {
	case PAYLOAD_OBJECT:
	case PAYLOAD_MACHO:
		put_object(out, p);
		break;
	case PAYLOAD_BATCH:
		put_node(out, ",\"batch\":{\"event\":", p->root + 1);
		put_node(out, ",\"args\":", bnet_node_next(p->root + 1));
		OUT_LIT(out, "}");
		break;
	case PAYLOAD_CLOCK_INIT:
		put_clock(out, "init", p);
		break;
	case PAYLOAD_CLOCK_UPDATE:
		put_clock(out, "update", p);
		break;
	case PAYLOAD_CLOCK_DETACH:
		put_clock(out, "detach", p);
		break;
	default:
		break;
	}
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
	if (event->cut_of > 0) {
		OUT_LIT(out, ",\"cut_of\":");
		out_u64(out, event->cut_of);
	}
	if (record->message != NULL) {
		OUT_LIT(out, ",\"message\":");
		json_message(out, record->message);
	} else if (record->message_type != BNET_MSG_NONE) {
		OUT_LIT(out, ",\"message\":null");
	}
	if (output->opt->payload == SHOW_OBJECT && record->payload != NULL)
		put_payload(out, record->payload);
	if (output->opt->payload == SHOW_HEX) {
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
	if (event->type == CAP_CLOCK) {
		OUT_LIT(out, ",\"step_ns\":");
		out_i64(out, event->step_ns);
	}
	OUT_LIT(out, ",\"reason\":");
	out_json(out, event->reason, strlen(event->reason));
	OUT_LIT(out, "}");
	out_line(out);
}

const struct output_format output_json = { json_record };
