/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Writing new content: what all sources say, in batches of clusters. */
#include <stdlib.h>
#include <string.h>

#include "../base/error.h"
#include "../bits/uniform.h"
#include "commit.h"

/* A run of entries to be computed, and where it stands in the batch buffer. */
struct batch {
	struct q2_commit *commit;
	struct q2_content *content;
	uint64_t first; /* table index */
	uint64_t clusters;
	size_t cluster_words;
};

static uint64_t *cluster_words(const struct batch *batch, uint64_t *words, uint64_t i)
{
	return words + i * batch->cluster_words;
}

/* The entry for a computed cluster, or Q2_CONTENT_COMPUTE when it must be written. */
static uint64_t settle(const struct batch *batch, uint64_t i, bool changed)
{
	const struct q2_content *content = batch->content;
	uint64_t idx = batch->first + i;
	if (!changed)
		return content->sources[0].table[idx];
	const uint64_t *words = cluster_words(batch, batch->commit->buffers.words, i);
	enum q2_uniform uniform = q2_uniform_check(words, batch->cluster_words);
	if (uniform == Q2_UNIFORM_ZEROS)
		return Q2_TABLE_ZEROS;
	/* A partly used cluster is never all ones: its tail is zero. */
	return uniform == Q2_UNIFORM_ONES ? Q2_TABLE_ONES : Q2_CONTENT_COMPUTE;
}

/* Writes the clusters that need it to reserved ones, adjacent ones in one call. */
static enum qcow2bm_code write_batch(const struct batch *batch, const bool *changed,
				     struct qcow2bm_error *err)
{
	struct q2_content *content = batch->content;
	unsigned cluster_bits = batch->commit->image->header.cluster_bits;
	uint64_t i = 0;
	while (i < batch->clusters) {
		uint64_t *entries = content->table + batch->first;
		entries[i] = settle(batch, i, changed[i]);
		if (entries[i] != Q2_CONTENT_COMPUTE) {
			i++;
			continue;
		}
		uint64_t first, run = 1;
		if (!q2_clusters_take(&content->data, 1, &first))
			return q2_fail(err, QCOW2BM_EIMAGE, QCOW2BM_NO_OFFSET,
				       "a bitmap changed while it was read");
		entries[i] = first << cluster_bits;
		while (i + run < batch->clusters) {
			uint64_t entry = settle(batch, i + run, changed[i + run]);
			if (entry != Q2_CONTENT_COMPUTE ||
			    !q2_clusters_take_next(&content->data, first + run))
				break;
			entries[i + run] = (first + run) << cluster_bits;
			run++;
		}
		enum qcow2bm_code code = q2_gate_write(
			batch->commit,
			cluster_words(batch, batch->commit->buffers.words, i), first, run,
			err);
		if (code != QCOW2BM_OK)
			return code;
		i += run;
	}
	return QCOW2BM_OK;
}

/* Computes some adjacent clusters of a bitmap from all its sources, and writes those that are
 * not uniform. */
static enum qcow2bm_code compute_batch(struct q2_commit *commit,
				       struct q2_content *content, uint64_t first,
				       uint64_t clusters, bool *changed,
				       struct qcow2bm_error *err)
{
	struct batch batch = {
		.commit = commit,
		.content = content,
		.first = first,
		.clusters = clusters,
		.cluster_words = (size_t)(content->shape.bits_per_cluster / 64),
	};
	uint64_t read_bytes = 0;
	for (uint64_t i = 0; i < clusters; i++)
		read_bytes += q2_content_read_bytes(content, first + i);
	enum qcow2bm_code code = q2_gate_ask(commit, err);
	if (code == QCOW2BM_OK)
		code = q2_content_read(content, first, clusters, &commit->buffers,
				       changed, err);
	if (code != QCOW2BM_OK)
		return code;
	code = write_batch(&batch, changed, err);
	commit->result.data_bytes_read += read_bytes;
	commit->watch.done += read_bytes;
	return code != QCOW2BM_OK ? code : q2_watch_look(&commit->watch, err);
}

/* Computes the entries that are to be computed, adjacent ones together, as many as the buffers
 * hold. */
static enum qcow2bm_code compute_entries(struct q2_commit *commit,
					 struct q2_content *content,
					 struct qcow2bm_error *err)
{
	bool *changed = calloc((size_t)commit->buffers.clusters, sizeof(*changed));
	if (changed == NULL)
		return q2_fail_memory(err, "bitmap data");
	enum qcow2bm_code code = QCOW2BM_OK;
	uint64_t idx = 0;
	while (code == QCOW2BM_OK && idx < content->shape.entries) {
		uint64_t run = 0;
		while (run < commit->buffers.clusters &&
		       idx + run < content->shape.entries &&
		       content->table[idx + run] == Q2_CONTENT_COMPUTE)
			run++;
		if (run != 0)
			code = compute_batch(commit, content, idx, run, changed, err);
		idx += run == 0 ? 1 : run;
	}
	free(changed);
	return code;
}

static bool is_own_table(const struct q2_content *content)
{
	return content->staged->keeps_bits &&
	       memcmp(content->table, content->sources[0].table,
		      (size_t)content->shape.entries * sizeof(*content->table)) == 0;
}

static enum qcow2bm_code write_table(struct q2_commit *commit, struct q2_content *content,
				     struct qcow2bm_error *err)
{
	unsigned cluster_bits = commit->image->header.cluster_bits;
	uint8_t *encoded =
		calloc((size_t)content->table_clusters, (size_t)1 << cluster_bits);
	if (encoded == NULL)
		return q2_fail_memory(err, "a bitmap table");
	q2_table_encode(content->table, encoded, (uint32_t)content->shape.entries);
	enum qcow2bm_code code = q2_gate_write(commit, encoded, content->table_first,
					       content->table_clusters, err);
	free(encoded);
	return code;
}

enum qcow2bm_code q2_compute_write(struct q2_commit *commit, struct q2_content *content,
				   struct qcow2bm_error *err)
{
	enum qcow2bm_code code = compute_entries(commit, content, err);
	if (code != QCOW2BM_OK)
		return code;
	content->is_unchanged = is_own_table(content);
	return content->is_unchanged ? QCOW2BM_OK : write_table(commit, content, err);
}
