/* SPDX-License-Identifier: MIT */
/* Tapes as they are written, and as they are read, also when damaged. */
#include "cmd/replay/tape/tape.h"
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#define SESSIONS 3
#define MIB(n) ((size_t)(n) << 20)
#define LARGE_BYTES MIB(49) /* over the writer's buffer */

static char err[TAPE_ERR_CHARS];
static int fd;
static struct tape_writer writer;
static struct tape_session sessions[SESSIONS];
static uint64_t last[SESSIONS][2];
static struct tape_head head;

static void
setup(void)
{
	fd = memfd_create("tape", MFD_CLOEXEC);
	ck_assert_int_ge(fd, 0);
	ck_assert(tape_write_init(&writer, fd));
	memset(sessions, 0, sizeof(sessions));
	memset(last, 0, sizeof(last));
	head = (struct tape_head){ .n_sessions = SESSIONS };
}

static void
teardown(void)
{
	tape_write_free(&writer);
	close(fd);
}

/* n bytes that only a record with this number has. */
static void
fill(uint8_t *p, size_t n, uint32_t number)
{
	for (size_t i = 0; i < n; i++)
		p[i] = (uint8_t)(i * 7 + number);
}

static void
add(uint32_t session, enum cap_dir dir, size_t n_oob, size_t n, uint32_t n_refs)
{
	const uint32_t refs[2] = { session, TAPE_NONE };
	uint32_t number = sessions[session].n[dir]++;
	struct tape_record record = { .session = session,
		.at_ns = number,
		.ref = TAPE_NONE,
		.oob_bytes = (uint32_t)n_oob,
		.payload_bytes = (uint32_t)n,
		.n_refs = n_refs };
	uint8_t *p = malloc(n_oob + n + 1);
	uint64_t at;

	ck_assert_ptr_nonnull(p);
	fill(p, n_oob + n, number);
	at =
	    tape_write_record(&writer, &record, (struct bnet_slice){ p, n_oob },
		(struct bnet_slice){ p + n_oob, n }, refs, NULL);
	free(p);
	if (last[session][dir] == 0)
		sessions[session].first[dir] = at;
	else
		tape_write_next(&writer, last[session][dir], at);
	last[session][dir] = at;
}

static void
end(void)
{
	static const uint8_t texts[] = "\0name";

	sessions[1].name = 1;
	ck_assert(tape_write_end(&writer, &head, sessions,
	    (struct bnet_slice){ texts, sizeof(texts) }));
}

static struct tape *
open_it(void)
{
	struct tape *tape = tape_open(fd, "the tape", err);

	ck_assert_msg(tape != NULL, "%s", err);
	return tape;
}

static void
check_record(const struct tape_record *record, uint32_t number)
{
	size_t n = (size_t)record->oob_bytes + record->payload_bytes;
	const uint8_t *p = tape_oob(record).p;
	size_t i = 0;

	ck_assert_int_eq(record->at_ns, number);
	while (i < n && p[i] == (uint8_t)(i * 7 + number))
		i++;
	ck_assert_msg(i == n, "record %u: byte %zu of %zu", number, i, n);
	if (record->n_refs == 2) {
		ck_assert_uint_eq(tape_ref(record, 0), record->session);
		ck_assert_uint_eq(tape_ref(record, 1), TAPE_NONE);
		ck_assert_uint_eq(tape_ref(record, 2), TAPE_NONE);
	}
}

static void
check_all(const struct tape *tape)
{
	for (uint32_t i = 0; i < SESSIONS; i++)
		for (int dir = CAP_UP; dir <= CAP_DOWN; dir++) {
			const struct tape_record *record =
			    tape_first(tape, i, (enum cap_dir)dir);
			uint32_t n = 0;

			for (; record != NULL; record = tape_next(tape, record))
				check_record(record, n++);
			ck_assert_uint_eq(n, sessions[i].n[dir]);
		}
	ck_assert(!tape_damaged(tape));
}

/* Chains that reach from one end of a file of many buffers to the other. */
START_TEST(what_was_written_is_read)
{
	struct tape *tape;

	add(0, CAP_DOWN, 9, 100, 0);
	for (size_t i = 0; i < 60000; i++)
		add(1, (enum cap_dir)(i % 2), i % 13, i % 777,
		    i % 3 == 0 ? 2 : 0);
	tape_write_flags(&writer, sessions[0].first[CAP_DOWN], TAPE_R_ANSWERED);
	tape_write_flags(&writer, last[1][CAP_UP], TAPE_R_ANSWERED);
	add(0, CAP_DOWN, 0, 0, 2);
	end();
	tape = open_it();
	check_all(tape);
	ck_assert_uint_eq(
	    tape_first(tape, 0, CAP_DOWN)->flags, TAPE_R_ANSWERED);
	ck_assert_str_eq(tape_text(tape, tape_session(tape, 1)->name), "name");
	ck_assert_str_eq(tape_text(tape, 0), "");
	ck_assert_str_eq(tape_text(tape, UINT32_MAX), "");
	tape_close(tape);
}
END_TEST

/* Around what the writer keeps, and what it holds at most. */
START_TEST(payloads_of_any_size)
{
	static const size_t sizes[] = { MIB(16) - 100, MIB(16) - 3, MIB(32),
		LARGE_BYTES };
	struct tape *tape;

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		add(0, CAP_UP, 9, sizes[i], 2);
		for (size_t k = 0; k < 20000; k++)
			add(2, CAP_DOWN, 0, 1000 + k % 8, 0);
		add(0, CAP_UP, 0, i, 0);
	}
	end();
	tape = open_it();
	check_all(tape);
	tape_close(tape);
}
END_TEST

START_TEST(a_full_disk_is_told)
{
	int full = open("/dev/full", O_RDWR | O_CLOEXEC);

	ck_assert_int_ge(full, 0);
	writer.fd = full;
	add(0, CAP_UP, 0, LARGE_BYTES, 0);
	ck_assert_int_eq(writer.error, ENOSPC);
	ck_assert(!tape_write_end(&writer, &head, sessions,
	    (struct bnet_slice){ (const uint8_t *)"", 1 }));
	ck_assert_int_eq(errno, ENOSPC);
	close(full);
}
END_TEST

/* ---- damaged ---- */

static void
small(void)
{
	for (uint32_t i = 0; i < 12; i++)
		add(i % SESSIONS, (enum cap_dir)(i % 2), 9, 20 + i, i % 3);
	end();
}

/* Every chain to its end, each byte looked at. */
static void
walk(const struct tape *tape)
{
	uint32_t n_sessions = tape_head(tape)->n_sessions, sum = 0;

	for (uint32_t i = 0; i < n_sessions; i++)
		for (int dir = CAP_UP; dir <= CAP_DOWN; dir++) {
			const struct tape_record *record =
			    tape_first(tape, i, (enum cap_dir)dir);

			for (; record != NULL;
			     record = tape_next(tape, record)) {
				struct bnet_slice s = tape_payload(record);

				for (size_t k = 0; k < s.len; k++)
					sum += s.p[k];
				for (uint32_t k = 0; k < record->n_refs; k++)
					sum += tape_ref(record, k);
				ck_assert(record->ref == TAPE_NONE ||
				    record->ref < n_sessions);
			}
			sum += (uint8_t)tape_text(
			    tape, tape_session(tape, i)->end[dir])[0];
		}
	ck_assert_uint_le(sum, UINT32_MAX);
}

START_TEST(no_prefix_is_a_tape)
{
	small();
	for (off_t n = (off_t)head.file_bytes - 1; n >= 0; n--) {
		ck_assert_int_eq(ftruncate(fd, n), 0);
		ck_assert_ptr_null(tape_open(fd, "cut", err));
		ck_assert_msg(strstr(err, "cut: ") == err, "%s", err);
	}
}
END_TEST

/* It is refused, or a chain ends early, or nobody can tell: never worse. */
START_TEST(any_bit_may_flip)
{
	struct tape *tape;
	uint8_t byte, bad;

	small();
	for (off_t at = 0; at < (off_t)head.file_bytes; at++)
		for (unsigned bit = 0; bit < 8; bit++) {
			if (pread(fd, &byte, 1, at) != 1)
				ck_abort_msg("read");
			bad = (uint8_t)(byte ^ 1u << bit);
			if (pwrite(fd, &bad, 1, at) != 1)
				ck_abort_msg("write");
			tape = tape_open(fd, "flipped", err);
			if (tape != NULL)
				walk(tape);
			tape_close(tape);
			if (pwrite(fd, &byte, 1, at) != 1)
				ck_abort_msg("write");
		}
	tape = open_it();
	check_all(tape);
	tape_close(tape);
}
END_TEST

static const struct damage {
	const char *name, *why;
	size_t at, n;
	uint64_t value;
} damages[] = {
	{ "magic", "not a replay file", 0, 1, 'X' },
	{ "order", "byte order", offsetof(struct tape_head, byte_order), 4,
	    UINT64_C(0x04030201) },
	{ "version", "another version", offsetof(struct tape_head, version), 4,
	    TAPE_VERSION + 1 },
	{ "size", "truncated", offsetof(struct tape_head, file_bytes), 8, 1 },
	{ "sessions", "session table", offsetof(struct tape_head, n_sessions),
	    4, 1000 },
	{ "sessions at", "session table",
	    offsetof(struct tape_head, sessions_at), 8, UINT64_MAX - 7 },
	{ "texts", "texts", offsetof(struct tape_head, texts_at), 8,
	    UINT64_MAX },
};

START_TEST(a_bad_head_is_named)
{
	const struct damage *row = &damages[_i];

	small();
	ck_assert_int_eq(
	    pwrite(fd, &row->value, row->n, (off_t)row->at), (ssize_t)row->n);
	ck_assert_ptr_null(tape_open(fd, "bad", err));
	ck_assert_msg(strstr(err, row->why) != NULL, "%s: %s", row->name, err);
}
END_TEST

/* A chain that goes back would have no end. */
START_TEST(chains_only_go_on)
{
	const uint64_t places[] = { sessions[0].first[0], 8, 1,
		UINT64_MAX - 7 };
	uint64_t back;
	struct tape *tape;

	small();
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		back = i == 0 ? sessions[0].first[CAP_UP] : places[i];
		ck_assert_int_eq(
		    pwrite(fd, &back, sizeof(back), (off_t)last[0][CAP_UP]),
		    sizeof(back));
		tape = open_it();
		walk(tape);
		ck_assert(tape_damaged(tape));
		tape_close(tape);
	}
}
END_TEST

START_TEST(is_it_one)
{
	ck_assert(!tape_is(fd));
	small();
	ck_assert(tape_is(fd));
	ck_assert_int_eq(lseek(fd, 0, SEEK_CUR), 0);
}
END_TEST

static Suite *
make_suite(void)
{
	Suite *suite = suite_create("replay_tape");
	TCase *tc = unit_case(suite, "tape");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, what_was_written_is_read);
	tcase_add_test(tc, payloads_of_any_size);
	tcase_add_test(tc, a_full_disk_is_told);
	tcase_add_test(tc, no_prefix_is_a_tape);
	tcase_add_test(tc, any_bit_may_flip);
	tcase_add_loop_test(tc, a_bad_head_is_named, 0, UNIT_ROWS(damages));
	tcase_add_test(tc, chains_only_go_on);
	tcase_add_test(tc, is_it_one);
	return suite;
}

UNIT_MAIN(make_suite)
