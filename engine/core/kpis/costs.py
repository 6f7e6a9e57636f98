"""Costs: what decisions cost, by what was reported of each or, until something is, by its estimate."""

from collections import OrderedDict
from decimal import Decimal
from typing import Final

from msgspec import UNSET, Struct, field

from engine.core.kpis.definitions import Kpi
from engine.core.kpis.windows import Window, add
from engine.core.vocabulary.facts import OutcomeReported
from engine.core.vocabulary.ids import ProposalId
from engine.core.vocabulary.verdicts import Verdict

MOST_AWAITED: Final = 10_000
"""Decisions whose actual cost may still come: the newest."""


class Costs(Struct, kw_only=True, tag=True):
    """Sums by the step of the decision: `[decisions, of these with an actual cost]`, and US dollars."""

    window: Window
    usd: dict[int, Decimal] = {}
    awaited: dict[ProposalId, tuple[int, Decimal]] = field(default_factory=OrderedDict)
    """When it was decided, and its estimate; the oldest first."""


def fold_verdict(costs: Costs, kpi: Kpi, verdict: Verdict) -> None:
    """Take a decision at its estimate."""
    counts = verdict.word == "allow" and (kpi.arm == "allowed" or not verdict.shadowed)
    if counts and kpi.scope.covers(verdict.agent, verdict.capability, verdict.action):
        _add(costs, verdict.at_us, (1, 0), verdict.impact.cost_usd)
        costs.awaited[verdict.proposal_id] = (verdict.at_us, verdict.impact.cost_usd)
        if len(costs.awaited) > MOST_AWAITED:
            del costs.awaited[next(iter(costs.awaited))]


def fold_outcome(costs: Costs, fact: OutcomeReported) -> None:
    """Put the actual cost in the place of the estimate, once. It counts when the decision was taken."""
    known = costs.awaited.pop(fact.proposal_id, None)
    if known is not None and fact.cost_usd is not UNSET:
        at_us, estimate = known
        if at_us // costs.window.step_us in costs.usd:
            _add(costs, at_us, (0, 1), fact.cost_usd - estimate)


def spent_usd(costs: Costs, now_us: int) -> Decimal:
    """Sum up the dollars in the window that ends now."""
    window = costs.window
    last = now_us // window.step_us
    return sum(
        (usd for step, usd in costs.usd.items() if last - window.steps < step <= last), start=Decimal(0)
    )


def _add(costs: Costs, at_us: int, counts: tuple[int, int], usd: Decimal) -> None:
    add(costs.window, at_us, counts)
    step = at_us // costs.window.step_us
    costs.usd[step] = costs.usd.get(step, Decimal(0)) + usd
    if costs.usd.keys() != costs.window.by_step.keys():
        costs.usd = {each: costs.usd[each] for each in costs.window.by_step}
