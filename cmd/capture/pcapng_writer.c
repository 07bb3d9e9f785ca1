/* SPDX-License-Identifier: MIT */
#include "cmd/capture/pcapng_writer.h"

#include "cmd/capture/pcapng.h"

#define BLOCK_SECTION 0x0a0d0d0aU
#define BLOCK_INTERFACE 1
#define BLOCK_PACKET 6
#define BLOCK_SECRETS 10
#define ORDER_MAGIC 0x1a2b3c4dU
#define SECRETS_TLS 0x544c534bU
#define FRAME_BYTES 12

/* | type | total length | head | data, padded to 4 | total length | */
static void
block(struct pcapng_writer *w, uint32_t type, const void *head,
    size_t head_bytes, struct bnet_slice data)
{
	static const uint8_t zeros[4] = { 0 };
	size_t pad = (4 - data.len % 4) % 4;
	uint32_t total = (uint32_t)(FRAME_BYTES + head_bytes + data.len + pad);
	const uint32_t start[2] = { type, total };

	fwrite(start, 1, sizeof(start), w->f);
	fwrite(head, 1, head_bytes, w->f);
	if (data.len > 0)
		fwrite(data.p, 1, data.len, w->f);
	fwrite(zeros, 1, pad, w->f);
	fwrite(&total, 1, sizeof(total), w->f);
}

void
pcapng_writer_begin(struct pcapng_writer *w, FILE *f)
{
	const struct {
		uint32_t magic;
		uint16_t major, minor;
		uint32_t section_bytes[2]; /* ones: unknown */
	} head = { ORDER_MAGIC, 1, 0, { UINT32_MAX, UINT32_MAX } };

	*w = (struct pcapng_writer){ .f = f };
	block(w, BLOCK_SECTION, &head, sizeof(head),
	    (struct bnet_slice){ NULL, 0 });
}

/* With if_tsresol, 9: nanoseconds. */
static void
interface(struct pcapng_writer *w, int linktype)
{
	const struct {
		uint16_t linktype, reserved;
		uint32_t snaplen;
		uint16_t code, n;
		uint8_t unit[4];
		uint32_t end;
	} head = { pcapng_linktype_of(linktype), 0, SOURCE_SNAPLEN_MAX, 9, 1,
		{ 9 }, 0 };

	block(w, BLOCK_INTERFACE, &head, sizeof(head),
	    (struct bnet_slice){ NULL, 0 });
}

void
pcapng_writer_secrets(struct pcapng_writer *w, struct bnet_slice key_log)
{
	const uint32_t head[2] = { SECRETS_TLS, (uint32_t)key_log.len };

	block(w, BLOCK_SECRETS, head, sizeof(head), key_log);
}

bool
pcapng_writer_packet(
    struct pcapng_writer *w, const struct source_packet *packet)
{
	uint64_t ns = packet->time_ns < 0 ? 0 : (uint64_t)packet->time_ns;
	uint32_t i = 0;

	while (i < w->n && w->linktypes[i] != packet->linktype)
		i++;
	if (i == PCAPNG_WRITER_INTERFACES_MAX)
		return false;
	if (i == w->n) {
		w->linktypes[w->n++] = packet->linktype;
		interface(w, packet->linktype);
	}
	block(w, BLOCK_PACKET,
	    (const uint32_t[]){ i, (uint32_t)(ns >> 32), (uint32_t)ns,
		(uint32_t)packet->data.len, (uint32_t)packet->wire_bytes },
	    20, packet->data);
	return true;
}
