/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Edits that the bytes of an input spell: an operation, a name, and what it needs. */
#include "edit_script.h"

#include <string.h>

#define MAX_OPERATIONS 12

struct name {
	char bytes[1023];
	size_t count;
};

/* Mostly that of a bitmap that is there. */
static void take_name(struct fuzz_input *script, const struct staged *staged,
		      struct name *name)
{
	static const char *const others[] = {"a",    "b", "new", "bitmap0",
					     "\xff", "",  "n0",  "a\nb"};
	uint8_t byte = fuzz_byte(script);
	if (byte < 192 && staged->count != 0) {
		const struct qcow2bm_bitmap *entry =
			&staged->bitmaps[byte % staged->count].entry;
		name->count = entry->name_bytes < sizeof(name->bytes) ? entry->name_bytes
								      : 1023;
		memcpy(name->bytes, entry->name, name->count);
	} else {
		name->count = strlen(others[byte % 8]);
		memcpy(name->bytes, others[byte % 8], name->count);
	}
}

static void stage_add(struct fuzz_input *script, struct qcow2bm_edit *edit,
		      struct staged *staged)
{
	struct name name;
	take_name(script, staged, &name);
	unsigned bits = 8 + fuzz_byte(script) % 25;
	bool enabled = fuzz_byte(script) & 1;
	struct qcow2bm_error err = {0};
	if (staged->count == STAGED_MAX_BITMAPS)
		return;
	enum qcow2bm_code code =
		qcow2bm_edit_add(edit, name.bytes, name.count, bits, enabled, &err);
	fuzz_check_error(code, &err);
	if (code == QCOW2BM_OK)
		staged_add(staged, name.bytes, name.count, bits, enabled);
}

static void stage_rename(struct fuzz_input *script, struct qcow2bm_edit *edit,
			 struct staged *staged, const struct name *name)
{
	struct name new_name;
	struct qcow2bm_error err = {0};
	take_name(script, staged, &new_name);
	enum qcow2bm_code code = qcow2bm_edit_rename(
		edit, name->bytes, name->count, new_name.bytes, new_name.count, &err);
	fuzz_check_error(code, &err);
	if (code == QCOW2BM_OK)
		staged_rename(staged_find(staged, name->bytes, name->count),
			      new_name.bytes, new_name.count);
}

static void stage_merge(struct fuzz_input *script, struct qcow2bm_edit *edit,
			struct staged *staged, const struct name *name)
{
	struct name source;
	struct qcow2bm_error err = {0};
	take_name(script, staged, &source);
	enum qcow2bm_code code = qcow2bm_edit_merge(edit, name->bytes, name->count, NULL,
						    source.bytes, source.count, &err);
	fuzz_check_error(code, &err);
	if (code != QCOW2BM_OK)
		return;
	struct staged_bitmap *target = staged_find(staged, name->bytes, name->count);
	const struct staged_bitmap *from =
		staged_find(staged, source.bytes, source.count);
	if ((from->sources & ~target->sources) != 0)
		target->has_new_content = true;
	target->sources |= from->sources;
}

static void stage_simple(unsigned operation, struct qcow2bm_edit *edit,
			 struct staged *staged, const struct name *name)
{
	static enum qcow2bm_code (*const stage[])(struct qcow2bm_edit *, const char *,
						  size_t, struct qcow2bm_error *) = {
		qcow2bm_edit_delete, qcow2bm_edit_clear, qcow2bm_edit_enable,
		qcow2bm_edit_disable};
	struct qcow2bm_error err = {0};
	enum qcow2bm_code code = stage[operation](edit, name->bytes, name->count, &err);
	fuzz_check_error(code, &err);
	if (code != QCOW2BM_OK)
		return;
	struct staged_bitmap *bitmap = staged_find(staged, name->bytes, name->count);
	if (operation == 0)
		bitmap->is_deleted = true;
	if (operation == 1) {
		bitmap->sources = 0;
		bitmap->has_new_content = true;
	}
	if (operation >= 2)
		bitmap->entry.recording = operation == 2;
}

void edit_script_stage(struct fuzz_input *script, struct qcow2bm_edit *edit,
		       struct staged *staged)
{
	for (unsigned i = 0; i < MAX_OPERATIONS && script->left > 0; i++) {
		unsigned operation = fuzz_byte(script) % 8;
		struct name name;
		if (operation == 7) {
			stage_add(script, edit, staged);
			continue;
		}
		take_name(script, staged, &name);
		if (operation < 4)
			stage_simple(operation, edit, staged, &name);
		else if (operation == 4)
			stage_rename(script, edit, staged, &name);
		else
			stage_merge(script, edit, staged, &name);
	}
}
