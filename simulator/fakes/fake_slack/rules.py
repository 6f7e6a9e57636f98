"""What Slack refuses in messages and views: checks of slack_sdk's own models, and documented limits.

Block Kit has no published schema. `slack_sdk` knows lengths and counts; the rest is from the reference pages.
"""

import json
from collections.abc import Callable, Iterator
from typing import Any, Final

from msgspec import Struct
from slack_sdk.errors import SlackObjectFormationError
from slack_sdk.models.blocks import Block, BlockElement

from simulator.fakes.fake_slack.workspace import Json

_MESSAGE_BLOCKS: Final = 50
_VIEW_BLOCKS: Final = 100
_TEXT: Final = 40_000
_ATTACHMENTS: Final = 100
_FIELD: Final = 2000
_METADATA_BYTES: Final = 8 * 1024
_INPUT: Final = 3000
_OPTIONS: Final = 100
_OPTION_TEXT: Final = 75
_OPTION_VALUE: Final = 150
_ID: Final = 255

_IN_ACTIONS: Final = frozenset(
    "button checkboxes datepicker datetimepicker overflow radio_buttons timepicker workflow_button"
    " static_select external_select users_select conversations_select channels_select"
    " multi_static_select multi_external_select multi_users_select multi_conversations_select"
    " multi_channels_select rich_text_input".split()
)


class Fault(Struct, frozen=True, kw_only=True):
    """One rule broken."""

    error: str
    """Slack's word for it, as in the answer's `error`; empty where Slack only warns."""
    detail: str
    """Where and what, for those who read `problems()`."""


def refusal(faults: list[Fault]) -> str | None:
    """Return the error Slack answers with; `None` when it takes the request."""
    return next((fault.error for fault in faults if fault.error), None)


# ---------------------------------------------------------------- messages


def message_faults(body: Json, *, old: Json | None = None) -> list[Fault]:
    """Check what would be posted; `old` is the message an update falls back on."""
    text, blocks, attachments = (body.get(key) for key in ("text", "blocks", "attachments"))
    faults: list[Fault] = []
    if not isinstance(blocks or [], list) or not all(isinstance(block, dict) for block in blocks or []):
        return [Fault(error="invalid_blocks_format", detail="blocks is not a list of objects")]
    if not text and not blocks and not attachments and not (old and (old.get("blocks") or old.get("text"))):
        faults.append(Fault(error="no_text", detail="neither text nor blocks nor attachments"))
    if text is not None and not isinstance(text, str):
        faults.append(Fault(error="invalid_arguments", detail="text is not a string"))
    elif text and len(text) > _TEXT:
        faults.append(Fault(error="msg_too_long", detail=f"text has {len(text)} of {_TEXT} characters"))
    if blocks and not text:
        faults.append(
            Fault(
                error="", detail="blocks without text: notifications and screen readers have nothing to say"
            )
        )
    faults += _blocks_faults(blocks or [], most=_MESSAGE_BLOCKS, where="/blocks")
    attachments = attachments or []
    if len(attachments) > _ATTACHMENTS:
        faults.append(
            Fault(error="too_many_attachments", detail=f"{len(attachments)} attachments of {_ATTACHMENTS}")
        )
    for number, attachment in enumerate(attachments):
        where = f"/attachments/{number}/blocks"
        faults += _blocks_faults(attachment.get("blocks") or [], most=_MESSAGE_BLOCKS, where=where)
    if body.get("metadata") is not None:
        faults += _metadata_faults(body["metadata"])
    return faults


def _metadata_faults(metadata: Any) -> list[Fault]:
    if not isinstance(metadata, dict):
        return [Fault(error="invalid_metadata_format", detail="metadata is not an object")]
    if not isinstance(metadata.get("event_type"), str) or not isinstance(metadata.get("event_payload"), dict):
        return [Fault(error="invalid_metadata_schema", detail="metadata needs event_type and event_payload")]
    size = len(json.dumps(metadata).encode())
    if size > _METADATA_BYTES:
        return [Fault(error="metadata_too_large", detail=f"metadata has {size} of {_METADATA_BYTES} bytes")]
    return []


# ---------------------------------------------------------------- views


def view_faults(view: Any) -> list[Fault]:
    """Check a modal or a home tab."""
    if not isinstance(view, dict):
        return [_args("/view", "is not an object")]
    faults: list[Fault] = []
    kind, blocks = view.get("type"), view.get("blocks")
    if kind not in {"modal", "home"}:
        faults.append(_args("/view/type", f"is {kind!r}, not modal or home"))
    if not isinstance(blocks, list) or not blocks:
        return [*faults, _args("/view/blocks", "needs at least one block")]
    if kind == "modal":
        faults += [_args(f"/view{where}", why) for where, why in _modal_words(view, blocks)]
    for key, most in (("private_metadata", _INPUT), ("callback_id", _ID), ("external_id", _ID)):
        size = len(view.get(key) or "")
        if size > most:
            faults.append(_args(f"/view/{key}", f"has {size} of {most} characters"))
    faults += _blocks_faults(blocks, most=_VIEW_BLOCKS, where="/view/blocks")
    ids = [b.get("element", {}).get("action_id") for b in blocks if b.get("type") == "input"]
    faults += [_args("/view/blocks", "an input without action_id") for one in ids if not one]
    # Slack answers a wrong view with invalid_arguments, whatever is wrong in it.
    return [Fault(error="invalid_arguments" if f.error else "", detail=f.detail) for f in faults]


def _modal_words(view: Json, blocks: list[Json]) -> Iterator[tuple[str, str]]:
    for key in ("title", "submit", "close"):
        part = view.get(key)
        if part is None:
            if key == "title":
                yield "/title", "is missing"
            continue
        if not isinstance(part, dict) or part.get("type") != "plain_text":
            yield f"/{key}", "must be plain_text"
        elif not 1 <= len(part.get("text", "")) <= 24:
            yield f"/{key}", f"has {len(part.get('text', ''))} characters, not 1 to 24"
    if view.get("submit") is None and any(block.get("type") == "input" for block in blocks):
        yield "/submit", "is missing, and there are inputs"


def _args(where: str, why: str) -> Fault:
    return Fault(error="invalid_arguments", detail=f"{where} {why}")


def options_faults(answer: Any) -> list[Fault]:
    """Check what a bot offers for an external select."""
    if not isinstance(answer, dict) or not ({"options", "option_groups"} & answer.keys()):
        return [Fault(error="invalid_options", detail="an answer to block_suggestion without options")]
    groups = [group.get("options", []) for group in answer.get("option_groups") or []]
    faults = []
    for options in [answer.get("options") or [], *groups]:
        if len(options) > _OPTIONS:
            faults.append(f"{len(options)} options of {_OPTIONS}")
        for option in options:
            text, value = option.get("text", {}).get("text", ""), option.get("value", "")
            if not 1 <= len(text) <= _OPTION_TEXT:
                faults.append(f"an option's text has {len(text)} characters, not 1 to {_OPTION_TEXT}")
            if not 1 <= len(value) <= _OPTION_VALUE:
                faults.append(f"an option's value has {len(value)} characters, not 1 to {_OPTION_VALUE}")
    return [Fault(error="invalid_options", detail=detail) for detail in faults]


# ---------------------------------------------------------------- blocks


def _blocks_faults(blocks: list[Json], *, most: int, where: str) -> list[Fault]:
    details = [f"{where} has {len(blocks)} blocks of {most}"] if len(blocks) > most else []
    seen: set[str] = set()
    for number, block in enumerate(blocks):
        pointer = f"{where}/{number}"
        details += [f"{pointer} {why}" for why in _block_faults(block)]
        if (block_id := block.get("block_id")) is not None:
            if block_id in seen:
                details.append(f"{pointer}/block_id {block_id!r} is there twice")
            seen.add(block_id)
    return [Fault(error="invalid_blocks", detail=detail) for detail in details]


def _block_faults(block: Json) -> Iterator[str]:
    try:
        parsed = Block.parse(block)
        if parsed is None:
            yield f"is of a type that does not exist: {block.get('type')!r}"
            return
        parsed.to_dict()  # checks the elements inside too, which validate_json alone does not
    except (SlackObjectFormationError, TypeError, KeyError, AttributeError, ValueError) as wrong:
        yield f"({block.get('type')}): {wrong}"
        return
    yield from (
        f"has a property that does not exist: {key!r}" for key in sorted(set(block) - parsed.attributes)
    )
    yield from _EXTRA.get(block["type"], _nothing)(block)
    yield from _texts_faults(block)


def _nothing(_: Json) -> Iterator[str]:
    return iter(())


def _section(block: Json) -> Iterator[str]:
    if block.get("fields") is not None and not block["fields"]:
        yield "has no fields in fields"
    for field in block.get("fields") or []:
        if len(field.get("text", "")) > _FIELD:
            yield f"has a field of {len(field['text'])} characters; {_FIELD} are the most"
    if accessory := block.get("accessory"):
        yield from _element_faults(accessory)


def _header(block: Json) -> Iterator[str]:
    if block["text"].get("type") != "plain_text":
        yield "(header) needs plain_text"


def _actions(block: Json) -> Iterator[str]:
    elements = block["elements"]
    if not elements:
        yield "(actions) has no elements"
    for element in elements:
        if element.get("type") not in _IN_ACTIONS:
            yield f"(actions) cannot hold {element.get('type')!r}"
        else:
            yield from _element_faults(element)
    ids = [element["action_id"] for element in elements if element.get("action_id")]
    yield from (f"has action_id {one!r} twice" for one in sorted({one for one in ids if ids.count(one) > 1}))


def _context(block: Json) -> Iterator[str]:
    if not block["elements"]:
        yield "(context) has no elements"
    for element in block["elements"]:
        if element.get("type") not in {"image", "mrkdwn", "plain_text"}:
            yield f"(context) cannot hold {element.get('type')!r}"


def _input(block: Json) -> Iterator[str]:
    element = block["element"]
    if not isinstance(element, dict):
        yield "(input) needs an element"
        return
    if block["label"].get("type") != "plain_text":
        yield "(input) needs a plain_text label"
    yield from _element_faults(element)
    if element.get("type") == "plain_text_input":
        least, most = element.get("min_length", 0), element.get("max_length", _INPUT)
        if not 0 <= least <= _INPUT or not 1 <= most <= _INPUT or least > most:
            yield f"has a length of {least} to {most}; 0 to {_INPUT} is what there is"
        if len(element.get("initial_value") or "") > most:
            yield "has an initial_value longer than max_length"


_EXTRA: Final[dict[str, Callable[[Json], Iterator[str]]]] = {
    "section": _section, "header": _header, "actions": _actions, "context": _context, "input": _input,
}  # fmt: skip


def _element_faults(element: Json) -> Iterator[str]:
    parsed = BlockElement.parse(element)
    if parsed is None:
        yield f"has an element that does not exist: {element.get('type')!r}"
        return
    unknown = sorted(set(element) - set(parsed.attributes) - {"type"})
    yield from (f"has an element with a property that does not exist: {key!r}" for key in unknown)
    if element["type"] == "button" and (element.get("text") or {}).get("type") != "plain_text":
        yield "has a button whose text is not plain_text"
    if (confirm := element.get("confirm")) is not None:
        missing = [key for key in ("title", "text", "confirm", "deny") if not confirm.get(key)]
        yield from (f"has a confirm without {key}" for key in missing)
        yield from (
            f"has a confirm whose {key} is not plain_text"
            for key in ("title", "confirm", "deny")
            if isinstance(confirm.get(key), dict) and confirm[key].get("type") != "plain_text"
        )


def _texts_faults(part: Any) -> Iterator[str]:
    """Find texts that are empty, anywhere in a block."""
    if isinstance(part, list):
        for item in part:
            yield from _texts_faults(item)
    elif isinstance(part, dict):
        if part.get("type") in {"mrkdwn", "plain_text"} and not part.get("text"):
            yield "has a text without characters"
        for value in part.values():
            yield from _texts_faults(value)
