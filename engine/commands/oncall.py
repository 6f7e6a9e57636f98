"""On call: who is reached now and next, who is awake, and changing it for a while."""

from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Final

from msgspec import structs

from engine.adapters.machine_time import now_us
from engine.adapters.roster import FileRoster
from engine.adapters.rotations import Schedule, Span, spans
from engine.commands import wake_words as w
from engine.commands.captaincy import captaincy_of
from engine.commands.cards import left_text
from engine.commands.directory import Directory
from engine.commands.language import Command
from engine.commands.model import Asker, Button, Confirm, Reply, Table
from engine.commands.spans import Stretch, local_text, stretch
from engine.commands.tools import Tools
from engine.core.vocabulary.escalation_facts import OnCallChanged, OnCallRestored
from engine.core.vocabulary.facts import decode
from engine.core.vocabulary.ids import PersonId
from engine.core.vocabulary.units import DAY_US, SECOND_US
from engine.errors import InputError, WatchkeeperError
from engine.ports import DecisionsReader
from engine.runtime.wire_escalations import ChangeOnCall, DutyShown, GetDuty, RestoreOnCall

_AHEAD_US: Final = 400 * DAY_US
"""How far ahead the next turn is looked for."""
_MOST: Final = 20


# ---------------------------------------------------------------- looking


async def show(tools: Tools, asker: Asker, said: w.OnCallShow) -> Reply:
    """Say who is on call now and next, and for whom it is night. Needs no engine."""
    directory, now = tools.directory(), now_us()
    made = changes_in(tools.journal(), now)
    wanted = [directory.schedule(said.schedule)] if said.schedule else list(directory.schedules.values())
    if not wanted:
        return Reply(
            title="There is no schedule",
            text="oncall.yaml has them. Ladders may name people, and roles, without one.",
        )
    rows = tuple(_row(schedule, made, now) for schedule in wanted[:_MOST])
    changes = [each for each in made if not said.schedule or each.schedule == said.schedule]
    fields = [
        *([("Changed", "\n".join(_change(directory, each) for each in changes))] if changes else []),
        ("Awake now", _awake(directory, now)),
        ("Acts as captain", captaincy_of(tools.journal()).acting or "everybody with the role"),
    ]
    gap = any(row[1] == "nobody" for row in rows)
    return Reply(
        title="On call",
        tone="warning" if gap else "good",
        table=Table(columns=("schedule", "on call", "until", "then"), rows=rows),
        fields=tuple(fields),
        buttons=tuple(
            Button(label=f"Take back {each.change_id}", line=f"oncall restore {each.change_id}")
            for each in changes[:3]
        ),
    )


def changes_in(journal: DecisionsReader, now: int) -> tuple[OnCallChanged, ...]:
    """Say from the journal alone who is on call in whose place, now or later: the engine may be dead."""
    made: dict[str, OnCallChanged] = {}
    for record in sorted(journal.with_prefix("on-call:"), key=lambda record: record.seq):
        fact = decode(record.body)
        if isinstance(fact, OnCallChanged):
            made[fact.change_id] = fact
        elif isinstance(fact, OnCallRestored):
            made.pop(fact.change_id, None)
    return tuple(each for each in made.values() if each.until_us > now)


def _row(schedule: Schedule, changes: tuple[OnCallChanged, ...], now: int) -> tuple[str, ...]:
    ahead = spans(schedule, now, now + _AHEAD_US, changes)
    current = ahead[0]
    # What goes on as far as we look has no end that anybody would want to read.
    until = local_text(schedule.zone, current.until_us) if len(ahead) > 1 else "–"
    then = (ahead[1].person or "nobody") if len(ahead) > 1 else "–"
    return f"{schedule.name} ({schedule.zone})", current.person or "nobody", until, then


def _change(directory: Directory, change: OnCallChanged) -> str:
    schedule = directory.schedules.get(change.schedule)
    zone = schedule.zone if schedule is not None else "UTC"
    why = f", {change.reason}" if change.reason else ""
    return (
        f"{change.change_id}: {change.person} on {change.schedule} "
        f"{_stretch(zone, change.from_us, change.until_us)}, says {change.by}{why}"
    )


def _stretch(zone: str, from_us: int, until_us: int) -> str:
    return f"from {local_text(zone, from_us)} until {local_text(zone, until_us)} ({zone})"


def _awake(directory: Directory, now: int) -> str:
    """Say what time it is for everybody, and who is to be left asleep."""
    hours = FileRoster(directory.people.values(), (), channels={}).hours(now)
    lines = []
    for each in hours[:_MOST]:
        left = f" for {left_text((each.until_us - now) / SECOND_US)}" if each.until_us is not None else ""
        lines.append(f"{each.person}: {each.shown}" + (f", quiet hours{left}" if each.quiet else ""))
    return "\n".join(lines) or "nobody is in people.yaml"


# ---------------------------------------------------------------- changing


async def cover(tools: Tools, asker: Asker, said: w.OnCallCover) -> Reply:
    """Put somebody on call for a while."""
    schedule = tools.directory().schedule(said.schedule)
    wanted = stretch(said.when, schedule.zone, now_us())
    made = await _changed(tools, asker, schedule.name, PersonId(said.person), wanted)
    return Reply(
        title=f"{said.person} is on call for {schedule.name}",
        tone="good",
        text=f"{_upper(_stretch(schedule.zone, wanted.from_us, wanted.until_us))}.",
        buttons=(Button(label="Take back", line=f"oncall restore {made}"),),
        footer=made,
    )


async def _changed(
    tools: Tools, asker: Asker, schedule: str, person: PersonId, wanted: Stretch, *, reason: str = ""
) -> str:
    """Make a change and return its id."""
    request = ChangeOnCall(
        schedule=schedule,
        person=person,
        from_us=wanted.from_us,
        until_us=wanted.until_us,
        by=asker.person,
        reason=reason,
    )
    duty = await tools.ask(request, DutyShown)
    # The newest of those that say just this: another may have been made at the same time.
    same = [
        each.change_id
        for each in duty.changes
        if (each.schedule, each.person, each.from_us, each.until_us)
        == (schedule, person, wanted.from_us, wanted.until_us)
    ]
    return same[-1]


async def before_swap(tools: Tools, asker: Asker, said: w.OnCallSwap) -> Confirm:
    """Show which turns are swapped."""
    schedule = tools.directory().schedule(said.schedule)
    other = PersonId(said.person)
    if other == asker.person:
        raise InputError("that is you", cure="name whom you swap with")
    duty = await tools.ask(GetDuty(), DutyShown)
    now = now_us()
    ahead = spans(schedule, now, now + _AHEAD_US, duty.changes)
    mine, theirs = _next_turn(ahead, asker.person, schedule), _next_turn(ahead, other, schedule)
    return Confirm(
        title=f"Swap with {other}?",
        text=f"{other} is on call {_stretch(schedule.zone, mine.from_us, mine.until_us)}.\n"
        f"{asker.person} is on call {_stretch(schedule.zone, theirs.from_us, theirs.until_us)}.",
        yes="Swap",
        instead=f"oncall swap {schedule.name} {other} "
        f"{mine.from_us}-{mine.until_us},{theirs.from_us}-{theirs.until_us}",
    )


def _next_turn(ahead: Iterable[Span], person: PersonId, schedule: Schedule) -> Stretch:
    """Return the first turn of somebody that ends later than now; of one under way, what is left of it."""
    for span in ahead:
        if span.person == person:
            return Stretch(from_us=span.from_us, until_us=span.until_us)
    raise InputError(
        f"{person} has no turn on {schedule.name}",
        cure=f"/oncall cover {schedule.name} {person} from … until … puts them on call",
    )


async def swap(tools: Tools, asker: Asker, said: w.OnCallSwap) -> Reply:
    """Swap the turns that were shown: two changes, of which the first is taken back if the second fails."""
    schedule = tools.directory().schedule(said.schedule)
    other = PersonId(said.person)
    mine, theirs = _shown(said.shown)
    reason = f"swapped by {asker.person}"
    first = await _changed(tools, asker, schedule.name, other, mine, reason=reason)
    try:
        second = await _changed(tools, asker, schedule.name, asker.person, theirs, reason=reason)
    except WatchkeeperError:
        await tools.ask(RestoreOnCall(change_id=first, by=asker.person), DutyShown)
        raise
    return Reply(
        title=f"Swapped with {other}",
        tone="good",
        text=f"{other} is on call {_stretch(schedule.zone, mine.from_us, mine.until_us)}.\n"
        f"{asker.person} is on call {_stretch(schedule.zone, theirs.from_us, theirs.until_us)}.",
        buttons=tuple(
            Button(label=f"Take back {each}", line=f"oncall restore {each}") for each in (first, second)
        ),
        footer=f"{first}, {second}",
    )


def _shown(text: str) -> tuple[Stretch, Stretch]:
    try:
        pairs = [tuple(map(int, part.split("-"))) for part in text.split(",")]
        (one, one_end), (other, other_end) = pairs
    except ValueError:
        raise InputError("it does not say which turns", cure="say /oncall swap SCHEDULE PERSON") from None
    return Stretch(from_us=one, until_us=one_end), Stretch(from_us=other, until_us=other_end)


async def restore(tools: Tools, asker: Asker, said: w.OnCallRestore) -> Reply:
    """Take a change back."""
    await tools.ask(RestoreOnCall(change_id=said.change, by=asker.person), DutyShown)
    shown = await show(tools, asker, w.OnCallShow())
    return structs.replace(shown, title=f"{said.change} is taken back")


def _upper(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]


ACTS: Final[dict[type[Command], Callable[[Tools, Asker, Any], Awaitable[Reply]]]] = {
    w.OnCallShow: show,
    w.OnCallCover: cover,
    w.OnCallSwap: swap,
    w.OnCallRestore: restore,
}
"""What each of these commands does."""
