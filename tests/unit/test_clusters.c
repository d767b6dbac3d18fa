/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Sets of clusters, against one byte for each cluster. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <string.h>

#include "../support/random.h"
#include "clusters/clusters.h"

#define CLUSTERS 300

/* How often each cluster was added. */
static void fill(struct random *random, struct q2_clusters *set, uint8_t *times)
{
	memset(times, 0, CLUSTERS);
	for (uint64_t runs = random_below(random, 40); runs > 0; runs--) {
		uint64_t first = random_below(random, CLUSTERS - 10);
		uint64_t count = random_below(random, 10);
		assert_int_equal(q2_clusters_add(set, first, count, NULL), QCOW2BM_OK);
		for (uint64_t i = 0; i < count; i++)
			times[first + i]++;
	}
}

/* The set, sorted, has what `has` says, and no two of its runs touch. */
static void check_set(const struct q2_clusters *set, const uint8_t *has, uint8_t least)
{
	uint64_t total = 0;
	for (uint64_t c = 0; c < CLUSTERS; c++) {
		uint64_t hit = UINT64_MAX;
		bool in = q2_clusters_overlap(set, c, 1, &hit);
		assert_int_equal(in, has[c] >= least);
		if (in)
			assert_int_equal(hit, c);
		total += in;
	}
	assert_int_equal(q2_clusters_total(set), total);
	for (size_t i = 1; i < set->count; i++)
		assert_true(set->runs[i - 1].first + set->runs[i - 1].count <
			    set->runs[i].first);
}

static void sorting_joins_and_tells_what_came_twice(void **state)
{
	(void)state;
	struct random random;
	random_seed(&random, 1);
	for (unsigned round = 0; round < 500; round++) {
		struct q2_clusters set = {0}, twice = {0};
		uint8_t times[CLUSTERS];
		fill(&random, &set, times);
		assert_int_equal(q2_clusters_sort(&set, &twice, NULL), QCOW2BM_OK);
		check_set(&set, times, 1);
		check_set(&twice, times, 2);
		q2_clusters_free(&set);
		q2_clusters_free(&twice);
	}
}

static void subtracting_leaves_the_others(void **state)
{
	(void)state;
	struct random random;
	random_seed(&random, 2);
	for (unsigned round = 0; round < 500; round++) {
		struct q2_clusters set = {0}, other = {0};
		uint8_t times[CLUSTERS], taken[CLUSTERS];
		fill(&random, &set, times);
		fill(&random, &other, taken);
		assert_int_equal(q2_clusters_sort(&set, NULL, NULL), QCOW2BM_OK);
		assert_int_equal(q2_clusters_sort(&other, NULL, NULL), QCOW2BM_OK);
		assert_int_equal(q2_clusters_subtract(&set, &other, NULL), QCOW2BM_OK);
		for (size_t i = 0; i < CLUSTERS; i++)
			times[i] = times[i] != 0 && taken[i] == 0;
		check_set(&set, times, 1);
		q2_clusters_free(&set);
		q2_clusters_free(&other);
	}
}

static void the_first_cluster_in_common_is_told(void **state)
{
	(void)state;
	struct q2_clusters set = {0};
	uint64_t hit = 0;
	assert_false(q2_clusters_overlap(&set, 0, 10, NULL));
	assert_int_equal(q2_clusters_add(&set, 10, 5, NULL), QCOW2BM_OK);
	assert_int_equal(q2_clusters_add(&set, UINT64_MAX - 4, 4, NULL), QCOW2BM_OK);
	assert_false(q2_clusters_overlap(&set, 0, 10, &hit));
	assert_false(q2_clusters_overlap(&set, 12, 0, &hit));
	assert_true(q2_clusters_overlap(&set, 0, 11, &hit));
	assert_int_equal(hit, 10);
	assert_true(q2_clusters_overlap(&set, 14, 100, &hit));
	assert_int_equal(hit, 14);
	assert_false(q2_clusters_overlap(&set, 15, 100, &hit));
	assert_true(q2_clusters_overlap(&set, 15, UINT64_MAX - 15, NULL));
	q2_clusters_free(&set);
}

static void taking_goes_by_first_fit(void **state)
{
	(void)state;
	struct q2_clusters set = {0};
	uint64_t first = 0;
	assert_false(q2_clusters_take_next(&set, 0));
	assert_false(q2_clusters_take(&set, 1, &first));
	assert_int_equal(q2_clusters_add(&set, 5, 2, NULL), QCOW2BM_OK);
	assert_int_equal(q2_clusters_add(&set, 20, 4, NULL), QCOW2BM_OK);
	assert_true(q2_clusters_take(&set, 3, &first));
	assert_int_equal(first, 20);
	assert_false(q2_clusters_take(&set, 3, &first));
	assert_false(q2_clusters_take_next(&set, 6));
	assert_true(q2_clusters_take_next(&set, 5));
	assert_true(q2_clusters_take_next(&set, 6));
	assert_false(q2_clusters_take_next(&set, 7));
	assert_true(q2_clusters_take_next(&set, 23)); /* past the run that is used up */
	assert_false(q2_clusters_take_next(&set, 24));
	assert_int_equal(q2_clusters_total(&set), 0);
	q2_clusters_free(&set);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sorting_joins_and_tells_what_came_twice),
		cmocka_unit_test(subtracting_leaves_the_others),
		cmocka_unit_test(the_first_cluster_in_common_is_told),
		cmocka_unit_test(taking_goes_by_first_fit),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
