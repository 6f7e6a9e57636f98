"""Modals: asking for a reason, and for what a command lacks. Slack completes nothing in slash commands."""

from typing import Any, Final

from slack_sdk.models.blocks import (
    ExternalDataSelectElement,
    InputBlock,
    InputInteractiveElement,
    Option,
    PlainTextInputElement,
    PlainTextObject,
    SectionBlock,
    StaticSelectElement,
)
from slack_sdk.models.views import View

from bot.slack_app.places import Place, carried, read_carried
from bot.slack_app.render import safe
from engine.commands.catalogue import LANGUAGE
from engine.commands.language import Argument, Given, mended
from engine.errors import InputError

REASON: Final = "wk_reason"
FORM: Final = "wk_form"
CHOICE: Final = "wk_choice"
"""What the ids of menus begin with whose options we are asked for."""

_TITLE: Final = 24
_LABEL: Final = 150
_OPTION: Final = 75
_OPTIONS: Final = 100
_LONGEST: Final = 3_000
_VALUE: Final = 150


def form_of(view: dict[str, Any]) -> tuple[Given, Place]:
    """Read a form that was sent: what was filled in, and where to answer."""
    line, place = read_carried(view["private_metadata"])
    values = _values(view["state"]["values"])
    if view["callback_id"] == REASON:
        return LANGUAGE.asked(line, next(iter(values.values()), "")), place
    return Given(
        kind=LANGUAGE.by_words[line], values={name: each for name, each in values.items() if each}
    ), place


def reason_form(line: str, label: str, button: str, place: Place) -> dict[str, Any]:
    """Build the form that a button opens which asks for a reason."""
    kind, _ = LANGUAGE.find(line)
    last = kind.arguments()[-1]
    # Whoever presses such a button is asked because a reason is due, so none is no answer.
    element = PlainTextInputElement(
        action_id=last.name, multiline=True, min_length=1, max_length=_longest(last)
    )
    asked = InputBlock(block_id=last.name, label=_plain(_short(label, _LABEL)), element=element)
    return _view(REASON, _short(button, _TITLE), line, place, [SectionBlock(text=_plain(f"/{line}")), asked])


def missing_form(given: Given, place: Place) -> dict[str, Any]:
    """Build the form for a command that was begun and lacks something."""
    kind = given.kind
    said = [SectionBlock(text=_plain(kind.summary()))] if kind.summary() else []
    asked = [_input(each, str(given.values.get(each.name, ""))) for each in kind.arguments()]
    return _view(FORM, _short(kind.words, _TITLE), kind.words, place, [*said, *asked])


def faults(given: Given, view: dict[str, Any]) -> dict[str, str]:
    """Say what is wrong with what was filled in, under each field; empty when it can be read."""
    try:
        given.kind.build(given.values)
    except InputError as wrong:
        said = f"{wrong.message}; {wrong.cure}" if wrong.cure else wrong.message
        asked = list(view["state"]["values"])
        named = [name for name in asked if f"{name}:" in wrong.message]
        return dict.fromkeys(named or asked[-1:], safe(said)[:_LONGEST])
    return {}


def argument_of(words: str, action_id: str) -> Argument | None:
    """Return the argument that a menu is for."""
    kind = LANGUAGE.by_words.get(words)
    name = action_id.removeprefix(f"{CHOICE}:")
    return next((each for each in kind.arguments() if each.name == name), None) if kind is not None else None


def options(offered: list[str], typed: str) -> list[dict[str, Any]]:
    """Build the options of a menu: what is offered, and what was typed where it is something else."""
    typed = typed.strip()
    values = [each for each in offered if 0 < len(each) <= _VALUE]
    if typed and len(typed) <= _VALUE and typed not in values:
        values.append(typed)
    return [_option(each).to_dict() for each in values[:_OPTIONS]]


def _input(each: Argument, given: str) -> InputBlock:
    label = _short(each.name.replace("_", " ").capitalize(), _LABEL)
    return InputBlock(
        block_id=each.name,
        label=_plain(label),
        hint=_plain(_short(each.description, _LABEL)) if each.description else None,
        optional=not each.required,
        element=_element(each, given),
    )


def _element(each: Argument, given: str) -> InputInteractiveElement:
    if each.choices:
        shown = [_option(str(choice)) for choice in each.choices]
        default = given or str(each.default or "")
        return StaticSelectElement(
            action_id=each.name,
            options=shown,
            initial_option=_option(default) if default in each.choices else None,
        )
    if each.complete:
        return ExternalDataSelectElement(
            action_id=f"{CHOICE}:{each.name}",
            min_query_length=0,
            initial_option=_option(given) if 0 < len(given) <= _VALUE else None,
        )
    return PlainTextInputElement(
        action_id=each.name,
        multiline=each.rest,
        initial_value=given[: _longest(each)] or None,
        max_length=_longest(each),
    )


def _longest(each: Argument) -> int:
    limits = [getattr(mark, "max_length", None) for mark in each.info.metadata]
    return min([int(most) for most in limits if most is not None] + [_LONGEST])


def _option(value: str) -> Option:
    return Option(text=_plain(_short(value, _OPTION)), value=value)


def _view(callback_id: str, title: str, line: str, place: Place, blocks: list[Any]) -> dict[str, Any]:
    made = View(
        type="modal",
        callback_id=callback_id,
        private_metadata=carried(line, place),
        title=_plain(title),
        submit=_plain("Send"),
        close=_plain("Cancel"),
        blocks=blocks,
    )
    made.validate_json()
    return dict(made.to_dict())


def _values(state: dict[str, Any]) -> dict[str, str]:
    """Read the fields of a form: what was written, or chosen."""
    values = {}
    for name, elements in state.items():
        for element in elements.values():
            chosen = element.get("selected_option") or {}
            values[name] = mended(str(element.get("value") or chosen.get("value") or ""))
    return values


def _plain(text: str) -> PlainTextObject:
    return PlainTextObject(text=safe(text) or " ", emoji=False)


def _short(text: str, most: int) -> str:
    shown = " ".join(safe(text).split())
    return shown if len(shown) <= most else shown[: most - 1] + "…"
