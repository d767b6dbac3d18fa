/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which checkpoints the bitmaps of all layers are of, by their names. */
#include "../base/error.h"
#include "../format/name.h"
#include "layers.h"

#include <stdlib.h>
#include <string.h>

struct q2_checkpoint_name q2_checkpoints_split(const uint8_t *name, size_t name_bytes)
{
	const uint8_t *mark = memchr(name, '^', name_bytes);
	size_t own = mark == NULL ? 0 : (size_t)(mark - name);
	if (own == 0 || own + 1 == name_bytes)
		return (struct q2_checkpoint_name){.own = name, .own_bytes = name_bytes};
	return (struct q2_checkpoint_name){name, own, mark + 1, name_bytes - own - 1};
}

static bool is_same(const uint8_t *a, size_t a_bytes, const uint8_t *b, size_t b_bytes)
{
	return a_bytes == b_bytes && memcmp(a, b, a_bytes) == 0;
}

struct q2_checkpoint *q2_checkpoints_find(const struct qcow2bm_chain *chain,
					  const uint8_t *own, size_t own_bytes)
{
	for (size_t i = 0; i < chain->checkpoint_count; i++)
		if (is_same(chain->checkpoints[i].name, chain->checkpoints[i].name_bytes,
			    own, own_bytes))
			return &chain->checkpoints[i];
	return NULL;
}

static enum qcow2bm_code copy(uint8_t **to, const uint8_t *bytes, size_t count,
			      struct qcow2bm_error *err)
{
	*to = malloc(count + 1);
	if (*to == NULL)
		return q2_fail_memory(err, "the names of checkpoints");
	memcpy(*to, bytes, count);
	(*to)[count] = 0;
	return QCOW2BM_OK;
}

/* A bitmap of a layer, by what its name says. */
struct ref {
	struct q2_checkpoint_name name;
	size_t layer, idx;
};

static int compare_names(const struct q2_checkpoint_name *a,
			 const struct q2_checkpoint_name *b)
{
	size_t less = a->own_bytes < b->own_bytes ? a->own_bytes : b->own_bytes;
	int order = memcmp(a->own, b->own, less);
	return order != 0 ? order
			  : (a->own_bytes > b->own_bytes) - (a->own_bytes < b->own_bytes);
}

static int compare_refs(const void *a, const void *b)
{
	const struct ref *x = a, *y = b;
	int order = compare_names(&x->name, &y->name);
	if (order == 0)
		order = (x->layer > y->layer) - (x->layer < y->layer);
	return order != 0 ? order : (x->idx > y->idx) - (x->idx < y->idx);
}

/* All bitmaps of all layers but those with temporary names or none, in the order of their own
 * names, then of layers. Room for all was made. */
static size_t list_refs(const struct qcow2bm_chain *chain, struct ref *refs)
{
	size_t count = 0;
	for (size_t layer = 0; layer < chain->layer_count; layer++) {
		const struct qcow2bm_image *image = chain->layers[layer].image;
		for (size_t i = 0; image != NULL && i < image->directory.count; i++) {
			const struct q2_directory_entry *entry =
				&image->directory.bitmaps[i].entry;
			if (entry->name_bytes == 0 ||
			    q2_name_is_of_job(entry->name, entry->name_bytes))
				continue;
			refs[count++] = (struct ref){
				q2_checkpoints_split(entry->name, entry->name_bytes),
				layer, i};
		}
	}
	qsort(refs, count, sizeof(*refs), compare_refs);
	return count;
}

static enum qcow2bm_code begin(struct qcow2bm_chain *chain,
			       const struct q2_checkpoint_name *name,
			       struct qcow2bm_error *err)
{
	struct q2_checkpoint *added = &chain->checkpoints[chain->checkpoint_count++];
	*added = (struct q2_checkpoint){.name_bytes = name->own_bytes};
	enum qcow2bm_code code = copy(&added->name, name->own, name->own_bytes, err);
	if (code != QCOW2BM_OK)
		return code;
	added->bitmaps = malloc(chain->layer_count * sizeof(size_t));
	if (added->bitmaps == NULL)
		return q2_fail_memory(err, "the checkpoints of a disk");
	for (size_t i = 0; i < chain->layer_count; i++)
		added->bitmaps[i] = QCOW2BM_NOT_FOUND;
	return QCOW2BM_OK;
}

/* The uppermost layer that tells a parent is believed; of two bitmaps of one name the first. */
static enum qcow2bm_code note(struct q2_checkpoint *checkpoint, const struct ref *ref,
			      struct qcow2bm_error *err)
{
	if (checkpoint->bitmaps[ref->layer] != QCOW2BM_NOT_FOUND &&
	    !checkpoint->is_double) {
		checkpoint->is_double = true;
		checkpoint->double_layer = ref->layer;
	}
	if (checkpoint->bitmaps[ref->layer] == QCOW2BM_NOT_FOUND)
		checkpoint->bitmaps[ref->layer] = ref->idx;
	if (checkpoint->parent != NULL || ref->name.parent == NULL)
		return QCOW2BM_OK;
	checkpoint->parent_bytes = ref->name.parent_bytes;
	return copy(&checkpoint->parent, ref->name.parent, ref->name.parent_bytes, err);
}

static enum qcow2bm_code group(struct qcow2bm_chain *chain, const struct ref *refs,
			       size_t count, struct qcow2bm_error *err)
{
	enum qcow2bm_code code = QCOW2BM_OK;
	for (size_t i = 0; code == QCOW2BM_OK && i < count; i++) {
		if (i == 0 || compare_names(&refs[i - 1].name, &refs[i].name) != 0)
			code = begin(chain, &refs[i].name, err);
		if (code == QCOW2BM_OK)
			code = note(&chain->checkpoints[chain->checkpoint_count - 1],
				    &refs[i], err);
	}
	return code;
}

enum qcow2bm_code q2_checkpoints_collect(struct qcow2bm_chain *chain,
					 struct qcow2bm_error *err)
{
	size_t most = 0;
	for (size_t i = 0; i < chain->layer_count; i++)
		if (chain->layers[i].image != NULL)
			most += chain->layers[i].image->directory.count;
	if (most == 0)
		return QCOW2BM_OK;
	struct ref *refs = malloc(most * sizeof(*refs));
	chain->checkpoints = malloc(most * sizeof(*chain->checkpoints));
	enum qcow2bm_code code;
	if (refs == NULL || chain->checkpoints == NULL)
		code = q2_fail_memory(err, "the checkpoints of a disk");
	else
		code = group(chain, refs, list_refs(chain, refs), err);
	free(refs);
	return code;
}

void q2_checkpoints_free_one(const struct qcow2bm_chain *chain,
			     struct q2_checkpoint *checkpoint)
{
	free(checkpoint->name);
	free(checkpoint->parent);
	free(checkpoint->bitmaps);
	for (size_t i = 0; checkpoint->staged != NULL && i < chain->layer_count; i++)
		free(checkpoint->staged[i].bytes);
	free(checkpoint->staged);
}

void q2_checkpoints_free(struct qcow2bm_chain *chain)
{
	for (size_t i = 0; i < chain->checkpoint_count; i++)
		q2_checkpoints_free_one(chain, &chain->checkpoints[i]);
	free(chain->checkpoints);
	chain->checkpoints = NULL;
	chain->checkpoint_count = 0;
}

size_t qcow2bm_chain_count(const struct qcow2bm_chain *chain)
{
	return chain->checkpoint_count;
}

const struct qcow2bm_checkpoint *
qcow2bm_chain_checkpoint(const struct qcow2bm_chain *chain, size_t idx)
{
	static const struct qcow2bm_checkpoint none = {.name = ""};
	if (idx >= chain->checkpoint_count)
		return &none;
	struct q2_checkpoint *it = &chain->checkpoints[idx];
	it->shown = (struct qcow2bm_checkpoint){
		.name = (const char *)it->name,
		.name_bytes = it->name_bytes,
		.parent = (const char *)it->parent,
		.parent_bytes = it->parent_bytes,
		.is_tie = it->is_tie,
	};
	return &it->shown;
}

size_t qcow2bm_chain_find(const struct qcow2bm_chain *chain, const char *name,
			  size_t name_bytes)
{
	const uint8_t *bytes = (const uint8_t *)name;
	const struct q2_checkpoint *found = q2_checkpoints_find(chain, bytes, name_bytes);
	struct q2_checkpoint_name split = q2_checkpoints_split(bytes, name_bytes);
	if (found == NULL && split.parent != NULL) {
		found = q2_checkpoints_find(chain, split.own, split.own_bytes);
		if (found != NULL && !is_same(found->parent, found->parent_bytes,
					      split.parent, split.parent_bytes))
			found = NULL;
	}
	return found == NULL ? QCOW2BM_NOT_FOUND : (size_t)(found - chain->checkpoints);
}

size_t qcow2bm_chain_bitmap(const struct qcow2bm_chain *chain, size_t idx,
			    size_t layer_idx)
{
	return idx < chain->checkpoint_count && layer_idx < chain->layer_count
		       ? chain->checkpoints[idx].bitmaps[layer_idx]
		       : QCOW2BM_NOT_FOUND;
}
