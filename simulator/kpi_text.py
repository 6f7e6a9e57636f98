"""KPIs in words and figures, as terminals and pages show them."""

from collections.abc import Iterable
from typing import Final

from engine.core.kpis.standing import KpiStanding
from engine.core.plain_text import count_text
from simulator.plain import percent_text, printable, usd_text

WORDS: Final = ("met", "missed", "unknown")


def figure_text(kpi: KpiStanding, value: float | None) -> str:
    """Write a value of this KPI in its unit.

    A difference of shares is written in points of a hundred: +1.2 points are 97.2 % instead of 96 %.
    """
    if value is None:
        return "–"
    if kpi.kind == "cost_per_decision":
        return usd_text(value)
    if kpi.kind == "value":
        return f"{value * 100:+.1f} points"
    return percent_text(value)


def value_text(kpi: KpiStanding) -> str:
    """Write what it comes to, with its interval where it has one."""
    said = figure_text(kpi, kpi.value)
    if kpi.value is None or kpi.low is None or kpi.high is None:
        return said
    sign = "+" if kpi.kind == "value" else ""
    return f"{said} ({kpi.low * 100:{sign}.1f} to {kpi.high * 100:{sign}.1f})"


def target_text(kpi: KpiStanding) -> str:
    """Write what it should come to."""
    if kpi.at_least is not None:
        return f"at least {figure_text(kpi, kpi.at_least)}"
    return f"at most {figure_text(kpi, kpi.at_most)}"


def rests_on(kpi: KpiStanding) -> str:
    """Write how much it rests on, or why it is unknown."""
    if kpi.why:
        return kpi.why
    if kpi.of == "seconds":
        return f"{kpi.count / 3600:,.1f} h"
    return count_text(kpi.count, kpi.of) + ("" if kpi.sure else ", unsure")


def lines(kpis: Iterable[KpiStanding]) -> list[tuple[str, str]]:
    """Write each KPI as its word and the rest of its line; what is unknown says why instead of a value."""
    found = list(kpis)
    width = max((len(kpi.name) for kpi in found), default=0)
    return [(kpi.word, f"{printable(kpi.name, 60):<{width}}  {_said(kpi)}") for kpi in found]


def _said(kpi: KpiStanding) -> str:
    if kpi.why:
        return kpi.why
    sign, target = ("≥", kpi.at_least) if kpi.at_least is not None else ("≤", kpi.at_most)
    aim = figure_text(kpi, target).removesuffix(" points")
    return f"{value_text(kpi):<26} {f'{sign} {aim}':<9} {rests_on(kpi)}"
