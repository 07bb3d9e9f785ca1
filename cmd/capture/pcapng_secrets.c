/* SPDX-License-Identifier: MIT */
#include "cmd/capture/pcapng_secrets.h"

#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define BLOCK_SECTION 0x0a0d0d0aU /* the same in both byte orders */
#define BLOCK_PACKET_OLD 2
#define BLOCK_PACKET_SIMPLE 3
#define BLOCK_PACKET 6
#define BLOCK_SECRETS 10
#define SECRETS_TLS 0x544c534bU /* "TLSK" */
#define ORDER_MAGIC 0x1a2b3c4dU
#define FRAME_BYTES 12 /* what is around a body */
#define HEAD_BYTES 8
#define SECTION_BODY_MIN 16
#define SECRETS_HEAD_BYTES 8 /* type and length of the secrets */

struct reader {
	FILE *f;
	off_t at, end; /* of the block to read next; of the file */
	bool big;
	struct cap_keylog *log;
	size_t n_blocks;
	enum bnet_err lines; /* BNET_ETLS: a key log has a bad line */
};

static uint32_t
u32(const struct reader *rd, const uint8_t *p)
{
	if (rd->big)
		return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 |
		    (uint32_t)p[2] << 8 | p[3];
	return (uint32_t)p[3] << 24 | (uint32_t)p[2] << 16 |
	    (uint32_t)p[1] << 8 | p[0];
}

/* `n` bytes at `at` of the file. */
static bool
read_at(struct reader *rd, off_t at, uint8_t *out, size_t n)
{
	return fseeko(rd->f, at, SEEK_SET) == 0 && fread(out, 1, n, rd->f) == n;
}

/* The byte order of the section whose head is at rd->at. */
static bool
section(struct reader *rd)
{
	uint8_t magic[4];

	if (!read_at(rd, rd->at + HEAD_BYTES, magic, sizeof(magic)))
		return false;
	rd->big = false;
	if (u32(rd, magic) == ORDER_MAGIC)
		return true;
	rd->big = true;
	return u32(rd, magic) == ORDER_MAGIC;
}

static enum bnet_err
secrets_text(struct reader *rd, off_t at, size_t n)
{
	uint8_t *text = malloc(n == 0 ? 1 : n);
	enum bnet_err err = BNET_ECUT;

	if (text == NULL)
		return BNET_ENOMEM;
	if (read_at(rd, at, text, n))
		err = cap_keylog_add(rd->log, (struct bnet_slice){ text, n });
	OPENSSL_cleanse(text, n);
	free(text);
	if (err != BNET_ETLS)
		return err;
	rd->lines = err; /* and go on: other blocks may be good */
	return BNET_OK;
}

/* The secrets block at rd->at, whose body of `n_body` bytes is in the file. */
static enum bnet_err
secrets(struct reader *rd, size_t n_body)
{
	uint8_t head[SECRETS_HEAD_BYTES];
	size_t n;

	if (n_body < sizeof(head) ||
	    !read_at(rd, rd->at + HEAD_BYTES, head, sizeof(head)))
		return BNET_ECUT;
	if (u32(rd, head) != SECRETS_TLS)
		return BNET_OK;
	n = u32(rd, head + 4);
	if (n > n_body - sizeof(head))
		return BNET_ECUT;
	if (n > CAP_PCAPNG_SECRETS_MAX_BYTES)
		return BNET_ELIMIT;
	rd->n_blocks++;
	return secrets_text(rd, rd->at + HEAD_BYTES + (off_t)sizeof(head), n);
}

/*
 * One block. BNET_CLOSED at the first packet and at the end of the file.
 */
static enum bnet_err
block(struct reader *rd)
{
	uint8_t head[HEAD_BYTES];
	uint32_t type, n;
	enum bnet_err err = BNET_OK;

	if (rd->at == rd->end)
		return BNET_CLOSED;
	if (!read_at(rd, rd->at, head, sizeof(head)))
		return BNET_ECUT;
	type = u32(rd, head);
	if (type == BLOCK_SECTION && !section(rd))
		return BNET_ECUT;
	if (type == BLOCK_PACKET || type == BLOCK_PACKET_SIMPLE ||
	    type == BLOCK_PACKET_OLD)
		return BNET_CLOSED;
	n = u32(rd, head + 4);
	if (n < FRAME_BYTES || n % 4 != 0 || n > rd->end - rd->at ||
	    (type == BLOCK_SECTION && n < FRAME_BYTES + SECTION_BODY_MIN))
		return BNET_ECUT;
	if (type == BLOCK_SECRETS)
		err = secrets(rd, n - FRAME_BYTES);
	rd->at += n;
	return err;
}

static enum bnet_err
blocks(struct reader *rd)
{
	enum bnet_err err;

	do
		err = block(rd);
	while (err == BNET_OK);
	if (err != BNET_CLOSED)
		return err;
	return rd->lines;
}

/* A pcapng file, and one that can be gone back in? */
static bool
opens(struct reader *rd)
{
	uint8_t head[HEAD_BYTES];
	struct stat st;

	if (fstat(fileno(rd->f), &st) != 0 || !S_ISREG(st.st_mode))
		return false;
	rd->at = ftello(rd->f);
	rd->end = st.st_size;
	return rd->at >= 0 && rd->at < rd->end &&
	    read_at(rd, rd->at, head, sizeof(head)) &&
	    u32(rd, head) == BLOCK_SECTION && section(rd);
}

enum bnet_err
cap_pcapng_secrets(FILE *f, struct cap_keylog *log, size_t *n_blocks)
{
	struct reader rd = { .f = f, .log = log, .lines = BNET_OK };
	off_t before = ftello(f);
	enum bnet_err err = BNET_OK;

	if (opens(&rd))
		err = blocks(&rd);
	*n_blocks = rd.n_blocks;
	if (before >= 0 && fseeko(f, before, SEEK_SET) != 0)
		err = BNET_ECUT;
	return err;
}

enum bnet_err
cap_pcapng_secrets_path(
    const char *path, struct cap_keylog *log, size_t *n_blocks)
{
	FILE *f = fopen(path, "rb");
	enum bnet_err err;

	*n_blocks = 0;
	if (f == NULL)
		return BNET_ECUT;
	err = cap_pcapng_secrets(f, log, n_blocks);
	(void)fclose(f);
	return err;
}
