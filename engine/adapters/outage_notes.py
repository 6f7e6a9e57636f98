"""What is noted of an outage of the engine: how far people were woken for it, and who said that they have it.

The journal cannot be asked then. The pager writes one file, the front that takes the answer the other.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Final, TypeVar

import msgspec
from msgspec import Struct

from engine.adapters.file_lock import changing_alone
from engine.adapters.files import storage_errors
from engine.adapters.token_file import private_write
from engine.core.vocabulary.ids import EscalationId, PersonId

OUTAGE: Final = "outage-"
"""What the id of every outage begins with; none of an escalation does."""
_T = TypeVar("_T")


class Outage(Struct, frozen=True, kw_only=True):
    """An outage, and how far people were woken for it."""

    outage_id: EscalationId
    began_us: int
    rings: int = 0
    """How often a rung rang."""
    rang_us: int = 0
    """When one did last; 0 before the first."""
    heard: bool = False
    """Whether that reached anybody."""
    made: int = 0
    """How many notifications were made, so that each has a number of its own."""
    told: PersonId = PersonId("")
    """Of whom the others were told that they have it; empty while nobody does."""
    woken: Mapping[PersonId, tuple[str, ...]] = {}
    """Who was rung over which channels; what belongs to nobody stands under an empty name."""


class OutageAnswer(Struct, frozen=True, kw_only=True):
    """Somebody has it."""

    outage_id: EscalationId
    by: PersonId
    at_us: int


def outage_id(began_us: int) -> EscalationId:
    """Name an outage.

    >>> outage_id(1_764_201_600_000_000)
    'outage-1764201600000000'
    """
    return EscalationId(f"{OUTAGE}{began_us}")


class OutageNotes:
    """Both files. Each is there only while there is something in it."""

    def __init__(self, outage: Path, answer: Path) -> None:
        """Name them."""
        self._outage, self._answer = outage, answer

    def standing(self) -> Outage | None:
        """Return the outage that was noted last and not forgotten; `None` when there is none to be read."""
        return _read(self._outage, Outage)

    def keep(self, outage: Outage) -> None:
        """Note how far it is. Raises `StorageError`."""
        private_write(self._outage, msgspec.json.encode(outage))

    def forget(self) -> None:
        """Note that it is over. Raises `StorageError`."""
        self.ask_again()
        with storage_errors(self._outage):
            self._outage.unlink(missing_ok=True)

    def ask_again(self) -> None:
        """Forget who said that they have it. Raises `StorageError`."""
        with storage_errors(self._answer):
            self._answer.unlink(missing_ok=True)

    def answered(self, outage: EscalationId) -> OutageAnswer | None:
        """Return who said that they have it; `None` while nobody did."""
        found = _read(self._answer, OutageAnswer)
        return found if found is not None and found.outage_id == outage else None

    def answer(self, answer: OutageAnswer) -> OutageAnswer:
        """Note that somebody has it, and return who does: whoever was first. Raises `StorageError`."""
        with changing_alone(self._answer):
            first = self.answered(answer.outage_id)
            if first is None:
                private_write(self._answer, msgspec.json.encode(answer))
            return first or answer


def _read(path: Path, kind: type[_T]) -> _T | None:
    """Read one file. One that cannot be read is as good as none: waking must not end with it."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except (OSError, msgspec.MsgspecError):
        return None
