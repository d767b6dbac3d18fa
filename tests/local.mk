# SPDX-License-Identifier: LGPL-2.1-or-later
# The tests, one a line, in groups: `make check TESTS='$(cli_tests)'` runs one group,
# `make check TESTS=tests/cli/rename-basic` one test.

# Programs and libraries of the tests are built when a test that is run needs them: one test costs
# one link. `make test-programs` builds all.
test_programs =
test_libraries =

# Compiled tests: FOLDER/NAME is built from FOLDER/NAME.c, cmocka, all of the library and what
# tests/support has for C.
unit_tests =
unit_tests += tests/crash/test_faults
unit_tests += tests/crash/test_pairs
unit_tests += tests/crash/test_prepared
unit_tests += tests/crash/test_repair
unit_tests += tests/crash/test_repetitions
unit_tests += tests/crash/test_rollbacks
unit_tests += tests/crash/test_states
unit_tests += tests/crash/test_together
unit_tests += tests/crash/test_resume_faults
unit_tests += tests/crash/test_together_faults
unit_tests += tests/crash/test_two_images
unit_tests += tests/crash/test_undo
unit_tests += tests/unit/test_apart
unit_tests += tests/unit/test_backing
unit_tests += tests/unit/test_batch
unit_tests += tests/unit/test_carve
unit_tests += tests/unit/test_check
unit_tests += tests/unit/test_clear
unit_tests += tests/unit/test_clusters
unit_tests += tests/unit/test_commit
unit_tests += tests/unit/test_content
unit_tests += tests/unit/test_convert
unit_tests += tests/unit/test_count
unit_tests += tests/unit/test_decimal
unit_tests += tests/unit/test_crew
unit_tests += tests/unit/test_differ
unit_tests += tests/unit/test_differences
unit_tests += tests/unit/test_directory
unit_tests += tests/unit/test_directory_load
unit_tests += tests/unit/test_doubt
unit_tests += tests/unit/test_edit
unit_tests += tests/unit/test_error
unit_tests += tests/unit/test_evidence
unit_tests += tests/unit/test_extension
unit_tests += tests/unit/test_fault_storage
unit_tests += tests/unit/test_file
unit_tests += tests/unit/test_file_open
unit_tests += tests/unit/test_generations
unit_tests += tests/unit/test_granularity
unit_tests += tests/unit/test_grow
unit_tests += tests/unit/test_guest_entry
unit_tests += tests/unit/test_header
unit_tests += tests/unit/test_holder
unit_tests += tests/unit/test_image_opts
unit_tests += tests/unit/test_in_place
unit_tests += tests/unit/test_inflate
unit_tests += tests/unit/test_intent
unit_tests += tests/unit/test_interrupted
unit_tests += tests/unit/test_l1
unit_tests += tests/unit/test_limits
unit_tests += tests/unit/test_lock
unit_tests += tests/unit/test_manifest
unit_tests += tests/unit/test_mapping
unit_tests += tests/unit/test_model
unit_tests += tests/unit/test_name
unit_tests += tests/unit/test_names
unit_tests += tests/unit/test_open_fd
unit_tests += tests/unit/test_or
unit_tests += tests/unit/test_chain_outdated
unit_tests += tests/unit/test_order
unit_tests += tests/unit/test_problem_table
unit_tests += tests/unit/test_others
unit_tests += tests/unit/test_others_cut
unit_tests += tests/unit/test_parts
unit_tests += tests/unit/test_phases
unit_tests += tests/unit/test_together
unit_tests += tests/unit/test_promise
unit_tests += tests/unit/test_proof
unit_tests += tests/unit/test_prove
unit_tests += tests/unit/test_readers
unit_tests += tests/unit/test_record_storage
unit_tests += tests/unit/test_recover
unit_tests += tests/unit/test_recover_carved
unit_tests += tests/unit/test_recover_compared
unit_tests += tests/unit/test_refcount
unit_tests += tests/unit/test_refcounts
unit_tests += tests/unit/test_repair
unit_tests += tests/unit/test_repair_limits
unit_tests += tests/unit/test_resume
unit_tests += tests/unit/test_run
unit_tests += tests/unit/test_salvage
unit_tests += tests/unit/test_size
unit_tests += tests/unit/test_snapshot
unit_tests += tests/unit/test_sort
unit_tests += tests/unit/test_soundness
unit_tests += tests/unit/test_source
unit_tests += tests/unit/test_switch
unit_tests += tests/unit/test_table
unit_tests += tests/unit/test_temporary
unit_tests += tests/unit/test_undo
unit_tests += tests/unit/test_undo_between
unit_tests += tests/unit/test_undo_proof
unit_tests += tests/unit/test_undo_view
unit_tests += tests/unit/test_uniform
unit_tests += tests/unit/test_walk
unit_tests += tests/unit/test_watch
unit_tests += tests/unit/test_within

support_sources = \
	tests/support/bits.h \
	tests/support/build_image.c \
	tests/support/build_image.h \
	tests/support/build_place.c \
	tests/support/build_place.h \
	tests/support/crash_states.c \
	tests/support/crash_states.h \
	tests/support/crash_trial.c \
	tests/support/copies.h \
	tests/support/crash_trial.h \
	tests/support/cut_off.c \
	tests/support/cut_off.h \
	tests/support/damaged_cases.c \
	tests/support/damaged_image.c \
	tests/support/damaged_image.h \
	tests/support/edit_case_edits.c \
	tests/support/edit_cases.c \
	tests/support/edit_cases.h \
	tests/support/fault_storage.c \
	tests/support/fault_storage.h \
	tests/support/inspect_check.c \
	tests/support/inspect_image.c \
	tests/support/inspect_image.h \
	tests/support/memory_storage.c \
	tests/support/memory_storage.h \
	tests/support/model.c \
	tests/support/model.h \
	tests/support/model_compare.c \
	tests/support/one_edit.c \
	tests/support/one_edit.h \
	tests/support/qemu_check.c \
	tests/support/qemu_check.h \
	tests/support/random.h \
	tests/support/random_edit.c \
	tests/support/random_edit.h \
	tests/support/random_image.c \
	tests/support/random_image.h \
	tests/support/record_storage.c \
	tests/support/record_storage.h \
	tests/support/strict_reader.c \
	tests/support/strict_reader.h \
	tests/support/strict_references.c \
	tests/support/undone_edit.c \
	tests/support/undone_edit.h

# Scripts: executable files that start with `. "$srcdir/tests/functions.sh"`. Exit status 77:
# skipped.
house_tests =
house_tests += tests/layering
house_tests += tests/circles
house_tests += tests/complete
house_tests += tests/symbols
house_tests += tests/growth
house_tests += tests/man
house_tests += tests/hacking
house_tests += tests/install
house_tests += tests/musl
house_tests += tests/packages
house_tests += tests/packages-rpm

# The Python module, under pytest.
python_tests =
python_tests += tests/python/module

cli_tests =
cli_tests += tests/cli/apply-checkpoints
cli_tests += tests/cli/apply-hostile
cli_tests += tests/cli/apply-refused
cli_tests += tests/cli/bitmap-like-qemu
cli_tests += tests/cli/chain-cut-off
cli_tests += tests/cli/chain-drawing
cli_tests += tests/cli/chain-apart
cli_tests += tests/cli/chain-keep-orphans
cli_tests += tests/cli/chain-libvirt
cli_tests += tests/cli/chain-manual
cli_tests += tests/cli/check-digest-holes
cli_tests += tests/cli/check-exits
cli_tests += tests/cli/check-human
cli_tests += tests/cli/chain-commit
cli_tests += tests/cli/chain-rebase
cli_tests += tests/cli/layer-blamed
cli_tests += tests/cli/chain-repair
cli_tests += tests/cli/check-carve
cli_tests += tests/cli/check-interrupted
cli_tests += tests/cli/check-metadata
cli_tests += tests/cli/colour
cli_tests += tests/cli/compare-manifest
cli_tests += tests/cli/complete-shells
cli_tests += tests/cli/edit-json
cli_tests += tests/cli/edit-plan
cli_tests += tests/cli/edit-quiet
cli_tests += tests/cli/edit-refused
cli_tests += tests/cli/edit-each
cli_tests += tests/cli/edit-several
cli_tests += tests/cli/edit-warns
cli_tests += tests/cli/examples
cli_tests += tests/cli/fleet
cli_tests += tests/cli/graph
cli_tests += tests/cli/help-fits
cli_tests += tests/cli/failures-in-json
cli_tests += tests/cli/info-like-qemu
cli_tests += tests/cli/libvirt-delta
cli_tests += tests/cli/libvirt-files
cli_tests += tests/cli/libvirt-names
cli_tests += tests/cli/list-autoclear-junk
cli_tests += tests/cli/list-backing-chain
cli_tests += tests/cli/list-json
cli_tests += tests/cli/list-rows
cli_tests += tests/cli/list-states
cli_tests += tests/cli/map-forms
cli_tests += tests/cli/map-totals-ranges
cli_tests += tests/cli/map-like-nbdinfo
cli_tests += tests/cli/map-streams
cli_tests += tests/cli/map-untrusted
cli_tests += tests/cli/lock-other-node
cli_tests += tests/cli/match
cli_tests += tests/cli/names-escaped
cli_tests += tests/cli/nothing-syncs
cli_tests += tests/cli/output-fails
cli_tests += tests/cli/progress-line
cli_tests += tests/cli/read-interrupted
cli_tests += tests/cli/recover-carved
cli_tests += tests/cli/recover-l2-twice
cli_tests += tests/cli/recover-limits
cli_tests += tests/cli/recover-report
cli_tests += tests/cli/recover-several
cli_tests += tests/cli/undo-repair
cli_tests += tests/cli/schemas
cli_tests += tests/cli/undo-edits
cli_tests += tests/cli/undo-place
cli_tests += tests/cli/undo-data-file
cli_tests += tests/cli/undo-syncs
cli_tests += tests/cli/repair-choices
cli_tests += tests/cli/repair-several
cli_tests += tests/cli/states-table
cli_tests += tests/cli/tables-fit
cli_tests += tests/cli/usage
cli_tests += tests/cli/words-and-lines

oracle_tests =
oracle_tests += tests/oracle/add-bitmap
oracle_tests += tests/oracle/add-first
oracle_tests += tests/oracle/advice-damages
oracle_tests += tests/oracle/advice-names
oracle_tests += tests/oracle/advice-recipes
oracle_tests += tests/oracle/apply-random
oracle_tests += tests/oracle/backup-restore
oracle_tests += tests/oracle/bitmap-actions
oracle_tests += tests/oracle/bitmap-errors
oracle_tests += tests/oracle/chain-commit
oracle_tests += tests/oracle/chain-commit-interrupted
oracle_tests += tests/oracle/chain-doubts
oracle_tests += tests/oracle/chain-export
oracle_tests += tests/oracle/chain-export-sizes
oracle_tests += tests/oracle/chain-layers
oracle_tests += tests/oracle/chain-prune
oracle_tests += tests/oracle/chain-random
oracle_tests += tests/oracle/chain-rebase
oracle_tests += tests/oracle/chain-repair
oracle_tests += tests/oracle/chain-restored
oracle_tests += tests/oracle/chain-snapshot
oracle_tests += tests/oracle/chain-verify
oracle_tests += tests/oracle/check-json
oracle_tests += tests/oracle/clear-bitmap
oracle_tests += tests/oracle/compare-itself
oracle_tests += tests/oracle/compare-manifest
oracle_tests += tests/oracle/compare-random
oracle_tests += tests/oracle/guest-threads
oracle_tests += tests/oracle/delete-bitmap
oracle_tests += tests/oracle/delete-in-use
oracle_tests += tests/oracle/delete-last
oracle_tests += tests/oracle/disable-bitmap
oracle_tests += tests/oracle/enable-bitmap
oracle_tests += tests/oracle/extension-inserted
oracle_tests += tests/oracle/good-recipes-edited
oracle_tests += tests/oracle/guest-forms
oracle_tests += tests/oracle/guest-random
oracle_tests += tests/oracle/info-json
oracle_tests += tests/oracle/libvirt-backing-file
oracle_tests += tests/oracle/keeps-qemu-out
oracle_tests += tests/oracle/libvirt-check
oracle_tests += tests/oracle/libvirt-daemon
oracle_tests += tests/oracle/libvirt-delete
oracle_tests += tests/oracle/libvirt-real
oracle_tests += tests/oracle/libvirt-symptoms
oracle_tests += tests/oracle/lock-migration
oracle_tests += tests/oracle/lock-qemu
oracle_tests += tests/oracle/map-nbdinfo
oracle_tests += tests/oracle/map-raw
oracle_tests += tests/oracle/merge-bitmaps
oracle_tests += tests/oracle/merge-from-other-image
oracle_tests += tests/oracle/merge-granularities
oracle_tests += tests/oracle/qemu-symptoms
oracle_tests += tests/oracle/random-differential
oracle_tests += tests/oracle/recover-after-kill
oracle_tests += tests/oracle/recover-carved
oracle_tests += tests/oracle/recover-sessions
oracle_tests += tests/oracle/refcount-block-cut
oracle_tests += tests/oracle/rename-bitmap
oracle_tests += tests/oracle/repair-killed-qemu-img
oracle_tests += tests/oracle/verify-digest
oracle_tests += tests/oracle/verify-evidence
oracle_tests += tests/oracle/verify-foreign
oracle_tests += tests/oracle/verify-interrupted
oracle_tests += tests/oracle/verify-plants
oracle_tests += tests/oracle/verify-recover
oracle_tests += tests/oracle/verify-trust

crash_tests =
crash_tests += tests/crash/cut-libvirt
crash_tests += tests/crash/kill-anywhere
crash_tests += tests/crash/kill-overlay
crash_tests += tests/crash/kill-libvirt
crash_tests += tests/crash/kill-saving
crash_tests += tests/crash/kill-commit
crash_tests += tests/crash/kill-together
crash_tests += tests/crash/qemu-img-states

hostile_tests =
hostile_tests += tests/hostile/commands-on-recipes
hostile_tests += tests/hostile/libvirt-xml
hostile_tests += tests/hostile/limits-hold
hostile_tests += tests/hostile/make-image-words
hostile_tests += tests/hostile/random-damages
hostile_tests += tests/hostile/recipes-build
hostile_tests += tests/hostile/repair-recipes
hostile_tests += tests/hostile/verdicts-agree

# Files that the scripts read: what `golden` compares with, recipes.
test_data =
test_data += tests/python/images.py
test_data += tests/support/type_in_shell.py
test_data += tests/python/test_chain.py
test_data += tests/python/test_differ.py
test_data += tests/python/test_edit.py
test_data += tests/python/test_errors.py
test_data += tests/python/test_guest.py
test_data += tests/python/test_lag.py
test_data += tests/python/test_layouts.py
test_data += tests/python/test_read.py
test_data += tests/cli/chain-commit.expected
test_data += tests/cli/chain-rebase.expected
test_data += tests/cli/chain-repair.expected
test_data += tests/cli/apply-refused.expected
test_data += tests/cli/check-human.expected
test_data += tests/cli/edit-plan.expected
test_data += tests/cli/edit-quiet.expected
test_data += tests/cli/edit-refused.expected
test_data += tests/cli/graph.expected
test_data += tests/cli/list-backing-chain.expected
test_data += tests/cli/failures-in-json.expected
test_data += tests/cli/list-json.expected
test_data += tests/cli/list-rows.expected
test_data += tests/cli/list-states.expected
test_data += tests/cli/map-forms.expected
test_data += tests/cli/map-untrusted.expected
test_data += tests/cli/names-escaped.expected
test_data += tests/cli/recover-carved.expected
test_data += tests/cli/recover-report.expected
test_data += tests/cli/recover-several-json.expected
test_data += tests/cli/recover-several.expected
test_data += tests/cli/repair-choices.expected
test_data += tests/cli/repair-several-busy.expected
test_data += tests/cli/repair-several-json.expected
test_data += tests/cli/repair-several.expected
test_data += tests/cli/tables-fit.expected
test_data += tests/cli/usage.expected
test_data += tests/hostile/README
test_data += tests/hostile/commands
test_data += tests/hostile/judge-edit
test_data += tests/hostile/limits
test_data += tests/hostile/make-image-words-bytes.expected
test_data += tests/hostile/make-image-words-messages.expected
test_data += tests/hostile/recipes
test_data += tests/hostile/repair-recipes.expected
test_data += tests/oracle/advice.sh
test_data += tests/oracle/chain.sh
test_data += tests/oracle/disks.sh
test_data += tests/oracle/libvirt.sh
test_data += tests/hostile/transaction.json
test_data += tests/oracle/transactions.awk
test_data += tests/support/cut_files.py
test_data += tests/support/validate_json.py
test_data += tests/oracle/twins.sh

test_data += tests/support/growth_program.c
test_data += tests/support/first_header/qcow2bm.h
test_data += tests/support/first_header/qcow2bm/bitmap.h
test_data += tests/support/first_header/qcow2bm/carve.h
test_data += tests/support/first_header/qcow2bm/chain.h
test_data += tests/support/first_header/qcow2bm/check.h
test_data += tests/support/first_header/qcow2bm/differ.h
test_data += tests/support/first_header/qcow2bm/digest.h
test_data += tests/support/first_header/qcow2bm/edit.h
test_data += tests/support/first_header/qcow2bm/error.h
test_data += tests/support/first_header/qcow2bm/guest.h
test_data += tests/support/first_header/qcow2bm/image.h
test_data += tests/support/first_header/qcow2bm/together.h
test_data += tests/support/first_header/qcow2bm/undo.h
test_data += tests/support/first_header/qcow2bm/verify.h
test_data += tests/support/first_header/qcow2bm/watch.h

script_tests = $(house_tests) $(python_tests) $(cli_tests) $(oracle_tests) $(crash_tests) $(hostile_tests)
TESTS += $(script_tests)
EXTRA_DIST += $(script_tests) $(test_data) tests/functions.sh

AM_DEFAULT_SOURCE_EXT = .c
# A test is linked by the compiler alone: libtool, whose script takes longer than the linker, has nothing
# to do for a program that is never installed.
LINK = $(CC) $(AM_CFLAGS) $(CFLAGS) $(AM_LDFLAGS) $(LDFLAGS) -o $@
support_archive = tests/support/.libs/libsupport.a
q2_archive = libqcow2bm/.libs/libq2.a
$(support_archive): tests/support/libsupport.la ; @:
$(q2_archive): libqcow2bm/libq2.la ; @:

q2_ldadd = $(q2_archive) $(q2_libs)
LDADD = $(support_archive) $(q2_ldadd) $(CMOCKA_LIBS)
test_libraries += tests/support/libsupport.la
tests_support_libsupport_la_LDFLAGS = $(AM_LDFLAGS)
tests_support_libsupport_la_SOURCES = $(support_sources)

# Builds broken images from recipes, for scripts; shares no code with the library.
test_programs += tests/support/make_image
tests_support_make_image_SOURCES = \
	tests/support/image_layout.c \
	tests/support/image_place.c \
	tests/support/make_image.c \
	tests/support/make_image.h
tests_support_make_image_LDADD =

# Ends or interrupts a program at one of its system calls, for scripts.
test_programs += tests/support/kill_at
tests_support_kill_at_LDADD =

# Writes the bytes of a disk to a file, for scripts.
test_programs += tests/support/read_disk
tests_support_read_disk_LDADD = $(q2_ldadd)

# Bitmaps against the truth, for scripts.
test_programs += tests/support/prove_bits

tests_unit_test_carve_SOURCES = tests/unit/test_carve.c \
	tests/unit/carve_world.c tests/unit/carve_world.h
tests_unit_test_others_SOURCES = tests/unit/test_others.c \
	tests/unit/others_world.c tests/unit/others_world.h
tests_unit_test_others_cut_SOURCES = tests/unit/test_others_cut.c \
	tests/unit/others_world.c tests/unit/others_world.h
tests_unit_test_recover_carved_SOURCES = tests/unit/test_recover_carved.c \
	tests/unit/carve_back.c tests/unit/carve_back.h \
	tests/unit/carve_world.c tests/unit/carve_world.h
tests_unit_test_switch_SOURCES = tests/unit/test_switch.c \
	tests/unit/switch_checks.c tests/unit/switch_checks.h
tests_unit_test_file_SOURCES = tests/unit/test_file.c \
	tests/unit/file_fixture.c tests/unit/file_fixture.h
tests_unit_test_file_open_SOURCES = tests/unit/test_file_open.c \
	tests/unit/file_fixture.c tests/unit/file_fixture.h
tests_unit_test_l1_SOURCES = tests/unit/test_l1.c \
	tests/unit/file_fixture.c tests/unit/file_fixture.h
tests_unit_test_readers_SOURCES = tests/unit/test_readers.c \
	tests/unit/file_fixture.c tests/unit/file_fixture.h
tests_unit_test_model_SOURCES = tests/unit/test_model.c \
	tests/unit/model_world.c tests/unit/model_world.h

tests_unit_test_inflate_LDADD = $(LDADD) $(ZLIB_LIBS) $(ZSTD_LIBS)

# Tests of the program's files are built with what those need.
tests_unit_test_decimal_SOURCES = tests/unit/test_decimal.c tools/term/decimal.c
tests_unit_test_decimal_LDADD = $(CMOCKA_LIBS)
tests_unit_test_image_opts_SOURCES = tests/unit/test_image_opts.c \
	tools/term/image_opts.c tools/term/image_opts_known.c tools/term/memory.c
tests_unit_test_image_opts_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
tests_unit_test_image_opts_LDADD = $(CMOCKA_LIBS) $(JANSSON_LIBS)
tests_unit_test_name_SOURCES = tests/unit/test_name.c \
	tools/term/memory.c tools/term/name.c tools/term/utf8.c
tests_unit_test_name_LDADD = $(q2_ldadd) $(CMOCKA_LIBS)
tests_unit_test_size_SOURCES = tests/unit/test_size.c tools/term/size.c
tests_unit_test_size_LDADD = $(CMOCKA_LIBS)

if HAVE_CMOCKA
test_programs += $(unit_tests)
TESTS += $(unit_tests)
endif

EXTRA_PROGRAMS += $(test_programs)
EXTRA_LTLIBRARIES += $(test_libraries)
CLEANFILES += $(test_programs)
clean-local:
	-$(LIBTOOL) $(AM_LIBTOOLFLAGS) --mode=clean rm -f $(test_libraries)
test-programs: all $(test_programs) $(test_libraries)
.PHONY: test-programs

# What scripts call.
$(addsuffix .log,$(script_tests)): tests/support/make_image tests/support/kill_at \
	tests/support/prove_bits
$(addsuffix .log,$(oracle_tests)): tests/support/read_disk
$(addsuffix .log,$(crash_tests)): tests/crash/judge_calls $(preload_record)
$(addsuffix .log,$(hostile_tests)): tests/hostile/verdicts tests/hostile/limits_run \
	tests/hostile/random_damages

# A test that hangs is a failed test, and the others run on.
LOG_COMPILER = timeout -k 10 900 ./run
AM_COLOR_TESTS = no

# What of the library all tests reach, in a tree that is configured with --enable-coverage; a
# test that fails shows in the output, but what it reached counts.
EXTRA_DIST += tests/coverage
coverage: all
	$(MAKE) -k check || :
	FAULT_ALL=1 ./run tests/fault/commands || :
	./run tests/coverage $(COVERAGE_FLAGS)
.PHONY: coverage

include tests/fuzz/local.mk
include tests/crash/local.mk
include tests/fault/local.mk
include tests/hostile/local.mk
include tests/property/local.mk

# Every state, every call: what `make check` tries a part of, with the tables.
EXTRA_DIST += tests/crash/every-state
check-schemas: all
	QCOW2BM_SCHEMAS_ALL=1 ./run tests/cli/schemas
.PHONY: check-schemas

check-crash: all
	$(MAKE) test-programs
	./run tests/crash/every-state
	./run tests/crash/test_faults
	QCOW2BM_CRASH_ALL=1 ./run tests/crash/kill-anywhere || test $$? -eq 77
	QCOW2BM_CRASH_ALL=1 ./run tests/crash/kill-saving || test $$? -eq 77
	QCOW2BM_CRASH_ALL=1 ./run tests/crash/kill-commit || test $$? -eq 77
	QCOW2BM_CRASH_ALL=1 ./run tests/crash/kill-overlay || test $$? -eq 77
	QCOW2BM_CRASH_ALL=1 ./run tests/crash/kill-together || test $$? -eq 77
	QCOW2BM_CRASH_ALL=1 ./run tests/crash/qemu-img-states || test $$? -eq 77

.PHONY: check-crash

# What make dist makes, without and with a blank in its path.
EXTRA_DIST += tests/release
check-release: all
	MAKE='$(MAKE)' ./run tests/release
.PHONY: check-release

# Packages, built and installed; as root, for the overlay that they are installed in.
EXTRA_DIST += tests/packages-installed tests/packages-bare tests/packages-rpm-built
check-packages: all
	MAKE='$(MAKE)' ./run tests/packages-installed || test $$? -eq 77
	./run tests/packages-bare || test $$? -eq 77
	MAKE='$(MAKE)' ./run tests/packages-rpm-built || test $$? -eq 77
.PHONY: check-packages

# What is measured, into EVIDENCE: a part of it, or with EVIDENCE_FULL=1 all.
EXTRA_DIST += tests/evidence tests/sizes
evidence: all
	$(MAKE) test-programs
	./run tests/evidence
.PHONY: evidence
