/* SPDX-License-Identifier: MIT */
#include "cmd/stats/hdr.h"

#include <inttypes.h>
#include <math.h>
#include <openssl/evp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <zlib.h>

/* ---- sums --------------------------------------------------------------- */

void
hdr_sums_add(struct hdr_sums *sums, int64_t value)
{
	int64_t v = value < 0 ? 0 : value;
	uint64_t word = (uint64_t)v;

	if (sums->count == 0 || v < sums->min)
		sums->min = v;
	if (v > sums->max)
		sums->max = v;
	sums->count++;
	sums->sum = u128_add(sums->sum, u128_of(word));
	sums->sum_squares = u128_add(sums->sum_squares, u128_mul(word, word));
}

void
hdr_sums_merge(struct hdr_sums *sums, const struct hdr_sums *from)
{
	if (from->count == 0)
		return;
	if (sums->count == 0 || from->min < sums->min)
		sums->min = from->min;
	if (from->max > sums->max)
		sums->max = from->max;
	sums->count += from->count;
	sums->sum = u128_add(sums->sum, from->sum);
	sums->sum_squares = u128_add(sums->sum_squares, from->sum_squares);
}

bool
hdr_sums_possible(const struct hdr_sums *sums)
{
	const uint64_t min = (uint64_t)sums->min, max = (uint64_t)sums->max;
	const uint64_t n = sums->count;
	const struct u128 none = u128_of(0);
	struct u128 square;

	if (n == 0)
		return max == 0 && u128_equal(sums->sum, none) &&
		    u128_equal(sums->sum_squares, none);
	square = u128_div(sums->sum_squares, n, NULL);
	return sums->min >= 0 && sums->min <= sums->max &&
	    !u128_less(sums->sum, u128_mul(n, min)) &&
	    !u128_less(u128_mul(n, max), sums->sum) &&
	    !u128_less(square, u128_mul(min, min)) &&
	    !u128_less(u128_mul(max, max), square);
}

bool
hdr_sums_fit(const struct hdr *hdr, const struct hdr_sums *sums)
{
	return sums->count == hdr->sums.count && hdr_sums_possible(sums) &&
	    (sums->count == 0 ||
		(hdr_index(hdr, sums->min) == hdr->first &&
		    hdr_index(hdr, sums->max) == hdr->last));
}

double
hdr_sums_mean(const struct hdr_sums *sums)
{
	if (sums->count == 0)
		return 0;
	return u128_f64(sums->sum) / (double)sums->count;
}

/*
 * The sum of squares minus sum^2 / n. The latter is mean * sum plus the
 * remainder of the division, in integers, because both are large and close.
 */
double
hdr_sums_stddev(const struct hdr_sums *sums)
{
	struct u128 mean, less;
	uint64_t rest;

	if (sums->count < 2)
		return 0;
	mean = u128_div(sums->sum, sums->count, &rest);
	less =
	    u128_div(u128_times(u128_of(rest), sums->sum), sums->count, NULL);
	less = u128_add(u128_times(mean, sums->sum), less);
	if (u128_less(sums->sum_squares, less))
		return 0; /* only if the sums are inconsistent */
	return sqrt(
	    u128_f64(u128_sub(sums->sum_squares, less)) / (double)sums->count);
}

/* ---- counts ------------------------------------------------------------- */

/*
 * The number of bits such that values below 2^bits, each with a count of its
 * own, reach to 2 * 10^digits: then the half of them in each power of two is
 * finer than one part in 10^digits.
 */
static const unsigned sub_bits_of[HDR_DIGITS_MAX + 1] = { 1, 5, 8, 11, 15, 18 };

static uint32_t
index_of(unsigned sub_bits, uint64_t value)
{
	unsigned power;

	if (value >> sub_bits == 0)
		return (uint32_t)value;
	power = 64u - (unsigned)__builtin_clzll(value) - sub_bits;
	return (power << (sub_bits - 1)) + (uint32_t)(value >> power);
}

/* The number of counts for the powers of two up to that of `highest`. */
static uint64_t
counts_needed(unsigned sub_bits, int64_t highest)
{
	unsigned power = 0;

	while ((uint64_t)highest >> sub_bits >> power != 0)
		power++;
	return (uint64_t)(power + 2) << (sub_bits - 1);
}

bool
hdr_layout(struct hdr *hdr, unsigned digits, int64_t highest)
{
	uint64_t n;

	*hdr = (struct hdr){ .digits = digits, .highest = highest };
	if (digits < 1 || digits > HDR_DIGITS_MAX)
		return false;
	if (highest == 0)
		hdr->highest = INT64_MAX;
	hdr->sub_bits = sub_bits_of[digits];
	n = counts_needed(hdr->sub_bits, hdr->highest);
	if (hdr->highest < 2 || n > HDR_COUNTS_MAX)
		return false;
	hdr->n_counts = (uint32_t)n;
	hdr->first = hdr->n_counts;
	return true;
}

bool
hdr_init(struct hdr *hdr, unsigned digits, int64_t highest)
{
	if (!hdr_layout(hdr, digits, highest))
		return false;
	hdr->counts = calloc(hdr->n_counts, sizeof(*hdr->counts));
	return hdr->counts != NULL;
}

void
hdr_free(struct hdr *hdr)
{
	free(hdr->counts);
	*hdr = (struct hdr){ 0 };
}

/* Writes only the counts in use, so that the others do not become resident. */
void
hdr_clear(struct hdr *hdr)
{
	if (hdr->first <= hdr->last)
		memset(hdr->counts + hdr->first, 0,
		    (hdr->last - hdr->first + 1) * sizeof(*hdr->counts));
	hdr->first = hdr->n_counts;
	hdr->last = 0;
	hdr->sums = (struct hdr_sums){ 0 };
}

uint32_t
hdr_index(const struct hdr *hdr, int64_t value)
{
	if (value < 0)
		value = 0;
	if (value > hdr->highest)
		value = hdr->highest;
	return index_of(hdr->sub_bits, (uint64_t)value);
}

/* The inverse of index_of(): the power of two, and the position in it. */
static uint64_t
low_of(unsigned sub_bits, uint32_t index)
{
	uint32_t half = UINT32_C(1) << (sub_bits - 1);
	unsigned power = index >> (sub_bits - 1);

	if (power < 2)
		return index;
	return (uint64_t)((index & (half - 1)) | half) << (power - 1);
}

int64_t
hdr_low(const struct hdr *hdr, uint32_t index)
{
	return (int64_t)low_of(hdr->sub_bits, index);
}

int64_t
hdr_high(const struct hdr *hdr, uint32_t index)
{
	return (int64_t)(low_of(hdr->sub_bits, index + 1) - 1);
}

void
hdr_count(struct hdr *hdr, uint32_t index, uint64_t n)
{
	if (index < hdr->first)
		hdr->first = index;
	if (index > hdr->last)
		hdr->last = index;
	hdr->counts[index] += n;
}

void
hdr_add(struct hdr *hdr, int64_t value)
{
	hdr_count(hdr, hdr_index(hdr, value), 1);
	hdr_sums_add(&hdr->sums, value);
}

static int64_t
middle(const struct hdr *hdr, uint32_t index)
{
	int64_t low = hdr_low(hdr, index);

	return low + (hdr_high(hdr, index) - low) / 2;
}

void
hdr_merge(struct hdr *hdr, const struct hdr *from)
{
	uint32_t to;

	for (uint32_t i = from->first; i <= from->last; i++) {
		if (from->counts[i] == 0)
			continue;
		to = i;
		if (from->digits != hdr->digits || i >= hdr->n_counts)
			to = hdr_index(hdr, middle(from, i));
		hdr_count(hdr, to, from->counts[i]);
	}
	hdr_sums_merge(&hdr->sums, &from->sums);
}

bool
hdr_quantile_known(uint64_t count, double q)
{
	return (double)count * (1 - q) >= HDR_TAIL - 1e-6;
}

int64_t
hdr_quantile(const struct hdr *hdr, double q)
{
	double wanted = q * (double)hdr->sums.count;
	uint64_t seen = 0;
	int64_t value;

	for (uint32_t i = hdr->first; i <= hdr->last; i++) {
		seen += hdr->counts[i];
		if (seen == 0 || (double)seen < wanted)
			continue;
		value = hdr_high(hdr, i);
		if (value < hdr->sums.min)
			return hdr->sums.min;
		return value > hdr->sums.max ? hdr->sums.max : value;
	}
	return hdr->sums.max;
}

void
hdr_sums_of_counts(const struct hdr *hdr, struct hdr_sums *sums)
{
	struct u128 value, all; /* of a bucket */

	*sums = (struct hdr_sums){ 0 };
	for (uint32_t i = hdr->first; i <= hdr->last; i++) {
		if (hdr->counts[i] == 0)
			continue;
		if (sums->count == 0)
			sums->min = hdr_low(hdr, i);
		sums->max = hdr_high(hdr, i);
		value = u128_of((uint64_t)middle(hdr, i));
		sums->count += hdr->counts[i];
		all = u128_times(value, u128_of(hdr->counts[i]));
		sums->sum = u128_add(sums->sum, all);
		sums->sum_squares =
		    u128_add(sums->sum_squares, u128_times(value, all));
	}
}

/* ---- text encoding ------------------------------------------------------- */

#define OUTER_COOKIE UINT32_C(0x1c849304)
#define INNER_COOKIE UINT32_C(0x1c849303)
#define WORD_SIZE UINT32_C(0x10) /* "8 bytes per count"; has no meaning in V2 */
#define WORD_SIZE_MASK UINT32_C(0xf0)
#define OUTER_BYTES 8
#define INNER_BYTES 40
#define COUNT_BYTES_MAX 9
#define RATIO_ONE UINT64_C(0x3ff0000000000000) /* 1.0 */

static uint8_t *
put_be(uint8_t *p, unsigned n_bytes, uint64_t v)
{
	for (unsigned i = n_bytes; i-- > 0; v >>= 8)
		p[i] = (uint8_t)v;
	return p + n_bytes;
}

static uint64_t
get_be(const uint8_t *p, unsigned n_bytes)
{
	uint64_t v = 0;

	for (unsigned i = 0; i < n_bytes; i++)
		v = v << 8 | p[i];
	return v;
}

/* Seven bits per byte, lowest first; the ninth byte has all eight. */
static uint8_t *
put_count(uint8_t *p, int64_t count)
{
	uint64_t v = (uint64_t)count << 1 ^ (count < 0 ? UINT64_MAX : 0);
	unsigned n = 1;

	for (; v > 0x7f && n < COUNT_BYTES_MAX; n++, v >>= 7)
		*p++ = (uint8_t)(v | 0x80);
	*p++ = (uint8_t)v;
	return p;
}

/* Returns false if the bytes end within a number. */
static bool
get_count(struct bnet_slice *in, int64_t *count)
{
	uint64_t v = 0;
	uint8_t byte = 0x80;

	for (unsigned n = 0; byte & 0x80 && n < COUNT_BYTES_MAX; n++) {
		if (in->len == 0)
			return false;
		byte = *in->p;
		*in = bnet_slice_from(*in, 1);
		if (n < COUNT_BYTES_MAX - 1)
			v |= (uint64_t)(byte & 0x7f) << (7 * n);
		else
			v |= (uint64_t)byte << (7 * n);
	}
	*count = (int64_t)(v >> 1 ^ (v & 1 ? UINT64_MAX : 0));
	return true;
}

static uint8_t *
put_counts(uint8_t *p, const struct hdr *hdr)
{
	uint32_t zeros = hdr->first <= hdr->last ? hdr->first : 0;

	for (uint32_t i = hdr->first; i <= hdr->last; i++) {
		if (hdr->counts[i] == 0) {
			zeros++;
			continue;
		}
		if (zeros > 0)
			p = put_count(p, zeros == 1 ? 0 : -(int64_t)zeros);
		zeros = 0;
		p = put_count(p, (int64_t)hdr->counts[i]);
	}
	return p;
}

/* The encoding before compression; the caller frees it. */
static uint8_t *
inner(const struct hdr *hdr, size_t *n_bytes)
{
	size_t n = hdr->first <= hdr->last ? hdr->last - hdr->first + 2 : 1;
	uint8_t *bytes = malloc(INNER_BYTES + n * COUNT_BYTES_MAX), *p = bytes;

	if (bytes == NULL)
		return NULL;
	*n_bytes = (size_t)(put_counts(bytes + INNER_BYTES, hdr) - bytes);
	p = put_be(p, 4, INNER_COOKIE | WORD_SIZE);
	p = put_be(p, 4, *n_bytes - INNER_BYTES);
	p = put_be(p, 4, 0);
	p = put_be(p, 4, hdr->digits);
	p = put_be(p, 8, 1);
	p = put_be(p, 8, (uint64_t)hdr->highest);
	put_be(p, 8, RATIO_ONE);
	return bytes;
}

static char *
base64(const uint8_t *bytes, size_t n_bytes)
{
	char *text = malloc((n_bytes + 2) / 3 * 4 + 1);

	if (text != NULL)
		EVP_EncodeBlock((unsigned char *)text, bytes, (int)n_bytes);
	return text;
}

char *
hdr_encode(const struct hdr *hdr)
{
	size_t n_bytes = 0;
	uint8_t *plain = inner(hdr, &n_bytes), *packed = NULL;
	uLongf n_packed = compressBound((uLong)n_bytes);
	char *text = NULL;

	if (plain != NULL)
		packed = malloc(OUTER_BYTES + n_packed);
	if (packed != NULL &&
	    compress2(packed + OUTER_BYTES, &n_packed, plain, (uLong)n_bytes,
		Z_BEST_COMPRESSION) == Z_OK) {
		put_be(packed, 4, OUTER_COOKIE | WORD_SIZE);
		put_be(packed + 4, 4, n_packed);
		text = base64(packed, OUTER_BYTES + n_packed);
	}
	free(plain);
	free(packed);
	return text;
}

/* The header of the inner encoding. */
struct head {
	uint32_t n_bytes; /* of counts */
	uint32_t n_indexes; /* maximum number of indexes */
	unsigned unit; /* values are shifted down by this many bits */
};

static const char *
read_head(const uint8_t *p, struct head *head, struct hdr *hdr)
{
	uint64_t digits = get_be(p + 12, 4), lowest = get_be(p + 16, 8);
	uint64_t highest = get_be(p + 24, 8);
	struct hdr theirs;

	if ((get_be(p, 4) & ~(uint64_t)WORD_SIZE_MASK) != INNER_COOKIE)
		return "not a V2 histogram of whole numbers";
	if (digits < 1 || digits > HDR_DIGITS_MAX)
		return "the number of digits is not within 1 to 5";
	if (lowest < 1 || highest > INT64_MAX || highest / 2 < lowest)
		return "the highest value is not twice the lowest";
	head->n_bytes = (uint32_t)get_be(p + 4, 4);
	head->unit = 63u - (unsigned)__builtin_clzll(lowest);
	if (!hdr_layout(
		&theirs, (unsigned)digits, (int64_t)(highest >> head->unit)))
		return "more counts than are read";
	head->n_indexes = theirs.n_counts;
	if (head->n_bytes > (uint64_t)head->n_indexes * COUNT_BYTES_MAX)
		return "longer than its counts can be";
	if (!hdr_init(hdr, (unsigned)digits, (int64_t)highest))
		return "more counts than there is memory for";
	return NULL;
}

/*
 * Adds `n` of the value `low` << unit; returns false if 63 bits cannot hold it.
 */
static bool
add_read(struct hdr *hdr, const struct head *head, int64_t low, int64_t n)
{
	uint32_t at;

	/* the last power of two extends beyond the highest value */
	low =
	    low > hdr->highest >> head->unit ? hdr->highest : low << head->unit;
	at = hdr_index(hdr, low);
	if (hdr->counts[at] > (uint64_t)(INT64_MAX - n))
		return false;
	hdr_count(hdr, at, (uint64_t)n);
	return true;
}

/* Reads counts in order; a negative one skips. */
static const char *
read_counts(struct bnet_slice in, const struct head *head, struct hdr *hdr)
{
	uint64_t index = 0;
	int64_t n;

	while (in.len > 0) {
		if (!get_count(&in, &n))
			return "ends within a count";
		if (n < -(int64_t)head->n_indexes)
			return "more zeros than there are counts";
		if (n > 0 && index >= head->n_indexes)
			return "counts beyond the highest value";
		if (n > 0 &&
		    !add_read(hdr, head, hdr_low(hdr, (uint32_t)index), n))
			return "more of a value than can be counted";
		index += n < 0 ? (uint64_t)-n : 1;
		if (index > head->n_indexes)
			return "more counts than the highest value has";
	}
	hdr_sums_of_counts(hdr, &hdr->sums);
	return NULL;
}

/* Reads the next n_bytes of the stream. */
static bool
inflated(z_stream *z, uint8_t *out, size_t n_bytes)
{
	z->next_out = out;
	z->avail_out = (uInt)n_bytes;
	if (n_bytes > 0)
		inflate(z, Z_SYNC_FLUSH);
	return z->avail_out == 0;
}

static const char *
read_stream(z_stream *z, struct hdr *hdr)
{
	uint8_t fixed[INNER_BYTES], *counts;
	struct head head;
	const char *wrong;

	if (!inflated(z, fixed, sizeof(fixed)))
		return "the compressed part is bad or too short";
	wrong = read_head(fixed, &head, hdr);
	if (wrong != NULL)
		return wrong;
	counts = malloc((size_t)head.n_bytes + 1);
	if (counts == NULL)
		return "more counts than there is memory for";
	if (!inflated(z, counts, head.n_bytes))
		wrong = "the compressed counts are bad or too short";
	else
		wrong = read_counts(
		    (struct bnet_slice){ counts, head.n_bytes }, &head, hdr);
	free(counts);
	return wrong;
}

static const char *
read_packed(uint8_t *packed, size_t n_bytes, struct hdr *hdr)
{
	z_stream z = { 0 };
	const char *wrong;

	if (n_bytes < OUTER_BYTES ||
	    (get_be(packed, 4) & ~(uint64_t)WORD_SIZE_MASK) != OUTER_COOKIE)
		return "not a compressed V2 histogram";
	if (get_be(packed + 4, 4) > n_bytes - OUTER_BYTES)
		return "shorter than it says";
	z.next_in = packed + OUTER_BYTES;
	z.avail_in = (uInt)get_be(packed + 4, 4);
	if (inflateInit(&z) != Z_OK)
		return "out of memory";
	wrong = read_stream(&z, hdr);
	inflateEnd(&z);
	return wrong;
}

const char *
hdr_decode(struct bnet_slice text, struct hdr *hdr)
{
	const char *wrong;
	uint8_t *packed;
	int n;

	*hdr = (struct hdr){ 0 };
	if (text.len == 0 || text.len % 4 != 0 || text.len > INT32_MAX)
		return "not base64: its length is no multiple of 4";
	packed = malloc(text.len / 4 * 3);
	if (packed == NULL)
		return "out of memory";
	n = EVP_DecodeBlock(packed, text.p, (int)text.len);
	wrong = n < 0 ? "not base64" : read_packed(packed, (size_t)n, hdr);
	free(packed);
	if (wrong != NULL)
		hdr_free(hdr);
	return wrong;
}

/* ---- logs --------------------------------------------------------------- */

#define NS_PER_S INT64_C(1000000000)
#define NS_PER_MS 1e6
#define SECONDS_MAX 4e9 /* the year 2096; also the limit of a length */
#define YEAR_S (365 * 24 * 3600.0)
#define LINE_BYTES_AT_FIRST 4096

void
hdr_log_head(FILE *file, int64_t start_ns)
{
	time_t start_s = (time_t)(start_ns / NS_PER_S);
	char text[64] = "";
	struct tm tm;

	if (gmtime_r(&start_s, &tm) != NULL)
		strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S UTC", &tm);
	fprintf(file, "#[Histogram log format version 1.3]\n");
	fprintf(file,
	    "#[StartTime: %" PRId64 ".%03d (seconds since epoch), %s]\n",
	    start_ns / NS_PER_S, (int)(start_ns % NS_PER_S / 1000000), text);
}

void
hdr_log_legend(FILE *file)
{
	fprintf(file,
	    "\"StartTimestamp\",\"Interval_Length\","
	    "\"Interval_Max\",\"Interval_Compressed_Histogram\"\n");
}

bool
hdr_log_line(FILE *file, const char *tag, int64_t start_ns, int64_t length_ns,
    const struct hdr *hdr)
{
	char *text = hdr_encode(hdr);

	if (text == NULL)
		return false;
	if (tag != NULL)
		fprintf(file, "Tag=%s,", tag);
	fprintf(file, "%" PRId64 ".%03d,%" PRId64 ".%03d,%.3f,%s\n",
	    start_ns / NS_PER_S, (int)(start_ns % NS_PER_S / 1000000),
	    length_ns / NS_PER_S, (int)(length_ns % NS_PER_S / 1000000),
	    (double)hdr->sums.max / NS_PER_MS, text);
	free(text);
	return true;
}

void
hdr_log_open(struct hdr_log *log, FILE *file)
{
	*log = (struct hdr_log){ .file = file };
}

void
hdr_log_free(struct hdr_log *log)
{
	free(log->line);
	hdr_free(&log->hdr);
	*log = (struct hdr_log){ 0 };
}

static enum hdr_log_what __attribute__((format(printf, 2, 3)))
bad(struct hdr_log *log, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(log->err, sizeof(log->err), format, ap);
	va_end(ap);
	return HDR_LOG_BAD;
}

/* Doubles the room, up to the limit. */
static bool
grow(struct hdr_log *log)
{
	size_t cap = log->cap_bytes * 2;
	char *line;

	if (cap == 0)
		cap = LINE_BYTES_AT_FIRST;
	if (cap > HDR_LOG_LINE_BYTES_MAX)
		return false;
	line = realloc(log->line, cap);
	if (line == NULL)
		return false;
	log->line = line;
	log->cap_bytes = cap;
	return true;
}

/* Reads a whole line, without its end. HDR_LOG_COMMENT means success. */
static enum hdr_log_what
read_line(struct hdr_log *log)
{
	size_t n = 0;

	log->n_lines++;
	for (;;) {
		if (n + 2 > log->cap_bytes && !grow(log))
			return bad(log, "longer than %d bytes, or no memory",
			    HDR_LOG_LINE_BYTES_MAX);
		if (fgets(log->line + n, (int)(log->cap_bytes - n),
			log->file) == NULL)
			break;
		n += strlen(log->line + n);
		if (n > 0 && log->line[n - 1] == '\n') {
			log->line[n - 1] = '\0';
			if (n > 1 && log->line[n - 2] == '\r')
				log->line[n - 2] = '\0';
			return HDR_LOG_COMMENT;
		}
	}
	return n == 0 ? HDR_LOG_END : HDR_LOG_CUT;
}

/* Parses #[StartTime: 1.5 (...; ignores all other comments. */
static void
read_comment(struct hdr_log *log)
{
	static const char start[] = "#[StartTime: ", base[] = "#[BaseTime: ";
	double v;

	if (strncmp(log->line, start, sizeof(start) - 1) == 0) {
		v = strtod(log->line + sizeof(start) - 1, NULL);
		if (v >= 0 && v < SECONDS_MAX)
			log->start_s = v;
	} else if (strncmp(log->line, base, sizeof(base) - 1) == 0) {
		v = strtod(log->line + sizeof(base) - 1, NULL);
		log->has_base = v >= 0 && v < SECONDS_MAX;
		if (log->has_base)
			log->base_s = v;
	}
	log->text = log->line;
}

/* Parses a number and the comma after it. */
static bool
take_seconds(char **at, double *v)
{
	char *end;

	*v = strtod(*at, &end);
	if (end == *at || *end != ',' || !(*v >= 0 && *v < SECONDS_MAX))
		return false;
	*at = end + 1;
	return true;
}

/* By the format, small times without a base are relative to the start. */
static int64_t
absolute_ns(const struct hdr_log *log, double s)
{
	double base_s = log->base_s;

	if (!log->has_base && s < log->start_s - YEAR_S)
		base_s = log->start_s;
	return llround((base_s + s) * 1e3) * 1000000;
}

static enum hdr_log_what
read_interval(struct hdr_log *log)
{
	double start_s, length_s, max;
	char *at = log->line, *comma;
	const char *wrong;

	log->tag = NULL;
	if (strncmp(at, "Tag=", 4) == 0) {
		comma = strchr(at, ',');
		if (comma == NULL)
			return bad(log, "a tag and nothing after it");
		*comma = '\0';
		log->tag = at + 4;
		at = comma + 1;
	}
	if (!take_seconds(&at, &start_s))
		return bad(log, "expected when the interval began, in s");
	if (!take_seconds(&at, &length_s))
		return bad(log, "expected the length of the interval, in s");
	if (!take_seconds(&at, &max) && (at = strchr(at, ',')) == NULL)
		return bad(log, "expected the maximum and a histogram");
	at += *at == ',';
	log->start_ns = absolute_ns(log, start_s);
	log->length_ns = llround(length_s * 1e3) * 1000000;
	hdr_free(&log->hdr);
	wrong = hdr_decode(
	    (struct bnet_slice){ (const uint8_t *)at, strlen(at) }, &log->hdr);
	if (wrong != NULL)
		return bad(log, "the histogram: %s", wrong);
	return HDR_LOG_INTERVAL;
}

enum hdr_log_what
hdr_log_next(struct hdr_log *log)
{
	enum hdr_log_what what;

	do {
		what = read_line(log);
		if (what != HDR_LOG_COMMENT)
			return what;
	} while (log->line[0] == '\0' || log->line[0] == '"');
	if (log->line[0] != '#')
		return read_interval(log);
	read_comment(log);
	return HDR_LOG_COMMENT;
}
