/* SPDX-License-Identifier: MIT */
/*
 * fixtures/hostile: what the decoder makes of captures that mean harm is what
 * expected.txt says, and they are what their generator writes.
 */
#include "tests/captures/hostile.h"
#include "tests/captures/trial.h"

#include <dirent.h>
#include <jansson.h>

#define ROWS_MAX 200
#define LINE_CHARS 200

static const char *const types[CAP_N_EVENTS] = { "frame", "gap", "skip",
	"overlap", "malformed", "limit", "proxy", "note" };

/* A line of expected.txt: "NAME STATUS TYPE=COUNT ..." */
static char rows[ROWS_MAX][LINE_CHARS];
static int n_rows;

static void
path_of(char path[TRIAL_PATH_CHARS], const char *name)
{
	const char *dir = getenv("BNET_FIXTURES");

	(void)snprintf(path, TRIAL_PATH_CHARS, "%s/hostile/%s",
	    dir == NULL ? "fixtures" : dir, name);
}

static void
load_rows(void)
{
	char path[TRIAL_PATH_CHARS];
	FILE *f;

	path_of(path, "expected.txt");
	f = fopen(path, "r");
	if (f == NULL) {
		perror(path);
		exit(EXIT_FAILURE);
	}
	while (n_rows < ROWS_MAX && fgets(rows[n_rows], LINE_CHARS, f) != NULL)
		n_rows += rows[n_rows][0] != '#' && rows[n_rows][0] != '\n';
	fclose(f);
}

/* The objects of each type that were printed; other lines are none. */
static void
count_lines(char *json, uint64_t n[CAP_N_EVENTS], const char *name)
{
	char *rest = NULL;
	int type;

	for (char *line = strtok_r(json, "\n", &rest); line != NULL;
	     line = strtok_r(NULL, "\n", &rest)) {
		json_t *obj = json_loads(
		    line, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
		const char *is =
		    json_string_value(json_object_get(obj, "type"));

		ck_assert_msg(is != NULL, "%s: not an object: %s", name, line);
		for (type = 0; strcmp(types[type], is) != 0; type++)
			ck_assert_msg(
			    type + 1 < CAP_N_EVENTS, "%s: type %s", name, is);
		n[type]++;
		json_decref(obj);
	}
}

/* "frame=14 malformed=1": these, and nothing else. */
static void
check_counts(const char *name, char *wanted, const uint64_t n[CAP_N_EVENTS])
{
	uint64_t want[CAP_N_EVENTS] = { 0 };
	char *rest = NULL;

	for (char *word = strtok_r(wanted, " \n", &rest); word != NULL;
	     word = strtok_r(NULL, " \n", &rest)) {
		char *count = strchr(word, '=');
		int type = 0;

		ck_assert_msg(count != NULL, "%s: %s", name, word);
		*count = '\0';
		while (strcmp(types[type], word) != 0)
			ck_assert_msg(
			    ++type < CAP_N_EVENTS, "%s: %s", name, word);
		want[type] = strtoull(count + 1, NULL, 10);
	}
	for (int i = 0; i < CAP_N_EVENTS; i++)
		ck_assert_msg(n[i] == want[i], "%s: %llu of %s, not %llu", name,
		    (unsigned long long)n[i], types[i],
		    (unsigned long long)want[i]);
}

START_TEST(test_outcome)
{
	static const struct trial as_json = { .json = true };
	static const struct trial as_text = { .text = true,
		.cap = { .any_port = true } };
	char path[TRIAL_PATH_CHARS], name[LINE_CHARS], *line = rows[_i];
	uint64_t n[CAP_N_EVENTS] = { 0 };
	struct trial_result r;
	int status, n_chars;

	ck_assert_int_eq(
	    sscanf(line, "%199s %d %n", name, &status, &n_chars), 2);
	path_of(path, name);
	trial_decode(&as_json, path, NULL, NULL, &r);
	ck_assert_msg(r.status == status, "%s: exit %d", name, r.status);
	ck_assert_msg((r.warnings[0] != '\0') == (status == 1),
	    "%s: standard error has \"%s\"", name, r.warnings);
	count_lines(r.json, n, name);
	check_counts(name, line + n_chars, n);
	trial_result_free(&r);

	/* every field, every byte, and whatever the port is */
	trial_decode(&as_text, path, NULL, NULL, &r);
	ck_assert_msg(
	    r.status == status, "%s as text: exit %d", name, r.status);
	trial_result_free(&r);
}
END_TEST

/* Files of the folder whose names have `what` in them. */
static int
n_files(const char *what)
{
	char path[TRIAL_PATH_CHARS];
	struct dirent *entry;
	int n = 0;
	DIR *dir;

	path_of(path, "");
	dir = opendir(path);
	ck_assert_ptr_nonnull(dir);
	while ((entry = readdir(dir)) != NULL)
		n += strstr(entry->d_name, what) != NULL;
	closedir(dir);
	return n;
}

START_TEST(test_all_are_listed)
{
	ck_assert_int_gt(n_rows, 0);
	ck_assert_int_eq(n_rows, n_files(".pcap"));
}
END_TEST

static void
same_file(void *arg, const char *name, struct bnet_slice made)
{
	static uint8_t bytes[1 << 20];
	struct bnet_slice is = { bytes, 0 };
	char path[TRIAL_PATH_CHARS];
	int *n = arg;
	FILE *f;

	path_of(path, name);
	f = fopen(path, "rb");
	ck_assert_msg(f != NULL, "%s is not there", path);
	is.len = fread(bytes, 1, sizeof(bytes), f);
	fclose(f);
	unit_same(name, is, made);
	++*n;
}

START_TEST(test_as_generated)
{
	int n = 0;

	hostile(same_file, &n);
	ck_assert_int_eq(n, n_files(".pcap") + n_files(".frames"));
}
END_TEST

static Suite *
make_suite(void)
{
	Suite *suite = suite_create("captures_hostile");
	TCase *tc = unit_case(suite, "hostile");

	load_rows();
	tcase_add_loop_test(tc, test_outcome, 0, n_rows);
	tcase_add_test(tc, test_all_are_listed);
	tcase_add_test(tc, test_as_generated);
	return suite;
}

UNIT_MAIN(make_suite)
