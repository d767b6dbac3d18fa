/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* XML of libvirt, from bytes of any kind: nothing is fetched, and no entity is made of anything. */
#ifndef TOOLS_LIBVIRT_XML_H
#define TOOLS_LIBVIRT_XML_H

#include <libxml/tree.h>

#include "file.h"

/*
 * The document, to be freed with tool_xml_free(), or NULL with the reason in `why`. One with a DOCTYPE is
 * refused, since entities are declared there; so is nesting deeper than libxml2's own limit. A reason
 * holds nothing of the document.
 */
xmlDoc *tool_xml_parse(const char *bytes, size_t count, char why[TOOL_WHY]);

xmlNode *tool_xml_root(const xmlDoc *doc);
void tool_xml_free(xmlDoc *doc); /* NULL may be given */

/* The first element of this name inside `parent`, or behind `after`; NULL for none. NULL in, NULL out. A
 * name of NULL is any. */
xmlNode *tool_xml_first(const xmlNode *parent, const char *name);
xmlNode *tool_xml_next(const xmlNode *after, const char *name);

/* Copies, to be freed; NULL when there is none. */
char *tool_xml_text(const xmlNode *node);
char *tool_xml_attribute(const xmlNode *node, const char *name);

bool tool_xml_is_blank(const xmlNode *node); /* text of white space alone */

/* The bytes of an element, to be freed: as it stood, but with the quotes of libxml2. */
char *tool_xml_dump(const xmlNode *node);

/* Text as it may stand in XML, to be freed. */
char *tool_xml_escape(const char *text);

/* Changes of a document. What is removed is freed. */
void tool_xml_remove(xmlNode *node);
xmlNode *tool_xml_add_behind(xmlNode *node, const char *name);
void tool_xml_add_inside(xmlNode *parent, const char *name, const char *text);
void tool_xml_set_text(xmlNode *node, const char *text);

#endif
