/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* An entry of the new directory. */
#ifndef Q2_EDIT_ENTRY_H
#define Q2_EDIT_ENTRY_H

#include "plan.h"

/* What the directory shall say of a staged bitmap that is not deleted. A new content must have its
 * place. The name points into the edit. */
struct q2_directory_entry q2_entry_make(const struct q2_plan *plan,
					const struct q2_staged *staged);

#endif
