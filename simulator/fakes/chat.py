"""What every fake chat platform lets a person do and see, so that one script can be played on each.

A fake is a server on loopback. The bot under test talks to it with its real client; the script plays the
people: they type, press and fill in, and read what their screen would show.
"""

from collections.abc import Mapping
from typing import Literal, Protocol

from msgspec import Struct


class Button(Struct, frozen=True, kw_only=True):
    """A button as a person sees it."""

    label: str
    enabled: bool = True
    style: Literal["plain", "good", "danger"] = "plain"


class Field(Struct, frozen=True, kw_only=True):
    """One thing a modal asks for."""

    label: str
    required: bool
    longest: int
    value: str = ""
    """What stands in it when it opens."""
    problem: str = ""
    """What the platform wrote under it when it refused what was filled in; empty where nothing is wrong."""


class Modal(Struct, frozen=True, kw_only=True):
    """A form that opened before a person."""

    handle: str
    """What `fill` takes."""
    title: str
    fields: tuple[Field, ...]
    text: str = ""
    """What is written above and between the fields, a line each."""


class Attachment(Struct, frozen=True, kw_only=True):
    """A file under a message."""

    name: str
    size_bytes: int


class Screen(Struct, frozen=True, kw_only=True):
    """One message as a person reads it: formatting taken away, everything written there kept."""

    message_id: str
    channel: str
    author: str
    text: str
    """Title, body, fields and footer, a line each, in the order in which the platform shows them."""
    buttons: tuple[Button, ...] = ()
    attachments: tuple[Attachment, ...] = ()
    private: bool = False
    """Whether only the person who asked sees it."""
    thread: str | None = None
    """The message or channel it is a thread of; `None` outside any."""
    edits: int = 0
    """How often it was edited since it was posted."""


class Answer(Struct, frozen=True, kw_only=True):
    """What came of one thing a person did."""

    screens: tuple[Screen, ...] = ()
    """Messages posted or edited in answer, the first of them first."""
    modal: Modal | None = None
    """The form that opened instead."""
    ack_s: float
    """How long the platform waited for the bot to take notice, seconds."""
    failed: str = ""
    """What the platform tells the person when the bot did not answer in time; empty when it did."""

    @property
    def text(self) -> str:
        """Everything that can be read, a line each."""
        return "\n".join(screen.text for screen in self.screens)


class FakeChat(Protocol):
    """A fake platform with people, channels and one bot."""

    platform: Literal["discord", "slack"]

    async def start(self) -> None:
        """Listen on a free port of loopback."""

    async def close(self) -> None:
        """Let go of every connection and the port."""

    async def bot_is_in(self, *, within_s: float = 10.0) -> None:
        """Wait until the bot is connected and its commands are there. Raises `TimeoutError`."""

    def add_person(self, name: str) -> str:
        """Have somebody join; returns their account id on this platform."""

    def add_channel(self, name: str) -> str:
        """Make a channel everybody is in; returns its id."""

    async def type(self, account: str, line: str, *, channel: str, settle_s: float = 5.0) -> Answer:
        """Type a slash command with its words, such as `/canary promote heal@2 looks good`.

        A platform with options binds the words to them in order, the last taking all that is left. Waits
        until the bot has finished answering, at most `settle_s` seconds.
        """

    async def complete(self, account: str, line: str, *, channel: str) -> tuple[str, ...]:
        """Return what the platform offers for the last word of a line; empty where it offers nothing."""

    async def press(self, account: str, message_id: str, label: str, *, settle_s: float = 5.0) -> Answer:
        """Press a button of a message, and accept the platform's own dialog where one opens.

        Raises `LookupError` when there is no such button, or it is dead.
        """

    async def cancel(self, account: str, message_id: str, label: str) -> str:
        """Press a button and decline the dialog it opens; returns what that said, empty for none."""

    async def fill(
        self, account: str, modal: Modal, values: Mapping[str, str], *, settle_s: float = 5.0
    ) -> Answer:
        """Fill a modal in, by the labels of its fields, and send it."""

    def messages(self, channel: str) -> tuple[Screen, ...]:
        """Return what everybody sees in a channel, the oldest first; threads and private answers left out."""

    def thread(self, message_id: str) -> tuple[Screen, ...]:
        """Return what was written in the thread of a message, the oldest first."""

    def direct(self, account: str) -> tuple[Screen, ...]:
        """Return the direct messages a person got from the bot, the oldest first."""

    async def delete(self, message_id: str) -> None:
        """Have somebody delete a message of the bot's; the bot hears of it as the platform tells."""

    # ------------------------------------------------------------ what goes wrong

    def redeliver(self, *, copies: int) -> None:
        """Deliver each of the following things people do this many times; 1 is the normal way."""

    def limit(self, *, calls: int, retry_after_s: float) -> None:
        """Refuse this many of the following calls of the bot for coming too often."""

    def fail(self, *, calls: int, status: int) -> None:
        """Answer this many of the following calls of the bot with an HTTP error."""

    async def drop(self) -> None:
        """Break the bot's connection off without a word."""

    def go_silent(self, *, silent: bool) -> None:
        """Keep the connection open and say nothing on it any more: half-open, as after a lost route."""

    # ------------------------------------------------------------ what the bot did

    def problems(self) -> tuple[str, ...]:
        """Return every request of the bot that the platform's rules or its official description forbid."""
