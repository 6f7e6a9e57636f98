"""Re-derive: every step of every rollout in a journal, worked out again from the facts before it.

A chain proves that nobody changed a record after it was written. It does not prove that a record was right
when it was written, nor that a whole chain was not written anew. Steps are pure functions of the facts before
them, so anybody can work them out again, and whatever differs was not the engine's doing.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final

from msgspec import DecodeError, Struct

from engine.core.evolve import evolve
from engine.core.state import State
from engine.core.vocabulary.facts import (
    Fact,
    PromotionReady,
    PromotionRefused,
    RolloutPaused,
    StageChanged,
    decode,
    encode,
)
from engine.core.work.endings import ENGINE
from engine.core.work.rollout import steps
from engine.errors import RecordingError
from engine.ports import JournalReader
from engine.runtime.loop import fact_of, follows
from simulator.recording import Recording

_STEPS: Final = (StageChanged, PromotionRefused, PromotionReady)


class Rederived(Struct, frozen=True, kw_only=True):
    """What working it out again came to."""

    recorded: int
    """Steps in the journal."""
    rederived: int
    """How many of them came out the same, byte for byte."""
    difference: str
    """The first that did not, in words; empty when all did."""

    def __str__(self) -> str:
        """Say it in a line."""
        same = f"{self.recorded:,} recorded, {self.rederived:,} re-derived byte for byte"
        return f"transitions: {same}" + (f"; {self.difference}" if self.difference else "")


class _Kept(Struct, frozen=True, array_like=True, gc=False):
    """One record, wherever it is kept."""

    seq: int
    """In the journal, or among the facts of a recording."""
    fact: Fact
    body: bytes
    """In canonical JSON; only of what may be a step."""
    follows: bool


def rederive(journal: JournalReader) -> Rederived:
    """Fold a journal from its first record, and compare every step with what must follow.

    Verdicts and policies count as recorded; a replay checks verdicts. Raises `JournalError` for a record this
    version cannot read.
    """
    return _rederive(
        _Kept(each.seq, fact := fact_of(each), each.body, follows(each, fact)) for each in journal.read()
    )


def rederive_recording(recording: Recording) -> Rederived:
    """Do the same for a recording that was made from a journal and keeps its steps.

    Raises `RecordingError` for a frame that is damaged, or a step this version cannot read.
    """
    return _rederive(_merged(recording))


def _merged(recording: Recording) -> Iterator[_Kept]:
    """Put steps back where they were among the facts."""
    facts = recording.facts()
    given = 0
    for step in recording.steps():
        for seq, fact in islice(facts, step.after - given):
            yield _Kept(seq, fact, b"", False)
        given = step.after
        try:
            yield _Kept(step.seq, decode(bytes(step.fact)), bytes(step.fact), step.follows)
        except DecodeError as error:
            raise RecordingError(
                f"a step cannot be read: {error}",
                place=f"{recording.path.name}: journal record {step.seq:,}",
                cure="it may come from a newer Watchkeeper: update",
            ) from None
    for seq, fact in facts:
        yield _Kept(seq, fact, b"", False)


def _rederive(kept: Iterable[_Kept]) -> Rederived:
    state, expected = State(), deque[bytes]()
    recorded = same = 0
    difference = ""

    def differ(seq: int, what: str) -> None:
        nonlocal difference
        difference = difference or f"record {seq:,}: {what}"

    seq = 0
    for record in kept:
        fact, seq = record.fact, record.seq
        if _is_step(fact):
            recorded += 1
            due = expected.popleft() if expected else None
            if due == record.body:
                same += 1
            elif due is None:
                differ(record.seq, f"{type(fact).__name__} does not follow from the facts before it")
            else:
                differ(record.seq, f"{type(fact).__name__} says something else than what follows")
        elif expected and not record.follows:
            differ(record.seq, "a step that follows from the fact before it is missing")
            expected.clear()
        evolve(state, fact)
        if isinstance(fact, steps.WATCHED):
            following = steps.after(state.rollouts, fact, state.stops.covering)
            expected += [encode(each) for each in following if _is_step(each)]
    if expected:
        differ(seq, "steps that follow from the last facts are missing")
    return Rederived(recorded=recorded, rederived=same, difference=difference)


def _is_step(fact: Fact) -> bool:
    return isinstance(fact, _STEPS) or (isinstance(fact, RolloutPaused) and fact.by == ENGINE)
