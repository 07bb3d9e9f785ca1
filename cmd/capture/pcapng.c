/* SPDX-License-Identifier: MIT */
#include "cmd/capture/pcapng.h"

#include "cmd/capture/keylog.h"

#include <openssl/crypto.h>
#include <pcap/dlt.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_SECTION 0x0a0d0d0aU /* the same in both byte orders */
#define BLOCK_INTERFACE 1
#define BLOCK_PACKET_OLD 2
#define BLOCK_PACKET_SIMPLE 3
#define BLOCK_STATISTICS 5
#define BLOCK_PACKET 6
#define BLOCK_SECRETS 10

#define OPTION_END 0
#define OPTION_PACKET_DROPS 4 /* epb_dropcount, u64 */
#define OPTION_INTERFACE_DROPS 5 /* isb_ifdrop, u64 */
#define OPTION_SYSTEM_DROPS 7 /* isb_osdrop, u64 */
#define OPTION_UNIT 9 /* if_tsresol, u8 */
#define OPTION_OFFSET 14 /* if_tsoffset, i64: seconds */

#define ORDER_MAGIC 0x1a2b3c4dU
#define VERSION_MAJOR 1
#define SECRETS_TLS 0x544c534bU /* "TLSK" */
#define DROPS_UNKNOWN 0xffff /* of an obsolete packet block */

#define HEAD_BYTES 8
#define TAIL_BYTES 4
#define FRAME_BYTES (HEAD_BYTES + TAIL_BYTES) /* around a body */
#define SECTION_BYTES 16 /* the fixed part of a body */
#define INTERFACE_BYTES 8
#define PACKET_BYTES 20
#define SIMPLE_BYTES 4
#define STATISTICS_BYTES 12
#define SECRETS_BYTES 8

#define READ_BYTES ((size_t)64 << 10) /* allocated ahead of what is read */
#define PROBLEM_CHARS 200
#define NS_PER_S INT64_C(1000000000)
/* A file may contain any time; this limit keeps differences within 63 bits. */
#define TIME_MAX_S INT64_C(4600000000)

struct interface {
	int linktype; /* DLT_ */
	uint32_t snaplen; /* 0: no limit */
	uint8_t unit; /* if_tsresol */
	int64_t offset_s;
	uint64_t dropped; /* by its statistics */
	uint64_t lost; /* by its packets */
};

struct pcapng {
	FILE *f;
	struct cap_keylog *log;
	uint64_t at; /* of the block, from the start of the file */
	bool big;
	bool started; /* the first section has begun */
	bool secrets_only; /* the other blocks are skipped */
	struct interface *interfaces; /* n of them, of this section */
	size_t n, n_room;
	uint64_t dropped; /* in the sections before */
	int64_t time_ns; /* of the packet before */
	uint8_t *body; /* of the block; room for n_body_room */
	size_t n_body, n_body_room;
	bool held; /* `packet` was read by pcapng_begin() */
	struct source_packet packet;
	char problem[PROBLEM_CHARS], secrets_problem[PROBLEM_CHARS];
};

/* A slot of the table of link types: files and libpcap number these apart. */
static const struct {
	uint16_t file;
	int dlt;
} linktypes[] = {
	{ 100, DLT_ATM_RFC1483 },
	{ 101, DLT_RAW },
	{ 102, DLT_SLIP_BSDOS },
	{ 103, DLT_PPP_BSDOS },
	{ 104, DLT_C_HDLC },
	{ 106, DLT_ATM_CLIP },
	{ 107, DLT_FRELAY },
	{ 108, DLT_LOOP },
};

struct pcapng *
pcapng_new(FILE *f, struct cap_keylog *log)
{
	struct pcapng *ng = calloc(1, sizeof(*ng));

	if (ng == NULL)
		return NULL;
	ng->f = f;
	ng->log = log;
	return ng;
}

void
pcapng_free(struct pcapng *ng)
{
	if (ng == NULL)
		return;
	free(ng->interfaces);
	free(ng->body);
	free(ng);
}

const char *
pcapng_problem(const struct pcapng *ng)
{
	return ng->problem;
}

const char *
pcapng_secrets_problem(const struct pcapng *ng)
{
	return ng->secrets_problem;
}

int
pcapng_linktype(const struct pcapng *ng, size_t i)
{
	return i < ng->n ? ng->interfaces[i].linktype : -1;
}

static enum source_result __attribute__((format(printf, 2, 3)))
fail(struct pcapng *ng, const char *fmt, ...)
{
	va_list ap;
	int n = snprintf(ng->problem, sizeof(ng->problem),
	    "block at byte %llu: ", (unsigned long long)ng->at);

	va_start(ap, fmt);
	vsnprintf(ng->problem + n, sizeof(ng->problem) - (size_t)n, fmt, ap);
	va_end(ap);
	return SOURCE_ERROR;
}

/* ---- numbers ---- */

static uint16_t
u16(const struct pcapng *ng, const uint8_t *p)
{
	return (uint16_t)(ng->big ? p[0] << 8 | p[1] : p[1] << 8 | p[0]);
}

static uint32_t
u32(const struct pcapng *ng, const uint8_t *p)
{
	if (ng->big)
		return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 |
		    (uint32_t)p[2] << 8 | p[3];
	return (uint32_t)p[3] << 24 | (uint32_t)p[2] << 16 |
	    (uint32_t)p[1] << 8 | p[0];
}

static uint64_t
u64(const struct pcapng *ng, const uint8_t *p)
{
	uint64_t first = u32(ng, p), second = u32(ng, p + 4);

	return ng->big ? first << 32 | second : second << 32 | first;
}

static uint64_t
power_of_ten(unsigned n)
{
	uint64_t v = 1;

	while (n-- > 0)
		v *= 10;
	return v;
}

/*
 * The time of `ticks` of an interface. Its unit is 10 or, with bit 7 set, 2 to
 * the power of minus the rest. What is below a nanosecond is dropped.
 */
static int64_t
time_of(const struct interface *interface, uint64_t ticks)
{
	unsigned power = interface->unit & 0x7f;
	uint64_t s = 0, ns = 0;

	if (interface->unit & 0x80) {
		if (power < 64) {
			s = ticks >> power;
			ns = power > 0 ? ticks << (64 - power) >> 32 : 0;
			ns = ns * (uint64_t)NS_PER_S >> 32;
		} else if (power - 64 < 32) {
			ns = (ticks >> 32 >> (power - 64)) *
				(uint64_t)NS_PER_S >>
			    32;
		}
	} else if (power <= 9) {
		s = ticks / power_of_ten(power);
		ns = ticks % power_of_ten(power) * power_of_ten(9 - power);
	} else if (power - 9 < 20) {
		ticks /= power_of_ten(power - 9);
		s = ticks / (uint64_t)NS_PER_S;
		ns = ticks % (uint64_t)NS_PER_S;
	}
	s = s < (uint64_t)TIME_MAX_S ? s : (uint64_t)TIME_MAX_S;
	if (interface->offset_s > TIME_MAX_S - (int64_t)s)
		return TIME_MAX_S * NS_PER_S;
	if (interface->offset_s < -TIME_MAX_S)
		return -TIME_MAX_S * NS_PER_S;
	return ((int64_t)s + interface->offset_s) * NS_PER_S + (int64_t)ns;
}

/* ---- options ---- */

/*
 * | code u16 | length u16 | value, padded to 4 |: takes the next one from
 * *options. Returns false at the end. `cut`: it reaches beyond the block.
 */
static bool
next_option(const struct pcapng *ng, struct bnet_slice *options, uint16_t *code,
    struct bnet_slice *value, bool *cut)
{
	size_t padded;

	if (options->len < 4)
		return false;
	*code = u16(ng, options->p);
	value->p = options->p + 4;
	value->len = u16(ng, options->p + 2);
	if (*code == OPTION_END)
		return false;
	padded = 4 + (value->len + 3) / 4 * 4;
	if (value->len > options->len - 4) {
		*cut = true;
		return false;
	}
	*options = padded < options->len ? bnet_slice_from(*options, padded)
					 : (struct bnet_slice){ options->p, 0 };
	return true;
}

/* Adds up the options of type u64 with one of the two codes. */
static uint64_t
sum_of(const struct pcapng *ng, struct bnet_slice options, uint16_t first,
    uint16_t second)
{
	struct bnet_slice value;
	uint16_t code;
	uint64_t sum = 0;
	bool cut = false;

	while (next_option(ng, &options, &code, &value, &cut))
		if ((code == first || code == second) && value.len == 8)
			sum += u64(ng, value.p);
	return sum;
}

/* ---- blocks ---- */

static void
end_section(struct pcapng *ng)
{
	for (size_t i = 0; i < ng->n; i++) {
		const struct interface *interface = &ng->interfaces[i];

		ng->dropped += interface->dropped > interface->lost
		    ? interface->dropped
		    : interface->lost;
	}
	ng->n = 0;
}

uint64_t
pcapng_dropped(const struct pcapng *ng)
{
	struct pcapng so_far = *ng;

	end_section(&so_far);
	return so_far.dropped;
}

static enum source_result
on_section(struct pcapng *ng)
{
	uint16_t major = u16(ng, ng->body + 4);

	if (major != VERSION_MAJOR)
		return fail(ng, "a section of version %u: expected %u", major,
		    VERSION_MAJOR);
	end_section(ng);
	ng->started = true;
	return SOURCE_END;
}

static int
dlt_of(uint16_t linktype)
{
	for (size_t i = 0; i < sizeof(linktypes) / sizeof(linktypes[0]); i++)
		if (linktypes[i].file == linktype)
			return linktypes[i].dlt;
	return linktype;
}

uint16_t
pcapng_linktype_of(int dlt)
{
	for (size_t i = 0; i < sizeof(linktypes) / sizeof(linktypes[0]); i++)
		if (linktypes[i].dlt == dlt)
			return linktypes[i].file;
	return (uint16_t)dlt;
}

static bool
interface_reserve(struct pcapng *ng)
{
	size_t n_room = ng->n_room == 0 ? 4 : 2 * ng->n_room;
	struct interface *interfaces;

	if (ng->n < ng->n_room)
		return true;
	interfaces = realloc(ng->interfaces, n_room * sizeof(*interfaces));
	if (interfaces == NULL)
		return false;
	ng->interfaces = interfaces;
	ng->n_room = n_room;
	return true;
}

static enum source_result
on_interface(struct pcapng *ng)
{
	struct bnet_slice value,
	    options = { ng->body + INTERFACE_BYTES,
		    ng->n_body - INTERFACE_BYTES };
	struct interface interface = { .unit = 6,
		.linktype = dlt_of(u16(ng, ng->body)),
		.snaplen = u32(ng, ng->body + 4) };
	bool cut = false;
	uint16_t code;

	while (next_option(ng, &options, &code, &value, &cut)) {
		if (code == OPTION_UNIT && value.len == 1)
			interface.unit = value.p[0];
		else if (code == OPTION_OFFSET && value.len == 8)
			interface.offset_s = (int64_t)u64(ng, value.p);
	}
	if (cut)
		return fail(ng,
		    "an option of interface %zu is longer than the"
		    " block",
		    ng->n);
	if (ng->n == PCAPNG_INTERFACES_MAX)
		return fail(ng, "more than %u interfaces in a section",
		    PCAPNG_INTERFACES_MAX);
	if (!interface_reserve(ng))
		return fail(ng, "out of memory");
	ng->interfaces[ng->n++] = interface;
	return SOURCE_END;
}

static enum source_result
on_statistics(struct pcapng *ng)
{
	uint32_t i = u32(ng, ng->body);
	uint64_t dropped = sum_of(ng,
	    (struct bnet_slice){
		ng->body + STATISTICS_BYTES, ng->n_body - STATISTICS_BYTES },
	    OPTION_INTERFACE_DROPS, OPTION_SYSTEM_DROPS);

	/* each block counts from the start: the last one holds */
	if (i < ng->n)
		ng->interfaces[i].dropped = dropped;
	return SOURCE_END;
}

/* Takes a packet of n_captured bytes at `at` of the body. */
static enum source_result
take_packet(struct pcapng *ng, size_t i, size_t at, uint32_t n_captured,
    uint32_t n_wire)
{
	if (i >= ng->n)
		return fail(ng, "a packet of interface %zu, of %zu", i, ng->n);
	if (n_captured > ng->n_body - at)
		return fail(ng, "a packet of %u bytes in a block of %zu",
		    (unsigned)n_captured, ng->n_body + FRAME_BYTES);
	ng->packet = (struct source_packet){
		.time_ns = ng->time_ns,
		.data = { ng->body + at, n_captured },
		.wire_bytes = n_wire < n_captured ? n_captured : n_wire,
		.linktype = ng->interfaces[i].linktype,
	};
	return SOURCE_PACKET;
}

/* | interface u32 | time u64, high half first | captured u32 | wire u32 | */
static enum source_result
on_packet(struct pcapng *ng, bool old)
{
	const uint8_t *p = ng->body;
	size_t i = old ? u16(ng, p) : u32(ng, p), end;
	uint32_t n = u32(ng, p + 12);
	uint64_t lost = old ? u16(ng, p + 2) : 0;

	if (i < ng->n)
		ng->time_ns = time_of(&ng->interfaces[i],
		    (uint64_t)u32(ng, p + 4) << 32 | u32(ng, p + 8));
	if (take_packet(ng, i, PACKET_BYTES, n, u32(ng, p + 16)) !=
	    SOURCE_PACKET)
		return SOURCE_ERROR;
	end = PACKET_BYTES + ((size_t)n + 3) / 4 * 4;
	if (old)
		lost = lost == DROPS_UNKNOWN ? 0 : lost;
	else if (end < ng->n_body)
		lost =
		    sum_of(ng, (struct bnet_slice){ p + end, ng->n_body - end },
			OPTION_PACKET_DROPS, OPTION_PACKET_DROPS);
	ng->interfaces[i].lost += lost;
	return SOURCE_PACKET;
}

/*
 * It is of the first interface. It has no time: it gets that of the packet
 * before it.
 */
static enum source_result
on_simple_packet(struct pcapng *ng)
{
	uint32_t n_wire = u32(ng, ng->body), n = n_wire;
	size_t room = ng->n_body - SIMPLE_BYTES;

	if (ng->n > 0 && ng->interfaces[0].snaplen > 0 &&
	    n > ng->interfaces[0].snaplen)
		n = ng->interfaces[0].snaplen;
	return take_packet(
	    ng, 0, SIMPLE_BYTES, n < room ? n : (uint32_t)room, n_wire);
}

static void
secrets_left_out(struct pcapng *ng, const char *why)
{
	if (ng->secrets_problem[0] == '\0')
		snprintf(ng->secrets_problem, sizeof(ng->secrets_problem),
		    "block at byte %llu: %s", (unsigned long long)ng->at, why);
}

/* | type u32 | length u32 | secrets |: a bad one costs no packet */
static enum source_result
on_secrets(struct pcapng *ng)
{
	uint32_t n = u32(ng, ng->body + 4);
	enum bnet_err err;

	if (ng->log == NULL || u32(ng, ng->body) != SECRETS_TLS)
		return SOURCE_END;
	if (n > ng->n_body - SECRETS_BYTES) {
		secrets_left_out(ng, "its text is longer than the block");
		return SOURCE_END;
	}
	err = cap_keylog_add(
	    ng->log, (struct bnet_slice){ ng->body + SECRETS_BYTES, n });
	if (err == BNET_ETLS)
		secrets_left_out(ng, cap_keylog_problem(ng->log));
	else if (err != BNET_OK)
		secrets_left_out(ng, bnet_strerror(err));
	OPENSSL_cleanse(ng->body, ng->n_body);
	return SOURCE_END;
}

/* ---- reading ---- */

static const struct block {
	uint32_t type;
	const char *name;
	size_t body_bytes; /* at least */
	size_t max_bytes;
} blocks[] = {
	{ BLOCK_PACKET, "a packet", PACKET_BYTES, PCAPNG_BLOCK_MAX_BYTES },
	{ BLOCK_PACKET_SIMPLE, "a simple packet", SIMPLE_BYTES,
	    PCAPNG_BLOCK_MAX_BYTES },
	{ BLOCK_PACKET_OLD, "an obsolete packet", PACKET_BYTES,
	    PCAPNG_BLOCK_MAX_BYTES },
	{ BLOCK_SECTION, "a section", SECTION_BYTES, PCAPNG_BLOCK_MAX_BYTES },
	{ BLOCK_INTERFACE, "an interface", INTERFACE_BYTES,
	    PCAPNG_BLOCK_MAX_BYTES },
	{ BLOCK_STATISTICS, "a statistics", STATISTICS_BYTES,
	    PCAPNG_BLOCK_MAX_BYTES },
	{ BLOCK_SECRETS, "a secrets", SECRETS_BYTES, PCAPNG_SECRETS_MAX_BYTES },
};

/* NULL: it is skipped. */
static const struct block *
block_find(const struct pcapng *ng, uint32_t type)
{
	if (ng->secrets_only && type != BLOCK_SECTION && type != BLOCK_SECRETS)
		return NULL;
	for (size_t i = 0; i < sizeof(blocks) / sizeof(blocks[0]); i++)
		if (blocks[i].type == type)
			return &blocks[i];
	return NULL;
}

/* Makes room for n bytes of the body; those that are there stay. */
static bool
body_reserve(struct pcapng *ng, size_t n)
{
	size_t n_room = ng->n_body_room == 0 ? READ_BYTES : ng->n_body_room;
	uint8_t *body;

	if (n <= ng->n_body_room)
		return true;
	while (n_room < n)
		n_room *= 2;
	body = malloc(n_room);
	if (body == NULL)
		return false;
	if (ng->n_body > 0) {
		memcpy(body, ng->body, ng->n_body);
		OPENSSL_cleanse(ng->body, ng->n_body); /* it may be secrets */
	}
	free(ng->body);
	ng->body = body;
	ng->n_body_room = n_room;
	return true;
}

static enum source_result
cut(struct pcapng *ng)
{
	return fail(ng, "cut by the end of the file");
}

/* Reads up to n bytes of a body, in steps: the length may be a lie. */
static enum source_result
read_body(struct pcapng *ng, size_t n)
{
	size_t part;

	while (ng->n_body < n) {
		part = n - ng->n_body;
		part = part < READ_BYTES ? part : READ_BYTES;
		if (!body_reserve(ng, ng->n_body + part))
			return fail(ng, "out of memory");
		if ((fread_unlocked)(ng->body + ng->n_body, 1, part, ng->f) !=
		    part)
			return cut(ng);
		ng->n_body += part;
	}
	return SOURCE_END;
}

/* The same, but keeps only the last 4 bytes of at least as many. */
static enum source_result
skip_body(struct pcapng *ng, size_t n)
{
	size_t part;

	if (!body_reserve(ng, READ_BYTES))
		return fail(ng, "out of memory");
	for (; n > 0; n -= part) {
		part = n <= READ_BYTES ? n : READ_BYTES - TAIL_BYTES;
		ng->n_body = part;
		if ((fread_unlocked)(ng->body, 1, part, ng->f) != part)
			return cut(ng);
	}
	return SOURCE_END;
}

/* The first bytes of a section's body tell the byte order of its length. */
static enum source_result
read_order(struct pcapng *ng)
{
	enum source_result result = read_body(ng, 4);

	if (result != SOURCE_END)
		return result;
	ng->big = false;
	if (u32(ng, ng->body) == ORDER_MAGIC)
		return SOURCE_END;
	ng->big = true;
	if (u32(ng, ng->body) == ORDER_MAGIC)
		return SOURCE_END;
	return fail(ng, "a section without its byte order");
}

static enum source_result
dispatch(struct pcapng *ng, uint32_t type)
{
	switch (type) {
	case BLOCK_SECTION:
		return on_section(ng);
	case BLOCK_INTERFACE:
		return on_interface(ng);
	case BLOCK_STATISTICS:
		return on_statistics(ng);
	case BLOCK_SECRETS:
		return on_secrets(ng);
	case BLOCK_PACKET_SIMPLE:
		return on_simple_packet(ng);
	default:
		return on_packet(ng, type == BLOCK_PACKET_OLD);
	}
}

/* Checks the length of a block, and reads its body and the length behind it. */
static enum source_result
read_rest(struct pcapng *ng, const struct block *block, uint32_t total)
{
	enum source_result result;
	size_t n = total - HEAD_BYTES; /* with the length at the end */

	if (total < FRAME_BYTES || total % 4 != 0 ||
	    (block != NULL && total < FRAME_BYTES + block->body_bytes))
		return fail(ng, "a length of %u is none of %s block",
		    (unsigned)total, block == NULL ? "any" : block->name);
	if (block != NULL && total > block->max_bytes)
		return fail(ng, "%s block of %u bytes: expected at most %zu",
		    block->name, (unsigned)total, block->max_bytes);
	result = block == NULL ? skip_body(ng, n) : read_body(ng, n);
	if (result != SOURCE_END)
		return result;
	ng->n_body -= TAIL_BYTES;
	n = u32(ng, ng->body + ng->n_body);
	if (n != total)
		return fail(ng,
		    "its length is %u at its start, and %zu at its"
		    " end",
		    (unsigned)total, n);
	return SOURCE_END;
}

/*
 * Reads one block.
 *	SOURCE_PACKET	ng->packet is set
 *	SOURCE_END	another block, or the end: *end
 */
static enum source_result
read_block(struct pcapng *ng, bool *end)
{
	uint8_t head[HEAD_BYTES];
	size_t n = (fread_unlocked)(head, 1, sizeof(head), ng->f);
	enum source_result result = SOURCE_END;
	const struct block *block;
	uint32_t type, total;

	*end = n == 0;
	if (n == 0)
		return SOURCE_END;
	if (n < sizeof(head))
		return cut(ng);
	ng->n_body = 0;
	type = u32(ng, head);
	if (type == BLOCK_SECTION)
		result = read_order(ng);
	else if (!ng->started)
		return fail(ng, "no section begins the file");
	if (result != SOURCE_END)
		return result;
	total = u32(ng, head + 4);
	block = block_find(ng, type);
	result = read_rest(ng, block, total);
	if (result == SOURCE_END && block != NULL)
		result = dispatch(ng, type);
	ng->at += total;
	return result;
}

bool
pcapng_next_secrets(struct pcapng *ng)
{
	bool end;

	ng->secrets_only = true;
	return read_block(ng, &end) != SOURCE_ERROR && !end;
}

enum source_result
pcapng_begin(struct pcapng *ng)
{
	enum source_result result = SOURCE_END;
	bool end = false;

	while (!end && ng->n == 0 && result == SOURCE_END)
		result = read_block(ng, &end);
	ng->held = result == SOURCE_PACKET;
	return result == SOURCE_ERROR ? result
	    : ng->n > 0               ? SOURCE_PACKET
				      : SOURCE_END;
}

enum source_result
pcapng_next(struct pcapng *ng, struct source_packet *packet)
{
	enum source_result result = SOURCE_END;
	bool end = false;

	if (ng->held)
		result = SOURCE_PACKET;
	ng->held = false;
	while (!end && result == SOURCE_END)
		result = read_block(ng, &end);
	if (result == SOURCE_PACKET)
		*packet = ng->packet;
	return result;
}
