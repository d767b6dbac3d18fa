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
from .records import ResumeImage, ResumeResult, Result, decoded, record
from .watch import Watch, catching


def commit_together(
    edits: Sequence[Edit], intent_path: Optional[Path] = None, trust_refcounts: bool = False,
    discard: bool = True, watch: Optional[Watch] = None,
) -> List[Result]:
    """Commits the edits of images that were opened by their names: all of them or none. When that is
    cut off between, a file stays that resume_together() finishes by."""
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


def resume_together(
    intent_path: Path, dry_run: bool = False, lock: bool = True, wait: int = 0,
    watch: Optional[Watch] = None,
) -> ResumeResult:
    """Finishes a commit that was cut off, by the file that it left, or takes it back."""
    found: List[ResumeResult] = []

    def told(_opaque: Any, result: Any) -> None:
        struct = result.contents
        images = tuple(record(ResumeImage, struct.images[idx]) for idx in range(struct.count))
        found.append(record(ResumeResult, struct, images=images))

    flags = _api.flags("RESUME", dry_run=dry_run, no_lock=not lock)
    path = os.fsencode(intent_path)
    with catching() as caught:
        call(
            "together_resume", path, flags, wait, caught.callback("resume_fn", told, None), None,
            caught.watch(watch), filename=decoded(path),
        )
    return found[0]
