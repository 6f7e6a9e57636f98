"""JSON that people write by hand: read with its comments, and changed without touching anything else.

Settings of coding agents are JSON, of some with comments. What is put in or taken out here is exactly that
text; comments, order and spaces of everything else stay.
"""

import json
import re
from typing import Any, Final

from msgspec import Struct

from engine.errors import InputError

_SPACE: Final = re.compile(r"(?:\s+|//[^\n]*|/\*.*?\*/)*", re.DOTALL)
_ATOM: Final = re.compile(r"true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?")
_DECODER: Final = json.JSONDecoder()
_DEEPEST: Final = 100


class Spot(Struct):
    """A value and where it stands: `text[start:end]`."""

    start: int
    end: int
    value: Any
    members: dict[str, "Spot"] = {}
    """Of an object."""
    keys: dict[str, int] = {}
    """Where the name of each member begins."""
    items: list["Spot"] = []
    """Of a list."""
    comma: int = -1
    """Behind the comma that follows the last part; -1 where none does."""


class _Reader:
    def __init__(self, text: str, place: str) -> None:
        self.text, self.place = text, place

    def wrong(self, at: int, message: str) -> InputError:
        line = self.text.count("\n", 0, at) + 1
        return InputError(message, place=f"{self.place}:{line}", cure="mend it there, then try again")

    def skip(self, at: int) -> int:
        found = _SPACE.match(self.text, at)
        return found.end() if found else at

    def value(self, at: int, depth: int = 0) -> Spot:
        if depth > _DEEPEST:
            raise self.wrong(at, "nested too deeply")
        sign = self.text[at : at + 1]
        if sign == "{":
            return self._object(at, depth)
        if sign == "[":
            return self._list(at, depth)
        if sign == '"':
            value, end = self.string(at)
            return Spot(at, end, value)
        atom = _ATOM.match(self.text, at)
        if atom is None:
            raise self.wrong(
                at, f"not JSON: {self.text[at : at + 20]!r}" if sign else "it ends in the middle"
            )
        return Spot(at, atom.end(), json.loads(atom.group()))

    def string(self, at: int) -> tuple[str, int]:
        try:
            text, end = _DECODER.raw_decode(self.text, at)
        except ValueError as wrong:
            raise self.wrong(at, f"not JSON: {wrong}") from None
        return str(text), end

    def _object(self, at: int, depth: int) -> Spot:
        spot = Spot(at, at, {}, members={}, keys={})
        here = self.skip(at + 1)
        while self.text[here : here + 1] != "}":
            if self.text[here : here + 1] != '"':
                raise self.wrong(here, "a name in quotes is needed here")
            name, end = self.string(here)
            if name in spot.members:
                raise self.wrong(here, f"{name!r} stands there twice")
            colon = self.skip(end)
            if self.text[colon : colon + 1] != ":":
                raise self.wrong(colon, "a colon is needed here")
            spot.keys[name] = here
            spot.members[name] = inner = self.value(self.skip(colon + 1), depth + 1)
            spot.value[name] = inner.value
            here = self._next(spot, inner.end, "}")
        spot.end = here + 1
        return spot

    def _list(self, at: int, depth: int) -> Spot:
        spot = Spot(at, at, [], items=[])
        here = self.skip(at + 1)
        while self.text[here : here + 1] != "]":
            inner = self.value(here, depth + 1)
            spot.items.append(inner)
            spot.value.append(inner.value)
            here = self._next(spot, inner.end, "]")
        spot.end = here + 1
        return spot

    def _next(self, spot: Spot, end: int, closing: str) -> int:
        """Go on behind a part: to the next, or to what closes them."""
        here = self.skip(end)
        if self.text[here : here + 1] == ",":
            spot.comma = here + 1
            return self.skip(here + 1)
        spot.comma = -1
        if self.text[here : here + 1] != closing:
            raise self.wrong(here, f"a comma or {closing} is needed here")
        return here


def scan(text: str, place: str) -> Spot:
    """Read a text. Raises `InputError` naming the line of what is wrong."""
    reader = _Reader(text, place)
    spot = reader.value(reader.skip(0))
    if (rest := reader.skip(spot.end)) != len(text):
        raise reader.wrong(rest, "nothing may follow the end")
    return spot


def added(text: str, place: str, path: tuple[str, ...], item: Any) -> str:
    """Put an item at the end of the list at a path, made where it is missing. Raises `InputError`."""
    spot, unit = scan(text, place), _unit(text)
    for depth, name in enumerate(path):
        if not isinstance(spot.value, dict):
            raise InputError(f"{'.'.join(path[:depth]) or 'it'} is not an object", place=place)
        if name not in spot.members:
            value: Any = [item]
            for missing in reversed(path[depth + 1 :]):
                value = {missing: value}
            return _inserted(
                text, spot, f"{json.dumps(name)}: {_written(value, unit, depth + 1)}", unit * (depth + 1)
            )
        spot = spot.members[name]
    if not isinstance(spot.value, list):
        raise InputError(f"{'.'.join(path)} is not a list", place=place)
    depth = len(path) + 1
    return _inserted(text, spot, _written(item, unit, depth), unit * depth)


def without(text: str, place: str, path: tuple[str, ...], nth: int) -> str:
    """Take an item out of the list at a path, and what then holds nothing any more. Raises `InputError`."""
    spots = [scan(text, place)]
    for name in path:
        spots.append(spots[-1].members[name])
    text = _cut(text, [(item.start, item.end) for item in spots[-1].items], nth, spots[-1])
    for depth in range(len(path), 0, -1):
        spot = scan(text, place)
        for name in path[: depth - 1]:
            spot = spot.members[name]
        if spot.members[path[depth - 1]].value:
            break
        parts = [(spot.keys[name], inner.end) for name, inner in spot.members.items()]
        text = _cut(text, parts, list(spot.members).index(path[depth - 1]), spot)
    return text


def _cut(text: str, parts: list[tuple[int, int]], nth: int, around: Spot) -> str:
    start, end = parts[nth]
    if nth + 1 < len(parts):
        return text[:start] + text[parts[nth + 1][0] :]
    if nth:
        return text[: parts[nth - 1][1]] + text[end:]
    # It was the only one: nothing but comments may stay between the brackets.
    before, behind = text[around.start + 1 : start].rstrip(), text[max(end, around.comma) : around.end - 1]
    if not before and not behind.strip():
        behind = ""
    return text[: around.start + 1] + before + behind + text[around.end - 1 :]


def _inserted(text: str, into: Spot, part: str, indent: str) -> str:
    parts = list(into.members.values()) or into.items
    if not parts:
        outer = indent.removesuffix(_unit(text))
        inside = text[into.start + 1 : into.end - 1].rstrip()
        return f"{text[: into.start + 1]}{inside}\n{indent}{part}\n{outer}{text[into.end - 1 :]}"
    if into.comma >= 0:
        return f"{text[: into.comma]}\n{indent}{part}{text[into.comma :]}"
    return f"{text[: parts[-1].end]},\n{indent}{part}{text[parts[-1].end :]}"


def _written(value: Any, unit: str, depth: int) -> str:
    lines = json.dumps(value, indent=unit, ensure_ascii=False).split("\n")
    return ("\n" + unit * depth).join(lines)


def _unit(text: str) -> str:
    """Return what one step of indentation is in a text: as in its first line that is indented."""
    found = re.search(r"^([ \t]+)\S", text, re.MULTILINE)
    return found.group(1) if found else "  "
