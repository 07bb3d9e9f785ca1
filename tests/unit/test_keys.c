/* SPDX-License-Identifier: MIT */
/* Names of keys: the built-in ones and those of files. */
#include "cmd/common/keys.h"

#include "proto/header.h"
#include "proto/message.h"
#include "tests/unit/failmalloc.h"
#include "tests/unit/unit.h"
#include "tests/unit/temp_file.h"

#include <unistd.h>

static struct keys *keys;
static char err[300];

static void
setup(void)
{
	temp_setup();
	keys = keys_new();
	ck_assert_ptr_nonnull(keys);
	err[0] = '\0';
}

static void
teardown(void)
{
	keys_free(keys);
	keys_free(NULL);
	temp_teardown();
}

static void
knows(const char *name)
{
	ck_assert_pstr_eq(keys_name(keys, bnet_key(name)), name);
}

START_TEST(test_builtin)
{
	knows("BlueNet::pong");
	for (int i = BNET_MSG_NONE + 1; i < BNET_N_MSGS; i++)
		knows(bnet_message_name((enum bnet_message_type)i));
	ck_assert_pstr_eq(keys_name(keys, BNET_KEY_ECHO), "bluenet.echo");
	ck_assert_ptr_null(keys_name(keys, 0));
	ck_assert_ptr_null(keys_name(keys, 12345));
	ck_assert_ptr_null(keys_name(keys, INT32_MIN));
	ck_assert_ptr_null(keys_name(keys, INT32_MAX));
}
END_TEST

START_TEST(test_file)
{
	static const char text[] =
	    "chat::line\r\n\n# not::this\nmarket\n with blanks \n"
	    "caf\xc3\xa9\nchat::line\nthe last";

	temp_write(text, sizeof(text) - 1);
	ck_assert_msg(keys_read(keys, temp_path, err, sizeof(err)), "%s", err);
	knows("chat::line");
	knows("market");
	knows(" with blanks ");
	knows("caf\xc3\xa9");
	knows("the last");
	knows("bluenet.hello");
	ck_assert_ptr_null(keys_name(keys, bnet_key("# not::this")));
	/* once more does no harm */
	ck_assert(keys_read(keys, temp_path, err, sizeof(err)));
	knows("chat::line");
}
END_TEST

static const struct bad_row {
	const char *name;
	size_t n_lines_before, n;
	char fill;
	const char *want; /* in the message */
} bad_rows[] = {
	{ "too long", 2, 256, 'a', ": line 3: a name of more than 255 bytes" },
	{ "a NUL", 0, 5, '\0', ": line 1: a NUL byte" },
};

START_TEST(test_bad_file)
{
	const struct bad_row *row = &bad_rows[_i];
	char text[600] = "";
	size_t n = 0;

	for (size_t i = 0; i < row->n_lines_before; i++)
		n += (size_t)sprintf(text + n, "name%zu\n", i);
	memset(text + n, row->fill, row->n);
	temp_write(text, n + row->n);
	ck_assert(!keys_read(keys, temp_path, err, sizeof(err)));
	ck_assert_msg(
	    strncmp(err, temp_path, strlen(temp_path)) == 0, "%s", err);
	ck_assert_msg(strstr(err, row->want) != NULL, "%s", err);
	if (row->n_lines_before > 0)
		knows("name0");
}
END_TEST

START_TEST(test_255_bytes)
{
	char text[256];

	memset(text, 'z', 255);
	text[255] = '\0';
	temp_write(text, 255);
	ck_assert_msg(keys_read(keys, temp_path, err, sizeof(err)), "%s", err);
	knows(text);
}
END_TEST

START_TEST(test_no_file)
{
	ck_assert(!keys_read(keys, "/no/such/file", err, sizeof(err)));
	ck_assert_str_eq(err, "/no/such/file: No such file or directory");
	ck_assert(!keys_read(keys, "/tmp", err, sizeof(err)));
	ck_assert_str_eq(err, "/tmp: Is a directory");
	temp_write("", 0);
	ck_assert(keys_read(keys, temp_path, err, sizeof(err)));
}
END_TEST

/* Enough to make it grow many times. */
START_TEST(test_many)
{
	FILE *f = fopen(temp_path, "w");
	char name[40];

	ck_assert_ptr_nonnull(f);
	for (int i = 0; i < 50000; i++)
		fprintf(f, "application::%d\n", i);
	ck_assert_int_eq(fclose(f), 0);
	ck_assert_msg(keys_read(keys, temp_path, err, sizeof(err)), "%s", err);
	for (int i = 0; i < 50000; i += 7) {
		snprintf(name, sizeof(name), "application::%d", i);
		ck_assert_ptr_nonnull(keys_name(keys, bnet_key(name)));
	}
	knows("application::49999");
	knows("bluenet.drain");
}
END_TEST

static enum bnet_err
make_keys(void *arg)
{
	struct keys *own = keys_new();

	(void)arg;
	keys_free(own);
	return own == NULL ? BNET_ENOMEM : BNET_OK;
}

/* strdup() is the C library's own, so only tables fail here. */
START_TEST(test_failed_allocations)
{
	ck_assert_uint_ge(failmalloc_each(make_keys, NULL), 2);
}
END_TEST

static Suite *
make_suite(void)
{
	Suite *suite = suite_create("keys");
	TCase *tc = unit_case(suite, "keys");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_builtin);
	tcase_add_test(tc, test_file);
	tcase_add_loop_test(tc, test_bad_file, 0, UNIT_ROWS(bad_rows));
	tcase_add_test(tc, test_255_bytes);
	tcase_add_test(tc, test_no_file);
	tcase_add_test(tc, test_many);
	tcase_add_test(tc, test_failed_allocations);
	return suite;
}

UNIT_MAIN(make_suite)
