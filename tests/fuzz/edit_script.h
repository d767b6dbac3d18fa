/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Edits that the bytes of an input spell. */
#ifndef TESTS_EDIT_SCRIPT_H
#define TESTS_EDIT_SCRIPT_H

#include "staged.h"

/* Stages operation after operation until the script ends, in the edit and, when the library
 * has accepted it, in the model. */
void edit_script_stage(struct fuzz_input *script, struct qcow2bm_edit *edit,
		       struct staged *staged);

#endif
