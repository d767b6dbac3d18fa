/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* QEMU's ways to name an image by options: "driver=qcow2,file.filename=PATH" and "json:{...}". */
#include "image_opts.h"

#include "image_opts_known.h"
#include "memory.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEY_BYTES 256

struct pair {
	char *key, *value;
};

struct pairs {
	struct pair *list;
	size_t count;
};

static void add_pair(struct pairs *pairs, char *key, char *value)
{
	pairs->list =
		tool_memory_resize(pairs->list, pairs->count + 1, sizeof(struct pair));
	pairs->list[pairs->count++] = (struct pair){key, value};
}

static void free_pairs(struct pairs *pairs)
{
	for (size_t i = 0; i < pairs->count; i++) {
		free(pairs->list[i].key);
		free(pairs->list[i].value);
	}
	free(pairs->list);
}

/* The value of prefix.word, the last one given; NULL when there is none. */
static const char *find(const struct pairs *pairs, const char *prefix, const char *word)
{
	char key[KEY_BYTES];
	if ((size_t)snprintf(key, sizeof(key), "%s%s", prefix, word) >= sizeof(key))
		return NULL;
	for (size_t i = pairs->count; i-- > 0;)
		if (strcmp(pairs->list[i].key, key) == 0)
			return pairs->list[i].value;
	return NULL;
}

static bool has_below(const struct pairs *pairs, const char *prefix)
{
	for (size_t i = 0; i < pairs->count; i++)
		if (strncmp(pairs->list[i].key, prefix, strlen(prefix)) == 0)
			return true;
	return false;
}

/* Descends one level: prefix becomes "prefixfile.". */
static bool descend(const struct pairs *pairs, char prefix[KEY_BYTES], char *problem)
{
	const char *node = find(pairs, prefix, "file");
	size_t used = strlen(prefix);
	if (node != NULL)
		snprintf(problem, TOOL_IMAGE_OPTS_PROBLEM,
			 "'%.60sfile=%.100s' names a node, and there are none here",
			 prefix, node);
	else if (used + sizeof("file.") > KEY_BYTES)
		snprintf(problem, TOOL_IMAGE_OPTS_PROBLEM, "options are nested too deep");
	else
		memcpy(prefix + used, "file.", sizeof("file."));
	return *problem == '\0';
}

static bool is_one_of(const char *word, const char *a, const char *b)
{
	return word != NULL && (strcmp(word, a) == 0 || strcmp(word, b) == 0);
}

/* Below the qcow2 layer: raw wrappers, then the file. NULL and no problem: go on below. */
static const char *look_at_level(const struct pairs *pairs, const char *prefix,
				 char *problem)
{
	const char *driver = find(pairs, prefix, "driver");
	const char *filename = find(pairs, prefix, "filename");
	if (is_one_of(driver, "file", "host_device") ||
	    (driver == NULL && filename != NULL)) {
		if (filename == NULL)
			snprintf(problem, TOOL_IMAGE_OPTS_PROBLEM,
				 "'%.60sfilename' is missing", prefix);
		return filename;
	}
	if (driver != NULL && strcmp(driver, "raw") != 0)
		snprintf(problem, TOOL_IMAGE_OPTS_PROBLEM,
			 "driver '%.100s' does not name a local file", driver);
	else if (find(pairs, prefix, "offset") != NULL ||
		 find(pairs, prefix, "size") != NULL)
		snprintf(problem, TOOL_IMAGE_OPTS_PROBLEM,
			 "'%.60soffset' and '%.60ssize' are not supported", prefix,
			 prefix);
	else if (driver == NULL && !has_below(pairs, prefix))
		snprintf(problem, TOOL_IMAGE_OPTS_PROBLEM,
			 "A block device must be specified for \"file\"");
	return NULL;
}

/* Whether QEMU would open what lies `depth` levels below the qcow2 layer with these options. */
static bool are_known(const struct pairs *pairs, unsigned depth, bool for_writing,
		      char *problem)
{
	for (size_t i = 0; i < pairs->count; i++) {
		const char *path = pairs->list[i].key, *key = path;
		unsigned level = 0;
		for (; level < depth && strncmp(key, "file.", 5) == 0; level++)
			key += 5;
		enum tool_image_opts_layer layer = level == 0 ? TOOL_IMAGE_OPTS_QCOW2
						   : level == depth ? TOOL_IMAGE_OPTS_FILE
								    : TOOL_IMAGE_OPTS_RAW;
		if (!tool_image_opts_is_known(layer, path, key, pairs->list[i].value,
					      for_writing, problem))
			return false;
	}
	return true;
}

static char *find_file(const struct pairs *pairs, bool for_writing, char *problem)
{
	char prefix[KEY_BYTES] = "";
	const char *driver = find(pairs, "", "driver");
	*problem = '\0';
	if (driver == NULL && find(pairs, "", "file") == NULL &&
	    !has_below(pairs, "file.")) {
		snprintf(problem, TOOL_IMAGE_OPTS_PROBLEM,
			 "Must specify either driver or file");
		return NULL;
	}
	if (driver != NULL && strcmp(driver, "qcow2") != 0) {
		snprintf(problem, TOOL_IMAGE_OPTS_PROBLEM,
			 "Can't store persistent bitmaps with driver '%.100s'", driver);
		return NULL;
	}
	const char *filename = NULL;
	unsigned depth = 0;
	while (filename == NULL && *problem == '\0' && descend(pairs, prefix, problem)) {
		filename = look_at_level(pairs, prefix, problem);
		depth++;
	}
	if (filename == NULL || !are_known(pairs, depth, for_writing, problem))
		return NULL;
	return tool_memory_copy(filename, strlen(filename));
}

/* Copies a value up to a single comma; two commas stand for one. Moves *p behind it. */
static char *take_value(const char **p)
{
	char *value = tool_memory_alloc(strlen(*p) + 1);
	size_t used = 0;
	for (; **p != '\0'; (*p)++) {
		if (**p == ',' && *++*p != ',')
			break;
		value[used++] = **p;
	}
	value[used] = '\0';
	return value;
}

char *tool_image_opts_parse(const char *text, bool for_writing,
			    char problem[TOOL_IMAGE_OPTS_PROBLEM])
{
	struct pairs pairs = {0};
	for (const char *p = text; *p != '\0';) {
		size_t length = strcspn(p, "=,");
		char *key;
		if (p[length] == '=') {
			key = tool_memory_copy(p, length);
			p += length + 1;
			add_pair(&pairs, key, take_value(&p));
		} else if (p == text) {
			/* QEMU reads a first word without '=' as the name of a node. */
			key = tool_memory_copy("file", 4);
			add_pair(&pairs, key, take_value(&p));
		} else {
			add_pair(&pairs, take_value(&p), tool_memory_copy("on", 2));
		}
	}
	char *filename = find_file(&pairs, for_writing, problem);
	free_pairs(&pairs);
	return filename;
}

/* A value as it would stand behind an equals sign. */
static char *value_text(json_t *value)
{
	if (json_is_string(value))
		return tool_memory_copy(json_string_value(value),
					json_string_length(value));
	if (json_is_boolean(value))
		return tool_memory_copy(json_is_true(value) ? "on" : "off",
					json_is_true(value) ? 2 : 3);
	char text[32] = "null";
	if (json_is_integer(value))
		snprintf(text, sizeof(text), "%" JSON_INTEGER_FORMAT,
			 json_integer_value(value));
	else if (!json_is_null(value))
		snprintf(text, sizeof(text), "%s", json_is_array(value) ? "[]" : "?");
	return tool_memory_copy(text, strlen(text));
}

/* {"file": {"driver": "file"}} becomes file.driver=file. */
static void flatten(struct pairs *pairs, const char *prefix, json_t *object)
{
	const char *key;
	json_t *value;
	json_object_foreach(object, key, value)
	{
		char path[KEY_BYTES];
		bool nested = json_is_object(value);
		if ((size_t)snprintf(path, sizeof(path), "%s%s%s", prefix, key,
				     nested ? "." : "") >= sizeof(path))
			continue;
		if (nested)
			flatten(pairs, path, value);
		else
			add_pair(pairs, tool_memory_copy(path, strlen(path)),
				 value_text(value));
	}
}

char *tool_image_opts_parse_json(const char *json, bool for_writing,
				 char problem[TOOL_IMAGE_OPTS_PROBLEM])
{
	json_error_t error;
	json_t *object = json_loads(json, JSON_REJECT_DUPLICATES, &error);
	struct pairs pairs = {0};
	char *filename = NULL;
	if (json_is_object(object)) {
		flatten(&pairs, "", object);
		filename = find_file(&pairs, for_writing, problem);
	} else {
		snprintf(problem, TOOL_IMAGE_OPTS_PROBLEM, "not a JSON object: %.160s",
			 object == NULL ? error.text : "json:");
	}
	free_pairs(&pairs);
	json_decref(object);
	return filename;
}

char *tool_image_opts_resolve(const char *filename, bool for_writing,
			      char problem[TOOL_IMAGE_OPTS_PROBLEM])
{
	if (strncmp(filename, "json:", 5) == 0)
		return tool_image_opts_parse_json(filename + 5, for_writing, problem);
	if (strncmp(filename, "file:", 5) == 0)
		filename += 5;
	return tool_memory_copy(filename, strlen(filename));
}
