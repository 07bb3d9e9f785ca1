/* SPDX-License-Identifier: MIT */
#include "cmd/node/services.h"

#include "cmd/common/options.h"
#include "cmd/node/values.h"
#include "proto/macho.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VALUE_BYTES ((size_t)1 << 19) /* of one result */
#define DELAY_MAX_NS (INT64_C(3600) * 1000000000)
#define WHERE_CHARS 256
#define P99 2.3263478740408408 /* standard deviations above the median */

/* Where in the file, and what is wrong there. */
struct reading {
	char where[WHERE_CHARS];
	char *err; /* SERVICES_ERR_CHARS */
	uint64_t seed;
	uint64_t n_methods; /* so far, each with a series of its own */
};

/* Always false. */
static bool
wrong(const struct reading *r, const char *what)
{
	snprintf(r->err, SERVICES_ERR_CHARS, "%s: %s", r->where, what);
	return false;
}

/* Now at `part` of what is at `length` of the place; returns the new length. */
static size_t
go_to(struct reading *r, size_t length, const char *part)
{
	snprintf(r->where + length, sizeof(r->where) - length, "%s%s",
	    length == 0 ? "" : ".", part);
	return strlen(r->where);
}

static void
go_back(struct reading *r, size_t length)
{
	r->where[length] = '\0';
}

/* Has the object none but these members? NULL ends them. */
static bool
only(struct reading *r, json_t *json, const char *const *names)
{
	const char *key;
	json_t *value;
	size_t i;

	if (!json_is_object(json))
		return wrong(r, "expected an object");
	json_object_foreach(json, key, value)
	{
		for (i = 0; names[i] != NULL; i++)
			if (strcmp(names[i], key) == 0)
				break;
		if (names[i] == NULL) {
			(void)go_to(r, strlen(r->where), key);
			return wrong(r, "there is no such member");
		}
	}
	return true;
}

/* ---- delays ---- */

static const struct {
	const char *name;
	unsigned n; /* times that follow */
} delay_kinds[] = {
	[DELAY_FIXED] = { "fixed", 1 },
	[DELAY_UNIFORM] = { "uniform", 2 },
	[DELAY_NORMAL] = { "normal", 2 },
	[DELAY_LOGNORMAL] = { "lognormal", 2 },
};

#define N_DELAY_KINDS (sizeof(delay_kinds) / sizeof(delay_kinds[0]))
#define DELAY_EXPECTED \
	"expected a time such as \"2ms\", \"uniform MIN MAX\", " \
	"\"normal MEAN DEVIATION\" or \"lognormal MEDIAN P99\""

/* The number of words, at most 4; `text` is cut into them. */
static unsigned
words_of(char *text, char *words[4])
{
	unsigned n = 0;
	char *save, *word;

	for (word = strtok_r(text, " ", &save); word != NULL && n < 4;
	     word = strtok_r(NULL, " ", &save))
		words[n++] = word;
	return n;
}

static bool
delay_parse(const char *text, struct delay *delay)
{
	char copy[128], err[OPTION_ERR_CHARS], *words[4], **at = words;
	int64_t ns[2] = { 0, 0 };
	unsigned n;

	if ((size_t)snprintf(copy, sizeof(copy), "%s", text) >= sizeof(copy))
		return false;
	n = words_of(copy, words);
	delay->kind = DELAY_FIXED;
	for (size_t i = 0; n > 1 && i < N_DELAY_KINDS; i++)
		if (strcmp(delay_kinds[i].name, words[0]) == 0) {
			delay->kind = (enum delay_kind)i;
			at++;
			n--;
			break;
		}
	if (n != delay_kinds[delay->kind].n)
		return false;
	for (unsigned i = 0; i < n; i++)
		if (!option_time(at[i], 0, DELAY_MAX_NS, &ns[i], err))
			return false;
	delay->a_ns = ns[0];
	delay->b_ns = ns[1];
	return (delay->kind != DELAY_UNIFORM || ns[0] <= ns[1]) &&
	    (delay->kind != DELAY_LOGNORMAL || (0 < ns[0] && ns[0] <= ns[1]));
}

/* Box and Muller's. */
static double
normal(double u1, double u2)
{
	return sqrt(-2 * log(1 - u1)) * cos(2 * 3.14159265358979323846 * u2);
}

int64_t
delay_draw_ns(const struct delay *delay, struct random *rnd)
{
	const double u1 = random_unit(rnd), u2 = random_unit(rnd);
	const double a = (double)delay->a_ns, b = (double)delay->b_ns;
	double ns = a;

	if (delay->kind == DELAY_UNIFORM)
		ns = a + u1 * (b - a);
	else if (delay->kind == DELAY_NORMAL)
		ns = a + b * normal(u1, u2);
	else if (delay->kind == DELAY_LOGNORMAL)
		ns = a * exp(log(b / a) / P99 * normal(u1, u2));
	if (!(ns > 0))
		return 0;
	return ns < (double)DELAY_MAX_NS ? (int64_t)ns : DELAY_MAX_NS;
}

static bool
read_delay(
    struct reading *r, const json_t *json, const char *name, struct delay *to)
{
	const json_t *value = json_object_get(json, name);
	const size_t length = strlen(r->where);

	*to = (struct delay){ DELAY_FIXED, 0, 0 };
	if (value == NULL)
		return true;
	(void)go_to(r, length, name);
	if (!json_is_string(value) ||
	    !delay_parse(json_string_value(value), to))
		return wrong(r, DELAY_EXPECTED);
	go_back(r, length);
	return true;
}

/* ---- events ---- */

/* (0, (1, args)) */
static bool
event_body(struct reading *r, const json_t *args, struct bnet_buf *body)
{
	json_t *json;
	char why[VALUES_ERR_CHARS] = "expected an array as \"args\"";
	bool ok = false;

	json = json_pack(
	    "{s:[i,{s:[i,{s:O?}]}]}", "tuple", 0, "tuple", 1, "tuple", args);
	if (args != NULL && !json_is_array(args))
		ok = false;
	else if (json == NULL)
		snprintf(why, sizeof(why), "out of memory");
	else
		ok = values_stream(json, body, why);
	json_decref(json);
	return ok || wrong(r, why);
}

static bool
read_event(struct reading *r, json_t *json, struct service_event *event)
{
	static const char *const members[] = { "name", "args", "after", NULL };
	const json_t *args = json_object_get(json, "args");
	json_t *none = NULL;
	bool ok;

	bnet_buf_init(&event->body, VALUE_BYTES);
	if (!only(r, json, members))
		return false;
	event->name = json_string_value(json_object_get(json, "name"));
	if (event->name == NULL)
		return wrong(r, "expected a \"name\"");
	if (args == NULL)
		args = none = json_array();
	ok = event_body(r, args, &event->body);
	json_decref(none);
	return ok && read_delay(r, json, "after", &event->after);
}

static bool
read_events(
    struct reading *r, const json_t *json, struct service_method *method)
{
	const size_t length = strlen(r->where), n = json_array_size(json);
	char part[32];

	if (json == NULL)
		return true;
	if (!json_is_array(json))
		return wrong(r, "expected an array as \"events\"");
	method->events = calloc(n + 1, sizeof(*method->events));
	if (method->events == NULL)
		return wrong(r, "out of memory");
	for (size_t i = 0; i < n; i++) {
		snprintf(part, sizeof(part), "events[%zu]", i);
		(void)go_to(r, length, part);
		method->n_events++;
		if (!read_event(r, json_array_get(json, i), &method->events[i]))
			return false;
		go_back(r, length);
	}
	return true;
}

/* ---- methods ---- */

/* The code of an error by its name. */
static bool
read_error(struct reading *r, const json_t *json, struct service_method *method)
{
	const json_t *error = json_object_get(json, "error");
	const char *name = json_string_value(error);

	method->error = -1;
	if (error == NULL)
		return true;
	for (int64_t code = 0; name != NULL && code <= 2; code++)
		if (strcmp(bnet_macho_error_name(code), name) == 0)
			method->error = code;
	return method->error >= 0 ||
	    wrong(r,
		"expected UNMACHODESTINATION, UNMACHOCHANNEL or "
		"WRAPPEDEXCEPTION as \"error\"");
}

/* What it answers: one of a result, an error, and nothing. */
static bool
read_answer(
    struct reading *r, const json_t *json, struct service_method *method)
{
	const json_t *silent = json_object_get(json, "silent");
	const json_t *result = json_object_get(json, "result");
	const json_t *exception = json_object_get(json, "exception");
	char why[VALUES_ERR_CHARS];

	if (!read_error(r, json, method))
		return false;
	if (silent != NULL && !json_is_boolean(silent))
		return wrong(r, "expected true or false as \"silent\"");
	method->silent = json_is_true(silent);
	if ((result != NULL) + (method->error >= 0) + method->silent > 1)
		return wrong(
		    r, "expected one of \"result\", \"error\" and \"silent\"");
	if (exception != NULL && method->error < 0)
		return wrong(r, "an \"exception\" needs an \"error\"");
	if (exception != NULL)
		result = exception;
	if (result == NULL)
		result = json_null();
	return values_stream(result, &method->value, why) || wrong(r, why);
}

static bool
read_method(struct reading *r, json_t *json, struct service_method *method)
{
	static const char *const members[] = { "result", "error", "exception",
		"silent", "latency", "events", NULL };

	bnet_buf_init(&method->value, VALUE_BYTES);
	method->rnd = random_stream(r->seed, ++r->n_methods << 32);
	return only(r, json, members) && read_answer(r, json, method) &&
	    read_delay(r, json, "latency", &method->latency) &&
	    read_events(r, json_object_get(json, "events"), method);
}

static bool
read_service(struct reading *r, json_t *json, struct service *service)
{
	const size_t length = strlen(r->where);
	const char *key;
	json_t *value;

	if (!json_is_object(json))
		return wrong(r, "expected an object: method names");
	service->methods =
	    calloc(json_object_size(json) + 1, sizeof(*service->methods));
	if (service->methods == NULL)
		return wrong(r, "out of memory");
	json_object_foreach(json, key, value)
	{
		(void)go_to(r, length, key);
		service->methods[service->n_methods].name = key;
		if (!read_method(
			r, value, &service->methods[service->n_methods++]))
			return false;
		go_back(r, length);
	}
	return true;
}

/* ---- the file ---- */

static bool
read_node(struct reading *r, const json_t *json, struct services *services)
{
	const json_t *node = json_object_get(json, "node");

	services->node = 1;
	services->only_node = node != NULL;
	if (node == NULL)
		return true;
	services->node = json_integer_value(node);
	return services->node > 0 ||
	    wrong(r, "node: expected the id of a node");
}

static bool
read_services(struct reading *r, json_t *json, struct services *services)
{
	const char *key;
	json_t *value;
	size_t length;

	json = json_object_get(json, "services");
	length = go_to(r, 0, "services");
	if (!json_is_object(json))
		return wrong(r, "expected an object: service names");
	services->at =
	    calloc(json_object_size(json) + 1, sizeof(*services->at));
	if (services->at == NULL)
		return wrong(r, "out of memory");
	json_object_foreach(json, key, value)
	{
		(void)go_to(r, length, key);
		services->at[services->n].name = key;
		if (!read_service(r, value, &services->at[services->n++]))
			return false;
		go_back(r, length);
	}
	return true;
}

bool
services_read(struct services *services, const char *path, uint64_t seed,
    char err[SERVICES_ERR_CHARS])
{
	static const char *const members[] = { "node", "services", NULL };
	struct reading r = { .err = err, .seed = seed };
	json_error_t error;

	*services = (struct services){ .json = NULL };
	errno = 0;
	services->json = json_load_file(path, JSON_REJECT_DUPLICATES, &error);
	if (services->json == NULL) {
		if (error.line < 0) /* jansson's text would name it again */
			snprintf(err, SERVICES_ERR_CHARS, "%s",
			    errno != 0 ? strerror(errno) : error.text);
		else
			snprintf(err, SERVICES_ERR_CHARS, "line %d: %s",
			    error.line, error.text);
		return false;
	}
	snprintf(r.where, sizeof(r.where), "the file");
	if (!json_is_object(services->json))
		return wrong(&r, "expected an object");
	go_back(&r, 0);
	return only(&r, services->json, members) &&
	    read_node(&r, services->json, services) &&
	    read_services(&r, services->json, services);
}

static void
free_method(struct service_method *method)
{
	for (size_t i = 0; i < method->n_events; i++)
		bnet_buf_free(&method->events[i].body);
	free(method->events);
	bnet_buf_free(&method->value);
}

void
services_free(struct services *services)
{
	for (size_t i = 0; i < services->n; i++) {
		for (size_t j = 0; j < services->at[i].n_methods; j++)
			free_method(&services->at[i].methods[j]);
		free(services->at[i].methods);
	}
	free(services->at);
	json_decref(services->json);
}

static bool
is(const char *name, const uint8_t *text, size_t n_bytes)
{
	return strlen(name) == n_bytes && memcmp(name, text, n_bytes) == 0;
}

struct service *
services_find(
    const struct services *services, const uint8_t *name, size_t n_bytes)
{
	for (size_t i = 0; i < services->n; i++)
		if (is(services->at[i].name, name, n_bytes))
			return &services->at[i];
	return NULL;
}

struct service_method *
service_method(
    const struct service *service, const uint8_t *name, size_t n_bytes)
{
	for (size_t i = 0; i < service->n_methods; i++)
		if (is(service->methods[i].name, name, n_bytes))
			return &service->methods[i];
	return NULL;
}
