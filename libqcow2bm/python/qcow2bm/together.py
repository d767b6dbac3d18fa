# SPDX-License-Identifier: LGPL-2.1-or-later
"""Edits of several images, committed as one."""

from __future__ import annotations

import ctypes
import os
from typing import Any, List, Optional, Sequence

from . import _api
from .edit import Edit, commit_options
from .errors import Error, call
from .image import Path
from .records import CutOff, ResumeImage, ResumeResult, Result, decoded, record
from .watch import Watch, catching


def commit_together(
    edits: Sequence[Edit], intent_path: Optional[Path] = None, trust_refcounts: bool = False,
    discard: bool = True, watch: Optional[Watch] = None, note: bytes = b"",
) -> List[Result]:
    """Commits the edits of images that were opened by their names: all of them or none. When that is
    cut off between, a file stays that resume_together() finishes by, and which has the note, of up
    to 256 bytes, for look_together()."""
    if not edits:
        return []
    parts = (_api.STRUCTS["qcow2bm_together_edit"] * len(edits))()
    for part, edit in zip(parts, edits):
        part.edit = edit._handle()
        part.filename = os.fsencode(edit.image.filename or "")
    results = (ctypes.POINTER(_api.STRUCTS["qcow2bm_result"]) * len(edits))()
    failed = ctypes.c_size_t(_api.NOT_FOUND)
    path = None if intent_path is None else os.fsencode(intent_path)
    options = commit_options(trust_refcounts, discard)
    kept = ctypes.create_string_buffer(note, len(note))
    options.note = ctypes.cast(kept, ctypes.POINTER(ctypes.c_char))
    options.note_bytes = len(note)
    with catching() as caught:
        try:
            call(
                "together_commit", parts, len(edits), path, options, results, failed,
                caught.watch(watch),
            )
        except Error as error:
            if failed.value < len(edits):
                error.filename = edits[failed.value].image.filename
            raise
        finally:
            for edit, result in zip(edits, results):
                if result:
                    edit.result = record(Result, result.contents)
    for edit in edits:
        edit._is_over = True
    return [edit.result for edit in edits if edit.result is not None]


def check_together(filename: Path) -> None:
    """Raises Exists when a commit of several images of which this was the first was cut off."""
    call("together_check", os.fsencode(filename), filename=os.fsdecode(filename))


def look_together(filename: Path, intent_path: Optional[Path] = None) -> Optional[CutOff]:
    """The commit that was cut off and left intent_path, by default the file that it has by itself
    beside this image, its first; None: there is no such file."""
    found: List[CutOff] = []

    def told(_opaque: Any, cut_off: Any) -> None:
        struct = cut_off.contents
        note = ctypes.string_at(struct.note, struct.note_bytes) if struct.note_bytes else b""
        names = tuple(decoded(struct.filenames[idx]) for idx in range(struct.filename_count))
        found.append(CutOff(decoded(struct.intent_path), names, bool(struct.is_begun), note))

    path = None if intent_path is None else os.fsencode(intent_path)
    with catching() as caught:
        call(
            "together_look", os.fsencode(filename), path, caught.callback("cut_off_fn", told, None),
            None, filename=os.fsdecode(filename),
        )
    return found[0] if found else None


def resume_together(
    intent_path: Path, dry_run: bool = False, lock: bool = True, wait: int = 0,
    watch: Optional[Watch] = None, own: bool = False,
) -> ResumeResult:
    """Finishes a commit that was cut off, by the file that it left, or takes it back. With own no file
    is obeyed but what look_together() would tell of."""
    found: List[ResumeResult] = []

    def told(_opaque: Any, result: Any) -> None:
        struct = result.contents
        images = tuple(record(ResumeImage, struct.images[idx]) for idx in range(struct.count))
        found.append(record(ResumeResult, struct, images=images))

    flags = _api.flags("RESUME", dry_run=dry_run, no_lock=not lock, own=own)
    path = os.fsencode(intent_path)
    with catching() as caught:
        call(
            "together_resume", path, flags, wait, caught.callback("resume_fn", told, None), None,
            caught.watch(watch), filename=decoded(path),
        )
    return found[0]
