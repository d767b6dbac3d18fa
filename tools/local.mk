# SPDX-License-Identifier: LGPL-2.1-or-later
# The program. It sees the library through qcow2bm.h only. cmd/ has one file per command, libvirt/ what
# libvirt keeps of checkpoints, qmp/ what QMP does to bitmaps, report/ what people and scripts read,
# term/ the command line and the terminal.

tools_sources = \
	tools/cmd/add.c \
	tools/cmd/apply.c \
	tools/cmd/bitmap.c \
	tools/cmd/by_name.c \
	tools/cmd/by_name.h \
	tools/cmd/chain.c \
	tools/cmd/chain.h \
	tools/cmd/chain_commit.c \
	tools/cmd/chain_rebase.c \
	tools/cmd/copying.c \
	tools/cmd/copying.h \
	tools/cmd/cut_off.c \
	tools/cmd/cut_off.h \
	tools/cmd/chain_delete.c \
	tools/cmd/chain_export.c \
	tools/cmd/chain_finish.c \
	tools/cmd/chain_finish.h \
	tools/cmd/chain_keep.c \
	tools/cmd/chain_prune.c \
	tools/cmd/chain_rename.c \
	tools/cmd/chain_repair.c \
	tools/cmd/chain_reset.c \
	tools/cmd/chain_resume.c \
	tools/cmd/chain_restored.c \
	tools/cmd/chain_show.c \
	tools/cmd/chain_since.c \
	tools/cmd/chain_snapshot.c \
	tools/cmd/chain_verify.c \
	tools/cmd/check.c \
	tools/cmd/clear.c \
	tools/cmd/compare.c \
	tools/cmd/compare_side.c \
	tools/cmd/compare_side.h \
	tools/cmd/complete.c \
	tools/cmd/complete.h \
	tools/cmd/delete.c \
	tools/cmd/digest.c \
	tools/cmd/disks.c \
	tools/cmd/disks.h \
	tools/cmd/enable.c \
	tools/cmd/finish.c \
	tools/cmd/finish.h \
	tools/cmd/info.c \
	tools/cmd/layers.c \
	tools/cmd/layers.h \
	tools/cmd/libvirt.c \
	tools/cmd/libvirt.h \
	tools/cmd/libvirt_adopt.c \
	tools/cmd/libvirt_changes.c \
	tools/cmd/libvirt_changes.h \
	tools/cmd/libvirt_check.c \
	tools/cmd/libvirt_delete.c \
	tools/cmd/libvirt_open.c \
	tools/cmd/libvirt_open.h \
	tools/cmd/libvirt_repair.c \
	tools/cmd/libvirt_verdict.c \
	tools/cmd/list.c \
	tools/cmd/map.c \
	tools/cmd/map_disk.c \
	tools/cmd/map_disk.h \
	tools/cmd/merge.c \
	tools/cmd/name_list.c \
	tools/cmd/name_list.h \
	tools/cmd/old.c \
	tools/cmd/old.h \
	tools/cmd/qemu_img.c \
	tools/cmd/qemu_img.h \
	tools/cmd/recover.c \
	tools/cmd/recover_compared.c \
	tools/cmd/recover_compared.h \
	tools/cmd/recover_carved.c \
	tools/cmd/recover_carved.h \
	tools/cmd/recover_told.c \
	tools/cmd/recover_told.h \
	tools/cmd/rename.c \
	tools/cmd/repair.c \
	tools/cmd/repair_drops.c \
	tools/cmd/repair_drops.h \
	tools/cmd/repair_mended.c \
	tools/cmd/repair_mended.h \
	tools/cmd/resume.c \
	tools/cmd/resume.h \
	tools/cmd/saving.c \
	tools/cmd/saving.h \
	tools/cmd/session.c \
	tools/cmd/session.h \
	tools/cmd/settle.c \
	tools/cmd/settle.h \
	tools/cmd/several.c \
	tools/cmd/several.h \
	tools/cmd/together.c \
	tools/cmd/together.h \
	tools/cmd/undo.c \
	tools/libvirt/bitmap.c \
	tools/libvirt/checkpoint.c \
	tools/libvirt/checkpoint.h \
	tools/libvirt/daemon.c \
	tools/libvirt/daemon.h \
	tools/libvirt/domain.c \
	tools/libvirt/domain.h \
	tools/libvirt/file.c \
	tools/libvirt/file.h \
	tools/libvirt/flaws.c \
	tools/libvirt/flaws.h \
	tools/libvirt/flaws_disks.c \
	tools/libvirt/flaws_files.c \
	tools/libvirt/folder.c \
	tools/libvirt/folder.h \
	tools/libvirt/libxml.c \
	tools/libvirt/libxml.h \
	tools/libvirt/redefine.c \
	tools/libvirt/redefine.h \
	tools/libvirt/relations.c \
	tools/libvirt/schema.c \
	tools/libvirt/schema.h \
	tools/libvirt/world.h \
	tools/libvirt/xml.c \
	tools/libvirt/xml.h \
	tools/cmd/verify.c \
	tools/main.c \
	tools/qmp/action.c \
	tools/qmp/action.h \
	tools/qmp/fault.c \
	tools/qmp/fault.h \
	tools/qmp/member.c \
	tools/qmp/member.h \
	tools/qmp/script.c \
	tools/qmp/script.h \
	tools/qmp/stage.c \
	tools/qmp/stage.h \
	tools/qmp/verb.c \
	tools/qmp/verb.h \
	tools/report/advice.c \
	tools/report/advice.h \
	tools/report/advice_names.c \
	tools/report/advice_repair.c \
	tools/report/advice_steps.c \
	tools/report/chain.c \
	tools/report/chain.h \
	tools/report/chain_human.c \
	tools/report/chain_json.c \
	tools/report/changes.c \
	tools/report/changes.h \
	tools/report/check.h \
	tools/report/check_human.c \
	tools/report/check_json.c \
	tools/report/columns.c \
	tools/report/columns.h \
	tools/report/digest.c \
	tools/report/digest.h \
	tools/report/drawing.c \
	tools/report/drawing.h \
	tools/report/extents.c \
	tools/report/extents.h \
	tools/report/graph.c \
	tools/report/graph.h \
	tools/report/image_list.c \
	tools/report/image_list.h \
	tools/report/info.h \
	tools/report/info_human.c \
	tools/report/info_json.c \
	tools/report/info_layer.c \
	tools/report/info_layer.h \
	tools/report/inventory.c \
	tools/report/inventory.h \
	tools/report/json.c \
	tools/report/json.h \
	tools/report/libvirt.h \
	tools/report/libvirt_human.c \
	tools/report/libvirt_json.c \
	tools/report/manifest.c \
	tools/report/manifest.h \
	tools/report/matrix.c \
	tools/report/matrix.h \
	tools/report/matrix_print.c \
	tools/report/old_bitmaps.c \
	tools/report/old_bitmaps.h \
	tools/report/promise.c \
	tools/report/promise.h \
	tools/report/proof.c \
	tools/report/proof.h \
	tools/report/proof_words.c \
	tools/report/selection.c \
	tools/report/selection.h \
	tools/report/sketch.c \
	tools/report/sketch.h \
	tools/report/state.c \
	tools/report/state.h \
	tools/report/summary.c \
	tools/report/summary.h \
	tools/report/verify.c \
	tools/report/verify.h \
	tools/report/verify_cure.c \
	tools/term/choice.c \
	tools/term/choice.h \
	tools/term/colour.c \
	tools/term/colour.h \
	tools/term/command.h \
	tools/term/decimal.c \
	tools/term/decimal.h \
	tools/term/exit.c \
	tools/term/fold.c \
	tools/term/fold.h \
	tools/term/glyph.c \
	tools/term/glyph.h \
	tools/term/help.c \
	tools/term/help.h \
	tools/term/image.c \
	tools/term/image.h \
	tools/term/image_names.c \
	tools/term/image_names.h \
	tools/term/image_opts.c \
	tools/term/image_opts.h \
	tools/term/image_opts_known.c \
	tools/term/image_opts_known.h \
	tools/term/input.c \
	tools/term/input.h \
	tools/term/match.c \
	tools/term/match.h \
	tools/term/memory.c \
	tools/term/memory.h \
	tools/term/message.c \
	tools/term/message.h \
	tools/term/missing.c \
	tools/term/missing.h \
	tools/term/name.c \
	tools/term/name.h \
	tools/term/nearest.c \
	tools/term/nearest.h \
	tools/term/operand.c \
	tools/term/operand.h \
	tools/term/options.c \
	tools/term/options.h \
	tools/term/output.c \
	tools/term/output.h \
	tools/term/progress.c \
	tools/term/progress.h \
	tools/term/signals.c \
	tools/term/signals.h \
	tools/term/size.c \
	tools/term/size.h \
	tools/term/stream.c \
	tools/term/stream.h \
	tools/term/sum.c \
	tools/term/sum.h \
	tools/term/table.c \
	tools/term/table.h \
	tools/term/text.c \
	tools/term/text.h \
	tools/term/utf8.c \
	tools/term/utf8.h \
	tools/term/watch.c \
	tools/term/watch.h \
	tools/term/word.c \
	tools/term/word.h

bin_PROGRAMS += qcow2bm
qcow2bm_SOURCES = $(tools_sources)
qcow2bm_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS) $(NETTLE_CFLAGS) $(LIBXML_CFLAGS)
qcow2bm_CPPFLAGS = $(AM_CPPFLAGS) -DLIBXML_SONAME='"$(LIBXML_SONAME)"'
qcow2bm_LDADD = libqcow2bm/libqcow2bm.la $(JANSSON_LIBS) $(NETTLE_LIBS) $(DL_LIBS)
dist_man_MANS += tools/qcow2bm.1

# A page for each command, made of its --help, where the program can be run.
command_pages = \
	tools/man/qcow2bm-add.1 \
	tools/man/qcow2bm-apply.1 \
	tools/man/qcow2bm-bitmap.1 \
	tools/man/qcow2bm-chain.1 \
	tools/man/qcow2bm-chain-commit.1 \
	tools/man/qcow2bm-chain-convert.1 \
	tools/man/qcow2bm-chain-delete.1 \
	tools/man/qcow2bm-chain-export.1 \
	tools/man/qcow2bm-chain-keep.1 \
	tools/man/qcow2bm-chain-prune.1 \
	tools/man/qcow2bm-chain-rebase.1 \
	tools/man/qcow2bm-chain-rename.1 \
	tools/man/qcow2bm-chain-repair.1 \
	tools/man/qcow2bm-chain-reset.1 \
	tools/man/qcow2bm-chain-restored.1 \
	tools/man/qcow2bm-chain-resume.1 \
	tools/man/qcow2bm-chain-show.1 \
	tools/man/qcow2bm-chain-since.1 \
	tools/man/qcow2bm-chain-snapshot.1 \
	tools/man/qcow2bm-chain-verify.1 \
	tools/man/qcow2bm-check.1 \
	tools/man/qcow2bm-clear.1 \
	tools/man/qcow2bm-compare.1 \
	tools/man/qcow2bm-delete.1 \
	tools/man/qcow2bm-digest.1 \
	tools/man/qcow2bm-disable.1 \
	tools/man/qcow2bm-enable.1 \
	tools/man/qcow2bm-info.1 \
	tools/man/qcow2bm-libvirt.1 \
	tools/man/qcow2bm-libvirt-adopt.1 \
	tools/man/qcow2bm-libvirt-check.1 \
	tools/man/qcow2bm-libvirt-delete.1 \
	tools/man/qcow2bm-libvirt-repair.1 \
	tools/man/qcow2bm-libvirt-verdict.1 \
	tools/man/qcow2bm-list.1 \
	tools/man/qcow2bm-map.1 \
	tools/man/qcow2bm-merge.1 \
	tools/man/qcow2bm-recover.1 \
	tools/man/qcow2bm-rename.1 \
	tools/man/qcow2bm-repair.1 \
	tools/man/qcow2bm-undo.1 \
	tools/man/qcow2bm-verify.1
EXTRA_DIST += tools/page.awk
CLEANFILES += $(command_pages) tools/man/stamp
tools/man/stamp: qcow2bm$(EXEEXT) tools/page.awk tools/local.mk
	$(AM_V_GEN)$(MKDIR_P) tools/man && for page in $(command_pages); do \
		name=$${page##*/}; name=$${name%.1}; also=qcow2bm; \
		set -- $$(echo "$${name#*-}" | sed 's/^\(chain\|libvirt\)-/\1 /'); \
		test $$# = 1 || also=qcow2bm,qcow2bm-$$1; \
		./qcow2bm$(EXEEXT) "$$@" --help >$@.help && \
		$(AWK) -v name="$$name" -v version=$(PACKAGE_VERSION) -v also="$$also" \
			-f "$(srcdir)/tools/page.awk" $@.help >$$page.new && \
		mv $$page.new $$page || exit 1; \
	done && rm -f $@.help && touch $@
$(command_pages): tools/man/stamp
if RUNS_HERE
man_MANS += $(command_pages)
endif

# Footers of installed pages have the version and the day of the release.
install-data-hook:
	day=$$(date -u -d "@$(source_date)" +%Y-%m-%d) && for page in $(dist_man_MANS) $(man_MANS); do \
		page=$${page##*/}; file="$(DESTDIR)$(mandir)/man$${page##*.}/$$page"; \
		sed "s/^\(\.TH [^ ]* [13]\) \"\" \"qcow2bm[^\"]*\"/\1 \"$$day\" \"qcow2bm $(PACKAGE_VERSION)\"/" \
			"$$file" >"$$file.new" && $(INSTALL_DATA) "$$file.new" "$$file" && rm "$$file.new" || exit 1; \
	done

# Scripts to start from; tests/cli runs them.
examplesdir = $(docdir)/examples
dist_examples_DATA = \
	tools/examples/backup.sh \
	tools/examples/fleet.py \
	tools/examples/fleet.sh

# bash-completion looks for COMMAND.bash, too.
dist_bashcompletion_DATA += tools/qcow2bm.bash

# What scripts may rely on in the JSON of each command.
schemadir = $(pkgdatadir)/schema
dist_schema_DATA = \
	tools/schema/apply.json \
	tools/schema/chain-resume.json \
	tools/schema/chain-show.json \
	tools/schema/chain-verify.json \
	tools/schema/check.json \
	tools/schema/compare.json \
	tools/schema/digest.json \
	tools/schema/edit.json \
	tools/schema/info.json \
	tools/schema/libvirt-adopt.json \
	tools/schema/libvirt-check.json \
	tools/schema/libvirt-verdict.json \
	tools/schema/list.json \
	tools/schema/map.json \
	tools/schema/undo.json \
	tools/schema/verify.json
fishcompletiondir = $(datadir)/fish/vendor_completions.d
dist_fishcompletion_DATA = tools/qcow2bm.fish

# zsh wants the name _qcow2bm, which no file of a tree that others read should have.
EXTRA_DIST += tools/qcow2bm.zsh
zshcompletiondir = $(datadir)/zsh/site-functions
install-data-local:
	$(MKDIR_P) "$(DESTDIR)$(zshcompletiondir)"
	$(INSTALL_DATA) "$(srcdir)/tools/qcow2bm.zsh" "$(DESTDIR)$(zshcompletiondir)/_qcow2bm"
uninstall-local:
	rm -f "$(DESTDIR)$(zshcompletiondir)/_qcow2bm"
