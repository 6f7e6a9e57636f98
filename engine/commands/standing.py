"""Where a decision stands: pieced together from journal and task table, with the engine or without."""

from collections.abc import Iterator
from typing import Final

from msgspec import Struct

from engine.core.vocabulary.chain import Record
from engine.core.vocabulary.effects import Result
from engine.core.vocabulary.facts import (
    DecisionOverridden,
    Fact,
    HoldEnded,
    OutcomeReported,
    ProposalReceived,
    UndoRequested,
    VerdictReached,
    decode,
)
from engine.core.vocabulary.ids import DecisionId, EffectId, ProposalId, undo_id
from engine.core.vocabulary.proposals import Proposal
from engine.core.vocabulary.verdicts import Verdict
from engine.ports import DecisionsReader
from engine.runtime.outbox import (
    effect_status,
    ended,
    hold_end,
    status_of,
    veto_key,
    veto_of,
    was_granted,
)
from engine.runtime.wire import DecisionStatus

OPEN: Final = frozenset({"queued", "running"})
"""Statuses that change without anybody doing more about it. Every other one stands."""
_NOT_OURS: Final = frozenset(
    {"denied", "held", "shadowed", "granted", "vetoed", "expired", "taken", "replaced", "bypassed"}
)


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
    answered: HoldEnded | None = None
    """How what it waited for ended; `None` while it waits, and when it never did."""
    veto: DecisionOverridden | None = None
    """`None` when no captain vetoed it."""

    @property
    def waits(self) -> bool:
        """Whether it waits for people. In shadow nobody is asked."""
        return self.status == "held" and not self.verdict.shadowed

    @property
    def recommended(self) -> bool:
        """Whether all gates allowed it, and it was left to a person to take it."""
        return any(wait.kind == "take" for wait in self.verdict.waits)

    @property
    def final(self) -> bool:
        """Whether the decision itself stands as it will stand."""
        return self.status not in OPEN and not self.waits

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


def standing_of(journal: DecisionsReader, decision: DecisionId) -> Standing | None:
    """Return where a decision stands, or `None` when there is no such decision."""
    record = journal.find(f"verdict:{decision}")
    return None if record is None else standing_from(journal, record)


def standing_from(journal: DecisionsReader, record: Record) -> Standing | None:
    """Return where the decision stands that a record holds, or `None` when it holds none."""
    fact = decode(record.body)
    if not isinstance(fact, VerdictReached):
        return None
    verdict = fact.verdict
    status = status_of(journal, verdict)
    answered = hold_end(journal, verdict.decision_id) if verdict.word == "hold" else None
    veto = veto_of(journal, verdict.decision_id) if verdict.word != "deny" else None
    if status in _NOT_OURS:
        said = _fact(journal, f"outcome:{verdict.proposal_id}")
        return Standing(
            verdict=verdict,
            seq=record.seq,
            status=status,
            outcome=said if isinstance(said, OutcomeReported) else None,
            answered=answered,
            veto=veto,
        )
    effect = EffectId(verdict.decision_id)
    return Standing(
        verdict=verdict,
        seq=record.seq,
        status=status,
        result=_result(journal, effect),
        undos=tuple(_undos(journal, effect)),
        answered=answered,
        veto=veto,
    )


def history_of(journal: DecisionsReader, standing: Standing) -> list[Step]:
    """Return everything that happened to a decision, in the order of the journal."""
    verdict = standing.verdict
    effect = EffectId(verdict.decision_id)
    performed = standing.status not in _NOT_OURS
    steps = [
        Step(seq=seq, effect_id=effect, undo=False, status=status, result=None)
        for seq, status in _decided(journal, standing, performed=performed)
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


def _decided(
    journal: DecisionsReader, standing: Standing, *, performed: bool
) -> Iterator[tuple[int, DecisionStatus]]:
    """Give what was decided on it, one after the other: by the engine, by people, by a captain's veto."""
    verdict = standing.verdict
    let: DecisionStatus = "queued" if performed else "granted"
    over = journal.find(f"held:{verdict.decision_id}") if standing.answered is not None else None
    if over is not None and standing.answered is not None:
        yield standing.seq, "held"
        yield over.seq, let if standing.answered.how == "approved" else standing.status
    elif verdict.word == "allow" and not verdict.shadowed:
        yield standing.seq, let
    else:
        yield standing.seq, standing.status
    veto = journal.find(veto_key(verdict.decision_id))
    if standing.status == "vetoed" and veto is not None and was_granted(journal, verdict):
        yield veto.seq, "vetoed"


def proposal_of(journal: DecisionsReader, proposal: ProposalId) -> Proposal | None:
    """Return a proposal as it was received, or `None` when there is none of that id."""
    fact = _fact(journal, f"proposal:{proposal}")
    return fact.proposal if isinstance(fact, ProposalReceived) else None


def _result(journal: DecisionsReader, effect: EffectId) -> Result | None:
    end = ended(journal, effect)
    return end.result if end is not None else None


def _undos(journal: DecisionsReader, of: EffectId) -> Iterator[UndoStanding]:
    """Walk every taking back of an effect, each followed by the taking back of that."""
    nth = 1
    while True:
        effect = undo_id(of, nth)
        asked = _fact(journal, f"undo:{effect}")
        if not isinstance(asked, UndoRequested):
            return
        yield UndoStanding(
            effect_id=effect,
            of=of,
            by=asked.by,
            reason=asked.reason,
            status=effect_status(journal, effect) or "queued",
            result=_result(journal, effect),
        )
        yield from _undos(journal, effect)
        nth += 1


def _steps(journal: DecisionsReader, effect: EffectId, *, undo: bool) -> list[Step]:
    began = [
        Step(seq=record.seq, effect_id=effect, undo=undo, status="running", result=None)
        for record in journal.with_prefix(f"started:{effect}:")
    ]
    end = ended(journal, effect)
    record = journal.find(f"ended:{effect}")
    if record is None or end is None:
        return began
    over = Step(seq=record.seq, effect_id=effect, undo=undo, status=end.status, result=end.result)
    return [*began, over]


def _fact(journal: DecisionsReader, key: str) -> Fact | None:
    record = journal.find(key)
    return decode(record.body) if record is not None else None
