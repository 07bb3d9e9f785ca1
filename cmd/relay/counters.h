/* SPDX-License-Identifier: MIT */
/*
 * counters - what the relay counts, per worker (for the engine's counters see
 * cmd/engine/counters.h). Each packet that is read is counted in exactly one
 * of the first four families, so the accounting is exact:
 *
 *	read = forwarded + local + refused + dropped
 */
#ifndef RELAY_COUNTERS_H
#define RELAY_COUNTERS_H

/*
 * One row per counter, in the order of /metrics, including those of the
 * engine; the enum, the names and the labels are generated from it.
 *
 *	FAMILY(name, label, help)	the family of the OF() rows after it
 *	OF(counter, word)		a counter, with the label's value
 *	ONE(counter, name, help)	a counter without a label
 *	ENGINE_OF, ENGINE		the same, counted by the engine
 */
/* clang-format off */
#define RELAY_COUNTERS(FAMILY, OF, ONE, ENGINE_OF, ENGINE) \
	ENGINE(ENGINE_PACKETS_READ, "packets_read_total", \
	    "Frames read from links.") \
	FAMILY("packets_forwarded_total", "dest", \
	    "Packets passed on, by kind of destination; at least one copy.") \
	OF(RELAY_FORWARDED_NODE, "node") \
	OF(RELAY_FORWARDED_CLIENT, "client") \
	OF(RELAY_FORWARDED_FORKS, "forks") \
	OF(RELAY_FORWARDED_BROADCAST, "broadcast") \
	OF(RELAY_FORWARDED_ANY, "any") \
	FAMILY("packets_local_total", "key", \
	    "Packets taken by an application of the relay itself.") \
	OF(RELAY_LOCAL_SESSION, "session") \
	OF(RELAY_LOCAL_ECHO, "echo") \
	OF(RELAY_LOCAL_ROSTER, "roster") \
	OF(RELAY_LOCAL_DISCARD, "discard") \
	OF(RELAY_LOCAL_COUNTER, "counter") \
	OF(RELAY_LOCAL_PONG, "pong") \
	FAMILY("packets_refused_total", "reason", \
	    "Packets refused; a sender that said hello is told.") \
	OF(RELAY_REFUSED_NO_DESTINATION, "no_destination") \
	OF(RELAY_REFUSED_NOT_ALLOWED, "not_allowed") \
	OF(RELAY_REFUSED_OVERLOADED, "overloaded") \
	OF(RELAY_REFUSED_MEMORY, "memory") \
	OF(RELAY_REFUSED_TOO_LARGE, "too_large") \
	OF(RELAY_REFUSED_MALFORMED, "malformed") \
	OF(RELAY_REFUSED_CLIENT_RATE, "client_rate") \
	OF(RELAY_REFUSED_CLIENT_BYTES, "client_bytes") \
	OF(RELAY_REFUSED_KEY_RATE, "key_rate") \
	FAMILY("packets_dropped_total", "reason", \
	    "Packets with nowhere to go, or of a link that is leaving.") \
	OF(RELAY_DROPPED_NO_HEADER, "no_header") \
	OF(RELAY_DROPPED_NO_KEY, "no_key") \
	OF(RELAY_DROPPED_LEAVING, "leaving") \
	ENGINE(ENGINE_PACKETS_QUEUED, "copies_queued_total", \
	    "Frames queued for links, our own too.") \
	ENGINE(ENGINE_PACKETS_WRITTEN, "copies_written_total", \
	    "Frames written to links.") \
	ENGINE(ENGINE_PACKETS_LOST, "copies_lost_total", \
	    "Frames queued for links that ended before they were written.") \
	FAMILY("copies_refused_total", "reason", \
	    "Copies of forks and broadcasts that were refused.") \
	OF(RELAY_COPIES_NO_DESTINATION, "no_destination") \
	OF(RELAY_COPIES_OVERLOADED, "overloaded") \
	OF(RELAY_COPIES_MEMORY, "memory") \
	OF(RELAY_COPIES_TOO_LARGE, "too_large") \
	OF(RELAY_COPIES_MALFORMED, "malformed") \
	ENGINE(ENGINE_BYTES_READ, "bytes_read_total", \
	    "Bytes read from sockets.") \
	ENGINE(ENGINE_BYTES_WRITTEN, "bytes_written_total", \
	    "Bytes written to sockets.") \
	ENGINE(ENGINE_READS, "reads_total", "Reads that brought bytes.") \
	ENGINE(ENGINE_WRITES, "writes_total", \
	    "Writes of frames to sockets.") \
	ENGINE(ENGINE_TURNS, "turns_total", "Turns of the workers' loops.") \
	ENGINE(ENGINE_BATCHES, "handovers_total", \
	    "Hand-overs of frames to another worker.") \
	ENGINE(ENGINE_BATCH_PACKETS, "handover_packets_total", \
	    "Frames that were handed over.") \
	ENGINE(ENGINE_WAKEUPS, "wakeups_total", \
	    "Wake-ups of another worker.") \
	ENGINE(ENGINE_WAKEUPS_SAVED, "wakeups_saved_total", \
	    "Hand-overs that found the worker awake.") \
	ENGINE(ENGINE_INBOX_PACKETS, "inbox_packets_total", \
	    "Packets for the application's thread.") \
	ONE(RELAY_INFLATED_FOR_PEER, "inflated_for_peer_total", \
	    "Payloads inflated for a peer without the codec.") \
	ONE(RELAY_REORDERED_FOR_PEER, "reordered_for_peer_total", \
	    "Zlib sizes turned into the byte order of the peer.") \
	FAMILY("errors_sent_total", "code", "bluenet.error sent, by code.") \
	OF(RELAY_ERRORS_SENT, "1") \
	OF(RELAY_ERRORS_SENT_2, "2") \
	OF(RELAY_ERRORS_SENT_3, "3") \
	OF(RELAY_ERRORS_SENT_4, "4") \
	OF(RELAY_ERRORS_SENT_5, "5") \
	OF(RELAY_ERRORS_SENT_6, "6") \
	OF(RELAY_ERRORS_SENT_7, "7") \
	OF(RELAY_ERRORS_SENT_8, "8") \
	OF(RELAY_ERRORS_SENT_9, "9") \
	ONE(RELAY_ERRORS_NOT_SENT, "errors_not_sent_total", \
	    "bluenet.error that did not fit the sender's own queue.") \
	ONE(RELAY_PINGS_SENT, "pings_sent_total", "Header pings sent.") \
	ONE(RELAY_PONGS_RECEIVED, "pongs_received_total", \
	    "Pongs that answered a ping of ours.") \
	ONE(RELAY_PONGS_UNASKED, "pongs_unasked_total", \
	    "Pongs that answered no ping of ours.") \
	ONE(RELAY_PONGS_NOT_SENT, "pongs_not_sent_total", \
	    "Pings that could not be answered.") \
	ONE(RELAY_RATE_PAUSES, "rate_pauses_total", \
	    "Times that a client was paused for sending beyond its rates.") \
	ENGINE(ENGINE_PAUSES, "pauses_total", \
	    "Times that reading a link was paused.") \
	ENGINE(ENGINE_RESUMES, "resumes_total", "Times that it went on.") \
	ENGINE(ENGINE_QUEUES_SHARED, "queues_shared_total", \
	    "Times that a queue grew so long that its sources take turns.") \
	ENGINE(ENGINE_STARVED, "starved_total", \
	    "Reads and writes put off because the memory budget was used up.") \
	ENGINE(ENGINE_PRESSED, "memory_short_turns_total", \
	    "Turns of a worker in which memory was refused.") \
	ENGINE(ENGINE_ACCEPTS, "sockets_accepted_total", \
	    "Sockets accepted, before any limit.") \
	ENGINE(ENGINE_ACCEPT_RESTS, "accept_rests_total", \
	    "Times that a thread accepted nothing for 100 ms, for want of" \
	    " memory or descriptors.") \
	ENGINE(ENGINE_ACCEPTS_NO_MEMORY, "sockets_no_memory_total", \
	    "Sockets closed for want of memory or descriptors.") \
	ONE(RELAY_ADMITTED, "accepts_total", "Connections let in.") \
	FAMILY("accepts_refused_total", "reason", \
	    "Connections not let in, by limit.") \
	OF(RELAY_NOT_ADMITTED_TOTAL, "total") \
	OF(RELAY_NOT_ADMITTED_ADDRESS, "address") \
	OF(RELAY_NOT_ADMITTED_RATE, "rate") \
	OF(RELAY_NOT_ADMITTED_BLOCKED, "blocked") \
	OF(RELAY_NOT_ADMITTED_MEMORY, "memory") \
	OF(RELAY_NOT_ADMITTED_DRAINING, "draining") \
	FAMILY("links_opened_total", "role", \
	    "Connections that became links, by role.") \
	OF(RELAY_OPENED_CLIENT, "client") \
	OF(RELAY_OPENED_STOCK, "stock") \
	OF(RELAY_OPENED_NODE, "node") \
	FAMILY("connections_closed_total", "reason", \
	    "Connections that ended, by reason; also before they were links.") \
	OF(RELAY_CLOSED_PEER, "peer") \
	OF(RELAY_CLOSED_CUT, "cut") \
	OF(RELAY_CLOSED_MALFORMED, "malformed") \
	OF(RELAY_CLOSED_OVERSIZE, "oversize") \
	OF(RELAY_CLOSED_TLS, "tls") \
	OF(RELAY_CLOSED_PROXY, "proxy") \
	OF(RELAY_CLOSED_HANDSHAKE_TIMEOUT, "handshake_timeout") \
	OF(RELAY_CLOSED_HELLO_TIMEOUT, "hello_timeout") \
	OF(RELAY_CLOSED_FRAME_TIMEOUT, "frame_timeout") \
	OF(RELAY_CLOSED_WRITE_TIMEOUT, "write_timeout") \
	OF(RELAY_CLOSED_SILENT, "silent") \
	OF(RELAY_CLOSED_OVERLOAD, "overload") \
	OF(RELAY_CLOSED_REPLACED, "replaced") \
	OF(RELAY_CLOSED_NOT_AUTHORISED, "not_authorised") \
	OF(RELAY_CLOSED_BACK_OFF, "back_off") \
	OF(RELAY_CLOSED_REVOKED, "revoked") \
	OF(RELAY_CLOSED_BAD_VERSION, "bad_version") \
	OF(RELAY_CLOSED_SHUTTING_DOWN, "shutting_down") \
	OF(RELAY_CLOSED_IO, "io") \
	OF(RELAY_CLOSED_MEMORY, "memory") \
	OF(RELAY_CLOSED_PRESSURE, "pressure") \
	OF(RELAY_CLOSED_KICKED, "kicked") \
	OF(RELAY_CLOSED_BLOCKED, "blocked") \
	OF(RELAY_CLOSED_LIMIT, "limit") \
	FAMILY("tls_handshakes_total", "version", "TLS handshakes done.") \
	ENGINE_OF(ENGINE_TLS_1_2, "1.2") \
	ENGINE_OF(ENGINE_TLS_1_3, "1.3") \
	ENGINE(ENGINE_TLS_RESUMED, "tls_resumed_total", \
	    "TLS handshakes that resumed an earlier session.") \
	FAMILY("reloads_total", "result", "Reloads of the configuration.") \
	OF(RELAY_RELOADS_OK, "ok") \
	OF(RELAY_RELOADS_FAILED, "failed")
/* clang-format on */

#define RELAY_COUNTERS_NONE(...)
#define RELAY_COUNTERS_ENUM(counter, ...) counter,

enum relay_counter {
	RELAY_COUNTERS(RELAY_COUNTERS_NONE, RELAY_COUNTERS_ENUM,
	    RELAY_COUNTERS_ENUM, RELAY_COUNTERS_NONE, RELAY_COUNTERS_NONE)
	RELAY_N_COUNTERS
};

#endif
