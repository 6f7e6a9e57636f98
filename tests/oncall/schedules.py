"""Schedules for tests, and a slow second opinion on who is on call."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from engine.adapters.rotations import Layer, Schedule, Window
from engine.core.vocabulary.escalation_facts import OnCallChanged
from engine.core.vocabulary.ids import PersonId
from engine.core.vocabulary.units import parse_time

ADA, BOB, CY = map(PersonId, ("ada", "bob", "cy"))
HOUR_MIN, DAY_MIN, WEEK_MIN = 60, 24 * 60, 7 * 24 * 60
WORKDAYS = (0, 1, 2, 3, 4)


def layer(*people, start="2026-01-05 09:00", every_min=WEEK_MIN, during=()):
    """People who take turns by the week, on Mondays at nine, unless told otherwise."""
    return Layer(
        people=people, start=datetime.fromisoformat(start), every_min=every_min, during=tuple(during)
    )


def window(begin, end, days=tuple(range(7))):
    """A part of the day, in hours of the wall clock."""
    return Window(days=days, from_min=round(begin * 60), until_min=round(end * 60))


def schedule(*layers, zone="Europe/Berlin", name="primary"):
    """A schedule of layers."""
    return Schedule(name=name, zone=zone, layers=layers)


def change(person, begin, end, *, name="primary", change_id="c"):
    """Somebody else for a while; times are ISO 8601."""
    return OnCallChanged(
        at_us=0,
        change_id=change_id,
        schedule=name,
        person=person,
        from_us=parse_time(begin),
        until_us=parse_time(end),
        by=person,
    )


def local(zone, text):
    """Microseconds of a local time that exists; the first of two."""
    there = datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone))
    return round(there.timestamp()) * 1_000_000


def watched(zone, at_us):
    """The latest time a wall clock has shown until then, found by having watched it for two days."""
    shown = [
        datetime.fromtimestamp(at_us // 1_000_000 - back, UTC).astimezone(ZoneInfo(zone)).replace(tzinfo=None)
        for back in range(0, 2 * 86_400, 900)
    ]
    return max(shown)


def by_watching(schedule, at_us):
    """Who is on call at a quarter of an hour, said by somebody who watches the wall clock."""
    latest = watched(schedule.zone, at_us)
    for one in schedule.layers:
        midnight = latest.replace(hour=0, minute=0)
        inside = not one.during or any(
            each.from_min <= (latest - day) // timedelta(minutes=1) < each.until_min
            for each in one.during
            for day in (midnight, midnight - timedelta(days=1))
            if day.weekday() in each.days
        )
        if inside:
            turn = (latest - one.start) // timedelta(minutes=one.every_min) if one.every_min else 0
            return one.people[turn % len(one.people)]
    return None
