/* SPDX-License-Identifier: MIT */
/* cmd/stats/hdr: histograms as text, and logs of them. */
#include "cmd/stats/hdr.h"
#include "tests/unit/unit.h"

#include <openssl/evp.h>
#include <zlib.h>

static struct bnet_slice
slice(const char *text)
{
	return (struct bnet_slice){ (const uint8_t *)text, strlen(text) };
}

/* Text that another implementation (hdr-histogram-js 3.0.1) wrote. */
static const char foreign_3[] =
    "HISTFAAAADR4nJNpmSzMwMDAx8DAwMjAwMDMAAGMDAzMbgY7FjDA+EwsP+WZ2Pb3MXLt3MnI"
    "BACQxQcf";
static const char foreign_unit[] = /* lowest 1,000, two digits */
    "HISTFAAAACx4nJNpmSzMwMDAysDAwMjAwMDEAAbMLxgYmN0MdixggAJGQY7LnFwAbS4FCw==";

static const struct {
	int64_t value;
	uint64_t n;
} seen[] = { { 0, 1 }, { 1, 2 }, { 2047, 1 }, { 2048, 3 }, { 1000000, 5 },
	{ 3220000000, 1 } };

START_TEST(reads_others)
{
	struct hdr hdr;

	ck_assert_ptr_null(hdr_decode(slice(foreign_3), &hdr));
	ck_assert_uint_eq(hdr.digits, 3);
	ck_assert_int_eq(hdr.highest, HDR_HOUR_NS);
	ck_assert_uint_eq(hdr.sums.count, 13);
	for (int i = 0; i < UNIT_ROWS(seen); i++)
		ck_assert_uint_eq(
		    hdr.counts[hdr_index(&hdr, seen[i].value)], seen[i].n);
	hdr_free(&hdr);
}
END_TEST

START_TEST(reads_units)
{
	struct hdr hdr;

	ck_assert_ptr_null(hdr_decode(slice(foreign_unit), &hdr));
	ck_assert_uint_eq(hdr.sums.count, 9);
	ck_assert_double_eq_tol((double)hdr.sums.min, 5000, 500);
	ck_assert_double_eq_tol((double)hdr.sums.max, 1e6, 1e4);
	hdr_free(&hdr);
}
END_TEST

static struct hdr
example(void)
{
	struct hdr hdr;

	ck_assert(hdr_init(&hdr, 3, HDR_HOUR_NS));
	for (int i = 0; i < UNIT_ROWS(seen); i++)
		for (uint64_t n = 0; n < seen[i].n; n++)
			hdr_add(&hdr, seen[i].value);
	return hdr;
}

static struct hdr
decoded(const char *text)
{
	struct hdr hdr;
	const char *wrong = hdr_decode(slice(text), &hdr);

	ck_assert_msg(wrong == NULL, "%s", wrong);
	return hdr;
}

START_TEST(round_trip)
{
	struct hdr hdr = example(), back;
	char *text;

	if (_i == 1)
		hdr_clear(&hdr); /* empty ones, too */
	if (_i == 2)
		hdr_count(&hdr, 5, INT64_MAX); /* all nine bytes */
	text = hdr_encode(&hdr);
	ck_assert_ptr_nonnull(text);
	back = decoded(text);
	ck_assert_mem_eq(
	    hdr.counts, back.counts, hdr.n_counts * sizeof(*hdr.counts));
	free(text);
	hdr_free(&hdr);
	hdr_free(&back);
}
END_TEST

/* The text of an inner encoding that is not as it should be. */
static char *
packed(const uint8_t *inner, size_t n_bytes)
{
	uint8_t bytes[512] = { 0x1c, 0x84, 0x93, 0x14 };
	uLongf n = sizeof(bytes) - 8;
	char *text = calloc(1, 1024);

	ck_assert_int_eq(compress(bytes + 8, &n, inner, (uLong)n_bytes), Z_OK);
	bytes[6] = (uint8_t)(n >> 8);
	bytes[7] = (uint8_t)n;
	EVP_EncodeBlock((unsigned char *)text, bytes, (int)n + 8);
	return text;
}

/* cookie, 7 bytes of counts, offset, 3 digits, lowest, highest, ratio */
static const uint8_t good[] = { 0x1c, 0x84, 0x93, 0x13, 0, 0, 0, 7, 0, 0, 0, 0,
	0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0x10, 0, 0x3f,
	0xf0, 0, 0, 0, 0, 0, 0, 2, 2, 2, 2, 2, 2, 2 };

static const struct {
	const char *name;
	size_t at;
	uint8_t v[10];
	size_t n;
	bool good;
} inners[] = {
	{ "as it is", 0, { 0x1c }, 1, true },
	{ "another cookie", 3, { 0x01 }, 1, false },
	{ "more counts than bytes", 7, { 8 }, 1, false },
	{ "4 GiB of counts", 4, { 0xff, 0xff, 0xff, 0xff }, 4, false },
	{ "an offset, which some write", 11, { 1 }, 1, true },
	{ "no digits", 15, { 0 }, 1, false },
	{ "200 digits", 15, { 200 }, 1, false },
	{ "lowest 0", 23, { 0 }, 1, false },
	{ "highest below lowest", 30, { 0, 1 }, 2, false },
	{ "highest negative", 24, { 0xff }, 1, false },
	{ "zeros to the end", 40, { 0x01 }, 1, true },
	{ "zeros beyond the end", 40, { 0xff, 0xff, 0x7f }, 3, false },
	{ "INT64_MIN zeros", 40, { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff },
	    7, false },
	{ "a count with no end", 46, { 0x82 }, 1, false },
	{ "to the last count", 40, { 0xf5, 0x3f }, 2, true },
	{ "one beyond it", 40, { 0xf7, 0x3f }, 2, false },
};

START_TEST(hostile_inner)
{
	uint8_t inner[sizeof(good)];
	struct hdr hdr;
	const char *wrong;
	char *text;

	memcpy(inner, good, sizeof(good));
	memcpy(inner + inners[_i].at, inners[_i].v, inners[_i].n);
	text = packed(inner, sizeof(inner));
	wrong = hdr_decode(slice(text), &hdr);
	ck_assert_msg((wrong == NULL) == inners[_i].good, "%s: %s",
	    inners[_i].name, wrong == NULL ? "taken" : wrong);
	if (wrong != NULL)
		ck_assert_ptr_null(hdr.counts);
	hdr_free(&hdr);
	free(text);
}
END_TEST

/* Every prefix is refused, and read no further than it is. */
START_TEST(prefixes)
{
	struct hdr hdr;
	struct bnet_slice copy;

	for (size_t n = 0; n < sizeof(foreign_3) - 1; n++) {
		copy = unit_copy(foreign_3, n);
		ck_assert_ptr_nonnull(hdr_decode(copy, &hdr));
		unit_free(copy);
	}
}
END_TEST

static FILE *
file_of(const char *text)
{
	FILE *file = tmpfile();

	ck_assert_ptr_nonnull(file);
	fputs(text, file);
	rewind(file);
	return file;
}

START_TEST(log_round_trip)
{
	struct hdr hdr = example();
	FILE *file = tmpfile();
	struct hdr_log log;

	ck_assert_ptr_nonnull(file);
	hdr_log_head(file, INT64_C(1221494400123000000));
	fputs("#[ours]\n", file);
	hdr_log_legend(file);
	ck_assert(hdr_log_line(
	    file, NULL, INT64_C(1221494400123000000), HDR_HOUR_NS, &hdr));
	ck_assert(hdr_log_line(
	    file, "net.7", INT64_C(1221498000123000000), 1000000, &hdr));
	rewind(file);
	hdr_log_open(&log, file);
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(hdr_log_next(&log), HDR_LOG_COMMENT);
	ck_assert_str_eq(log.text, "#[ours]");
	ck_assert_int_eq(hdr_log_next(&log), HDR_LOG_INTERVAL);
	ck_assert_ptr_null(log.tag);
	ck_assert_int_eq(log.start_ns, INT64_C(1221494400123000000));
	ck_assert_int_eq(log.length_ns, HDR_HOUR_NS);
	ck_assert_uint_eq(log.hdr.sums.count, 13);
	ck_assert_int_eq(hdr_log_next(&log), HDR_LOG_INTERVAL);
	ck_assert_str_eq(log.tag, "net.7");
	ck_assert_int_eq(log.length_ns, 1000000);
	ck_assert_int_eq(hdr_log_next(&log), HDR_LOG_END);
	hdr_log_free(&log);
	hdr_free(&hdr);
	fclose(file);
}
END_TEST

#define H \
	"HISTFAAAADR4nJNpmSzMwMDAx8DAwMjAwMDMAAGMDAzMbgY7FjDA+EwsP+WZ2Pb3" \
	"MXLt3MnIBACQxQcf"

static const struct {
	const char *name, *text;
	enum hdr_log_what what; /* of the last line */
	int64_t start_ns;
} logs[] = {
	{ "nothing", "", HDR_LOG_END, 0 },
	{ "absolute", "1221494400.5,1.0,2.0," H "\n", HDR_LOG_INTERVAL,
	    INT64_C(1221494400500000000) },
	{ "from the start",
	    "#[StartTime: 1000000000.000 (s)]\n0.127,1.0,2.0," H "\n",
	    HDR_LOG_INTERVAL, INT64_C(1000000000127000000) },
	{ "from a base",
	    "#[StartTime: 9.0 (s)]\n#[BaseTime: 100.0 (s)]\n1.0,1.0,2.0," H
	    "\r\n",
	    HDR_LOG_INTERVAL, INT64_C(101000000000) },
	{ "maximum in other units", "1.0,1.0,9999999999999," H "\n",
	    HDR_LOG_INTERVAL, 1000000000 },
	{ "a tag alone", "Tag=a\n", HDR_LOG_BAD, 0 },
	{ "no number", "x,1.0,2.0," H "\n", HDR_LOG_BAD, 0 },
	{ "before 1970", "-5,1.0,2.0," H "\n", HDR_LOG_BAD, 0 },
	{ "no time at all", "nan,1.0,2.0," H "\n", HDR_LOG_BAD, 0 },
	{ "no histogram", "1.0,1.0,2.0\n", HDR_LOG_BAD, 0 },
	{ "an empty one", "1.0,1.0,2.0,\n", HDR_LOG_BAD, 0 },
	{ "not base64", "1.0,1.0,2.0,!!!!\n", HDR_LOG_BAD, 0 },
	{ "cut", "1.0,1.0,2.0," H, HDR_LOG_CUT, 0 },
};

START_TEST(log_lines)
{
	FILE *file = file_of(logs[_i].text);
	struct hdr_log log;
	enum hdr_log_what what;

	hdr_log_open(&log, file);
	do
		what = hdr_log_next(&log);
	while (what == HDR_LOG_COMMENT);
	ck_assert_msg(what == logs[_i].what, "%s: %d, %s", logs[_i].name,
	    (int)what, log.err);
	if (what == HDR_LOG_INTERVAL)
		ck_assert_int_eq(log.start_ns, logs[_i].start_ns);
	hdr_log_free(&log);
	fclose(file);
}
END_TEST

/* One line without end takes the memory of the ceiling, and is told. */
START_TEST(endless_line)
{
	FILE *file = tmpfile();
	static char many[1024 * 1024];
	struct hdr_log log;

	ck_assert_ptr_nonnull(file);
	memset(many, 'A', sizeof(many));
	for (int i = 0; i < 9; i++)
		ck_assert_uint_eq(
		    fwrite(many, 1, sizeof(many), file), sizeof(many));
	rewind(file);
	hdr_log_open(&log, file);
	ck_assert_int_eq(hdr_log_next(&log), HDR_LOG_BAD);
	ck_assert_uint_le(log.cap_bytes, HDR_LOG_LINE_BYTES_MAX);
	hdr_log_free(&log);
	fclose(file);
}
END_TEST

static Suite *
hdr_log_suite(void)
{
	Suite *suite = suite_create("hdr_log");
	TCase *tc = unit_case(suite, "hdr_log");

	tcase_add_test(tc, reads_others);
	tcase_add_test(tc, reads_units);
	tcase_add_loop_test(tc, round_trip, 0, 3);
	tcase_add_loop_test(tc, hostile_inner, 0, UNIT_ROWS(inners));
	tcase_add_test(tc, prefixes);
	tcase_add_test(tc, log_round_trip);
	tcase_add_loop_test(tc, log_lines, 0, UNIT_ROWS(logs));
	tcase_add_test(tc, endless_line);
	return suite;
}

UNIT_MAIN(hdr_log_suite)
