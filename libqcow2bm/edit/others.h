/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Files besides the images that change with them, small ones of other programs: each has the old bytes or the new,
 * whatever happens. The new ones are written to a temporary name, brought to stable storage and renamed over the
 * file, whose mode and owner they take.
 */
#ifndef Q2_EDIT_OTHERS_H
#define Q2_EDIT_OTHERS_H

#include "../qcow2bm.h"
#include "intent.h"

/* Looks at the file, and notes what it holds and is to hold, for the intent file. Errors: EBUSY when it does not
 * hold what the caller says; EUNSUPPORTED when it is no regular file, or its temporary name is in another mount, from
 * which it could not be renamed; ELIMIT, ESYSTEM, ENOMEM. */
enum qcow2bm_code q2_others_note(struct q2_intent_file *noted,
				 const struct qcow2bm_together_file *file,
				 struct qcow2bm_error *err);

/* What the file holds now. Errors: ESYSTEM, ENOMEM. */
enum qcow2bm_code q2_others_look(const struct q2_intent_file *noted,
				 enum qcow2bm_resume_held *held,
				 struct qcow2bm_error *err);

/* Writes what it is to hold, if anything, to the temporary name, on stable storage. Whatever has that name is of an
 * edit that was cut off. Errors: ESYSTEM. Crash: a file of the temporary name. */
enum qcow2bm_code q2_others_write(const struct q2_intent_file *noted,
				  enum qcow2bm_resume_held wanted,
				  struct qcow2bm_error *err);

/* Puts it in the file's place, or removes the file, on stable storage. Errors: ESYSTEM: what is on stable storage
 * is not known. Crash: old or new. */
enum qcow2bm_code q2_others_switch(const struct q2_intent_file *noted,
				   enum qcow2bm_resume_held wanted,
				   struct qcow2bm_error *err);

/* Removes the temporary name, where it is. */
void q2_others_clean(const struct q2_intent_file *noted);

#endif
