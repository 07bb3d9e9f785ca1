/* SPDX-License-Identifier: MIT */
#include "cmd/engine/mailbox.h"

#include "tests/unit/failmalloc.h"
#include "tests/unit/unit.h"

#include <poll.h>
#include <pthread.h>

#define N_RECORDS 3000
#define N_THREADS 3
#define N_BATCHES 2000

static struct budget budget;

static void
setup(void)
{
	budget = (struct budget){ .max_bytes = 1 << 24 };
}

static void
teardown(void)
{
	ck_assert_uint_eq(budget.used_bytes, 0);
}

static bool
put_frame(struct batch *batch, const struct record *record, uint8_t byte)
{
	return batch_put(
	    batch, &budget, record, (struct bnet_slice){ &byte, 1 });
}

struct join_row {
	const char *name;
	struct record first, second;
	unsigned n_records;
};

static const struct join_row join_rows[] = {
	{ "frames for one connection", { .handle = 1 }, { .handle = 1 }, 1 },
	{ "another connection", { .handle = 1 }, { .handle = 2 }, 2 },
	{ "one is urgent", { .handle = 1 }, { .handle = 1, .flush = true }, 2 },
	{ "another byte order", { .type = 1 }, { .type = 2 }, 2 },
	{ "another kind", { .kind = RECORD_FRAMES }, { .kind = RECORD_FINISH },
	    2 },
	{ "two that are no frames", { .kind = RECORD_MESSAGE },
	    { .kind = RECORD_MESSAGE }, 2 },
};

START_TEST(join)
{
	const struct join_row *row = &join_rows[_i];
	struct batch *batch = batch_new(&budget);
	struct record record;
	struct bnet_slice bytes;
	unsigned n = 0;
	size_t at = 0;

	ck_assert(put_frame(batch, &row->first, 'a'));
	ck_assert(put_frame(batch, &row->second, 'b'));
	ck_assert(batch->flush == row->second.flush);
	while (batch_read(batch, &at, &record, &bytes))
		n++;
	ck_assert_msg(n == row->n_records, "%s: %u records", row->name, n);
	ck_assert_uint_eq(bytes.p[bytes.len - 1], 'b');
	batch_free(batch, &budget);
}
END_TEST

/* Bytes of random records come out as they went in. */
START_TEST(as_it_went_in)
{
	struct batch *batch = batch_new(&budget);
	struct record record = { .kind = RECORD_FRAMES };
	struct bnet_slice bytes;
	uint64_t in_seed = 5, out_seed = 5, handle = 0;
	uint32_t n_frames = 0;
	size_t at = 0;

	for (int i = 0; i < N_RECORDS; i++) {
		record.handle = unit_random(&in_seed) % 3;
		if (!put_frame(batch, &record, (uint8_t)record.handle))
			ck_abort_msg("no room");
		batch_added(batch, 1, 0);
	}
	ck_assert_uint_eq(batch->n_frames, N_RECORDS);
	while (batch_read(batch, &at, &record, &bytes)) {
		if (bytes.len != record.n_frames)
			ck_abort_msg("%zu bytes", bytes.len);
		for (size_t i = 0; i < bytes.len; i++) {
			handle = unit_random(&out_seed) % 3;
			if (bytes.p[i] != handle || record.handle != handle)
				ck_abort_msg("not in order");
		}
		n_frames += record.n_frames;
	}
	ck_assert_uint_eq(n_frames, N_RECORDS);
	batch_free(batch, &budget);
}
END_TEST

/* Without memory or budget nothing changes. */
START_TEST(no_room)
{
	const struct record record = { .handle = 1 };
	struct batch *batch = batch_new(&budget);
	uint64_t used_bytes = budget.used_bytes;
	bool ok;

	failmalloc_arm(1, true);
	ok = batch_record(batch, &budget, &record, 1000);
	failmalloc_stop();
	ck_assert(!ok);
	ck_assert_uint_eq(budget.used_bytes, used_bytes);
	ck_assert(!batch_record(batch, &budget, &record, 1 << 24));
	ck_assert_uint_eq(budget.used_bytes, used_bytes);
	ck_assert_uint_eq(batch->bytes.len, 0);
	failmalloc_arm(1, true);
	ok = batch_new(&budget) != NULL;
	failmalloc_stop();
	ck_assert(!ok);
	ck_assert_uint_eq(budget.used_bytes, used_bytes);
	budget.max_bytes = used_bytes;
	ck_assert_ptr_null(batch_new(&budget));
	batch_free(batch, &budget);
}
END_TEST

static bool
is_awake(struct mailbox *mailbox)
{
	struct pollfd pfd = { .fd = mailbox->wake_fd, .events = POLLIN };

	return poll(&pfd, 1, 0) == 1;
}

/* Only the first of several wakes the owner. */
START_TEST(wakes_once)
{
	struct mailbox mailbox;
	struct batch *batch;
	struct batches batches;

	ck_assert(mailbox_init(&mailbox));
	ck_assert(!is_awake(&mailbox));
	for (int round = 0; round < 2; round++) {
		ck_assert(mailbox_push(&mailbox, &batch_new(&budget)->node));
		ck_assert(!mailbox_push(&mailbox, &batch_new(&budget)->node));
		ck_assert(is_awake(&mailbox));
		mailbox_heard(&mailbox);
		mailbox_take(&mailbox, &batches);
		ck_assert(!is_awake(&mailbox));
		for (int i = 0; i < 2; i++) {
			batch = batches_next(&batches);
			ck_assert_ptr_nonnull(batch);
			batch_free(batch, &budget);
		}
		ck_assert_ptr_null(batches_next(&batches));
	}
	/* what nobody took is freed with the queue */
	ck_assert(mailbox_push(&mailbox, &batch_new(&budget)->node));
	mailbox_free(&mailbox, &budget);
	mailbox_free(&mailbox, &budget);
}
END_TEST

static struct mailbox shared;

static void *
push_many(void *arg)
{
	struct record record = { .kind = RECORD_MESSAGE,
		.handle = *(const uint64_t *)arg };
	uintptr_t n_failed = 0;
	struct batch *batch;

	for (uint32_t i = 0; i < N_BATCHES; i++) {
		record.type = i;
		batch = batch_new(&budget);
		if (batch == NULL || !put_frame(batch, &record, 'x'))
			n_failed++;
		else
			(void)mailbox_push(&shared, &batch->node);
	}
	return (void *)n_failed;
}

static unsigned
take_all(uint32_t next[N_THREADS])
{
	struct batches batches;
	struct batch *batch;
	struct record record;
	struct bnet_slice bytes;
	unsigned n = 0;
	size_t at;

	mailbox_heard(&shared);
	mailbox_take(&shared, &batches);
	for (; (batch = batches_next(&batches)) != NULL; n++) {
		at = 0;
		if (!batch_read(batch, &at, &record, &bytes) ||
		    record.type != next[record.handle]++)
			ck_abort_msg("not in the order of its thread");
		batch_free(batch, &budget);
	}
	return n;
}

/* Nothing is lost, none overtakes, and the owner may sleep meanwhile. */
START_TEST(from_several_threads)
{
	uint64_t ids[N_THREADS] = { 0, 1, 2 };
	uint32_t next[N_THREADS] = { 0 };
	pthread_t threads[N_THREADS];
	struct pollfd pfd;
	unsigned n = 0;
	void *n_failed;

	ck_assert(mailbox_init(&shared));
	pfd = (struct pollfd){ .fd = shared.wake_fd, .events = POLLIN };
	for (int i = 0; i < N_THREADS; i++)
		ck_assert_int_eq(
		    pthread_create(&threads[i], NULL, push_many, &ids[i]), 0);
	while (n < N_THREADS * N_BATCHES) {
		if (poll(&pfd, 1, 60000) != 1)
			ck_abort_msg("nobody woke us after %u", n);
		n += take_all(next);
	}
	for (int i = 0; i < N_THREADS; i++) {
		pthread_join(threads[i], &n_failed);
		ck_assert_ptr_null(n_failed);
	}
	mailbox_free(&shared, &budget);
}
END_TEST

static Suite *
mailbox_suite(void)
{
	Suite *suite = suite_create("mailbox");
	TCase *tc = unit_case(suite, "mailbox");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, join, 0, UNIT_ROWS(join_rows));
	tcase_add_test(tc, as_it_went_in);
	tcase_add_test(tc, no_room);
	tcase_add_test(tc, wakes_once);
	tcase_add_test(tc, from_several_threads);
	return suite;
}

UNIT_MAIN(mailbox_suite)
