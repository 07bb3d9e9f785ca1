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
#include "tests/tools/expect_load.h"

#include <getopt.h>

#define CELLS_MAX ((size_t)1 << 26)
#define COST_EXCUSED 1u
#define COST_ALLOWED 10u /* an extra frame that may be */
#define COST_BAD 100000u
#define SHOWN_MAX 20 /* differences */

struct result {
	uint64_t equal, missing, excused, extra, allowed;
	uint64_t shown, n_bad; /* n_bad: other complaints */
};

struct settings {
	bool allow_extra;
	const char *lost;
	uint32_t tls; /* connection whose offsets are of ciphertext, or 0 */
	uint32_t again; /* connection that is there twice; 0: none */
	size_t n_streams; /* 0: any number */
};

static bool
show(struct result *r)
{
	return r->shown++ < SHOWN_MAX;
}

static const char *
way_name(const struct way *way)
{
	return way->down ? "down" : "up";
}

/* Do bytes of the frame miss, or did some come in between? */
static bool
excused(const struct way *way, const struct frame *frame)
{
	for (size_t i = 0; i < way->n_lost; i++)
		if (way->lost[i].from < frame->to &&
		    way->lost[i].to > frame->from)
			return true;
	return false;
}

/* Where a frame starts is known if the word of the one before is there. */
static bool
word_lost(const struct way *way, const struct frame *frame)
{
	for (size_t i = 0; i < way->n_lost; i++)
		if (way->lost[i].from < frame->from + 4 &&
		    way->lost[i].to > frame->from)
			return true;
	return false;
}

/*
 * Frames in a row, whole, behind a place where the framing was lost: are
 * they several, so that a decoder must believe them? Empty ones do not count.
 */
static bool
believable(const struct way *way, size_t from, size_t to)
{
	size_t n = 0, headers = 0;

	for (size_t i = from; i < to; i++) {
		n += way->expected.p[i].to - way->expected.p[i].from > 4;
		headers += way->expected.p[i].header;
	}
	if (to == way->expected.n)
		return n >= 2 || headers >= 1;
	return n >= 6 || (n >= 4 && headers >= 1) || (n >= 3 && headers >= 2);
}

/* What the lack of each expected frame costs. */
static void
miss_costs(const struct way *way, uint32_t *miss)
{
	const struct frames *a = &way->expected;
	bool adrift = false;
	size_t i = 0, to;

	while (i < a->n) {
		if (excused(way, &a->p[i])) {
			adrift |= word_lost(way, &a->p[i]);
			miss[i++] = COST_EXCUSED;
			continue;
		}
		for (to = i; to < a->n && !excused(way, &a->p[to]);)
			to++;
		adrift = adrift && !believable(way, i, to);
		while (i < to)
			miss[i++] = adrift ? COST_EXCUSED : COST_BAD;
	}
}

static uint32_t
extra_cost(const struct settings *set, const struct way *way)
{
	if (set->allow_extra)
		return COST_ALLOWED;
	for (size_t i = 0; i < way->n_lost; i++)
		if (way->lost[i].inserted > 0)
			return COST_ALLOWED;
	return COST_BAD;
}

struct align {
	const struct frames *a, *b; /* expected, decoded */
	uint32_t *miss; /* what the lack of a[i] costs */
	uint32_t extra;
	uint32_t *cost; /* of a from i and b from j: [i * (b->n + 1) + j] */
};

static bool
equal_at(const struct align *al, size_t i, size_t j)
{
	return i < al->a->n && j < al->b->n &&
	    strcmp(al->a->p[i].text, al->b->p[j].text) == 0;
}

/* The cheapest way to explain b by a, from the end to the front. */
static void
align_costs(const struct align *al)
{
	size_t n = al->a->n, m = al->b->n, w = m + 1;

	for (size_t i = n + 1; i-- > 0;) {
		for (size_t j = m + 1; j-- > 0;) {
			uint32_t *c = &al->cost[i * w + j], other;

			*c = i == n && j == m ? 0 : UINT32_MAX;
			if (equal_at(al, i, j))
				*c = c[w + 1];
			other = i < n ? c[w] + al->miss[i] : UINT32_MAX;
			*c = other < *c ? other : *c;
			other = j < m ? c[1] + al->extra : UINT32_MAX;
			*c = other < *c ? other : *c;
		}
	}
}

static void
tell_missing(
    const struct align *al, const struct way *way, size_t i, struct result *r)
{
	if (al->miss[i] == COST_EXCUSED) {
		r->excused++;
		return;
	}
	r->missing++;
	if (show(r))
		printf("%u %s: frame %zu is missing: %s\n", way->conn,
		    way_name(way), i, al->a->p[i].text);
}

static void
tell_extra(
    const struct align *al, const struct way *way, size_t j, struct result *r)
{
	if (al->extra == COST_ALLOWED) {
		r->allowed++;
		return;
	}
	r->extra++;
	if (show(r))
		printf("%u %s: decoded frame %zu was not sent: %s\n", way->conn,
		    way_name(way), j, al->b->p[j].text);
}

static void
align_walk(const struct align *al, const struct way *way, struct result *r)
{
	size_t n = al->a->n, m = al->b->n, w = m + 1, i = 0, j = 0;

	while (i < n || j < m) {
		const uint32_t *c = &al->cost[i * w + j];

		if (equal_at(al, i, j) && *c == c[w + 1]) {
			r->equal++;
			i++;
			j++;
		} else if (i < n && *c == c[w] + al->miss[i]) {
			tell_missing(al, way, i++, r);
		} else {
			tell_extra(al, way, j++, r);
		}
	}
}

static void
compare_frames(
    const struct settings *set, const struct way *way, struct result *r)
{
	const struct frames *a = &way->expected, *b = &way->decoded;
	struct align al = { a, b, NULL, extra_cost(set, way), NULL };
	size_t i = 0;

	while (equal_at(&al, i, i))
		i++;
	if (i == a->n && i == b->n) {
		r->equal += i;
		return;
	}
	if ((a->n + 1) > CELLS_MAX / (b->n + 1))
		errx(1,
		    "%u %s: %zu and %zu frames, from number %zu on not "
		    "equal, are too many to align",
		    way->conn, way_name(way), a->n, b->n, i);
	al.miss = grow(NULL, a->n + 1, sizeof(*al.miss));
	miss_costs(way, al.miss);
	for (i = 0; i < a->n && set->tls == way->conn; i++)
		al.miss[i] = COST_EXCUSED;
	al.cost = grow(NULL, (a->n + 1) * (b->n + 1), sizeof(*al.cost));
	align_costs(&al);
	align_walk(&al, way, r);
	free(al.miss);
	free(al.cost);
}

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
