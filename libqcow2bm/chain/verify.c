/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Verifying the checkpoints of disks, rule by rule. */
#include "../base/error.h"
#include "../format/name.h"
#include "inside.h"
#include "lifted.h"
#include "lookup.h"

#include <stdlib.h>

#define NONE QCOW2BM_NOT_FOUND

static void add_in_use(struct qcow2bm_findings *findings, size_t layer, size_t idx,
		       enum q2_writer writer)
{
	static const struct {
		enum q2_flaw_id id;
		const char *what;
	} by_writer[] = {
		[Q2_WRITER_LIVE] =
			{Q2_FLAW_IN_USE_LIVE,
			 "a running program has the image open and keeps its bits"},
		[Q2_WRITER_NONE] =
			{Q2_FLAW_IN_USE_STALE,
			 "a crash left it, and changes may be missing from it"},
		[Q2_WRITER_IDLE] = {Q2_FLAW_IN_USE_IDLE,
				    "a program that is paused may keep its bits"},
		[Q2_WRITER_UNKNOWN] = {Q2_FLAW_IN_USE_UNKNOWN,
				       "whether a program keeps its bits is not known"},
	};
	const struct q2_checkpoint *checkpoint = &findings->chain->checkpoints[idx];
	q2_flaws_add(findings, by_writer[writer].id, q2_place(layer, idx),
		     "'%.*s' is in-use: %s", q2_place_shown(checkpoint), checkpoint->name,
		     by_writer[writer].what);
}

static enum qcow2bm_code judge_bitmap(struct qcow2bm_findings *findings, size_t layer,
				      size_t idx, struct qcow2bm_error *err)
{
	const struct qcow2bm_chain *chain = findings->chain;
	const struct q2_checkpoint *checkpoint = &chain->checkpoints[idx];
	struct qcow2bm_image *image = chain->layers[layer].image;
	enum qcow2bm_code code =
		q2_layers_judge(chain, layer, checkpoint->bitmaps[layer], err);
	if (code != QCOW2BM_OK)
		return code;
	const struct q2_bitmap *bitmap = q2_layers_bitmap(chain, checkpoint, layer);
	if (bitmap->problem != NULL)
		q2_flaws_add(findings, Q2_FLAW_CORRUPT, q2_place(layer, idx),
			     "'%.*s' is corrupt: %s", q2_place_shown(checkpoint),
			     checkpoint->name, bitmap->problem);
	else if (bitmap->entry.flags & Q2_DIRECTORY_FLAG_IN_USE)
		add_in_use(findings, layer, idx, image->storage->writer);
	return code;
}

static enum qcow2bm_code judge_bitmaps(struct qcow2bm_findings *findings,
				       struct q2_watch *watch, struct qcow2bm_error *err)
{
	const struct qcow2bm_chain *chain = findings->chain;
	enum qcow2bm_code code = QCOW2BM_OK;
	for (size_t layer = 0; layer < chain->layer_count; layer++)
		for (size_t i = 0; code == QCOW2BM_OK && i < chain->checkpoint_count;
		     i++) {
			q2_watch_note(watch, watch->done + 1, watch->total);
			code = q2_watch_look(watch, err);
			if (code == QCOW2BM_OK &&
			    chain->checkpoints[i].bitmaps[layer] != NONE)
				code = judge_bitmap(findings, layer, i, err);
		}
	return code;
}

/* What a command has put by goes when it is typed again. That the other half of a commit's mark is in no layer
 * here proves nothing: it may be in one above. */
static void judge_job(struct qcow2bm_findings *findings, struct q2_place place,
		      const struct q2_directory_entry *entry)
{
	const uint8_t *rest;
	size_t rest_bytes;
	int shown = entry->name_bytes > 80 ? 80 : (int)entry->name_bytes;
	bool is_rebase = q2_name_begins(entry->name, entry->name_bytes, Q2_NAME_REBASE,
					&rest, &rest_bytes);
	if (q2_name_is_own(entry->name, entry->name_bytes))
		q2_flaws_add(
			findings, Q2_FLAW_CHAIN_CUT_OFF, place,
			"'%.*s' was made for the time of a `qcow2bm chain %s` that was cut "
			"off: type that again before anything else",
			shown, entry->name, is_rebase ? "rebase" : "commit");
	else
		q2_flaws_add(
			findings, Q2_FLAW_TEMPORARY, place,
			"'%.*s' has a name that libvirt gives for the time of a job, which has ended",
			shown, entry->name);
}

static void find_jobs(struct qcow2bm_findings *findings)
{
	const struct qcow2bm_chain *chain = findings->chain;
	for (size_t layer = 0; layer < chain->layer_count; layer++) {
		const struct qcow2bm_image *image = chain->layers[layer].image;
		for (size_t i = 0; image != NULL && i < image->directory.count; i++) {
			const struct q2_directory_entry *entry =
				&image->directory.bitmaps[i].entry;
			struct q2_place place = {layer, NONE, NONE, i};
			if (entry->name_bytes != 0 &&
			    q2_name_is_of_job(entry->name, entry->name_bytes) &&
			    !q2_lifted_is_mark(chain, layer, i))
				judge_job(findings, place, entry);
		}
	}
}

static enum qcow2bm_code verify_rules(struct qcow2bm_findings *findings,
				      struct qcow2bm_chain *chain, struct q2_watch *watch,
				      struct qcow2bm_error *err)
{
	enum qcow2bm_code code = judge_bitmaps(findings, watch, err);
	if (code == QCOW2BM_OK)
		code = q2_coverage_verify(findings, err);
	if (code == QCOW2BM_OK)
		code = q2_lineage_verify(findings, err);
	if (code != QCOW2BM_OK)
		return code;
	q2_records_verify(findings);
	find_jobs(findings);
	code = q2_inside_verify(findings, chain, watch, err);
	return code == QCOW2BM_OK ? q2_allocated_verify(findings, chain, watch, err)
				  : code;
}

static enum qcow2bm_code verify_disk(struct qcow2bm_findings *findings,
				     struct qcow2bm_chain *chain, struct q2_watch *watch,
				     struct qcow2bm_error *err)
{
	enum qcow2bm_code code = q2_layers_check(chain, err);
	if (code != QCOW2BM_OK)
		return code;
	q2_layers_set_watch(chain, watch);
	code = verify_rules(findings, chain, watch, err);
	q2_layers_unwatch(chain);
	return code;
}

/* Each bitmap is judged, each checkpoint compared with the next, and with the layers above the lowest. */
static uint64_t count_steps(struct qcow2bm_chain *const *chains, size_t count)
{
	uint64_t steps = 0;
	for (size_t i = 0; i < count; i++)
		steps += 2 * (uint64_t)chains[i]->layer_count *
			 chains[i]->checkpoint_count;
	return steps;
}

/* A backup of a machine is of all its disks. `lookup` is of the disk `other`. */
static void compare_disks(struct qcow2bm_findings *findings,
			  const struct qcow2bm_chain *other,
			  const struct q2_lookup *lookup, bool *is_told)
{
	const struct qcow2bm_chain *chain = findings->chain;
	for (size_t i = 0; i < chain->checkpoint_count; i++) {
		const struct q2_checkpoint *it = &chain->checkpoints[i];
		if (is_told[i] ||
		    q2_lookup_find(lookup, it->name, it->name_bytes) != NONE)
			continue;
		is_told[i] = true;
		q2_flaws_add(findings, Q2_FLAW_SOME_DISKS, q2_place(NONE, i),
			     "'%.*s' is on this disk, but not on '%.200s'",
			     q2_place_shown(it), it->name, other->layers[0].filename);
	}
}

/* What disk number `disk` has, and others have not. */
static enum qcow2bm_code verify_others(struct qcow2bm_findings *findings,
				       struct qcow2bm_chain *const *chains, size_t count,
				       size_t disk, struct qcow2bm_error *err)
{
	bool *is_told = calloc(chains[disk]->checkpoint_count + 1, sizeof(*is_told));
	enum qcow2bm_code code = QCOW2BM_OK;
	if (is_told == NULL)
		return q2_fail_memory(err, "the names of checkpoints");
	for (size_t i = 0; code == QCOW2BM_OK && i < count; i++) {
		struct q2_lookup lookup;
		if (i == disk)
			continue;
		code = q2_lookup_open(&lookup, chains[i], err);
		if (code == QCOW2BM_OK)
			compare_disks(findings, chains[i], &lookup, is_told);
		q2_lookup_close(&lookup);
	}
	free(is_told);
	return code;
}

enum qcow2bm_code qcow2bm_chain_verify(struct qcow2bm_chain *const *chains, size_t count,
				       struct qcow2bm_findings **result,
				       const struct qcow2bm_watch *caller,
				       struct qcow2bm_error *err)
{
	struct q2_watch watch;
	enum qcow2bm_code code =
		q2_watch_begin(&watch, caller, "nothing was changed", err);
	if (code != QCOW2BM_OK)
		return code;
	struct qcow2bm_findings *findings = calloc(1, sizeof(*findings));
	if (findings == NULL)
		return q2_fail_memory(err, "the findings about checkpoints");
	q2_watch_note(&watch, 0, count_steps(chains, count));
	for (size_t i = 0; code == QCOW2BM_OK && i < count; i++) {
		q2_flaws_begin(findings, chains[i], i);
		code = verify_disk(findings, chains[i], &watch, err);
		if (code == QCOW2BM_OK)
			code = verify_others(findings, chains, count, i, err);
	}
	if (code == QCOW2BM_OK)
		code = q2_flaws_finish(findings, err);
	if (code == QCOW2BM_OK)
		*result = findings;
	else
		qcow2bm_findings_free(findings);
	return code;
}
