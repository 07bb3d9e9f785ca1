/* SPDX-License-Identifier: MIT */
#include "cmd/common/outbuf.h"

#include "cmd/common/json.h"

#include <errno.h>
#include <float.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define FLUSH_AT (OUTBUF_BYTES - OUTBUF_SPARE)

void
out_init(struct outbuf *out, int fd, bool each_line)
{
	out->fd = fd;
	out->error = 0;
	out->each_line = each_line;
	out->n = 0;
}

void
out_flush(struct outbuf *out)
{
	size_t at = 0;
	ssize_t n;

	while (at < out->n && out->error == 0) {
		n = write(out->fd, out->p + at, out->n - at);
		if (n >= 0)
			at += (size_t)n;
		else if (errno != EINTR)
			out->error = errno;
	}
	out->n = 0;
}

void
out_line(struct outbuf *out)
{
	OUT_LIT(out, "\n");
	if (out->each_line || out->n > FLUSH_AT)
		out_flush(out);
}

void
out_bytes(struct outbuf *out, const void *p, size_t n)
{
	const char *from = p;

	while (n > 0) {
		size_t part = sizeof(out->p) - OUTBUF_SPARE / 2 - out->n;

		part = part < n ? part : n;
		memcpy(out->p + out->n, from, part);
		out->n += part;
		from += part;
		n -= part;
		if (out->n > OUTBUF_BYTES)
			out_flush(out);
	}
}

void
out_str(struct outbuf *out, const char *s)
{
	out_bytes(out, s, strlen(s));
}

void
out_hex(struct outbuf *out, const uint8_t *p, size_t n)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < n; i++) {
		out->p[out->n++] = digits[p[i] >> 4];
		out->p[out->n++] = digits[p[i] & 15];
		if (out->n > OUTBUF_BYTES)
			out_flush(out);
	}
}

/* Is any of the eight bytes below 0x20, above 0x7e, a quote or a backslash? */
static inline bool
needs_escape(uint64_t v)
{
	const uint64_t ones = UINT64_C(0x0101010101010101), high = ones << 7;
	const uint64_t quote = v ^ ones * '"', slash = v ^ ones * '\\';
	const uint64_t del = v ^ ones * 0x7f;

	return ((v | (v - ones * 0x20) | (quote - ones) | (slash - ones) |
		    (del - ones)) &
		   high) != 0;
}

/* How many bytes, from the first on, stand in JSON as they are. */
static inline size_t
plain_bytes(const char *s, size_t n)
{
	size_t at = 0;
	uint64_t v;

	for (; n - at >= sizeof(v); at += sizeof(v)) {
		memcpy(&v, s + at, sizeof(v));
		if (needs_escape(v))
			break;
	}
	while (at < n && s[at] >= 0x20 && s[at] < 0x7f && s[at] != '"' &&
	    s[at] != '\\')
		at++;
	return at;
}

void
out_json(struct outbuf *out, const char *s, size_t n)
{
	char text[JSON_CHAR_BYTES];
	size_t used, text_bytes;

	OUT_LIT(out, "\"");
	for (; n > 0; s += used, n -= used) {
		used = plain_bytes(s, n);
		if (used > 0) {
			out_bytes(out, s, used);
			continue;
		}
		used = json_char(s, n, text, &text_bytes);
		out_short(out, text, text_bytes);
	}
	OUT_LIT(out, "\"");
}

void
out_safe(struct outbuf *out, const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)s[i];

		if (c >= 0x20 && c < 0x7f && c != '"' && c != '\\')
			out_short(out, &s[i], 1);
		else
			out_printf(out, "\\x%02x", c);
	}
}

static const char pairs[] = "0001020304050607080910111213141516171819"
			    "2021222324252627282930313233343536373839"
			    "4041424344454647484950515253545556575859"
			    "6061626364656667686970717273747576777879"
			    "8081828384858687888990919293949596979899";

void
out_u64(struct outbuf *out, uint64_t v)
{
	char text[20];
	size_t at = sizeof(text);

	while (v >= 100) {
		at -= 2;
		memcpy(text + at, pairs + v % 100 * 2, 2);
		v /= 100;
	}
	if (v >= 10) {
		at -= 2;
		memcpy(text + at, pairs + v * 2, 2);
	} else {
		text[--at] = (char)('0' + v);
	}
	out_short(out, text + at, sizeof(text) - at);
}

void
out_i64(struct outbuf *out, int64_t v)
{
	if (v < 0) {
		OUT_LIT(out, "-");
		out_u64(out, UINT64_C(0) - (uint64_t)v);
		return;
	}
	out_u64(out, (uint64_t)v);
}

#define EXACT_MAX 9007199254740992.0 /* 2^53 */
#define DECIMALS_MAX 24 /* of a number above EXACT_MIN */
#define SHORT_MAX 6 /* decimals that are tried first */
#define LARGE_MIN 1e9 /* above, SHORT_MAX decimals are not exact */
#define EXACT_MIN 1e-5
#define DIGITS_MAX 17

__extension__ typedef unsigned __int128 u128;

static void
put_digits_f64(struct outbuf *out, uint64_t digits, unsigned n_decimals)
{
	char text[DECIMALS_MAX + 4];
	size_t at = sizeof(text);

	for (; n_decimals >= 2; n_decimals -= 2, digits /= 100) {
		at -= 2;
		memcpy(text + at, pairs + digits % 100 * 2, 2);
	}
	if (n_decimals == 1) {
		text[--at] = (char)('0' + digits % 10);
		digits /= 10;
	}
	text[--at] = '.';
	out_u64(out, digits);
	out_short(out, text + at, sizeof(text) - at);
}

/*
 * A decimal of few digits: both it and the power of ten are exact, so their
 * quotient is the nearest double, and that is what a reader gets. What fits
 * with fewer decimals does with most; only a large one loses its last digits
 * there.
 */
static bool
put_short_f64(struct outbuf *out, double v)
{
	static const double tens[] = { 1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6 };
	double scaled;
	uint64_t digits;

	for (unsigned k = v < LARGE_MIN ? SHORT_MAX : 1; k <= SHORT_MAX; k++) {
		scaled = v * tens[k];
		if (scaled >= EXACT_MAX)
			return false;
		digits = (uint64_t)(scaled + 0.5);
		if ((double)digits / tens[k] != v)
			continue;
		for (; k > 1 && digits % 10 == 0; k--)
			digits /= 10;
		put_digits_f64(out, digits, k);
		return true;
	}
	return false;
}

/* v = *m * 2^*e, for a v that is not subnormal; *m has 53 bits. */
static void
split_f64(double v, uint64_t *m, int *e)
{
	uint64_t bits;

	memcpy(&bits, &v, sizeof(bits));
	*m = (bits & ((UINT64_C(1) << 52) - 1)) | UINT64_C(1) << 52;
	*e = (int)(bits >> 52) - 1075;
}

/* How many digits before the point v has, less one; from EXACT_MIN to 1e17. */
static int
tens_of(double v, int e)
{
	static const double tens[] = { 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1e0, 1e1,
		1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13,
		1e14, 1e15, 1e16, 1e17 };
	/* log10(2) * 2^18; 52 more bits of m; at most one too low */
	int n = (e + 52) * 78913;

	n = n >= 0 ? n >> 18 : -((-n + (1 << 18) - 1) >> 18);
	return v >= tens[n + 6] ? n + 1 : n;
}

/* Of the digits q of x = q << s, as many as `five`, half of m's last bit, allow
 * are zeros: *n_cut of them. */
static uint64_t
drop_digits(uint64_t q, u128 x, int s, uint64_t five, unsigned *n_cut)
{
	uint64_t ten = 1, kept = (uint64_t)((x + ((u128)1 << (s - 1))) >> s);

	for (*n_cut = 0; *n_cut < DIGITS_MAX - 1; ++*n_cut) {
		const uint64_t next = ten * 10, cut = (q + next / 2) / next;
		const u128 near = (u128)(cut * next) << s;

		if (2 * (near > x ? near - x : x - near) >= five)
			break;
		ten = next;
		kept = cut;
	}
	return kept;
}

/*
 * Digits of v = m * 2^e by integers: with a power k of ten, v has 17 digits
 * before the point; x is that, shifted left by s bits. Digits are dropped as
 * long as what is left is nearer to v than half of m's last bit.
 */
static bool
put_exact_f64(struct outbuf *out, double v)
{
	static const uint64_t fives[] = { 1, 5, 25, 125, 625, 3125, 15625,
		78125, 390625, 1953125, 9765625, 48828125, 244140625,
		1220703125, 6103515625, 30517578125, 152587890625, 762939453125,
		3814697265625, 19073486328125, 95367431640625,
		476837158203125 };
	uint64_t m, q;
	int e, k, s;
	u128 x;
	unsigned n_cut;

	if (v < EXACT_MIN || v >= 1e17)
		return false;
	split_f64(v, &m, &e);
	k = DIGITS_MAX - 1 - tens_of(v, e);
	s = -(e + k);
	if (s < 1)
		return false;
	x = (u128)fives[k] * m;
	q = drop_digits((uint64_t)(x >> s), x, s, fives[k], &n_cut);
	for (; (int)n_cut > k; n_cut--)
		q *= 10;
	if ((int)n_cut == k) {
		q *= 10;
		n_cut--;
	}
	put_digits_f64(out, q, (unsigned)k - n_cut);
	return true;
}

static void
put_long_f64(struct outbuf *out, double v)
{
	char text[32];
	int n = 0;

	for (int digits = v < DBL_MIN ? 1 : 15; digits <= 17; digits++) {
		n = snprintf(text, sizeof(text), "%.*g", digits, v);
		if (digits == 17 || strtod(text, NULL) == v)
			break;
	}
	out_short(out, text, (size_t)n);
	if (strpbrk(text, ".e") == NULL)
		OUT_LIT(out, ".0");
}

void
out_f64(struct outbuf *out, double v)
{
	if (isnan(v)) {
		OUT_LIT(out, "\"nan\"");
	} else if (isinf(v)) {
		out_str(out, v > 0 ? "\"inf\"" : "\"-inf\"");
	} else {
		if (signbit(v))
			OUT_LIT(out, "-");
		v = fabs(v);
		if (!put_short_f64(out, v) && !put_exact_f64(out, v))
			put_long_f64(out, v);
	}
}

void
out_printf(struct outbuf *out, const char *fmt, ...)
{
	char text[OUTBUF_SPARE / 4];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (n < 0)
		return;
	out_short(
	    out, text, (size_t)n < sizeof(text) ? (size_t)n : sizeof(text) - 1);
}
