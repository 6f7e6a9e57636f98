"""What a person reads: blocks, texts and modals with their markup taken away."""

import re
from collections.abc import Iterable, Iterator
from typing import Final, Literal

from simulator.fakes.chat import Attachment, Button, Field, Modal, Screen
from simulator.fakes.fake_slack.workspace import Json, Message, View, Workspace

_STYLES: Final[dict[str, Literal["plain", "good", "danger"]]] = {"primary": "good", "danger": "danger"}
_LONGEST_INPUT: Final = 3000


def screen(message: Message, workspace: Workspace) -> Screen:
    """Show a message as a person reads it. Blocks replace the text, as Slack does; attachments follow."""
    lines = (
        list(block_lines(message.blocks, workspace)) if message.blocks else [plain(message.text, workspace)]
    )
    for attachment in message.attachments:
        lines += _attachment_lines(attachment, workspace)
    is_reply = message.thread_ts is not None and message.thread_ts != message.ts
    return Screen(
        message_id=message.ts,
        channel=message.channel,
        author=message.username or workspace.name_of(message.author),
        text="\n".join(line for line in lines if line),
        buttons=tuple(_button(element) for _, element in controls(message) if element["type"] == "button"),
        attachments=tuple(Attachment(name=file.name, size_bytes=file.size) for file in message.files),
        private=message.to is not None,
        thread=message.thread_ts if is_reply else None,
        edits=message.edits,
    )


def all_blocks(message: Message) -> Iterator[Json]:
    """Give every block of a message, those in attachments last."""
    yield from message.blocks
    for attachment in message.attachments:
        yield from attachment.get("blocks") or []


def controls(message: Message) -> Iterator[tuple[Json, Json]]:
    """Give everything a person may press or choose from, each with its block, in reading order."""
    for block in all_blocks(message):
        yield from block_controls(block)


def block_controls(block: Json) -> Iterator[tuple[Json, Json]]:
    """Give what can be pressed in one block."""
    if block.get("type") == "actions":
        yield from ((block, element) for element in block.get("elements", []))
    elif block.get("type") == "section":
        accessory = block.get("accessory") or {"type": "image"}
        if accessory["type"] != "image":
            yield block, accessory


def _button(element: Json) -> Button:
    return Button(label=element["text"]["text"], style=_STYLES.get(element.get("style", ""), "plain"))


# ---------------------------------------------------------------- blocks


def block_lines(blocks: Iterable[Json], workspace: Workspace) -> Iterator[str]:
    """Give what is written in blocks, a line for each part; buttons are not text."""
    for block in blocks:
        yield from _lines(block, workspace)


def _lines(block: Json, workspace: Workspace) -> list[str]:  # noqa: PLR0911 - one line for each kind of block
    match block.get("type"):
        case "section":
            parts = [block["text"]] if block.get("text") else []
            return [text_of(part, workspace) for part in [*parts, *block.get("fields", [])]]
        case "header":
            return [text_of(block["text"], workspace)]
        case "markdown":
            return [_without_markdown(block["text"])]
        case "context":
            parts = [e.get("alt_text", "") if e["type"] == "image" else text_of(e, workspace)
                     for e in block["elements"]]  # fmt: skip
            return ["  ".join(parts)]
        case "image" | "video":
            title = block.get("title")
            return [text_of(title, workspace)] if title else [block.get("alt_text", "")]
        case "rich_text":
            return _rich(block.get("elements", []), workspace).split("\n")
        case "table":
            return [" | ".join(_cell(cell, workspace) for cell in row) for row in block.get("rows", [])]
        case "input":
            return [text_of(block["label"], workspace)]
        case _:
            return []


def text_of(part: Json, workspace: Workspace) -> str:
    """Read one text object; only `mrkdwn` has markup to take away."""
    return plain(part["text"], workspace) if part.get("type") == "mrkdwn" else str(part["text"])


def _cell(cell: Json, workspace: Workspace) -> str:
    if cell.get("type") == "rich_text":
        return _rich(cell.get("elements", []), workspace).replace("\n", " ")
    return str(cell.get("text", ""))


def _rich(elements: list[Json], workspace: Workspace) -> str:
    parts: list[str] = []
    for element in elements:
        match element.get("type"):
            case "text":
                parts.append(element["text"])
            case "link":
                parts.append(element.get("text") or element["url"])
            case "user":
                parts.append(f"@{workspace.name_of(element['user_id'])}")
            case "channel":
                parts.append(f"#{workspace.channel_name(element['channel_id'])}")
            case "emoji":
                parts.append(f":{element['name']}:")
            case "broadcast":
                parts.append(f"@{element['range']}")
            case "date":
                parts.append(element.get("fallback", str(element["timestamp"])))
            case _:
                parts.append(_rich(element.get("elements", []), workspace) + "\n")
    return "".join(parts).rstrip("\n")


def _attachment_lines(attachment: Json, workspace: Workspace) -> list[str]:
    if attachment.get("blocks"):
        return list(block_lines(attachment["blocks"], workspace))
    lines = [
        plain(str(attachment.get(key, "")), workspace) for key in ("pretext", "author_name", "title", "text")
    ]
    for field in attachment.get("fields", []):
        lines += [str(field.get("title", "")), plain(str(field.get("value", "")), workspace)]
    lines.append(str(attachment.get("footer", "")))
    return lines if any(lines) else [str(attachment.get("fallback", ""))]


# ---------------------------------------------------------------- mrkdwn

_CODE: Final = re.compile(r"```(.*?)```|`([^`\n]+)`", re.DOTALL)
_ANGLE: Final = re.compile(r"<([^<>\n]+)>")
_EMPHASIS: Final = re.compile(r"(?<![\w*_~])([*_~])(?=\S)([^\n]*?\S)\1(?![\w*_~])")


def plain(text: str, workspace: Workspace) -> str:
    """Take mrkdwn away: emphasis, code marks, quote marks and links; what is in code stays as it is.

    >>> plain("*Hold* `a*b*` of <https://x.example/1|#1> &amp; more", Workspace())
    'Hold a*b* of #1 & more'
    """
    parts: list[str] = []
    end = 0
    for code in _CODE.finditer(text):
        parts += [_plain_prose(text[end : code.start()], workspace)]
        inside = code.group(1) if code.group(1) is not None else code.group(2)
        parts.append(_unescaped(_ANGLE.sub(lambda m: _angle(m.group(1), workspace), inside.strip("\n"))))
        end = code.end()
    parts.append(_plain_prose(text[end:], workspace))
    return "".join(parts)


def _plain_prose(text: str, workspace: Workspace) -> str:
    text = re.sub(r"^(?:&gt;|>)+ ?", "", text, flags=re.MULTILINE)
    before = None
    while before != text:  # *_both_* takes two rounds
        before = text
        text = _EMPHASIS.sub(r"\2", text)
    return _unescaped(_ANGLE.sub(lambda m: _angle(m.group(1), workspace), text))


def _angle(inside: str, workspace: Workspace) -> str:
    target, _, label = inside.partition("|")
    if target.startswith("@"):
        return f"@{workspace.name_of(target[1:])}"
    if target.startswith("#"):
        return f"#{workspace.channel_name(target[1:])}"
    if target.startswith("!"):
        return label or f"@{target[1:]}"
    return label or target


def _unescaped(text: str) -> str:
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def _without_markdown(text: str) -> str:
    text = re.sub(r"^#+ ", "", text, flags=re.MULTILINE)
    text = re.sub(r"\[([^\]]+)\]\([^)]+\)", r"\1", text)
    return re.sub(r"(\*\*|__|`)(.+?)\1", r"\2", text)


# ---------------------------------------------------------------- modals


def modal(view: View, workspace: Workspace) -> Modal:
    """Show a modal as the form a person sees."""
    blocks = view.content.get("blocks", [])
    said = [block for block in blocks if block.get("type") != "input"]
    return Modal(
        handle=view.id,
        title=view.content["title"]["text"],
        text="\n".join(line for line in block_lines(said, workspace) if line),
        fields=tuple(_field(block, view) for block in blocks if block.get("type") == "input"),
    )


def _field(block: Json, view: View) -> Field:
    element = block["element"]
    return Field(
        label=block["label"]["text"],
        required=not block.get("optional", False),
        longest=int(element.get("max_length", _LONGEST_INPUT)),
        value=_initial(element),
        problem=view.errors.get(block["block_id"], ""),
    )


def _initial(element: Json) -> str:
    for key in ("initial_value", "initial_date", "initial_time", "initial_user", "initial_channel"):
        if element.get(key):
            return str(element[key])
    if option := element.get("initial_option"):
        return str(option["text"]["text"])
    return ", ".join(str(option["text"]["text"]) for option in element.get("initial_options", []))
