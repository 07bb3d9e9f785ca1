/* SPDX-License-Identifier: MIT */
/*
 * reply - what the relay says itself, and payloads as their receiver can take
 * them. For all who send.
 */
#ifndef RELAY_REPLY_H
#define RELAY_REPLY_H

#include "cmd/relay/relay.h"

/* From now on nothing of this link counts; it is closed because of `why`. */
void relay_leave(struct engine_conn *conn, enum relay_counter why);

/* A message with the session header, or with `header` where it is not NULL. */
enum engine_sent reply_send(struct relay *relay, struct engine_worker *worker,
    struct engine_sendq *to, const struct bnet_message *message,
    const struct bnet_header *header);

/*
 * bluenet.error about a packet of a sender that said hello; never about an
 * error. `dest` is what failed, of the packet's destinations.
 */
void reply_error(struct relay *relay, struct engine_conn *conn,
    const struct bnet_packet *packet, enum bnet_code code, int64_t dest,
    const char *reason);

/* Count a packet that is refused, and send the error. */
void reply_refuse(struct relay *relay, struct engine_conn *conn,
    const struct bnet_packet *packet, enum relay_counter counter,
    enum bnet_code code, const char *reason);

/*
 * The payload for the relay itself, which wants none that is longer than a
 * frame, however small it was made. BNET_OK, or as bnet_codec_decode();
 * borrowed until payload_done().
 */
enum bnet_err payload_here(struct relay *relay, struct engine_conn *conn,
    const struct bnet_packet *packet, struct bnet_slice *payload);

/*
 * Set codec, payload and wire_payload of `out` for the peer `to`; borrowed
 * until payload_done(). BNET_OK, or what is wrong with the payload.
 */
enum bnet_err payload_for(struct relay *relay, struct engine_worker *worker,
    enum bnet_order order, const struct bnet_packet *packet,
    const struct engine_sendq *to, struct bnet_packet *out);

/* The packet at hand is done with. */
void payload_done(struct relay_worker *worker);

#endif
