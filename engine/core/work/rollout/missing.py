"""Missing outcomes: when those that never came say more about the reporting than about the versions.

Without an outcome an episode counts as a failure of whoever had it. That is fair while as many go missing in
either arm, and while they are few beside real failures. Two things are looked at, and either holds up the
next step, for what was counted meanwhile proves nothing; neither ever takes authority away.

*Uneven.* Given that an episode's outcome is missing, it is the canary's with a probability of its share, if
reporting does not depend on the arm: the claim that `sample_ratio` tests, here over the missing ones alone.

*Many.* If they are the part u of control's failures, and as many in either arm, a candidate that truly fails
R times as often seems to fail 1 + (R - 1)(1 - u) times as often. With u = 1/2 one that fails 1.5 times as
often passes for 1.25, so no more than half of control's failures may be of that kind.
"""

from typing import Final

from engine.core.statistics import sample_ratio, thresholds
from engine.core.vocabulary.rollouts import RolloutPlan
from engine.core.work.rollout.candidates import Candidate

FEW: Final = 5
"""So many may always be missing in control: of two failures one is half."""


def most(candidate: Candidate) -> int:
    """Return how many of control's outcomes may be missing in this stage.

    >>> from engine.core.vocabulary.ids import CapabilityId
    >>> heal = Candidate(
    ...     capability=CapabilityId("heal@2"), stage="canary_10", since_us=0, control_failures=41
    ... )
    >>> most(heal)
    20
    """
    return max(FEW, candidate.control_failures // 2)


def uneven(candidate: Candidate) -> float:
    """Return the evidence that outcomes go missing in one arm more than in the other: 1 is none."""
    return sample_ratio.e_value(candidate.missing)


def said(candidate: Candidate, plan: RolloutPlan) -> str:
    """Say whose outcomes are missing; empty while the arms can be compared."""
    apart = uneven(candidate) >= thresholds.needed(plan.alpha)
    if not apart and candidate.control_missing <= most(candidate):
        return ""
    canary, control = candidate.canary_missing, candidate.control_missing
    # Cross-multiplied, for an arm may have no episodes yet.
    if apart and canary * candidate.control > control * candidate.canary:
        whose, lost, of = "the canary", canary, candidate.canary
        other = f"control's: {control:,} of {candidate.control:,}"
    else:
        whose, lost, of = "control", control, candidate.control
        other = f"the canary's: {canary:,} of {candidate.canary:,}"
    return (
        f"{whose}'s outcomes are missing: {lost:,} of {of:,} ({other}); repair how they are reported, then "
        "pause and resume the rollout, and its stage counts anew"
    )
