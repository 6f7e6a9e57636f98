"""The page behind a link that answers: HTML for a phone at night, no scripts, nothing from elsewhere."""

import base64
import hashlib
from collections.abc import Iterable
from html import escape
from typing import Final

from msgspec import Struct
from starlette.responses import Response

from engine.core.plain_text import shortened

_LONGEST: Final = 600
_STYLE: Final = """
:root{color-scheme:light dark;--back:#fff;--text:#1a1c1e;--quiet:#565c63;--line:#d5d9de;--good:#0b6b34;
--bad:#a3151b;--soft:#f0f2f4}
@media (prefers-color-scheme:dark){:root{--back:#101214;--text:#eceff1;--quiet:#a3abb3;--line:#3a4047;
--good:#177a40;--bad:#ff8a84;--soft:#1c2024}}
*{box-sizing:border-box}
body{margin:0;background:var(--back);color:var(--text);font:1.06rem/1.5 system-ui,sans-serif;
overflow-wrap:anywhere}
main{max-width:34rem;margin:0 auto;padding:1.25rem 1rem 2rem}
.kind{color:var(--quiet);margin:0;font-size:.95rem}
.critical{color:var(--bad);font-weight:700}
h1{font-size:1.5rem;line-height:1.25;margin:.4rem 0 1rem}
.said{border-left:.3rem solid var(--good);background:var(--soft);padding:.6rem .8rem;margin:0 0 1rem}
.wrong{border-color:var(--bad)}
.until{font-weight:600}
p{margin:.5rem 0}
form{display:grid;gap:.7rem;margin:1.4rem 0}
button{font:inherit;font-weight:600;min-height:3.2rem;padding:.6rem 1rem;border-radius:.6rem;
border:1px solid var(--line);background:var(--soft);color:var(--text);cursor:pointer}
button.first{background:var(--good);border-color:var(--good);color:#fff}
button:focus-visible{outline:.2rem solid var(--text);outline-offset:.15rem}
small{color:var(--quiet);display:block;border-top:1px solid var(--line);padding-top:.8rem}
""".strip()
_HASH: Final = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_HEADERS: Final = {
    "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{_HASH}'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'",
    "X-Robots-Tag": "noindex, nofollow, noarchive",
}


class Button(Struct, frozen=True, kw_only=True):
    """One answer."""

    word: str
    label: str


class Page(Struct, frozen=True, kw_only=True):
    """What is shown. Every text in it may be hostile."""

    title: str
    """What is asked, in one line."""
    kind: str = ""
    """How bad it is and what it is called, above the title."""
    is_critical: bool = False
    said: str = ""
    """What came of the answer that was just given."""
    is_wrong: bool = False
    """Whether that is bad news."""
    deadline: str = ""
    lines: tuple[str, ...] = ()
    buttons: tuple[Button, ...] = ()
    """The first one stands out."""
    small: str = ""
    """Who answers here, at the foot."""


def html_answer(page: Page, status: int = 200, *, retry_s: int | None = None) -> Response:
    """Write a page as an answer; `retry_s` says when to come back."""
    headers = _HEADERS if retry_s is None else _HEADERS | {"Retry-After": str(retry_s)}
    return Response(html(page), status, headers, media_type="text/html")


def html(page: Page) -> str:
    """Write a page.

    >>> "<script>" in html(Page(title="<script>"))
    False
    """
    return "\n".join(
        [
            "<!doctype html>",
            '<html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            '<meta name="robots" content="noindex, nofollow">',
            '<meta name="format-detection" content="telephone=no, date=no, address=no, email=no">',
            f"<title>{_text(page.title)}</title>",
            f"<style>{_STYLE}</style></head><body><main>",
            *_body(page),
            "</main></body></html>",
        ]
    )


def _body(page: Page) -> Iterable[str]:
    if page.kind:
        yield f'<p class="kind{" critical" if page.is_critical else ""}">{_text(page.kind)}</p>'
    yield f"<h1>{_text(page.title)}</h1>"
    if page.said:
        wrong = " wrong" if page.is_wrong else ""
        yield f'<p class="said{wrong}" role="status">{_text(page.said)}</p>'
    if page.deadline:
        yield f'<p class="until">{_text(page.deadline)}</p>'
    yield from (f"<p>{_text(line)}</p>" for line in page.lines)
    if page.buttons:
        # Only a press of a button answers: whoever looks at links before people do sends no form.
        yield '<form method="post">'
        for nth, button in enumerate(page.buttons):
            first = ' class="first"' if nth == 0 else ""
            yield f'<button{first} name="word" value="{_text(button.word)}">{_text(button.label)}</button>'
        yield "</form>"
    if page.small:
        yield f"<small>{_text(page.small)}</small>"


def _text(words: str) -> str:
    return escape(shortened(words, _LONGEST))
