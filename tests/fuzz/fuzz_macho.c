/* SPDX-License-Identifier: MIT */
/*
 * Any bytes as a machoNet packet, or, as the first byte says, as a payload of
 * BlueNet's own keys: what is found in it can be walked and shown, and what is
 * written of it reads as the same.
 */
#include "proto/batch.h"
#include "proto/brief.h"
#include "proto/macho.h"

#include "tests/fuzz/tree.h"

#define OUT_MAX_BYTES ((size_t)1 << 20)

static void
show(const struct bnet_node *node)
{
	if (node != NULL)
		(void)tree_json(node);
}

static void
show_address(const struct bnet_macho_address *a)
{
	show(a->id);
	show(a->service);
	show(a->call_id);
	show(a->broadcast);
	show(a->narrowcast);
	show(a->id_type);
}

static bool
same_text(struct bnet_string a, struct bnet_string b)
{
	return (a.p == NULL) == (b.p == NULL) && a.len_bytes == b.len_bytes &&
	    (a.p == NULL || memcmp(a.p, b.p, a.len_bytes) == 0);
}

/* What is said without a tree is what the tree says. */
static void
check_brief(struct bnet_slice in, const struct bnet_node *root)
{
	struct bnet_brief got, want;
	struct bnet_macho p;

	if (!bnet_brief_scan(in, bnet_strings_builtin(), &got))
		return;
	MUST_HOLD(root != NULL && bnet_macho_read(root, &p));
	bnet_brief_of(&p, &want);
	MUST_HOLD(got.type == want.type && got.client == want.client);
	MUST_HOLD(
	    got.has_call_id == want.has_call_id && got.call_id == want.call_id);
	MUST_HOLD(same_text(got.service, want.service));
	MUST_HOLD(same_text(got.method, want.method));
	MUST_HOLD(same_text(got.event, want.event));
}

static void
check_packet(struct bnet_slice in)
{
	static struct bnet_marshal *m;
	struct bnet_object o;
	struct bnet_macho p;

	if (m == NULL)
		m = bnet_marshal_new(NULL);
	MUST_HOLD(m != NULL);
	(void)!bnet_marshal_read(m, in, &o);
	check_brief(in, o.root);
	if (o.root == NULL || !bnet_macho_read(o.root, &p))
		return;
	MUST_HOLD(bnet_macho_type_name(p.type)[0] != '\0');
	MUST_HOLD(bnet_macho_error_name(p.code)[0] != '\0');
	MUST_HOLD(p.method == NULL || p.method->type == BNET_NODE_STR);
	MUST_HOLD(p.event == NULL || p.event->type == BNET_NODE_STR);
	show_address(&p.source);
	show_address(&p.destination);
	show(p.user_id);
	show(p.service);
	show(p.method);
	show(p.args);
	show(p.kwargs);
	show(p.result);
	show(p.event);
	show(p.payload);
	show(p.exception);
}

static void
check_batch(struct bnet_slice in)
{
	static struct bnet_batch *b, *again;
	struct bnet_object o, o2;
	struct bnet_buf out;
	enum bnet_err err;
	char *text;

	if (b == NULL) {
		b = bnet_batch_new(NULL);
		again = bnet_batch_new(NULL);
	}
	MUST_HOLD(b != NULL && again != NULL);
	err = bnet_batch_read(b, in, &o);
	MUST_HOLD(err == BNET_OK || err == BNET_EMARSHAL || err == BNET_ELIMIT);
	MUST_HOLD((err == BNET_OK) == (o.root != NULL));
	if (err != BNET_OK)
		return;
	tree_check(&o);
	text = strdup(tree_json(o.root));
	MUST_HOLD(text != NULL);
	bnet_buf_init(&out, OUT_MAX_BYTES);
	err = bnet_batch_write_value(b, o.root, &out);
	MUST_HOLD(err == BNET_OK || err == BNET_EMARSHAL || err == BNET_ELIMIT);
	if (err == BNET_OK) {
		err = bnet_batch_read_value(again, bnet_buf_slice(&out), &o2);
		/* two levels more: the event's tuple */
		MUST_HOLD(err == BNET_OK || err == BNET_ELIMIT);
		if (err == BNET_OK && strstr(text, "\"cut\"") == NULL)
			MUST_HOLD(strcmp(tree_json(o2.root), text) == 0);
	}
	free(text);
	bnet_buf_free(&out);
}

static void
check_clock(struct bnet_slice in)
{
	struct bnet_sim_clock clock, clock2;
	struct bnet_buf out;

	if (bnet_sim_clock_read(in, &clock) != BNET_OK)
		return;
	bnet_buf_init(&out, OUT_MAX_BYTES);
	MUST_HOLD(bnet_sim_clock_write(&clock, &out) == BNET_OK);
	MUST_HOLD(out.len <= in.len);
	MUST_HOLD(
	    bnet_sim_clock_read(bnet_buf_slice(&out), &clock2) == BNET_OK);
	MUST_HOLD(clock2.sim_time == clock.sim_time &&
	    clock2.wall_clock == clock.wall_clock);
	MUST_HOLD(memcmp(&clock2.dilation, &clock.dilation,
		      sizeof(clock.dilation)) == 0);
	bnet_buf_free(&out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bnet_slice in = { data, size };

	switch (fuzz_byte(&in) % 4) {
	case 0:
	case 1:
		check_packet(in);
		break;
	case 2:
		check_batch(in);
		break;
	default:
		check_clock(in);
	}
	return 0;
}
