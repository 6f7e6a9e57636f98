"""Units. Time is whole microseconds since 1970 UTC, money is `Decimal` US dollars, sizes are plain counts."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Final

SECOND_US: Final = 1_000_000
MINUTE_US: Final = 60 * SECOND_US
HOUR_US: Final = 60 * MINUTE_US
DAY_US: Final = 24 * HOUR_US

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Without a zone, which every text made from it would have to be rid of again.
_EPOCH_UTC = _EPOCH.replace(tzinfo=None)


def time_text(at_us: int) -> str:
    """Write a time as ISO 8601 in UTC, with microseconds only where there are any.

    A time outside the years 1 to 9999 is written as its number: it must not keep a gate from answering.

    >>> time_text(1_700_000_000_000_000), time_text(10**18)
    ('2023-11-14T22:13:20Z', '1000000000000000000 µs')
    """
    try:
        return (_EPOCH_UTC + timedelta(microseconds=at_us)).isoformat() + "Z"
    except OverflowError:
        return f"{at_us} µs"


def parse_time(text: str) -> int:
    """Read an ISO 8601 time into microseconds; a time without a zone is taken as UTC.

    Raises `ValueError` when the text is not such a time.

    >>> parse_time("2023-11-14T22:13:20Z")
    1700000000000000
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return (moment - _EPOCH) // timedelta(microseconds=1)


@lru_cache(maxsize=256)
def duration_text(seconds: float) -> str:
    """Write a duration with its largest natural unit.

    >>> duration_text(90), duration_text(3600), duration_text(0.5)
    ('90 s', '1 h', '0.5 s')
    """
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= size and seconds % size == 0:
            return f"{seconds // size:g} {unit}"
    return f"{seconds:g} s"


@lru_cache(maxsize=1024)
def percent_text(ratio: float) -> str:
    """Write a ratio in per cent with all its digits: rounded, 0.6999 would be "70%, under 70%".

    >>> percent_text(0.7), percent_text(0.6999), percent_text(0.0)
    ('70%', '69.99%', '0%')
    """
    return f"{(Decimal(repr(ratio)) * 100).normalize():f}%"
