"""`watchkeeper oncall`: who is on call, changing it for a while, and calendars of it."""

import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import click

from engine.core.vocabulary.units import DAY_US
from engine.errors import InputError
from watchkeeper.commands_do import answered
from watchkeeper.commands_escalations import config_option
from watchkeeper.home import home

if TYPE_CHECKING:
    from engine.commands.directory import Directory
    from engine.core.vocabulary.escalation_facts import OnCallChanged

_days = click.option(
    "--days", type=click.IntRange(1, 1000), default=90, show_default=True, help="How many days from now on."
)


@click.group()
def oncall() -> None:
    """See who is on call and change it for a while."""


@oncall.command()
@click.argument("schedule", default="")
@config_option
def show(schedule: str, config: Path | None) -> None:
    """Show who is on call now, until when, who is next, and who is awake."""
    answered(f"oncall show {schedule}".strip(), config)


@oncall.command()
@click.argument("schedule")
@click.argument("person")
@click.argument("when", nargs=-1, required=True)
@config_option
def cover(schedule: str, person: str, when: tuple[str, ...], config: Path | None) -> None:
    """Put somebody on call: from Tue 09:00 until Wed 09:00, until 17:00, or for 2h. Takes a responder."""
    answered(f"oncall cover {schedule} {person} {' '.join(when)}", config)


@oncall.command()
@click.argument("schedule")
@click.argument("person")
@click.option("--yes", is_flag=True, help="Swap, after it was shown which turns.")
@config_option
def swap(schedule: str, person: str, yes: bool, config: Path | None) -> None:
    """Swap your next turn with somebody else's. Takes a responder."""
    answered(f"oncall swap {schedule} {person}", config, yes=yes)


@oncall.command()
@click.argument("change")
@config_option
def restore(change: str, config: Path | None) -> None:
    """Take such a change back. Takes a responder."""
    answered(f"oncall restore {change}", config)


@oncall.command()
@click.argument("schedule")
@_days
@config_option
def export(schedule: str, days: int, config: Path | None) -> None:
    """Write who is on call as an iCalendar file to standard output, changes included. Needs no engine."""
    from engine.adapters.calendar_file import write_calendar
    from engine.adapters.rotations import spans

    known, changes = _known(config)
    wanted = known.schedule(schedule)
    now_us = time.time_ns() // 1000
    found = spans(wanted, now_us, now_us + days * DAY_US, changes)
    click.echo(write_calendar(wanted, found, known.people, made_us=now_us), nl=False)


@oncall.command("import")
@click.argument("schedule")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@_days
@click.option("--yes", is_flag=True, help="Change it, after it was shown what.")
@config_option
def import_(schedule: str, file: Path, days: int, yes: bool, config: Path | None) -> None:
    """Put those on call whom an iCalendar file names, where that is somebody else. Takes a responder.

    Hours the file says nothing about stay as they are.
    """
    from engine.adapters.calendar_file import read_calendar
    from engine.adapters.files import storage_errors
    from engine.adapters.rotations import spans
    from engine.commands.spans import local_text
    from engine.runtime.wire_escalations import ChangeOnCall, DutyShown
    from watchkeeper.commands_override import ask_engine, captain, state_folder

    known, changes = _known(config)
    wanted = known.schedule(schedule)
    if not file.exists():
        raise InputError("no such file", place=str(file), cure="name an iCalendar file, such as oncall.ics")
    with storage_errors(file):
        content = file.read_bytes()
    now_us = time.time_ns() // 1000
    until_us = now_us + days * DAY_US
    people = tuple(known.people.values())
    read = read_calendar(content, wanted, people, from_us=now_us, until_us=until_us, place=str(file))
    new = [
        (span.person, part.from_us, part.until_us)
        for span in read
        if span.person is not None
        for part in spans(wanted, span.from_us, span.until_us, changes)
        if part.person != span.person
    ]
    for person, begin_us, end_us in new:
        begin, end = local_text(wanted.zone, begin_us), local_text(wanted.zone, end_us)
        click.echo(f"{person} from {begin} until {end} ({wanted.zone})")
    if not new:
        click.echo("nothing changes")
        return
    if not yes:
        click.echo("change it with --yes", err=True)
        raise SystemExit(1)
    layout = state_folder()
    by = captain(layout, "responder")
    for person, begin_us, end_us in new:
        request = ChangeOnCall(
            schedule=schedule, person=person, from_us=begin_us, until_us=end_us, by=by, reason=file.name
        )
        ask_engine(layout, request, DutyShown)
    click.echo(f"{len(new)} changed; watchkeeper oncall restore takes each back")


def _known(config: Path | None) -> "tuple[Directory, tuple[OnCallChanged, ...]]":
    """Read the directory, and the changes that stand, with the engine or without."""
    from engine.adapters.decisions_view import Current, DecisionsView
    from engine.commands.oncall import changes_in
    from engine.wiring.directory import directory_of
    from engine.wiring.service import open_service

    service = open_service(home(), config)
    changes: tuple[OnCallChanged, ...] = ()
    if service.layout.journal.exists():
        with closing(Current(service.layout.journal, DecisionsView)) as journal:
            changes = changes_in(journal(), time.time_ns() // 1000)
    return directory_of(service.config)(), changes
