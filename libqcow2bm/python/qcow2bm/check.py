# SPDX-License-Identifier: LGPL-2.1-or-later
"""The report of a check."""

from __future__ import annotations

import ctypes
import weakref
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Optional, Tuple

from . import _api
from .records import Problem, Totals, record
from .values import Severity
from .watch import Watch, catching

if TYPE_CHECKING:
    from .image import BaseImage


@dataclass(frozen=True, init=False)
class Report:
    """Findings, the worst first, and totals. Edit.repair() and Image.carve() take it as long as the
    image is as it was."""

    problems: Tuple[Problem, ...]
    totals: Totals
    _report: Any = field(repr=False, compare=False)

    def __init__(self, image: "BaseImage", quick: bool, watch: Optional[Watch]) -> None:
        report = ctypes.c_void_p()
        options = _api.options("check_options", flags=_api.flags("CHECK", quick=quick))
        with catching() as caught:
            image._call("image_check", image._handle(), options, report, caught.watch(watch))
        lib = _api.lib
        weakref.finalize(self, lib.report_free, report.value)
        count = lib.report_count(report)
        problems = (lib.report_problem(report, number).contents for number in range(count))
        set_ = object.__setattr__
        set_(self, "problems", tuple(record(Problem, problem) for problem in problems))
        set_(self, "totals", record(Totals, lib.report_totals(report).contents))
        set_(self, "_report", report)

    def _handle(self) -> Any:
        return self._report

    @property
    def is_clean(self) -> bool:
        """Nothing but notes."""
        return all(problem.severity == Severity.NOTE for problem in self.problems)
