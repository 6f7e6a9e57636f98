"""Slash commands: made from the command table, and read back into it."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import discord
from annotated_types import MaxLen, MinLen

from engine.commands.catalogue import LANGUAGE
from engine.commands.language import Argument, Command, Given

COMMAND, SUBCOMMAND = 1, 1
_TYPES: Final[dict[type, int]] = {str: 3, int: 4, bool: 5, float: 10}
_LONGEST: Final = 100
"""Of a description, a choice and what completion offers."""
_CAPTAINS: Final = discord.Permissions(manage_guild=True).value
"""Whom Discord shows the commands of captains: who may manage the server. Who may give them the desk says."""
_KEPT: Final = (
    "type", "name", "description", "required", "choices", "min_length", "max_length", "min_value",
    "max_value", "autocomplete", "default_member_permissions", "value",
)  # fmt: skip

Json = dict[str, Any]


def table(commands: Iterable[type[Command]] | None = None) -> list[Json]:
    """Return every command as Discord registers it; those of two words are grouped under their first."""
    made: dict[str, Json] = {}
    for kind in LANGUAGE.listed() if commands is None else commands:
        first, _, second = kind.words.partition(" ")
        if not second:
            made[first] = _command(kind, first) | {"type": COMMAND} | _permission([kind])
            continue
        group = made.setdefault(first, {"type": COMMAND, "name": first, "options": []})
        group["options"].append(_command(kind, second) | {"type": SUBCOMMAND})
    for name, group in list(made.items()):
        if "description" not in group:
            within = [each for each in LANGUAGE.listed() if each.words.startswith(f"{name} ")]
            words = ", ".join(each.words.partition(" ")[2] for each in within)
            made[name] = (
                group | {"description": _short(f"{name.capitalize()}: {words}")} | _permission(within)
            )
    return list(made.values())


def _command(kind: type[Command], name: str) -> Json:
    return {
        "name": name,
        "description": _short(kind.summary()),
        "options": [_option(each) for each in kind.arguments()],
    }


def _permission(kinds: Sequence[type[Command]]) -> Json:
    """Hide from most what only captains may do. A group is hidden when all of it is."""
    if all(kind.role == "captain" for kind in kinds):
        return {"default_member_permissions": _CAPTAINS}
    return {}


def _option(argument: Argument) -> Json:
    option: Json = {
        "type": _TYPES[argument.kind],
        "name": argument.name,
        "description": _short(argument.description),
        "required": argument.required,
    }
    if argument.choices:
        option["choices"] = [{"name": each, "value": each} for each in argument.choices]
    elif argument.complete:
        option["autocomplete"] = True
    for limit in argument.info.metadata if argument.kind is str else ():
        if isinstance(limit, MinLen) and argument.required:
            option["min_length"] = limit.min_length
        elif isinstance(limit, MaxLen):
            option["max_length"] = limit.max_length
    return option


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def same(registered: Iterable[Mapping[str, Any]], wanted: Iterable[Mapping[str, Any]]) -> bool:
    """Whether what Discord has is what the table says, whatever it added by itself."""
    return _bare(registered) == _bare(wanted)


def _bare(commands: Iterable[Mapping[str, Any]]) -> dict[str, Json]:
    bare = {}
    for command in commands:
        kept = {name: command[name] for name in _KEPT if command.get(name) not in (None, False, [])}
        if "choices" in kept:
            kept["choices"] = [{"name": one["name"], "value": one["value"]} for one in kept["choices"]]
        if "default_member_permissions" in kept:
            # Discord takes a number and gives text back.
            kept["default_member_permissions"] = str(kept["default_member_permissions"])
        # Their order is what people see, so it counts.
        kept["options"] = list(_bare(command.get("options") or []).items())
        bare[str(command["name"])] = kept
    return bare


# ---------------------------------------------------------------- what somebody gave


def read(data: Mapping[str, Any]) -> Given | str:
    """Return the command that was given, or its words when we have no such command (any more)."""
    words, options = _flat(data)
    kind = LANGUAGE.by_words.get(words)
    if kind is None:
        return words
    return Given(kind=kind, values={str(one["name"]): one["value"] for one in options})


def typed(data: Mapping[str, Any]) -> tuple[str, str]:
    """Return which kind of thing is being typed, empty for none, and what stands of it."""
    words, options = _flat(data)
    kind = LANGUAGE.by_words.get(words)
    focused = next((one for one in options if one.get("focused")), None)
    if kind is None or focused is None:
        return "", ""
    argument = next((one for one in kind.arguments() if one.name == focused["name"]), None)
    return (argument.complete if argument is not None else ""), str(focused.get("value", ""))


def _flat(data: Mapping[str, Any]) -> tuple[str, Sequence[Mapping[str, Any]]]:
    """Return the words of a command, of one or two, and its options."""
    options = data.get("options") or []
    if options and options[0].get("type") == SUBCOMMAND:
        return f"{data['name']} {options[0]['name']}", options[0].get("options") or []
    return str(data["name"]), options
