/* SPDX-License-Identifier: MIT */
/* All of libbluenet, for an embedder. See bluenet(3) and bluenet-wire(5). */
#ifndef BLUENET_H
#define BLUENET_H

#define BNET_VERSION "0.1.0"

#include "batch.h"
#include "bits.h"
#include "brief.h"
#include "buf.h"
#include "codec.h"
#include "err.h"
#include "frame.h"
#include "header.h"
#include "link.h"
#include "macho.h"
#include "marshal.h"
#include "marshal_write.h"
#include "message.h"
#include "object.h"
#include "strings.h"
#include "tls.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * BNET_VERSION of the library that the program runs with, which may be newer
 * than that of the headers. The string is static.
 */
const char *bnet_version(void);

#ifdef __cplusplus
}
#endif

#endif
