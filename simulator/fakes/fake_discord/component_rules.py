"""What Discord lets stand under a message and in a modal: its reference, "Component reference"."""

from collections.abc import Iterator
from typing import Any, Final

from simulator.fakes.fake_discord.refusals import Form, Json

ROW, BUTTON, STRING_SELECT, TEXT_INPUT = 1, 2, 3, 4
SELECTS: Final = (3, 5, 6, 7, 8)
SECTION, TEXT_DISPLAY, THUMBNAIL, GALLERY, FILE, SEPARATOR, CONTAINER, LABEL = 9, 10, 11, 12, 13, 14, 17, 18
LINK, PREMIUM = 5, 6
_TOP_V2: Final = (ROW, SECTION, TEXT_DISPLAY, GALLERY, FILE, SEPARATOR, CONTAINER)
_MOST_ROWS, _MOST_IN_ROW, _MOST_V2 = 5, 5, 40
_LONGEST_DISPLAYS: Final = 4000
_LONGEST_INPUT: Final = 4000
_MOST_OPTIONS: Final = 25
_IN_LABEL: Final = (*SELECTS, TEXT_INPUT, 19, 21, 22, 23)
# Where components stand within others, and in which kinds.
_NESTS: Final = {"components": (ROW, SECTION, CONTAINER), "accessory": (SECTION,), "component": (LABEL,)}

Path = list[str | int]


def walk(components: list[Json]) -> Iterator[Json]:
    """Yield every component, outer before inner, in the order in which they are shown."""
    for one in components:
        yield one
        inside = one.get("components")
        yield from walk(
            [part for part in inside if isinstance(part, dict)] if isinstance(inside, list) else []
        )
        for name in ("accessory", "component"):
            if isinstance(one.get(name), dict):
                yield from walk([one[name]])


def numbered(components: list[Json]) -> list[Json]:
    """Return components with the ids the platform gives to those that have none."""
    taken = {one["id"] for one in walk(components) if one.get("id")}
    fresh = (number for number in range(1, 10_000) if number not in taken)

    def number(one: Json) -> Json:
        # What a component of its kind does not have is left out, as the platform does.
        done = {name: part for name, part in one.items() if name not in _NESTS or one["type"] in _NESTS[name]}
        done["id"] = one.get("id") or next(fresh)
        if "components" in done:
            done["components"] = [number(part) for part in done["components"]]
        for name in ("accessory", "component"):
            if name in done:
                done[name] = number(done[name])
        return done

    return [number(one) for one in components]


def check_components(form: Form, components: object, *, is_v2: bool) -> None:
    """Check what stands under a message."""
    at: Path = ["components"]
    listed = form.items(components, at, _MOST_V2 if is_v2 else _MOST_ROWS)
    parts = [form.table(one, [*at, index]) for index, one in enumerate(listed)]
    for index, part in enumerate(parts):
        if form.one_of(part.get("type"), [*at, index, "type"], _TOP_V2 if is_v2 else (ROW,)):
            _check_part(form, part, [*at, index])
    everything = list(walk(parts))
    if is_v2 and len(everything) > _MOST_V2:
        form.fault(at, "COMPONENT_MAX_COUNT_EXCEEDED", f"Component count exceeds maximum of {_MOST_V2}")
    shown = sum(len(str(one.get("content", ""))) for one in everything if one.get("type") == TEXT_DISPLAY)
    if shown > _LONGEST_DISPLAYS:
        message = f"The total displayable text size exceeds maximum size of {_LONGEST_DISPLAYS}"
        form.fault(at, "COMPONENT_DISPLAYABLE_TEXT_SIZE_EXCEEDED", message)
    _check_unique(form, at, everything)


def _check_unique(form: Form, at: Path, everything: list[Json]) -> None:
    for one in everything:
        form.integer(one.get("id"), [*at, "id"], 0, (1 << 31) - 1)
    names = [one["custom_id"] for one in everything if isinstance(one.get("custom_id"), str)]
    if len(set(names)) < len(names):
        form.fault(at, "COMPONENT_CUSTOM_ID_DUPLICATED", "Component custom id cannot be duplicated")


def _check_part(form: Form, part: Json, at: Path) -> None:
    kind = part.get("type")
    if kind == ROW:
        _check_row(form, part, at)
    elif kind == SECTION:
        texts = form.items(part.get("components"), [*at, "components"], 3, fewest=1)
        _check_each(form, texts, [*at, "components"], (TEXT_DISPLAY,))
        accessory = part.get("accessory")
        if accessory is None:
            form.required([*at, "accessory"])
        else:
            _check_each(form, [accessory], [*at, "accessory"], (BUTTON, THUMBNAIL))
    elif kind == TEXT_DISPLAY:
        form.text(part.get("content"), [*at, "content"], _LONGEST_DISPLAYS, shortest=1, required=True)
    elif kind == GALLERY:
        form.items(part.get("items"), [*at, "items"], 10, fewest=1)
    elif kind == CONTAINER:
        form.integer(part.get("accent_color"), [*at, "accent_color"], 0, 0xFFFFFF)
        inside = form.items(part.get("components"), [*at, "components"], _MOST_V2, fewest=1)
        _check_each(form, inside, [*at, "components"], _TOP_V2[:-1])
    elif kind == BUTTON:
        _check_button(form, part, at)


def _check_each(form: Form, parts: list[Any], at: Path, kinds: tuple[int, ...]) -> None:
    for index, one in enumerate(parts):
        part = form.table(one, [*at, index])
        if form.one_of(part.get("type"), [*at, index, "type"], kinds):
            _check_part(form, part, [*at, index])


def _check_row(form: Form, row: Json, at: Path) -> None:
    at = [*at, "components"]
    inside = [
        form.table(one, [*at, index])
        for index, one in enumerate(form.items(row.get("components"), at, _MOST_IN_ROW, fewest=1))
    ]
    selects = sum(one.get("type") in SELECTS for one in inside)
    # A select takes the width of five buttons.
    if selects and len(inside) > 1:
        message = "The specified component exceeds the maximum width"
        form.fault(at, "COMPONENT_LAYOUT_WIDTH_EXCEEDED", message)
    for index, one in enumerate(inside):
        if not form.one_of(one.get("type"), [*at, index, "type"], (BUTTON, *SELECTS)):
            continue
        if one["type"] == BUTTON:
            _check_button(form, one, [*at, index])
        else:
            _check_select(form, one, [*at, index])


def _check_button(form: Form, button: Json, at: Path) -> None:
    form.text(button.get("label"), [*at, "label"], 80)
    if not form.one_of(button.get("style"), [*at, "style"], (1, 2, 3, 4, LINK, PREMIUM)):
        return
    if button.get("emoji") is not None:
        form.table(button["emoji"], [*at, "emoji"])
    if button["style"] == PREMIUM:
        return
    if not button.get("label") and not button.get("emoji"):
        message = "A button must have a label or an emoji"
        form.fault(at, "BUTTON_COMPONENT_EMPTY", message)
    if button["style"] == LINK:
        form.text(button.get("url"), [*at, "url"], 512, required=True)
        if button.get("custom_id") is not None:
            message = "A custom id and url cannot both be specified"
            form.fault([*at, "custom_id"], "BUTTON_COMPONENT_CUSTOM_ID_URL_MUTUALLY_EXCLUSIVE", message)
        return
    form.text(button.get("custom_id"), [*at, "custom_id"], 100, shortest=1, required=True)
    if button.get("url") is not None:
        form.fault([*at, "url"], "BUTTON_COMPONENT_INVALID_URL", "Only link buttons may have a url")


def _check_select(form: Form, select: Json, at: Path) -> None:
    form.text(select.get("custom_id"), [*at, "custom_id"], 100, shortest=1, required=True)
    form.text(select.get("placeholder"), [*at, "placeholder"], 150)
    form.integer(select.get("min_values"), [*at, "min_values"], 0, _MOST_OPTIONS)
    form.integer(select.get("max_values"), [*at, "max_values"], 1, _MOST_OPTIONS)
    if select.get("type") != STRING_SELECT:
        return
    options = form.items(select.get("options"), [*at, "options"], _MOST_OPTIONS, fewest=1)
    seen: list[object] = []
    for index, one in enumerate(options):
        option = form.table(one, [*at, "options", index])
        form.text(option.get("label"), [*at, "options", index, "label"], 100, shortest=1, required=True)
        form.text(option.get("value"), [*at, "options", index, "value"], 100, required=True)
        form.text(option.get("description"), [*at, "options", index, "description"], 100)
        if option.get("value") in seen:
            message = "The specified option value is already used"
            form.fault([*at, "options", index, "value"], "SELECT_COMPONENT_OPTION_VALUE_DUPLICATED", message)
        seen.append(option.get("value"))


def check_modal(form: Form, modal: Json) -> None:
    """Check a form that is to open before a person."""
    form.text(modal.get("title"), ["data", "title"], 45, shortest=1, required=True)
    form.text(modal.get("custom_id"), ["data", "custom_id"], 100, shortest=1, required=True)
    at: Path = ["data", "components"]
    listed = form.items(modal.get("components"), at, 5, fewest=1)
    parts = [form.table(one, [*at, index]) for index, one in enumerate(listed)]
    for index, part in enumerate(parts):
        here: Path = [*at, index]
        if not form.one_of(part.get("type"), [*here, "type"], (ROW, TEXT_DISPLAY, LABEL)):
            continue
        if part["type"] == ROW:
            for place, one in enumerate(
                form.items(part.get("components"), [*here, "components"], 1, fewest=1)
            ):
                there: Path = [*here, "components", place]
                asked = form.table(one, there)
                if form.one_of(asked.get("type"), [*there, "type"], (TEXT_INPUT,)):
                    form.text(asked.get("label"), [*there, "label"], 45, shortest=1, required=True)
                    _check_input(form, asked, there)
        elif part["type"] == LABEL:
            form.text(part.get("label"), [*here, "label"], 45, shortest=1, required=True)
            form.text(part.get("description"), [*here, "description"], 100)
            asked = form.table(part.get("component"), [*here, "component"])
            if form.one_of(asked.get("type"), [*here, "component", "type"], _IN_LABEL):
                check = _check_input if asked["type"] == TEXT_INPUT else _check_select
                check(form, asked, [*here, "component"])
    _check_unique(form, at, list(walk(parts)))


def _check_input(form: Form, asked: Json, at: Path) -> None:
    form.text(asked.get("custom_id"), [*at, "custom_id"], 100, shortest=1, required=True)
    form.one_of(asked.get("style"), [*at, "style"], (1, 2))
    form.text(asked.get("placeholder"), [*at, "placeholder"], 100)
    form.text(asked.get("value"), [*at, "value"], _LONGEST_INPUT)
    form.integer(asked.get("min_length"), [*at, "min_length"], 0, _LONGEST_INPUT)
    form.integer(asked.get("max_length"), [*at, "max_length"], 1, _LONGEST_INPUT)
