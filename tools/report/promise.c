/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a recovered bitmap promises, and the conditions of it: the same to people and scripts. */
#include "promise.h"

#include <string.h>

static bool has(unsigned conditions, unsigned condition)
{
	return (conditions >> condition & 1) != 0;
}

/* The condition with this code, or QCOW2BM_CONDITION_COUNT. */
static unsigned find_condition(const char *code, size_t bytes)
{
	unsigned i = 0;
	for (; i < QCOW2BM_CONDITION_COUNT; i++) {
		const char *name = qcow2bm_condition_name((enum qcow2bm_condition)i);
		if (strlen(name) == bytes && memcmp(name, code, bytes) == 0)
			break;
	}
	return i;
}

bool tool_promise_take_conditions(unsigned *conditions, const char *codes)
{
	const char *end;
	do {
		end = codes + strcspn(codes, ",");
		unsigned condition = find_condition(codes, (size_t)(end - codes));
		if (condition == QCOW2BM_CONDITION_COUNT)
			return false;
		*conditions |= 1u << condition;
		codes = end + 1;
	} while (*end != '\0');
	return true;
}

void tool_promise_add_assume(struct tool_text *text, unsigned conditions)
{
	const char *before = "--assume ";
	for (unsigned i = 0; i < QCOW2BM_CONDITION_COUNT; i++) {
		if (!has(conditions, i))
			continue;
		tool_text_print(text, "%s%s", before,
				qcow2bm_condition_name((enum qcow2bm_condition)i));
		before = ",";
	}
}

/* Which bits the recovered bitmap has. */
static const char *bits_of(const struct qcow2bm_promise *promise)
{
	bool unsafe = promise->guarantee == QCOW2BM_GUARANTEE_UNSAFE;
	switch (promise->method) {
	case QCOW2BM_RECOVER_STORED:
		return unsafe ? "its stored bits, changes may be missing"
			      : "its stored bits";
	case QCOW2BM_RECOVER_ALLOCATED:
		if (promise->all_dirty)
			return "all dirty, as this overlay holds the whole disk: the next backup "
			       "copies all of it";
		return unsafe ? "its stored bits and all that this overlay holds, changes "
				"may be missing"
			      : "its stored bits and all that this overlay holds";
	case QCOW2BM_RECOVER_CARVED:
		return "bits of a deleted bitmap, read from clusters that anything may "
		       "have written since; changes since it was deleted are missing";
	case QCOW2BM_RECOVER_COMPARED:
		return unsafe ? "what differs from the older state, changes may be missing"
		       : promise->guarantee == QCOW2BM_GUARANTEE_EXACT
			       ? "what differs from the older state, and nothing else"
			       : "what differs from the older state, and more where that tells less: "
				 "behind its end, in granules of a manifest that are coarser, and "
				 "what a bitmap that was not in-use has stored";
	case QCOW2BM_RECOVER_FULL:
	case QCOW2BM_RECOVER_AUTO:
		break;
	}
	return "all dirty, the next backup copies the whole disk";
}

static const char *question(unsigned condition)
{
	switch ((enum qcow2bm_condition)condition) {
	case QCOW2BM_CONDITION_NOT_CHANGED_BY_QMP:
		return "no bitmap was enabled, merged into, cleared or deleted through QMP in the "
		       "session that crashed";
	case QCOW2BM_CONDITION_NOT_RESIZED:
		return "the disk was not resized in that session";
	case QCOW2BM_CONDITION_NOT_COMMITTED:
		return "nobody has committed this overlay to its backing file in that "
		       "session, or since";
	case QCOW2BM_CONDITION_NOT_WRITTEN_BY_OTHERS:
		return "no program but QEMU has written to the image since that session "
		       "began";
	case QCOW2BM_CONDITION_OLD_IS_BASE:
		return "the older state is the disk as it was when the checkpoint began";
	case QCOW2BM_CONDITION_COUNT:
		break;
	}
	return "";
}

void tool_promise_add(struct tool_text *text, const struct qcow2bm_promise *promise)
{
	const char *before = "if";
	tool_text_print(text, "%s: %s\n", qcow2bm_guarantee_name(promise->guarantee),
			bits_of(promise));
	for (unsigned i = 0; i < QCOW2BM_CONDITION_COUNT; i++) {
		if (!has(promise->conditions, i))
			continue;
		tool_text_print(text, "    %s %s (%s%s)\n", before, question(i),
				qcow2bm_condition_name((enum qcow2bm_condition)i),
				has(promise->assumed, i) ? ", assumed" : "");
		before = "and if";
	}
	if (promise->better_conditions == 0)
		return;
	const char *better = "a smaller superset";
	if (promise->better == QCOW2BM_RECOVER_STORED)
		better = "exact";
	else if (promise->guarantee == QCOW2BM_GUARANTEE_UNSAFE)
		better = "a superset";
	tool_text_print(text, "    --%s would be %s, if you can say ",
			qcow2bm_recovery_name(promise->better), better);
	tool_promise_add_assume(text, promise->better_conditions);
	tool_text_print(text, "\n");
}

static json_t *codes_of(unsigned conditions)
{
	json_t *array = json_array();
	for (unsigned i = 0; i < QCOW2BM_CONDITION_COUNT; i++)
		if (has(conditions, i))
			json_array_append_new(array, json_string(qcow2bm_condition_name(
							     (enum qcow2bm_condition)i)));
	return array;
}

void tool_promise_json(json_t *object, const struct qcow2bm_promise *promise)
{
	json_object_set_new(object, "recovered",
			    json_string(qcow2bm_recovery_name(promise->method)));
	json_object_set_new(object, "guarantee",
			    json_string(qcow2bm_guarantee_name(promise->guarantee)));
	json_object_set_new(object, "conditions", codes_of(promise->conditions));
	json_object_set_new(object, "assumed", codes_of(promise->assumed));
	json_object_set_new(object, "all-dirty", json_boolean(promise->all_dirty));
	if (promise->better_conditions == 0)
		return;
	json_object_set_new(object, "better",
			    json_string(qcow2bm_recovery_name(promise->better)));
	json_object_set_new(object, "better-conditions",
			    codes_of(promise->better_conditions));
}
