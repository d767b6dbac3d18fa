# SPDX-License-Identifier: LGPL-2.1-or-later
"""Older states of a disk: manifests, proofs, and bitmaps that are recovered by them."""

import io
import json
import shutil

import pytest

import qcow2bm
from images import made, program
from qcow2bm import Base, Cause, Guarantee, OldKind, Outcome, Proof, State

PART = 65536


@pytest.fixture(name="states")
def old_and_new(tmp_path):
    """A full backup, and the disk later: cluster 7 was written, the bitmap `a` knows of 9 alone."""
    old = made(tmp_path, "old.qcow2", "empty 64M cluster_bits=16", "guest 1 0x11", "bitmap a")
    new = made(
        tmp_path, "new.qcow2", "empty 64M cluster_bits=16", "guest 1 0x11", "guest 7 0x77",
        "bitmap a table=data:0", r"bytes data[0][0]+1 \x02",
    )
    return old, new


def test_a_wrong_bitmap_is_proven(states):
    old_path, new_path = states
    with qcow2bm.Old(old_path) as old:
        assert old.info.kind is OldKind.QCOW2 and old.info.virtual_bytes == 64 << 20
        assert old.info.hash is None and old.info.total is None and old.info.filename is None
        assert [(c.name, c.is_known, c.dirty_bytes) for c in old.checkpoints] == [("a", True, 0)]
        assert old.judge("a") is Base.SAME and old.judge("b") is Base.OTHER
        with qcow2bm.Chain(new_path) as chain, qcow2bm.Differ(chain, [old]) as differ:
            told = []
            judgement = differ.judge("a", tell=told.append)
            assert judgement.outcome is Outcome.WRONG and judgement.reason is None
            assert judgement.bytes[Proof.LOST] == PART == differ.differing_bytes()
            assert judgement.bytes[Proof.SURPLUS] == PART and judgement.lost_extents == 1
            assert sum(judgement.bytes) == 64 << 20
            assert judgement.cause in tuple(Cause) and judgement.cause.word
            lost = [e for e in told if e.proof is Proof.LOST]
            assert [(e.start, e.length) for e in lost] == [(7 * PART, PART)]
            assert Proof.LOST.word == "lost" and Outcome.WRONG.word == "wrong"
    with pytest.raises(qcow2bm.Invalid):
        old.judge("a")
    with pytest.raises(qcow2bm.Invalid):
        differ.judge("a")


def test_a_manifest_stands_in(states, tmp_path):
    old_path, new_path = states
    with qcow2bm.Old(old_path, kind=OldKind.QCOW2) as old:
        written = io.BytesIO()
        old.digest(written.write, sha256=True, granularity=PART, made_seconds=1234)
        short = io.BytesIO()
        old.digest(short.write, total=False)
        with pytest.raises(OSError):
            old.digest(lambda _bytes: (_ for _ in ()).throw(OSError("full")))
    path = tmp_path / "old.manifest"
    path.write_bytes(written.getvalue())
    told = json.loads(program("digest", "--show", "--output=json", path))
    with qcow2bm.Old(path) as old:
        assert old.info.kind is OldKind.MANIFEST and old.info.hash == "sha-256"
        assert old.info.granularity_bits == 16 and old.info.made_seconds == 1234
        assert old.info.total.hex() in json.dumps(told) and old.info.filename.endswith("old.qcow2")
        assert old.judge("a") is Base.SAME
        with qcow2bm.Chain(new_path) as chain, qcow2bm.Differ(chain, [old]) as differ:
            assert differ.judge("a").bytes[Proof.LOST] == PART
        with qcow2bm.Chain(new_path) as chain, qcow2bm.Disk(chain) as disk:
            told = []
            result = old.compare(disk, told.append, threads=2)
            assert result.first == 7 * PART and result.differing_bytes == PART
            assert [(e.start, e.length) for e in told if e.dirty] == [(7 * PART, PART)]
            assert old.compare(disk, first=True).first == 7 * PART
            with pytest.raises(qcow2bm.Invalid):
                old.compare(disk, strict=True)
    with qcow2bm.Old(old_path, threads=1) as old, qcow2bm.Chain(new_path, threads=2) as chain:
        with qcow2bm.Disk(chain) as disk:
            assert old.compare(disk).differing_bytes == PART
    assert qcow2bm.probe(path) is OldKind.MANIFEST and qcow2bm.probe(old_path) is OldKind.QCOW2
    with pytest.raises(qcow2bm.SystemCallError):
        qcow2bm.probe(tmp_path / "nothing")
    path.write_bytes(written.getvalue()[:-1])
    with pytest.raises(qcow2bm.DamagedImage):
        qcow2bm.Old(path)
    path.write_bytes(short.getvalue())
    with qcow2bm.Old(path) as old:
        assert old.info.total is None and old.info.hash == "xxh3-128"


def test_recover_by_an_older_state(states, tmp_path):
    old_path, new_path = states
    path = tmp_path / "crashed.qcow2"
    shutil.copy(new_path, path)
    made(
        tmp_path, "crashed.qcow2", "empty 64M cluster_bits=16", "guest 1 0x11", "guest 7 0x77",
        "bitmap a flags=3",
    )
    with qcow2bm.Old(old_path) as old, qcow2bm.Chain(path, write=True) as chain:
        chain.open_for_editing(0)
        top = chain.layer_image(0)
        assert top.bitmap("a").state is State.IN_USE_STALE
        with qcow2bm.Differ(chain, [old]) as differ:
            with top.edit() as edit:
                promise = edit.recover_compared("a", differ, base=old.judge("a"))
                assert promise.guarantee is Guarantee.EXACT
    with qcow2bm.Image(path) as image:
        bitmap = image.bitmap("a")
        assert bitmap.state is State.VALID
        assert [(e.start, e.length) for e in bitmap.extents() if e.dirty] == [(7 * PART, PART)]
