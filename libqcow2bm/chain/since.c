/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What bitmaps of several layers say of the disk, as extents or counted: what changed since a checkpoint. */
#include "../base/checked.h"
#include "../base/error.h"
#include "../bitmap/extents.h"
#include "union.h"
#include "tally.h"

/* A part of the disk, and who is told of it; without fn its dirty bytes are counted. */
struct request {
	uint64_t start, end;
	qcow2bm_extent_fn *fn;
	void *opaque;
	uint64_t dirty_bytes;
};

static enum qcow2bm_code check_range(const struct qcow2bm_chain *chain, uint64_t length,
				     struct request *request, struct qcow2bm_error *err)
{
	uint64_t disk = chain->layers[0].virtual_bytes;
	if (request->start > disk)
		return q2_fail(err, QCOW2BM_EINVAL, QCOW2BM_NO_OFFSET,
			       "start %llu lies past the end of the disk (%llu bytes)",
			       (unsigned long long)request->start,
			       (unsigned long long)disk);
	request->end = request->start + q2_min_u64(length, disk - request->start);
	return QCOW2BM_OK;
}

static enum qcow2bm_code tell_extents(struct q2_union *u, const struct request *request,
				      struct qcow2bm_error *err)
{
	unsigned bits = u->granularity_bits;
	struct q2_extents extents = q2_extents_begin(request->start, request->end, bits,
						     request->fn, request->opaque);
	enum qcow2bm_code code =
		q2_union_visit(u, request->start >> bits, q2_shift_up(request->end, bits),
			       q2_extents_add, &extents, err);
	return code == QCOW2BM_OK ? q2_extents_end(&extents, err) : code;
}

static enum qcow2bm_code count_dirty(struct q2_union *u, struct request *request,
				     struct qcow2bm_error *err)
{
	struct q2_tally tally =
		q2_tally_begin(request->start, request->end, u->granularity_bits);
	enum qcow2bm_code code = q2_union_visit(u, tally.first_bit, tally.end_bit,
						q2_tally_add, &tally, err);
	request->dirty_bytes = q2_tally_bytes(&tally);
	return code;
}

static enum qcow2bm_code tell(struct q2_union *u, struct request *request,
			      struct qcow2bm_error *err)
{
	if (request->start == request->end)
		return QCOW2BM_OK;
	u->tells = true;
	return request->fn == NULL ? count_dirty(u, request, err)
				   : tell_extents(u, request, err);
}

static enum qcow2bm_code tell_bitmaps(struct qcow2bm_chain *chain,
				      const struct qcow2bm_layer_bitmap *bitmaps,
				      size_t count, unsigned flags,
				      struct request *request, struct qcow2bm_error *err)
{
	struct q2_union u;
	enum qcow2bm_code code = q2_union_open(
		&u, chain, bitmaps, count,
		flags & QCOW2BM_READ_UNTRUSTED ? Q2_UNION_UNTRUSTED : 0u, err);
	if (code == QCOW2BM_OK)
		code = tell(&u, request, err);
	q2_union_close(&u);
	return code;
}

static enum qcow2bm_code tell_since(struct qcow2bm_chain *chain, size_t idx,
				    struct request *request, struct qcow2bm_error *err)
{
	const struct qcow2bm_since *since;
	struct q2_union u = {.count = 0};
	enum qcow2bm_code code = qcow2bm_chain_explain(chain, idx, &since, err);
	if (code == QCOW2BM_OK)
		code = q2_union_open_checkpoints(&u, chain, since->first, since->count, 0,
						 err);
	if (code == QCOW2BM_OK)
		code = tell(&u, request, err);
	q2_union_close(&u);
	return code;
}

/* The range is checked, and the watch begins. */
static enum qcow2bm_code begin(struct qcow2bm_chain *chain, uint64_t length,
			       struct request *request, struct q2_watch *own,
			       const struct qcow2bm_watch *watch,
			       struct qcow2bm_error *err)
{
	enum qcow2bm_code code = check_range(chain, length, request, err);
	return code == QCOW2BM_OK ? q2_layers_watch(chain, own, watch, err) : code;
}

enum qcow2bm_code qcow2bm_chain_extents(struct qcow2bm_chain *chain,
					const struct qcow2bm_layer_bitmap *bitmaps,
					size_t count, uint64_t start, uint64_t length,
					unsigned flags, qcow2bm_extent_fn *fn,
					void *opaque, const struct qcow2bm_watch *watch,
					struct qcow2bm_error *err)
{
	struct request request = {.start = start, .fn = fn, .opaque = opaque};
	struct q2_watch own;
	enum qcow2bm_code code = begin(chain, length, &request, &own, watch, err);
	if (code != QCOW2BM_OK)
		return code;
	code = tell_bitmaps(chain, bitmaps, count, flags, &request, err);
	q2_layers_unwatch(chain);
	return code;
}

enum qcow2bm_code qcow2bm_chain_since(struct qcow2bm_chain *chain, size_t idx,
				      uint64_t start, uint64_t length,
				      qcow2bm_extent_fn *fn, void *opaque,
				      const struct qcow2bm_watch *watch,
				      struct qcow2bm_error *err)
{
	struct request request = {.start = start, .fn = fn, .opaque = opaque};
	struct q2_watch own;
	enum qcow2bm_code code = begin(chain, length, &request, &own, watch, err);
	if (code != QCOW2BM_OK)
		return code;
	code = tell_since(chain, idx, &request, err);
	q2_layers_unwatch(chain);
	return code;
}

enum qcow2bm_code qcow2bm_chain_measure(struct qcow2bm_chain *chain,
					const struct qcow2bm_layer_bitmap *bitmaps,
					size_t count, uint64_t start, uint64_t length,
					unsigned flags, uint64_t *dirty_bytes,
					const struct qcow2bm_watch *watch,
					struct qcow2bm_error *err)
{
	struct request request = {.start = start};
	struct q2_watch own;
	enum qcow2bm_code code = begin(chain, length, &request, &own, watch, err);
	if (code != QCOW2BM_OK)
		return code;
	code = tell_bitmaps(chain, bitmaps, count, flags, &request, err);
	q2_layers_unwatch(chain);
	*dirty_bytes = request.dirty_bytes;
	return code;
}

enum qcow2bm_code qcow2bm_chain_measure_since(struct qcow2bm_chain *chain, size_t idx,
					      uint64_t start, uint64_t length,
					      uint64_t *dirty_bytes,
					      const struct qcow2bm_watch *watch,
					      struct qcow2bm_error *err)
{
	struct request request = {.start = start};
	struct q2_superset *superset = &chain->superset;
	struct q2_watch own;
	const struct qcow2bm_since *since;
	bool is_whole = start == 0 && length >= chain->layers[0].virtual_bytes;
	enum qcow2bm_code code = begin(chain, length, &request, &own, watch, err);
	if (code != QCOW2BM_OK)
		return code;
	code = qcow2bm_chain_explain(chain, idx, &since, err);
	is_whole = code == QCOW2BM_OK && is_whole && since->is_superset;
	if (is_whole && superset->is_counted)
		request.dirty_bytes = superset->dirty_bytes;
	else if (code == QCOW2BM_OK)
		code = tell_since(chain, idx, &request, err);
	q2_layers_unwatch(chain);
	*dirty_bytes = request.dirty_bytes;
	if (code == QCOW2BM_OK && is_whole) {
		superset->is_counted = true;
		superset->dirty_bytes = *dirty_bytes;
	}
	return code;
}
