/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The image's own structures in the window, L2 tables aside. */
#include "structures.h"

#include "../base/checked.h"
#include "../clusters/structures.h"

/* Counts a structure, and remembers in the first pass that its clusters are metadata. */
static enum qcow2bm_code count(void *opaque, const struct q2_structure *structure,
			       struct qcow2bm_error *err)
{
	struct q2_check_structures *structures = opaque;
	struct q2_survey *survey = structures->survey;
	struct q2_window *window = &survey->window;
	uint64_t first = structure->off >> survey->cluster_bits;
	if (structure->bytes == 0 || first >= survey->clusters)
		return QCOW2BM_OK;
	uint64_t end = q2_min_u64(
		q2_shift_up(structure->off + structure->bytes, survey->cluster_bits),
		survey->clusters);
	for (uint64_t cluster = q2_max_u64(first, window->first);
	     cluster < end && q2_window_has(window, cluster); cluster++)
		q2_window_count(window, cluster, structure->times);
	q2_survey_expect(survey, first, first << survey->cluster_bits);
	q2_survey_expect(survey, end - 1, (end - 1) << survey->cluster_bits);
	if (!window->is_first)
		return QCOW2BM_OK;
	return q2_clusters_add(&structures->metadata, first, end - first, err);
}

enum qcow2bm_code q2_check_structures_count(struct q2_check_structures *structures,
					    struct qcow2bm_error *err)
{
	static const struct q2_structure header = {.bytes = 1, .times = 1};
	struct q2_survey *survey = structures->survey;
	const struct q2_faults said = {0}, faults = q2_survey_faults(survey);
	if (survey->is_quick)
		return count(structures, &header, err);
	return q2_structures_each(
		survey->image, &structures->refcounts->stored, &structures->mapping->l1,
		survey->window.is_first ? &faults : &said, count, structures, err);
}
