/* SPDX-License-Identifier: MIT */
#include "cmd/common/call.h"

static int64_t
client_of(
    const struct bnet_brief *b, const struct bnet_packet *frame, bool call)
{
	const struct bnet_header *h = &frame->header;

	if (b->client != 0)
		return b->client;
	if (!frame->has_header)
		return 0;
	if (call)
		return h->source;
	return h->dest_type == BNET_DEST_CLIENT ? h->dest : 0;
}

void
call_of(const struct payload *payload, const struct bnet_packet *frame,
    struct call *call)
{
	const struct bnet_brief *b;

	call->kind = CALL_NONE;
	if (payload == NULL || payload->kind != PAYLOAD_MACHO)
		return;
	b = &payload->brief;
	if (b->type == BNET_MACHO_CALL_REQ)
		call->kind = CALL_MADE;
	else if (b->has_call_id && b->type == BNET_MACHO_CALL_RSP)
		call->kind = CALL_RESULT;
	else if (b->has_call_id && b->type == BNET_MACHO_ERRORRESPONSE)
		call->kind = CALL_ERROR;
	else
		return;
	call->has_id = b->has_call_id;
	call->id = b->call_id;
	call->client = client_of(b, frame, call->kind == CALL_MADE);
}

static void
add_text(char *to, size_t *n, struct bnet_string text)
{
	for (uint32_t i = 0; i < text.len_bytes && *n < CALL_NAME_BYTES - 1;
	     i++)
		to[(*n)++] =
		    text.p[i] >= ' ' && text.p[i] <= '~' ? text.p[i] : '?';
}

void
call_name_of(const struct bnet_brief *b, union call_name *name)
{
	size_t n = 0;

	*name = (union call_name){ .words = { 0 } };
	add_text(name->text, &n, b->service);
	add_text(name->text, &n, (struct bnet_string){ "::", 2 });
	add_text(name->text, &n, b->method);
}
