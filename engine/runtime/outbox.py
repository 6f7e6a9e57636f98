"""The outbox: which effects wait for a worker, and where a decision stands.

Effects are not sent anywhere. They become tasks in the transaction that journals the fact they follow from,
and workers come and lease them.
"""

from collections.abc import Callable, Sequence
from typing import Final, assert_never

from msgspec import UNSET

from engine.core.decide import in_order
from engine.core.vocabulary.actions import Running
from engine.core.vocabulary.effects import AskPeople, Effect, PerformAction, PerformHeld, TakeBack
from engine.core.vocabulary.facts import (
    AnswerRefused,
    DecisionOverridden,
    EffectEnded,
    Fact,
    HoldAnswered,
    HoldEnded,
    ProposalReceived,
    QuestionAsked,
    QuestionReplied,
    UndoRequested,
    VerdictReached,
    VoteCast,
    VoteClosed,
    decode,
)
from engine.core.vocabulary.ids import (
    AgentId,
    CapabilityId,
    DecisionId,
    EffectId,
    ProposalId,
    undo_id,
)
from engine.core.vocabulary.people_facts import HoldEnding
from engine.core.vocabulary.proposals import Proposal
from engine.core.vocabulary.verdicts import RULING_RANK, Verdict
from engine.core.work.endings import ENGINE
from engine.errors import InputError
from engine.ports import JournalReader, Task
from engine.runtime.wire_people import DecisionStatus


def tasks_of(
    effects: Sequence[Effect],
    now_us: int,
    asked: Callable[[ProposalId], Proposal | None],
    where: Callable[[EffectId], str],
) -> list[Task]:
    """Turn effects into tasks for the table. Questions to people are not tasks: somebody else asks them.

    `asked` finds a proposal that was received earlier, `where` which body performed an effect.
    """
    tasks = []
    for effect in effects:
        match effect:
            case PerformAction():
                tasks.append(_perform(effect, now_us, effect.priority))
            case PerformHeld():
                proposal = asked(effect.proposal_id)
                wanted = proposal.priority if proposal is not None else UNSET
                tasks.append(_perform(effect, now_us, effect.run.priority if wanted is UNSET else wanted))
            case TakeBack():
                # What it is to be taken back from lies where it was done, whatever the registry says by now.
                tasks.append(_take_back(effect, now_us, where(effect.of)))
            case AskPeople():
                pass
            case _:
                assert_never(effect)
    return tasks


def _perform(effect: PerformAction | PerformHeld, now_us: int, priority: int) -> Task:
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
        priority=priority,
        queued_us=now_us,
        idempotent=effect.run.idempotent,
        place=place_of(effect.run),
    )


# People wait for these, and they make nothing worse: before everything agents may ask for.
_FOR_PEOPLE: Final = -40
UNDO: Final = CapabilityId("undo")
"""What a person's undo runs as. To stop an agent and then take back what it did is one thought: the undo must
not be held by the stop of that agent. A stop of everything holds it all the same."""


def place_of(run: Running) -> str:
    """Say which body or pool performs it; empty for this machine."""
    return "" if run.on is UNSET else run.on


def _take_back(effect: TakeBack, now_us: int, place: str) -> Task:
    """Make the task of an undo. Nobody tries one twice by itself: a person asked, and is told."""
    automatic = effect.by == ENGINE
    return Task(
        effect_id=effect.effect_id,
        kind="undo",
        of=effect.of,
        decision_id=effect.decision_id,
        proposal_id=effect.proposal_id,
        agent=effect.agent if automatic else AgentId(effect.by),
        capability=effect.capability if automatic else UNDO,
        action=effect.action,
        priority=_FOR_PEOPLE,
        queued_us=now_us,
        idempotent=False,
        force=effect.force,
        place=place,
    )


def preview_of(verdict: Verdict, now_us: int, run: Running) -> Task:
    """Make the task of saying what a decided proposal would do. It changes nothing: it may be tried again."""
    effect_id = EffectId(f"p_{verdict.decision_id[2:]}_{now_us}")
    return Task(
        effect_id=effect_id,
        kind="preview",
        of=EffectId(verdict.decision_id),
        decision_id=verdict.decision_id,
        proposal_id=verdict.proposal_id,
        agent=verdict.agent,
        capability=verdict.capability,
        action=verdict.action,
        priority=_FOR_PEOPLE,
        queued_us=now_us,
        idempotent=True,
        place=place_of(run),
    )


def verdict_of(journal: JournalReader, decision_id: DecisionId | EffectId) -> Verdict:
    """Find the verdict behind a decision. Raises `InputError` when there is no such decision."""
    fact = _fact(journal, f"verdict:{decision_id}")
    if not isinstance(fact, VerdictReached):
        raise InputError("no such decision", place=decision_id, cure="see `watchkeeper journal tail`")
    return fact.verdict


def reasons_of(journal: JournalReader, decision_id: DecisionId) -> tuple[str, ...]:
    """Return why a decision does not simply go ahead, the strictest first; nothing for an unknown one."""
    fact = _fact(journal, f"verdict:{decision_id}")
    if not isinstance(fact, VerdictReached):
        return ()
    against = [answer for answer in in_order(fact.verdict) if answer.ruling != "allow"]
    against.sort(key=lambda answer: -RULING_RANK[answer.ruling])
    return tuple(answer.reason for answer in against)


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
        over = hold_end(journal, verdict.decision_id)
        if over is None:
            return "held"
        if over.how != "approved":
            return _UNLESS_APPROVED[over.how]
    elif verdict.shadowed:
        return "shadowed"
    found = effect_status(journal, EffectId(verdict.decision_id))
    if found is None:
        return "granted" if veto_of(journal, verdict.decision_id) is None else "vetoed"
    return found


_UNLESS_APPROVED: Final[dict[HoldEnding, DecisionStatus]] = {
    "denied": "denied",
    "vetoed": "vetoed",
    "timeout": "expired",
    "taken": "taken",
    "replaced": "replaced",
    "bypassed": "bypassed",
}


def hold_end(journal: JournalReader, decision_id: DecisionId) -> HoldEnded | None:
    """Return how a held decision ended; `None` while it waits, and for one that never did."""
    fact = _fact(journal, f"held:{decision_id}")
    return fact if isinstance(fact, HoldEnded) else None


def veto_of(journal: JournalReader, decision_id: DecisionId) -> DecisionOverridden | None:
    """Return the veto of a decision, `None` when there is none: behind it nothing of that decision starts."""
    fact = _fact(journal, veto_key(decision_id))
    return fact if isinstance(fact, DecisionOverridden) else None


def veto_key(decision_id: DecisionId) -> str:
    """Return the key of a veto in the journal: each decision has one at most."""
    return f"vetoed:{decision_id}"


def answer_key(decision_id: DecisionId, nth: int) -> str:
    """Return the key of the `nth` other word people gave on a decision, counting from 1."""
    return f"answer:{decision_id}:{nth}"


def change_id(verdict: Verdict, nth: int | None = None) -> ProposalId:
    """Return the id of the `nth` proposal that people made in the place of a decided one, from 1.

    Without a number it is what all of these begin with.

    It bears the agent's name, who reports on it where nobody else does.
    """
    return ProposalId(f"{verdict.agent}:changed.{verdict.decision_id}.{'' if nth is None else nth}")


def said_of(journal: JournalReader, decision_id: DecisionId) -> list[Fact]:
    """Return everything people said of a decision and what became of it, in the order of the journal."""
    keys = []
    nth = 1
    while journal.find(answer_key(decision_id, nth)) is not None:
        keys.append(answer_key(decision_id, nth))
        nth += 1
    keys.append(veto_key(decision_id))
    keys += [first_of(key) for key in keys]
    verdict = verdict_of(journal, decision_id)
    nth = 1
    while journal.find(key := f"proposal:{change_id(verdict, nth)}") is not None:
        # Behind the verdict on a change stands why it was refused, where it was.
        keys.append(f"{key}{THEN}1")
        nth += 1
    effects = [EffectId(decision_id)]
    for effect in effects:
        nth = 1
        while journal.find(f"undo:{undo_id(effect, nth)}") is not None:
            effects.append(undo_id(effect, nth))
            nth += 1
    keys += [f"held:{decision_id}", f"vote-closed:{decision_id}", *(f"looked:{effect}" for effect in effects)]
    found = [record for key in keys if (record := journal.find(key)) is not None]
    # What is refused, and what ends a hold, may follow from the same word: that has a key of its own.
    facts = [(record.seq, decode(record.body)) for record in found]
    return [fact for _, fact in sorted(facts, key=lambda item: item[0]) if isinstance(fact, _SAID)]


_SAID: Final = (
    HoldAnswered, DecisionOverridden, AnswerRefused, HoldEnded, VoteCast, VoteClosed,
    QuestionAsked, QuestionReplied,
)  # fmt: skip


def first_of(key: str) -> str:
    """Return the key of the first fact that followed from another, unless it has one of its own."""
    return f"{key}{THEN}0"


THEN: Final = ":then:"
"""Stands between the key of a fact and the number of what followed from it."""


def was_granted(journal: JournalReader, verdict: Verdict) -> bool:
    """Whether the agent or the engine was ever allowed to do it."""
    if verdict.word != "hold":
        return verdict.word == "allow" and not verdict.shadowed
    over = hold_end(journal, verdict.decision_id)
    return over is not None and over.how == "approved"


def effect_status(journal: JournalReader, effect_id: EffectId) -> DecisionStatus | None:
    """Say where an effect stands; `None` when there never was one of this id."""
    # The task first: it leaves the table in the transaction that journals its end, never before.
    task = journal.tasks.find(effect_id)
    if task is not None:
        # What a dead worker had begun keeps the mark until it is leased again.
        return "running" if task.started and task.worker else "queued"
    end = ended(journal, effect_id)
    return end.status if end is not None else None


def done_undo(journal: JournalReader, of: EffectId) -> EffectId | None:
    """Return the undo that took an effect back; `None` when none did."""
    nth = 1
    while journal.find(f"undo:{undo_id(of, nth)}") is not None:
        if effect_status(journal, undo_id(of, nth)) == "done":
            return undo_id(of, nth)
        nth += 1
    return None


def _fact(journal: JournalReader, key: str) -> Fact | None:
    record = journal.find(key)
    return decode(record.body) if record is not None else None
