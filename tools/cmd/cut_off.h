/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A command that edits several images, was killed in the middle, and is typed again. What it began is known by the note
 * in its intent file: the sum of the command line, the folder and what it reads. The command finds the file, ends, and
 * main() resumes the edit, while no image is open; then the command runs anew, unless that has finished it.
 */
#ifndef TOOLS_CMD_CUT_OFF_H
#define TOOLS_CMD_CUT_OFF_H

#include "../term/options.h"

/* Before the command is run, each time: what it is. */
void tool_cut_off_begin(int argc, char **argv);

/* The note of its edits, for options of a commit. It goes on: this edit is not its last. */
void tool_cut_off_note(struct qcow2bm_commit_options *options, bool goes_on);

/* What an edit that was cut off has left is not to be built on: EEXIST, or another error, where there is its file,
 * which is intent_path, or NULL: that of the image. Where the command may resume it, main() is told. */
enum qcow2bm_code tool_cut_off_try_check(const struct tool_options *options,
					 const char *filename, const char *intent_path,
					 bool may_resume, struct qcow2bm_error *err);

/* The same with a message; returns an exit status. */
int tool_cut_off_check(const struct tool_options *options, const char *filename,
		       const char *intent_path, bool may_resume);

/* When the command has ended: resumes what it has found. True: it is to be run anew, after which *status is that
 * which it ends with, at least. */
bool tool_cut_off_resume(int *status);

#endif
