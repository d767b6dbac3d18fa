/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One edit of an image in memory. */
#include "one_edit.h"

#include "image/image.h"

#include <stdlib.h>
#include <string.h>

static enum qcow2bm_code run_on(struct one_edit *edit, struct qcow2bm_image *image,
				stage_fn *stage, unsigned flags)
{
	struct qcow2bm_commit_options options = {.flags = flags};
	struct qcow2bm_edit *staged = NULL;
	enum qcow2bm_code code = qcow2bm_edit_begin(&staged, image, &edit->err);
	if (code == QCOW2BM_OK)
		code = stage(staged, &edit->err);
	if (code == QCOW2BM_OK)
		code = qcow2bm_plan_edit(staged, flags, &edit->plan, &edit->err);
	if (code == QCOW2BM_OK)
		code = qcow2bm_commit(staged, &options, &edit->result, &edit->err);
	qcow2bm_edit_end(staged);
	return code;
}

enum qcow2bm_code one_edit_run(struct one_edit *edit, stage_fn *stage, unsigned flags)
{
	struct qcow2bm_image *image;
	inspect_free(&edit->inspect);
	record_log_free(&edit->log);
	memory_file_fill(&edit->before, edit->file.bytes, edit->file.length);
	memset(&edit->err, 0, sizeof(edit->err));
	memset(&edit->result, 0, sizeof(edit->result));
	struct q2_storage *storage =
		record_storage_open(memory_storage_open(&edit->file), &edit->log);
	enum qcow2bm_code code = q2_image_open(&image, storage, &edit->err);
	if (code == QCOW2BM_OK) {
		code = run_on(edit, image, stage, flags);
		qcow2bm_close(image);
	}
	edit->is_sound =
		inspect_load(&edit->inspect, edit->file.bytes, edit->file.length);
	return code;
}

void one_edit_free(struct one_edit *edit)
{
	inspect_free(&edit->inspect);
	record_log_free(&edit->log);
	memory_file_free(&edit->before);
	memory_file_free(&edit->file);
}

bool one_edit_is_untouched(const struct one_edit *edit)
{
	return edit->log.count == 0 && edit->file.length == edit->before.length &&
	       memcmp(edit->file.bytes, edit->before.bytes, (size_t)edit->file.length) ==
		       0;
}

void one_edit_store(struct one_edit *edit, uint64_t off, unsigned bytes, uint64_t value)
{
	for (unsigned i = bytes; i-- > 0; value >>= 8)
		edit->file.bytes[off + i] = (uint8_t)value;
}

uint64_t one_edit_find(const struct one_edit *edit, enum inspect_kind kind)
{
	struct inspect inspect;
	if (!inspect_load(&inspect, edit->file.bytes, edit->file.length))
		abort();
	for (uint64_t c = 0; c < inspect.clusters; c++) {
		if (inspect.kinds[c] == kind) {
			inspect_free(&inspect);
			return c;
		}
	}
	abort();
}
