"""`watchkeeper doctor` on hooks: which coding agents ask before they act, and whether that works."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from bot.hooks.kept import Kept
from engine.adapters.files import storage_errors
from engine.errors import WatchkeeperError
from engine.wiring.checks import Check
from watchkeeper.hook_settings import AGENTS, Called, Where, called, settings_file

_WHERE: Final[tuple[Where, ...]] = ("project", "user")
_NOT_SEEN: Final = {"codex": "; once you have trusted it there: say /hooks in codex, no file of ours tells"}
"""What a look at the settings cannot find out."""


def hook_checks(home: Path) -> Iterator[Check]:
    """Look at the agents' settings of the project around a state folder, and at those of this user.

    Says nothing of agents that call no hook of this state folder.
    """
    for agent in AGENTS:
        for where in _WHERE:
            path = settings_file(agent, where, home.parent)
            if path.exists():
                yield from _of(agent, where, path, home)


def _of(agent: str, where: Where, path: Path, home: Path) -> Iterator[Check]:
    again = f"watchkeeper hook install {agent}" + " --user" * (where == "user")
    try:
        with storage_errors(path):
            found = called(path.read_text(encoding="utf-8"), str(path), agent)
    except (WatchkeeperError, ValueError, LookupError) as wrong:
        said = wrong.message if isinstance(wrong, WatchkeeperError) else "its hooks cannot be read"
        yield _bad(agent, f"{path}: {said}; whether it asks before it acts, nobody knows", again)
        return
    for each in found:
        if each.home.resolve() == home.resolve():
            yield _check(agent, path, each, again)


def _check(agent: str, path: Path, hook: Called, again: str) -> Check:
    gone = [str(file) for file in hook.files if not file.exists()]
    if gone:
        return _bad(agent, f"{path} calls {', '.join(gone)}, which is gone: it blocks every tool", again)
    try:
        Kept(hook.home).token(agent)
    except WatchkeeperError as wrong:
        return _bad(agent, f"{wrong.place}: {wrong.message}: it blocks every tool", wrong.cure or again)
    said = f"{agent} asks before each tool, by {path}{_NOT_SEEN.get(agent, '')}"
    return Check(what="hook", verdict="ok", said=said)


def _bad(agent: str, said: str, cure: str) -> Check:
    return Check(what="hook", verdict="bad", said=f"{agent}: {said}", cure=cure)
