"""How much evidence each end asks for, so that the wrong ends together stay as improbable as the plan says."""

from typing import Final

from msgspec import Struct

SAMPLE_RATIO_ALPHA: Final = 0.001
"""A false alarm about the assignment pauses a good rollout and wakes somebody. It is cheap to ask for a lot: a
real fault gathers evidence with every episode, failed or not."""

_BAD: Final = 0.8
_FAILURE_SHARE: Final = 0.1
_GUARDRAILS: Final = 0.1


class Split(Struct, frozen=True, kw_only=True):
    """The probability of a false rollback, shared among everything that may cause one."""

    bad: float
    """For the risk ratio, see `risk_ratio.bad`."""
    failure_share: float
    """For the share of the canary's own episodes that fail."""
    guardrail: float
    """For each guardrail; 0 where there is none."""


def split(alpha: float, guardrails: int) -> Split:
    """Share `alpha` out: the parts add up to it, so any false rollback at all has probability `alpha` at most.

    >>> split(0.05, 2)
    Split(bad=0.04000000000000001, failure_share=0.005000000000000001, guardrail=0.0025000000000000005)
    """
    if guardrails == 0:
        return Split(bad=alpha * (1.0 - _FAILURE_SHARE), failure_share=alpha * _FAILURE_SHARE, guardrail=0.0)
    return Split(
        bad=alpha * _BAD, failure_share=alpha * _FAILURE_SHARE, guardrail=alpha * _GUARDRAILS / guardrails
    )


def needed(alpha: float) -> float:
    """Return the e-value that refutes a null at this probability of being wrong (Ville 1939).

    >>> needed(0.05)
    20.0
    """
    return 1.0 / alpha
