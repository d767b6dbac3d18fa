# SPDX-License-Identifier: LGPL-2.1-or-later
# The program. It sees the library through qcow2bm.h only.

tools_sources = \
	tools/cmd_list.c \
	tools/command.h \
	tools/json.c \
	tools/json.h \
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
	tools/size.c \
	tools/size.h \
	tools/survey.c \
	tools/survey.h \
	tools/table.c \
	tools/table.h \
	tools/text.c \
	tools/text.h \
	tools/utf8.c \
	tools/utf8.h

EXTRA_PROGRAMS = qcow2bm
qcow2bm_SOURCES = $(tools_sources)
qcow2bm_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
qcow2bm_LDADD = libqcow2bm/libqcow2bm.la $(JANSSON_LIBS)
