"""Where a decision stands: pieced together from the journal and the task table, with the engine or without."""

from collections.abc import Callable, Iterator
from typing import Final

from msgspec import Struct

from engine.core.vocabulary.chain import Record
from engine.core.vocabulary.effects import Result
from engine.core.vocabulary.facts import (
    EffectEnded,
    Fact,
    OutcomeReported,
    ProposalReceived,
    UndoRequested,
    VerdictReached,
    decode,
)
from engine.core.vocabulary.ids import DecisionId, EffectId, ProposalId, undo_id
from engine.core.vocabulary.proposals import Proposal
from engine.core.vocabulary.verdicts import Verdict
from engine.ports import DecisionsReader, Task
from engine.runtime.wire import DecisionStatus

OPEN: Final = frozenset({"queued", "running"})
"""Statuses that change without anybody doing more about it. Every other one stands."""

TaskOf = Callable[[EffectId], Task | None]
"""Returns the task of an effect as the table has it now, or `None` when there is none."""


class UndoStanding(Struct, frozen=True, kw_only=True):
    """One taking back, and how far it is."""

    effect_id: EffectId
    of: EffectId
    by: str
    reason: str
    status: DecisionStatus
    result: Result | None


class Standing(Struct, frozen=True, kw_only=True):
    """A decision and what came of it."""

    verdict: Verdict
    seq: int
    """The verdict's record in the journal."""
    status: DecisionStatus
    result: Result | None = None
    """`None` until it has ended."""
    outcome: OutcomeReported | None = None
    """What the agent said came of what it was granted; `None` until it says so."""
    undos: tuple[UndoStanding, ...] = ()

    @property
    def final(self) -> bool:
        """Whether the decision itself stands as it will stand."""
        return self.status not in OPEN

    @property
    def settled(self) -> bool:
        """Whether nothing is under way: neither the decision nor the taking back of it."""
        return self.final and all(undo.status not in OPEN for undo in self.undos)


class Step(Struct, frozen=True, kw_only=True):
    """One change of where a decision stands."""

    seq: int
    """The record of the journal that says so."""
    effect_id: EffectId
    undo: bool
    status: DecisionStatus
    result: Result | None


def standing_of(journal: DecisionsReader, task_of: TaskOf, decision: DecisionId) -> Standing | None:
    """Return where a decision stands, or `None` when there is no such decision."""
    record = journal.find(f"verdict:{decision}")
    return None if record is None else standing_from(journal, task_of, record)


def standing_from(journal: DecisionsReader, task_of: TaskOf, record: Record) -> Standing | None:
    """Return where the decision stands that a record holds, or `None` when it holds none."""
    fact = decode(record.body)
    if not isinstance(fact, VerdictReached):
        return None
    verdict = fact.verdict
    if (status := at_once(verdict)) is not None:
        return Standing(verdict=verdict, seq=record.seq, status=status)
    effect = EffectId(verdict.decision_id)
    found = _effect(journal, task_of, effect)
    if found is not None:
        return Standing(
            verdict=verdict,
            seq=record.seq,
            status=found[0],
            result=found[1],
            undos=tuple(_undos(journal, task_of, effect)),
        )
    said = _fact(journal, f"outcome:{verdict.proposal_id}")
    return Standing(
        verdict=verdict,
        seq=record.seq,
        status="granted",
        outcome=said if isinstance(said, OutcomeReported) else None,
    )


def at_once(verdict: Verdict) -> DecisionStatus | None:
    """Return the status of a verdict that nothing is performed on, or `None` when something may be."""
    if verdict.word == "deny":
        return "denied"
    if verdict.word == "hold":
        return "held"
    return "shadowed" if verdict.shadowed else None


def history_of(journal: DecisionsReader, task_of: TaskOf, standing: Standing) -> list[Step]:
    """Return everything that happened to a decision, in the order of the journal."""
    verdict = standing.verdict
    effect = EffectId(verdict.decision_id)
    performed = standing.status not in {"denied", "held", "shadowed", "granted"}
    steps = [
        Step(
            seq=standing.seq,
            effect_id=effect,
            undo=False,
            status="queued" if performed else standing.status,
            result=None,
        )
    ]
    if performed:
        steps += _steps(journal, effect, undo=False)
        for undo in standing.undos:
            asked = journal.find(f"undo:{undo.effect_id}")
            if asked is not None:
                queued = Step(
                    seq=asked.seq, effect_id=undo.effect_id, undo=True, status="queued", result=None
                )
                steps += [queued, *_steps(journal, undo.effect_id, undo=True)]
    return sorted(steps, key=lambda step: step.seq)


def proposal_of(journal: DecisionsReader, proposal: ProposalId) -> Proposal | None:
    """Return a proposal as it was received, or `None` when there is none of that id."""
    fact = _fact(journal, f"proposal:{proposal}")
    return fact.proposal if isinstance(fact, ProposalReceived) else None


def _effect(
    journal: DecisionsReader, task_of: TaskOf, effect: EffectId
) -> tuple[DecisionStatus, Result | None] | None:
    """Return how far an effect is, or `None` when there is none.

    The task is looked for first: it leaves the table in the very commit that says how it ended, so an effect
    that has neither, looked for in this order, was never ours to perform.
    """
    task = task_of(effect)
    ended = _fact(journal, f"ended:{effect}")
    if isinstance(ended, EffectEnded):
        return ended.status, ended.result
    if task is None:
        return None
    return ("running" if task.started and task.worker else "queued"), None


def _undos(journal: DecisionsReader, task_of: TaskOf, of: EffectId) -> Iterator[UndoStanding]:
    """Walk every taking back of an effect, each followed by the taking back of that."""
    nth = 1
    while True:
        effect = undo_id(of, nth)
        asked = _fact(journal, f"undo:{effect}")
        if not isinstance(asked, UndoRequested):
            return
        status, result = _effect(journal, task_of, effect) or ("queued", None)
        yield UndoStanding(
            effect_id=effect, of=of, by=asked.by, reason=asked.reason, status=status, result=result
        )
        yield from _undos(journal, task_of, effect)
        nth += 1


def _steps(journal: DecisionsReader, effect: EffectId, *, undo: bool) -> list[Step]:
    began = [
        Step(seq=record.seq, effect_id=effect, undo=undo, status="running", result=None)
        for record in journal.with_prefix(f"started:{effect}:")
    ]
    record = journal.find(f"ended:{effect}")
    ended = decode(record.body) if record is not None else None
    if record is None or not isinstance(ended, EffectEnded):
        return began
    return [
        *began,
        Step(seq=record.seq, effect_id=effect, undo=undo, status=ended.status, result=ended.result),
    ]


def _fact(journal: DecisionsReader, key: str) -> Fact | None:
    record = journal.find(key)
    return decode(record.body) if record is not None else None
