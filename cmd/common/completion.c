/* SPDX-License-Identifier: MIT */
#include "cmd/common/completion.h"

#include <string.h>

#define NAME_CHARS 64
#define RUN "@run "

static bool
is_end(const struct option_row *row)
{
	return row->name == NULL && row->letter == 0;
}

/* "_bluenet_relay": the prefix of the functions. */
static void
function_of(const struct option_program *program, char name[NAME_CHARS])
{
	(void)snprintf(name, NAME_CHARS, "_%s", program->name);
	for (char *c = name; *c != '\0'; c++)
		if (*c == '-')
			*c = '_';
}

/* How to complete the argument, as `complete` of a row; "": not at all. */
static const char *
completes(const struct option_row *row)
{
	if (row->complete != NULL)
		return row->complete;
	if (strcmp(row->arg, "FILE") == 0 || strcmp(row->arg, "PATH") == 0)
		return "@files";
	return strcmp(row->arg, "USER") == 0 ? "@users" : "";
}

/* Prints the words of the row, or of `complete`. */
static void
print_words(FILE *f, const struct option_row *row, const char *complete)
{
	if (row->words == NULL) {
		fputs(complete, f);
		return;
	}
	for (size_t i = 0; row->words[i] != NULL; i++)
		fprintf(f, "%s%s", i > 0 ? " " : "", row->words[i]);
}

/* ---- bash ---- */

/* The first %s is FUNCTION, which occurs several times. */
static const char bash_head[] =
    "# SPDX-License-Identifier: MIT\n"
    "# Completion of %s for bash; made from its table of options.\n"
    "# shellcheck shell=bash\n\n"
    "%s_files() {\n"
    "\tcompopt -o filenames 2>/dev/null\n"
    "\tmapfile -t COMPREPLY < <(compgen -f -- \"$1\")\n"
    "}\n\n"
    "%s_words() {\n"
    "\tmapfile -t COMPREPLY < <(compgen -W \"$2\" -- \"$1\")\n"
    "}\n\n";

static const char bash_run[] =
    "# The first column of what the program prints, less its number and\n"
    "# what stands after a comma: \"1.eth0 [Up]\", \"io,SECONDS  ...\".\n"
    "%s_run() {\n"
    "\tlocal words\n\n"
    "\twords=$(\"$2\" \"${@:3}\" 2>/dev/null |\n"
    "\t    sed 's/^[0-9]*\\.//; s/[[:space:]].*//; s/,.*/,/')\n"
    "\t%s_words \"$1\" \"$words\"\n"
    "}\n\n";

static const char bash_value[] =
    "# The value of option $1, of which $2 is there; $3 is the command. Fails\n"
    "# where $1 takes no value.\n"
    "%s_value() {\n"
    "\tcase $1 in\n";

static const char bash_main[] =
    "\t*)\n"
    "\t\treturn 1 ;;\n"
    "\tesac\n"
    "}\n\n"
    "%s() {\n"
    "\tlocal cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}"
    "\n\n"
    "\t# --option=value comes in three words\n"
    "\tif [[ $cur == \"=\" && $prev == --* ]]; then\n"
    "\t\tcur=\n"
    "\telif [[ $prev == \"=\" && $COMP_CWORD -gt 2 ]]; then\n"
    "\t\tprev=${COMP_WORDS[COMP_CWORD - 2]}\n"
    "\tfi\n"
    "\tCOMPREPLY=()\n"
    "\t%s_value \"$prev\" \"$cur\" \"${COMP_WORDS[0]}\" && return\n"
    "\tif [[ $cur != -* ]]; then\n";

static bool
runs(const struct option_program *program)
{
	const struct option_row *row = program->rows;

	while (!is_end(row) &&
	    (row->complete == NULL ||
		strncmp(row->complete, RUN, strlen(RUN)) != 0))
		row++;
	return !is_end(row);
}

static void
bash_row(FILE *f, const char *function, const struct option_row *row)
{
	const char *how = completes(row);

	fputc('\t', f);
	if (row->letter != 0)
		fprintf(f, "-%c", row->letter);
	fprintf(f, "%s%s%s)\n\t\t",
	    row->letter != 0 && row->name != NULL ? " | " : "",
	    row->name != NULL ? "--" : "", row->name != NULL ? row->name : "");
	if (strcmp(how, "@files") == 0)
		fprintf(f, "%s_files \"$2\"", function);
	else if (strcmp(how, "@users") == 0)
		fputs("mapfile -t COMPREPLY < <(compgen -u -- \"$2\")", f);
	else if (strcmp(how, "@hosts") == 0)
		fputs("mapfile -t COMPREPLY < <(compgen -A hostname -- \"$2\")",
		    f);
	else if (strncmp(how, RUN, strlen(RUN)) == 0)
		fprintf(
		    f, "%s_run \"$2\" \"$3\" %s", function, how + strlen(RUN));
	else if (how[0] != '\0' || row->words != NULL) {
		fprintf(f, "%s_words \"$2\" \"", function);
		print_words(f, row, how);
		fputc('"', f);
	} else {
		fputs("COMPREPLY=()", f);
	}
	fputs(" ;;\n", f);
}

void
completion_bash(const struct option_program *program, FILE *f)
{
	const struct option_row *row;
	char function[NAME_CHARS];

	function_of(program, function);
	fprintf(f, bash_head, program->name, function, function);
	if (runs(program))
		fprintf(f, bash_run, function, function);
	fprintf(f, bash_value, function);
	for (row = program->rows; !is_end(row); row++)
		if (row->arg != NULL)
			bash_row(f, function, row);
	fprintf(f, bash_main, function, function);
	if (program->operands != NULL)
		fprintf(f, "\t\t%s_files \"$cur\"\n", function);
	fprintf(f, "\t\treturn 0\n\tfi\n\t%s_words \"$cur\" \"\n", function);
	for (row = program->rows; !is_end(row); row++) {
		fputs("\t\t", f);
		if (row->letter != 0)
			fprintf(f, "-%c%s", row->letter,
			    row->name != NULL ? " " : "");
		fprintf(f, "%s%s\n", row->name != NULL ? "--" : "",
		    row->name != NULL ? row->name : "");
	}
	fprintf(f, "\t\"\n}\n\ncomplete -F %s %s\n", function, program->name);
}

/* ---- zsh ---- */

static const char zsh_run[] =
    "# The first column of what the program prints, less its number and\n"
    "# what stands after a comma: \"1.eth0 [Up]\", \"io,SECONDS  ...\".\n"
    "%s_run() {\n"
    "\tlocal -a values\n\n"
    "\tvalues=(${(f)\"$(_call_program values $words[1] \"$@\" 2>/dev/null |\n"
    "\t    sed 's/^[0-9]*\\.//; s/[[:space:]].*//; s/,.*/,/')\"})\n"
    "\t_describe value values\n"
    "}\n\n";

/* Escapes characters special inside '...[...]'. */
static void
zsh_text(FILE *f, const char *text)
{
	for (; *text != '\0'; text++) {
		if (*text == '\'')
			fputs("'\\''", f);
		else if (strchr("[]:\\", *text) != NULL)
			fprintf(f, "\\%c", *text);
		else
			fputc(*text, f);
	}
}

/* ":ARG:ACTION" */
static void
zsh_action(FILE *f, const char *function, const struct option_row *row)
{
	const char *how = completes(row);

	fputc(':', f);
	zsh_text(f, row->arg);
	fputc(':', f);
	if (strcmp(how, "@files") == 0 || strcmp(how, "@users") == 0 ||
	    strcmp(how, "@hosts") == 0) {
		fprintf(f, "_%s", how + 1);
	} else if (strncmp(how, RUN, strlen(RUN)) == 0) {
		fprintf(f, " %s_run %s", function, how + strlen(RUN));
	} else if (how[0] != '\0' || row->words != NULL) {
		fputc('(', f);
		print_words(f, row, how);
		fputc(')', f);
	}
}

/* '(-o --output)'{-o+,--output=}'[what it does]:FORMAT:(text json)' */
static void
zsh_row(FILE *f, const char *function, const struct option_row *row)
{
	bool again = row->type == OPTION_IS_TEXTS ||
	    row->type == OPTION_IS_PORTS || row->type == OPTION_IS_ADDRESSES ||
	    row->type == OPTION_IS_CIDRS || row->type == OPTION_IS_OWN;
	bool ends =
	    row->type == OPTION_IS_HELP || row->type == OPTION_IS_VERSION;
	const char *plus = row->arg != NULL ? "+" : "",
		   *equals = row->arg != NULL ? "=" : "";

	fputs("\t'", f);
	if (ends)
		fputs("(- *)", f);
	else if (again)
		fputc('*', f);
	else if (row->letter != 0 && row->name != NULL)
		fprintf(f, "(-%c --%s)", row->letter, row->name);
	if (row->letter != 0 && row->name != NULL)
		fprintf(f, "'{-%c%s,--%s%s}'", row->letter, plus, row->name,
		    equals);
	else if (row->letter != 0)
		fprintf(f, "-%c%s", row->letter, plus);
	else
		fprintf(f, "--%s%s", row->name, equals);
	fputc('[', f);
	zsh_text(f, row->help);
	fputc(']', f);
	if (row->arg != NULL)
		zsh_action(f, function, row);
	fputs("' \\\n", f);
}

void
completion_zsh(const struct option_program *program, FILE *f)
{
	char function[NAME_CHARS];

	function_of(program, function);
	fprintf(f,
	    "#compdef %s\n"
	    "# SPDX-License-Identifier: MIT\n"
	    "# Completion of %s for zsh; made from its table of options.\n\n",
	    program->name, program->name);
	if (runs(program))
		fprintf(f, zsh_run, function);
	fputs("_arguments -s -S \\\n", f);
	for (const struct option_row *row = program->rows; !is_end(row); row++)
		zsh_row(f, function, row);
	fprintf(
	    f, "\t'*:operand:%s'\n", program->operands != NULL ? "_files" : "");
}
