/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a shell may complete a word of the command line to. */
#ifndef TOOLS_CMD_COMPLETE_H
#define TOOLS_CMD_COMPLETE_H

#include "../term/command.h"

/*
 * `qcow2bm __complete WORD...`, which the completions of bash, zsh and fish run: the words behind the
 * program's name up to the one that is to be completed, as they are typed, quotes included. Prints
 * what that may become, a line each, quoted for no shell; the line "files" alone: the names of files.
 * `commands` ends in NULL.
 */
int tool_complete_run(const struct tool_command *const *commands, int argc, char **argv);

#endif
