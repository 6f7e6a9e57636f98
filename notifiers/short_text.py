"""What an SMS says, and what can be answered to it. One SMS: 160 places, or 70 outside of its alphabet.

The words of answers are none of those that Twilio and carriers take for themselves: whoever writes STOP,
STOPALL, CANCEL, END or QUIT gets no SMS from us any more, and START, YES and HELP never reach us.
"""

import re
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from notifiers.channel import Choice, Message, Word
from notifiers.gsm7 import fits, forced, places, spelled
from notifiers.plain_words import harmless, time_left

WORDS: Final[dict[Word, str]] = {
    "acknowledge": "ACK",
    "approve": "OK",
    "deny": "NO",
    "pass": "NEXT",
    "stop": "KILL",
}
"""What is written for each choice."""
_UNDERSTOOD: Final[dict[str, Word]] = {
    "ACK": "acknowledge", "ACKNOWLEDGE": "acknowledge", "MINE": "acknowledge",
    "OK": "approve", "APPROVE": "approve", "NO": "deny", "DENY": "deny",
    "NEXT": "pass", "PASS": "pass", "KILL": "stop",
}  # fmt: skip
_MEANING: Final[dict[Word, str]] = {
    "acknowledge": "ACK mine",
    "approve": "OK approve",
    "deny": "NO deny",
    "pass": "NEXT other",
    "stop": "KILL stop all",
}
_LONGEST_TITLE: Final = 110
_LEAST: Final = 30
"""How much of a title is worth more than saying what the answers mean."""
_LEAST_OTHER: Final = 10
_PIECE: Final = re.compile(r"[^\W_]+")


class Reply(Struct, frozen=True, kw_only=True):
    """What somebody wrote back."""

    code: str
    """Which escalation."""
    word: Word


def short_text(message: Message, *, answers: bool = True) -> str:
    """Write a notification as one SMS: who calls, which code, what is asked, until when, how to answer.

    Without `answers` it does not say how, for nobody would hear.

    What an agent wrote stands in quotes and is cut first. Written in another alphabet it stays so, in a
    shorter form, for `????` tells nobody anything; pictures and the like are left out.
    """
    if not answers:
        message = replace(message, choices=())
    title = _title(message)
    if any(letter.isalpha() and places(letter) is None for letter in title):
        found = _fitted(_brief_parts(message), title, least=min(_LEAST_OTHER, len(title)))
        if found is not None:
            return found
    title = harmless(forced(title), _LONGEST_TITLE)
    for said in (_MEANING, WORDS):
        found = _fitted(_parts(message, _answers(message, said)), title, least=min(_LEAST, len(title)))
        if found is not None:
            return found
    return _fitted(_brief_parts(message), title, least=0) or message.code


def is_about(text: str, message: Message) -> bool:
    """Tell whether an SMS is one that says what this notification says, perhaps a while ago.

    How long is left and how many came together changes, and with it how much of a title there is room for:
    the code tells, or without one how the title begins. A trial account writes something in front.
    """
    begins = _title(message)[:_LEAST_OTHER]
    heads = (_parts(message, "")[0], _brief_parts(message)[0])
    return any(f'{head}"' + ("" if message.code else begins) in text for head in heads)


def read_reply(text: str) -> Reply | None:
    """Read an answer: a code and a word, in any order and any writing; `None` when it is none.

    Both are needed. An OK that was meant as a nod must approve nothing, and whoever sends in another's name
    does not know the code.

    >>> read_reply("4711 ack!"), read_reply("ack"), read_reply("4711 ok no")
    (Reply(code='4711', word='acknowledge'), None, None)
    """
    pieces = [piece.upper() for piece in _PIECE.findall(text[:200])]
    codes = {piece for piece in pieces if re.fullmatch("[0-9]{4}", piece)}
    words = {_UNDERSTOOD[piece] for piece in pieces if piece in _UNDERSTOOD}
    if len(pieces) != 2 or len(codes) != 1 or len(words) != 1:
        return None
    return Reply(code=codes.pop(), word=words.pop())


def how_to_answer(code: str, choices: tuple[Choice, ...]) -> str:
    """Say which answers there are, for somebody who wrote none of them.

    >>> how_to_answer("4711", (Choice(word="acknowledge", label="Acknowledge", digit="1"),))
    'Answer 4711 ACK'
    """
    words = [WORDS[choice.word] for choice in choices]
    return f"Answer {code} " + ", ".join(words) if words else f"{code} takes no answer"


def _title(message: Message) -> str:
    """Return what is asked. It is made harmless as it will be read: other spelling can make an address."""
    return harmless(spelled(message.title[: 8 * _LONGEST_TITLE]), _LONGEST_TITLE).replace('"', "'")


def _answers(message: Message, said: dict[Word, str]) -> str:
    if not message.choices or not message.code:
        return ""
    return f"Answer {message.code} " + ", ".join(said[choice.word] for choice in message.choices)


def _brief_parts(message: Message) -> tuple[str, str]:
    """Return what stands around a title where there is little room."""
    drill = "DRILL " if message.drill else ""
    left = time_left(message.sent_us, message.deadline_us)
    words = ",".join(WORDS[choice.word] for choice in message.choices) if message.code else ""
    answers = f" {message.code} {words}" if words else ""
    return f"{drill}WK {message.code}".rstrip() + ": ", (f" {left}." if left else "") + answers


def _parts(message: Message, tail: str) -> tuple[str, str]:
    """Return what stands before and after the title."""
    drill = "DRILL " if message.drill else ""
    grave = "CRITICAL " if message.severity == "critical" and message.purpose in {"wake", "again"} else ""
    many = f" x{message.count}" if message.count > 1 else ""
    left = time_left(message.sent_us, message.deadline_us) if message.purpose in {"wake", "again"} else ""
    until = f" {left} left." if left else ""
    head = " ".join(f"{drill}{grave}Watchkeeper {message.code}".split())
    return head + ": ", f"{many}.{until}" + (f" {tail}" if tail else "")


def _fitted(parts: tuple[str, str], title: str, *, least: int) -> str | None:
    """Cut a title until all fits; `None` when less than `least` letters of it are left."""
    before, after = parts
    for length in range(len(title), max(least, 0) - 1, -1):
        cut = title if length == len(title) else title[:length].rstrip() + "..."
        text = f'{before}"{cut}"{after}'
        if fits(text):
            return text
    return None
