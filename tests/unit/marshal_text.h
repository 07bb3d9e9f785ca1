/* SPDX-License-Identifier: MIT */
/*
 * Marshal streams from text, as Python writes values, and two more:
 *
 *	<module.Class (state)>	an instance (newobj)
 *	~(1, 2)			a stream in the stream
 */
#ifndef UNIT_MARSHAL_TEXT_H
#define UNIT_MARSHAL_TEXT_H

#include "proto/marshal_write.h"
#include "tests/unit/unit.h"

#include <ctype.h>
#include <stdlib.h>

static inline const char *
marshal_value(struct bnet_marshal_wr *w, const char *p);

static inline const char *
marshal_blanks(const char *p)
{
	return p + strspn(p, " \n");
}

/* The number of values up to the closing bracket. */
static inline uint32_t
marshal_count(const char *p, char closing)
{
	uint32_t n = 0, depth = 0;
	bool any = false;

	for (; depth > 0 || *p != closing; p++) {
		UNIT_MUST(*p != '\0', "no %c", closing);
		if (*p == '\'') {
			p += 1 + strcspn(p + 1, "'");
			any = true;
		} else if (strchr("([{<", *p) != NULL) {
			depth++;
			any = true;
		} else if (strchr(")]}>", *p) != NULL) {
			depth--;
		} else if (*p == ',' && depth == 0) {
			n++;
			any = false;
		} else if (*p != ' ') {
			any = true;
		}
	}
	return n + any;
}

static inline const char *
marshal_values(struct bnet_marshal_wr *w, const char *p, uint32_t n)
{
	for (; n > 0; n--) {
		p = marshal_blanks(marshal_value(w, p));
		p += *p == ',';
	}
	return marshal_blanks(p) + 1;
}

/* The keys are strings or numbers; in the stream, a value is before its key. */
static inline const char *
marshal_dict(struct bnet_marshal_wr *w, const char *p)
{
	uint32_t n = marshal_count(p, '}');

	bnet_put_dict(w, n);
	for (; n > 0; n--) {
		const char *key = marshal_blanks(p);

		p = *key == '\'' ? key + 2 + strcspn(key + 1, "'")
				 : key + strcspn(key, ":");
		p = marshal_value(w, marshal_blanks(p) + 1);
		(void)marshal_value(w, key);
		p = marshal_blanks(p);
		p += *p == ',';
	}
	return marshal_blanks(p) + 1;
}

static inline const char *
marshal_instance(struct bnet_marshal_wr *w, const char *p)
{
	size_t n = strcspn(p, " >");

	bnet_put_newobj(w);
	bnet_put_tuple(w, 2);
	bnet_put_tuple(w, 1);
	bnet_put_global(w, p, n);
	p = marshal_blanks(marshal_value(w, p + n)) + 1;
	bnet_put_mark(w);
	bnet_put_mark(w);
	return p;
}

static inline const char *
marshal_inner(struct bnet_marshal_wr *w, const char *p)
{
	const struct bnet_marshal_form form = { .version = 0 };
	struct bnet_marshal_wr *inner = bnet_marshal_wr_new(NULL);
	struct bnet_buf out;

	bnet_buf_init(&out, 1 << 16);
	bnet_marshal_begin(inner, &out, &form);
	p = marshal_value(inner, p);
	unit_err("inner", bnet_marshal_finish(inner), BNET_OK);
	bnet_put_stream(w, bnet_buf_slice(&out));
	bnet_buf_free(&out);
	bnet_marshal_wr_free(inner);
	return p;
}

static inline const char *
marshal_number(struct bnet_marshal_wr *w, const char *p)
{
	size_t n = strspn(p, "-0123456789.e");
	char *end;

	UNIT_MUST(n > 0, "not understood: %s", p);
	if (memchr(p, '.', n) != NULL)
		bnet_put_float(w, strtod(p, &end));
	else
		bnet_put_int(w, strtoll(p, &end, 10));
	return p + n;
}

/* Returns what is behind the value. */
static inline const char *
marshal_value(struct bnet_marshal_wr *w, const char *p)
{
	size_t n;

	p = marshal_blanks(p);
	switch (*p) {
	case '(':
		n = marshal_count(p + 1, ')');
		bnet_put_tuple(w, (uint32_t)n);
		return marshal_values(w, p + 1, (uint32_t)n);
	case '[':
		n = marshal_count(p + 1, ']');
		bnet_put_list(w, (uint32_t)n);
		return marshal_values(w, p + 1, (uint32_t)n);
	case '{':
		return marshal_dict(w, p + 1);
	case '<':
		return marshal_instance(w, p + 1);
	case '~':
		return marshal_inner(w, p + 1);
	case '\'':
		n = strcspn(p + 1, "'");
		bnet_put_str(w, p + 1, n);
		return p + n + 2;
	case 'N':
		bnet_put_none(w);
		return p + 4;
	case 'T':
	case 'F':
		bnet_put_bool(w, *p == 'T');
		return p + (*p == 'T' ? 4 : 5);
	default:
		return marshal_number(w, p);
	}
}

/* Appends the stream of a text; returns it, as long as `out` is not changed. */
static inline struct bnet_slice
marshal_text(
    struct bnet_buf *out, const char *text, uint32_t version, bool checksum)
{
	const struct bnet_marshal_form form = { version, checksum, false };
	struct bnet_marshal_wr *w = bnet_marshal_wr_new(NULL);
	size_t before = out->len;

	bnet_marshal_begin(w, out, &form);
	(void)marshal_value(w, text);
	UNIT_MUST(bnet_marshal_finish(w) == BNET_OK, "no stream: %s", text);
	bnet_marshal_wr_free(w);
	return bnet_slice_from(bnet_buf_slice(out), before);
}

/* Packets of machoNet, for snprintf(): of a client, call id and so on. */
#define MACHO_CALL \
	"<macho.CallReq (6, <macho.MachoAddress (2, %lld, %lld, None)>," \
	" <macho.MachoAddress (8, 'market', None)>, None," \
	" ((0, ~(1, '%s', (10, 20), None)),), None)>"
#define MACHO_RESULT \
	"<macho.CallRsp (7, <macho.MachoAddress (8, 'market', None)>," \
	" <macho.MachoAddress (2, %lld, %lld, None)>, None, (~%s,), None)>"

#endif
