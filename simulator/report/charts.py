"""The report's charts: what each shows, in figures for the drawing and in words for who cannot see it."""

from collections.abc import Callable, Sequence
from typing import Final

from markupsafe import Markup
from msgspec import Struct

from engine.core.plain_text import count_text
from engine.core.vocabulary.actions import RISK_LEVELS
from engine.core.vocabulary.units import duration_text
from simulator.plain import percent_text, printable, usd_text, when_text
from simulator.report import marks
from simulator.report.series import Bucket, Buckets, Level, Peaks
from simulator.report.svg import draw
from simulator.score import Score
from simulator.summary import RuleSummary

_WORD_OF: Final = {"escalate": "hold", "consensus": "hold", "deny": "deny"}
_MOST_RULES: Final = 12
_MEASURES: Final = {"cost_usd": "USD", "files": "files", "api_calls": "API calls"}


class Chart(Struct, frozen=True):
    """One chart in two sizes; both carry the same text alternative."""

    title: str
    """What the page writes above it; empty where a heading says it already."""
    wide: Markup
    narrow: Markup
    text: str


def verdicts_over_time(buckets: Buckets, rows: Sequence[Bucket], name: str) -> Chart:
    """Stack the number of decisions by word, bucket by bucket."""
    series = [[getattr(row.words, word) for word in marks.WORDS] for row in rows]
    totals = [sum(row) for row in series]
    top = max(range(len(totals)), key=totals.__getitem__)
    text = (
        f"Decisions in each {duration_text(buckets.width_us / 1e6)}, stacked by verdict, from "
        f"{when_text(buckets.start_us)} to {when_text(buckets.at_us(buckets.count))}. Most, "
        f"{count_text(totals[top])}, from {when_text(buckets.at_us(top))} on; "
        f"{count_text(sum(row[0] for row in series))} denied and "
        f"{count_text(sum(row[1] for row in series))} held of {count_text(sum(totals))} in all."
    )
    return both(lambda size: marks.stacked(buckets, series, size, counts=True), name, text)


def cost_over_time(buckets: Buckets, rows: Sequence[Bucket], name: str) -> Chart | None:
    """Stack the estimated cost by word; `None` when nothing cost anything."""
    series = [[row.costs.denied, row.costs.held, row.costs.allowed] for row in rows]
    denied, held, allowed = (sum(column) for column in zip(*series, strict=True))
    if not denied + held + allowed:
        return None
    text = (
        f"Estimated cost of what was proposed in each {duration_text(buckets.width_us / 1e6)}, stacked by "
        f"verdict: {usd_text(allowed)} allowed, {usd_text(held)} held, {usd_text(denied)} denied in all."
    )
    return both(lambda size: marks.stacked(buckets, series, size), name, text)


def usage_against_limits(buckets: Buckets, peaks: Peaks, name: str) -> Chart:
    """Draw the closest that usage came to its limits, bucket by bucket, with the limits as dashed lines."""
    unit, window = _MEASURES[peaks.measure], duration_text(peaks.window_us / 1e6)
    said = [f"{'all agents' if limit.per == 'all' else 'one agent'} {limit.most:f}" for limit in peaks.limits]
    text = (
        f"Highest {unit} counted within {window}: {max(peaks.all_agents):,.6g} for all agents together, "
        f"{max(peaks.one_agent):,.6g} for the busiest single agent. Limits: {', '.join(said)}."
    )
    return both(
        lambda size: marks.usage(buckets, peaks, size),
        name,
        text,
        wide=marks.HALF,
        title=f"{_capital(unit)} within {window}",
    )


def rules_that_fired(rules: Sequence[RuleSummary], name: str) -> Chart:
    """Draw one bar for each rule: how many decisions it objected to, in the colour of what it rules."""
    shown = rules[:_MOST_RULES]
    rows = [
        {
            "place": place,
            "rule": printable(rule.rule, 60),
            "decisions": rule.decisions,
            "said": f"{rule.decisions:,}",
            "word": _WORD_OF[rule.ruling],
        }
        for place, rule in enumerate(shown)
    ]
    text = "Decisions each rule objected to: " + ", ".join(
        f"{printable(rule.rule, 60)} {rule.decisions:,} ({rule.ruling})" for rule in shown[:5]
    )
    if len(rules) > 5:
        text += f", and {count_text(len(rules) - 5, 'more rules')}"
    return both(lambda size: marks.bars(rows, size), name, text + ".")


def risk_levels(levels: Sequence[Level], name: str) -> Chart:
    """Draw one stacked bar for each risk level."""
    found = {level.level: level.words for level in levels}
    rows = [
        {
            "name": level.value,
            "word": word,
            "order": marks.WORDS.index(word),
            "decisions": getattr(words, word),
        }
        for level in RISK_LEVELS
        if (words := found.get(level.value)) is not None
        for word in marks.WORDS
    ]
    text = "Decisions by risk level: " + "; ".join(
        f"{level.value} {words.allow:,} allowed, {words.hold:,} held, {words.deny:,} denied"
        for level in RISK_LEVELS
        if (words := found.get(level.value)) is not None
    )
    return both(lambda size: marks.levels(rows, size), name, text + ".")


def score_intervals(scores: Sequence[tuple[str, Score]], name: str) -> Chart | None:
    """Draw each share with its interval, as a dot on a line; `None` when every share is undefined.

    A full dot counts hold and deny, an empty one only deny; each policy has its colour.
    """
    rows: list[marks.Spec] = []
    for number, (policy, score) in enumerate(scores):
        for how, counted in (("held or denied", score.held), ("denied only", score.denied)):
            for title, field in marks.SHARES:
                share = getattr(counted, field)
                if share.value is not None and share.low is not None:
                    rows.append(
                        {
                            "name": title,
                            "how": f"{how}, {policy}" if policy else how,
                            "policy": number,
                            "full": how == "held or denied",
                            "value": share.value,
                            "low": share.low,
                            "high": share.high,
                        }
                    )
    if not rows:
        return None
    text = "Shares with their 95 % intervals: " + "; ".join(
        f"{row['name']} {percent_text(row['value'])} ({row['how']})" for row in rows
    )
    return both(lambda size: marks.intervals(rows, size), name, text + ".")


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def both(
    spec: Callable[[marks.Size], marks.Spec],
    name: str,
    text: str,
    *,
    wide: marks.Size = marks.WIDE,
    title: str = "",
) -> Chart:
    """Draw one chart in its two sizes."""
    return Chart(
        title=title,
        wide=draw(spec(wide), name=f"{name}-w", text=text),
        narrow=draw(spec(marks.NARROW), name=f"{name}-n", text=text),
        text=text,
    )
