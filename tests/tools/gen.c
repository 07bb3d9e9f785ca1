/* SPDX-License-Identifier: MIT */
/*
 * gen OUT.pcap [OPTION ...]: see tests/captures/gen.h; "-" is standard
 * output. --jsonl FILE lists every frame. Of --echo it says what a decoder
 * should find.
 */
#include "tests/captures/gen.h"

#include <err.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static FILE *
open_file(const char *path)
{
	FILE *f = strcmp(path, "-") == 0 ? stdout : fopen(path, "wb");

	if (f == NULL)
		err(1, "%s", path);
	(void)setvbuf(f, NULL, _IOFBF, 1 << 20);
	return f;
}

static void
close_file(FILE *f, const char *path)
{
	if (fflush(f) != 0 || ferror(f) || (f != stdout && fclose(f) != 0))
		err(1, "%s", path);
}

int
main(int argc, char **argv)
{
	const char *list = NULL;
	struct gen_echoes told;
	FILE *out, *jsonl = NULL;
	size_t n = 0;

	if (argc < 2) {
		fputs("usage: gen OUT.pcap [OPTION ...]\n", stderr);
		gen_usage(stderr);
		fputs("\t--jsonl FILE\n", stderr);
		return 2;
	}
	for (int i = 2; i < argc; i++) {
		if (strcmp(argv[i], "--jsonl") == 0 && i + 1 < argc)
			list = argv[++i];
		else
			argv[2 + n++] = argv[i];
	}
	out = open_file(argv[1]);
	if (list != NULL)
		jsonl = open_file(list);
	gen(argv + 2, n, out, jsonl, &told);
	close_file(out, argv[1]);
	if (jsonl != NULL)
		close_file(jsonl, list);
	if (told.n > 0)
		printf("{\"echoes\":%" PRIu64 ",\"min_ns\":%" PRId64
		       ",\"max_ns\":%" PRId64 ",\"sum_ns\":%" PRId64 "}\n",
		    told.n, told.min_ns, told.max_ns, told.sum_ns);
	return 0;
}
