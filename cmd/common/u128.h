/* SPDX-License-Identifier: MIT */
/*
 * u128 - unsigned integers of 128 bits, on compilers for 32 bits too, which
 * have none. Sums of squares (cmd/stats/hdr), exact decimals (outbuf) and the
 * hash of map are what needs them. As with C's unsigned types, what does not
 * fit wraps around.
 */
#ifndef COMMON_U128_H
#define COMMON_U128_H

#include <stdbool.h>
#include <stdint.h>

struct u128 {
	uint64_t lo, hi;
};

#define U128_CHARS 40 /* of the largest, with its NUL */

static inline struct u128
u128_of(uint64_t v)
{
	return (struct u128){ v, 0 };
}

static inline bool
u128_equal(struct u128 a, struct u128 b)
{
	return a.lo == b.lo && a.hi == b.hi;
}

static inline bool
u128_less(struct u128 a, struct u128 b)
{
	return a.hi < b.hi || (a.hi == b.hi && a.lo < b.lo);
}

static inline struct u128
u128_add(struct u128 a, struct u128 b)
{
	uint64_t lo = a.lo + b.lo;

	return (struct u128){ lo, a.hi + b.hi + (lo < a.lo) };
}

static inline struct u128
u128_sub(struct u128 a, struct u128 b)
{
	return (struct u128){ a.lo - b.lo, a.hi - b.hi - (a.lo < b.lo) };
}

/* By 1 to 63 bits. */
static inline struct u128
u128_shl(struct u128 v, unsigned n)
{
	return (struct u128){ v.lo << n, v.hi << n | v.lo >> (64 - n) };
}

static inline struct u128
u128_shr(struct u128 v, unsigned n)
{
	return (struct u128){ v.lo >> n | v.hi << (64 - n), v.hi >> n };
}

/* The product of halves of 32 bits: what u128_mul() is without __int128. */
static inline struct u128
u128_mul_halves(uint64_t a, uint64_t b)
{
	uint64_t al = (uint32_t)a, ah = a >> 32, bl = (uint32_t)b, bh = b >> 32;
	uint64_t low = al * bl, mid = ah * bl + (low >> 32);
	uint64_t mid2 = al * bh + (uint32_t)mid;

	return (struct u128){ mid2 << 32 | (uint32_t)low,
		ah * bh + (mid >> 32) + (mid2 >> 32) };
}

/* One instruction where there is one: this is in each hash of map. */
static inline struct u128
u128_mul(uint64_t a, uint64_t b)
{
#ifdef __SIZEOF_INT128__
	__extension__ typedef unsigned __int128 wide;
	wide product = (wide)a * b;

	return (struct u128){ (uint64_t)product, (uint64_t)(product >> 64) };
#else
	return u128_mul_halves(a, b);
#endif
}

/* The low 128 bits of the product. */
static inline struct u128
u128_times(struct u128 a, struct u128 b)
{
	struct u128 product = u128_mul(a.lo, b.lo);

	product.hi += a.lo * b.hi + a.hi * b.lo;
	return product;
}

/* The quotient; *rest (NULL: not wanted) is the remainder. `by` is not 0. */
struct u128 u128_div(struct u128 v, uint64_t by, uint64_t *rest);

/* The nearest double; of two, the even one. */
double u128_f64(struct u128 v);

/* In decimal; returns where in `text` the number starts. */
const char *u128_text(struct u128 v, char text[U128_CHARS]);

/*
 * Reads decimal digits and moves *at behind them. False: there are none, or
 * they are more than fit.
 */
bool u128_take(const char **at, struct u128 *v);

/* The same of a whole string; false also of NULL and if anything follows. */
bool u128_read(const char *digits, struct u128 *v);

#endif
