/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* libvirt's schema of a checkpoint, against which it holds each file when it starts. */
#ifndef TOOLS_LIBVIRT_SCHEMA_H
#define TOOLS_LIBVIRT_SCHEMA_H

#include "xml.h"

#include <stdbool.h>

/* What the schema does not allow in a `domaincheckpoint`, or NULL: elements, attributes, text. The domain's own XML in it
 * is not looked into; what stands in names and numbers neither. */
const char *tool_schema_complain(const xmlNode *root);

/* Whether it is the target of a disk, or an absolute path. */
bool tool_schema_is_disk(const char *name);

/* Whether it is a number without a sign or blanks. */
bool tool_schema_is_number(const char *text);

#endif
