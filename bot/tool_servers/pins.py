"""Pins: which definition of each tool was accepted, so that a server cannot change what a tool says unseen.

A definition is what a model reads: names, descriptions, schemas, hints. The first one seen counts as
accepted; a later one that differs waits until a person accepts it (`watchkeeper mcp accept`).
"""

import contextlib
import hashlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct

from engine.adapters.file_lock import changing_alone
from engine.adapters.files import private_folder, storage_errors
from engine.adapters.token_file import private_write
from engine.errors import InputError

_READ: Final[tuple[str, ...]] = (
    "name",
    "title",
    "description",
    "inputSchema",
    "outputSchema",
    "annotations",
    "icons",
)
_MOST_BYTES: Final = 64 << 20
Definition = dict[str, Any]


class Pin(Struct, kw_only=True):
    """One tool."""

    accepted: Definition
    waiting: Definition | None = None
    """What the server says now, where that is something else."""


class _File(Struct):
    tools: dict[str, Pin] = {}


_decode: Final = msgspec.json.Decoder(_File).decode


class Pins:
    """The pins of one server, in a file of the state folder."""

    def __init__(self, folder: Path, server: str) -> None:
        """Nothing is read yet."""
        self.path = folder / "mcp" / f"{server}.json"

    def read(self) -> Mapping[str, Pin]:
        """Return the pin of every tool that was ever seen. Raises `InputError` for a file that is damaged."""
        try:
            with storage_errors(self.path):
                return _decode(self.path.read_bytes()[:_MOST_BYTES]).tools
        except msgspec.MsgspecError as wrong:
            raise InputError(
                f"is damaged: {wrong}",
                place=str(self.path),
                cure="remove it, and look at the tools when the server is used next",
            ) from wrong

    def seen(self, tools: Iterable[Definition]) -> tuple[list[str], list[str]]:
        """Note what a server says of its tools. Returns the names that are new, and those that changed."""
        new, changed = list[str](), list[str]()
        with self._changing() as pins:
            for tool in tools:
                definition = {key: tool[key] for key in _READ if key in tool}
                name = str(tool.get("name", ""))
                pin = pins.get(name)
                if pin is None:
                    pins[name] = Pin(accepted=definition)
                    new.append(name)
                elif digest(pin.accepted) == digest(definition):
                    # Of two tools of one name the one that differs counts, whichever comes last.
                    if name not in changed:
                        pin.waiting = None
                else:
                    pin.waiting = definition
                    changed.append(name)
        return new, changed

    def accept(self, names: Iterable[str] = ()) -> list[str]:
        """Accept what waits: of these tools, or of all. Returns their names.

        Raises `InputError` for a tool of which nothing waits.
        """
        with self._changing() as pins:
            waiting = {name for name, pin in pins.items() if pin.waiting is not None}
            wanted = set(names) or waiting
            if unknown := wanted - waiting:
                raise InputError(
                    f"{min(unknown)!r} has not changed since it was accepted",
                    place=str(self.path),
                    cure="watchkeeper mcp tools SERVER lists what waits",
                )
            for name in wanted:
                pins[name] = Pin(accepted=pins[name].waiting or pins[name].accepted)
        return sorted(wanted)

    @contextlib.contextmanager
    def _changing(self) -> Iterator[dict[str, Pin]]:
        """Give the pins to be changed by one at a time, and write them when that went well."""
        private_folder(self.path.parent.parent)
        private_folder(self.path.parent)
        with changing_alone(self.path):
            tools = dict(self.read()) if self.path.exists() else {}
            before = msgspec.json.encode(tools)
            yield tools
            if msgspec.json.encode(tools) != before:
                private_write(self.path, msgspec.json.encode(_File(tools)))


def digest(definition: Definition) -> str:
    """Return what stands for a definition, whatever the order of its keys.

    >>> digest({"name": "a", "title": "b"}) == digest({"title": "b", "name": "a"})
    True
    """
    body = msgspec.json.encode(definition, order="sorted")
    return hashlib.blake2b(body, digest_size=16).hexdigest()
