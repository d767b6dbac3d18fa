/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Random operations on an edit and on its model. */
#include "random_edit.h"

#include <string.h>

struct name {
	const char *bytes;
	size_t count;
};

static struct name some_name(struct random_edit *edit)
{
	struct name name;
	name.bytes = random_name(random_below(edit->random, RANDOM_NAMES), &name.count);
	return name;
}

/* Mostly one that is there. */
static struct name name_of(struct random_edit *edit, const struct model *model)
{
	if (model->count == 0 || random_percent(edit->random, 8))
		return some_name(edit);
	const struct model_bitmap *bitmap =
		&model->bitmaps[random_below(edit->random, model->count)];
	return (struct name){bitmap->name, bitmap->name_bytes};
}

static struct name new_name(struct random_edit *edit)
{
	static char too_long[1024];
	memset(too_long, 'z', sizeof(too_long));
	switch (random_below(edit->random, 40)) {
	case 0:
		return (struct name){"", 0};
	case 1:
		return (struct name){too_long, sizeof(too_long)};
	case 2:
		return (struct name){"a\0b", 3};
	default:
		return some_name(edit);
	}
}

static unsigned new_granularity_bits(struct random_edit *edit)
{
	unsigned least = edit->min_granularity_bits;
	if (random_percent(edit->random, 4))
		return random_percent(edit->random, 50) ? 8 : 32;
	least = least < 9 ? 9 : least;
	return least >= 31 ? 31 : (unsigned)random_between(edit->random, least, 31);
}

static void stage_add(struct random_edit *edit, struct random_edit_outcome *outcome)
{
	struct name name = new_name(edit);
	unsigned granularity_bits = new_granularity_bits(edit);
	bool enabled = random_percent(edit->random, 50);
	outcome->expected = model_add(edit->staged, name.bytes, name.count,
				      granularity_bits, enabled);
	outcome->code = qcow2bm_edit_add(edit->edit, name.bytes, name.count,
					 granularity_bits, enabled, &outcome->err);
}

static void stage_rename(struct random_edit *edit, struct random_edit_outcome *outcome)
{
	struct name name = name_of(edit, edit->staged), to = new_name(edit);
	outcome->expected =
		model_rename(edit->staged, name.bytes, name.count, to.bytes, to.count);
	outcome->code = qcow2bm_edit_rename(edit->edit, name.bytes, name.count, to.bytes,
					    to.count, &outcome->err);
}

static void stage_merge(struct random_edit *edit, struct random_edit_outcome *outcome)
{
	bool from_other = random_percent(edit->random, 35);
	struct name to = name_of(edit, edit->staged);
	struct name source = name_of(edit, from_other ? edit->other : edit->staged);
	outcome->expected =
		from_other ? model_merge_other(edit->staged, to.bytes, to.count,
					       edit->other, source.bytes, source.count)
			   : model_merge(edit->staged, to.bytes, to.count, source.bytes,
					 source.count);
	outcome->code = qcow2bm_edit_merge(edit->edit, to.bytes, to.count,
					   from_other ? edit->other_image : NULL,
					   source.bytes, source.count, &outcome->err);
}

static void stage_by_name(struct random_edit *edit, uint64_t kind,
			  struct random_edit_outcome *outcome)
{
	struct name name = name_of(edit, edit->staged);
	if (kind == 0) {
		outcome->expected = model_delete(edit->staged, name.bytes, name.count);
		outcome->code = qcow2bm_edit_delete(edit->edit, name.bytes, name.count,
						    &outcome->err);
	} else if (kind == 1) {
		outcome->expected = model_clear(edit->staged, name.bytes, name.count);
		outcome->code = qcow2bm_edit_clear(edit->edit, name.bytes, name.count,
						   &outcome->err);
	} else if (kind == 2) {
		outcome->expected =
			model_enable(edit->staged, name.bytes, name.count, true);
		outcome->code = qcow2bm_edit_enable(edit->edit, name.bytes, name.count,
						    &outcome->err);
	} else {
		outcome->expected =
			model_enable(edit->staged, name.bytes, name.count, false);
		outcome->code = qcow2bm_edit_disable(edit->edit, name.bytes, name.count,
						     &outcome->err);
	}
}

struct random_edit_outcome random_edit_stage(struct random_edit *edit)
{
	static const char *const names[] = {"delete", "clear", "enable", "disable",
					    "add",    "add",   "rename", "merge"};
	struct random_edit_outcome outcome = {0};
	uint64_t kind = random_below(edit->random, 12);
	if (kind < 4)
		stage_by_name(edit, kind, &outcome);
	else if (kind < 6)
		stage_add(edit, &outcome);
	else if (kind == 6)
		stage_rename(edit, &outcome);
	else
		stage_merge(edit, &outcome);
	outcome.what = names[kind < 7 ? kind : 7];
	return outcome;
}
