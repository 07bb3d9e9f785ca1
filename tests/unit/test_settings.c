/* SPDX-License-Identifier: MIT */
/* Settings of programs that know fewer members than we do, or more. */
#include "proto/bluenet.h"
#include "tests/unit/unit.h"

#include <string.h>

/* As a later version may have them. */
struct later_link {
	struct bnet_link_settings now;
	uint32_t added;
};

struct later_tls {
	struct bnet_tls_settings now;
	bool added;
};

struct later_marshal {
	struct bnet_marshal_settings now;
	uint64_t added;
};

static enum bnet_err
new_link(const struct bnet_link_settings *set)
{
	struct bnet_codecs *codecs = bnet_codecs_new();
	struct bnet_link *link;
	enum bnet_err err;

	ck_assert_ptr_nonnull(codecs);
	err = bnet_link_new(set, codecs, &link);
	ck_assert(err == BNET_OK || link == NULL);
	bnet_link_free(link);
	bnet_codecs_free(codecs);
	return err;
}

START_TEST(link_settings)
{
	struct later_link set;

	memset(&set, 0, sizeof(set));
	ck_assert_int_eq(new_link(&set.now), BNET_OK);
	set.now.struct_bytes = sizeof(set.now);
	ck_assert_int_eq(new_link(&set.now), BNET_OK);
	set.now.struct_bytes = sizeof(set);
	ck_assert_int_eq(new_link(&set.now), BNET_OK);
	set.added = 1;
	ck_assert_int_eq(new_link(&set.now), BNET_ESETTINGS);
	/* a program that says nothing, or less, is not asked for more */
	set.now.struct_bytes = 0;
	ck_assert_int_eq(new_link(&set.now), BNET_OK);
	set.now.struct_bytes = offsetof(struct bnet_link_settings, tls);
	memset(&set.now.tls, 0xff, sizeof(set.now.tls));
	ck_assert_int_eq(new_link(&set.now), BNET_OK);
}
END_TEST

START_TEST(tls_settings)
{
	struct later_tls set;
	struct bnet_tls_ctx *ctx;
	char why[100];

	memset(&set, 0, sizeof(set));
	set.now.struct_bytes = sizeof(set);
	set.now.insecure = true;
	ck_assert_int_eq(
	    bnet_tls_ctx_new(&set.now, &ctx, why, sizeof(why)), BNET_OK);
	bnet_tls_ctx_free(ctx);
	set.added = true;
	ck_assert_int_eq(
	    bnet_tls_ctx_new(&set.now, &ctx, why, sizeof(why)), BNET_ESETTINGS);
	ck_assert_ptr_null(ctx);
	ck_assert_str_eq(why, "setting of a newer version of the library");
	ck_assert_int_eq(
	    bnet_tls_ctx_new(&set.now, &ctx, NULL, 0), BNET_ESETTINGS);
}
END_TEST

START_TEST(marshal_settings)
{
	struct later_marshal set;
	struct bnet_marshal *m;

	memset(&set, 0, sizeof(set));
	set.now.struct_bytes = sizeof(set);
	m = bnet_marshal_new(&set.now);
	ck_assert_ptr_nonnull(m);
	bnet_marshal_free(m);
	set.added = 1;
	ck_assert_ptr_null(bnet_marshal_new(&set.now));
}
END_TEST

START_TEST(version)
{
	ck_assert_str_eq(bnet_version(), BNET_VERSION);
}
END_TEST

static Suite *
settings_suite(void)
{
	Suite *suite = suite_create("settings");
	TCase *tc = unit_case(suite, "settings");

	tcase_add_test(tc, link_settings);
	tcase_add_test(tc, tls_settings);
	tcase_add_test(tc, marshal_settings);
	tcase_add_test(tc, version);
	return suite;
}

UNIT_MAIN(settings_suite)
