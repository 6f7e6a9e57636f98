"""HTTP requests from templates: arguments fill path, query and body, and nothing else.

The host is the template's, or must be on the action's list; whatever an argument holds, it stays inside the
place it was meant for.
"""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final
from urllib.parse import quote, urlsplit

from msgspec import Struct

from engine.adapters.addresses import address_of, leads_back
from engine.errors import EffectRefused

_PLACE: Final = re.compile(r"\{([A-Za-z_][A-Za-z0-9_.-]*)\}")
_SCHEMES: Final = {"http": 80, "https": 443}
METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"})
SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
"""Those that leave the world as it was: sent in a preview, followed when redirected, never unknown."""


class Secret(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A header's value that is not written here: `before` it stands what is no secret, such as `Bearer `."""

    secret: str
    before: str = ""


class Body(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A body: one of these, with `{name}` wherever an argument or a kept field goes."""

    json: Any = None
    """A text that is nothing but `{name}` becomes the value itself, of whatever type."""
    form: dict[str, str] | None = None
    text: str | None = None


class Template(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a request is made of arguments."""

    url: str
    method: str = "GET"
    headers: dict[str, str | Secret] = {}
    body: Body | None = None

    @property
    def names(self) -> set[str]:
        """Every `{name}` in it."""
        texts = [self.url]
        if self.body is not None:
            texts.append(json.dumps([self.body.json, self.body.form, self.body.text]))
        return {name for text in texts for name in _PLACE.findall(text)}


class Request(Struct, frozen=True, kw_only=True):
    """A request with no choices left in it."""

    method: str
    url: str
    headers: dict[str, str]
    """With the secrets in them."""
    body: bytes
    secrets: tuple[str, ...] = ()
    """The values that nobody may see."""

    @property
    def text(self) -> str:
        """The request as people read it. Not yet redacted."""
        lines = [f"{self.method} {self.url}", *(f"{name}: {value}" for name, value in self.headers.items())]
        return "\n".join(lines) + "\n" + (f"\n{self.body.decode(errors='replace')}\n" if self.body else "")


class Origin(Struct, frozen=True, kw_only=True):
    """Where a request goes."""

    scheme: str
    host: str
    """In lower case, without a final dot."""
    port: int


def origin_of(url: str) -> Origin:
    """Give where a URL leads. Raises `EffectRefused` when it is not a plain `http` or `https` one."""
    if any(ord(sign) <= 32 or ord(sign) >= 127 for sign in url) or "\\" in url:
        raise EffectRefused("has signs in it that no URL has", place=ascii(url[:100]), cure="encode them")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise EffectRefused("is not a URL", place=url[:100]) from error
    if parts.scheme not in _SCHEMES or not parts.hostname:
        raise EffectRefused("is not an http or https URL", place=url[:100])
    if parts.username is not None or parts.password is not None:
        raise EffectRefused("has a name or password in it", place=parts.hostname, cure="use a secret header")
    host = parts.hostname.lower().rstrip(".")
    return Origin(scheme=parts.scheme, host=host, port=port or _SCHEMES[parts.scheme])


def entry_for(origin: Origin, network: Iterable[str]) -> str | None:
    """Return the entry of the list that lets requests go there, an exact one first; `None` when none does.

    `*.example.org:443` lets every name below it, `*:443` every name; only the exact one lets names lead to
    machines that are not on the public internet (see `address_allowed`).
    """
    exact = f"{origin.host}:{origin.port}"
    loose = None
    for entry in network:
        name, _, port = entry.lower().rpartition(":")
        if f"{name.rstrip('.')}:{port}" == exact:
            return entry
        below = name == "*" or (name.startswith("*.") and origin.host.endswith(name[1:]))
        if below and port == str(origin.port):
            loose = entry
    return loose


def address_allowed(address: str, origin: Origin, entry: str) -> bool:
    """Whether an address that a name led to may be connected to.

    A list's pattern lets public addresses only. An exact name may lead to a private one, since somebody wrote
    it down; but back to this machine, or to where clouds keep credentials, only by that very address.
    """
    if leads_back(origin.host, address):
        return False
    return address_of(address).is_global or not entry.startswith("*")


def filled(template: Template, values: Mapping[str, Any], secrets: Mapping[str, str]) -> Request:
    """Fill a template. `secrets` are the values of its secret headers, by their names.

    Raises `EffectRefused` for a value that would change what the URL means.
    """
    headers, hidden = {}, []
    for name, value in template.headers.items():
        if isinstance(value, Secret):
            hidden.append(secrets[value.secret])
            headers[name] = value.before + secrets[value.secret]
        else:
            headers[name] = value
    body, kind = _body(template.body, values)
    if kind and "content-type" not in {name.lower() for name in headers}:
        headers["Content-Type"] = kind
    return Request(
        method=template.method,
        url=_url(template.url, values),
        headers=headers,
        body=body,
        secrets=tuple(hidden),
    )


def _url(template: str, values: Mapping[str, Any]) -> str:
    whole = _PLACE.fullmatch(template)
    if whole:
        return _word(values.get(whole[1]), whole[1])
    base, mark, query = template.partition("?")
    host_end = base.find("/", base.find("://") + 3)
    host, path = (base, "") if host_end < 0 else (base[:host_end], base[host_end:])
    segments = [_segment(segment, values) for segment in path.split("/")]
    items = [item for part in query.split("&") if (item := _query_item(part, values)) is not None]
    return host + "/".join(segments) + (mark + "&".join(items) if items else "")


def _segment(template: str, values: Mapping[str, Any]) -> str:
    if not _PLACE.search(template):
        return template
    segment = _PLACE.sub(lambda place: quote(_word(values.get(place[1]), place[1]), safe=""), template)
    # Servers and clients resolve these, and the request would go to another resource.
    if segment in {"", ".", ".."}:
        raise EffectRefused(f"{segment!r} cannot be a part of the path", cure="give a name or number")
    return segment


def _query_item(template: str, values: Mapping[str, Any]) -> str | None:
    """Fill one `key={name}`. It is left out when the argument is not there."""
    if any(values.get(name) is None for name in _PLACE.findall(template)):
        return None
    return _PLACE.sub(lambda place: quote(_word(values[place[1]], place[1]), safe=""), template)


def _word(value: Any, name: str) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str | int | float):
        raise EffectRefused(f"{name!r} must be a text or a number to be a part of a URL")
    try:
        str(value).encode()
    except UnicodeEncodeError as error:
        raise EffectRefused(f"{name!r} is not text in UTF-8") from error
    return str(value)


def _body(body: Body | None, values: Mapping[str, Any]) -> tuple[bytes, str]:
    if body is None:
        return b"", ""
    if body.form is not None:
        items = {key: _query_item(value, values) for key, value in body.form.items()}
        pairs = [f"{quote(key, safe='')}={value}" for key, value in items.items() if value is not None]
        return "&".join(pairs).encode(), "application/x-www-form-urlencoded"
    if body.text is not None:
        text = _PLACE.sub(lambda place: _word(values.get(place[1]), place[1]), body.text)
        return text.encode(), "text/plain; charset=utf-8"
    try:
        return json.dumps(_json(body.json, values), ensure_ascii=False).encode(), "application/json"
    except (TypeError, UnicodeEncodeError) as error:
        raise EffectRefused(f"the arguments do not make a JSON body: {error}") from error


_MISSING: Final = object()


def _json(template: Any, values: Mapping[str, Any]) -> Any:
    if isinstance(template, dict):
        items = {key: _json(value, values) for key, value in template.items()}
        return {key: value for key, value in items.items() if value is not _MISSING}
    if isinstance(template, list):
        return [item for one in template if (item := _json(one, values)) is not _MISSING]
    if not isinstance(template, str):
        return template
    whole = _PLACE.fullmatch(template)
    if whole:
        return values.get(whole[1], _MISSING)
    return _PLACE.sub(lambda place: _word(values.get(place[1]), place[1]), template)


def at_pointer(document: Any, pointer: str) -> Any:
    """Return what a JSON pointer (RFC 6901) leads to. Raises `LookupError` when it leads nowhere.

    >>> at_pointer({"items": [{"a/b": 7}]}, "/items/0/a~1b")
    7
    """
    found = document
    for part in pointer.split("/")[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        if isinstance(found, list) and key.isdigit():
            found = found[int(key)]
        elif isinstance(found, dict):
            found = found[key]
        else:
            raise LookupError(pointer)
    return found
