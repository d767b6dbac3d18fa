# SPDX-License-Identifier: LGPL-2.1-or-later
"""Chains: what the program tells, and edits of all layers."""

import json

import pytest

import qcow2bm
from images import UNPACKED, copied, made, program
from qcow2bm import Scheme, Verdict


@pytest.fixture(name="top")
def three_layers(tmp_path):
    for name in ("chain-base.qcow2", "chain-mid.qcow2", "chain-top.qcow2"):
        copied(tmp_path, name)
    return tmp_path / "chain-top.qcow2"


def test_since_is_the_programs():
    top = UNPACKED / "chain-top.qcow2"
    told = json.loads(program("chain", "since", "--output=json", "-c", "chk-2026-11-01", top))
    with qcow2bm.Chain(top) as chain:
        assert chain.order.scheme is Scheme.NESTED
        assert [checkpoint.name for checkpoint in chain.checkpoints] == [
            "chk-2026-11-01", "chk-2026-11-02", "chk-2026-11-03",
        ]
        explained = chain.explain("chk-2026-11-01")
        assert explained.verdict is Verdict.INCREMENTAL and explained.reason is None
        extents = list(chain.since("chk-2026-11-01"))
        assert [(e.start, e.length, int(e.dirty)) for e in extents] == [
            (e["offset"], e["length"], e["type"]) for e in told
        ]
        assert qcow2bm.verify([chain]) == ()
        assert chain.suits_libvirt("chk-2026-11-03") in (True, False)
        bitmaps = [chain.bitmap("chk-2026-11-01", layer) for layer in range(3)]
        assert list(chain.extents(bitmaps)) == extents
        dirty = sum(extent.length for extent in extents if extent.dirty)
        assert chain.dirty_bytes(bitmaps) == dirty
        assert chain.dirty_bytes_since("chk-2026-11-01") == dirty
        assert chain.bitmap("chk-2026-11-03", 2) is None
        with pytest.raises(qcow2bm.NotFound):
            chain.explain("nobody")


def changed(path, change):
    """Stages a change, commits it, and opens the chain anew."""
    with qcow2bm.Chain(path, write=True) as chain:
        change(chain)
        chain.commit()
        with pytest.raises(qcow2bm.Invalid):
            chain.checkpoints
    return qcow2bm.Chain(path)


def dirty_since(chain, which):
    return sum(extent.length for extent in chain.since(which) if extent.dirty)


def test_several_checkpoints_are_deleted_at_once(top):
    with qcow2bm.Chain(top) as chain:
        dirty = dirty_since(chain, "chk-2026-11-03")
    with changed(top, lambda chain: chain.delete("chk-2026-11-02", "chk-2026-11-01")) as chain:
        assert [checkpoint.name for checkpoint in chain.checkpoints] == ["chk-2026-11-03"]
        assert dirty_since(chain, "chk-2026-11-03") == dirty


def test_checkpoints_are_edited_in_all_layers(top):
    with qcow2bm.Chain(top, write=True) as chain:
        dirty = dirty_since(chain, "chk-2026-11-02")
        chain.open_for_editing(0)
        chain.rename("chk-2026-11-02", "second")
        chain.delete("chk-2026-11-01")
        assert sorted(chain.plan()) == [0, 1, 2]
        assert all(result.switched for result in chain.commit())
    with qcow2bm.Chain(top) as chain:
        assert [checkpoint.name for checkpoint in chain.checkpoints] == ["second", "chk-2026-11-03"]
        assert dirty_since(chain, "second") == dirty
    with changed(top, lambda chain: chain.convert(Scheme.DELTA)) as chain:
        assert chain.find_order().scheme is Scheme.DELTA
    with changed(top, lambda chain: chain.reset("chk-2026-11-03")) as chain:
        assert dirty_since(chain, chain.checkpoints[-1].name) == 0


def test_bitmaps_move_up_and_down(top):
    with qcow2bm.Chain(top) as chain:
        dirty = dirty_since(chain, "chk-2026-11-01")
    with changed(top, lambda chain: chain.lift(1)) as chain:
        # a mark, which tells that the top has the bits
        names = [bitmap.name for bitmap in chain.layer_image(1).bitmaps]
        assert len(names) == 1 and names[0].startswith("qcow2bm-commit-")
        assert dirty_since(chain, "chk-2026-11-01") == dirty
    with changed(top, lambda chain: chain.lower(1)) as chain:
        assert chain.layer_image(0).bitmaps == ()
        assert len(chain.layer_image(1).bitmaps) > 0


def test_bits_of_layers_that_go(top):
    with qcow2bm.Chain(top) as chain:
        dirty = dirty_since(chain, "chk-2026-11-01")
        count = len(chain.layer_image(0).bitmaps)
    with changed(top, lambda chain: chain.absorb(2)) as chain:
        names = [bitmap.name for bitmap in chain.layer_image(0).bitmaps]
        assert sum(name.startswith("qcow2bm-rebase-") for name in names) > 0
    with changed(top, lambda chain: chain.settle(stored=True)) as chain:
        assert len(chain.layer_image(0).bitmaps) == count
        assert dirty_since(chain, "chk-2026-11-01") == dirty
    with changed(top, lambda chain: chain.absorb(2, nothing_written=True)) as chain:
        assert len(chain.layer_image(0).bitmaps) == count


def test_after_a_restore(top):
    with changed(top, lambda chain: chain.go_back("chk-2026-11-02")) as chain:
        assert {c.name for c in chain.checkpoints} == {"chk-2026-11-01", "chk-2026-11-02"}
    with changed(top, lambda chain: chain.fill()) as chain:
        assert dirty_since(chain, 0) == chain.layers[0].virtual_bytes
    with changed(top, lambda chain: chain.forget()) as chain:
        assert chain.checkpoints == ()


def test_snapshot_prune_and_export(tmp_path):
    made(tmp_path, "base.qcow2", "empty 64M", "bitmap a flags=2 table=data", "bitmap b flags=2")
    path = tmp_path / "top.qcow2"
    with qcow2bm.Chain(tmp_path / "base.qcow2") as chain:
        chain.make_overlay(path, "base.qcow2")
    with qcow2bm.Chain(path) as chain:
        finding = qcow2bm.verify([chain])[0]
        assert (finding.code, finding.disk_idx, finding.bitmap_idx) == ("not-in-top", 0, None)
    with qcow2bm.Chain(path, write=True) as chain:
        mended = chain.repair()
        assert mended and all(mending.reason for mending in mended)
    with changed(path, lambda chain: chain.snapshot()) as chain:
        assert {b.name for b in chain.layer_image(0).bitmaps} == {"a", "b"}
    with qcow2bm.Image(path, write=True) as image, image.edit() as edit:
        edit.delete("b")
    with qcow2bm.Chain(path, write=True) as chain:
        chain.find_order(Scheme.NESTED)
        chain.prune(1)
        chain.commit()
    with qcow2bm.Chain(path) as chain:
        assert [b.name for b in chain.layer_image(1).bitmaps] == ["a"]
        chain.find_order(names=["a"])
        chain.export("a", tmp_path / "out.qcow2", "top.qcow2", "since-a")
    with qcow2bm.Image(tmp_path / "out.qcow2") as image:
        assert [bitmap.name for bitmap in image.bitmaps] == ["since-a"]


def test_names_of_backing_files_that_python_resolves(tmp_path):
    made(tmp_path, "base.qcow2", "empty 64M", "bitmap a")
    name = r"json:{\x22file.filename\x22:\x22base.qcow2\x22}"
    made(tmp_path, "top.qcow2", "empty 64M backing=" + name, "bitmap a")

    def resolve(name):
        return json.loads(name[len("json:"):])["file.filename"], "qcow2"

    def refuse(name):
        raise ValueError("I know no " + name[:4])

    with qcow2bm.Chain(tmp_path / "top.qcow2", resolve=resolve) as chain:
        assert [layer.is_raw for layer in chain.layers] == [False, False]
    with pytest.raises(qcow2bm.Unsupported, match="I know no json"):
        qcow2bm.Chain(tmp_path / "top.qcow2", resolve=refuse)
    with qcow2bm.Chain(tmp_path / "top.qcow2", top_only=True) as chain:
        assert len(chain.layers) == 1
