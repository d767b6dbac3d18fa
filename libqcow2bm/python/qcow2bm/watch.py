# SPDX-License-Identifier: LGPL-2.1-or-later
"""Who looks on while a call works, and what becomes of exceptions in functions that are called back:
they stop the call, and are raised when it has returned."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Callable, Iterator, List, Optional
from contextlib import contextmanager

from . import _api
from .errors import Interrupted, Stopped


@dataclass(frozen=True)
class Watch:
    """`interrupted` is asked ten times a second whether to stop, until the switch of a commit;
    `progress` is told the bytes done and all there are. A KeyboardInterrupt stops a call, too."""

    interrupted: Optional[Callable[[], bool]] = None
    progress: Optional[Callable[[int, int], None]] = None


class Caught:
    """Keeps the first exception of functions that the library calls: C knows none."""

    def __init__(self) -> None:
        self.exception: Optional[BaseException] = None
        self.kept: List[Any] = []

    def guard(self, function: Callable[..., Any], when_raised: Any) -> Callable[..., Any]:
        def guarded(*arguments: Any) -> Any:
            if self.exception is not None:
                return when_raised
            try:
                return function(*arguments)
            except BaseException as exception:  # pylint: disable=broad-except
                self.exception = exception
                return when_raised

        return guarded

    def callback(self, name: str, function: Callable[..., Any], when_raised: Any) -> Any:
        """A C function of the type qcow2bm_NAME, which lives as long as this."""
        made = _api.CALLBACKS["qcow2bm_" + name](self.guard(function, when_raised))
        self.kept.append(made)
        return made

    def watch(self, watch: Optional[Watch]) -> Any:
        """The C struct of a watch; one is always given, so that Control-C is heard."""
        watch = watch or Watch()
        asked, progress = watch.interrupted, watch.progress
        struct = _api.options("watch")
        kinds = dict(struct._fields_)
        struct.interrupted = kinds["interrupted"](
            self.guard(lambda _opaque: bool(asked and asked()), True)
        )
        if progress is not None:
            told = progress
            struct.progress = kinds["progress"](
                self.guard(lambda _opaque, done, total: told(done, total), None)
            )
        self.kept.append(struct)
        return struct


@contextmanager
def catching() -> Iterator[Caught]:
    """Inside, calls are made with callbacks of Caught; what one of them raised is raised at the end,
    in the place of the failure that came of it."""
    caught = Caught()
    try:
        yield caught
    except (Interrupted, Stopped):
        if caught.exception is None:
            raise
    if caught.exception is not None:
        raise caught.exception
