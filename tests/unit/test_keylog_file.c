/* SPDX-License-Identifier: MIT */
/* Secrets in a file: whole lines, its owner's only, behind what was there. */
#include "cmd/relay/keylog_file.h"

#include "tests/unit/unit.h"

#include <errno.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#define N_THREADS 4
#define N_LINES 500
#define LINE_CHARS 190

static char folder[] = "/tmp/bluenet-test-XXXXXX";
static char path[64];

static void
setup(void)
{
	memcpy(folder + sizeof(folder) - 7, "XXXXXX", 6);
	ck_assert_ptr_nonnull(mkdtemp(folder));
	(void)snprintf(path, sizeof(path), "%s/keys", folder);
}

static void
teardown(void)
{
	(void)unlink(path);
	ck_assert_int_eq(rmdir(folder), 0);
}

struct writer {
	pthread_t thread;
	struct keylog_file *keylog;
	char letter;
};

static void *
write_lines(void *arg)
{
	struct writer *writer = arg;
	char line[LINE_CHARS + 1];

	memset(line, writer->letter, LINE_CHARS);
	line[LINE_CHARS] = '\0';
	for (int i = 0; i < N_LINES; i++)
		keylog_file_line(writer->keylog, line);
	return NULL;
}

/* Every line is of one letter; each letter has its lines. */
static void
check_lines(FILE *f)
{
	char line[LINE_CHARS + 3];
	int n[N_THREADS] = { 0 };

	while (fgets(line, sizeof(line), f) != NULL) {
		ck_assert_uint_eq(strlen(line), LINE_CHARS + 1);
		ck_assert_uint_eq(
		    strspn(line, (char[]){ line[0], '\0' }), LINE_CHARS);
		n[line[0] - 'a']++;
	}
	for (int i = 0; i < N_THREADS; i++)
		ck_assert_int_eq(n[i], N_LINES);
}

START_TEST(many_threads)
{
	struct writer writers[N_THREADS];
	struct keylog_file *keylog = keylog_file_open(path);
	FILE *f;

	ck_assert_ptr_nonnull(keylog);
	for (int i = 0; i < N_THREADS; i++) {
		writers[i] = (struct writer){ .keylog = keylog,
			.letter = (char)('a' + i) };
		ck_assert_int_eq(pthread_create(&writers[i].thread, NULL,
				     write_lines, &writers[i]),
		    0);
	}
	for (int i = 0; i < N_THREADS; i++)
		pthread_join(writers[i].thread, NULL);
	keylog_file_close(keylog);
	f = fopen(path, "r");
	ck_assert_ptr_nonnull(f);
	check_lines(f);
	fclose(f);
}
END_TEST

START_TEST(appends)
{
	struct stat st;

	for (int i = 0; i < 2; i++) {
		struct keylog_file *keylog = keylog_file_open(path);

		ck_assert_ptr_nonnull(keylog);
		keylog_file_line(keylog, "CLIENT_RANDOM 01 02");
		keylog_file_close(keylog);
	}
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_int_eq(st.st_mode & 07777, 0600);
	ck_assert_int_eq(st.st_size, 40);
}
END_TEST

/* One that is there with other rights is not open to others any more. */
START_TEST(tightened)
{
	struct keylog_file *keylog;
	struct stat st;
	FILE *f = fopen(path, "w");

	ck_assert_ptr_nonnull(f);
	ck_assert_int_eq(fchmod(fileno(f), 0666), 0);
	fclose(f);
	keylog = keylog_file_open(path);
	ck_assert_ptr_nonnull(keylog);
	keylog_file_close(keylog);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_int_eq(st.st_mode & 07777, 0600);
}
END_TEST

START_TEST(no_file)
{
	ck_assert_ptr_null(keylog_file_open(folder));
	ck_assert_int_eq(errno, EISDIR);
	keylog_file_close(NULL);
}
END_TEST

/* It goes on without. */
START_TEST(full)
{
	struct keylog_file *keylog = keylog_file_open("/dev/full");

	if (keylog == NULL)
		return; /* not everywhere */
	for (int i = 0; i < 3; i++)
		keylog_file_line(keylog, "CLIENT_RANDOM 01 02");
	keylog_file_close(keylog);
}
END_TEST

static Suite *
keylog_file_suite(void)
{
	Suite *suite = suite_create("keylog_file");
	TCase *tc = unit_case(suite, "keylog_file");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, many_threads);
	tcase_add_test(tc, appends);
	tcase_add_test(tc, tightened);
	tcase_add_test(tc, no_file);
	tcase_add_test(tc, full);
	return suite;
}

UNIT_MAIN(keylog_file_suite)
