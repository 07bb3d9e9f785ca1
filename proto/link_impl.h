/* SPDX-License-Identifier: MIT */
/* What link.c (life, and bytes in) and link_out.c share; not installed. */
#ifndef BNET_LINK_IMPL_H
#define BNET_LINK_IMPL_H

#include "codec_impl.h"
#include "link.h"

#define BNET_LINK_LAST_BYTES 23

struct bnet_link {
	struct bnet_codecs *codecs; /* borrowed */
	struct bnet_tls *tls; /* NULL: plain */
	enum bnet_order order; /* AUTO while not known */
	enum bnet_codec_id codec; /* to send with */
	uint32_t frame_max_bytes;
	uint32_t payload_max_bytes;
	uint32_t threshold_bytes;
	size_t out_max_bytes;
	bool no_inflate;
	/* the last header that came, as packets in a row often have the same */
	uint8_t last_oob_bytes; /* 0: none */
	uint8_t last_oob[BNET_LINK_LAST_BYTES];
	struct bnet_header last_header;
	struct bnet_buf in; /* an incomplete frame, mostly */
	struct bnet_buf queue; /* TLS: frames to be encrypted */
	struct bnet_buf out; /* to be written */
};

#endif
