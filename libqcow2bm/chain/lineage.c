/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the names of checkpoints tell of their parents: forks, circles, two parents, holes. */
#include "../base/error.h"
#include "flaws.h"
#include "lookup.h"

#include <stdlib.h>
#include <string.h>

#define NONE QCOW2BM_NOT_FOUND

/* All arrays have one member for each checkpoint. */
struct lineage {
	struct qcow2bm_findings *findings;
	const struct qcow2bm_chain *chain;
	size_t *parent; /* NONE: it has none, or none that is there */
	size_t *child;
	size_t *walk;   /* the walk that came here first; 0: none did */
	bool is_broken; /* that is why there is no order */
};

static void add_fork(struct lineage *lineage, size_t idx, size_t other)
{
	const struct q2_checkpoint *it = &lineage->chain->checkpoints[idx];
	const struct q2_checkpoint *sibling = &lineage->chain->checkpoints[other];
	struct q2_place place = {NONE, idx, other, NONE};
	q2_flaws_add(
		lineage->findings, Q2_FLAW_FORK, place,
		"'%.*s' and '%.*s' are both children of '%.*s': which is newer is not "
		"known, but --order may tell it",
		q2_place_shown(sibling), sibling->name, q2_place_shown(it), it->name,
		it->parent_bytes > 80 ? 80 : (int)it->parent_bytes, it->parent);
	lineage->is_broken = true;
}

static void find_forks(struct lineage *lineage, const struct q2_lookup *lookup)
{
	const struct qcow2bm_chain *chain = lineage->chain;
	for (size_t i = 0; i < chain->checkpoint_count; i++)
		lineage->parent[i] = lineage->child[i] = NONE;
	for (size_t i = 0; i < chain->checkpoint_count; i++) {
		const struct q2_checkpoint *it = &chain->checkpoints[i];
		if (it->parent == NULL)
			continue;
		size_t parent = q2_lookup_find(lookup, it->parent, it->parent_bytes);
		lineage->parent[i] = parent;
		if (parent == NONE)
			continue;
		if (lineage->child[parent] != NONE)
			add_fork(lineage, i, lineage->child[parent]);
		else
			lineage->child[parent] = i;
	}
}

/* From each checkpoint to its parents, until there is none or somebody was there. */
static void find_circles(struct lineage *lineage)
{
	const struct qcow2bm_chain *chain = lineage->chain;
	for (size_t i = 0; i < chain->checkpoint_count; i++) {
		size_t at = i;
		while (at != NONE && lineage->walk[at] == 0) {
			lineage->walk[at] = i + 1;
			at = lineage->parent[at];
		}
		if (at == NONE || lineage->walk[at] != i + 1)
			continue;
		const struct q2_checkpoint *it = &chain->checkpoints[at];
		q2_flaws_add(
			lineage->findings, Q2_FLAW_CIRCLE, q2_place(NONE, at),
			"'%.*s' is its own ancestor by the names: what is older is not known, but "
			"--order may tell it",
			q2_place_shown(it), it->name);
		lineage->is_broken = true;
	}
}

/* The uppermost layer whose name of it tells another parent than one above, or NONE. */
static size_t find_other_parent(const struct qcow2bm_chain *chain,
				const struct q2_checkpoint *checkpoint)
{
	if (checkpoint->is_double)
		return checkpoint->double_layer;
	for (size_t layer = 0; layer < chain->layer_count; layer++) {
		const struct q2_bitmap *bitmap =
			q2_layers_bitmap(chain, checkpoint, layer);
		if (bitmap == NULL)
			continue;
		struct q2_checkpoint_name name = q2_checkpoints_split(
			bitmap->entry.name, bitmap->entry.name_bytes);
		if (name.parent != NULL &&
		    (name.parent_bytes != checkpoint->parent_bytes ||
		     memcmp(name.parent, checkpoint->parent, name.parent_bytes) != 0))
			return layer;
	}
	return NONE;
}

static void find_two_parents(struct lineage *lineage)
{
	const struct qcow2bm_chain *chain = lineage->chain;
	for (size_t i = 0; i < chain->checkpoint_count; i++) {
		const struct q2_checkpoint *it = &chain->checkpoints[i];
		size_t layer = find_other_parent(chain, it);
		if (layer == NONE)
			continue;
		q2_flaws_add(
			lineage->findings, Q2_FLAW_TWO_PARENTS, q2_place(layer, i),
			it->is_double
				? "this layer has two bitmaps of checkpoint '%.*s', by their "
				  "names of different parents"
				: "the name of '%.*s' in this layer tells another parent than in "
				  "a layer above",
			q2_place_shown(it), it->name);
		lineage->is_broken = true;
	}
}

bool q2_lineage_is_child(const struct q2_checkpoint *it,
			 const struct q2_checkpoint *before)
{
	return it->parent != NULL && it->parent_bytes == before->name_bytes &&
	       memcmp(it->parent, before->name, before->name_bytes) == 0;
}

/* An order that was given says which of two children is newer, and not that a parent is there which is not. */
bool q2_lineage_is_hole(const struct qcow2bm_chain *chain, size_t idx)
{
	const struct q2_checkpoint *it = &chain->checkpoints[idx];
	if (idx == 0 || chain->order.gap != NULL || !q2_layers_is_delta(chain) ||
	    q2_lineage_is_child(it, it - 1))
		return false;
	if (chain->order.witness == QCOW2BM_WITNESS_GIVEN)
		return it->parent != NULL &&
		       q2_checkpoints_find(chain, it->parent, it->parent_bytes) == NULL;
	return chain->order.witness == QCOW2BM_WITNESS_NAMES;
}

enum qcow2bm_code q2_lineage_find_orphan(struct qcow2bm_chain *chain,
					 struct qcow2bm_error *err)
{
	struct q2_lookup lookup;
	size_t heads = 0, orphan = NONE;
	enum qcow2bm_code code = q2_lookup_open(&lookup, chain, err);
	for (size_t i = 0; code == QCOW2BM_OK && i < chain->checkpoint_count; i++) {
		const struct q2_checkpoint *it = &chain->checkpoints[i];
		if (it->parent != NULL &&
		    q2_lookup_find(&lookup, it->parent, it->parent_bytes) != NONE)
			continue;
		heads++;
		if (it->parent != NULL && orphan == NONE)
			orphan = i;
	}
	q2_lookup_close(&lookup);
	chain->orphan = heads > 1 && q2_layers_is_delta(chain) ? orphan : NONE;
	return code;
}

/* What changed between two checkpoints is lost with the one that was between them. */
static void find_holes(struct lineage *lineage)
{
	const struct qcow2bm_chain *chain = lineage->chain;
	for (size_t i = 1; i < chain->checkpoint_count; i++) {
		const struct q2_checkpoint *before = &chain->checkpoints[i - 1];
		const struct q2_checkpoint *it = &chain->checkpoints[i];
		struct q2_place place = {NONE, i - 1, i, NONE};
		if (!q2_lineage_is_hole(chain, i) || find_other_parent(chain, it) != NONE)
			continue;
		q2_flaws_add(
			lineage->findings, Q2_FLAW_HOLE, place,
			"the checkpoint between '%.*s' and '%.*s' is missing, and with it what "
			"changed between them",
			q2_place_shown(before), before->name, q2_place_shown(it),
			it->name);
	}
}

static void add_orphan(struct lineage *lineage, size_t idx)
{
	const struct q2_checkpoint *it = &lineage->chain->checkpoints[idx];
	q2_flaws_add(
		lineage->findings, Q2_FLAW_HOLES, q2_place(NONE, idx),
		"the parent '%.*s' of '%.*s' is missing, and with it what changed between them; "
		"which of the others is older is not known",
		it->parent_bytes > 80 ? 80 : (int)it->parent_bytes, it->parent,
		q2_place_shown(it), it->name);
}

/* Older than the first there is nothing that could miss it. */
static void find_lost_parent(struct lineage *lineage)
{
	const struct q2_checkpoint *oldest = &lineage->chain->checkpoints[0];
	if (oldest->parent == NULL || lineage->parent[0] != NONE)
		return;
	q2_flaws_add(
		lineage->findings, Q2_FLAW_PARENT_GONE, q2_place(NONE, 0),
		"'%.*s' tells a parent that is gone, so something else than `chain delete` "
		"deleted that; nothing depends on it any more",
		q2_place_shown(oldest), oldest->name);
}

static void verify(struct lineage *lineage, const struct q2_lookup *lookup)
{
	const struct qcow2bm_order *order = &lineage->chain->order;
	find_forks(lineage, lookup);
	find_circles(lineage);
	find_two_parents(lineage);
	if (order->gap == NULL)
		find_lost_parent(lineage);
	if (order->gap == NULL)
		find_holes(lineage);
	else if (lineage->chain->orphan != NONE)
		add_orphan(lineage, lineage->chain->orphan);
	else if (order->scheme == QCOW2BM_SCHEME_DELTA && !lineage->is_broken)
		q2_flaws_add(
			lineage->findings, Q2_FLAW_ORDER_UNKNOWN, q2_place(NONE, NONE),
			"the order of the checkpoints is not known (%s), so what changed since "
			"any but the newest is told as since the oldest; --order tells it",
			order->gap);
}

enum qcow2bm_code q2_lineage_verify(struct qcow2bm_findings *findings,
				    struct qcow2bm_error *err)
{
	size_t count = findings->chain->checkpoint_count;
	struct lineage lineage = {.findings = findings, .chain = findings->chain};
	struct q2_lookup lookup;
	if (count == 0)
		return QCOW2BM_OK;
	size_t *room = calloc(3 * count, sizeof(*room));
	enum qcow2bm_code code = q2_lookup_open(&lookup, findings->chain, err);
	if (code == QCOW2BM_OK && room == NULL)
		code = q2_fail_memory(err, "the names of checkpoints");
	if (code == QCOW2BM_OK) {
		lineage.parent = room;
		lineage.child = room + count;
		lineage.walk = room + 2 * count;
		verify(&lineage, &lookup);
	}
	q2_lookup_close(&lookup);
	free(room);
	return code;
}
