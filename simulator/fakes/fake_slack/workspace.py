"""What a fake Slack holds: people, channels, messages, files and open modals. It knows nothing of wires."""

import copy
import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

Json = dict[str, Any]
"""An object of the wire."""

TEAM_ID: Final = "T0FAKE001"
TEAM_NAME: Final = "Fake Workspace"
TEAM_DOMAIN: Final = "fake-workspace"
APP_ID: Final = "A0FAKE001"
BOT_ID: Final = "B0FAKE001"
BOT_USER_ID: Final = "U0FAKEBOT"


@dataclass(slots=True, kw_only=True)
class Person:
    """Somebody with an account; the bot has one too."""

    id: str
    name: str
    is_bot: bool = False

    def json(self, *, now: float) -> Json:
        """Return the account as `users.info` shows it."""
        return {
            "id": self.id,
            "team_id": TEAM_ID,
            "name": self.name,
            "real_name": self.name,
            "deleted": False,
            "tz": "Etc/UTC",
            "tz_label": "Coordinated Universal Time",
            "tz_offset": 0,
            "profile": {
                "real_name": self.name,
                "real_name_normalized": self.name,
                "display_name": self.name,
                "display_name_normalized": self.name,
                "email": f"{self.name}@example.com",
                "team": TEAM_ID,
                **({"api_app_id": APP_ID, "bot_id": BOT_ID} if self.is_bot else {}),
            },
            "is_admin": False,
            "is_owner": False,
            "is_primary_owner": False,
            "is_restricted": False,
            "is_ultra_restricted": False,
            "is_bot": self.is_bot,
            "is_app_user": False,
            "updated": int(now),
        }


@dataclass(slots=True, kw_only=True)
class Channel:
    """A public or private channel, or the direct messages between one person and the bot."""

    id: str
    name: str
    members: set[str] = field(default_factory=set)
    direct_to: str | None = None
    """The person of a direct-message channel; `None` for any other."""
    is_private: bool = False
    """Whether only its members know of it."""
    created: int = 0

    @property
    def kind(self) -> str:
        """Return what events call it: `im`, `group` or `channel`."""
        return "im" if self.direct_to else "group" if self.is_private else "channel"

    def json(self) -> Json:
        """Return the channel as `conversations.info` shows it."""
        if self.direct_to is not None:
            return {"id": self.id, "created": self.created, "is_im": True, "is_archived": False,
                    "user": self.direct_to, "is_org_shared": False, "context_team_id": TEAM_ID}  # fmt: skip
        return {
            "id": self.id,
            "name": self.name,
            "name_normalized": self.name,
            "is_channel": not self.is_private,
            "is_group": self.is_private,
            "is_im": False,
            "is_mpim": False,
            "is_private": self.is_private,
            "is_archived": False,
            "is_general": False,
            "is_shared": False,
            "is_member": BOT_USER_ID in self.members,
            "created": self.created,
            "creator": BOT_USER_ID,
            "num_members": len(self.members),
            "topic": {"value": "", "creator": "", "last_set": 0},
            "purpose": {"value": "", "creator": "", "last_set": 0},
        }


@dataclass(slots=True, kw_only=True)
class Message:
    """One message, as it stands now."""

    ts: str
    channel: str
    author: str
    """The account that wrote it."""
    text: str = ""
    blocks: list[Json] = field(default_factory=list)
    attachments: list[Json] = field(default_factory=list)
    metadata: Json | None = None
    files: list["Upload"] = field(default_factory=list)
    thread_ts: str | None = None
    """The message it answers in a thread; `None` outside any."""
    broadcast: bool = False
    """Whether a thread's message is shown in the channel too."""
    to: str | None = None
    """The one account that sees it; `None` when everybody does."""
    edits: int = 0
    edited_ts: str | None = None
    username: str = ""
    """The name the bot chose for this message; empty for its own."""

    def json(self) -> Json:
        """Return the message as history and events show it."""
        shown: Json = {
            "type": "message",
            "ts": self.ts,
            "user": self.author,
            "team": TEAM_ID,
            "text": self.text,
        }
        if self.author == BOT_USER_ID:
            shown |= {"bot_id": BOT_ID, "app_id": APP_ID, "bot_profile": bot_profile()}
        if self.blocks:
            shown["blocks"] = copy.deepcopy(self.blocks)
        if self.attachments:
            shown["attachments"] = copy.deepcopy(self.attachments)
        if self.metadata is not None:
            shown["metadata"] = copy.deepcopy(self.metadata)
        if self.files:
            shown["files"] = [file.json() for file in self.files]
        if self.thread_ts is not None:
            shown["thread_ts"] = self.thread_ts
        if self.edited_ts is not None:
            shown["edited"] = {"user": self.author, "ts": self.edited_ts}
        return shown


@dataclass(slots=True, kw_only=True)
class Upload:
    """A file the bot announced; its bytes arrive in a call of their own."""

    id: str
    name: str
    size: int
    title: str = ""
    data: bytes | None = None
    created: int = 0

    def json(self) -> Json:
        """Return the file as `files.completeUploadExternal` shows it."""
        return {
            "id": self.id,
            "name": self.name,
            "title": self.title or self.name,
            "size": self.size,
            "created": self.created,
            "timestamp": self.created,
            "user": BOT_USER_ID,
            "user_team": TEAM_ID,
            "mode": "hosted",
            "is_external": False,
            "is_public": True,
            "filetype": self.name.rpartition(".")[2] or "text",
            "permalink": f"https://{TEAM_DOMAIN}.slack.com/files/{BOT_USER_ID}/{self.id}/{self.name}",
        }


@dataclass(slots=True, kw_only=True)
class View:
    """A modal before a person, with what it came from."""

    id: str
    account: str
    content: Json
    """What the bot gave: title, blocks, callback_id and so on."""
    hash: str
    root: str
    previous: str | None = None
    errors: dict[str, str] = field(default_factory=dict)
    """What the form complains of, by block."""

    def json(self, *, values: Json | None = None) -> Json:
        """Return the view as answers and payloads show it."""
        shown = copy.deepcopy(self.content)
        defaults = {
            "private_metadata": "", "callback_id": "", "external_id": "", "submit": None, "close": None,
            "clear_on_close": False, "notify_on_close": False, "submit_disabled": False,
        }  # fmt: skip
        return {
            **defaults,
            **shown,
            "id": self.id,
            "team_id": TEAM_ID,
            "app_id": APP_ID,
            "app_installed_team_id": TEAM_ID,
            "bot_id": BOT_ID,
            "hash": self.hash,
            "root_view_id": self.root,
            "previous_view_id": self.previous,
            "state": {"values": values or {}},
        }


def bot_profile() -> Json:
    """Return the bot as its messages carry it."""
    return {"id": BOT_ID, "app_id": APP_ID, "name": "watchkeeper", "deleted": False, "updated": 0,
            "team_id": TEAM_ID, "icons": {}}  # fmt: skip


class Workspace:
    """Everything a fake Slack remembers, in memory."""

    def __init__(self, *, bot_name: str = "watchkeeper", clock: Callable[[], float] = time.time) -> None:
        self.clock = clock
        self._numbers = itertools.count(1)
        self._last_ts = 0
        self.people: dict[str, Person] = {
            BOT_USER_ID: Person(id=BOT_USER_ID, name=bot_name, is_bot=True),
        }
        self.channels: dict[str, Channel] = {}
        self.posts: dict[str, Message] = {}
        """Every message that stands, by its ts; the oldest first."""
        self.deleted: set[str] = set()
        """The ts of messages that were there once: their threads live on."""
        self.uploads: dict[str, Upload] = {}
        self.views: dict[str, View] = {}

    # ------------------------------------------------------------ names and numbers

    def new_id(self, letter: str) -> str:
        """Return an id nobody has, in the form of Slack's own."""
        return f"{letter}{next(self._numbers):09d}"

    def new_ts(self) -> str:
        """Return the id of a new message: its time, and unlike any before it."""
        now_us = max(int(self.clock() * 1_000_000), self._last_ts + 1)
        self._last_ts = now_us
        return f"{now_us // 1_000_000}.{now_us % 1_000_000:06d}"

    # ------------------------------------------------------------ people and places

    def add_person(self, name: str) -> Person:
        """Have somebody join the workspace and every channel."""
        person = Person(id=self.new_id("U"), name=name)
        self.people[person.id] = person
        for channel in self.channels.values():
            if channel.direct_to is None:
                channel.members.add(person.id)
        return person

    def add_channel(self, name: str, *, with_bot: bool = True, is_private: bool = False) -> Channel:
        """Make a channel that all people are in, and the bot unless it is kept out."""
        members = {account for account in self.people if with_bot or account != BOT_USER_ID}
        bare = name.removeprefix("#")
        channel = Channel(
            id=self.new_id("C"),
            name=bare,
            members=members,
            is_private=is_private,
            created=int(self.clock()),
        )
        self.channels[channel.id] = channel
        return channel

    def direct_channel(self, account: str) -> Channel:
        """Return the direct messages between a person and the bot, made when they are wanted first."""
        for channel in self.channels.values():
            if channel.direct_to == account:
                return channel
        channel = Channel(
            id=self.new_id("D"),
            name="",
            members={account, BOT_USER_ID},
            direct_to=account,
            created=int(self.clock()),
        )
        self.channels[channel.id] = channel
        return channel

    def find_channel(self, wanted: str) -> Channel | None:
        """Return a channel by its id, its name with or without `#`, or a person whose messages are meant."""
        if wanted in self.channels:
            return self.channels[wanted]
        if wanted in self.people and not self.people[wanted].is_bot:
            return self.direct_channel(wanted)
        bare = wanted.removeprefix("#")
        return next((c for c in self.channels.values() if c.name == bare and c.direct_to is None), None)

    def name_of(self, account: str) -> str:
        """Return the name people see for an account; the id itself where there is none."""
        return self.people[account].name if account in self.people else account

    def channel_name(self, channel: str) -> str:
        """Return the name people see for a channel; the id itself where there is none."""
        return self.channels[channel].name or "directmessage" if channel in self.channels else channel

    # ------------------------------------------------------------ messages

    def post(self, **fields: Any) -> Message:
        """Keep a new message, written now."""
        message = Message(ts=self.new_ts(), **fields)
        self.posts[message.ts] = message
        return message

    def replies(self, ts: str) -> list[Message]:
        """Return the messages in the thread of one, which is left out itself; the oldest first."""
        return [m for m in self.posts.values() if m.thread_ts == ts and m.ts != ts and m.to is None]
