"""Walk through a website by its own links, and fill in its own forms, as somebody with a mouse could."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from urllib.parse import urljoin, urlsplit

import httpx

Field = tuple[str, str, str]
"""The name of a field, its type, and what stands in it."""
TYPED = {"text", "search", "textarea"}


class Form:
    """A form of a page: where it goes, how, and its fields."""

    def __init__(self, action: str, method: str) -> None:
        self.action, self.method, self.fields = action, method, list[Field]()

    @property
    def kind(self) -> tuple[str, ...]:
        """What makes it another form than others: of `approve d_1` and `approve d_2` one is enough."""
        fixed = (value for name, type_, value in self.fields if (name, type_) == ("line", "hidden"))
        told = [line.split(" ")[0] for line in fixed]
        return (self.action, self.method, *told, *(name for name, _, _ in self.fields))

    def filled(self, typed: Callable[[], str]) -> dict[str, str]:
        """What is sent when somebody types into every field that takes text."""
        return {name: typed() if type_ in TYPED else value for name, type_, value in self.fields}


class Parsed(HTMLParser):
    """The links and forms of one page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links, self.forms = list[str](), list[Form]()
        self._select: list[str] | None = None
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        elif tag == "form":
            self.forms.append(Form(given.get("action", ""), given.get("method", "get")))
        elif self.forms and tag in {"input", "textarea"} and "name" in given:
            type_ = "textarea" if tag == "textarea" else given.get("type", "text")
            self.forms[-1].fields.append((given["name"], type_, given.get("value", "")))
        elif self.forms and tag == "select":
            self.forms[-1].fields.append((given.get("name", ""), "select", ""))
            self._select = []
        elif tag == "option" and self._select == [] and given.get("value"):
            name, type_, _ = self.forms[-1].fields[-1]
            self.forms[-1].fields[-1] = (name, type_, given["value"])
            self._select.append(given["value"])

    def handle_endtag(self, tag: str) -> None:
        if tag == "select":
            self._select = None

    def handle_data(self, data: str) -> None:
        # An option without a value is its own text.
        if self._select == [] and data.strip() and self.forms:
            name, type_, _ = self.forms[-1].fields[-1]
            self.forms[-1].fields[-1] = (name, type_, data.strip())
            self._select.append(data)


def walk(client: httpx.Client, *, most: int = 400) -> Iterator[tuple[str, httpx.Response]]:
    """Every page that links lead to from the first; a page with other words behind `?` counts as another."""
    waiting, seen = ["/"], {"/"}
    while waiting:
        path = waiting.pop(0)
        answer = client.get(path, follow_redirects=True)
        yield path, answer
        if "text/html" not in answer.headers.get("content-type", ""):
            continue
        for link in Parsed(answer.text).links:
            target = urlsplit(urljoin(path, link))
            to = target.path + (f"?{target.query}" if target.query else "")
            if not target.netloc and target.path.startswith("/") and to not in seen and len(seen) < most:
                seen.add(to)
                waiting.append(to)
