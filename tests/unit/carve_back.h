/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Bringing back, in the world of carving, a bitmap that was found, as "back"; and what must hold then. */
#ifndef TESTS_UNIT_CARVE_BACK_H
#define TESTS_UNIT_CARVE_BACK_H

#include "carve_world.h"

extern struct qcow2bm_carved_options carve_back_options;
extern void (*carve_back_meanwhile)(void); /* called when it is staged */

/* A stage function. */
enum qcow2bm_code carve_back_stage(struct qcow2bm_edit *edit, struct qcow2bm_error *err);

/* This one from now on, though it may not be what it was. */
void carve_back_point_at(const struct qcow2bm_carved *carved);

/* It is refused with this code and a sentence that has the words, and nothing is written. */
void carve_back_refused(enum qcow2bm_code code, const char *words);

/* It must be there. */
const struct inspect_bitmap *carve_back_find(void);

/* It has the bits of bitmap `idx` of the world. */
void carve_back_check_bits(size_t idx);

/* Where the old table points. */
uint64_t carve_back_table_entry(const struct qcow2bm_carved *carved, uint64_t idx);

/* The last run wrote to no cluster that it read. */
void carve_back_check_unwritten(const struct qcow2bm_carved *carved);

#endif
