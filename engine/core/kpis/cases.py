"""Cases: what is judged once, at a fixed time after it began. Episodes by how they ended, holds by whether
people left them standing.

An episode counts as a rollout counts it: one outcome, whatever happened in it, at the same age for everybody.
"""

from heapq import heappop, heappush
from typing import Final

from msgspec import Struct

from engine.core.kpis.definitions import Kpi
from engine.core.kpis.windows import Window, add
from engine.core.vocabulary.facts import HoldEnded, IncumbentActed, OutcomeReported
from engine.core.vocabulary.ids import AgentId, CapabilityId, ProposalId, capability_name
from engine.core.vocabulary.verdicts import Verdict

MOST_OPEN: Final = 50_000
"""Cases, and decisions in them, that wait to be judged; past it the next due is judged early."""


class Case(Struct):
    """One that is not judged yet."""

    due_us: int
    ended: bool = False
    """Whether any outcome came."""
    failed: bool = False
    proposals: list[ProposalId] = []
    """Whose outcomes are awaited."""


class Cases(Struct, kw_only=True, tag=True):
    """The open ones and the sums of those judged: `[succeeded, failed, unreported]`.

    Of holds, `[carried out and well, carried out and badly, left standing]`.
    """

    window: Window
    open: dict[str, Case] = {}
    due: list[tuple[int, str]] = []
    """A heap: the next to be judged first."""
    awaited: dict[ProposalId, str] = {}
    """The case that a decision's outcome belongs to."""


def fold_verdict(cases: Cases, kpi: Kpi, verdict: Verdict, lasts_us: int) -> None:
    """Take a decision whose outcome will count. A case is judged `lasts_us` after its first one."""
    if kpi.kind == "holds_upheld":
        # A recommendation was never objected to, so there is nothing to uphold.
        offered = any(wait.kind == "take" for wait in verdict.waits)
        counts = verdict.word == "hold" and not verdict.shadowed and not offered
        key = str(verdict.proposal_id)
    else:
        counts = kpi.arm == "incumbent" or (
            verdict.word == "allow" and (kpi.arm == "allowed" or not verdict.shadowed)
        )
        key = f"{capability_name(verdict.capability)}|{verdict.episode or verdict.proposal_id}"
    if counts and kpi.scope.covers(verdict.agent, verdict.capability, verdict.action):
        case = _opened(cases, key, verdict.at_us + lasts_us)
        case.proposals.append(verdict.proposal_id)
        cases.awaited[verdict.proposal_id] = key
        _keep_few(cases, verdict.at_us)


def fold_outcome(cases: Cases, kpi: Kpi, fact: OutcomeReported) -> None:
    """Take what came of a decision. What comes twice, too late, or at other hands counts for nothing."""
    others = kpi.kind == "holds_upheld" or kpi.arm == "incumbent"
    if kpi.arm != "allowed" and (fact.by == "incumbent") != others:
        return
    key = cases.awaited.pop(fact.proposal_id, None)
    if key is not None:
        _note(cases.open[key], ok=fact.ok)


def fold_hold_ended(cases: Cases, kpi: Kpi, fact: HoldEnded) -> None:
    """Take it in that people let something go on that was held. Any other end leaves the hold standing."""
    if kpi.kind != "holds_upheld" or fact.how != "approved":
        return
    key = cases.awaited.pop(fact.proposal_id, None)
    if key is not None:
        _note(cases.open[key], ok=True)


def fold_incumbent(cases: Cases, kpi: Kpi, fact: IncumbentActed, lasts_us: int) -> None:
    """Take what people, or a program nobody governs, did in an episode."""
    capability = CapabilityId(fact.capability)
    if kpi.arm == "incumbent" and kpi.scope.covers(AgentId(""), capability, fact.action):
        key = f"{capability_name(capability)}|{fact.episode}"
        _note(_opened(cases, key, fact.at_us + lasts_us), ok=fact.ok)
        _keep_few(cases, fact.at_us)


def advance(cases: Cases, now_us: int) -> None:
    """Judge what is due. Each counts at the time it was due, whenever somebody looks."""
    due = cases.due
    while due and due[0][0] <= now_us:
        at_us, key = heappop(due)
        _judge(cases, key, at_us)


def _opened(cases: Cases, key: str, due_us: int) -> Case:
    case = cases.open.get(key)
    if case is None:
        case = cases.open[key] = Case(due_us)
        heappush(cases.due, (due_us, key))
    return case


def _note(case: Case, *, ok: bool) -> None:
    case.ended = True
    case.failed = case.failed or not ok


def _judge(cases: Cases, key: str, at_us: int) -> None:
    case = cases.open.pop(key)
    for proposal in case.proposals:
        cases.awaited.pop(proposal, None)
    add(cases.window, at_us, (int(case.ended and not case.failed), int(case.failed), int(not case.ended)))


def _keep_few(cases: Cases, now_us: int) -> None:
    while len(cases.open) > MOST_OPEN or len(cases.awaited) > MOST_OPEN:
        _judge(cases, heappop(cases.due)[1], now_us)
