/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Opening a disk with the layers below it. */
#include "layers.h"

#include "../term/image.h"
#include "../term/message.h"
#include "../term/text.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

/* "json:{...}" of a backing file: the value of a key, which may also stand as "OUTER.KEY". */
static const char *find_text(json_t *object, const char *outer, const char *key)
{
	char dotted[64];
	snprintf(dotted, sizeof(dotted), "%s.%s", outer, key);
	const char *text = json_string_value(json_object_get(object, dotted));
	json_t *inner = json_object_get(object, outer);
	return text != NULL ? text : json_string_value(json_object_get(inner, key));
}

/* Whether an option changes nothing of what the guest sees. */
static bool is_harmless(const char *key)
{
	static const char *const words[] = {
		"driver",         "filename",   "node-name",     "aio",
		"locking",        "discard",    "detect-zeroes", "read-only",
		"auto-read-only", "force-share"};
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strcmp(words[i], key) == 0)
			return true;
	return strncmp(key, "cache", 5) == 0;
}

/* The first option of a node that may change what the guest sees, or NULL. */
static const char *find_harmful(json_t *object, bool is_file)
{
	const char *key, *found = NULL;
	json_t *value;
	json_object_foreach(object, key, value)
	{
		bool is_own = strncmp(key, "file.", 5) == 0 && !is_file;
		if (strcmp(key, "file") == 0 && !is_file && json_is_object(value))
			found = find_harmful(value, true);
		else if (!is_harmless(is_own ? key + 5 : key))
			found = key;
		if (found != NULL)
			return found;
	}
	return NULL;
}

/* Finds the file that the options name, where they say nothing that is not heeded here. */
static bool take_backing(json_t *object, struct qcow2bm_backing *backing, char why[256])
{
	const char *driver = json_string_value(json_object_get(object, "driver"));
	const char *path = find_text(object, "file", "filename");
	const char *protocol = find_text(object, "file", "driver");
	const char *harmful = find_harmful(object, false);
	if (driver == NULL ||
	    (strcmp(driver, "qcow2") != 0 && strcmp(driver, "raw") != 0)) {
		snprintf(why, 256, "its driver is neither qcow2 nor raw");
	} else if (path == NULL || strlen(path) >= sizeof(backing->path) ||
		   (protocol != NULL && strcmp(protocol, "file") != 0 &&
		    strcmp(protocol, "host_device") != 0)) {
		snprintf(why, 256, "it is no local file");
	} else if (harmful != NULL) {
		snprintf(why, 256, "its option '%.100s' may change what the guest sees",
			 harmful);
	} else {
		strcpy(backing->path, path);
		strcpy(backing->format, driver);
		return true;
	}
	return false;
}

bool tool_layers_resolve(void *opaque, const char *name, struct qcow2bm_backing *backing,
			 char why[256])
{
	json_error_t error;
	(void)opaque;
	if (strncmp(name, "json:", 5) != 0)
		return false;
	json_t *object = json_loads(name + 5, JSON_REJECT_DUPLICATES, &error);
	if (object == NULL)
		snprintf(why, 256, "it is no JSON: %.200s", error.text);
	bool is_taken = object != NULL && take_backing(object, backing, why);
	json_decref(object);
	return is_taken;
}

static enum qcow2bm_code open_layers(struct qcow2bm_chain **chain,
				     const struct tool_options *options,
				     const char *filename, unsigned flags,
				     struct qcow2bm_chain_options *chain_options,
				     struct qcow2bm_error *err)
{
	chain_options->flags = (flags & TOOL_LAYERS_EDIT ? QCOW2BM_OPEN_WRITE : 0u) |
			       (options->no_lock ? QCOW2BM_OPEN_NO_LOCK : 0u) |
			       (options->force_share ? QCOW2BM_OPEN_FORCE_SHARE : 0u);
	chain_options->wait_seconds = options->wait_seconds;
	chain_options->threads = options->threads;
	chain_options->top_only = flags & TOOL_LAYERS_TOP_ONLY;
	chain_options->resolve = tool_layers_resolve;
	enum qcow2bm_code code = qcow2bm_chain_open(chain, filename, chain_options, err);
	if (code == QCOW2BM_OK && options->force_share && !options->quiet)
		tool_message(filename,
			     "warning: read without a lock, the image may be changing");
	if (code != QCOW2BM_OK)
		tool_image_add_way_out(options, err);
	return code;
}

enum qcow2bm_code tool_layers_try_open(struct qcow2bm_chain **chain,
				       const struct tool_options *options,
				       const char *filename, const char *format,
				       unsigned flags, struct qcow2bm_error *err)
{
	struct qcow2bm_chain_options chain_options = QCOW2BM_CHAIN_OPTIONS_INIT;
	chain_options.format = format;
	return open_layers(chain, options, filename, flags, &chain_options, err);
}

enum qcow2bm_code tool_layers_try_open_chosen(struct qcow2bm_chain **chain,
					      const struct tool_options *options,
					      const char *filename, unsigned flags,
					      qcow2bm_choose_fn *choose, void *opaque,
					      struct qcow2bm_error *err)
{
	struct qcow2bm_chain_options chain_options = QCOW2BM_CHAIN_OPTIONS_INIT;
	chain_options.choose = choose;
	chain_options.opaque = opaque;
	return open_layers(chain, options, filename, flags, &chain_options, err);
}

int tool_layers_open(struct qcow2bm_chain **chain, const struct tool_options *options,
		     const char *filename, unsigned flags)
{
	struct qcow2bm_error err = {0};
	if (tool_layers_try_open(chain, options, filename, "qcow2", flags, &err) ==
	    QCOW2BM_OK)
		return TOOL_EXIT_DONE;
	return tool_message_fail(filename, &err);
}

char *tool_layers_path(const char *overlay, const char *name)
{
	struct qcow2bm_backing backing;
	struct tool_text text = {0};
	char why[256];
	if (strncmp(name, "file:", 5) == 0) {
		name += 5;
	} else if (name[strcspn(name, ":/")] == ':') {
		if (!tool_layers_resolve(NULL, name, &backing, why))
			return NULL;
		name = backing.path;
	}
	const char *slash = strrchr(overlay, '/');
	if (name[0] != '/' && slash != NULL)
		tool_text_add(&text, overlay, (size_t)(slash - overlay) + 1);
	tool_text_print(&text, "%s", name);
	return text.bytes;
}
