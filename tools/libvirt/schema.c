/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* libvirt's schema of a checkpoint, against which it holds each file when it starts. */
#include "schema.h"

#include <string.h>

#define MOST_CHILDREN 6

struct shape {
	const char *name;
	bool is_any;              /* nothing in it is looked at */
	bool is_text;             /* it may have text */
	bool may_repeat, must_be; /* in its parent */
	const char *attributes[5];
	const struct shape *children[MOST_CHILDREN + 1];
};

static const struct shape name = {"name", .is_text = true};
static const struct shape name_of_parent = {"name", .is_text = true, .must_be = true};
static const struct shape description = {"description", .is_text = true};
static const struct shape parent = {"parent", .children = {&name_of_parent}};
static const struct shape created = {"creationTime", .is_text = true};
static const struct shape domain = {"domain", .is_any = true};
static const struct shape disk = {"disk", .may_repeat = true, .must_be = true,
				  .attributes = {"name", "checkpoint", "bitmap", "size"}};
static const struct shape disks = {"disks", .children = {&disk}};
static const struct shape checkpoint = {
	"domaincheckpoint",
	.children = {&name, &description, &parent, &created, &disks, &domain}};

static const char *check_attributes(const xmlNode *node, const struct shape *shape)
{
	for (const xmlAttr *attribute = node->properties; attribute != NULL;
	     attribute = attribute->next) {
		size_t i = 0;
		while (shape->attributes[i] != NULL &&
		       strcmp((const char *)attribute->name, shape->attributes[i]) != 0)
			i++;
		if (attribute->ns != NULL || shape->attributes[i] == NULL)
			return "it has an attribute that libvirt's schema does not know";
	}
	return NULL;
}

/* The child's shape, of which `seen` counts one more, or NULL. */
static const struct shape *find_child(const struct shape *shape, const xmlNode *child,
				      unsigned *seen)
{
	for (size_t i = 0; child->ns == NULL && shape->children[i] != NULL; i++)
		if (strcmp((const char *)child->name, shape->children[i]->name) == 0) {
			seen[i]++;
			return shape->children[i];
		}
	return NULL;
}

static bool is_text(const xmlNode *node)
{
	return (node->type == XML_TEXT_NODE || node->type == XML_CDATA_SECTION_NODE) &&
	       !tool_xml_is_blank(node);
}

static const char *check_counts(const struct shape *shape, const unsigned *seen)
{
	for (size_t i = 0; shape->children[i] != NULL; i++) {
		if (seen[i] > 1 && !shape->children[i]->may_repeat)
			return "it has an element twice";
		if (seen[i] == 0 && shape->children[i]->must_be)
			return "it lacks an element that libvirt's schema wants";
	}
	return NULL;
}

/* Shapes are three deep. */
static const char *check(const xmlNode *node, const struct shape *shape)
{
	unsigned seen[MOST_CHILDREN] = {0};
	if (shape->is_any)
		return NULL;
	const char *complaint = check_attributes(node, shape);
	for (const xmlNode *child = node->children; child != NULL && complaint == NULL;
	     child = child->next) {
		if (is_text(child) && !shape->is_text)
			complaint = "it has text where libvirt's schema has none";
		if (child->type != XML_ELEMENT_NODE)
			continue;
		const struct shape *found = find_child(shape, child, seen);
		complaint =
			found == NULL
				? "it has an element that libvirt's schema does not know"
				: check(child, found);
	}
	return complaint == NULL ? check_counts(shape, seen) : complaint;
}

const char *tool_schema_complain(const xmlNode *root)
{
	return root->ns != NULL ? "its elements are in a namespace"
				: check(root, &checkpoint);
}

static bool is_made_of(const char *text, const char *letters)
{
	return *text != '\0' && text[strspn(text, letters)] == '\0';
}

bool tool_schema_is_disk(const char *target)
{
	static const char letters[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_";
	static const char *const kinds[] = {"fd", "hd", "sd", "vd", "xvd", "ubd"};
	static const char emulated[] = "ioemu:";
	if (target[0] == '/')
		return target[1] != '\0';
	if (strncmp(target, emulated, strlen(emulated)) == 0)
		target += strlen(emulated);
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		size_t bytes = strlen(kinds[i]);
		if (strncmp(target, kinds[i], bytes) == 0 &&
		    is_made_of(target + bytes, letters))
			return true;
	}
	return false;
}

bool tool_schema_is_number(const char *text)
{
	return is_made_of(text, "0123456789");
}
