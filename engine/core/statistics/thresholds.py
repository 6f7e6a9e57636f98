"""How much evidence each end asks for, so that wrong ends together stay as improbable as the plan says.

A good candidate rolled back. Any one of several processes can do it, so they share `alpha`: the probability
that any of them is wrong is at most the sum of their parts (Boole). `split` says the parts.

A bad candidate at 100 %. It must pass every step, so it is enough that one step would have stopped it.
Whoever is worse than 1.25 times the incumbent is so in particular at the step that rules 1.25 out, and
passes that with probability `alpha` at most, whatever happens at the others. So each step may use `alpha`
in full: taking all of several tests needs no correction, taking any of them does (the intersection-union
principle, Berger 1982).
"""

from functools import lru_cache
from typing import Final

from msgspec import Struct

SAMPLE_RATIO_ALPHA: Final = 0.001
"""A false alarm about the assignment holds up a good rollout and calls a person. A real fault gathers
evidence with every episode, failed or not, so it costs little to ask for a lot of it."""

_FAILURE_SHARE: Final = 0.1
_GUARDRAILS: Final = 0.1
"""A tenth each: with a tenth of `alpha` a detector alarms some dozen points later, while the risk ratio,
which lives on few failures, needs all it can get."""


class Split(Struct, frozen=True, kw_only=True):
    """The probability of a false rollback, shared among everything that may cause one."""

    bad: float
    """For the risk ratio: `risk_ratio.bad` rolls back at `needed(bad)`."""
    failure_share: float
    """For failures over the limit: `excess.level` rolls back at `detector.alarm_at(failure_share, span)`."""
    guardrail: float
    """For each guardrail: at `detector.alarm_at(guardrail, span)`. 0 where there is none."""


@lru_cache(maxsize=64)
def split(alpha: float, guardrails: int) -> Split:
    """Share `alpha` out among the risk ratio, the failure share and so many guardrails.

    The evidence of the risk ratio that rolls back is then 22.2 without guardrails and 25 with any number.

    >>> [round(needed(split(0.05, guardrails).bad), 1) for guardrails in (0, 2)]
    [22.2, 25.0]
    """
    guarded = _GUARDRAILS if guardrails else 0.0
    return Split(
        bad=alpha * (1.0 - _FAILURE_SHARE - guarded),
        failure_share=alpha * _FAILURE_SHARE,
        guardrail=alpha * guarded / guardrails if guardrails else 0.0,
    )


def needed(alpha: float) -> float:
    """Return the e-value that refutes a null with a probability of being wrong of `alpha` at most (Ville
    1939).

    >>> needed(0.05)
    20.0
    """
    return 1.0 / alpha
