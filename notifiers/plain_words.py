"""What others wrote, made fit to be sent to a phone: one line, no links that a phone would make of it."""

import re
from typing import Final

from engine.core.plain_text import plain

_ADDRESS: Final = re.compile(r"\b[A-Za-z][A-Za-z0-9+.-]{0,20}:/+\S*|://\S*|www\.\S*", re.IGNORECASE)
_DOT: Final = re.compile(r"(?<=[^\W_])\.(?=[^\W\d_])")


def harmless(words: str, most: int) -> str:
    """Make one line of a text, at most `most` characters, with a mark where it was cut.

    Phones turn whatever looks like an address into a link, and a tired hand taps it: addresses are taken
    out, and a dot between letters is followed by a space, which no phone takes for one.

    >>> harmless("see https://evil.example/x, or evil.example", 99)
    'see [link] or evil. example'
    """
    line = _DOT.sub(". ", _ADDRESS.sub("[link]", plain(words[: most * 8])))
    return line if len(line) <= most else line[: max(most - 3, 0)].rstrip() + "..."


def time_left(sent_us: int, deadline_us: int | None) -> str:
    """Say how long it is until a deadline, for somebody who has no clock at hand; empty without one.

    >>> time_left(0, 14 * 60_000_000), time_left(0, 45_000_000), time_left(0, 30 * 3_600_000_000)
    ('14 min', '45 s', '30 h')
    >>> time_left(1, 0)
    'no time'
    """
    if deadline_us is None:
        return ""
    left_s = (deadline_us - sent_us) // 1_000_000
    if left_s <= 0:
        return "no time"
    if left_s < 120:
        return f"{left_s} s"
    if left_s < 3 * 3600:
        return f"{left_s // 60} min"
    return f"{left_s // 3600} h" if left_s < 3 * 86_400 else f"{left_s // 86_400} days"
