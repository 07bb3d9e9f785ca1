/* SPDX-License-Identifier: MIT */
#include "err.h"

#include "bluenet.h"

#include <stddef.h>

static const char *const texts[BNET_N_ERRS] = {
	[BNET_OK] = "no error",
	[BNET_MORE] = "more bytes are needed",
	[BNET_CLOSED] = "closed by the peer",
	[BNET_ERESERVED] = "reserved bit 31 is set",
	[BNET_ECODECS] = "both zlib and snappy are set",
	[BNET_EOOB] = "out-of-band length exceeds the frame",
	[BNET_ESIZE] = "frame is longer than the limit",
	[BNET_EHEADER] = "out-of-band bytes are no BlueNet header",
	[BNET_EZLIB] = "bad zlib payload",
	[BNET_ESNAPPY] = "bad snappy payload",
	[BNET_EPAYLOAD] = "decompressed payload exceeds the limit",
	[BNET_EMESSAGE] = "session message ends early",
	[BNET_EMARSHAL] = "bad marshal stream",
	[BNET_ETLS] = "TLS failed",
	[BNET_ECUT] = "input ended in the middle",
	[BNET_ELIMIT] = "buffer ceiling reached",
	[BNET_ENOMEM] = "out of memory",
	[BNET_ESETTINGS] = "setting of a newer version of the library",
};

const char *
bnet_version(void)
{
	return BNET_VERSION;
}

const char *
bnet_strerror(enum bnet_err err)
{
	if ((unsigned)err >= BNET_N_ERRS || texts[err] == NULL)
		return "unknown error";
	return texts[err];
}
