/* SPDX-License-Identifier: MIT */
/*
 * expect SENT.jsonl DECODED.jsonl: are the frames that came out of a capture
 * those that were sent?
 *
 * SENT is as fixtures/captures/X.jsonl, DECODED what `bluenet-decode -o json
 * --payload hex` printed. In each direction of each connection the frames
 * have to be equal, in order. With --lost (of mangle) a frame may be missing
 * if bytes of it are, or if it is one of too few between two holes to be
 * told from chance. The gaps that are reported have to be as long as the
 * holes. Prints a line of counts and every difference. Exit: 0 as expected, 1
 * not.
 */
#include "tests/tools/expect_align.h"

#include <getopt.h>

/*
 * What is said to be missing against what is. A hole at either end of a
 * stream may go unseen: nothing says that there were bytes.
 */
static void
compare_losses(
    const struct settings *set, const struct way *way, struct result *r)
{
	uint64_t inner = 0, outer = 0, inserted = 0;

	for (size_t i = 0; i < way->n_lost; i++) {
		const struct range *range = &way->lost[i];

		if (range->from == 0 || range->to == way->total)
			outer += range->to - range->from;
		else
			inner += range->to - range->from;
		inserted += range->inserted;
	}
	if (set->tls == way->conn)
		return;
	if (!way->pause &&
	    (way->gap_bytes < inner || way->gap_bytes > inner + outer)) {
		printf("%u %s: gaps of %" PRIu64 " bytes were reported, not "
		       "%" PRIu64 " to %" PRIu64 "\n",
		    way->conn, way_name(way), way->gap_bytes, inner,
		    inner + outer);
		r->n_bad++;
	}
	if (inserted > 0 && way->n_events == 0) {
		printf("%u %s: nothing was reported of %" PRIu64
		       " bytes of garbage\n",
		    way->conn, way_name(way), inserted);
		r->n_bad++;
	}
	if (way->n_lost == 0 && way->n_events > 0) {
		printf("%u %s: %" PRIu64 " losses were reported, nothing was "
		       "lost\n",
		    way->conn, way_name(way), way->n_events);
		r->n_bad++;
	}
}

static void
count_events(struct expect *x)
{
	for (size_t i = 0; i < x->n_events; i++) {
		const struct event *event = &x->events[i];
		struct way *way;

		if (event->stream >= x->n_streams ||
		    x->conn_of[event->stream] == 0)
			continue; /* no frame says which this is */
		way = way_of(x, x->conn_of[event->stream], event->down);
		way->n_events++;
		if (event->gap)
			way->gap_bytes += event->bytes;
	}
}

/* A connection's frames once more behind themselves. */
static void
expect_again(struct expect *x, uint32_t conn)
{
	for (size_t i = 0; i < x->n_ways; i++) {
		struct way *way = &x->ways[i];
		uint64_t total = way->total;
		size_t n = way->expected.n;

		for (size_t j = 0; way->conn == conn && j < n; j++) {
			struct frame frame = way->expected.p[j];

			frame.text = strdup(frame.text);
			if (frame.text == NULL)
				err(1, "memory");
			frame.from += total;
			frame.to += total;
			way->total = frame.to;
			frames_push(&way->expected, &frame);
		}
	}
}

static void
frames_free(struct frames *frames)
{
	for (size_t i = 0; i < frames->n; i++)
		free(frames->p[i].text);
	free(frames->p);
}

static void
expect_free(struct expect *x)
{
	for (size_t i = 0; i < x->n_ways; i++) {
		frames_free(&x->ways[i].expected);
		frames_free(&x->ways[i].decoded);
		free(x->ways[i].lost);
	}
	free(x->ways);
	free(x->events);
	free(x->conn_of);
}

static int
compare(struct expect *x, const struct settings *set)
{
	struct result r = { 0 };

	for (size_t i = 0; i < x->n_ways; i++) {
		compare_frames(set, &x->ways[i], &r);
		compare_losses(set, &x->ways[i], &r);
	}
	if (r.excused > 0 && set->tls != 0 && x->n_events == 0) {
		printf("frames are missing, and nothing was reported\n");
		r.n_bad++;
	}
	if (set->n_streams != 0 && set->n_streams != x->n_seen) {
		printf("%zu streams, not %zu\n", x->n_seen, set->n_streams);
		r.n_bad++;
	}
	if (r.shown > SHOWN_MAX)
		printf("and %" PRIu64 " more\n", r.shown - SHOWN_MAX);
	printf("equal %" PRIu64 ", excused %" PRIu64 ", missing %" PRIu64
	       ", extra %" PRIu64 ", extra allowed %" PRIu64
	       ", losses reported %zu, streams %zu\n",
	    r.equal, r.excused, r.missing, r.extra, r.allowed, x->n_events,
	    x->n_seen);
	return r.missing > 0 || r.extra > 0 || r.n_bad > 0;
}

_Noreturn static void
usage(void)
{
	fputs("usage: expect [--lost FILE] [--allow-extra] [--tls CONN]\n"
	      "\t[--again CONN] [--streams N] SENT.jsonl DECODED.jsonl\n",
	    stderr);
	exit(2);
}

static void
options_read(struct settings *set, int argc, char **argv)
{
	static const struct option longs[] = {
		{ "lost", required_argument, NULL, 'l' },
		{ "allow-extra", no_argument, NULL, 'e' },
		{ "tls", required_argument, NULL, 't' },
		{ "again", required_argument, NULL, 'a' },
		{ "streams", required_argument, NULL, 's' },
		{ 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		if (c == 'l')
			set->lost = optarg;
		else if (c == 'e')
			set->allow_extra = true;
		else if (c == 't')
			set->tls = (uint32_t)strtoul(optarg, NULL, 10);
		else if (c == 'a')
			set->again = (uint32_t)strtoul(optarg, NULL, 10);
		else if (c == 's')
			set->n_streams = strtoul(optarg, NULL, 10);
		else
			usage();
	}
	if (argc - optind != 2)
		usage();
}

int
main(int argc, char **argv)
{
	struct settings set = { 0 };
	struct expect x = { 0 };
	int status;

	options_read(&set, argc, argv);
	each_line(&x, argv[optind], take_expected);
	if (set.again != 0)
		expect_again(&x, set.again);
	if (set.lost != NULL)
		each_line(&x, set.lost, take_lost);
	each_line(&x, argv[optind + 1], take_decoded);
	count_events(&x);
	status = compare(&x, &set);
	expect_free(&x);
	return status;
}
