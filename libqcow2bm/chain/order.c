/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* In which order checkpoints were made: by names and flags here, by bits in nesting.c. */
#include "order.h"

#include "../base/error.h"
#include "../base/options.h"
#include "flaws.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NONE SIZE_MAX

/* Who follows whom. All arrays have one member for each checkpoint, sorted by name. */
struct links {
	struct qcow2bm_chain *chain;
	size_t layer;   /* the uppermost with checkpoints */
	size_t *parent; /* NONE: it has none, or none that is there */
	size_t *child;
	size_t *order; /* what was found, the oldest first */
	size_t ordered;
};

static int compare_bytes(const uint8_t *a, size_t a_bytes, const uint8_t *b,
			 size_t b_bytes)
{
	int order = memcmp(a, b, a_bytes < b_bytes ? a_bytes : b_bytes);
	return order != 0 ? order : (a_bytes > b_bytes) - (a_bytes < b_bytes);
}

static int compare_checkpoints(const void *a, const void *b)
{
	const struct q2_checkpoint *x = a, *y = b;
	return compare_bytes(x->name, x->name_bytes, y->name, y->name_bytes);
}

static size_t find(const struct qcow2bm_chain *chain, const uint8_t *name, size_t bytes)
{
	size_t low = 0, high = chain->checkpoint_count;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const struct q2_checkpoint *it = &chain->checkpoints[middle];
		int order = compare_bytes(it->name, it->name_bytes, name, bytes);
		if (order == 0)
			return middle;
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NONE;
}

static int shown(size_t bytes)
{
	return bytes > 60 ? 60 : (int)bytes;
}

/* false: two have the same parent, which chain->gap says. */
static bool link_all(struct links *links)
{
	struct qcow2bm_chain *chain = links->chain;
	for (size_t i = 0; i < chain->checkpoint_count; i++)
		links->parent[i] = links->child[i] = NONE;
	for (size_t i = 0; i < chain->checkpoint_count; i++) {
		const struct q2_checkpoint *it = &chain->checkpoints[i];
		size_t parent = it->parent == NULL
					? NONE
					: find(chain, it->parent, it->parent_bytes);
		if (parent == NONE || parent == i)
			continue;
		if (links->child[parent] != NONE) {
			const struct q2_checkpoint *other =
				&chain->checkpoints[links->child[parent]];
			snprintf(chain->gap, sizeof(chain->gap),
				 "a fork: '%.*s' and '%.*s' are both children of '%.*s'",
				 shown(other->name_bytes), other->name,
				 shown(it->name_bytes), it->name, shown(it->parent_bytes),
				 it->parent);
			return false;
		}
		links->child[parent] = i;
		links->parent[i] = parent;
	}
	return true;
}

/* The path that begins with `idx` goes behind those that are ordered already. */
static void append_path(struct links *links, size_t idx)
{
	for (; idx != NONE; idx = links->child[idx])
		links->order[links->ordered++] = idx;
}

static bool path_records(const struct links *links, size_t idx)
{
	for (; idx != NONE; idx = links->child[idx])
		if (q2_layers_records(links->chain, idx, links->layer))
			return true;
	return false;
}

/* One path, or two of which one ends with the checkpoint that records: that one is newer. */
static bool join_paths(struct links *links)
{
	struct qcow2bm_chain *chain = links->chain;
	size_t heads[2] = {NONE, NONE}, count = 0;
	for (size_t i = 0; i < chain->checkpoint_count; i++)
		if (links->parent[i] == NONE) {
			if (count < 2)
				heads[count] = i;
			count++;
		}
	if (count == 0 || count > 2) {
		snprintf(chain->gap, sizeof(chain->gap),
			 count == 0 ? "a circle: each has a parent"
				    : "%zu checkpoints whose names tell no parent",
			 count);
		return false;
	}
	if (count == 2 && path_records(links, heads[0])) {
		size_t newer = heads[0];
		heads[0] = heads[1];
		heads[1] = newer;
	}
	if (count == 2 && !path_records(links, heads[1])) {
		snprintf(chain->gap, sizeof(chain->gap),
			 "two checkpoints whose names tell no parent, and none records");
		return false;
	}
	append_path(links, heads[0]);
	append_path(links, heads[1]);
	if (links->ordered == chain->checkpoint_count)
		return true;
	snprintf(chain->gap, sizeof(chain->gap),
		 "a circle: some are their own ancestors");
	return false;
}

static void permute(struct links *links, struct q2_checkpoint *copy)
{
	struct qcow2bm_chain *chain = links->chain;
	memcpy(copy, chain->checkpoints, chain->checkpoint_count * sizeof(*copy));
	for (size_t i = 0; i < chain->checkpoint_count; i++)
		chain->checkpoints[i] = copy[links->order[i]];
}

enum qcow2bm_code q2_order_by_names(struct qcow2bm_chain *chain, bool *is_ordered,
				    struct qcow2bm_error *err)
{
	size_t count = chain->checkpoint_count;
	struct links links = {.chain = chain, .layer = q2_scheme_layer(chain)};
	size_t *room = malloc(3 * count * sizeof(*room));
	struct q2_checkpoint *copy = malloc(count * sizeof(*copy));
	*is_ordered = false;
	if (room != NULL && copy != NULL) {
		links.parent = room;
		links.child = room + count;
		links.order = room + 2 * count;
		qsort(chain->checkpoints, count, sizeof(*chain->checkpoints),
		      compare_checkpoints);
		*is_ordered = link_all(&links) && join_paths(&links);
		if (*is_ordered)
			permute(&links, copy);
	}
	enum qcow2bm_code code = room == NULL || copy == NULL
					 ? q2_fail_memory(err, "the order of checkpoints")
					 : QCOW2BM_OK;
	free(room);
	free(copy);
	return code;
}

/* The order that the caller gave: each checkpoint once. */
static enum qcow2bm_code take_given(struct qcow2bm_chain *chain,
				    const struct qcow2bm_order_options *options,
				    struct qcow2bm_error *err)
{
	if (options->name_count != chain->checkpoint_count)
		return q2_fail(err, QCOW2BM_EINVAL, QCOW2BM_NO_OFFSET,
			       "the order has %zu names, and there are %zu checkpoints",
			       options->name_count, chain->checkpoint_count);
	for (size_t i = 0; i < options->name_count; i++) {
		const char *name = options->names[i];
		size_t at = qcow2bm_chain_find(chain, name, strlen(name));
		if (at == QCOW2BM_NOT_FOUND || at < i)
			return q2_fail(err, QCOW2BM_EINVAL, QCOW2BM_NO_OFFSET,
				       at < i ? "the order names '%.200s' twice"
					      : "the order names '%.200s', which is none",
				       name);
		struct q2_checkpoint found = chain->checkpoints[at];
		chain->checkpoints[at] = chain->checkpoints[i];
		chain->checkpoints[i] = found;
	}
	chain->order.witness = QCOW2BM_WITNESS_GIVEN;
	return QCOW2BM_OK;
}

static enum qcow2bm_witness name_witness(const struct qcow2bm_chain *chain)
{
	for (size_t i = 0; i < chain->checkpoint_count; i++)
		if (chain->checkpoints[i].parent != NULL)
			return QCOW2BM_WITNESS_NAMES;
	return QCOW2BM_WITNESS_FLAGS;
}

/* The order by what the scheme leaves as a witness: names in a delta chain, bits in a nested
 * one. */
static enum qcow2bm_code find_order(struct qcow2bm_chain *chain,
				    struct qcow2bm_error *err)
{
	bool is_ordered = false;
	enum qcow2bm_code code = QCOW2BM_OK;
	if (chain->order.scheme == QCOW2BM_SCHEME_DELTA) {
		code = q2_order_by_names(chain, &is_ordered, err);
		if (is_ordered)
			chain->order.witness = name_witness(chain);
	} else if (chain->order.scheme == QCOW2BM_SCHEME_NESTED) {
		code = q2_nesting_order(chain, &is_ordered, err);
		if (is_ordered)
			chain->order.witness = QCOW2BM_WITNESS_BITS;
	} else {
		snprintf(chain->gap, sizeof(chain->gap), "no checkpoint records");
	}
	if (is_ordered || code != QCOW2BM_OK)
		return code;
	chain->order.gap = chain->gap;
	return q2_lineage_find_orphan(chain, err);
}

enum qcow2bm_code qcow2bm_chain_find_order(struct qcow2bm_chain *chain,
					   const struct qcow2bm_order_options *options,
					   const struct qcow2bm_order **order,
					   struct qcow2bm_error *err)
{
	struct qcow2bm_order_options ours = QCOW2BM_ORDER_OPTIONS_INIT;
	enum qcow2bm_code code =
		q2_options_take(&ours, sizeof(ours), options, "order options", err);
	if (code != QCOW2BM_OK)
		return code;
	struct q2_watch watch;
	code = q2_layers_watch(chain, &watch, ours.watch, err);
	if (code != QCOW2BM_OK)
		return code;
	bool is_given = ours.scheme == QCOW2BM_SCHEME_NESTED ||
			ours.scheme == QCOW2BM_SCHEME_DELTA;
	chain->order = (struct qcow2bm_order){.scheme = is_given ? ours.scheme
								 : q2_scheme_find(chain),
					      .scheme_is_given = is_given};
	chain->orphan = QCOW2BM_NOT_FOUND;
	chain->superset = (struct q2_superset){.is_judged = false};
	for (size_t i = 0; i < chain->checkpoint_count; i++) {
		chain->checkpoints[i].is_held_known = false;
		chain->checkpoints[i].lost_bytes = 0;
	}
	if (chain->checkpoint_count <= 1)
		chain->order.witness = QCOW2BM_WITNESS_ONE;
	else if (ours.names != NULL)
		code = take_given(chain, &ours, err);
	else
		code = find_order(chain, err);
	q2_layers_unwatch(chain);
	*order = &chain->order;
	return code;
}
