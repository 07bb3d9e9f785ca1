/* SPDX-License-Identifier: MIT */
/*
 * bnet_row - the block of a packed row (bluenet-marshal.5, PACKED ROWS), for
 * the reader and the writer; not installed.
 *
 *	| 8-byte columns | 4 | 2 | 1 | a bit a bool | a null bit a column |
 */
#ifndef BNET_ROW_IMPL_H
#define BNET_ROW_IMPL_H

#include "buf.h"
#include "object.h"

enum bnet_row_kind {
	BNET_ROW_VIRTUAL, /* takes no room */
	BNET_ROW_OBJECT, /* an object behind the block */
	BNET_ROW_BOOL,
	BNET_ROW_INT, /* signed */
	BNET_ROW_UINT,
	BNET_ROW_FLOAT,
	BNET_ROW_CURRENCY,
};

struct bnet_row_column {
	uint8_t kind; /* enum bnet_row_kind */
	uint8_t n_bytes;
	uint32_t at; /* byte of the block; of a bool, bit */
	uint32_t null_bit;
};

/*
 * Lay out the columns of a descriptor (bnet_node_columns()), one after the
 * other from `to`. False: one of them has no type that is known.
 */
bool bnet_row_layout(const struct bnet_node *columns,
    struct bnet_row_column *to, uint32_t *block_bytes);

static inline bool
bnet_row_bit(const uint8_t *block, uint32_t bit)
{
	return (block[bit / 8] >> (bit % 8) & 1) != 0;
}

/* The value of a column that is in the block, and not null. */
void bnet_row_value(const struct bnet_row_column *column, const uint8_t *block,
    struct bnet_node *value);

/* Put one there; false: it does not fit. The block is zeros before. */
bool bnet_row_put(const struct bnet_row_column *column,
    const struct bnet_node *value, uint8_t *block);

/* Unpack the runs; what is missing at the end is zeros. False: past the end. */
bool bnet_row_unpack(struct bnet_slice in, uint8_t *block, uint32_t n_bytes);

/* Does a column (a name and a type) stand behind the block? */
bool bnet_row_is_object(const struct bnet_node *column);

/* Room for a block of n_bytes, and for the runs of it. */
static inline size_t
bnet_row_room(uint32_t n_bytes)
{
	return (size_t)n_bytes * 3 + 2;
}

/* Pack them. Returns how many bytes. */
uint32_t bnet_row_pack(const uint8_t *block, uint32_t n_bytes, uint8_t *out);

#endif
