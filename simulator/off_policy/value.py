"""The value of a candidate beside its incumbent, with the floors under which nothing is said about it."""

from typing import Final, Literal

import msgspec
import numpy as np
from msgspec import Struct

from engine.core.plain_text import count_text
from engine.core.statistics.off_policy import effective_sample_size
from simulator.off_policy.columns import Columns
from simulator.off_policy.intervals import LEVEL, Interval, Ratio, Resampling
from simulator.plain import percent_text

Estimator = Literal["ips", "snips", "doubly_robust", "model"]

ESTIMATORS: Final[tuple[Estimator, ...]] = ("ips", "snips", "doubly_robust", "model")

TRUSTED: Final[Estimator] = "doubly_robust"
"""What the verdict is read from: without bias as inverse propensity sampling, and steadier."""

_RAREST: Final = 5.0
"""With fewer effective episodes of either kind, good or bad, a bootstrap draws too many histories without
any."""

_DEVIATIONS: Final = 6.0
"""Weights add up to what is supported; further off than this many standard errors, the chances are not the
log's."""


class Floors(Struct, frozen=True, kw_only=True):
    """What there must be before anything is said."""

    episodes: int = 100
    """Episodes with a decision of the candidate, tried or not."""
    effective: float = 100.0
    """Episodes of equal weight that would tell as much. The interval of a share is some ±10 points wide
    there."""
    support: float = 0.99
    """The share of its choices that the log made now and then: of the rest nothing is known at all."""


class Seen(Struct, frozen=True, kw_only=True):
    """How well a history tells about one side."""

    decisions: int
    episodes: int
    effective: float
    """Episodes of equal weight that would tell as much."""
    support: float
    """The share of its choices that the log made at least now and then in their context, 0 to 1."""
    mean_weight: float
    """About the support where the logged chances are right."""
    abstains: tuple[str, ...]
    """Why nothing is said about it, each in a sentence; empty when something is."""


class Estimate(Struct, frozen=True, kw_only=True):
    """One estimator's answer."""

    estimator: Estimator
    candidate: Interval | None
    """`None` where nothing is said about that side."""
    incumbent: Interval | None
    difference: Interval | None
    """How much more the candidate is worth; `None` unless something is said about both."""


class Value(Struct, frozen=True, kw_only=True):
    """What a history says about a candidate. Rewards are in its own unit, 1 for well and 0 for badly."""

    candidate_name: str
    incumbent_name: str
    logged: float | None
    """The mean reward in the history, whoever decided; `None` where nothing was done in it."""
    candidate: Seen
    incumbent: Seen
    estimates: tuple[Estimate, ...]
    """Empty where nothing is said about the candidate."""
    verdict: str
    """All of it in a sentence."""
    notes: tuple[str, ...]
    """What was left out of the history, and why."""
    level: float
    """Of the intervals."""
    seed: int
    bootstraps: int


def value_of(
    candidate: Columns,
    incumbent: Columns,
    *,
    candidate_name: str,
    incumbent_name: str,
    logged: float | None = None,
    floors: Floors | None = None,
    seed: int = 0,
    bootstraps: int = 1000,
    notes: tuple[str, ...] = (),
) -> Value:
    """Estimate what both sides are worth, and how much more the candidate is.

    Both are columns over the same episodes, numbered alike: see `columns_of`. `logged` is the mean reward in
    the history; `None` takes that of the incumbent's columns.
    """
    floors = floors or Floors()
    sides = (candidate, incumbent)
    seen = tuple(
        _seen(side, floors, name) for side, name in zip(sides, (candidate_name, incumbent_name), strict=True)
    )
    resampling = Resampling(units=max(candidate.units, incumbent.units), seed=seed, bootstraps=bootstraps)
    estimates = () if seen[0].abstains else tuple(_estimates(sides, seen, resampling))
    if logged is None and incumbent.reward.size:
        logged = float(incumbent.reward.mean())
    return Value(
        candidate_name=candidate_name,
        incumbent_name=incumbent_name,
        logged=logged,
        candidate=seen[0],
        incumbent=seen[1],
        estimates=estimates,
        verdict=_verdict(candidate_name, incumbent_name, seen, estimates),
        notes=notes,
        level=LEVEL,
        seed=seed,
        bootstraps=bootstraps,
    )


def to_json(value: Value) -> bytes:
    """Write a value as JSON, for people and programs."""
    return msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n"


def _seen(side: Columns, floors: Floors, name: str) -> Seen:
    weights, decisions = side.by_unit(side.weight), side.by_unit()
    mean_weight = float(side.weight.mean()) if side.weight.size else 0.0
    seen = Seen(
        decisions=side.unit.size,
        episodes=int(np.count_nonzero(decisions)),
        effective=effective_sample_size(weights.tolist()),
        support=side.support,
        mean_weight=mean_weight,
        abstains=(),
    )
    return msgspec.structs.replace(seen, abstains=tuple(_abstains(side, seen, floors, name)))


def _abstains(side: Columns, seen: Seen, floors: Floors, name: str) -> list[str]:
    """Say what is missing, the most fundamental first."""
    if not seen.decisions:
        return [f"no decision of {name} is in this history with the chance it had"]
    found = []
    if seen.episodes < floors.episodes:
        found.append(f"{count_text(seen.episodes, 'episodes')} of at least {floors.episodes:,}")
    if seen.support < floors.support:
        found.append(
            f"support is {percent_text(seen.support)} of at least {percent_text(floors.support)}: the rest "
            f"of what {name} would choose was never tried, so nothing is known about it"
        )
    if seen.effective < floors.effective:
        found.append(
            f"all weights together are worth {seen.effective:,.1f} effective episodes of at least "
            f"{floors.effective:,.0f}"
        )
    if found:
        return found
    off = _off(side, seen.support)
    if abs(off) > _DEVIATIONS:
        averages = f"weights average {seen.mean_weight:.3f} where {seen.support:.3f} is expected"
        return [f"the logged chances do not add up: {averages}, {abs(off):.0f} standard errors off"]
    rarest, kind = _rarest(side)
    if rarest < _RAREST:
        return [f"only {rarest:,.1f} effective episodes went {kind}: too few to say how often that happens"]
    return []


def _off(side: Columns, support: float) -> float:
    """Return how many standard errors the weights are off what they should add up to."""
    over = side.by_unit(side.weight - support)
    error = float(np.sqrt(np.square(over - over.mean()).sum()))
    return float(over.sum()) / error if error else 0.0


def _rarest(side: Columns) -> tuple[float, Literal["well", "badly"]]:
    """Return the effective number of episodes on the rarer side of the middle between all rewards."""
    middle = (side.reward.max() + side.reward.min()) / 2
    well = side.reward > middle if side.reward.max() > side.reward.min() else side.reward > 0
    good = effective_sample_size(side.by_unit(side.weight * well).tolist())
    bad = effective_sample_size(side.by_unit(side.weight * ~well).tolist())
    return (good, "well") if good < bad else (bad, "badly")


def _estimates(
    sides: tuple[Columns, Columns], seen: tuple[Seen, ...], resampling: Resampling
) -> list[Estimate]:
    found = []
    for estimator in ESTIMATORS:
        ratios: list[Ratio] = [side.contributions[estimator] for side in sides]
        both = not seen[1].abstains
        intervals = (
            resampling.interval(ratios[0]),
            resampling.interval(ratios[1]) if both else None,
            resampling.interval(*ratios) if both else None,
        )
        if estimator in {"snips", "model"}:
            intervals = _within(sides, intervals)
        found.append(
            Estimate(
                estimator=estimator, candidate=intervals[0], incumbent=intervals[1], difference=intervals[2]
            )
        )
    return found


def _within(
    sides: tuple[Columns, Columns], intervals: tuple[Interval, Interval | None, Interval | None]
) -> tuple[Interval, Interval | None, Interval | None]:
    """Keep means of rewards that were seen within the rewards that were seen."""
    ends = [(float(side.reward.min()), float(side.reward.max())) for side in sides if side.reward.size]
    low, high = min(low for low, _ in ends), max(high for _, high in ends)
    first, second, difference = intervals
    return (
        _cut(first, low, high),
        None if second is None else _cut(second, low, high),
        None if difference is None else _cut(difference, low - high, high - low),
    )


def _cut(interval: Interval, low: float, high: float) -> Interval:
    return Interval(value=interval.value, low=max(low, interval.low), high=min(high, interval.high))


def _verdict(candidate: str, incumbent: str, seen: tuple[Seen, ...], estimates: tuple[Estimate, ...]) -> str:
    if seen[0].abstains:
        return f"nothing is said about {candidate}: {'; '.join(seen[0].abstains)}"
    best = next(estimate for estimate in estimates if estimate.estimator == TRUSTED)
    difference = best.difference
    if difference is None:
        worth = best.candidate
        assert worth is not None  # noqa: S101 - it abstained above otherwise
        return (
            f"{candidate} is worth {worth.low:.4f} to {worth.high:.4f}; nothing is said about {incumbent}: "
            f"{'; '.join(seen[1].abstains)}"
        )
    if difference.low > 0:
        return f"{candidate} is worth more than {incumbent}, by {difference.low:.4f} to {difference.high:.4f}"
    if difference.high < 0:
        return (
            f"{candidate} is worth less than {incumbent}, by {-difference.high:.4f} to {-difference.low:.4f}"
        )
    between = f"{difference.low:+.4f} and {difference.high:+.4f}"
    return f"no difference between {candidate} and {incumbent} is shown: it lies between {between}"
