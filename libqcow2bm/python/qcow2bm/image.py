# SPDX-License-Identifier: LGPL-2.1-or-later
"""An open image and its bitmaps."""

from __future__ import annotations

import ctypes
import os
from typing import Any, Callable, Iterator, List, Optional, Tuple, Union

from . import _api
from .check import Report
from .edit import Edit
from .errors import Invalid, NotFound, Stopped, call
from .records import (
    BitmapInfo,
    Carved,
    Extent,
    ImageInfo,
    Measure,
    Name,
    Snapshot,
    decoded,
    encoded,
    record,
)
from .values import Code, State
from .watch import Watch, catching

Path = Union[str, bytes, "os.PathLike[str]"]

_END = 2**64 - 1
_PAGE = 4096


class Bitmap:
    """One bitmap as it was when it was asked for; after an edit of its image ask for it again."""

    def __init__(self, image: "BaseImage", idx: int) -> None:
        self.image = image
        self.idx = idx
        self.info = image._describe(idx)

    def __repr__(self) -> str:
        return "<Bitmap %r: %s>" % (self.name, self.state.name)

    @property
    def name(self) -> str:
        return self.info.name

    @property
    def state(self) -> State:
        return self.info.state

    @property
    def granularity(self) -> int:
        """Bytes of the disk for each bit."""
        return 1 << self.info.granularity_bits

    @property
    def recording(self) -> bool:
        """Whether QEMU will record into it: the auto flag."""
        return self.info.recording

    @property
    def is_sound(self) -> bool:
        """Whether a backup may rest on it; judge() looks closer."""
        return self.state in (State.VALID, State.DISABLED)

    def _handle(self) -> Any:
        handle = self.image._handle()
        if self.image._describe(self.idx).name != self.name:
            raise Invalid("bitmap '%s' was asked for before the image changed" % self.name)
        return handle

    def judge(self, watch: Optional[Watch] = None) -> "Bitmap":
        """Looks at its table and the refcounts of what that names; gives it with what was found."""
        with catching() as caught:
            self.image._call("bitmap_judge", self._handle(), self.idx, caught.watch(watch))
        return Bitmap(self.image, self.idx)

    def measure(
        self, count: bool = True, untrusted: bool = False, watch: Optional[Watch] = None
    ) -> Measure:
        """The dirty bytes as they are stored (0 when not counted), and the room in the file."""
        found = ctypes.POINTER(_api.STRUCTS["qcow2bm_measure"])()
        wanted = _api.flags("READ", count=count, untrusted=untrusted)
        with catching() as caught:
            self.image._call(
                "bitmap_measure", self._handle(), self.idx, wanted, found, caught.watch(watch)
            )
        return record(Measure, found.contents)

    def sketch(
        self, parts: int, untrusted: bool = False, watch: Optional[Watch] = None
    ) -> Tuple[int, ...]:
        """How many bytes are dirty in each of so many equal parts of the disk: where they lie."""
        told = (ctypes.c_uint64 * parts)()
        found = ctypes.POINTER(_api.STRUCTS["qcow2bm_measure"])()
        wanted = _api.flags("READ", untrusted=untrusted)
        with catching() as caught:
            self.image._call(
                "bitmap_sketch", self._handle(), self.idx, wanted, told, parts, found,
                caught.watch(watch),
            )
        return tuple(told)

    def dirty_bytes(
        self, start: int = 0, length: int = _END, untrusted: bool = False,
        watch: Optional[Watch] = None,
    ) -> int:
        """How many guest bytes of a range are marked dirty."""
        dirty = ctypes.c_uint64()
        wanted = _api.flags("READ", untrusted=untrusted)
        with catching() as caught:
            self.image._call(
                "bitmap_dirty_bytes", self._handle(), self.idx, start, length, wanted, dirty,
                caught.watch(watch),
            )
        return dirty.value

    def extents(
        self, start: int = 0, length: int = _END, untrusted: bool = False,
        watch: Optional[Watch] = None,
    ) -> Iterator[Extent]:
        """Extents of a range, clean and dirty in turn; memory is bounded. The bits are those that
        are stored: unless is_sound, what is clean here may be dirty in truth."""
        wanted = _api.flags("READ", untrusted=untrusted)

        def read(at: int, left: int, fn: Any, seen: Any) -> None:
            self.image._call(
                "bitmap_extents", self._handle(), self.idx, at, left, wanted, fn, None, seen
            )

        return paged_extents(read, start, length, self.image.info.virtual_bytes, watch)


def paged_extents(
    read: Callable[[int, int, Any, Any], None], start: int, length: int, disk: int,
    watch: Optional[Watch],
) -> Iterator[Extent]:
    """Extents as an iterator: the library calls back, so each call stops after a page of them."""
    end = min(start + length, disk)
    while True:
        page: List[Extent] = []

        def keep(_opaque: Any, extent: Any) -> int:
            page.append(record(Extent, extent.contents))
            return len(page) >= _PAGE

        with catching() as caught:
            try:
                read(start, end - start if end > start else 0,
                     caught.callback("extent_fn", keep, 1), caught.watch(watch))
            except Stopped:
                if caught.exception is not None:
                    raise
        yield from page
        if len(page) < _PAGE:
            return
        start = page[-1].start + page[-1].length
        if start >= end:
            return


class BaseImage:
    """What an image can do, whoever opened it."""

    filename: Optional[str] = None

    def _handle(self) -> Any:
        raise NotImplementedError

    def _call(self, name: str, *arguments: Any) -> None:
        call(name, *arguments, filename=self.filename)

    @property
    def info(self) -> ImageInfo:
        return record(ImageInfo, _api.lib.image_describe(self._handle()).contents)

    @property
    def default_granularity(self) -> int:
        """Bytes for each bit that QEMU takes when none are asked for."""
        bits: int = _api.lib.image_default_granularity_bits(self._handle())
        return 1 << bits

    @property
    def snapshots(self) -> Tuple[Snapshot, ...]:
        """The internal snapshots."""
        found = []
        for idx in range(self.info.snapshots):
            snapshot = ctypes.POINTER(_api.STRUCTS["qcow2bm_snapshot"])()
            self._call("image_snapshot", self._handle(), idx, snapshot)
            found.append(record(Snapshot, snapshot.contents))
        return tuple(found)

    def _describe(self, idx: int) -> BitmapInfo:
        return record(BitmapInfo, _api.lib.bitmap_describe(self._handle(), idx).contents)

    @property
    def bitmaps(self) -> Tuple[Bitmap, ...]:
        """All bitmaps, in the order of the directory."""
        return tuple(Bitmap(self, idx) for idx in range(_api.lib.bitmap_count(self._handle())))

    def bitmap(self, name: Name) -> Bitmap:
        """The first bitmap of this name; NotFound when there is none."""
        wanted = encoded(name)
        idx = _api.lib.bitmap_find(self._handle(), wanted, len(wanted))
        if idx == _api.NOT_FOUND:
            sentence = "dirty bitmap '%s' not found" % decoded(wanted)
            raise NotFound(sentence, Code.ENOTFOUND, filename=self.filename)
        return Bitmap(self, idx)

    def edit(self) -> Edit:
        """`with image.edit() as edit:` stages inside, and commits at the end, all or nothing."""
        return Edit(self)

    def check(self, quick: bool = False, watch: Optional[Watch] = None) -> Report:
        """What is wrong with the image; `quick` leaves out the count of all references."""
        return Report(self, quick, watch)

    def carve(self, report: Report, watch: Optional[Watch] = None) -> Tuple[Carved, ...]:
        """Entries of old bitmap directories in clusters that nothing uses; they promise nothing."""
        found: List[Carved] = []

        def keep(_opaque: Any, carved: Any) -> int:
            found.append(record(Carved, carved.contents))
            return 0

        with catching() as caught:
            self._call(
                "image_carve", self._handle(), report._handle(), caught.callback("carve_fn", keep, 1),
                None, caught.watch(watch),
            )
        return tuple(found)

    def metadata(
        self, tell: Callable[[int, bytes], None], watch: Optional[Watch] = None
    ) -> None:
        """Tells the image's metadata, offset and bytes, in pieces and in the order of the file."""

        def told(_opaque: Any, offset: int, bytes_: int, count: int) -> int:
            tell(offset, ctypes.string_at(bytes_, count))
            return 0

        with catching() as caught:
            self._call(
                "image_metadata", self._handle(), caught.callback("metadata_fn", told, 1), None,
                caught.watch(watch),
            )

    def begin_undo(self, path: Path) -> None:
        """From now on what a commit changes is noted in the new file `path`; undo() puts it back."""
        self._call("undo_begin", self._handle(), os.fsencode(path))

    def end_undo(self) -> None:
        """Completes the undo file."""
        self._call("undo_end", self._handle())


class Image(BaseImage):
    """A qcow2 image that is open, with QEMU's locks, until close() or the end of `with`. A path, or
    the number of a descriptor, which is the library's from then on."""

    def __init__(
        self, file: Union[Path, int], write: bool = False, force_share: bool = False,
        lock: bool = True, damaged: bool = False, wait: int = 0, watch: Optional[Watch] = None,
    ) -> None:
        self._opened: Optional[ctypes.c_void_p] = None
        opened = ctypes.c_void_p()
        wanted = _api.flags(
            "OPEN", write=write, force_share=force_share, no_lock=not lock, damaged=damaged
        )
        with catching() as caught:
            if isinstance(file, int):
                self._call("image_open_fd", opened, file, wanted, wait, caught.watch(watch))
            else:
                self.filename = os.fsdecode(file)
                path = os.fsencode(file)
                self._call("image_open", opened, path, wanted, wait, caught.watch(watch))
        self._opened = opened

    def _handle(self) -> Any:
        if self._opened is None:
            raise Invalid("the image is closed", filename=self.filename)
        return self._opened

    def close(self) -> None:
        """Gives back the locks and all memory. Twice is once."""
        if self._opened is not None:
            _api.lib.image_close(self._opened)
            self._opened = None

    def __enter__(self) -> "Image":
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def __del__(self) -> None:
        if getattr(self, "_opened", None) is not None:
            self.close()
