/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Operands that name a bitmap: the form that is shown is looked for first, then the bytes. */
#ifndef TOOLS_TERM_OPERAND_H
#define TOOLS_TERM_OPERAND_H

#include <qcow2bm.h>

struct tool_operand {
	char *bytes; /* owned */
	size_t count;
	size_t idx; /* in the image's directory, or QCOW2BM_NOT_FOUND */
};

/* Looks `operand` up in `image`: with each \xHH turned into its byte, and, when no bitmap has
 * that name, as it stands. */
void tool_operand_resolve(struct tool_operand *found, const struct qcow2bm_image *image,
			  const char *operand);

void tool_operand_free(struct tool_operand *operand);

#endif
