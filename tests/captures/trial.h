/* SPDX-License-Identifier: MIT */
/*
 * trial - a capture through the decoder, and what is expected to come out.
 *
 *	recording -> mangle -> decode_run() of cmd/decode -> expect
 *
 * A row of a table says what is tried; it is a struct trial of which what is
 * not set is 0. All of the program is there but its options and its writing.
 */
#ifndef TESTS_CAPTURES_TRIAL_H
#define TESTS_CAPTURES_TRIAL_H

#include "tests/captures/expect.h"
#include "tests/unit/unit.h"

#define TRIAL_RECORDINGS "plain net stock"
#define TRIAL_TLS_CONN 34234 /* of tls13 that is open to its end, nearly */

/* What mangle left out, and what that means for the frames. */
enum trial_kind {
	TRIAL_WHOLE = 0, /* nothing: every frame comes out, exit 0 */
	TRIAL_LOSSY, /* something: it is reported, exit 3 */
	TRIAL_ANY, /* perhaps something, any exit */
	TRIAL_WRONG, /* the frames must not be those that were sent */
};

struct trial {
	const char *recordings; /* words; NULL: TRIAL_RECORDINGS */
	const char *gen; /* in their place: one that gen makes */
	const char *mangle; /* options; NULL: the file as it is */
	unsigned n_seeds; /* each with --seed 1 to this; 0: as it is */
	enum trial_kind kind;
	unsigned exits; /* 1 << of each that may be; 0: that of the kind */
	struct expect_settings expect;
	struct cap_settings cap;
	bool keylog; /* RECORDING.keys is given */
	bool json; /* judged by what -o json prints */
	bool text; /* printed as text, with all there is, and thrown away */
	bool warns; /* standard error has a message */
	const char *from; /* a frame is from an address that starts so */
	const char *statistic; /* -z of it is printed */
	const char *prints; /* JSON: an expression that a line fits */
	uint64_t n[CAP_N_EVENTS]; /* exactly so many of these; 0: any */
	bool has[CAP_N_EVENTS]; /* at least one of these */
	bool has_no[CAP_N_EVENTS];
	uint64_t n_packets; /* frames come from so many; 0: any */
};

/* A test that runs a row of a table of these; and to add it to a suite. */
#define TRIAL_TABLE(table) \
	START_TEST(test_##table) \
	{ \
		trial_run(&table[_i]); \
	} \
	END_TEST

#define TRIAL_ADD(suite, table) \
	tcase_add_loop_test( \
	    unit_case((suite), #table), test_##table, 0, UNIT_ROWS(table))

/* main() of such a test. */
#define TRIAL_MAIN(make_suite) \
	int main(void) \
	{ \
		int status; \
\
		trial_load(); \
		status = unit_run(make_suite()); \
		trial_free(); \
		return status; \
	}

/* Run all of a row; a failure names it. */
void trial_run(const struct trial *row);

/* Before the suite runs, so that its forks share what is read; and after. */
void trial_load(void);
void trial_free(void);

#define TRIAL_PATH_CHARS 500

/* The path of fixtures/captures/NAME.SUFFIX. */
void
trial_path(char path[TRIAL_PATH_CHARS], const char *name, const char *suffix);

/* Does a line of `text` fit the expression? */
bool trial_fits(const char *text, const char *expr);

/* A file that is only in memory: its contents, and its path for others. */
struct trial_file {
	int fd;
	char path[40];
};

void trial_file_open(struct trial_file *file, const void *p, size_t n);
void trial_file_close(struct trial_file *file);

/* All that the decoder told of a file. */
struct trial_result {
	int status; /* that the program exits with */
	uint64_t n[CAP_N_EVENTS];
	uint64_t n_packets;
	bool from; /* a frame of trial.from */
	char *warnings;
	char *json; /* if asked for */
	size_t json_bytes;
	char *statistic;
};

/* Decode as a row says; of every event `expect` is told, if not NULL. */
void trial_decode(const struct trial *row, const char *path, const char *keylog,
    struct expect *expect, struct trial_result *result);
void trial_result_free(struct trial_result *result);

#endif
