"""Players: people at a front-end, as a script moves them."""

import asyncio
import contextlib
import itertools
from collections.abc import Sequence
from typing import Final, Protocol

from msgspec import Struct

from engine.commands.board import Poster
from engine.commands.desk import Desk
from engine.commands.model import Account, Button, Front, Reply
from engine.commands.plain import plain
from simulator.fakes.chat import Answer, FakeChat, Screen

SETTLE_S: Final = 30.0
"""How long an answer may take: a busy channel makes a bot wait, and so does a busy machine."""


class Seen(Struct, frozen=True, kw_only=True):
    """What somebody reads."""

    text: str
    private: bool = True
    buttons: tuple[str, ...] = ()
    attached: bool = False
    """Whether some of it is in a file."""
    unsaid: bool = False
    """Whether the platform itself lets nobody send this, or asks for what is missing in a form."""
    parts: tuple["Seen", ...] = ()
    """Message by message, where several came or changed: the answer, and whatever else happened meanwhile."""


class Player(Protocol):
    """Everybody at one front-end."""

    front: Front

    def join(self, person: str) -> str:
        """Have somebody come; returns their account's id."""

    def posters(self) -> Sequence[Poster]:
        """Where the board shows itself; none where a bot has channels of its own."""

    def attach(self, desk: Desk) -> None:
        """Take the desk that answers from now on."""

    async def say(self, person: str, text: str, *, copies: int) -> Seen:
        """Type a line, which the platform delivers so many times."""

    async def press(self, person: str, label: str, *, on: str, writes: str, copies: int) -> Seen:
        """Press a button: of the message about a decision, or with none of the last answer."""

    def board(self) -> list[Seen]:
        """Return what everybody sees."""


class TerminalPlayer:
    """People at terminals: what they read is the reply itself, in plain text."""

    front: Front = "terminal"
    channel = "all"

    def __init__(self) -> None:
        """Nobody is there yet."""
        self._answers: dict[str, Reply] = {}
        self._keys = itertools.count(1)
        self._shown: dict[str, Reply] = {}
        self._desk: Desk

    def join(self, person: str) -> str:
        """Give them an account of their name."""
        return f"terminal-{person}"

    def posters(self) -> Sequence[Poster]:
        """Show the board here."""
        return (self,)

    def attach(self, desk: Desk) -> None:
        """Talk to this desk from now on."""
        self._desk = desk

    async def say(self, person: str, text: str, *, copies: int) -> Seen:
        """Give a line to the desk, its copies at once and under one key."""
        account = Account(front=self.front, account_id=f"terminal-{person}", name=person)
        key = f"{person}-k{next(self._keys)}"
        replies = await asyncio.gather(*(self._desk.give(text, account, key) for _ in range(copies)))
        self._answers[person] = replies[0]
        return _seen(replies[0])

    async def press(self, person: str, label: str, *, on: str, writes: str, copies: int) -> Seen:
        """Give the command of a button."""
        shown = self._message(on) if on else self._answers[person]
        button = button_of(shown.buttons, label)
        return await self.say(person, f"{button.line} {writes}".strip(), copies=copies)

    def board(self) -> list[Seen]:
        """Return the messages of the board."""
        return [_seen(reply) for reply in self._shown.values()]

    def _message(self, decision: str) -> Reply:
        return next(reply for reply in reversed(self._shown.values()) if reply.about == decision)

    # ------------------------------------------------------------ as a channel of the board

    async def post(self, reply: Reply, *, thread: str) -> str:
        """Show a message."""
        ref = f"m{len(self._shown) + 1}"
        self._shown[ref] = reply
        return ref

    async def edit(self, ref: str, reply: Reply) -> bool:
        """Show something else in it."""
        self._shown[ref] = reply
        return True

    async def open_thread(self, ref: str, name: str) -> str:
        """Return the message itself: everything is in one place."""
        return ref


class ChatPlayer:
    """People on a fake platform, read through what their screens show."""

    def __init__(self, fake: FakeChat, channel: str) -> None:
        """Take the platform and the channel everybody talks in."""
        self.front: Front = fake.platform
        self._fake, self._channel = fake, channel
        self._accounts: dict[str, str] = {}
        self._answers: dict[str, Answer] = {}

    def join(self, person: str) -> str:
        """Have them join the platform."""
        self._accounts[person] = self._fake.add_person(person)
        return self._accounts[person]

    def posters(self) -> Sequence[Poster]:
        """Show nothing beside what the bot shows."""
        return ()

    def attach(self, desk: Desk) -> None:
        """Nothing to do: the bot has it."""

    async def say(self, person: str, text: str, *, copies: int) -> Seen:
        """Type it as a slash command."""
        self._fake.redeliver(copies=copies)
        bare = text.removeprefix("/")
        # Some words a platform keeps for itself, or does not let through.
        lines = [f"/{bare}", f"/wk {bare}"] if self._fake.platform == "slack" else [f"/{bare}"]
        try:
            for line in lines:
                with contextlib.suppress(LookupError):
                    answer = await self._fake.type(
                        self._accounts[person], line, channel=self._channel, settle_s=SETTLE_S
                    )
                    return self._kept(person, answer)
        finally:
            self._fake.redeliver(copies=1)
        return Seen(text=f"({self._fake.platform} lets nobody say this)", unsaid=True)

    async def press(self, person: str, label: str, *, on: str, writes: str, copies: int) -> Seen:
        """Press the button; fill in the form that opens."""
        account = self._accounts[person]
        self._fake.redeliver(copies=copies)
        screens = self._about(on) if on else self._answers[person].screens
        found = [each for each in screens if any(button.label == label for button in each.buttons)]
        # A question stands in private; the board may show a button of the same name.
        screen = next((each for each in reversed(found) if each.private), found[-1])
        answer = await self._fake.press(account, screen.message_id, label, settle_s=SETTLE_S)
        if answer.modal is not None:
            first = answer.modal.fields[0].label
            answer = await self._fake.fill(account, answer.modal, {first: writes}, settle_s=SETTLE_S)
        self._fake.redeliver(copies=1)
        return self._kept(person, answer)

    def board(self) -> list[Seen]:
        """Return what everybody sees in the channel."""
        shown = self._fake.messages(self._channel)
        return [_read(one) for screen in shown for one in (screen, *self._fake.thread(screen.message_id))]

    def _about(self, decision: str) -> tuple[Screen, ...]:
        found = []
        for screen in self._fake.messages(self._channel):
            found += [
                each for each in (screen, *self._fake.thread(screen.message_id)) if decision in each.text
            ]
        # A message about one decision may name others; at its foot stands its own.
        return tuple([each for each in found if f"{decision} ·" in each.text] or found)

    def _kept(self, person: str, answer: Answer) -> Seen:
        self._answers[person] = answer
        if answer.modal is not None:
            return Seen(text=answer.modal.title, unsaid=True)
        parts = tuple(_read(screen) for screen in answer.screens)
        return Seen(
            text=answer.failed or answer.text,
            private=all(part.private for part in parts),
            buttons=tuple(label for part in parts for label in part.buttons),
            attached=any(part.attached for part in parts),
            parts=parts,
        )


def button_of(buttons: Sequence[Button], label: str) -> Button:
    """Return the button of a label. Raises `LookupError` naming those there are."""
    for button in buttons:
        if button.label == label:
            return button
    raise LookupError(f"there is no button {label!r}: {', '.join(each.label for each in buttons) or 'none'}")


def _seen(reply: Reply) -> Seen:
    labels = tuple(button.label for button in reply.buttons)
    return Seen(text=plain(reply, buttons=False), private=reply.private, buttons=labels)


def _read(screen: Screen) -> Seen:
    return Seen(
        text=screen.text,
        private=screen.private,
        buttons=tuple(button.label for button in screen.buttons if button.enabled),
        attached=bool(screen.attachments),
    )
