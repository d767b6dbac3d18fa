/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What is wrong with an image's structures, told to those who read damaged images too. Readers of
 * structures take a struct q2_faults: NULL, and the first fault is an error; else each is told, and
 * what is at fault is left out.
 */
#ifndef Q2_CLUSTERS_FAULTS_H
#define Q2_CLUSTERS_FAULTS_H

#include "../qcow2bm.h"

enum q2_fault {
	Q2_FAULT_REFCOUNT_TABLE, /* it, or a block, cannot be where it is said to be */
	Q2_FAULT_SNAPSHOTS,      /* the snapshot table ends here for those who read it */
	Q2_FAULT_ENCRYPTION,     /* the encryption header cannot be there */
	Q2_FAULT_L1_PLACE,       /* an L1 table cannot be there */
	Q2_FAULT_L1_RESERVED, /* an L1 entry breaks a rule, and is used all the same: no error */
	Q2_FAULT_L2_PLACE /* an L1 entry names a place where no L2 table can be */
};

struct q2_faults {
	/* `off`: where in the image it is said. NULL: nobody wants to know. */
	void (*fn)(void *opaque, enum q2_fault fault, uint64_t off);
	void *opaque;
};

static inline void q2_faults_tell(const struct q2_faults *faults, enum q2_fault fault,
				  uint64_t off)
{
	if (faults != NULL && faults->fn != NULL)
		faults->fn(faults->opaque, fault, off);
}

#endif
