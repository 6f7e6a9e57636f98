"""`watchkeeper escalations report`: what being woken costs people, counted from a journal."""

import json
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click
import msgspec

from watchkeeper.home import CONFIG_VARIABLE, home

if TYPE_CHECKING:
    from engine.adapters.decisions_view import DecisionsView
    from engine.core.vocabulary.escalation_facts import EscalationFact
    from engine.core.work.escalations.loads import Loads, Waits

_MOST: Final = 5_000
"""So many records are read at once."""


@click.command()
@click.option(
    "--days",
    type=click.IntRange(min=1, max=36_500),
    default=30,
    show_default=True,
    help="How far back escalations are counted.",
)
@click.option(
    "--journal",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="Journal to count. [default: journal.db in the data folder]",
)
@click.option(
    "--config",
    envvar=CONFIG_VARIABLE,
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder with people.yaml. [default: the one in force]",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def report(days: int, journal: Path | None, config: Path | None, as_json: bool) -> None:
    """Say what being woken costs: times to acknowledge, needless wakes, and the load on each person.

    Hours are those where each person lives. It is counted from the journal alone, with the engine running or
    not; drills are left out.
    """
    from engine.adapters.decisions_view import DecisionsView
    from engine.adapters.rotations import wall
    from engine.core.vocabulary.units import DAY_US
    from engine.core.work.escalations.loads import loads
    from engine.runtime.layout import Layout
    from engine.wiring import config_folder
    from engine.wiring.oncall import read_known

    layout = Layout(home().resolve())
    people = read_known(config_folder(layout.home, config)).people
    zones = {person: known.zone for person, known in people.items()}
    since_us = time.time_ns() // 1000 - days * DAY_US
    with closing(DecisionsView(journal or layout.journal)) as view:
        facts = _facts(view, since_us)
    found = loads(facts, lambda person, at_us: wall(zones.get(person, "UTC"), at_us).hour)
    if as_json:
        plain = msgspec.to_builtins(found) | {"days": days, "rings_each": found.rings_each}
        click.echo(json.dumps(plain, indent=2))
        return
    _show(found, days)


def _facts(view: "DecisionsView", since_us: int) -> "list[EscalationFact]":
    """Read the facts about escalations since then, in the order of the journal."""
    from typing import get_args

    from engine.core.vocabulary.escalation_facts import EscalationFact
    from engine.core.vocabulary.facts import decode, tag_of

    tags = [tag_of(kind) for kind in get_args(EscalationFact)]
    found: list[EscalationFact] = []
    before: int | None = None
    while True:
        page = view.facts(*tags, before=before, most=_MOST)
        for record in page.records:
            fact = decode(record.body)
            if fact.at_us < since_us:
                return found[::-1]
            if isinstance(fact, EscalationFact):
                found.append(fact)
        if page.before is None:
            return found[::-1]
        before = page.before


def _show(found: "Loads", days: int) -> None:
    from watchkeeper.tables import Part, show, table

    span = "day" if days == 1 else f"{days:,} days"
    if not found.escalations:
        click.echo(f"nobody was needed in the last {span}")
        return
    came = f"the last {span}: {_many(found.escalations, 'escalation')}, {found.woke} of them woke somebody, "
    came += f"{found.needless} of these needlessly; {found.exhausted} that nobody answered"
    rang = f"{_many(found.rings, 'page')}, {found.rings_each:.1f} for each that woke somebody; "
    rang += f"the first answer came {_span(found.acknowledged)}"
    parts: list[Part] = [came, rang]
    if found.people:
        columns = ("person", "woken", "by night", "needlessly", "pages", "took it", "half within", "longest")
        rows = [
            (
                str(each.person),
                str(each.wakes),
                str(each.by_night),
                str(each.needless),
                str(each.rings),
                str(each.acknowledged.count),
                _time(each.acknowledged.median_us),
                _time(each.acknowledged.longest_us),
            )
            for each in found.people
        ]
        parts.append(table(columns, rows, numbers=columns[1:]))
        of_hours = ("hour", "woken", "took it", "half within", "longest")
        hours = [
            (
                f"{each.hour:02}:00",
                str(each.wakes),
                str(each.acknowledged.count),
                _time(each.acknowledged.median_us),
                _time(each.acknowledged.longest_us),
            )
            for each in found.hours
        ]
        parts.append(table(of_hours, hours, numbers=of_hours[1:]))
    show(parts)


def _many(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _span(waits: "Waits") -> str:
    if waits.median_us is None:
        return "never"
    return f"within {_time(waits.median_us)} in half of them, {_time(waits.longest_us)} at the longest"


def _time(span_us: int | None) -> str:
    from engine.core.work.escalations.timeline import span_text

    return "" if span_us is None else span_text(span_us)
