# SPDX-License-Identifier: LGPL-2.1-or-later
"""Persistent dirty bitmaps in qcow2 images that no QEMU has open.

    import qcow2bm

    with qcow2bm.Image("disk.qcow2", write=True) as image:
        for bitmap in image.bitmaps:
            print(bitmap.name, bitmap.state.name, bitmap.measure().dirty_bytes)
        with image.edit() as edit:  # all or nothing
            edit.delete("old")

It is libqcow2bm, called through ctypes: its promises hold, its manual pages (section 3) say more. One
image belongs to one thread at a time."""

from . import _api
from .chain import Chain, Layer, LayerImage, verify
from .check import Report
from .differ import Differ, Old, probe
from .edit import Edit
from .errors import (
    Busy,
    DamagedImage,
    Error,
    Exists,
    InUse,
    Interrupted,
    Invalid,
    LimitExceeded,
    NotFound,
    NotQcow2,
    OutOfMemory,
    OutcomeUnknown,
    Stopped,
    SystemCallError,
    Unsupported,
)
from .guest import Disk
from .image import BaseImage, Bitmap, Image
from .records import (
    BitmapInfo,
    Carved,
    Change,
    Checkpoint,
    CutOff,
    Comparison,
    DiskExtent,
    Extent,
    Finding,
    ImageInfo,
    Judgement,
    Measure,
    Mended,
    OldCheckpoint,
    OldInfo,
    Order,
    Plan,
    Problem,
    Promise,
    ProofExtent,
    Result,
    ResumeImage,
    ResumeResult,
    Since,
    Snapshot,
    Totals,
    UndoResult,
)
from .together import check_together, commit_together, look_together, resume_together
from .undo import undo
from .values import (
    Area,
    Base,
    CarvedState,
    Cause,
    ChainCure,
    ChangeKind,
    Code,
    Compression,
    Condition,
    Cure,
    DiskKind,
    Encryption,
    Guarantee,
    Mending,
    OldKind,
    Outcome,
    Proof,
    Recording,
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
from .watch import Watch

__all__ = [
    "Area",
    "Base",
    "BaseImage",
    "Bitmap",
    "BitmapInfo",
    "Busy",
    "Carved",
    "CarvedState",
    "Cause",
    "Chain",
    "ChainCure",
    "Change",
    "ChangeKind",
    "Checkpoint",
    "Code",
    "Comparison",
    "Compression",
    "Condition",
    "Cure",
    "CutOff",
    "DamagedImage",
    "Differ",
    "Disk",
    "DiskExtent",
    "DiskKind",
    "Edit",
    "Encryption",
    "Error",
    "Exists",
    "Extent",
    "Finding",
    "Guarantee",
    "Image",
    "ImageInfo",
    "InUse",
    "Interrupted",
    "Invalid",
    "Judgement",
    "Layer",
    "LayerImage",
    "LimitExceeded",
    "Measure",
    "Mended",
    "Mending",
    "NotFound",
    "NotQcow2",
    "Old",
    "OldCheckpoint",
    "OldInfo",
    "OldKind",
    "Order",
    "OutOfMemory",
    "Outcome",
    "OutcomeUnknown",
    "Plan",
    "Problem",
    "Promise",
    "Proof",
    "ProofExtent",
    "Recording",
    "Recovery",
    "Report",
    "Result",
    "ResumeHeld",
    "ResumeImage",
    "ResumeOutcome",
    "ResumeResult",
    "Scheme",
    "Severity",
    "Since",
    "Snapshot",
    "State",
    "Stopped",
    "SystemCallError",
    "Totals",
    "Trait",
    "UndoResult",
    "Unsupported",
    "Verdict",
    "Watch",
    "Witness",
    "check_together",
    "commit_together",
    "library_version",
    "look_together",
    "probe",
    "resume_together",
    "undo",
    "verify",
]

__version__: str = _api.API["library_version"]


def library_version() -> str:
    """The version of the library that was found."""
    version: bytes = _api.lib.version()
    return version.decode()
