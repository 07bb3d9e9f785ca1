/* SPDX-License-Identifier: MIT */
#include "cmd/capture/keylog.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LINE \
	"CLIENT_RANDOM " \
	"0000000000000000000000000000000000000000000000000000000000000000 " \
	"000000000000000000000000000000000000000000000000" \
	"000000000000000000000000000000000000000000000000\n"
#define LINE_2 \
	"CLIENT_TRAFFIC_SECRET_0 " \
	"0000000000000000000000000000000000000000000000000000000000000000 " \
	"0000000000000000000000000000000000000000000000000000000000000000\n"

#define SECTION 0x0a0d0d0aU
#define INTERFACE 1
#define PACKET 6
#define SECRETS 10
#define TLS 0x544c534bU
#define WIREGUARD 0x57474b4cU

/* A pcapng file in the making. */
struct file {
	uint8_t p[4096];
	size_t n;
	bool big;
};

static void
put_u32(struct file *f, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		f->p[f->n++] = (uint8_t)(v >> (f->big ? 24 - 8 * i : 8 * i));
}

static void
put_block(struct file *f, uint32_t type, const void *body, size_t n)
{
	size_t padded = (n + 3) / 4 * 4;

	put_u32(f, type);
	put_u32(f, (uint32_t)padded + 12);
	memset(f->p + f->n, 0, padded);
	memcpy(f->p + f->n, body, n);
	f->n += padded;
	put_u32(f, (uint32_t)padded + 12);
}

static void
put_section(struct file *f)
{
	put_u32(f, SECTION);
	put_u32(f, 28);
	put_u32(f, 0x1a2b3c4d);
	put_u32(f, 1);
	put_u32(f, UINT32_MAX);
	put_u32(f, UINT32_MAX);
	put_u32(f, 28);
}

/* claim: what the block says of the length of its text. */
static void
put_secrets(struct file *f, uint32_t type, const char *text, uint32_t claim)
{
	struct file body = { .big = f->big };

	put_u32(&body, type);
	put_u32(&body, claim);
	memcpy(body.p + body.n, text, strlen(text));
	put_block(f, SECRETS, body.p, body.n + strlen(text));
}

static enum bnet_err
run(const struct file *file, size_t n_bytes, size_t at, struct cap_keylog *log,
    size_t *n_blocks)
{
	FILE *f = tmpfile();
	enum bnet_err err;

	ck_assert_ptr_nonnull(f);
	ck_assert_uint_eq(fwrite(file->p, 1, n_bytes, f), n_bytes);
	ck_assert_int_eq(fseek(f, (long)at, SEEK_SET), 0);
	err = cap_pcapng_secrets(f, log, n_blocks);
	ck_assert_int_eq(ftell(f), (long)at);
	fclose(f);
	return err;
}

static void
usual(struct file *f)
{
	put_section(f);
	put_secrets(f, TLS, LINE, (uint32_t)strlen(LINE));
	put_secrets(f, WIREGUARD, "x", 1);
	put_block(f, INTERFACE, "abcdefgh", 8);
	put_secrets(f, TLS, LINE_2, (uint32_t)strlen(LINE_2));
	put_block(f, PACKET, "abcdefghijklmnopqrstuvwxyz", 26);
}

START_TEST(test_usual)
{
	struct file f = { .big = _i & 1 };
	struct cap_keylog *log = cap_keylog_new();
	size_t n_blocks, at = _i & 2 ? 16 : 0;

	f.n = at; /* the capture may begin anywhere in the file */
	usual(&f);
	ck_assert_int_eq(run(&f, f.n, at, log, &n_blocks), BNET_OK);
	ck_assert_uint_eq(n_blocks, 2);
	ck_assert_uint_eq(cap_keylog_count(log), 2);
	cap_keylog_free(log);
}
END_TEST

/* A second section in the other byte order. */
START_TEST(test_sections)
{
	struct file f = { .big = _i };
	struct cap_keylog *log = cap_keylog_new();
	size_t n_blocks;

	put_section(&f);
	put_secrets(&f, TLS, LINE, (uint32_t)strlen(LINE));
	f.big = !f.big;
	put_section(&f);
	put_secrets(&f, TLS, LINE_2, (uint32_t)strlen(LINE_2));
	ck_assert_int_eq(run(&f, f.n, 0, log, &n_blocks), BNET_OK);
	ck_assert_uint_eq(n_blocks, 2);
	ck_assert_uint_eq(cap_keylog_count(log), 2);
	cap_keylog_free(log);
}
END_TEST

START_TEST(test_after_packet)
{
	struct file f = { .big = false };
	struct cap_keylog *log = cap_keylog_new();
	size_t n_blocks;

	put_section(&f);
	put_block(&f, PACKET, "abcd", 4);
	put_secrets(&f, TLS, LINE, (uint32_t)strlen(LINE));
	ck_assert_int_eq(run(&f, f.n, 0, log, &n_blocks), BNET_OK);
	ck_assert_uint_eq(n_blocks, 0);
	ck_assert_uint_eq(cap_keylog_count(log), 0);
	cap_keylog_free(log);
}
END_TEST

/* Cut anywhere: what was whole before counts, and nothing is read beyond. */
START_TEST(test_prefixes)
{
	struct file f = { .big = _i };
	size_t n_blocks;

	usual(&f);
	for (size_t n = 0; n <= f.n; n++) {
		struct cap_keylog *log = cap_keylog_new();
		enum bnet_err err = run(&f, n, 0, log, &n_blocks);

		ck_assert(err == BNET_OK || err == BNET_ECUT);
		ck_assert_uint_eq(n_blocks, cap_keylog_count(log));
		if (n < 12)
			ck_assert_int_eq(err, BNET_OK); /* no pcapng yet */
		cap_keylog_free(log);
	}
}
END_TEST

START_TEST(test_hostile_lengths)
{
	static const uint32_t totals[] = { 0, 4, 8, 11, 12, 13, 16, 19,
		0x7fffffff, 0x80000000, 0xfffffffc, UINT32_MAX };
	static const uint32_t claims[] = { 1000, 0x7fffffff, 0xfffffff8,
		UINT32_MAX };
	size_t n_blocks;

	for (size_t i = 0; i < sizeof(totals) / sizeof(totals[0]); i++) {
		struct cap_keylog *log = cap_keylog_new();
		struct file f = { .big = _i };

		put_section(&f);
		put_u32(&f, SECRETS);
		put_u32(&f, totals[i]);
		put_u32(&f, TLS);
		put_u32(&f, 0);
		ck_assert_int_eq(run(&f, f.n, 0, log, &n_blocks), BNET_ECUT);
		ck_assert_uint_eq(n_blocks, 0);
		cap_keylog_free(log);
	}
	for (size_t i = 0; i < sizeof(claims) / sizeof(claims[0]); i++) {
		struct cap_keylog *log = cap_keylog_new();
		struct file f = { .big = _i };

		put_section(&f);
		put_secrets(&f, TLS, LINE, claims[i]);
		ck_assert_int_eq(run(&f, f.n, 0, log, &n_blocks), BNET_ECUT);
		ck_assert_uint_eq(cap_keylog_count(log), 0);
		cap_keylog_free(log);
	}
}
END_TEST

/* A block that is really there, but longer than is reasonable. */
START_TEST(test_big_block)
{
	uint32_t n = CAP_PCAPNG_SECRETS_MAX_BYTES + 4;
	struct cap_keylog *log = cap_keylog_new();
	struct file f = { .big = false };
	FILE *file = tmpfile();
	size_t n_blocks;

	put_section(&f);
	put_u32(&f, SECRETS);
	put_u32(&f, n + 20);
	put_u32(&f, TLS);
	put_u32(&f, n);
	ck_assert_uint_eq(fwrite(f.p, 1, f.n, file), f.n);
	ck_assert_int_eq(fflush(file), 0);
	ck_assert_int_eq(
	    ftruncate(fileno(file), (off_t)f.n + n + 4), 0); /* sparse */
	rewind(file);
	ck_assert_int_eq(cap_pcapng_secrets(file, log, &n_blocks), BNET_ELIMIT);
	fclose(file);
	cap_keylog_free(log);
}
END_TEST

/* A bad line: reported, and the blocks behind it are read. */
START_TEST(test_bad_line)
{
	struct file f = { .big = false };
	struct cap_keylog *log = cap_keylog_new();
	size_t n_blocks;

	put_section(&f);
	put_secrets(&f, TLS, "CLIENT_RANDOM 00\n", 17);
	put_secrets(&f, TLS, LINE, (uint32_t)strlen(LINE));
	ck_assert_int_eq(run(&f, f.n, 0, log, &n_blocks), BNET_ETLS);
	ck_assert_uint_eq(n_blocks, 2);
	ck_assert_uint_eq(cap_keylog_count(log), 1);
	cap_keylog_free(log);
}
END_TEST

START_TEST(test_not_pcapng)
{
	static const uint8_t pcap[64] = { 0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4 };
	struct file f = { .n = sizeof(pcap) };
	struct cap_keylog *log = cap_keylog_new();
	size_t n_blocks;
	int ends[2];
	FILE *pipe_end;

	memcpy(f.p, pcap, sizeof(pcap));
	ck_assert_int_eq(run(&f, f.n, 0, log, &n_blocks), BNET_OK);
	ck_assert_int_eq(run(&f, f.n, f.n, log, &n_blocks), BNET_OK);
	/* a section without a byte order */
	f.n = 0;
	put_section(&f);
	f.p[9] ^= 1;
	ck_assert_int_eq(run(&f, f.n, 0, log, &n_blocks), BNET_OK);
	ck_assert_uint_eq(n_blocks, 0);
	/* what can not be gone back in is not touched */
	f.n = 0;
	usual(&f);
	ck_assert_int_eq(pipe(ends), 0);
	ck_assert_int_eq((int)write(ends[1], f.p, f.n), (int)f.n);
	close(ends[1]);
	pipe_end = fdopen(ends[0], "rb");
	ck_assert_int_eq(cap_pcapng_secrets(pipe_end, log, &n_blocks), BNET_OK);
	ck_assert_uint_eq(n_blocks, 0);
	ck_assert_int_eq(fgetc(pipe_end), 0x0a);
	fclose(pipe_end);
	cap_keylog_free(log);
}
END_TEST

START_TEST(test_path)
{
	char path[] = "/tmp/test_pcapng_secrets.XXXXXX";
	struct file f = { .big = true };
	struct cap_keylog *log = cap_keylog_new();
	int fd = mkstemp(path);
	size_t n_blocks;

	ck_assert_int_ge(fd, 0);
	usual(&f);
	ck_assert_int_eq((int)write(fd, f.p, f.n), (int)f.n);
	close(fd);
	ck_assert_int_eq(
	    cap_pcapng_secrets_path(path, log, &n_blocks), BNET_OK);
	ck_assert_uint_eq(n_blocks, 2);
	unlink(path);
	ck_assert_int_eq(
	    cap_pcapng_secrets_path(path, log, &n_blocks), BNET_ECUT);
	ck_assert_uint_eq(n_blocks, 0);
	cap_keylog_free(log);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("pcapng_secrets");
	TCase *tc = tcase_create("all");
	SRunner *sr = srunner_create(s);
	int n_failed;

	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, test_usual, 0, 4);
	tcase_add_loop_test(tc, test_sections, 0, 2);
	tcase_add_loop_test(tc, test_prefixes, 0, 2);
	tcase_add_loop_test(tc, test_hostile_lengths, 0, 2);
	tcase_add_test(tc, test_after_packet);
	tcase_add_test(tc, test_big_block);
	tcase_add_test(tc, test_bad_line);
	tcase_add_test(tc, test_not_pcapng);
	tcase_add_test(tc, test_path);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_NORMAL);
	n_failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return n_failed == 0 ? 0 : 1;
}
