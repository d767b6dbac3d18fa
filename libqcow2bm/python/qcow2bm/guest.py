# SPDX-License-Identifier: LGPL-2.1-or-later
"""The disk as the guest sees it: what it holds, and where."""

from __future__ import annotations

import ctypes
from typing import Any, Callable, Iterator, Optional, Tuple

from . import _api
from .chain import Chain
from .errors import Invalid, call
from .records import Comparison, DiskExtent, Extent, record
from .watch import Watch, catching

_END = 2**64 - 1


def comparison(
    call_it: Callable[..., None], name: str, both: Tuple[Any, Any],
    tell: Optional[Callable[[Extent], None]], flags: int, threads: int, watch: Optional[Watch],
) -> Comparison:
    """Compares the two by the function of this name, and tells each extent."""
    options = _api.options("compare_options", flags=flags, threads=threads)
    result = ctypes.POINTER(_api.STRUCTS["qcow2bm_comparison"])()

    def told(_opaque: Any, extent: Any) -> int:
        if tell is not None:
            tell(record(Extent, extent.contents))
        return 0

    with catching() as caught:
        call_it(
            name, *both, options, caught.callback("extent_fn", told, 1), None, result,
            caught.watch(watch),
        )
    return record(Comparison, result.contents)


class Disk:
    """The layers of a chain over each other, as QEMU reads them, or an internal snapshot of the top one
    (its ID or name). The chain stays open as long; with top_only it is what the top alone has."""

    def __init__(
        self, chain: Chain, snapshot: Optional[str] = None, finds_holes: bool = False,
        data_files: bool = True,
    ) -> None:
        self._disk: Optional[ctypes.c_void_p] = None
        self._chain = chain
        self.filename = chain.filename
        options = _api.options(
            "disk_options", finds_holes=finds_holes, without_data_files=not data_files
        )
        if snapshot is not None:
            options.snapshot = snapshot.encode("utf-8", "surrogateescape")
        disk = ctypes.c_void_p()
        self._call("disk_open", disk, chain._handle(), options)
        self._disk = disk

    def _handle(self) -> Any:
        if self._disk is None:
            raise Invalid("the disk is closed", filename=self.filename)
        self._chain._handle()
        return self._disk

    def _call(self, name: str, *arguments: Any) -> None:
        call(name, *arguments, filename=self.filename)

    @property
    def virtual_bytes(self) -> int:
        """Its size, of a snapshot that of its time."""
        size: int = _api.lib.disk_bytes(self._handle())
        return size

    def extents(
        self, start: int = 0, length: int = _END, watch: Optional[Watch] = None
    ) -> Iterator[DiskExtent]:
        """What the disk holds, in order and without gaps."""
        end = min(start + length, self.virtual_bytes)
        while start < end:
            found = ctypes.POINTER(_api.STRUCTS["qcow2bm_disk_extent"])()
            with catching() as caught:
                self._call(
                    "disk_next", self._handle(), start, end - start, found, caught.watch(watch)
                )
            extent = record(DiskExtent, found.contents)
            yield extent
            start += extent.length

    def read(self, start: int, length: int, watch: Optional[Watch] = None) -> bytes:
        """The bytes that QEMU gives the guest."""
        data = ctypes.create_string_buffer(length)
        with catching() as caught:
            self._call("disk_read", self._handle(), start, length, data, caught.watch(watch))
        return data.raw

    def compare(
        self, other: "Disk", tell: Optional[Callable[[Extent], None]] = None, strict: bool = False,
        first: bool = False, threads: int = 0, watch: Optional[Watch] = None,
    ) -> Comparison:
        """Compares two disks, the shorter one as if it went on with zeros, and tells each extent, the
        same (not dirty) and different in turn. `strict`: also whether there is data, zeros or nothing;
        `first`: ends at the first difference."""
        flags = _api.flags("COMPARE", strict=strict, first=first)
        return comparison(
            self._call, "disk_compare", (self._handle(), other._handle()), tell, flags, threads,
            watch,
        )

    def close(self) -> None:
        """Closes data files; the chain stays open. Twice is once."""
        if self._disk is not None:
            _api.lib.disk_close(self._disk)
            self._disk = None

    def __enter__(self) -> "Disk":
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def __del__(self) -> None:
        if getattr(self, "_disk", None) is not None:
            self.close()
