# SPDX-License-Identifier: LGPL-2.1-or-later
# Fuzzing. `make fuzz FUZZ_SECONDS=60` runs each target so long under libFuzzer and says what
# it reached. `make check` builds the same targets with a main() of their own and runs the
# corpus, and what a fixed seed makes of it.

fuzz_programs =
fuzz_programs += tests/fuzz/fuzz_directory
fuzz_programs += tests/fuzz/fuzz_edit
fuzz_programs += tests/fuzz/fuzz_extension
fuzz_programs += tests/fuzz/fuzz_guest
fuzz_programs += tests/fuzz/fuzz_header
fuzz_programs += tests/fuzz/fuzz_image
fuzz_programs += tests/fuzz/fuzz_inflate
fuzz_programs += tests/fuzz/fuzz_intent
fuzz_programs += tests/fuzz/fuzz_libvirt
fuzz_programs += tests/fuzz/fuzz_qmp
fuzz_programs += tests/fuzz/fuzz_manifest
fuzz_programs += tests/fuzz/fuzz_refcount
fuzz_programs += tests/fuzz/fuzz_repair
fuzz_programs += tests/fuzz/fuzz_snapshot
fuzz_programs += tests/fuzz/fuzz_table
fuzz_programs += tests/fuzz/fuzz_undo

fuzz_tests =
fuzz_tests += tests/fuzz/replay-corpus

test_programs += $(fuzz_programs)
test_libraries += tests/fuzz/libfuzz.la
tests_fuzz_libfuzz_la_LDFLAGS = $(AM_LDFLAGS)
tests_fuzz_libfuzz_la_SOURCES = \
	tests/fuzz/edit_script.c \
	tests/fuzz/edit_script.h \
	tests/fuzz/fuzz.c \
	tests/fuzz/fuzz.h \
	tests/fuzz/image_fields.h \
	tests/fuzz/mutate_image.c \
	tests/fuzz/mutate_image.h \
	tests/fuzz/mutate_places.c \
	tests/fuzz/mutate_repair.c \
	tests/fuzz/others.c \
	tests/fuzz/others.h \
	tests/fuzz/owners.c \
	tests/fuzz/owners.h \
	tests/fuzz/staged.c \
	tests/fuzz/staged.h

# libFuzzer brings a main(); else ours is found in this library.
if FUZZER
fuzz_main_sources =
else
fuzz_main_sources = tests/fuzz/replay_main.c
endif

fuzz_archive = tests/fuzz/.libs/libfuzz.a
$(fuzz_archive): tests/fuzz/libfuzz.la ; @:
fuzz_ldadd = $(FUZZER_LDFLAGS) $(fuzz_archive) $(support_archive) $(q2_ldadd)
tests_fuzz_fuzz_directory_SOURCES = tests/fuzz/fuzz_directory.c $(fuzz_main_sources)
tests_fuzz_fuzz_directory_LDADD = $(fuzz_ldadd)
tests_fuzz_fuzz_edit_SOURCES = tests/fuzz/fuzz_edit.c $(fuzz_main_sources)
tests_fuzz_fuzz_edit_LDADD = $(fuzz_ldadd)
tests_fuzz_fuzz_extension_SOURCES = tests/fuzz/fuzz_extension.c $(fuzz_main_sources)
tests_fuzz_fuzz_extension_LDADD = $(fuzz_ldadd)
tests_fuzz_fuzz_guest_SOURCES = tests/fuzz/fuzz_guest.c $(fuzz_main_sources)
tests_fuzz_fuzz_guest_LDADD = $(fuzz_ldadd)
tests_fuzz_fuzz_header_SOURCES = tests/fuzz/fuzz_header.c $(fuzz_main_sources)
tests_fuzz_fuzz_header_LDADD = $(fuzz_ldadd)
tests_fuzz_fuzz_image_SOURCES = tests/fuzz/fuzz_image.c $(fuzz_main_sources)
tests_fuzz_fuzz_image_LDADD = $(fuzz_ldadd)
tests_fuzz_fuzz_inflate_SOURCES = tests/fuzz/fuzz_inflate.c $(fuzz_main_sources)
tests_fuzz_fuzz_inflate_LDADD = $(fuzz_ldadd) $(ZLIB_LIBS) $(ZSTD_LIBS)
tests_fuzz_fuzz_intent_SOURCES = tests/fuzz/fuzz_intent.c $(fuzz_main_sources)
tests_fuzz_fuzz_intent_LDADD = $(fuzz_ldadd)
tests_fuzz_fuzz_libvirt_SOURCES = tests/fuzz/fuzz_libvirt.c $(fuzz_main_sources) \
	tools/libvirt/checkpoint.c tools/libvirt/domain.c tools/libvirt/file.c tools/libvirt/libxml.c \
	tools/libvirt/schema.c tools/libvirt/xml.c \
	tools/term/memory.c tools/term/text.c
tests_fuzz_fuzz_libvirt_CFLAGS = $(AM_CFLAGS) $(LIBXML_CFLAGS)
tests_fuzz_fuzz_libvirt_CPPFLAGS = $(qcow2bm_CPPFLAGS)
tests_fuzz_fuzz_libvirt_LDADD = $(fuzz_ldadd) $(DL_LIBS)
tests_fuzz_fuzz_qmp_SOURCES = tests/fuzz/fuzz_qmp.c $(fuzz_main_sources) tools/qmp/action.c \
	tools/qmp/fault.c tools/qmp/member.c tools/qmp/script.c tools/qmp/verb.c \
	tools/term/memory.c tools/term/text.c
tests_fuzz_fuzz_qmp_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
tests_fuzz_fuzz_qmp_LDADD = $(fuzz_ldadd) $(JANSSON_LIBS)
tests_fuzz_fuzz_manifest_SOURCES = tests/fuzz/fuzz_manifest.c $(fuzz_main_sources)
tests_fuzz_fuzz_manifest_LDADD = $(fuzz_ldadd)
tests_fuzz_fuzz_refcount_SOURCES = tests/fuzz/fuzz_refcount.c $(fuzz_main_sources)
tests_fuzz_fuzz_refcount_LDADD = $(fuzz_ldadd)
tests_fuzz_fuzz_repair_SOURCES = tests/fuzz/fuzz_repair.c $(fuzz_main_sources)
tests_fuzz_fuzz_repair_LDADD = $(fuzz_ldadd)
tests_fuzz_fuzz_snapshot_SOURCES = tests/fuzz/fuzz_snapshot.c $(fuzz_main_sources)
tests_fuzz_fuzz_snapshot_LDADD = $(fuzz_ldadd)
tests_fuzz_fuzz_table_SOURCES = tests/fuzz/fuzz_table.c $(fuzz_main_sources)
tests_fuzz_fuzz_table_LDADD = $(fuzz_ldadd)
tests_fuzz_fuzz_undo_SOURCES = tests/fuzz/fuzz_undo.c $(fuzz_main_sources)
tests_fuzz_fuzz_undo_LDADD = $(fuzz_ldadd)

TESTS += $(fuzz_tests)
EXTRA_DIST += $(fuzz_tests) tests/fuzz/make-fuzz tests/fuzz/seeds.sh

$(addsuffix .log,$(fuzz_tests)): tests/support/make_image $(fuzz_programs)

FUZZ_SECONDS = 60
fuzz:
	$(srcdir)/tests/fuzz/make-fuzz "$(srcdir)" $(FUZZ_SECONDS) $(fuzz_programs)
.PHONY: fuzz
