"""Every place of the HTTP API where text can be sent, as its own document has them."""

import copy
import re
from collections.abc import Iterator
from typing import Any

Steps = tuple[str | int, ...]
Found = Iterator[tuple[Steps, dict[str, Any]]]


def resolved(schema: dict[str, Any], document: dict[str, Any]) -> dict[str, Any]:
    """Follow a reference, and of several alternatives those that say something of text."""
    while "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        schema = document["components"]["schemas"][name]
    return schema


def texts_in(schema: dict[str, Any], document: dict[str, Any], steps: Steps = ()) -> Found:
    """Go through every text of a body: where, and its schema."""
    schema = resolved(schema, document)
    for choice in (*schema.get("anyOf", ()), *schema.get("oneOf", ()), *schema.get("allOf", ())):
        yield from texts_in(choice, document, steps)
    match schema.get("type"):
        case "string":
            if "enum" not in schema and "const" not in schema and schema.get("format") != "date-time":
                yield steps, schema
        case "object":
            for name, inner in schema.get("properties", {}).items():
                yield from texts_in(inner, document, (*steps, name))
            more = schema.get("additionalProperties", not schema.get("properties"))
            if more is True:
                yield (*steps, "{}"), {"type": "anything"}
            elif isinstance(more, dict):
                yield from texts_in(more, document, (*steps, "planted"))
        case "array":
            yield from texts_in(schema.get("items", {}), document, (*steps, 0))


def example_of(schema: dict[str, Any], document: dict[str, Any]) -> Any:
    """A body that is well formed: the document's own example."""
    found = resolved(schema, document)
    for choice in (found, *found.get("anyOf", ())):
        inner = resolved(choice, document)
        if inner.get("examples"):
            return copy.deepcopy(inner["examples"][0])
    return {}


def planted(body: Any, steps: Steps, value: Any) -> Any:
    """The same body with this value in that place."""
    if not steps:
        return value
    step, *more = steps
    if isinstance(step, int):
        body = list(body) if isinstance(body, list) and body else [{}]
        body[0] = planted(body[0], tuple(more), value)
        return body
    if step == "{}":
        return (body if isinstance(body, dict) else {}) | value
    body = dict(body) if isinstance(body, dict) else {}
    body[step] = planted(body.get(step), tuple(more), value)
    return body


def fits(schema: dict[str, Any], text: str) -> bool:
    """Whether a text may stand there, as far as its schema says."""
    pattern, most = schema.get("pattern"), schema.get("maxLength", len(text))
    return len(text) <= most and (pattern is None or re.search(pattern, text) is not None)
