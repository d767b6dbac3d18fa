/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What holds for each form of the switch, whatever it writes. */
#ifndef TESTS_UNIT_SWITCH_CHECKS_H
#define TESTS_UNIT_SWITCH_CHECKS_H

#include "../support/one_edit.h"

/* Every single write may or may not reach the disk since the last sync: with one piece at a
 * time, and all but one, the bitmaps are the old ones or the new. */
void switch_checks_power_cuts(const struct one_edit *edit, size_t old, size_t new);

/* Success is said when all is on the disk, and holes come last: until the refcounts are there, a
 * power cut would give back clusters without their bytes. */
void switch_checks_order(const struct one_edit *edit);

#endif
