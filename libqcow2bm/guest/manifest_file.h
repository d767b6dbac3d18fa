/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A manifest in a file: checked whole when it is opened, then read from front to back. */
#ifndef Q2_GUEST_MANIFEST_FILE_H
#define Q2_GUEST_MANIFEST_FILE_H

#include "../base/watch.h"
#include "../storage/storage.h"
#include "manifest.h"

struct q2_manifest_position {
	struct q2_manifest_record record;
	uint64_t off, first; /* where it stands; its first granule */
};

struct q2_manifest_file {
	struct q2_storage *storage; /* not its own */
	uint64_t file_bytes;
	struct q2_manifest_header header;
	uint8_t *header_bytes;
	uint8_t total[Q2_MANIFEST_TOTAL_BYTES]; /* with Q2_MANIFEST_HAS_TOTAL */
	/* A part of the file. */
	uint8_t *part;
	uint64_t part_off;
	size_t part_bytes;
	/* The record that was found last, and the one before it, if they are known. */
	bool has_record, has_before;
	struct q2_manifest_position at, before;
	const uint8_t *record_bytes; /* in the part */
};

/* Reads the whole file and checks it. *file is to be closed, also after a failure. Errors: EIMAGE for
 * one that is damaged, cut short or longer than it says; EUNSUPPORTED, ESYSTEM, ENOMEM,
 * EINTERRUPTED. */
enum qcow2bm_code q2_manifest_file_open(struct q2_manifest_file *file,
					struct q2_storage *storage,
					struct q2_watch *watch,
					struct qcow2bm_error *err);

/* What the manifest says of a granule, which the disk has, and of those behind it up to *end: zeros, with *hashes NULL, or
 * their hashes, which live until the next call. To go on, or one record back, costs that record alone.
 * Errors: EIMAGE, ESYSTEM. */
enum qcow2bm_code q2_manifest_file_find(struct q2_manifest_file *file, uint64_t granule,
					const uint8_t **hashes, uint64_t *end,
					struct qcow2bm_error *err);

/* *end: up to where the disk was zeros from byte `off` on, as behind its end. Errors: EIMAGE, ESYSTEM. */
enum qcow2bm_code q2_manifest_file_find_zeros_end(struct q2_manifest_file *file,
						  uint64_t off, uint64_t *end,
						  struct qcow2bm_error *err);

void q2_manifest_file_close(struct q2_manifest_file *file);

#endif
