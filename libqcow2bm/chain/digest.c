/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The manifest of a disk, with what its checkpoints tell. */
#include "../guest/digest.h"

#include "../base/error.h"
#include "../base/options.h"
#include "changed.h"
#include "old.h"

#include <stdlib.h>
#include <string.h>

#define DEFAULT_GRANULARITY_BITS 16u
/* Of more checkpoints the names alone are told: in the delta scheme each has the bits of all newer. */
#define MOST_COUNTED 256u

struct receiver {
	qcow2bm_digest_fn *fn;
	void *opaque;
};

static enum qcow2bm_code give(void *opaque, const uint8_t *bytes, size_t count,
			      struct qcow2bm_error *err)
{
	const struct receiver *receiver = opaque;
	if (receiver->fn(receiver->opaque, bytes, count) == 0)
		return QCOW2BM_OK;
	return q2_fail(err, QCOW2BM_ESTOPPED, QCOW2BM_NO_OFFSET,
		       "stopped by the receiver of the manifest");
}

/* As fine as the finest bitmap, so that none gets more than what differs. */
static unsigned choose_granularity(const struct qcow2bm_chain *chain, unsigned asked)
{
	unsigned bits = DEFAULT_GRANULARITY_BITS;
	for (size_t k = 0; chain != NULL && asked == 0 && k < chain->layer_count; k++) {
		const struct qcow2bm_image *image = chain->layers[k].image;
		for (size_t i = 0; image != NULL && i < image->directory.count; i++) {
			unsigned own = image->directory.bitmaps[i].entry.granularity_bits;
			if (own < bits && own >= Q2_MANIFEST_MIN_GRANULARITY_BITS)
				bits = own;
		}
	}
	return asked == 0 ? bits : asked;
}

static enum qcow2bm_code add_checkpoint(struct qcow2bm_chain *chain, size_t idx,
					struct q2_manifest_name *name,
					const struct qcow2bm_watch *watch,
					struct qcow2bm_error *err)
{
	const struct q2_checkpoint *checkpoint = &chain->checkpoints[idx];
	struct q2_changed changed = {.is_known = false};
	enum qcow2bm_code code = QCOW2BM_OK;
	if (chain->checkpoint_count <= MOST_COUNTED)
		code = q2_changed_count(chain, idx, &changed, watch, err);
	*name = (struct q2_manifest_name){
		.bytes = checkpoint->name,
		.count = checkpoint->name_bytes,
		.flags = changed.is_known ? Q2_MANIFEST_IS_KNOWN : 0u,
		.dirty_bytes = changed.bytes,
	};
	return code;
}

/* The name of the image's file, then those of the checkpoints. */
static enum qcow2bm_code collect_names(const struct qcow2bm_old *old,
				       struct q2_manifest_name **names,
				       const struct qcow2bm_watch *watch,
				       struct qcow2bm_error *err)
{
	const char *slash = strrchr(old->filename, '/');
	const char *filename = slash != NULL ? slash + 1 : old->filename;
	*names = calloc(old->info.checkpoints + 1, sizeof(**names));
	if (*names == NULL)
		return q2_fail_memory(err, "the names of checkpoints");
	(*names)[0].bytes = (const uint8_t *)filename;
	(*names)[0].count = strlen(filename);
	enum qcow2bm_code code = QCOW2BM_OK;
	for (size_t i = 0; code == QCOW2BM_OK && i < old->info.checkpoints; i++)
		code = add_checkpoint(old->chain, i, &(*names)[i + 1], watch, err);
	return code;
}

static enum qcow2bm_code take_options(struct qcow2bm_digest_options *ours,
				      const struct qcow2bm_digest_options *theirs,
				      struct qcow2bm_error *err)
{
	*ours = (struct qcow2bm_digest_options)QCOW2BM_DIGEST_OPTIONS_INIT;
	enum qcow2bm_code code = q2_options_take(ours, sizeof(*ours), theirs,
						 "the options of a manifest", err);
	if (code == QCOW2BM_OK)
		code = q2_options_check(ours->flags,
					QCOW2BM_DIGEST_SHA256 | QCOW2BM_DIGEST_NO_TOTAL,
					"a manifest", err);
	if (code == QCOW2BM_OK && ours->granularity_bits != 0 &&
	    (ours->granularity_bits < Q2_MANIFEST_MIN_GRANULARITY_BITS ||
	     ours->granularity_bits > Q2_MANIFEST_MAX_GRANULARITY_BITS))
		code = q2_fail(err, QCOW2BM_EINVAL, QCOW2BM_NO_OFFSET,
			       "the granularity of a manifest is 2^9 to 2^24 bytes, not "
			       "2^%u",
			       ours->granularity_bits);
	return code;
}

static enum qcow2bm_code make(struct qcow2bm_old *old,
			      const struct qcow2bm_digest_options *options,
			      const struct q2_manifest_name *names,
			      struct receiver *receiver, struct q2_watch *watch,
			      struct qcow2bm_error *err)
{
	struct q2_manifest_header header = {
		.hash = options->flags & QCOW2BM_DIGEST_SHA256 ? Q2_MANIFEST_SHA256
							       : Q2_MANIFEST_XXH3,
		.granularity_bits =
			choose_granularity(old->chain, options->granularity_bits),
		.made_seconds = options->made_seconds,
		.written_seconds = old->info.written_seconds,
		.flags = options->flags & QCOW2BM_DIGEST_NO_TOTAL ? 0u
								  : Q2_MANIFEST_HAS_TOTAL,
		.name_count = (uint32_t)old->info.checkpoints,
	};
	return q2_digest_make(old->disk, &header, names, give, receiver, watch, err);
}

enum qcow2bm_code qcow2bm_old_digest(struct qcow2bm_old *old,
				     const struct qcow2bm_digest_options *given,
				     qcow2bm_digest_fn *fn, void *opaque,
				     const struct qcow2bm_watch *watch,
				     struct qcow2bm_error *err)
{
	struct qcow2bm_digest_options options;
	struct receiver receiver = {fn, opaque};
	struct q2_watch own;
	struct q2_manifest_name *names = NULL;
	enum qcow2bm_code code = take_options(&options, given, err);
	if (code == QCOW2BM_OK && old->disk == NULL)
		code = q2_fail(err, QCOW2BM_EINVAL, QCOW2BM_NO_OFFSET,
			       "it is a manifest already");
	if (code == QCOW2BM_OK)
		code = q2_watch_begin(&own, watch, "nothing was changed", err);
	if (code == QCOW2BM_OK)
		code = collect_names(old, &names, watch, err);
	if (code == QCOW2BM_OK)
		code = make(old, &options, names, &receiver, &own, err);
	free(names);
	return code;
}
