# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a call that fails raises: one class for each code, all of them Error."""

from __future__ import annotations

from typing import Any, Dict, Optional, Type

from . import _api
from .values import Code


class Error(Exception):
    """A call failed. `offset` is the byte in the image file, `errno` that of a system call."""

    def __init__(
        self,
        sentence: str,
        code: Code = Code.EINVAL,
        errno: int = 0,
        offset: Optional[int] = None,
        filename: Optional[str] = None,
    ) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.code = code
        self.errno = errno
        self.offset = offset
        self.filename = filename

    def __str__(self) -> str:
        return "%s: %s" % (self.filename, self.sentence) if self.filename else self.sentence


class SystemCallError(Error):
    """A system call failed; `errno` says how."""


class OutOfMemory(Error):
    """Memory could not be allocated."""


class NotQcow2(Error):
    """The file does not start as a qcow2 image."""


class DamagedImage(Error):
    """The image, or a bitmap of it, breaks the rules of the format."""


class Unsupported(Error):
    """Well-formed, but must not be read or edited by this library."""


class Busy(Error):
    """Another process has the image open."""


class NotFound(Error):
    """No bitmap of that name."""


class Exists(Error):
    """A bitmap or file of that name is there already."""


class InUse(Error):
    """The bitmap is marked in-use: its bits cannot be trusted."""


class Invalid(Error):
    """An argument is outside its limits, or an object was used too late."""


class LimitExceeded(Error):
    """The result would be over one of QEMU's limits."""


class Interrupted(Error):
    """A watch said stop, before the switch: nothing has changed."""


class Stopped(Error):
    """A function that was called back said stop."""


class OutcomeUnknown(Error):
    """An I/O error at the switch: the image is whole, old or new. Open it anew and look."""


CLASSES: Dict[Code, Type[Error]] = {
    Code.ESYSTEM: SystemCallError,
    Code.ENOMEM: OutOfMemory,
    Code.ENOTQCOW2: NotQcow2,
    Code.EIMAGE: DamagedImage,
    Code.EUNSUPPORTED: Unsupported,
    Code.EBUSY: Busy,
    Code.ENOTFOUND: NotFound,
    Code.EEXIST: Exists,
    Code.EINUSE: InUse,
    Code.EINVAL: Invalid,
    Code.ELIMIT: LimitExceeded,
    Code.EINTERRUPTED: Interrupted,
    Code.ESTOPPED: Stopped,
    Code.EUNKNOWN: OutcomeUnknown,
}


def made_of(err: Any, filename: Optional[str]) -> Error:
    """The exception that says what struct qcow2bm_error does."""
    code = Code(err.code)
    return CLASSES.get(code, Error)(
        err.sentence.decode("utf-8", "replace"),
        code,
        err.sys_errno,
        None if err.offset == _api.NO_OFFSET else err.offset,
        filename,
    )


def call(name: str, *arguments: Any, filename: Optional[str] = None) -> None:
    """Calls a function of the library that can fail; the last argument, err, is added."""
    err = _api.STRUCTS["qcow2bm_error"]()
    if getattr(_api.lib, name)(*arguments, err) != Code.OK:
        raise made_of(err, filename)
