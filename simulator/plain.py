"""Texts of strangers and figures of ours, written so that a terminal or a page shows what is really there."""

import unicodedata
from typing import Final

from engine.core.vocabulary.units import time_text

# Letters that join in Persian and the Indic scripts, and in emoji, depend on these two.
_JOINERS: Final = "\u200c\u200d"
_UNSEEN: Final = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


def printable(text: str, most: int = 80) -> str:
    """Make one line of at most `most` characters; write out what would act instead of being seen.

    Control characters move the cursor, and marks of direction let `exe.txt` read as something else: agents
    write both. Text in right-to-left scripts stays as it is.

    >>> printable("rm\\u202etxt.exe\\x1b[2J"), printable("a" * 100, 10)
    ('rm\\\\u202etxt.exe\\\\x1b[2J', 'aaaaaaaaa…')
    """
    # Far more than ever fits is cut first: a megabyte of a name costs nothing.
    head = text[: most + 1]
    seen = "".join([letter if _is_seen(letter) else _escaped(letter) for letter in head])
    return seen if len(text) <= most and len(seen) <= most else seen[: most - 1] + "…"


def _is_seen(letter: str) -> bool:
    return letter in _JOINERS or unicodedata.category(letter) not in _UNSEEN


def _escaped(letter: str) -> str:
    return letter.encode("unicode_escape", "backslashreplace").decode("ascii")


def percent_text(value: float | None) -> str:
    """Write a share between 0 and 1 in per cent; never 0 or 100 for what only comes close.

    >>> (
    ...     percent_text(0.12345),
    ...     percent_text(0.00001),
    ...     percent_text(0.99999),
    ...     percent_text(1),
    ...     percent_text(None),
    ... )
    ('12.3 %', '<0.1 %', '>99.9 %', '100 %', '–')
    """
    if value is None:
        return "–"
    if value in (0, 1):
        return f"{value:.0%}".replace("%", " %")
    if value < 0.001:
        return "<0.1 %"
    if value > 0.999:
        return ">99.9 %"
    return f"{value * 100:.1f} %"


def usd_text(amount: float) -> str:
    """Write an amount of US dollars; cents only where they matter.

    >>> usd_text(0), usd_text(0.0004), usd_text(12.5), usd_text(1234567.8)
    ('$0', '$0.0004', '$12.50', '$1,234,568')
    """
    if not amount:
        return "$0"
    if amount < 0.01:
        return f"${amount:.2g}"
    return f"${amount:,.2f}" if amount < 1000 else f"${amount:,.0f}"


def when_text(at_us: int | None) -> str:
    """Write a time in ISO 8601 UTC, or a dash for none.

    >>> when_text(1_700_000_000_000_000), when_text(None)
    ('2023-11-14T22:13:20Z', '–')
    """
    if at_us is None:
        return "–"
    try:
        return time_text(at_us)
    except OverflowError:
        # Microseconds outside the years 1 to 9999 are somebody's mistake, but not a reason to fail.
        return f"{at_us:,} µs"


def micros_text(micros: float | None) -> str:
    """Write a short time in the unit that suits it.

    >>> micros_text(34.1), micros_text(6226.3), micros_text(2_500_000), micros_text(None)
    ('34 µs', '6.2 ms', '2.50 s', '–')
    """
    if micros is None:
        return "–"
    if micros < 1000:
        return f"{micros:.0f} µs"
    return f"{micros / 1000:.1f} ms" if micros < 1_000_000 else f"{micros / 1_000_000:.2f} s"
