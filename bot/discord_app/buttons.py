"""Buttons that outlive the process: each carries the command it gives, and nothing else is remembered."""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, Protocol, Self, cast

import discord
from msgspec import Struct

from bot.discord_app.render import LABEL
from engine.commands.catalogue import LANGUAGE
from engine.commands.model import Button
from engine.errors import InputError, WatchkeeperError
from notifiers.discord_markup import length, visible

_LONGEST_ID: Final = 100
_LONGEST_QUESTION: Final = 45
_LONGEST_REASON: Final = 500
_REASON: Final = "reason"
_ROW: Final = 5
_STYLES: Final = {
    "plain": discord.ButtonStyle.secondary,
    "good": discord.ButtonStyle.success,
    "danger": discord.ButtonStyle.danger,
}
# A line behind what is asked first, or the name of both where they are too long.
_ID: Final = re.compile(r"wk(?::(?P<asks>[^|]*)\|(?P<line>.+)|#(?P<name>[0-9a-f]{24}))", re.DOTALL)

PutBy = Callable[[str], str]
"""Keeps a text and returns a name of 24 letters."""


class Press(Struct, frozen=True, kw_only=True):
    """What a button does."""

    line: str
    asks: str = ""
    """The reason is asked for under this label; empty asks nothing."""


def custom_id(button: Button, put_by: PutBy) -> str:
    """Write what a button does into what Discord keeps of it.

    >>> custom_id(Button(label="Deny", line="deny d_1", asks="Why?"), lambda text: "0" * 24)
    'wk:Why?|deny d_1'
    """
    asks = visible(button.asks).replace("|", "/").replace("\n", " ")[:_LONGEST_QUESTION]
    short = f"wk:{asks}|{button.line}"
    if length(short) <= _LONGEST_ID:
        return short
    return f"wk#{put_by(json.dumps([button.line, asks]))}"


def pressed(identifier: str, text: Callable[[str], str | None]) -> Press | None:
    """Read what a button does; `None` when it is none of ours. Raises `InputError` for one too old."""
    match = _ID.fullmatch(identifier)
    if match is None:
        return None
    if match["line"] is not None:
        return Press(line=match["line"], asks=match["asks"])
    kept = text(match["name"])
    if kept is None:
        raise InputError("this button is too old to know what it does", cure="give the command again")
    line, asks = json.loads(kept)
    return Press(line=line, asks=asks)


def view_of(buttons: Iterable[Button], put_by: PutBy) -> discord.ui.View | None:
    """Return buttons as Discord takes them; `None` for none. Needs a running loop."""
    made = discord.ui.View(timeout=None)
    for number, button in enumerate(buttons):
        label = visible(button.label).strip() or "–"
        try:
            identifier = custom_id(button, put_by)
        except WatchkeeperError:
            # A full disk costs the buttons with long commands, not the message.
            continue
        made.add_item(
            discord.ui.Button(
                label=label if length(label) <= LABEL else f"{label[: LABEL // 2]}…",
                style=_STYLES[button.style],
                custom_id=identifier,
                row=number // _ROW,
            )
        )
    if not made.children:
        return None
    # The library would keep every one it sends for ever; presses come by `Pressed`, which needs none of it.
    made.stop()
    return made


class Taker(Protocol):
    """Who takes what people do."""

    async def press(self, interaction: discord.Interaction) -> None:
        """Take the press of a button."""


class Pressed(discord.ui.DynamicItem[discord.ui.Button[Any]], template=_ID):
    """Any button of ours, made anew from its custom id whenever it is pressed."""

    @classmethod
    async def from_custom_id(
        cls, interaction: discord.Interaction[Any], item: discord.ui.Item[Any], match: re.Match[str], /
    ) -> Self:
        """Take the button as it stands under its message."""
        return cls(cast("discord.ui.Button[Any]", item))

    async def callback(self, interaction: discord.Interaction[Any]) -> None:
        """Hand it on."""
        await cast("Taker", interaction.client).press(interaction)


# ---------------------------------------------------------------- asking for a reason


def modal(press: Press, identifier: str) -> discord.ui.Modal:
    """Return the form that asks for the reason; what was filled in comes back with the same custom id."""
    least, most = _limits(press.line)
    form = discord.ui.Modal(title=_title(press.line), custom_id=identifier)
    box: discord.ui.TextInput[Any] = discord.ui.TextInput(
        style=discord.TextStyle.paragraph,
        custom_id=_REASON,
        required=least > 0,
        min_length=least or None,
        max_length=most,
    )
    form.add_item(discord.ui.Label(text=press.asks or "Why?", component=box))
    # What comes back is read from the event, so that it is understood after a restart, too.
    form.stop()
    return form


def filled(data: Mapping[str, Any]) -> str:
    """Return what was filled into the form."""
    for part in data.get("components", ()):
        inside = [part["component"]] if "component" in part else part.get("components", ())
        for one in inside:
            if one.get("custom_id") == _REASON:
                return str(one.get("value") or "").strip()
    return ""


def _limits(line: str) -> tuple[int, int]:
    """Return how long the reason of a line must and may be."""
    try:
        kind, _ = LANGUAGE.find(line)
    except InputError:
        return 0, _LONGEST_REASON
    return int(kind.arguments()[-1].required), _LONGEST_REASON


def _title(line: str) -> str:
    shown = f"/{visible(line)}"
    return shown if length(shown) <= _LONGEST_QUESTION else f"{shown[: _LONGEST_QUESTION // 2]}…"
