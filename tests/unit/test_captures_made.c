/* SPDX-License-Identifier: MIT */
/*
 * Captures of connections that never were, and whether the comparer that
 * judges all captures notices what is wrong.
 */
#include "tests/captures/gen.h"
#include "tests/captures/trial.h"

/* ---- as gen makes them ---------------------------------------------------- */

#define BULK(codec, order) \
	{ \
		.gen = "--frames 2000 --streams 3 --frame-bytes 700 --session" \
		       " --codec " codec " --order " order, \
		.expect = { \
			.n_streams = 6 \
		} \
	}

static const struct trial codecs[] = {
	BULK("none", "little"),
	BULK("none", "network"),
	BULK("zlib", "little"),
	BULK("zlib", "network"),
	BULK("snappy", "little"),
	BULK("snappy", "network"),
};

static const struct trial made[] = {
	{ .gen = "--frames 500 --one-frame-per-packet",
	    .expect = { .n_streams = 1 },
	    .n_packets = 500 },
	{ .gen = "--frames 500 --one-frame-per-packet",
	    .expect = { .n_streams = 1 },
	    .json = true,
	    .n_packets = 500 },
	{ .gen = "--nano --one-frame-per-packet --frames 50",
	    .json = true,
	    .prints = "\"time\":\"1763850858\\.[0-9]*[1-9]\"",
	    .n[CAP_FRAME] = 50 },
	{ .gen = "--frames 1000 --streams 40 --codec zlib --segment 100",
	    .expect = { .n_streams = 40 } },
	{ .gen = "--session --frames 1", .expect = { .n_streams = 4 } },
	/* and made harder to read */
	{ .gen = "--frames 1000 --streams 5 --order network --codec snappy",
	    .mangle = "--segment 300 --reorder 20 --duplicate 10 --ipv6"
		      " --exthdr --link sll2",
	    .n_seeds = 2,
	    .expect = { .n_streams = 5 } },
	{ .gen = "--frames 1000 --streams 5 --frame-bytes 3000",
	    .mangle = "--segment 1448 --drop-random 2",
	    .n_seeds = 3,
	    .kind = TRIAL_LOSSY,
	    .has[CAP_GAP] = true },
};

TRIAL_TABLE(codecs)
TRIAL_TABLE(made)

/* A capture of gen's, with these options; and its list, for free(). */
static char *
make(struct trial_file *file, char *const *words, size_t n_words,
    struct gen_echoes *told)
{
	char *capture, *jsonl;
	size_t n, n_jsonl;
	FILE *f = open_memstream(&capture, &n);
	FILE *list = open_memstream(&jsonl, &n_jsonl);

	ck_assert_ptr_nonnull(f);
	ck_assert_ptr_nonnull(list);
	gen(words, n_words, f, list, told);
	fclose(f);
	fclose(list);
	trial_file_open(file, capture, n);
	free(capture);
	return jsonl;
}

/* Session messages are spelled out. */
START_TEST(test_session)
{
	static const char *const keys[] = { "hello", "welcome", "refuse",
		"error", "register", "roster", "roster-reply", "echo",
		"echo-reply", "drain" };
	static const struct trial row = { .json = true };
	static char word[][16] = { "--session", "--frames", "1" };
	char *words[] = { word[0], word[1], word[2] }, wanted[100];
	struct gen_echoes told;
	struct trial_result r;
	struct trial_file file;

	free(make(&file, words, UNIT_ROWS(words), &told));
	trial_decode(&row, file.path, NULL, NULL, &r);
	ck_assert_int_eq(r.status, 0);
	for (int i = 0; i < UNIT_ROWS(keys); i++) {
		(void)snprintf(wanted, sizeof(wanted),
		    "\"key_name\":\"bluenet\\.%s\".*\"message\":\\{", keys[i]);
		ck_assert_msg(
		    trial_fits(r.json, wanted), "no line fits %s", wanted);
	}
	trial_result_free(&r);
	trial_file_close(&file);
}
END_TEST

/* The statistics of echoes are those of the echoes that were made. */
START_TEST(test_echoes)
{
	static const struct trial row = { .statistic = "echo" };
	static char word[][16] = { "--echo", "--frames", "300", "--seed", "3" };
	char *words[] = { word[0], word[1], word[2], word[3], word[4] };
	char wanted[200];
	struct gen_echoes told;
	struct trial_result r;
	struct trial_file file;

	free(make(&file, words, UNIT_ROWS(words), &told));
	trial_decode(&row, file.path, NULL, NULL, &r);
	ck_assert_uint_eq(told.n, 300);
	(void)snprintf(wanted, sizeof(wanted),
	    "^ *all +both +300 +300 +0 +%.6f +%.6f +%.6f ",
	    (double)told.min_ns / 1e9, (double)told.max_ns / 1e9,
	    (double)told.sum_ns / (double)told.n / 1e9);
	ck_assert_msg(trial_fits(r.statistic, wanted), "no line fits %s:\n%s",
	    wanted, r.statistic);
	trial_result_free(&r);
	trial_file_close(&file);
}
END_TEST

/* ---- what is no capture --------------------------------------------------- */

static const struct {
	const char *name, *contents;
} no_captures[] = {
	{ "nothing", "" },
	{ "a byte", "\xd4" },
	{ "JSON", "{\"conn\": 34290, \"dir\": \"up\", \"i\": 0}\n" },
	{ "a name", "no such file" },
};

START_TEST(test_no_capture)
{
	static const struct trial row = { .json = true };
	const char *contents = no_captures[_i].contents;
	struct trial_result r;
	struct trial_file file;

	trial_file_open(&file, contents, strlen(contents));
	trial_decode(&row, file.path, NULL, NULL, &r);
	ck_assert_msg(
	    r.status == 1, "%s: exit %d", no_captures[_i].name, r.status);
	ck_assert_msg(
	    r.warnings[0] != '\0', "%s: no message", no_captures[_i].name);
	ck_assert_msg(
	    r.json_bytes == 0, "%s: %s", no_captures[_i].name, r.json);
	trial_result_free(&r);
	trial_file_close(&file);
}
END_TEST

/* ---- the comparer itself -------------------------------------------------- */

enum edit_kind {
	EDIT_NONE = 0,
	EDIT_REMOVE, /* the line */
	EDIT_TWICE,
	EDIT_SWAP, /* with the next one */
	EDIT_INSERT, /* text behind `find` */
	EDIT_OVER, /* text over what is behind `find` */
	EDIT_TURN, /* the two bytes in hex behind `find` change places */
};

struct edit {
	enum edit_kind kind;
	unsigned line; /* from 1 */
	const char *find, *text;
};

/* Of what was printed, and of what was sent. */
static const struct edit of_decoded[] = {
	{ EDIT_REMOVE, 5, NULL, NULL },
	{ EDIT_REMOVE, 1, NULL, NULL },
	{ EDIT_TWICE, 5, NULL, NULL },
	{ EDIT_SWAP, 5, NULL, NULL },
	{ EDIT_INSERT, 7, "\"latency_ms\":", "7777" },
	{ EDIT_INSERT, 7, "\"forks\":", "1" },
	{ EDIT_INSERT, 7, "\"source\":", "1" },
	{ EDIT_INSERT, 7, "\"size\":", "1" },
	{ EDIT_INSERT, 7, "\"payload\":\"", "00" },
	{ EDIT_OVER, 1, "\"payload\":\"", "zz" },
	{ EDIT_TURN, 1, "\"payload\":\"", NULL },
	{ EDIT_OVER, 1, "\"codec\":\"", "zlib" },
	{ EDIT_OVER, 1, "\"key\"", "=" }, /* no JSON */
	{ EDIT_OVER, 1, "\"ke", "x" },
};

static const struct edit of_sent[] = {
	{ EDIT_REMOVE, 5, NULL, NULL },
	{ EDIT_REMOVE, 1, NULL, NULL },
	{ EDIT_TWICE, 5, NULL, NULL },
	{ EDIT_SWAP, 5, NULL, NULL },
	{ EDIT_INSERT, 7, "\"latency_ms\": ", "7777" },
	{ EDIT_INSERT, 7, "\"forks\": ", "1" },
	{ EDIT_INSERT, 7, "\"source\": ", "1" },
	{ EDIT_INSERT, 7, "\"dest\": ", "1" },
	{ EDIT_INSERT, 7, "\"dest_type\": ", "1" },
	{ EDIT_INSERT, 7, "\"serial\": ", "1" },
	{ EDIT_INSERT, 7, "\"timestamp\": ", "1" },
	{ EDIT_INSERT, 7, "\"fork_ids\": [", "1" },
	{ EDIT_INSERT, 7, "\"size\": ", "1" },
	{ EDIT_INSERT, 7, "\"payload_len\": ", "1" },
	{ EDIT_INSERT, 7, "\"payload_sha256\": \"", "0" },
	{ EDIT_TURN, 1, "\"payload_sha256\": \"", NULL },
	{ EDIT_OVER, 1, "\"codec\": \"", "zlib" },
	{ EDIT_OVER, 1, "\"ke", "x" },
};

static const char *
behind_line(const char *text)
{
	const char *end = strchr(text, '\n');

	ck_assert_msg(end != NULL, "there are not so many lines");
	return end + 1;
}

static void
put(FILE *f, const char *from, const char *to)
{
	ck_assert_uint_eq(
	    fwrite(from, 1, (size_t)(to - from), f), (size_t)(to - from));
}

static void
put_edited(FILE *f, const struct edit *edit, const char *line, const char *end)
{
	const char *at = strstr(line, edit->find);
	size_t n = edit->text != NULL ? strlen(edit->text) : 0;

	ck_assert_msg(at != NULL && at < end, "no %s in it", edit->find);
	at += strlen(edit->find);
	put(f, line, at);
	if (edit->kind == EDIT_TURN) {
		put(f, at + 2, at + 4);
		put(f, at, at + 2);
		put(f, at + 4, end);
		return;
	}
	fputs(edit->text, f);
	put(f, edit->kind == EDIT_OVER ? at + n : at, end);
}

/* The lines with one edit, on the heap. */
static char *
edited(const char *lines, const struct edit *edit)
{
	const char *line = lines, *end, *next;
	char *out;
	size_t n;
	FILE *f = open_memstream(&out, &n);

	ck_assert_ptr_nonnull(f);
	if (edit->kind == EDIT_NONE) {
		fputs(lines, f);
		fclose(f);
		return out;
	}
	for (unsigned i = 1; i < edit->line; i++)
		line = behind_line(line);
	put(f, lines, line);
	end = next = behind_line(line);
	if (edit->kind == EDIT_TWICE) {
		put(f, line, end);
		put(f, line, end);
	} else if (edit->kind == EDIT_SWAP) {
		next = behind_line(end);
		put(f, end, next);
		put(f, line, end);
	} else if (edit->kind != EDIT_REMOVE) {
		put_edited(f, edit, line, end);
	}
	fputs(next, f);
	fclose(f);
	return out;
}

static char *
stock_jsonl(void)
{
	char path[TRIAL_PATH_CHARS], *text = NULL;
	size_t cap = 0;
	FILE *f;

	trial_path(path, "stock", ".jsonl");
	f = fopen(path, "r");
	ck_assert_ptr_nonnull(f);
	ck_assert_int_gt(getdelim(&text, &cap, '\0', f), 0);
	fclose(f);
	return text;
}

static struct sent *
sent_of(char *lines)
{
	FILE *f = fmemopen(lines, strlen(lines), "r");
	struct sent *sent;

	ck_assert_ptr_nonnull(f);
	sent = sent_load(f, "sent");
	fclose(f);
	return sent;
}

/* Is what the comparer says `as_expected`? */
static void
compare(const char *what, struct expect *x, FILE *report, char **text,
    bool as_expected)
{
	bool same = expect_end(x);

	expect_free(x);
	fclose(report);
	ck_assert_msg(same == as_expected, "%s:\n%.2000s", what, *text);
	free(*text);
}

static struct expect *
expect_of(char *lines, struct sent **sent, FILE **report, char **text)
{
	static const struct expect_settings set = { .n_streams = 0 };
	static size_t n;

	*report = open_memstream(text, &n);
	ck_assert_ptr_nonnull(*report);
	*sent = sent_of(lines);
	return expect_new(*sent, &set, *report);
}

static void
expect_lines(struct expect *x, char *lines)
{
	char *rest = NULL;

	for (char *line = strtok_r(lines, "\n", &rest); line != NULL;
	     line = strtok_r(NULL, "\n", &rest))
		expect_line(x, line, "decoded");
}

static const struct edit no_edit = { .kind = EDIT_NONE };

/* What an edit is called in a report. */
static const char *
edit_name(const char *of_what, const struct edit *edit)
{
	static const char *const kinds[] = { "as it is", "removed", "twice",
		"swapped", "inserted", "written over", "turned" };
	static char name[100];

	(void)snprintf(name, sizeof(name), "%s, line %u, %s %s", of_what,
	    edit->line, kinds[edit->kind],
	    edit->find == NULL ? "" : edit->find);
	return name;
}

/* What was printed, with an edit. */
static void
try_decoded(const char *json, char *jsonl, const struct edit *edit)
{
	char *lines = edited(json, edit), *text;
	bool none = edit->kind == EDIT_NONE;
	struct expect *x;
	struct sent *sent;
	FILE *report;

	x = expect_of(jsonl, &sent, &report, &text);
	ck_assert_int_eq(strcmp(lines, json) == 0, none);
	expect_lines(x, lines);
	compare(edit_name("decoded", edit), x, report, &text, none);
	free(lines);
	sent_free(sent);
}

/* Few frames, printed in the order in which they are listed. */
static char *
make_few(struct trial_file *file)
{
	static char word[][24] = { "--one-frame-per-packet", "--frames", "60",
		"--frame-bytes", "300" };
	char *words[] = { word[0], word[1], word[2], word[3], word[4] };
	struct gen_echoes told;

	return make(file, words, UNIT_ROWS(words), &told);
}

START_TEST(test_notices_decoded)
{
	static const struct trial row = { .json = true };
	struct trial_file file;
	char *jsonl = make_few(&file);
	struct trial_result r;

	trial_decode(&row, file.path, NULL, NULL, &r);
	try_decoded(r.json, jsonl, &no_edit);
	for (int i = 0; i < UNIT_ROWS(of_decoded); i++)
		try_decoded(r.json, jsonl, &of_decoded[i]);
	free(jsonl);
	trial_result_free(&r);
	trial_file_close(&file);
}
END_TEST

/* What was sent, with an edit, against what the decoder tells. */
static void
try_sent(const char *path, const char *jsonl, const struct edit *edit)
{
	static const struct trial row = { .n_seeds = 0 };
	char *lines = edited(jsonl, edit), *text;
	bool none = edit->kind == EDIT_NONE;
	struct trial_result r;
	struct expect *x;
	struct sent *sent;
	FILE *report;

	ck_assert_int_eq(strcmp(lines, jsonl) == 0, none);
	x = expect_of(lines, &sent, &report, &text);
	trial_decode(&row, path, NULL, x, &r);
	compare(edit_name("sent", edit), x, report, &text, none);
	free(lines);
	sent_free(sent);
	trial_result_free(&r);
}

START_TEST(test_notices_sent)
{
	struct trial_file file;
	char *jsonl = make_few(&file);

	try_sent(file.path, jsonl, &no_edit);
	for (int i = 0; i < UNIT_ROWS(of_sent); i++)
		try_sent(file.path, jsonl, &of_sent[i]);
	free(jsonl);
	trial_file_close(&file);
}
END_TEST

/* A loss that is not reported, or not as long as it is. */
START_TEST(test_notices_losses)
{
	static const struct lost lost[] = {
		{ .conn = 44730, .from = 5000, .to = 5001 },
		{ .conn = 44730, .down = true, .from = 5000, .to = 9000 },
		{ .conn = 44730, .from = 5000, .to = 5000, .inserted = 1 },
	};
	static const struct trial row = { .n_seeds = 0 };
	char path[TRIAL_PATH_CHARS], *jsonl = stock_jsonl(), *text;
	struct trial_result r;
	struct expect *x;
	struct sent *sent;
	FILE *report;

	trial_path(path, "stock", ".pcap");
	x = expect_of(jsonl, &sent, &report, &text);
	expect_lost(x, &lost[_i]);
	trial_decode(&row, path, NULL, x, &r);
	compare("lost", x, report, &text, false);
	sent_free(sent);
	free(jsonl);
	trial_result_free(&r);
}
END_TEST

static Suite *
make_suite(void)
{
	Suite *suite = suite_create("captures_made");
	TCase *tc = unit_case(suite, "others");

	TRIAL_ADD(suite, codecs);
	TRIAL_ADD(suite, made);
	tcase_add_test(tc, test_session);
	tcase_add_test(tc, test_echoes);
	tcase_add_loop_test(tc, test_no_capture, 0, UNIT_ROWS(no_captures));
	tc = unit_case(suite, "the comparer");
	tcase_add_test(tc, test_notices_decoded);
	tcase_add_test(tc, test_notices_sent);
	tcase_add_loop_test(tc, test_notices_losses, 0, 3);
	return suite;
}

TRIAL_MAIN(make_suite)
