/* SPDX-License-Identifier: MIT */
/*
 * A queue that is long, through sockets: a peer that does not read, one who
 * fills its queue, and others who send a little.
 */
#include "tests/unit/engine_fixture.h"

#define N_LIGHT 20
#define N_EACH 5
#define LINE_BYTES 1000
#define QUEUE_BYTES ((size_t)1 << 20)

static const unsigned workers_rows[] = { 1, 3 };

struct stage {
	struct fix fix;
	int target, heavy, light[N_LIGHT];
	uint32_t n_sent; /* by the heavy one */
};

static unsigned
results(struct fix *fix, enum engine_sent which)
{
	unsigned n;

	fix_lock(fix);
	n = fix->sent[which];
	fix_unlock(fix);
	return n;
}

/* A frame that names its source and its number. */
static void
send_line(int fd, uint32_t source, uint32_t number)
{
	uint8_t bytes[LINE_BYTES] = { 0 };

	memcpy(bytes, &source, sizeof(source));
	memcpy(bytes + 4, &number, sizeof(number));
	peer_send(fd, BNET_ORDER_LITTLE, bytes, sizeof(bytes));
}

/* The target has a small window, so that little is ahead of its queue. */
static void
begin(struct stage *stage, enum fix_mode mode, int workers)
{
	struct engine_settings set = { .n_workers = workers_rows[workers],
		.queue_max_bytes = QUEUE_BYTES };

	*stage = (struct stage){ .n_sent = 0 };
	fix_start(&stage->fix, &set, mode);
	stage->target = peer_connect_to(&stage->fix.at, 4096);
	peer_send_u32(stage->target, 0);
	FIX_WAIT(&stage->fix, n_packets, 1);
	stage->heavy = peer_connect(&stage->fix);
	for (int i = 0; i < N_LIGHT; i++)
		stage->light[i] = peer_connect(&stage->fix);
}

static void
end(struct stage *stage)
{
	close(stage->target);
	close(stage->heavy);
	for (int i = 0; i < N_LIGHT; i++)
		close(stage->light[i]);
	fix_stop(&stage->fix);
}

/* Send until a frame is refused, waiting for each to be handled. */
static void
fill(struct stage *stage)
{
	unsigned n = results(&stage->fix, ENGINE_QUEUED);

	while (results(&stage->fix, ENGINE_FULL) == 0) {
		for (int i = 0; i < 100; i++)
			send_line(stage->heavy, N_LIGHT, stage->n_sent++);
		n += 100;
		FIX_WAIT(&stage->fix, n_packets, n + 1);
	}
}

/* All that was queued for the target, in the order of each; who is last? */
static void
read_all(struct stage *stage, unsigned n_queued, unsigned *last_light)
{
	uint32_t next[N_LIGHT + 1] = { 0 }, source, number;
	uint8_t bytes[LINE_BYTES];

	for (unsigned i = 0; i < n_queued; i++) {
		UNIT_MUST(peer_take(stage->target, BNET_ORDER_LITTLE, bytes,
			      sizeof(bytes)) == sizeof(bytes),
		    "frame %u", i);
		memcpy(&source, bytes, sizeof(source));
		memcpy(&number, bytes + 4, sizeof(number));
		UNIT_MUST(source <= N_LIGHT, "frame %u", i);
		/* numbers of the heavy one that were refused are missing */
		UNIT_MUST(source == N_LIGHT ? number >= next[source]
					    : number == next[source],
		    "frame %u of %u: %u", i, source, number);
		next[source] = number + 1;
		if (source < N_LIGHT)
			*last_light = i;
	}
}

/* One fills the queue: the others still get in, and are served first. */
START_TEST(little_gets_in)
{
	unsigned n_full, last = 0, n_queued;
	struct stage stage;

	begin(&stage, FIX_TO_TARGET, _i);
	fill(&stage);
	n_full = results(&stage.fix, ENGINE_FULL);
	for (uint32_t n = 0; n < N_EACH; n++)
		for (int i = 0; i < N_LIGHT; i++)
			send_line(stage.light[i], (uint32_t)i, n);
	FIX_WAIT(&stage.fix, n_packets, 1 + stage.n_sent + N_LIGHT * N_EACH);
	ck_assert_uint_eq(results(&stage.fix, ENGINE_FULL), n_full);
	n_queued = results(&stage.fix, ENGINE_QUEUED);
	ck_assert_uint_eq(n_queued + n_full, stage.n_sent + N_LIGHT * N_EACH);
	ck_assert_uint_ge(fix_counter(&stage.fix, ENGINE_QUEUES_SHARED), 1);
	read_all(&stage, n_queued, &last);
	/* of what the heavy one had queued, most came after them */
	ck_assert_uint_lt(last, n_queued / 2);
	end(&stage);
}
END_TEST

/* What is dropped or lost from the turns is counted: fix_stop() balances. */
START_TEST(it_ends)
{
	struct stage stage;

	begin(&stage, FIX_TO_TARGET, _i);
	fill(&stage);
	close(stage.target);
	FIX_WAIT(&stage.fix, n_closed, 1);
	ck_assert_uint_gt(fix_counter(&stage.fix, ENGINE_PACKETS_LOST), 100);
	stage.target = peer_connect(&stage.fix);
	end(&stage);
}
END_TEST

static Suite *
make_suite(void)
{
	Suite *suite = suite_create("engine_fair");
	TCase *tc = unit_case(suite, "fair");

	tcase_add_loop_test(tc, little_gets_in, 0, UNIT_ROWS(workers_rows));
	tcase_add_loop_test(tc, it_ends, 0, UNIT_ROWS(workers_rows));
	return suite;
}

UNIT_MAIN(make_suite)
