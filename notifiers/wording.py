"""How a notification reads, for every channel that takes plain text, and what its buttons do."""

import re
from datetime import UTC, datetime
from typing import Final

from msgspec import Struct

from engine.core.plain_text import plain, shortened
from notifiers.channel import Choice, Message

_LONGEST_LINE: Final = 500
_MOST_LINES: Final = 20
_NAME: Final = re.compile(r"[A-Za-z0-9_.:-]{1,64}")


class Press(Struct, frozen=True, kw_only=True):
    """What a button does: it gives a command, as if the person had typed it."""

    label: str
    line: str
    """`ack e_288ca454f1551b4`."""
    asks: str = ""
    """The reason is asked for under this label first; empty asks nothing."""
    style: str = "plain"
    """`plain`, `good` or `danger`."""


def title_of(message: Message, most: int) -> str:
    """Write what is asked in one line of at most `most` letters; a drill says that it is one."""
    title = plain(message.title[: 4 * most])
    if message.drill and not title.lower().startswith("drill"):
        title = f"Drill: {title}"
    return shortened(title, most)


def lines_of(message: Message, *, link: bool = True) -> list[str]:
    """Write all that is said below the title, a line each, with nothing in them that steers a terminal."""
    lines = [shortened(line, _LONGEST_LINE) for line in message.lines[:_MOST_LINES]]
    if message.code:
        lines.append(f"Code {plain(message.code)}, {plain(message.escalation_id)}")
    if link and message.link:
        lines.append(f"Answer: {message.link}")
    return [line for line in lines if line]


def text_of(message: Message, most: int, *, link: bool = True) -> str:
    """Join the lines below the title, cut to `most` letters; the link is left out before it is cut in two."""
    kept: list[str] = []
    room = most
    for line in lines_of(message, link=False):
        if len(line) > room:
            if room > 1:
                kept.append(line[: room - 1] + "…")
            room = 0
            break
        kept.append(line)
        room -= len(line) + 1
    said = f"Answer: {message.link}"
    if link and message.link and len(said) < most:
        while kept and sum(len(line) + 1 for line in kept) + len(said) > most:
            kept.pop()
        kept.append(said)
    return "\n".join(kept)


def about_of(message: Message) -> str:
    """Write what it is about: the decision behind it, or another name; the escalation where it has none."""
    return shortened(message.about, _LONGEST_LINE) or plain(message.escalation_id)


def presses(message: Message) -> list[Press]:
    """Return what the buttons below a message do, in the order in which they are offered.

    Each carries a whole command, as all buttons of our bots do, so that nothing has to be remembered:
    `ack ESCALATION`, `pass ESCALATION`, `approve DECISION`, `deny DECISION`, `kill-autonomous`, and
    `snooze ESCALATION for 30m`.
    """
    made = [press for choice in message.choices if (press := _press(choice, message)) is not None]
    if any(choice.word == "acknowledge" for choice in message.choices):
        made.append(Press(label="Snooze 30 min", line=f"snooze {message.escalation_id} for 30m"))
    return made


def _press(choice: Choice, message: Message) -> Press | None:
    label = shortened(choice.label, 40) or choice.word
    match choice.word:
        case "acknowledge":
            return Press(label=label, line=f"ack {message.escalation_id}", style="good")
        case "pass":
            return Press(label=label, line=f"pass {message.escalation_id}")
        case "approve" if _NAME.fullmatch(message.about):
            return Press(label=label, line=f"approve {message.about}", style="good")
        case "deny" if _NAME.fullmatch(message.about):
            return Press(label=label, line=f"deny {message.about}", asks="Why?", style="danger")
        case "stop":
            return Press(label=label, line="kill-autonomous", style="danger")
        case _:
            return None


def moment(us: int) -> str:
    """Write a moment as other systems read it.

    >>> moment(1_764_201_600_000_000)
    '2025-11-27T00:00:00.000Z'
    """
    at = datetime.fromtimestamp(us // 1000 / 1000, UTC)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
