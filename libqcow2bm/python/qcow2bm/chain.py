# SPDX-License-Identifier: LGPL-2.1-or-later
"""Checkpoints over the layers of a disk."""

from __future__ import annotations

import ctypes
import os
from dataclasses import dataclass
from typing import Any, Callable, Dict, Iterable, Iterator, List, Optional, Sequence, Tuple, Union

from . import _api
from .edit import Edit
from .errors import Invalid, NotFound, call
from .image import BaseImage, Bitmap, Path, paged_extents
from .records import (
    Checkpoint,
    Extent,
    Finding,
    Mended,
    Name,
    Order,
    Plan,
    Result,
    Since,
    decoded,
    encoded,
    record,
)
from .together import commit_together
from .values import Code, Scheme
from .watch import Caught, Watch, catching

_END = 2**64 - 1

Which = Union[Name, int]
# Gives the path and the format of the local file that a backing file's name means, or raises.
Resolve = Callable[[str], Tuple[str, str]]


class LayerImage(BaseImage):
    """The image of a layer: the chain's, which may open it anew for editing."""

    def __init__(self, chain: "Chain", idx: int) -> None:
        self._chain = chain
        self.idx = idx
        self.filename = chain.layers[idx].filename

    def _handle(self) -> Any:
        return _api.lib.chain_layer(self._chain._handle(), self.idx).contents.image


@dataclass(frozen=True)
class Layer:
    filename: str
    virtual_bytes: int
    is_raw: bool


class Chain:
    """A disk, by its top layer: opens the layers below it, too. Checkpoints are named, or numbered,
    the oldest first. What is staged is committed by commit(), in all layers or in none."""

    def __init__(
        self, filename: Path, write: bool = False, force_share: bool = False, lock: bool = True,
        wait: int = 0, top_only: bool = False, resolve: Optional[Resolve] = None,
        threads: int = 0,
    ) -> None:
        self._chain: Optional[ctypes.c_void_p] = None
        self._order: Optional[Order] = None
        self.filename = os.fsdecode(filename)
        self._caught = Caught()
        chain = ctypes.c_void_p()
        options = _api.options(
            "chain_options", wait_seconds=wait, top_only=top_only, threads=threads,
            flags=_api.flags("OPEN", write=write, force_share=force_share, no_lock=not lock),
        )
        if resolve is not None:
            options.resolve = self._caught.callback("resolve_fn", resolving(resolve), False)
        with catching() as caught:
            caught.kept.append(options)
            self._call("chain_open", chain, os.fsencode(filename), options)
        self._chain = chain

    def _handle(self) -> Any:
        if self._chain is None:
            raise Invalid("the chain is closed", filename=self.filename)
        return self._chain

    def _call(self, name: str, *arguments: Any) -> None:
        call(name, *arguments, filename=self.filename)

    # ---- What there is ---------------------------------------------------------------------------

    @property
    def layers(self) -> Tuple[Layer, ...]:
        """The layers, the top first."""
        lib = _api.lib
        found = []
        for idx in range(lib.chain_layer_count(self._handle())):
            layer = lib.chain_layer(self._handle(), idx).contents
            found.append(Layer(decoded(layer.filename), layer.virtual_bytes, not layer.image))
        return tuple(found)

    def layer_image(self, idx: int) -> LayerImage:
        """The image of a layer that is qcow2."""
        if self.layers[idx].is_raw:
            raise Invalid("layer %d is raw" % idx, filename=self.filename)
        return LayerImage(self, idx)

    def find_order(
        self, scheme: Scheme = Scheme.NONE, names: Sequence[Name] = (),
        watch: Optional[Watch] = None,
    ) -> Order:
        """Finds out scheme and order of the checkpoints, unless they are given."""
        array = (ctypes.c_char_p * len(names))(*map(encoded, names))
        options = _api.options("order_options", scheme=scheme, name_count=len(names))
        if names:
            options.names = array
        order = ctypes.POINTER(_api.STRUCTS["qcow2bm_order"])()
        with catching() as caught:
            options.watch = ctypes.pointer(caught.watch(watch))
            self._call("chain_find_order", self._handle(), options, order)
        self._order = record(Order, order.contents)
        return self._order

    @property
    def order(self) -> Order:
        return self.find_order() if self._order is None else self._order

    @property
    def checkpoints(self) -> Tuple[Checkpoint, ...]:
        """All checkpoints, the oldest first where the order is known."""
        self.order  # numbers them
        lib = _api.lib
        count = lib.chain_count(self._handle())
        checkpoints = (lib.chain_checkpoint(self._handle(), idx).contents for idx in range(count))
        return tuple(record(Checkpoint, checkpoint) for checkpoint in checkpoints)

    def index(self, which: Which) -> int:
        """The number of a checkpoint; NotFound when there is none of the name."""
        self.order
        if isinstance(which, int):
            return which
        name = encoded(which)
        idx: int = _api.lib.chain_find(self._handle(), name, len(name))
        if idx == _api.NOT_FOUND:
            sentence = "checkpoint '%s' not found" % decoded(name)
            raise NotFound(sentence, Code.ENOTFOUND, filename=self.filename)
        return idx

    def bitmap(self, which: Which, layer: int) -> Optional[Bitmap]:
        """The bitmap of a checkpoint in a layer."""
        idx = _api.lib.chain_bitmap(self._handle(), self.index(which), layer)
        return None if idx == _api.NOT_FOUND else Bitmap(self.layer_image(layer), idx)

    # ---- What changed ----------------------------------------------------------------------------

    def explain(self, which: Which) -> Since:
        """Whether since() tells all that changed, and on what it rests."""
        since = ctypes.POINTER(_api.STRUCTS["qcow2bm_since"])()
        self._call("chain_explain", self._handle(), self.index(which), since)
        return record(Since, since.contents)

    def since(
        self, which: Which, start: int = 0, length: int = _END, watch: Optional[Watch] = None
    ) -> Iterator[Extent]:
        """Extents of the disk, clean and dirty in turn: dirty is what may have changed since the
        checkpoint, over all layers."""
        idx = self.index(which)

        def read(at: int, left: int, fn: Any, seen: Any) -> None:
            self._call("chain_since", self._handle(), idx, at, left, fn, None, seen)

        return paged_extents(read, start, length, self.layers[0].virtual_bytes, watch)

    def dirty_bytes_since(
        self, which: Which, start: int = 0, length: int = _END, watch: Optional[Watch] = None
    ) -> int:
        """How many bytes of those extents are dirty, counted without them."""
        idx = self.index(which)
        dirty = ctypes.c_uint64()
        with catching() as caught:
            self._call(
                "chain_measure_since", self._handle(), idx, start, length, dirty,
                caught.watch(watch),
            )
        return dirty.value

    def _layer_bitmaps(self, bitmaps: Iterable[Bitmap]) -> Any:
        chosen = []
        for bitmap in bitmaps:
            if not isinstance(bitmap.image, LayerImage) or bitmap.image._chain is not self:
                raise Invalid("bitmap '%s' is of no layer of this chain" % bitmap.name)
            chosen.append((bitmap.image.idx, bitmap.idx))
        return (_api.STRUCTS["qcow2bm_layer_bitmap"] * len(chosen))(*chosen)

    def dirty_bytes(
        self, bitmaps: Iterable[Bitmap], start: int = 0, length: int = _END,
        untrusted: bool = False, watch: Optional[Watch] = None,
    ) -> int:
        """How many bytes the union of any bitmaps of this chain's layers marks dirty."""
        array = self._layer_bitmaps(bitmaps)
        flags = _api.flags("READ", untrusted=untrusted)
        dirty = ctypes.c_uint64()
        with catching() as caught:
            self._call(
                "chain_measure", self._handle(), array, len(array), start, length, flags, dirty,
                caught.watch(watch),
            )
        return dirty.value

    def extents(
        self, bitmaps: Iterable[Bitmap], start: int = 0, length: int = _END,
        untrusted: bool = False, watch: Optional[Watch] = None,
    ) -> Iterator[Extent]:
        """The extents of that union."""
        array = self._layer_bitmaps(bitmaps)
        flags = _api.flags("READ", untrusted=untrusted)

        def read(at: int, left: int, fn: Any, seen: Any) -> None:
            self._call(
                "chain_extents", self._handle(), array, len(array), at, left, flags, fn, None, seen
            )

        return paged_extents(read, start, length, self.layers[0].virtual_bytes, watch)

    def suits_libvirt(self, which: Which) -> bool:
        """Whether libvirt will take the checkpoint for an incremental backup, by its own rule."""
        return bool(_api.lib.chain_suits_libvirt(self._handle(), self.index(which)))

    # ---- What can be staged ----------------------------------------------------------------------

    def _stage(self, name: str, *arguments: Any) -> None:
        self.order
        self._call("chain_" + name, self._handle(), *arguments)

    def delete(self, *which: Which) -> None:
        """Deletes checkpoints; what changed since each other one stays what it was."""
        if len(which) == 1:
            self._stage("delete", self.index(which[0]))
            return
        idxs = (ctypes.c_size_t * len(which))(*(self.index(each) for each in which))
        self._stage("delete_several", idxs, len(which))

    def rename(self, which: Which, name: Name) -> None:
        new = encoded(name)
        self._stage("rename", self.index(which), new, len(new))

    def reset(self, which: Which) -> None:
        """The newest checkpoint begins now."""
        self._stage("reset", self.index(which))

    def convert(self, scheme: Scheme) -> None:
        self._stage("convert", scheme)

    def snapshot(self, allocated: bool = False) -> None:
        """The top, a new overlay, goes on recording what the layer below it does."""
        self._stage("snapshot", _api.flags("SNAPSHOT", allocated=allocated))
        self._order = None

    def prune(self, layer: int) -> None:
        """Drops from a lower layer the bitmaps that the top has none of."""
        self._stage("prune", layer)

    def lift(self, layer: int) -> None:
        """Before what is above a layer is copied into it: its bitmaps move to the top."""
        self._stage("lift", layer)

    def lower(self, layer: int) -> None:
        """After that: the bitmaps of the top move down to the layer."""
        self._stage("lower", layer)

    def absorb(self, layer: int, nothing_written: bool = False) -> None:
        """Before a layer is made the top's backing file: the bits between go to the top."""
        flags = _api.flags("ABSORB", nothing_written=nothing_written)
        self._stage("absorb", layer, flags)

    def settle(self, stored: bool = False) -> None:
        """After that: what was put by is what the bitmaps of the top have again."""
        self._stage("settle", _api.flags("SETTLE", stored=stored))

    def forget(self) -> None:
        """Deletes all checkpoints in all layers."""
        self._stage("forget")

    def go_back(self, which: Which) -> None:
        """The disk was restored to what it was at this checkpoint."""
        self._stage("go_back", self.index(which))

    def fill(self) -> None:
        """All has changed since each checkpoint."""
        self._stage("fill")

    def repair(
        self, all_dirty: bool = False, watch: Optional[Watch] = None
    ) -> Tuple[Mended, ...]:
        """Stages what mends all that verify() finds in this disk; tells what that is."""
        told: List[Mended] = []

        def keep(_opaque: Any, mended: Any) -> None:
            told.append(record(Mended, mended.contents))

        flags = _api.flags("MEND", all_dirty=all_dirty)
        findings = _verify([self], watch)
        try:
            with catching() as caught:
                self._stage("repair", findings, 0, flags, caught.callback("mended_fn", keep, None), None)
        finally:
            _api.lib.findings_free(findings)
        return tuple(told)

    def open_for_editing(self, layer: int) -> None:
        """Opens a layer anew for writing; what is staged does that where it is needed."""
        self._call("chain_open_for_editing", self._handle(), layer)

    def make_overlay(self, overlay: Path, backing_name: str) -> None:
        """Makes a new, empty overlay of the top, without bitmaps; snapshot() of its chain gives it those."""
        self._call("chain_make_overlay", self._handle(), os.fsencode(overlay), os.fsencode(backing_name))

    def export(
        self, which: Which, overlay: Path, backing_name: str, name: Name,
        watch: Optional[Watch] = None,
    ) -> None:
        """Makes a new overlay of the top whose one bitmap has what since() tells."""
        new = encoded(name)
        with catching() as caught:
            self._call(
                "chain_export", self._handle(), self.index(which), os.fsencode(overlay),
                os.fsencode(backing_name), new, len(new), caught.watch(watch),
            )

    # ---- Commit ----------------------------------------------------------------------------------

    def _edits(self) -> Dict[int, Edit]:
        """What is staged, by layer; the edits are the chain's."""
        found = {}
        for idx in range(len(self.layers)):
            edit = _api.lib.chain_edit(self._handle(), idx)
            if edit:
                found[idx] = Edit(self.layer_image(idx), borrowed=edit)
        return found

    def plan(self) -> Dict[int, Plan]:
        """What commit() would do, by layer. Nothing is written."""
        return {layer: edit.plan() for layer, edit in self._edits().items()}

    def commit(
        self, trust_refcounts: bool = False, discard: bool = True, watch: Optional[Watch] = None
    ) -> List[Result]:
        """Commits what is staged, in all layers or in none, and closes the chain: what it knows of
        its checkpoints is of the state before."""
        edits = list(self._edits().values())
        results = commit_together(
            edits, trust_refcounts=trust_refcounts, discard=discard, watch=watch
        )
        self.close()
        return results

    def close(self) -> None:
        """Closes all layers; what is staged and not committed is forgotten."""
        if self._chain is not None:
            _api.lib.chain_close(self._chain)
            self._chain = None

    def __enter__(self) -> "Chain":
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def __del__(self) -> None:
        if getattr(self, "_chain", None) is not None:
            self.close()


def resolving(resolve: Resolve) -> Callable[..., bool]:
    """A resolve function as the library calls it: why it fails is what the exception says."""

    def resolving(_opaque: Any, name: bytes, backing: Any, why: Any) -> bool:
        try:
            path, kind = resolve(os.fsdecode(name))
            backing.contents.path, backing.contents.format = os.fsencode(path), kind.encode()
            return True
        except Exception as exception:  # pylint: disable=broad-except
            sentence = str(exception).encode("utf-8", "replace")[:255] + b"\0"
            ctypes.memmove(why, sentence, len(sentence))
            return False

    return resolving


def _verify(chains: Sequence[Chain], watch: Optional[Watch]) -> Any:
    """The findings as the library has them, to be freed."""
    for chain in chains:
        chain.order
    array = (ctypes.c_void_p * len(chains))(*(chain._handle().value for chain in chains))
    findings = ctypes.c_void_p()
    with catching() as caught:
        call("chain_verify", array, len(chains), findings, caught.watch(watch))
    return findings


def verify(chains: Sequence[Chain], watch: Optional[Watch] = None) -> Tuple[Finding, ...]:
    """What is wrong with the checkpoints of disks: of each the worst first."""
    lib, findings = _api.lib, _verify(chains, watch)
    try:
        count = lib.findings_count(findings)
        return tuple(
            record(Finding, lib.findings_finding(findings, number).contents)
            for number in range(count)
        )
    finally:
        lib.findings_free(findings)
