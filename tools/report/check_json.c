/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The report of a check as JSON: what qemu-img check prints, and our findings. */
#include "check.h"

#include "advice.h"

static bool has(const struct qcow2bm_problem *problem, enum qcow2bm_trait trait)
{
	return (problem->traits & trait) != 0;
}

static json_t *problem_json(const struct qcow2bm_image *image,
			    const struct qcow2bm_problem *problem)
{
	json_t *object = json_object();
	json_object_set_new(object, "code", json_string(problem->code));
	json_object_set_new(object, "severity",
			    json_string(qcow2bm_severity_name(problem->severity)));
	json_object_set_new(object, "area",
			    json_string(qcow2bm_area_name(problem->area)));
	json_object_set_new(object, "keeps-qemu-out",
			    json_boolean(has(problem, QCOW2BM_PROBLEM_KEEPS_QEMU_OUT)));
	json_object_set_new(object, "risks-data",
			    json_boolean(has(problem, QCOW2BM_PROBLEM_RISKS_DATA)));
	if (problem->offset != QCOW2BM_NO_OFFSET)
		json_object_set_new(object, "offset", tool_json_number(problem->offset));
	if (problem->idx != QCOW2BM_NOT_FOUND) {
		struct qcow2bm_bitmap entry =
			*qcow2bm_bitmap_describe(image, problem->idx);
		json_object_set_new(object, "bitmap",
				    tool_json_name(entry.name, entry.name_bytes));
		json_object_set_new(object, "bitmap-index",
				    tool_json_number(problem->idx));
	}
	json_object_set_new(object, "sentence", tool_json_text(problem->sentence));
	json_object_set_new(object, "cure",
			    json_string(qcow2bm_cure_name(problem->cure)));
	return object;
}

/* A file's name may be any bytes: what JSON cannot say stands as \\xHH in the command. */
static json_t *to_do_json(const char *filename, struct qcow2bm_image *image,
			  const struct qcow2bm_report *report)
{
	struct tool_advice advice;
	json_t *array = json_array();
	tool_advice_make(&advice, filename, image, report);
	for (size_t i = 0; i < advice.count; i++) {
		const struct tool_step *step = &advice.steps[i];
		json_t *object = json_object();
		json_object_set_new(object, "why", tool_json_text(step->why));
		if (step->command != NULL)
			json_object_set_new(object, "command",
					    tool_json_text(step->command));
		if (step->is_alternative)
			json_object_set_new(object, "alternative", json_true());
		json_array_append_new(array, object);
	}
	tool_advice_free(&advice);
	return array;
}

/* qemu-img leaves these keys out when they are 0. */
static void set_number(json_t *object, const char *key, uint64_t number)
{
	if (number != 0)
		json_object_set_new(object, key, tool_json_number(number));
}

json_t *tool_check_json(const char *filename, struct qcow2bm_image *image,
			const struct qcow2bm_report *report)
{
	struct qcow2bm_totals totals = *qcow2bm_report_totals(report);
	json_t *object = json_object();
	json_object_set_new(object, "filename", tool_json_text(filename));
	json_object_set_new(object, "format", json_string("qcow2"));
	json_object_set_new(object, "check-errors", json_integer(0));
	set_number(object, "image-end-offset", totals.image_end_bytes);
	set_number(object, "corruptions", totals.corruptions);
	set_number(object, "leaks", totals.leaked_clusters);
	set_number(object, "total-clusters", totals.clusters);
	set_number(object, "allocated-clusters", totals.allocated_clusters);
	set_number(object, "fragmented-clusters", totals.fragmented_clusters);
	set_number(object, "compressed-clusters", totals.compressed_clusters);
	json_object_set_new(object, "references-counted", json_boolean(totals.walked));
	json_object_set_new(object, "to-do", to_do_json(filename, image, report));
	return object;
}

static json_t *make_problem(const void *opaque, size_t number)
{
	const struct tool_check_problems *problems = opaque;
	return problem_json(problems->image,
			    qcow2bm_report_problem(problems->report, number));
}

void tool_check_set_problems(json_t *object, struct tool_json_list *list,
			     const struct tool_check_problems *problems)
{
	*list = (struct tool_json_list){.count = qcow2bm_report_count(problems->report),
					.make = make_problem,
					.opaque = problems};
	tool_json_set_list(object, "problems", list);
}
