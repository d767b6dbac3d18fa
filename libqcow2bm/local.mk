# SPDX-License-Identifier: LGPL-2.1-or-later
# The library. libq2.la has everything, private functions too, for the unit tests; the installed
# libqcow2bm.la is made of it and exports what the map says.

q2_headers = \
	libqcow2bm/base/checked.h \
	libqcow2bm/base/endian.h \
	libqcow2bm/base/error.h \
	libqcow2bm/base/sort.h \
	libqcow2bm/base/options.h \
	libqcow2bm/base/watch.h \
	libqcow2bm/storage/file.h \
	libqcow2bm/storage/folder.h \
	libqcow2bm/storage/holder.h \
	libqcow2bm/storage/holes.h \
	libqcow2bm/storage/lock.h \
	libqcow2bm/storage/stamp.h \
	libqcow2bm/storage/storage.h \
	libqcow2bm/format/entry.h \
	libqcow2bm/format/extension.h \
	libqcow2bm/format/header.h \
	libqcow2bm/format/mapping.h \
	libqcow2bm/format/name.h \
	libqcow2bm/format/overlay.h \
	libqcow2bm/format/refcount.h \
	libqcow2bm/format/snapshot.h \
	libqcow2bm/format/table.h \
	libqcow2bm/bits/count.h \
	libqcow2bm/bits/granularity.h \
	libqcow2bm/bits/or.h \
	libqcow2bm/bits/run.h \
	libqcow2bm/bits/target.h \
	libqcow2bm/bits/uniform.h \
	libqcow2bm/bits/entries.h \
	libqcow2bm/undo/journal.h \
	libqcow2bm/undo/notes.h \
	libqcow2bm/undo/kept.h \
	libqcow2bm/undo/old.h \
	libqcow2bm/undo/record.h \
	libqcow2bm/undo/spans.h \
	libqcow2bm/undo/undo.h \
	libqcow2bm/undo/view.h \
	libqcow2bm/undo/write.h \
	libqcow2bm/image/backing.h \
	libqcow2bm/image/directory.h \
	libqcow2bm/image/extensions.h \
	libqcow2bm/image/generation.h \
	libqcow2bm/image/image.h \
	libqcow2bm/image/problem_table.h \
	libqcow2bm/image/salvage.h \
	libqcow2bm/image/snapshots.h \
	libqcow2bm/image/tables.h \
	libqcow2bm/image/unknown.h \
	libqcow2bm/clusters/clusters.h \
	libqcow2bm/clusters/evidence.h \
	libqcow2bm/clusters/faults.h \
	libqcow2bm/clusters/l1.h \
	libqcow2bm/clusters/l2.h \
	libqcow2bm/clusters/refcounts.h \
	libqcow2bm/clusters/refs.h \
	libqcow2bm/clusters/search.h \
	libqcow2bm/clusters/soundness.h \
	libqcow2bm/clusters/structures.h \
	libqcow2bm/guest/batch.h \
	libqcow2bm/guest/codes.h \
	libqcow2bm/guest/compare_manifest.h \
	libqcow2bm/guest/crew.h \
	libqcow2bm/guest/differ.h \
	libqcow2bm/guest/differences.h \
	libqcow2bm/guest/digest.h \
	libqcow2bm/guest/disk.h \
	libqcow2bm/guest/entry.h \
	libqcow2bm/guest/fetch.h \
	libqcow2bm/guest/inflate.h \
	libqcow2bm/guest/layer.h \
	libqcow2bm/guest/hash.h \
	libqcow2bm/guest/manifest.h \
	libqcow2bm/guest/manifest_file.h \
	libqcow2bm/guest/parts.h \
	libqcow2bm/guest/pool.h \
	libqcow2bm/guest/ranges.h \
	libqcow2bm/guest/threads.h \
	libqcow2bm/guest/zeros.h \
	libqcow2bm/source/source.h \
	libqcow2bm/edit/alloc.h \
	libqcow2bm/edit/apart.h \
	libqcow2bm/edit/believed.h \
	libqcow2bm/edit/change_refcounts.h \
	libqcow2bm/edit/commit.h \
	libqcow2bm/edit/content.h \
	libqcow2bm/edit/doubt.h \
	libqcow2bm/edit/edit.h \
	libqcow2bm/edit/intend.h \
	libqcow2bm/edit/intent.h \
	libqcow2bm/edit/intent_file.h \
	libqcow2bm/edit/lasting.h \
	libqcow2bm/edit/resume.h \
	libqcow2bm/edit/together.h \
	libqcow2bm/edit/entry.h \
	libqcow2bm/edit/grow_refcounts.h \
	libqcow2bm/edit/in_place.h \
	libqcow2bm/edit/journal.h \
	libqcow2bm/edit/new_names.h \
	libqcow2bm/edit/others.h \
	libqcow2bm/edit/overlay.h \
	libqcow2bm/edit/plan.h \
	libqcow2bm/edit/states.h \
	libqcow2bm/edit/switch.h \
	libqcow2bm/edit/undo.h \
	libqcow2bm/bitmap/dirty.h \
	libqcow2bm/bitmap/extents.h \
	libqcow2bm/bitmap/promise.h \
	libqcow2bm/bitmap/recover.h \
	libqcow2bm/bitmap/traces.h \
	libqcow2bm/check/bitmaps.h \
	libqcow2bm/check/check.h \
	libqcow2bm/check/drops.h \
	libqcow2bm/check/entries.h \
	libqcow2bm/check/explained.h \
	libqcow2bm/check/findings.h \
	libqcow2bm/check/lost.h \
	libqcow2bm/check/mapping.h \
	libqcow2bm/check/problems.h \
	libqcow2bm/check/refcounts.h \
	libqcow2bm/check/references.h \
	libqcow2bm/check/structures.h \
	libqcow2bm/check/survey.h \
	libqcow2bm/check/tables.h \
	libqcow2bm/check/window.h \
	libqcow2bm/carve/carve.h \
	libqcow2bm/chain/fates.h \
	libqcow2bm/chain/fill.h \
	libqcow2bm/chain/changed.h \
	libqcow2bm/chain/flaws.h \
	libqcow2bm/chain/allocated.h \
	libqcow2bm/chain/doubts.h \
	libqcow2bm/chain/inside.h \
	libqcow2bm/chain/remove.h \
	libqcow2bm/chain/layers.h \
	libqcow2bm/chain/lookup.h \
	libqcow2bm/chain/old.h \
	libqcow2bm/chain/order.h \
	libqcow2bm/chain/proof.h \
	libqcow2bm/chain/stage.h \
	libqcow2bm/chain/union.h

q2_sources = \
	libqcow2bm/base/error.c \
	libqcow2bm/base/sort.c \
	libqcow2bm/base/utf8.c \
	libqcow2bm/base/version.c \
	libqcow2bm/base/names.c \
	libqcow2bm/base/options.c \
	libqcow2bm/base/watch.c \
	libqcow2bm/storage/file.c \
	libqcow2bm/storage/file_open.c \
	libqcow2bm/storage/folder.c \
	libqcow2bm/storage/holder.c \
	libqcow2bm/storage/holes.c \
	libqcow2bm/storage/lock.c \
	libqcow2bm/storage/stamp.c \
	libqcow2bm/storage/storage.c \
	libqcow2bm/format/entry.c \
	libqcow2bm/format/extension.c \
	libqcow2bm/format/header.c \
	libqcow2bm/format/mapping.c \
	libqcow2bm/format/name.c \
	libqcow2bm/format/overlay.c \
	libqcow2bm/format/refcount.c \
	libqcow2bm/format/snapshot.c \
	libqcow2bm/format/table.c \
	libqcow2bm/undo/journal.c \
	libqcow2bm/undo/notes.c \
	libqcow2bm/undo/kept.c \
	libqcow2bm/undo/load.c \
	libqcow2bm/undo/old.c \
	libqcow2bm/undo/position.c \
	libqcow2bm/undo/record.c \
	libqcow2bm/undo/spans.c \
	libqcow2bm/undo/undo.c \
	libqcow2bm/undo/view.c \
	libqcow2bm/undo/write.c \
	libqcow2bm/image/backing.c \
	libqcow2bm/image/describe.c \
	libqcow2bm/image/directory.c \
	libqcow2bm/image/extensions.c \
	libqcow2bm/image/generation.c \
	libqcow2bm/image/open.c \
	libqcow2bm/image/problem_table.c \
	libqcow2bm/image/salvage.c \
	libqcow2bm/image/snapshots.c \
	libqcow2bm/image/tables.c \
	libqcow2bm/image/unknown.c \
	libqcow2bm/clusters/clusters.c \
	libqcow2bm/clusters/evidence.c \
	libqcow2bm/clusters/l1.c \
	libqcow2bm/clusters/l2.c \
	libqcow2bm/clusters/refcounts.c \
	libqcow2bm/clusters/refs.c \
	libqcow2bm/clusters/search.c \
	libqcow2bm/clusters/soundness.c \
	libqcow2bm/clusters/structures.c \
	libqcow2bm/guest/batch.c \
	libqcow2bm/guest/codes.c \
	libqcow2bm/guest/compare.c \
	libqcow2bm/guest/compare_manifest.c \
	libqcow2bm/guest/crew.c \
	libqcow2bm/guest/differ.c \
	libqcow2bm/guest/differences.c \
	libqcow2bm/guest/digest.c \
	libqcow2bm/guest/disk.c \
	libqcow2bm/guest/entry.c \
	libqcow2bm/guest/fetch.c \
	libqcow2bm/guest/holes.c \
	libqcow2bm/guest/inflate.c \
	libqcow2bm/guest/layer.c \
	libqcow2bm/guest/hash.c \
	libqcow2bm/guest/manifest.c \
	libqcow2bm/guest/manifest_file.c \
	libqcow2bm/guest/open.c \
	libqcow2bm/guest/pool.c \
	libqcow2bm/guest/public.c \
	libqcow2bm/guest/ranges.c \
	libqcow2bm/guest/threads.c \
	libqcow2bm/guest/zeros.c \
	libqcow2bm/source/allocated.c \
	libqcow2bm/source/behind.c \
	libqcow2bm/source/bitmap.c \
	libqcow2bm/source/carved.c \
	libqcow2bm/source/coarse.c \
	libqcow2bm/source/convert.c \
	libqcow2bm/source/differs.c \
	libqcow2bm/source/everything.c \
	libqcow2bm/source/source.c \
	libqcow2bm/edit/alloc.c \
	libqcow2bm/edit/apart.c \
	libqcow2bm/edit/believed.c \
	libqcow2bm/edit/carved.c \
	libqcow2bm/edit/change_refcounts.c \
	libqcow2bm/edit/changes.c \
	libqcow2bm/edit/commit.c \
	libqcow2bm/edit/compute.c \
	libqcow2bm/edit/content.c \
	libqcow2bm/edit/count.c \
	libqcow2bm/edit/doubt.c \
	libqcow2bm/edit/edit.c \
	libqcow2bm/edit/entry.c \
	libqcow2bm/edit/estimate.c \
	libqcow2bm/edit/gate.c \
	libqcow2bm/edit/grow_refcounts.c \
	libqcow2bm/edit/in_place.c \
	libqcow2bm/edit/journal.c \
	libqcow2bm/edit/new_state.c \
	libqcow2bm/edit/new_names.c \
	libqcow2bm/edit/others.c \
	libqcow2bm/edit/overlay.c \
	libqcow2bm/edit/phases.c \
	libqcow2bm/edit/intent.c \
	libqcow2bm/edit/intent_file.c \
	libqcow2bm/edit/intend.c \
	libqcow2bm/edit/lasting.c \
	libqcow2bm/edit/resume.c \
	libqcow2bm/edit/resume_proof.c \
	libqcow2bm/edit/together.c \
	libqcow2bm/edit/together_files.c \
	libqcow2bm/edit/plan.c \
	libqcow2bm/edit/prove.c \
	libqcow2bm/edit/release.c \
	libqcow2bm/edit/settle.c \
	libqcow2bm/edit/sources.c \
	libqcow2bm/edit/states.c \
	libqcow2bm/edit/switch.c \
	libqcow2bm/edit/switch_form.c \
	libqcow2bm/edit/undo.c \
	libqcow2bm/edit/undo_room.c \
	libqcow2bm/bitmap/add.c \
	libqcow2bm/bitmap/clear.c \
	libqcow2bm/bitmap/delete.c \
	libqcow2bm/bitmap/dirty.c \
	libqcow2bm/bitmap/enable.c \
	libqcow2bm/bitmap/extents.c \
	libqcow2bm/bitmap/list.c \
	libqcow2bm/bitmap/measure.c \
	libqcow2bm/bitmap/merge.c \
	libqcow2bm/bitmap/parts.c \
	libqcow2bm/bitmap/parts.h \
	libqcow2bm/bitmap/promise.c \
	libqcow2bm/bitmap/recover.c \
	libqcow2bm/bitmap/rename.c \
	libqcow2bm/bitmap/traces.c \
	libqcow2bm/check/bitmaps.c \
	libqcow2bm/check/check.c \
	libqcow2bm/check/drops.c \
	libqcow2bm/check/entries.c \
	libqcow2bm/check/explained.c \
	libqcow2bm/check/findings.c \
	libqcow2bm/check/mapping.c \
	libqcow2bm/check/tables.c \
	libqcow2bm/check/window.c \
	libqcow2bm/check/lost.c \
	libqcow2bm/check/structures.c \
	libqcow2bm/check/survey.c \
	libqcow2bm/check/problems.c \
	libqcow2bm/check/references.c \
	libqcow2bm/check/repair.c \
	libqcow2bm/check/refcounts.c \
	libqcow2bm/carve/carve.c \
	libqcow2bm/carve/metadata.c \
	libqcow2bm/carve/recover_carved.c \
	libqcow2bm/carve/remains.c \
	libqcow2bm/chain/allocated.c \
	libqcow2bm/chain/changed.c \
	libqcow2bm/chain/checkpoints.c \
	libqcow2bm/chain/commit.c \
	libqcow2bm/chain/commit.h \
	libqcow2bm/chain/lifted.c \
	libqcow2bm/chain/lifted.h \
	libqcow2bm/chain/marking.c \
	libqcow2bm/chain/marking.h \
	libqcow2bm/chain/rebase.c \
	libqcow2bm/chain/tally.c \
	libqcow2bm/chain/tally.h \
	libqcow2bm/chain/convert.c \
	libqcow2bm/chain/coverage.c \
	libqcow2bm/chain/compare.c \
	libqcow2bm/chain/differ.c \
	libqcow2bm/chain/digest.c \
	libqcow2bm/chain/disk.c \
	libqcow2bm/chain/doubts.c \
	libqcow2bm/chain/export.c \
	libqcow2bm/chain/fates.c \
	libqcow2bm/chain/fill.c \
	libqcow2bm/chain/flaws.c \
	libqcow2bm/chain/inside.c \
	libqcow2bm/chain/judge.c \
	libqcow2bm/chain/layers.c \
	libqcow2bm/chain/libvirt.c \
	libqcow2bm/chain/lineage.c \
	libqcow2bm/chain/lookup.c \
	libqcow2bm/chain/nesting.c \
	libqcow2bm/chain/old.c \
	libqcow2bm/chain/order.c \
	libqcow2bm/chain/proof.c \
	libqcow2bm/chain/prune.c \
	libqcow2bm/chain/records.c \
	libqcow2bm/chain/recover_compared.c \
	libqcow2bm/chain/remove.c \
	libqcow2bm/chain/rename.c \
	libqcow2bm/chain/repair.c \
	libqcow2bm/chain/reset.c \
	libqcow2bm/chain/restored.c \
	libqcow2bm/chain/scheme.c \
	libqcow2bm/chain/since.c \
	libqcow2bm/chain/snapshot.c \
	libqcow2bm/chain/stage.c \
	libqcow2bm/chain/union.c \
	libqcow2bm/chain/verdict.c \
	libqcow2bm/chain/verify.c

q2_bits_sources = \
	libqcow2bm/bits/count.c \
	libqcow2bm/bits/granularity.c \
	libqcow2bm/bits/or.c \
	libqcow2bm/bits/run.c \
	libqcow2bm/bits/uniform.c \
	libqcow2bm/bits/entries.c

noinst_LTLIBRARIES += libqcow2bm/libq2bits.la libqcow2bm/libq2.la
libqcow2bm_libq2bits_la_SOURCES = $(q2_bits_sources)
libqcow2bm_libq2bits_la_CFLAGS = $(AM_CFLAGS) $(BITS_CFLAGS) $(COVERAGE_CFLAGS)
libqcow2bm_libq2bits_la_LDFLAGS = $(AM_LDFLAGS)
libqcow2bm_libq2_la_LDFLAGS = $(AM_LDFLAGS)
libqcow2bm_libq2_la_SOURCES = $(q2_headers) $(q2_sources)
q2_libs = $(ZLIB_LIBS) $(DEFLATE_LIBS) $(ZSTD_LIBS) $(XXHASH_LIBS) $(NETTLE_LIBS) $(PTHREAD_LIBS)
libqcow2bm_libq2_la_LIBADD = libqcow2bm/libq2bits.la $(q2_libs)

lib_LTLIBRARIES += libqcow2bm/libqcow2bm.la
libqcow2bm_libqcow2bm_la_SOURCES =
libqcow2bm_libqcow2bm_la_LIBADD = libqcow2bm/libq2.la
# current:revision:age. A release that changes code: revision + 1; that adds to qcow2bm.h:
# current + 1, revision 0, age + 1; that changes or removes what is there: current + 1, 0, 0.
libqcow2bm_libqcow2bm_la_LDFLAGS = $(AM_LDFLAGS) -version-info 0:0:0 -no-undefined
if HAVE_VERSION_SCRIPT
libqcow2bm_libqcow2bm_la_LDFLAGS += \
	-Wl,--version-script=$(top_srcdir)/libqcow2bm/libqcow2bm.map
EXTRA_libqcow2bm_libqcow2bm_la_DEPENDENCIES = libqcow2bm/libqcow2bm.map
else
libqcow2bm_libqcow2bm_la_LDFLAGS += -export-symbols-regex '^qcow2bm_'
endif

include_HEADERS += libqcow2bm/qcow2bm.h
section_HEADERS = \
	libqcow2bm/qcow2bm/error.h \
	libqcow2bm/qcow2bm/image.h \
	libqcow2bm/qcow2bm/bitmap.h \
	libqcow2bm/qcow2bm/edit.h \
	libqcow2bm/qcow2bm/together.h \
	libqcow2bm/qcow2bm/check.h \
	libqcow2bm/qcow2bm/undo.h \
	libqcow2bm/qcow2bm/watch.h \
	libqcow2bm/qcow2bm/carve.h \
	libqcow2bm/qcow2bm/chain.h \
	libqcow2bm/qcow2bm/guest.h \
	libqcow2bm/qcow2bm/verify.h \
	libqcow2bm/qcow2bm/differ.h \
	libqcow2bm/qcow2bm/digest.h
sectiondir = $(includedir)/qcow2bm
pkgconfig_DATA += libqcow2bm/libqcow2bm.pc
dist_man_MANS += libqcow2bm/libqcow2bm.3

# A page for each section, from its header.
section_pages = \
	libqcow2bm/qcow2bm_error.3 \
	libqcow2bm/qcow2bm_watch.3 \
	libqcow2bm/qcow2bm_image.3 \
	libqcow2bm/qcow2bm_bitmap.3 \
	libqcow2bm/qcow2bm_edit.3 \
	libqcow2bm/qcow2bm_chain.3 \
	libqcow2bm/qcow2bm_guest.3 \
	libqcow2bm/qcow2bm_verify.3 \
	libqcow2bm/qcow2bm_together.3 \
	libqcow2bm/qcow2bm_check.3 \
	libqcow2bm/qcow2bm_carve.3 \
	libqcow2bm/qcow2bm_undo.3 \
	libqcow2bm/qcow2bm_differ.3 \
	libqcow2bm/qcow2bm_digest.3
dist_man_MANS += $(section_pages)
CLEANFILES += $(section_pages)
EXTRA_DIST += libqcow2bm/man.awk
make_page = $(AM_V_GEN)$(MKDIR_P) libqcow2bm && \
	$(AWK) -v version=$(PACKAGE_VERSION) -f $(srcdir)/libqcow2bm/man.awk
libqcow2bm/qcow2bm_error.3: libqcow2bm/qcow2bm/error.h libqcow2bm/man.awk
	$(make_page) $(srcdir)/libqcow2bm/qcow2bm/error.h >$@.new && mv $@.new $@
libqcow2bm/qcow2bm_watch.3: libqcow2bm/qcow2bm/watch.h libqcow2bm/man.awk
	$(make_page) $(srcdir)/libqcow2bm/qcow2bm/watch.h >$@.new && mv $@.new $@
libqcow2bm/qcow2bm_image.3: libqcow2bm/qcow2bm/image.h libqcow2bm/man.awk
	$(make_page) $(srcdir)/libqcow2bm/qcow2bm/image.h >$@.new && mv $@.new $@
libqcow2bm/qcow2bm_bitmap.3: libqcow2bm/qcow2bm/bitmap.h libqcow2bm/man.awk
	$(make_page) $(srcdir)/libqcow2bm/qcow2bm/bitmap.h >$@.new && mv $@.new $@
libqcow2bm/qcow2bm_edit.3: libqcow2bm/qcow2bm/edit.h libqcow2bm/man.awk
	$(make_page) $(srcdir)/libqcow2bm/qcow2bm/edit.h >$@.new && mv $@.new $@
libqcow2bm/qcow2bm_verify.3: libqcow2bm/qcow2bm/verify.h libqcow2bm/man.awk
	$(make_page) $(srcdir)/libqcow2bm/qcow2bm/verify.h >$@.new && mv $@.new $@
libqcow2bm/qcow2bm_together.3: libqcow2bm/qcow2bm/together.h libqcow2bm/man.awk
	$(make_page) $(srcdir)/libqcow2bm/qcow2bm/together.h >$@.new && mv $@.new $@
libqcow2bm/qcow2bm_guest.3: libqcow2bm/qcow2bm/guest.h libqcow2bm/man.awk
	$(make_page) $(srcdir)/libqcow2bm/qcow2bm/guest.h >$@.new && mv $@.new $@
libqcow2bm/qcow2bm_chain.3: libqcow2bm/qcow2bm/chain.h libqcow2bm/man.awk
	$(make_page) $(srcdir)/libqcow2bm/qcow2bm/chain.h >$@.new && mv $@.new $@
libqcow2bm/qcow2bm_check.3: libqcow2bm/qcow2bm/check.h libqcow2bm/man.awk
	$(make_page) $(srcdir)/libqcow2bm/qcow2bm/check.h >$@.new && mv $@.new $@
libqcow2bm/qcow2bm_carve.3: libqcow2bm/qcow2bm/carve.h libqcow2bm/man.awk
	$(make_page) $(srcdir)/libqcow2bm/qcow2bm/carve.h >$@.new && mv $@.new $@
libqcow2bm/qcow2bm_undo.3: libqcow2bm/qcow2bm/undo.h libqcow2bm/man.awk
	$(make_page) $(srcdir)/libqcow2bm/qcow2bm/undo.h >$@.new && mv $@.new $@
libqcow2bm/qcow2bm_differ.3: libqcow2bm/qcow2bm/differ.h libqcow2bm/man.awk
	$(make_page) $(srcdir)/libqcow2bm/qcow2bm/differ.h >$@.new && mv $@.new $@
libqcow2bm/qcow2bm_digest.3: libqcow2bm/qcow2bm/digest.h libqcow2bm/man.awk
	$(make_page) $(srcdir)/libqcow2bm/qcow2bm/digest.h >$@.new && mv $@.new $@
EXTRA_DIST += libqcow2bm/libqcow2bm.map

# The list of the API that bindings of other languages are made from, of the same headers.
apidir = $(pkgdatadir)
api_DATA = libqcow2bm/qcow2bm-api.json
CLEANFILES += $(api_DATA)
EXTRA_DIST += libqcow2bm/api.awk
libqcow2bm/qcow2bm-api.json: libqcow2bm/api.awk $(section_HEADERS)
	$(AM_V_GEN)$(MKDIR_P) libqcow2bm && $(AWK) -v version=$(PACKAGE_VERSION) \
		-f $(srcdir)/libqcow2bm/api.awk \
		$(addprefix $(srcdir)/,$(section_HEADERS)) >$@.new && mv $@.new $@

include libqcow2bm/python/local.mk
