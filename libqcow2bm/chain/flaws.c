/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The table of what can be wrong with checkpoints, and the list of what was found. */
#define _GNU_SOURCE /* vasprintf() */
#include "flaws.h"

#include "../base/error.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROW(id, code, severity, cure, remedy)                                           \
	[Q2_FLAW_##id] = {code, QCOW2BM_SEVERITY_##severity, QCOW2BM_CHAIN_CURE_##cure, \
			  Q2_REMEDY_##remedy}

/* One row, one line: id, code, severity, cure, what a repair does. */
/* clang-format off */
static const struct q2_flaw_kind kinds[Q2_FLAWS] = {
	/* Which layers have it. */
	ROW(NOT_IN_TOP, "not-in-top", ERROR, REPAIR, MAKE),
	ROW(GAP, "gap-between-layers", ERROR, REPAIR, MAKE),
	ROW(HOLDS_NONE, "layer-holds-none", ERROR, UPGRADE, NOTHING),
	ROW(SOME_DISKS, "not-on-all-disks", WARNING, DELETE, NOTHING),
	ROW(GRANULARITY, "granularity-differs", NOTE, NONE, NOTHING),
	ROW(SIZE, "size-differs", NOTE, NONE, NOTHING),

	/* Whether it can be trusted, and records. */
	ROW(IN_USE_LIVE, "in-use-live", NOTE, NONE, NOTHING),
	ROW(IN_USE_STALE, "in-use-stale", WARNING, RECOVER, FILL),
	ROW(IN_USE_IDLE, "in-use-unknown", NOTE, NONE, NOTHING),
	ROW(IN_USE_UNKNOWN, "in-use-unknown", WARNING, RECOVER, FILL),
	ROW(CORRUPT, "corrupt", ERROR, CHECK, DROP),
	ROW(DISABLED, "disabled", ERROR, DELETE, DROP),
	ROW(DISABLED_ALL, "disabled", ERROR, REPAIR, DROP_NEWEST),
	ROW(DISABLED_BELOW, "disabled-below", WARNING, DELETE, DROP),
	ROW(RECORDING, "older-records", WARNING, DISABLE, SILENCE),
	ROW(RECORDING_ALONE, "older-records", WARNING, NONE, NOTHING),
	ROW(TEMPORARY, "temporary", WARNING, DELETE_BITMAP, REMOVE),
	ROW(CHAIN_CUT_OFF, "chain-cut-off", WARNING, AGAIN, REMOVE),

	/* What the bits tell. */
	ROW(NOT_NESTED, "not-nested", ERROR, DELETE, DROP),
	ROW(ALLOCATED_CLEAN, "allocated-clean", ERROR, DELETE, DROP),
	ROW(ALLOCATED_CLEAN_OLDER, "allocated-clean", ERROR, DELETE_OLDER, DROP),

	/* What names tell of parents. */
	ROW(HOLE, "hole", ERROR, DELETE_OLDER, BRIDGE),
	ROW(HOLES, "hole", ERROR, REPAIR, RENAME),
	ROW(FORK, "fork", ERROR, REPAIR, RENAME),
	ROW(TWO_PARENTS, "two-parents", ERROR, REPAIR, RENAME),
	ROW(CIRCLE, "circle", ERROR, REPAIR, RENAME),
	ROW(ORDER_UNKNOWN, "order-unknown", NOTE, NONE, NOTHING),
	ROW(PARENT_GONE, "parent-gone", NOTE, NONE, NOTHING),
};
/* clang-format on */

const struct q2_flaw_kind *q2_flaws_kind(enum q2_flaw_id id)
{
	assert(id < Q2_FLAWS);
	return &kinds[id];
}

static struct q2_finding *reserve(struct qcow2bm_findings *findings)
{
	if (findings->count == findings->room) {
		size_t room = findings->room == 0 ? 16 : findings->room * 2;
		struct q2_finding *grown = realloc(findings->list, room * sizeof(*grown));
		if (grown == NULL)
			return NULL;
		findings->list = grown;
		findings->room = room;
	}
	return &findings->list[findings->count];
}

/* As qcow2bm_chain_delete() refuses: its scheme or order is not known, or a layer has two of one. */
static bool can_delete(const struct qcow2bm_chain *chain)
{
	enum qcow2bm_scheme scheme = chain->order.scheme;
	for (size_t i = 0; i < chain->checkpoint_count; i++)
		if (chain->checkpoints[i].is_double)
			return false;
	return scheme == QCOW2BM_SCHEME_ANY || scheme == QCOW2BM_SCHEME_NESTED ||
	       (scheme == QCOW2BM_SCHEME_DELTA && chain->order.gap == NULL);
}

/* Where a checkpoint cannot be deleted alone a repair deletes all of them, but not because another disk
 * has none of it. */
static enum qcow2bm_chain_cure choose_cure(const struct qcow2bm_findings *findings,
					   enum q2_flaw_id id)
{
	enum qcow2bm_chain_cure cure = q2_flaws_kind(id)->cure;
	if (findings->can_delete || (cure != QCOW2BM_CHAIN_CURE_DELETE &&
				     cure != QCOW2BM_CHAIN_CURE_DELETE_OLDER))
		return cure;
	return id == Q2_FLAW_SOME_DISKS ? QCOW2BM_CHAIN_CURE_START_ANEW
					: QCOW2BM_CHAIN_CURE_REPAIR;
}

void q2_flaws_begin(struct qcow2bm_findings *findings, const struct qcow2bm_chain *chain,
		    size_t disk_idx)
{
	findings->chain = chain;
	findings->disk_idx = disk_idx;
	findings->can_delete = can_delete(chain);
}

void q2_flaws_add(struct qcow2bm_findings *findings, enum q2_flaw_id id,
		  struct q2_place place, const char *fmt, ...)
{
	const struct q2_flaw_kind *kind = q2_flaws_kind(id);
	char *sentence;
	va_list args;
	va_start(args, fmt);
	if (vasprintf(&sentence, fmt, args) < 0)
		sentence = NULL;
	va_end(args);
	struct q2_finding *finding = sentence == NULL ? NULL : reserve(findings);
	if (finding == NULL) {
		findings->has_lost = true;
		free(sentence);
		return;
	}
	findings->count++;
	finding->id = id;
	finding->shown = (struct qcow2bm_finding){
		.code = kind->code,
		.severity = kind->severity,
		.cure = choose_cure(findings, id),
		.disk_idx = findings->disk_idx,
		.layer_idx = place.layer,
		.idx = place.idx,
		.other_idx = place.other,
		.bitmap_idx = place.bitmap,
		.sentence = sentence,
	};
}

static int compare_sizes(size_t a, size_t b)
{
	return (a > b) - (a < b);
}

/* What is about no checkpoint, with the highest of numbers, is the last of its severity. */
static int by_disk_and_severity(const void *a, const void *b)
{
	const struct qcow2bm_finding *x = &((const struct q2_finding *)a)->shown;
	const struct qcow2bm_finding *y = &((const struct q2_finding *)b)->shown;
	int order = compare_sizes(x->disk_idx, y->disk_idx);
	if (order == 0)
		order = compare_sizes(y->severity, x->severity);
	if (order == 0)
		order = compare_sizes(x->idx, y->idx);
	if (order == 0)
		order = compare_sizes(x->layer_idx, y->layer_idx);
	return order != 0 ? order : strcmp(x->sentence, y->sentence);
}

enum qcow2bm_code q2_flaws_finish(struct qcow2bm_findings *findings,
				  struct qcow2bm_error *err)
{
	if (findings->has_lost)
		return q2_fail_memory(err, "the findings about checkpoints");
	if (findings->count > 1)
		qsort(findings->list, findings->count, sizeof(*findings->list),
		      by_disk_and_severity);
	return QCOW2BM_OK;
}

void qcow2bm_findings_free(struct qcow2bm_findings *findings)
{
	if (findings == NULL)
		return;
	for (size_t i = 0; i < findings->count; i++)
		free((char *)findings->list[i].shown.sentence);
	free(findings->list);
	free(findings);
}

size_t qcow2bm_findings_count(const struct qcow2bm_findings *findings)
{
	return findings->count;
}

const struct qcow2bm_finding *
qcow2bm_findings_finding(const struct qcow2bm_findings *findings, size_t number)
{
	return number < findings->count ? &findings->list[number].shown : NULL;
}
