/* SPDX-License-Identifier: MIT */
/*
 * Nothing is published about what a stock server puts into its answers, but
 * for their shape (bluenet-marshal.5, MACHONET). Classes are named as those of
 * the call are, so that a peer of any era knows them.
 */
#include "cmd/node/macho.h"

#include "proto/macho.h"
#include "proto/marshal.h"
#include "proto/marshal_write.h"

#include <stdlib.h>
#include <string.h>

#define PACKET_BYTES ((size_t)2 << 20)
#define N_CONTEXT 4 /* items of a packet's state after its payload */

struct macho {
	struct services services;
	struct bnet_marshal *reader;
	struct bnet_marshal_wr *w, *inner;
	struct bnet_buf out, exception;
	/* of the call that is answered */
	const struct bnet_node *root;
	struct bnet_macho call;
	macho_emit *emit;
	void *arg;
	bool failed;
};

struct macho *
macho_new(struct services *services)
{
	struct macho *macho = calloc(1, sizeof(*macho));

	if (macho == NULL) {
		services_free(services);
		return NULL;
	}
	macho->services = *services;
	bnet_buf_init(&macho->out, PACKET_BYTES);
	bnet_buf_init(&macho->exception, PACKET_BYTES);
	macho->reader = bnet_marshal_new(NULL);
	macho->w = bnet_marshal_wr_new(NULL);
	macho->inner = bnet_marshal_wr_new(NULL);
	if (macho->reader != NULL && macho->w != NULL && macho->inner != NULL)
		return macho;
	macho_free(macho);
	return NULL;
}

void
macho_free(struct macho *macho)
{
	if (macho == NULL)
		return;
	services_free(&macho->services);
	bnet_marshal_free(macho->reader);
	bnet_marshal_wr_free(macho->w);
	bnet_marshal_wr_free(macho->inner);
	bnet_buf_free(&macho->out);
	bnet_buf_free(&macho->exception);
	free(macho);
}

/* ---- names of classes ---- */

/* `name` in the module of the packet that is answered. */
static void
put_class(struct macho *macho, struct bnet_marshal_wr *w, const char *name)
{
	char full[256];
	struct bnet_instance instance;
	const struct bnet_node *of = NULL;
	size_t n = 0, length = strlen(name);

	if (bnet_node_instance(macho->root, &instance))
		of = instance.class_name;
	for (size_t i = 0; of != NULL && i < of->n; i++)
		if (of->v.p[i] == '.')
			n = i + 1;
	if (n + length > sizeof(full))
		n = 0;
	if (n > 0)
		memcpy(full, of->v.p, n);
	memcpy(full + n, name, length);
	bnet_put_global(w, full, n + length);
}

/* The class of addresses, which can be in another module. */
static void
put_address_class(struct macho *macho, const struct bnet_node *address)
{
	struct bnet_instance instance;

	if (address != NULL && bnet_node_instance(address, &instance) &&
	    instance.class_name->type == BNET_NODE_GLOBAL)
		bnet_put_node(macho->w, instance.class_name);
	else
		put_class(macho, macho->w, "MachoAddress");
}

/* ---- a packet ---- */

/* Item `i` of the state of the packet that is answered; NULL: none. */
static const struct bnet_node *
item(const struct macho *macho, uint32_t i)
{
	return bnet_node_item(bnet_node_part(macho->root, "state"), i);
}

static void
put_or_none(struct bnet_marshal_wr *w, const struct bnet_node *node)
{
	if (node != NULL)
		bnet_put_node(w, node);
	else
		bnet_put_none(w);
}

static void
put_marks(struct bnet_marshal_wr *w)
{
	bnet_put_mark(w);
	bnet_put_mark(w);
}

/* This node, at the service that was called. */
static void
put_own_address(struct macho *macho)
{
	struct bnet_marshal_wr *w = macho->w;

	bnet_put_newobj(w);
	bnet_put_tuple(w, 2);
	bnet_put_tuple(w, 1);
	put_address_class(macho, item(macho, 2));
	bnet_put_tuple(w, 4);
	bnet_put_int(w, BNET_DEST_NODE);
	bnet_put_int(w, macho->services.node);
	put_or_none(w, macho->call.destination.service);
	bnet_put_none(w);
	put_marks(w);
}

/* A broadcast that is for the caller alone. */
static void
put_event_address(struct macho *macho, const struct service_event *event)
{
	struct bnet_marshal_wr *w = macho->w;
	const struct bnet_node *id = macho->call.source.id;

	bnet_put_newobj(w);
	bnet_put_tuple(w, 2);
	bnet_put_tuple(w, 1);
	put_address_class(macho, item(macho, 1));
	bnet_put_tuple(w, 4);
	bnet_put_int(w, BNET_DEST_BROADCAST);
	bnet_put_str(w, event->name, strlen(event->name));
	bnet_put_list(w, id != NULL);
	if (id != NULL)
		bnet_put_node(w, id);
	bnet_put_str(w, "clientID", strlen("clientID"));
	put_marks(w);
}

/* Up to the payload, which the caller puts, and end_packet(). */
static void
begin_packet(struct macho *macho, const char *name, enum bnet_macho_type type,
    const struct service_event *event)
{
	const struct bnet_marshal_form form = { .share = false };
	struct bnet_marshal_wr *w = macho->w;

	bnet_buf_clear(&macho->out);
	bnet_marshal_begin(w, &macho->out, &form);
	bnet_put_newobj(w);
	bnet_put_tuple(w, 2);
	bnet_put_tuple(w, 1);
	put_class(macho, w, name);
	bnet_put_tuple(w, 5 + N_CONTEXT);
	bnet_put_int(w, type);
	put_own_address(macho);
	if (event != NULL)
		put_event_address(macho, event);
	else
		put_or_none(w, item(macho, 1));
	put_or_none(w, event != NULL ? NULL : macho->call.user_id);
}

static void
end_packet(struct macho *macho, enum macho_kind kind, int64_t delay_ns)
{
	struct macho_reply reply = { .kind = kind,
		.to_node = macho->call.source.type == BNET_DEST_NODE,
		.delay_ns = delay_ns };

	for (unsigned i = 0; i < N_CONTEXT; i++)
		bnet_put_none(macho->w);
	put_marks(macho->w);
	if (bnet_marshal_finish(macho->w) != BNET_OK) {
		macho->failed = true;
		return;
	}
	reply.payload = bnet_buf_slice(&macho->out);
	macho->emit(macho->arg, &reply);
}

/* ---- answers ---- */

static void
send_result(struct macho *macho, struct bnet_slice value, int64_t delay_ns)
{
	begin_packet(macho, "CallRsp", BNET_MACHO_CALL_RSP, NULL);
	bnet_put_tuple(macho->w, 1);
	bnet_put_stream(macho->w, value);
	end_packet(macho, MACHO_RESULT, delay_ns);
}

static void
send_error(struct macho *macho, int64_t code, struct bnet_slice exception,
    int64_t delay_ns)
{
	begin_packet(macho, "ErrorResponse", BNET_MACHO_ERRORRESPONSE, NULL);
	bnet_put_tuple(macho->w, 3);
	bnet_put_int(macho->w, BNET_MACHO_CALL_REQ);
	bnet_put_int(macho->w, code);
	bnet_put_tuple(macho->w, 1);
	bnet_put_stream(macho->w, exception);
	end_packet(macho, MACHO_ERROR, delay_ns);
}

static void
send_event(
    struct macho *macho, const struct service_event *event, int64_t delay_ns)
{
	begin_packet(macho, "Notification", BNET_MACHO_NOTIFICATION, event);
	bnet_put_tuple(macho->w, 1);
	bnet_put_tuple(macho->w, 2);
	bnet_put_int(macho->w, 0);
	bnet_put_stream(macho->w, bnet_buf_slice(&event->body));
	end_packet(macho, MACHO_EVENT, delay_ns);
}

/* The answer to a call that cannot be made; `about` is its only argument. */
static void
refuse(struct macho *macho, int64_t code, const char *class_name,
    const struct bnet_node *about)
{
	const struct bnet_marshal_form form = { .share = false };
	struct bnet_marshal_wr *w = macho->inner;

	bnet_buf_clear(&macho->exception);
	bnet_marshal_begin(w, &macho->exception, &form);
	bnet_put_newobj(w);
	bnet_put_tuple(w, 1);
	bnet_put_tuple(w, 2);
	if (strchr(class_name, '.') != NULL)
		bnet_put_global(w, class_name, strlen(class_name));
	else
		put_class(macho, w, class_name);
	put_or_none(w, about);
	put_marks(w);
	if (bnet_marshal_finish(w) != BNET_OK)
		macho->failed = true;
	else
		send_error(macho, code, bnet_buf_slice(&macho->exception), 0);
}

enum {
	UNMACHODESTINATION = 0,
	WRAPPEDEXCEPTION = 2,
};

/* NULL: there is none, or it is at another node. */
static const struct service *
service_of(const struct macho *macho)
{
	const struct bnet_macho_address *to = &macho->call.destination;
	const struct bnet_node *name = macho->call.service;
	int64_t node;

	if (macho->services.only_node && to->type == BNET_DEST_NODE &&
	    bnet_node_i64(to->id, &node) && node != macho->services.node)
		return NULL;
	if (name == NULL || name->type != BNET_NODE_STR)
		return NULL;
	return services_find(&macho->services, name->v.p, name->n);
}

static enum macho_taken
call(struct macho *macho)
{
	const struct service *service = service_of(macho);
	const struct bnet_node *name = macho->call.method;
	struct service_method *method = NULL;
	struct service_event *event;
	int64_t delay_ns;

	if (service == NULL) {
		refuse(macho, UNMACHODESTINATION, "UnMachoDestination",
		    macho->call.service);
		return MACHO_CALLED;
	}
	if (name != NULL)
		method = service_method(service, name->v.p, name->n);
	if (method == NULL) {
		refuse(
		    macho, WRAPPEDEXCEPTION, "exceptions.AttributeError", name);
		return MACHO_CALLED;
	}
	for (size_t i = 0; i < method->n_events; i++) {
		event = &method->events[i];
		send_event(
		    macho, event, delay_draw_ns(&event->after, &method->rnd));
	}
	delay_ns = delay_draw_ns(&method->latency, &method->rnd);
	if (method->silent)
		return MACHO_SILENT;
	if (method->error >= 0)
		send_error(macho, method->error, bnet_buf_slice(&method->value),
		    delay_ns);
	else
		send_result(macho, bnet_buf_slice(&method->value), delay_ns);
	return MACHO_CALLED;
}

/* A ping comes back with what it carried. */
static enum macho_taken
pong(struct macho *macho)
{
	begin_packet(macho, "PingRsp", BNET_MACHO_PING_RSP, NULL);
	put_or_none(macho->w, macho->call.payload);
	end_packet(macho, MACHO_PONG, 0);
	return MACHO_CALLED;
}

enum macho_taken
macho_take(
    struct macho *macho, struct bnet_slice payload, macho_emit *emit, void *arg)
{
	enum macho_taken taken = MACHO_FOREIGN;
	struct bnet_object object;

	if (bnet_marshal_read(macho->reader, payload, &object) != BNET_OK ||
	    !bnet_macho_read(object.root, &macho->call))
		return MACHO_FOREIGN;
	macho->root = bnet_node_target(object.root);
	macho->emit = emit;
	macho->arg = arg;
	macho->failed = false;
	if (macho->call.type == BNET_MACHO_CALL_REQ)
		taken = call(macho);
	else if (macho->call.type == BNET_MACHO_PING_REQ)
		taken = pong(macho);
	return macho->failed ? MACHO_FAILED : taken;
}
