/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the sources of a bitmap say together: all of them ORed in one pass, a batch of clusters at once. */
#include <stdlib.h>
#include <string.h>

#include "../base/checked.h"
#include "../base/error.h"
#include "../bits/or.h"
#include "content.h"

/* Small enough for the second level cache, large enough for the disk. */
#define BATCH_BYTES (512u << 10)

struct batch {
	const struct q2_content *content;
	const struct q2_content_buffers *buffers;
	uint64_t clusters;
	uint64_t first_bit;
	uint64_t bits;
	size_t cluster_words;
};

enum qcow2bm_code q2_content_make_buffers(struct q2_content_buffers *buffers,
					  uint64_t cluster_bytes, bool is_idle,
					  struct qcow2bm_error *err)
{
	buffers->clusters =
		cluster_bytes >= BATCH_BYTES ? 1 : BATCH_BYTES / cluster_bytes;
	if (is_idle)
		return QCOW2BM_OK;
	size_t bytes = (size_t)(buffers->clusters * cluster_bytes);
	buffers->words = malloc(bytes);
	buffers->other = malloc(bytes);
	buffers->scratch = malloc(Q2_CONVERT_WORDS * sizeof(*buffers->scratch));
	if (buffers->words == NULL || buffers->other == NULL || buffers->scratch == NULL)
		return q2_fail_memory(err, "bitmap data");
	return QCOW2BM_OK;
}

void q2_content_free_buffers(struct q2_content_buffers *buffers)
{
	free(buffers->words);
	free(buffers->other);
	free(buffers->scratch);
	buffers->words = buffers->other = buffers->scratch = NULL;
}

static uint64_t *cluster_words(const struct batch *batch, uint64_t *words, uint64_t i)
{
	return words + i * batch->cluster_words;
}

/* The bits of one source, at the granularity of the new content, into `words`. */
static enum qcow2bm_code read_source(const struct batch *batch,
				     const struct q2_source *source, uint64_t *words,
				     struct qcow2bm_error *err)
{
	unsigned granularity_bits = batch->content->staged->granularity_bits;
	size_t bytes = (size_t)batch->clusters * batch->cluster_words * sizeof(*words);
	if (source->granularity_bits == granularity_bits) {
		size_t read_bytes = (size_t)q2_shift_up(batch->bits, 6) * sizeof(*words);
		memset((uint8_t *)words + read_bytes, 0, bytes - read_bytes);
		return q2_source_read(source, batch->first_bit, batch->bits, words, err);
	}
	memset(words, 0, bytes);
	return q2_convert_read(source, granularity_bits, batch->first_bit, batch->bits,
			       words, batch->buffers->scratch, err);
}

static bool is_needed(const struct batch *batch, const struct q2_source *source)
{
	struct q2_source_range range =
		q2_convert_range(source, batch->content->staged->granularity_bits,
				 batch->first_bit, batch->bits);
	return q2_source_classify(source, range.first, range.bits) != Q2_UNIFORM_ZEROS;
}

static void note_change(const struct batch *batch, uint64_t i, bool *changed)
{
	if (q2_or_into(cluster_words(batch, batch->buffers->words, i),
		       cluster_words(batch, batch->buffers->other, i),
		       batch->cluster_words) &&
	    changed != NULL)
		changed[i] = true;
}

/* The first source that is read fills the words, even if it turns out to be the only one. */
static enum qcow2bm_code add_sources(const struct batch *batch, bool *changed,
				     struct qcow2bm_error *err)
{
	const struct q2_content *content = batch->content;
	bool is_first = true;
	for (size_t s = 0; s < content->source_count; s++) {
		const struct q2_source *source = &content->sources[s];
		bool is_own = s == 0 && content->staged->keeps_bits;
		if (!is_own && !is_needed(batch, source))
			continue;
		enum qcow2bm_code code = read_source(
			batch, source,
			is_first ? batch->buffers->words : batch->buffers->other, err);
		if (code != QCOW2BM_OK)
			return code;
		for (uint64_t i = 0; !is_first && i < batch->clusters; i++)
			note_change(batch, i, changed);
		is_first = false;
	}
	return QCOW2BM_OK;
}

enum qcow2bm_code q2_content_read(const struct q2_content *content, uint64_t first,
				  uint64_t count,
				  const struct q2_content_buffers *buffers, bool *changed,
				  struct qcow2bm_error *err)
{
	uint64_t per_cluster = content->shape.bits_per_cluster;
	struct batch batch = {
		.content = content,
		.buffers = buffers,
		.clusters = count,
		.first_bit = first * per_cluster,
		.bits = q2_min_u64(count * per_cluster,
				   content->shape.bits - first * per_cluster),
		.cluster_words = (size_t)(per_cluster / 64),
	};
	for (uint64_t i = 0; changed != NULL && i < count; i++)
		changed[i] = !content->staged->keeps_bits;
	enum qcow2bm_code code = add_sources(&batch, changed, err);
	if (code == QCOW2BM_OK)
		q2_uniform_clear_tail(buffers->words, (size_t)count * batch.cluster_words,
				      batch.bits);
	return code;
}
