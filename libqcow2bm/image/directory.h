/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The committed bitmap directory of an image: loading it, and finding a bitmap by its name. */
#ifndef Q2_IMAGE_DIRECTORY_H
#define Q2_IMAGE_DIRECTORY_H

#include "image.h"

/* Parses `bytes`, which it owns from then on, also after a failure. A bad entry gets a problem;
 * lengths that do not add up are an error. */
enum qcow2bm_code q2_directory_parse(struct q2_directory *directory, uint8_t *bytes,
				     size_t size, size_t count, uint64_t off,
				     const struct q2_header *header,
				     struct qcow2bm_error *err);
/* Checks every entry, and finds names that are there twice. Errors: ENOMEM. */
enum qcow2bm_code q2_directory_index(struct q2_directory *directory,
				     const struct q2_header *header,
				     struct qcow2bm_error *err);
enum qcow2bm_code q2_directory_load(struct qcow2bm_image *image,
				    struct qcow2bm_error *err);
/* Whether the file has the directory that the extension tells of, whose size is within limits: all
 * of it but, at most, the padding of the last entry. */
bool q2_directory_is_there(const struct qcow2bm_image *image,
			   const struct q2_bitmaps_extension *extension);
void q2_directory_free(struct q2_directory *directory);

/* Where in by_name the first name stands that is not less than this one, byte by byte; count when
 * all are less. */
size_t q2_directory_lower_bound(const struct q2_directory *directory, const void *name,
				size_t name_bytes);

/* Notes why a bitmap is corrupt; the first reason stays. Errors: ENOMEM. */
enum qcow2bm_code q2_directory_note_problem(struct q2_bitmap *bitmap,
					    const char *sentence,
					    struct qcow2bm_error *err);

/* Where in the image the first byte is that fills the entry up and is not zero: the name may have been
 * longer. QCOW2BM_NO_OFFSET when all are, or the entry's end is not known. */
uint64_t q2_directory_find_padding(const struct q2_bitmap *bitmap);

/* The first index with this name, or QCOW2BM_NOT_FOUND; how many have it in *same. */
size_t q2_directory_find(const struct q2_directory *directory, const void *name,
			 size_t name_bytes, size_t *same);

#endif
