/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Operands that name a bitmap: the form that is shown is looked for first, then the bytes. */
#include "operand.h"

#include "memory.h"
#include "name.h"

#include <stdlib.h>
#include <string.h>

void tool_operand_resolve(struct tool_operand *found, const struct qcow2bm_image *image,
			  const char *operand)
{
	found->bytes = tool_memory_copy(operand, strlen(operand));
	found->count = tool_name_unescape(operand, found->bytes);
	found->idx = qcow2bm_bitmap_find(image, found->bytes, found->count);
	if (found->idx != QCOW2BM_NOT_FOUND)
		return;
	found->count = strlen(operand);
	memcpy(found->bytes, operand, found->count);
	found->idx = qcow2bm_bitmap_find(image, found->bytes, found->count);
}

void tool_operand_free(struct tool_operand *operand)
{
	free(operand->bytes);
	operand->bytes = NULL;
}
