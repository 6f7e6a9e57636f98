"""Rendering: templates that escape everything, and make harmless whatever agents and people wrote."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import jinja2
from markupsafe import Markup, escape
from msgspec import Struct

from engine.commands.cards import left_text
from engine.core.plain_text import count_text, plain, shortened
from engine.core.vocabulary.units import SECOND_US, duration_text, percent_text, time_text

_FOLDER: Final = Path(__file__).parent
_LONGEST: Final = 20_000
"""No text on a page is longer, in letters: a page must stay one that a phone can show."""
_LONGEST_LINE: Final = 2_000
_TYPES: Final = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


class Static(Struct, frozen=True):
    """One file that pages load."""

    body: bytes
    media_type: str
    tag: str
    """Changes with the file, and is part of its address."""


class Templates:
    """The pages' templates and what they load."""

    def __init__(self, version: str) -> None:
        """Read all of them."""
        self.statics = {
            path.name: Static(body := path.read_bytes(), _TYPES[path.suffix], _tag(body))
            for path in sorted((_FOLDER / "static").iterdir())
            if path.suffix in _TYPES
        }
        self._environment = environment = jinja2.Environment(
            loader=jinja2.FileSystemLoader(_FOLDER / "templates"),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            finalize=harmless,
        )
        environment.globals |= {"static": self._static_path, "version": version}
        environment.filters |= {
            "count": count_text,
            "percent": percent_text,
            "usd": usd,
            "when": when,
            "left": left,
            "duration": duration_text,
            "short": shortened,
            "lines": lines,
            "whole": escape,
            "code": code,
        }

    def render(self, name: str, values: Mapping[str, Any]) -> Markup:
        """Fill a template. Everything it shows is escaped."""
        return Markup(self._environment.get_template(name).render(values))  # noqa: S704 - autoescaped

    def _static_path(self, name: str) -> str:
        return f"/console/static/{self.statics[name].tag}/{name}"


def harmless(shown: Any) -> Any:
    """Make harmless whatever a template shows: no letter hides, turns or moves what stands around it.

    >>> harmless("ok\\u202etxt.exe"), harmless(7)
    ('ok txt.exe', 7)
    """
    if not isinstance(shown, str) or isinstance(shown, Markup):
        return shown
    if shown.isascii() and shown.isprintable() and len(shown) <= _LONGEST:
        return shown
    return shortened(shown, _LONGEST) if len(shown) > _LONGEST else plain(shown)


def lines(text: str, most: int = 400) -> list[str]:
    """Break a text of several lines up, so that a template can show them as such.

    >>> lines("a\\nb")
    ['a', 'b']
    """
    found = text[: _LONGEST * 4].splitlines()
    return found if len(found) <= most else [*found[:most], f"… and {len(found) - most:,} more lines"]


def code(line: str) -> Markup:
    """Write one line of a file with its spaces where they are, and nothing in it that hides or turns text.

    >>> code("  - id: \u202e<a>  ")
    Markup('  - id:  &lt;a&gt;  ')
    """
    return escape("".join(letter if letter.isprintable() else " " for letter in line[:_LONGEST_LINE]))


def usd(amount: Any) -> str:
    """Write an amount of money.

    >>> usd(1234.5)
    '$1,234.50'
    """
    return f"${float(amount):,.2f}"


def when(at_us: int, style: str = "moment") -> Markup:
    """Write a moment. The script shows it in the viewer's own time zone, with UTC when it is pointed at.

    `style` is `moment`, `clock` (today's time alone) or `ago`.
    """
    text = time_text(at_us // SECOND_US * SECOND_US)
    return Markup('<time datetime="{}" data-style="{}">{}</time>').format(text, style, text)


def left(until_us: int, now_us: int) -> Markup:
    """Write how long it is until a moment. The script counts it down."""
    text = left_text((until_us - now_us) / SECOND_US) if until_us > now_us else "now"
    moment = time_text(until_us // SECOND_US * SECOND_US)
    return Markup('<time datetime="{}" data-style="left">{}</time>').format(moment, text)


def _tag(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()[:12]
