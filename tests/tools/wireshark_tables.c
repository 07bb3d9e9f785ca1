/* SPDX-License-Identifier: MIT */
/*
 * wireshark_tables KEYS.txt - prints the tables of fixtures/wireshark/
 * bluenet.lua as Lua: what the library knows of messages, keys, codes, strings
 * and limits, and the names of the keys in the file. `make wireshark-tables`
 * puts them there, and tests/cli/wireshark.bats compares.
 */
#include "cmd/common/keys.h"
#include "cmd/decode/output.h"
#include "proto/batch.h"
#include "proto/codec.h"
#include "proto/err.h"
#include "proto/frame.h"
#include "proto/header.h"
#include "proto/macho.h"
#include "proto/message.h"
#include "proto/strings.h"
#include "proto/tls.h"

#include <err.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define MACHO_TYPES 256 /* numbers that are asked for a name */
#define MACHO_ERRORS 16
#define CODES 64
#define LINE_CHARS 78

/* ---- names by number ---- */

static void
open_table(const char *name)
{
	printf("T.%s = {\n", name);
}

static void
close_table(void)
{
	puts("}");
}

static void
put_numbered(int64_t number, const char *name)
{
	printf("  [%" PRId64 "] = \"%s\",\n", number, name);
}

static void
put_dest_types(void)
{
	const char *name;

	open_table("dest_types");
	for (int64_t i = BNET_DEST_HOP; i <= BNET_DEST_ANY; i++)
		if ((name = output_dest_name(i)) != NULL)
			put_numbered(i, name);
	close_table();
}

static void
put_codes(void)
{
	const char *unknown = bnet_code_name(0);

	open_table("codes");
	for (uint32_t i = 1; i < CODES; i++)
		if (strcmp(bnet_code_name(i), unknown) != 0)
			put_numbered(i, bnet_code_name(i));
	close_table();
}

static void
put_macho(void)
{
	open_table("macho_types");
	for (int64_t i = 0; i < MACHO_TYPES; i++)
		if (strcmp(bnet_macho_type_name(i), bnet_macho_type_name(-1)) !=
		    0)
			put_numbered(i, bnet_macho_type_name(i));
	close_table();
	open_table("macho_errors");
	for (int64_t i = 0; i < MACHO_ERRORS; i++)
		if (strcmp(bnet_macho_error_name(i),
			bnet_macho_error_name(-1)) != 0)
			put_numbered(i, bnet_macho_error_name(i));
	close_table();
}

/* The texts of what can be wrong with a frame or its payload. */
static void
put_errors(void)
{
	static const struct {
		const char *name;
		enum bnet_err err;
	} rows[] = {
		{ "reserved", BNET_ERESERVED },
		{ "codecs", BNET_ECODECS },
		{ "oob", BNET_EOOB },
		{ "size", BNET_ESIZE },
		{ "header", BNET_EHEADER },
		{ "zlib", BNET_EZLIB },
		{ "snappy", BNET_ESNAPPY },
		{ "payload", BNET_EPAYLOAD },
		{ "message", BNET_EMESSAGE },
		{ "marshal", BNET_EMARSHAL },
	};

	open_table("errors");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		printf("  %s = \"%s\",\n", rows[i].name,
		    bnet_strerror(rows[i].err));
	close_table();
}

static void
put_limits(void)
{
	open_table("limits");
	printf("  frame_max = %" PRIu32 ",\n", BNET_FRAME_MAX_BYTES);
	printf("  payload_max = %" PRIu32 ",\n", BNET_PAYLOAD_MAX_BYTES);
	printf("  expansion_max = %d,\n", BNET_ZLIB_EXPANSION_MAX);
	close_table();
	printf("T.alpn = \"%s\"\n", BNET_TLS_ALPN);
}

/* ---- keys ---- */

static void
put_key_names(const char *path)
{
	struct keys *keys = keys_new();
	char line[KEYS_NAME_MAX + 3], why[512];
	FILE *f = fopen(path, "r");
	int32_t key;

	if (keys == NULL || f == NULL)
		err(1, "%s", path);
	if (!keys_read(keys, path, why, sizeof(why)))
		errx(1, "%s", why);
	open_table("keys");
	for (int i = BNET_MSG_NONE + 1; i < BNET_N_MSGS; i++)
		put_numbered(bnet_message_key((enum bnet_message_type)i),
		    bnet_message_name((enum bnet_message_type)i));
	while (fgets(line, sizeof(line), f) != NULL) {
		line[strcspn(line, "\r\n")] = '\0';
		key = bnet_key(line);
		if (line[0] != '\0' && line[0] != '#' &&
		    keys_name(keys, key) != NULL)
			put_numbered(key, line);
	}
	close_table();
	(void)fclose(f);
	keys_free(keys);
	open_table("key");
	printf("  pong = %d,\n", BNET_KEY_PONG);
	printf("  batch = %" PRId32 ",\n", bnet_key("BlueNet::BatchPacket"));
	printf("  clock_init = %" PRId32 ",\n", bnet_key("SimClock::SycInit"));
	printf(
	    "  clock_update = %" PRId32 ",\n", bnet_key("SimClock::SycUpdate"));
	printf(
	    "  clock_detach = %" PRId32 ",\n", bnet_key("SimClock::SycDetach"));
	close_table();
}

/* ---- messages ---- */

static const char *
kind_name(const struct bnet_field *field)
{
	static const char *const names[] = {
		[BNET_FIELD_U32] = "u32",
		[BNET_FIELD_U64] = "u64",
		[BNET_FIELD_I32] = "i32",
		[BNET_FIELD_I64] = "i64",
		[BNET_FIELD_BOOL] = "bool",
		[BNET_FIELD_STRING] = "string",
		[BNET_FIELD_LIST] = "list",
	};

	return field->secret ? "secret" : names[field->kind];
}

static void
put_fields(const struct bnet_field *field, size_t n, const char *indent)
{
	for (; n > 0; n--, field++) {
		printf("%s{ \"%s\", \"%s\"", indent, field->name,
		    kind_name(field));
		if (field->kind == BNET_FIELD_LIST) {
			puts(", {");
			put_fields(field->list->fields, field->list->n_fields,
			    "        ");
			printf("%s}", indent);
		}
		puts(" },");
	}
}

static void
put_messages(void)
{
	static const char prefix[] = "bluenet.";
	const struct bnet_field *fields;
	enum bnet_message_type type;
	size_t n;

	open_table("messages");
	for (int i = BNET_MSG_NONE + 1; i < BNET_N_MSGS; i++) {
		type = (enum bnet_message_type)i;
		fields = bnet_message_fields(type, &n);
		printf("  [%" PRId32 "] = { \"%s\", {\n",
		    bnet_message_key(type),
		    bnet_message_name(type) + sizeof(prefix) - 1);
		put_fields(fields, n, "      ");
		puts("  } },");
	}
	close_table();
}

/* ---- the table of strings ---- */

static void
put_strings(void)
{
	const struct bnet_strings *strings = bnet_strings_builtin();
	size_t used = 0, n;

	open_table("strings");
	for (uint32_t i = 0; i < strings->n; i++) {
		n = strings->at[i].len_bytes + 4;
		if (used > 0 && used + n > LINE_CHARS) {
			putchar('\n');
			used = 0;
		}
		printf("%s\"%s\",", used == 0 ? "  " : " ", strings->at[i].p);
		used += used == 0 ? n + 1 : n;
	}
	putchar('\n');
	close_table();
}

int
main(int argc, char **argv)
{
	if (argc != 2) {
		fputs("usage: wireshark_tables KEYS.txt\n", stderr);
		return 2;
	}
	puts("local T = {}");
	put_limits();
	put_errors();
	put_dest_types();
	put_codes();
	put_macho();
	put_key_names(argv[1]);
	put_messages();
	put_strings();
	return 0;
}
