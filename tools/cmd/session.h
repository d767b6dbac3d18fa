/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What all editing commands share: open, stage, print the plan or commit, report. */
#ifndef TOOLS_CMD_SESSION_H
#define TOOLS_CMD_SESSION_H

#include "../term/operand.h"
#include "../term/options.h"
#include "saving.h"

struct json_t;
struct tool_image_list;
struct tool_changes;
struct tool_json_list;

struct tool_session {
	struct tool_options options;
	unsigned
		open_flags; /* QCOW2BM_OPEN_..., besides WRITE and what the options say */
	const char *filename;
	struct qcow2bm_image *image;
	struct qcow2bm_edit *edit;
	char *undo_file;           /* for this image alone, instead of --save; or NULL */
	struct tool_saving saving; /* while it is committed, and afterwards */
	struct qcow2bm_image **sources; /* other images that bits are read from */
	size_t source_count;
	struct tool_image_list *images; /* of several, each edited for itself: where the
					   JSON of each goes; or NULL */
	/* Adds to the JSON report what only this command knows. May be NULL. */
	void (*add_to_report)(void *opaque, struct json_t *report,
			      struct tool_json_list *list);
	void *opaque;
};

/* Opens the image, for writing unless --dry-run, and begins an edit. Prints what fails; returns
 * an exit status. */
int tool_session_open(struct tool_session *session, const char *filename);

/* Checks the whole image that is open, with progress. Prints what fails; returns an exit status. */
int tool_session_check(struct tool_session *session, struct qcow2bm_report **report);

/* Plans the edit, with progress; `flags` are those of a commit. Keeps its changes, unless `changes` is
 * NULL: to be freed in any case. Prints what fails; returns an exit status. */
int tool_session_plan(struct tool_session *session, unsigned flags,
		      struct qcow2bm_plan *plan, struct tool_changes *changes);

/* As tool_session_open(), without a message. session->image is set when it could be opened. */
enum qcow2bm_code tool_session_try_open(struct tool_session *session,
					const char *filename, struct qcow2bm_error *err);

/* Opens another image to read from; *source is NULL when it is the image of the session. It is
 * closed with the session. */
enum qcow2bm_code tool_session_try_open_source(struct tool_session *session,
					       const char *filename,
					       struct qcow2bm_image **source,
					       struct qcow2bm_error *err);

/* Whether both name one file, or one device; false when one of them is not there. */
bool tool_session_is_same_file(const char *a, const char *b);

/* Whether QEMU takes it as the granularity of a new bitmap. */
bool tool_session_is_granularity(uint64_t bytes);

/* Takes the value of -g from optarg; returns TOOL_OPTIONS_GO_ON or the status to exit with. */
int tool_session_take_granularity(const struct tool_command *command, uint64_t *bytes);

/* Says why `verb` cannot be done to the bitmap; returns the exit status. */
int tool_session_refuse(const struct tool_session *session, const char *verb,
			const char *name, size_t name_bytes,
			const struct qcow2bm_error *err);

/* The same where another image is at fault than the one that is edited. */
int tool_session_refuse_in(const char *filename, const char *verb, const char *name,
			   size_t name_bytes, const struct qcow2bm_error *err);

/* The same where that name was typed: it may be missing. */
int tool_session_refuse_operand(const struct tool_session *session, const char *verb,
				const char *typed, const struct tool_operand *operand,
				const struct qcow2bm_error *err);

/* Closes everything and passes `status` on. */
int tool_session_close(struct tool_session *session, int status);

#endif
