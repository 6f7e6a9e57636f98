"""The port of every channel: what it takes, what it promises, and how it fails."""

from collections.abc import Awaitable, Callable
from typing import Literal, Protocol

from msgspec import Struct

from engine.core.vocabulary.escalations import Failure, Purpose, Severity
from engine.core.vocabulary.ids import EscalationId, NotificationId, PersonId
from engine.errors import WatchkeeperError


class Capabilities(Struct, frozen=True, kw_only=True):
    """What a channel can do."""

    loud: bool
    """Whether it wakes somebody who sleeps. Quiet hours keep these back, and no others."""
    personal: bool
    """Whether it reaches one person; otherwise whoever looks there."""
    receipt: bool
    """Whether it tells that something arrived, beyond having taken it."""
    acknowledge: bool
    """Whether people can acknowledge within it. A link in the text does not count."""
    latency_s: float
    """What it usually takes to be noticed."""
    cost_usd: float
    """What one notification costs, roughly."""
    critical: bool = True
    """Whether it may be trusted with what is critical. A ladder for that which names another is refused."""
    text: Literal["full", "short", "spoken"] = "full"
    """How much can be said."""


Word = Literal["acknowledge", "approve", "deny", "pass", "stop"]
"""What people can answer right where they are notified."""


class Choice(Struct, frozen=True, kw_only=True):
    """An answer that is offered."""

    word: Word
    label: str
    """`Approve`."""
    digit: str
    """The key on a phone that says it."""


class Message(Struct, frozen=True, kw_only=True):
    """One notification, with all that a channel must know to send it: no choices are left."""

    notification_id: NotificationId
    """Also the key by which a provider may know a second try for the same."""
    escalation_id: EscalationId
    attempt: int
    person: PersonId
    """Empty for a channel that belongs to nobody."""
    address: str
    """Phone number, e-mail address, user id, topic; empty where the channel has one place only."""
    purpose: Purpose
    severity: Severity
    code: str
    """Four digits that name the escalation on a phone."""
    title: str
    """What is asked, in one line."""
    lines: tuple[str, ...]
    """Why, what happens at the deadline, how many came together: a line each."""
    about: str = ""
    """The decision behind it, or other name; empty where there is none."""
    count: int = 1
    """How many joined in this one."""
    deadline_us: int | None = None
    sent_us: int
    """When this try was written, by the journal's clock."""
    since_us: int | None = None
    """When its first try was asked for: nothing of it was sent before. `None`: this is the first."""
    drill: bool = False
    choices: tuple[Choice, ...] = ()
    """What can be answered, in the order in which it is offered."""
    link: str = ""
    """A page that shows it and takes the answer; empty where no address is known from outside.

    A POST of the form `word=acknowledge` to it, with no cookie and no token, does what its button does: that
    is how a push is answered without looking. It holds a secret of its own."""
    thread: str = ""
    """What groups all notifications of one escalation."""


class Sent(Struct, frozen=True, kw_only=True):
    """A provider took it."""

    delivery: Literal["accepted", "delivered"]
    ref: str = ""
    """What the provider knows it by."""


class NotSent(WatchkeeperError):
    """A channel did not send something; `kind` says what to do about it."""

    def __init__(
        self,
        message: str,
        *,
        kind: Failure,
        retry_s: float | None = None,
        place: str | None = None,
        cure: str | None = None,
    ) -> None:
        """Say what failed.

        `address`: this one is wrong, and trying again does not mend it. `setup`: the channel itself is set up
        wrongly, a token for instance. `busy`: asked to wait, `retry_s` if the provider said how long.
        `broken`: the provider failed, and nothing was sent. `unsure`: it may have been sent.
        """
        self.kind, self.retry_s = kind, retry_s
        super().__init__(message, place=place, cure=cure)


class Report(Struct, frozen=True, kw_only=True):
    """What a provider tells later of something it took."""

    notification_id: NotificationId
    delivery: Literal["delivered", "answered", "failed"]
    detail: str = ""


class Channel(Protocol):
    """One way to reach people."""

    @property
    def name(self) -> str:
        """What ladders call it: `sms`, `slack-channel`."""

    @property
    def capabilities(self) -> Capabilities:
        """What it can do."""

    async def send(self, message: Message) -> Sent:
        """Send it, once. Returns within seconds. Raises `NotSent`, and no other error."""

    async def reconcile(self, message: Message) -> Sent | None:
        """Find out whether an earlier try, of which nobody knows, was sent after all; `None` when not known.

        Raises `NotSent` when the provider does not answer.
        """

    async def check(self, address: str) -> str:
        """Say what is wrong with the channel, or with an address on it; empty when nothing was found.

        Rings nobody. Raises `NotSent` when nobody can say.
        """

    async def close(self) -> None:
        """Let go of connections."""


class Acknowledged(Struct, frozen=True, kw_only=True):
    """Somebody acknowledged within a channel that we have to ask: a push with a receipt."""

    notification_id: NotificationId
    person: PersonId


Heard = Callable[[Report | Acknowledged], Awaitable[None]]
"""Told of what a provider says later."""


class Listening(Protocol):
    """A channel that has to be asked how it goes, for want of anybody who calls us back."""

    async def listen(self, hear: Heard) -> None:
        """Ask again and again, for ever. End it by cancelling."""

    def expect(self, message: Message, ref: str) -> None:
        """Ask about this one from now on: it was sent, or had been sent before a restart."""


class Silencing(Protocol):
    """A channel that rings by itself, again and again, until it is told to stop.

    What is told of or over silences whoever it is sent to. This is for whoever took it elsewhere, and is sent
    nothing.
    """

    async def silence(self, escalation_id: EscalationId, person: PersonId) -> None:
        """Stop ringing this person for it. Does nothing where nothing rings. Raises `NotSent`."""
