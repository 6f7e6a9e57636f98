"""The outbox: which effects wait for a worker, and where a decision stands.

Effects are not sent anywhere. They become tasks in the transaction that journals the fact they follow from,
and workers come and lease them.
"""

from collections.abc import Sequence
from typing import assert_never

from engine.core.vocabulary.effects import AskPeople, Effect, EffectKind, PerformAction, TakeBack
from engine.core.vocabulary.facts import (
    EffectEnded,
    Fact,
    ProposalReceived,
    UndoRequested,
    VerdictReached,
    decode,
)
from engine.core.vocabulary.ids import DecisionId, EffectId
from engine.core.vocabulary.proposals import Proposal
from engine.core.vocabulary.verdicts import Verdict
from engine.errors import InputError
from engine.ports import JournalReader, Task
from engine.runtime.wire import DecisionStatus


def tasks_of(journal: JournalReader, effects: Sequence[Effect], now_us: int) -> list[Task]:
    """Turn effects into tasks for the table. Questions to people are not tasks: somebody else asks them."""
    tasks = []
    for effect in effects:
        match effect:
            case PerformAction():
                tasks.append(_perform(effect, now_us))
            case TakeBack():
                verdict = verdict_of(journal, effect.decision_id)
                tasks.append(
                    derived(verdict, "undo", effect.effect_id, now_us, of=effect.of, force=effect.force)
                )
            case AskPeople():
                pass
            case _:
                assert_never(effect)
    return tasks


def _perform(effect: PerformAction, now_us: int) -> Task:
    effect_id = EffectId(effect.decision_id)
    return Task(
        effect_id=effect_id,
        kind="perform",
        of=effect_id,
        decision_id=effect.decision_id,
        proposal_id=effect.proposal_id,
        agent=effect.agent,
        capability=effect.capability,
        action=effect.action,
        priority=effect.priority,
        queued_us=now_us,
        idempotent=effect.run.idempotent,
    )


# People wait for these, and they make nothing worse: before everything agents may ask for.
_FOR_PEOPLE = -40


def derived(
    verdict: Verdict,
    kind: EffectKind,
    effect_id: EffectId,
    now_us: int,
    *,
    of: EffectId | None = None,
    force: bool = False,
) -> Task:
    """Make the task of an undo or a preview, for the decision it is about.

    A preview may be tried again, for it changes nothing. An undo may not: whether it got through is for the
    comparison with what it left behind to say, and that is asked for by a person.
    """
    return Task(
        effect_id=effect_id,
        kind=kind,
        of=of or effect_id,
        decision_id=verdict.decision_id,
        proposal_id=verdict.proposal_id,
        agent=verdict.agent,
        capability=verdict.capability,
        action=verdict.action,
        priority=_FOR_PEOPLE,
        queued_us=now_us,
        idempotent=kind == "preview",
        force=force,
    )


def verdict_of(journal: JournalReader, decision_id: DecisionId | EffectId) -> Verdict:
    """Find the verdict behind a decision. Raises `InputError` when there is no such decision."""
    fact = _fact(journal, f"verdict:{decision_id}")
    if not isinstance(fact, VerdictReached):
        raise InputError("no such decision", place=decision_id, cure="see `watchkeeper journal tail`")
    return fact.verdict


def proposal_of(journal: JournalReader, verdict: Verdict) -> Proposal:
    """Find the proposal a verdict is about. Raises `InputError` when the journal lacks it."""
    fact = _fact(journal, f"proposal:{verdict.proposal_id}")
    if not isinstance(fact, ProposalReceived):
        raise InputError(
            "its proposal is missing", place=verdict.decision_id, cure="watchkeeper journal verify"
        )
    return fact.proposal


def decision_behind(journal: JournalReader, effect_id: EffectId) -> DecisionId:
    """Say which decision an effect began with: its own id, or for an undo that of what it takes back."""
    fact = _fact(journal, f"undo:{effect_id}")
    return fact.decision_id if isinstance(fact, UndoRequested) else DecisionId(effect_id)


def ended(journal: JournalReader, effect_id: EffectId) -> EffectEnded | None:
    """Return how an effect ended; `None` while it has not."""
    fact = _fact(journal, f"ended:{effect_id}")
    return fact if isinstance(fact, EffectEnded) else None


def status_of(journal: JournalReader, verdict: Verdict) -> DecisionStatus:
    """Say where a decision stands, from the journal and the task table alone."""
    if verdict.word == "deny":
        return "denied"
    if verdict.word == "hold":
        return "held"
    if verdict.shadowed:
        return "shadowed"
    return effect_status(journal, EffectId(verdict.decision_id)) or "granted"


def effect_status(journal: JournalReader, effect_id: EffectId) -> DecisionStatus | None:
    """Say where an effect stands; `None` when there never was one of this id."""
    # The task first: it leaves the table in the transaction that journals its end, never before.
    task = journal.tasks.find(effect_id)
    if task is not None:
        return "running" if task.started else "queued"
    end = ended(journal, effect_id)
    return end.status if end is not None else None


def _fact(journal: JournalReader, key: str) -> Fact | None:
    record = journal.find(key)
    return decode(record.body) if record is not None else None
