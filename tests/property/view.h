/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A qcow2 file as the property test reads and damages it. No code is shared with the library:
 * what judges must not err with what is judged. */
#ifndef PROPERTY_VIEW_H
#define PROPERTY_VIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	SECTOR_BYTES = 512,
	MAX_SECTORS = 16384,
	MAX_ENTRIES = 16,
	MAX_NAME = 40,
};

/* Header fields by their place in the file: docs/interop/qcow2.rst, "Header". */
enum {
	HEADER_BACKING_OFF = 8,
	HEADER_CLUSTER_BITS = 20,
	HEADER_SIZE = 24,
	HEADER_L1_SIZE = 36,
	HEADER_L1_OFF = 40,
	HEADER_REFTABLE_OFF = 48,
	HEADER_REFTABLE_CLUSTERS = 56,
	HEADER_SNAPSHOTS = 60,
	HEADER_INCOMPATIBLE = 72,
	HEADER_AUTOCLEAR = 88,
	HEADER_REFCOUNT_ORDER = 96,
	HEADER_LENGTH = 100,
};

#define VIEW_OFFSET_MASK UINT64_C(0x00fffffffffffe00)

struct view {
	int fd;
	uint8_t *bytes;
	uint64_t length;
	uint64_t cluster_bytes;
	uint64_t size;
};

/* An entry of the bitmap directory, and where it stands. */
struct view_entry {
	uint64_t off, table_off, table_size;
	uint32_t flags;
	unsigned type, granularity_bits;
	char name[MAX_NAME];
};

/* False where there is no file or no header that can be read. */
bool view_open(struct view *view, const char *path);
void view_close(struct view *view);

/* A big-endian number of so many bytes; zeros stand behind the end of the file. */
uint64_t view_load(const struct view *view, uint64_t off, unsigned bytes);
void view_store(struct view *view, uint64_t off, unsigned bytes, uint64_t number);

/* The first byte of the payload of the bitmaps extension; 0 where there is none. */
uint64_t view_extension(const struct view *view);

/* The entries; -1 where the directory cannot be read to its end. */
int view_entries(const struct view *view, struct view_entry entries[MAX_ENTRIES]);

/* Whether autoclear bit 0 is set: only then does QEMU trust the bitmaps. */
bool view_is_trusted(const struct view *view);

/* Marks with 1 each sector of the disk that a set bit stands for. False where QEMU could not
 * read the bitmap. */
bool view_bits(const struct view *view, const struct view_entry *entry,
	       uint8_t marked[MAX_SECTORS]);

/* The table has as many entries as the disk needs. */
bool view_table_fits(const struct view *view, const struct view_entry *entry);

/* Bits behind the end of the disk are set. */
bool view_tail_is_set(const struct view *view, const struct view_entry *entry);

/* Where the L2 entry of this guest offset stands; 0 where there is no L2 table. */
uint64_t view_l2_place(const struct view *view, uint64_t guest_off);
unsigned view_l2_bytes(const struct view *view);

/* A number for what each sector of the disk holds; sectors that lie below take theirs from
 * below, 0 where below is NULL or ends. */
void view_content(const struct view *view, uint64_t sums[MAX_SECTORS],
		  const uint64_t *below, uint64_t below_sectors);

/* A number for all bytes of the file; 0 where it cannot be read. */
uint64_t view_sum(const char *path);

/* What each sector holds of a file that is no qcow2 image. */
void view_raw_content(const struct view *view, uint64_t sums[MAX_SECTORS]);

uint64_t view_refcount(const struct view *view, uint64_t cluster);
/* Does nothing where no refcount block counts the cluster. */
void view_set_refcount(struct view *view, uint64_t cluster, uint64_t count);
/* How many clusters the refcount blocks that are there can count. */
bool view_is_counted(const struct view *view, uint64_t cluster);

#endif
