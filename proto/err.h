/* SPDX-License-Identifier: MIT */
/*
 * bnet_err - the one list of outcomes of libbluenet.
 *
 * Results leave through out-parameters; a function that can fail returns
 * one of these, and the compiler warns where it is ignored.
 */
#ifndef BNET_ERR_H
#define BNET_ERR_H

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define BNET_MUST __attribute__((warn_unused_result))
#else
#define BNET_MUST
#endif

enum bnet_err {
	BNET_OK = 0,
	BNET_MORE, /* a valid prefix: nothing consumed, feed more */
	BNET_CLOSED, /* TLS close_notify: the peer ended in order */
	/* the stream is lost after one of these (bluenet-wire.5, FRAME) */
	BNET_ERESERVED, /* bit 31 of the word is set */
	BNET_ECODECS, /* both compression bits are set */
	BNET_EOOB, /* oob_len + 4 exceeds the frame */
	BNET_ESIZE, /* the frame is longer than the limit */
	/* one packet is bad, the next one may be good */
	BNET_EHEADER, /* out-of-band bytes are not a BlueNet header */
	BNET_EZLIB, /* zlib payload short, long, trailing or corrupt */
	BNET_ESNAPPY, /* the same for snappy */
	BNET_EPAYLOAD, /* payload is, or claims to be, over the limit */
	BNET_EMESSAGE, /* session message ends before its last field */
	BNET_EMARSHAL, /* no marshal stream, or a malformed one */
	/* the connection is lost */
	BNET_ETLS, /* TLS failed; see bnet_tls_reason() */
	BNET_ECUT, /* the input ended inside a frame or a TLS session */
	/* the caller's side */
	BNET_ELIMIT, /* a buffer reached its ceiling */
	BNET_ENOMEM,
	BNET_ESETTINGS, /* a setting of a newer version of the library */
	BNET_N_ERRS
};

/*
 * The meaning of `err` in a few words, without a final full stop. Never NULL;
 * the string is static.
 */
const char *bnet_strerror(enum bnet_err err);

#ifdef __cplusplus
}
#endif

#endif
