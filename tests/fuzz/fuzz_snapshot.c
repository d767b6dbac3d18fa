/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Entries of the snapshot table, one behind the other. */
#include "format/snapshot.h"
#include "fuzz.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *bytes = fuzz_copy(data, size);
	for (size_t at = 0; at < size;) {
		struct q2_snapshot snapshot;
		struct qcow2bm_error err = {0};
		size_t entry_bytes;
		enum qcow2bm_code code =
			q2_snapshot_decode(&snapshot, bytes + at, size - at, 1 << 20,
					   &entry_bytes, at, &err);
		fuzz_check_error(code, &err);
		if (code != QCOW2BM_OK)
			break;
		fuzz_require(entry_bytes >= Q2_SNAPSHOT_HEAD_BYTES &&
				     entry_bytes <= size - at,
			     "an entry of %zu bytes where %zu are left", entry_bytes,
			     size - at);
		fuzz_require(snapshot.id >= bytes + at + Q2_SNAPSHOT_HEAD_BYTES &&
				     snapshot.id + snapshot.id_bytes == snapshot.name &&
				     snapshot.name + snapshot.name_bytes <=
					     bytes + at + entry_bytes,
			     "id or name leave the entry");
		fuzz_require(q2_snapshot_bytes(bytes + at) >= entry_bytes,
			     "an entry is longer than its lengths say");
		at += entry_bytes;
	}
	free(bytes);
	return 0;
}
