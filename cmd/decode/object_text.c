/* SPDX-License-Identifier: MIT */
#include "cmd/decode/object_text.h"

#include "cmd/common/json.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#define DEPTH_MAX 64
#define LINES_MAX_CHARS ((size_t)1 << 20)
#define INDENT_FIRST 6
#define INDENT 2
#define BYTES_SHOWN 16
#define ENDING_CHARS 24 /* kept for what follows the arguments */
#define WIDTH_MIN 40
#define CLOCK_CHARS 160 /* all of it */
#define UNITS_PER_S INT64_C(10000000) /* 100 ns */
#define NUMBER_CHARS 32

struct writer {
	struct outbuf *out;
	size_t left; /* characters */
	bool full; /* the rest was cut off */
	bool lines; /* a value per line */
	unsigned depth;
};

static void put(struct writer *w, const struct bnet_node *node);

/* ---- characters ---- */

static void
text(struct writer *w, const char *s, size_t n)
{
	if (w->full)
		return;
	if (n > w->left) {
		OUT_LIT(w->out, "...");
		w->full = true;
		return;
	}
	w->left -= n;
	out_bytes(w->out, s, n);
}

static void
str(struct writer *w, const char *s)
{
	text(w, s, strlen(s));
}

/* Characters of a peer, escaped where a terminal would obey them. */
static void
peer_text(struct writer *w, const struct bnet_node *node, char quote)
{
	const char *s = (const char *)node->v.p;
	char one[JSON_CHAR_BYTES];
	size_t used, n;

	for (size_t at = 0; at < node->n && !w->full; at += used) {
		used = json_char(s + at, node->n - at, one, &n);
		if (s[at] == '"')
			text(w, "\"", 1);
		else if (s[at] == quote)
			text(w, "\\'", 2);
		else
			text(w, one, n);
	}
}

/* In lines, a new one, as deep as the value. */
static void
new_line(struct writer *w)
{
	if (!w->lines || w->full)
		return;
	out_line(w->out);
	out_printf(w->out, "%*s", (int)(INDENT_FIRST + INDENT * w->depth), "");
}

/* ---- values ---- */

static void
put_hex(struct writer *w, const struct bnet_node *node)
{
	static const char digits[] = "0123456789abcdef";
	uint32_t shown =
	    w->lines || node->n <= BYTES_SHOWN ? node->n : BYTES_SHOWN;
	char two[2];

	for (uint32_t i = 0; i < shown && !w->full; i++) {
		two[0] = digits[node->v.p[i] >> 4];
		two[1] = digits[node->v.p[i] & 15];
		text(w, two, 2);
	}
	if (shown < node->n)
		str(w, "...");
}

static void
put_bytes(struct writer *w, const struct bnet_node *node)
{
	char head[NUMBER_CHARS];

	(void)snprintf(head, sizeof(head), "<%s%" PRIu32 " bytes%s",
	    node->type == BNET_NODE_PICKLE ? "pickle, " : "", node->n,
	    node->n > 0 && node->type == BNET_NODE_BYTES ? " " : "");
	str(w, head);
	if (node->type == BNET_NODE_BYTES)
		put_hex(w, node);
	str(w, ">");
}

static void
put_number(struct writer *w, const struct bnet_node *node)
{
	char long_text[bnet_long_chars(BNET_LONG_MAX_BYTES)];
	char number[NUMBER_CHARS];
	size_t n = 0;

	switch (node->type) {
	case BNET_NODE_INT:
		n = (size_t)snprintf(
		    number, sizeof(number), "%" PRId64, node->v.i);
		break;
	case BNET_NODE_UINT:
		n = (size_t)snprintf(
		    number, sizeof(number), "%" PRIu64, node->v.u);
		break;
	case BNET_NODE_FLOAT:
		n = (size_t)snprintf(
		    number, sizeof(number), "%.12g", node->v.d);
		break;
	case BNET_NODE_CURRENCY:
		n = (size_t)snprintf(
		    number, sizeof(number), "%.4f", (double)node->v.i / 10000);
		break;
	default:
		if (node->n > BNET_LONG_MAX_BYTES)
			str(w, "<a long number>");
		else
			text(w, long_text, bnet_long_text(node, long_text));
		return;
	}
	text(w, number, n);
}

/* ---- containers ---- */

static bool
enter(struct writer *w)
{
	if (w->depth == DEPTH_MAX) {
		str(w, "...");
		return false;
	}
	w->depth++;
	return true;
}

/* Before an item of a list, or after the last one. */
static void
separate(struct writer *w, bool first)
{
	if (!first)
		str(w, w->lines ? "," : ", ");
	new_line(w);
}

static void
leave(struct writer *w, bool empty, const char *close)
{
	w->depth--;
	if (!empty)
		new_line(w);
	str(w, close);
}

static void
put_items(struct writer *w, const struct bnet_node *at, uint32_t n,
    const char *open, const char *close)
{
	str(w, open);
	if (!enter(w))
		return;
	for (uint32_t i = 0; i < n && !w->full; i++) {
		separate(w, i == 0);
		put(w, at);
		at = bnet_node_next(at);
	}
	leave(w, n == 0, close);
}

/* (1,) as Python has it */
static void
put_tuple(struct writer *w, const struct bnet_node *node)
{
	put_items(
	    w, node + 1, node->n, "(", node->n == 1 && !w->lines ? ",)" : ")");
}

static void
put_dict(struct writer *w, const struct bnet_node *node)
{
	const bool value_first = node->type == BNET_NODE_DICT;
	const struct bnet_node *first = node + 1, *second;

	str(w, "{");
	if (!enter(w))
		return;
	for (uint32_t i = 0; i < node->n && !w->full; i++) {
		separate(w, i == 0);
		second = bnet_node_next(first);
		put(w, value_first ? second : first);
		str(w, ": ");
		put(w, value_first ? first : second);
		first = bnet_node_next(second);
	}
	leave(w, node->n == 0, "}");
}

static void
put_row(struct writer *w, const struct bnet_node *node)
{
	const struct bnet_node *columns = bnet_node_columns(node + 1);
	const struct bnet_node *value = bnet_node_next(node + 1), *name;
	const struct bnet_node *column = columns != NULL ? columns + 1 : NULL;
	int64_t type;

	str(w, "Row(");
	if (!enter(w))
		return;
	for (uint32_t i = 0; i < node->n && !w->full; i++) {
		if (column == NULL || !bnet_node_column(column, &name, &type))
			break;
		separate(w, i == 0);
		peer_text(w, name, '\0');
		str(w, "=");
		put(w, value);
		value = bnet_node_next(value);
		column = bnet_node_next(column);
	}
	leave(w, node->n == 0, ")");
}

/* A named part of an instance, if there is one. */
static void
put_part(struct writer *w, const char *name, const struct bnet_node *part,
    bool *first)
{
	if (part == NULL)
		return;
	separate(w, *first);
	*first = false;
	str(w, name);
	put(w, part);
}

static void
put_instance(struct writer *w, const struct bnet_node *node)
{
	struct bnet_instance instance;
	const struct bnet_node *arg;
	bool first = true;

	if (!bnet_node_instance(node, &instance)) {
		put_items(w, node + 1, bnet_node_children(node), "<", ">");
		return;
	}
	if (instance.class_name->type == BNET_NODE_STR)
		peer_text(w, instance.class_name, '\0');
	else
		put(w, instance.class_name);
	str(w, "(");
	if (!enter(w))
		return;
	arg = instance.args;
	for (uint32_t i = 0; i < instance.n_args && !w->full; i++) {
		put_part(w, "", arg, &first);
		arg = bnet_node_next(arg);
	}
	put_part(w, "state=", instance.state, &first);
	put_part(w, "list=", instance.list, &first);
	put_part(w, "dict=", instance.dict, &first);
	leave(w, first, ")");
}

static void
put_container(struct writer *w, const struct bnet_node *node)
{
	switch (node->type) {
	case BNET_NODE_TUPLE:
		put_tuple(w, node);
		break;
	case BNET_NODE_LIST:
		put_items(w, node + 1, node->n, "[", "]");
		break;
	case BNET_NODE_DICT:
	case BNET_NODE_PAIRS:
		put_dict(w, node);
		break;
	case BNET_NODE_ROW:
		put_row(w, node);
		break;
	default:
		put_instance(w, node);
	}
}

static void
put_leaf(struct writer *w, const struct bnet_node *node)
{
	switch (node->type) {
	case BNET_NODE_NONE:
		str(w, "None");
		break;
	case BNET_NODE_BOOL:
		str(w, node->v.i != 0 ? "True" : "False");
		break;
	case BNET_NODE_STR:
		str(w, "'");
		peer_text(w, node, '\'');
		str(w, "'");
		break;
	case BNET_NODE_GLOBAL:
		peer_text(w, node, '\0');
		break;
	case BNET_NODE_BYTES:
	case BNET_NODE_PICKLE:
		put_bytes(w, node);
		break;
	case BNET_NODE_CUT:
		str(w, "<cut: ");
		peer_text(w, node, '\0');
		str(w, ">");
		break;
	default:
		put_number(w, node);
	}
}

static void
put(struct writer *w, const struct bnet_node *node)
{
	const struct bnet_node *target = bnet_node_target(node);

	if (w->full)
		return;
	if (target == NULL)
		str(w, "<circle>");
	else if (bnet_node_is_container(target))
		put_container(w, target);
	else
		put_leaf(w, target);
}

/* ---- machoNet ---- */

/* A name without its quotes; anything else as it is. */
static void
put_name(struct writer *w, const struct bnet_node *node)
{
	if (node == NULL)
		str(w, "?");
	else if (node->type == BNET_NODE_STR)
		peer_text(w, node, '\0');
	else
		put(w, node);
}

/* Keyword arguments; machoVersion is in every call. */
static void
put_kwargs(struct writer *w, const struct bnet_node *kwargs, bool first)
{
	const struct bnet_node *value, *key;

	if (kwargs == NULL || kwargs->type != BNET_NODE_DICT)
		return;
	value = kwargs + 1;
	for (uint32_t i = 0; i < kwargs->n && !w->full; i++) {
		key = bnet_node_next(value);
		if (!bnet_node_is(key, "machoVersion")) {
			separate(w, first);
			first = false;
			put_name(w, key);
			str(w, "=");
			put(w, value);
		}
		value = bnet_node_next(key);
	}
}

/* The arguments in parentheses; room is left for what follows. */
static void
put_args(struct writer *w, const struct bnet_node *args,
    const struct bnet_node *kwargs)
{
	const struct bnet_node *at = args;
	size_t left = w->left;
	uint32_t n = args != NULL ? args->n : 0;

	w->left = left > ENDING_CHARS ? left - ENDING_CHARS : 0;
	str(w, "(");
	for (uint32_t i = 0; i < n && !w->full; i++) {
		at = i == 0 ? args + 1 : bnet_node_next(at);
		separate(w, i == 0);
		put(w, at);
	}
	put_kwargs(w, kwargs, n == 0);
	w->full = false;
	w->left += ENDING_CHARS;
	str(w, ")");
}

static void
put_call_id(struct writer *w, const struct bnet_macho *m)
{
	char id[NUMBER_CHARS];

	if (!m->has_call_id)
		return;
	(void)snprintf(id, sizeof(id), " callID %" PRId64, m->call_id);
	str(w, id);
}

static void
put_error(struct writer *w, const struct bnet_macho *m)
{
	put_call_id(w, m);
	str(w, " ");
	str(w, bnet_macho_error_name(m->code));
	if (m->exception != NULL) {
		str(w, " ");
		put(w, m->exception);
	}
}

static void
put_macho(struct writer *w, const struct bnet_macho *m)
{
	str(w, bnet_macho_type_name(m->type));
	switch (m->type) {
	case BNET_MACHO_CALL_REQ:
		str(w, " ");
		put_name(w, m->service);
		str(w, "::");
		put_name(w, m->method);
		put_args(w, m->args, m->kwargs);
		put_call_id(w, m);
		break;
	case BNET_MACHO_CALL_RSP:
		put_call_id(w, m);
		str(w, " ");
		if (m->result != NULL)
			put(w, m->result);
		break;
	case BNET_MACHO_NOTIFICATION:
		str(w, " ");
		put_name(w, m->event);
		put_args(w, m->args, NULL);
		break;
	case BNET_MACHO_ERRORRESPONSE:
		put_error(w, m);
		break;
	default:
		put_call_id(w, m);
		if (m->payload != NULL) {
			str(w, " ");
			put(w, m->payload);
		}
	}
}

/* ---- BlueNet's own keys ---- */

/* "2024-09-04T12:26:40.0000000Z"; a number where the year is none. */
static void
put_time(struct writer *w, const char *name, int64_t v)
{
	int64_t units = v % UNITS_PER_S;
	time_t s;
	struct tm tm;
	char date[64];
	size_t n;

	if (units < 0)
		units += UNITS_PER_S;
	s = (time_t)((v - units) / UNITS_PER_S -
	    BNET_TIME_UNIX_EPOCH / UNITS_PER_S);
	str(w, name);
	n = v > 0 && gmtime_r(&s, &tm) != NULL
	    ? strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &tm)
	    : 0;
	if (n > 0)
		(void)snprintf(
		    date + n, sizeof(date) - n, ".%07" PRId64 "Z", units);
	else
		(void)snprintf(date, sizeof(date), "%" PRId64, v);
	str(w, date);
}

static void
put_clock(
    struct writer *w, const char *what, const struct bnet_sim_clock *clock)
{
	char dilation[NUMBER_CHARS];

	str(w, what);
	put_time(w, " sim ", clock->sim_time);
	(void)snprintf(
	    dilation, sizeof(dilation), " dilation %.6g", clock->dilation);
	str(w, dilation);
	put_time(w, " wall ", clock->wall_clock);
}

/* ---- a payload ---- */

static void
put_payload(struct writer *w, const struct payload *p)
{
	switch (p->kind) {
	case PAYLOAD_MACHO:
		put_macho(w, &p->macho);
		break;
	case PAYLOAD_OBJECT:
		put(w, p->root);
		break;
	case PAYLOAD_BATCH:
		put_name(w, p->root + 1);
		str(w, " ");
		put(w, bnet_node_next(p->root + 1));
		break;
	case PAYLOAD_CLOCK_INIT:
		put_clock(w, "clock init", &p->clock);
		break;
	case PAYLOAD_CLOCK_UPDATE:
		put_clock(w, "clock update", &p->clock);
		break;
	case PAYLOAD_CLOCK_DETACH:
		str(w, "clock detach");
		break;
	default:
		break;
	}
}

void
payload_line(struct outbuf *out, const struct payload *payload, size_t width)
{
	struct writer w = { .out = out,
		.left = width < WIDTH_MIN ? WIDTH_MIN : width };

	if (payload->kind >= PAYLOAD_CLOCK_INIT)
		w.left = CLOCK_CHARS;
	put_payload(&w, payload);
	if (payload->reason[0] != '\0')
		out_printf(out, "  [%s, at byte %zu]", payload->reason,
		    payload->at_byte);
}

void
payload_lines(struct outbuf *out, const struct payload *payload)
{
	struct writer w = {
		.out = out, .left = LINES_MAX_CHARS, .lines = true
	};

	if (payload->root == NULL)
		return;
	out_printf(out, "    object");
	new_line(&w);
	put(&w, payload->root);
	out_line(out);
}
