/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* XML of libvirt, from bytes of any kind: nothing is fetched, and no entity is made of anything. */
#include "xml.h"

#include "../term/memory.h"

#include <libxml/parser.h>
#include <libxml/parserInternals.h>
#include <stdio.h>
#include <string.h>

/* Before anything is declared. */
static void refuse_doctype(void *ctx, const xmlChar *name, const xmlChar *external_id,
			   const xmlChar *system_id)
{
	xmlParserCtxt *parser = ctx;
	(void)name, (void)external_id, (void)system_id;
	*(bool *)parser->_private = true;
	xmlStopParser(parser);
}

static void be_silent(void *ctx, const char *fmt, ...)
{
	(void)ctx, (void)fmt;
}

static void describe(const xmlParserCtxt *parser, bool has_doctype, char why[TOOL_WHY])
{
	const xmlError *error = xmlCtxtGetLastError((void *)(uintptr_t)parser);
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
	xmlParserCtxt *parser = xmlNewParserCtxt();
	if (parser == NULL)
		tool_memory_fail();
	parser->_private = &has_doctype;
	parser->sax->internalSubset = refuse_doctype;
	parser->sax->warning = be_silent;
	parser->sax->error = be_silent;
	parser->sax->fatalError = be_silent;
	parser->sax->serror = NULL;
	xmlDoc *doc = xmlCtxtReadMemory(parser, bytes, (int)count, NULL, NULL,
					XML_PARSE_NONET | XML_PARSE_NOERROR |
						XML_PARSE_NOWARNING);
	if (doc != NULL && (has_doctype || xmlDocGetRootElement(doc) == NULL)) {
		xmlFreeDoc(doc);
		doc = NULL;
	}
	if (doc == NULL)
		describe(parser, has_doctype, why);
	xmlFreeParserCtxt(parser);
	return doc;
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
	xmlFree(text);
	return copy;
}

char *tool_xml_text(const xmlNode *node)
{
	return node == NULL ? NULL : take(xmlNodeGetContent(node));
}

char *tool_xml_attribute(const xmlNode *node, const char *name)
{
	return node == NULL ? NULL : take(xmlGetNoNsProp(node, (const xmlChar *)name));
}

char *tool_xml_dump(const xmlNode *node)
{
	xmlBuffer *buffer = xmlBufferCreate();
	if (buffer == NULL ||
	    xmlNodeDump(buffer, node->doc, (xmlNode *)(uintptr_t)node, 0, 0) < 0)
		tool_memory_fail();
	char *copy = tool_memory_copy((const char *)xmlBufferContent(buffer),
				      (size_t)xmlBufferLength(buffer));
	xmlBufferFree(buffer);
	return copy;
}
