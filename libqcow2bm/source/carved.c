/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The bits of a bitmap that no entry names any more as a source: a table and data in clusters that
 * nobody uses. */
#include <stdlib.h>

#include "../base/error.h"
#include "source.h"

static void close_carved(struct q2_source *source)
{
	free(source->own);
}

static const struct q2_source_ops carved_ops = {
	.kind = Q2_SOURCE_CARVED,
	.classify = q2_source_classify_table,
	.read = q2_source_read_table,
	.cost = q2_source_cost_table,
	.close = close_carved,
};

enum qcow2bm_code q2_source_open_carved(struct q2_source *source,
					struct qcow2bm_image *image, uint64_t table_off,
					uint32_t table_entries, uint8_t granularity_bits,
					struct qcow2bm_error *err)
{
	struct q2_bitmap *carved = malloc(sizeof(*carved));
	if (carved == NULL)
		return q2_fail_memory(err, "a bitmap table");
	*carved = (struct q2_bitmap){.off = table_off,
				     .entry = {.table_off = table_off,
					       .table_entries = table_entries,
					       .granularity_bits = granularity_bits}};
	*source = (struct q2_source){.ops = &carved_ops, .own = carved};
	enum qcow2bm_code code = q2_source_load_table(source, image, carved, err);
	if (code != QCOW2BM_OK)
		q2_source_close(source);
	return code;
}
