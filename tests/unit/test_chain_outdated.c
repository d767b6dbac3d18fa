/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A chain of which an image was committed is refused by every call that would read its bitmaps. */
#define _XOPEN_SOURCE 700
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "qcow2bm.h"

static const char *const names[] = {"chain-base.qcow2", "chain-mid.qcow2",
				    "chain-top.qcow2"};
static char folder[] = "/tmp/qcow2bm-outdated.XXXXXX";

static void copy(const char *name)
{
	static char bytes[4096];
	size_t count;
	snprintf(bytes, sizeof(bytes), "%s/images/%s", getenv("srcdir"), name);
	FILE *from = fopen(bytes, "rb"), *to = fopen(name, "wb");
	assert_non_null(from);
	assert_non_null(to);
	while ((count = fread(bytes, 1, sizeof(bytes), from)) != 0)
		assert_int_equal(fwrite(bytes, 1, count, to), count);
	assert_int_equal(fclose(from) | fclose(to), 0);
}

static int begin(void **state)
{
	(void)state;
	assert_non_null(mkdtemp(folder));
	assert_int_equal(chdir(folder), 0);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		copy(names[i]);
	return 0;
}

static int end(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		(void)unlink(names[i]);
	return chdir("/") | rmdir(folder);
}

static struct qcow2bm_chain *open_chain(void)
{
	struct qcow2bm_chain_options options = QCOW2BM_CHAIN_OPTIONS_INIT;
	struct qcow2bm_chain *chain;
	const struct qcow2bm_order *order;
	options.flags = QCOW2BM_OPEN_WRITE;
	assert_int_equal(qcow2bm_chain_open(&chain, names[2], &options, NULL),
			 QCOW2BM_OK);
	assert_int_equal(qcow2bm_chain_find_order(chain, NULL, &order, NULL), QCOW2BM_OK);
	assert_int_equal(qcow2bm_chain_count(chain), 3);
	return chain;
}

static void check_outdated(enum qcow2bm_code code, const struct qcow2bm_error *err)
{
	assert_int_equal(code, QCOW2BM_EINVAL);
	assert_string_equal(err->sentence,
			    "the chain was opened before the last commit of the image");
}

static void a_chain_holds_until_one_of_its_images_is_committed(void **state)
{
	(void)state;
	struct qcow2bm_chain *chain = open_chain();
	const struct qcow2bm_order *order;
	const struct qcow2bm_since *since;
	struct qcow2bm_findings *findings;
	struct qcow2bm_error err = {0};
	assert_int_equal(qcow2bm_chain_delete(chain, 0, NULL), QCOW2BM_OK);
	assert_int_equal(
		qcow2bm_edit_commit(qcow2bm_chain_edit(chain, 0), NULL, NULL, NULL, &err),
		QCOW2BM_OK);
	check_outdated(qcow2bm_chain_find_order(chain, NULL, &order, &err), &err);
	check_outdated(qcow2bm_chain_explain(chain, 0, &since, &err), &err);
	check_outdated(qcow2bm_chain_verify(&chain, 1, &findings, NULL, &err), &err);
	check_outdated(qcow2bm_chain_delete(chain, 0, &err), &err);
	check_outdated(qcow2bm_chain_forget(chain, &err), &err);
	qcow2bm_chain_close(chain);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_chain_holds_until_one_of_its_images_is_committed),
	};
	return cmocka_run_group_tests(tests, begin, end);
}
