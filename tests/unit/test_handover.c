/* SPDX-License-Identifier: MIT */
#include "cmd/engine/handover.h"

#include "tests/unit/failmalloc.h"
#include "tests/unit/unit.h"

#include <poll.h>
#include <pthread.h>

#define N_RECORDS 3000
#define N_THREADS 3
#define N_PARCELS 2000

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
put_frame(struct parcel *parcel, const struct record *record, uint8_t byte)
{
	return parcel_put(
	    parcel, &budget, record, (struct bnet_slice){ &byte, 1 });
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
	struct parcel *parcel = parcel_new(&budget);
	struct record record;
	struct bnet_slice bytes;
	unsigned n = 0;
	size_t at = 0;

	ck_assert(put_frame(parcel, &row->first, 'a'));
	ck_assert(put_frame(parcel, &row->second, 'b'));
	ck_assert(parcel->flush == row->second.flush);
	while (parcel_read(parcel, &at, &record, &bytes))
		n++;
	ck_assert_msg(n == row->n_records, "%s: %u records", row->name, n);
	ck_assert_uint_eq(bytes.p[bytes.len - 1], 'b');
	parcel_free(parcel, &budget);
}
END_TEST

/* Bytes of random records come out as they went in. */
START_TEST(as_it_went_in)
{
	struct parcel *parcel = parcel_new(&budget);
	struct record record = { .kind = RECORD_FRAMES };
	struct bnet_slice bytes;
	uint64_t in_seed = 5, out_seed = 5, handle = 0;
	uint32_t n_frames = 0;
	size_t at = 0;

	for (int i = 0; i < N_RECORDS; i++) {
		record.handle = unit_random(&in_seed) % 3;
		if (!put_frame(parcel, &record, (uint8_t)record.handle))
			ck_abort_msg("no room");
		parcel_added(parcel, 1, 0);
	}
	ck_assert_uint_eq(parcel->n_frames, N_RECORDS);
	while (parcel_read(parcel, &at, &record, &bytes)) {
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
	parcel_free(parcel, &budget);
}
END_TEST

/* Without memory or budget nothing changes. */
START_TEST(no_room)
{
	const struct record record = { .handle = 1 };
	struct parcel *parcel = parcel_new(&budget);
	uint64_t used_bytes = budget.used_bytes;
	bool ok;

	failmalloc_arm(1, true);
	ok = parcel_record(parcel, &budget, &record, 1000);
	failmalloc_stop();
	ck_assert(!ok);
	ck_assert_uint_eq(budget.used_bytes, used_bytes);
	ck_assert(!parcel_record(parcel, &budget, &record, 1 << 24));
	ck_assert_uint_eq(budget.used_bytes, used_bytes);
	ck_assert_uint_eq(parcel->bytes.len, 0);
	failmalloc_arm(1, true);
	ok = parcel_new(&budget) != NULL;
	failmalloc_stop();
	ck_assert(!ok);
	ck_assert_uint_eq(budget.used_bytes, used_bytes);
	budget.max_bytes = used_bytes;
	ck_assert_ptr_null(parcel_new(&budget));
	parcel_free(parcel, &budget);
}
END_TEST

static bool
is_awake(struct handover_queue *queue)
{
	struct pollfd pfd = { .fd = queue->wake_fd, .events = POLLIN };

	return poll(&pfd, 1, 0) == 1;
}

/* Only the first of several wakes the owner. */
START_TEST(wakes_once)
{
	struct handover_queue queue;
	struct parcel *parcel;
	struct parcels parcels;

	ck_assert(handover_init(&queue));
	ck_assert(!is_awake(&queue));
	for (int round = 0; round < 2; round++) {
		ck_assert(handover_push(&queue, &parcel_new(&budget)->node));
		ck_assert(!handover_push(&queue, &parcel_new(&budget)->node));
		ck_assert(is_awake(&queue));
		handover_heard(&queue);
		handover_take(&queue, &parcels);
		ck_assert(!is_awake(&queue));
		for (int i = 0; i < 2; i++) {
			parcel = parcels_next(&parcels);
			ck_assert_ptr_nonnull(parcel);
			parcel_free(parcel, &budget);
		}
		ck_assert_ptr_null(parcels_next(&parcels));
	}
	/* what nobody took is freed with the queue */
	ck_assert(handover_push(&queue, &parcel_new(&budget)->node));
	handover_free(&queue, &budget);
	handover_free(&queue, &budget);
}
END_TEST

static struct handover_queue shared;

static void *
push_many(void *arg)
{
	struct record record = { .kind = RECORD_MESSAGE,
		.handle = *(const uint64_t *)arg };
	uintptr_t n_failed = 0;
	struct parcel *parcel;

	for (uint32_t i = 0; i < N_PARCELS; i++) {
		record.type = i;
		parcel = parcel_new(&budget);
		if (parcel == NULL || !put_frame(parcel, &record, 'x'))
			n_failed++;
		else
			(void)handover_push(&shared, &parcel->node);
	}
	return (void *)n_failed;
}

static unsigned
take_all(uint32_t next[N_THREADS])
{
	struct parcels parcels;
	struct parcel *parcel;
	struct record record;
	struct bnet_slice bytes;
	unsigned n = 0;
	size_t at;

	handover_heard(&shared);
	handover_take(&shared, &parcels);
	for (; (parcel = parcels_next(&parcels)) != NULL; n++) {
		at = 0;
		if (!parcel_read(parcel, &at, &record, &bytes) ||
		    record.type != next[record.handle]++)
			ck_abort_msg("not in the order of its thread");
		parcel_free(parcel, &budget);
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

	ck_assert(handover_init(&shared));
	pfd = (struct pollfd){ .fd = shared.wake_fd, .events = POLLIN };
	for (int i = 0; i < N_THREADS; i++)
		ck_assert_int_eq(
		    pthread_create(&threads[i], NULL, push_many, &ids[i]), 0);
	while (n < N_THREADS * N_PARCELS) {
		if (poll(&pfd, 1, 60000) != 1)
			ck_abort_msg("nobody woke us after %u", n);
		n += take_all(next);
	}
	for (int i = 0; i < N_THREADS; i++) {
		pthread_join(threads[i], &n_failed);
		ck_assert_ptr_null(n_failed);
	}
	handover_free(&shared, &budget);
}
END_TEST

static Suite *
handover_suite(void)
{
	Suite *suite = suite_create("handover");
	TCase *tc = unit_case(suite, "handover");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, join, 0, UNIT_ROWS(join_rows));
	tcase_add_test(tc, as_it_went_in);
	tcase_add_test(tc, no_room);
	tcase_add_test(tc, wakes_once);
	tcase_add_test(tc, from_several_threads);
	return suite;
}

UNIT_MAIN(handover_suite)
