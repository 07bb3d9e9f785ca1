/* SPDX-License-Identifier: MIT */
/*
 * The PROXY header of a peer: what the relay takes, the onlooker takes, too,
 * and with the same source; no prefix is judged otherwise than the whole.
 */
#include "cmd/common/proxy_protocol.h"

#include "tests/fuzz/fuzz.h"

static void
check_header(struct bnet_slice in, const struct proxy_header *header)
{
	char text[ADDRESS_CHARS];

	MUST_HOLD(header->version == 1 || header->version == 2);
	MUST_HOLD(header->n_bytes > 0 && header->n_bytes <= in.len);
	MUST_HOLD(header->n_bytes <= PROXY_HEADER_MAX_BYTES);
	MUST_HOLD((header->source.len_bytes > 0) ==
	    (header->destination.len_bytes > 0));
	if (header->source.len_bytes > 0) {
		MUST_HOLD(*address_format(&header->source, text) != '?');
		MUST_HOLD(*address_format(&header->destination, text) != '?');
	}
}

/* `in` ends with the first header, so the prefixes are all too short. */
static void
check_prefixes(struct bnet_slice in)
{
	struct proxy_header header;
	struct bnet_slice part = in;
	size_t step = 1 + in.len / 64;

	for (part.len = 0; part.len < in.len; part.len += step)
		if (proxy_header_looks(part) == PROXY_YES)
			MUST_HOLD(
			    proxy_header_parse(part, &header) == BNET_MORE);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bnet_slice in = { data, size };
	struct proxy_header header;
	struct address source = { .len_bytes = 0 };
	enum proxy_looks looks = proxy_header_looks(in);
	enum bnet_err relay, err;
	size_t used;

	relay = proxy_protocol_parse(in, &source, &used);
	MUST_HOLD((relay == BNET_OK) == (used > 0));
	if (looks != PROXY_YES) {
		MUST_HOLD(relay != BNET_OK);
		return 0;
	}
	err = proxy_header_parse(in, &header);
	if (relay == BNET_OK) {
		MUST_HOLD(err == BNET_OK && used == header.n_bytes);
		MUST_HOLD(source.len_bytes == header.source.len_bytes);
		MUST_HOLD(memcmp(&source.sa, &header.source.sa,
			      source.len_bytes) == 0);
	}
	if (err == BNET_OK)
		check_header(in, &header);
	if (err != BNET_MORE && header.n_bytes > 0)
		check_prefixes((struct bnet_slice){ data, header.n_bytes });
	return 0;
}
