"""The alphabet of SMS: what fits into one, and what to write in place of a letter it has not."""

import unicodedata
from typing import Final

MOST: Final = 160
"""How many places one SMS has in its own alphabet."""
MOST_OTHER: Final = 70
"""How many it has when any letter is of another alphabet: all of it is then sent in UCS-2."""

# 3GPP TS 23.038, 6.2.1: the basic table, and the letters that take two places.
_BASIC: Final = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_DOUBLE: Final = frozenset("^{}\\[~]|€")
_INSTEAD: Final = {
    0x2018: "'", 0x2019: "'", 0x201A: "'", 0x201C: '"', 0x201D: '"', 0x201E: '"', 0xAB: '"', 0xBB: '"',
    0x2010: "-", 0x2011: "-", 0x2013: "-", 0x2014: "-", 0x2212: "-", 0xB7: "-", 0x2022: "-", 0x2026: "...",
    0xD7: "x", 0x2190: "<-", 0x2192: "->", 0x2264: "<=", 0x2265: ">=", 0x60: "'", 0x131: "i",
    0x141: "L", 0x142: "l", 0x110: "D", 0x111: "d", 0x152: "OE", 0x153: "oe", 0xDE: "Th", 0xFE: "th",
}  # fmt: skip


def places(text: str) -> int | None:
    """Say how many places a text takes in the alphabet of SMS; `None` when it has other letters.

    >>> places("abc"), places("a[b]"), places("字")
    (3, 6, None)
    """
    taken = 0
    for letter in text:
        if letter in _DOUBLE:
            taken += 2
        elif letter in _BASIC:
            taken += 1
        else:
            return None
    return taken


def fits(text: str) -> bool:
    """Tell whether a text is one SMS."""
    taken = places(text)
    return len(text.encode("utf-16-be")) // 2 <= MOST_OTHER if taken is None else taken <= MOST


def spelled(text: str) -> str:
    """Write a text in that alphabet where a reader loses nothing by it; other letters stay.

    >>> spelled("“naïve” – 字")
    '"naive" - 字'
    """
    return "".join(letter if places(letter) else _instead_of(letter) for letter in text)


def forced(text: str) -> str:
    """Write a text in that alphabet, with `?` for letters that it has not, and nothing for pictures.

    >>> forced("ok 字 ✓")
    'ok ? '
    """
    return "".join(letter if places(letter) else "?" if letter.isalnum() else "" for letter in spelled(text))


def _instead_of(letter: str) -> str:
    if ord(letter) in _INSTEAD:
        return _INSTEAD[ord(letter)]
    bare = "".join(part for part in unicodedata.normalize("NFKD", letter) if not unicodedata.combining(part))
    return bare if places(bare) is not None else letter
