/* SPDX-License-Identifier: MIT */
/*
 * Any bytes as a marshal stream, with the bounds that the first byte says:
 * what is read is a tree that holds together, whose JSON is bounded; written
 * again, it reads as the same.
 */
#include "proto/marshal_write.h"

#include "tests/fuzz/tree.h"

#define OUT_MAX_BYTES ((size_t)1 << 16)

static const struct bnet_marshal_settings settings[] = {
	{ .strings = NULL },
	{ .depth_max = 5, .inflated_max_bytes = 300 },
	{ .nodes_max = 50 },
	{ .inflated_max_bytes = 100000, .nodes_max = 100000 },
};

#define N_SETTINGS (sizeof(settings) / sizeof(settings[0]))

/* What a stream says in one form. */
static void
check_form(const struct bnet_object *o, unsigned form, const char *text)
{
	static struct bnet_marshal_wr *w;
	static struct bnet_marshal *again;
	const struct bnet_marshal_form f = { form & 1, (form & 2) != 0,
		(form & 4) != 0 };
	struct bnet_object o2;
	struct bnet_buf out;
	enum bnet_err err;

	if (w == NULL) {
		w = bnet_marshal_wr_new(NULL);
		again = bnet_marshal_new(NULL);
	}
	MUST_HOLD(w != NULL && again != NULL);
	bnet_buf_init(&out, OUT_MAX_BYTES);
	bnet_marshal_begin(w, &out, &f);
	bnet_put_node(w, o->root);
	err = bnet_marshal_finish(w);
	MUST_HOLD(err == BNET_OK || err == BNET_EMARSHAL || err == BNET_ELIMIT);
	if (err == BNET_OK) {
		err = bnet_marshal_read(again, bnet_buf_slice(&out), &o2);
		MUST_HOLD(err == BNET_OK || err == BNET_ELIMIT);
		if (err == BNET_OK && text != NULL)
			MUST_HOLD(strcmp(tree_json(o2.root), text) == 0);
	}
	bnet_buf_free(&out);
}

/* Where it is cut, the cut may be elsewhere; -0.0 is written as 0.0. */
static void
check_written(const struct bnet_object *o)
{
	char *text = strdup(tree_json(o->root));
	const char *same = text;

	MUST_HOLD(text != NULL);
	if (strstr(text, "\"cut\"") != NULL || strstr(text, "-0.0") != NULL)
		same = NULL;
	for (unsigned form = 0; form < 8; form++)
		check_form(o, form, same);
	free(text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct bnet_marshal *readers[N_SETTINGS];
	struct bnet_slice in = { data, size };
	unsigned i = fuzz_byte(&in) % N_SETTINGS;
	struct bnet_object o;
	enum bnet_err err;

	if (readers[i] == NULL)
		readers[i] = bnet_marshal_new(&settings[i]);
	MUST_HOLD(readers[i] != NULL);
	err = bnet_marshal_read(readers[i], in, &o);
	MUST_HOLD(err == BNET_OK || err == BNET_ECUT || err == BNET_EMARSHAL ||
	    err == BNET_ELIMIT);
	MUST_HOLD((err == BNET_OK) == (o.reason[0] == '\0'));
	MUST_HOLD(err != BNET_OK || o.root != NULL);
	if (o.root == NULL)
		return 0;
	MUST_HOLD(bnet_marshal_is(in));
	tree_check(&o);
	(void)tree_json(o.root);
	if (err == BNET_OK)
		check_written(&o);
	return 0;
}
