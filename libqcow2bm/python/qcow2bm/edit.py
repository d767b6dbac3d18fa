# SPDX-License-Identifier: LGPL-2.1-or-later
"""An edit: staged in memory, committed once, all or nothing."""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, Any, Iterable, List, Optional, Tuple

from . import _api
from .check import Report
from .errors import Error, Invalid
from .records import Change, Name, Plan, Promise, Result, encoded, record
from .values import Base, Condition, Recording, Recovery
from .watch import Watch, catching

if TYPE_CHECKING:
    from .differ import Differ
    from .image import BaseImage


class Edit:
    """Changes of one image. As a context manager it is committed at the end, unless an exception
    leaves the block or it was committed or discarded inside; `result` tells what was done."""

    def __init__(self, image: "BaseImage", borrowed: Optional[int] = None) -> None:
        self.image = image
        self.result: Optional[Result] = None
        self._is_over = False
        self._is_borrowed = borrowed is not None
        self._kept: List[Any] = []  # what the library reads at the commit
        self._edit: Any = ctypes.c_void_p(borrowed)
        if borrowed is None:
            image._call("edit_begin", self._edit, image._handle())

    def _handle(self) -> Any:
        if self._edit is None:
            raise Invalid("the edit has ended", filename=self.image.filename)
        return self._edit

    def _stage(self, name: str, *arguments: Any) -> None:
        self.image._call("edit_" + name, self._handle(), *arguments)

    # ---- What can be staged ------------------------------------------------------------------

    def add(self, name: Name, granularity: Optional[int] = None, recording: bool = True) -> None:
        """Adds an empty bitmap of `granularity` bytes for each bit, a power of two."""
        wanted = self.image.default_granularity if granularity is None else granularity
        if wanted <= 0 or wanted & (wanted - 1):
            raise Invalid("granularity %d is no power of two" % wanted)
        new = encoded(name)
        self._stage("add", new, len(new), wanted.bit_length() - 1, recording)

    def delete(self, *names: Name) -> None:
        for name in map(encoded, names):
            self._stage("delete", name, len(name))

    def rename(self, name: Name, new_name: Name) -> None:
        old, new = encoded(name), encoded(new_name)
        self._stage("rename", old, len(old), new, len(new))

    def clear(self, *names: Name) -> None:
        """Makes every bit clean."""
        for name in map(encoded, names):
            self._stage("clear", name, len(name))

    def enable(self, *names: Name) -> None:
        """QEMU shall record into them."""
        for name in map(encoded, names):
            self._stage("enable", name, len(name))

    def disable(self, *names: Name) -> None:
        for name in map(encoded, names):
            self._stage("disable", name, len(name))

    def merge(self, name: Name, *sources: Name, image: Optional["BaseImage"] = None) -> None:
        """ORs the bits of the sources, of another image if one is given, into `name`."""
        target = encoded(name)
        other = None if image is None else image._handle()
        for source in map(encoded, sources):
            self._stage("merge", target, len(target), other, source, len(source))

    def merge_staged(self, name: Name, source_edit: "Edit", source: Name) -> None:
        """The same for a bitmap of another image as it is staged in that edit; both are committed
        together."""
        target, other = encoded(name), encoded(source)
        handle = source_edit._handle()
        self._stage("merge_staged", target, len(target), handle, other, len(other))

    def recover(
        self, name: Name, method: Recovery = Recovery.AUTO, recording: Recording = Recording.KEEP,
        accept_unsafe: bool = False, assume: Iterable[Condition] = (),
        watch: Optional[Watch] = None,
    ) -> Promise:
        """Gives a bitmap that a crash left in-use bits again; what they promise is returned."""
        assumed = sum({1 << condition for condition in assume})
        options = _api.options(
            "recover_options", method=method, recording=recording, accept_unsafe=accept_unsafe,
            assumed=assumed,
        )
        promise = ctypes.POINTER(_api.STRUCTS["qcow2bm_promise"])()
        old = encoded(name)
        with catching() as caught:
            self._stage("recover", old, len(old), options, promise, caught.watch(watch))
        return record(Promise, promise.contents)

    def recover_compared(
        self, name: Name, differ: "Differ", old: int = 0, base: Base = Base.UNTOLD,
        recording: Recording = Recording.KEEP, accept_unsafe: bool = False,
    ) -> Promise:
        """Recovers a bitmap of the chain's top layer by an older state: what differs from it, rounded
        to the granularity. `base`: what Old.judge() tells. The differ stays until the commit."""
        options = _api.options(
            "recover_options", recording=recording, accept_unsafe=accept_unsafe
        )
        promise = ctypes.POINTER(_api.STRUCTS["qcow2bm_promise"])()
        wanted = encoded(name)
        self._kept.append(differ)
        self._stage(
            "recover_compared", wanted, len(wanted), differ._handle(), old, base, options, promise
        )
        return record(Promise, promise.contents)

    def recover_carved(
        self, report: Report, directory_offset: int, idx: int, name: Name,
        recording: Recording = Recording.KEEP, accept_unsafe: bool = False,
        watch: Optional[Watch] = None,
    ) -> None:
        """Brings back, as `name`, a deleted bitmap that Image.carve() found: always unsafe."""
        options = _api.options(
            "carved_options", directory_offset=directory_offset, idx=idx, recording=recording,
            accept_unsafe=accept_unsafe,
        )
        new = encoded(name)
        with catching() as caught:
            self._stage(
                "recover_carved", report._handle(), options, new, len(new), caught.watch(watch)
            )

    def repair(
        self, report: Report, trust_bitmaps: bool = False, drop_in_use: bool = False,
        drop_all: bool = False, drop: Iterable[int] = (),
    ) -> None:
        """Stages, onto a fresh edit, all that mends what the report found."""
        indexes = list(drop)
        array = (ctypes.c_size_t * len(indexes))(*indexes)
        flags = _api.flags(
            "REPAIR", trust_bitmaps=trust_bitmaps, drop_in_use=drop_in_use, drop_all=drop_all
        )
        options = _api.options("repair_options", flags=flags, drop_count=len(indexes))
        options.drop = ctypes.cast(array, ctypes.POINTER(ctypes.c_size_t))
        self._stage("repair", report._handle(), options)

    # ---- Plan, commit --------------------------------------------------------------------------

    def plan(self, trust_refcounts: bool = False, watch: Optional[Watch] = None) -> Plan:
        """What commit() would do. Nothing is written."""
        flags = _api.flags("COMMIT", trust_refcounts=trust_refcounts)
        plan = ctypes.POINTER(_api.STRUCTS["qcow2bm_plan"])()
        with catching() as caught:
            self._stage("plan", flags, plan, caught.watch(watch))
        return record(Plan, plan.contents, changes=self._changes(plan.contents.changes))

    def _changes(self, count: int) -> Tuple[Change, ...]:
        changes = (_api.lib.edit_change(self._edit, idx).contents for idx in range(count))
        return tuple(record(Change, change) for change in changes)

    def dirty_bytes(self, idx: int, watch: Optional[Watch] = None) -> int:
        """What the bitmap of this change of the last plan() will have dirty once it is committed."""
        dirty = ctypes.c_uint64()
        with catching() as caught:
            self._stage("dirty_bytes", idx, dirty, caught.watch(watch))
        return dirty.value

    def _finishing(self, name: str, *arguments: Any, watch: Any = ()) -> Result:
        """One of the calls that have a result, which is kept also when they fail."""
        result = ctypes.POINTER(_api.STRUCTS["qcow2bm_result"])()
        try:
            self._stage(name, *arguments, result, *watch)
        finally:
            if result:
                self.result = record(Result, result.contents)
        if self.result is None:
            raise Error("the library told no result")
        return self.result

    def commit(
        self, trust_refcounts: bool = False, discard: bool = True, watch: Optional[Watch] = None
    ) -> Result:
        """Old or new, never between; a success is on stable storage."""
        options = commit_options(trust_refcounts, discard)
        with catching() as caught:
            result = self._finishing("commit", options, watch=(caught.watch(watch),))
        self._is_over = True
        return result

    def prepare(
        self, trust_refcounts: bool = False, discard: bool = True, watch: Optional[Watch] = None
    ) -> Result:
        """All of a commit that can fail in an ordinary way; then switch() and finish(), or
        roll_back(). The watch is asked, and not told of progress."""
        options = commit_options(trust_refcounts, discard)
        asked = Watch(interrupted=watch.interrupted) if watch else None
        with catching() as caught:
            self._prepared_with = caught  # the library knows the watch until the edit is finished
            return self._finishing("prepare", options, watch=(caught.watch(asked),))

    def switch(self) -> Result:
        self._is_over = True
        return self._finishing("switch")

    def finish(self) -> Result:
        return self._finishing("finish")

    def roll_back(self) -> Result:
        return self._finishing("roll_back")

    def discard(self) -> None:
        """Forgets what is staged; what is prepared is rolled back, what is switched is finished."""
        if self._edit is not None and not self._is_borrowed:
            _api.lib.edit_end(self._edit)
        self._edit = None

    def __enter__(self) -> "Edit":
        return self

    def __exit__(self, kind: Optional[type], *_exception: object) -> None:
        try:
            if kind is None and self._edit is not None and not self._is_over:
                self.commit()
        finally:
            self.discard()

    def __del__(self) -> None:
        if getattr(self, "_edit", None) is not None:
            self.discard()


def commit_options(trust_refcounts: bool, discard: bool) -> Any:
    flags = _api.flags("COMMIT", trust_refcounts=trust_refcounts, no_discard=not discard)
    return _api.options("commit_options", flags=flags)
