/* SPDX-License-Identifier: MIT */
/*
 * Prints the differences that --diff found, in at most 80 columns. Owns
 * nothing. Called by run.c.
 */
#include "cmd/replay/report/diff_text.h"

#include "cmd/stats/table.h"

#include <inttypes.h>
#include <stdlib.h>

#define NAME_CHARS 40 /* of a key or a client; longer ones are cut */
#define KEYS_SHOWN 20

static const char *const kind_names[DIFF_N_KINDS] = {
	[DIFF_MISSING] = "missing",
	[DIFF_EXTRA] = "extra",
	[DIFF_ORDER] = "out of order",
	[DIFF_HEADER] = "another header",
	[DIFF_CODEC] = "another codec",
	[DIFF_PAYLOAD] = "another payload",
};

/* ---- the table ---- */

static const char *
name_of(const struct diff_found *found, const struct keys *keys,
    uint32_t method, int32_t key, char name[NAME_CHARS])
{
	const char *known = keys_name(keys, key);

	if (method != 0)
		(void)snprintf(
		    name, NAME_CHARS, "%s", tape_text(found->tape, method));
	else if (key == 0)
		(void)snprintf(name, NAME_CHARS, "(no key)");
	else if (known == NULL)
		(void)snprintf(name, NAME_CHARS, "0x%08x", (uint32_t)key);
	else
		(void)snprintf(name, NAME_CHARS, "%s", known);
	return name;
}

static uint64_t
differences(const struct diff_key *row)
{
	uint64_t n = 0;

	for (size_t k = 0; k < DIFF_N_KINDS; k++)
		n += row->counts[k];
	return n;
}

static int
by_differences(const void *a, const void *b)
{
	const struct diff_key *x = *(const struct diff_key *const *)a;
	const struct diff_key *y = *(const struct diff_key *const *)b;

	if (differences(x) != differences(y))
		return differences(x) < differences(y) ? 1 : -1;
	if (x->compared != y->compared)
		return x->compared < y->compared ? 1 : -1;
	return (x->key > y->key) - (x->key < y->key);
}

static void
put_row(struct table *table, const char *name, const struct diff_key *row)
{
	table_row(table);
	table_str(table, name);
	table_u64(table, row->compared);
	for (size_t k = 0; k < DIFF_N_KINDS; k++)
		table_u64(table, row->counts[k]);
}

static void
add_row(struct diff_key *sum, const struct diff_key *row)
{
	sum->compared += row->compared;
	for (size_t k = 0; k < DIFF_N_KINDS; k++)
		sum->counts[k] += row->counts[k];
}

/* The keys with the most differences, the rest in one row, and the total. */
static void
put_rows(struct table *table, const struct diff_found *found,
    const struct keys *keys)
{
	struct diff_key **rows =
	    (struct diff_key **)map_sorted(&found->keys, by_differences);
	struct diff_key rest = { .key = 0 }, all = { .key = 0 };
	char name[NAME_CHARS];

	for (size_t i = 0; rows != NULL && i < found->keys.n; i++) {
		add_row(&all, rows[i]);
		if (i < KEYS_SHOWN)
			put_row(table,
			    name_of(found, keys, (uint32_t)(rows[i]->key >> 32),
				(int32_t)(uint32_t)rows[i]->key, name),
			    rows[i]);
		else
			add_row(&rest, rows[i]);
	}
	free(rows);
	add_row(&rest, found->keys.others);
	add_row(&all, found->keys.others);
	if (rest.compared > 0 || differences(&rest) > 0)
		put_row(table, "other keys", &rest);
	put_row(table, "all", &all);
}

static void
print_table(const struct diff_found *found, const struct keys *keys, FILE *out)
{
	static const struct table_column columns[] = {
		{ .name = "key", .head = "key", .left = true },
		{ .name = "compared", .head = "compared" },
		{ .name = "missing", .head = "missing" },
		{ .name = "extra", .head = "extra" },
		{ .name = "order", .head = "order" },
		{ .name = "header", .head = "header" },
		{ .name = "codec", .head = "codec" },
		{ .name = "payload", .head = "payload" },
	};
	struct table table;

	table_init(&table, "diff", NULL, columns,
	    sizeof(columns) / sizeof(columns[0]));
	put_rows(&table, found, keys);
	(void)table_print(&table, out, TABLE_AS_TEXT);
	table_free(&table);
}

/* ---- examples ---- */

/* Captured text may hold anything, so it is escaped. */
static void
put_text(const char *text, size_t max, FILE *out)
{
	for (size_t i = 0; i < max && text[i] != '\0'; i++)
		fputc(text[i] >= ' ' && text[i] <= '~' ? text[i] : '?', out);
}

static void
put_head(const struct diff_found *found, const struct diff_example *example,
    size_t i, const struct keys *keys, FILE *out)
{
	const struct tape_session *session =
	    tape_session(found->tape, example->session);
	const char *client = tape_text(found->tape, session->name);
	char name[NAME_CHARS];

	fprintf(out, "\n%zu. %s: %s %" PRIu64 " of ", i + 1,
	    kind_names[example->kind],
	    example->kind == DIFF_EXTRA ? "received frame" : "frame",
	    example->index + 1);
	put_text(name_of(found, keys, example->method, example->key, name),
	    NAME_CHARS, out);
	fprintf(out, "\n   session %" PRIu32 ", ", example->session);
	put_text(tape_text(found->tape, session->end[CAP_UP]), NAME_CHARS, out);
	if (client[0] != '\0') {
		fputs(", ", out);
		put_text(client, NAME_CHARS / 2, out);
	}
	fputc('\n', out);
}

static void
put_i64(const char *name, int64_t captured, int64_t received, FILE *out)
{
	fprintf(out, "   %-17s %" PRId64 " -> %" PRId64 "\n", name, captured,
	    received);
}

static void
put_fields(const struct diff_example *example, FILE *out)
{
	const struct diff_side *a = &example->captured, *b = &example->received;
	uint32_t fields = example->fields;

	if ((fields & DIFF_BIT(DIFF_F_HEADER)) != 0)
		fprintf(out, "   %-17s %s -> %s\n", "header",
		    a->has_header ? "there" : "none",
		    b->has_header ? "there" : "none");
	for (enum diff_field f = DIFF_F_SOURCE; f <= DIFF_F_TIMESTAMP; f++)
		if ((fields & DIFF_BIT(f)) != 0)
			put_i64(diff_field_names[f],
			    diff_header_value(&a->header, f),
			    diff_header_value(&b->header, f), out);
	if ((fields & DIFF_BIT(DIFF_F_TRAILING)) != 0)
		fprintf(out,
		    "   %-17s %" PRIu64 " bytes -> %" PRIu64 " bytes\n",
		    "trailing", a->trailing_bytes, b->trailing_bytes);
	if ((fields & DIFF_BIT(DIFF_F_CODEC)) != 0)
		fprintf(out, "   %-17s %s -> %s\n", "codec",
		    bnet_codec_name(a->codec), bnet_codec_name(b->codec));
}

static void
put_hex(const char *name, const struct diff_side *side, FILE *out)
{
	fprintf(out, "     %-8s from %-6" PRIu64, name, side->hex_at);
	for (size_t i = 0; i < side->n_hex; i++)
		fprintf(out, " %02x", side->hex[i]);
	fputs(side->n_hex == 0 ? " (it has ended)\n" : "\n", out);
}

static void
put_places(const struct object_found *found, FILE *out)
{
	for (size_t i = 0; i < found->n && i < OBJECT_DIFF_SHOWN; i++) {
		const struct object_place *at = &found->at[i];

		fprintf(out, "   %s: %s instead of %s\n", at->path,
		    at->received[0] != '\0' ? at->received : "nothing",
		    at->captured[0] != '\0' ? at->captured : "nothing");
	}
	if (found->n > OBJECT_DIFF_SHOWN)
		fprintf(out, "   and %" PRIu64 " more\n",
		    found->n - OBJECT_DIFF_SHOWN);
}

/*
 * Known messages show the fields that differ, objects the places, others the
 * bytes.
 */
static void
put_payload(const struct diff_example *example, FILE *out)
{
	const struct diff_side *a = &example->captured, *b = &example->received;
	const char *const *names = diff_value_names(example->key);

	if ((example->fields & DIFF_BIT(DIFF_F_PAYLOAD)) == 0)
		return;
	if (names != NULL && a->n_values > 0 && a->n_values == b->n_values) {
		for (size_t i = 0; i < a->n_values; i++)
			if (a->values[i] != b->values[i])
				put_i64(names[i], (int64_t)a->values[i],
				    (int64_t)b->values[i], out);
		return;
	}
	if (example->objects.n > 0) {
		put_places(&example->objects, out);
		return;
	}
	fprintf(out, "   %-17s %" PRIu64 " bytes -> %" PRIu64 " bytes\n",
	    "payload", a->payload_bytes, b->payload_bytes);
	put_hex("captured", a, out);
	put_hex("received", b, out);
}

/* A frame that has no counterpart. */
static void
put_side(const char *name, const struct diff_side *side, FILE *out)
{
	if (side->has_header)
		fprintf(out,
		    "   source %" PRId64 ", dest_type %" PRId64
		    ", dest %" PRId64 ", serial %" PRIu32 "\n",
		    side->header.source, side->header.dest_type,
		    side->header.dest, side->header.serial);
	fprintf(out, "   payload           %" PRIu64 " bytes, codec %s\n",
	    side->payload_bytes, bnet_codec_name(side->codec));
	if (side->payload_bytes > 0)
		put_hex(name, side, out);
}

static void
print_example(const struct diff_found *found, size_t i, const struct keys *keys,
    FILE *out)
{
	const struct diff_example *example = &found->examples[i];

	put_head(found, example, i, keys, out);
	switch (example->kind) {
	case DIFF_MISSING:
		put_side("captured", &example->captured, out);
		break;
	case DIFF_EXTRA:
		put_side("received", &example->received, out);
		break;
	case DIFF_ORDER:
		put_i64("place", (int64_t)example->index + 1,
		    (int64_t)example->received_index + 1, out);
		break;
	default:
		put_fields(example, out);
		put_payload(example, out);
	}
}

/* Garbage of stock peers is no difference between two clusters. */
static void
print_stock(const struct diff *diff, FILE *out)
{
	uint64_t n_bytes = diff_found(diff)->stock_bytes;

	if (!diff_is_stock(diff))
		return;
	fprintf(out,
	    "\nAll differences are in bytes that stock peers append: the last"
	    " %" PRIu64 " of payloads\nwith a key, and headers behind the"
	    " header. To ignore them:\n    --stock",
	    n_bytes);
	if (n_bytes > DIFF_HOP_BYTES)
		fprintf(out, " --ignore 'payload[-%" PRIu64 ":]'", n_bytes);
	fputc('\n', out);
}

void
diff_print(const struct diff *diff, const struct keys *keys, FILE *out)
{
	const struct diff_found *found = diff_found(diff);

	fprintf(out,
	    "Differences: %" PRIu64 " in %" PRIu64 " frames received\n\n",
	    diff_total(diff), found->compared);
	print_table(found, keys, out);
	print_stock(diff, out);
	if (found->unlooked > 0)
		fprintf(out,
		    "%" PRIu64
		    " frames, captured or received, were not compared:"
		    " their sessions\nhave too many keys\n",
		    found->unlooked);
	if (found->n_examples < diff_total(diff))
		fprintf(out, "\nThe first %zu, captured -> received:\n",
		    found->n_examples);
	else if (found->n_examples > 0)
		fputs("\nAll of them, captured -> received:\n", out);
	for (size_t i = 0; i < found->n_examples; i++)
		print_example(found, i, keys, out);
}
