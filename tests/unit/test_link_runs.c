/* SPDX-License-Identifier: MIT */
/* Runs of frames: what a link shows as a run is what it would deliver. */
#include "proto/link.h"
#include "tests/unit/link_whole.h"

#define SAME_FRAMES 5
#define LONG_FRAMES 2
#define RUNS_FRAMES (2 * TALK_FRAMES + 3 * SAME_FRAMES + LONG_FRAMES)

enum take {
	TAKE_NONE,
	TAKE_ALL,
	TAKE_SOME, /* every other run */
	TAKE_N
};

struct runs {
	struct heard heard; /* first: it is what the sinks get */
	struct bnet_codecs *codecs;
	enum take take;
	size_t n_shown, n_frames, n_taken;
};

/* The run is what it says: its frames, one by one, into `heard`. */
static void
hear_run(struct runs *runs, const struct bnet_run *run, struct heard *heard)
{
	const struct bnet_link_settings set = { .order = run->order };
	struct bnet_link *link = new_link(&set, runs->codecs);
	struct bnet_slice rest = run->bytes;
	size_t n = 0, used, longest = 0, stop_at = heard->stop_at;
	struct bnet_frame frame;

	while (rest.len > 0) {
		unit_err("frame of a run",
		    bnet_frame_decode(rest, run->order,
			BNET_FRAME_MAX_BYTES_TOP, &frame, &used),
		    BNET_OK);
		unit_same("out-of-band", frame.oob, run->oob);
		longest =
		    frame.size_bytes > longest ? frame.size_bytes : longest;
		rest = bnet_slice_from(rest, used);
		n++;
	}
	ck_assert_uint_eq(n, run->n_frames);
	ck_assert_uint_ge(run->size_max_bytes, longest);
	ck_assert_uint_le(run->oob.len, BNET_RUN_OOB_MAX_BYTES);
	heard->stop_at = 0;
	unit_err("run", feed_copy(link, run->bytes, heard, &used), BNET_OK);
	heard->stop_at = stop_at;
	bnet_link_free(link);
}

static bool
on_run(void *arg, const struct bnet_run *run)
{
	struct runs *runs = arg;

	runs->n_shown++;
	runs->n_frames += run->n_frames;
	if (runs->take == TAKE_NONE ||
	    (runs->take == TAKE_SOME && runs->n_shown % 2 == 0))
		return false;
	runs->n_taken += run->n_frames;
	hear_run(runs, run, &runs->heard);
	return true;
}

/* Frames of one header: of one length, of several, and compressed ones. */
static void
put_same(struct bnet_buf *out, enum bnet_order order)
{
	const struct bnet_slice head = slice_of("0123456789abcdefABCDEF.");
	const struct bnet_slice limit =
	    slice_of("0123456789abcdef0123456789abcdef");
	const struct bnet_slice more =
	    slice_of("0123456789abcdef0123456789abcdefX");
	const struct bnet_slice text = slice_of("abcdefghijkl");

	for (size_t i = 0; i < SAME_FRAMES; i++)
		put_frame(out, order, BNET_FRAME_F_OOB, head,
		    part_of(text, 0, i < 3 ? 4 : i));
	for (size_t i = 0; i < SAME_FRAMES; i++)
		put_frame(out, order, BNET_FRAME_F_OOB,
		    i % 2 == 0 ? head : limit, part_of(text, 0, 4));
	for (size_t i = 0; i < SAME_FRAMES; i++)
		put_frame(out, order, BNET_FRAME_F_OOB, limit,
		    part_of(text, 0, i % 2));
	for (size_t i = 0; i < LONG_FRAMES; i++)
		put_frame(out, order, BNET_FRAME_F_OOB, more, text);
}

static void
feed_runs(enum bnet_order told, struct bnet_slice in, size_t cut, size_t stop,
    struct runs *runs)
{
	const struct bnet_link_settings set = { .order = told };
	struct bnet_link *link = new_link(&set, codecs);
	const struct bnet_link_sink sink = heard_sink(&runs->heard);
	const size_t ends[] = { cut, in.len };
	size_t from = 0, used;

	runs->heard.stop_at = stop;
	for (size_t i = 0; i < 2; i++)
		while (from < ends[i]) {
			enum bnet_err err = bnet_link_feed_runs(link,
			    part_of(in, from, ends[i]), &sink, on_run, &used);

			if (err != BNET_OK)
				unit_err("stop", err, BNET_EMESSAGE);
			from += used;
		}
	unit_err("end", bnet_link_end(link), BNET_CLOSED);
	bnet_link_free(link);
}

static void
runs_start(struct runs *runs, enum take take)
{
	*runs = (struct runs){ .take = take, .codecs = bnet_codecs_new() };
	ck_assert_ptr_nonnull(runs->codecs);
	heard_init(&runs->heard);
}

static void
runs_end(struct runs *runs)
{
	heard_free(&runs->heard);
	bnet_codecs_free(runs->codecs);
}

/* Wherever the stream is split, and whichever runs are taken. */
START_TEST(test_runs)
{
	enum bnet_order order =
	    _i % 2 == 0 ? BNET_ORDER_LITTLE : BNET_ORDER_NETWORK;
	enum bnet_order told = _i < 2 ? BNET_ORDER_AUTO : order;
	struct bnet_slice in;
	struct bnet_buf buf;
	struct runs runs;

	bnet_buf_init(&buf, 10000);
	put_talk(&buf, order, codecs);
	put_same(&buf, order);
	put_talk(&buf, order, codecs);
	in = bnet_buf_slice(&buf);
	feed_parts(told, in, NULL, 0, &want);
	ck_assert_uint_eq(want.n_packets, RUNS_FRAMES);
	for (enum take take = TAKE_NONE; take < TAKE_N; take++)
		for (size_t cut = 0; cut <= in.len; cut++) {
			runs_start(&runs, take);
			feed_runs(told, in, cut, 0, &runs);
			heard_same("runs", &runs.heard, &want);
			/* none is shown twice, and not the long headers */
			ck_assert_uint_le(
			    runs.n_frames, RUNS_FRAMES - LONG_FRAMES);
			ck_assert(
			    take == TAKE_NONE || runs.n_taken > SAME_FRAMES);
			runs_end(&runs);
		}
	bnet_buf_free(&buf);
}
END_TEST

/* The other sink stops within a run that was not taken: it goes on behind. */
START_TEST(test_runs_stop)
{
	struct bnet_slice in;
	struct bnet_buf buf;
	struct runs runs;

	bnet_buf_init(&buf, 10000);
	put_same(&buf, BNET_ORDER_LITTLE);
	in = bnet_buf_slice(&buf);
	feed_parts(BNET_ORDER_LITTLE, in, NULL, 0, &want);
	for (size_t stop = 1; stop <= want.n_packets; stop++) {
		runs_start(&runs, stop % 2 == 0 ? TAKE_NONE : TAKE_SOME);
		feed_runs(BNET_ORDER_LITTLE, in, in.len, stop, &runs);
		heard_same("stop", &runs.heard, &want);
		runs_end(&runs);
	}
	bnet_buf_free(&buf);
}
END_TEST

/* A frame in a run that is over the limit, or no frame, is judged as ever. */
START_TEST(test_runs_bad)
{
	static const struct {
		const char *bad;
		enum bnet_err err;
	} rows[] = {
		{ "\x65\0\0\x10\3\0\0\0abc", BNET_ESIZE },
		{ "\x0a\0\0\x90\3\0\0\0abc", BNET_ERESERVED },
		{ "\x0a\0\0\x70\3\0\0\0abc", BNET_ECODECS },
		{ "\6\0\0\x10\3\0\0\0abc", BNET_EOOB },
	};
	const struct bnet_link_settings set = { .order = BNET_ORDER_LITTLE,
		.frame_max_bytes = 100 };
	struct bnet_link *link = new_link(&set, codecs);
	struct bnet_link_sink sink;
	struct bnet_buf buf;
	struct runs runs;
	size_t used, good;

	bnet_buf_init(&buf, 1000);
	for (int i = 0; i < 3; i++)
		put_frame(&buf, BNET_ORDER_LITTLE, BNET_FRAME_F_OOB,
		    slice_of("abc"), slice_of("xyz"));
	good = buf.len;
	unit_err("bad",
	    bnet_buf_append(
		&buf, (struct bnet_slice){ (const uint8_t *)rows[_i].bad, 11 }),
	    BNET_OK);
	runs_start(&runs, TAKE_ALL);
	sink = heard_sink(&runs.heard);
	unit_err("feed",
	    bnet_link_feed_runs(
		link, bnet_buf_slice(&buf), &sink, on_run, &used),
	    rows[_i].err);
	ck_assert_uint_eq(used, good);
	ck_assert_uint_eq(runs.n_taken, 3);
	runs_end(&runs);
	bnet_buf_free(&buf);
	bnet_link_free(link);
}
END_TEST

static Suite *
link_runs_suite(void)
{
	Suite *suite = suite_create("link_runs");
	TCase *tc = unit_case(suite, "runs");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, test_runs, 0, 4);
	tcase_add_test(tc, test_runs_stop);
	tcase_add_loop_test(tc, test_runs_bad, 0, 4);
	return suite;
}

UNIT_MAIN(link_runs_suite)
