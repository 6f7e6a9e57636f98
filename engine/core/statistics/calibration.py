"""Calibration: whether what is claimed with 80 % confidence is right in 80 % of the cases.

Sums, ratios and square roots only, which every machine rounds the same way, so that levels may enter state.
"""

from collections.abc import Iterable, Sequence
from math import sqrt
from typing import Any, Final, TypeVar

from msgspec import Struct

_Number = TypeVar("_Number", int, float)

BINS: Final = 10
"""Tenths of confidence: fine enough to see a bend, coarse enough that dozens of decisions fill some."""
Z95: Final = 1.959963984540054
"""How many standard errors a two-sided interval of 95 % reaches either way."""


class Bin(Struct, frozen=True, kw_only=True):
    """Decisions of about the same confidence, and how often they were right."""

    low: float
    high: float
    """Confidences from `low` up to but not including `high`; the last bin includes 1."""
    count: int
    right: int
    claimed: float | None
    """Their mean confidence; `None` while there are none."""
    rate: float | None
    """The share that was right."""
    rate_low: float
    rate_high: float
    """A Wilson interval of 95 % for that share."""


class Curve(Struct, frozen=True, kw_only=True):
    """How well confidence and outcomes go together."""

    count: int
    right: int
    bins: tuple[Bin, ...]
    brier: float | None
    """The mean squared distance between confidence and outcome: 0 is perfect, 0.25 is always saying one half.
    `None` while nothing is known, as all that follow."""
    reliability: float | None
    """What of it is due to confidences that differ from how often they were right; 0 is calibrated."""
    resolution: float | None
    """How far the bins tell good from bad decisions: more is better."""
    uncertainty: float | None
    """What even somebody who only knew the overall share could not avoid."""
    within: float | None
    """The rest: confidences differ inside a bin as well. `brier` = reliability - resolution + uncertainty +
    within."""
    error: float | None
    """Expected calibration error: the mean distance between claimed and true share over bins, by count."""


def bin_of(confidence: float) -> int:
    """Return the bin of a confidence.

    >>> bin_of(0.0), bin_of(0.7), bin_of(0.75), bin_of(1.0)
    (0, 7, 7, 9)
    """
    return min(int(confidence * BINS), BINS - 1)


def wilson(right: int, count: int, z: float = Z95) -> tuple[float, float]:
    """Return an interval for a share, `z` standard errors either way (Wilson 1927, JASA 22:209-212).

    Unlike the plain one it stays within 0 and 1, and says something of 0 and of all. Of 45 right in 50:

    >>> low, high = wilson(45, 50)
    >>> f"{low:.3f} {high:.3f}"
    '0.786 0.957'
    """
    if count == 0:
        return 0.0, 1.0
    rate, square = right / count, z * z
    middle = (rate + square / (2 * count)) / (1 + square / count)
    reach = z / (1 + square / count) * sqrt(rate * (1 - rate) / count + square / (4 * count * count))
    return max(0.0, middle - reach), min(1.0, middle + reach)


def measure(pairs: Iterable[tuple[float, bool]]) -> Curve:
    """Hold confidences against what was right.

    The Brier score falls apart into reliability, resolution and uncertainty (Murphy 1973, J. Appl. Meteor.
    12:595-600), exactly where all confidences of a bin are the same, and else with a rest `within` bins
    (Stephenson, Coelho and Jolliffe 2008, Weather and Forecasting 23:752-757).

    Ten decisions claimed with 0.9, six of them right: 0.9² · 4/10 + 0.1² · 6/10 = 0.33.

    >>> found = measure([(0.9, place < 6) for place in range(10)])
    >>> f"{found.brier:.2f} = {found.reliability:.2f} - {found.resolution:.2f} + {found.uncertainty:.2f}"
    '0.33 = 0.09 - 0.00 + 0.24'
    >>> f"{found.error:.1f}"
    '0.3'
    """
    claimed, right, counts = [0.0] * BINS, [0] * BINS, [0] * BINS
    squares = 0.0
    for confidence, came_true in pairs:
        place = bin_of(confidence)
        counts[place] += 1
        right[place] += came_true
        claimed[place] += confidence
        squares += (confidence - came_true) * (confidence - came_true)
    total, good = _added(counts), _added(right)
    bins = tuple(_bin(place, counts[place], right[place], claimed[place]) for place in range(BINS))
    if not total:
        return Curve(
            count=0,
            right=0,
            bins=bins,
            brier=None,
            reliability=None,
            resolution=None,
            uncertainty=None,
            within=None,
            error=None,
        )
    overall = good / total
    known = [(each.count, each.claimed, each.rate) for each in bins]
    filled = [(n, said, true) for n, said, true in known if said is not None and true is not None]
    brier = squares / total
    reliability = _added(n * (said - true) * (said - true) for n, said, true in filled) / total
    resolution = _added(n * (true - overall) * (true - overall) for n, _, true in filled) / total
    uncertainty = overall * (1 - overall)
    return Curve(
        count=total,
        right=good,
        bins=bins,
        brier=brier,
        reliability=reliability,
        resolution=resolution,
        uncertainty=uncertainty,
        within=brier - (reliability - resolution + uncertainty),
        error=_added(n * abs(said - true) for n, said, true in filled) / total,
    )


def _added(values: Iterable[_Number]) -> _Number:
    """Add one after the other: newer versions of `sum` round otherwise, and bits would differ."""
    total: Any = 0
    for value in values:
        total += value
    return total  # type: ignore[no-any-return]  # as many of the kind that was added


def _bin(place: int, count: int, right: int, claimed: float) -> Bin:
    low, high = wilson(right, count)
    return Bin(
        low=place / BINS,
        high=(place + 1) / BINS,
        count=count,
        right=right,
        claimed=claimed / count if count else None,
        rate=right / count if count else None,
        rate_low=low,
        rate_high=high,
    )


def levels(counts: Sequence[tuple[int, int]], *, least: int, margin: float) -> tuple[float | None, ...]:
    """Say for each bin `(right, count)` how far to trust its confidence; `None` where too little is known.

    Bins are pooled until the share that is right never falls as confidence rises, for higher confidence is
    meant to say more (isotonic regression by pooling adjacent violators: Ayer et al. 1955, Ann. Math. Stat.
    26:641-647; Zadrozny and Elkan 2002). Then neighbours are pooled until each pool holds `least` decisions.
    A level is the lower end of the pool's Wilson interval, `margin` standard errors under its share.

    Twenty decisions at 80 to 90 % of which ten were right, and ten at 90 to 100 % of which four were: pooled,
    14 of 30.

    >>> known = levels([(0, 0)] * 8 + [(10, 20), (4, 10)], least=20, margin=0.0)
    >>> known[7] is None, [round(level, 3) for level in known[8:]]
    (True, [0.467, 0.467])
    """
    pools: list[list[int]] = []
    for place, (right, count) in enumerate(counts):
        if not count:
            continue
        pools.append([right, count, place, place])
        # Cross-multiplied, so that equal shares are equal whatever their counts.
        while len(pools) > 1 and pools[-2][0] * pools[-1][1] >= pools[-1][0] * pools[-2][1]:
            _pool(pools, len(pools) - 2)
    while len(pools) > 1:
        smallest = min(range(len(pools)), key=lambda place: pools[place][1])
        if pools[smallest][1] >= least:
            break
        _pool(pools, max(smallest - 1, 0))
    found: list[float | None] = [None] * len(counts)
    for right, count, first, last in pools:
        if count >= least:
            level, _ = wilson(right, count, margin)
            found[first : last + 1] = [level] * (last + 1 - first)
    return tuple(found)


def _pool(pools: list[list[int]], place: int) -> None:
    """Put a pool and the one after it together."""
    (right, count, first, _), (more, others, _, last) = pools[place : place + 2]
    pools[place : place + 2] = [[right + more, count + others, first, last]]
