/* SPDX-License-Identifier: MIT */
/*
 * relay_load, fourth part: one user sends as fast as it can to one node.
 *
 * Both ends are this one thread, which sends what was encoded before and only
 * counts what arrives, so it is cheaper than what it measures. At most
 * WINDOW_BYTES are on the way: no peer has a reason to drop anything.
 */
#ifndef TESTS_LOAD_STREAM_H
#define TESTS_LOAD_STREAM_H

#include "cmd/common/clock.h"
#include "tests/bench/load_greet.h"

#include <poll.h>

#define BLOCK_RECORDS 2048
#define CHUNK_BYTES 65536
#define WINDOW_BYTES (1U << 20)
#define SINK_CAP_BYTES (1U << 18)
#define SERIAL_FROM 16 /* these are all of one length in a header */
#define SERIALS 240

struct stream {
	const struct setup *set;
	struct conn user, node;
	struct bnet_buf block; /* BLOCK_RECORDS of record_bytes */
	size_t record_bytes;
	uint64_t sent_bytes, all_bytes;
	uint64_t n_received;
};

struct result {
	uint64_t n_frames;
	int64_t cpu_ns, wall_ns;
	int64_t p50_ns, p99_ns;
};

/* CPU time of another process, all of its threads, user and system. */
static int64_t
cpu_ns(pid_t pid)
{
	struct timespec ts;
	clockid_t clock;

	if (clock_getcpuclockid(pid, &clock) != 0 ||
	    clock_gettime(clock, &ts) != 0)
		errx(1, "process %d, which is measured, is gone", (int)pid);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static void
stream_open(struct stream *stream, const struct setup *set)
{
	int64_t node = 0;
	int listener;

	if (set->wire == WIRE_RAW) {
		listener = listen_on(set->node_port);
		connect_user(&stream->user, set, 0);
		conn_accept(&stream->node, listener, SINK_CAP_BYTES);
		close(listener);
	} else {
		node = connect_node(&stream->node, set, SINK_CAP_BYTES);
		connect_user(&stream->user, set, 0);
	}
	conn_nonblocking(&stream->user);
	conn_nonblocking(&stream->node);
	bnet_buf_init(&stream->block, BLOCK_RECORDS * RECORD_MAX_BYTES);
	for (uint32_t i = 0; i < BLOCK_RECORDS; i++)
		put_question(&stream->block, set->wire, 0, node,
		    set->vary ? SERIAL_FROM + i % SERIALS : 0,
		    set->payload_bytes);
	stream->record_bytes = stream->block.len / BLOCK_RECORDS;
}

/* How much of the block, from where we are in it, may be sent now. */
static size_t
stream_may_send(const struct stream *stream)
{
	uint64_t arrived = stream->n_received * stream->record_bytes;
	uint64_t window = arrived + WINDOW_BYTES;
	size_t in_block = (size_t)(stream->sent_bytes % stream->block.len);
	size_t n = stream->block.len - in_block;

	if (window > stream->all_bytes)
		window = stream->all_bytes;
	if (n > CHUNK_BYTES)
		n = CHUNK_BYTES;
	if (n > window - stream->sent_bytes)
		n = (size_t)(window - stream->sent_bytes);
	return n;
}

static size_t
stream_send(struct stream *stream)
{
	size_t at = (size_t)(stream->sent_bytes % stream->block.len);
	size_t n = stream_may_send(stream);

	if (n != 0)
		n = conn_write(
		    &stream->user, bnet_buf_slice(&stream->block).p + at, n);
	stream->sent_bytes += n;
	return n;
}

static size_t
stream_receive(struct stream *stream)
{
	struct conn *node = &stream->node;
	const struct setup *set = stream->set;
	size_t n = conn_fill(node), at = 0, used;
	struct record record;

	while ((used = take_record(set->wire, node->in + at, node->have - at,
		    set->payload_bytes, &record)) != 0) {
		stream->n_received += record.ours;
		at += used;
	}
	conn_used(node, at);
	return n;
}

static void
stream_wait(const struct stream *stream)
{
	struct pollfd fds[2] = { { .fd = stream->node.fd, .events = POLLIN },
		{ .fd = stream->user.fd, .events = POLLOUT } };
	nfds_t n = stream_may_send(stream) != 0 ? 2 : 1;

	if (poll(fds, n, PATIENCE_S * 1000) == 0)
		errx(1, "stalled: %llu packets sent, %llu arrived",
		    (unsigned long long)(stream->sent_bytes /
			stream->record_bytes),
		    (unsigned long long)stream->n_received);
}

static void
stream_run(struct stream *stream, uint64_t n_frames)
{
	uint64_t until = stream->n_received + n_frames;

	stream->all_bytes += n_frames * stream->record_bytes;
	while (stream->n_received < until)
		if (stream_send(stream) + stream_receive(stream) == 0)
			stream_wait(stream);
	if (stream->n_received != until)
		errx(1, "more packets arrived than were sent");
}

/* A tenth goes before, unmeasured. */
static void
test_stream(const struct setup *set, uint64_t n_frames, pid_t pid,
    struct result *result)
{
	struct stream stream = { .set = set };

	stream_open(&stream, set);
	stream_run(&stream, n_frames / 10);
	result->n_frames = n_frames;
	result->cpu_ns = -cpu_ns(pid);
	result->wall_ns = -clock_now_ns();
	stream_run(&stream, n_frames);
	result->wall_ns += clock_now_ns();
	result->cpu_ns += cpu_ns(pid);
	conn_close(&stream.user);
	conn_close(&stream.node);
	bnet_buf_free(&stream.block);
}

#endif
