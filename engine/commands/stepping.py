"""Stepping up: one-time codes, for what must never happen because somebody's account was left open."""

import re
from typing import Final

from engine.commands import catalogue as c
from engine.commands.language import Command
from engine.commands.model import Asker, Button, Reply
from engine.commands.tools import Tools
from engine.core.vocabulary.ids import DecisionId
from engine.errors import InputError

ASKS: Final = "The six digits your app shows"
_CODE: Final = re.compile(r"(?<![\w.])\d{3}[ -]?\d{3}(?![\w.])")


def takes_a_code(tools: Tools, command: Command) -> bool:
    """Whether a command takes a one-time code: it lets something of class A go on, or is to make codes count.

    Raises `InputError` where there is no such decision.
    """
    if isinstance(command, c.Enrol):
        return True
    lets = isinstance(command, c.Approve | c.Change) or (
        isinstance(command, c.Override) and command.word == "allow"
    )
    if not lets:
        return False
    standing = tools.standing(DecisionId(command.decision_id))  # type: ignore[attr-defined]  # both have one
    return standing.waits and any(wait.step_up for wait in standing.verdict.waits)


def ask_for_code(tools: Tools, asker: Asker, command: Command, token: str) -> Reply:
    """Ask for the code that goes with a command. Raises `InputError` when the person has none."""
    if not tools.step_up.is_enrolled(asker.person):
        raise InputError(
            "this is of class A, and you have no one-time codes", cure="say /enrol, then say it again"
        )
    standing = tools.standing(DecisionId(command.decision_id))  # type: ignore[attr-defined]  # checked above
    verdict = standing.verdict
    return Reply(
        title="Your one-time code, please",
        outcome="asks",
        tone="warning",
        text=f"{verdict.action} of {verdict.agent} is of class A: two people approve it, each with a code.",
        buttons=(
            give_code(token),
            Button(label="Cancel", line=f"no {token}"),
        ),
        footer="Nothing has happened yet; the question stands for two minutes",
        about=verdict.decision_id,
    )


def give_code(token: str) -> Button:
    """Make the button that asks for a code."""
    return Button(label="Give the code", line=f"code {token}", style="good", asks=ASKS)


def show_seed(tools: Tools, asker: Asker, token: str) -> Reply:
    """Make a seed for whoever asks, and show it to nobody else, this once."""
    made = tools.step_up.enrol(asker.person)
    return Reply(
        title="Put this into your authenticator app",
        outcome="asks",
        tone="warning",
        text="It is shown this once, and to you alone. Then give the first code your app shows: only from "
        "then on do your codes count. On the machine, `watchkeeper totp enrol` shows a picture to scan.",
        fields=(("Key", made.spaced), ("Or as a link", made.uri)),
        hands_over=True,
        buttons=(
            give_code(token),
            Button(label="Cancel", line=f"no {token}"),
        ),
        footer="The question stands for ten minutes",
    )


async def enrol(tools: Tools, asker: Asker, said: c.Enrol) -> Reply:
    """Say that codes count from now on: the first of them was right."""
    return Reply(
        title="Your one-time codes count from now on",
        tone="good",
        text="Each works once. Five wrong ones lock you out of them for ten minutes.",
    )


def without_codes(text: str) -> str:
    """Take out what may be a one-time code, of what nobody could read as a command.

    >>> without_codes("aprove d_7e566b8fac673f6 123 456")
    'aprove d_7e566b8fac673f6 [code]'
    """
    return _CODE.sub("[code]", text)
