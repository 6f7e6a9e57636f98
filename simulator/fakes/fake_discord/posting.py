"""The platform's own doing: messages posted, edited and removed, threads begun, and the bot told of it."""

import re
from collections.abc import Callable, Mapping
from typing import Final

from msgspec import Struct

from simulator.fakes.fake_discord import shapes
from simulator.fakes.fake_discord.clocks import Clock
from simulator.fakes.fake_discord.component_rules import numbered
from simulator.fakes.fake_discord.gateway import (
    DIRECT_MESSAGES,
    GUILD_MESSAGES,
    GUILDS,
    MESSAGE_CONTENT,
    Gateway,
)
from simulator.fakes.fake_discord.message_rules import check_file, check_message
from simulator.fakes.fake_discord.refusals import Json, Refused, unknown
from simulator.fakes.fake_discord.world import (
    DIRECT,
    EPHEMERAL,
    HAS_THREAD,
    LOADING,
    PUBLIC_THREAD,
    Channel,
    Message,
    World,
)

_NONCE_KEPT: Final = 300.0
"""Discord says "a few minutes"."""
# Of the flags a bot may ask for: no previews of links, seen by one, no sound, the newer components.
_MAY_SET: Final = 1 << 2 | EPHEMERAL | 1 << 12 | 1 << 15


class Upload(Struct, frozen=True, kw_only=True):
    """A file that came with a request."""

    name: str
    kind: str
    content: bytes


Uploads = Mapping[str, Upload]
"""By the number in `files[number]`, as text."""

Written = Callable[[Message, str | None], None]
"""Hears of each message of the bot's that was posted, edited or removed, and through which token."""


class Platform:
    """What happens on the platform, whoever makes it happen."""

    def __init__(self, world: World, clock: Clock, gateway: Gateway) -> None:
        """Begin with nobody listening for what the bot writes."""
        self.world, self.clock, self.gateway = world, clock, gateway
        self.base_url = ""
        self.on_written: list[Written] = []

    # ------------------------------------------------------------ messages

    def post(
        self, body: Json, files: Uploads, *, channel: str, author: str | None = None,
        viewer: str | None = None, origin: Json | None = None, via: str | None = None,
        unchecked: bool = False,
    ) -> Message:  # fmt: skip
        """Post a message. Raises `Refused` for one the platform does not take."""
        world = self.world
        place = world.channel(channel)
        if not unchecked:
            check_message(body, files=len(files))
        if author is None and viewer is None:
            self._check_may_write(place)
            if (earlier := self._same_nonce(body, channel)) is not None:
                return earlier
        reference = body.get("message_reference")
        if reference and str(reference.get("message_id")) not in world.messages:
            raise Refused(400, 50035, "Invalid Form Body", errors={"message_reference": {"_errors": [
                {"code": "REPLIES_UNKNOWN_MESSAGE", "message": "Unknown message"}]}})  # fmt: skip
        stored = Message(
            id=world.next_id(),
            channel=channel,
            author=author or world.bot,
            created=self.clock.now(),
            content=body.get("content") or "",
            embeds=[_embed(one) for one in body.get("embeds") or []],
            components=numbered(body.get("components") or []),
            flags=(body.get("flags") or 0) & (_MAY_SET | LOADING),
            allowed=body.get("allowed_mentions"),
            viewer=viewer,
            origin=origin,
            reference=dict(reference) if reference else None,
            nonce=body.get("nonce"),
        )
        stored.attachments = self._attached(stored, body, files, kept=[])
        world.messages[stored.id] = stored
        place.archived = False
        place.newest = place.newest if viewer else stored.id
        self._tell_message("MESSAGE_CREATE", stored)
        if author is None:
            self._written(stored, via)
        return stored

    def _same_nonce(self, body: Json, channel: str) -> Message | None:
        """Return what the bot posted within the past few minutes under a nonce it wants to be used once."""
        if not body.get("enforce_nonce") or body.get("nonce") is None:
            return None
        since = self.clock.now() - _NONCE_KEPT
        fitting = (
            earlier
            for earlier in self.world.messages.values()
            if earlier.author == self.world.bot and earlier.channel == channel and earlier.created >= since
        )
        return next((earlier for earlier in fitting if earlier.nonce == body["nonce"]), None)

    def edit(self, stored: Message, body: Json, files: Uploads, *, via: str | None = None) -> None:
        """Change what a body names of a message. Raises `Refused`."""
        kept = {
            name: getattr(stored, name)
            for name in ("content", "embeds", "components", "attachments", "flags")
        }
        check_message(body, files=len(files), kept=kept)
        attachments = stored.attachments
        if files or "attachments" in body:
            named = {str(one.get("id")) for one in body.get("attachments") or []}
            before = [one for one in attachments if one["id"] in named or "attachments" not in body]
            attachments = self._attached(stored, body, files, kept=before)
        if "content" in body:
            stored.content = body["content"] or ""
        if "embeds" in body:
            stored.embeds = [_embed(one) for one in body["embeds"] or []]
        if "components" in body:
            stored.components = numbered(body["components"] or [])
        if "allowed_mentions" in body:
            stored.allowed = body["allowed_mentions"]
        stored.flags = (stored.flags & ~LOADING) | ((body.get("flags") or 0) & _MAY_SET & ~EPHEMERAL)
        stored.attachments = attachments
        stored.edited, stored.edits = self.clock.now(), stored.edits + 1
        self._tell_message("MESSAGE_UPDATE", stored)
        self._written(stored, via)

    def remove(self, stored: Message, *, via: str | None = None) -> None:
        """Delete a message and tell the bot of it."""
        del self.world.messages[stored.id]
        if stored.viewer is None:
            gone: Json = {"id": stored.id, "channel_id": stored.channel}
            if not self.world.is_direct(stored.channel):
                gone["guild_id"] = self.world.guild
            self.gateway.tell(
                "MESSAGE_DELETE", lambda intents: gone if intents & self._wanted(stored.channel) else None
            )
        self._written(stored, via)

    def shape(self, stored: Message) -> Json:
        """Return a message as the bot reads it."""
        return shapes.message(self.world, stored, base_url=self.base_url)

    def _check_may_write(self, place: Channel) -> None:
        if not place.bot_may_write:
            raise Refused(403, 50013, "Missing Permissions")
        if place.kind == DIRECT and not self.world.people[place.recipient or ""].takes_direct:
            raise Refused(403, 50007, "Cannot send messages to this user")

    def _attached(self, stored: Message, body: Json, files: Uploads, *, kept: list[Json]) -> list[Json]:
        described = {str(one.get("id")): one for one in body.get("attachments") or []}
        for upload in files.values():
            check_file(len(upload.content))
        fresh = []
        for number, upload in files.items():
            said = described.get(number, {})
            name = re.sub(r"[^\w.-]", "_", said.get("filename") or upload.name)
            identifier = self.world.next_id()
            path = f"/attachments/{stored.channel}/{identifier}/{name}"
            self.world.files[path] = (upload.kind, upload.content)
            one = {"id": identifier, "filename": name, "size": len(upload.content), "url": path,
                   "content_type": upload.kind}  # fmt: skip
            fresh.append(one | ({"description": said["description"]} if said.get("description") else {}))
        return kept + fresh

    def _written(self, stored: Message, via: str | None) -> None:
        for hear in list(self.on_written):
            hear(stored, via)

    def _wanted(self, channel: str) -> int:
        return DIRECT_MESSAGES if self.world.is_direct(channel) else GUILD_MESSAGES

    def _tell_message(self, kind: str, stored: Message) -> None:
        """Tell of a message, its content only to those who may read it. Ephemeral ones are told to nobody."""
        if stored.viewer is not None:
            return
        whole = self.shape(stored)
        if not self.world.is_direct(stored.channel):
            whole["guild_id"] = self.world.guild
            whole["member"] = shapes.member(self.world, stored.author, with_user=False)
        hidden = whole | {"content": "", "embeds": [], "components": [], "attachments": []}
        is_open = (
            stored.author == self.world.bot
            or self.world.is_direct(stored.channel)
            or any(one["id"] == self.world.bot for one in whole["mentions"])
        )

        def told(intents: int) -> Json | None:
            if not intents & self._wanted(stored.channel):
                return None
            return whole if is_open or intents & MESSAGE_CONTENT else hidden

        self.gateway.tell(kind, told)

    # ------------------------------------------------------------ channels

    def add_channel(self, name: str) -> Channel:
        """Make a text channel."""
        place = Channel(id=self.world.next_id(), name=name, created=self.clock.now())
        self.world.channels[place.id] = place
        self._tell_channel("CHANNEL_CREATE", place)
        return place

    def start_thread(self, body: Json, *, parent: str, starter: Message | None = None) -> Channel:
        """Begin a thread, from a message or on its own. Raises `Refused`."""
        self._check_may_write(self.world.channel(parent))
        if starter is not None and starter.flags & HAS_THREAD:
            raise Refused(400, 160004, "A thread has already been created for this message")
        place = Channel(
            id=starter.id if starter else self.world.next_id(),
            name=body["name"],
            kind=PUBLIC_THREAD if starter else body.get("type") or 12,
            parent=parent,
            starter=starter.id if starter else None,
            archive_after_min=body.get("auto_archive_duration") or 1440,
            created=self.clock.now(),
        )
        self.world.channels[place.id] = place
        if starter is not None:
            starter.flags |= HAS_THREAD
        self._tell_channel("THREAD_CREATE", place, newly_created=True)
        return place

    def change_channel(self, place: Channel, body: Json) -> None:
        """Rename a channel or archive a thread."""
        place.name = body.get("name") or place.name
        place.archived = bool(body.get("archived", place.archived))
        self._tell_channel("THREAD_UPDATE" if place.parent else "CHANNEL_UPDATE", place)

    def open_direct(self, account: str) -> Channel:
        """Return the direct conversation with somebody. Raises `Refused`."""
        if account not in self.world.people:
            raise Refused(400, 50033, "Invalid Recipient(s)")
        for place in self.world.channels.values():
            if place.kind == DIRECT and place.recipient == account:
                return place
        place = Channel(
            id=self.world.next_id(), name="", kind=DIRECT, recipient=account, created=self.clock.now()
        )
        self.world.channels[place.id] = place
        return place

    def _tell_channel(self, kind: str, place: Channel, **more: object) -> None:
        data = shapes.channel(self.world, place) | more
        self.gateway.tell(kind, lambda intents: data if intents & GUILDS else None)

    def thread_of(self, message_id: str) -> str:
        """Return the thread that a message began. Raises `Refused`."""
        if message_id not in self.world.channels:
            raise unknown("Channel")
        return message_id


def _embed(given: Json) -> Json:
    """Return an embed as it is stored: with its type and whole fields, without what is null."""
    kept = {name: value for name, value in given.items() if value is not None}
    if kept.get("fields"):
        kept["fields"] = [{"inline": False, **one} for one in kept["fields"]]
    return {**kept, "type": "rich"}
