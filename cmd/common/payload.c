/* SPDX-License-Identifier: MIT */
#include "cmd/common/payload.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct payload_reader {
	struct payload payload;
	bool brief;
	struct bnet_marshal *marshal;
	struct bnet_batch *batch;
	/* of --strings; owned */
	struct bnet_string strings[BNET_STRINGS_MAX];
	struct bnet_strings table;
	char *text;
};

static bool
open_readers(struct payload_reader *reader)
{
	const struct bnet_marshal_settings set = {
		.strings = reader->table.at != NULL ? &reader->table : NULL
	};

	bnet_marshal_free(reader->marshal);
	bnet_batch_free(reader->batch);
	reader->marshal = bnet_marshal_new(&set);
	reader->batch = bnet_batch_new(&set);
	return reader->marshal != NULL && reader->batch != NULL;
}

struct payload_reader *
payload_reader_new(bool brief)
{
	struct payload_reader *reader = calloc(1, sizeof(*reader));

	if (reader == NULL)
		return NULL;
	reader->brief = brief;
	if (open_readers(reader))
		return reader;
	payload_reader_free(reader);
	return NULL;
}

void
payload_reader_free(struct payload_reader *reader)
{
	if (reader == NULL)
		return;
	bnet_marshal_free(reader->marshal);
	bnet_batch_free(reader->batch);
	free(reader->text);
	free(reader);
}

/* ---- the table of strings ---- */

#define TEXT_MAX_BYTES 65536

/* The text is kept: the strings are its lines. */
static const char *
split(struct payload_reader *reader, char *text, size_t *n_lines)
{
	char *line = text, *end;

	*n_lines = 0;
	while (*line != '\0') {
		end = line + strcspn(line, "\n");
		if (*n_lines == BNET_STRINGS_MAX)
			return "more than 255 strings";
		reader->strings[(*n_lines)++] =
		    (struct bnet_string){ line, (uint32_t)(end - line) };
		if (end > line && end[-1] == '\r')
			reader->strings[*n_lines - 1].len_bytes--;
		line = *end == '\0' ? end : end + 1;
	}
	if (*n_lines == 0)
		return "no strings: expected one a line";
	reader->table.at = reader->strings;
	reader->table.n = (uint32_t)*n_lines;
	return open_readers(reader) ? NULL : "out of memory";
}

bool
payload_read_strings(struct payload_reader *reader, const char *path, char *err,
    size_t err_bytes)
{
	FILE *f = fopen(path, "r");
	const char *why = NULL;
	size_t n, n_lines = 0;

	if (f == NULL) {
		snprintf(err, err_bytes, "%s: %s", path, strerror(errno));
		return false;
	}
	free(reader->text);
	reader->text = calloc(1, TEXT_MAX_BYTES + 1);
	n = reader->text == NULL ? 0
				 : fread(reader->text, 1, TEXT_MAX_BYTES, f);
	if (reader->text == NULL)
		why = "out of memory";
	else if (ferror(f))
		why = strerror(errno);
	else if (n == TEXT_MAX_BYTES)
		why = "more than 64 KiB";
	else if (strlen(reader->text) != n)
		why = "a NUL byte: expected one string a line";
	else
		why = split(reader, reader->text, &n_lines);
	fclose(f);
	if (why != NULL && n_lines > 0)
		snprintf(
		    err, err_bytes, "%s: line %zu: %s", path, n_lines, why);
	else if (why != NULL)
		snprintf(err, err_bytes, "%s: %s", path, why);
	return why == NULL;
}

/* ---- payloads ---- */

static void
read_marshal(struct payload_reader *reader, struct bnet_slice bytes)
{
	struct payload *p = &reader->payload;
	const struct bnet_strings *strings =
	    reader->table.at != NULL ? &reader->table : bnet_strings_builtin();
	struct bnet_object object;

	if (reader->brief && bnet_brief_scan(bytes, strings, &p->brief)) {
		p->kind = PAYLOAD_MACHO;
		return;
	}
	if (!bnet_marshal_is(bytes))
		return;
	if (bnet_marshal_read(reader->marshal, bytes, &object) != BNET_OK &&
	    object.root == NULL)
		return;
	p->root = object.root;
	p->reason = object.reason;
	p->at_byte = object.at_byte;
	p->kind = PAYLOAD_OBJECT;
	if (!bnet_macho_read(p->root, &p->macho))
		return;
	p->kind = PAYLOAD_MACHO;
	bnet_brief_of(&p->macho, &p->brief);
}

static void
read_batch(struct payload_reader *reader, struct bnet_slice bytes)
{
	struct payload *p = &reader->payload;
	struct bnet_object object;

	if (bnet_batch_read(reader->batch, bytes, &object) != BNET_OK)
		return;
	p->kind = PAYLOAD_BATCH;
	p->root = object.root;
}

static void
read_clock(struct payload_reader *reader, struct bnet_slice bytes,
    enum payload_kind kind)
{
	if (bnet_sim_clock_read(bytes, &reader->payload.clock) == BNET_OK)
		reader->payload.kind = kind;
}

const struct payload *
payload_read(
    struct payload_reader *reader, int32_t key, struct bnet_slice bytes)
{
	struct payload *p = &reader->payload;

	p->kind = PAYLOAD_OTHER;
	p->root = NULL;
	p->reason = "";
	switch (key) {
	case BNET_KEY_BATCH:
		read_batch(reader, bytes);
		break;
	case BNET_KEY_SYC_INIT:
		read_clock(reader, bytes, PAYLOAD_CLOCK_INIT);
		break;
	case BNET_KEY_SYC_UPDATE:
		read_clock(reader, bytes, PAYLOAD_CLOCK_UPDATE);
		break;
	case BNET_KEY_SYC_DETACH:
		p->kind = PAYLOAD_CLOCK_DETACH;
		break;
	default:
		read_marshal(reader, bytes);
	}
	return p;
}
