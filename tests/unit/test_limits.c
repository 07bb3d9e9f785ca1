/* SPDX-License-Identifier: MIT */
/* cmd/relay/limits */
#include "cmd/relay/limits.h"
#include "tests/unit/failmalloc.h"
#include "tests/unit/unit.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>

#define S INT64_C(1000000000)

static struct address
v4(uint32_t ip)
{
	struct address addr = { .len_bytes = sizeof(struct sockaddr_in) };
	struct sockaddr_in in = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(ip) };

	memcpy(&addr.sa, &in, sizeof(in));
	return addr;
}

static void
admit(struct limits *limits, uint32_t ip, int64_t now_ns,
    enum limits_verdict want)
{
	struct address addr = v4(ip);
	enum limits_verdict got = limits_admit(limits, &addr, now_ns);

	ck_assert_msg(got == want, "%u at %lld: %s, not %s", ip,
	    (long long)now_ns, limits_word(got), limits_word(want));
}

static void
leave(struct limits *limits, uint32_t ip)
{
	struct address addr = v4(ip);

	limits_leave(limits, &addr);
}

START_TEST(total_and_address)
{
	struct limits_settings settings = { .open_max = 3, .address_max = 2 };
	struct limits *limits = limits_new(&settings);

	admit(limits, 1, 0, LIMITS_OK);
	admit(limits, 1, 0, LIMITS_OK);
	admit(limits, 1, 0, LIMITS_ADDRESS);
	admit(limits, 2, 0, LIMITS_OK);
	admit(limits, 2, 0, LIMITS_TOTAL);
	ck_assert_uint_eq(limits_open(limits), 3);
	leave(limits, 1);
	admit(limits, 2, 0, LIMITS_OK);
	leave(limits, 2);
	leave(limits, 2);
	leave(limits, 1);
	ck_assert_uint_eq(limits_open(limits), 0);
	admit(limits, 1, 0, LIMITS_OK);
	limits_free(limits);
	limits_free(NULL);
}
END_TEST

static struct cidr
block_of(const char *text)
{
	struct cidr block;

	ck_assert(cidr_parse(text, &block));
	return block;
}

START_TEST(blocks)
{
	struct limits_settings settings = { .address_max = 2 };
	struct limits *limits = limits_new(&settings);
	struct cidr net = block_of("10.0.0.0/8"), one = block_of("10.1.0.1");
	struct cidr other = block_of("::a00:0/104"), got[LIMITS_BLOCKS_MAX];
	struct address inside = v4(0x0a010001);

	admit(limits, 0x0a010001, 0, LIMITS_OK);
	ck_assert(!limits_is_blocked(limits, &inside));
	ck_assert(limits_block(limits, &one));
	ck_assert(limits_block(limits, &net));
	ck_assert(limits_block(limits, &net));
	ck_assert_uint_eq(limits_blocks(limits, got), 2);
	ck_assert_mem_eq(got[0].ip, one.ip, sizeof(one.ip));
	ck_assert_uint_eq(got[1].bits, net.bits);
	/* those that are open stay, and leave */
	ck_assert_uint_eq(limits_open(limits), 1);
	admit(limits, 0x0a010001, 0, LIMITS_BLOCKED);
	admit(limits, 0x0b010001, 0, LIMITS_OK);
	ck_assert(limits_is_blocked(limits, &inside));
	ck_assert(!limits_is_blocked(limits, NULL));
	ck_assert_int_eq(limits_admit(limits, NULL, 0), LIMITS_OK);
	ck_assert_int_eq(limits_locate(limits, &inside), LIMITS_BLOCKED);
	ck_assert_uint_eq(limits_open(limits), 3);
	leave(limits, 0x0a010001);
	limits_leave(limits, NULL);
	ck_assert_uint_eq(limits_open(limits), 1);
	/* exactly that block */
	ck_assert(!limits_unblock(limits, &other));
	ck_assert(limits_unblock(limits, &one));
	admit(limits, 0x0a010001, 0, LIMITS_BLOCKED);
	ck_assert(limits_unblock(limits, &net));
	ck_assert(!limits_unblock(limits, &net));
	admit(limits, 0x0a010001, 0, LIMITS_OK);
	limits_free(limits);
}
END_TEST

/* One more is refused, and none of the rate is used by who is blocked. */
START_TEST(blocks_max)
{
	struct limits_settings settings = { .rate_per_s = 1 };
	struct limits *limits = limits_new(&settings);
	struct cidr block = block_of("10.0.0.0"), got[LIMITS_BLOCKS_MAX];

	for (unsigned i = 0; i < LIMITS_BLOCKS_MAX; i++) {
		block.ip[14] = (uint8_t)(i >> 8);
		block.ip[15] = (uint8_t)i;
		UNIT_MUST(limits_block(limits, &block), "%u", i);
	}
	ck_assert(limits_block(limits, &block));
	block.ip[13] = 1;
	ck_assert(!limits_block(limits, &block));
	ck_assert_uint_eq(limits_blocks(limits, got), LIMITS_BLOCKS_MAX);
	for (uint32_t i = 0; i < 10; i++)
		admit(limits, 0x0a000000 + i, 0, LIMITS_BLOCKED);
	admit(limits, 1, 0, LIMITS_OK);
	admit(limits, 1, 0, LIMITS_RATE);
	limits_free(limits);
}
END_TEST

START_TEST(no_limits)
{
	struct limits_settings settings = { 0 };
	struct limits *limits = limits_new(&settings);

	for (uint32_t i = 0; i < 5000; i++)
		admit(limits, i % 3, 0, LIMITS_OK);
	ck_assert_uint_eq(limits_open(limits), 5000);
	limits_free(limits);
}
END_TEST

/* Behind a proxy: counted first, named later. */
START_TEST(locate)
{
	struct limits_settings settings = { .open_max = 3, .address_max = 1 };
	struct limits *limits = limits_new(&settings);
	struct address addr = v4(9);

	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(limits_admit(limits, NULL, 0), LIMITS_OK);
	ck_assert_int_eq(limits_admit(limits, NULL, 0), LIMITS_TOTAL);
	ck_assert_int_eq(limits_locate(limits, &addr), LIMITS_OK);
	ck_assert_int_eq(limits_locate(limits, &addr), LIMITS_ADDRESS);
	ck_assert_uint_eq(limits_open(limits), 3);
	limits_leave(limits, NULL);
	ck_assert_int_eq(limits_locate(limits, &addr), LIMITS_ADDRESS);
	limits_leave(limits, &addr);
	ck_assert_int_eq(limits_locate(limits, &addr), LIMITS_OK);
	limits_leave(limits, &addr);
	ck_assert_uint_eq(limits_open(limits), 0);
	limits_leave(limits, &addr); /* one too many is no harm */
	ck_assert_uint_eq(limits_open(limits), 0);
	limits_free(limits);
}
END_TEST

START_TEST(rate)
{
	struct limits_settings settings = { .rate_per_s = 3, .burst = 2 };
	struct limits *limits = limits_new(&settings);
	int64_t t = 1000 * S;

	admit(limits, 1, t, LIMITS_OK);
	admit(limits, 2, t, LIMITS_OK);
	admit(limits, 3, t, LIMITS_RATE);
	admit(limits, 3, t + S / 3, LIMITS_RATE); /* a third, cut short */
	admit(limits, 3, t + S / 3 + 1, LIMITS_OK);
	admit(limits, 3, t, LIMITS_RATE); /* time goes back */
	/* exactly three a second, in 1000 steps of it */
	for (int64_t i = 0, n = 0; i <= 10000; i++) {
		struct address addr = v4(4);

		n += limits_admit(limits, &addr, t + S + i * S / 1000) ==
		    LIMITS_OK;
		ck_assert_int_le(n, 2 + i * 3 / 1000);
		ck_assert_int_ge(n, 1 + i * 3 / 1000);
	}
	/* a full bucket is not more than full, however long it was */
	admit(limits, 5, INT64_MAX, LIMITS_OK);
	admit(limits, 5, INT64_MAX, LIMITS_OK);
	admit(limits, 5, INT64_MAX, LIMITS_RATE);
	limits_free(limits);
}
END_TEST

/* Those who are refused anyhow do not use up the rate. */
START_TEST(rate_is_for_the_admitted)
{
	struct limits_settings settings = {
		.address_max = 1, .rate_per_s = 1, .burst = 2
	};
	struct limits *limits = limits_new(&settings);

	admit(limits, 1, 0, LIMITS_OK);
	for (int i = 0; i < 100; i++)
		admit(limits, 1, 0, LIMITS_ADDRESS);
	admit(limits, 2, 0, LIMITS_OK);
	for (int i = 0; i < 100; i++)
		admit(limits, 3, 0, LIMITS_RATE);
	ck_assert_uint_eq(limits_open(limits), 2);
	limits_free(limits);
}
END_TEST

START_TEST(rate_extremes)
{
	struct limits_settings settings = { .rate_per_s = UINT32_MAX };
	struct limits *limits = limits_new(&settings);

	for (int i = 0; i < 1000; i++)
		admit(limits, 1, i % 2 ? INT64_MAX : 0, LIMITS_OK);
	settings = (struct limits_settings){ .rate_per_s = 1 };
	limits_set(limits, &settings);
	admit(limits, 1, INT64_MAX, LIMITS_OK);
	admit(limits, 1, INT64_MAX, LIMITS_RATE);
	limits_free(limits);
}
END_TEST

START_TEST(changed)
{
	struct limits_settings settings = { .open_max = 10 };
	struct limits *limits = limits_new(&settings);

	for (uint32_t i = 0; i < 8; i++)
		admit(limits, 1, 0, LIMITS_OK);
	settings = (struct limits_settings){ .open_max = 9, .address_max = 4 };
	limits_set(limits, &settings);
	admit(limits, 1, 0, LIMITS_ADDRESS);
	admit(limits, 2, 0, LIMITS_OK);
	admit(limits, 2, 0, LIMITS_TOTAL);
	for (int i = 0; i < 5; i++)
		leave(limits, 1);
	/* a rate that comes up starts with a full burst */
	settings.rate_per_s = 1;
	limits_set(limits, &settings);
	admit(limits, 1, 0, LIMITS_OK);
	admit(limits, 2, 0, LIMITS_RATE);
	settings = (struct limits_settings){ 0 };
	limits_set(limits, &settings);
	admit(limits, 1, 0, LIMITS_OK);
	admit(limits, 1, 0, LIMITS_OK);
	limits_free(limits);
}
END_TEST

/* A million addresses, of which few stay: memory of few. */
START_TEST(bounded)
{
	struct limits_settings settings = { .open_max = 100, .address_max = 1 };
	struct limits *limits = limits_new(&settings);
	struct address addr;
	unsigned long n_allocated;
	uint32_t n_ok = 0;

	failmalloc_watch();
	for (uint32_t i = 0; i < 1000000; i++) {
		addr = v4(i);
		n_ok += limits_admit(limits, &addr, 0) == LIMITS_OK;
		if (i % 2 == 0) {
			addr = v4(i / 2);
			limits_leave(limits, &addr);
		}
	}
	n_allocated = failmalloc_stop();
	ck_assert_uint_gt(n_ok, 100);
	ck_assert_uint_le(n_allocated, 4);
	ck_assert_uint_le(failmalloc_largest_bytes(), 16384);
	limits_free(limits);
}
END_TEST

START_TEST(no_memory)
{
	struct limits_settings settings = { 0 };
	struct address addr = v4(1);
	enum limits_verdict admitted, located;
	struct limits *limits;

	for (unsigned long nth = 1; nth <= 7; nth++) {
		failmalloc_arm(nth, false);
		limits = limits_new(&settings);
		failmalloc_stop();
		ck_assert_ptr_null(limits);
	}
	limits = limits_new(&settings);
	ck_assert_int_eq(limits_admit(limits, NULL, 0), LIMITS_OK);
	failmalloc_arm(1, true);
	admitted = limits_admit(limits, &addr, 0);
	located = limits_locate(limits, &addr);
	failmalloc_stop();
	ck_assert_int_eq(admitted, LIMITS_TOTAL);
	ck_assert_int_eq(located, LIMITS_TOTAL);
	ck_assert_uint_eq(limits_open(limits), 1);
	limits_free(limits);
}
END_TEST

/* After the first ten wrong tokens, each doubles the wait, up to a minute. */
static const struct wait_row {
	int64_t at_ns, wait_ns;
} wait_rows[] = {
	{ 20 * S, 1 * S },
	{ 20 * S, 2 * S },
	{ 22 * S, 4 * S },
	{ 26 * S, 8 * S },
	{ 34 * S, 16 * S },
	{ 50 * S, 32 * S },
	{ 82 * S, 60 * S },
	{ 142 * S, 60 * S },
	{ 742 * S, 60 * S },
	{ 1343 * S, 0 }, /* forgiven */
	{ 1343 * S, 0 },
};

START_TEST(wrong_tokens)
{
	struct limits_settings settings = { 0 };
	struct limits *limits = limits_new(&settings);
	struct address addr = v4(1), other = v4(2);

	for (int i = 0; i < 10; i++)
		ck_assert_int_eq(limits_failed(limits, &addr, i * S), 0);
	ck_assert_int_eq(limits_wait_ns(limits, &addr, 9 * S), 0);
	for (size_t i = 0; i < UNIT_ROWS(wait_rows); i++) {
		const struct wait_row *row = &wait_rows[i];
		int64_t at = row->at_ns, until = at + row->wait_ns;

		ck_assert_int_eq(
		    limits_failed(limits, &addr, at), row->wait_ns);
		ck_assert_int_eq(
		    limits_wait_ns(limits, &addr, at), row->wait_ns);
		ck_assert_int_eq(limits_wait_ns(limits, &addr, until), 0);
		ck_assert_int_eq(limits_wait_ns(limits, &other, at), 0);
	}
	limits_free(limits);
}
END_TEST

START_TEST(wrong_tokens_from_everywhere)
{
	struct limits_settings settings = { 0 };
	struct limits *limits = limits_new(&settings);
	struct address addr = v4(1), other;
	unsigned long n_allocated;

	for (int i = 0; i < 11; i++)
		limits_failed(limits, &addr, 0);
	ck_assert_int_eq(limits_wait_ns(limits, &addr, 0), S);
	for (uint32_t i = 2; i <= LIMITS_FAILED_MAX; i++) {
		other = v4(i);
		limits_failed(limits, &other, 0);
	}
	ck_assert_int_eq(limits_wait_ns(limits, &addr, 0), S);
	failmalloc_watch();
	other = v4(UINT32_MAX);
	limits_failed(limits, &other, 0);
	n_allocated = failmalloc_stop();
	ck_assert_uint_le(n_allocated, 8);
	ck_assert_int_eq(limits_wait_ns(limits, &addr, 0), 0);
	limits_free(limits);
}
END_TEST

static void *
come_and_go(void *arg)
{
	struct limits *limits = arg;
	struct address addr;

	for (uint32_t i = 0; i < 20000; i++) {
		addr = v4(i % 7);
		if (limits_admit(limits, &addr, i) == LIMITS_OK)
			limits_leave(limits, &addr);
	}
	return NULL;
}

START_TEST(threads)
{
	struct limits_settings settings = {
		.open_max = 3, .address_max = 2, .rate_per_s = UINT32_MAX
	};
	struct limits *limits = limits_new(&settings);
	pthread_t thread[4];

	for (int i = 0; i < 4; i++)
		ck_assert_int_eq(
		    pthread_create(&thread[i], NULL, come_and_go, limits), 0);
	for (int i = 0; i < 1000; i++)
		limits_set(limits, &settings);
	for (int i = 0; i < 4; i++)
		pthread_join(thread[i], NULL);
	ck_assert_uint_eq(limits_open(limits), 0);
	limits_free(limits);
}
END_TEST

static Suite *
limits_suite(void)
{
	Suite *suite = suite_create("limits");
	TCase *tc = unit_case(suite, "limits");

	tcase_add_test(tc, total_and_address);
	tcase_add_test(tc, blocks);
	tcase_add_test(tc, blocks_max);
	tcase_add_test(tc, no_limits);
	tcase_add_test(tc, locate);
	tcase_add_test(tc, rate);
	tcase_add_test(tc, rate_is_for_the_admitted);
	tcase_add_test(tc, rate_extremes);
	tcase_add_test(tc, changed);
	tcase_add_test(tc, bounded);
	tcase_add_test(tc, no_memory);
	tcase_add_test(tc, threads);
	tcase_add_test(tc, wrong_tokens);
	tcase_add_test(tc, wrong_tokens_from_everywhere);
	return suite;
}

UNIT_MAIN(limits_suite)
