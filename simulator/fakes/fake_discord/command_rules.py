"""What Discord lets an application register as commands: its reference, "Application commands"."""

import re
from typing import Final

from simulator.fakes.fake_discord.refusals import Form, Json

CHAT_INPUT, USER_MENU, MESSAGE_MENU, ENTRY_POINT = 1, 2, 3, 4
SUBCOMMAND, GROUP = 1, 2
STRING, INTEGER, BOOLEAN, USER, CHANNEL, ROLE, MENTIONABLE, NUMBER, ATTACHMENT = range(3, 12)
MOST_OPTIONS: Final = 25
MOST_CHOICES: Final = 25
LONGEST_COMMAND: Final = 8000
MOST_COMMANDS: Final = {CHAT_INPUT: 100, USER_MENU: 15, MESSAGE_MENU: 15, ENTRY_POINT: 1}
# Letters and digits of any script, hyphens, underscores and apostrophes.
_NAME: Final = re.compile(r"[-_'\w]{1,32}")

Path = list[str | int]


def check_commands(commands: list[Json]) -> None:
    """Check a list that replaces all commands. Raises `Refused` with every fault in it."""
    form = Form()
    seen: list[object] = []
    for at, one in enumerate(commands):
        command = form.table(one, [at])
        _check_command(form, command, [at])
        key = (command.get("type", CHAT_INPUT), command.get("name"))
        if key in seen:
            message = "Application command names must be unique"
            form.fault([at, "name"], "APPLICATION_COMMANDS_DUPLICATE_NAME", message)
        seen.append(key)
    form.check()


def check_command(command: Json) -> None:
    """Check one command. Raises `Refused` with every fault in it."""
    form = Form()
    _check_command(form, command, [])
    form.check()


def _check_command(form: Form, command: Json, at: Path) -> None:
    kind = command.get("type") or CHAT_INPUT
    if not form.one_of(kind, [*at, "type"], tuple(MOST_COMMANDS)):
        return
    permissions = command.get("default_member_permissions")
    if permissions is not None and not str(permissions).isdecimal():
        form.fault([*at, "default_member_permissions"], "NUMBER_TYPE_COERCE",
                   f'Value "{permissions}" is not int.')  # fmt: skip
    if kind != CHAT_INPUT:
        form.text(command.get("name"), [*at, "name"], 32, shortest=1, required=True)
        if command.get("description"):
            message = "Context menu commands cannot have description"
            form.fault([*at, "description"], "APPLICATION_COMMAND_INVALID_DESCRIPTION", message)
        return
    _check_name(form, command.get("name"), [*at, "name"])
    form.text(command.get("description"), [*at, "description"], 100, shortest=1, required=True)
    _check_options(form, command.get("options"), [*at, "options"], depth=0)
    if not form.errors and size(command) > LONGEST_COMMAND:
        message = f"Command exceeds maximum size ({LONGEST_COMMAND})"
        form.fault(at, "APPLICATION_COMMAND_TOO_LARGE", message)


def size(command: Json) -> int:
    """Return how many characters of names, descriptions and values a command counts."""
    own = sum(len(str(command.get(name) or "")) for name in ("name", "description"))
    choices = command.get("choices") or []
    own += sum(len(str(one.get("name", ""))) + len(str(one.get("value", ""))) for one in choices)
    return own + sum(size(one) for one in command.get("options") or [])


def _check_name(form: Form, name: object, at: Path) -> None:
    if form.text(name, at, 32, shortest=1, required=True) and isinstance(name, str):
        if not _NAME.fullmatch(name):
            message = "Command name is invalid"
            form.fault(at, "APPLICATION_COMMAND_INVALID_NAME", message)
        elif name != name.lower():
            form.fault(at, "APPLICATION_COMMAND_INVALID_NAME", "Command name must be lowercase")


def _check_options(form: Form, options: object, at: Path, *, depth: int) -> None:
    """Check the options of a command (depth 0), a group (1) or a subcommand (2)."""
    listed = form.items(options, at, MOST_OPTIONS)
    tables = [form.table(one, [*at, index]) for index, one in enumerate(listed)]
    may_be = {0: tuple(range(1, 12)), 1: (SUBCOMMAND,), 2: tuple(range(3, 12))}[depth]
    seen: list[object] = []
    optional_seen = False
    nested = sum(one.get("type") in (SUBCOMMAND, GROUP) for one in tables)
    if nested and nested != len(tables):
        message = "Sub-command and sub-command group option types are mutually exclusive to all other types"
        form.fault(at, "APPLICATION_COMMAND_OPTIONS_TYPE_INVALID", message)
    for index, one in enumerate(tables):
        here: Path = [*at, index]
        if not form.one_of(one.get("type"), [*here, "type"], may_be):
            continue
        _check_name(form, one.get("name"), [*here, "name"])
        form.text(one.get("description"), [*here, "description"], 100, shortest=1, required=True)
        if one.get("name") in seen:
            form.fault([*here, "name"], "APPLICATION_COMMAND_OPTIONS_NAME_ALREADY_EXISTS",
                       "Option name already exists")  # fmt: skip
        seen.append(one.get("name"))
        if one["type"] in (SUBCOMMAND, GROUP):
            _check_options(
                form, one.get("options"), [*here, "options"], depth=1 if one["type"] == GROUP else 2
            )
            continue
        if one.get("required") and optional_seen:
            message = "Required options must be placed before non-required options"
            form.fault(here, "APPLICATION_COMMAND_OPTIONS_REQUIRED_INVALID", message)
        optional_seen = optional_seen or not one.get("required")
        _check_values(form, one, here)


def _check_values(form: Form, option: Json, at: Path) -> None:
    kind, choices = option["type"], option.get("choices")
    if choices and option.get("autocomplete"):
        message = "Choices and autocomplete are mutually exclusive"
        form.fault(at, "APPLICATION_COMMAND_OPTIONS_CHOICES_AUTOCOMPLETE_INVALID", message)
    if option.get("autocomplete") and kind not in (STRING, INTEGER, NUMBER):
        message = "Autocomplete is only for string, integer and number options"
        form.fault(at, "APPLICATION_COMMAND_AUTOCOMPLETE_INVALID_OPTION_TYPE", message)
    for index, one in enumerate(form.items(choices, [*at, "choices"], MOST_CHOICES)):
        here: Path = [*at, "choices", index]
        choice = form.table(one, here)
        form.text(choice.get("name"), [*here, "name"], 100, shortest=1, required=True)
        value = choice.get("value")
        if kind == STRING:
            form.text(value, [*here, "value"], 100, required=True)
        elif kind not in (INTEGER, NUMBER) or not isinstance(value, int | float):
            form.fault([*here, "value"], "NUMBER_TYPE_COERCE", f'Value "{value}" is not int.')
    for name in ("min_value", "max_value"):
        if option.get(name) is not None and kind not in (INTEGER, NUMBER):
            form.fault([*at, name], "APPLICATION_COMMAND_OPTIONS_MIN_MAX_INVALID", "Only numbers have bounds")
    for name, lowest in (("min_length", 0), ("max_length", 1)):
        if option.get(name) is not None and kind != STRING:
            form.fault([*at, name], "APPLICATION_COMMAND_OPTIONS_MIN_MAX_INVALID", "Only texts have lengths")
        form.integer(option.get(name), [*at, name], lowest, 6000)
