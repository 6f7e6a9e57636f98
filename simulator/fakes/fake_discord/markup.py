"""Discord's markdown, read into marks and spans, so that text and pictures show the same."""

import re
from collections.abc import Callable
from typing import Final

from msgspec import Struct

Named = Callable[[str, str], str]
"""What people see for a mention: of a kind (`user`, `role`, `channel`, `time`) and with what stands in it."""


class Span(Struct, frozen=True, kw_only=True):
    """A piece of text that looks the same throughout."""

    text: str
    marks: frozenset[str] = frozenset()
    """Such as bold, code, quote, heading1, mention."""
    url: str = ""


_BLOCK: Final = re.compile(r"```(?:[\w+.-]*\n)?(.*?)\n?```", re.DOTALL)
_INLINE: Final = re.compile(
    r"(?P<escape>\\(?P<escaped>[^\w\s]|_))"
    r"|(?P<code>(?P<ticks>`{1,2})(?P<coded>.+?)(?P=ticks))"
    r"|(?P<link>\[(?P<label>[^\]\n]+)\]\(<?(?P<target>https?://[^\s)>]+)>?(?:\s+\"[^\"]*\")?\))"
    r"|(?P<hidden><(?P<bare>https?://[^\s>]+)>)"
    r"|(?P<plain>https?://[^\s<>]*[^\s<>.,:;\"'\])])"
    r"|<(?P<sign>@!?|@&|\#)(?P<who>\d+)>"
    r"|</(?P<command>[^:>\n]+):\d+>"
    r"|<t:(?P<time>-?\d+)(?::(?P<how>[tTdDfFR]))?>"
    r"|<a?:(?P<emoji>\w+):\d+>"
    r"|\*\*(?P<bold>(?=\S).+?(?<=\S))\*\*(?!\*)"
    r"|__(?P<underline>.+?)__(?!_)"
    r"|~~(?P<strike>.+?)~~"
    r"|\|\|(?P<spoiler>.+?)\|\|"
    r"|\*(?P<star>(?=[^\s*]).+?(?<=[^\s*]))\*(?!\*)"
    r"|(?<![A-Za-z0-9_])_(?P<italic>(?=[^\s_]).+?(?<=[^\s_]))_(?![A-Za-z0-9_])",
    re.DOTALL,
)
_LINE: Final = re.compile(
    r"(?P<heading>#{1,3}) +(?=\S)|(?P<small>-# +)(?=\S)|(?P<quote>>(?:>>)? )|(?P<indent> *)[-*] +(?=\S)"
)
_NESTED: Final = {"bold": "bold", "underline": "underline", "strike": "strike", "spoiler": "spoiler",
                  "star": "italic", "italic": "italic"}  # fmt: skip
_SIGNS: Final = {"@": "user", "@!": "user", "@&": "role", "#": "channel"}


def lines(text: str, named: Named) -> list[list[Span]]:
    """Read a text into lines of spans. Code is left as it stands."""
    found: list[list[Span]] = []
    at = 0
    for block in _BLOCK.finditer(text):
        before = text[at : block.start()]
        if before.strip("\n"):
            found += _plain_lines(before.strip("\n"), named)
        found += [[Span(text=line, marks=frozenset({"block"}))] for line in block[1].split("\n")]
        at = block.end()
    rest = text[at:].strip("\n") if at else text
    if rest or not at:
        found += _plain_lines(rest, named)
    return found


def _plain_lines(text: str, named: Named) -> list[list[Span]]:
    found = []
    for line in text.split("\n"):
        marks: set[str] = set()
        prefix = ""
        while begins := _LINE.match(line):
            if begins["heading"]:
                marks.add(f"heading{len(begins['heading'])}")
            elif begins["small"]:
                marks.add("small")
            elif begins["quote"]:
                marks.add("quote")
            else:
                prefix = begins["indent"] + "• "
            line = line[begins.end() :]  # noqa: PLW2901 - what is left of it is still the line
            if prefix or begins["heading"]:
                break
        spans = _spans(line, frozenset(marks), named)
        found.append([Span(text=prefix, marks=frozenset(marks)), *spans] if prefix else spans)
    return found


def _spans(text: str, marks: frozenset[str], named: Named) -> list[Span]:
    found: list[Span] = []
    at = 0
    for match in _INLINE.finditer(text):
        if match.start() > at:
            found.append(Span(text=text[at : match.start()], marks=marks))
        found += _matched(match, marks, named)
        at = match.end()
    if at < len(text):
        found.append(Span(text=text[at:], marks=marks))
    return found


def _matched(match: re.Match[str], marks: frozenset[str], named: Named) -> list[Span]:
    for group, mark in _NESTED.items():
        if match[group] is not None:
            return _spans(match[group], marks | {mark}, named)
    if match["label"] is not None:
        inside = _spans(match["label"], marks | {"link"}, named)
        return [Span(text=one.text, marks=one.marks, url=match["target"]) for one in inside]
    if address := match["bare"] or match["plain"]:
        return [Span(text=address, marks=marks | {"link"}, url=address)]
    return [_leaf(match, marks, named)]


def _leaf(match: re.Match[str], marks: frozenset[str], named: Named) -> Span:
    if match["coded"] is not None:
        return Span(text=match["coded"], marks=marks | {"code"})
    if match["sign"] is not None:
        return Span(text=named(_SIGNS[match["sign"]], match["who"]), marks=marks | {"mention"})
    if match["command"] is not None:
        return Span(text=f"/{match['command']}", marks=marks | {"mention"})
    if match["time"] is not None:
        return Span(text=named("time", f"{match['time']}:{match['how'] or 'f'}"), marks=marks | {"time"})
    return Span(text=f":{match['emoji']}:" if match["emoji"] else match["escaped"], marks=marks)


def plain(text: str, named: Named) -> str:
    """Return what a person reads: markup taken away, the text of links and code kept."""
    return "\n".join("".join(span.text for span in line) for line in lines(text, named))
