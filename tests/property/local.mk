# SPDX-License-Identifier: LGPL-2.1-or-later
# Claims against an independent record: `make check` runs some dozen sessions, `make
# check-property` 2,000 (QCOW2BM_SESSIONS, from QCOW2BM_SEED on).

property_tests =
property_tests += tests/property/sessions-hold

TESTS += $(property_tests)
EXTRA_DIST += $(property_tests)
$(addsuffix .log,$(property_tests)): tests/property/sessions

# Shares no code with the library.
test_programs += tests/property/sessions
tests_property_sessions_SOURCES = \
	tests/property/change.c \
	tests/property/claims.c \
	tests/property/claims.h \
	tests/property/damage.c \
	tests/property/edits.c \
	tests/property/foreign.c \
	tests/property/guest.c \
	tests/property/guest.h \
	tests/property/program.c \
	tests/property/program.h \
	tests/property/qemu.c \
	tests/property/qemu.h \
	tests/property/recover.c \
	tests/property/sessions.c \
	tests/property/steps.c \
	tests/property/steps.h \
	tests/property/tally.c \
	tests/property/tally.h \
	tests/property/truth.c \
	tests/property/truth.h \
	tests/property/view.c \
	tests/property/view.h
tests_property_sessions_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
tests_property_sessions_LDADD = $(JANSSON_LIBS)

check-property: all
	$(MAKE) tests/property/sessions
	QCOW2BM_SESSIONS=$${QCOW2BM_SESSIONS:-2000} ./run tests/property/sessions-hold
.PHONY: check-property
