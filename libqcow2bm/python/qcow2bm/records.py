# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the library tells, as frozen dataclasses: each has the members of its C struct, by their names;
a name and its length are one str, in which bytes that are no UTF-8 stand as surrogateescape has
them. What a C struct says until the next call is copied here, and stays."""

from __future__ import annotations

import ctypes
import dataclasses
import typing
from dataclasses import dataclass
from enum import IntEnum, IntFlag
from typing import Any, Optional, Tuple, Type, TypeVar, Union

from . import _api
from .values import (
    Area,
    CarvedState,
    Cause,
    ChainCure,
    ChangeKind,
    Compression,
    Cure,
    DiskKind,
    Encryption,
    Guarantee,
    Mending,
    OldKind,
    Outcome,
    Proof,
    Recovery,
    ResumeHeld,
    ResumeOutcome,
    Scheme,
    Severity,
    State,
    Trait,
    Verdict,
    Witness,
)

Name = Union[str, bytes]


def encoded(name: Name) -> bytes:
    """The bytes of a name as they stand in the image."""
    return name if isinstance(name, bytes) else name.encode("utf-8", "surrogateescape")


def decoded(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")


@dataclass(frozen=True)
class ImageInfo:
    version: int
    virtual_bytes: int
    cluster_bytes: int
    file_bytes: int
    allocated_bytes: int
    refcount_bits: int
    lazy_refcounts: bool
    dirty: bool
    corrupt: bool
    extended_l2: bool
    data_file_raw: bool
    bitmaps_consistent: bool
    bitmaps_extension: bool
    external_data: bool
    encryption: Encryption
    compression: Compression
    backing_filename: Optional[str]
    backing_format: Optional[str]
    data_filename: Optional[str]
    snapshots: int


@dataclass(frozen=True)
class Snapshot:
    id: str
    name: str
    vm_state_bytes: int
    date_seconds: int
    date_nanoseconds: int
    vm_clock_nanoseconds: int
    disk_bytes: int
    icount: int


@dataclass(frozen=True)
class BitmapInfo:
    name: str
    granularity_bits: int
    in_use: bool
    recording: bool
    temporary: bool
    state: State
    problem: Optional[str]
    table_offset: int
    table_entries: int
    extra_bytes: int
    of_chain: bool


@dataclass(frozen=True)
class Measure:
    dirty_bytes: int
    stored_bytes: int


@dataclass(frozen=True)
class Extent:
    start: int
    length: int
    dirty: bool


@dataclass(frozen=True)
class Promise:
    """What the bits of a recovered bitmap promise; sets of conditions are numbers of 1 << Condition."""

    method: Recovery
    guarantee: Guarantee
    conditions: int
    assumed: int
    all_dirty: bool
    better: Recovery
    better_conditions: int


@dataclass(frozen=True)
class Change:
    kind: ChangeKind
    old_name: Optional[str]
    new_name: Optional[str]
    granularity_bits: int
    flag_changed: bool
    enabled: bool
    content_changed: bool
    sources: int
    promise: Optional[Promise]
    old_idx: Optional[int]


@dataclass(frozen=True)
class Plan:
    changes: Tuple[Change, ...]
    write_clusters: int
    release_clusters: int
    leak_clusters: int
    leaks_more: bool
    refcount_clusters: int
    read_bytes: int


@dataclass(frozen=True)
class Result:
    switched: bool
    written_clusters: int
    released_clusters: int
    leaked_clusters: int
    data_bytes_read: int
    syncs: int
    leak_reason: str
    refcount_clusters: int


@dataclass(frozen=True)
class Problem:
    """A finding of a check; `idx` is that of the bitmap, None when it is of none."""

    code: str
    severity: Severity
    area: Area
    cure: Cure
    traits: Trait
    offset: Optional[int]
    idx: Optional[int]
    sentence: str


@dataclass(frozen=True)
class Totals:
    errors: int
    warnings: int
    notes: int
    corruptions: int
    leaked_clusters: int
    clusters: int
    allocated_clusters: int
    compressed_clusters: int
    fragmented_clusters: int
    image_end_bytes: int
    walked: bool


@dataclass(frozen=True)
class Carved:
    directory_offset: int
    idx: int
    entry_offset: int
    name: str
    granularity_bits: int
    in_use: bool
    recording: bool
    fits_disk: bool
    extra_bytes: int
    table_offset: int
    table_entries: int
    data_clusters: int
    state: CarvedState


@dataclass(frozen=True)
class Checkpoint:
    name: str
    parent: Optional[str]
    is_tie: bool


@dataclass(frozen=True)
class Order:
    scheme: Scheme
    scheme_is_given: bool
    witness: Witness
    gap: Optional[str]


@dataclass(frozen=True)
class Since:
    """What the ranges that changed since a checkpoint rest on."""

    first: int
    count: int
    is_superset: bool
    verdict: Verdict
    reason: Optional[str]


@dataclass(frozen=True)
class Finding:
    """What is wrong with checkpoints; an index that it is not about is None."""

    code: str
    severity: Severity
    cure: ChainCure
    disk_idx: Optional[int]
    layer_idx: Optional[int]
    idx: Optional[int]
    other_idx: Optional[int]
    bitmap_idx: Optional[int]
    sentence: str


@dataclass(frozen=True)
class Mended:
    """What Chain.repair() does about a checkpoint or bitmap."""

    mending: Mending
    name: Optional[str]
    layer_idx: Optional[int]
    reason: str


@dataclass(frozen=True)
class CutOff:
    intent_path: str
    filenames: Tuple[str, ...]
    is_begun: bool
    note: bytes


@dataclass(frozen=True)
class ResumeImage:
    filename: str
    held: ResumeHeld


@dataclass(frozen=True)
class ResumeResult:
    outcome: ResumeOutcome
    images: Tuple[ResumeImage, ...]
    leaked_clusters: int
    syncs: int


@dataclass(frozen=True)
class UndoResult:
    nothing: bool
    was_interrupted: bool
    forced: bool
    restored_bytes: int
    file_bytes: int
    syncs: int
    proven: bool
    marked_bitmaps: int


@dataclass(frozen=True)
class DiskExtent:
    """What a range of the disk is, and where."""

    start: int
    length: int
    kind: DiskKind
    layer_idx: int
    offset: Optional[int]
    reads_zero: bool
    is_past_end: bool


@dataclass(frozen=True)
class Comparison:
    """Where two disks first differ, None: nowhere, and how much of them does, in sectors of 512 bytes."""

    first: Optional[int]
    first_status: Optional[int]
    differing_bytes: int
    is_past_end: Tuple[bool, ...]
    failed_disk: Optional[int]
    failed_at: int
    failed_reading: bool


@dataclass(frozen=True)
class OldInfo:
    """An older state; from granularity_bits on what a manifest alone tells."""

    kind: OldKind
    virtual_bytes: int
    written_seconds: int
    checkpoints: int
    granularity_bits: int
    made_seconds: int
    hash: Optional[str]
    filename: Optional[str]
    total: Optional[bytes]


@dataclass(frozen=True)
class OldCheckpoint:
    name: str
    is_known: bool
    dirty_bytes: int


@dataclass(frozen=True)
class ProofExtent:
    start: int
    length: int
    proof: Proof


@dataclass(frozen=True)
class Judgement:
    """A checkpoint, proven by an older state; `bytes` are those of the disk for each Proof."""

    outcome: Outcome
    reason: Optional[str]
    cause: Cause
    granularity_bits: int
    bytes: Tuple[int, ...]
    lost_extents: int


T = TypeVar("T")


def _converted(struct: Any, member: str, hint: Any) -> Any:
    value = getattr(struct, member)
    optional = type(None) in typing.get_args(hint)
    if hasattr(struct, member + "_bytes"):
        return decoded(ctypes.string_at(value, getattr(struct, member + "_bytes"))) if value else None
    if isinstance(value, bytes):
        return decoded(value)
    if isinstance(value, ctypes.Array):
        return tuple(value)
    if hint is Optional[Promise]:
        return record(Promise, value.contents) if value else None
    if isinstance(hint, type) and issubclass(hint, (IntEnum, IntFlag)):
        return hint(value)
    if optional and value in (_api.NOT_FOUND, _api.NO_OFFSET):
        return None
    return value


def record(cls: Type[T], struct: Any, **known: Any) -> T:
    """The dataclass of a C struct: the member of the same name for each field that is not given."""
    hints = typing.get_type_hints(cls)
    members = {
        field.name: _converted(struct, field.name, hints[field.name])
        for field in dataclasses.fields(cls)
        if field.name not in known
    }
    return cls(**members, **known)
