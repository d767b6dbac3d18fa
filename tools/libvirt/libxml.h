/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * libxml2, loaded when the first document is read: most runs read none, and loading what it is linked with
 * (ICU, the C++ library) takes longer than most of them. xml.c alone calls it.
 */
#ifndef TOOLS_LIBVIRT_LIBXML_H
#define TOOLS_LIBVIRT_LIBXML_H

#include <libxml/parser.h>
#include <libxml/tree.h>

#define TOOL_LIBXML_FUNCTIONS(FUNCTION) \
	FUNCTION(xmlAddNextSibling)     \
	FUNCTION(xmlBufferContent)      \
	FUNCTION(xmlBufferCreate)       \
	FUNCTION(xmlBufferFree)         \
	FUNCTION(xmlBufferLength)       \
	FUNCTION(xmlCtxtGetLastError)   \
	FUNCTION(xmlCtxtReadMemory)     \
	FUNCTION(xmlDocGetRootElement)  \
	FUNCTION(xmlEncodeSpecialChars) \
	FUNCTION(xmlFreeDoc)            \
	FUNCTION(xmlFreeNode)           \
	FUNCTION(xmlFreeParserCtxt)     \
	FUNCTION(xmlGetNoNsProp)        \
	FUNCTION(xmlIsBlankNode)        \
	FUNCTION(xmlNewNode)            \
	FUNCTION(xmlNewParserCtxt)      \
	FUNCTION(xmlNewTextChild)       \
	FUNCTION(xmlNodeDump)           \
	FUNCTION(xmlNodeGetContent)     \
	FUNCTION(xmlNodeSetContent)     \
	FUNCTION(xmlStopParser)         \
	FUNCTION(xmlUnlinkNode)

struct tool_libxml {
#define TOOL_LIBXML_POINTER(name) __typeof__(name) *name;
	TOOL_LIBXML_FUNCTIONS(TOOL_LIBXML_POINTER)
#undef TOOL_LIBXML_POINTER
	xmlFreeFunc *xmlFree;
};

/* Ends the program with a sentence where libxml2 is not installed. */
const struct tool_libxml *tool_libxml(void);

#endif
