/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* QMP input: what is read has all that it must have; what is refused says why. */
#include "../../tools/qmp/script.h"
#include "../../tools/term/memory.h"
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

static void check_action(const struct tool_qmp_action *action)
{
	fuzz_require(action->verb < TOOL_QMP_VERBS, "an action without a verb");
	fuzz_require(action->node != NULL && action->name != NULL && action->type != NULL,
		     "an action without a name");
	fuzz_require(!action->has_granularity || action->granularity_bytes >= 512,
		     "granularity %u", action->granularity_bytes);
	for (size_t i = 0; i < action->source_count; i++)
		fuzz_require(action->sources[i].node != NULL &&
				     action->sources[i].name != NULL,
			     "a source without a name");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool is_set_up;
	struct tool_qmp_script script;
	struct tool_qmp_fault fault = {0};
	/* As the program: want of memory does not come back. */
	if (!is_set_up)
		json_set_alloc_funcs(tool_memory_alloc, free);
	is_set_up = true;
	char *bytes = fuzz_copy(data, size);
	bool is_read = tool_qmp_parse(&script, bytes, size, &fault);
	fuzz_require(is_read == (fault.text.used == 0), "refused without a reason");
	fuzz_require(fault.command <= script.count, "command %zu", fault.command);
	free(bytes); /* nothing points into the input */
	for (size_t i = 0; is_read && i < script.count; i++)
		for (size_t k = 0; k < script.commands[i].action_count; k++)
			check_action(&script.commands[i].actions[k]);
	tool_qmp_free(&script);
	tool_text_free(&fault.text);
	return 0;
}
