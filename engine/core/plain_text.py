"""Plain text: what others wrote, made harmless, and broken into lines of so many columns.

What agents, tools and people wrote is shown between what we write. It must not move the cursor, begin a
line, hide other text, or look like a branch of a tree.
"""

import unicodedata
from typing import Final

_MOST_MARKS: Final = 2
"""How many accents one letter keeps: piled higher they reach into other lines."""
_WIDE: Final = frozenset("WF")
_BOXES: Final = range(0x2500, 0x2580)


def plain(words: str) -> str:
    """Make one line of a text, without what steers a terminal or draws lines.

    >>> plain("two\\nlines, a bell\\a and ├─ a branch")
    'two lines, a bell and ·· a branch'
    """
    kept: list[str] = []
    marks = 0
    for letter in words:
        if unicodedata.category(letter) in {"Mn", "Me"}:
            marks += 1
            if marks <= _MOST_MARKS and kept:
                kept.append(letter)
            continue
        marks = 0
        if ord(letter) in _BOXES:
            kept.append("·")
        else:
            kept.append(letter if letter.isprintable() else " ")
    return " ".join("".join(kept).split())


def shortened(words: str, most: int) -> str:
    """Make one line of a text that may be long, with a mark where it was cut.

    >>> shortened("one two three", 8)
    'one two…'
    """
    line = plain(words[: most * 4])
    return line if len(line) <= most else line[: most - 1].rstrip() + "…"


def count_text(number: float, what: str = "") -> str:
    """Write a count with its noun, in the singular where it is one.

    >>> count_text(12948, "decisions"), count_text(1, "decisions"), count_text(7)
    ('12,948 decisions', '1 decision', '7')
    """
    written = f"{number:,.0f}"
    if not what:
        return written
    return f"{written} {what.removesuffix('s') if number == 1 else what}"


def columns(text: str) -> int:
    """Return how many columns a text takes up: two for each wide letter, none for an accent.

    >>> columns("ab"), columns("漢字"), columns("e\\u0301")
    (2, 4, 1)
    """
    return sum(map(_width, text))


def wrapped(text: str, most: int, *, hanging: int = 0) -> list[str]:
    """Break a line so that none is wider than `most` columns, the later ones indented by `hanging`.

    Spaces in a row are kept where the line is not broken, for they align.

    >>> wrapped("aaa bbb ccc", 7, hanging=2)
    ['aaa bbb', '  ccc']
    """
    lines: list[str] = []
    indent = " " * hanging
    rest = text
    while True:
        start = indent if lines else ""
        room = max(most - len(start), 1)
        fits = _fitting(rest, room)
        if fits >= len(rest):
            lines.append(start + rest)
            return lines
        broken = rest.rfind(" ", 1, fits + 1)
        place = broken if broken > 0 and rest[:broken].strip() else fits
        lines.append((start + rest[:place]).rstrip())
        rest = rest[place:].lstrip()


def _fitting(text: str, room: int) -> int:
    """Return how many letters of a text fit into so many columns: one at least."""
    used = 0
    for place, letter in enumerate(text):
        used += _width(letter)
        if used > room:
            return max(place, 1)
    return len(text)


def _width(letter: str) -> int:
    if letter.isascii():
        return 1
    if unicodedata.category(letter) in {"Mn", "Me"}:
        return 0
    return 2 if unicodedata.east_asian_width(letter) in _WIDE else 1
