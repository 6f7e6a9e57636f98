"""The settings files of coding agents: where they are, and what makes an agent call our hook."""

import os
import re
import shlex
import shutil
import sys
from pathlib import Path
from typing import Any, Final, Literal

from msgspec import Struct

from engine.errors import InputError
from watchkeeper.jsonc import added, scan, without

Where = Literal["project", "user"]
AGENTS: Final = ("claude", "codex", "cursor", "gemini")
GRACE_S: Final = 5
"""How much longer than the hook's own deadline the agent waits: past its own limit it would run the call."""
_KILL_AFTER_S: Final = 2


class _Settings(Struct, frozen=True, kw_only=True):
    project: str
    user: str
    before: tuple[str, ...]
    after: tuple[str, ...]
    per_s: int = 1
    """In how many parts of a second its limits are."""
    flat: bool = False
    """Whether an event lists hooks themselves, rather than groups of them with a matcher."""
    first: tuple[tuple[str, Any], ...] = ()
    """What a new file begins with."""


_KNOWN: Final[dict[str, _Settings]] = {
    "claude": _Settings(
        project=".claude/settings.json",
        user="~/.claude/settings.json",
        before=("PreToolUse",),
        after=("PostToolUse", "PostToolUseFailure"),
    ),
    "codex": _Settings(
        project=".codex/hooks.json",
        user="$CODEX_HOME/hooks.json",
        before=("PreToolUse",),
        after=("PostToolUse",),
    ),
    "cursor": _Settings(
        project=".cursor/hooks.json",
        user="~/.cursor/hooks.json",
        before=("preToolUse",),
        after=("postToolUse", "postToolUseFailure"),
        flat=True,
        first=(("version", 1),),
    ),
    "gemini": _Settings(
        project=".gemini/settings.json",
        user="~/.gemini/settings.json",
        before=("BeforeTool",),
        after=("AfterTool",),
        per_s=1000,
    ),
}


def settings_file(agent: str, where: Where, project: Path) -> Path:
    """Say which file to change."""
    known = _KNOWN[agent]
    if where == "project":
        return project / known.project
    codex = os.environ.get("CODEX_HOME") or "~/.codex"
    return Path(known.user.replace("$CODEX_HOME", codex)).expanduser()


def installed(text: str, place: str, agent: str, commands: dict[str, str], deadline_s: float) -> str:
    """Return the settings with our hook in them, in place of what an earlier install put there.

    `commands` are those before and after a call. Raises `InputError` for settings that cannot be read.
    """
    known = _KNOWN[agent]
    limit = round((deadline_s + GRACE_S) * known.per_s)
    if not text.strip():
        text = "{}\n"
        for name, value in known.first:
            text = f'{{\n  "{name}": {value}\n}}\n'
    wanted = {
        event: _entry(known, agent, commands["before" if event in known.before else "after"], limit, event)
        for event in (*known.before, *known.after)
    }
    if _ours(scan(text, place).value, agent) == list(wanted.items()):
        return text
    text = uninstalled(text, place, agent)
    for event, entry in wanted.items():
        text = added(text, place, ("hooks", event), entry)
    return text


def uninstalled(text: str, place: str, agent: str) -> str:
    """Return the settings without our hook. Raises `InputError` for settings that cannot be read."""
    if not text.strip():
        return text
    while True:
        hooks = _hooks(scan(text, place).value, place)
        found = next(((event, nth) for event, nth, entry in _entries(hooks) if _is_ours(entry, agent)), None)
        if found is None:
            return text
        event, nth = found
        text = without(text, place, ("hooks", event), nth)


def is_installed(text: str, place: str, agent: str) -> bool:
    """Whether our hook is called before every tool. Raises `InputError` for settings that cannot be read."""
    known = _KNOWN[agent]
    ours = {event for event, _ in _ours(scan(text, place).value, agent)}
    return ours >= {*known.before}


class Called(Struct, frozen=True, kw_only=True):
    """What one of our hooks in an agent's settings would start."""

    files: tuple[Path, ...]
    """The Python and the program that must be there."""
    home: Path
    """The state folder it decides in."""


def called(text: str, place: str, agent: str) -> list[Called]:
    """Return what the agent calls before its tools. Raises `InputError` for settings that cannot be read."""
    found = []
    for event, entry in _ours(scan(text, place).value, agent):
        if event in _KNOWN[agent].before:
            words = shlex.split(shlex.split((entry.get("hooks") or [entry])[0]["command"])[-1])
            at = words.index("hook")
            found.append(
                Called(
                    files=tuple(Path(word) for word in words[:at] if word.startswith("/")),
                    home=Path(words[words.index("--home") + 1]),
                )
            )
    return found


def command_of(agent: str, home: Path, config: Path | None, deadline_s: float, *, before: bool) -> str:
    """Return the command an agent calls.

    A shell of ours around the hook sees to what the hook itself cannot: that it is not there, hangs before
    its first line, or is killed. Then the question is read to its end, for an agent that cannot get rid of it
    lets the call run, and the call is blocked. After a call nothing is left to block.
    """
    words = [*program(), "hook", agent, "--home", str(home)]
    words += ["--config", str(config)] if config else []
    limit = f"timeout -k 1 {deadline_s + _KILL_AFTER_S:g} " if shutil.which("timeout") else ""
    drain = "timeout 1 cat >/dev/null" if limit else "cat >/dev/null"
    # Python itself ends with 2 where its script is gone, having read nothing.
    said = "[ $s = 2 ] || echo 'watchkeeper: blocked: the hook gave no answer' >&2"
    otherwise = f"s=$?; {drain}; {said}; exit 2;" if before else "exit 1;"
    return f"/bin/sh -c {shlex.quote(f'{limit}{shlex.join(words)} || {{ {otherwise} }}')}"


def program() -> list[str]:
    """Return how others start `watchkeeper`, by absolute paths, whatever their environment is.

    Raises `InputError` when it was started in another way.
    """
    beside = Path(sys.executable).with_name("watchkeeper")
    if not beside.exists():
        raise InputError(
            "there is no watchkeeper beside its Python",
            place=str(beside),
            cure="install it into an environment: pip install watchkeeper",
        )
    return [sys.executable, "-I", str(beside)]


def _entry(known: _Settings, agent: str, command: str, limit: int, event: str) -> dict[str, Any]:
    if known.flat:
        # Cursor can be told to block where a hook fails; the others cannot.
        closed = {"failClosed": True} if event in known.before else {}
        return {"command": command, "timeout": limit} | closed
    named = {"name": "watchkeeper"} if agent == "gemini" else {}
    return {"matcher": "*", "hooks": [named | {"type": "command", "command": command, "timeout": limit}]}


def _hooks(settings: Any, place: str) -> dict[str, Any]:
    hooks = settings.get("hooks", {}) if isinstance(settings, dict) else None
    if not isinstance(hooks, dict):
        raise InputError("its hooks are not an object", place=place, cure="mend it by hand first")
    return hooks


def _entries(hooks: dict[str, Any]) -> list[tuple[str, int, Any]]:
    return [
        (event, nth, entry)
        for event, entries in hooks.items()
        if isinstance(entries, list)
        for nth, entry in enumerate(entries)
    ]


def _ours(settings: Any, agent: str) -> list[tuple[str, Any]]:
    hooks = _hooks(settings, agent)
    return [(event, entry) for event, _, entry in _entries(hooks) if _is_ours(entry, agent)]


def _is_ours(entry: Any, agent: str) -> bool:
    """Whether an entry calls our hook, and nothing else."""
    if not isinstance(entry, dict):
        return False
    inner = entry.get("hooks")
    calls = inner if isinstance(inner, list) else [entry]
    pattern = re.compile(rf"watchkeeper\S* hook {agent} ")
    return (
        len(calls) == 1
        and isinstance(calls[0], dict)
        and bool(pattern.search(str(calls[0].get("command", "")).replace("'", "").replace('"', "")))
    )
