"""Plain text made safe for Discord: shown letter by letter, whatever an agent wrote into it."""

import re
from collections.abc import Callable
from typing import Final

# What begins formatting, a link, a mention or an emoji. A backslash before it shows the sign itself. At the
# beginning of a line some more do: headings, lists, quotes and subtext.
_SIGNS: Final = re.compile(
    r"[\\*_~`|<>\[\]#]|(?<=[a-z0-9]):(?=//)|@(?=everyone|here)|^(\s*)([-+])|^(\s*\d+)(\.)",
    re.IGNORECASE | re.MULTILINE,
)
_UNSEEN: Final = "\u200b"
"""Takes no room. Between backticks it keeps them from ending a block of code."""


def visible(text: str) -> str:
    """Replace what would hide or turn text by spaces, and keep its lines.

    >>> visible("a\\u202eb\\tc\\nd")
    'a b c\\nd'
    """
    return "".join(sign if sign.isprintable() or sign == "\n" else " " for sign in text)


def escaped(text: str) -> str:
    """Have text stand for itself, with nothing in it that formats, links or pings.

    >>> print(escaped("**run** [it](https://evil.example)"))
    \\*\\*run\\*\\* \\[it\\](https\\://evil.example)
    >>> print(escaped("@everyone"))
    \\@everyone
    """
    return _SIGNS.sub(_with_backslash, visible(text))


def _with_backslash(found: re.Match[str]) -> str:
    if found[2]:
        return f"{found[1]}\\{found[2]}"
    if found[4]:
        return f"{found[3]}\\{found[4]}"
    return f"\\{found[0]}"


def code(text: str) -> str:
    """Put text into a block of code, which it cannot end."""
    inside = visible(text).replace("```", f"`{_UNSEEN}`{_UNSEEN}`")
    # A backtick at the end would run together with those that close the block.
    return f"```\n{inside}{_UNSEEN if inside.endswith('`') else ''}\n```"


def length(text: str) -> int:
    """Count as Discord does at its strictest: what lies beyond the first 65,536 signs counts twice."""
    return len(text) + sum(sign > "\uffff" for sign in text)


def fitted(text: str, most: int, made: Callable[[str], str] = escaped) -> tuple[str, bool]:
    """Make text ready and no longer than `most`, cut where it must be; says whether something was left out.

    >>> fitted("a" * 50, 24)
    ('aaaaa… (45 letters more)', True)
    >>> fitted("short", 30)
    ('short', False)
    """
    whole = made(text)
    if length(whole) <= most:
        return whole, False
    low, high = 0, min(len(text), most)
    while low < high:
        middle = (low + high + 1) // 2
        if length(made(_cut(text, middle))) <= most:
            low = middle
        else:
            high = middle - 1
    return made(_cut(text, low)), True


def _cut(text: str, kept: int) -> str:
    shown = text[:kept].rstrip()
    return f"{shown}… ({len(text) - len(shown):,} letters more)"
