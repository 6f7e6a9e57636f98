"""A compiled policy, kept in a file beside its sources, so that a short-lived process need not read YAML.

Reading and checking the policy files takes a third of a second, most of it the import of what checks them; a
hook that a coding agent waits for has a tenth. So what came out is written down once, under a key over every
byte it came from: the policy files, and the code that reads them. A file under another key, or one that does
not read back exactly, is not used. It is JSON and data alone: patterns and conditions are compiled anew from
their text.
"""

import hashlib
import os
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct

from engine.adapters.cel_rules import CelRuleBook
from engine.adapters.files import private_folder
from engine.adapters.patterns import Re2Patterns
from engine.adapters.token_file import private_write
from engine.core.gates.risk import Patterns
from engine.core.gates.rules import Rule, RuleBook
from engine.core.policy import Policy
from engine.core.shell import ShellReader
from engine.core.vocabulary.shell import ShellSeen
from engine.errors import WatchkeeperError

_ENGINE: Final = Path(__file__).resolve().parents[1]
_CODE: Final = ("settings", "wiring", "adapters", "core", "core/gates", "core/vocabulary")
"""Where code stands that decides what a policy file means."""
_OTHERS_WRITE: Final = stat.S_IWGRP | stat.S_IWOTH


class _Kept(Struct, frozen=True):
    key: str
    policy: Policy


def policy_key(files: Iterable[Path]) -> str:
    """Name what a compiled policy came from: the bytes of its files, and our code by size and time of change.

    A file that is missing counts as such. Raises `OSError` when one cannot be read.
    """
    digest = hashlib.sha256()
    for path in files:
        body = path.read_bytes() if path.exists() else b"\0missing"
        digest.update(f"{path.name}\0{len(body)}\0".encode(errors="surrogateescape"))
        digest.update(body)
    for folder in _CODE:
        with os.scandir(_ENGINE / folder) as found:
            for entry in sorted(found, key=lambda entry: entry.name):
                if entry.name.endswith(".py"):
                    seen = entry.stat()
                    digest.update(f"{folder}/{entry.name}\0{seen.st_size}\0{seen.st_mtime_ns}\0".encode())
    return digest.hexdigest()


def read_kept(path: Path, key: str) -> Policy | None:
    """Return the policy kept under a key; `None` when there is none, or only another one's or one that others
    may write.
    """
    try:
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_mode & _OTHERS_WRITE:
                return None
            kept = _decode(file.read())
    except (OSError, msgspec.MsgspecError, WatchkeeperError, ValueError, TypeError, RecursionError):
        return None
    return kept.policy if kept.key == key else None


def keep(path: Path, key: str, policy: Policy) -> bool:
    """Write a policy down and say whether it can be read back just as it is.

    One that holds a part that is not known here is not kept: whoever needs it reads the sources. Raises
    `StorageError` when the disk refuses.
    """
    try:
        body = _encode(_Kept(key, policy))
        same = _encode(_decode(body)) == body
    except (msgspec.MsgspecError, TypeError, ValueError):
        return False
    if same:
        private_folder(path.parent)
        private_write(path, body)
    return same


def _as_data(part: Any) -> Any:
    if isinstance(part, Re2Patterns):
        return part.expressions
    if isinstance(part, CelRuleBook | _LaterReader):
        return part.sources
    from engine.adapters.shell_reader import BashReader  # noqa: PLC0415 - only who keeps one pays for it

    if isinstance(part, BashReader):
        return msgspec.json.encode(part.sources, order="deterministic").decode()
    raise TypeError(f"no way to keep {type(part).__name__}")


def _as_part(kind: type, data: Any) -> Any:
    if kind is Patterns:
        return Re2Patterns([(text, "policy") for text in msgspec.convert(data, list[str])])
    if kind is RuleBook:
        return CelRuleBook(
            [(rule, when, "policy") for rule, when in msgspec.convert(data, list[tuple[Rule, str]])]
        )
    if kind is ShellReader:
        return _LaterReader(msgspec.convert(data, str))
    raise TypeError(f"no way to read {kind.__name__}")


class _LaterReader:
    """Reads commands, and is made with the first: most calls have none, and its parser takes time to load."""

    def __init__(self, sources: str) -> None:
        """`sources` is what it is made from, as JSON."""
        self.sources = sources
        self._reader: ShellReader | None = None

    def look(self, text: str) -> ShellSeen:
        """Say what a text would do."""
        if self._reader is None:
            from engine.adapters.shell_reader import BashReader, Sources  # noqa: PLC0415 - see above

            sources = msgspec.json.decode(self.sources, type=Sources)
            shells = frozenset(sources.shells)
            self._reader = BashReader(prefixes=sources.prefixes, shells=shells, places=sources.places)
        return self._reader.look(text)


_encode: Final = msgspec.json.Encoder(enc_hook=_as_data, order="deterministic").encode
_decode: Final = msgspec.json.Decoder(_Kept, dec_hook=_as_part).decode
