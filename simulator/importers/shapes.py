"""Reading what others wrote, of which no shape can be relied on: what is not there, or not so, is nothing."""

from collections.abc import Iterator
from typing import Any, Final

from engine.core.vocabulary.units import SECOND_US, parse_time

# Numbers are seconds, milli-, micro- or nanoseconds since 1970; from 2001 to 2286 the size tells which.
_SCALES: Final = ((10**18, 1_000), (10**15, 1), (10**12, -(SECOND_US // 1_000)), (10**9, -SECOND_US))
_LATEST_US: Final = 10**16
_LONGEST_NUMBER: Final = 25


def text(value: Any) -> str:
    """Return a text, or an empty one."""
    return value if isinstance(value, str) else ""


def table(value: Any) -> dict[str, Any]:
    """Return an object, or an empty one."""
    return value if isinstance(value, dict) else {}


def items(value: Any) -> list[Any]:
    """Return a list, or an empty one."""
    return value if isinstance(value, list) else []


def at(value: Any, *keys: str) -> Any:
    """Return what lies at these keys, one inside the other; `None` where the way ends.

    >>> at({"a": {"b": 1}}, "a", "b"), at({"a": 2}, "a", "b")
    (1, None)
    """
    for key in keys:
        value = table(value).get(key)
    return value


def first(value: dict[str, Any], *keys: str) -> Any:
    """Return the first of these keys that is there and not null: names differ between versions."""
    return next((value[key] for key in keys if value.get(key) is not None), None)


def time_us(value: Any) -> int | None:
    """Read a time: ISO 8601, or a number since 1970 in any usual unit, also as text. `None` when it is none.

    >>> time_us("2026-01-01T00:00:00Z"), time_us(1767225600), time_us("1767225600000000000")
    (1767225600000000, 1767225600000000, 1767225600000000)
    """
    if isinstance(value, str):
        if not value.strip().isdecimal():
            try:
                return parse_time(value.strip())
            except (ValueError, OverflowError):
                return None
        value = int(value) if len(value) < _LONGEST_NUMBER else None
    if not isinstance(value, int | float):
        return None
    for least, scale in _SCALES:
        if value >= least:
            found = int(value // scale) if scale > 0 else int(value * -scale)
            return found if found < _LATEST_US else None
    return None


def words_of(content: Any) -> str:
    """Return the text of a message: as it stands, or of its parts, whichever way they are written.

    >>> words_of([{"type": "text", "text": "a"}, {"type": "image"}, "b"])
    'a\\nb'
    """
    return "\n".join(part for part in _parts(content) if part)


def _parts(content: Any) -> Iterator[str]:
    if isinstance(content, str):
        yield content
    elif isinstance(content, list):
        for each in content:
            yield from _parts(each)
    elif isinstance(content, dict):
        found = first(content, "text", "content", "output")
        if isinstance(found, str | list):
            yield from _parts(found)
