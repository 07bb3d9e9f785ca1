/* SPDX-License-Identifier: MIT */
#include "cmd/engine/timers.h"

#include "tests/unit/failmalloc.h"
#include "tests/unit/unit.h"

#define N_TIMERS 200
#define N_STEPS 20000

/* What is set, without a heap: at[i] is 0 where timer i is not. */
struct model {
	int64_t at[N_TIMERS];
};

static int64_t
model_next_ns(const struct model *model)
{
	int64_t next_ns = INT64_MAX;

	for (size_t i = 0; i < N_TIMERS; i++)
		if (model->at[i] != 0 && model->at[i] < next_ns)
			next_ns = model->at[i];
	return next_ns;
}

static void
take_due(struct timers *timers, struct timer *all, struct model *model,
    int64_t now_ns)
{
	struct timer *due = timers_due(timers, now_ns);
	int64_t next_ns = model_next_ns(model);

	if (next_ns > now_ns) {
		ck_assert_ptr_null(due);
		return;
	}
	ck_assert_ptr_nonnull(due);
	ck_assert_int_eq(due->at_ns, next_ns);
	ck_assert_uint_eq(due->place, 0);
	ck_assert_int_eq(model->at[due - all], next_ns);
	model->at[due - all] = 0;
}

/* Set, set anew, cancel and take, in any order, as the model does. */
START_TEST(as_the_model)
{
	struct timers timers = { 0 };
	struct timer all[N_TIMERS] = { 0 };
	struct model model = { 0 };
	uint64_t seed = 7;

	for (int step = 0; step < N_STEPS; step++) {
		size_t i = (size_t)(unit_random(&seed) % N_TIMERS);
		int64_t at_ns = (int64_t)(unit_random(&seed) % 1000) + 1;

		switch (unit_random(&seed) % 4) {
		case 0:
		case 1:
			if (!timers_set(&timers, &all[i], at_ns))
				ck_abort_msg("not set");
			model.at[i] = at_ns;
			break;
		case 2:
			timers_cancel(&timers, &all[i]);
			model.at[i] = 0;
			break;
		default:
			take_due(&timers, all, &model, at_ns);
		}
		if (timers_next_ns(&timers) != model_next_ns(&model))
			ck_abort_msg("step %d: another is next", step);
	}
	timers_free(&timers);
}
END_TEST

START_TEST(in_order_of_time)
{
	struct timers timers = { 0 };
	struct timer all[N_TIMERS] = { 0 }, *due;
	int64_t last_ns = 0;

	ck_assert_int_eq(timers_next_ns(&timers), INT64_MAX);
	ck_assert_ptr_null(timers_due(&timers, INT64_MAX));
	for (int i = 0; i < N_TIMERS; i++)
		ck_assert(timers_set(&timers, &all[i], i * 37 % N_TIMERS + 1));
	ck_assert_ptr_null(timers_due(&timers, 0));
	for (int i = 0; i < N_TIMERS; i++) {
		due = timers_due(&timers, INT64_MAX);
		ck_assert_ptr_nonnull(due);
		ck_assert_int_eq(due->at_ns, last_ns + 1);
		last_ns = due->at_ns;
	}
	ck_assert_ptr_null(timers_due(&timers, INT64_MAX));
	timers_free(&timers);
}
END_TEST

START_TEST(without_memory_it_is_not_set)
{
	struct timers timers = { 0 };
	struct timer timer = { 0 };
	bool set;

	failmalloc_arm(1, true);
	set = timers_set(&timers, &timer, 5);
	failmalloc_stop();
	ck_assert(!set);
	ck_assert_uint_eq(timer.place, 0);
	ck_assert_int_eq(timers_next_ns(&timers), INT64_MAX);
	timers_cancel(&timers, &timer);
	ck_assert(timers_set(&timers, &timer, 5));
	ck_assert_int_eq(timers_next_ns(&timers), 5);
	timers_free(&timers);
}
END_TEST

static Suite *
timers_suite(void)
{
	Suite *suite = suite_create("timers");
	TCase *tc = unit_case(suite, "timers");

	tcase_add_test(tc, as_the_model);
	tcase_add_test(tc, in_order_of_time);
	tcase_add_test(tc, without_memory_it_is_not_set);
	return suite;
}

UNIT_MAIN(timers_suite)
