/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What each bitmap of the directory has wrong: its entry, its table, where its data lies. */
#ifndef Q2_CHECK_ENTRIES_H
#define Q2_CHECK_ENTRIES_H

#include "check.h"

/* Adds the findings that the directory alone shows. */
void q2_entries_check(struct qcow2bm_report *report);

#endif
