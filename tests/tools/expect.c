/* SPDX-License-Identifier: MIT */
/*
 * expect [OPTION ...] SENT.jsonl DECODED.jsonl: are the frames that
 * `bluenet-decode -o json --payload hex` printed those that were sent? See
 * tests/captures/expect.h. --lost takes what mangle --lost wrote. Exit: 0 as
 * expected, 1 not.
 */
#include "tests/captures/expect.h"

#include <err.h>
#include <getopt.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

_Noreturn static void
usage(void)
{
	fputs("usage: expect [--lost FILE] [--tls CONN] [--again CONN]\n"
	      "\t[--streams N] SENT.jsonl DECODED.jsonl\n",
	    stderr);
	exit(2);
}

static FILE *
open_file(const char *path)
{
	FILE *f = fopen(path, "r");

	if (f == NULL)
		err(1, "%s", path);
	return f;
}

static void
take_lost(struct expect *x, const char *text)
{
	struct lost lost = { 0 };
	json_int_t conn, from, to, inserted = 0;
	const char *dir;
	int pause = 0;
	json_t *obj = json_loads(text, 0, NULL);

	if (json_unpack(obj, "{s:I, s:s, s:I, s:I, s?I, s?b}", "conn", &conn,
		"dir", &dir, "from", &from, "to", &to, "inserted", &inserted,
		"pause", &pause) != 0)
		errx(1, "not a range of lost bytes: %s", text);
	lost.conn = (uint32_t)conn;
	lost.down = strcmp(dir, "down") == 0;
	lost.from = (uint64_t)from;
	lost.to = (uint64_t)to;
	lost.inserted = (uint64_t)inserted;
	lost.pause = pause;
	expect_lost(x, &lost);
	json_decref(obj);
}

/* Every line of a file, as losses or as what was decoded. */
static void
take_file(struct expect *x, const char *path, bool losses)
{
	FILE *f = open_file(path);
	char *text = NULL, where[300];
	size_t cap = 0, n = 0;

	while (getline(&text, &cap, f) > 0) {
		(void)snprintf(where, sizeof(where), "%s:%zu", path, ++n);
		if (losses)
			take_lost(x, text);
		else
			expect_line(x, text, where);
	}
	free(text);
	fclose(f);
}

static const char *
options_read(struct expect_settings *set, int argc, char **argv)
{
	static const struct option longs[] = {
		{ "lost", required_argument, NULL, 'l' },
		{ "tls", required_argument, NULL, 't' },
		{ "again", required_argument, NULL, 'a' },
		{ "streams", required_argument, NULL, 's' },
		{ 0 },
	};
	const char *lost = NULL;
	int c;

	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		if (c == 'l')
			lost = optarg;
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
	return lost;
}

int
main(int argc, char **argv)
{
	struct expect_settings set = { 0 };
	const char *lost = options_read(&set, argc, argv);
	FILE *f = open_file(argv[optind]);
	struct sent *sent = sent_load(f, argv[optind]);
	struct expect *x = expect_new(sent, &set, stdout);
	bool same;

	fclose(f);
	if (lost != NULL)
		take_file(x, lost, true);
	take_file(x, argv[optind + 1], false);
	same = expect_end(x);
	expect_free(x);
	sent_free(sent);
	return !same;
}
