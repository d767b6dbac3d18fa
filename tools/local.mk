# SPDX-License-Identifier: LGPL-2.1-or-later
# The program. It sees the library through qcow2bm.h only.

tools_sources = \
	tools/advice.c \
	tools/advice.h \
	tools/advice_names.c \
	tools/advice_repair.c \
	tools/advice_steps.c \
	tools/cmd_add.c \
	tools/carve.c \
	tools/carve.h \
	tools/check.h \
	tools/check_human.c \
	tools/check_json.c \
	tools/cmd_bitmap.c \
	tools/cmd_check.c \
	tools/cmd_clear.c \
	tools/cmd_delete.c \
	tools/cmd_enable.c \
	tools/cmd_info.c \
	tools/cmd_list.c \
	tools/cmd_map.c \
	tools/cmd_merge.c \
	tools/cmd_recover.c \
	tools/cmd_rename.c \
	tools/cmd_repair.c \
	tools/cmd_undo.c \
	tools/command.h \
	tools/commit.c \
	tools/commit.h \
	tools/decimal.c \
	tools/decimal.h \
	tools/digest.c \
	tools/digest.h \
	tools/session.c \
	tools/session.h \
	tools/exit.c \
	tools/image_opts.c \
	tools/image_opts.h \
	tools/image_opts_known.c \
	tools/image_opts_known.h \
	tools/info.h \
	tools/info_human.c \
	tools/info_json.c \
	tools/json.c \
	tools/json.h \
	tools/layer.c \
	tools/layer.h \
	tools/main.c \
	tools/memory.c \
	tools/memory.h \
	tools/message.c \
	tools/message.h \
	tools/name.c \
	tools/name.h \
	tools/operand.c \
	tools/operand.h \
	tools/options.c \
	tools/options.h \
	tools/output.c \
	tools/output.h \
	tools/plan.c \
	tools/plan.h \
	tools/progress.c \
	tools/progress.h \
	tools/promise.c \
	tools/promise.h \
	tools/recover_carved.c \
	tools/recover_carved.h \
	tools/signals.c \
	tools/signals.h \
	tools/size.c \
	tools/size.h \
	tools/stream.c \
	tools/stream.h \
	tools/survey.c \
	tools/survey.h \
	tools/table.c \
	tools/table.h \
	tools/text.c \
	tools/text.h \
	tools/utf8.c \
	tools/utf8.h \
	tools/word.c \
	tools/word.h

bin_PROGRAMS += qcow2bm
qcow2bm_SOURCES = $(tools_sources)
qcow2bm_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS) $(NETTLE_CFLAGS)
qcow2bm_LDADD = libqcow2bm/libqcow2bm.la $(JANSSON_LIBS) $(NETTLE_LIBS)
dist_man_MANS += tools/qcow2bm.1

# bash-completion looks for COMMAND.bash, too.
dist_bashcompletion_DATA += tools/qcow2bm.bash
