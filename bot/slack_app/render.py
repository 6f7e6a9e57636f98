"""A reply as Slack shows it: Block Kit, and plain text beside it for notifications and screen readers.

What agents wrote only ever stands where Slack reads no markup: in `plain_text`, and in preformatted rich
text. What does not fit is left out, and the reply says how much.
"""

import re
from collections.abc import Sequence
from typing import Any, Final

from msgspec import Struct, structs
from slack_sdk.models.blocks import (
    ActionsBlock,
    Block,
    ButtonElement,
    ConfirmObject,
    ContextBlock,
    HeaderBlock,
    MarkdownTextObject,
    PlainTextObject,
    RichTextBlock,
    RichTextElementParts,
    RichTextPreformattedElement,
    SectionBlock,
    TextObject,
)

from engine.commands import model
from engine.commands.plain import plain, table_lines

PRESS: Final = "wk_press"
ASK: Final = "wk_ask"

# Slack's own limits: 150, 3,000, 2,000, ten fields, 25 buttons, 50 blocks. A message as a whole may have
# about 13,000 letters; what comes near that nobody reads in a channel anyway.
_TITLE: Final = 150
_SECTION: Final = 2_900
_FIELD: Final = 600
_TEXT: Final = 5_800
_TABLE: Final = 2_900
_FIELDS: Final = 3_500
_LONGEST_FIELD: Final = 1_500
_PAIRS: Final = 5
_MOST_PAIRS: Final = 40
_FALLBACK: Final = 2_000
_LABEL: Final = 75
_VALUE: Final = 2_000
_IN_A_ROW: Final = 5
_MOST_BUTTONS: Final = 20
_SAID: Final = 3
_MARKS: Final = {"plain": "", "good": "✓ ", "warning": "⚠ ", "danger": "✗ "}
_STYLES: Final = {"good": "primary", "danger": "danger"}
_BOLD: Final = re.compile(r"[\w @%.,'()/-]+")


class Rendered(Struct, frozen=True, kw_only=True):
    """A message, ready to be sent."""

    text: str
    blocks: list[dict[str, Any]]
    left_out: int
    """How many letters did not fit."""

    def message(self) -> dict[str, Any]:
        """Return it as arguments of a call."""
        return {"text": self.text, "blocks": self.blocks}


class _Room:
    """Takes texts that may be too long, and counts what it leaves out."""

    def __init__(self) -> None:
        self.left_out = 0

    def cut(self, text: str, most: int) -> str:
        """Return as much of a text as fits, with a mark where it was cut."""
        if len(text) <= most:
            return text
        self.left_out += len(text) - most + 1
        return text[: most - 1] + "…"

    def lines(self, lines: Sequence[str], most: int) -> list[str]:
        """Return as many whole lines as fit."""
        kept: list[str] = []
        used = 0
        for place, line in enumerate(lines):
            used += len(line) + 1
            if used > most:
                if not kept:
                    return [self.cut(line, most)]
                self.left_out += sum(len(each) + 1 for each in lines[place:])
                break
            kept.append(line)
        return kept


def render(reply: model.Reply, *, thread: str = "") -> Rendered:
    """Build the message of a reply. `thread` is kept in its buttons, so that what they do is told there."""
    room = _Room()
    blocks: list[Block] = [HeaderBlock(text=_plain(room.cut(_MARKS[reply.tone] + safe(reply.title), _TITLE)))]
    if reply.text.strip():
        blocks += [SectionBlock(text=_plain(part)) for part in _paragraphs(safe(reply.text), room)]
    blocks += _fields(reply.fields, room)
    if reply.table is not None:
        lines = room.lines([safe(line) for line in table_lines(reply.table)], _TABLE)
        part = RichTextPreformattedElement(elements=[RichTextElementParts.Text(text="\n".join(lines))])
        blocks.append(RichTextBlock(elements=[part]))
    buttons, unshown = _buttons(reply.buttons)
    foot = [room.cut(safe(reply.footer), _FIELD)] if reply.footer.strip() else []
    foot += [f"say /{line}" for line in unshown[:_SAID]]
    if len(unshown) > _SAID:
        foot.append(f"{len(unshown) - _SAID} more buttons have no room")
    if room.left_out:
        foot.append(f"{room.left_out:,} letters are left out here")
    if foot:
        blocks.append(ContextBlock(elements=[_plain(" · ".join(foot))]))
    for start in range(0, len(buttons), _IN_A_ROW):
        row = buttons[start : start + _IN_A_ROW]
        blocks.append(ActionsBlock(elements=row, block_id=f"wk:{start}:{thread}"))
    return Rendered(
        text=fallback(reply), blocks=[block.to_dict() for block in blocks], left_out=room.left_out
    )


def fallback(reply: model.Reply) -> str:
    """Write a reply as text without any markup of Slack's."""
    text = safe(plain(structs.replace(reply, file=None), buttons=False)).strip() or "–"
    return escape(text if len(text) <= _FALLBACK else text[: _FALLBACK - 1] + "…")


def whole(reply: model.Reply) -> str:
    """Write all of a reply, for a file."""
    return safe(plain(structs.replace(reply, file=None), buttons=False)) + "\n"


def escape(text: str) -> str:
    """Take the meaning from the three signs that have one in Slack's texts.

    >>> escape("<!channel> & <https://x.example|see>")
    '&lt;!channel&gt; &amp; &lt;https://x.example|see&gt;'
    """
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def safe(text: str) -> str:
    """Make a space of whatever would move a cursor, turn the direction of writing, or hide text.

    >>> safe("a\\u202eb\\x1b[2J\\nc")
    'a b [2J\\nc'
    """
    return "".join(sign if sign.isprintable() or sign == "\n" else " " for sign in text)


def thread_in(block_id: str) -> str:
    """Return the thread that a row of buttons keeps; empty for none."""
    return block_id.split(":", 2)[2] if block_id.startswith("wk:") else ""


def label_in(action_id: str) -> str:
    """Return what a button asks for; empty when it asks nothing."""
    return action_id.split(":", 2)[2] if action_id.startswith(f"{ASK}:") else ""


def _plain(text: str) -> PlainTextObject:
    return PlainTextObject(text=text.strip() or "–", emoji=False)


def _paragraphs(text: str, room: _Room) -> list[str]:
    """Cut a text into parts that fit a section each, at the ends of lines where that goes."""
    lines = [
        line[start : start + _SECTION]
        for line in room.lines(text.splitlines(), _TEXT)
        for start in range(0, max(len(line), 1), _SECTION)
    ]
    parts = [""]
    for line in lines:
        if len(parts[-1]) + len(line) + 1 > _SECTION:
            parts.append("")
        parts[-1] += ("\n" if parts[-1] else "") + line
    return [part for part in parts if part.strip()]


def _fields(fields: Sequence[tuple[str, str]], room: _Room) -> list[Block]:
    """Show names beside their values; what is long gets the whole width."""
    blocks: list[Block] = []
    row: list[TextObject] = []
    left = _FIELDS
    for place, (name, value) in enumerate(fields):
        if left < len(name) or place >= _MOST_PAIRS:
            room.left_out += sum(len(each) + len(said) for each, said in fields[place:])
            break
        shown = room.cut(safe(value).strip() or "–", min(_LONGEST_FIELD, max(left, 1)))
        left -= len(name) + len(shown)
        if len(shown) > _FIELD:
            blocks += _row(row)
            row = []
            blocks += [SectionBlock(text=_name(name)), SectionBlock(text=_plain(shown))]
            continue
        row += [_name(name), _plain(shown)]
        if len(row) == 2 * _PAIRS:
            blocks += _row(row)
            row = []
    return blocks + _row(row)


def _row(row: Sequence[TextObject]) -> list[Block]:
    return [SectionBlock(fields=list(row))] if row else []


def _name(name: str) -> TextObject:
    """Write a name in bold, where no sign in it means anything."""
    shown = safe(name).strip()[:_FIELD] or "–"
    if _BOLD.fullmatch(shown) and "_" not in shown and "@" not in shown:
        return MarkdownTextObject(text=f"*{shown}*", verbatim=True)
    return _plain(shown)


def _buttons(buttons: Sequence[model.Button]) -> tuple[list[ButtonElement], list[str]]:
    """Build the buttons; return as well the commands of those that Slack has no room for."""
    shown, unshown = [], []
    for place, button in enumerate(buttons):
        if len(button.line) > _VALUE or place >= _MOST_BUTTONS:
            unshown.append(button.line[:_LABEL])
            continue
        action = f"{ASK}:{place}:{button.asks[:200]}" if button.asks else f"{PRESS}:{place}"
        shown.append(
            ButtonElement(
                text=_plain(_short(button.label, _LABEL)),
                action_id=action,
                value=button.line,
                style=_STYLES.get(button.style),
                confirm=_confirm(button) if button.confirm is not None else None,
            )
        )
    return shown, unshown


def _confirm(button: model.Button) -> ConfirmObject:
    asked = button.confirm
    assert asked is not None  # noqa: S101 - the caller looked
    return ConfirmObject(
        title=_plain(_short(asked.title, 100)),
        text=_plain(_short(asked.text, 300)),
        confirm=_plain(_short(asked.yes, 30)),
        deny=_plain("Cancel"),
        style="danger" if button.style == "danger" else None,
    )


def _short(text: str, most: int) -> str:
    shown = safe(text)
    return shown if len(shown) <= most else shown[: most - 1] + "…"
