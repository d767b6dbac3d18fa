/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a command of the program is, and the exit statuses that all of them share. */
#ifndef TOOLS_TERM_COMMAND_H
#define TOOLS_TERM_COMMAND_H

enum tool_exit {
	TOOL_EXIT_DONE = 0,
	TOOL_EXIT_FAILED = 1,       /* refused or failed: the image is as it was */
	TOOL_EXIT_PROBLEMS = 2,     /* check: errors or warnings were found */
	TOOL_EXIT_LEAKS = 3,        /* check: nothing but leaks */
	TOOL_EXIT_NOT_COMPARED = 3, /* verify: none wrong, some not compared */
	TOOL_EXIT_UNKNOWN = 4,      /* I/O error at the switch: old or new, both whole */
	TOOL_EXIT_LEAKED = 5, /* done, but clusters were leaked, or the report is lost */
	TOOL_EXIT_BUSY = 6,   /* another process has the image open */
	TOOL_EXIT_NOT_QCOW2 = 63, /* check, as qemu-img check */
	TOOL_EXIT_USAGE = 64,
	TOOL_EXIT_SIGNAL = 128 /* plus the signal's number: the image is as it was */
};

/* What a command on several images exits with: of two statuses the one that matters more. An image
 * that cannot be read hides no problems of another. */
int tool_exit_worse(int a, int b);

struct tool_command {
	const char *name;
	const char *synopsis; /* what follows the name on the command line */
	const char *summary;  /* one line for the list of commands */
	const char *help;     /* options, examples, exit statuses */
	int (*run)(int argc, char **argv);
	const struct tool_command *const *commands; /* of a group; ends in NULL */
};

extern const struct tool_command tool_cmd_list;
extern const struct tool_command tool_cmd_info;
extern const struct tool_command tool_cmd_map;
extern const struct tool_command tool_cmd_add;
extern const struct tool_command tool_cmd_delete;
extern const struct tool_command tool_cmd_rename;
extern const struct tool_command tool_cmd_clear;
extern const struct tool_command tool_cmd_enable;
extern const struct tool_command tool_cmd_disable;
extern const struct tool_command tool_cmd_merge;
extern const struct tool_command tool_cmd_bitmap;
extern const struct tool_command tool_cmd_check;
extern const struct tool_command tool_cmd_repair;
extern const struct tool_command tool_cmd_undo;
extern const struct tool_command tool_cmd_recover;
extern const struct tool_command tool_cmd_chain;
extern const struct tool_command tool_cmd_libvirt;
extern const struct tool_command tool_cmd_apply;
extern const struct tool_command tool_cmd_digest;
extern const struct tool_command tool_cmd_verify;
extern const struct tool_command tool_cmd_compare;

/* Parts of help texts that several commands have in common. */
#define TOOL_HELP_NAMES                                                                       \
	"A NAME of a bitmap that is there may hold \\xHH for any byte, as `list` shows it;\n" \
	"if no bitmap has that name, the operand is taken as it stands. New names are\n"      \
	"always taken as they stand.\n"

#define TOOL_HELP_READ                                                              \
	"      --color WHEN       auto (default: on a terminal), always or never\n" \
	"  -U, --force-share      read although another process may be writing\n"   \
	"      --no-lock          take no locks: you vouch that nobody writes\n"    \
	"      --wait SECONDS     retry for so long while the image is busy\n"      \
	"  -q, --quiet            no warnings\n"                                    \
	"  -h, --help             show this text\n"

#define TOOL_HELP_EDIT_FORMATS(formats)                                                         \
	"  -n, --dry-run          print the plan and change nothing\n"                          \
	"      --save FILE        make an undo file, which `undo` takes; a folder: one in it\n" \
	"                         for each image that changes\n"                                \
	"      --output FORMAT    " formats "\n"                                                \
	"      --color WHEN       auto (default: on a terminal), always or never\n"             \
	"      --no-lock          take no locks: you vouch that nobody has the image open\n"    \
	"      --wait SECONDS     retry for so long while the image is busy\n"                  \
	"      --trust-refcounts  do not read the L2 tables to prove what is free\n"            \
	"      --discard          punch holes where clusters are released (default)\n"          \
	"      --no-discard       punch no holes\n"                                             \
	"      --progress         show progress (by itself on a terminal after a second)\n"     \
	"  -q, --quiet            no warnings and no progress\n"                                \
	"  -h, --help             show this text\n"

#define TOOL_HELP_EDIT TOOL_HELP_EDIT_FORMATS("human (default) or json")

#define TOOL_HELP_READ_EXITS "Exit status: 0 done, 1 failed, 6 busy, 64 usage.\n"

#define TOOL_HELP_EDIT_EXITS                                                                 \
	"Exit status: 0 done, 1 refused or failed and the image is as it was, 4 unknown\n"   \
	"after an I/O error at the switch, 5 done but clusters leaked or the report could\n" \
	"not be printed, 6 busy, 64 usage, 128+n interrupted by signal n and the image is\n" \
	"as it was.\n"

#endif
