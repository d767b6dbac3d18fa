/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A directory: size of the disk (8 bytes), cluster_bits and nb_bitmaps (1 each), entries. */
#include "base/checked.h"
#include "format/entry.h"
#include "format/table.h"
#include "fuzz.h"
#include "image/directory.h"
#include "image/image.h"

#include <stdlib.h>
#include <string.h>

static void check_entry(const struct q2_bitmap *bitmap, const struct q2_header *header,
			const uint8_t *start)
{
	const struct q2_directory_entry *entry = &bitmap->entry;
	size_t bytes = q2_directory_entry_bytes(entry);
	uint8_t *again = malloc(bytes);
	if (again == NULL)
		abort();
	q2_directory_entry_encode(entry, again);
	fuzz_require(memcmp(again, start,
			    Q2_DIRECTORY_ENTRY_MIN_BYTES + entry->extra_bytes +
				    entry->name_bytes) == 0,
		     "an entry changed on its way through a struct");
	free(again);
	if (bitmap->problem != NULL)
		return;
	uint64_t needed = q2_table_shape(header->virtual_bytes, entry->granularity_bits,
					 header->cluster_bits)
				  .entries;
	fuzz_require((entry->flags & Q2_DIRECTORY_FLAG_IN_USE) != 0 ||
			     entry->table_entries == needed,
		     "bitmap_table_size %u, not %llu", entry->table_entries,
		     (unsigned long long)needed);
	fuzz_require(entry->name_bytes >= 1 &&
			     entry->name_bytes <= Q2_DIRECTORY_MAX_NAME_BYTES &&
			     entry->table_off != 0,
		     "an entry without a name or a table has no problem");
}

static void check_names(const struct q2_directory *directory)
{
	for (size_t i = 0; i < directory->count; i++) {
		const struct q2_directory_entry *entry = &directory->bitmaps[i].entry;
		size_t same, found = q2_directory_find(directory, entry->name,
						       entry->name_bytes, &same);
		fuzz_require(found <= i && same >= 1, "a name is not found");
		fuzz_require(same > 1 || found == i, "a name is found at another place");
		fuzz_require(same == 1 || directory->bitmaps[i].problem != NULL,
			     "two bitmaps of one name have no problem");
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input input = {data, size};
	struct q2_header header = {.version = 3, .autoclear_features = 1};
	struct q2_directory directory;
	struct qcow2bm_error err = {0};
	header.virtual_bytes = fuzz_number(&input, 8) & ~(uint64_t)511;
	header.cluster_bits = 9 + fuzz_byte(&input) % 13;
	size_t count = fuzz_byte(&input), bytes = input.left;
	enum qcow2bm_code code =
		q2_directory_parse(&directory, fuzz_copy(input.bytes, bytes), bytes,
				   count, 65536, &header, &err);
	fuzz_check_error(code, &err);
	if (code != QCOW2BM_OK)
		return 0;
	fuzz_require(directory.count == count, "%zu of %zu entries", directory.count,
		     count);
	for (size_t i = 0; i < count; i++)
		check_entry(&directory.bitmaps[i], &header,
			    directory.bytes + (directory.bitmaps[i].off - 65536));
	check_names(&directory);
	q2_directory_free(&directory);
	return 0;
}
