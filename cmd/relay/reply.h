/* SPDX-License-Identifier: MIT */
/*
 * reply - the relay's own messages, and payloads in a form that the receiver
 * can take. For all senders.
 */
#ifndef RELAY_REPLY_H
#define RELAY_REPLY_H

#include "cmd/relay/relay.h"

/* Ignore this link from now on; it is closed because of `why`. */
void relay_leave(struct engine_conn *conn, enum relay_counter why);

/* Send a message, with the session header if `header` is NULL. */
enum engine_sent reply_send(struct relay *relay, struct engine_worker *worker,
    struct engine_sendq *to, const struct bnet_message *message,
    const struct bnet_header *header);

/*
 * Send bluenet.error about a packet, if its sender sent a hello; never about
 * an error. `dest` is the one of the packet's destinations that failed.
 */
void reply_error(struct relay *relay, struct engine_conn *conn,
    const struct bnet_packet *packet, enum bnet_code code, int64_t dest,
    const char *reason);

/* Count a refused packet, and send the error. */
void reply_refuse(struct relay *relay, struct engine_conn *conn,
    const struct bnet_packet *packet, enum relay_counter counter,
    enum bnet_code code, const char *reason);

/*
 * The payload of a packet for the relay itself, which takes none longer than a
 * frame, however well it was compressed. BNET_OK, or as bnet_codec_decode();
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

/* Call once the packet at hand is handled. */
void payload_done(struct relay_worker *worker);

#endif
