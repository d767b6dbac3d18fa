/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reads the structures of a qcow2 file that the property test needs. */
#define _POSIX_C_SOURCE 200809L
#include "view.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define EXTENSION_TYPE 0x23852875u
#define ENTRY_HEAD_BYTES 24
#define EXTENDED_L2 16u

uint64_t view_load(const struct view *view, uint64_t off, unsigned bytes)
{
	uint64_t number = 0;
	for (unsigned i = 0; i < bytes; i++)
		number =
			number << 8 | (off + i < view->length ? view->bytes[off + i] : 0);
	return number;
}

void view_store(struct view *view, uint64_t off, unsigned bytes, uint64_t number)
{
	for (unsigned i = 0; i < bytes; i++)
		if (off + i < view->length)
			view->bytes[off + i] = (uint8_t)(number >> 8 * (bytes - 1 - i));
}

bool view_open(struct view *view, const char *path)
{
	struct stat file;
	view->fd = open(path, O_RDWR | O_CLOEXEC);
	if (view->fd < 0)
		return false;
	view->bytes = MAP_FAILED;
	if (fstat(view->fd, &file) == 0 && file.st_size >= 512)
		view->bytes = mmap(NULL, (size_t)file.st_size, PROT_READ | PROT_WRITE,
				   MAP_SHARED, view->fd, 0);
	if (view->bytes == MAP_FAILED) {
		close(view->fd);
		return false;
	}
	view->length = (uint64_t)file.st_size;
	uint64_t bits = view_load(view, HEADER_CLUSTER_BITS, 4);
	view->cluster_bytes = UINT64_C(1) << (bits >= 9 && bits <= 21 ? bits : 9);
	view->size = view_load(view, HEADER_SIZE, 8);
	return true;
}

void view_close(struct view *view)
{
	munmap(view->bytes, (size_t)view->length);
	close(view->fd);
}

bool view_is_trusted(const struct view *view)
{
	return (view_load(view, HEADER_AUTOCLEAR, 8) & 1) != 0;
}

uint64_t view_extension(const struct view *view)
{
	uint64_t off = view_load(view, HEADER_LENGTH, 4);
	while (off + 8 <= view->cluster_bytes) {
		uint64_t type = view_load(view, off, 4);
		uint64_t length = view_load(view, off + 4, 4);
		if (type == 0)
			return 0;
		if (type == EXTENSION_TYPE)
			return off + 8;
		off += 8 + (length + 7) / 8 * 8;
	}
	return 0;
}

static bool load_entry(const struct view *view, uint64_t off, uint64_t end,
		       struct view_entry *entry, uint64_t *next)
{
	if (off + ENTRY_HEAD_BYTES > end)
		return false;
	*entry = (struct view_entry){
		.off = off,
		.table_off = view_load(view, off, 8),
		.table_size = view_load(view, off + 8, 4),
		.flags = (uint32_t)view_load(view, off + 12, 4),
		.type = (unsigned)view_load(view, off + 16, 1),
		.granularity_bits = (unsigned)view_load(view, off + 17, 1),
	};
	uint64_t name_bytes = view_load(view, off + 18, 2);
	uint64_t extra_bytes = view_load(view, off + 20, 4);
	*next = off + (ENTRY_HEAD_BYTES + extra_bytes + name_bytes + 7) / 8 * 8;
	if (*next > end || name_bytes >= MAX_NAME)
		return false;
	for (unsigned i = 0; i < name_bytes; i++)
		entry->name[i] = (char)view_load(
			view, off + ENTRY_HEAD_BYTES + extra_bytes + i, 1);
	return true;
}

int view_entries(const struct view *view, struct view_entry entries[MAX_ENTRIES])
{
	uint64_t payload = view_extension(view);
	if (payload == 0)
		return 0;
	uint64_t count = view_load(view, payload, 4);
	uint64_t off = view_load(view, payload + 16, 8);
	uint64_t end = off + view_load(view, payload + 8, 8);
	if (count > MAX_ENTRIES || end < off || end > view->length)
		return -1;
	for (uint64_t i = 0; i < count; i++)
		if (!load_entry(view, off, end, &entries[i], &off))
			return -1;
	return (int)count;
}

/* Sets *bits to the `needed` bytes of bits of one table entry, or to NULL where all are `uniform`.
 * The file may end behind them: nothing but padding is missing then. */
static bool find_bits(const struct view *view, uint64_t entry, uint64_t needed,
		      const uint8_t **bits, bool *uniform)
{
	uint64_t off = entry & VIEW_OFFSET_MASK;
	*bits = NULL;
	*uniform = (entry & 1) != 0;
	if (off == 0)
		return true;
	if (off % view->cluster_bytes != 0 || off + needed > view->length)
		return false;
	*bits = view->bytes + off;
	return true;
}

/* The bytes of bits that the disk needs of the cluster of table entry i. */
static uint64_t needed_bytes(const struct view *view, const struct view_entry *entry,
			     uint64_t i)
{
	uint64_t granularity = UINT64_C(1) << entry->granularity_bits;
	uint64_t all = ((view->size + granularity - 1) / granularity + 7) / 8;
	uint64_t before = i * view->cluster_bytes;
	if (all <= before)
		return 0;
	return all - before < view->cluster_bytes ? all - before : view->cluster_bytes;
}

/* Calls mark for each set bit of the table that is in the file, those behind the disk's end, too. */
static bool each_bit(const struct view *view, const struct view_entry *entry,
		     void (*mark)(void *context, uint64_t bit), void *context)
{
	uint64_t per_cluster = view->cluster_bytes * 8;
	for (uint64_t i = 0; i < entry->table_size; i++) {
		const uint8_t *bits;
		bool uniform;
		if (!find_bits(view, view_load(view, entry->table_off + 8 * i, 8),
			       needed_bytes(view, entry, i), &bits, &uniform))
			return false;
		if (bits == NULL && !uniform)
			continue;
		uint64_t there = per_cluster;
		if (bits != NULL &&
		    (uint64_t)(view->bytes + view->length - bits) < per_cluster / 8)
			there = (uint64_t)(view->bytes + view->length - bits) * 8;
		for (uint64_t bit = 0; bit < there; bit++)
			if (bits == NULL || (bits[bit / 8] >> bit % 8 & 1) != 0)
				mark(context, i * per_cluster + bit);
	}
	return true;
}

struct marking {
	uint8_t *marked;
	uint64_t granularity, sectors;
	bool tail;
};

static void mark_sectors(void *context, uint64_t bit)
{
	struct marking *marking = context;
	uint64_t from = bit * marking->granularity / SECTOR_BYTES;
	uint64_t to = from + marking->granularity / SECTOR_BYTES;
	marking->tail |= from >= marking->sectors;
	for (uint64_t i = from; i < to && i < marking->sectors; i++)
		marking->marked[i] = 1;
}

bool view_table_fits(const struct view *view, const struct view_entry *entry)
{
	if (entry->granularity_bits < 9 || entry->granularity_bits > 31)
		return false;
	uint64_t per_entry = view->cluster_bytes * 8 << entry->granularity_bits;
	return entry->table_size == (view->size + per_entry - 1) / per_entry;
}

static bool is_readable(const struct view *view, const struct view_entry *entry)
{
	return entry->type == 1 && entry->table_off != 0 &&
	       entry->table_off % view->cluster_bytes == 0 && entry->table_size <= 4096 &&
	       entry->table_off + 8 * entry->table_size <= view->length &&
	       view_table_fits(view, entry);
}

bool view_bits(const struct view *view, const struct view_entry *entry,
	       uint8_t marked[MAX_SECTORS])
{
	struct marking marking = {.marked = marked,
				  .granularity = UINT64_C(1) << entry->granularity_bits,
				  .sectors = view->size / SECTOR_BYTES};
	memset(marked, 0, MAX_SECTORS);
	return is_readable(view, entry) && each_bit(view, entry, mark_sectors, &marking);
}

static void mark_tail(void *context, uint64_t bit)
{
	struct marking *marking = context;
	marking->tail |= bit * marking->granularity >= marking->sectors * SECTOR_BYTES;
}

bool view_tail_is_set(const struct view *view, const struct view_entry *entry)
{
	struct marking marking = {.granularity = UINT64_C(1) << entry->granularity_bits,
				  .sectors = view->size / SECTOR_BYTES};
	return each_bit(view, entry, mark_tail, &marking) && marking.tail;
}

unsigned view_l2_bytes(const struct view *view)
{
	return (view_load(view, HEADER_INCOMPATIBLE, 8) & EXTENDED_L2) != 0 ? 16 : 8;
}

uint64_t view_l2_place(const struct view *view, uint64_t guest_off)
{
	unsigned bytes = view_l2_bytes(view);
	uint64_t per_table = view->cluster_bytes / bytes;
	uint64_t cluster = guest_off / view->cluster_bytes;
	uint64_t table =
		view_load(view,
			  view_load(view, HEADER_L1_OFF, 8) + 8 * (cluster / per_table),
			  8) &
		VIEW_OFFSET_MASK;
	return table == 0 ? 0 : table + bytes * (cluster % per_table);
}

static uint64_t sum_sector(const struct view *view, uint64_t off)
{
	uint8_t bytes[SECTOR_BYTES] = {0};
	uint64_t sum = 0;
	if (off < view->length)
		memcpy(bytes, view->bytes + off,
		       view->length - off < SECTOR_BYTES ? view->length - off
							 : SECTOR_BYTES);
	for (unsigned i = 0; i < SECTOR_BYTES; i += 8) {
		uint64_t word;
		memcpy(&word, bytes + i, 8);
		if (word != 0)
			sum = (sum ^ (word + i)) * UINT64_C(0x9e3779b97f4a7c15);
	}
	return sum;
}

/* Whether the sector is data (0), zeros (1) or lies below (2). */
static int kind_of_sector(const struct view *view, uint64_t place, uint64_t guest_off)
{
	uint64_t entry = view_load(view, place, 8);
	if (view_l2_bytes(view) == 8)
		return (entry & 1) != 0 ? 1 : (entry & VIEW_OFFSET_MASK) != 0 ? 0 : 2;
	uint64_t bitmap = view_load(view, place + 8, 8);
	uint64_t sub = guest_off % view->cluster_bytes / (view->cluster_bytes / 32);
	return (bitmap >> (32 + sub) & 1) != 0 ? 1 : (bitmap >> sub & 1) != 0 ? 0 : 2;
}

void view_content(const struct view *view, uint64_t sums[MAX_SECTORS],
		  const uint64_t *below, uint64_t below_sectors)
{
	for (uint64_t i = 0; i < view->size / SECTOR_BYTES && i < MAX_SECTORS; i++) {
		uint64_t off = i * SECTOR_BYTES;
		uint64_t place = view_l2_place(view, off);
		int kind = place == 0 ? 2 : kind_of_sector(view, place, off);
		sums[i] = 0;
		if (kind == 0)
			sums[i] = sum_sector(
				view, (view_load(view, place, 8) & VIEW_OFFSET_MASK) +
					      off % view->cluster_bytes);
		else if (kind == 2 && below != NULL && i < below_sectors)
			sums[i] = below[i];
	}
}

void view_raw_content(const struct view *view, uint64_t sums[MAX_SECTORS])
{
	for (uint64_t i = 0; i < view->length / SECTOR_BYTES && i < MAX_SECTORS; i++)
		sums[i] = sum_sector(view, i * SECTOR_BYTES);
}

uint64_t view_sum(const char *path)
{
	struct view view;
	uint64_t sum = 1;
	if (!view_open(&view, path))
		return 0;
	for (uint64_t off = 0; off < view.length; off += SECTOR_BYTES)
		sum = (sum ^ sum_sector(&view, off)) * UINT64_C(0x9e3779b97f4a7c15) + off;
	view_close(&view);
	return sum;
}

/* Where the refcount of the cluster stands: the byte, and the shift in it. */
static uint64_t refcount_place(const struct view *view, uint64_t cluster, unsigned *bits,
			       unsigned *shift)
{
	*bits = 1u << view_load(view, HEADER_REFCOUNT_ORDER, 4) % 7;
	uint64_t per_block = view->cluster_bytes * 8 / *bits;
	uint64_t entry = cluster / per_block, i = cluster % per_block;
	if (entry * 8 >=
	    view_load(view, HEADER_REFTABLE_CLUSTERS, 4) * view->cluster_bytes)
		return 0;
	uint64_t block =
		view_load(view, view_load(view, HEADER_REFTABLE_OFF, 8) + 8 * entry, 8) &
		VIEW_OFFSET_MASK;
	*shift = *bits < 8 ? (unsigned)(i * *bits % 8) : 0;
	return block == 0 ? 0 : block + i * *bits / 8;
}

bool view_is_counted(const struct view *view, uint64_t cluster)
{
	unsigned bits, shift;
	return refcount_place(view, cluster, &bits, &shift) != 0;
}

uint64_t view_refcount(const struct view *view, uint64_t cluster)
{
	unsigned bits, shift;
	uint64_t place = refcount_place(view, cluster, &bits, &shift);
	if (place == 0)
		return 0;
	if (bits >= 8)
		return view_load(view, place, bits / 8);
	return view_load(view, place, 1) >> shift & ((1u << bits) - 1);
}

void view_set_refcount(struct view *view, uint64_t cluster, uint64_t count)
{
	unsigned bits, shift;
	uint64_t place = refcount_place(view, cluster, &bits, &shift);
	if (place == 0)
		return;
	if (bits < 8) {
		uint64_t mask = ((1u << bits) - 1) << shift;
		count = (view_load(view, place, 1) & ~mask) | (count << shift & mask);
	}
	view_store(view, place, bits < 8 ? 1 : bits / 8, count);
}
