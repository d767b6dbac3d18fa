/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* XML of libvirt, from bytes of any kind: nothing is fetched, and no entity is made of anything. */
#include "xml.h"

#include "../term/memory.h"
#include "libxml.h"

#include <stdio.h>
#include <string.h>

static const xmlChar *bytes_of(const char *text)
{
	return (const xmlChar *)text;
}

/* Before anything is declared. */
static void refuse_doctype(void *ctx, const xmlChar *name, const xmlChar *external_id,
			   const xmlChar *system_id)
{
	xmlParserCtxt *parser = ctx;
	(void)name, (void)external_id, (void)system_id;
	*(bool *)parser->_private = true;
	tool_libxml()->xmlStopParser(parser);
}

static void be_silent(void *ctx, const char *fmt, ...)
{
	(void)ctx, (void)fmt;
}

static void describe(const xmlParserCtxt *parser, bool has_doctype, char why[TOOL_WHY])
{
	const xmlError *error =
		tool_libxml()->xmlCtxtGetLastError((void *)(uintptr_t)parser);
	if (has_doctype)
		snprintf(why, TOOL_WHY, "it has a DOCTYPE, which is not read");
	else if (error != NULL && error->line > 0)
		snprintf(why, TOOL_WHY, "it is no XML: error %d in line %d", error->code,
			 error->line);
	else
		snprintf(why, TOOL_WHY, "it is no XML");
}

xmlDoc *tool_xml_parse(const char *bytes, size_t count, char why[TOOL_WHY])
{
	bool has_doctype = false;
	if (count > TOOL_FILE_MAX_BYTES) {
		snprintf(why, TOOL_WHY, "it is longer than 1 MiB");
		return NULL;
	}
	xmlParserCtxt *parser = tool_libxml()->xmlNewParserCtxt();
	if (parser == NULL)
		tool_memory_fail();
	parser->_private = &has_doctype;
	parser->sax->internalSubset = refuse_doctype;
	parser->sax->warning = be_silent;
	parser->sax->error = be_silent;
	parser->sax->fatalError = be_silent;
	parser->sax->serror = NULL;
	xmlDoc *doc = tool_libxml()->xmlCtxtReadMemory(
		parser, bytes, (int)count, NULL, NULL,
		XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
	if (doc != NULL &&
	    (has_doctype || tool_libxml()->xmlDocGetRootElement(doc) == NULL)) {
		tool_libxml()->xmlFreeDoc(doc);
		doc = NULL;
	}
	if (doc == NULL)
		describe(parser, has_doctype, why);
	tool_libxml()->xmlFreeParserCtxt(parser);
	return doc;
}

xmlNode *tool_xml_root(const xmlDoc *doc)
{
	return tool_libxml()->xmlDocGetRootElement(doc);
}

void tool_xml_free(xmlDoc *doc)
{
	if (doc != NULL)
		tool_libxml()->xmlFreeDoc(doc);
}

static xmlNode *find(xmlNode *node, const char *name)
{
	while (node != NULL &&
	       (node->type != XML_ELEMENT_NODE ||
		(name != NULL && strcmp((const char *)node->name, name) != 0)))
		node = node->next;
	return node;
}

xmlNode *tool_xml_first(const xmlNode *parent, const char *name)
{
	return parent == NULL ? NULL : find(parent->children, name);
}

xmlNode *tool_xml_next(const xmlNode *after, const char *name)
{
	return after == NULL ? NULL : find(after->next, name);
}

/* Into the program's own memory. */
static char *take(xmlChar *text)
{
	if (text == NULL)
		return NULL;
	char *copy = tool_memory_copy((const char *)text, strlen((const char *)text));
	(*tool_libxml()->xmlFree)(text);
	return copy;
}

char *tool_xml_text(const xmlNode *node)
{
	return node == NULL ? NULL : take(tool_libxml()->xmlNodeGetContent(node));
}

char *tool_xml_attribute(const xmlNode *node, const char *name)
{
	return node == NULL ? NULL
			    : take(tool_libxml()->xmlGetNoNsProp(node, bytes_of(name)));
}

bool tool_xml_is_blank(const xmlNode *node)
{
	return tool_libxml()->xmlIsBlankNode(node) != 0;
}

char *tool_xml_escape(const char *text)
{
	xmlChar *escaped = tool_libxml()->xmlEncodeSpecialChars(NULL, bytes_of(text));
	if (escaped == NULL)
		tool_memory_fail();
	return take(escaped);
}

char *tool_xml_dump(const xmlNode *node)
{
	xmlBuffer *buffer = tool_libxml()->xmlBufferCreate();
	if (buffer == NULL ||
	    tool_libxml()->xmlNodeDump(buffer, node->doc, (xmlNode *)(uintptr_t)node, 0,
				       0) < 0)
		tool_memory_fail();
	char *copy =
		tool_memory_copy((const char *)tool_libxml()->xmlBufferContent(buffer),
				 (size_t)tool_libxml()->xmlBufferLength(buffer));
	tool_libxml()->xmlBufferFree(buffer);
	return copy;
}

/* ---- Changes ------------------------------------------------------------------------------ */

void tool_xml_remove(xmlNode *node)
{
	tool_libxml()->xmlUnlinkNode(node);
	tool_libxml()->xmlFreeNode(node);
}

xmlNode *tool_xml_add_behind(xmlNode *node, const char *name)
{
	xmlNode *added = tool_libxml()->xmlNewNode(NULL, bytes_of(name));
	if (added == NULL)
		tool_memory_fail();
	return tool_libxml()->xmlAddNextSibling(node, added);
}

void tool_xml_add_inside(xmlNode *parent, const char *name, const char *text)
{
	if (tool_libxml()->xmlNewTextChild(parent, NULL, bytes_of(name),
					   bytes_of(text)) == NULL)
		tool_memory_fail();
}

void tool_xml_set_text(xmlNode *node, const char *text)
{
	tool_libxml()->xmlNodeSetContent(node, bytes_of(text));
}
