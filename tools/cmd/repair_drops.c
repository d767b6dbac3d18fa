/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* repair --drop, --match, --drop-index: the bitmaps that are to be dropped besides the damaged ones. */
#include "repair_drops.h"

#include "../term/memory.h"
#include "../term/message.h"
#include "../term/missing.h"
#include "../term/operand.h"

#include <assert.h>
#include <stdlib.h>

/* What is found in one image. */
struct finding {
	const struct tool_session *session;
	size_t *indexes;
	size_t count;
	size_t *namesakes; /* once a name was looked for: see count_namesakes() */
};

static void add(size_t **indexes, size_t *count, size_t idx)
{
	*indexes = tool_memory_resize(*indexes, *count + 1, sizeof(**indexes));
	(*indexes)[(*count)++] = idx;
}

void tool_drops_add_name(struct tool_drops *drops, const char *name)
{
	drops->names = tool_memory_resize(drops->names, drops->name_count + 1,
					  sizeof(*drops->names));
	drops->names[drops->name_count++] = name;
}

bool tool_drops_take_index(struct tool_drops *drops, const char *digits)
{
	char *end;
	unsigned long idx = strtoul(digits, &end, 10);
	if (*digits < '0' || *digits > '9' || *end != '\0')
		return false;
	add(&drops->indexes, &drops->index_count, (size_t)idx);
	return true;
}

void tool_drops_free(struct tool_drops *drops)
{
	free(drops->names);
	free(drops->indexes);
	tool_match_free(&drops->match);
}

/* How many bitmaps have the name of each that is the first of its name. */
static size_t *count_namesakes(const struct qcow2bm_image *image)
{
	size_t count = qcow2bm_bitmap_count(image);
	size_t *namesakes = tool_memory_zeroed(count, sizeof(*namesakes));
	for (size_t i = 0; i < count; i++) {
		struct qcow2bm_bitmap entry = *qcow2bm_bitmap_describe(image, i);
		size_t first = qcow2bm_bitmap_find(image, entry.name, entry.name_bytes);
		assert(first < count);
		namesakes[first]++;
	}
	return namesakes;
}

static int find_name(struct finding *finding, const char *name)
{
	struct tool_operand operand;
	const struct qcow2bm_image *image = finding->session->image;
	tool_operand_resolve(&operand, image, name);
	size_t idx = operand.idx;
	tool_operand_free(&operand);
	if (idx == QCOW2BM_NOT_FOUND)
		return tool_missing_bitmap(finding->session->filename, image, name);
	if (finding->namesakes == NULL)
		finding->namesakes = count_namesakes(image);
	size_t found = finding->namesakes[idx];
	if (found > 1) {
		const struct qcow2bm_error err = {.code = QCOW2BM_EINVAL,
						  .offset = QCOW2BM_NO_OFFSET};
		tool_message_because(
			finding->session->filename, &err,
			"cannot drop bitmap '%s': %zu bitmaps have this name; choose "
			"with --drop-index (qcow2bm check shows the numbers)",
			name, found);
		return TOOL_EXIT_FAILED;
	}
	add(&finding->indexes, &finding->count, idx);
	return TOOL_EXIT_DONE;
}

static int find_match(void *opaque, const struct qcow2bm_image *image, size_t idx)
{
	struct finding *finding = opaque;
	(void)image;
	add(&finding->indexes, &finding->count, idx);
	return TOOL_EXIT_DONE;
}

int tool_drops_find(const struct tool_drops *drops, const struct tool_session *session,
		    size_t **found, size_t *count)
{
	struct finding finding = {.session = session};
	int status = TOOL_EXIT_DONE;
	for (size_t i = 0; i < drops->index_count; i++)
		add(&finding.indexes, &finding.count, drops->indexes[i]);
	for (size_t i = 0; i < drops->name_count && status == TOOL_EXIT_DONE; i++)
		status = find_name(&finding, drops->names[i]);
	if (status == TOOL_EXIT_DONE)
		status = tool_match_each(&drops->match, session->filename, session->image,
					 find_match, &finding);
	free(finding.namesakes);
	*found = finding.indexes;
	*count = finding.count;
	return status;
}
