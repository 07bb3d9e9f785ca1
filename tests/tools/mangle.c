/* SPDX-License-Identifier: MIT */
/*
 * mangle IN.pcap OUT.pcap [OPTION ...]: see tests/captures/mangle.h. --lost
 * FILE lists the byte ranges of the streams that OUT does not hold, one JSON
 * object a line.
 */
#include "tests/captures/mangle.h"

#include <err.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void
write_lost(const char *path, const struct mangled *out)
{
	FILE *f = fopen(path, "w");

	if (f == NULL)
		err(1, "%s", path);
	for (size_t i = 0; i < out->n_lost; i++) {
		const struct lost *lost = &out->lost[i];

		fprintf(f,
		    "{\"conn\":%" PRIu32 ",\"dir\":\"%s\",\"from\":%" PRIu64
		    ",\"to\":%" PRIu64 ",\"inserted\":%" PRIu64
		    ",\"syn\":%s,\"pause\":%s}\n",
		    lost->conn, lost->down ? "down" : "up", lost->from,
		    lost->to, lost->inserted, lost->syn ? "true" : "false",
		    lost->pause ? "true" : "false");
	}
	if (fclose(f) != 0)
		err(1, "%s", path);
}

int
main(int argc, char **argv)
{
	const char *lost = NULL;
	struct recording *rec;
	struct mangled out;
	size_t n = 0;
	FILE *f;

	if (argc < 3) {
		fputs("usage: mangle IN.pcap OUT.pcap [OPTION ...]\n", stderr);
		mangle_usage(stderr);
		fputs("\t--lost FILE\n", stderr);
		return 2;
	}
	for (int i = 3; i < argc; i++) {
		if (strcmp(argv[i], "--lost") == 0 && i + 1 < argc)
			lost = argv[++i];
		else
			argv[3 + n++] = argv[i];
	}
	rec = recording_load(argv[1]);
	f = fopen(argv[2], "wb");
	if (f == NULL)
		err(1, "%s", argv[2]);
	(void)setvbuf(f, NULL, _IOFBF, 1 << 20);
	mangle(rec, argv + 3, n, f, &out);
	if (fclose(f) != 0 || truncate(argv[2], (off_t)out.file_bytes) != 0)
		err(1, "%s", argv[2]);
	if (lost != NULL)
		write_lost(lost, &out);
	mangled_free(&out);
	recording_free(rec);
	return 0;
}
