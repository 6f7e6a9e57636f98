"""Interactions: what people do with the bot, and how it answers within its times."""

import asyncio
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from simulator.fakes.fake_discord import shapes
from simulator.fakes.fake_discord.component_rules import check_modal, numbered
from simulator.fakes.fake_discord.message_rules import LARGEST_FILE_BYTES
from simulator.fakes.fake_discord.posting import Platform, Uploads
from simulator.fakes.fake_discord.refusals import Form, Json, Refused, unknown
from simulator.fakes.fake_discord.world import BOT, EPHEMERAL, LOADING, Message

COMMAND, COMPONENT, COMPLETING, MODAL_SENT = 2, 3, 4, 5
REPLY, DEFER, DEFER_UPDATE, UPDATE, CHOICES, MODAL = 4, 5, 6, 7, 8, 9
_MAY_ANSWER: Final = {
    COMMAND: (REPLY, DEFER, MODAL),
    COMPONENT: (REPLY, DEFER, DEFER_UPDATE, UPDATE, MODAL),
    COMPLETING: (CHOICES,),
    MODAL_SENT: (REPLY, DEFER, DEFER_UPDATE, UPDATE),
}
TOKEN_LASTS_S: Final = 15 * 60.0
MOST_OFFERED: Final = 25


class Talk:
    """One interaction: something a person did, and what came of it."""

    def __init__(self, *, identifier: str, kind: int, account: str, channel: str, at: float,
                 message: str | None) -> None:  # fmt: skip
        """Begin unanswered."""
        self.id, self.kind, self.account, self.channel, self.at = identifier, kind, account, channel, at
        self.message = message
        self.token = secrets.token_urlsafe(48)
        self.answered: int | None = None
        self.acked_at: float | None = None
        self.is_late = False
        self.original: str | None = None
        self.waiting: str | None = None
        """The message that says the bot is thinking, until its first follow-up takes the place."""
        self.choices: list[Json] = []
        self.modal: Json | None = None
        self.written: list[str] = []
        self.acked, self.shown, self.touched = asyncio.Event(), asyncio.Event(), asyncio.Event()


class Talks:
    """All interactions, by id and token."""

    def __init__(self, platform: Platform, *, ack_limit_s: float) -> None:
        """Listen for what the bot writes."""
        self.platform, self.ack_limit_s = platform, ack_limit_s
        self._by_id: dict[str, Talk] = {}
        self._by_token: dict[str, Talk] = {}
        self._running: set[Talk] = set()
        self.calls_under_way = 0
        self.called = asyncio.Event()
        """Pulsed after every call of the bot's."""
        platform.on_written.append(self._heard)

    # ------------------------------------------------------------ what people do

    def begin(self, kind: int, data: Json, *, account: str, channel: str, copies: int = 1,
              message: Message | None = None) -> Talk:  # fmt: skip
        """Send the bot an interaction, so many times."""
        world = self.platform.world
        talk = Talk(identifier=world.next_id(), kind=kind, account=account, channel=channel,
                    at=self.platform.clock.now(), message=message.id if message else None)  # fmt: skip
        self._by_id[talk.id] = self._by_token[talk.token] = talk
        self._running.add(talk)
        event = self._event(talk, data)
        if message is not None:
            event["message"] = self.platform.shape(message)
        self.platform.gateway.tell("INTERACTION_CREATE", lambda _: event, times=copies)
        return talk

    def end(self, talk: Talk) -> None:
        """Stop waiting for more of it."""
        self._running.discard(talk)

    def _event(self, talk: Talk, data: Json) -> Json:
        world = self.platform.world
        place, person = world.channel(talk.channel), world.people[talk.account]
        event: Json = {
            "id": talk.id, "application_id": world.application, "type": talk.kind, "token": talk.token,
            "version": 1, "data": data, "channel_id": place.id, "locale": "en-US", "entitlements": [],
            "channel": shapes.channel(world, place) | {"permissions": str(person.permissions)},
            "app_permissions": str(BOT), "attachment_size_limit": LARGEST_FILE_BYTES,
        }  # fmt: skip
        if world.is_direct(place.id):
            owners = {"1": talk.account}
            who: Json = {"user": shapes.user(world, talk.account), "context": 1}
        else:
            owners = {"0": world.guild}
            member = shapes.member(world, talk.account) | {"permissions": str(person.permissions)}
            guild = {"id": world.guild, "locale": "en-US", "features": []}
            who = {
                "member": member,
                "guild_id": world.guild,
                "guild_locale": "en-US",
                "guild": guild,
                "context": 0,
            }
        return event | who | {"authorizing_integration_owners": owners}

    def _heard(self, message: Message, via: str | None) -> None:
        """Note what the bot wrote with those it answers: by token, or else by place."""
        place = self.platform.world.channels.get(message.channel)
        near = {message.channel, place.parent if place else None}
        for talk in self._running:
            if via == talk.token or (via is None and talk.acked.is_set() and talk.channel in near):
                if message.id not in talk.written:
                    talk.written.append(message.id)
                if not message.flags & LOADING:
                    talk.shown.set()
                talk.touched.set()

    @contextmanager
    def call(self) -> Iterator[None]:
        """Have those who wait for the bot know that it is calling."""
        self.calls_under_way += 1
        try:
            yield
        finally:
            self.calls_under_way -= 1
            self.called.set()
            self.called.clear()
            for talk in self._running:
                talk.touched.set()

    # ------------------------------------------------------------ the bot's first answer

    def callback(self, identifier: str, token: str, body: Json, files: Uploads) -> Json:
        """Take the bot's answer and return what it is told with `with_response`. Raises `Refused`."""
        talk = self._by_id.get(identifier)
        now = self.platform.clock.now()
        if talk is None or talk.token != token or (talk.acked_at is None and self._too_late(talk, now)):
            raise unknown("interaction")
        if talk.answered is not None:
            raise Refused(400, 40060, "Interaction has already been acknowledged.")
        form = Form()
        kind = body.get("type")
        if (
            form.one_of(kind, ["type"], _MAY_ANSWER[talk.kind])
            and kind in (UPDATE, DEFER_UPDATE)
            and not talk.message
        ):
            form.one_of(kind, ["type"], (REPLY, DEFER))
        data = form.table(body.get("data") or {}, ["data"])
        form.integer(data.get("flags"), ["data", "flags"], 0, (1 << 31) - 1)
        form.check()
        try:
            resource = self._do(talk, kind, data, files)
        except Refused as refused:
            # Here the message is a part of the form, and so are its faults.
            if refused.errors and "data" not in refused.errors:
                refused.errors = {"data": refused.errors}
            raise
        talk.answered, talk.acked_at = kind, now
        talk.acked.set()
        told: Json = {"id": talk.id, "type": talk.kind, "activity_instance_id": None}
        if talk.original is not None and resource is not None:
            original = self.platform.world.messages[talk.original]
            told |= {
                "response_message_id": original.id,
                "response_message_loading": bool(original.flags & LOADING),
                "response_message_ephemeral": bool(original.flags & EPHEMERAL),
            }
        return {"interaction": told} | (
            {"resource": {"type": kind} | resource} if resource is not None else {}
        )

    def _too_late(self, talk: Talk, now: float) -> bool:
        return talk.is_late or now - talk.at > self.ack_limit_s

    def _do(self, talk: Talk, kind: object, data: Json, files: Uploads) -> Json | None:
        if kind == REPLY:
            return {"message": self.platform.shape(self._reply(talk, data, files))}
        if kind == DEFER:
            body: Json = {"flags": LOADING | ((data.get("flags") or 0) & EPHEMERAL)}
            talk.waiting = self._reply(talk, body, {}, unchecked=True).id
            return {"message": self.platform.shape(self.platform.world.messages[talk.waiting])}
        if kind in (UPDATE, DEFER_UPDATE) and talk.message:
            stored = self.platform.world.messages.get(talk.message)
            if stored is None:
                raise unknown("Message")
            talk.original = stored.id
            if kind == UPDATE:
                self.platform.edit(stored, data, files, via=talk.token)
                return {"message": self.platform.shape(stored)}
        elif kind == CHOICES:
            talk.choices = _checked_choices(data)
        elif kind == MODAL:
            form = Form()
            check_modal(form, data)
            form.check()
            talk.modal = data | {"components": numbered(data["components"])}
        return None

    def _reply(self, talk: Talk, data: Json, files: Uploads, *, unchecked: bool = False) -> Message:
        is_private = bool((data.get("flags") or 0) & EPHEMERAL)
        posted = self.platform.post(
            data, files, channel=talk.channel, viewer=talk.account if is_private else None,
            origin=self._origin(talk), via=talk.token, unchecked=unchecked,
        )  # fmt: skip
        talk.original = talk.original or posted.id
        return posted

    def _origin(self, talk: Talk) -> Json:
        world = self.platform.world
        owners = {"1": talk.account} if world.is_direct(talk.channel) else {"0": world.guild}
        who = {"id": talk.id, "type": talk.kind, "user": shapes.user(world, talk.account)}
        return who | {"authorizing_integration_owners": owners}

    # ------------------------------------------------------------ what it says later

    def by_token(self, application: str, token: str) -> Talk:
        """Return an answered interaction by its token. Raises `Refused` when that ran out, or was none."""
        talk = self._by_token.get(token)
        if talk is None or application != self.platform.world.application or talk.answered is None:
            raise unknown("Webhook")
        if self.platform.clock.now() - talk.at > TOKEN_LASTS_S:
            raise Refused(401, 50027, "Invalid Webhook Token")
        return talk

    def follow_up(self, talk: Talk, body: Json, files: Uploads) -> Message:
        """Say something more; the first time after a deferred answer that is the answer itself."""
        waiting = self.platform.world.messages.get(talk.waiting or "")
        if waiting is not None:
            talk.waiting = None
            self.platform.edit(waiting, body, files, via=talk.token)
            return waiting
        return self._reply(talk, body, files)

    def find(self, talk: Talk, message_id: str) -> Message:
        """Return a message that was written through a token. Raises `Refused`."""
        wanted = talk.original if message_id == "@original" else message_id
        stored = self.platform.world.messages.get(wanted or "")
        is_own = stored is not None and (
            stored.id == talk.original or (stored.origin is not None and stored.origin["id"] == talk.id)
        )
        if stored is None or not is_own:
            raise unknown("Message")
        return stored

    def edit(self, talk: Talk, message_id: str, body: Json, files: Uploads) -> Message:
        """Change a message that was written through a token. Raises `Refused`."""
        stored = self.find(talk, message_id)
        self.platform.edit(stored, body, files, via=talk.token)
        if stored.id == talk.waiting:
            talk.waiting = None
        return stored


def _checked_choices(data: Json) -> list[Json]:
    form = Form()
    at: list[str | int] = ["data", "choices"]
    choices = form.items(data.get("choices"), at, MOST_OFFERED)
    for index, choice in enumerate(choices):
        form.text(
            form.table(choice, [*at, index]).get("name"), [*at, index, "name"], 100, shortest=1, required=True
        )
        if isinstance(choice, dict) and isinstance(choice.get("value"), str):
            form.text(choice["value"], [*at, index, "value"], 100)
    form.check()
    return choices
