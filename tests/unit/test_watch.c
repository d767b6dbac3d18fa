/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The watch: asks and tells at once, then ten times a second, however often it is looked at. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <time.h>

#include "base/watch.h"

struct calls {
	unsigned asked, told;
	uint64_t done, total;
	bool stop;
};

static bool interrupted(void *opaque)
{
	struct calls *calls = opaque;
	calls->asked++;
	return calls->stop;
}

static void progress(void *opaque, uint64_t done, uint64_t total)
{
	struct calls *calls = opaque;
	calls->told++;
	calls->done = done;
	calls->total = total;
}

static double now(void)
{
	struct timespec time;
	timespec_get(&time, TIME_UTC);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void ten_times_a_second(void **state)
{
	(void)state;
	struct calls calls = {0};
	struct q2_watch watch = {.caller = {.interrupted = interrupted,
					    .progress = progress,
					    .opaque = &calls},
				 .total = 10};
	double begun = now();
	assert_int_equal(q2_watch_look(&watch, NULL), QCOW2BM_OK);
	assert_int_equal(calls.asked, 1);
	for (watch.done = 11; now() < begun + 0.55;)
		assert_int_equal(q2_watch_look(&watch, NULL), QCOW2BM_OK);
	assert_in_range(calls.asked, 2, 7);
	assert_int_equal(calls.told, calls.asked);
	assert_int_equal(calls.done, 10);
	assert_int_equal(calls.total, 10);
}

static void it_passes_on_the_wish_to_stop(void **state)
{
	(void)state;
	struct calls calls = {.stop = true};
	struct qcow2bm_error err = {0};
	struct q2_watch watch = {.caller = {.interrupted = interrupted, .opaque = &calls},
				 .state = "all is well"};
	assert_int_equal(q2_watch_look(&watch, &err), QCOW2BM_EINTERRUPTED);
	assert_string_equal(err.sentence, "interrupted; all is well");
	/* Whoever has swallowed it does not get further, and the caller is asked no more. */
	calls.stop = false;
	assert_int_equal(q2_watch_look(&watch, NULL), QCOW2BM_EINTERRUPTED);
	assert_int_equal(q2_watch_ask(&watch, NULL), QCOW2BM_EINTERRUPTED);
	assert_int_equal(calls.asked, 1);
}

static void nobody_looks_on(void **state)
{
	(void)state;
	struct q2_watch watch = {.total = 1};
	assert_int_equal(q2_watch_look(NULL, NULL), QCOW2BM_OK);
	assert_int_equal(q2_watch_ask(NULL, NULL), QCOW2BM_OK);
	assert_int_equal(q2_watch_look(&watch, NULL), QCOW2BM_OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ten_times_a_second),
		cmocka_unit_test(it_passes_on_the_wish_to_stop),
		cmocka_unit_test(nobody_looks_on),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
