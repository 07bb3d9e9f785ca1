/* SPDX-License-Identifier: MIT */
/* -z frames: the kinds of frames, their sizes, and their compression. */
#include "cmd/decode/stat.h"
#include "cmd/stats/hdr.h"
#include "cmd/stats/summary.h"

#include <stdlib.h>

#define N_CODECS 3
#define SIZE_DIGITS 1 /* of the counts: finer than the output */
/* Rows per power of two: each header size up to 15 has its own. */
#define FRAME_ROW_BITS 0
#define HEADER_ROW_BITS 3
#define ROWS_WITH_EMPTY 32 /* with more rows, empty buckets are omitted */

enum oob_kind {
	OOB_NONE = 0,
	OOB_OTHER, /* bytes that are not a header */
	OOB_HEADER,
	N_OOB
};

struct group {
	uint64_t frames;
	uint64_t bytes; /* on the wire, including the word */
	uint64_t packed_bytes; /* payload on the wire */
	uint64_t payload_bytes; /* decompressed */
};

/*
 * Each frame counts in exactly one of `groups`; all sums are computed from them
 * at the end.
 */
struct frames {
	struct group groups[2][N_OOB][N_CODECS]; /* first index: direction */
	struct group priority, pings, ping_backs, forks;
	struct hdr frame, header; /* sizes */
	struct tally payload;
};

static void
frames_free(void *state)
{
	struct frames *st = state;

	hdr_free(&st->frame);
	hdr_free(&st->header);
	free(st);
}

static void *
frames_new(const char *arg, char *err, size_t err_bytes)
{
	struct frames *st = calloc(1, sizeof(*st));

	(void)arg, (void)err, (void)err_bytes;
	if (st != NULL &&
	    (!hdr_init(&st->frame, SIZE_DIGITS, 0) ||
		!hdr_init(&st->header, SIZE_DIGITS, 0))) {
		frames_free(st);
		return NULL;
	}
	return st;
}

static inline void
count(struct group *group, const struct bnet_packet *frame)
{
	group->frames++;
	group->bytes += stat_wire_bytes(frame);
	group->packed_bytes += frame->wire_payload.len;
	group->payload_bytes += frame->payload.len;
}

static void
count_header(struct frames *st, const struct bnet_packet *frame)
{
	uint64_t bytes = frame->oob.len - frame->trailing_bytes;

	hdr_add(&st->header, (int64_t)bytes);
	if (frame->header.priority)
		count(&st->priority, frame);
	if (frame->header.timestamp != 0)
		count(&st->pings, frame);
	if (frame->header.timestamp & BNET_TIMESTAMP_PING_BACK)
		count(&st->ping_backs, frame);
	if (frame->header.forks != 0)
		count(&st->forks, frame);
}

static void
frames_record(void *state, const struct record *record)
{
	struct frames *st = state;
	const struct bnet_packet *frame = record->event->frame;
	enum oob_kind kind = OOB_NONE;

	if (record->event->type != CAP_FRAME)
		return;
	if (frame->has_header)
		kind = OOB_HEADER;
	else if (frame->has_oob)
		kind = OOB_OTHER;
	count(&st->groups[record->event->dir][kind][frame->codec], frame);
	hdr_add(&st->frame, (int64_t)stat_wire_bytes(frame));
	tally_add(&st->payload, frame->payload.len);
	if (kind == OOB_HEADER)
		count_header(st, frame);
}

static void
merge(struct group *to, const struct group *from)
{
	to->frames += from->frames;
	to->bytes += from->bytes;
	to->packed_bytes += from->packed_bytes;
	to->payload_bytes += from->payload_bytes;
}

/* Sums groups; -1: any direction, kind or codec. */
static struct group
sum(const struct frames *st, int dir, int kind, int codec)
{
	struct group all = { 0 };

	for (int d = 0; d < 2; d++)
		for (int k = 0; k < N_OOB; k++)
			for (int c = 0; c < N_CODECS; c++)
				if ((dir < 0 || d == dir) &&
				    (kind < 0 || k == kind) &&
				    (codec < 0 || c == codec))
					merge(&all, &st->groups[d][k][c]);
	return all;
}

static void
print_kinds(const struct frames *st, struct stat_out *to)
{
	static const struct table_column columns[] = {
		{ .name = "kind", .head = "", .left = true },
		{ .name = "frames", .head = "frames" },
		{ .name = "frames_percent", .head = "%", .decimals = 1 },
		{ .name = "bytes", .head = "bytes on the wire" },
		{ .name = "payload_bytes", .head = "payload bytes" },
	};
	const struct group all = sum(st, -1, -1, -1);
	const struct {
		const char *name;
		struct group group;
	} rows[] = {
		{ "all", all },
		{ "up", sum(st, CAP_UP, -1, -1) },
		{ "down", sum(st, CAP_DOWN, -1, -1) },
		{ "with header", sum(st, -1, OOB_HEADER, -1) },
		{ "other out-of-band", sum(st, -1, OOB_OTHER, -1) },
		{ "no out-of-band", sum(st, -1, OOB_NONE, -1) },
		{ "priority", st->priority },
		{ "ping", st->pings },
		{ "ping, ping back", st->ping_backs },
		{ "forks", st->forks },
	};
	struct table table;

	table_init(&table, "frames", "Frames", columns, 5);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		table_row(&table);
		table_str(&table, rows[i].name);
		table_u64(&table, rows[i].group.frames);
		table_f64(
		    &table, stat_percent(rows[i].group.frames, all.frames));
		table_u64(&table, rows[i].group.bytes);
		table_u64(&table, rows[i].group.payload_bytes);
	}
	stat_print(to, &table);
}

static void
print_codecs(const struct frames *st, struct stat_out *to)
{
	static const struct table_column columns[] = {
		{ .name = "codec", .head = "codec", .left = true },
		{ .name = "frames", .head = "frames" },
		{ .name = "payload_bytes", .head = "payload bytes before" },
		{ .name = "packed_bytes", .head = "and after" },
		{ .name = "ratio", .head = "ratio", .decimals = 3 },
	};
	struct table table;
	struct group group;

	table_init(&table, "frames.codecs", "Compression", columns, 5);
	for (int codec = 0; codec < N_CODECS; codec++) {
		group = sum(st, -1, -1, codec);
		table_row(&table);
		table_str(&table, bnet_codec_name((enum bnet_codec_id)codec));
		table_u64(&table, group.frames);
		table_u64(&table, group.payload_bytes);
		table_u64(&table, group.packed_bytes);
		if (group.payload_bytes > 0)
			table_f64(&table,
			    (double)group.packed_bytes /
				(double)group.payload_bytes);
	}
	stat_print(to, &table);
}

static void
print_size(struct table *table, const char *name, const struct tally *sizes)
{
	table_row(table);
	table_str(table, name);
	table_u64(table, sizes->count);
	if (sizes->count == 0)
		return;
	table_u64(table, sizes->min);
	table_f64(table, tally_mean(sizes));
	table_u64(table, sizes->max);
}

static struct tally
tally_of(const struct hdr_sums *sums)
{
	return (struct tally){ sums->count, (uint64_t)sums->sum,
		(uint64_t)sums->min, (uint64_t)sums->max };
}

static void
print_sizes(const struct frames *st, struct stat_out *to)
{
	static const struct table_column columns[] = {
		{ .name = "of", .head = "size of", .left = true },
		{ .name = "count", .head = "count" },
		{ .name = "min_bytes", .head = "min" },
		{ .name = "avg_bytes", .head = "avg", .decimals = 1 },
		{ .name = "max_bytes", .head = "max" },
	};
	const struct tally frame = tally_of(&st->frame.sums);
	const struct tally header = tally_of(&st->header.sums);
	struct table table;

	table_init(&table, "frames.sizes", "Sizes in bytes", columns, 5);
	print_size(&table, "frame on the wire", &frame);
	print_size(&table, "header", &header);
	print_size(&table, "payload", &st->payload);
	stat_print(to, &table);
}

/* The last size of the row that starts at `low`. */
static int64_t
row_high(int64_t low, unsigned row_bits)
{
	unsigned shift = 0;

	if (low >> row_bits != 0)
		shift =
		    63u - (unsigned)__builtin_clzll((uint64_t)low) - row_bits;
	return low + (INT64_C(1) << shift) - 1;
}

static uint64_t
count_between(const struct hdr *hdr, int64_t low, int64_t high)
{
	uint64_t n = 0;

	for (uint32_t i = hdr_index(hdr, low); i <= hdr_index(hdr, high); i++)
		n += hdr->counts[i];
	return n;
}

static void
print_rows(struct table *table, const struct hdr *hdr, unsigned row_bits)
{
	int64_t low = 0, high, first;
	size_t n_rows = 0;
	uint64_t n;

	while ((high = row_high(low, row_bits)) < hdr->sums.min)
		low = high + 1;
	first = low;
	for (; low <= hdr->sums.max; low = row_high(low, row_bits) + 1)
		n_rows++;
	for (low = first; low <= hdr->sums.max; low = high + 1) {
		high = row_high(low, row_bits);
		n = count_between(hdr, low, high);
		if (n == 0 && n_rows > ROWS_WITH_EMPTY)
			continue;
		table_row(table);
		table_u64(table, (uint64_t)low);
		table_u64(table, (uint64_t)high);
		table_u64(table, n);
		table_f64(table, stat_percent(n, hdr->sums.count));
		table_u64(table, n);
	}
}

static void
print_histogram(const struct hdr *hdr, unsigned row_bits, const char *name,
    const char *title, struct stat_out *to)
{
	static const struct table_column columns[] = {
		{ .name = "from_bytes", .head = "from" },
		{ .name = "to_bytes", .head = "to" },
		{ .name = "frames", .head = "frames" },
		{ .name = "percent", .head = "%", .decimals = 1 },
		{ .name = "bar", .head = "", .bar = true },
	};
	struct table table;

	table_init(&table, name, title, columns, 5);
	if (hdr->sums.count > 0)
		print_rows(&table, hdr, row_bits);
	if (to->format != TABLE_AS_TEXT || hdr->sums.count > 0)
		stat_print(to, &table);
	else
		table_free(&table);
}

static void
frames_print(const void *state, struct stat_out *to)
{
	const struct frames *st = state;

	print_kinds(st, to);
	print_codecs(st, to);
	print_sizes(st, to);
	print_histogram(&st->frame, FRAME_ROW_BITS, "frames.frame_sizes",
	    "Frames by size on the wire", to);
	print_histogram(&st->header, HEADER_ROW_BITS, "frames.header_sizes",
	    "Headers by size", to);
}

#define GROUP_SUMS (sizeof(struct group) / sizeof(uint64_t))

static const struct stat_field fields[] = {
	/* by direction, out-of-band section, codec: all of struct group */
	STAT_MANY(
	    "groups", struct frames, groups, 2 * N_OOB * N_CODECS * GROUP_SUMS),
	STAT_MANY("priority", struct frames, priority, GROUP_SUMS),
	STAT_MANY("pings", struct frames, pings, GROUP_SUMS),
	STAT_MANY("ping_backs", struct frames, ping_backs, GROUP_SUMS),
	STAT_MANY("forks", struct frames, forks, GROUP_SUMS),
	{ .name = "frame_bytes",
	    .type = STAT_HDR,
	    .at = offsetof(struct frames, frame),
	    .digits = SIZE_DIGITS },
	{ .name = "header_bytes",
	    .type = STAT_HDR,
	    .at = offsetof(struct frames, header),
	    .digits = SIZE_DIGITS },
	STAT_ONE("payload_bytes", STAT_TALLY, struct frames, payload),
	{ .name = NULL },
};

const struct stat_ops stat_frames = {
	.info = { .name = "frames",
	    .about =
		"counts, bytes, compression, sizes of frames and headers" },
	.needs = STATISTICS_NEEDS_PAYLOAD,
	.make = frames_new,
	.record = frames_record,
	.print = frames_print,
	.destroy = frames_free,
	.fields = fields,
};
