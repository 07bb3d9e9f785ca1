/* SPDX-License-Identifier: MIT */
#include "macho.h"

#include "header.h"

#include <string.h>

#define STATE_MIN 5 /* items of the state of a packet: up to its payload */

enum {
	TYPE,
	SOURCE,
	DESTINATION,
	USER_ID,
	PAYLOAD
};

static const struct name {
	int64_t number;
	const char *name;
} type_names[] = {
	{ BNET_MACHO_AUTHENTICATION_REQ, "authentication_req" },
	{ BNET_MACHO_AUTHENTICATION_RSP, "authentication_rsp" },
	{ BNET_MACHO_IDENTIFICATION_REQ, "identification_req" },
	{ BNET_MACHO_IDENTIFICATION_RSP, "identification_rsp" },
	{ BNET_MACHO_CALL_REQ, "call" },
	{ BNET_MACHO_CALL_RSP, "result" },
	{ BNET_MACHO_TRANSPORTCLOSED, "transport_closed" },
	{ BNET_MACHO_RESOLVE_REQ, "resolve_req" },
	{ BNET_MACHO_RESOLVE_RSP, "resolve_rsp" },
	{ BNET_MACHO_NOTIFICATION, "event" },
	{ BNET_MACHO_ERRORRESPONSE, "error" },
	{ BNET_MACHO_SESSIONCHANGENOTIFICATION, "session_change" },
	{ BNET_MACHO_SESSIONINITIALSTATENOTIFICATION, "session_initial_state" },
	{ BNET_MACHO_PING_REQ, "ping_req" },
	{ BNET_MACHO_PING_RSP, "ping_rsp" },
	{ BNET_MACHO_MOVEMENTNOTIFICATION, "movement" },
};

static const struct name error_names[] = {
	{ 0, "UNMACHODESTINATION" },
	{ 1, "UNMACHOCHANNEL" },
	{ 2, "WRAPPEDEXCEPTION" },
};

static const char *
name_of(const struct name *row, size_t n, int64_t number, const char *other)
{
	for (; n > 0; n--, row++)
		if (row->number == number)
			return row->name;
	return other;
}

const char *
bnet_macho_type_name(int64_t type)
{
	return name_of(type_names, sizeof(type_names) / sizeof(type_names[0]),
	    type, "unknown");
}

const char *
bnet_macho_error_name(int64_t code)
{
	return name_of(error_names,
	    sizeof(error_names) / sizeof(error_names[0]), code,
	    "unknown error");
}

/* Item `i`, or NULL where it is none or None. */
static const struct bnet_node *
item(const struct bnet_node *node, uint32_t i)
{
	const struct bnet_node *at = bnet_node_item(node, i);

	return at != NULL && at->type != BNET_NODE_NONE ? at : NULL;
}

static const struct bnet_node *
string(const struct bnet_node *node)
{
	return node != NULL && node->type == BNET_NODE_STR ? node : NULL;
}

/* ---- the parts ---- */

/* Does the class's name have "macho" in it? */
static bool
is_macho(const struct bnet_node *class_name)
{
	static const char word[] = "macho";
	const size_t n = sizeof(word) - 1;

	if (class_name->type != BNET_NODE_GLOBAL &&
	    class_name->type != BNET_NODE_STR)
		return false;
	for (size_t at = 0; at + n <= class_name->n; at++)
		if (class_name->v.p[at] == word[0] &&
		    memcmp(class_name->v.p + at, word, n) == 0)
			return true;
	return false;
}

/* The state of an instance of one of machoNet's classes, a tuple; or NULL. */
static const struct bnet_node *
state_of(const struct bnet_node *node)
{
	struct bnet_instance instance;
	const struct bnet_node *state;

	if (node == NULL || !bnet_node_instance(node, &instance) ||
	    !is_macho(instance.class_name) || instance.state == NULL)
		return NULL;
	state = bnet_node_target(instance.state);
	return state != NULL && state->type == BNET_NODE_TUPLE ? state : NULL;
}

static void
read_address(const struct bnet_node *node, struct bnet_macho_address *to)
{
	const struct bnet_node *state = state_of(node);

	*to = (struct bnet_macho_address){ .type = -1 };
	if (state == NULL || !bnet_node_i64(item(state, 0), &to->type))
		return;
	switch (to->type) {
	case BNET_DEST_ANY:
		to->service = item(state, 1);
		to->call_id = item(state, 2);
		break;
	case BNET_DEST_NODE:
		to->id = item(state, 1);
		to->service = item(state, 2);
		to->call_id = item(state, 3);
		break;
	case BNET_DEST_CLIENT:
		to->id = item(state, 1);
		to->call_id = item(state, 2);
		to->service = item(state, 3);
		break;
	case BNET_DEST_BROADCAST:
		to->broadcast = item(state, 1);
		to->narrowcast = item(state, 2);
		to->id_type = item(state, 3);
		break;
	default:
		break;
	}
}

/* The asker's id of the call: in the source of a call, else where it goes. */
static void
read_call_id(struct bnet_macho *m)
{
	const bool call = m->type == BNET_MACHO_CALL_REQ;
	const struct bnet_macho_address *first =
	    call ? &m->source : &m->destination;
	const struct bnet_macho_address *second =
	    call ? &m->destination : &m->source;

	m->has_call_id = bnet_node_i64(first->call_id, &m->call_id) ||
	    bnet_node_i64(second->call_id, &m->call_id);
}

/* ((flag, (remote object, method, args, kwargs)), ...) */
static void
read_call(struct bnet_macho *m)
{
	const struct bnet_node *call = item(item(m->payload, 0), 1);
	const struct bnet_node *args = item(call, 2);

	m->method = string(item(call, 1));
	if (args != NULL &&
	    (args->type == BNET_NODE_TUPLE || args->type == BNET_NODE_LIST))
		m->args = args;
	m->kwargs = item(call, 3);
	m->service = m->destination.service;
	if (m->service == NULL)
		m->service = string(item(call, 0));
}

/* ((0, (0, (1, args))), ...), or the arguments less wrapped */
static void
read_event(struct bnet_macho *m)
{
	const struct bnet_node *body = item(item(m->payload, 0), 1);
	const struct bnet_node *args = item(item(body, 1), 1);

	m->event = string(m->destination.broadcast);
	if (args == NULL)
		args = item(body, 1);
	if (args != NULL &&
	    (args->type == BNET_NODE_TUPLE || args->type == BNET_NODE_LIST))
		m->args = args;
}

static void
read_error(struct bnet_macho *m)
{
	if (!bnet_node_i64(item(m->payload, 0), &m->answered_type))
		m->answered_type = -1;
	if (!bnet_node_i64(item(m->payload, 1), &m->code))
		m->code = -1;
	m->exception = item(item(m->payload, 2), 0);
	if (m->exception == NULL)
		m->exception = item(m->payload, 2);
}

bool
bnet_macho_read(const struct bnet_node *root, struct bnet_macho *m)
{
	const struct bnet_node *state = bnet_node_target(root);

	state = state_of(state);
	*m = (struct bnet_macho){ .answered_type = -1, .code = -1 };
	if (state == NULL || state->n < STATE_MIN ||
	    !bnet_node_i64(item(state, TYPE), &m->type))
		return false;
	read_address(item(state, SOURCE), &m->source);
	read_address(item(state, DESTINATION), &m->destination);
	m->user_id = item(state, USER_ID);
	m->payload = item(state, PAYLOAD);
	read_call_id(m);
	if (m->type == BNET_MACHO_CALL_REQ)
		read_call(m);
	else if (m->type == BNET_MACHO_CALL_RSP)
		m->result = bnet_node_item(m->payload, 0);
	else if (m->type == BNET_MACHO_NOTIFICATION)
		read_event(m);
	else if (m->type == BNET_MACHO_ERRORRESPONSE)
		read_error(m);
	return true;
}
