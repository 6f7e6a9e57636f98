"""Drawings for a page that may fetch nothing: made without network or browser, then reduced to what is seen.

Only known elements and attributes are let through, so that nothing in a drawing can refer to the outside or
clash with another drawing on the page. Colours are names the page defines, which is how one drawing serves
both a light and a dark page.
"""

import re
from html import escape
from html.parser import HTMLParser
from typing import Any, Final

import vl_convert
from markupsafe import Markup

# Pinned, so that a newer library draws the same picture.
_VEGA_LITE: Final = "6.4"
# HTML parsing lower-cases names; drawings spell this one with a capital.
_ELEMENTS: Final = {name.lower(): name for name in "svg g path line rect text defs clipPath".split()}
_ATTRIBUTES: Final = frozenset(
    "clip-path d dx dy fill fill-opacity font-size font-weight height id opacity stroke stroke-dasharray "
    "stroke-opacity stroke-width text-anchor transform width x x2 y y2".split()
)
_SIZES: Final = re.compile(r"-?\d+\.\d{3,}")


def draw(spec: dict[str, Any], *, name: str, text: str) -> Markup:
    """Render a Vega-Lite spec. `text` says in words what it shows; `name` keeps its ids its own."""
    drawn = vl_convert.vegalite_to_svg(spec, vl_version=_VEGA_LITE, allowed_base_urls=[])
    reducer = _Reducer(name, text)
    reducer.feed(drawn)
    reducer.close()
    return Markup("".join(reducer.out))  # noqa: S704 - every text and value in it was escaped by the reducer


class _Reducer(HTMLParser):
    """Writes a drawing anew from the elements and attributes we know."""

    def __init__(self, name: str, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.out: list[str] = []
        self._name, self._text = name, text
        self._ids: dict[str, str] = {}
        self._skipping = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if self._skipping or tag not in _ELEMENTS:
            self._skipping += 1
            return
        self.out.append(f"<{_ELEMENTS[tag]}{self._written(tag, attrs)}>")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        shape = given.get("d")
        invisible = (
            given.get("display") == "none"
            or shape in {"", "M0,0h0v0h0Z"}
            or "background" in (given.get("class") or "")
        )
        if self._skipping or tag not in _ELEMENTS or invisible:
            return
        self.out.append(f"<{_ELEMENTS[tag]}{self._written(tag, attrs)}/>")

    def handle_endtag(self, tag: str) -> None:
        if self._skipping:
            self._skipping -= 1
            return
        self.out.append(f"</{_ELEMENTS[tag]}>")

    def handle_data(self, data: str) -> None:
        if not self._skipping:
            self.out.append(escape(data))

    def _written(self, tag: str, attrs: list[tuple[str, str | None]]) -> str:
        if tag == "svg":
            given = dict(attrs)
            box = f"0 0 {float(given['width'] or 0):g} {float(given['height'] or 0):g}"
            return f' viewBox="{box}" role="img" aria-label="{escape(self._text)}"'
        return "".join(
            [
                f' {name}="{escape(self._value(name, value))}"'
                for name, value in attrs
                if value and name in _ATTRIBUTES
            ]
        )

    def _value(self, name: str, value: str) -> str:
        if name == "id":
            return self._own(value)
        if name == "clip-path":
            reference = re.fullmatch(r"url\(#([\w-]+)\)", value)
            return f"url(#{self._own(reference[1])})" if reference else "none"
        if "url(" in value:
            return "none"
        # A hundredth of a pixel is finer than any screen, and half the size.
        return _SIZES.sub(lambda size: f"{float(size[0]):.2f}".rstrip("0").rstrip("."), value)

    def _own(self, name: str) -> str:
        return self._ids.setdefault(name, f"{self._name}-{len(self._ids) + 1}")
