"""Judging: what decisions were worth, and how far the confidence behind them came true."""

from collections.abc import Sequence
from typing import Final

from engine.commands import catalogue as c
from engine.commands.cards import card
from engine.commands.model import Asker, Button, Reply, Table
from engine.commands.tools import Tools
from engine.commands.tracing import Traced
from engine.core.calibrations import Calibration, calibrations_of, judged
from engine.core.plain_text import count_text
from engine.core.statistics.calibration import Curve
from engine.core.vocabulary import facts as f
from engine.core.vocabulary.ids import DecisionId
from engine.core.vocabulary.verdicts import Verdict
from engine.runtime import wire

MOST: Final = 2_000
"""How many of the newest outcomes, and of the newest ratings, are looked at."""
_MOST_ROWS: Final = 20


def calibrations_in(journal: Traced) -> list[Calibration]:
    """Measure the newest outcomes and ratings of a journal. May take long: ask in a thread."""

    def newest(tag: str) -> list[f.Fact]:
        records: list[f.Fact] = []
        before = None
        # One page looks back so far and no further.
        while len(records) < MOST:
            page = journal.facts(tag, before=before, most=MOST - len(records))
            records += [f.decode(record.body) for record in page.records]
            before = page.before
            if before is None:
                break
        return records[::-1]

    def verdict_of(decision: DecisionId) -> Verdict | None:
        record = journal.find(f"verdict:{decision}")
        fact = f.decode(record.body) if record is not None else None
        return fact.verdict if isinstance(fact, f.VerdictReached) else None

    outcomes = [fact for fact in newest("outcome_reported") if isinstance(fact, f.OutcomeReported)]
    ratings = [fact for fact in newest("decision_rated") if isinstance(fact, f.DecisionRated)]
    return calibrations_of(judged(outcomes, ratings, verdict_of))


async def rate(tools: Tools, asker: Asker, said: c.Rate) -> Reply:
    """Take a rating."""
    decision = DecisionId(said.decision_id)
    await tools.ask(
        wire.RateDecision(
            decision_id=decision, by=asker.person, role=asker.role, rating=said.rating, reason=said.reason
        ),
        wire.Done,
    )
    shown = card(tools.journal(), tools.standing(said.decision_id))
    return Reply(
        title=f"{asker.person} rated it {said.rating}",
        tone="good" if said.rating == "useful" else "warning",
        text=f"{shown.title}.",
        buttons=(Button(label="Calibration", line="calibration"),),
        private=False,
        about=decision,
        episode=shown.episode,
    )


async def calibration(tools: Tools, asker: Asker, said: c.Calibration) -> Reply:
    """Show how confidences came true."""
    found = await tools.look(calibrations_in)
    if not said.capability:
        return _all(found)
    wanted = said.capability if said.capability.startswith("rule:") else f"capability:{said.capability}"
    fits = [each for each in found if each.key == wanted] or [
        each for each in found if each.key.startswith(f"{wanted}@")
    ]
    if fits:
        # A name without a version means all its versions.
        return _one(fits[0]) if len(fits) == 1 else _all(fits)
    known = ", ".join(_name(each.key) for each in found[:_MOST_ROWS])
    return Reply(
        title=f"Nothing is known of {said.capability} yet",
        text=f"Known: {known}." if known else "No decision with a confidence has an outcome or a rating.",
    )


def _all(found: list[Calibration]) -> Reply:
    shown = found[:_MOST_ROWS]
    return Reply(
        title="How confidences came true" if found else "No decision with a confidence has an outcome yet",
        table=score_table(shown) if found else None,
        text=f"{len(found) - len(shown)} more: /calibration NAME." if len(found) > len(shown) else "",
        footer=f"of the newest {MOST:,} outcomes and ratings",
    )


def _one(found: Calibration) -> Reply:
    curve = found.curve
    return Reply(
        title=f"How confidences of {_name(found.key)} came true",
        text=f"{count_text(curve.count, 'decisions')}, {curve.right:,} of them right; "
        f"{found.rated:,} rated by people.\n{score_text(curve)}",
        table=bin_table(curve),
        footer=f"of the newest {MOST:,} outcomes and ratings",
    )


def score_table(found: Sequence[Calibration]) -> Table:
    """Put each capability and rule into a row with its scores."""
    return Table(
        columns=("of", "decisions", "right", "rated", "Brier", "calibration error"),
        rows=tuple(
            (
                _name(each.key),
                f"{each.curve.count:,}",
                f"{each.curve.right:,}",
                f"{each.rated:,}",
                figure(each.curve.brier),
                figure(each.curve.error),
            )
            for each in found
        ),
    )


def score_text(curve: Curve) -> str:
    """Say in a sentence how good the confidences of a curve are."""
    return (
        f"Brier score {figure(curve.brier)} = reliability {figure(curve.reliability)} - resolution "
        f"{figure(curve.resolution)} + uncertainty {figure(curve.uncertainty)} + within bins "
        f"{figure(curve.within)}; expected calibration error {figure(curve.error)}."
    )


def bin_table(curve: Curve) -> Table:
    """Put every tenth of confidence that holds a decision into a row."""
    return Table(
        columns=("confidence", "decisions", "claimed", "right", "95 %"),
        rows=tuple(
            (
                f"{each.low:.0%} to {each.high:.0%}",
                f"{each.count:,}",
                _percent(each.claimed),
                _percent(each.rate),
                f"{_percent(each.rate_low)} to {_percent(each.rate_high)}",
            )
            for each in curve.bins
            if each.count
        ),
    )


def figure(value: float | None) -> str:
    """Write a score with three places; a dash where nothing is known.

    >>> figure(0.0904), figure(-0.0), figure(None)
    ('0.090', '0.000', '–')
    """
    return "–" if value is None else f"{value + 0.0:.3f}".replace("-0.000", "0.000")


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{share:.0%}"


def _name(key: str) -> str:
    return key.removeprefix("capability:")
