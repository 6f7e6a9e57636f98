"""Standing: what a KPI comes to right now, on how much it rests, and whether that is what it should be.

What nothing is known of is `unknown`, with the reason: never a nought. Intervals use logarithms, so their
last digits may differ between machines; nothing is decided by them.
"""

from typing import Final, Literal

from msgspec import Struct

from engine.core.kpis.cases import Cases
from engine.core.kpis.comparisons import AGREEMENT, CANARIES, VALUE, Comparisons
from engine.core.kpis.costs import Costs, spent_usd
from engine.core.kpis.definitions import Kind, Kpi
from engine.core.kpis.projection import Projection, Sums, advance
from engine.core.kpis.uptime import LOST, Uptime, lost_us
from engine.core.kpis.windows import total
from engine.core.statistics import intervals
from engine.core.statistics.intervals import Interval

ALPHA: Final = 0.05
"""How probable it is at most that a true value lies outside its interval, at whichever moment one looks."""

Word = Literal["met", "missed", "unknown"]


class Part(Struct, frozen=True, array_like=True, gc=False):
    """One count behind a value: `[name, count]`."""

    name: str
    count: int


class KpiStanding(Struct, frozen=True, kw_only=True):
    """How one KPI stands."""

    name: str
    kind: Kind
    shows: str
    word: Word
    sure: bool
    """Whether all of the interval is on the same side of the target; true where a value has none."""
    why: str
    """Why it is unknown; empty where it is not."""
    value: float | None
    """A share, a difference of two or, of cost, US dollars; `None` while it is unknown."""
    low: float | None
    """The ends of its interval; `None` where a value has none."""
    high: float | None
    count: int
    """How many cases it rests on; of uptime, whole seconds."""
    of: str
    """What was counted."""
    least: int
    parts: tuple[Part, ...]
    at_least: float | None
    at_most: float | None
    window_us: int
    from_us: int
    """When its window began; later than the window is long where the journal is younger."""
    until_us: int


class Found(Struct, frozen=True, kw_only=True):
    """What sums say, before anybody asks whether it is enough."""

    value: float | None
    count: int
    of: str
    parts: tuple[Part, ...] = ()
    interval: Interval | None = None
    missing: str = ""


def standings(projection: Projection, now_us: int | None = None) -> list[KpiStanding]:
    """Say how every KPI stands now, or at the time of the last fact.

    What is due by then is judged, so no fact that comes later may have happened before.
    """
    now_us = projection.now_us if now_us is None else now_us
    advance(projection, now_us)
    first_us = projection.first_us
    return [
        _standing(kpi, _found(projection, kpi, sums, now_us), now_us, first_us)
        for kpi, sums in zip(projection.kpis, projection.sums, strict=True)
    ]


def _standing(kpi: Kpi, found: Found, now_us: int, first_us: int | None) -> KpiStanding:
    why = found.missing
    if not why and found.count < kpi.least:
        why = f"too little evidence: {found.count:,} of {kpi.least:,} {found.of}"
    value = None if why else found.value
    interval = found.interval if value is not None else None
    low, high = (interval.low, interval.high) if interval is not None else (None, None)
    word: Word = "unknown"
    sure = False
    if value is not None:
        word = "met" if _meets(kpi, value) else "missed"
        ends = [end for end in (low, high) if end is not None]
        sure = all(_meets(kpi, end) == (word == "met") for end in ends)
    from_us = kpi.from_us(now_us)
    return KpiStanding(
        name=kpi.name,
        kind=kpi.kind,
        shows=kpi.shows,
        word=word,
        sure=sure,
        why=why,
        value=value,
        low=low,
        high=high,
        count=found.count,
        of=found.of,
        least=kpi.least,
        parts=found.parts,
        at_least=kpi.at_least,
        at_most=kpi.at_most,
        window_us=kpi.window_us,
        from_us=from_us if first_us is None else max(from_us, first_us),
        until_us=now_us,
    )


def _meets(kpi: Kpi, value: float) -> bool:
    return (kpi.at_least is None or value >= kpi.at_least) and (kpi.at_most is None or value <= kpi.at_most)


def _found(projection: Projection, kpi: Kpi, sums: Sums, now_us: int) -> Found:
    match sums:
        case Cases():
            counts = total(sums.window, now_us, 3)
            return _upheld(counts) if kpi.kind == "holds_upheld" else _success(kpi, counts)
        case Costs():
            return _cost(sums, now_us)
        case Uptime():
            lost = lost_us(sums, kpi, projection.halts, projection.now_us, now_us)
            return _uptime(kpi, lost, now_us, projection.first_us)
        case Comparisons():
            if kpi.kind == "agreement":
                return _agreement(total(sums.window, now_us, AGREEMENT))
            return difference(total(sums.window, now_us, VALUE))


def _share(good: int, of: int) -> tuple[float | None, Interval]:
    interval = intervals.rate(good, of, ALPHA)
    return interval.estimate, interval


def _success(kpi: Kpi, counts: list[int]) -> Found:
    succeeded, failed, unreported = counts
    # What autonomy leaves without an outcome it did not do well; what others do, nobody need report.
    count = succeeded + failed + (unreported if kpi.arm == "autonomy" else 0)
    value, interval = _share(succeeded, count)
    missing = ""
    if not succeeded + failed:
        missing = (
            f"nobody reported how any of {unreported:,} episodes ended" if unreported else "no episode ended"
        )
    return Found(
        value=value,
        interval=interval,
        count=count,
        of="episodes",
        parts=(Part("succeeded", succeeded), Part("failed", failed), Part("unreported", unreported)),
        missing=missing,
    )


def _upheld(counts: list[int]) -> Found:
    well, badly, standing = counts
    count = well + badly + standing
    value, interval = _share(standing, count)
    return Found(
        value=value,
        interval=interval,
        count=count,
        of="holds",
        parts=(Part("left standing", standing), Part("carried out anyway", well + badly)),
        missing="" if count else "no hold came to its end",
    )


def _cost(costs: Costs, now_us: int) -> Found:
    decisions, actual = total(costs.window, now_us, 2)
    usd = spent_usd(costs, now_us)
    return Found(
        value=float(usd / decisions) if decisions else None,
        count=decisions,
        of="decisions",
        parts=(Part("at their actual cost", actual), Part("at their estimate", decisions - actual)),
        missing="" if decisions else "nothing was decided that counts",
    )


def _uptime(kpi: Kpi, counts: list[int], now_us: int, first_us: int | None) -> Found:
    seen_us = now_us - max(kpi.from_us(now_us), now_us if first_us is None else first_us)
    return Found(
        value=1 - sum(counts) / seen_us if seen_us else None,
        count=seen_us // 1_000_000,
        of="seconds",
        parts=tuple(Part(f"seconds {name}", us // 1_000_000) for name, us in zip(LOST, counts, strict=True)),
        missing="" if seen_us else "no time has passed",
    )


def _agreement(counts: list[int]) -> Found:
    agreed, compared = counts
    value, interval = _share(agreed, compared)
    return Found(
        value=value,
        interval=interval,
        count=compared,
        of="episodes",
        parts=(Part("agreed", agreed), Part("differed", compared - agreed)),
        missing="" if compared else "no episode was compared in shadow",
    )


def difference(counts: list[int]) -> Found:
    """Compare the arms within each share of the canary, and weigh the differences by their episodes.

    Each end is as far out as all rates of both arms allow at once: with `2 n` rates, each has `alpha / 2 n`.
    """
    stages = [counts[4 * place : 4 * place + 4] for place in range(len(CANARIES))]
    both = [stage for stage in stages if stage[0] and stage[2]]
    canary, control = sum(stage[0] for stage in both), sum(stage[2] for stage in both)
    parts = (
        Part("canary's episodes", canary),
        Part("of them failed", sum(stage[1] for stage in both)),
        Part("control's episodes", control),
        Part("of them failed", sum(stage[3] for stage in both)),
    )
    # The smaller arm is what a difference rests on.
    count, of = min(canary, control), "episodes of each arm"
    if not both:
        return Found(value=None, count=0, of=of, parts=parts, missing="no canary acted beside its incumbent")
    low = best = high = 0.0
    for ours, failed, theirs, theirs_failed in both:
        weight = (ours + theirs) / (canary + control)
        mine = intervals.rate(ours - failed, ours, ALPHA / (2 * len(both)))
        other = intervals.rate(theirs - theirs_failed, theirs, ALPHA / (2 * len(both)))
        best += weight * ((mine.estimate or 0.0) - (other.estimate or 0.0))
        low += weight * (mine.low - (other.high or 0.0))
        high += weight * ((mine.high or 0.0) - other.low)
    return Found(value=best, interval=Interval(low, best, high), count=count, of=of, parts=parts)
