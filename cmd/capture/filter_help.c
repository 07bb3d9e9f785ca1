/* SPDX-License-Identifier: MIT */
/* What -Y help prints. */
#include "cmd/capture/filter.h"

#include <string.h>

static const struct {
	const char *name, *operators;
} types[FILTER_N_TYPES] = {
	[FILTER_NUMBER] = { "number", "== != < <= > >= in" },
	[FILTER_TIME] = { "time", "== != < <= > >= in" },
	[FILTER_BOOL] = { "bool", "== !=" },
	[FILTER_WORD] = { "word", "== != in contains matches" },
	[FILTER_STRING] = { "string", "== != in contains matches" },
	[FILTER_ADDRESS] = { "address", "== != in contains matches" },
	[FILTER_BYTES] = { "bytes", "== != in contains" },
};

const char *
filter_type_name(enum filter_type type)
{
	return types[type].name;
}

const char *
filter_type_operators(enum filter_type type)
{
	return types[type].operators;
}

#define INDENT 24
#define LINE_CHARS 79

static void
print_words(FILE *f, const struct filter_word *w)
{
	size_t at = INDENT;

	fprintf(f, "%*s", INDENT, "");
	for (; w->name != NULL; w++) {
		at += strlen(w->name) + 1;
		if (at > LINE_CHARS) {
			fprintf(f, "\n%*s", INDENT, "");
			at = INDENT + strlen(w->name) + 1;
		}
		fprintf(f, "%s ", w->name);
	}
	fputc('\n', f);
}

void
filter_help(FILE *f)
{
	const struct filter_field *field;

	fputs("Fields:\n", f);
	for (size_t i = 0; (field = filter_field(i)) != NULL; i++) {
		fprintf(f, "  %-12s %-8s %s%s%s%s\n", field->name,
		    filter_type_name(field->type), field->description,
		    *field->unit != '\0' ? " (" : "", field->unit,
		    *field->unit != '\0' ? ")" : "");
		if (field->words != NULL && field->type != FILTER_BOOL)
			print_words(f, field->words);
	}
	fputs("\nOperators:\n", f);
	for (int t = 0; t < FILTER_N_TYPES; t++)
		fprintf(f, "  %-12s %s\n", types[t].name, types[t].operators);
	fputs("  eq ne lt le gt ge are == != < <= > >= in words; matches takes"
	      " a POSIX\n  extended regular expression.\n"
	      "  Tests are joined by && (and), || (or), ! (not) and"
	      " parentheses.\n\nValues:\n"
	      "  -5  0x9f9003c1  zlib  \"text \\\" \\\\ \\n \\x0a\""
	      "  \"127.0.0.1:26000\"  0a:0b:0c\n"
	      "  in { 1, 5..9 }  in { \"a\", \"b\" }\n"
	      "\nA comparison with a field that is not there is false, also"
	      " with !=.\nA field alone is true when it is there and neither"
	      " 0, empty, false nor none.\n",
	    f);
}
