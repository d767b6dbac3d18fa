# SPDX-License-Identifier: LGPL-2.1-or-later
"""Edits are committed at the end of their block, all or nothing."""

import hashlib

import pytest

import qcow2bm
from images import copied, made
from qcow2bm import ChangeKind, Condition, Guarantee, Recovery, State


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def names(image):
    return sorted(bitmap.name for bitmap in image.bitmaps)


def test_everything_that_can_be_staged(tmp_path):
    path = copied(tmp_path, "enabled.qcow2")
    with qcow2bm.Image(path, write=True) as image:
        union = image.bitmap("chk-2026-11-01").measure().dirty_bytes
        with image.edit() as edit:
            edit.add("week", granularity=65536, recording=False)
            edit.merge("week", "chk-2026-11-01", "chk-2026-11-08")
            edit.delete("chk-2026-11-22")
            edit.rename("full-2026-10-25", "full")
            edit.enable("full")
            edit.disable("chk-2026-11-08")
            edit.clear("chk-2026-11-15")
            plan = edit.plan()
            kinds = {(c.kind, c.old_name, c.new_name) for c in plan.changes}
            assert (ChangeKind.DELETE, "chk-2026-11-22", None) in kinds
            assert (ChangeKind.UPDATE, "full-2026-10-25", "full") in kinds
            assert len(kinds) == 5 and plan.read_bytes > 0
            dirty = {c.new_name: edit.dirty_bytes(i) for i, c in enumerate(plan.changes)}
            assert dirty["week"] == union and dirty["chk-2026-11-15"] == 0 == dirty[None]
            old = {c.old_name: c.old_idx for c in plan.changes}
            assert old[None] is None and image.bitmaps[old["full-2026-10-25"]].name in old
        assert edit.result.switched and edit.result.leaked_clusters == 0
        assert names(image) == ["chk-2026-11-01", "chk-2026-11-08", "chk-2026-11-15", "full", "week"]
        assert image.bitmap("week").measure().dirty_bytes == union
        assert image.bitmap("full").recording and not image.bitmap("chk-2026-11-08").recording
        assert image.bitmap("chk-2026-11-15").dirty_bytes() == 0
        assert image.check().is_clean


def test_an_exception_leaves_the_image_as_it_was(tmp_path):
    path = copied(tmp_path, "enabled.qcow2")
    before = digest(path)
    with qcow2bm.Image(path, write=True) as image:
        with pytest.raises(qcow2bm.NotFound):
            with image.edit() as edit:
                edit.delete("chk-2026-11-22")
                edit.delete("nobody")
        with pytest.raises(KeyError):
            with image.edit() as edit:
                edit.delete("chk-2026-11-22")
                raise KeyError
        with image.edit() as edit:
            edit.delete("chk-2026-11-22")
            edit.discard()
        assert len(image.bitmaps) == 5
    assert digest(path) == before


def test_phases(tmp_path):
    path = copied(tmp_path, "enabled.qcow2")
    with qcow2bm.Image(path, write=True) as image:
        with image.edit() as edit:
            edit.delete("chk-2026-11-22")
            edit.prepare()
            edit.roll_back()
            edit.discard()
        assert "chk-2026-11-22" in names(image)
        with image.edit() as edit:
            edit.delete("chk-2026-11-22")
            edit.prepare()
            edit.switch()
            assert edit.finish().switched
        assert "chk-2026-11-22" not in names(image)


def test_merge_from_another_image(tmp_path):
    base, top = copied(tmp_path, "chain-base.qcow2"), copied(tmp_path, "chain-top.qcow2")
    copied(tmp_path, "chain-mid.qcow2")
    with qcow2bm.Image(base) as source, qcow2bm.Image(top, write=True) as image:
        with image.edit() as edit:
            edit.add("copy")
            edit.merge("copy", "chk-2026-11-01", image=source)
        wanted = source.bitmap("chk-2026-11-01").dirty_bytes()
        assert image.bitmap("copy").dirty_bytes() == wanted > 0


def test_merge_of_what_is_staged_elsewhere(tmp_path):
    paths = [made(tmp_path, name, "empty 64M", "bitmap a table=data") for name in ("one", "two")]
    with qcow2bm.Image(paths[0], write=True) as one, qcow2bm.Image(paths[1], write=True) as two:
        with one.edit() as source, two.edit() as edit:
            source.rename("a", "b")
            edit.add("c")
            edit.merge_staged("c", source, "b")
            qcow2bm.commit_together([source, edit])
        assert two.bitmap("c").dirty_bytes() == one.bitmap("b").dirty_bytes() > 0


def test_recover_says_what_it_promises(tmp_path):
    path = copied(tmp_path, "in-use.qcow2")
    with qcow2bm.Image(path, write=True) as image:
        bitmap = image.bitmap("chk-2026-11-01")
        assert bitmap.state is State.IN_USE_STALE and not bitmap.is_sound
        with image.edit() as edit:
            promise = edit.recover(bitmap.name)
            assert promise.method is Recovery.FULL and promise.guarantee is Guarantee.SUPERSET
            with pytest.raises(qcow2bm.InUse):
                edit.recover(image.bitmaps[1].name, Recovery.STORED, assume=[Condition.NOT_RESIZED])
        assert image.bitmap("chk-2026-11-01").dirty_bytes() == image.info.virtual_bytes


def test_repair(tmp_path):
    path = made(tmp_path, "bad.qcow2", "empty 64M", "bitmap whole", "bitmap torn",
                "set entry[1].table_offset be64 0x7000000")
    with qcow2bm.Image(path, write=True, damaged=True) as image:
        report = image.check()
        assert not report.is_clean
        with image.edit() as edit:
            edit.repair(report)
    with qcow2bm.Image(path) as image:
        assert names(image) == ["whole"] and image.check().totals.errors == 0


def test_carved_comes_back(tmp_path):
    path = copied(tmp_path, "enabled.qcow2")
    with qcow2bm.Image(path, write=True) as image:
        dirty = image.bitmap("chk-2026-11-08").dirty_bytes()
        with image.edit() as edit:
            edit.delete("chk-2026-11-08")
            edit.commit(discard=False)
        report = image.check()
        found = [
            carved for carved in image.carve(report)
            if carved.name == "chk-2026-11-08" and carved.state is qcow2bm.CarvedState.INTACT
        ]
        with image.edit() as edit:
            edit.recover_carved(
                report, found[0].directory_offset, found[0].idx, "back", accept_unsafe=True
            )
        assert image.bitmap("back").dirty_bytes() == dirty


def test_undo_puts_the_bits_back(tmp_path):
    path = copied(tmp_path, "enabled.qcow2")
    before = digest(path)
    with qcow2bm.Image(path, write=True) as image:
        image.begin_undo(tmp_path / "undo")
        with image.edit() as edit:
            edit.clear("chk-2026-11-08")
        image.end_undo()
    assert digest(path) != before
    assert not qcow2bm.undo(path, tmp_path / "undo", dry_run=True, in_use=True).nothing
    assert digest(path) != before
    result = qcow2bm.undo(path, tmp_path / "undo", in_use=True)
    assert result.restored_bytes > 0 and result.marked_bitmaps == 5
    with qcow2bm.Image(path) as image:
        assert image.bitmap("chk-2026-11-08").dirty_bytes() > 0
        assert image.bitmap("chk-2026-11-08").info.in_use


def test_together_all_or_none(tmp_path):
    first, second = copied(tmp_path, "enabled.qcow2"), copied(tmp_path, "cluster-512.qcow2")
    with qcow2bm.Image(first, write=True) as one, qcow2bm.Image(second, write=True) as two:
        with one.edit() as edit, two.edit() as other:
            edit.delete("chk-2026-11-22")
            other.delete(two.bitmaps[0].name)
            counts = len(one.bitmaps), len(two.bitmaps)
            qcow2bm.check_together(first)
            with pytest.raises(qcow2bm.Error):
                qcow2bm.commit_together([edit, other], note=257 * b"n")
            results = qcow2bm.commit_together([edit, other], note=256 * b"n")
            assert [result.switched for result in results] == [True, True]
        assert (len(one.bitmaps), len(two.bitmaps)) == (counts[0] - 1, counts[1] - 1)
        (tmp_path / ".enabled.qcow2.qcow2bm-intent").write_bytes(b"")
        with pytest.raises(qcow2bm.Error):
            qcow2bm.check_together(first)
    assert qcow2bm.look_together(second) is None
    left = qcow2bm.look_together(first)
    assert left == qcow2bm.CutOff(str(tmp_path / ".enabled.qcow2.qcow2bm-intent"), (), False, b"")
    with pytest.raises(qcow2bm.Error):
        qcow2bm.resume_together(tmp_path / "none")
    result = qcow2bm.resume_together(tmp_path / ".enabled.qcow2.qcow2bm-intent", own=True)
    assert result.outcome is qcow2bm.ResumeOutcome.NOT_BEGUN and result.images == ()
