/* SPDX-License-Identifier: MIT */
#include "cmd/stats/hdr_codec.h"

#include <openssl/evp.h>
#include <zlib.h>

#include <stdlib.h>
#include <string.h>

#define OUTER_COOKIE UINT32_C(0x1c849304)
#define INNER_COOKIE UINT32_C(0x1c849303)
#define WORD_SIZE UINT32_C(0x10) /* "8 bytes a count"; means nothing in V2 */
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

/* Seven bits a byte, the lowest first; the ninth byte has all eight. */
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

/* False where the bytes end before it does. */
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

/* The encoding before it is compressed; to be freed. */
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

/* What the header of the inner encoding says. */
struct head {
	uint32_t n_bytes; /* of counts */
	uint32_t n_indexes; /* that they may reach */
	unsigned unit; /* counts are of values shifted down by that many bits */
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

/* Counts in order; a negative one skips. */
static const char *
read_counts(struct bnet_slice in, const struct head *head, struct hdr *hdr)
{
	uint64_t index = 0;
	int64_t n, low;

	while (in.len > 0) {
		if (!get_count(&in, &n))
			return "ends within a count";
		if (n < -(int64_t)head->n_indexes)
			return "more zeros than there are counts";
		if (n > 0 && index >= head->n_indexes)
			return "counts beyond the highest value";
		low = hdr_low(hdr, (uint32_t)index);
		if (n > 0)
			hdr_count(hdr, hdr_index(hdr, low << head->unit),
			    (uint64_t)n);
		index += n < 0 ? (uint64_t)-n : 1;
		if (index > head->n_indexes)
			return "more counts than the highest value has";
	}
	hdr_sums_of_counts(hdr, &hdr->sums);
	return NULL;
}

/* The next n_bytes of the stream. */
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
