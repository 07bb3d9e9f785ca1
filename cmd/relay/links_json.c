/* SPDX-License-Identifier: MIT */
#include "cmd/relay/links_json.h"

#include "proto/codec.h"
#include "proto/tls.h"

#include <inttypes.h>
#include <time.h>

static void
member_str(struct text *out, const char *name, const char *value)
{
	text_printf(out, ",\"%s\":", name);
	text_json(out, value);
}

static void
member_u64(struct text *out, const char *name, uint64_t v)
{
	text_printf(out, ",\"%s\":%" PRIu64, name, v);
}

static void
codecs(struct text *out, uint32_t bits)
{
	const char *comma = "";

	text_str(out, ",\"codecs\":[");
	if (bits & BNET_CODEC_ZLIB) {
		text_str(out, "\"zlib\"");
		comma = ",";
	}
	if (bits & BNET_CODEC_SNAPPY)
		text_printf(out, "%s\"snappy\"", comma);
	text_str(out, "]");
}

static const char *
order_word(enum bnet_order order)
{
	return order == BNET_ORDER_NETWORK ? "network"
	    : order == BNET_ORDER_LITTLE   ? "little"
					   : NULL;
}

static const char *
tls_word(unsigned version)
{
	return version == BNET_TLS_1_3 ? "1.3"
	    : version == BNET_TLS_1_2  ? "1.2"
				       : NULL;
}

static void
since(struct text *out, int64_t unix_s)
{
	time_t t = (time_t)unix_s;
	struct tm tm;
	char when[32];

	if (gmtime_r(&t, &tm) == NULL ||
	    strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
		member_str(out, "since", NULL);
	else
		member_str(out, "since", when);
}

void
links_json_begin(struct text *out)
{
	text_str(out, "{\"links\":[");
}

void
links_json_link(struct text *out, const struct link_view *link, bool first)
{
	text_printf(out, "%s\n{\"id\":%" PRIu64, first ? "" : ",", link->id);
	member_str(
	    out, "role", link->role == BNET_ROLE_NODE ? "node" : "client");
	member_str(out, "name", link->name);
	member_str(out, "address", link->address);
	member_u64(out, "queue_bytes", link->queue_bytes);
	if (link->latency_known)
		member_u64(out, "latency_us", link->latency_us);
	else
		member_str(out, "latency_us", NULL);
	member_u64(out, "packets_in", link->packets_in);
	member_u64(out, "packets_out", link->packets_out);
	member_u64(out, "bytes_in", link->bytes_in);
	member_u64(out, "bytes_out", link->bytes_out);
	codecs(out, link->codecs);
	member_str(out, "order", order_word(link->order));
	member_str(out, "tls", tls_word(link->tls));
	text_printf(out, ",\"stock\":%s", link->stock ? "true" : "false");
	since(out, link->since_s);
	text_str(out, "}");
}

void
links_json_end(struct text *out)
{
	text_str(out, "\n]}\n");
}
