"""Arguments: reading what an agent passed, whatever its shape."""

from functools import lru_cache
from typing import Any


def strings_in(value: Any) -> list[str]:
    """Collect every text inside a value, keys of objects too, in order, however deeply it is nested.

    >>> strings_in(["x", {"c": "y"}, 3])
    ['x', 'c', 'y']
    """
    found: list[str] = []
    waiting: list[Any] = [value]
    while waiting:
        item = waiting.pop()
        kind = type(item)
        if kind is str:
            found.append(item)
        elif kind is list:
            waiting.extend(reversed(item))
        elif kind is dict:
            for key, inner in reversed(item.items()):
                waiting.append(inner)
                waiting.append(key)
    return found


def texts_of(args: dict[str, Any]) -> list[str]:
    """Collect every text among a proposal's arguments: their values, not their names.

    >>> texts_of({"a": "x", "b": [1, {"c": "y"}]})
    ['x', 'c', 'y']
    """
    found: list[str] = []
    for item in args.values():
        kind = type(item)
        if kind is str:
            found.append(item)
        elif kind is dict:
            found += strings_in(item)
        elif kind is list:
            # Most lists are flat.
            for inner in item:
                if type(inner) is str:
                    found.append(inner)
                else:
                    found += strings_in(inner)
    return found


@lru_cache(maxsize=4096)
def plain_path(text: str) -> str:
    """Resolve `.`, `..` and doubled slashes without looking at any disk; backslashes become slashes.

    >>> plain_path("src/.././/etc//passwd"), plain_path("/../etc"), plain_path("../x")
    ('etc/passwd', '/etc', '../x')
    """
    text = text.replace("\\", "/")
    rooted = text.startswith("/")
    steps: list[str] = []
    for step in text.split("/"):
        if step in ("", "."):
            continue
        if step == ".." and steps and steps[-1] != "..":
            steps.pop()
        elif step != ".." or not rooted:
            steps.append(step)
    return "/" * rooted + "/".join(steps)
