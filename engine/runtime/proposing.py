"""Answers to agents: what a proposal came to, and the fact that says what came of it."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Final, Literal

from msgspec import UNSET, Struct, UnsetType

from engine.core.vocabulary import facts as f
from engine.core.vocabulary.ids import AgentId, ProposalId, decision_id
from engine.core.vocabulary.verdicts import Verdict
from engine.errors import Forbidden, InputError
from engine.ports import JournalReader
from engine.runtime.outbox import status_of, verdict_of, was_granted
from engine.runtime.wire_people import DecisionStatus

_REPORTED: Final = frozenset(
    {"granted", "shadowed", "held", "denied", "vetoed", "expired", "taken", "replaced", "bypassed"}
)
"""Statuses of what the engine does not perform itself: what came of it, others know better."""


class Reached(Struct, frozen=True, kw_only=True):
    """The verdict on a proposal, new or found again."""

    verdict: Verdict
    status: DecisionStatus
    seq: int
    """The verdict's record in the journal; 0 where the journal lacks it."""


def reached(
    journal: JournalReader, proposal_id: ProposalId, followed: Sequence[f.Fact], last_seq: int
) -> Reached:
    """Say what a proposal came to; one that is known keeps the verdict it has.

    `followed` is what followed from it just now, `last_seq` the last record that made. Raises `InputError`
    when neither these nor the journal hold a verdict.
    """
    verdicts = [each.verdict for each in followed if isinstance(each, f.VerdictReached)]
    if verdicts:
        # It comes first of what follows; behind it a standing approval may have let it go on at once.
        verdict, seq = verdicts[0], last_seq - len(followed) + 1
    else:
        own = decision_id(proposal_id)
        verdict, record = verdict_of(journal, own), journal.find(f"verdict:{own}")
        seq = record.seq if record is not None else 0
    return Reached(verdict=verdict, status=status_of(journal, verdict), seq=seq)


def outcome_before(journal: JournalReader, proposal_id: ProposalId) -> f.OutcomeReported | None:
    """Return what was reported of a proposal; `None` when nothing was."""
    record = journal.find(f"outcome:{proposal_id}")
    fact = None if record is None else f.decode(record.body)
    return fact if isinstance(fact, f.OutcomeReported) else None


def outcome_of(
    journal: JournalReader,
    proposal_id: ProposalId,
    agent: AgentId,
    *,
    ok: bool,
    detail: str,
    at_us: int,
    cost_usd: Decimal | UnsetType = UNSET,
    at_prompt: bool = False,
) -> f.OutcomeReported:
    """Put what an agent says came of its proposal into a fact.

    `at_prompt` says that somebody at the agent's own prompt let it run.

    Raises `Forbidden` for the proposal of another agent, and `InputError` for one that is not known, and
    where the engine itself performs the action, and so knows better.
    """
    verdict = verdict_of(journal, decision_id(proposal_id))
    if verdict.agent != agent:
        raise Forbidden("the proposal is another agent's", place=proposal_id)
    status = status_of(journal, verdict)
    if status not in _REPORTED:
        raise InputError(
            f"the engine performs it, and it is {status}",
            place=verdict.decision_id,
            cure="leave it to the engine to report",
        )
    granted = was_granted(journal, verdict)
    by: Literal["executor", "incumbent"] = "executor" if granted else "incumbent"
    without_leave: Literal["prompt", "agent"] | UnsetType = UNSET
    # In shadow nobody asks for leave, and what people did or changed themselves is theirs.
    if not granted and not verdict.shadowed and status not in {"taken", "replaced"}:
        without_leave = "prompt" if at_prompt else "agent"
    earlier = outcome_before(journal, proposal_id)
    if earlier is not None:
        # Whoever reports again says the same, however the decision stands by now.
        by, without_leave = earlier.by, earlier.without_leave
    return f.OutcomeReported(
        at_us=at_us,
        proposal_id=verdict.proposal_id,
        agent=verdict.agent,
        capability=verdict.capability,
        action=verdict.action,
        ok=ok,
        by=by,
        detail=detail,
        cost_usd=cost_usd,
        without_leave=without_leave,
    )
