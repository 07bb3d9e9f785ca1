/* SPDX-License-Identifier: MIT */
/*
 * Whatever a fuzzer ever found, given to it again: each file in
 * fixtures/fuzz-found/FUZZER. The fuzzers are linked in, each under its name
 * in place of LLVMFuzzerTestOneInput.
 */
#include "tests/fuzz/fuzz.h"
#include "tests/unit/unit.h"

#include <dirent.h>

#define INPUT_BYTES 65536
#define INPUTS_MAX 256
#define PATH_CHARS 1024

#define FUZZERS(X) \
	X(fuzz_capture) \
	X(fuzz_capture_tls) \
	X(fuzz_codec) \
	X(fuzz_filter) \
	X(fuzz_frame) \
	X(fuzz_hdr_log) \
	X(fuzz_header) \
	X(fuzz_keylog) \
	X(fuzz_layers) \
	X(fuzz_link) \
	X(fuzz_link_tls) \
	X(fuzz_macho) \
	X(fuzz_marshal) \
	X(fuzz_marshal_write) \
	X(fuzz_masks) \
	X(fuzz_message) \
	X(fuzz_proxy) \
	X(fuzz_report) \
	X(fuzz_scenario) \
	X(fuzz_tape) \
	X(fuzz_tls_record)

#define DECLARE(name) int name(const uint8_t *data, size_t size);
FUZZERS(DECLARE)

static const struct fuzzer {
	const char *name;
	int (*input)(const uint8_t *data, size_t size);
} fuzzers[] = {
#define ROW(name) { #name, name },
	FUZZERS(ROW)
};

static struct found {
	const struct fuzzer *fuzzer;
	char path[PATH_CHARS];
} found[INPUTS_MAX];

static int n_found;

START_TEST(each_found)
{
	static uint8_t bytes[INPUT_BYTES];
	const struct found *f = &found[_i];
	FILE *file = fopen(f->path, "rb");
	struct bnet_slice in;

	ck_assert_msg(file != NULL, "%s", f->path);
	in = unit_copy(bytes, fread(bytes, 1, sizeof(bytes), file));
	ck_assert_int_eq(fclose(file), 0);
	ck_assert_msg(f->fuzzer->input(in.p, in.len) == 0, "%s", f->path);
	unit_free(in);
}
END_TEST

START_TEST(some_are_there)
{
	ck_assert_int_gt(n_found, 0);
	ck_assert_int_lt(n_found, INPUTS_MAX);
}
END_TEST

/* The inputs of a fuzzer: most have none. */
static void
list(const struct fuzzer *fuzzer)
{
	const char *fixtures = getenv("BNET_FIXTURES");
	char path[PATH_CHARS / 2];
	const struct dirent *entry;
	DIR *dir;

	(void)snprintf(path, sizeof(path), "%s/fuzz-found/%s",
	    fixtures == NULL ? "fixtures" : fixtures, fuzzer->name);
	dir = opendir(path);
	while (dir != NULL && (entry = readdir(dir)) != NULL) {
		struct found *f = &found[n_found];

		if (entry->d_name[0] == '.' || n_found == INPUTS_MAX)
			continue;
		f->fuzzer = fuzzer;
		(void)snprintf(
		    f->path, sizeof(f->path), "%s/%s", path, entry->d_name);
		n_found++;
	}
	if (dir != NULL)
		(void)closedir(dir);
}

static Suite *
make_suite(void)
{
	Suite *suite = suite_create("fuzz_found");
	TCase *tc = unit_case(suite, "inputs");

	(void)LLVMFuzzerInitialize(NULL, NULL);
	for (int i = 0; i < UNIT_ROWS(fuzzers); i++)
		list(&fuzzers[i]);
	tcase_add_loop_test(tc, each_found, 0, n_found);
	tcase_add_test(tc, some_are_there);
	return suite;
}

UNIT_MAIN(make_suite)
