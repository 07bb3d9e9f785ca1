/* SPDX-License-Identifier: MIT */
/* Token buckets of a client, with a clock of the test's own. */
#include "cmd/relay/rates.h"

#include "tests/unit/unit.h"

#define S INT64_C(1000000000)
#define START (1000 * S)

static char chat[] = "app.chat=5";

static struct rates_settings
settings(uint64_t packets, uint64_t bytes, bool key, enum rates_excess excess)
{
	struct rates_settings set = { .excess = excess };
	struct option_texts texts = { .at = { chat }, .n = key ? 1 : 0 };

	ck_assert_ptr_null(rates_read(&set, packets, bytes, &texts));
	return set;
}

/* How many of `n` packets at once get through? */
static unsigned
burst(struct rates *rates, const struct rates_settings *set, const char *key,
    size_t n_bytes, unsigned n, int64_t now_ns, enum rates_verdict want)
{
	struct bnet_header header = { .key = bnet_key(key) };
	unsigned n_ok = 0;
	int64_t until_ns;

	for (unsigned i = 0; i < n; i++) {
		enum rates_verdict verdict =
		    rates_take(rates, set, &header, n_bytes, now_ns, &until_ns);

		UNIT_MUST(verdict == RATES_OK || verdict == want, "%u: %d", i,
		    (int)verdict);
		UNIT_MUST(until_ns == 0, "%u", i);
		n_ok += verdict == RATES_OK;
	}
	return n_ok;
}

static const struct {
	const char *name;
	uint64_t packets, bytes;
	bool key;
	const char *of;
	size_t n_bytes;
	unsigned want, again; /* of 100 at once; half a second later */
	enum rates_verdict why;
} refuse_rows[] = {
	{ "no limit", 0, 0, false, "a", 1000, 100, 100, RATES_OK },
	{ "packets", 10, 0, false, "a", 1000, 10, 5, RATES_PACKETS },
	{ "bytes", 0, 20000, false, "a", 1000, 20, 10, RATES_BYTES },
	{ "both, packets", 10, 20000, false, "a", 1000, 10, 5, RATES_PACKETS },
	{ "both, bytes", 50, 20000, false, "a", 1000, 20, 10, RATES_BYTES },
	{ "a key", 0, 0, true, "app.chat", 10, 5, 2, RATES_KEY },
	{ "another key", 0, 0, true, "app.chats", 10, 100, 100, RATES_OK },
	{ "the key before", 50, 0, true, "app.chat", 10, 5, 2, RATES_KEY },
	{ "longer than a second", 0, 100, false, "a", 1000, 1, 0, RATES_BYTES },
};

START_TEST(refused)
{
	struct rates_settings set = settings(refuse_rows[_i].packets,
	    refuse_rows[_i].bytes, refuse_rows[_i].key, RATES_REFUSE);
	struct rates rates = { 0 };

	ck_assert_int_eq(
	    set.any, refuse_rows[_i].why != RATES_OK || refuse_rows[_i].key);
	ck_assert_msg(
	    burst(&rates, &set, refuse_rows[_i].of, refuse_rows[_i].n_bytes,
		100, START, refuse_rows[_i].why) == refuse_rows[_i].want,
	    "%s", refuse_rows[_i].name);
	ck_assert_msg(burst(&rates, &set, refuse_rows[_i].of,
			  refuse_rows[_i].n_bytes, 100, START + S / 2,
			  refuse_rows[_i].why) == refuse_rows[_i].again,
	    "%s, again", refuse_rows[_i].name);
	/* full again, and no fuller, however long it takes */
	ck_assert_msg(burst(&rates, &set, refuse_rows[_i].of,
			  refuse_rows[_i].n_bytes, 100, START + 3600 * S,
			  refuse_rows[_i].why) == refuse_rows[_i].want,
	    "%s, later", refuse_rows[_i].name);
}
END_TEST

/* What one limit refuses costs nothing of the others. */
START_TEST(refused_is_free)
{
	struct rates_settings set = settings(10, 0, true, RATES_REFUSE);
	struct rates rates = { 0 };

	ck_assert_uint_eq(
	    burst(&rates, &set, "app.chat", 10, 100, START, RATES_KEY), 5);
	ck_assert_uint_eq(
	    burst(&rates, &set, "a", 10, 100, START, RATES_PACKETS), 5);
}
END_TEST

/* Who waits as told sends at the rate: none is refused, none is lost. */
START_TEST(paused)
{
	struct rates_settings set = settings(100, 0, true, RATES_PAUSE);
	struct bnet_header header = { .key = bnet_key("app.chat") };
	struct rates rates = { 0 };
	int64_t now_ns = START, until_ns;

	for (unsigned i = 0; i < 105; i++) {
		UNIT_MUST(rates_take(&rates, &set, &header, 10, now_ns,
			      &until_ns) == RATES_OK,
		    "%u", i);
		UNIT_MUST((until_ns == 0) == (i < 5), "%u", i);
		if (until_ns != 0)
			now_ns = until_ns;
	}
	ck_assert_int_eq(now_ns, START + 20 * S);
}
END_TEST

static char bad_texts[][24] = { "", "=5", "chat", "chat=", "chat=0", "chat=-1",
	"chat=5x", "chat=1000001", "chat= 5", "chat=99999999999" };

START_TEST(bad_keys)
{
	struct rates_settings set = { 0 };
	struct option_texts texts = { .at = { chat, bad_texts[_i] }, .n = 2 };

	ck_assert_ptr_eq(rates_read(&set, 0, 0, &texts), bad_texts[_i]);
}
END_TEST

START_TEST(too_many_keys)
{
	struct rates_settings set = { 0 };
	struct option_texts texts = { .n = RATES_KEYS_MAX };

	for (size_t i = 0; i <= RATES_KEYS_MAX; i++)
		texts.at[i] = chat;
	ck_assert_ptr_null(rates_read(&set, 0, 0, &texts));
	set = (struct rates_settings){ 0 };
	texts.n++;
	ck_assert_ptr_nonnull(rates_read(&set, 0, 0, &texts));
}
END_TEST

static Suite *
make_suite(void)
{
	Suite *suite = suite_create("rates");
	TCase *tc = unit_case(suite, "rates");

	tcase_add_loop_test(tc, refused, 0, UNIT_ROWS(refuse_rows));
	tcase_add_test(tc, refused_is_free);
	tcase_add_test(tc, paused);
	tcase_add_loop_test(tc, bad_keys, 0, UNIT_ROWS(bad_texts));
	tcase_add_test(tc, too_many_keys);
	return suite;
}

UNIT_MAIN(make_suite)
