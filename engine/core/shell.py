"""Shell: what a command among the arguments would do, as far as its text proves it.

Reading shell text takes a parser, which stands outside the core (`ShellReader`). The core asks it, and
turns what it saw into points and a ruling. Nothing in any text is ever run.
"""

import shlex
from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

from msgspec import Struct

from engine.core.vocabulary.actions import Action
from engine.core.vocabulary.arguments import strings_in
from engine.core.vocabulary.shell import NOTHING, ShellSeen, ShellWord
from engine.core.vocabulary.verdicts import RiskPart, Ruling

_RANK: dict[ShellWord, int] = {"none": 0, "ok": 1, "unsure": 2, "hit": 3}


@runtime_checkable
class ShellReader(Protocol):
    """Reads command texts."""

    def look(self, text: str) -> ShellSeen:
        """Say what a text would do, in time bounded by its length. Never raises for any text."""


class ShellSettings(Struct, frozen=True, kw_only=True, eq=False):
    """What the policy makes of commands. Made once for each policy, so equal only to itself."""

    reader: ShellReader
    points: Mapping[ShellWord, int]
    rulings: Mapping[ShellWord, Ruling]
    role: str
    """Who is asked."""
    owner: str


def seen_in(settings: ShellSettings, action: Action | None, args: Mapping[str, Any]) -> ShellSeen:
    """Look at every command among the arguments; the worst counts, and of equal ones the first."""
    looked = [settings.reader.look(text) for text in commands_in(action, args)]
    if not looked:
        return NOTHING
    worst = max(looked, key=lambda seen: _RANK[seen.word])
    if len(looked) == 1:
        return worst
    spelled = "\n".join([seen.spelled for seen in looked if seen.spelled])
    return ShellSeen(
        worst.word, worst.form, worst.kind, worst.reason, worst.argv, worst.start, worst.end, spelled
    )


def commands_in(action: Action | None, args: Mapping[str, Any]) -> list[str]:
    """Return the arguments that the registry calls commands, as text.

    A list of words that no shell sees is written as the text that gives these words. Of an action that is
    not in the registry nothing is known, and it is denied anyway.
    """
    if action is None:
        return []
    texts: list[str] = []
    for name, parameter in action.parameters.items():
        if name not in args:
            continue
        value = args[name]
        if parameter.type == "command" or parameter.items == "command":
            texts += [value] if isinstance(value, str) else strings_in(value)
        elif name == "command" and _runs(action) and isinstance(value, list):
            texts.append(shlex.join(strings_in(value)))
    return texts


def _runs(action: Action) -> bool:
    """Whether its argument `command` is what runs, as words."""
    return action.run is not None and action.run.runner == "shell" and not action.run.settings.get("argv")


def part_of(settings: ShellSettings | None, seen: ShellSeen) -> RiskPart | None:
    """Return what a command adds to the risk; `None` where that is nothing."""
    points = settings.points.get(seen.word, 0) if settings is not None else 0
    return RiskPart(f"shell.{seen.form}", points, seen.reason) if points else None
