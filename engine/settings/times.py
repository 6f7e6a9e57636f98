"""Times of day, days of the week and time zones, as people write them."""

import re
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import BeforeValidator, Field

Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


def _time(value: object) -> object:
    """Refuse what YAML made a number of: `22:00` without quotes is 1320 to some readers."""
    if isinstance(value, str) and re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d|24:00", value):
        return value
    raise ValueError(f'{value!r} is not a time of day; write it in quotes, from "00:00" to "24:00"')


def _zone(value: object) -> object:
    try:
        # A path would be looked up as one; a name has none of its signs.
        if isinstance(value, str) and re.fullmatch(r"[A-Za-z][A-Za-z0-9_+/-]{0,63}", value):
            ZoneInfo(value)
            return value
    except (OSError, ValueError, LookupError):
        pass
    raise ValueError(f"{value!r} is not a time zone; write a name such as Europe/Berlin or UTC")


TimeOfDay = Annotated[str, BeforeValidator(_time), Field(strict=True)]
Zone = Annotated[str, BeforeValidator(_zone), Field(strict=True)]


def minutes(time: str) -> int:
    """Return how many minutes after midnight a time of day is.

    >>> minutes("07:30"), minutes("24:00")
    (450, 1440)
    """
    hour, _, minute = time.partition(":")
    return int(hour) * 60 + int(minute)
