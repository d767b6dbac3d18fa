# SPDX-License-Identifier: LGPL-2.1-or-later
"""Undoing what an edit did, by the undo file that Image.begin_undo() began."""

from __future__ import annotations

import os
from typing import Any, List, Optional

from . import _api
from .errors import call
from .image import Path
from .records import UndoResult, record
from .watch import Watch, catching


def undo(
    filename: Path, undo_filename: Path, dry_run: bool = False, lock: bool = True,
    force: bool = False, in_use: bool = False, wait: int = 0, watch: Optional[Watch] = None,
) -> UndoResult:
    """Puts back, byte for byte, what the image held before. `in_use`: bitmaps come back marked as in
    use; `force`: after an interrupted edit, also what is neither old nor new."""
    found: List[UndoResult] = []

    def told(_opaque: Any, result: Any) -> None:
        found.append(record(UndoResult, result.contents))

    flags = _api.flags("UNDO", dry_run=dry_run, no_lock=not lock, force=force, in_use=in_use)
    with catching() as caught:
        call(
            "undo_apply", os.fsencode(filename), os.fsencode(undo_filename), flags, wait,
            caught.callback("undo_fn", told, None), None, caught.watch(watch),
            filename=os.fsdecode(filename),
        )
    return found[0]
