/* SPDX-License-Identifier: MIT */
/* cmd/replay/play/diff: --ignore, and what is printed. */
#include "cmd/replay/play/diff.h"
#include "cmd/replay/report/diff_text.h"
#include "proto/message.h"
#include "tests/unit/replay_tape_make.h"

static struct diff_masks masks;
static char err[CLI_ERR_CHARS];

/* ---- --ignore ---- */

static const struct {
	const char *text;
	const char *err; /* how it starts; NULL: it is good */
} rows[] = {
	{ NULL, NULL },
	{ "latency_ms,timestamp,payload[0:8]", NULL },
	{ "source", NULL },
	{ "header,source,dest_type,dest,forks,serial,priority,trailing,codec",
	    NULL },
	{ "missing,extra,order,payload", NULL },
	{ "payload[0:8],payload[16:],payload[:4]", NULL },
	{ "payload[0:18446744073709551615]", NULL },
	{ "payload[-4:],payload[-18446744073709551615:]", NULL },
	{ "", "'' at character 1: expected payload[FROM:TO], header, source," },
	{ "source,", "'' at character 8: expected" },
	{ ",source", "'' at character 1: expected" },
	{ "sauce", "'sauce' at character 1: expected" },
	{ "source, dest", "' dest' at character 8: expected" },
	{ "sourc", "'sourc' at character 1: expected" },
	{ "sources", "'sources' at character 1: expected" },
	{ "key", "'key' at character 1: expected" },
	{ "source[0:1]",
	    "'source[0:1]' at character 1: only payload has parts" },
	{ "payload[8:4]", "'payload[8:4]' at character 1: expected payload[" },
	{ "payload[8:8]", "'payload[8:8]' at character 1: expected" },
	{ "payload[0:0]", "'payload[0:0]' at character 1: expected" },
	{ "payload[:]", "'payload[:]' at character 1: expected" },
	{ "payload[8]", "'payload[8]' at character 1: expected" },
	{ "payload[0:8", "'payload[0:8' at character 1: expected" },
	{ "payload[0:8]x", "'payload[0:8]x' at character 1: expected" },
	{ "payload[-0:]", "'payload[-0:]' at character 1: expected" },
	{ "payload[-:]", "'payload[-:]' at character 1: expected" },
	{ "payload[-4]", "'payload[-4]' at character 1: expected" },
	{ "payload[--4:]", "'payload[--4:]' at character 1: expected" },
	{ "payload[-4:-2]", "'payload[-4:-2]' at character 1: expected" },
	{ "payload[:-4]", "'payload[:-4]' at character 1: expected" },
	{ "source[-4:]",
	    "'source[-4:]' at character 1: only payload has parts" },
	{ "payload[-1:8]", "'payload[-1:8]' at character 1: expected" },
	{ "dest,payload[0:18446744073709551616]", "'payload[0:18446744" },
	{ "payload[0:8,source]", "'payload[0:8' at character 1: expected" },
	{ "payload[", "'payload[' at character 1: expected" },
};

START_TEST(parsed)
{
	bool ok = diff_masks_parse(&masks, rows[_i].text, err);

	if (rows[_i].err == NULL) {
		ck_assert_msg(ok, "%s: %s", rows[_i].text, err);
		return;
	}
	ck_assert_msg(!ok, "%s: taken", rows[_i].text);
	ck_assert_msg(
	    strncmp(err, rows[_i].err, strlen(rows[_i].err)) == 0, "%s", err);
}
END_TEST

START_TEST(too_many)
{
	char text[8 * (DIFF_MASKS_MAX + 1)] = "source";

	for (int i = 3; i < DIFF_MASKS_MAX; i++)
		strncat(text, ",source", 8);
	ck_assert_msg(diff_masks_parse(&masks, text, err), "%s", err);
	ck_assert_uint_eq(masks.n, DIFF_MASKS_MAX);
	strncat(text, ",source", 8);
	ck_assert(!diff_masks_parse(&masks, text, err));
	ck_assert_ptr_nonnull(strstr(err, "too many"));
}
END_TEST

/* ---- printing ---- */

static struct made made;

static void
frame(enum cap_dir dir, int32_t key, uint32_t flags, const void *p, size_t n)
{
	const struct bnet_header header = { .source = 1001,
		.dest_type = BNET_DEST_CLIENT,
		.dest = 12,
		.key = key };

	made_frame(&made, 0, dir, &header, (struct bnet_slice){ p, n },
	    (struct tape_record){ .flags = flags });
}

static void
receive(struct diff *diff, struct diff_vclient *vclient,
    const struct bnet_header *header, const void *p, size_t n)
{
	const struct bnet_packet packet = { .has_oob = true,
		.has_header = true,
		.header = *header,
		.payload = { p, n } };

	(void)diff_received(diff, vclient, 0, &packet, NULL, NULL);
}

static const char wanted[] =
    "Differences: 4 in 5 frames received\n"
    "\n"
    "  key           compared  missing  extra  order  header  codec  payload\n"
    "  0x00000007           3        0      0      0       0      0        1\n"
    "  0x00000008           1        0      1      0       0      0        0\n"
    "  0x00000009           1        0      0      0       1      0        0\n"
    "  bluenet.echo         0        1      0      0       0      0        0\n"
    "  all                  5        1      1      0       1      0        1\n"
    "\n"
    "All of them, captured -> received:\n"
    "\n"
    "1. another payload: frame 2 of 0x00000007\n"
    "   session 0, 10.0.0.1:5000\n"
    "   payload           30 bytes -> 30 bytes\n"
    "     captured from 16     61 61 61 61 62 61 61 61 61 61 61 61 61 61\n"
    "     received from 16     61 61 61 61 63 61 61 61 61 61 61 61 61 61\n"
    "\n"
    "2. another header: frame 1 of 0x00000009\n"
    "   session 0, 10.0.0.1:5000\n"
    "   source            1001 -> 1002\n"
    "   serial            0 -> 4\n"
    "\n"
    "3. extra: received frame 1 of 0x00000008\n"
    "   session 0, 10.0.0.1:5000\n"
    "   source 1001, dest_type 2, dest 12, serial 0\n"
    "   payload           1 bytes, codec none\n"
    "     received from 0      78\n"
    "\n"
    "4. missing: frame 1 of bluenet.echo\n"
    "   session 0, 10.0.0.1:5000\n"
    "   source 1001, dest_type 2, dest 12, serial 0\n"
    "   payload           0 bytes, codec none\n";

START_TEST(printed)
{
	struct bnet_header header = { .source = 1001,
		.dest_type = BNET_DEST_CLIENT,
		.dest = 12,
		.key = 7 };
	char bytes[30], other[30], *text = NULL;
	struct diff_vclient vclient = { NULL };
	struct keys *keys = keys_new();
	struct tape *tape;
	struct diff *diff;
	size_t n_bytes;
	FILE *out;

	memset(bytes, 'a', sizeof(bytes));
	bytes[20] = 'b';
	memcpy(other, bytes, sizeof(other));
	other[20] = 'c';
	made_init(&made);
	made_session(&made, 1);
	frame(CAP_DOWN, 7, 0, "a", 1);
	frame(CAP_DOWN, 7, 0, bytes, sizeof(bytes));
	frame(CAP_DOWN, 7, 0, "z", 1);
	frame(CAP_DOWN, 9, 0, "z", 1);
	frame(CAP_DOWN, BNET_KEY_ECHO, 0, NULL, 0);
	tape = made_open(&made);
	ck_assert(diff_masks_parse(&masks, NULL, err));
	diff = diff_new(tape, &masks);
	receive(diff, &vclient, &header, "a", 1);
	receive(diff, &vclient, &header, other, sizeof(other));
	receive(diff, &vclient, &header, "z", 1);
	header.key = 9;
	header.source++;
	header.serial = 4;
	receive(diff, &vclient, &header, "z", 1);
	header.key = 8;
	header.source--;
	header.serial = 0;
	receive(diff, &vclient, &header, "x", 1);
	diff_ended(diff, &vclient, 0, NULL);
	out = open_memstream(&text, &n_bytes);
	diff_print(diff, keys, out);
	fclose(out);
	ck_assert_str_eq(text, wanted);
	free(text);
	diff_free(diff);
	tape_close(tape);
	keys_free(keys);
}
END_TEST

static Suite *
make_suite(void)
{
	Suite *suite = suite_create("replay_diff_text");
	TCase *tc = unit_case(suite, "text");

	tcase_add_loop_test(tc, parsed, 0, UNIT_ROWS(rows));
	tcase_add_test(tc, too_many);
	tcase_add_test(tc, printed);
	return suite;
}

UNIT_MAIN(make_suite)
