"""What there is on the fake platform: one guild, its people, channels and messages, and one bot."""

import re
from collections.abc import Callable
from typing import Any, Final

from msgspec import Struct, field

from simulator.fakes.fake_discord.component_rules import TEXT_DISPLAY, walk
from simulator.fakes.fake_discord.refusals import Json, unknown

# ------------------------------------------------------------ Discord's numbers

TEXT, DIRECT, PUBLIC_THREAD, PRIVATE_THREAD = 0, 1, 11, 12
THREADS: Final = (PUBLIC_THREAD, PRIVATE_THREAD)

EPHEMERAL: Final = 1 << 6
LOADING: Final = 1 << 7
HAS_THREAD: Final = 1 << 5
COMPONENTS_V2: Final = 1 << 15

ADMINISTRATOR: Final = 1 << 3
# What members of a fresh guild may do and a bot needs: see channels, send, embed, attach, read history,
# mention everyone, use commands, make threads and write in them.
EVERYBODY: Final = sum(1 << bit for bit in (10, 11, 14, 15, 16, 17, 31, 35, 38))
# A bot that was also let manage messages and threads.
BOT: Final = EVERYBODY | 1 << 13 | 1 << 34

_EPOCH_MS: Final = 1_420_070_400_000  # Discord's ids count milliseconds since 2015


class Person(Struct, kw_only=True):
    """A member of the guild."""

    account: str
    name: str
    permissions: int = EVERYBODY
    takes_direct: bool = True
    """Whether others may write to them directly."""


class Channel(Struct, kw_only=True):
    """A channel, a thread or a direct conversation."""

    id: str
    name: str
    kind: int = TEXT
    parent: str | None = None
    """The channel a thread belongs to."""
    starter: str | None = None
    """The message a thread was started from."""
    recipient: str | None = None
    """Whom a direct conversation is with."""
    archived: bool = False
    archive_after_min: int = 1440
    created: float = 0.0
    newest: str | None = None
    """The last message everybody sees, also when it was deleted since."""
    bot_may_write: bool = True


class Message(Struct, kw_only=True):
    """A message as it is stored."""

    id: str
    channel: str
    author: str
    created: float
    content: str = ""
    embeds: list[Json] = field(default_factory=list)
    components: list[Json] = field(default_factory=list)
    attachments: list[Json] = field(default_factory=list)
    flags: int = 0
    allowed: Json | None = None
    """Which mentions may ping; `None`: all of them."""
    viewer: str | None = None
    """Who alone sees an ephemeral message."""
    origin: Json | None = None
    """The interaction it answered, as its metadata shows it."""
    reference: Json | None = None
    nonce: str | int | None = None
    edits: int = 0
    edited: float | None = None


class World:
    """All of it, in memory."""

    def __init__(self, now: Callable[[], float]) -> None:
        """Make a guild with a bot and an owner nobody hears of."""
        self._now = now
        self._last_id = 0
        self.guild, self.application, self.owner = self.next_id(), self.next_id(), self.next_id()
        self.guild_name = "ops"
        self.bot = self.application
        self.bot_name = "watchkeeper"
        self.people: dict[str, Person] = {
            self.owner: Person(account=self.owner, name="owner", permissions=EVERYBODY | ADMINISTRATOR)
        }
        self.channels: dict[str, Channel] = {}
        self.messages: dict[str, Message] = {}
        self.files: dict[str, tuple[str, bytes]] = {}
        self.commands: dict[str | None, dict[str, Json]] = {None: {}, self.guild: {}}

    def next_id(self) -> str:
        """Return a new snowflake: it tells when it was made, and later ones are larger."""
        fresh = (int(self._now() * 1000) - _EPOCH_MS) << 22
        self._last_id = max(fresh, self._last_id + 1)
        return str(self._last_id)

    # ------------------------------------------------------------ finding things

    def channel(self, channel_id: str) -> Channel:
        """Return a channel. Raises `Refused` as the platform does."""
        found = self.channels.get(channel_id)
        if found is None:
            raise unknown("Channel")
        return found

    def message(self, channel_id: str, message_id: str) -> Message:
        """Return a message everybody in a channel sees. Raises `Refused` as the platform does."""
        found = self.messages.get(message_id)
        if found is None or found.channel != channel_id or found.viewer is not None:
            raise unknown("Message")
        return found

    def person(self, who: str) -> Person:
        """Return a person by account id or name. Raises `LookupError`."""
        if who in self.people:
            return self.people[who]
        for person in self.people.values():
            if person.name == who:
                return person
        raise LookupError(f"nobody is called {who}")

    def place(self, where: str) -> Channel:
        """Return a channel by id or name, with or without its `#`. Raises `LookupError`."""
        if where in self.channels:
            return self.channels[where]
        for channel in self.channels.values():
            if channel.name == where.removeprefix("#") and channel.kind != DIRECT:
                return channel
        raise LookupError(f"there is no channel {where}")

    def shown(self, message_id: str) -> Message:
        """Return a message by id, whoever sees it. Raises `LookupError`."""
        if message_id not in self.messages:
            raise LookupError(f"there is no message {message_id}")
        return self.messages[message_id]

    def name_of(self, account: str) -> str:
        """Return what people call somebody; the id of who is not here."""
        if account == self.bot:
            return self.bot_name
        found = self.people.get(account)
        return found.name if found else account

    def written_in(self, channel_id: str) -> list[Message]:
        """Return what everybody sees in a channel, the oldest first."""
        return [m for m in self.messages.values() if m.channel == channel_id and m.viewer is None]

    def is_direct(self, channel_id: str) -> bool:
        """Tell whether a channel is a direct conversation."""
        return self.channel(channel_id).kind == DIRECT


# ------------------------------------------------------------ mentions

_MENTION: Final = re.compile(r"<@!?(\d+)>")
_ROLE: Final = re.compile(r"<@&(\d+)>")
_EVERYONE: Final = re.compile(r"@(everyone|here)\b")


def pinged(message: Message, world: World) -> tuple[list[str], list[str], bool]:
    """Return the accounts and roles a message pings, and whether everyone, as `allowed_mentions` has it."""
    displays = [part["content"] for part in walk(message.components) if part["type"] == TEXT_DISPLAY]
    text = "\n".join([message.content, *displays])
    allowed: dict[str, Any] = message.allowed if message.allowed is not None else {"parse": _ALL}
    parse = allowed.get("parse") or []

    def let_through(found: list[str], kind: str) -> list[str]:
        listed = {str(one) for one in allowed.get(kind) or []}
        return list(dict.fromkeys(one for one in found if kind in parse or one in listed))

    users = let_through(_MENTION.findall(text), "users")
    roles = let_through(_ROLE.findall(text), "roles")
    everyone = "everyone" in parse and _EVERYONE.search(text) is not None
    return [u for u in users if u in world.people or u == world.bot], roles, everyone


_ALL: Final = ("users", "roles", "everyone")
