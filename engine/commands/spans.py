"""Times as people say them: `30m`, `from Mon 09:00 until Tue 17:00`. Each is read by the clock of a zone."""

import re
from datetime import UTC, datetime, timedelta
from typing import Final

from msgspec import Struct

from engine.adapters.rotations import DAYS, moment, wall
from engine.core.vocabulary.units import DAY_US, HOUR_US, MINUTE_US, SECOND_US
from engine.errors import InputError

_UNITS: Final = {"s": SECOND_US, "m": MINUTE_US, "h": HOUR_US, "d": DAY_US, "w": 7 * DAY_US}
_PART: Final = re.compile(r"(\d{1,4}) ?(seconds?|minutes?|mins?|hours?|days?|weeks?|[smhdw])(?![a-z])")
_CLOCK: Final = r"(?P<hour>\d{1,2}):(?P<minute>\d\d)"
_DATED: Final = re.compile(rf"(?P<date>\d{{4}}-\d\d-\d\d)(?:(?:T| ){_CLOCK}(?::00)?)?")
_NAMED: Final = re.compile(rf"(?:(?P<day>[a-z]+)(?: at)? )?{_CLOCK}")
_ZONED: Final = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d)?(?:Z|[+-]\d\d:\d\d)", re.IGNORECASE)
_SPAN: Final = re.compile(
    r"(?:from (?P<start>.+?) )?(?:(?:until|to|till) (?P<end>.+)|for (?P<length>.+))", re.IGNORECASE
)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_CURE: Final = "write 2026-12-01 09:00, Tue 09:00, tomorrow 09:00, 17:00 or now"
_LONGEST_US: Final = 366 * DAY_US


class Stretch(Struct, frozen=True, kw_only=True):
    """From a moment until another."""

    from_us: int
    until_us: int


def length_us(text: str) -> int:
    """Return how long somebody means. A number alone counts minutes. Raises `InputError`.

    >>> length_us("30m"), length_us("1h 30 min"), length_us("45")
    (1800000000, 5400000000, 2700000000)
    """
    said = text.strip().lower()
    total_us = int(said) * MINUTE_US if re.fullmatch(r"\d{1,4}", said) else 0
    if not total_us:
        left = _PART.sub("", said).replace("and", "").strip(" ,")
        total_us = sum(int(count) * _UNITS[unit[0]] for count, unit in _PART.findall(said))
        if left or not total_us:
            raise InputError(f"{text!r} is no length of time", cure="write 30m, 2h or 1h 30m")
    if total_us > _LONGEST_US:
        raise InputError(f"{text!r} is more than a year", cure="say a shorter time")
    return total_us


def moment_us(text: str, zone: str, after_us: int) -> int:
    """Return the moment somebody means, by the clock of a zone. Raises `InputError`.

    A time without a date is the next one after `after_us`.

    >>> moment_us("2026-12-01 09:00", "Europe/Berlin", 0) == moment_us("2026-12-01T08:00Z", "UTC", 0)
    True
    """
    said = " ".join(text.split())
    if said.casefold() == "now":
        return after_us
    try:
        if _ZONED.fullmatch(said):
            return (datetime.fromisoformat(said.upper()) - _EPOCH) // timedelta(microseconds=1)
        if (dated := _DATED.fullmatch(said)) is not None:
            day = datetime.fromisoformat(dated["date"])
            return moment(zone, _at(day, dated["hour"] or "0", dated["minute"] or "0"))
        if (named := _NAMED.fullmatch(said.casefold())) is not None:
            return _next(named, zone, after_us)
    except (ValueError, OverflowError):
        pass
    raise InputError(f"{text!r} is no time", cure=_CURE)


def _at(day: datetime, hour: str, minute: str) -> datetime:
    return day.replace(hour=int(hour), minute=int(minute), second=0, microsecond=0)


def _next(named: "re.Match[str]", zone: str, after_us: int) -> int:
    today = wall(zone, after_us)
    day = named["day"] or ""
    shown = _at(today, named["hour"], named["minute"])
    if day in {"today", "tomorrow"}:
        return moment(zone, shown + timedelta(days=day == "tomorrow"))
    if day:
        # "Tue" and "tuesday" both; what is neither raises.
        wanted = DAYS.index(day[:3])
        if not _DAY_NAMES[wanted].startswith(day):
            raise ValueError(day)
        shown += timedelta(days=(wanted - shown.weekday()) % 7)
    found = moment(zone, shown)
    return found if found > after_us else moment(zone, shown + timedelta(days=7 if day else 1))


_DAY_NAMES: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


def stretch(text: str, zone: str, now_us: int) -> Stretch:
    """Read `from … until …`, `until …` or `for …`. Raises `InputError` for what is over before it begins.

    >>> stretch("for 2h", "UTC", 0)
    Stretch(from_us=0, until_us=7200000000)
    """
    found = _SPAN.fullmatch(" ".join(text.split()))
    if found is None:
        raise InputError(
            f"{text!r} does not say from when until when",
            cure="say from Tue 09:00 until Wed 17:00, until 17:00, or for 2h",
        )
    start = found["start"]
    from_us = now_us if start is None else moment_us(start, zone, now_us)
    if from_us < now_us:
        raise InputError(f"{start} is past", cure="leave out from, and it begins now")
    if found["length"]:
        until_us = from_us + length_us(found["length"])
    else:
        until_us = moment_us(found["end"], zone, from_us)
    if until_us <= from_us:
        raise InputError(f"it would be over before it begins: {text}", cure="give a later end")
    if until_us - from_us > _LONGEST_US:
        raise InputError("that is more than a year", cure="change oncall.yaml where it is for good")
    return Stretch(from_us=from_us, until_us=until_us)


def local_text(zone: str, at_us: int) -> str:
    """Write a moment by the clock of a zone.

    >>> local_text("Europe/Berlin", 1_796_112_000_000_000)
    'Tue 2026-12-01 09:00'
    """
    return f"{wall(zone, at_us):%a %Y-%m-%d %H:%M}"
