"""Suggestions: what a policy could say after what an agent did, each with the evidence it rests on.

They are careful. A suggestion lets through one exact command that ran often and never failed, of programs
that build and test; everything else asks people more. What the present policy denies stays denied.
"""

import re
from collections.abc import Iterable, Mapping
from io import StringIO
from pathlib import Path
from typing import Any, Final, Literal

import msgspec
from msgspec import UNSET, Struct
from ruamel.yaml import YAML

from engine.adapters.files import atomic_write, storage_errors
from engine.adapters.shell_plain import read_plain
from engine.adapters.shell_reader import BashReader, Prefix
from engine.adapters.shell_tools import Tool
from engine.core.vocabulary.actions import Action, Parameter
from engine.core.vocabulary.ids import ActionName, AgentId
from engine.core.vocabulary.units import time_text
from engine.errors import InputError
from engine.wiring.policies import PolicySource
from engine.wiring.shell import shell_settings
from simulator.discovery import REST, Deeds, Use

OFTEN: Final = 5
"""A command that ran less often is nobody's habit."""
_ONE_IN: Final = 20
"""A person is suggested for an action of which people turned down one in so many, or more."""
_MOST: Final = 40
_TARGETS: Final = frozenset({"make", "just", "rake", "ctest"})
"""Programs whose first word is a name that the project gave."""
_SCRIPTS: Final = frozenset({"npm", "pnpm", "yarn"})
_STEPS: Final[dict[str, frozenset[str]]] = {
    "cargo": frozenset({"test", "check", "build", "clippy", "doc"}),
    "go": frozenset({"test", "vet", "build"}),
    "dotnet": frozenset({"test", "build"}),
    "gradle": frozenset({"test", "check", "build", "assemble"}),
    "gradlew": frozenset({"test", "check", "build", "assemble"}),
    "mvn": frozenset({"test", "verify", "compile", "validate"}),
    "bazel": frozenset({"test", "build"}),
    "vitest": frozenset({"run"}),
}
"""Programs of which only these steps are suggested, each by itself."""
_HARMLESS: Final = frozenset(
    "test tests unit integration check checks lint types typecheck build compile html docs doc coverage cov"
    " all fast slow quick full ci verify validate static style api web app backend frontend core".split()
)
"""What the name of a target or script may be put together from: of any other, nobody knows what it does."""
_PARTS: Final = re.compile(r"[-_:.]")
_USUAL: Final = (("required", True), ("nullable", False))
"""What a parameter is where its entry does not say so."""


class Suggestion(Struct, frozen=True, kw_only=True):
    """One change of a policy."""

    kind: Literal["command", "approval", "action"]
    what: str
    why: str
    file: str
    entry: dict[str, Any]
    """What is put into the file."""


def suggest(deeds: Mapping[AgentId, Deeds], source: PolicySource) -> list[Suggestion]:
    """Suggest what the policy could say, the most used first."""
    used = _together(each.actions for each in deeds.values())
    commands = _together(each.commands for each in deeds.values())
    own = source.settings.actions.actions
    found = [*_commands(commands, source), *_approvals(used, source.actions, own), *_actions(used, source)]
    return found[:_MOST]


def _together(all_uses: Iterable[Mapping[Any, Use]]) -> dict[str, Use]:
    """Put the uses of all agents together."""
    found: dict[str, Use] = {}
    for uses in all_uses:
        for name, use in uses.items():
            whole = found.setdefault(str(name), Use())
            whole.count += use.count
            whole.failed += use.failed
            whole.turned_down += use.turned_down
            for at_us in (use.first_us, use.last_us):
                if at_us is not None:
                    whole.first_us = at_us if whole.first_us is None else min(at_us, whole.first_us)
                    whole.last_us = at_us if whole.last_us is None else max(at_us, whole.last_us)
    return dict(sorted(found.items(), key=lambda item: (-item[1].count, item[0])))


def _commands(commands: Mapping[str, Use], source: PolicySource) -> list[Suggestion]:
    """Suggest commands of the project: exactly those that ran often, and went well."""
    file = source.settings.shell
    if file is None:
        return []
    now, found = shell_settings(file).reader, []
    for text, use in commands.items():
        words = _exact(text)
        if (
            use.count < OFTEN
            or use.failed
            or use.turned_down
            or words is None
            or now.look(text).word != "unsure"
        ):
            continue
        reader = BashReader(prefixes=[Prefix(words, Tool(operands="none"))], shells=frozenset(file.shells))
        if reader.look(text).word == "ok":
            found.append(
                Suggestion(
                    kind="command",
                    what=f"let `{' '.join(words)}` run unasked",
                    why=f"it ran {_times(use.count)}{_between(use)}, and never failed or was turned down",
                    file="policies/shell.yaml",
                    entry={"run": " ".join(words)},
                )
            )
    return found


def _exact(text: str) -> tuple[str, ...] | None:
    """Return the words of a text that builds or tests and does nothing else; `None` for any other.

    Of what is not listed here nobody knows that it is harmless: `npm ci` fetches programs, `make purge`
    removes.
    """
    plain = read_plain(text)
    if plain is None or len(plain) != 1 or plain[0].redirects or any(word.globs for word in plain[0].words):
        return None
    words = plain[0].argv
    match words:
        case (program, target) if program in _TARGETS:
            known = _builds(target)
        case (program, "run", script) if program in _SCRIPTS:
            known = _builds(script)
        case (program, script) if program in _SCRIPTS:
            known = script == "test"
        case (program, step):
            known = step in _STEPS.get(program, ())
        case _:
            known = False
    return words if known else None


def _builds(name: str) -> bool:
    return all(part in _HARMLESS for part in _PARTS.split(name))


def _approvals(
    used: Mapping[str, Use], actions: Mapping[ActionName, Action], own: Mapping[str, Any]
) -> list[Suggestion]:
    """Suggest a person for actions that people turned down."""
    return [
        Suggestion(
            kind="approval",
            what=f"ask a person about every {name}",
            why=f"{use.turned_down} of {use.count}{_between(use)} were turned down",
            file="actions.yaml",
            entry={"name": name, "requires_approval": True},
        )
        for name, use in used.items()
        if use.turned_down * _ONE_IN >= use.count
        and use.turned_down
        and name in own
        and not actions[ActionName(name)].requires_approval
        and actions[ActionName(name)].approval is UNSET
    ]


def _actions(used: Mapping[str, Use], source: PolicySource) -> list[Suggestion]:
    """Suggest an entry for what the registry does not know, and so is denied; people are asked about each.

    About reads, too: that it only reads is guessed from its name.
    """
    own, found = source.settings.actions.actions, []
    for name, use in used.items():
        if name in own or name == REST:
            continue
        known = source.actions.get(ActionName(name))
        entry: dict[str, Any] = {
            "summary": (known.summary if known is not None else "") or "What it does, in a sentence.",
            "kind": known.kind if known is not None else "write",
            "risk": known.risk.value if known is not None else "HIGH",
            "requires_approval": True,
            "parameters": {
                each: _parameter(given)
                for each, given in (known.parameters if known is not None else {}).items()
            },
        }
        found.append(
            Suggestion(
                kind="action",
                what=f"name {name} in the registry, and ask a person about each",
                why=f"it was proposed {_times(use.count)}{_between(use)}, and the registry does not know it",
                file="actions.yaml",
                entry={"name": name, **entry},
            )
        )
    return found


def _parameter(given: Parameter) -> dict[str, Any]:
    said = msgspec.to_builtins(given)
    return {key: value for key, value in said.items() if value is not None and (key, value) not in _USUAL}


def _between(use: Use) -> str:
    """Say from when to when it was seen; nothing where that is not known."""
    if use.first_us is None or use.last_us is None:
        return ""
    first, last = time_text(use.first_us)[:10], time_text(use.last_us)[:10]
    return f" on {first}" if first == last else f" from {first} to {last}"


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count:,} times"


# ---------------------------------------------------------------- writing them down


def must_be_new(target: Path) -> None:
    """Raise `InputError` when there is anything already where a policy is to be written."""
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise InputError("there is something already", place=str(target), cure="name a folder that is new")


def write(source: PolicySource, suggestions: Iterable[Suggestion], target: Path) -> None:
    """Write a copy of a policy with the suggestions in it to a new folder; comments stay as they are.

    The policy itself is `policies` in it. Raises `InputError` when something is there already, and
    `StorageError`.
    """
    folder = Path(source.place)
    must_be_new(target)
    with storage_errors(target):
        (target / "policies").mkdir(parents=True, exist_ok=True)
    registry = folder / "actions.yaml"
    texts = {
        f"policies/{path.name}": path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.yaml"))
    }
    texts |= {
        f"policies/{path.name}": path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.toml"))
    }
    texts.pop("policies/actions.yaml", None)
    place = registry if registry.exists() else folder.parent / "actions.yaml"
    texts["actions.yaml"] = place.read_text(encoding="utf-8")
    for file, wanted in _by_file(suggestions).items():
        texts[file] = _changed(texts[file], wanted)
    for name, text in texts.items():
        with atomic_write(target / name) as out:
            out.write(text.encode())


def _by_file(suggestions: Iterable[Suggestion]) -> dict[str, list[Suggestion]]:
    found: dict[str, list[Suggestion]] = {}
    for each in suggestions:
        found.setdefault(each.file, []).append(each)
    return found


def _changed(text: str, suggestions: Iterable[Suggestion]) -> str:
    """Put suggestions into a file's text."""
    yaml = YAML(typ="rt")
    yaml.preserve_quotes, yaml.width = True, 4096
    yaml.indent(mapping=2, sequence=4, offset=2)
    tree = yaml.load(text)
    for each in suggestions:
        if each.kind == "command":
            if not tree.get("project"):
                tree["project"] = []
            tree["project"].append(dict(each.entry))
        else:
            entry = dict(each.entry)
            name = entry.pop("name")
            actions = tree["actions"]
            if name in actions:
                actions[name].update(entry)
            else:
                actions[name] = entry
    out = StringIO()
    yaml.dump(tree, out)
    return out.getvalue()
