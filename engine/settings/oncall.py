"""`oncall.yaml`: who is on call when."""

import re
from datetime import datetime
from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints, model_validator

from engine.settings.base import Settings
from engine.settings.captaincy import PersonName
from engine.settings.times import Day, TimeOfDay, Zone, minutes

ScheduleName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]

_UNITS_MIN: Final = {"hour": 60, "day": 24 * 60, "week": 7 * 24 * 60}


def _length(text: str) -> str:
    found = re.fullmatch(r"([1-9]\d{0,2}) (hour|day|week)s?", text)
    if not found:
        raise ValueError(f"{text!r} is not the length of a turn; write `12 hours`, `1 day` or `2 weeks`")
    return text


def length_min(text: str) -> int:
    """Return how many minutes the length of a turn has.

    >>> length_min("2 weeks")
    20160
    """
    count, _, unit = text.partition(" ")
    return int(count) * _UNITS_MIN[unit.removesuffix("s")]


def _start(value: object) -> datetime:
    try:
        found = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    except ValueError:
        found = None
    if found is None or found.tzinfo is not None or not 2000 <= found.year <= 2199:
        raise ValueError(f"{value} is not a time on the schedule's own clock; write `2026-11-30 09:00`")
    return datetime(found.year, found.month, found.day, found.hour, found.minute)  # noqa: DTZ001 - it is local


class DuringSection(Settings):
    """A part of the day on some days of the week."""

    days: Annotated[tuple[Day, ...], Field(min_length=1)]
    start: Annotated[TimeOfDay, Field(alias="from")]
    until: TimeOfDay

    @model_validator(mode="after")
    def _lasts(self) -> Self:
        if minutes(self.start) == minutes(self.until):
            raise ValueError(
                f"from and until are both {self.start}; for whole days write from 00:00 until 24:00"
            )
        return self


class LayerSection(Settings):
    """People who take turns."""

    people: Annotated[tuple[PersonName, ...], Field(min_length=1, max_length=100)]
    start: Annotated[datetime, BeforeValidator(_start)] | None = None
    every: Annotated[str, AfterValidator(_length)] | None = None
    during: Annotated[tuple[DuringSection, ...], Field(max_length=50)] = ()

    @model_validator(mode="after")
    def _turns(self) -> Self:
        if len(self.people) > 1 and (self.start is None or self.every is None):
            raise ValueError(
                "people who take turns need start, when the first one's turn begins, and every, how long a "
                "turn is; add `start: 2026-11-30 09:00` and `every: 1 week`"
            )
        return self


class ScheduleSection(Settings):
    """One schedule."""

    zone: Zone
    layers: Annotated[tuple[LayerSection, ...], Field(min_length=1, max_length=20)]
    gaps: Literal["refused", "allowed"] = "refused"


class OnCallFile(Settings):
    """`oncall.yaml`."""

    schedules: Annotated[dict[ScheduleName, ScheduleSection], Field(max_length=200)] = {}
