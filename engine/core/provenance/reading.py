"""Reading: what a text names, and in which way.

The same value means different things in different places. Whole fields of a record (`sender: ann@x.org` of a
mailbox, in JSON or YAML) were put there by the tool. A line of a document that holds nothing else
(`IBAN: GB29…`) states it. Running text can say anything, and instructions are running text.
"""

import re
from functools import lru_cache
from itertools import pairwise
from typing import Final

from msgspec import Struct

from engine.core.provenance.spelling import mark, marks_of, unmasked, words_of
from engine.core.provenance.wanted import named_in

_EMPTY: Final[frozenset[int]] = frozenset()

# ``Label: value``, or the value alone.
_LINE: Final = re.compile(
    r"[\s\-*•>|#]{0,40}(?:([^\W\d][\w ()/.-]{0,40})(?::\s{1,20}|\s?=\s?))?(\S{4,300})\s{0,40}"
)
_MAILBOX: Final = re.compile(
    r"[\s\-*•>|#]{0,40}((?:[^\W\d]\w{0,20}: ?)?(?:[^\W\d_][\w.'-]{0,30} ){1,4})[<(]"
    r"([^\s<>()]{1,100}@[^\s<>()]{1,200})[>)],?\s{0,40}"
)
_EDGES: Final = ".,;:!?\"'`()[]{}<>*"
_ACCOUNT: Final = 8
_NAME: Final = re.compile(r"[^\W\d_][\w'’&-]{0,40}(?: [\w'’&-]{1,40}){0,5}")
_LISTED: Final = re.compile(
    r"[\s\-*•>|#]{0,40}(?:((?:[^\W\d_]{1,20} ){0,4}[^\W\d_]{1,20}):[ \t]{1,20})?([^\n:]{1,120})"
)
_CLOCK: Final = re.compile(r"[\d:. TZ+-]{1,40}")
_TELLING: Final = re.compile(r"[@/\d_.:]")

# Records as JSON or Python write them.
_FLOW: Final = re.compile(
    r"\s*(?:(?P<sign>[{}\[\](),:])"
    r"|'(?P<single>[^'\\]*(?:\\.[^'\\]*)*)'"
    r"|\"(?P<double>[^\"\\]*(?:\\.[^\"\\]*)*)\""
    r"|(?P<bare>[^\s{}\[\](),:'\"][^{}\[\](),:'\"\n]*))",
    re.DOTALL,
)
_ESCAPE: Final = re.compile(r"\\(?:u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|\n[ \t]*\\?|(.))", re.DOTALL)
_ESCAPED: Final = {"n": "\n", "t": "\t", "r": "\r", "0": "\0"}
# And as YAML writes them, a line at a time.
_ENTRY: Final = re.compile(
    r"(?P<indent> *)(?P<dashes>(?:-(?: +|(?=\n|\Z)))*)"
    r"(?:(?P<key>'[^'\n]{1,100}'|\"[^\"\n]{1,100}\"|[^\s:#'\"\[\]{}&*!|>%@`,-][^:\n]{0,100})"
    r":(?:[ \t]+(?=\S)|[ \t]*(?=\n|\Z)))?"
    r"(?P<rest>[^\n]*)"
)
_SINGLE: Final = re.compile(r"'([^']*(?:''[^']*)*)'[ \t]*(?:\n|\Z)")
_DOUBLE: Final = re.compile(r'"([^"\\]*(?:\\.[^"\\]*)*)"[ \t]*(?:\n|\Z)', re.DOTALL)


class Read(Struct, frozen=True):
    """What one text names, as marks."""

    prose: frozenset[int]
    """In running text."""
    fields: frozenset[int]
    """As whole fields of a record, or as a few plain words alone in a line of a list."""
    lines: frozenset[int]
    """Alone in a line, with a label at most."""
    stated: dict[str, frozenset[int]]
    """The values of these lines by what they are: `email`, `web`, `account` or `other`."""


# Agents fetch the same pages again and again.
@lru_cache(maxsize=512)
def read(text: str) -> Read:
    """Read a text that a tool returned."""
    fields = records_in(text)
    whole, running = _apart(fields or [])
    if fields is None:
        running = [text]
    prose: set[str] = set()
    for field in whole:
        prose |= _within(field)
    lines: set[str] = set()
    stated: dict[str, set[int]] = {}
    for block in running:
        kept = []
        for line in block.split("\n"):
            alone = _LINE.fullmatch(line) or _MAILBOX.fullmatch(line)
            listed = None if alone else _LISTED.fullmatch(line)
            if alone and (value := alone[2].strip(_EDGES)):
                kept.append(alone[1] or "")
                lines |= _marks(value)
                stated.setdefault(_kind(value), set()).add(_whole(value))
            elif listed and _is_name(listed[2].strip()):
                kept.append(listed[1] or "")
                whole.append(listed[2])
                prose |= _within(listed[2])
            else:
                kept.append(line)
        # Together, for a value may be broken over two lines.
        prose |= _marks("\n".join(kept))
    return Read(
        prose=_hashed(prose),
        fields=_hashed(_marks("\n\n".join(whole))) if whole else _EMPTY,
        lines=_hashed(lines),
        stated={kind: frozenset(values) for kind, values in stated.items()},
    )


def is_stated(value: str, stated: dict[str, frozenset[int]]) -> str:
    """Return as what a value stands alone in a line; empty when it does not."""
    kind = _kind(value)
    return kind if _whole(value) in stated.get(kind, _EMPTY) else ""


def _whole(value: str) -> int:
    return mark("".join(words_of(unmasked(value))))


def _kind(value: str) -> str:
    plain = unmasked(value)
    if "@" in plain:
        return "email"
    if "://" in plain or plain.startswith("www."):
        return "web"
    joined = "".join(words_of(plain))
    return "account" if len(joined) >= _ACCOUNT and any(map(str.isdigit, joined)) else "other"


def _marks(text: str) -> set[str]:
    return marks_of(text) | {"=" + target for target in named_in(unmasked(text))}


def _hashed(marks: set[str]) -> frozenset[int]:
    return frozenset([mark(each) for each in marks])


def _apart(fields: list[str]) -> tuple[list[str], list[str]]:
    """Tell fields that hold one value from those that hold running text."""
    whole: list[str] = []
    running: list[str] = []
    for field in fields:
        (whole if _is_one_value(field.strip()) else running).append(field)
    return whole, running


def _is_one_value(field: str) -> bool:
    if not any(map(str.isspace, field)):
        return True
    return _CLOCK.fullmatch(field) is not None or _is_name(field)


def _is_name(text: str) -> bool:
    """Whether a text is a few plain words: a title, a hotel, a person; no address or account stands in it."""
    return _NAME.fullmatch(text) is not None and not _TELLING.search(text)


def _within(name: str) -> set[str]:
    """Return what a part of a few words names and not the whole, as `Book the Ritz` names the Ritz."""
    words = words_of(unmasked(name))
    size = len(words)
    parts = {
        "".join(words[begin:end])
        for begin in range(size)
        for end in range(begin + 2, size + 1)
        if end - begin < size
    }
    return parts.union([f"+{one} {other}" for one, other in pairwise(words)])


def records_in(text: str) -> list[str] | None:
    """Return the keys and values of a text that is one record, or a list of them; `None` where it is none.

    >>> records_in("- id: 3\\n  sender: ann@x.org\\n  body: 'Dear Bob,\\n    it''s late.'")
    ['id', '3', 'sender', 'ann@x.org', 'body', "Dear Bob,\\n    it's late."]
    >>> records_in('{"id": [3, "x"]}'), records_in("Dear Bob, it is late")
    (['id', '3', 'x'], None)
    """
    text = text.strip()
    if text[:1] in ("{", "["):
        return _flow(text)
    return _block(text) if ":" in text or text.startswith("- ") else None


def _flow(text: str) -> list[str] | None:
    found: list[str] = []
    place, depth = 0, 0
    while place < len(text):
        token = _FLOW.match(text, place)
        if token is None:
            return None
        place = token.end()
        kind = token.lastgroup or "sign"
        if kind != "sign":
            found.append(token[kind].strip() if kind == "bare" else _unescaped(token[kind]))
        elif token["sign"] in "{[(":
            depth += 1
        elif token["sign"] in "}])":
            depth -= 1
            if depth < 0 or (depth == 0 and text[place:].strip()):
                # What goes on behind a record is no record.
                return None
    return found if depth == 0 else None


def _block(text: str) -> list[str] | None:
    found: list[str] = []
    place = 0
    while place < len(text):
        entry = _ENTRY.match(text, place)
        if entry is None:  # pragma: no cover - every part of it may be empty
            return None
        rest, end = entry["rest"], entry.end() + 1
        if not entry["key"] and not entry["dashes"]:
            if rest.strip():
                return None
            place = end
            continue
        if entry["key"]:
            found.append(entry["key"].strip("'\""))
        if rest[:1] in ("'", '"'):
            quoted = (_SINGLE if rest[0] == "'" else _DOUBLE).match(text, entry.start("rest"))
            if quoted is None:
                return None
            found.append(quoted[1].replace("''", "'") if rest[0] == "'" else _unescaped(quoted[1]))
            place = quoted.end()
            continue
        place, more = _deeper(text, end, len(entry["indent"]), literal=rest[:1] in ("|", ">"))
        if rest.strip() or more:
            found.append("\n".join([*([] if rest[:1] in ("|", ">") else [rest]), *more]))
    return found


def _deeper(text: str, place: int, indent: int, *, literal: bool) -> tuple[int, list[str]]:
    """Return what goes on with a value on later lines, and where that ends."""
    lines: list[str] = []
    while place < len(text):
        end = text.find("\n", place)
        line = text[place:] if end < 0 else text[place:end]
        bare = line.lstrip(" ")
        if literal:
            if bare and len(line) - len(bare) <= indent:
                break
        else:
            entry = _ENTRY.match(line)
            if not bare or len(line) - len(bare) <= indent or (entry and (entry["key"] or entry["dashes"])):
                break
        lines.append(bare)
        place = len(text) if end < 0 else end + 1
    return place, lines


def _unescaped(text: str) -> str:
    return _ESCAPE.sub(_escape, text) if "\\" in text else text


def _escape(found: re.Match[str]) -> str:
    code = found[1] or found[2]
    if code:
        return chr(int(code, 16))
    return _ESCAPED.get(found[3], found[3]) if found[3] else ""
