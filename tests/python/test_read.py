# SPDX-License-Identifier: LGPL-2.1-or-later
"""Reading tells what the program tells."""

import json
import os
import subprocess

import pytest

import qcow2bm
from images import UNPACKED, made, program


def test_list_is_the_programs():
    told = json.loads(program("list", "--output=json", UNPACKED / "mixed.qcow2"))
    with qcow2bm.Image(UNPACKED / "mixed.qcow2") as image:
        assert image.info.virtual_bytes == told["images"][0]["virtual-size"]
        assert image.info.cluster_bytes == told["images"][0]["cluster-size"]
        bitmaps = [bitmap.judge() for bitmap in image.bitmaps]
        for bitmap, wanted in zip(bitmaps, told["images"][0]["bitmaps"]):
            assert bitmap.name == wanted["name"]
            assert bitmap.granularity == wanted["granularity"]
            assert bitmap.state.word == wanted["state"]
            measure = bitmap.measure()
            assert measure.dirty_bytes == wanted["dirty-bytes"]
            assert measure.stored_bytes == wanted["stored-bytes"]
            assert bitmap.is_sound == (wanted["state"] in ("valid", "disabled"))
        assert len(bitmaps) == len(told["images"][0]["bitmaps"]) > 3


def test_extents_are_the_programs_over_many_pages(monkeypatch):
    monkeypatch.setattr(qcow2bm.image, "_PAGE", 3)
    told = json.loads(program("map", "--output=json", UNPACKED / "enabled.qcow2", "chk-2026-11-08"))
    with qcow2bm.Image(UNPACKED / "enabled.qcow2") as image:
        bitmap = image.bitmap("chk-2026-11-08")
        extents = list(bitmap.extents())
        assert [(e.start, e.length, int(e.dirty)) for e in extents] == [
            (e["offset"], e["length"], e["type"]) for e in told
        ]
        assert len(extents) > 6
        dirty = sum(extent.length for extent in extents if extent.dirty)
        assert bitmap.dirty_bytes() == dirty == bitmap.measure().dirty_bytes
        half = image.info.virtual_bytes // 2
        assert bitmap.dirty_bytes(0, half) + bitmap.dirty_bytes(half) == dirty
        sketch = bitmap.sketch(7)
        disk = image.info.virtual_bytes
        assert sketch == tuple(
            bitmap.dirty_bytes(disk * i // 7, disk * (i + 1) // 7 - disk * i // 7) for i in range(7)
        )
        assert sum(sketch) == dirty and min(sketch) < max(sketch)
        with pytest.raises(qcow2bm.Invalid):
            bitmap.sketch(0)
        middle = list(bitmap.extents(half, 4096))
        assert [(e.start, e.length) for e in middle] == [(half, 4096)]


def test_snapshots_and_default_granularity():
    with qcow2bm.Image(UNPACKED / "snapshots.qcow2") as image:
        told = json.loads(program("info", "--output=json", UNPACKED / "snapshots.qcow2"))
        assert [s.name for s in image.snapshots] == [s["name"] for s in told["snapshots"]]
        assert image.default_granularity == 4096
        assert image.info.encryption is qcow2bm.Encryption.NONE


def test_names_are_bytes(tmp_path):
    path = made(tmp_path, "odd.qcow2", "empty 64M", r"bitmap a\xffb flags=0", r"bitmap \xc3\xa4")
    with qcow2bm.Image(path, write=True) as image:
        assert [bitmap.name for bitmap in image.bitmaps] == ["a\udcffb", "ä"]
        assert image.bitmap(b"a\xffb").recording is False
        with image.edit() as edit:
            edit.rename("a\udcffb", "plain")
        assert sorted(bitmap.name for bitmap in image.bitmaps) == ["plain", "ä"]


def test_check_tells_problems_and_totals():
    recipe = os.path.join(os.environ["srcdir"], "tests/hostile/recipes/bad-count-zero.recipe")
    with open(recipe, encoding="utf-8") as lines:
        path = made(UNPACKED, "bad.qcow2", *lines.read().splitlines())
    with pytest.raises(qcow2bm.DamagedImage):
        qcow2bm.Image(path)
    with qcow2bm.Image(path, damaged=True) as image:
        report = image.check()
        assert not report.is_clean and report.totals.walked
        assert report.totals.errors == len(
            [p for p in report.problems if p.severity is qcow2bm.Severity.ERROR]
        ) > 0
        told = json.loads(
            program_with_problems("check", "--output=json", path)
        )["images"][0]["problems"]
        assert [p.code for p in report.problems] == [p["code"] for p in told]
        assert report.problems[0].severity.word == told[0]["severity"]
    with qcow2bm.Image(UNPACKED / "empty.qcow2") as image:
        assert image.check(quick=True).is_clean
        assert not image.check(quick=True).totals.walked


def program_with_problems(*arguments):
    """check ends with 2 when it finds something."""
    command = [os.environ["QCOW2BM"], *map(str, arguments)]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True).stdout


def test_metadata_in_order():
    pieces = []
    with qcow2bm.Image(UNPACKED / "enabled.qcow2") as image:
        image.metadata(lambda offset, data: pieces.append((offset, len(data), data[:4])))
    assert pieces[0][0] == 0 and pieces[0][2] == b"QFI\xfb"
    assert pieces == sorted(pieces)


def test_a_descriptor_is_the_librarys():
    number = os.open(UNPACKED / "empty.qcow2", os.O_RDONLY)
    with qcow2bm.Image(number) as image:
        assert image.bitmaps == ()
    with pytest.raises(OSError):
        os.fstat(number)
