/* SPDX-License-Identifier: MIT */
#include "cmd/decode/follow.h"

#include "cmd/decode/text.h"

static char
mark_of(const struct cap_event *event)
{
	return event->dir == CAP_UP ? '>' : '<';
}

static void
put_stamp(struct output *output, const struct cap_event *event)
{
	output_time(output, event->time_ns, event->clock_ns);
	if (output->opt->time == TIME_NONE)
		return;
	out_short(output->out, output->time, output->time_chars);
	OUT_LIT(output->out, "  ");
}

static void
put_ends(struct output *output, const struct cap_stream *stream)
{
	out_printf(output->out, "stream %llu  %s > %s%s",
	    (unsigned long long)stream->number, stream->end[0], stream->end[1],
	    stream->tls ? "  TLS" : "");
	out_line(output->out);
}

/* The line above a payload; a payload has no line like it. */
static void
put_head(struct output *output, const struct record *record)
{
	const struct cap_event *event = record->event;
	const struct bnet_packet *frame = event->frame;

	out_printf(output->out, "%c ", mark_of(event));
	put_stamp(output, event);
	out_printf(
	    output->out, "frame %llu", (unsigned long long)event->number);
	if (record->key_name != NULL) {
		OUT_LIT(output->out, "  ");
		out_safe(
		    output->out, record->key_name, strlen(record->key_name));
	} else if (frame->has_header && frame->header.key != 0) {
		out_printf(
		    output->out, "  0x%08x", (unsigned)frame->header.key);
	}
	out_printf(output->out, "  %zu bytes", frame->payload.len);
	out_line(output->out);
}

/* Lines of printable ASCII, with a dot for anything else. */
static void
put_lines(struct output *output, char mark, struct bnet_slice bytes)
{
	struct outbuf *out = output->out;
	bool begun = false;

	for (size_t i = 0; i < bytes.len; i++) {
		char c = (char)bytes.p[i];

		if (!begun)
			out_printf(out, "%c   ", mark);
		begun = c != '\n';
		if (!begun) {
			out_line(out);
			continue;
		}
		if (c == '\r' && i + 1 < bytes.len && bytes.p[i + 1] == '\n')
			continue;
		c = c >= 0x20 && c < 0x7f ? c : '.';
		out_short(out, &c, 1);
	}
	if (begun)
		out_line(out);
}

/* As in tshark: a line of digits, after a tab from the other side. */
static void
put_raw(struct output *output, const struct cap_event *event)
{
	if (event->dir == CAP_DOWN)
		OUT_LIT(output->out, "\t");
	out_hex(
	    output->out, event->frame->payload.p, event->frame->payload.len);
	out_line(output->out);
}

static void
follow_frame(struct output *output, const struct record *record)
{
	const struct cap_event *event = record->event;
	const struct bnet_slice payload = event->frame->payload;

	if (output->opt->follow == FOLLOW_RAW) {
		if (payload.len > 0)
			put_raw(output, event);
		return;
	}
	put_head(output, record);
	if (output->opt->follow == FOLLOW_HEX)
		text_dump(output->out, event->dir == CAP_UP ? ">   " : "<   ",
		    payload);
	else
		put_lines(output, mark_of(event), payload);
}

/* What is missing is no payload, but it is told. */
static void
follow_loss(struct output *output, const struct cap_event *event)
{
	out_printf(output->out, "%c ", mark_of(event));
	put_stamp(output, event);
	out_printf(output->out, "%s  %llu bytes  %s",
	    output_event_name(event->type), (unsigned long long)event->bytes,
	    event->reason);
	out_line(output->out);
}

static void
follow_record(struct output *output, const struct record *record)
{
	if (!output->followed && output->opt->follow != FOLLOW_RAW)
		put_ends(output, record->event->stream);
	output->followed = true;
	if (record->event->type == CAP_FRAME)
		follow_frame(output, record);
	else if (output->opt->follow != FOLLOW_RAW)
		follow_loss(output, record->event);
}

const struct output_format output_follow = { follow_record };
