# SPDX-License-Identifier: LGPL-2.1-or-later
"""Older states of a disk, backups or manifests of them, and what differs from them: bitmaps are proven
right or wrong by it, and recovered."""

from __future__ import annotations

import ctypes
import os
import time
from typing import Any, Callable, Optional, Sequence, Tuple

from . import _api
from .chain import Chain, Resolve, Which, resolving
from .errors import Invalid, call
from .guest import Disk, comparison
from .image import Path
from .records import (
    Comparison,
    Extent,
    Judgement,
    Name,
    OldCheckpoint,
    OldInfo,
    ProofExtent,
    encoded,
    record,
)
from .values import Base, OldKind
from .watch import Caught, Watch, catching

_TOTAL_BYTES = 32


def probe(filename: Path) -> OldKind:
    """What a file begins as: QCOW2, MANIFEST, else RAW. It is not opened as that, nor locked. One that may be a manifest or a raw disk is an error."""
    kind = ctypes.c_uint()
    call("old_probe", os.fsencode(filename), kind, filename=os.fsdecode(filename))
    return OldKind(kind.value)


class Old:
    """An older state of a disk: a manifest, which is checked whole, or a disk with its layers."""

    def __init__(
        self, filename: Path, kind: OldKind = OldKind.ANY, force_share: bool = False,
        lock: bool = True, wait: int = 0, resolve: Optional[Resolve] = None,
        watch: Optional[Watch] = None, threads: int = 0,
    ) -> None:
        self._old: Optional[ctypes.c_void_p] = None
        self.filename = os.fsdecode(filename)
        self._caught = Caught()
        options = _api.options(
            "old_options", kind=kind, wait_seconds=wait, threads=threads,
            flags=_api.flags("OPEN", force_share=force_share, no_lock=not lock),
        )
        if resolve is not None:
            options.resolve = self._caught.callback("resolve_fn", resolving(resolve), False)
        old = ctypes.c_void_p()
        with catching() as caught:
            options.watch = ctypes.pointer(caught.watch(watch))
            self._call("old_open", old, os.fsencode(filename), options)
        self._old = old

    def _handle(self) -> Any:
        if self._old is None:
            raise Invalid("the older state is closed", filename=self.filename)
        return self._old

    def _call(self, name: str, *arguments: Any) -> None:
        call(name, *arguments, filename=self.filename)

    @property
    def info(self) -> OldInfo:
        told = _api.lib.old_describe(self._handle()).contents
        total = ctypes.string_at(told.total, _TOTAL_BYTES) if told.total else None
        return record(OldInfo, told, total=total)

    @property
    def checkpoints(self) -> Tuple[OldCheckpoint, ...]:
        """Those that it tells of, and how much had changed since each."""
        lib = _api.lib
        return tuple(
            record(OldCheckpoint, lib.old_checkpoint(self._handle(), idx).contents)
            for idx in range(self.info.checkpoints)
        )

    def judge(self, name: Name) -> Base:
        """Whether it is the disk as it was when this checkpoint began, by what it tells itself."""
        wanted = encoded(name)
        return Base(_api.lib.old_judge(self._handle(), wanted, len(wanted)))

    def digest(
        self, write: Callable[[bytes], Any], sha256: bool = False, total: bool = True,
        granularity: int = 0, made_seconds: Optional[int] = None, watch: Optional[Watch] = None,
    ) -> None:
        """Reads the disk once and writes its manifest, piece by piece: what was written until an
        exception is none. `granularity`: bytes for each hash, 0: as fine as the finest bitmap."""
        options = _api.options(
            "digest_options", granularity_bits=granularity.bit_length() - 1 if granularity else 0,
            flags=_api.flags("DIGEST", sha256=sha256, no_total=not total),
            made_seconds=int(time.time()) if made_seconds is None else made_seconds,
        )

        def put(_opaque: Any, data: int, count: int) -> int:
            write(ctypes.string_at(data, count))
            return 0

        with catching() as caught:
            self._call(
                "old_digest", self._handle(), options, caught.callback("digest_fn", put, 1), None,
                caught.watch(watch),
            )

    def compare(
        self, disk: Disk, tell: Optional[Callable[[Extent], None]] = None, first: bool = False,
        strict: bool = False, threads: int = 0, watch: Optional[Watch] = None,
    ) -> Comparison:
        """Compares a disk with it, as Disk.compare() does; with a manifest in granules of that."""
        return comparison(
            self._call, "old_compare", (self._handle(), disk._handle()), tell,
            _api.flags("COMPARE", strict=strict, first=first), threads, watch,
        )

    def close(self) -> None:
        """Closes all files. Twice is once."""
        if self._old is not None:
            _api.lib.old_close(self._old)
            self._old = None

    def __enter__(self) -> "Old":
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def __del__(self) -> None:
        if getattr(self, "_old", None) is not None:
            self.close()


class Differ:
    """What differs between the disk of a chain and older states of it: read once, all beside each other.
    The older states may be closed then."""

    def __init__(
        self, chain: Chain, olds: Sequence[Old], watch: Optional[Watch] = None
    ) -> None:
        self._differ: Optional[ctypes.c_void_p] = None
        self._chain = chain
        array = (ctypes.c_void_p * len(olds))(*(old._handle().value for old in olds))
        differ = ctypes.c_void_p()
        chain.order  # judge() asks for checkpoints
        with catching() as caught:
            chain._call(
                "chain_differ", chain._handle(), array, len(olds), differ, caught.watch(watch)
            )
        self._differ = differ

    def _handle(self) -> Any:
        if self._differ is None:
            raise Invalid("what differs was forgotten", filename=self._chain.filename)
        return self._differ

    def differing_bytes(self, old: int = 0) -> int:
        """How much of the disk differs from the older state of this number, in whole granules."""
        differing: int = _api.lib.differ_bytes(self._handle(), old)
        return differing

    def judge(
        self, which: Which, old: int = 0,
        tell: Optional[Callable[[ProofExtent], None]] = None, watch: Optional[Watch] = None,
    ) -> Judgement:
        """Compares what changed since a checkpoint with what differs. It is a proof where the older
        state is the disk as it was when the checkpoint began, or later: Old.judge()."""
        judgement = ctypes.POINTER(_api.STRUCTS["qcow2bm_judgement"])()

        def told(_opaque: Any, extent: Any) -> int:
            if tell is not None:
                tell(record(ProofExtent, extent.contents))
            return 0

        with catching() as caught:
            self._chain._call(
                "differ_judge", self._handle(), old, self._chain._handle(),
                self._chain.index(which), caught.callback("proof_fn", told, 1), None, judgement,
                caught.watch(watch),
            )
        return record(Judgement, judgement.contents)

    def close(self) -> None:
        """Forgets it; edits that were staged with it are of no use any more. Twice is once."""
        if self._differ is not None:
            _api.lib.differ_free(self._differ)
            self._differ = None

    def __enter__(self) -> "Differ":
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def __del__(self) -> None:
        if getattr(self, "_differ", None) is not None:
            self.close()
