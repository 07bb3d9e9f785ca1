/* SPDX-License-Identifier: MIT */
/*
 * Logs of HdrHistogram from a file. What is read must come back from what is
 * written of it, and a reader must get on, line by line.
 */
#include "cmd/stats/hdr.h"

#include "tests/fuzz/fuzz.h"

static size_t
count_lines(const uint8_t *data, size_t size)
{
	size_t n = 1;

	for (size_t i = 0; i < size; i++)
		n += data[i] == '\n';
	return n;
}

static void
round_trip(const struct hdr *hdr)
{
	char *text = hdr_encode(hdr);
	struct hdr back;

	MUST_HOLD(text != NULL);
	MUST_HOLD(hdr_decode((struct bnet_slice){ (const uint8_t *)text,
				 strlen(text) },
		      &back) == NULL);
	MUST_HOLD(back.n_counts == hdr->n_counts);
	MUST_HOLD(back.sums.count == hdr->sums.count);
	MUST_HOLD(u128_equal(back.sums.sum_squares, hdr->sums.sum_squares));
	hdr_free(&back);
	free(text);
}

static void
read_all(struct hdr_log *log, size_t n_lines)
{
	enum hdr_log_what what;

	while (
	    (what = hdr_log_next(log)) != HDR_LOG_END && what != HDR_LOG_CUT) {
		MUST_HOLD(log->n_lines <= n_lines);
		MUST_HOLD(what != HDR_LOG_BAD || log->err[0] != '\0');
		if (what != HDR_LOG_INTERVAL)
			continue;
		MUST_HOLD(log->start_ns >= 0 && log->length_ns >= 0);
		MUST_HOLD(hdr_quantile(&log->hdr, 0.5) <= log->hdr.sums.max);
		if (log->hdr.n_counts <= 65536)
			round_trip(&log->hdr);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	FILE *file = size == 0 ? NULL : tmpfile();
	struct hdr_log log;

	if (file == NULL)
		return 0;
	MUST_HOLD(fwrite(data, 1, size, file) == size);
	rewind(file);
	hdr_log_open(&log, file);
	read_all(&log, count_lines(data, size));
	hdr_log_free(&log);
	fclose(file);
	return 0;
}
