"""Confounding: whether what differs between arms may be what differs between the things they were tried on.

Each episode happens on some entity: a machine, a service, a customer. When arms are drawn an episode at a
time, every entity with more than a few episodes is in both, and whatever is peculiar to it is in both too.
When entities themselves are assigned, arm and entity coincide: the units of the comparison are then the
entities, not the episodes, however many episodes there are, and a slow machine looks like a bad version. No
count of episodes can see that; this looks at how they lie.
"""

from collections.abc import Mapping, Sequence
from itertools import combinations
from math import comb
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from engine.core.vocabulary.rollouts import ArmTally

CLUMPED_DEVIATIONS: Final = 6.0
"""How many standard deviations over what a draw of every episode gives the spread of arms over entities must
lie. The spread is skewed at small shares, so this is far over the usual three."""

CLUMPED_SHARE: Final = 0.1
"""Less than a tenth of what entities of one arm alone would show harms no comparison, however surely it is
there."""

MOST_WAYS: Final = 20_000
"""Up to so many ways to deal entities to the arms are all gone through; of more, an inequality bounds the
share."""

_ENOUGH: Final = 0.05


class OfEntity(Struct, frozen=True, array_like=True, gc=False):
    """What happened on one entity: `[canary, control]`."""

    canary: ArmTally
    control: ArmTally

    @property
    def episodes(self) -> int:
        """In both arms."""
        return self.canary.episodes + self.control.episodes

    @property
    def failures(self) -> int:
        """In both arms."""
        return self.canary.failures + self.control.failures


class Confounding(Struct, frozen=True, kw_only=True):
    """Why a comparison of arms says less than its counts."""

    clumping: float
    """How far arm and entity coincide: 0 as if every episode had been drawn, 1 when each entity is in one
    arm."""
    canary_entities: int
    """Entities that are in the canary's arm mostly."""
    control_entities: int
    design_effect: float
    """How many times as much failures vary as independent episodes would; 1 when entities are all alike."""
    units: float
    """What the episodes are worth: so many independent ones, and never less than there are entities. The
    number of entities where they are too few to tell how much they differ."""
    by_chance: float
    """The share of all ways to deal these entities to arms of these sizes that differ as much as the arms
    do."""
    at_best: float
    """The same share if the arms differed as clearly as they can: under it no evidence goes."""
    reason: str
    """A sentence or two for people."""

    @property
    def explained(self) -> bool:
        """Whether the difference between the arms may well be one between entities."""
        return self.by_chance > _ENOUGH


def confounding(entities: Mapping[str, OfEntity], called: str = "entities") -> Confounding | None:
    """Say what is wrong with comparing the arms when these are the entities; `None` when episodes were drawn.

    Give it the episodes of one stage, in which the share did not change. `called` is the word for entities,
    in the plural. `None` is also the answer where only one arm has episodes: there is no comparison then.

    Two machines with each version, of which each two fail as differently as any:

    >>> found = confounding(
    ...     {
    ...         "m1": OfEntity(ArmTally(100, 10), ArmTally(0, 0)),
    ...         "m2": OfEntity(ArmTally(100, 30), ArmTally(0, 0)),
    ...         "m3": OfEntity(ArmTally(0, 0), ArmTally(100, 5)),
    ...         "m4": OfEntity(ArmTally(0, 0), ArmTally(100, 25)),
    ...     },
    ...     called="machines",
    ... )
    >>> found.clumping, round(found.design_effect, 1), round(found.units), round(found.by_chance, 2)
    (1.0, 14.1, 4, 0.67)
    """
    held = [one for _, one in sorted(entities.items()) if one.episodes]
    episodes = sum(one.episodes for one in held)
    canary = sum(one.canary.episodes for one in held)
    if not 0 < canary < episodes:
        return None
    share = canary / episodes
    clumping = _clumping(held, share)
    if clumping is None:
        return None
    in_canary = [one for one in held if one.canary.episodes > share * one.episodes]
    in_control = [one for one in held if one.canary.episodes <= share * one.episodes]
    effect, at_best = _design_effect(held), _at_best(len(in_canary), len(in_control))
    few = at_best > _ENOUGH
    found = Confounding(
        clumping=clumping,
        canary_entities=len(in_canary),
        control_entities=len(in_control),
        design_effect=effect,
        units=float(len(held)) if few else max(float(len(held)), episodes / effect),
        by_chance=_by_chance(in_canary, in_control),
        at_best=at_best,
        reason="",
    )
    return replace(found, reason=_reason(found, called, episodes))


def _clumping(held: Sequence[OfEntity], share: float) -> float | None:
    """Measure how far the arms' spread over entities exceeds a draw's; `None` where chance alone may do that.

    Under a draw of every episode, an entity with n of them has (canaries - n s)² / (n s (1 - s)) of mean 1
    and variance 2 + (1 - 6 s (1 - s)) / (n s (1 - s)); all in one arm makes the sum over entities N, its
    most.
    """
    spread = share * (1.0 - share)
    # One episode is in one arm, however arms were assigned.
    several = [one for one in held if one.episodes > 1]
    seen = variance = 0.0
    for one in several:
        off = one.canary.episodes - one.episodes * share
        seen += off * off / (one.episodes * spread)
        variance += 2.0 + (1.0 - 6.0 * spread) / (one.episodes * spread)
    over = seen - (len(several) - 1)
    if not several or over <= 0.0 or over * over <= CLUMPED_DEVIATIONS * CLUMPED_DEVIATIONS * variance:
        return None
    clumping = over / (sum(one.episodes for one in several) - (len(several) - 1))
    return min(1.0, clumping) if clumping > CLUMPED_SHARE else None


def _design_effect(held: Sequence[OfEntity]) -> float:
    """Return Pearson's X² of failures over entities within arms, by its degrees of freedom; at least 1.

    (Kish 1965, "Survey Sampling", calls it deff.) Where no arm has two entities nothing tells how much they
    differ, and each counts as one.
    """
    seen, free = 0.0, 0
    for arm in ("canary", "control"):
        tallies: list[ArmTally] = [tally for one in held if (tally := getattr(one, arm)).episodes]
        episodes = sum(tally.episodes for tally in tallies)
        rate = sum(tally.failures for tally in tallies) / episodes
        free += len(tallies) - 1
        if 0.0 < rate < 1.0:
            for tally in tallies:
                off = tally.failures - tally.episodes * rate
                seen += off * off / (tally.episodes * rate * (1.0 - rate))
    if not free:
        return sum(one.episodes for one in held) / len(held)
    return max(1.0, seen / free)


def _by_chance(in_canary: Sequence[OfEntity], in_control: Sequence[OfEntity]) -> float:
    """Return the share of all ways to deal entities to arms of these sizes whose mean rates differ as much.

    (Fisher 1935, "The Design of Experiments": the randomisation test, with entities as its units.) Of too
    many ways to count, a bound on that share: 4 / (9 z²) for a difference of z standard deviations
    (Vysochanskij and Petunin 1980), which is harsh on the evidence, and never kind.
    """
    rates = [one.failures / one.episodes for one in (*in_canary, *in_control)]
    here, there = len(in_canary), len(in_control)
    total = _sum(rates)
    seen = _apart(_sum(rates[:here]), total, here, there)
    if comb(here + there, here) > MOST_WAYS:
        mean = total / len(rates)
        # The variance of the difference of means over all ways to deal the rates out.
        spread = _sum([(rate - mean) * (rate - mean) for rate in rates]) / (len(rates) - 1)
        varies = spread * (1.0 / here + 1.0 / there)
        return min(1.0, 4.0 * varies / (9.0 * seen * seen)) if seen else 1.0
    ways = [_apart(_sum(dealt), total, here, there) for dealt in combinations(rates, here)]
    # Equal ways differ by a rounding error, as their sums are formed in another order.
    return sum(apart >= seen - _ROUNDING for apart in ways) / len(ways)


_ROUNDING: Final = 1e-9


def _apart(dealt: float, total: float, here: int, there: int) -> float:
    return abs(dealt / here - (total - dealt) / there)


def _sum(values: Sequence[float]) -> float:
    total = 0.0
    for value in values:
        total += value
    return total


def _at_best(here: int, there: int) -> float:
    # With arms of one size, exchanging them differs as much.
    return (2 if here == there else 1) / comb(here + there, here)


def _reason(found: Confounding, called: str, episodes: int) -> str:
    here, there = found.canary_entities, found.control_entities
    together = "coincide" if found.clumping > _TOGETHER else "go together"
    said = (
        f"arms and {called} {together}: {here} in the canary, {there} in control. What differs between "
        f"{called} cannot be told from what differs between versions"
    )
    if found.at_best > _ENOUGH:
        said += (
            f": there are {here + there} units here, not {episodes:,}, and even the clearest difference "
            f"between so few arises by chance in {found.at_best:.0%}"
        )
    else:
        said += f", so {episodes:,} episodes are worth about {found.units:,.0f}"
        if found.explained:
            said += f"; {found.by_chance:.0%} of all ways to deal these {called} to the arms differ as much"
    return f"{said}. Assign episodes instead"


_TOGETHER: Final = 0.99
