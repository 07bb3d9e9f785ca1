/* SPDX-License-Identifier: MIT */
/*
 * cmd/decode/stat_state and statistics_load(): states that nobody saved. That
 * the sum of captures is one run over them: tests/cli/decode_files.bats.
 */
#include "tests/unit/stat_events.h"

#define HDR3 "HISTFAAAACV42pNpmSzMwMDAzAABMJoRRlswQABLDYSGATaoMDsAO3IAyg=="

static const struct row {
	const char *merge, *err;
} rows[] = {
	{ "{}", "merge: expected version 1" },
	{ "7", "merge: expected version 1" },
	{ "{'version':2,'statistic':'keys','state':{'rows':[]}}",
	    "merge: expected version 1" },
	{ "{'version':1,'statistic':'none','state':{}}", "no statistic" },
	{ "{'version':1,'statistic':'io,x','state':{}}", "no interval" },
	{ "{'version':1,'statistic':'keys'}", "keys: no state" },
	{ "{'version':1,'statistic':'keys','state':[]}", "keys: state" },
	{ "{'version':1,'statistic':'streams','state':{'rows':[]}}",
	    "streams: it cannot be merged" },
	{ "{'version':1,'statistic':'keys','state':{}}", "rows: expected" },
	{ "{'version':1,'statistic':'keys','state':{'rows':[5]}}", "key: " },
	{ "{'version':1,'statistic':'keys','state':{'rows':"
	  "[{'key':[1],'frames':[1]}]}}",
	    "frames: expected its counts" },
	{ "{'version':1,'statistic':'keys','state':{'rows':"
	  "[{'key':[1],'frames':[1,-1]}]}}",
	    "frames: expected its counts" },
	{ "{'version':1,'statistic':'keys','state':{'rows':"
	  "[{'key':[1],'name':7}]}}",
	    "name: expected a name" },
	{ "{'version':1,'statistic':'keys','state':{'rows':"
	  "[{'key':[1],'payload':{'count':1,'min':9,'max':3,'sum':9}}]}}",
	    "payload: expected a tally" },
	{ "{'version':1,'statistic':'keys','state':{'rows':[],'refused':1,"
	  "'others':{'latency_max_ms':'x'}}}",
	    "latency_max_ms: expected a number" },
	{ "{'version':1,'statistic':'calls','state':{'rows':[{'key':[1]}]}}",
	    "key: " },
	/* 96 bytes are too many for a name, and so is what is no byte */
	{ "{'version':1,'statistic':'calls','state':{'rows':[{'key':"
	  "'0123456789012345678901234567890123456789012345678901234567890123"
	  "45678901234567890123456789012345'}]}}",
	    "key: " },
	{ "{'version':1,'statistic':'events','state':{'rows':"
	  "[{'key':'\\u0100'}]}}",
	    "key: " },
	{ "{'version':1,'statistic':'events','state':{'rows':"
	  "[{'key':'e','times_ns':[1]}]}}",
	    "times_ns: expected two times" },
	{ "{'version':1,'statistic':'frames','state':{'groups':[1,2]}}",
	    "groups: expected its counts" },
	{ "{'version':1,'statistic':'frames','state':{'frame_bytes':{}}}",
	    "frame_bytes: expected a histogram" },
	{ "{'version':1,'statistic':'frames','state':{'frame_bytes':"
	  "{'count':1,'min':1,'max':1,'sum':'1','sum_squares':'1',"
	  "'histogram':'HISTF'}}}",
	    "frame_bytes: expected a histogram" },
	/* one of three digits; sums that no three values have */
	{ "{'version':1,'statistic':'frames','state':{'frame_bytes':"
	  "{'count':0,'min':0,'max':0,'sum':'0','sum_squares':'0',"
	  "'histogram':'" HDR3 "'}}}",
	    "frame_bytes: expected a histogram" },
	{ "{'version':1,'statistic':'calls','state':{'rows':[{'key':'a::b',"
	  "'time_ns':{'count':3,'min':1,'max':2,'sum':'99','sum_squares':'9',"
	  "'histogram':'" HDR3 "'}}]}}",
	    "time_ns: expected a histogram" },
	{ "{'version':1,'statistic':'echo','state':{'rows':[],"
	  "'other_network':{'time_ns':{'count':1,'min':5,'max':4,'sum':'5',"
	  "'sum_squares':'25'}}}}",
	    "time_ns: expected sums" },
	{ "{'version':1,'statistic':'echo','state':{'rows':[],"
	  "'other_network':{'time_ns':{'count':1,'min':5,'max':5,'sum':'5',"
	  "'sum_squares':'9999999999999999999999999999999999999999999'}}}}",
	    "time_ns: expected sums" },
	{ "{'version':1,'statistic':'io,1s','state':{'rows':[],"
	  "'start_ns':-9223372036854775808,'first':9223372036854775807}}",
	    NULL },
	{ "{'version':1,'statistic':'health','state':{'packets':-1}}",
	    "packets: expected a count" },
	{ "{'version':1,'statistic':'health','state':{'reasons':"
	  "{'gaps':[{'reason':1}]}}}",
	    "reason: expected a name" },
	/* these are odd, and harmless */
	{ "{'version':1,'statistic':'health','state':{'reasons':7,"
	  "'left_out':[1,[],[9223372036854775807,1,1],[-1,2,2]]}}",
	    NULL },
	{ "{'version':1,'statistic':'io,1s,clock','state':{'rows':"
	  "[{'key':[9223372036854775807],'losses':1},{'key':[-3]}],"
	  "'start_ns':9223372036000000000,'first':0}}",
	    NULL },
	{ "{'version':1,'statistic':'endpoints','state':{'rows':"
	  "[{'key':[99,-1,5],'frames':[1,1]}]}}",
	    NULL },
	{ "{'version':1,'statistic':'echo','state':{'rows':"
	  "[{'key':[1,1,77],'echoes':1}]}}",
	    "key: " },
};

/* JSON with quotes that are easier to read here. */
static json_t *
json_of(const char *text)
{
	char *copy = strdup(text);
	json_t *got;

	for (char *p = copy; *p != '\0'; p++)
		*p = *p == '\'' ? '"' : *p;
	got = json_loads(copy, JSON_DECODE_ANY, NULL);
	ck_assert_msg(got != NULL, "%s", copy);
	free(copy);
	return got;
}

START_TEST(odd)
{
	const struct row *row = &rows[_i];
	struct statistics *st = statistics_new();
	json_t *merge = json_of(row->merge);
	char err[256] = "", *text;
	bool ok = statistics_load(st, merge, err, sizeof(err));

	ck_assert_msg(ok == (row->err == NULL), "%s: %s", row->merge, err);
	if (row->err != NULL)
		ck_assert_msg(strstr(err, row->err) != NULL, "'%s' has not %s",
		    err, row->err);
	/* whatever of it was added can be printed */
	for (int json = 0; json < 2; json++) {
		size_t n;
		FILE *out = open_memstream(&text, &n);

		(void)!statistics_print(
		    st, out, json == 1 ? TABLE_AS_JSON : TABLE_AS_TEXT, NULL);
		fclose(out);
		free(text);
	}
	json_decref(merge);
	statistics_free(st);
}
END_TEST

/* Every byte of a name comes back; times and sums of two captures. */
START_TEST(adds)
{
	json_t *one = json_of(
	    "{'version':1,'statistic':'events','state':{'rows':"
	    "[{'key':'a\\u0001\\u00ff','bytes':10,'times_ns':[5,2000000005],"
	    "'payload':{'count':2,'min':1,'max':3,'sum':4}}]}}");
	struct statistics *st = statistics_new();
	char err[256], *text;

	for (int i = 0; i < 2; i++)
		ck_assert(statistics_load(st, one, err, sizeof(err)));
	check_table(st, NULL, "events",
	    "[[\"event\",\"events\",\"per_s\",\"bytes\",\"payload_min\","
	    "\"payload_avg\",\"payload_max\"],"
	    "[[\"a??\",4,1.5,20,1,2.0,3]]]");
	text = told(st, true, NULL);
	ck_assert_ptr_nonnull(strstr(text, "a\\u0001\xc3\xbf"));
	free(text);
	json_decref(one);
	statistics_free(st);
}
END_TEST

static Suite *
merge_suite(void)
{
	Suite *suite = suite_create("statistics_merge");
	TCase *tc = unit_case(suite, "statistics_merge");

	tcase_add_loop_test(tc, odd, 0, UNIT_ROWS(rows));
	tcase_add_test(tc, adds);
	return suite;
}

UNIT_MAIN(merge_suite)
