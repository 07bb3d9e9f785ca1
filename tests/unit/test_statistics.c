/* SPDX-License-Identifier: MIT */
/* cmd/decode/statistics, and frames, streams, keys and endpoints of it */
#include "tests/unit/failmalloc.h"
#include "tests/unit/stat_events.h"

static const uint8_t bytes[4096];

/* A frame with a header of 9 bytes; 8 + 9 + payload on the wire. */
static struct bnet_packet
headed(int32_t key, size_t payload_bytes)
{
	return (struct bnet_packet){ .size_bytes =
					 (uint32_t)(4 + 9 + payload_bytes),
		.has_oob = true,
		.has_header = true,
		.header.key = key,
		.oob = { bytes, 9 },
		.wire_payload = { bytes, payload_bytes },
		.payload = { bytes, payload_bytes } };
}

START_TEST(names)
{
	const struct statistics_info *info;
	struct statistics *st = statistics_new();
	char err[256], list[256], spec[64];
	size_t n = 0;

	ck_assert_ptr_nonnull(st);
	ck_assert_uint_eq(statistics_needs(st), 0);
	ck_assert(!statistics_add(st, "frame,x", list, sizeof(list)));
	ck_assert_str_eq(list,
	    "no statistic 'frame'; there are frames, streams, keys, endpoints,"
	    " io,INTERVAL[,clock], echo, calls,tree, events, health");
	for (; (info = statistics_info(n)) != NULL; n++) {
		ck_assert_ptr_nonnull(strstr(list, info->name));
		ck_assert_uint_gt(strlen(info->about), 10);
		snprintf(spec, sizeof(spec), "%s%s", info->name,
		    info->arg == NULL                    ? ""
			: strcmp(info->arg, "tree") == 0 ? ",tree"
							 : ",2s");
		for (int twice = 0; twice < 2; twice++)
			ck_assert(statistics_add(st, spec, err, sizeof(err)));
	}
	ck_assert_uint_eq(n, 9);
	ck_assert_uint_eq(statistics_n(st), 9); /* twice counts once */
	ck_assert_uint_eq(statistics_needs(st),
	    STATISTICS_NEEDS_PAYLOAD | STATISTICS_NEEDS_KEY_NAME |
		STATISTICS_NEEDS_MESSAGE | STATISTICS_NEEDS_OBJECT);
	ck_assert(!statistics_add(st, "keys,5", err, sizeof(err)));
	ck_assert_str_eq(err, "'keys,5': keys takes no argument");
	check_text(st, NULL);
	statistics_free(st);
	statistics_free(NULL);
}
END_TEST

START_TEST(too_many)
{
	struct statistics *st = statistics_new();
	char err[256], spec[80];

	ck_assert_ptr_nonnull(st);
	memset(spec, '1', sizeof(spec) - 1);
	memcpy(spec, "io,", 3);
	spec[sizeof(spec) - 1] = '\0';
	ck_assert(!statistics_add(st, spec, err, sizeof(err)));
	for (int i = 1; i <= STATISTICS_MAX; i++) {
		snprintf(spec, sizeof(spec), "io,%d", i);
		ck_assert(statistics_add(st, spec, err, sizeof(err)));
	}
	ck_assert(!statistics_add(st, "frames", err, sizeof(err)));
	ck_assert_str_eq(err, "more than 16 statistics");
	statistics_free(st);
}
END_TEST

/* One of each kind, as the tables want them. */
static void
tell_kinds(struct statistics *st, struct cap_stream *stream)
{
	struct bnet_packet frame = headed(5, 111);

	tell_frame(st, stream, CAP_UP, T0, &frame, NULL);
	frame.header.priority = true;
	frame.header.timestamp = 77;
	frame.oob.len = 14; /* 4 of them are not the header's */
	frame.trailing_bytes = 4;
	frame.size_bytes += 5;
	tell_frame(st, stream, CAP_DOWN, T0, &frame, NULL);
	frame = headed(5, 40);
	frame.header.forks = 2;
	frame.header.timestamp = BNET_TIMESTAMP_PING_BACK | 1;
	frame.codec = BNET_CODEC_ZLIB;
	frame.payload.len = 160;
	tell_frame(st, stream, CAP_UP, T0, &frame, NULL);
	frame = (struct bnet_packet){ .size_bytes = 11,
		.has_oob = true,
		.oob = { bytes, 3 },
		.wire_payload = { bytes, 4 },
		.payload = { bytes, 4 } };
	tell_frame(st, stream, CAP_UP, T0, &frame, NULL);
	frame = (struct bnet_packet){ .size_bytes = 0 };
	tell_frame(st, stream, CAP_UP, T0, &frame, NULL);
	tell_loss(st, stream, CAP_GAP, T0, 1000, "missing");
}

START_TEST(frames)
{
	struct statistics *st = made_statistics("frames");
	struct cap_stream stream = made_stream(0);

	tell_kinds(st, &stream);
	check_table(st, NULL, "frames",
	    "[[\"kind\",\"frames\",\"frames_percent\",\"bytes\","
	    "\"payload_bytes\"],"
	    "[[\"all\",5,100.0,337,386],"
	    "[\"up\",4,80.0,204,275],"
	    "[\"down\",1,20.0,133,111],"
	    "[\"with header\",3,60.0,318,382],"
	    "[\"other out-of-band\",1,20.0,15,4],"
	    "[\"no out-of-band\",1,20.0,4,0],"
	    "[\"priority\",1,20.0,133,111],"
	    "[\"ping\",2,40.0,190,271],"
	    "[\"ping, ping back\",1,20.0,57,160],"
	    "[\"forks\",1,20.0,57,160]]]");
	check_table(st, NULL, "frames.codecs",
	    "[[\"codec\",\"frames\",\"payload_bytes\",\"packed_bytes\","
	    "\"ratio\"],"
	    "[[\"none\",4,226,226,1.0],[\"zlib\",1,160,40,0.25],"
	    "[\"snappy\",0,0,0,null]]]");
	check_table(st, NULL, "frames.sizes",
	    "[[\"of\",\"count\",\"min_bytes\",\"avg_bytes\",\"max_bytes\"],"
	    "[[\"frame on the wire\",5,4,67.4,133],"
	    "[\"header\",3,9,9.3,10],[\"payload\",5,0,77.2,160]]]");
	check_table(st, NULL, "frames.frame_sizes",
	    "[[\"from_bytes\",\"to_bytes\",\"frames\",\"percent\"],"
	    "[[4,7,1,20.0],[8,15,1,20.0],[16,31,0,0.0],[32,63,1,20.0],"
	    "[64,127,0,0.0],[128,255,2,40.0]]]");
	check_table(st, NULL, "frames.header_sizes",
	    "[[\"from_bytes\",\"to_bytes\",\"frames\",\"percent\"],"
	    "[[9,9,2,66.7],[10,10,1,33.3]]]");
	check_text(st, NULL);
	statistics_free(st);
}
END_TEST

#define STREAM_COLUMNS \
	"[\"stream\",\"opener\",\"listener\",\"order\",\"tls\"," \
	"\"first_time\",\"last_time\",\"first_s\",\"last_s\",\"duration_s\"," \
	"\"frames_up\",\"bytes_up\",\"frames_down\",\"bytes_down\"," \
	"\"losses\",\"lost_bytes\"]"

START_TEST(streams)
{
	struct statistics *st = made_statistics("streams");
	struct cap_stream one = made_stream(1), two = made_stream(2);
	const struct bnet_packet frame = headed(5, 111);

	two.order = BNET_ORDER_AUTO;
	tell_loss(st, &two, CAP_MALFORMED, T0 + 250 * MS, 9, "bad");
	two.order = BNET_ORDER_NETWORK;
	two.tls = true;
	tell_frame(st, &two, CAP_DOWN, T0 + 500 * MS, &frame, NULL);
	tell_frame(st, &one, CAP_UP, T0, &frame, NULL);
	tell_frame(st, &two, CAP_DOWN, T0 + 1500 * MS, &frame, NULL);
	tell_frame(st, &two, CAP_UP, T0 + 1000 * MS, &frame, NULL);
	tell_loss(st, &two, CAP_OVERLAP, T0 + 1000 * MS, 5, "differs");
	tell_loss(st, NULL, CAP_LIMIT, T0, 70, "too many streams");
	check_table(st, NULL, "streams",
	    "[" STREAM_COLUMNS ",["
	    "[1,\"10.0.0.1:40001\",\"10.9.0.1:26000\",\"little\",\"no\","
	    "\"1763850858.000000000\",\"1763850858.000000000\",0.0,0.0,0.0,"
	    "1,128,0,0,0,0],"
	    "[2,\"10.0.0.1:40002\",\"10.9.0.1:26000\",\"network\",\"yes\","
	    "\"1763850858.250000000\",\"1763850859.500000000\",0.25,1.5,1.25,"
	    "1,128,2,256,1,9],"
	    "[\"(no stream)\",null,null,null,null,null,null,null,null,null,"
	    "0,0,0,0,1,70]]]");
	check_text(st, NULL);
	statistics_free(st);
}
END_TEST

#define KEY_COLUMNS \
	"[\"key_name\",\"key\",\"frames\",\"bytes\",\"bytes_percent\"," \
	"\"payload_min\",\"payload_avg\",\"payload_max\"," \
	"\"latency_avg_ms\",\"latency_max_ms\",\"frames_up\"," \
	"\"frames_down\",\"bytes_up\",\"bytes_down\"]"

START_TEST(keys)
{
	struct statistics *st = made_statistics("keys");
	struct cap_stream stream = made_stream(0);
	struct bnet_packet frame = headed(BNET_KEY_PONG, 3);

	frame.header.latency_ms = 10;
	tell_frame(st, &stream, CAP_UP, T0, &frame, "BlueNet::pong");
	frame = headed(BNET_KEY_PONG, 10);
	frame.header.latency_ms = 21;
	tell_frame(st, &stream, CAP_DOWN, T0, &frame, "BlueNet::pong");
	frame = headed(-2, 23);
	tell_frame(st, &stream, CAP_UP, T0, &frame, NULL);
	frame = headed(0, 3);
	tell_frame(st, &stream, CAP_UP, T0, &frame, NULL);
	frame = (struct bnet_packet){ .size_bytes = 83 };
	tell_frame(st, &stream, CAP_UP, T0, &frame, NULL);
	check_table(st, NULL, "keys",
	    "[" KEY_COLUMNS ",["
	    "[\"BlueNet::pong\",-1807880710,2,47,24.2,3,6.5,10,null,"
	    "null,1,1,20,27],"
	    "[\"(no key)\",0,1,20,10.3,3,3.0,3,0.0,0,1,0,20,0],"
	    "[\"0xfffffffe\",-2,1,40,20.6,23,23.0,23,0.0,0,1,0,40,0],"
	    "[\"(no header)\",null,1,87,44.8,0,0.0,0,null,null,1,0,87,0]]]");
	check_text(st, NULL);
	statistics_free(st);
}
END_TEST

/* The longest of our keys, and a megabyte: still one block. */
START_TEST(keys_in_one_block)
{
	struct statistics *st = made_statistics("keys");
	struct cap_stream stream = made_stream(0);
	struct bnet_packet frame = headed(12, 1000);
	char *text;

	frame.header.latency_ms = 12345;
	for (int i = 0; i < 1000; i++)
		tell_frame(st, &stream, i % 2 == 0 ? CAP_UP : CAP_DOWN, T0,
		    &frame, "bluenet.roster-reply");
	check_text(st, NULL);
	text = told(st, false, NULL);
	ck_assert_ptr_nonnull(strstr(text, "  bluenet.roster-reply  "));
	ck_assert_msg(strstr(text, "\n\n") == NULL, "%s", text);
	free(text);
	statistics_free(st);
}
END_TEST

#define ENDPOINT_COLUMNS \
	"[\"kind\",\"id\",\"frames_sent\",\"bytes_sent\"," \
	"\"frames_received\",\"bytes_received\",\"frames_up\"," \
	"\"frames_down\",\"bytes_up\",\"bytes_down\"]"

static void
tell_dest(
    struct statistics *st, int64_t source, int64_t dest_type, int64_t dest)
{
	struct cap_stream stream = made_stream(0);
	struct bnet_packet frame = headed(1, 3);

	frame.header.source = source;
	frame.header.dest_type = dest_type;
	frame.header.dest = dest;
	tell_frame(st, &stream, CAP_UP, T0, &frame, NULL);
}

START_TEST(endpoints)
{
	struct statistics *st = made_statistics("endpoints");
	struct cap_stream stream = made_stream(0);
	struct bnet_packet frame = headed(1, 3);
	struct bnet_bits_wr wr;
	struct bnet_buf ids;

	bnet_buf_init(&ids, 64);
	bnet_bits_write(&wr, &ids);
	bnet_bits_put_u64(&wr, 12);
	bnet_bits_put_u64(&wr, INT64_MAX);
	bnet_bits_put_u64(&wr, 12);
	ck_assert_int_eq(bnet_bits_finish(&wr), BNET_OK);
	tell_dest(st, 12, BNET_DEST_NODE, 7);
	tell_dest(st, -3, BNET_DEST_NODE, 7);
	tell_dest(st, 12, BNET_DEST_CLIENT, 12);
	tell_dest(st, 12, -9, INT64_MIN);
	tell_dest(st, 12, BNET_DEST_ANY, 0);
	frame.header.source = 7;
	frame.header.dest_type = BNET_DEST_CLIENT;
	frame.header.forks = 3;
	bnet_bits_read(&frame.forks, bnet_buf_slice(&ids));
	tell_frame(st, &stream, CAP_UP, T0, &frame, NULL);
	check_table(st, NULL, "endpoints",
	    "[" ENDPOINT_COLUMNS ",["
	    "[\"source\",-3,1,20,null,null,1,0,20,0],"
	    "[\"source\",7,1,20,null,null,1,0,20,0],"
	    "[\"source\",12,4,80,null,null,4,0,80,0],"
	    "[\"type -9\",-9223372036854775808,null,null,1,20,1,0,20,0],"
	    "[\"node\",7,null,null,2,40,2,0,40,0],"
	    "[\"client\",12,null,null,3,60,3,0,60,0],"
	    "[\"client\",9223372036854775807,null,null,1,20,1,0,20,0],"
	    "[\"any\",0,null,null,1,20,1,0,20,0]]]");
	check_text(st, NULL);
	statistics_free(st);
	bnet_buf_free(&ids);
}
END_TEST

#define MANY 70000 /* more than a map takes */

/* Of what is one too many: told apart by number, key and source. */
static void
tell_many(struct statistics *st)
{
	struct bnet_packet frame = headed(0, 3);
	struct cap_stream stream;

	for (int32_t i = 1; i <= MANY; i++) {
		stream = made_stream((uint64_t)i);
		frame.header.key = i;
		frame.header.source = i;
		tell_frame(st, &stream, CAP_UP, T0 + i * MS, &frame, NULL);
	}
}

/* The row of what has none, and the note of a table too long to compare. */
static const struct {
	const char *spec, *row, *note;
} ceilings[] = {
	{ "streams",
	    "[\"(others)\",null,null,null,null,null,null,null,null,null,4464,"
	    "89280,0,0,0,0]",
	    "only the first 65536 streams have a row" },
	{ "keys",
	    "[\"(others)\",null,4464,89280,6.4,3,3.0,3,0.0,0,4464,0,89280,0]",
	    "only the first 65536 keys have a row" },
	{ "endpoints",
	    "[\"(others)\",null,null,null,4465,89300,4465,0,89300,0]",
	    "only the first 65536 endpoints have a row" },
	{ "io,1ms", "[\"(others)\",null,null,4464,89280,0,0,0,0]",
	    "only the first 65536 intervals with traffic have a row" },
};

START_TEST(ceiling)
{
	struct statistics *st = made_statistics(ceilings[_i].spec);
	char *text, *row;

	tell_many(st);
	text = told(st, true, NULL);
	row = strstr(text, "[\"(others)");
	ck_assert_ptr_nonnull(row);
	ck_assert_ptr_nonnull(strstr(text, ceilings[_i].note));
	*strchr(row, ']') = '\0';
	ck_assert_uint_eq(strlen(row) + 1, strlen(ceilings[_i].row));
	ck_assert_int_eq(strncmp(row, ceilings[_i].row, strlen(row)), 0);
	free(text);
	statistics_free(st);
}
END_TEST

/* Once everything has been seen, nothing more is allocated. */
START_TEST(no_allocation)
{
	static const char *const specs[] = { "frames", "streams", "keys",
		"endpoints", "io,1h", "echo", "health" };
	struct cap_stream stream = made_stream(3);
	struct statistics *st = statistics_new();
	const struct bnet_packet frame = headed(5, 111);
	unsigned long n;
	char err[256];

	for (int i = 0; i < UNIT_ROWS(specs); i++)
		ck_assert(statistics_add(st, specs[i], err, sizeof(err)));
	tell_frame(st, &stream, CAP_UP, T0, &frame, NULL);
	failmalloc_watch();
	for (int i = 0; i < 10000; i++)
		tell_frame(st, &stream, CAP_DOWN, T0 + i, &frame, NULL);
	n = failmalloc_stop();
	ck_assert_uint_eq(n, 0);
	statistics_free(st);
}
END_TEST

/* Start one; `err` has to say so when there is no memory for it. */
static enum bnet_err
start_one(void *arg)
{
	struct statistics *st = statistics_new();
	char err[64] = "";
	bool ok;

	if (st == NULL)
		return BNET_ENOMEM;
	ok = statistics_add(st, arg, err, sizeof(err));
	statistics_free(st);
	if (ok)
		return BNET_OK;
	return strcmp(err, "out of memory") == 0 ? BNET_ENOMEM : BNET_EHEADER;
}

static char spec_names[][16] = { "frames", "streams", "keys", "endpoints",
	"io,1s", "echo", "health" };

START_TEST(no_memory_to_start)
{
	failmalloc_each(start_one, spec_names[_i]);
}
END_TEST

/* With no memory left, whatever is new is among the others: nothing lost. */
START_TEST(no_memory_to_count)
{
	struct statistics *st = made_statistics(spec_names[_i]);
	struct cap_stream stream = made_stream(3);
	const struct bnet_packet frame = headed(5, 111);
	char *text, *at;

	failmalloc_arm(1, true);
	for (int i = 0; i < 3; i++)
		tell_frame(st, &stream, CAP_UP, T0, &frame, NULL);
	failmalloc_stop();
	text = told(st, false, NULL);
	at = strstr(text, _i == 0 ? "all" : "(others)");
	ck_assert_ptr_nonnull(at);
	ck_assert_ptr_nonnull(strstr(text, _i == 3 ? " 6 " : " 3 "));
	free(text);
	statistics_free(st);
}
END_TEST

static Suite *
statistics_suite(void)
{
	Suite *suite = suite_create("statistics");
	TCase *tc = unit_case(suite, "statistics");

	tcase_add_test(tc, names);
	tcase_add_test(tc, too_many);
	tcase_add_test(tc, frames);
	tcase_add_test(tc, streams);
	tcase_add_test(tc, keys);
	tcase_add_test(tc, keys_in_one_block);
	tcase_add_test(tc, endpoints);
	tcase_add_loop_test(tc, ceiling, 0, UNIT_ROWS(ceilings));
	tcase_add_test(tc, no_allocation);
	tcase_add_loop_test(tc, no_memory_to_start, 0, UNIT_ROWS(spec_names));
	tcase_add_loop_test(tc, no_memory_to_count, 0, 5);
	return suite;
}

UNIT_MAIN(statistics_suite)
