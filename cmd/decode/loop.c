/* SPDX-License-Identifier: MIT */
/* Turns packets into records until the source ends or a signal comes. */
#include "cmd/common/cli.h"
#include "cmd/common/clock.h"
#include "cmd/decode/decode.h"
#include "cmd/decode/progress.h"

#include <signal.h>
#include <time.h>

#define ROLE_MASK 0xffu /* bits of cap_stream.user: a bnet_role, */
#define MATCHED 0x100u /* and whether a record passed the filter */
#define FLUSH_NS INT64_C(100000000) /* live: maximum delay of a line */

static struct source *breakable;
static volatile sig_atomic_t interrupted;

/* ---- records ---- */

/* Decodes the message of a frame, and what it tells about the stream. */
static void
decode_message(struct decode *d, struct record *record)
{
	const struct bnet_packet *frame = record->event->frame;
	struct cap_stream *stream = record->event->stream;
	size_t left_bytes;

	record->message_type = bnet_message_type(frame->header.key);
	if (record->message_type == BNET_MSG_NONE)
		return;
	if (bnet_message_decode(record->message_type, frame->payload,
		&d->message, &d->store, &left_bytes) != BNET_OK) {
		if (record->event->cut_of > 0) /* not the sender's fault */
			record->message_type = BNET_MSG_NONE;
		return;
	}
	record->message = &d->message;
	if (record->message_type == BNET_MSG_HELLO &&
	    record->event->dir == CAP_UP)
		stream->user = (stream->user & ~(uintptr_t)ROLE_MASK) |
		    (d->message.u.hello.role & ROLE_MASK);
}

/* Reads what the payload of an application's frame says. */
static void
decode_payload(struct decode *d, struct record *record)
{
	const struct bnet_packet *frame = record->event->frame;
	int32_t key = frame->has_header ? frame->header.key : 0;

	if (key != BNET_KEY_PONG && bnet_message_type(key) == BNET_MSG_NONE)
		record->payload =
		    payload_read(d->payloads, key, frame->payload);
}

/* Is it in the window, and of the stream to be followed? */
static bool
is_wanted(const struct decode *d, const struct cap_event *event)
{
	if (d->opt.window.on && !window_has(&d->opt.window, event->time_ns))
		return false;
	return d->opt.follow == FOLLOW_NOT ||
	    (event->stream != NULL &&
		event->stream->number == d->opt.follow_stream);
}

static void
show(struct decode *d, const struct record *record)
{
	if (d->stats != NULL)
		statistics_record(d->stats, record);
	if (d->export != NULL)
		export_record(d->export, record);
	if (d->lines)
		d->output.format->record(&d->output, record);
	d->followed = true;
}

static void
on_event(void *arg, const struct cap_event *event)
{
	struct decode *d = arg;
	struct record record = { .event = event };

	if (event->type == CAP_FRAME && event->frame->has_header) {
		if (d->names)
			record.key_name =
			    keys_name(d->keys, event->frame->header.key);
		if (d->messages)
			decode_message(d, &record);
	}
	if (event->type == CAP_FRAME && d->filter_payload)
		decode_payload(d, &record);
	if (d->done || (d->narrow && !is_wanted(d, event)) ||
	    (d->filter != NULL && !filter_match(d->filter, &record)))
		return;
	if (event->type == CAP_FRAME && d->payloads != NULL &&
	    record.payload == NULL)
		decode_payload(d, &record);
	if (event->stream != NULL)
		event->stream->user |= MATCHED;
	show(d, &record);
	if (event->type == CAP_FRAME && ++d->n_shown == d->opt.count)
		d->done = true;
}

static void
on_closed(void *arg, struct cap_stream *stream)
{
	struct decode *d = arg;

	if (d->save != NULL)
		save_stream_end(d->save, stream->number);
}

/* ---- packets ---- */

static void
open_capture(struct decode *d)
{
	const struct cap_sink sink = { on_event, on_closed, d };

	d->opt.cap.keylog = d->keylog;
	d->cap = cap_new(&d->opt.cap, &sink);
	if (d->cap == NULL)
		cli_die("out of memory");
}

static void
on_signal(int sig)
{
	(void)sig;
	interrupted = 1;
	source_break(breakable);
}

static void
catch_signals(struct decode *d)
{
	struct sigaction sa = { .sa_handler = on_signal };

	breakable = d->src;
	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
}

static void
one_packet(struct decode *d, const struct source_packet *packet)
{
	uint64_t n_fragments = cap_counters(d->cap)->fragments;
	struct cap_stream *stream;
	bool matches;

	if (d->opt.window.on && cap_counters(d->cap)->packets == 0)
		window_begin(&d->opt.window, packet->time_ns);
	if (cap_packet(d->cap, packet->linktype, packet->time_ns, packet->data,
		packet->wire_bytes, &stream) != BNET_OK) {
		cli_warn("out of memory: a packet was not decoded");
		d->exit_code = CLI_FAILED;
	}
	if (d->save == NULL)
		return;
	if (stream == NULL) {
		/* its stream is known only when the datagram is complete */
		if (cap_counters(d->cap)->fragments != n_fragments)
			save_any(d->save, packet);
		return;
	}
	matches = (stream->user & MATCHED) != 0 ||
	    (d->filter == NULL && !d->opt.cap.any_port);
	save_packet(d->save, stream->number, matches, packet);
}

static void
check_writing(struct decode *d)
{
	char err[SOURCE_ERR_CHARS];

	if (d->save != NULL && save_failed(d->save, err))
		d->done = true;
	if (d->export != NULL && export_problem(d->export) != NULL)
		d->done = true;
	if (d->out.error != 0)
		d->done = true;
}

/* Streams wait for their secret: has a key log or the capture brought it? */
static void
wait_for_keys(struct decode *d, bool force)
{
	size_t n_secrets;
	int64_t now_ns;
	bool grown;

	if (cap_waiting(d->cap) == 0)
		return;
	now_ns = clock_now_ns();
	grown = d->key_follow != NULL &&
	    keylog_follow_poll(d->key_follow, now_ns, force);
	n_secrets = cap_keylog_count(d->keylog);
	grown = grown || n_secrets != d->n_secrets;
	d->n_secrets = n_secrets;
	if (grown || force || now_ns - d->ticked_ns >= KEYLOG_FOLLOW_NS) {
		d->ticked_ns = now_ns;
		cap_tick(d->cap, now_ns, grown);
	}
}

/* Live: nothing that is still to come can be in the window. */
static bool
is_over(const struct decode *d)
{
	const struct window *window = &d->opt.window;

	return d->opt.iface != NULL && window->last.kind != WINDOW_NONE &&
	    clock_unix_ns() > window->to_ns;
}

/* Flushes the output; returns false when reading is to end. */
static bool
flush(struct decode *d)
{
	wait_for_keys(d, false);
	out_flush(&d->out);
	if (d->save != NULL)
		save_flush(d->save);
	check_writing(d);
	return !d->done && !is_over(d);
}

/*
 * No packet comes for now: what waits for earlier bytes does not wait for ever.
 */
static bool
idle(void *arg)
{
	struct decode *d = arg;

	if (d->idle_since_ns == 0)
		d->idle_since_ns = clock_now_ns();
	cap_idle(d->cap, clock_now_ns() - d->idle_since_ns);
	return flush(d);
}

/* Flushes live output even if traffic never pauses. */
static void
flush_in_time(struct decode *d)
{
	int64_t now_ns;

	if (d->opt.iface == NULL)
		return;
	now_ns = clock_now_ns();
	if (now_ns - d->flushed_ns < FLUSH_NS)
		return;
	d->flushed_ns = now_ns;
	flush(d);
}

/* The source has ended, but a key log may still bring a secret in time. */
static void
wait_at_end(struct decode *d)
{
	const struct timespec pause = { 0, KEYLOG_FOLLOW_NS / 2 };

	while (d->key_follow != NULL && cap_waiting(d->cap) > 0 && !d->done &&
	    !interrupted) {
		if (flush(d))
			(void)nanosleep(&pause, NULL);
	}
	wait_for_keys(d, true);
}

static bool
is_lossy(const struct cap_counters *n)
{
	return n->events[CAP_GAP] + n->events[CAP_SKIP] +
	    n->events[CAP_OVERLAP] + n->events[CAP_MALFORMED] +
	    n->events[CAP_LIMIT] + n->cut_frames >
	    0;
}

static void
loop(struct decode *d)
{
	struct source_packet packet;
	struct progress progress;
	char err[SOURCE_ERR_CHARS];
	enum source_result result = SOURCE_PACKET;

	progress_init(&progress, &d->opt, d->src);
	source_on_idle(d->src, idle, d);
	if (d->opt.iface != NULL) /* until the first packet has come */
		window_begin(&d->opt.window, clock_unix_ns());
	while (!d->done && !interrupted && !is_over(d)) {
		result = source_next(d->src, &packet, err);
		if (result != SOURCE_PACKET)
			break;
		d->idle_since_ns = 0;
		one_packet(d, &packet);
		wait_for_keys(d, false);
		flush_in_time(d);
		progress_step(&progress, d->src);
		check_writing(d);
	}
	wait_at_end(d);
	d->interrupted = interrupted != 0;
	/* an interruption does not lose the data in progress */
	d->lossy = is_lossy(cap_counters(d->cap));
	if (!d->done)
		cap_finish(d->cap);
	if (!d->done && !d->interrupted)
		d->lossy = is_lossy(cap_counters(d->cap));
	progress_end(&progress);
	out_flush(&d->out);
	if (result == SOURCE_ERROR) {
		cli_warn("%s", err);
		d->exit_code = CLI_FAILED;
	}
}

void
decode_run(struct decode *d)
{
	open_capture(d);
	catch_signals(d);
	/* from this line on, an interruption is handled */
	if (d->opt.iface != NULL)
		fprintf(stderr, "listening on %s, link type %s\n", d->opt.iface,
		    source_linktype_name(d->src));
	loop(d);
}

int
decode_status(const struct decode *d)
{
	return d->exit_code == CLI_OK && d->lossy ? CLI_LOSSY : d->exit_code;
}
