/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who names which cluster of an image that may be broken: the fuzzer's own walk. */
#ifndef TESTS_OWNERS_H
#define TESTS_OWNERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	OWNER_HEADER = 1u << 0,
	OWNER_REFCOUNTS = 1u << 1, /* table or block */
	OWNER_MAPPING = 1u << 2,   /* L1 or L2 table */
	OWNER_GUEST = 1u << 3,
	OWNER_SNAPSHOTS = 1u << 4,
	OWNER_ENCRYPTION = 1u << 5,
	OWNER_DIRECTORY = 1u << 6,
	OWNER_BITMAP = 1u << 7, /* table or data */

	/* What no edit may change, nor count otherwise. */
	OWNER_OTHERS = OWNER_MAPPING | OWNER_GUEST | OWNER_SNAPSHOTS | OWNER_ENCRYPTION,
	OWNER_OURS = OWNER_DIRECTORY | OWNER_BITMAP,
};

struct owners {
	const uint8_t *image; /* the caller's */
	uint64_t size;
	unsigned cluster_bits;
	uint64_t clusters; /* of the file; what lies behind is nobody's */
	uint8_t *owner;
	uint8_t *claims; /* by how many bitmap structures; stops at 255 */
};

void owners_find(struct owners *owners, const uint8_t *image, uint64_t size);
void owners_free(struct owners *owners);

/* Whether a bitmap names what is written in place: header or refcounts. */
bool owners_share(const struct owners *owners);

/* The value in the refcount blocks; 0 where none counts the cluster. */
uint64_t owners_refcount(const struct owners *owners, uint64_t cluster);

#endif
