/* SPDX-License-Identifier: MIT */
/*
 * cmd/node/services and cmd/node/macho: what a file may say, when an answer
 * is due, and what is answered to whom.
 */
#include "cmd/node/macho.h"
#include "proto/macho.h"
#include "proto/marshal.h"

#include "tests/unit/object_text.h"
#include "tests/unit/temp_file.h"

#define MS INT64_C(1000000)
#define N_DRAWS 10000
#define N_REPLIES 4

static struct bnet_marshal *m;

static void
setup(void)
{
	temp_setup();
	m = bnet_marshal_new(NULL);
	ck_assert_ptr_nonnull(m);
}

static void
teardown(void)
{
	bnet_marshal_free(m);
	temp_teardown();
}

/* ---- the file ---- */

static bool
read_text(struct services *services, const char *text, char *err)
{
	temp_write(text, strlen(text));
	err[0] = '\0';
	return services_read(services, temp_path, 1, err);
}

#define METHOD(members) "{\"services\":{\"s\":{\"m\":{" members "}}}}"

static const struct {
	const char *text, *err; /* err NULL: it is as it should be */
} files[] = {
	{ "{\"services\":{}}", NULL },
	{ "{\"node\":5,\"services\":{\"a\":{},\"b\":{\"x\":{}}}}", NULL },
	{ METHOD("\"latency\":\"2ms\""), NULL },
	{ METHOD("\"latency\":\"fixed 2ms\""), NULL },
	{ METHOD("\"latency\":\"uniform 2ms 2ms\""), NULL },
	{ METHOD("\"latency\":\"normal 5ms 1ms\""), NULL },
	{ METHOD("\"latency\":\"lognormal 5ms 50ms\""), NULL },
	{ METHOD("\"error\":\"UNMACHOCHANNEL\""), NULL },
	{ METHOD("\"silent\":true"), NULL },
	{ METHOD("\"silent\":false,\"result\":1"), NULL },
	{ METHOD("\"events\":[{\"name\":\"E\"}]"), NULL },
	{ "", "line 1: " },
	{ "{\"services\":{},}", "line 1: " },
	{ "{\"services\":{\"a\":{},\"a\":{}}}", "duplicate" },
	{ "[]", "the file: expected an object" },
	{ "{}", "services: expected an object" },
	{ "{\"services\":[]}", "services: expected an object" },
	{ "{\"service\":{}}", "service: there is no such member" },
	{ "{\"node\":0,\"services\":{}}", "node: expected the id" },
	{ "{\"services\":{\"s\":1}}", "services.s: expected an object" },
	{ "{\"services\":{\"s\":{\"m\":1}}}", "services.s.m: expected an obj" },
	{ METHOD("\"resul\":1"), "services.s.m.resul: there is no such" },
	{ METHOD("\"result\":{\"bytes\":\"x\"}"), "services.s.m: expected" },
	{ METHOD("\"result\":1,\"error\":\"UNMACHOCHANNEL\""), "expected one" },
	{ METHOD("\"result\":1,\"silent\":true"), "expected one of" },
	{ METHOD("\"silent\":1"), "expected true or false" },
	{ METHOD("\"error\":\"OOPS\""), "expected UNMACHODESTINATION, " },
	{ METHOD("\"error\":3"), "expected UNMACHODESTINATION, " },
	{ METHOD("\"exception\":1"), "an \"exception\" needs an \"error\"" },
	{ METHOD("\"latency\":2"), "services.s.m.latency: expected a time" },
	{ METHOD("\"latency\":\"\""), "m.latency: expected a time" },
	{ METHOD("\"latency\":\"2\xc2\xb5\""), "m.latency: expected a time" },
	{ METHOD("\"latency\":\"uniform 2ms\""), "expected a time" },
	{ METHOD("\"latency\":\"uniform 2ms 1ms\""), "expected a time" },
	{ METHOD("\"latency\":\"lognormal 0 1ms\""), "expected a time" },
	{ METHOD("\"latency\":\"lognormal 2ms 1ms\""), "expected a time" },
	{ METHOD("\"latency\":\"gamma 1ms 1ms\""), "expected a time" },
	{ METHOD("\"latency\":\"2h\""), "expected a time" },
	{ METHOD("\"events\":{}"), "expected an array as \"events\"" },
	{ METHOD("\"events\":[{}]"), "m.events[0]: expected a \"name\"" },
	{ METHOD("\"events\":[{\"name\":\"E\",\"args\":1}]"), "as \"args\"" },
	{ METHOD("\"events\":[{\"name\":\"E\",\"at\":1}]"),
	    "[0].at: there is" },
	{ METHOD("\"events\":[{\"name\":\"E\",\"after\":1}]"),
	    "[0].after: ex" },
	{ METHOD("\"events\":[{\"name\":\"E\",\"args\":[{\"long\":1}]}]"),
	    "events[0]: expected" },
};

START_TEST(file)
{
	char err[SERVICES_ERR_CHARS];
	struct services services;
	bool ok = read_text(&services, files[_i].text, err);

	ck_assert_msg(
	    ok == (files[_i].err == NULL), "%s: %s", files[_i].text, err);
	if (!ok)
		ck_assert_msg(strstr(err, files[_i].err) != NULL, "%s: %s",
		    files[_i].text, err);
	services_free(&services);
}
END_TEST

START_TEST(no_file)
{
	char err[SERVICES_ERR_CHARS];
	struct services services;

	ck_assert(!services_read(&services, "/no/such/file", 1, err));
	ck_assert(strstr(err, "No such file") != NULL);
	services_free(&services);
}
END_TEST

/* ---- delays ---- */

static const struct {
	struct delay delay;
	int64_t least_ns, most_ns; /* of each */
	double low_ms, high_ms; /* of their mean */
	double above; /* how many are above b: a share */
} delays[] = {
	{ { DELAY_FIXED, 0, 0 }, 0, 0, 0, 0, 0 },
	{ { DELAY_FIXED, 7 * MS, 0 }, 7 * MS, 7 * MS, 7, 7, 1 },
	{ { DELAY_UNIFORM, 2 * MS, 6 * MS }, 2 * MS, 6 * MS, 3.9, 4.1, 0 },
	{ { DELAY_NORMAL, 20 * MS, 2 * MS }, 8 * MS, 32 * MS, 19.9, 20.1, 1 },
	{ { DELAY_NORMAL, 0, 2 * MS }, 0, 12 * MS, 0.7, 0.9, 0.158 },
	{ { DELAY_LOGNORMAL, 5 * MS, 50 * MS }, 1, 1000 * MS, 7.6, 8.6, 0.01 },
};

START_TEST(draws)
{
	const struct delay *delay = &delays[_i].delay;
	struct random rnd = random_stream(1, 2), again = rnd;
	int64_t ns, sum_ns = 0;
	int above = 0;

	for (int i = 0; i < N_DRAWS; i++) {
		ns = delay_draw_ns(delay, &rnd);
		ck_assert_int_eq(ns, delay_draw_ns(delay, &again));
		ck_assert_int_ge(ns, delays[_i].least_ns);
		ck_assert_int_le(ns, delays[_i].most_ns);
		sum_ns += ns;
		above += ns > delay->b_ns;
	}
	ck_assert_double_ge(
	    (double)sum_ns / N_DRAWS, delays[_i].low_ms * (double)MS);
	ck_assert_double_le(
	    (double)sum_ns / N_DRAWS, delays[_i].high_ms * (double)MS);
	ck_assert_double_eq_tol(
	    (double)above / N_DRAWS, delays[_i].above, 0.01);
	/* each took two, whatever its kind */
	rnd = random_stream(1, 2);
	(void)delay_draw_ns(delay, &rnd);
	again = random_stream(1, 2);
	(void)random_next(&again);
	(void)random_next(&again);
	ck_assert_uint_eq(rnd.state, again.state);
}
END_TEST

/* ---- answers ---- */

struct taken {
	unsigned n;
	enum macho_kind kinds[N_REPLIES];
	int64_t delays_ns[N_REPLIES];
	bool to_node;
	char *text[N_REPLIES]; /* the packet's object */
};

static void
emit(void *arg, const struct macho_reply *reply)
{
	struct taken *taken = arg;
	struct bnet_object object;

	ck_assert_uint_lt(taken->n, N_REPLIES);
	unit_err(
	    "answer", bnet_marshal_read(m, reply->payload, &object), BNET_OK);
	taken->kinds[taken->n] = reply->kind;
	taken->delays_ns[taken->n] = reply->delay_ns;
	taken->to_node = reply->to_node;
	taken->text[taken->n] = strdup(object_text(object.root));
	ck_assert_ptr_nonnull(taken->text[taken->n]);
	taken->n++;
}

static void
forget(struct taken *taken)
{
	while (taken->n > 0)
		free(taken->text[--taken->n]);
}

static struct macho *
with_file(const char *text)
{
	char err[SERVICES_ERR_CHARS];
	struct services services;
	struct macho *macho;

	ck_assert_msg(read_text(&services, text, err), "%s", err);
	macho = macho_new(&services);
	ck_assert_ptr_nonnull(macho);
	return macho;
}

#define SERVICES \
	"{\"node\":9,\"services\":{\"market\":{" \
	"\"Get\":{\"result\":[1,{\"tuple\":[2]}]}," \
	"\"Late\":{\"latency\":\"3ms\"}," \
	"\"Fail\":{\"error\":\"WRAPPEDEXCEPTION\",\"exception\":\"why\"}," \
	"\"Quiet\":{\"silent\":true}," \
	"\"Tell\":{\"latency\":\"2ms\",\"events\":[{\"name\":\"OnA\"," \
	"\"args\":[1,\"x\"],\"after\":\"1ms\"},{\"name\":\"OnB\"}]}}}}"

/* The parts of answers, by callers that are as `source` says. */
#define A "{\"instance\":{\"class\":\"macho.MachoAddress\",\"state\":"
#define OWN A "[1,9,\"market\",null]}}"
#define CLIENT A "[2,0,42,null]}}"
#define NODE A "[1,70,null,42]}}"
#define PACKET(name, type, to, payload) \
	"{\"instance\":{\"class\":\"macho." name "\",\"state\":[" type "," OWN \
	"," to "," payload ",null,null,null,null]}}"

static const struct {
	const char *name, *source, *destination, *method;
	enum macho_taken taken;
	unsigned n;
	const char *answers[N_REPLIES];
	int64_t delays_ns[N_REPLIES];
} asked[] = {
	{ "a result", "[2,0,42,null]", "[8,\"market\",null]", "Get",
	    MACHO_CALLED, 1, { PACKET("CallRsp", "7", CLIENT, "77,[[1,[2]]]") },
	    { 0 } },
	{ "to a node", "[1,70,null,42]", "[1,9,\"market\",null]", "Get",
	    MACHO_CALLED, 1, { PACKET("CallRsp", "7", NODE, "77,[[1,[2]]]") },
	    { 0 } },
	{ "nothing, later", "[2,0,42,null]", "[8,\"market\",null]", "Late",
	    MACHO_CALLED, 1, { PACKET("CallRsp", "7", CLIENT, "77,[null]") },
	    { 3 * MS } },
	{ "an error", "[2,0,42,null]", "[8,\"market\",null]", "Fail",
	    MACHO_CALLED, 1,
	    { PACKET("ErrorResponse", "15", CLIENT, "77,[6,2,[\"why\"]]") },
	    { 0 } },
	{ "silence", "[2,0,42,null]", "[8,\"market\",null]", "Quiet",
	    MACHO_SILENT, 0, { NULL }, { 0 } },
	{ "events", "[2,0,42,null]", "[8,\"market\",null]", "Tell",
	    MACHO_CALLED, 3,
	    { PACKET("Notification", "12", A "[4,\"OnA\",[0],\"clientID\"]}}",
		  "null,[[0,[0,[1,[1,\"x\"]]]]]"),
		PACKET("Notification", "12", A "[4,\"OnB\",[0],\"clientID\"]}}",
		    "null,[[0,[0,[1,[]]]]]"),
		PACKET("CallRsp", "7", CLIENT, "77,[null]") },
	    { MS, 0, 2 * MS } },
	{ "no such method", "[2,0,42,null]", "[8,\"market\",null]", "Ge",
	    MACHO_CALLED, 1,
	    { PACKET("ErrorResponse", "15", CLIENT,
		"77,[6,2,[{\"instance\":{\"class\":"
		"\"exceptions.AttributeError\",\"args\":[\"Ge\"]}}]]") },
	    { 0 } },
	{ "another node", "[2,0,42,null]", "[1,8,\"market\",null]", "Get",
	    MACHO_CALLED, 1,
	    { PACKET("ErrorResponse", "15", CLIENT,
		"77,[6,0,[{\"instance\":{\"class\":"
		"\"macho.UnMachoDestination\",\"args\":[\"market\"]}}]]") },
	    { 0 } },
};

/* The call as JSON, which values.c makes a stream of. */
static struct bnet_slice
call_of(struct bnet_buf *out, const char *class_name, int type,
    const char *source, const char *destination, const char *payload)
{
	char text[2048], err[512];
	struct services made;
	struct bnet_slice slice;

	/* a result of a file is a stream as well */
	snprintf(text, sizeof(text),
	    METHOD("\"result\":{\"instance\":{\"class\":\"%s\",\"state\":"
		   "{\"tuple\":[%d,{\"instance\":{\"class\":"
		   "\"macho.MachoAddress\",\"state\":{\"tuple\":%s}}},"
		   "{\"instance\":{\"class\":\"macho.MachoAddress\","
		   "\"state\":{\"tuple\":%s}}},77,%s]}}}"),
	    class_name, type, source, destination, payload);
	ck_assert_msg(read_text(&made, text, err), "%s", err);
	slice = bnet_buf_slice(&made.at[0].methods[0].value);
	ck_assert_int_eq(bnet_buf_append(out, slice), BNET_OK);
	services_free(&made);
	return bnet_buf_slice(out);
}

START_TEST(answers)
{
	struct macho *macho = with_file(SERVICES);
	struct taken taken = { .n = 0 };
	struct bnet_slice call;
	struct bnet_buf out;
	char payload[256];

	bnet_buf_init(&out, 4096);
	snprintf(payload, sizeof(payload),
	    "{\"tuple\":[{\"tuple\":[0,{\"tuple\":[0,\"%s\",{\"tuple\":[]},"
	    "{}]}]}]}",
	    asked[_i].method);
	call = call_of(&out, "macho.CallReq", 6, asked[_i].source,
	    asked[_i].destination, payload);
	ck_assert_int_eq(
	    macho_take(macho, call, emit, &taken), asked[_i].taken);
	ck_assert_uint_eq(taken.n, asked[_i].n);
	for (unsigned i = 0; i < taken.n; i++) {
		ck_assert_str_eq(taken.text[i], asked[_i].answers[i]);
		ck_assert_int_eq(taken.delays_ns[i], asked[_i].delays_ns[i]);
		ck_assert_int_eq(
		    taken.to_node, strncmp(asked[_i].source, "[1", 2) == 0);
	}
	forget(&taken);
	bnet_buf_free(&out);
	macho_free(macho);
}
END_TEST

/* Classes are named as those of the call; a ping; and what is not answered. */
START_TEST(others)
{
	struct macho *macho = with_file(SERVICES);
	struct taken taken = { .n = 0 };
	struct bnet_buf out;

	bnet_buf_init(&out, 4096);
	ck_assert_int_eq(macho_take(macho,
			     call_of(&out, "carbon.machoNetPacket.CallReq", 6,
				 "[2,0,42,null]", "[8,\"nobody\",null]", "[]"),
			     emit, &taken),
	    MACHO_CALLED);
	ck_assert(
	    strstr(taken.text[0], "\"carbon.machoNetPacket.ErrorRes") != NULL);
	ck_assert(strstr(taken.text[0],
		      "\"carbon.machoNetPacket.UnMachoDestination\",\"args\":"
		      "[\"nobody\"]") != NULL);
	bnet_buf_clear(&out);
	forget(&taken);
	ck_assert_int_eq(macho_take(macho,
			     call_of(&out, "macho.PingReq", 20, "[2,0,42,null]",
				 "[8,null,null]", "[5]"),
			     emit, &taken),
	    MACHO_CALLED);
	ck_assert_int_eq(taken.kinds[0], MACHO_PONG);
	ck_assert(strstr(taken.text[0], ",77,[5],null") != NULL);
	bnet_buf_clear(&out);
	ck_assert_int_eq(macho_take(macho,
			     call_of(&out, "macho.CallRsp", 7, "[2,0,42,null]",
				 "[8,null,null]", "[5]"),
			     emit, &taken),
	    MACHO_FOREIGN);
	ck_assert_int_eq(
	    macho_take(
		macho, bnet_slice_from(bnet_buf_slice(&out), 1), emit, &taken),
	    MACHO_FOREIGN);
	ck_assert_uint_eq(taken.n, 1);
	forget(&taken);
	bnet_buf_free(&out);
	macho_free(macho);
}
END_TEST

/* A call to what is no string, and one that refers to itself. */
static const struct {
	const char *hex;
	enum macho_taken taken;
} hostile[] = {
	/* the service is a list that holds itself: no copy of it ends */
	{ "7d0123 2c 25 020d 6d6163686f2e43616c6c526571"
	  "1405 0606 01 23 2c 25 0207 6d6163686f2e41"
	  "1403 0608 67 1b00 01 2d2d 01 24 2d2d",
	    MACHO_FAILED },
	/* there are no addresses, and no payload */
	{ "7d0123 2c 25 020d 6d6163686f2e43616c6c526571"
	  "1405 0606 01 01 01 24 2d2d",
	    MACHO_CALLED },
	{ "7d0123", MACHO_FOREIGN },
};

START_TEST(bad_calls)
{
	struct macho *macho = with_file(SERVICES);
	struct taken taken = { .n = 0 };
	struct bnet_slice in = unit_hex(hostile[_i].hex);

	ck_assert_int_eq(
	    macho_take(macho, in, emit, &taken), hostile[_i].taken);
	forget(&taken);
	unit_free(in);
	macho_free(macho);
}
END_TEST

static Suite *
macho_suite(void)
{
	Suite *suite = suite_create("node macho");
	TCase *tc = unit_case(suite, "all");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, file, 0, UNIT_ROWS(files));
	tcase_add_test(tc, no_file);
	tcase_add_loop_test(tc, draws, 0, UNIT_ROWS(delays));
	tcase_add_loop_test(tc, answers, 0, UNIT_ROWS(asked));
	tcase_add_test(tc, others);
	tcase_add_loop_test(tc, bad_calls, 0, UNIT_ROWS(hostile));
	return suite;
}

UNIT_MAIN(macho_suite)
