"""A value as text, for a terminal of a hundred columns: no colours, nothing moves."""

from collections.abc import Iterable, Iterator
from textwrap import wrap
from typing import Final

from simulator.off_policy.intervals import Interval
from simulator.off_policy.value import TRUSTED, Estimator, Seen, Value
from simulator.plain import percent_text, printable

_WIDTH: Final = 100

_NAMES: Final[dict[Estimator, str]] = {
    "ips": "inverse propensity",
    "snips": "self-normalised",
    "doubly_robust": "doubly robust",
    "model": "model alone",
}


def text(value: Value) -> str:
    """Write a value for people: the verdict, what it rests on, and every estimate.

    `>` marks the estimate the verdict is read from. The model alone is there to compare with: its interval
    does not know how wrong the model is.
    """
    return "\n".join(line.rstrip() for line in _lines(value)) + "\n"


def _lines(value: Value) -> Iterator[str]:
    yield from _wrapped(value.verdict)
    if value.candidate.decisions or value.incumbent.decisions:
        yield ""
        yield from _table(value)
    for note in value.notes:
        yield from _wrapped(f"note: {note}", first="  ", then="        ")


def _table(value: Value) -> Iterator[str]:
    yield f"  {'':<19}{_name(value.candidate_name):>25}{_name(value.incumbent_name):>25}"
    sides = (value.candidate, value.incumbent)
    for title, shown in (
        ("decisions", [f"{side.decisions:,}" for side in sides]),
        ("episodes", [f"{side.episodes:,}" for side in sides]),
        ("effective episodes", [f"{side.effective:,.1f}" for side in sides]),
        ("support", [percent_text(side.support) for side in sides]),
        ("mean weight", [f"{side.mean_weight:.3f}" for side in sides]),
    ):
        yield f"  {title:<19}" + "".join(f"{one:>25}" for one in shown)
    if value.estimates:
        yield ""
        yield f"  {'':<69}{'more than incumbent':>28}"
    for estimate in value.estimates:
        mark = "> " if estimate.estimator == TRUSTED else "  "
        shown = [_interval(one) for one in (estimate.candidate, estimate.incumbent)]
        difference = _interval(estimate.difference, sign="+")
        yield (
            f"{mark}{_NAMES[estimate.estimator]:<19}"
            + "".join(f"{one:>25}" for one in shown)
            + f"{difference:>28}"
        )
    yield ""
    if value.logged is not None:
        yield f"  reward in the history, whoever decided: {value.logged:.4f}"
    if value.estimates:
        drawn = f"{value.bootstraps:,} bootstraps over episodes, seed {value.seed}"
        yield f"  intervals: {value.level * 100:.0f} %, {drawn}"
    if not value.candidate.abstains and value.incumbent.abstains:
        yield from _abstained(value.incumbent_name, value.incumbent)


def _abstained(name: str, seen: Seen) -> Iterable[str]:
    for reason in seen.abstains:
        yield from _wrapped(f"{_name(name)}: {reason}", first="  ", then="    ")


def _wrapped(said: str, *, first: str = "", then: str = "") -> list[str]:
    return wrap(printable(said, 1000), _WIDTH, initial_indent=first, subsequent_indent=then)


def _name(name: str) -> str:
    return printable(name, 22)


def _interval(interval: Interval | None, *, sign: str = "") -> str:
    if interval is None:
        return "-"
    value, low, high = (format(one, f"{sign}.4f") for one in (interval.value, interval.low, interval.high))
    return f"{value} ({low}, {high})"
