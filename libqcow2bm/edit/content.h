/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The new content of a staged bitmap: a table planned from the tables of its sources. */
#ifndef Q2_EDIT_CONTENT_H
#define Q2_EDIT_CONTENT_H

#include "../source/source.h"
#include "alloc.h"
#include "edit.h"

/* In a planned table: what stands here must be computed from the bits. Never a valid entry. */
#define Q2_CONTENT_COMPUTE 3ull

struct q2_content {
	struct q2_staged *staged;
	struct q2_table_shape shape;
	struct q2_source *sources; /* its own committed bits first, when it keeps them */
	size_t source_count;
	uint64_t *
		table; /* Q2_TABLE_ZEROS, Q2_TABLE_ONES, an offset, or Q2_CONTENT_COMPUTE */
	uint64_t compute_count;
	uint64_t read_bytes;  /* of sources, for what must be computed */
	uint64_t table_first; /* cluster that is reserved for the table */
	uint64_t table_clusters;
	struct q2_clusters data; /* clusters that are reserved for computed data */
	bool is_unchanged;       /* it turned out to be what the origin's table says */
};

/* Loads the tables of the sources and plans the new one. Errors: EIMAGE, ESYSTEM, ENOMEM. */
enum qcow2bm_code q2_content_plan(struct q2_content *content, struct qcow2bm_edit *edit,
				  struct q2_staged *staged, struct qcow2bm_error *err);

/*
 * Lets a computed entry that is only a copy of one data cluster of a bitmap that loses it in
 * this edit take that cluster over, if it is in `owned`. A bitmap has one heir only, so that no
 * cluster is taken twice.
 */
void q2_content_take_over(struct q2_content *content, struct qcow2bm_edit *edit,
			  const struct q2_clusters *owned);

/* Reserves clusters for the table and for computed data. Errors: ESYSTEM ENOSPC, ENOMEM. */
enum qcow2bm_code q2_content_reserve(struct q2_content *content, struct q2_alloc *alloc,
				     unsigned cluster_bits, struct qcow2bm_error *err);

/* The bytes of all sources that computing entry idx takes. */
uint64_t q2_content_read_bytes(const struct q2_content *content, uint64_t idx);

/* Whether every entry may turn out to be what the origin's table says. */
bool q2_content_may_be_unchanged(const struct q2_content *content);

void q2_content_free(struct q2_content *content);

/* ---- sources.c ---- */

/* For one batch of clusters. */
struct q2_content_buffers {
	uint64_t *words;   /* the new content */
	uint64_t *other;   /* one source */
	uint64_t *scratch; /* Q2_CONVERT_WORDS for another granularity */
	uint64_t clusters;
};

/* Makes room for as many clusters as fit the processor's cache; when `is_idle`, says only how many those
 * are. Errors: ENOMEM. To be freed also then. */
enum qcow2bm_code q2_content_make_buffers(struct q2_content_buffers *buffers,
					  uint64_t cluster_bytes, bool is_idle,
					  struct qcow2bm_error *err);
void q2_content_free_buffers(struct q2_content_buffers *buffers);

/*
 * ORs all sources of the clusters [first, first+count), as many as the buffers hold at most, into
 * buffers->words; bits behind the last one of the disk are 0. changed[i] (NULL allowed) says whether
 * cluster i differs from what the bitmap's own committed bits are. Errors: EIMAGE, ESYSTEM.
 */
enum qcow2bm_code q2_content_read(const struct q2_content *content, uint64_t first,
				  uint64_t count,
				  const struct q2_content_buffers *buffers, bool *changed,
				  struct qcow2bm_error *err);

/* ---- compute.c ---- */

struct q2_commit;

/* Computes and writes the data of the new content, and completes its table. Errors: EIMAGE,
 * ESYSTEM, ENOMEM, EINTERRUPTED. Crash: only clusters that are free are written. */
enum qcow2bm_code q2_compute_write(struct q2_commit *commit, struct q2_content *content,
				   struct qcow2bm_error *err);

#endif
