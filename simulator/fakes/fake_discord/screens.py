"""Messages as people read them."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final, Literal

from simulator.fakes.chat import Attachment, Button, Field, Modal, Screen
from simulator.fakes.fake_discord.component_rules import (
    BUTTON,
    LABEL,
    SELECTS,
    TEXT_DISPLAY,
    TEXT_INPUT,
    walk,
)
from simulator.fakes.fake_discord.markup import Named, plain
from simulator.fakes.fake_discord.refusals import Json
from simulator.fakes.fake_discord.world import LOADING, Message, World

_STYLES: Final[dict[int, Literal["plain", "good", "danger"]]] = {3: "good", 4: "danger"}
_LONGEST_INPUT: Final = 4000
# From the largest unit down; a month and a year as Discord's client rounds them.
_UNITS: Final = (
    ("year", 31_536_000), ("month", 2_592_000), ("day", 86_400), ("hour", 3600), ("minute", 60),
    ("second", 1),
)  # fmt: skip
_TIMES: Final = {
    "t": "%H:%M",
    "T": "%H:%M:%S",
    "d": "%d/%m/%Y",
    "D": "%d %B %Y",
    "f": "%d %B %Y %H:%M",
    "F": "%A, %d %B %Y %H:%M",
}


def naming(world: World, now: float) -> Named:
    """Return how mentions and times are shown, as of now."""

    def named(kind: str, value: str) -> str:
        if kind == "user":
            return f"@{world.name_of(value)}"
        if kind == "role":
            return "@everyone" if value == world.guild else f"@{world.bot_name}"
        if kind == "channel":
            place = world.channels.get(value)
            return f"#{place.name if place else 'unknown'}"
        at, _, how = value.partition(":")
        if how == "R":
            return _relative(int(at) - now)
        return datetime.fromtimestamp(int(at), UTC).strftime(_TIMES[how]) + ("" if how in "dD" else " UTC")

    return named


def _relative(ahead_s: float) -> str:
    for unit, size_s in _UNITS:
        count = round(abs(ahead_s) / size_s)
        if count >= 1 or unit == "second":
            shown = f"{count} {unit}{'' if count == 1 else 's'}"
            return f"in {shown}" if ahead_s > 0 else f"{shown} ago"
    return "now"


def screen(world: World, stored: Message, now: float) -> Screen:
    """Return a message as those see it who may."""
    place = world.channels[stored.channel]
    return Screen(
        message_id=stored.id,
        channel=stored.channel,
        author=world.name_of(stored.author),
        text="\n".join(_texts(world, stored, naming(world, now))),
        buttons=tuple(_buttons(stored.components)),
        attachments=tuple(
            Attachment(name=one["filename"], size_bytes=one["size"]) for one in stored.attachments
        ),
        private=stored.viewer is not None,
        thread=place.starter or place.parent,
        edits=stored.edits,
    )


def _texts(world: World, stored: Message, named: Named) -> Iterator[str]:
    if stored.flags & LOADING:
        yield f"{world.bot_name} is thinking…"
        return
    if stored.content:
        yield plain(stored.content, named)
    for embed in stored.embeds:
        yield from embed_texts(embed, named)
    for part in walk(stored.components):
        if part["type"] == TEXT_DISPLAY:
            yield plain(part["content"], named)
        elif part["type"] in SELECTS and part.get("placeholder"):
            yield part["placeholder"]


def embed_texts(embed: Json, named: Named) -> Iterator[str]:
    """Yield the texts of an embed from top to bottom."""
    if embed.get("author"):
        yield embed["author"]["name"]
    for name in ("title", "description"):
        if embed.get(name):
            yield plain(embed[name], named)
    for field in embed.get("fields") or []:
        yield plain(field["name"], named)
        yield plain(field["value"], named)
    if embed.get("footer"):
        yield embed["footer"]["text"]


def buttons_of(components: list[Json]) -> Iterator[Json]:
    """Yield the buttons, wherever they stand."""
    return (part for part in walk(components) if part["type"] == BUTTON)


def label_of(button: Json) -> str:
    """Return what stands on a button: its emoji and its label."""
    emoji = (button.get("emoji") or {}).get("name") or ""
    return f"{emoji} {button.get('label') or ''}".strip()


def _buttons(components: list[Json]) -> Iterator[Button]:
    for one in buttons_of(components):
        style = _STYLES.get(one["style"], "plain")
        yield Button(label=label_of(one), enabled=not one.get("disabled"), style=style)


def asked(form: Json) -> Iterator[tuple[str, Json]]:
    """Yield what a modal asks for: the label people read, and the component below it."""
    for part in form["components"]:
        if part["type"] == LABEL:
            yield part["label"], part["component"]
        else:
            yield from (
                (one["label"], one) for one in part.get("components") or [] if one["type"] == TEXT_INPUT
            )


def modal(handle: str, form: Json) -> Modal:
    """Return a form as it opens before a person."""
    return Modal(
        handle=handle,
        title=form["title"],
        fields=tuple(
            Field(
                label=label,
                required=bool(one.get("required", True)),
                longest=one.get("max_length") or (_LONGEST_INPUT if one["type"] == TEXT_INPUT else 100),
                value=one.get("value") or "",
            )
            for label, one in asked(form)
        ),
    )
