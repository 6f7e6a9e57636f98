"""What a person can do with a message or a form: find it by its words, and say what choosing it means."""

import re
from collections.abc import Mapping

from simulator.fakes.fake_slack.screens import controls
from simulator.fakes.fake_slack.workspace import Json, Message, View, Workspace

_PICKERS = {
    "datepicker": "selected_date", "timepicker": "selected_time", "users_select": "selected_user",
    "channels_select": "selected_channel", "conversations_select": "selected_conversation",
}  # fmt: skip
_MANY = {"checkboxes", "multi_static_select", "multi_external_select"}
EXTERNAL = {"external_select", "multi_external_select"}


def find_control(message: Message, label: str) -> tuple[Json, Json]:
    """Find a button, or an option of a menu, by what is written on it; returns its action and its element.

    Raises `LookupError` when there is none.
    """
    seen: list[str] = []
    for block, element in controls(message):
        action = {"type": element["type"], "action_id": element["action_id"], "block_id": block["block_id"]}
        if element["type"] == "button":
            seen.append(element["text"]["text"])
            if element["text"]["text"] == label:
                more: Json = {key: element[key] for key in ("value", "style", "url") if key in element}
                return {**action, "text": element["text"], **more}, element
            continue
        for option in options_of(element):
            seen.append(option["text"]["text"])
            if option["text"]["text"] == label:
                return {**action, "selected_option": option}, element
    raise LookupError(f"no button {label!r} on message {message.ts}; there are: {', '.join(seen) or 'none'}")


def options_of(element: Json) -> list[Json]:
    """Return what a menu offers without asking the bot."""
    groups = [option for group in element.get("option_groups") or [] for option in group["options"]]
    return [*(element.get("options") or []), *groups]


def confirm_text(element: Json) -> str:
    """Return what a control's dialog says, title first; empty where it has none."""
    confirm = element.get("confirm")
    return f"{confirm['title']['text']}\n{confirm['text']['text']}" if confirm else ""


# ---------------------------------------------------------------- forms


def inputs(view: View) -> dict[str, Json]:
    """Return the blocks of a form that ask for something, by label."""
    return {b["label"]["text"]: b for b in view.content.get("blocks", []) if b.get("type") == "input"}


def refused_by_form(view: View, values: Mapping[str, str]) -> dict[str, str]:
    """Say what the form itself complains of, by block, before anything is sent."""
    errors = {}
    for label, block in inputs(view).items():
        element, value = block["element"], values.get(label, "")
        if not value:
            if not block.get("optional", False):
                errors[block["block_id"]] = "Please complete this required field."
        elif element["type"] == "plain_text_input":
            if len(value) < element.get("min_length", 0):
                errors[block["block_id"]] = f"Please enter at least {element['min_length']} characters."
            elif len(value) > element.get("max_length", 3000):
                errors[block["block_id"]] = (
                    f"Please enter at most {element.get('max_length', 3000)} characters."
                )
        elif element["type"] == "number_input" and not re.fullmatch(r"-?\d+(\.\d+)?", value):
            errors[block["block_id"]] = "Please enter a number."
    return errors


def state_of(workspace: Workspace, block: Json, value: str, offered: list[Json]) -> Json:
    """Return what one filled field becomes in a view's state; `offered` is what the bot offered for it.

    Raises `LookupError` when a menu has no such option.
    """
    element = block["element"]
    kind = element["type"]
    if kind in _PICKERS:
        chosen: str | None = value or None
        if kind == "users_select" and value:
            chosen = next((p.id for p in workspace.people.values() if value in {p.id, p.name}), value)
        elif kind in {"channels_select", "conversations_select"} and (found := workspace.find_channel(value)):
            chosen = found.id
        return {"type": kind, _PICKERS[kind]: chosen}
    if kind in _MANY:
        words = [word.strip() for word in value.split(",") if word.strip()]
        return {"type": kind, "selected_options": [_option(block, word, offered) for word in words]}
    if kind in {"static_select", "external_select", "radio_buttons"}:
        return {"type": kind, "selected_option": _option(block, value, offered) if value else None}
    return {"type": kind, "value": value or None}


def _option(block: Json, wanted: str, offered: list[Json]) -> Json:
    options = [*options_of(block["element"]), *offered]
    for option in options:
        if wanted in {option["text"]["text"], option.get("value")}:
            return {"text": option["text"], "value": option["value"]}
    names = ", ".join(option["text"]["text"] for option in options)
    raise LookupError(f"{block['label']['text']} has no option {wanted!r}; it has: {names or 'none'}")
