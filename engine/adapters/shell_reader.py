"""Command texts, judged: a known harmful form, provably only looking, or nobody can say.

Harmless is only what two readers take apart alike, and every command of which is on the read-only list, or
under a prefix of the project, with nothing but the options named there. Everything else waits for a person.
"""

import re
import shlex
from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from engine.adapters.shell_forms import bomb, harm_of
from engine.adapters.shell_places import lies_inside
from engine.adapters.shell_plain import PlainCommand, PlainWord, read_plain
from engine.adapters.shell_tools import GIT, GIT_FIRST, TOOLS, VERSIONS, Tool, misuse, misuse_of_find
from engine.adapters.shell_tree import Command, Note, Reading, TreeReader
from engine.adapters.shell_wrappers import SHELLS, opened
from engine.core.plain_text import shortened
from engine.core.vocabulary.shell import ShellKind, ShellSeen

LISTS_VERSION: Final = 2
"""Grows with the lists and the code here, which the answers depend on beside the policy."""
_LONGEST: Final = 4_096
"""Letters. A longer text is a program, which a person should read; and what the parser makes of a broken one
takes it time that grows with the square of its length."""
_DEEPEST: Final = 6
"""So many wrappers in wrappers are opened."""
_MOST_INSIDE: Final = 2 * _LONGEST
"""Letters of all scripts inside a text together: variables may repeat a script without end."""
_SHOWN: Final = 90
_LONGEST_REASON: Final = 280
_ORDER: Final[tuple[ShellKind, ...]] = (
    "destructive", "exfiltration", "privilege", "execution", "persistence", "secrets", "evasion",
)  # fmt: skip
_FOREIGN: Final = re.compile(
    r"\b(?:Get|Set|New|Remove|Start|Stop|Invoke|Add|Import|Test|Clear|Write|Out|Select|Where|ForEach)-[A-Z]\w+"
    r"|\$env:|^[ \t]*(?:reg|net|wmic|tasklist|del|rd|copy|powershell|cmd)(?:\.exe)?\s+/?\w",
    re.IGNORECASE | re.MULTILINE,
)
_LINES: Final = re.compile(r"\d+(?:,(?:\d+|\$))?p(?:;\d+(?:,(?:\d+|\$))?p)*")
_COLUMNS: Final = re.compile(r"\s*\{\s*print(?:\s+(?:\$(?:\d+|NF)|NR|NF|\"[\w ,:;.|-]*\"|,|\s)+)?\s*\}\s*")
_COUNTING: Final = re.compile(r"%[^A-Za-z%]*[n(]|[$`]")
_IMPORTING: Final = re.compile(r"""\b(?:import|include)\s*["#@]|modulemeta""")
"""How a program of jq names a file of its own, which may lie anywhere."""


class Prefix(Struct, frozen=True):
    """The beginning of a command that the policy lets through, and what may follow."""

    words: tuple[str, ...]
    tool: Tool


class Sources(Struct, frozen=True):
    """What a reader is made from."""

    prefixes: tuple[Prefix, ...]
    shells: tuple[str, ...]
    places: tuple[str, ...]


class BashReader:
    """Reads command texts for one policy."""

    def __init__(
        self,
        *,
        prefixes: Sequence[Prefix] = (),
        shells: frozenset[str] = frozenset(),
        places: Sequence[str] = (),
    ) -> None:
        """`shells` are those whose `-c` text counts as read; `places` may be looked at beside the working
        folder.
        """
        self._prefixes = tuple(sorted(prefixes, key=lambda prefix: -len(prefix.words)))
        self._shells, self._places = shells, tuple(places)

    @property
    def sources(self) -> Sources:
        """What it was made from, as plain data."""
        return Sources(self._prefixes, tuple(sorted(self._shells)), self._places)

    def look(self, text: str) -> ShellSeen:
        """Say what a text would do."""
        if len(text) > _LONGEST:
            return _unsure("too-long", f"it has more than {_LONGEST} letters", (), 0, len(text))
        try:
            return self._looked(text)
        except (RecursionError, MemoryError):
            return _unsure("too-deep", "it is nested too deeply to look inside", (), 0, len(text))

    def _looked(self, text: str) -> ShellSeen:
        commands, notes = _everything(text)
        spelled = "\n".join(
            [" ".join(command.argv).replace("\n", " ") for command in commands if command.argv]
        )
        spelled = "" if spelled == text else spelled[: 4 * _LONGEST]
        harms = [(harm, command) for command in commands if (harm := harm_of(command)) is not None]
        if self_calling := bomb(text):
            harms.insert(0, (self_calling, Command((), 0, len(text.encode("utf-8", "replace")))))
        if harms:
            harm, command = min(harms, key=lambda found: _ORDER.index(found[0].kind))
            start, end = _letters(text, command.start), _letters(text, command.end)
            said = shortened(f"{harm.reason}{_quoted(command.argv)}", _LONGEST_REASON)
            return ShellSeen("hit", harm.form, harm.kind, said, command.argv, start, end, spelled)
        seen = self._proven(text, commands, notes)
        return seen if seen.word == "ok" else ShellSeen(
            seen.word, seen.form, seen.kind, seen.reason, seen.argv, seen.start, seen.end, spelled
        )  # fmt: skip

    def _proven(self, text: str, commands: list[Command], notes: list[Note]) -> ShellSeen:
        """Show that a text only looks, or say what about it cannot be shown."""
        for at, letter in enumerate(text):
            if not letter.isprintable() and letter not in "\n\t":
                return _unsure(
                    "odd-letter", f"it has a letter that does not show ({letter!a})", (), at, at + 1
                )
        if _FOREIGN.search(text):
            return _unsure("other-shell", "it reads like a command for Windows", (), 0, len(text))
        if notes:
            note = min(notes, key=lambda each: each.start)
            start, end = _letters(text, note.start), _letters(text, note.end)
            return _unsure(note.form, f"{note.reason}: {_short(text[start:end])}", (), start, end)
        plain = read_plain(text)
        if plain is None:
            return _unsure("not-plain", "it is more than a list of plain commands", (), 0, len(text))
        if not plain:
            return _unsure("empty", "it holds no command", (), 0, len(text))
        if [command.argv for command in plain] != [command.argv for command in _own(text, commands)]:
            return _unsure("two-readings", "it can be read in two ways", (), 0, len(text))
        for command in plain:
            if complaint := self._complaint(command, 0):
                form, reason = complaint
                argv = command.argv
                return _unsure(form, f"{reason}{_quoted(argv)}", argv, command.start, command.end)
        return _OK

    def _complaint(self, command: PlainCommand, depth: int) -> tuple[str, str] | None:
        for operator, target in command.redirects:
            if target == "/dev/null":
                continue
            if operator != "<":
                return "writes-file", f"it writes to {_short(target)}"
            if not lies_inside(target, self._places):
                return "outside", f"it reads {_short(target)}, outside the working folder"
        return self._words(command.words, depth)

    def _words(self, words: tuple[PlainWord, ...], depth: int) -> tuple[str, str] | None:
        """Say what about a simple command is not provably harmless; `None` where all is."""
        argv = tuple([word.text for word in words])
        if any("\n" in word for word in argv[:1]) or words[0].globs:
            return "dynamic-word", "its program is known only when it runs"
        for prefix in self._prefixes:
            if argv[: len(prefix.words)] == prefix.words:
                wrong = misuse(prefix.tool, words[len(prefix.words) :], self._places)
                return ("beyond-list", wrong) if wrong else None
        name, rest = argv[0], words[1:]
        if tool := TOOLS.get(name):
            wrong = misuse(tool, rest, self._places) or _misread(name, argv)
            return ("beyond-list", wrong) if wrong else None
        if name in VERSIONS and argv[1:] in {("--version",), ("-V",), ("version",)}:
            return None
        if name == "git":
            return self._git(rest)
        if name == "find":
            wrong = misuse_of_find(rest, self._places)
            return ("beyond-list", wrong) if wrong else None
        if name in {"sed", "awk"}:
            return self._script(name, rest)
        if name == "command" and argv[1:2] in {("-v",), ("-V",)} and len(argv) == 3:
            return None
        return self._wrapped(words, depth)

    def _wrapped(self, words: tuple[PlainWord, ...], depth: int) -> tuple[str, str] | None:
        argv = tuple([word.text for word in words])
        inner = opened(Command(argv, 0, 0)) if depth < _DEEPEST else None
        if inner is None:
            return "unknown-program", f"{_short(argv[0])} is not on the read-only list"
        if not inner.transparent or (argv[0] in SHELLS and argv[0] not in self._shells):
            return "wrapper", f"what {_short(argv[0])} makes of it cannot be known"
        if inner.argv:
            return self._words(words[-len(inner.argv) :], depth + 1)
        if len(inner.scripts) != 1 or any(word.globs for word in words):
            return "wrapper", f"{_short(argv[0])} has nothing to run that could be read"
        seen = self._deeper(inner.scripts[0], depth + 1)
        return None if seen.word == "ok" else (seen.form, seen.reason)

    def _deeper(self, script: str, depth: int) -> ShellSeen:
        reading = TreeReader().read(script)
        plain = read_plain(script)
        if plain is None or not plain or reading.notes:
            return _unsure("not-plain", "its script is more than a list of plain commands", (), 0, 0)
        if [command.argv for command in plain] != [
            command.argv for command in _own(script, reading.commands)
        ]:
            return _unsure("two-readings", "its script can be read in two ways", (), 0, 0)
        for command in plain:
            if complaint := self._complaint(command, depth):
                return _unsure(*complaint, command.argv, 0, 0)
        return _OK

    def _git(self, rest: tuple[PlainWord, ...]) -> tuple[str, str] | None:
        while rest and rest[0].text in GIT_FIRST:
            rest = rest[1:]
        for length in (2, 1):
            tool = GIT.get(" ".join([word.text for word in rest[:length]]))
            if tool is not None and len(rest) >= length:
                wrong = misuse(tool, rest[length:], self._places)
                return ("beyond-list", f"git {rest[0].text}: {wrong}") if wrong else None
        shown = rest[0].text if rest else ""
        return "beyond-list", f"git {_short(shown)} is not on the read-only list"

    def _script(self, name: str, rest: tuple[PlainWord, ...]) -> tuple[str, str] | None:
        """Of sed and awk, which are languages, only what picks lines or columns."""
        texts = [word.text for word in rest]
        while name == "awk" and texts and re.fullmatch(r"-F.+", texts[0]):
            texts, rest = texts[1:], rest[1:]
        if name == "sed":
            if texts[:1] != ["-n"]:
                return "beyond-list", "sed may change what it prints or write files"
            texts, rest = texts[1:], rest[1:]
        fits = (
            bool(texts)
            and len(texts[0]) <= _SHOWN
            and (_LINES if name == "sed" else _COLUMNS).fullmatch(texts[0]) is not None
        )
        if not fits or rest[0].globs:
            return "beyond-list", f"{name} runs a program of its own"
        for word in rest[1:]:
            if word.text.startswith("-") or word.globs or "=" in word.text:
                return "beyond-list", f"{word.text} may be an option"
            if not lies_inside(word.text, self._places):
                return "outside", f"{word.text} lies outside the working folder"
        return None


_OK: Final = ShellSeen(
    "ok", "read-only", "", "every command in it is on the read-only list or under a prefix of the project"
)


def _everything(text: str) -> tuple[list[Command], list[Note]]:
    """Find every command of a text and of the scripts inside its words, however wrapped; the notes are its
    own.
    """
    outer = TreeReader().read(text)
    commands, inside = list(outer.commands), 0
    waiting = [(command, 0) for command in outer.commands]
    while waiting:
        command, depth = waiting.pop()
        inner = opened(command) if command.argv else None
        if inner is None:
            continue
        inside += sum([len(script) for script in inner.scripts])
        if depth >= _DEEPEST or inside > _MOST_INSIDE:
            outer.notes.append(Note("too-deep", "it wraps commands too deeply", command.start, command.end))
            continue
        found: list[Command] = []
        if inner.argv:
            found.append(
                Command(
                    inner.argv, command.start, command.end, inner.assigns, (), command.fed_by, command.given
                )
            )
        for script in inner.scripts:
            reading: Reading = TreeReader().read(script)
            for each in reading.commands:
                each.start, each.end = command.start, command.end
            found += reading.commands
        commands += found
        waiting += [(each, depth + 1) for each in found]
    return commands, outer.notes


def _own(text: str, commands: list[Command]) -> list[Command]:
    """Return the commands that stand in a text itself, in order, without what wrappers hold."""
    raw = text.encode("utf-8", "replace")
    own: list[Command] = []
    last = -1
    for command in commands:
        if command.argv and last < command.start < len(raw):
            own.append(command)
            last = command.start
    return own


def _misread(name: str, argv: tuple[str, ...]) -> str:
    """Find what some programs on the list make of plain words."""
    if name == "cd" and len([word for word in argv[1:] if not word.startswith("-")]) != 1:
        return "it goes to the home folder, or back to where it was"
    if name == "printf" and any(_COUNTING.search(word) for word in argv[1:]):
        return "its words may set variables"
    if name == "jq" and any("env" in word.lower() or "input_filename" in word for word in argv[1:]):
        return "it may read the environment"
    if name == "jq" and any(_IMPORTING.search(word) for word in argv[1:]):
        return "it may read files from anywhere"
    return ""


def _unsure(form: str, reason: str, argv: tuple[str, ...], start: int, end: int) -> ShellSeen:
    return ShellSeen("unsure", form, "", shortened(reason, _LONGEST_REASON), argv, start, end)


def _quoted(argv: tuple[str, ...]) -> str:
    return f": {_short(shlex.join(argv))}" if argv else ""


def _short(words: str) -> str:
    return shortened(words, _SHOWN)


def _letters(text: str, place: int) -> int:
    """Turn a place in bytes into one in letters."""
    return place if text.isascii() else len(text.encode("utf-8", "replace")[:place].decode("utf-8", "ignore"))
