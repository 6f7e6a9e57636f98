"""Spelling: one form for texts that only look different, and the marks by which they are compared.

Whoever plants a value may write it in capitals, with spaces, in full-width letters, percent-encoded, in
base64 or in hex, and an agent may undo that, or do it. Here all these are one. Comparing needs no text: a
mark is 64 bits of a hash, of a word or of two words side by side.
"""

import base64
import html
import re
import unicodedata
from functools import lru_cache
from hashlib import blake2b
from itertools import pairwise
from typing import Final

_WORD: Final = re.compile(r"[^\W_]+")
_HEX: Final = re.compile(r"(?<![0-9A-Za-z])(?:[0-9a-fA-F]{2}){4,2048}(?![0-9A-Za-z])")
_BASE64: Final = re.compile(r"[A-Za-z0-9+/_-]{8,4096}={0,2}")
_QUOTED: Final = re.compile(r"""['"`\u2018\u2019“”«»]([^\W_]{1,64})['"`\u2018\u2019“”«»]""")
_PERCENT: Final = re.compile(r"(?:%[0-9A-Fa-f]{2})+")
_DEEPEST: Final = 2
"""How often what was decoded is decoded again."""


def unmasked(text: str) -> str:
    """Undo what changes how a text is written and not what it names; capitals stay.

    >>> unmasked("eve%40evil.org &amp; \\uff45ve\\u200b")
    'eve@evil.org & eve'
    """
    if "&" in text:
        text = html.unescape(text)
    for _ in range(_DEEPEST):
        if "%" not in text:
            break
        text = _PERCENT.sub(_unquoted, text)
    return folded(text)


def _unquoted(found: re.Match[str]) -> str:
    return bytes.fromhex(found[0].replace("%", "")).decode("utf-8", "replace")


def folded(text: str) -> str:
    """Write full-width and other forms of letters as letters, and leave out what nobody sees."""
    if text.isascii():
        return text
    text = unicodedata.normalize("NFKC", text)
    return "".join([letter for letter in text if unicodedata.category(letter) != "Cf"])


def decoded(text: str) -> list[str]:
    """Return the texts that stand in a text in hex or base64.

    >>> decoded("see ZXZlQGV2aWwub3Jn or 657665406576696c2e6f7267")
    ['eve@evil.org', 'eve@evil.org']
    """
    found = []
    for run in _BASE64.findall(text):
        bare = run.rstrip("=").replace("-", "+").replace("_", "/")
        try:
            found.append(base64.b64decode(bare + "=" * (-len(bare) % 4)).decode())
        except ValueError:
            continue
    for run in _HEX.findall(text):
        try:
            found.append(bytes.fromhex(run).decode())
        except ValueError:
            continue
    return [words for words in found if _is_readable(words)]


def _is_readable(text: str) -> bool:
    return all(letter.isprintable() or letter.isspace() for letter in text)


def words_of(text: str) -> list[str]:
    """Split an unmasked text into words.

    >>> words_of("Mark.Black-21@gmail.com")
    ['mark', 'black', '21', 'gmail', 'com']
    """
    return _WORD.findall(text.casefold())


@lru_cache(maxsize=65_536)
def mark(words: str) -> int:
    """Return 64 bits that stand for some words."""
    return int.from_bytes(blake2b(words.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")


def marks_of(text: str) -> set[str]:
    """Return all by which values are found in a text, in whatever way both are written."""
    found: set[str] = set()
    waiting = [(text, 0)]
    while waiting:
        written, depth = waiting.pop()
        plain = unmasked(written)
        words = words_of(plain)
        found.update(words)
        found.update([f"{one} {other}" for one, other in pairwise(words)])
        found.update(quoted_in(plain))
        if depth < _DEEPEST:
            waiting += [(inner, depth + 1) for inner in decoded(plain)]
    return found


def quoted_in(plain: str) -> list[str]:
    """Return the marks of single words between quotation marks."""
    return ["'" + word.casefold() for word in _QUOTED.findall(plain)]
