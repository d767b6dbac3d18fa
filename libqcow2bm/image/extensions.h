/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The header of an open image, and the extensions behind it. */
#ifndef Q2_IMAGE_EXTENSIONS_H
#define Q2_IMAGE_EXTENSIONS_H

#include "image.h"

/* Reads the header and its extensions again: after a commit, whose writes it then shows. Does
 * not touch the directory. */
enum qcow2bm_code q2_extensions_load(struct qcow2bm_image *image,
				     struct qcow2bm_error *err);

/* The extension of this type, or NULL. */
const struct q2_extension *q2_extensions_find(const struct qcow2bm_image *image,
					      uint32_t type);

/* The data of an extension of this image. */
const uint8_t *q2_extensions_data(const struct qcow2bm_image *image,
				  const struct q2_extension *extension);

#endif
