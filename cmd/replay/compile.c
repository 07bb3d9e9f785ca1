/* SPDX-License-Identifier: MIT */
#include "cmd/replay/compile.h"

#include "cmd/capture/keylog.h"
#include "cmd/capture/source.h"
#include "cmd/common/cli.h"
#include "cmd/replay/compile_frame.h"
#include "cmd/replay/compile_ports.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define STORE_MAX_BYTES ((size_t)4 << 20) /* of a message */
#define PROGRESS_PACKETS 4096 /* between calls */

struct compile {
	const struct compile_settings *set;
	struct compile_frame frames;
	struct tape_head head;
	struct cap_keylog *keylog;
	struct cap *cap;
	uint64_t n_packets;
	uint64_t n_frameless; /* streams, also those without a secret */
	bool no_memory;
	char *err; /* TAPE_ERR_CHARS */
};

static struct source *breakable;
static volatile sig_atomic_t interrupted;

void
compile_break(void)
{
	interrupted = 1;
	if (breakable != NULL)
		source_break(breakable);
}

/* ---- secrets of TLS ---- */

static bool
fail(struct compile *c, const char *what, const char *why)
{
	snprintf(c->err, TAPE_ERR_CHARS, "%s: %s", what, why);
	return false;
}

/* Malformed lines are passed over: the good ones are of use. */
static bool
load_keylog(struct compile *c, const char *path)
{
	FILE *f = fopen(path, "re");
	enum bnet_err err;

	if (f == NULL)
		return fail(c, path, strerror(errno));
	err = cap_keylog_read(c->keylog, f);
	fclose(f);
	if (err == BNET_ECUT)
		return fail(c, path, strerror(errno));
	if (err != BNET_OK && err != BNET_ETLS)
		return fail(c, path, bnet_strerror(err));
	return true;
}

static bool
load_secrets(struct compile *c)
{
	const struct compile_settings *set = c->set;
	struct stat st;
	size_t n_blocks;

	if (set->keylog != NULL && !load_keylog(c, set->keylog))
		return false;
	/* what is bad there is told when the capture is read */
	for (size_t i = 0; i < set->n_paths; i++)
		if (stat(set->paths[i], &st) == 0 && S_ISREG(st.st_mode))
			(void)!cap_pcapng_secrets_path(
			    set->paths[i], c->keylog, &n_blocks);
	return true;
}

/* ---- what the streams tell ---- */

static struct captured *
captured_of(struct compile *c, struct cap_stream *stream, int64_t time_ns)
{
	struct captured *captured = (struct captured *)stream->user;

	if (captured != NULL)
		return captured;
	captured = captured_new(stream, time_ns - c->frames.start_ns);
	if (captured == NULL)
		c->no_memory = true;
	stream->user = (uintptr_t)captured;
	return captured;
}

static void
on_event(void *arg, const struct cap_event *event)
{
	struct compile *c = arg;
	struct captured *captured;

	if (event->stream == NULL)
		return;
	captured = captured_of(c, event->stream, event->time_ns);
	if (captured == NULL)
		return;
	if (event->type != CAP_FRAME)
		captured->session.flags |= TAPE_S_GAPS;
	else if (!compile_frame(&c->frames, captured, event))
		c->no_memory = true;
}

static void
on_closed(void *arg, struct cap_stream *stream)
{
	struct compile *c = arg;
	struct captured *captured = (struct captured *)stream->user;

	stream->user = 0;
	if (captured == NULL)
		return;
	captured->session.order = stream->order;
	if (stream->tls)
		captured->session.flags |= TAPE_S_TLS;
	if (stream->no_start)
		captured->session.flags |= TAPE_S_NO_START;
	captured_gone(&c->frames.all, captured);
	if (captured->index == TAPE_NONE) {
		c->n_frameless++;
		free(captured);
	}
}

/* ---- packets ---- */

static void
one_packet(struct compile *c, struct source *source,
    const struct source_packet *packet)
{
	struct cap_stream *stream = NULL;
	struct captured *captured;

	if (c->n_packets++ == 0) {
		c->frames.start_ns = packet->time_ns;
		c->head.start_ns = packet->time_ns;
	}
	if (packet->time_ns > c->head.end_ns)
		c->head.end_ns = packet->time_ns;
	if (cap_packet(c->cap, source_linktype(source), packet->time_ns,
		packet->data, packet->wire_bytes, &stream) != BNET_OK)
		c->no_memory = true;
	if (stream == NULL)
		return;
	captured = captured_of(c, stream, packet->time_ns);
	if (captured != NULL &&
	    packet->time_ns - c->frames.start_ns >
		captured->session.start_ns + captured->session.end_ns)
		captured->session.end_ns = packet->time_ns -
		    c->frames.start_ns - captured->session.start_ns;
}

static void
progress(struct compile *c, struct source *source)
{
	uint64_t at, size;

	if (c->set->progress == NULL || c->n_packets % PROGRESS_PACKETS != 0)
		return;
	if (source_progress(source, &at, &size))
		c->set->progress(c->set->arg, at, size);
	else
		c->set->progress(c->set->arg, c->n_packets, 0);
}

static bool
read_all(struct compile *c, struct source *source)
{
	enum source_result result = SOURCE_PACKET;
	uint64_t n_before = c->n_packets;
	struct source_packet packet;

	breakable = source;
	while (!interrupted && !c->no_memory && c->frames.writer.error == 0) {
		result = source_next(source, &packet, c->err);
		if (result != SOURCE_PACKET)
			break;
		one_packet(c, source, &packet);
		progress(c, source);
	}
	breakable = NULL;
	if (c->no_memory)
		return fail(c, "compiling", "out of memory");
	if (result == SOURCE_ERROR && c->n_packets > n_before) {
		/* cut off, perhaps: what there is of it is of use */
		cli_warn("%s: what was read of it is used", c->err);
		return true;
	}
	return result != SOURCE_ERROR;
}

static bool
read_captures(struct compile *c)
{
	struct source *source;
	bool ok = true;

	for (size_t i = 0; ok && !interrupted && i < c->set->n_paths; i++) {
		source = source_open_file(c->set->paths[i], c->err);
		ok = source != NULL &&
		    (c->set->bpf == NULL ||
			source_filter(source, c->set->bpf, c->err)) &&
		    read_all(c, source);
		source_close(source);
	}
	cap_finish(c->cap);
	if (interrupted)
		return fail(c, "compiling", "interrupted");
	if (ok && c->no_memory)
		return fail(c, "compiling", "out of memory");
	return ok;
}

/* ---- the tape ---- */

/* Why it is no session that anybody can play; TAPE_N_LEFT_OUT: it is one. */
static enum tape_left_out
left_out(const struct compile *c, const struct captured *captured)
{
	const struct tape_session *session = &captured->session;

	if (c->set->filter != NULL && captured->n_taken == 0)
		return TAPE_FILTERED;
	if (session->n[CAP_UP] == 0)
		return TAPE_NOTHING_SENT;
	return TAPE_N_LEFT_OUT;
}

static void
cover(struct compile *c)
{
	const struct cap_counters *n = cap_counters(c->cap);
	struct tape_coverage *coverage = &c->head.coverage;

	coverage->packets = n->packets;
	coverage->packet_bytes = n->packet_bytes;
	coverage->streams = c->frames.all.n + c->n_frameless;
	coverage->left_out[TAPE_NO_KEY] = n->keyless_streams;
	if (c->n_frameless > n->keyless_streams)
		coverage->left_out[TAPE_NO_FRAMES] =
		    c->n_frameless - n->keyless_streams;
	memcpy(coverage->events, n->events, sizeof(coverage->events));
	memcpy(coverage->event_bytes, n->event_bytes,
	    sizeof(coverage->event_bytes));
}

/* What is played of one session. */
static void
cover_session(struct compile *c, const struct captured *captured)
{
	struct tape_coverage *coverage = &c->head.coverage;

	for (int dir = CAP_UP; dir <= CAP_DOWN; dir++) {
		coverage->frames[dir] += captured->session.n[dir];
		coverage->frame_bytes[dir] += captured->frame_bytes[dir];
	}
	coverage->upkeep_frames += captured->n_upkeep;
	coverage->answered += captured->session.n_answered;
}

/* A capture may be older than the one before it: time begins with it. */
static void
begin_with_first(struct compile *c)
{
	struct captured_all *all = &c->frames.all;
	int64_t early_ns = 0;

	for (uint32_t i = 0; i < all->n; i++)
		if (all->list[i]->session.start_ns < early_ns)
			early_ns = all->list[i]->session.start_ns;
	for (uint32_t i = 0; i < all->n; i++)
		all->list[i]->session.start_ns -= early_ns;
	c->head.start_ns += early_ns;
}

static bool
write_tape(struct compile *c)
{
	struct captured_all *all = &c->frames.all;
	struct tape_session *sessions =
	    calloc((size_t)all->n + 1, sizeof(*sessions));
	enum tape_left_out why;
	bool ok;

	if (sessions == NULL)
		return fail(c, "compiling", "out of memory");
	cover(c);
	begin_with_first(c);
	for (uint32_t i = 0; i < all->n; i++) {
		sessions[i] = all->list[i]->session;
		why = left_out(c, all->list[i]);
		if (why == TAPE_N_LEFT_OUT) {
			cover_session(c, all->list[i]);
			continue;
		}
		sessions[i].flags |= TAPE_S_LEFT_OUT;
		c->head.coverage.left_out[why]++;
	}
	c->head.n_sessions = all->n;
	ok = tape_write_end(
	    &c->frames.writer, &c->head, sessions, bnet_buf_slice(&all->texts));
	free(sessions);
	return ok || fail(c, "the replay file", strerror(errno));
}

/* ---- all of it ---- */

static bool
begin(struct compile *c, int fd)
{
	const struct cap_sink sink = { on_event, on_closed, c };
	struct cap_settings cap = c->set->cap;

	c->keylog = cap_keylog_new();
	c->frames.filter = c->set->filter;
	c->frames.keys = c->set->keys;
	c->frames.coverage = &c->head.coverage;
	bnet_buf_init(&c->frames.store, STORE_MAX_BYTES);
	if (c->keylog == NULL || !captured_init(&c->frames.all) ||
	    !tape_write_init(&c->frames.writer, fd))
		return fail(c, "compiling", "out of memory");
	if (!load_secrets(c))
		return false;
	if (cap.any_port)
		compile_find_ports(c->set, c->keylog, &cap);
	cap.keylog = c->keylog;
	c->cap = cap_new(&cap, &sink);
	return c->cap != NULL || fail(c, "compiling", "out of memory");
}

static void
end(struct compile *c)
{
	cap_free(c->cap);
	captured_free(&c->frames.all);
	tape_write_free(&c->frames.writer);
	bnet_buf_free(&c->frames.store);
	free(c->frames.refs);
	cap_keylog_free(c->keylog);
}

bool
compile(const struct compile_settings *set, int fd, char err[TAPE_ERR_CHARS])
{
	struct compile c = { .set = set, .err = err };
	bool ok;

	_Static_assert(TAPE_ERR_CHARS >= SOURCE_ERR_CHARS, "source writes it");
	ok = begin(&c, fd) && read_captures(&c) && write_tape(&c);
	end(&c);
	return ok;
}
