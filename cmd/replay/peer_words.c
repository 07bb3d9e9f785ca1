/* SPDX-License-Identifier: MIT */
#include "cmd/replay/peer_words.h"

unsigned peer_line;

struct peer_var {
	struct peer_var *next;
	char *name, *value;
};

static struct peer_var *peer_vars;
void *
peer_alloc(size_t n, size_t bytes)
{
	void *p = calloc(n, bytes);

	if (p == NULL)
		peer_wrong("out of memory");
	return p;
}

char *
peer_dup(const char *text, size_t len)
{
	char *p = peer_alloc(len + 1, 1);

	if (len > 0)
		memcpy(p, text, len);
	return p;
}

static struct peer_var *
peer_var_find(const char *name, size_t len)
{
	struct peer_var *var;

	for (var = peer_vars; var != NULL; var = var->next)
		if (strlen(var->name) == len &&
		    memcmp(var->name, name, len) == 0)
			return var;
	return NULL;
}

const char *
peer_var(const char *name, size_t len)
{
	const struct peer_var *var = peer_var_find(name, len);

	return var == NULL ? NULL : var->value;
}

void
peer_var_set(const char *name, const char *value)
{
	struct peer_var *var = peer_var_find(name, strlen(name));

	if (var == NULL) {
		var = peer_alloc(1, sizeof(*var));
		var->name = peer_dup(name, strlen(name));
		var->next = peer_vars;
		peer_vars = var;
	}
	free(var->value);
	var->value = peer_dup(value, strlen(value));
}

static size_t
peer_var_length(const char *p)
{
	size_t n = 0;

	while (isalnum((unsigned char)p[n]) || p[n] == '_' || p[n] == '.')
		n++;
	return n;
}

char *
peer_expand(const char *line, peer_lookup *lookup)
{
	char *text, *value;
	size_t bytes, len;
	FILE *f = open_memstream(&text, &bytes);

	for (; f != NULL && *line != '\0'; line++) {
		if (*line != '$' || *++line == '$') {
			fputc(*line, f);
			continue;
		}
		len = peer_var_length(line);
		value = lookup(line, len);
		if (value == NULL)
			peer_wrong("nothing is called $%.*s", (int)len, line);
		fputs(value, f);
		free(value);
		line += len - 1;
	}
	if (f == NULL || fclose(f) != 0)
		peer_wrong("out of memory");
	return text;
}

/* Cut one word off `*line`, in place; "..." holds blanks. NULL at the end. */
static char *
peer_word(char **line)
{
	char *from = *line + strspn(*line, " \t\n"), *to = from, *p = from;
	bool quoted = false;

	if (*from == '\0')
		return NULL;
	for (; *p != '\0' && (quoted || strchr(" \t\n", *p) == NULL); p++)
		if (*p == '"')
			quoted = !quoted;
		else
			*to++ = *p;
	if (quoted)
		peer_wrong("a \" is not closed");
	*line = *p == '\0' ? p : p + 1;
	*to = '\0';
	return from;
}

struct peer_args
peer_split(char *line)
{
	struct peer_args args = { 0 };
	char *word;

	while ((word = peer_word(&line)) != NULL) {
		if (args.n == PEER_WORDS_MAX)
			peer_wrong("more than %u words", PEER_WORDS_MAX);
		args.words[args.n++] = word;
	}
	return args;
}

const char *
peer_arg_at(struct peer_args *args, unsigned i, const char *what)
{
	if (i >= args->n)
		peer_wrong("%s: %s is missing", args->words[0], what);
	args->taken[i] = true;
	return args->words[i];
}

bool
peer_flag(struct peer_args *args, const char *name)
{
	for (unsigned i = 1; i < args->n; i++)
		if (strcmp(args->words[i], name) == 0)
			return args->taken[i] = true;
	return false;
}

const char *
peer_arg(struct peer_args *args, const char *name, const char *otherwise)
{
	size_t len = strlen(name);

	for (unsigned i = 1; i < args->n; i++) {
		if (strncmp(args->words[i], name, len) != 0 ||
		    args->words[i][len] != '=')
			continue;
		args->taken[i] = true;
		return args->words[i] + len + 1;
	}
	return otherwise;
}

int64_t
peer_number_of(const char *what, const char *text)
{
	char *end;
	int64_t v;

	errno = 0;
	v = text[0] == '-' ? strtoll(text, &end, 0)
			   : (int64_t)strtoull(text, &end, 0);
	if (errno != 0 || end == text || *end != '\0')
		peer_wrong("%s: '%s' is no number", what, text);
	return v;
}

int64_t
peer_number(struct peer_args *args, const char *name, int64_t otherwise)
{
	const char *text = peer_arg(args, name, NULL);

	return text == NULL ? otherwise : peer_number_of(name, text);
}

void
peer_args_done(const struct peer_args *args)
{
	for (unsigned i = 1; i < args->n; i++)
		if (!args->taken[i])
			peer_wrong("%s does not know '%s'", args->words[0],
			    args->words[i]);
}
