/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Sorted runs of clusters: built by appending, then sorted once. */
#include "clusters.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "../base/error.h"

void q2_clusters_free(struct q2_clusters *set)
{
	free(set->runs);
	memset(set, 0, sizeof(*set));
}

static enum qcow2bm_code reserve(struct q2_clusters *set, size_t runs,
				 struct qcow2bm_error *err)
{
	if (runs <= set->room)
		return QCOW2BM_OK;
	size_t room = set->room < 16 ? 16 : set->room * 2;
	if (room < runs)
		room = runs;
	struct q2_run *grown = realloc(set->runs, room * sizeof(*grown));
	if (grown == NULL)
		return q2_fail_memory(err, "a set of clusters");
	set->runs = grown;
	set->room = room;
	return QCOW2BM_OK;
}

enum qcow2bm_code q2_clusters_add(struct q2_clusters *set, uint64_t first, uint64_t count,
				  struct qcow2bm_error *err)
{
	if (count == 0)
		return QCOW2BM_OK;
	if (set->count == 0)
		set->is_sorted = true;
	if (set->count != 0) {
		struct q2_run *last = &set->runs[set->count - 1];
		if (last->first + last->count == first) {
			last->count += count;
			return QCOW2BM_OK;
		}
		if (first < last->first + last->count)
			set->is_sorted = false;
	}
	enum qcow2bm_code code = reserve(set, set->count + 1, err);
	if (code != QCOW2BM_OK)
		return code;
	set->runs[set->count++] = (struct q2_run){first, count};
	return QCOW2BM_OK;
}

static int by_first(const void *a, const void *b)
{
	const struct q2_run *x = a, *y = b;
	return (x->first > y->first) - (x->first < y->first);
}

enum qcow2bm_code q2_clusters_sort(struct q2_clusters *set, struct q2_clusters *twice,
				   struct qcow2bm_error *err)
{
	if (set->count < 2 || set->is_sorted)
		return QCOW2BM_OK;
	qsort(set->runs, set->count, sizeof(*set->runs), by_first);
	size_t kept = 0;
	for (size_t i = 1; i < set->count; i++) {
		struct q2_run *last = &set->runs[kept];
		struct q2_run run = set->runs[i];
		uint64_t end = last->first + last->count;
		if (run.first > end) {
			set->runs[++kept] = run;
			continue;
		}
		uint64_t run_end = run.first + run.count;
		uint64_t shared_end = run_end < end ? run_end : end;
		if (twice != NULL) {
			enum qcow2bm_code code = q2_clusters_add(
				twice, run.first, shared_end - run.first, err);
			if (code != QCOW2BM_OK)
				return code;
		}
		if (run_end > end)
			last->count = run_end - last->first;
	}
	set->count = kept + 1;
	set->is_sorted = true;
	return twice == NULL ? QCOW2BM_OK : q2_clusters_sort(twice, NULL, err);
}

enum qcow2bm_code q2_clusters_note(struct q2_clusters *set, uint64_t first,
				   uint64_t count, struct qcow2bm_error *err)
{
	enum qcow2bm_code code = QCOW2BM_OK;
	if (set->count == set->room && !set->is_sorted) {
		code = q2_clusters_sort(set, NULL, err);
		if (code == QCOW2BM_OK && set->count > set->room / 4 * 3)
			code = reserve(set, set->room + 1, err);
	}
	return code != QCOW2BM_OK ? code : q2_clusters_add(set, first, count, err);
}

enum qcow2bm_code q2_clusters_append(struct q2_clusters *set,
				     const struct q2_clusters *more,
				     struct qcow2bm_error *err)
{
	enum qcow2bm_code code = QCOW2BM_OK;
	for (size_t i = 0; code == QCOW2BM_OK && i < more->count; i++)
		code = q2_clusters_add(set, more->runs[i].first, more->runs[i].count,
				       err);
	return code;
}

/* The first run that ends behind `cluster`. */
static size_t find_run(const struct q2_clusters *set, uint64_t cluster)
{
	size_t low = 0, high = set->count;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (set->runs[middle].first + set->runs[middle].count <= cluster)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

bool q2_clusters_overlap(const struct q2_clusters *set, uint64_t first, uint64_t count,
			 uint64_t *hit)
{
	assert(set->count < 2 || set->is_sorted);
	size_t i = find_run(set, first);
	if (count == 0 || i == set->count)
		return false;
	uint64_t start = set->runs[i].first > first ? set->runs[i].first : first;
	if (start - first >= count)
		return false;
	if (hit != NULL)
		*hit = start;
	return true;
}

uint64_t q2_clusters_count(const struct q2_clusters *set, uint64_t first, uint64_t count)
{
	assert(set->count < 2 || set->is_sorted);
	uint64_t end = first + count, total = 0;
	for (size_t i = find_run(set, first); i < set->count && set->runs[i].first < end;
	     i++) {
		const struct q2_run *run = &set->runs[i];
		uint64_t from = run->first > first ? run->first : first;
		uint64_t to =
			run->first + run->count < end ? run->first + run->count : end;
		total += to - from;
	}
	return total;
}

enum qcow2bm_code q2_clusters_subtract(struct q2_clusters *set,
				       const struct q2_clusters *other,
				       struct qcow2bm_error *err)
{
	assert(set->count < 2 || set->is_sorted);
	struct q2_clusters rest = {0};
	for (size_t i = 0; i < set->count; i++) {
		uint64_t first = set->runs[i].first;
		uint64_t end = first + set->runs[i].count;
		uint64_t hit;
		while (first < end &&
		       q2_clusters_overlap(other, first, end - first, &hit)) {
			enum qcow2bm_code code =
				q2_clusters_add(&rest, first, hit - first, err);
			if (code != QCOW2BM_OK) {
				q2_clusters_free(&rest);
				return code;
			}
			const struct q2_run *run = &other->runs[find_run(other, hit)];
			first = run->first + run->count;
		}
		if (first < end) {
			enum qcow2bm_code code =
				q2_clusters_add(&rest, first, end - first, err);
			if (code != QCOW2BM_OK) {
				q2_clusters_free(&rest);
				return code;
			}
		}
	}
	q2_clusters_free(set);
	*set = rest;
	return QCOW2BM_OK;
}

uint64_t q2_clusters_total(const struct q2_clusters *set)
{
	uint64_t total = 0;
	for (size_t i = 0; i < set->count; i++)
		total += set->runs[i].count;
	return total;
}

bool q2_clusters_take(struct q2_clusters *set, uint64_t count, uint64_t *first)
{
	for (size_t i = 0; i < set->count; i++) {
		struct q2_run *run = &set->runs[i];
		if (run->count < count)
			continue;
		*first = run->first;
		run->first += count;
		run->count -= count;
		return true;
	}
	return false;
}

bool q2_clusters_take_next(struct q2_clusters *set, uint64_t cluster)
{
	size_t i = 0;
	while (i < set->count && set->runs[i].count == 0)
		i++;
	uint64_t taken;
	return i < set->count && set->runs[i].first == cluster &&
	       q2_clusters_take(set, 1, &taken);
}
