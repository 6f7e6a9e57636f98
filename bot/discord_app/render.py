"""A reply as Discord shows it: one embed, buttons, and files for what does not fit."""

import io
import re
import textwrap
from pathlib import Path
from typing import Final

import discord
from msgspec import Struct

from engine.commands.model import Button, Reply, Table, Tone
from engine.commands.plain import plain, table_lines
from engine.core.vocabulary.units import SECOND_US, parse_time
from notifiers.discord_markup import code, escaped, fitted, length, visible

TITLE, DESCRIPTION, FIELDS, FIELD_NAME, FIELD_VALUE, FOOTER, WHOLE = 256, 4096, 25, 256, 1024, 2048, 6000
"""What an embed may hold; `WHOLE` is all of it together."""
BUTTONS, LABEL = 25, 80
LARGEST_BYTES: Final = 10 << 20
"""The largest file any server takes; servers with boosts take larger ones."""
_COLOURS: Final[dict[Tone, int]] = {
    "plain": 0x5865F2, "good": 0x2E8B57, "warning": 0xE0A100, "danger": 0xD83C3E,
}  # fmt: skip
_PHONE: Final = 44
"""How many letters of code a phone shows on one line."""
_INLINE: Final = 24
"""Fields as short as this stand beside each other where there is room."""
_TEXT_LEAST: Final = 1200
"""What is kept free for the text, so that many fields do not push it out."""
_TIME: Final = re.compile(r"[12]\d{3}-[01]\d-[0-3]\dT[0-2]\d:[0-5]\d:[0-5]\d(\.\d+)?Z")
_PREFORMATTED: Final = "\n  "


class Page(Struct, frozen=True, kw_only=True):
    """What one message shows."""

    embed: discord.Embed
    buttons: tuple[Button, ...]
    files: tuple[tuple[str, bytes], ...]
    """Names and contents."""

    def attachments(self) -> list[discord.File]:
        """Return the files, ready to be sent once."""
        return [discord.File(io.BytesIO(content), filename=name) for name, content in self.files]


def page(reply: Reply, *, largest_bytes: int = LARGEST_BYTES) -> Page:
    """Make a reply ready. What is cut says so, and comes whole as a file. Reads the reply's file."""
    title, cut = fitted(reply.title, TITLE)
    embed = discord.Embed(title=title if title.strip() else "–", colour=_COLOURS[reply.tone])
    footer, footer_cut = fitted(reply.footer, FOOTER, visible)
    fields, files = list(reply.fields), []
    if reply.file is not None:
        content = _content(reply.file, largest_bytes)
        if content is None:
            fields.append(("File", str(reply.file)))
        else:
            files.append((reply.file.name, content))
    left = WHOLE - length(title) - length(footer)
    fields_cut = _put_fields(embed, fields, left - min(_TEXT_LEAST, _wanted(reply)))
    left = WHOLE - len(embed) - length(footer)
    description, text_cut = _description(reply, min(DESCRIPTION, left))
    embed.description = description if description.strip() else None
    if footer:
        embed.set_footer(text=footer)
    buttons = _distinct(reply.buttons)
    if cut or footer_cut or fields_cut or text_cut or len(buttons) > BUTTONS:
        files.append(("all-of-it.txt", plain(reply).encode("utf-8", "replace")))
    return Page(embed=embed, buttons=buttons[:BUTTONS], files=tuple(files))


def _wanted(reply: Reply) -> int:
    return DESCRIPTION if reply.table is not None else length(reply.text) * 2


# ---------------------------------------------------------------- text and tables


def _description(reply: Reply, most: int) -> tuple[str, bool]:
    """Return text and table within `most`, and whether something was left out."""
    if not reply.text:
        return _table(reply.table, most) if reply.table is not None else ("", False)
    # What has its own lines and indents, such as an explanation, keeps them.
    made = code if _PREFORMATTED in reply.text else escaped
    room = most // 2 if reply.table is not None else most
    text, cut = fitted(reply.text, room, made)
    if reply.table is None:
        return text, cut
    table, table_cut = _table(reply.table, most - length(text) - 1)
    return f"{text}\n{table}", cut or table_cut


def _table(table: Table, most: int) -> tuple[str, bool]:
    """Return a table as a block of code: columns where a phone has room for them, else a paragraph a row."""
    lines = table_lines(table)
    if max(map(len, lines)) <= _PHONE:
        blocks = lines
    else:
        blocks = [_heading(table.columns), *(_paragraph(table.columns, row) for row in table.rows)]
    low, high = 0, len(blocks)
    while low < high:
        middle = (low + high + 1) // 2
        if length(_rows(blocks, middle)) <= most:
            low = middle
        else:
            high = middle - 1
    if not low:
        return fitted("\n".join(blocks), most, code)
    return _rows(blocks, low), low < len(blocks)


def _rows(blocks: list[str], kept: int) -> str:
    left = len(blocks) - kept
    return code("\n".join([*blocks[:kept], *([f"… {left:,} more"] if left else [])]))


def _heading(columns: tuple[str, ...]) -> str:
    """Name what each paragraph begins with; and what follows, where that is not named in each."""
    return "\n  ".join(columns[:2] if len(columns) == 2 else columns[:1])


def _paragraph(columns: tuple[str, ...], row: tuple[str, ...]) -> str:
    """Write one row as a line and what belongs to it below.

    >>> print(_paragraph(("decision", "agent", "action"), ("d_1", "coder-1", "cache.clear")))
    d_1
      agent coder-1 · action cache.clear
    """
    first, *rest = row
    if len(rest) == 1:
        said = rest[0]
    else:
        said = " · ".join(f"{name} {cell or '–'}" for name, cell in zip(columns[1:], rest, strict=True))
    indented = textwrap.wrap(
        visible(said), _PHONE - 2, initial_indent="  ", subsequent_indent="  ", break_on_hyphens=False
    )
    return "\n".join([first, *indented])


# ---------------------------------------------------------------- fields, files, buttons


def _put_fields(embed: discord.Embed, fields: list[tuple[str, str]], room: int) -> bool:
    """Add fields as long as there is room; says whether something was left out."""
    cut = False
    for number, (name, value) in enumerate(fields):
        last = number == FIELDS - 1 and len(fields) > FIELDS
        shown_name, name_cut = fitted(name if name.strip() else "–", FIELD_NAME)
        shown, value_cut = _value(value)
        if last or length(shown_name) + length(shown) > room:
            left = len(fields) - number
            embed.add_field(name="…", value=f"{left:,} more, in the file below", inline=False)
            return True
        room -= length(shown_name) + length(shown)
        inline = len(value) <= _INLINE and "\n" not in value
        embed.add_field(name=shown_name, value=shown, inline=inline)
        cut = cut or name_cut or value_cut
    return cut


def _value(value: str) -> tuple[str, bool]:
    """Return what stands in a field. A time is shown in the time of whoever looks."""
    if not value.strip():
        return "–", False
    if _TIME.fullmatch(value):
        return f"<t:{parse_time(value) // SECOND_US}:f>", False
    return fitted(value, FIELD_VALUE)


def _content(file: Path, largest_bytes: int) -> bytes | None:
    """Return what is in a file; `None` when it is too large to be sent, or gone."""
    try:
        return file.read_bytes() if file.stat().st_size <= largest_bytes else None
    except OSError:
        return None


def _distinct(buttons: tuple[Button, ...]) -> tuple[Button, ...]:
    """Leave out those that do the same as one before: Discord takes no two of them."""
    return tuple({(each.line, each.asks): each for each in reversed(buttons)}.values())[::-1]
