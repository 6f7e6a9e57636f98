"""Messages as a picture for pages of documentation: HTML that needs nothing else, in the manner of Discord.

Colours and sizes are near the dark theme's; no image, font or style of theirs is used.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from hashlib import blake2b
from pathlib import Path
from typing import Final

from markupsafe import Markup, escape

from simulator.fakes.fake_discord.component_rules import (
    BUTTON,
    CONTAINER,
    LINK,
    ROW,
    SECTION,
    SELECTS,
    SEPARATOR,
    TEXT_DISPLAY,
)
from simulator.fakes.fake_discord.markup import Named, Span, lines
from simulator.fakes.fake_discord.refusals import Json
from simulator.fakes.fake_discord.screens import label_of, naming
from simulator.fakes.fake_discord.world import LOADING, Message, World

_CSS: Final = Path(__file__).with_name("pictures.css")
_STYLES: Final = {1: " primary", 3: " good", 4: " danger"}
_NO_COLOR: Final = 0x1E1F22


def page(world: World, messages: Sequence[Message], now: float) -> str:
    """Return messages as a whole page."""
    named = naming(world, now)
    shown = Markup("\n").join(_message(world, one, named) for one in messages)
    head = Markup(
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Discord</title><style>{}</style>'
    )
    return str(head.format(Markup(_CSS.read_text())) + shown + Markup("</html>\n"))  # noqa: S704 - the style is ours


def _div(name: str, inside: str) -> Markup:
    return Markup('<div class="{}">{}</div>').format(name, inside)


def _message(world: World, stored: Message, named: Named) -> Markup:
    name = world.name_of(stored.author)
    # A colour of one's own, the same on every machine.
    hue = blake2b(name.encode(), digest_size=2).digest()[0] * 360 // 256
    face = Markup('<div class="face" style="background:hsl({},45%,50%)">{}</div>').format(
        hue, name[:1].upper()
    )
    head = Markup('<span class="who">{}</span>').format(name)
    if stored.author == world.bot:
        head += Markup('<span class="app">APP</span>')
    head += Markup('<span class="at">{:%d/%m/%Y %H:%M}</span>').format(
        datetime.fromtimestamp(stored.created, UTC)
    )
    parts = [_div("head", head), *_contents(world, stored, named)]
    if stored.viewer is not None:
        parts.append(_div("note", f"Only {named('user', stored.viewer)} can see this"))
    return _div("message", face + _div("body", Markup("").join(parts)))


def _contents(world: World, stored: Message, named: Named) -> Iterator[Markup]:
    if stored.flags & LOADING:
        yield _div("note", f"{world.bot_name} is thinking…")
        return
    if stored.content:
        yield _text(stored.content, named)
        if stored.edits:
            yield Markup('<span class="edited">(edited)</span>')
    yield from (_embed(one, named) for one in stored.embeds)
    for one in stored.attachments:
        yield _div(
            "file", Markup("{}<br><span class=small>{:,} bytes</span>").format(one["filename"], one["size"])
        )
    yield from (_component(one, named) for one in stored.components)


def _text(text: str, named: Named) -> Markup:
    return Markup("").join(_line(line) for line in lines(text, named))


def _line(spans: list[Span]) -> Markup:
    whole = {"quote", "small", "heading1", "heading2", "heading3"}
    marks = spans[0].marks if spans else frozenset()
    inside = Markup("").join(_span(one, one.marks - whole) for one in spans)
    return _div(" ".join(["line", *sorted(marks & whole)]), inside)


def _span(span: Span, marks: frozenset[str]) -> Markup:
    shown = escape(span.text)
    if marks - {"link"}:
        shown = Markup('<span class="{}">{}</span>').format(" ".join(sorted(marks - {"link"})), shown)
    return Markup('<a href="{}">{}</a>').format(span.url, shown) if span.url else shown


def _embed(embed: Json, named: Named) -> Markup:
    parts = []
    if embed.get("author"):
        parts.append(_div("author", embed["author"]["name"]))
    if embed.get("title"):
        parts.append(_div("title", _text(embed["title"], named)))
    if embed.get("description"):
        parts.append(_text(embed["description"], named))
    if embed.get("fields"):
        fields = [
            _div(
                "field inline" if one["inline"] else "field",
                _div("name", _text(one["name"], named)) + _text(one["value"], named),
            )
            for one in embed["fields"]
        ]
        parts.append(_div("fields", Markup("").join(fields)))
    if embed.get("footer"):
        parts.append(_div("footer", embed["footer"]["text"]))
    return _bordered("embed", embed.get("color"), Markup("").join(parts))


def _bordered(name: str, color: int | None, inside: Markup) -> Markup:
    shown = f"#{_NO_COLOR if color is None else color:06x}"
    return Markup('<div class="{}" style="border-color:{}">{}</div>').format(name, shown, inside)


def _component(part: Json, named: Named) -> Markup:
    kind = part["type"]
    inner = Markup("").join(_component(one, named) for one in part.get("components") or [])
    if kind == BUTTON:
        style = _STYLES.get(part["style"], "") + (" dead" if part.get("disabled") else "")
        return _div(f"button{style}", label_of(part) + (" ↗" if part["style"] == LINK else ""))
    if kind == TEXT_DISPLAY:
        return _text(part["content"], named)
    if kind == SECTION:
        return _div("section", _div("texts", inner) + _component(part["accessory"], named))
    if kind == CONTAINER:
        return _bordered("container", part.get("accent_color"), inner)
    if kind in SELECTS:
        inner = Markup("{} ▾").format(part.get("placeholder") or "Make a selection")
    elif kind == SEPARATOR:
        inner = Markup("<hr>")
    return _div("row" if kind == ROW else "select" if kind in SELECTS else "part", inner)
