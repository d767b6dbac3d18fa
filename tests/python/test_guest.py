# SPDX-License-Identifier: LGPL-2.1-or-later
"""The disk as the guest sees it."""

import json
import shutil

import pytest

import qcow2bm
from images import UNPACKED, copied, made, program
from qcow2bm import DiskKind

PART = 65536


@pytest.fixture(name="layers")
def two_layers(tmp_path):
    """A base with two clusters of data, and an overlay with another one."""
    made(tmp_path, "base.qcow2", "empty 64M cluster_bits=16", "guest 0 0x11", "guest 5 0x22")
    return made(
        tmp_path, "top.qcow2", "empty 65M cluster_bits=16 backing=base.qcow2", "guest 5 0x33",
        "bitmap a",
    )


def test_bytes_and_extents(layers):
    with qcow2bm.Chain(layers) as chain, qcow2bm.Disk(chain) as disk:
        assert disk.virtual_bytes == 65 << 20
        assert disk.read(0, 4) == b"\x11" * 4
        assert disk.read(5 * PART - 2, 4) == b"\0\0\x33\x33"
        extents = list(disk.extents())
        assert [e.start for e in extents] == [
            sum(e.length for e in extents[:i]) for i in range(len(extents))
        ]
        assert sum(e.length for e in extents) == disk.virtual_bytes
        data = [e for e in extents if e.kind is DiskKind.DATA]
        assert [(e.start, e.length, e.layer_idx) for e in data] == [(0, PART, 1), (5 * PART, PART, 0)]
        assert all(e.offset is not None for e in data)
        assert all(e.reads_zero and e.offset is None for e in extents if e not in data)
        told = json.loads(program("map", "--backing-chain", "--output=json", layers))
        assert [(e.start, e.length, e.reads_zero) for e in extents] == [
            (e["start"], e["length"], e["zero"]) for e in told
        ]
        assert list(disk.extents(disk.virtual_bytes)) == []
        with pytest.raises(qcow2bm.Invalid):
            disk.read(disk.virtual_bytes, 1)
    with pytest.raises(qcow2bm.Invalid):
        disk.read(0, 1)


def test_the_top_alone(layers):
    with qcow2bm.Chain(layers, top_only=True) as chain:
        with qcow2bm.Disk(chain, finds_holes=True, data_files=False) as disk:
            assert {e.kind for e in disk.extents()} == {DiskKind.BELOW, DiskKind.DATA}
            assert DiskKind.BELOW.word == "below"


def test_snapshots():
    with qcow2bm.Chain(UNPACKED / "snapshots.qcow2") as chain:
        name = chain.layer_image(0).snapshots[0].name
        with qcow2bm.Disk(chain, snapshot=name) as disk:
            assert disk.virtual_bytes == chain.layer_image(0).snapshots[0].disk_bytes
        with pytest.raises(qcow2bm.NotFound):
            qcow2bm.Disk(chain, snapshot="nobody")


def test_compare(layers, tmp_path):
    other = tmp_path / "other.qcow2"
    shutil.copy(layers, other)
    with qcow2bm.Chain(layers) as one, qcow2bm.Chain(other) as two:
        with qcow2bm.Disk(one) as disk, qcow2bm.Disk(two) as copy:
            same = disk.compare(copy, threads=1)
            assert same.first is None and same.differing_bytes == 0 and same.failed_disk is None
            assert same.is_past_end == (False, False)
    with qcow2bm.Chain(layers) as one, qcow2bm.Chain(tmp_path / "base.qcow2") as two:
        with qcow2bm.Disk(one) as disk, qcow2bm.Disk(two) as base:
            told = []
            different = disk.compare(base, told.append)
            assert different.first == 5 * PART and different.differing_bytes == PART
            assert [(e.start, e.length) for e in told if e.dirty] == [(5 * PART, PART)]
            assert disk.compare(base, first=True).first == 5 * PART
            assert disk.compare(base, strict=True).first == 5 * PART

            def refuse(_extent):
                raise KeyError("enough")

            with pytest.raises(KeyError):
                disk.compare(base, refuse)


def test_damage_is_an_exception(tmp_path):
    path = copied(tmp_path, "enabled.qcow2")
    with qcow2bm.Chain(path) as chain:
        disk = qcow2bm.Disk(chain)
    with pytest.raises(qcow2bm.Invalid):  # the chain is closed
        disk.read(0, 1)
    disk.close()
    disk.close()
