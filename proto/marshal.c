/* SPDX-License-Identifier: MIT */
/*
 * In this order: the array of nodes; the table of shared objects; inflating;
 * streams; leaves; containers; rows; what completes and what is cut; the loop.
 */
#include "marshal.h"

#include "codec.h"
#include "row_impl.h"
#include "settings_impl.h"

#include <stdlib.h>
#include <string.h>
#define ZLIB_CONST /* next_in points to const */
#include <zlib.h>

#define NODES_MAX (UINT32_C(1) << 22)
#define NODES_TOP (UINT32_C(1) << 28)
#define NODES_FIRST 1024
#define NODES_SPARE 4 /* always free before an opcode is read */
#define TYPE_MASK 0x3f
#define FLAG_SHARED 0x40
#define LEN_LONG 0xff
#define OP_MARK 0x2d
#define UNTIL_MARK UINT32_MAX /* children left, until the mark comes */
#define SLOT_EMPTY UINT32_MAX
#define SLOT_MAPPED (UINT32_MAX - 1)
#define LAYOUTS_TRIED 4 /* the latest */
#define BLOCKS_MAX_BYTES ((size_t)16 << 20)
#define IN_MAX_BYTES ((size_t)INT32_MAX)
#define ZLIB_BYTE 0x78
#define V0_BYTE 0x7e
#define V1_BYTE 0x7d
#define V0_HEAD_BYTES 5
#define V1_HEAD_BYTES 2

enum frame_kind {
	IN_ROOT,
	IN_SEQUENCE,
	IN_DICT,
	IN_ITEMS, /* of a reduce, until the mark */
	IN_PAIRS, /* the same */
	IN_REDUCE,
	IN_DESCRIPTOR, /* of a row */
	IN_ROW,
	IN_STREAM,
};

/* A container that is being read. */
struct frame {
	uint32_t node;
	uint32_t left; /* children to come; or UNTIL_MARK less those read */
	enum frame_kind kind;
	/* of rows */
	uint32_t layout; /* where its first column is in m->columns */
	uint32_t column; /* the next one */
	uint32_t block; /* where its block is in m->blocks */
};

/* A stream that is being read. */
struct stream {
	const uint8_t *from, *end; /* all of it */
	const uint8_t *back; /* where its substream ends in the one around it */
	const uint8_t *map; /* v0; NULL: none, or not usable */
	uint32_t n_map;
	uint32_t first_slot, n_shared;
	uint32_t sum; /* its checksum, over what starts at sum_from */
	const uint8_t *sum_from; /* v1, to be checked at the end; NULL */
	uint8_t version;
	bool bad_sum;
	bool no_map; /* v0: the map is cut off, or no permutation */
};

/* A descriptor that was looked at: its columns, from `first` on. */
struct layout {
	uint32_t descriptor; /* node */
	uint32_t first, n;
	uint32_t n_bytes; /* of a block */
};

struct chunk {
	struct chunk *next;
	struct bnet_buf buf;
};

struct bnet_marshal {
	struct bnet_marshal_settings set;
	struct bnet_node *nodes;
	uint32_t n, cap;
	uint32_t reserve; /* nodes that are kept for closing */
	const uint8_t *p, *end; /* the stream at hand */
	uint32_t depth; /* frames[depth] is the innermost container */
	struct frame *frames; /* set.depth_max + 1 */
	struct stream *stream; /* the innermost of streams[] */
	struct stream streams[BNET_MARSHAL_STREAMS_MAX];
	uint32_t *slots;
	uint32_t n_slots, cap_slots;
	struct bnet_row_column *columns;
	uint32_t n_columns, cap_columns;
	struct layout *layouts;
	uint32_t n_layouts, cap_layouts;
	struct bnet_buf blocks; /* of the rows that are being read */
	struct chunk *chunks;
	size_t inflated_bytes;
	z_stream *z;
	bool has_checksum;
	/* the first thing that was wrong, and the latest */
	enum bnet_err err, last_err;
	const char *reason, *last_reason;
	size_t at_byte;
};

/* ---- the array of nodes ---- */

/* Something is wrong: reading ends, at least that of the stream at hand. */
static bool
stop(struct bnet_marshal *m, enum bnet_err err, const char *reason)
{
	m->last_err = err;
	m->last_reason = reason;
	if (m->err == BNET_OK) {
		m->err = err;
		m->reason = reason;
		m->at_byte =
		    m->stream == NULL ? 0 : (size_t)(m->p - m->stream->from);
	}
	return false;
}

static bool
no_memory(struct bnet_marshal *m)
{
	stop(m, BNET_ENOMEM, "out of memory");
	m->err = BNET_ENOMEM;
	return false;
}

/* Room for one more element of `bytes` each; at most `max` of them. */
static void *
grown(void *p, uint32_t *cap, size_t bytes, uint32_t need, uint32_t max)
{
	uint32_t more = *cap < NODES_FIRST / 2 ? NODES_FIRST / 2 : *cap;

	more = more > max / 2 ? max : more * 2;
	if (more < need)
		more = need;
	p = realloc(p, more * bytes);
	if (p != NULL)
		*cap = more;
	return p;
}

static bool
more_room(struct bnet_marshal *m, uint32_t n)
{
	struct bnet_node *p;

	if (n > m->set.nodes_max || m->n > m->set.nodes_max - n)
		return stop(m, BNET_ELIMIT, "too many values");
	if (m->cap - m->n >= n + m->reserve)
		return true;
	p = grown(m->nodes, &m->cap, sizeof(*p), m->n + n + m->reserve,
	    m->set.nodes_max + m->reserve);
	if (p == NULL)
		return no_memory(m);
	m->nodes = p;
	return true;
}

/*
 * Room for `n` nodes more, and for those that close what is cut. What is
 * allocated never is more than the ceiling and those.
 */
static inline bool
room(struct bnet_marshal *m, uint32_t n)
{
	return m->cap >= m->n + n + m->reserve || more_room(m, n);
}

static inline struct bnet_node *
add(struct bnet_marshal *m, enum bnet_node_type type)
{
	struct bnet_node *node = &m->nodes[m->n++];

	node->type = (uint8_t)type;
	node->flags = 0;
	node->n = 0;
	return node;
}

/* `at`: behind its opcode. */
static inline bool
add_int(struct bnet_marshal *m, const uint8_t *at, int64_t v)
{
	struct bnet_node *node = add(m, BNET_NODE_INT);

	node->n = (uint32_t)(at - 1 - m->stream->from);
	node->v.i = v;
	return true;
}

static void
add_cut(struct bnet_marshal *m, const char *reason)
{
	struct bnet_node *node = add(m, BNET_NODE_CUT);

	node->v.p = (const uint8_t *)reason;
	node->n = (uint32_t)strlen(reason);
}

static inline uint32_t
le32(const uint8_t *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
	    (uint32_t)p[3] << 24;
}

static inline uint64_t
le64(const uint8_t *p)
{
	return le32(p) | (uint64_t)le32(p + 4) << 32;
}

static inline double
le_double(const uint8_t *p)
{
	uint64_t bits = le64(p);
	double v;

	memcpy(&v, &bits, sizeof(v));
	return v;
}

/* Are there `n` bytes more? */
static inline bool
have(struct bnet_marshal *m, size_t n)
{
	if ((size_t)(m->end - m->p) >= n)
		return true;
	return stop(m, BNET_ECUT, "the stream ends here");
}

static bool
long_len(struct bnet_marshal *m, uint32_t *n)
{
	if (!have(m, 4))
		return false;
	*n = le32(m->p);
	if (*n > INT32_MAX)
		return stop(m, BNET_EMARSHAL, "a length is negative");
	m->p += 4;
	return true;
}

/* A length: a byte, or ff and four. */
static inline bool
len(struct bnet_marshal *m, uint32_t *n)
{
	if (!have(m, 1))
		return false;
	*n = *m->p++;
	return *n != LEN_LONG || long_len(m, n);
}

/* ---- the table of shared objects ---- */

static bool
slots_room(struct bnet_marshal *m, uint32_t n)
{
	uint32_t *p;

	if (m->cap_slots - m->n_slots >= n)
		return true;
	p = grown(m->slots, &m->cap_slots, sizeof(*p), m->n_slots + n,
	    UINT32_MAX / 8);
	if (p == NULL)
		return no_memory(m);
	m->slots = p;
	return true;
}

/* The map of version 0, if it is one: each of 1..n once. */
static bool
take_map(struct bnet_marshal *m, struct stream *s)
{
	uint32_t *slots, id;

	if (s->n_map == 0)
		return true;
	if (!slots_room(m, s->n_map))
		return false;
	slots = m->slots + s->first_slot;
	for (uint32_t i = 0; i < s->n_map; i++)
		slots[i] = SLOT_EMPTY;
	for (uint32_t i = 0; i < s->n_map && !s->no_map; i++) {
		id = le32(s->map + 4 * (size_t)i);
		if (id < 1 || id > s->n_map || slots[id - 1] != SLOT_EMPTY)
			s->no_map = true;
		else
			slots[id - 1] = SLOT_MAPPED;
	}
	m->n_slots += s->n_map;
	return true;
}

/* Enter the node: it takes the next slot. */
static bool
share(struct bnet_marshal *m, uint32_t node)
{
	struct stream *s = m->stream;

	m->nodes[node].flags |= BNET_NODE_SHARED;
	if (s->no_map)
		return true;
	if (s->version == 1) {
		if (!slots_room(m, 1))
			return false;
		m->slots[m->n_slots++] = node;
		return true;
	}
	if (s->n_shared == s->n_map)
		return stop(m, BNET_EMARSHAL,
		    "more objects are shared than the map has");
	m->slots[s->first_slot + le32(s->map + 4 * (size_t)s->n_shared++) - 1] =
	    node;
	return true;
}

/* Is the node a container that is not complete? */
static bool
is_open(const struct bnet_node *node)
{
	return bnet_node_is_container(node) && node->v.span == 0;
}

static bool
read_ref(struct bnet_marshal *m)
{
	struct stream *s = m->stream;
	const struct frame *f = &m->frames[m->depth];
	uint32_t i, target;
	struct bnet_node *node;

	if (!len(m, &i))
		return false;
	if (s->no_map) {
		add_cut(m, "a reference, but the map of objects is missing");
		return true;
	}
	i -= s->version == 0; /* index 0 becomes the highest */
	if (i >= m->n_slots - s->first_slot ||
	    m->slots[s->first_slot + i] >= SLOT_MAPPED)
		return stop(m, BNET_EMARSHAL,
		    "a reference to an object that is not there");
	target = m->slots[s->first_slot + i];
	if (f->node == target && f->kind == IN_SEQUENCE &&
	    m->nodes[target].type == BNET_NODE_TUPLE)
		return stop(m, BNET_EMARSHAL, "a tuple that holds itself");
	node = add(m, BNET_NODE_REF);
	node->v.back = m->n - 1 - target;
	if (is_open(&m->nodes[target]))
		node->flags = BNET_NODE_CIRCLE;
	return true;
}

/* ---- inflating ---- */

static voidpf
zlib_alloc(voidpf opaque, uInt n, uInt bytes)
{
	(void)opaque;
	return calloc(n, bytes);
}

static void
zlib_free(voidpf opaque, voidpf p)
{
	(void)opaque;
	free(p);
}

static bool
zlib_ready(struct bnet_marshal *m)
{
	if (m->z != NULL)
		return inflateReset(m->z) == Z_OK;
	m->z = calloc(1, sizeof(*m->z));
	if (m->z == NULL)
		return no_memory(m);
	m->z->zalloc = zlib_alloc;
	m->z->zfree = zlib_free;
	if (inflateInit(m->z) == Z_OK)
		return true;
	free(m->z);
	m->z = NULL;
	return no_memory(m);
}

static struct chunk *
new_chunk(struct bnet_marshal *m)
{
	struct chunk *chunk = calloc(1, sizeof(*chunk));

	if (chunk == NULL)
		return NULL;
	bnet_buf_init(
	    &chunk->buf, m->set.inflated_max_bytes - m->inflated_bytes);
	chunk->next = m->chunks;
	m->chunks = chunk;
	return chunk;
}

/* Inflate to the end of the stream, of the input, or of the room. */
static int
inflate_all(z_stream *z, struct bnet_slice in, struct bnet_buf *out)
{
	size_t part = in.len < 4096 ? 4096 : in.len * 2;
	uint8_t *tail;
	int result;

	z->next_in = in.p;
	z->avail_in = (uInt)in.len;
	do {
		if (part > out->max - out->len)
			part = out->max - out->len;
		if (part > (1u << 20))
			part = 1u << 20;
		if (bnet_buf_room(out, part, &tail) != BNET_OK)
			return Z_MEM_ERROR;
		z->next_out = tail;
		z->avail_out = (uInt)part;
		result = inflate(z, Z_NO_FLUSH);
		bnet_buf_added(out, part - z->avail_out);
	} while (result == Z_OK && z->avail_out == 0 && out->len < out->max);
	return result;
}

/* What the zlib stream holds, as far as it goes, into *out. */
static bool
unpack(struct bnet_marshal *m, struct bnet_slice in, struct bnet_slice *out)
{
	struct chunk *chunk;
	int result;

	if (m->inflated_bytes >= m->set.inflated_max_bytes)
		return stop(m, BNET_ELIMIT, "too many inflated bytes");
	if (!zlib_ready(m))
		return false;
	chunk = new_chunk(m);
	if (chunk == NULL)
		return no_memory(m);
	if (in.len > UINT32_MAX)
		in.len = UINT32_MAX;
	result = inflate_all(m->z, in, &chunk->buf);
	if (result == Z_MEM_ERROR)
		return no_memory(m);
	*out = bnet_buf_slice(&chunk->buf);
	/* an empty one costs, too */
	m->inflated_bytes += out->len < 256 ? 256 : out->len;
	return true;
}

static void
free_chunks(struct bnet_marshal *m)
{
	struct chunk *next;

	for (; m->chunks != NULL; m->chunks = next) {
		next = m->chunks->next;
		bnet_buf_free(&m->chunks->buf);
		free(m->chunks);
	}
	m->inflated_bytes = 0;
}

/* ---- streams ---- */

static bool
is_zlib(struct bnet_slice in)
{
	return in.len >= 2 && in.p[0] == ZLIB_BYTE &&
	    ((uint32_t)in.p[0] << 8 | in.p[1]) % 31 == 0;
}

/* An opcode that can begin an object? */
static bool
is_first(uint8_t op)
{
	op &= TYPE_MASK;
	return op >= 0x01 && op <= 0x2f && op != 0x0c && op != 0x18 &&
	    op != 0x1b && op != 0x1d && op != 0x1e && op != OP_MARK;
}

bool
bnet_marshal_is(struct bnet_slice in)
{
	if (is_zlib(in))
		return true;
	if (in.len > V0_HEAD_BYTES && in.p[0] == V0_BYTE)
		return le32(in.p + 1) <= in.len && is_first(in.p[5]);
	return in.len > V1_HEAD_BYTES && in.p[0] == V1_BYTE && in.p[1] == 1 &&
	    is_first(in.p[2]);
}

static bool
begin_v0(struct bnet_marshal *m, struct stream *s, struct bnet_slice in)
{
	size_t behind;

	s->n_map = le32(in.p + 1);
	m->p = in.p + V0_HEAD_BYTES;
	m->end = s->end;
	behind = in.len - V0_HEAD_BYTES;
	if (s->n_map > in.len)
		return stop(m, BNET_EMARSHAL, "the map exceeds the stream");
	if (s->n_map > behind / 4) {
		s->no_map = true;
		return true;
	}
	s->map = s->end - 4 * (size_t)s->n_map;
	if (!take_map(m, s))
		return false;
	if (!s->no_map)
		m->end = s->map;
	return true;
}

/* Take zlib off; what is none is left as it is. False: a ceiling. */
static bool
unpack_all(struct bnet_marshal *m, struct bnet_slice *in)
{
	struct bnet_slice out;

	for (int i = 0; is_zlib(*in); i++) {
		if (i == BNET_MARSHAL_STREAMS_MAX)
			return stop(m, BNET_ELIMIT, "zlib in zlib, too deep");
		if (!unpack(m, *in, &out))
			return false;
		if (out.len == 0)
			break;
		*in = out;
	}
	return true;
}

static bool
is_plain(struct bnet_slice in)
{
	return !is_zlib(in) && bnet_marshal_is(in);
}

/*
 * Enter a stream that is not compressed: `back` is where the one around it
 * goes on.
 */
static bool
begin_stream(struct bnet_marshal *m, struct bnet_slice in, const uint8_t *back)
{
	struct stream *s = m->stream == NULL ? m->streams : m->stream + 1;

	*s = (struct stream){ .from = in.p,
		.end = in.p + in.len,
		.back = back,
		.first_slot = m->n_slots };
	m->stream = s;
	if (in.p[0] == V0_BYTE)
		return begin_v0(m, s, in);
	s->version = 1;
	m->p = in.p + V1_HEAD_BYTES;
	m->end = s->end;
	return true;
}

/*
 * The object is complete. A map that was none: where there is room for it, it
 * is refused; where not, the stream was cut.
 */
static bool
check_stream(struct bnet_marshal *m)
{
	struct stream *s = m->stream;

	if (s->version == 1 && s->sum_from != NULL &&
	    adler32(1, s->sum_from, (uInt)(m->p - s->sum_from)) != s->sum)
		s->bad_sum = true;
	if (s->bad_sum)
		return stop(m, BNET_EMARSHAL, "the checksum is wrong");
	if (!s->no_map)
		return true;
	if ((size_t)(s->end - m->p) / 4 < s->n_map)
		return stop(m, BNET_ECUT, "the map of objects is cut off");
	return stop(m, BNET_EMARSHAL, "the map is no permutation");
}

static void
leave_stream(struct bnet_marshal *m)
{
	m->n_slots = m->stream->first_slot;
	m->p = m->stream->back;
	m->stream--;
	m->end = m->stream->no_map || m->stream->map == NULL ? m->stream->end
							     : m->stream->map;
}

static bool
read_checksum(struct bnet_marshal *m)
{
	struct stream *s = m->stream;
	const struct frame *f = &m->frames[m->depth];

	if ((f->kind != IN_ROOT && f->kind != IN_STREAM) || s->sum_from != NULL)
		return stop(m, BNET_EMARSHAL, "a checksum inside of an object");
	if (!have(m, 4))
		return false;
	s->sum = le32(m->p);
	m->p += 4;
	s->sum_from = m->p;
	m->has_checksum |= f->kind == IN_ROOT;
	if (s->version == 0)
		s->bad_sum = adler32(1, m->p, (uInt)(s->end - m->p)) != s->sum;
	return true;
}

/* ---- leaves ---- */

/* n bytes, borrowed. */
static inline bool
add_bytes(struct bnet_marshal *m, enum bnet_node_type type, size_t n)
{
	struct bnet_node *node;

	if (!have(m, n))
		return false;
	node = add(m, type);
	node->v.p = m->p;
	node->n = (uint32_t)n;
	m->p += n;
	return true;
}

static inline bool
read_bytes(struct bnet_marshal *m, enum bnet_node_type type)
{
	uint32_t n;

	return len(m, &n) && add_bytes(m, type, n);
}

static bool
read_table(struct bnet_marshal *m)
{
	const struct bnet_strings *strings = m->set.strings;
	struct bnet_node *node;
	uint32_t i;

	if (!have(m, 1))
		return false;
	i = *m->p;
	if (i == 0 || i > strings->n)
		return stop(
		    m, BNET_EMARSHAL, "a string that the table does not have");
	m->p++;
	node = add(m, BNET_NODE_STR);
	node->v.p = (const uint8_t *)strings->at[i - 1].p;
	node->n = strings->at[i - 1].len_bytes;
	return true;
}

/* Up to eight bytes are an INT. */
static bool
read_long(struct bnet_marshal *m)
{
	const uint8_t *at = m->p;
	uint64_t v = 0;
	uint32_t n;

	if (!len(m, &n) || !have(m, n))
		return false;
	if (n > 8)
		return add_bytes(m, BNET_NODE_LONG, n);
	for (uint32_t i = 0; i < n; i++)
		v |= (uint64_t)m->p[i] << (8 * i);
	if (n > 0 && n < 8 && (m->p[n - 1] & 0x80) != 0)
		v |= UINT64_MAX << (8 * n);
	m->p += n;
	return add_int(m, at, (int64_t)v);
}

/* An integer of 1, 2, 4 or 8 bytes. */
static inline bool
read_int(struct bnet_marshal *m, uint32_t n)
{
	const uint8_t *p = m->p;

	if (!have(m, n))
		return false;
	m->p += n;
	switch (n) {
	case 1:
		return add_int(m, p, (int8_t)p[0]);
	case 2:
		return add_int(m, p, (int16_t)(p[0] | p[1] << 8));
	case 4:
		return add_int(m, p, (int32_t)le32(p));
	default:
		return add_int(m, p, (int64_t)le64(p));
	}
}

static bool
read_float(struct bnet_marshal *m)
{
	if (!have(m, 8))
		return false;
	add(m, BNET_NODE_FLOAT)->v.d = le_double(m->p);
	m->p += 8;
	return true;
}

/* How many bytes follow an opcode of a pickle, and what ends it. */
enum {
	PICKLE_LINE = 9, /* text, up to a newline */
	PICKLE_LINES, /* twice that */
	PICKLE_LEN1, /* a length of 1, 4 or 8 bytes, and that many */
	PICKLE_LEN4,
	PICKLE_LEN8,
	PICKLE_UNKNOWN,
};

static unsigned
pickle_operand(uint8_t code)
{
	static const struct {
		const char *codes;
		unsigned operand;
	} rows[] = {
		{ "()012NQRabdelostu}]\x81\x85\x86\x87\x88\x89\x8f\x90\x91\x92"
		  "\x93\x94\x97\x98",
		    0 },
		{ "FILSVpgP", PICKLE_LINE },
		{ "ci", PICKLE_LINES },
		{ "Khq\x80\x82", 1 },
		{ "M\x83", 2 },
		{ "Jjr\x84", 4 },
		{ "G\x95", 8 },
		{ "UC\x8a\x8c", PICKLE_LEN1 },
		{ "TXB\x8b", PICKLE_LEN4 },
		{ "\x8d\x8e\x96", PICKLE_LEN8 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (code != 0 &&
		    memchr(rows[i].codes, code, strlen(rows[i].codes)) != NULL)
			return rows[i].operand;
	return PICKLE_UNKNOWN;
}

/* Where the operand ends that starts at `p`; NULL: not before `end`. */
static const uint8_t *
pickle_skip(const uint8_t *p, const uint8_t *end, unsigned operand)
{
	const size_t left = (size_t)(end - p);
	uint64_t n = operand;

	switch (operand) {
	case PICKLE_LINES:
		p = memchr(p, '\n', left);
		return p == NULL ? NULL : pickle_skip(p + 1, end, PICKLE_LINE);
	case PICKLE_LINE:
		p = memchr(p, '\n', left);
		return p == NULL ? NULL : p + 1;
	case PICKLE_LEN1:
		n = left < 1 ? UINT32_MAX : 1 + (uint64_t)p[0];
		break;
	case PICKLE_LEN4:
		n = left < 4 ? UINT32_MAX : 4 + (uint64_t)le32(p);
		break;
	case PICKLE_LEN8:
		n = left < 8 || le64(p) > UINT32_MAX ? UINT64_MAX : 8 + le64(p);
		break;
	case PICKLE_UNKNOWN:
		return NULL;
	default:
		break;
	}
	return n > left ? NULL : p + n;
}

/*
 * A pickle without a length ends at its own STOP. Its opcodes are stepped
 * over, none is carried out; where that finds no end, it is all the rest.
 */
static bool
read_pickler(struct bnet_marshal *m)
{
	const uint8_t *p = m->p;

	while (p != NULL && p < m->end && *p != '.')
		p = pickle_skip(p + 1, m->end, pickle_operand(*p));
	p = p == NULL || p == m->end ? m->end : p + 1;
	return add_bytes(m, BNET_NODE_PICKLE, (size_t)(p - m->p));
}

/* ---- containers ---- */

static bool
push(struct bnet_marshal *m, enum frame_kind kind, uint32_t left)
{
	struct frame *f;

	if (m->depth == m->set.depth_max)
		return stop(m, BNET_ELIMIT, "too deep");
	f = &m->frames[++m->depth];
	f->node = m->n - 1;
	f->kind = kind;
	f->left = left;
	return true;
}

/* Begin a container of `left` children; one of none is complete. */
static inline bool
open_with(struct bnet_marshal *m, enum bnet_node_type type,
    enum frame_kind kind, uint32_t left, bool shared)
{
	struct bnet_node *node = add(m, type);

	node->v.span = left == 0;
	node->n = kind == IN_DICT ? left / 2 : left;
	if ((shared && !share(m, m->n - 1)) ||
	    (left > 0 && !push(m, kind, left))) {
		m->n--; /* what is open has to be in a frame */
		return false;
	}
	return true;
}

static bool
open_counted(struct bnet_marshal *m, enum bnet_node_type type, bool shared)
{
	uint32_t n;

	if (!len(m, &n))
		return false;
	if (type != BNET_NODE_DICT)
		return open_with(m, type, IN_SEQUENCE, n, shared);
	return open_with(m, type, IN_DICT, 2 * n, shared);
}

/* What is no stream is bytes. */
static bool
open_stream(struct bnet_marshal *m)
{
	struct bnet_slice in;
	const uint8_t *back;
	uint32_t n;

	if (!len(m, &n) || !have(m, n))
		return false;
	in = (struct bnet_slice){ m->p, n };
	if (!unpack_all(m, &in))
		return false;
	if (!is_plain(in))
		return add_bytes(m, BNET_NODE_BYTES, n);
	if (m->stream == m->streams + BNET_MARSHAL_STREAMS_MAX - 1)
		return stop(m, BNET_ELIMIT, "streams in streams, too deep");
	back = m->p + n;
	return open_with(m, BNET_NODE_STREAM, IN_STREAM, 1, false) &&
	    begin_stream(m, in, back);
}

/* ---- rows ---- */

/* The layout of a descriptor that was met before, or NULL. */
static const struct layout *
known_layout(const struct bnet_marshal *m, uint32_t descriptor)
{
	uint32_t n = m->n_layouts;

	for (uint32_t i = 1; i <= LAYOUTS_TRIED && i <= n; i++)
		if (m->layouts[n - i].descriptor == descriptor)
			return &m->layouts[n - i];
	return NULL;
}

static bool
layout_room(struct bnet_marshal *m, uint32_t n_columns)
{
	void *p;

	if (m->cap_columns - m->n_columns <= n_columns) {
		p = grown(m->columns, &m->cap_columns, sizeof(*m->columns),
		    m->n_columns + n_columns + 1, UINT32_MAX / 16);
		if (p == NULL)
			return no_memory(m);
		m->columns = p;
	}
	if (m->cap_layouts > m->n_layouts)
		return true;
	p = grown(m->layouts, &m->cap_layouts, sizeof(*m->layouts),
	    m->n_layouts + 1, UINT32_MAX / 32);
	if (p == NULL)
		return no_memory(m);
	m->layouts = p;
	return true;
}

/* The layout of a descriptor; NULL: it is none, or memory ran out. */
static const struct layout *
find_layout(struct bnet_marshal *m, const struct bnet_node *descriptor)
{
	const struct bnet_node *columns;
	struct layout *l;

	descriptor = bnet_node_target(descriptor);
	if (descriptor == NULL || is_open(descriptor))
		return NULL;
	if (known_layout(m, (uint32_t)(descriptor - m->nodes)) != NULL)
		return known_layout(m, (uint32_t)(descriptor - m->nodes));
	columns = bnet_node_columns(descriptor);
	if (columns == NULL || is_open(columns) || !layout_room(m, columns->n))
		return NULL;
	l = &m->layouts[m->n_layouts];
	*l = (struct layout){ (uint32_t)(descriptor - m->nodes), m->n_columns,
		columns->n, 0 };
	if (!bnet_row_layout(columns, m->columns + l->first, &l->n_bytes))
		return NULL;
	m->n_columns += l->n;
	m->n_layouts++;
	return l;
}

/* The columns up to the next object, or to the end. */
static void
row_columns(struct bnet_marshal *m, struct frame *f)
{
	const struct bnet_row_column *c = m->columns + f->layout + f->column;
	const uint8_t *block = m->blocks.p + f->block;
	struct bnet_node *value;

	for (; f->left > 0 && c->kind != BNET_ROW_OBJECT; c++) {
		value = add(m, BNET_NODE_NONE);
		if (c->kind != BNET_ROW_VIRTUAL &&
		    !bnet_row_bit(block, c->null_bit))
			bnet_row_value(c, block, value);
		f->left--;
		f->column++;
	}
}

/* The descriptor is there: unpack the block. */
static bool
row_begin(struct bnet_marshal *m, struct frame *f)
{
	const struct layout *l = find_layout(m, &m->nodes[f->node + 1]);
	uint8_t *block;
	uint32_t n;

	if (l == NULL)
		return stop(m, BNET_EMARSHAL, "no descriptor of a row");
	if (!len(m, &n) || !have(m, n) || !room(m, l->n + NODES_SPARE))
		return false;
	if (m->blocks.len + l->n_bytes > BLOCKS_MAX_BYTES)
		return stop(m, BNET_ELIMIT, "rows in rows, too long");
	if (bnet_buf_room(&m->blocks, l->n_bytes, &block) != BNET_OK)
		return no_memory(m);
	if (!bnet_row_unpack((struct bnet_slice){ m->p, n }, block, l->n_bytes))
		return stop(m, BNET_EMARSHAL, "a row goes past its end");
	f->kind = IN_ROW;
	f->layout = l->first;
	f->column = 0;
	f->left = l->n;
	f->block = (uint32_t)m->blocks.len;
	m->nodes[f->node].n = l->n;
	bnet_buf_added(&m->blocks, l->n_bytes);
	m->p += n;
	row_columns(m, f);
	return true;
}

/* An object of a row is there. */
static bool
row_next(struct bnet_marshal *m, struct frame *f)
{
	f->left--;
	f->column++;
	if (!room(m, f->left + NODES_SPARE))
		return false;
	row_columns(m, f);
	return true;
}

/* ---- what completes, and what is cut ---- */

/* The innermost container is complete. */
static void
close_frame(struct bnet_marshal *m)
{
	const struct frame *f = &m->frames[m->depth--];

	m->nodes[f->node].v.span = m->n - f->node;
	if (f->kind == IN_ROW)
		m->blocks.len = f->block;
}

/* A part of a reduce is there: begin the next one. */
static bool
reduce_next(struct bnet_marshal *m, struct frame *f)
{
	if (--f->left == 0)
		return true;
	if (f->left == 2)
		return open_with(
		    m, BNET_NODE_LIST, IN_ITEMS, UNTIL_MARK, false);
	return open_with(m, BNET_NODE_PAIRS, IN_PAIRS, UNTIL_MARK, false);
}

static bool
stream_next(struct bnet_marshal *m, struct frame *f)
{
	(void)check_stream(m); /* what is around it may be good */
	f->left--;
	leave_stream(m);
	return true;
}

/* A child of a frame of a rarer kind is complete. */
static bool
rare_next(struct bnet_marshal *m, struct frame *f)
{
	switch (f->kind) {
	case IN_REDUCE:
		return reduce_next(m, f);
	case IN_DESCRIPTOR:
		return row_begin(m, f);
	case IN_ROW:
		return row_next(m, f);
	case IN_STREAM:
		return stream_next(m, f);
	default:
		f->left--;
		return true;
	}
}

/* An object is complete, and so may be what it is in. */
static bool
complete(struct bnet_marshal *m)
{
	for (;;) {
		struct frame *f = &m->frames[m->depth];
		uint32_t depth = m->depth;
		bool right = true;

		if (f->kind <= IN_DICT)
			f->left--;
		else
			right = rare_next(m, f);
		if (m->depth != depth || f->left > 0 || f->kind == IN_ROOT)
			return right;
		close_frame(m);
		if (!right)
			return false;
	}
}

static bool
read_mark(struct bnet_marshal *m)
{
	const struct frame *f = &m->frames[m->depth];
	uint32_t n = UNTIL_MARK - f->left;

	if (f->kind != IN_ITEMS && f->kind != IN_PAIRS)
		return stop(m, BNET_EMARSHAL, "a mark that ends nothing");
	if (f->kind == IN_PAIRS && n % 2 != 0)
		return stop(m, BNET_EMARSHAL, "a key without a value");
	m->nodes[f->node].n = f->kind == IN_PAIRS ? n / 2 : n;
	close_frame(m);
	return true; /* complete() goes on */
}

/* Reading ended inside of `f`: close it with what it has got. */
static void
cut_frame(struct bnet_marshal *m, const struct frame *f, const char *reason)
{
	const bool pairs = f->kind == IN_DICT || f->kind == IN_PAIRS;
	const struct bnet_node *at;
	uint32_t n = 0;

	if (reason != NULL)
		add_cut(m, reason);
	for (at = &m->nodes[f->node + 1]; at < m->nodes + m->n;
	     at = bnet_node_next(at))
		n++;
	if (pairs && n % 2 != 0) {
		add_cut(m, m->last_reason);
		n++;
	}
	if (pairs)
		n /= 2;
	else if ((f->kind == IN_ROW || f->kind == IN_DESCRIPTOR) && n > 0)
		n--;
	m->nodes[f->node].n = n;
	close_frame(m);
}

/* Close what is open, up to `depth`. */
static void
cut(struct bnet_marshal *m, uint32_t depth)
{
	const char *reason = m->last_reason;

	for (; m->depth > depth; reason = NULL)
		cut_frame(m, &m->frames[m->depth], reason);
}

/*
 * A stream in a stream was bad: what is around it goes on behind it. False:
 * there is none around it, or reading may not go on.
 */
static bool
go_on(struct bnet_marshal *m)
{
	uint32_t depth = m->depth;

	if (m->stream == m->streams ||
	    (m->last_err != BNET_EMARSHAL && m->last_err != BNET_ECUT))
		return false;
	while (m->frames[depth].kind != IN_STREAM)
		depth--;
	cut(m, depth - 1);
	leave_stream(m);
	return complete(m) || go_on(m);
}

/* ---- the loop ---- */

#define BIT(type) (UINT64_C(1) << (type))
#define LEAF_BYTES 10 /* of the longest short leaf, but for strings */

/* What can be shared; the flag means nothing on others. */
static inline bool
can_share(uint8_t type)
{
	const uint64_t types = BIT(0x02) | BIT(0x13) | BIT(0x14) | BIT(0x15) |
	    BIT(0x16) | BIT(0x17) | BIT(0x21) | BIT(0x22) | BIT(0x23) |
	    BIT(0x25) | BIT(0x27) | BIT(0x2c) | BIT(0x2f);

	return (types >> type & 1) != 0;
}

static bool
read_container(struct bnet_marshal *m, uint8_t type, bool shared)
{
	switch (type) {
	case 0x14:
		return open_counted(m, BNET_NODE_TUPLE, shared);
	case 0x15:
		return open_counted(m, BNET_NODE_LIST, shared);
	case 0x16:
		return open_counted(m, BNET_NODE_DICT, shared);
	case 0x24:
		return open_with(m, BNET_NODE_TUPLE, IN_SEQUENCE, 0, false);
	case 0x25:
		return open_with(m, BNET_NODE_TUPLE, IN_SEQUENCE, 1, shared);
	case 0x2c:
		return open_with(m, BNET_NODE_TUPLE, IN_SEQUENCE, 2, shared);
	case 0x26:
		return open_with(m, BNET_NODE_LIST, IN_SEQUENCE, 0, false);
	case 0x27:
		return open_with(m, BNET_NODE_LIST, IN_SEQUENCE, 1, shared);
	case 0x17:
		return open_with(m, BNET_NODE_INSTANCE, IN_SEQUENCE, 2, shared);
	case 0x19:
		return open_with(m, BNET_NODE_CALLBACK, IN_SEQUENCE, 1, false);
	case 0x22:
		return open_with(m, BNET_NODE_REDUCE, IN_REDUCE, 3, shared);
	case 0x23:
		return open_with(m, BNET_NODE_NEWOBJ, IN_REDUCE, 3, shared);
	case 0x2a:
		return open_with(m, BNET_NODE_ROW, IN_DESCRIPTOR, 1, false);
	case 0x2b:
		return open_stream(m);
	default:
		m->p--;
		return stop(m, BNET_EMARSHAL, "no type of an object");
	}
}

/* What has no body: a byte that says all. */
static inline bool
read_constant(struct bnet_marshal *m, uint8_t type)
{
	switch (type) {
	case 0x01:
		add(m, BNET_NODE_NONE)->v.i = 0;
		return true;
	case 0x0b:
		add(m, BNET_NODE_FLOAT)->v.d = 0;
		return true;
	case 0x0e:
	case 0x28:
		return add_bytes(m, BNET_NODE_STR, 0);
	case 0x1f:
	case 0x20:
		add(m, BNET_NODE_BOOL)->v.i = type == 0x1f;
		return true;
	default:
		return add_int(m, m->p, (int64_t)type - 0x08);
	}
}

/* Bytes of its own, and no children. */
static bool
read_body(struct bnet_marshal *m, uint8_t type)
{
	switch (type) {
	case 0x03:
		return read_int(m, 8);
	case 0x04:
		return read_int(m, 4);
	case 0x05:
		return read_int(m, 2);
	case 0x06:
		return read_int(m, 1);
	case 0x0a:
		return read_float(m);
	case 0x0d:
	case 0x12:
	case 0x2e:
		return read_bytes(m, BNET_NODE_STR);
	case 0x0f:
	case 0x29:
		return add_bytes(m, BNET_NODE_STR, 1);
	case 0x10:
		return have(m, 1) && add_bytes(m, BNET_NODE_STR, *m->p++);
	case 0x11:
		return read_table(m);
	case 0x1a:
		return read_bytes(m, BNET_NODE_PICKLE);
	case 0x1b:
		return read_ref(m);
	default:
		return read_constant(m, type);
	}
}

/* Leaves that are entered after their bytes. */
static bool
read_shareable(struct bnet_marshal *m, uint8_t type, bool shared)
{
	bool right;

	switch (type) {
	case 0x02:
		right = read_bytes(m, BNET_NODE_GLOBAL);
		break;
	case 0x13:
		right = read_bytes(m, BNET_NODE_BYTES);
		break;
	case 0x21:
		right = read_pickler(m);
		break;
	case 0x2f:
		right = read_long(m);
		break;
	default:
		return read_body(m, type);
	}
	return right && (!shared || share(m, m->n - 1));
}

/* Opcodes with children, and those that are none. */
static inline bool
is_leaf(uint8_t type)
{
	const uint64_t others = BIT(0x00) | BIT(0x0c) | BIT(0x14) | BIT(0x15) |
	    BIT(0x16) | BIT(0x17) | BIT(0x18) | BIT(0x19) | BIT(0x1d) |
	    BIT(0x1e) | BIT(0x22) | BIT(0x23) | BIT(0x24) | BIT(0x25) |
	    BIT(0x26) | BIT(0x27) | BIT(0x2a) | BIT(0x2b) | BIT(0x2c) |
	    ~(BIT(0x30) - 1);

	return (others >> type & 1) == 0;
}

/*
 * The commonest leaf at `p`, which has LEAF_BYTES behind it: set the node, and
 * return where the next one is. NULL: another one, or its bytes end later.
 */
static inline const uint8_t *
short_leaf(const uint8_t *p, const uint8_t *end, const uint8_t *from,
    struct bnet_node *node)
{
	const uint8_t type = *p & TYPE_MASK;
	uint32_t n;

	node->flags = 0;
	node->n = 0;
	switch (type) {
	case 0x01:
	case 0x1f:
	case 0x20:
		node->type = type == 0x01 ? BNET_NODE_NONE : BNET_NODE_BOOL;
		node->v.i = type == 0x1f;
		return p + 1;
	case 0x04:
		node->type = BNET_NODE_INT;
		node->n = (uint32_t)(p - from);
		node->v.i = (int32_t)le32(p + 1);
		return p + 5;
	case 0x05:
		node->type = BNET_NODE_INT;
		node->n = (uint32_t)(p - from);
		node->v.i = (int16_t)(p[1] | p[2] << 8);
		return p + 3;
	case 0x06:
		node->type = BNET_NODE_INT;
		node->n = (uint32_t)(p - from);
		node->v.i = (int8_t)p[1];
		return p + 2;
	case 0x07:
	case 0x08:
	case 0x09:
		node->type = BNET_NODE_INT;
		node->n = (uint32_t)(p - from);
		node->v.i = (int64_t)type - 0x08;
		return p + 1;
	case 0x0a:
		node->type = BNET_NODE_FLOAT;
		node->v.d = le_double(p + 1);
		return p + 9;
	case 0x12:
	case 0x29:
		n = type == 0x29 ? 1 : p[1];
		p += type == 0x29 ? 1 : 2;
		if (n == LEN_LONG || n > (size_t)(end - p))
			return NULL;
		node->type = BNET_NODE_STR;
		node->n = n;
		node->v.p = p;
		return p + n;
	default:
		return NULL;
	}
}

/* Leaves as long as they are common ones, and more children are to come. */
static inline void
read_short_leaves(struct bnet_marshal *m)
{
	struct frame *f = &m->frames[m->depth];
	const uint8_t *p = m->p, *from = m->stream->from, *next;
	struct bnet_node *node, *last;
	uint32_t left = f->left;

	if (f->kind > IN_DICT || m->cap <= m->n + m->reserve)
		return;
	node = m->nodes + m->n;
	last = m->nodes + (m->cap - m->reserve);
	for (; left > 1 && node < last && m->end - p > LEAF_BYTES; left--) {
		next = short_leaf(p, m->end, from, node);
		if (next == NULL)
			break;
		p = next;
		node++;
	}
	m->n = (uint32_t)(node - m->nodes);
	m->p = p;
	f->left = left;
}

/* One opcode, and what it holds; an object of none is complete. */
static inline bool
step(struct bnet_marshal *m)
{
	const uint32_t depth = m->depth;
	bool shared;
	uint8_t type;

	read_short_leaves(m);
	if (!have(m, 1) || !room(m, NODES_SPARE))
		return false;
	type = *m->p & TYPE_MASK;
	shared = (*m->p++ & FLAG_SHARED) != 0 && can_share(type);
	if (type == 0x1c)
		return read_checksum(m);
	if (type == OP_MARK)
		return read_mark(m) && complete(m);
	if (!(is_leaf(type) ? read_shareable(m, type, shared)
			    : read_container(m, type, shared)))
		return false;
	return m->depth != depth || complete(m);
}

static void
start(struct bnet_marshal *m)
{
	m->n = m->n_slots = m->n_columns = m->n_layouts = 0;
	m->depth = 0;
	m->stream = NULL;
	m->has_checksum = false;
	m->err = m->last_err = BNET_OK;
	m->reason = m->last_reason = "";
	m->at_byte = 0;
	m->frames[0] = (struct frame){ .kind = IN_ROOT, .left = 1 };
	bnet_buf_clear(&m->blocks);
	free_chunks(m);
}

/* Read the object; false where it was not read whole. */
static bool
read_object(struct bnet_marshal *m, struct bnet_slice in)
{
	if (in.len > IN_MAX_BYTES)
		return stop(m, BNET_ELIMIT, "too long");
	if (!unpack_all(m, &in))
		return false;
	if (!is_plain(in))
		return stop(m, BNET_EMARSHAL, "no marshal stream");
	if (!begin_stream(m, in, NULL))
		return false;
	while (m->frames[0].left > 0)
		if (!step(m) && !go_on(m))
			return false;
	return check_stream(m);
}

enum bnet_err
bnet_marshal_read(
    struct bnet_marshal *m, struct bnet_slice in, struct bnet_object *object)
{
	start(m);
	if (!read_object(m, in)) {
		/* complete, but its references mean nothing */
		if (m->frames[0].left == 0 && m->stream->no_map &&
		    m->last_err == BNET_EMARSHAL)
			m->n = 0;
		cut(m, 0);
	}
	*object = (struct bnet_object){ .n_nodes = m->n,
		.version = m->streams[0].version,
		.has_checksum = m->has_checksum,
		.reason = m->reason,
		.at_byte = m->at_byte };
	if (m->n > 0 && m->err != BNET_ENOMEM)
		object->root = m->nodes;
	return m->err;
}

struct bnet_marshal *
bnet_marshal_new(const struct bnet_marshal_settings *set)
{
	struct bnet_marshal *m = calloc(1, sizeof(*m));

	if (m == NULL)
		return NULL;
	if (set != NULL &&
	    !bnet_settings_take(&m->set, sizeof(m->set), sizeof(m->set), set)) {
		free(m);
		return NULL;
	}
	if (m->set.strings == NULL)
		m->set.strings = bnet_strings_builtin();
	if (m->set.depth_max == 0 || m->set.depth_max > BNET_MARSHAL_DEPTH_MAX)
		m->set.depth_max = BNET_MARSHAL_DEPTH_MAX;
	if (m->set.nodes_max == 0 || m->set.nodes_max > NODES_TOP)
		m->set.nodes_max =
		    m->set.nodes_max == 0 ? NODES_MAX : NODES_TOP;
	if (m->set.inflated_max_bytes == 0)
		m->set.inflated_max_bytes = BNET_PAYLOAD_MAX_BYTES;
	m->reserve = NODES_SPARE + 2 * (m->set.depth_max + 2);
	bnet_buf_init(&m->blocks, BLOCKS_MAX_BYTES);
	m->frames = calloc(m->set.depth_max + 1, sizeof(*m->frames));
	if (m->frames == NULL) {
		free(m);
		return NULL;
	}
	return m;
}

void
bnet_marshal_free(struct bnet_marshal *m)
{
	if (m == NULL)
		return;
	free_chunks(m);
	if (m->z != NULL)
		(void)inflateEnd(m->z);
	free(m->z);
	free(m->nodes);
	free(m->frames);
	free(m->slots);
	free(m->columns);
	free(m->layouts);
	bnet_buf_free(&m->blocks);
	free(m);
}
