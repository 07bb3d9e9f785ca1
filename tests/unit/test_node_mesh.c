/* SPDX-License-Identifier: MIT */
/* cmd/node/mesh */
#include "cmd/node/mesh.h"
#include "tests/unit/unit.h"

static struct bnet_buf body;
static struct mesh mesh;
static const struct bnet_header asked = { .source = 42 };

static void
setup(void)
{
	mesh = (struct mesh){ 0 };
	bnet_buf_init(&body, 4096);
}

static void
teardown(void)
{
	bnet_buf_free(&body);
}

static enum bnet_err
ask(uint64_t cookie, uint64_t to, uint32_t flags, int64_t now_ns,
    struct bnet_header *header)
{
	struct bnet_buf question;
	struct bnet_bits_wr wr;
	enum bnet_err err;

	bnet_buf_init(&question, 64);
	bnet_bits_write(&wr, &question);
	bnet_bits_put_u64(&wr, cookie);
	bnet_bits_put_u64(&wr, to);
	bnet_bits_put_u32(&wr, flags);
	ck_assert_int_eq(bnet_bits_finish(&wr), BNET_OK);
	bnet_buf_clear(&body);
	err = mesh_ask(
	    &mesh, &asked, bnet_buf_slice(&question), now_ns, header, &body);
	bnet_buf_free(&question);
	return err;
}

/* The cookie of the echo in `body`. */
static uint64_t
echo_cookie(uint32_t flags)
{
	struct bnet_message echo;
	struct bnet_buf store;
	size_t left;

	bnet_buf_init(&store, 4096);
	ck_assert_int_eq(bnet_message_decode(BNET_MSG_ECHO,
			     bnet_buf_slice(&body), &echo, &store, &left),
	    BNET_OK);
	ck_assert_uint_eq(echo.u.echo.flags, flags);
	bnet_buf_free(&store);
	return echo.u.echo.cookie;
}

START_TEST(there_and_back)
{
	struct bnet_header header;
	struct bnet_bits_rd rd;
	uint64_t cookie;

	unit_err(
	    "ask", ask(99, 7, BNET_ECHO_F_SERVICE, 1000, &header), BNET_OK);
	ck_assert_int_eq(header.dest_type, BNET_DEST_NODE);
	ck_assert_int_eq(header.dest, 7);
	cookie = echo_cookie(BNET_ECHO_F_SERVICE | BNET_ECHO_F_NODE);
	bnet_buf_clear(&body);
	ck_assert(mesh_answer(&mesh, cookie, 1500, &header, &body));
	ck_assert_int_eq(header.dest_type, BNET_DEST_CLIENT);
	ck_assert_int_eq(header.dest, 42);
	bnet_bits_read(&rd, bnet_buf_slice(&body));
	ck_assert_uint_eq(bnet_bits_u64(&rd), 99);
	ck_assert_uint_eq(bnet_bits_u64(&rd), 500);
	/* once */
	ck_assert(!mesh_answer(&mesh, cookie, 1500, &header, &body));
}
END_TEST

/* Other flags are not for us to set; nobody asked for cookie 0. */
START_TEST(hostile)
{
	struct bnet_header header;
	const struct bnet_slice nothing = { NULL, 0 };

	unit_err("ask", ask(1, 7, UINT32_MAX, 0, &header), BNET_OK);
	(void)echo_cookie(BNET_ECHO_F_SERVICE | BNET_ECHO_F_NODE);
	unit_err("no id", ask(1, UINT64_MAX, 0, 0, &header), BNET_EMESSAGE);
	unit_err("empty", mesh_ask(&mesh, &asked, nothing, 0, &header, &body),
	    BNET_EMESSAGE);
	ck_assert(!mesh_answer(&mesh, 0, 0, &header, &body));
	ck_assert(!mesh_answer(&mesh, UINT64_MAX, 0, &header, &body));
}
END_TEST

START_TEST(oldest_are_forgotten)
{
	struct bnet_header header;

	for (uint64_t i = 0; i < MESH_ASKS + 1; i++)
		unit_err("ask", ask(i, 7, 0, 0, &header), BNET_OK);
	ck_assert(!mesh_answer(&mesh, 1, 0, &header, &body));
	ck_assert(mesh_answer(&mesh, 2, 0, &header, &body));
	ck_assert(mesh_answer(&mesh, MESH_ASKS + 1, 0, &header, &body));
}
END_TEST

static Suite *
mesh_suite(void)
{
	Suite *suite = suite_create("node_mesh");
	TCase *tc = unit_case(suite, "mesh");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, there_and_back);
	tcase_add_test(tc, hostile);
	tcase_add_test(tc, oldest_are_forgotten);
	return suite;
}

UNIT_MAIN(mesh_suite)
