"""When a line of cron fires. APScheduler reads all of it but for weekdays: to it 0 is Monday."""

import re
from datetime import UTC, datetime
from typing import Final

from apscheduler.triggers.cron import CronTrigger

_DAYS: Final = ("sun", "mon", "tue", "wed", "thu", "fri", "sat", "sun")
_NUMBERS: Final = re.compile(r"(?:\*|(?P<first>\d)(?:-(?P<last>\d))?)(?:/(?P<step>\d))?")
_SOME_TIME: Final = datetime(2000, 1, 1, tzinfo=UTC)


def crontab(line: str, zone: str) -> CronTrigger:
    """Return when `minute hour day month weekday` fires, by the clock of a zone.

    Weekdays are names, or numbers of which 0 and 7 are Sunday. A day and a weekday must both fit. Raises
    `ValueError` or `LookupError` for what is no such line, and for what never fires.

    >>> crontab("0 10 * * 1", "UTC").get_next_fire_time(None, _SOME_TIME).strftime("%a %H:%M")
    'Mon 10:00'
    """
    parts = line.split()
    if len(parts) == 5:
        parts[4] = ",".join(map(_weekdays, parts[4].split(",")))
    trigger = CronTrigger.from_crontab(" ".join(parts), timezone=zone)
    if trigger.get_next_fire_time(None, _SOME_TIME) is None:
        raise ValueError(f"{line!r} never comes")
    return trigger


def _weekdays(text: str) -> str:
    """Write weekdays that are given as numbers by their names.

    >>> [_weekdays(each) for each in ("*", "0", "5-7", "*/2", "mon-fri")]
    ['*', 'sun', 'fri,sat,sun', 'sun,tue,thu,sat', 'mon-fri']
    """
    found = _NUMBERS.fullmatch(text)
    if found is None or text == "*":
        return text
    first = int(found["first"] or 0)
    last = int(found["last"] or first) if found["first"] else 6
    if first > last or last > 7 or found["step"] == "0":
        raise ValueError(f"{text!r} names no weekdays")
    return ",".join(dict.fromkeys(_DAYS[first : last + 1 : int(found["step"] or 1)]))
