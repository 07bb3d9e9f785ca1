/* SPDX-License-Identifier: MIT */
#include "cmd/common/u128.h"

#include <math.h>
#include <stddef.h>

/* The upper word by the machine's division, the lower one bit by bit. */
struct u128
u128_div(struct u128 v, uint64_t by, uint64_t *rest)
{
	struct u128 quotient = { 0, v.hi / by };
	uint64_t left = v.hi % by;
	bool carry;

	if (left == 0) {
		quotient.lo = v.lo / by;
		left = v.lo % by;
	} else {
		for (int bit = 63; bit >= 0; bit--) {
			carry = left >> 63 != 0;
			left = left << 1 | (v.lo >> bit & 1);
			if (!carry && left < by)
				continue;
			left -= by;
			quotient.lo |= UINT64_C(1) << bit;
		}
	}
	if (rest != NULL)
		*rest = left;
	return quotient;
}

/*
 * The upper 64 bits of it, shifted until the first is 1; what is below only
 * matters for rounding, as a last bit that is not 0.
 */
double
u128_f64(struct u128 v)
{
	unsigned zeros;

	if (v.hi == 0)
		return (double)v.lo;
	zeros = (unsigned)__builtin_clzll(v.hi);
	if (zeros > 0)
		v = u128_shl(v, zeros);
	return ldexp((double)(v.hi | (v.lo != 0)), 64 - (int)zeros);
}

const char *
u128_text(struct u128 v, char text[U128_CHARS])
{
	char *at = text + U128_CHARS - 1;
	uint64_t digit;

	*at = '\0';
	do {
		v = u128_div(v, 10, &digit);
		*--at = (char)('0' + (int)digit);
	} while (v.hi != 0 || v.lo != 0);
	return at;
}

bool
u128_take(const char **at, struct u128 *v)
{
	static const struct u128 max = { UINT64_MAX, UINT64_MAX };
	const struct u128 max_tenth = u128_div(max, 10, NULL);
	const char *p = *at;
	struct u128 ten_times, digit;

	for (*v = u128_of(0); *p >= '0' && *p <= '9'; p++) {
		digit = u128_of((uint64_t)(*p - '0'));
		if (u128_less(max_tenth, *v))
			return false;
		ten_times = u128_times(*v, u128_of(10));
		if (u128_less(u128_sub(max, digit), ten_times))
			return false;
		*v = u128_add(ten_times, digit);
	}
	if (p == *at)
		return false;
	*at = p;
	return true;
}

bool
u128_read(const char *digits, struct u128 *v)
{
	*v = u128_of(0);
	return digits != NULL && u128_take(&digits, v) && *digits == '\0';
}
