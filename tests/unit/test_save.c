/* SPDX-License-Identifier: MIT */
/* Packets of matching streams, as pcap; read back by source. */
#include "cmd/decode/save.h"

#include "tests/unit/failmalloc.h"
#include "tests/unit/unit.h"
#include "tests/unit/temp_file.h"

#include <pcap/dlt.h>
#include <unistd.h>

static struct save *save;
static char err[SOURCE_ERR_CHARS];

static void
setup(void)
{
	temp_setup();
	ck_assert_msg(
	    save_open(&save, temp_path, DLT_RAW, NULL, err), "%s", err);
}

/* A packet whose bytes say which it is. */
static void
put_sized(uint64_t stream, bool matches, uint32_t id, size_t n)
{
	uint8_t *bytes = calloc(1, n);
	struct source_packet packet = {
		.time_ns = INT64_C(1700000000123456789) + id,
		.data = { bytes, n },
		.wire_bytes = n + 5,
		.linktype = DLT_RAW,
	};

	ck_assert_ptr_nonnull(bytes);
	memcpy(bytes, &id, sizeof(id));
	save_packet(save, stream, matches, &packet);
	free(bytes);
}

static void
put(uint64_t stream, bool matches, uint32_t id)
{
	put_sized(stream, matches, id, 100);
}

/* The file holds exactly the packets `ids`, in that order. */
static void
expect(const uint32_t *ids, size_t n)
{
	struct source_packet packet;
	struct source *src;
	uint32_t id;

	ck_assert_msg(save_close(save, err), "%s", err);
	src = source_open(&(const char *){ temp_path }, 1, NULL, err);
	ck_assert_msg(src != NULL, "%s", err);
	ck_assert_int_eq(source_linktype(src), DLT_RAW);
	for (size_t i = 0; i < n; i++) {
		ck_assert_int_eq(source_next(src, &packet, err), SOURCE_PACKET);
		memcpy(&id, packet.data.p, sizeof(id));
		ck_assert_uint_eq(id, ids[i]);
		ck_assert_uint_eq(packet.wire_bytes, packet.data.len + 5);
		ck_assert_int_eq(
		    packet.time_ns, INT64_C(1700000000123456789) + id);
	}
	ck_assert_int_eq(source_next(src, &packet, err), SOURCE_END);
	source_close(src);
}

START_TEST(test_nothing)
{
	expect(NULL, 0);
}
END_TEST

/* What came before a stream matched is written then; others' are not. */
START_TEST(test_matching)
{
	put(1, false, 10);
	put(2, false, 20);
	put(1, false, 11);
	put(3, true, 30);
	put(1, true, 12);
	put(2, false, 21);
	put(1, true, 13);
	save_stream_end(save, 2);
	save_stream_end(save, 2);
	save_stream_end(save, 99);
	put(2, true, 22); /* another of that number, if there were one */
	ck_assert_uint_eq(save_dropped(save), 0);
	ck_assert(!save_failed(save, err));
	expect((const uint32_t[]){ 30, 10, 11, 12, 13, 22 }, 6);
}
END_TEST

/* So much waits of a stream; the oldest go, and are counted if it matches. */
START_TEST(test_stream_ceiling)
{
	uint32_t ids[200];
	size_t n = 0;

	for (uint32_t id = 0; id < 100; id++)
		put_sized(1, false, id, 20000);
	put_sized(2, false, 500, 20000);
	ck_assert_uint_eq(save_dropped(save), 0);
	put(1, true, 1000);
	ck_assert_uint_ge(save_dropped(save), 100 - SAVE_STREAM_BYTES / 20000);
	ck_assert_uint_lt(save_dropped(save), 60);
	for (uint32_t id = (uint32_t)save_dropped(save); id < 100; id++)
		ids[n++] = id;
	ids[n++] = 1000;
	put(2, true, 2000);
	ids[n++] = 500;
	ids[n++] = 2000;
	expect(ids, n);
}
END_TEST

/* One packet alone that is more than a stream may have waiting. */
START_TEST(test_huge_packet)
{
	put_sized(1, false, 1, SAVE_STREAM_BYTES);
	put(1, false, 2);
	put(1, true, 3);
	ck_assert_uint_eq(save_dropped(save), 1);
	expect((const uint32_t[]){ 2, 3 }, 2);
}
END_TEST

/* All streams together: later ones keep nothing, and that is counted. */
START_TEST(test_total_ceiling)
{
	const uint32_t n = (uint32_t)(SAVE_TOTAL_BYTES / 65000 + 40);

	for (uint32_t i = 0; i < n; i++)
		put_sized(i, false, i, 65000);
	put(n - 1, true, n);
	ck_assert_uint_eq(save_dropped(save), 1);
	/* room again */
	for (uint32_t i = 0; i < n / 2; i++)
		save_stream_end(save, i);
	put(n + 1, false, 7);
	put(n + 1, true, 8);
	ck_assert_uint_eq(save_dropped(save), 1);
	expect((const uint32_t[]){ n, 7, 8 }, 3);
}
END_TEST

/* Streams beyond what the table holds: counted at once. */
START_TEST(test_too_many_streams)
{
	for (uint32_t i = 0; i < 66000; i++)
		put_sized(i, false, i, 4);
	ck_assert_uint_eq(save_dropped(save), 66000 - 65536);
	put(65999, true, 100001);
	put(3, true, 100002);
	expect((const uint32_t[]){ 100001, 3, 100002 }, 3);
}
END_TEST

START_TEST(test_no_place)
{
	struct save *none = NULL;

	ck_assert(
	    !save_open(&none, "/no/such/place/x.pcap", DLT_RAW, NULL, err));
	ck_assert_ptr_null(none);
	ck_assert_msg(strstr(err, "/no/such/place/x.pcap") != NULL, "%s", err);
	ck_assert(save_close(NULL, err));
	ck_assert(save_close(save, err));
}
END_TEST

/* A full disk is told, at the latest when it is closed, and once. */
START_TEST(test_full)
{
	ck_assert(save_close(save, err));
	if (access("/dev/full", W_OK) != 0)
		return; /* not Linux */
	ck_assert_msg(
	    save_open(&save, "/dev/full", DLT_RAW, NULL, err), "%s", err);
	for (uint32_t i = 0; i < (uint32_t)_i; i++)
		put_sized(1, true, i, 60000);
	if (_i > 0)
		ck_assert(save_failed(save, err));
	err[0] = '\0';
	ck_assert(!save_close(save, err));
	ck_assert_str_eq(err, "/dev/full: No space left on device");
}
END_TEST

static enum bnet_err
save_some(void *arg)
{
	static const uint8_t bytes[100];
	const struct source_packet packet = {
		.data = { bytes, 100 }, .wire_bytes = 100, .linktype = DLT_RAW
	};
	struct save *own;
	uint64_t n_dropped;

	(void)arg;
	if (!save_open(&own, temp_path, DLT_RAW, NULL, err))
		return BNET_ENOMEM;
	save_packet(own, 1, false, &packet);
	save_packet(own, 1, true, &packet);
	n_dropped = save_dropped(own);
	if (!save_close(own, err))
		return BNET_ECUT;
	return n_dropped > 0 ? BNET_ENOMEM : BNET_OK;
}

/* Out of memory while a packet waits: it is counted as dropped. */
START_TEST(test_every_failed_allocation)
{
	ck_assert(save_close(save, err));
	ck_assert_uint_ge(failmalloc_each(save_some, NULL), 3);
}
END_TEST

/* Compressed by the ending of the name, whatever the format. */
static const char *const compressed[] = {
	".pcap.gz",
	".pcapng.gz",
#ifdef HAVE_ZSTD
	".pcap.zst",
	".pcapng.zst",
#endif
#ifdef HAVE_LZ4
	".pcap.lz4",
	".pcapng.lz4",
#endif
};

#define BIG_BYTES 150000 /* more than a compressor takes at a time */

START_TEST(test_compressed)
{
	char path[sizeof(temp_path) + 16];
	struct source_packet packet;
	struct source *src;
	size_t n = 0;

	ck_assert(save_close(save, err));
	snprintf(path, sizeof(path), "%s%s", temp_path, compressed[_i]);
	ck_assert_msg(save_open(&save, path, DLT_RAW, NULL, err), "%s", err);
	for (uint32_t i = 0; i < 50; i++) {
		put_sized(1, true, i, i % 10 == 7 ? BIG_BYTES : 100);
		if (i % 20 == 3)
			save_flush(save);
	}
	ck_assert_msg(save_close(save, err), "%s", err);
	src = source_open(&(const char *){ path }, 1, NULL, err);
	ck_assert_msg(src != NULL, "%s", err);
	for (; source_next(src, &packet, err) == SOURCE_PACKET; n++) {
		uint32_t id;

		memcpy(&id, packet.data.p, sizeof(id));
		ck_assert_uint_eq(id, n);
		ck_assert_uint_eq(
		    packet.data.len, n % 10 == 7 ? BIG_BYTES : 100);
	}
	ck_assert_uint_eq(n, 50);
	ck_assert_msg(source_next(src, &packet, err) == SOURCE_END, "%s", err);
	source_close(src);
	ck_assert_int_eq(unlink(path), 0);
}
END_TEST

/* What was written before a flush can be read at once. */
START_TEST(test_compressed_flush)
{
	char path[sizeof(temp_path) + 16];
	struct source_packet packet;
	struct source *src;

	ck_assert(save_close(save, err));
	snprintf(path, sizeof(path), "%s.gz", temp_path);
	ck_assert_msg(save_open(&save, path, DLT_RAW, NULL, err), "%s", err);
	put(1, true, 5);
	save_flush(save);
	src = source_open(&(const char *){ path }, 1, NULL, err);
	ck_assert_msg(src != NULL, "%s", err);
	ck_assert_int_eq(source_next(src, &packet, err), SOURCE_PACKET);
	source_close(src);
	ck_assert(save_close(save, err));
	ck_assert_int_eq(unlink(path), 0);
}
END_TEST

static Suite *
make_suite(void)
{
	Suite *suite = suite_create("save");
	TCase *tc = unit_case(suite, "save");

	tcase_add_checked_fixture(tc, setup, temp_teardown);
	tcase_add_loop_test(tc, test_compressed, 0, UNIT_ROWS(compressed));
	tcase_add_test(tc, test_compressed_flush);
	tcase_add_test(tc, test_nothing);
	tcase_add_test(tc, test_matching);
	tcase_add_test(tc, test_stream_ceiling);
	tcase_add_test(tc, test_huge_packet);
	tcase_add_test(tc, test_total_ceiling);
	tcase_add_test(tc, test_too_many_streams);
	tcase_add_test(tc, test_no_place);
	tcase_add_loop_test(tc, test_full, 0, 3);
	tcase_add_test(tc, test_every_failed_allocation);
	return suite;
}

UNIT_MAIN(make_suite)
