/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Renaming a checkpoint in all layers of a disk, and where its child's name has it. */
#include "../base/error.h"
#include "../format/name.h"
#include "stage.h"

#include <stdlib.h>
#include <string.h>

static bool is_name(const uint8_t *name, size_t name_bytes, const char *other,
		    size_t other_bytes)
{
	return name_bytes == other_bytes && memcmp(name, other, other_bytes) == 0;
}

/* The name of a missing parent would make of another one what it was not. */
static enum qcow2bm_code check_parents(const struct qcow2bm_chain *chain,
				       const char *name, size_t bytes,
				       struct qcow2bm_error *err)
{
	for (size_t i = 0; i < chain->checkpoint_count; i++) {
		const struct q2_checkpoint *it = &chain->checkpoints[i];
		if (it->parent != NULL &&
		    is_name(it->parent, it->parent_bytes, name, bytes))
			return q2_fail(
				err, QCOW2BM_EEXIST, QCOW2BM_NO_OFFSET,
				"'%.*s' is the child of a checkpoint '%.*s' that is missing: another one must not take its place",
				it->name_bytes > 200 ? 200 : (int)it->name_bytes,
				it->name, bytes > 200 ? 200 : (int)bytes, name);
	}
	return QCOW2BM_OK;
}

static enum qcow2bm_code check_name(const struct qcow2bm_chain *chain, const char *name,
				    size_t bytes, struct qcow2bm_error *err)
{
	if (bytes == 0 || memchr(name, '^', bytes) != NULL ||
	    memchr(name, '\0', bytes) != NULL)
		return q2_fail(
			err, QCOW2BM_EINVAL, QCOW2BM_NO_OFFSET,
			"a checkpoint's name is not empty, and has no '^' and no NUL");
	if (q2_name_is_of_job((const uint8_t *)name, bytes))
		return q2_fail(
			err, QCOW2BM_EINVAL, QCOW2BM_NO_OFFSET,
			"jobs give such names to bitmaps of their own: '%.*s' would be a checkpoint no longer",
			bytes > 200 ? 200 : (int)bytes, name);
	for (size_t i = 0; i < chain->checkpoint_count; i++)
		if (is_name(chain->checkpoints[i].name, chain->checkpoints[i].name_bytes,
			    name, bytes))
			return q2_fail(err, QCOW2BM_EEXIST, QCOW2BM_NO_OFFSET,
				       "there is a checkpoint '%.*s' already",
				       bytes > 200 ? 200 : (int)bytes, name);
	return check_parents(chain, name, bytes, err);
}

static enum qcow2bm_code rename_in_all(struct qcow2bm_chain *chain,
				       struct q2_checkpoint *checkpoint,
				       struct qcow2bm_error *err)
{
	enum qcow2bm_code code = QCOW2BM_OK;
	for (size_t layer = 0; code == QCOW2BM_OK && layer < chain->layer_count; layer++)
		if (q2_stage_has(checkpoint, layer))
			code = q2_stage_rename(chain, checkpoint, layer, checkpoint, err);
	return code;
}

enum qcow2bm_code qcow2bm_chain_rename(struct qcow2bm_chain *chain, size_t idx,
				       const char *name, size_t name_bytes,
				       struct qcow2bm_error *err)
{
	if (idx >= chain->checkpoint_count)
		return q2_fail(err, QCOW2BM_EINVAL, QCOW2BM_NO_OFFSET,
			       "there is no checkpoint of this number");
	struct q2_checkpoint *it = &chain->checkpoints[idx];
	enum qcow2bm_code code = check_name(chain, name, name_bytes, err);
	if (code == QCOW2BM_OK)
		code = q2_stage_begin(chain, err);
	uint8_t *next = code == QCOW2BM_OK ? malloc(name_bytes + 1) : NULL;
	if (code != QCOW2BM_OK || next == NULL)
		return code != QCOW2BM_OK
			       ? code
			       : q2_fail_memory(err, "the name of a checkpoint");
	memcpy(next, name, name_bytes);
	struct q2_checkpoint old = {.name = it->name, .name_bytes = it->name_bytes};
	it->name = next;
	it->name_bytes = name_bytes;
	code = rename_in_all(chain, it, err);
	for (size_t i = 0; code == QCOW2BM_OK && i < chain->checkpoint_count; i++) {
		struct q2_checkpoint *child = &chain->checkpoints[i];
		if (child->parent == NULL || child->parent_bytes != old.name_bytes ||
		    memcmp(child->parent, old.name, old.name_bytes) != 0)
			continue;
		code = q2_stage_set_parent(child, it, err);
		if (code == QCOW2BM_OK)
			code = rename_in_all(chain, child, err);
	}
	free(old.name);
	return code;
}
