# SPDX-License-Identifier: LGPL-2.1-or-later
"""The enums of the library. A value that is newer than this module counts as the most cautious one
that it knows: the last, where a class says nothing else."""

from __future__ import annotations

from enum import IntEnum, IntFlag
from typing import Optional

from . import _api

# Classes whose words the library tells by a function of another name, or not at all.
_WORDS = {
    "CarvedState": "carved_state",
    "ChainCure": "chain_cure",
    "ChangeKind": "change",
    "OldKind": "old_kind",
    "ResumeHeld": "resume_held",
    "ResumeOutcome": "resume_outcome",
    "Compression": "",
    "DiskKind": "",
    "Encryption": "",
    "Recording": "",
}


class _Value(IntEnum):
    @property
    def word(self) -> str:
        """As the program's JSON has it: "in-use-stale"."""
        kind = _WORDS.get(type(self).__name__, type(self).__name__.lower())
        if not kind:
            return self.name.lower()
        word: Optional[bytes] = getattr(_api.lib, kind + "_name")(self)
        return word.decode() if word else self.name.lower()

    @classmethod
    def _missing_(cls, value: object) -> "_Value":
        return cls._cautious()

    @classmethod
    def _cautious(cls) -> "_Value":
        return list(cls)[-1]


class Code(_Value):
    """Why a call failed."""

    OK = 0
    ESYSTEM = 1
    ENOMEM = 2
    ENOTQCOW2 = 3
    EIMAGE = 4
    EUNSUPPORTED = 5
    EBUSY = 6
    ENOTFOUND = 7
    EEXIST = 8
    EINUSE = 9
    EINVAL = 10
    ELIMIT = 11
    EINTERRUPTED = 12
    ESTOPPED = 13
    EUNKNOWN = 14


class State(_Value):
    """May a bitmap be used? VALID ones record, DISABLED ones are just as sound; others may lack
    changes."""

    VALID = 0
    DISABLED = 1
    IN_USE_LIVE = 2
    IN_USE_STALE = 3
    IN_USE_UNKNOWN = 4
    CORRUPT = 5


class Encryption(_Value):
    NONE = 0
    AES = 1
    LUKS = 2


class Compression(_Value):
    ZLIB = 0
    ZSTD = 1


class Recovery(_Value):
    """What a bitmap that a crash left in-use gets for its bits."""

    STORED = 0
    ALLOCATED = 1
    FULL = 2
    CARVED = 3
    AUTO = 4
    COMPARED = 5


class Guarantee(_Value):
    EXACT = 0
    SUPERSET = 1
    UNSAFE = 2


class Condition(_Value):
    """What no image can prove, and a guarantee may rest on."""

    NOT_CHANGED_BY_QMP = 0
    NOT_RESIZED = 1
    NOT_COMMITTED = 2
    NOT_WRITTEN_BY_OTHERS = 3
    OLD_IS_BASE = 4


class Recording(_Value):
    """The auto flag of a recovered bitmap."""

    KEEP = 0
    ON = 1
    OFF = 2


class ChangeKind(_Value):
    ADD = 0
    DELETE = 1
    UPDATE = 2
    NONE = 3

    @classmethod
    def _cautious(cls) -> "ChangeKind":
        return cls.UPDATE


class Severity(_Value):
    NOTE = 0
    LEAK = 1
    WARNING = 2
    ERROR = 3


class Cure(_Value):
    NONE = 0
    MEND = 1
    DROP = 2
    CHOOSE = 3
    RECOVER = 4
    DELETE = 5
    RENAME = 6
    QEMU = 7
    COPY = 8
    NOBODY = 9
    AGAIN = 10

    @classmethod
    def _cautious(cls) -> "Cure":
        return cls.NOBODY


class Area(_Value):
    HEADER = 0
    DIRECTORY = 1
    BITMAP = 2
    IMAGE = 3
    GUEST = 4


class Trait(IntFlag):
    KEEPS_QEMU_OUT = 1
    RISKS_DATA = 2
    RECOUNTED = 4
    STOPS_STORING = 8
    HIDES_BACKING = 16


class CarvedState(_Value):
    INTACT = 0
    BLANK = 1
    TABLE_PAST_END = 2
    TABLE_REUSED = 3
    TABLE_DAMAGED = 4
    DATA_PAST_END = 5
    DATA_REUSED = 6
    DATA_DAMAGED = 7
    DATA_BLANK = 8
    NOT_JUDGED = 9


class Scheme(_Value):
    """How checkpoints are kept."""

    NONE = 0
    ANY = 1
    NESTED = 2
    DELTA = 3
    UNKNOWN = 4


class Witness(_Value):
    """What tells in which order checkpoints were made."""

    NONE = 0
    GIVEN = 1
    NAMES = 2
    FLAGS = 3
    BITS = 4
    ONE = 5

    @classmethod
    def _cautious(cls) -> "Witness":
        return cls.NONE


class Verdict(_Value):
    """What a scheduler of backups can do with a checkpoint."""

    INCREMENTAL = 0
    REPAIR = 1
    FULL = 2


class ChainCure(_Value):
    NONE = 0
    DELETE = 1
    DELETE_OLDER = 2
    START_ANEW = 3
    RECOVER = 4
    CHECK = 5
    DISABLE = 6
    DELETE_BITMAP = 7
    UPGRADE = 8
    REPAIR = 9
    AGAIN = 10

    @classmethod
    def _cautious(cls) -> "ChainCure":
        return cls.CHECK


class Mending(_Value):
    """What a repair does about checkpoints."""

    DROPPED = 0
    ALL_DIRTY = 1
    MADE = 2
    SILENCED = 3
    RENAMED = 4
    REMOVED = 5
    LEFT = 6


class ResumeHeld(_Value):
    OLD = 0
    NEW = 1
    NEITHER = 2


class ResumeOutcome(_Value):
    FINISHED = 0
    TAKEN_BACK = 1
    NOT_BEGUN = 2

    @classmethod
    def _cautious(cls) -> "ResumeOutcome":
        return cls.TAKEN_BACK


class DiskKind(_Value):
    """What a range of the disk is."""

    UNALLOCATED = 0
    BELOW = 1
    ZERO = 2
    DATA = 3
    COMPRESSED = 4

    @classmethod
    def _cautious(cls) -> "DiskKind":
        return cls.DATA


class OldKind(_Value):
    """What an older state of a disk is kept as; ANY: what the file begins as."""

    ANY = 0
    QCOW2 = 1
    RAW = 2
    MANIFEST = 3


class Base(_Value):
    """Whether an older state is the disk as it was when a checkpoint began."""

    UNTOLD = 0
    SAME = 1
    LATER = 2
    OTHER = 3


class Proof(_Value):
    """What a bitmap says of a part of the disk, and what is so."""

    UNCHANGED = 0
    LOST = 1
    CHANGED = 2
    SURPLUS = 3
    OPEN = 4


class Outcome(_Value):
    NOT_COMPARED = 0
    RIGHT = 1
    WRONG = 2


class Cause(_Value):
    """What probably made a bitmap wrong."""

    NONE = 0
    WRONG_BASE = 1
    RESIZE = 2
    BITMAP_CLUSTER = 3
    FOREIGN_WRITER = 4
    LOST_BITS = 5

    @classmethod
    def _cautious(cls) -> "Cause":
        return cls.NONE
