"""Reading: what a body says, as plain JSON or as CloudEvents 1.0 in each of its three modes over HTTP."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any, Final

import msgspec
from cloudevents.core.bindings.http import HTTPMessage, from_binary, from_structured
from cloudevents.core.exceptions import BaseCloudEventException
from cloudevents.core.formats.json import JSONFormat
from msgspec import Struct

from engine.errors import InputError

_STRUCTURED: Final = "application/cloudevents+json"
_BATCH: Final = "application/cloudevents-batch+json"
_MOST_EVENTS: Final = 500
_MOST_ID: Final = 200
_SCALAR: Final = (str, int, float, bool)


class Event(Struct, frozen=True, kw_only=True):
    """One event."""

    event_id: str
    """By which it counts once."""
    type: str
    body: Any
    """What pointers lead into. Of a CloudEvent its data, with the attributes beside it under their names."""


def read(
    headers: Mapping[str, str], body: bytes, *, signed_id: str, id_at: str | None, id_header: str | None
) -> list[Event]:
    """Read what was sent. Raises `InputError` for what is no event; then none of it counts."""
    kind = headers.get("content-type", "").partition(";")[0].strip().casefold()
    if kind == _BATCH:
        batch = _json(body)
        if not isinstance(batch, list) or len(batch) > _MOST_EVENTS:
            raise InputError(f"a batch is a list of at most {_MOST_EVENTS} events", cure="send fewer at once")
        return [_cloud(each) for each in batch]
    if kind == _STRUCTURED:
        return [_cloud(_json(body))]
    if "ce-specversion" in headers:
        return [_binary(headers, body)]
    found = _json(body)
    own = headers.get(id_header.lower(), "") if id_header else ""
    if id_at is not None:
        own = str(scalar_at(found, id_at))
    own = own or signed_id or hashlib.sha256(body).hexdigest()
    if len(own) > _MOST_ID:
        # Cut, two events would be taken for one, and one of them lost.
        own = hashlib.sha256(own.encode()).hexdigest()
    return [Event(event_id=own, type=headers.get("x-github-event", "")[:_MOST_ID], body=found)]


def _json(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as wrong:
        raise InputError(f"the body is not JSON: {wrong}", cure="send JSON in UTF-8") from None


def _cloud(said: Any) -> Event:
    """Read a CloudEvent of the JSON format: the SDK checks its attributes."""
    if not isinstance(said, dict):
        raise InputError("a CloudEvent is an object", cure="see CloudEvents 1.0")
    message = HTTPMessage(headers={"content-type": _STRUCTURED}, body=msgspec.json.encode(said))
    return _event(lambda json: from_structured(message, json))


def _binary(headers: Mapping[str, str], body: bytes) -> Event:
    message = HTTPMessage(headers=dict(headers), body=body)
    return _event(lambda json: from_binary(message, json))


def _event(parse: Any) -> Event:
    try:
        found = parse(JSONFormat())
        attributes, data = found.get_attributes(), found.get_data()
    except (BaseCloudEventException, ValueError, TypeError, KeyError, RecursionError) as wrong:
        raise InputError(
            f"no CloudEvent 1.0: {wrong}", cure="it needs id, source, type and specversion 1.0"
        ) from None
    if attributes.get("specversion") != "1.0":
        raise InputError("not a CloudEvent of version 1.0", cure="set specversion to 1.0")
    plain = {key: value if isinstance(value, _SCALAR) else str(value) for key, value in attributes.items()}
    # `source` and `id` together are what an event is known by.
    own = hashlib.sha256(f"{plain['source']}\0{plain['id']}".encode()).hexdigest()
    whole = plain | {"data": data if not isinstance(data, bytes) else None}
    return Event(event_id=own, type=str(plain["type"])[:_MOST_ID], body=whole)


# ---------------------------------------------------------------- looking into it


def scalar_at(body: Any, pointer: str) -> str | int | float | bool:
    """Return the plain value at a pointer (RFC 6901). Raises `InputError` when there is none.

    >>> scalar_at({"a": [{"b/c": 7}]}, "/a/0/b~1c")
    7
    """
    found = body
    for step in pointer.split("/")[1:]:
        key = step.replace("~1", "/").replace("~0", "~")
        if isinstance(found, dict) and key in found:
            found = found[key]
        elif isinstance(found, list) and key.isascii() and key.isdigit() and int(key) < len(found):
            found = found[int(key)]
        else:
            raise InputError(
                "nothing stands there", place=pointer, cure="see what the source sends, and mend the rule"
            )
    if not isinstance(found, _SCALAR):
        raise InputError(
            "no plain value stands there", place=pointer, cure="point to a text, a number or a boolean"
        )
    return found


def fits(event: Event, type_: str, where: Mapping[str, Any]) -> bool:
    """Whether an event is what a rule is about. What is not there does not fit."""
    if not fnmatchcase(event.type, type_):
        return False
    for pointer, wanted in where.items():
        try:
            found = scalar_at(event.body, pointer)
        except InputError:
            return False
        values = wanted if isinstance(wanted, tuple | list) else (wanted,)
        if not any(type(each) is type(found) and each == found for each in values):
            return False
    return True
