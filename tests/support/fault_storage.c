/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A storage that fails on demand. */
#include "fault_storage.h"

#include "base/error.h"

#include <stdlib.h>

struct fault {
	struct q2_storage storage;
	struct q2_storage *below;
	struct fault_plan *plan;
};

static struct fault *fault_of(struct q2_storage *storage)
{
	return (struct fault *)(void *)storage;
}

static bool is_due(struct q2_storage *storage, unsigned kind)
{
	struct fault_plan *plan = fault_of(storage)->plan;
	if ((plan->kinds & kind) == 0)
		return false;
	plan->calls++;
	bool due = plan->calls == plan->at ||
		   (plan->from_then_on && plan->at != 0 && plan->calls > plan->at);
	plan->failures += due;
	return due;
}

static enum qcow2bm_code fail(struct q2_storage *storage, const char *what, uint64_t off,
			      struct qcow2bm_error *err)
{
	const struct fault_plan *plan = fault_of(storage)->plan;
	return q2_fail_errno(err, plan->sys_errno, off,
			     "injected failure of a %s, call %zu", what, plan->calls);
}

static enum qcow2bm_code fault_read(struct q2_storage *storage, void *buf, size_t bytes,
				    uint64_t off, struct qcow2bm_error *err)
{
	if (is_due(storage, FAULT_READ))
		return fail(storage, "read", off, err);
	return q2_storage_read(fault_of(storage)->below, buf, bytes, off, err);
}

static size_t half_of(const struct fault_plan *plan, size_t bytes, uint64_t off)
{
	uint64_t end = off + bytes / 2;
	if (plan->half_unit != 0)
		end -= end % plan->half_unit;
	return end > off ? (size_t)(end - off) : 0;
}

static enum qcow2bm_code fault_write(struct q2_storage *storage, const void *buf,
				     size_t bytes, uint64_t off,
				     struct qcow2bm_error *err)
{
	struct q2_storage *below = fault_of(storage)->below;
	const struct fault_plan *plan = fault_of(storage)->plan;
	if (!is_due(storage, FAULT_WRITE))
		return q2_storage_write(below, buf, bytes, off, err);
	if (plan->half_first) {
		enum qcow2bm_code code =
			q2_storage_write(below, buf, half_of(plan, bytes, off), off, err);
		if (code != QCOW2BM_OK)
			return code;
	}
	return fail(storage, "write", off, err);
}

static enum qcow2bm_code fault_sync(struct q2_storage *storage, struct qcow2bm_error *err)
{
	if (is_due(storage, FAULT_SYNC))
		return fail(storage, "sync", QCOW2BM_NO_OFFSET, err);
	return q2_storage_sync(fault_of(storage)->below, err);
}

static enum qcow2bm_code fault_resize(struct q2_storage *storage, uint64_t bytes,
				      struct qcow2bm_error *err)
{
	if (is_due(storage, FAULT_RESIZE))
		return fail(storage, "resize", QCOW2BM_NO_OFFSET, err);
	return q2_storage_resize(fault_of(storage)->below, bytes, err);
}

static enum qcow2bm_code fault_discard(struct q2_storage *storage, uint64_t off,
				       uint64_t bytes, struct qcow2bm_error *err)
{
	if (is_due(storage, FAULT_DISCARD))
		return fail(storage, "discard", off, err);
	return q2_storage_discard(fault_of(storage)->below, off, bytes, err);
}

static enum qcow2bm_code fault_length(struct q2_storage *storage, uint64_t *bytes,
				      struct qcow2bm_error *err)
{
	if (is_due(storage, FAULT_LENGTH))
		return fail(storage, "length", QCOW2BM_NO_OFFSET, err);
	return q2_storage_length(fault_of(storage)->below, bytes, err);
}

static void fault_close(struct q2_storage *storage)
{
	q2_storage_close(fault_of(storage)->below);
	free(storage);
}

static void fault_stamp(struct q2_storage *storage, bool settle, struct q2_stamp *stamp)
{
	q2_storage_stamp(fault_of(storage)->below, settle, stamp);
}

static const struct q2_storage_ops fault_ops = {
	.read = fault_read,
	.write = fault_write,
	.sync = fault_sync,
	.resize = fault_resize,
	.discard = fault_discard,
	.length = fault_length,
	.stamp = fault_stamp,
	.close = fault_close,
};

struct q2_storage *fault_storage_open(struct q2_storage *below, struct fault_plan *plan)
{
	struct fault *fault = calloc(1, sizeof(*fault));
	if (fault == NULL)
		abort();
	fault->storage = *below;
	fault->storage.ops = &fault_ops;
	fault->below = below;
	fault->plan = plan;
	return &fault->storage;
}
